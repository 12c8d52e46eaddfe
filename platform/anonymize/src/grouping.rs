//! Rows put together by what is published of them: equivalence classes, and how they merge when values grow coarser.
//!
//! The classes at the bottom of the lattice are made once from the rows; every other node merges the classes of a
//! finer node that is already known (roll-up), which costs as much as that node has classes, not rows.

use crate::hierarchy::Ladder;

/// A column of the key: its dictionary codes per row, and its ladder.
pub struct Key<'a> {
    /// Per row.
    pub codes: &'a [u32],
    /// From values to labels on each level.
    pub ladder: &'a Ladder,
}

/// For each class of a grouping the values of one sensitive column with their counts, values ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histograms {
    /// Where each class begins in `cells`, and the end.
    start: Vec<u32>,
    cells: Vec<(u32, u32)>,
}

impl Histograms {
    /// Values and counts of a class.
    pub fn of(&self, class: usize) -> &[(u32, u32)] {
        &self.cells[self.start[class] as usize..self.start[class + 1] as usize]
    }

    /// `member[class]` are pieces of new classes; pieces of one class stand together in `order`.
    fn merge(values: usize, groups: usize, pieces: impl Iterator<Item = (u32, u32, u32)> + Clone) -> Self {
        // Counting sort of the pieces by class, then the counts of each class in one scratch row.
        let mut start = vec![0u32; groups + 1];
        for (group, ..) in pieces.clone() {
            start[group as usize + 1] += 1;
        }
        for g in 0..groups {
            start[g + 1] += start[g];
        }
        let mut sorted = vec![(0u32, 0u32); start[groups] as usize];
        let mut next = start.clone();
        for (group, value, count) in pieces {
            let at = &mut next[group as usize];
            sorted[*at as usize] = (value, count);
            *at += 1;
        }
        let mut scratch = vec![0u32; values];
        let (mut cells, mut out) = (Vec::with_capacity(sorted.len()), Vec::with_capacity(groups + 1));
        let mut seen = Vec::new();
        for g in 0..groups {
            out.push(cells.len() as u32);
            for (value, count) in &sorted[start[g] as usize..start[g + 1] as usize] {
                let sum = &mut scratch[*value as usize];
                if *sum == 0 {
                    seen.push(*value);
                }
                *sum += count;
            }
            seen.sort_unstable();
            cells.extend(seen.drain(..).map(|v| (v, std::mem::take(&mut scratch[v as usize]))));
        }
        out.push(cells.len() as u32);
        Histograms { start: out, cells }
    }
}

/// The classes of one node of the lattice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// The level of each column.
    pub levels: Vec<u8>,
    /// A row of each class.
    pub rep: Vec<u32>,
    /// How many rows each class has.
    pub size: Vec<u32>,
    /// One for each sensitive column.
    pub sensitive: Vec<Histograms>,
}

/// A packed key: 64 bits where they are enough, else 128.
trait Packed: Copy + Default + Eq + std::ops::AddAssign {
    fn part(n: u128) -> Self;
    fn folded(self) -> u64;
}

impl Packed for u64 {
    fn part(n: u128) -> Self {
        n as u64
    }

    fn folded(self) -> u64 {
        self
    }
}

impl Packed for u128 {
    fn part(n: u128) -> Self {
        n
    }

    fn folded(self) -> u64 {
        (self as u64) ^ ((self >> 64) as u64).rotate_left(29)
    }
}

/// Distinct keys, numbered in the order they come: open addressing, as fast as it gets for keys of one size.
struct Numbering<K> {
    slots: Vec<u32>,
    keys: Vec<K>,
}

impl<K: Packed> Numbering<K> {
    fn new(expected: usize) -> Self {
        Numbering { slots: vec![0; (expected.max(4) * 2).next_power_of_two()], keys: Vec::new() }
    }

    fn number(&mut self, key: K) -> u32 {
        if self.keys.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = hash(key) & mask;
        loop {
            match self.slots[at] {
                0 => {
                    self.keys.push(key);
                    self.slots[at] = self.keys.len() as u32;
                    return self.keys.len() as u32 - 1;
                }
                n if self.keys[n as usize - 1] == key => return n - 1,
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        self.slots = vec![0; mask + 1];
        for (i, key) in self.keys.iter().enumerate() {
            let mut at = hash(*key) & mask;
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = i as u32 + 1;
        }
    }
}

/// Multiplication spreads the packed codes over the high bits (Fibonacci hashing, Knuth vol. 3, §6.4).
fn hash<K: Packed>(key: K) -> usize {
    (key.folded().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}

/// For rows of the table the number of each one's combination of labels, counted from 0 in the order they come.
/// `None` when the combinations do not fit into 128 bits.
fn number(
    keys: &[Key<'_>],
    levels: &[u8],
    rows: impl ExactSizeIterator<Item = u32> + Clone,
) -> Option<Vec<u32>> {
    let labels = |(k, l): (&Key<'_>, &u8)| k.ladder.levels[usize::from(*l)].labels.len() as u128;
    let sizes: Vec<u128> = keys.iter().zip(levels).map(labels).collect();
    let all = sizes.iter().try_fold(1u128, |n, size| n.checked_mul(*size))?;
    Some(if all <= u128::from(u64::MAX) {
        number_packed::<u64>(keys, levels, &sizes, rows)
    } else {
        number_packed::<u128>(keys, levels, &sizes, rows)
    })
}

fn number_packed<K: Packed>(
    keys: &[Key<'_>],
    levels: &[u8],
    sizes: &[u128],
    rows: impl ExactSizeIterator<Item = u32> + Clone,
) -> Vec<u32> {
    let mut stride = 1u128;
    let mut packed = vec![K::default(); rows.len()];
    for ((key, level), size) in keys.iter().zip(levels).zip(sizes) {
        // With one label a column tells nothing apart.
        if *size > 1 {
            let map = &key.ladder.levels[usize::from(*level)].map;
            let part: Vec<K> = map.iter().map(|c| K::part(u128::from(*c) * stride)).collect();
            for (p, row) in packed.iter_mut().zip(rows.clone()) {
                *p += part[key.codes[row as usize] as usize];
            }
        }
        stride *= size;
    }
    let mut numbering = Numbering::new(packed.len() / 4);
    packed.into_iter().map(|key| numbering.number(key)).collect()
}

impl Grouping {
    /// The classes of all rows on the given levels, and for each row its class. `sensitive`: codes per row and how
    /// many values there are. `None` when a key would not fit into 128 bits.
    pub fn of_rows(
        keys: &[Key<'_>],
        levels: &[u8],
        rows: usize,
        sensitive: &[(&[u32], usize)],
    ) -> Option<(Grouping, Vec<u32>)> {
        // Rows are counted in 32 bits (`Table`).
        let class = number(keys, levels, 0..rows as u32)?;
        let (mut rep, mut size) = (Vec::new(), Vec::<u32>::new());
        for (row, n) in class.iter().enumerate() {
            if *n as usize == rep.len() {
                rep.push(row as u32);
                size.push(0);
            }
            size[*n as usize] += 1;
        }
        let histogram = |(codes, values): &(&[u32], usize)| {
            Histograms::merge(*values, rep.len(), class.iter().zip(codes.iter()).map(|(g, v)| (*g, *v, 1)))
        };
        let sensitive = sensitive.iter().map(histogram).collect();
        Some((Grouping { levels: levels.to_vec(), rep, size, sensitive }, class))
    }

    /// The classes on coarser levels; `values` counts the values of each sensitive column. `None` when a key would
    /// not fit into 128 bits, which cannot happen where [`Grouping::of_rows`] went well on finer levels.
    pub fn roll_up(&self, keys: &[Key<'_>], levels: &[u8], values: &[usize]) -> Option<Grouping> {
        debug_assert!(self.levels.iter().zip(levels).all(|(a, b)| a <= b));
        let merged = number(keys, levels, self.rep.iter().copied())?;
        let (mut rep, mut size) = (Vec::new(), Vec::<u32>::new());
        for (old, n) in merged.iter().enumerate() {
            if *n as usize == rep.len() {
                rep.push(self.rep[old]);
                size.push(0);
            }
            size[*n as usize] += self.size[old];
        }
        let histogram = |(h, values): (&Histograms, &usize)| {
            let pieces = (0..merged.len())
                .flat_map(|old| h.of(old).iter().map(move |(v, c)| (old, *v, *c)))
                .map(|(old, v, c)| (merged[old], v, c));
            Histograms::merge(*values, rep.len(), pieces)
        };
        let sensitive = self.sensitive.iter().zip(values).map(histogram).collect();
        Some(Grouping { levels: levels.to_vec(), rep, size, sensitive })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hierarchy::Hierarchy;
    use crate::table::Column;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Shape = BTreeMap<Vec<String>, (u32, BTreeMap<u32, u32>)>;

    fn shape(g: &Grouping, keys: &[Key<'_>]) -> Shape {
        let label = |k: &Key<'_>, l: u8, row: u32| {
            let level = &k.ladder.levels[usize::from(l)];
            level.labels[level.map[k.codes[row as usize] as usize] as usize].clone()
        };
        g.rep
            .iter()
            .enumerate()
            .map(|(i, row)| {
                let labels = keys.iter().zip(&g.levels).map(|(k, l)| label(k, *l, *row)).collect();
                (labels, (g.size[i], g.sensitive[0].of(i).iter().copied().collect()))
            })
            .collect()
    }

    /// Seven columns of 1,000 values need 70 bits, thirteen 130.
    #[test]
    fn keys_of_more_than_64_bits_tell_rows_apart_and_more_than_128_are_refused() {
        let rows = 1000usize;
        let columns: Vec<Column> = (0..13)
            .map(|c| {
                // Multiples of 7 are all residues of 1000; from row 900 on, rows repeat the first hundred.
                let all: Vec<String> = (0..rows).map(|r| ((r % 900) * 7 % 1000 + c).to_string()).collect();
                Column::new("x", all.iter().map(String::as_str))
            })
            .collect();
        let whole = Hierarchy::Table {
            file: String::new(),
            rows: (0..1100).map(|v| vec![v.to_string(), "*".to_owned()]).collect(),
        };
        let ladders: Vec<_> = columns.iter().map(|c| whole.ladder(c).unwrap()).collect();
        let keys: Vec<Key<'_>> =
            columns.iter().zip(&ladders).map(|(c, ladder)| Key { codes: c.codes(), ladder }).collect();
        let of = |n: usize| Grouping::of_rows(&keys[..n], &vec![0; n], rows, &[]);
        for n in [1, 6, 7, 12] {
            let (grouping, class) = of(n).unwrap();
            assert_eq!((grouping.rep.len(), grouping.size.iter().sum::<u32>()), (900, 1000), "{n} columns");
            assert!(class.iter().enumerate().all(|(row, c)| *c as usize == row % 900));
        }
        assert!(of(13).is_none());
    }

    proptest! {
        #[test]
        fn rolling_up_is_grouping_afresh(
            rows in prop::collection::vec((0u32..40, 0u32..60, 0u32..4), 1..80),
            a in 0u8..4, b in 0u8..3, da in 0u8..4, db in 0u8..3,
        ) {
            let text = |f: fn(&(u32, u32, u32)) -> u32| {
                let all: Vec<String> = rows.iter().map(|r| f(r).to_string()).collect();
                Column::new("x", all.iter().map(String::as_str))
            };
            let (age, num) = (text(|r| r.0), text(|r| r.1));
            let la = Hierarchy::Ages { widths: vec![5, 10], top: Some(30) }.ladder(&age).unwrap();
            let lb = Hierarchy::Mask { keep: vec![1] }.ladder(&num).unwrap();
            let keys = [Key { codes: age.codes(), ladder: &la }, Key { codes: num.codes(), ladder: &lb }];
            let secret: Vec<u32> = rows.iter().map(|r| r.2).collect();
            let (fine, _) = Grouping::of_rows(&keys, &[a, b], rows.len(), &[(&secret, 4)]).unwrap();
            let to = [(a + da).min(3), (b + db).min(2)];
            let rolled = fine.roll_up(&keys, &to, &[4]).unwrap();
            let (afresh, class) = Grouping::of_rows(&keys, &to, rows.len(), &[(&secret, 4)]).unwrap();
            prop_assert_eq!(shape(&rolled, &keys), shape(&afresh, &keys));
            for (row, g) in class.iter().enumerate() {
                prop_assert!(afresh.rep[*g as usize] as usize <= row);
            }
        }
    }
}
