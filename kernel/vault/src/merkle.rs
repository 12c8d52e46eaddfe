//! The Merkle tree of RFC 9162 §2.1 (the same as RFC 6962 §2.1) over SHA-256: roots, proofs, and the compact
//! state from which a growing tree goes on.

use ring::digest::{Context, SHA256, digest};

/// A SHA-256 value.
pub type Hash = [u8; 32];

fn hash(parts: &[&[u8]]) -> Hash {
    let mut c = Context::new(&SHA256);
    for p in parts {
        c.update(p);
    }
    let mut out = [0; 32];
    out.copy_from_slice(c.finish().as_ref());
    out
}

/// SHA-256 of some bytes.
pub fn sha256(b: &[u8]) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, b).as_ref());
    out
}

/// The hash of a leaf: `SHA-256(0x00 ‖ data)` (RFC 9162 §2.1.1), which no inner node can have.
pub fn leaf(data: &[u8]) -> Hash {
    hash(&[&[0], data])
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)` (RFC 9162 §2.1.1).
pub fn node(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[1], left, right])
}

/// The largest power of two smaller than `n` (which is at least 2).
fn split(n: usize) -> usize {
    1 << (usize::BITS - 1 - (n - 1).leading_zeros())
}

/// The root over leaf hashes (RFC 9162 §2.1.1); of an empty tree, SHA-256 of nothing.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut f = Frontier::default();
    for l in leaves {
        f.push(*l);
    }
    f.root()
}

/// The roots of the full subtrees of a tree, largest first: all that is needed to go on adding leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// How many leaves were added.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut h = leaf;
        // One full subtree of each size that is a 1 in the binary number of leaves, as a counter carries.
        let mut n = self.size;
        while n & 1 == 1 {
            let Some(left) = self.nodes.pop() else { break };
            h = node(&left, &h);
            n >>= 1;
        }
        self.nodes.push(h);
        self.size += 1;
    }

    /// The root of the tree so far.
    pub fn root(&self) -> Hash {
        let mut it = self.nodes.iter().rev();
        let Some(last) = it.next() else { return sha256(&[]) };
        it.fold(*last, |right, left| node(left, &right))
    }

    /// Size (8 bytes, big-endian), then the subtree roots.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.size.to_be_bytes().to_vec();
        for n in &self.nodes {
            out.extend_from_slice(n);
        }
        out
    }

    /// The inverse of [`Frontier::to_bytes`]; `None` when the bytes are not one.
    pub fn from_bytes(b: &[u8]) -> Option<Self> {
        let (size, rest) = b.split_first_chunk::<8>()?;
        let size = u64::from_be_bytes(*size);
        let (nodes, odd) = rest.as_chunks::<32>();
        (odd.is_empty() && nodes.len() == size.count_ones() as usize)
            .then(|| Frontier { size, nodes: nodes.to_vec() })
    }
}

/// The audit path of leaf `index` (RFC 9162 §2.1.3.1); `None` when there is no such leaf.
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut part, mut i, mut path) = (leaves, index, Vec::new());
    while part.len() > 1 {
        let (left, right) = part.split_at(split(part.len()));
        if i < left.len() {
            path.push(root(right));
            part = left;
        } else {
            path.push(root(left));
            i -= left.len();
            part = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether `path` proves that `leaf` stands at `index` in the tree of `size` leaves (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut f, mut s, mut r) = (index, size - 1, *leaf);
    for p in path {
        if s == 0 {
            return false;
        }
        if f & 1 == 1 || f == s {
            r = node(p, &r);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            r = node(&r, p);
        }
        f >>= 1;
        s >>= 1;
    }
    s == 0 && r == *root
}

/// The proof that the tree of the first `old` leaves is a prefix of the tree of all (RFC 9162 §2.1.4.1); `None`
/// when `old` is 0 or more than there are. Empty when the trees are equal.
pub fn consistency_proof(leaves: &[Hash], old: usize) -> Option<Vec<Hash>> {
    if old == 0 || old > leaves.len() {
        return None;
    }
    let (mut part, mut m, mut whole, mut path) = (leaves, old, true, Vec::new());
    while m != part.len() {
        let (left, right) = part.split_at(split(part.len()));
        if m <= left.len() {
            path.push(root(right));
            part = left;
        } else {
            path.push(root(left));
            m -= left.len();
            part = right;
            whole = false;
        }
    }
    if !whole {
        path.push(root(part));
    }
    path.reverse();
    Some(path)
}

/// Whether `path` proves that the tree (`old`, `old_root`) is a prefix of (`new`, `new_root`) (RFC 9162 §2.1.4.2).
pub fn verify_consistency(old: u64, new: u64, old_root: &Hash, new_root: &Hash, path: &[Hash]) -> bool {
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    let mut path = path.iter();
    let (mut f, mut s) = (old - 1, new - 1);
    while f & 1 == 1 {
        f >>= 1;
        s >>= 1;
    }
    // Where `old` is a power of two the old root itself is the first node, and the proof leaves it out.
    let first = if old.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut fr, mut sr) = (*first, *first);
    for c in path {
        if s == 0 {
            return false;
        }
        if f & 1 == 1 || f == s {
            fr = node(c, &fr);
            sr = node(c, &sr);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            sr = node(&sr, c);
        }
        f >>= 1;
        s >>= 1;
    }
    s == 0 && fr == *old_root && sr == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition of RFC 9162 §2.1.1, word for word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(b""),
            [one] => *one,
            many => {
                let k = split(many.len());
                node(&by_definition(&many[..k]), &by_definition(&many[k..]))
            }
        }
    }

    fn leaves(n: usize) -> Vec<Hash> {
        (0..n).map(|i| leaf(&i.to_be_bytes())).collect()
    }

    /// The inputs and roots that the test suites of Certificate Transparency logs share.
    #[test]
    fn known_trees() {
        let inputs = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let all: Vec<Hash> = inputs.iter().map(|i| leaf(&hex::decode(i).unwrap())).collect();
        for (n, want) in roots.iter().enumerate() {
            assert_eq!(hex::encode(root(&all[..n])), *want, "{n} leaves");
        }
    }

    #[test]
    fn every_proof_of_every_small_tree() {
        for n in 1..=33usize {
            let all = leaves(n);
            let top = by_definition(&all);
            assert_eq!(root(&all), top);
            for i in 0..n {
                let p = inclusion_proof(&all, i).unwrap();
                assert!(verify_inclusion(&all[i], i as u64, n as u64, &p, &top), "{i} of {n}");
                for other in (0..n).filter(|o| *o != i) {
                    assert!(!verify_inclusion(&all[other], i as u64, n as u64, &p, &top));
                    assert!(!verify_inclusion(&all[i], other as u64, n as u64, &p, &top));
                }
            }
            for m in 1..=n {
                let p = consistency_proof(&all, m).unwrap();
                let old = by_definition(&all[..m]);
                assert!(verify_consistency(m as u64, n as u64, &old, &top, &p), "{m} of {n}");
                for other in (1..=n).filter(|o| *o != m) {
                    let wrong = by_definition(&all[..other]);
                    assert!(!verify_consistency(m as u64, n as u64, &wrong, &top, &p));
                }
            }
        }
        assert_eq!(inclusion_proof(&leaves(3), 3), None);
        assert_eq!(consistency_proof(&leaves(3), 0), None);
        assert_eq!(consistency_proof(&leaves(3), 4), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frontier_goes_on_where_it_stopped(n in 0usize..300, cut in 0usize..300) {
            let all = leaves(n);
            let cut = cut.min(n);
            let mut f = Frontier::default();
            all[..cut].iter().for_each(|l| f.push(*l));
            let mut f = Frontier::from_bytes(&f.to_bytes()).unwrap();
            all[cut..].iter().for_each(|l| f.push(*l));
            prop_assert_eq!(f.root(), by_definition(&all));
            prop_assert_eq!(f.size(), n as u64);
        }

        #[test]
        fn a_changed_proof_proves_nothing(n in 2usize..200, i in 0usize..200, m in 1usize..200, at in 0usize..64, bit in 0u8..8) {
            let all = leaves(n);
            let top = root(&all);
            let (i, m) = (i % n, 1 + m % n);
            let mut p = inclusion_proof(&all, i).unwrap();
            let k = at % p.len();
            p[k][at % 32] ^= 1 << bit;
            prop_assert!(!verify_inclusion(&all[i], i as u64, n as u64, &p, &top));
            let mut p = consistency_proof(&all, m).unwrap();
            if !p.is_empty() {
                let k = at % p.len();
                p[k][at % 32] ^= 1 << bit;
                prop_assert!(!verify_consistency(m as u64, n as u64, &root(&all[..m]), &top, &p));
                p.pop();
                prop_assert!(!verify_consistency(m as u64, n as u64, &root(&all[..m]), &top, &p));
            }
        }

        #[test]
        fn bytes_that_are_no_frontier(b in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Some(f) = Frontier::from_bytes(&b) {
                prop_assert_eq!(f.to_bytes(), b);
            }
        }
    }
}
