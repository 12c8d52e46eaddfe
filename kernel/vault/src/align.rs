//! Finds which rows differ between what the witness holds and what the log holds now.
//!
//! Both sides are read in windows, so that a log of any length is compared in bounded memory. Where they differ,
//! the longest common order of the window (a longest increasing subsequence, since marks do not repeat) is taken as
//! untouched; what lies between was edited, deleted, inserted or moved.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::checkpoint::RowMark;
use crate::merkle::{Frontier, Hash};

/// What happened to a row, or to what protects the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manipulation {
    /// The row says something else than when it was sealed.
    Edited,
    /// The row is gone.
    Deleted,
    /// The row was not there when its neighbours were sealed.
    Inserted,
    /// The row stands in another place.
    Moved,
    /// The numbers from here on were changed.
    Renumbered,
    /// All rows from here on are gone.
    Truncated,
    /// The rows up to here do not give the signed root, although their marks agree.
    Root,
    /// A checkpoint in the database is missing or differs from the witness's, or is not validly signed.
    Checkpoint,
    /// The counter of the log does not agree with its rows.
    Counter,
    /// The witness's own file was changed or is incomplete.
    Witness,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Number of the row when it was sealed; for inserted rows, the number it has now.
    pub seq: i64,
    /// What happened.
    pub what: Manipulation,
    /// More, for a person.
    pub detail: String,
}

pub(crate) struct Expected {
    pub seq: i64,
    pub mark: RowMark,
    /// The signed root, where a checkpoint ends.
    pub root: Option<Hash>,
}

pub(crate) struct Actual {
    pub seq: i64,
    pub mark: RowMark,
    pub leaf: Hash,
    /// Whether the stored hash is the hash of the row.
    pub kept: bool,
}

pub(crate) struct Aligner {
    window: usize,
    pub exp: VecDeque<Expected>,
    pub act: VecDeque<Actual>,
    pub exp_done: bool,
    pub act_done: bool,
    /// What is added to sealed numbers to get the present ones.
    pub shift: i64,
    pub tree: Frontier,
    /// Something differed, so later roots cannot agree.
    pub dirty: bool,
    moved: HashSet<RowMark>,
    pub findings: Vec<Finding>,
}

impl Aligner {
    pub(crate) fn new(window: usize) -> Self {
        Aligner {
            window,
            exp: VecDeque::new(),
            act: VecDeque::new(),
            exp_done: false,
            act_done: false,
            shift: 0,
            tree: Frontier::default(),
            dirty: false,
            moved: HashSet::new(),
            findings: Vec::new(),
        }
    }

    pub(crate) fn wants_expected(&self) -> bool {
        !self.exp_done && self.exp.len() < self.window
    }

    pub(crate) fn wants_actual(&self) -> bool {
        !self.act_done && self.act.len() < self.window
    }

    pub(crate) fn find(&mut self, seq: i64, what: Manipulation, detail: impl Into<String>) {
        self.findings.push(Finding { seq, what, detail: detail.into() });
    }

    /// Compares what is there; both sides must be full or at their end. `true` when every expected row was dealt
    /// with: what is left of the log came later than the last checkpoint.
    pub(crate) fn step(&mut self) -> bool {
        while let (Some(e), Some(a)) = (self.exp.front(), self.act.front()) {
            if e.mark != a.mark {
                break;
            }
            if let (Some(e), Some(a)) = (self.exp.pop_front(), self.act.pop_front()) {
                if a.seq - e.seq != self.shift {
                    self.find(e.seq, Manipulation::Renumbered, format!("it has the number {} now", a.seq));
                    self.shift = a.seq - e.seq;
                }
                self.matched(&e, &a);
            }
        }
        if self.exp.is_empty() && self.exp_done {
            return true;
        }
        if self.wants_expected() || self.wants_actual() {
            return false;
        }
        self.realign();
        self.exp.is_empty() && self.exp_done
    }

    fn matched(&mut self, e: &Expected, a: &Actual) {
        if !a.kept {
            self.find(e.seq, Manipulation::Edited, "its stored hash was changed");
        }
        if self.dirty {
            return;
        }
        self.tree.push(a.leaf);
        if e.root.is_some_and(|r| r != self.tree.root()) {
            self.find(e.seq, Manipulation::Root, "the rows up to here do not give the signed root");
            self.dirty = true;
        }
    }

    fn realign(&mut self) {
        self.dirty = true;
        let at: HashMap<RowMark, (usize, i64)> =
            self.exp.iter().enumerate().map(|(i, e)| (e.mark, (i, e.seq))).collect();
        let here: HashMap<RowMark, i64> = self.act.iter().map(|a| (a.mark, a.seq)).collect();
        let pairs: Vec<Pair> = self
            .act
            .iter()
            .enumerate()
            .filter(|(_, a)| !self.moved.contains(&a.mark))
            .filter_map(|(i, a)| at.get(&a.mark).map(|(j, seq)| (*j, i, seq + self.shift == a.seq)))
            .collect();
        let anchors = longest_increasing(&pairs);
        if anchors.is_empty() {
            let last = self.exp.back().map_or(0, |e| e.seq) + self.shift;
            let es: Vec<Expected> = self.exp.drain(..).collect();
            let n = self.act.iter().take_while(|a| a.seq <= last).count();
            let rows: Vec<Actual> = self.act.drain(..n).collect();
            self.gap(&es, &rows, &at, &here);
            return;
        }
        let (mut e_at, mut a_at) = (0, 0);
        for (j, i) in anchors {
            let es: Vec<Expected> = self.exp.drain(..j - e_at).collect();
            let rows: Vec<Actual> = self.act.drain(..i - a_at).collect();
            let touched = !es.is_empty() || !rows.is_empty();
            self.gap(&es, &rows, &at, &here);
            if let (Some(e), Some(a)) = (self.exp.pop_front(), self.act.pop_front()) {
                if a.seq - e.seq != self.shift && !touched {
                    self.find(e.seq, Manipulation::Renumbered, format!("it has the number {} now", a.seq));
                }
                self.shift = a.seq - e.seq;
                self.matched(&e, &a);
            }
            (e_at, a_at) = (j + 1, i + 1);
        }
    }

    /// Rows between two that are untouched.
    fn gap(
        &mut self,
        es: &[Expected],
        rows: &[Actual],
        at: &HashMap<RowMark, (usize, i64)>,
        here: &HashMap<RowMark, i64>,
    ) {
        let mut missing = Vec::new();
        for e in es {
            if self.moved.contains(&e.mark) {
                continue;
            }
            if let Some(now) = here.get(&e.mark) {
                self.moved.insert(e.mark);
                self.find(e.seq, Manipulation::Moved, format!("it has the number {now} now"));
            } else {
                missing.push(e.seq);
            }
        }
        let mut extra = Vec::new();
        for a in rows {
            if self.moved.contains(&a.mark) {
                continue;
            }
            if let Some((_, sealed)) = at.get(&a.mark) {
                self.moved.insert(a.mark);
                self.find(*sealed, Manipulation::Moved, format!("it has the number {} now", a.seq));
            } else {
                extra.push(a.seq);
            }
        }
        let mut gone = Vec::new();
        for seq in missing {
            match extra.iter().position(|x| *x == seq + self.shift) {
                Some(i) => {
                    extra.remove(i);
                    self.find(seq, Manipulation::Edited, "it says something else than when it was sealed");
                }
                None => gone.push(seq),
            }
        }
        if let Some(first) = gone.first().copied()
            && self.act.is_empty()
            && self.act_done
            && rows.last().is_none_or(|a| a.seq < first + self.shift)
        {
            if !self.findings.iter().any(|f| f.what == Manipulation::Truncated) {
                self.find(
                    first,
                    Manipulation::Truncated,
                    "every row from here to the end of the log is gone",
                );
            }
            gone.clear();
        }
        for seq in gone {
            self.find(seq, Manipulation::Deleted, "it is gone");
        }
        for seq in extra {
            self.find(seq, Manipulation::Inserted, "it was not there when its neighbours were sealed");
        }
    }
}

/// A row that is on both sides: its place among the expected, its place in the log, and whether it still has the
/// number that it was sealed with.
type Pair = (usize, usize, bool);

/// The longest run of pairs in which both places grow; the second grows by itself. Among runs of one length, the one
/// with most rows that kept their number: of two rows that changed places, neither is taken for untouched.
fn longest_increasing(pairs: &[Pair]) -> Vec<(usize, usize)> {
    // A Fenwick tree over the first places: the best run that ends at or before each.
    type Best = (usize, usize, Option<usize>);
    let size = pairs.iter().map(|p| p.0 + 1).max().unwrap_or(0);
    let mut tree: Vec<Best> = vec![(0, 0, None); size + 1];
    let mut before: Vec<Option<usize>> = vec![None; pairs.len()];
    let mut best: Best = (0, 0, None);
    for (n, (place, _, kept)) in pairs.iter().enumerate() {
        let (mut found, mut k): (Best, usize) = ((0, 0, None), *place);
        while k > 0 {
            if (tree[k].0, tree[k].1) > (found.0, found.1) {
                found = tree[k];
            }
            k &= k - 1;
        }
        before[n] = found.2;
        let here = (found.0 + 1, found.1 + usize::from(*kept), Some(n));
        let mut k = place + 1;
        while k <= size {
            if (here.0, here.1) > (tree[k].0, tree[k].1) {
                tree[k] = here;
            }
            k += k & k.wrapping_neg();
        }
        if (here.0, here.1) > (best.0, best.1) {
            best = here;
        }
    }
    let mut run = Vec::with_capacity(best.0);
    let mut next = best.2;
    while let Some(n) = next {
        run.push((pairs[n].0, pairs[n].1));
        next = before[n];
    }
    run.reverse();
    run
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::mark;
    use crate::merkle::leaf;
    use proptest::prelude::*;

    fn compare(sealed: &[u32], now: &[(i64, u32)], window: usize, step: usize) -> Vec<(i64, Manipulation)> {
        let of = |id: u32| leaf(&id.to_be_bytes());
        let mut tree = Frontier::default();
        let mut exp: Vec<Expected> = Vec::new();
        for (i, id) in sealed.iter().enumerate() {
            tree.push(of(*id));
            let root = (i % step == step - 1 || i + 1 == sealed.len()).then(|| tree.root());
            exp.push(Expected { seq: i as i64 + 1, mark: mark(&of(*id)), root });
        }
        let mut exp = exp.into_iter();
        let mut act =
            now.iter().map(|(seq, id)| Actual { seq: *seq, mark: mark(&of(*id)), leaf: of(*id), kept: true });
        let mut a = Aligner::new(window);
        loop {
            while a.wants_expected() {
                match exp.next() {
                    Some(e) => a.exp.push_back(e),
                    None => a.exp_done = true,
                }
            }
            while a.wants_actual() {
                match act.next() {
                    Some(x) => a.act.push_back(x),
                    None => a.act_done = true,
                }
            }
            if a.step() {
                return a.findings.into_iter().map(|f| (f.seq, f.what)).collect();
            }
        }
    }

    fn numbered(ids: &[u32]) -> Vec<(i64, u32)> {
        ids.iter().enumerate().map(|(i, id)| (i as i64 + 1, *id)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn untouched_logs_agree(n in 0u32..300, later in 0u32..40, window in 8usize..64, step in 1usize..20) {
            let now = numbered(&(0..n + later).collect::<Vec<_>>());
            prop_assert_eq!(compare(&(0..n).collect::<Vec<_>>(), &now, window, step), vec![]);
        }

        #[test]
        fn one_act_is_found_at_its_row(
            n in 2usize..300, later in 0u32..40, at in 0usize..300, to in 0usize..300,
            renumber: bool, window in 8usize..64, step in 1usize..20
        ) {
            let sealed: Vec<u32> = (0..n as u32).collect();
            let now: Vec<u32> = (0..n as u32 + later).collect();
            let (at, to) = (at % n, to % n);
            let seq = at as i64 + 1;

            let mut edited = numbered(&now);
            edited[at].1 = 9_999;
            prop_assert_eq!(compare(&sealed, &edited, window, step), vec![(seq, Manipulation::Edited)]);

            let mut deleted = numbered(&now);
            deleted.remove(at);
            if renumber {
                deleted = numbered(&deleted.iter().map(|r| r.1).collect::<Vec<_>>());
            }
            let want = if at + 1 == n && later == 0 { Manipulation::Truncated } else { Manipulation::Deleted };
            // Rows after the last checkpoint have no mark: if they are moved up into the place of the last sealed
            // row, that row looks edited. It is found all the same.
            let want = if at + 1 == n && later > 0 && renumber { Manipulation::Edited } else { want };
            prop_assert_eq!(compare(&sealed, &deleted, window, step), vec![(seq, want)]);

            let mut inserted = now.clone();
            inserted.insert(at, 9_999);
            prop_assert_eq!(
                compare(&sealed, &numbered(&inserted), window, step),
                vec![(seq, Manipulation::Inserted)]
            );

            if at != to {
                let mut swapped = numbered(&now);
                let (a, b) = (swapped[at].1, swapped[to].1);
                swapped[at].1 = b;
                swapped[to].1 = a;
                let found = compare(&sealed, &swapped, window, step);
                prop_assert!(!found.is_empty() && found.len() <= 4, "{:?}", found);
                prop_assert!(found.iter().all(|f| f.0 == seq || f.0 == to as i64 + 1), "{:?}", found);
                if at.abs_diff(to) < window / 2 {
                    prop_assert!(found.iter().all(|f| f.1 == Manipulation::Moved), "{:?}", found);
                }
            }

            if later == 0 {
                let found = compare(&sealed, &numbered(&now[..at]), window, step);
                prop_assert_eq!(found, vec![(seq, Manipulation::Truncated)]);
            }

            let mut shifted = numbered(&now);
            shifted[at..].iter_mut().for_each(|r| r.0 += 1000);
            prop_assert_eq!(compare(&sealed, &shifted, window, step), vec![(seq, Manipulation::Renumbered)]);
        }
    }

    #[test]
    fn all_rows_replaced() {
        let sealed: Vec<u32> = (0..50).collect();
        let now = numbered(&(100..150).collect::<Vec<_>>());
        let found = compare(&sealed, &now, 16, 10);
        assert_eq!(found, (1..=50).map(|s| (s, Manipulation::Edited)).collect::<Vec<_>>());
    }

    #[test]
    fn increasing_runs() {
        let run = |p: &[(usize, bool)]| {
            let pairs: Vec<Pair> =
                p.iter().enumerate().map(|(i, (place, kept))| (*place, i, *kept)).collect();
            longest_increasing(&pairs).into_iter().map(|p| p.0).collect::<Vec<_>>()
        };
        assert!(run(&[]).is_empty());
        assert_eq!(run(&[(5, false), (1, false), (2, false), (0, false), (3, false)]), vec![1, 2, 3]);
        assert_eq!(run(&[(2, false), (1, true), (0, false)]), vec![1]);
        assert_eq!(run(&[(2, false), (1, false), (0, true)]), vec![0]);
    }
}
