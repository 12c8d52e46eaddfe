//! The search over the whole lattice for the node that loses least.
//!
//! It is exact: the result is a node that fulfils the requirement within the suppression limit, and no such node loses
//! less (proved against looking at every node in `tests/it`). Three things make it fast:
//!
//! 1. Nodes are taken in the order of a lower bound of their loss; when the bound reaches the best loss found, nothing
//!    better can come.
//! 2. Predictive tagging (El Emam et al. 2009; Kohlmayer et al. 2012): where the rules are monotone, a node that fails
//!    fails all finer ones. Tags are sought by bisecting a path from the node upwards.
//! 3. Classes are merged from the smallest known finer node, not made from the rows.

use std::rc::Rc;

use crate::grouping::{Grouping, Histograms, Key};
use crate::lattice::{Lattice, MAX_NODES};
use crate::loss::Measure;
use crate::privacy::{Requirement, Scratch};

/// What is to be searched.
pub struct Task<'a> {
    /// The quasi-identifiers.
    pub keys: &'a [Key<'a>],
    /// Finest level allowed of each.
    pub low: Vec<u8>,
    /// Coarsest level allowed of each.
    pub high: Vec<u8>,
    /// How many rows.
    pub rows: usize,
    /// Codes per row of each sensitive column.
    pub sensitive: Vec<&'a [u32]>,
    /// What published classes fulfil.
    pub requirement: &'a Requirement,
    /// How many rows may be suppressed.
    pub limit: usize,
    /// What is minimised.
    pub measure: &'a Measure,
}

/// The best node.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The level of each quasi-identifier.
    pub levels: Vec<u8>,
    /// Rows not published.
    pub suppressed: usize,
    /// Its loss.
    pub loss: f64,
    /// Nodes of the lattice.
    pub nodes: usize,
    /// Nodes that were looked at.
    pub looked_at: usize,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The lattice is too large.
    #[error(
        "the hierarchies have more than {MAX_NODES} combinations of levels; leave out levels (“from”, “to”) or \
         declare fewer quasi-identifiers"
    )]
    TooManyNodes,
    /// The combinations of values cannot be numbered.
    #[error(
        "the quasi-identifiers have more than 2¹²⁸ combinations of values; declare fewer or begin on coarser levels"
    )]
    TooWide,
    /// No node is good enough.
    #[error(
        "no combination of levels is good enough: the nearest must suppress {least} rows, {limit} are allowed; allow \
         coarser levels or more suppression, or ask for less"
    )]
    Impossible {
        /// Fewest rows that any looked-at node must suppress.
        least: usize,
        /// How many may be.
        limit: usize,
    },
}

const LOOKED_AT: u8 = 1;
/// It and all finer nodes fail.
const FAILS: u8 = 2;
/// It and all coarser nodes are within the limit.
const HOLDS: u8 = 4;
/// It and all coarser nodes lose at least as much as the best.
const CUT: u8 = 8;

struct Search<'a> {
    task: &'a Task<'a>,
    lattice: Lattice,
    tags: Vec<u8>,
    values: Vec<usize>,
    monotone: bool,
    bottom: Rc<Grouping>,
    known: Vec<Rc<Grouping>>,
    best: Option<(usize, f64)>,
    best_suppressed: usize,
    least: usize,
    looked_at: usize,
    scratch: Scratch,
}

pub(crate) struct Verdict {
    pub keep: Vec<bool>,
    pub suppressed: usize,
    /// Rows suppressed for rules that are monotone.
    certain: usize,
}

/// Searches, telling `progress` how many of how many nodes are settled.
pub fn search(task: &Task<'_>, progress: &mut dyn FnMut(u64, u64)) -> Result<Found, SearchError> {
    let lattice = Lattice::new(task.low.clone(), task.high.clone()).ok_or(SearchError::TooManyNodes)?;
    let values: Vec<usize> = task.requirement.sensitive.iter().map(|s| s.values()).collect();
    let columns: Vec<(&[u32], usize)> = task.sensitive.iter().copied().zip(values.iter().copied()).collect();
    let (bottom, _) =
        Grouping::of_rows(task.keys, &task.low, task.rows, &columns).ok_or(SearchError::TooWide)?;
    let mut search = Search {
        tags: vec![0; lattice.nodes()],
        lattice,
        values,
        // With nothing suppressed only unions of good classes are made, and those are good (see `privacy`).
        monotone: task.limit == 0 || task.requirement.is_monotone(),
        bottom: Rc::new(bottom),
        known: Vec::new(),
        best: None,
        best_suppressed: 0,
        least: task.rows,
        looked_at: 0,
        scratch: Scratch::default(),
        task,
    };
    search.run(progress)?;
    search.result()
}

impl Search<'_> {
    fn run(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), SearchError> {
        let bounds: Vec<f64> =
            (0..self.lattice.nodes()).map(|n| self.task.measure.bound(&self.lattice.levels(n))).collect();
        let mut order: Vec<u32> = (0..self.lattice.nodes() as u32).collect();
        order.sort_by(|a, b| bounds[*a as usize].total_cmp(&bounds[*b as usize]).then(a.cmp(b)));
        // If even the coarsest fails for certain, everything does.
        self.look(self.lattice.nodes() - 1)?;
        let all = order.len() as u64;
        for (settled, node) in order.into_iter().map(|n| n as usize).enumerate() {
            if self.best.is_some_and(|(_, loss)| bounds[node] >= loss) {
                break;
            }
            if self.tags[node] & (LOOKED_AT | FAILS | CUT) != 0 {
                continue;
            }
            progress(settled as u64, all);
            if self.tags[node] & HOLDS == 0 {
                self.bisect(node, &bounds)?;
            }
            let beaten = self.best.is_some_and(|(_, loss)| bounds[node] >= loss);
            if self.tags[node] & (LOOKED_AT | FAILS | CUT) == 0 && !beaten {
                self.look(node)?;
            }
        }
        Ok(())
    }

    /// Finds where a path upwards from `node` begins to hold, and tags on the way.
    fn bisect(&mut self, node: usize, bounds: &[f64]) -> Result<(), SearchError> {
        let mut path = vec![node];
        let mut at = node;
        loop {
            let open = self.lattice.coarser(at).filter(|n| self.tags[*n] & (LOOKED_AT | HOLDS | CUT) == 0);
            let Some(next) = open.min_by(|a, b| bounds[*a].total_cmp(&bounds[*b])) else { break };
            path.push(next);
            at = next;
        }
        let (mut low, mut high) = (0, path.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.tags[path[middle]] & LOOKED_AT == 0 {
                self.look(path[middle])?;
            }
            if self.tags[path[middle]] & FAILS != 0 {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(())
    }

    /// Looks at a node: tags it and its like, and remembers it when it is the best so far.
    fn look(&mut self, node: usize) -> Result<(), SearchError> {
        let levels = self.lattice.levels(node);
        let finer = |g: &&Rc<Grouping>| g.levels.iter().zip(&levels).all(|(a, b)| a <= b);
        let source =
            self.known.iter().filter(finer).min_by_key(|g| g.rep.len()).unwrap_or(&self.bottom).clone();
        let grouping = if source.levels == levels {
            source
        } else {
            Rc::new(source.roll_up(self.task.keys, &levels, &self.values).ok_or(SearchError::TooWide)?)
        };
        let verdict = judge(self.task.requirement, &grouping, &mut self.scratch);
        self.tags[node] |= LOOKED_AT;
        self.looked_at += 1;
        self.least = self.least.min(verdict.suppressed);
        let (loss, above) = self.task.measure.of(&grouping, self.task.keys, &verdict.keep);
        let within = verdict.suppressed <= self.task.limit && verdict.suppressed < self.task.rows;
        if within && self.best.is_none_or(|(_, best)| loss < best) {
            self.best = Some((node, loss));
            self.best_suppressed = verdict.suppressed;
        }
        let certain = if self.task.limit == 0 { verdict.suppressed } else { verdict.certain };
        if certain > self.task.limit {
            self.spread(node, FAILS, |l, n| l.finer(n).collect());
        } else if within && self.monotone {
            self.spread(node, HOLDS, |l, n| l.coarser(n).collect());
        }
        if self.best.is_some_and(|(_, best)| above >= best) {
            self.spread(node, CUT, |l, n| l.coarser(n).collect());
        }
        self.remember(grouping);
        Ok(())
    }

    fn spread(&mut self, node: usize, tag: u8, next: fn(&Lattice, usize) -> Vec<usize>) {
        let mut open = vec![node];
        while let Some(n) = open.pop() {
            if self.tags[n] & tag == 0 {
                self.tags[n] |= tag;
                open.extend(next(&self.lattice, n));
            }
        }
    }

    /// Keeps the newest groupings, as many as a few times the bottom's classes.
    fn remember(&mut self, grouping: Rc<Grouping>) {
        self.known.push(grouping);
        let room = (4 * self.bottom.rep.len()).max(1 << 20);
        let mut held: usize = self.known.iter().map(|g| g.rep.len()).sum();
        while self.known.len() > 64 || (held > room && self.known.len() > 1) {
            held -= self.known.remove(0).rep.len();
        }
    }

    fn result(self) -> Result<Found, SearchError> {
        let Some((node, loss)) = self.best else {
            return Err(SearchError::Impossible { least: self.least, limit: self.task.limit });
        };
        Ok(Found {
            levels: self.lattice.levels(node),
            suppressed: self.best_suppressed,
            loss,
            nodes: self.lattice.nodes(),
            looked_at: self.looked_at,
        })
    }
}

/// Which classes of a grouping are published, how many rows are not, and how many of them for rules that are monotone.
pub(crate) fn judge(requirement: &Requirement, grouping: &Grouping, scratch: &mut Scratch) -> Verdict {
    let (mut suppressed, mut certain) = (0, 0);
    let mut keep = Vec::with_capacity(grouping.size.len());
    for (class, size) in grouping.size.iter().enumerate() {
        let cells = |i: usize| Histograms::of(&grouping.sensitive[i], class);
        let surely = requirement.certain(*size, cells);
        let holds = surely && requirement.holds(*size, cells, scratch);
        certain += if surely { 0 } else { *size as usize };
        suppressed += if holds { 0 } else { *size as usize };
        keep.push(holds);
    }
    Verdict { keep, suppressed, certain }
}
