//! The lattice of levels: one node per combination of the columns' levels, ordered by “nowhere finer”.

/// The largest lattice that is searched. Each node needs some ten bytes, whether it is looked at or not.
pub const MAX_NODES: usize = 1 << 21;

/// All combinations of levels from `low[i]` to `high[i]`, numbered.
#[derive(Debug, Clone)]
pub struct Lattice {
    low: Vec<u8>,
    high: Vec<u8>,
    stride: Vec<usize>,
    nodes: usize,
}

impl Lattice {
    /// `None` when there are more than [`MAX_NODES`], or a range is empty.
    pub fn new(low: Vec<u8>, high: Vec<u8>) -> Option<Self> {
        let mut len = 1usize;
        let mut stride = Vec::with_capacity(low.len());
        for (l, h) in low.iter().zip(&high) {
            stride.push(len);
            len = len.checked_mul(usize::from(h.checked_sub(*l)?) + 1).filter(|n| *n <= MAX_NODES)?;
        }
        Some(Lattice { low, high, stride, nodes: len })
    }

    /// How many nodes.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The levels of a node.
    pub fn levels(&self, node: usize) -> Vec<u8> {
        (0..self.low.len()).map(|i| self.level(node, i)).collect()
    }

    fn level(&self, node: usize, i: usize) -> u8 {
        let width = usize::from(self.high[i] - self.low[i]) + 1;
        self.low[i] + (node / self.stride[i] % width) as u8
    }

    /// Nodes one step coarser.
    pub fn coarser(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.low.len())
            .filter(move |i| self.level(node, *i) < self.high[*i])
            .map(move |i| node + self.stride[i])
    }

    /// Nodes one step finer.
    pub fn finer(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.low.len())
            .filter(move |i| self.level(node, *i) > self.low[*i])
            .map(move |i| node - self.stride[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_differ_by_one_step() {
        let l = Lattice::new(vec![1, 0, 0], vec![3, 0, 1]).unwrap();
        assert_eq!(l.nodes(), 6);
        let all: Vec<Vec<u8>> = (0..6).map(|n| l.levels(n)).collect();
        assert_eq!(all[0], [1, 0, 0]);
        assert_eq!(all[5], [3, 0, 1]);
        for n in 0..6 {
            for c in l.coarser(n) {
                let steps: i32 =
                    l.levels(c).iter().zip(l.levels(n)).map(|(a, b)| i32::from(*a) - i32::from(b)).sum();
                assert_eq!(steps, 1);
                assert!(l.finer(c).any(|f| f == n));
            }
        }
        assert_eq!(l.coarser(5).count(), 0);
        assert_eq!(l.finer(0).count(), 0);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert!(Lattice::new(vec![0; 21], vec![1; 21]).is_some());
        assert!(Lattice::new(vec![0; 22], vec![1; 22]).is_none());
        assert!(Lattice::new(vec![2], vec![1]).is_none());
    }
}
