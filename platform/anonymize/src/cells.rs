//! Small cells in tables of counts: masked, and so that the margins do not give them away.
//!
//! A count below the threshold says something about few people and is masked (primary suppression). With totals in
//! the table that is not enough: what is masked can be computed from what is not. So further cells are masked
//! (complementary suppression) until for every small cell the range that the published numbers allow is no narrower than
//! what the masks themselves say: “1 to threshold − 1” (or “0 to …” where zeros are masked too; a small total is at
//! least as much as it has masked cells).
//!
//! **How the range is found.** Each inner cell is an edge from its row to its column; row totals are edges from the
//! node of all columns to the row, column totals from the column to the node of all rows, the grand total from there to
//! the node of all columns. “Rows and columns add up” then says that at every node as much flows in as out. The true
//! table is such a flow; the largest a masked edge can be is its value plus the maximum flow from its head to its tail
//! over the other masked edges (Gusfield 1988), the smallest likewise. So the range is exact, over the integers too.
//!
//! **What it is not.** One table by itself: two tables over the same people, or the same table a month later, can be
//! subtracted from each other. No more than two dimensions. It does not stop someone who is in the table and subtracts
//! himself: choose the threshold so that a few accomplices may know their own answers.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The usual threshold: counts below 10 are masked.
pub const USUAL: u64 = 10;

/// Why a table of counts cannot be made safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CellsError {
    /// No cells, or rows of different length.
    #[error("a table of counts has at least one row and one column, and rows of equal length")]
    Shape,
    /// A threshold that masks nothing.
    #[error("the threshold must be from 2 to 1,000,000")]
    Threshold,
    /// Counts too large to add.
    #[error("the counts are too large to add up")]
    Overflow,
}

/// How small cells are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Counts below it are masked.
    pub threshold: u64,
    /// Zeros too. Otherwise a zero is published: it says that there is nobody.
    #[serde(default)]
    pub mask_zero: bool,
}

impl Default for Rule {
    fn default() -> Self {
        Rule { threshold: USUAL, mask_zero: false }
    }
}

/// A table of counts with its totals, small cells masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SafeTable {
    /// `None` is masked. The last row and the last column are the totals.
    pub cells: Vec<Vec<Option<u64>>>,
    /// How many cells were small by themselves, totals included.
    pub small: usize,
    /// How many more were masked to protect them.
    pub complementary: usize,
}

/// Masks small cells of a table of counts (without totals, which are added) and what would give them away.
pub fn protect(counts: &[Vec<u64>], rule: Rule) -> Result<SafeTable, CellsError> {
    if !(2..=1_000_000).contains(&rule.threshold) {
        return Err(CellsError::Threshold);
    }
    let mut net = Net::new(counts, rule)?;
    let small: Vec<usize> = (0..net.edges.len()).filter(|e| net.is_small(net.edges[*e].value)).collect();
    small.iter().for_each(|e| net.edges[*e].masked = true);
    // Masking one more cell never narrows a range, so one pass over the small cells is enough.
    for e in &small {
        let value = net.edges[*e].value;
        let (head, tail) = (net.edges[*e].head, net.edges[*e].tail);
        net.widen(*e, head, tail, (rule.threshold - 1).saturating_sub(value));
        net.widen(*e, tail, head, value.saturating_sub(net.least));
    }
    let masked = net.edges.iter().filter(|e| e.masked).count();
    Ok(SafeTable { cells: net.cells(), small: small.len(), complementary: masked - small.len() })
}

/// The same for a list of counts and its sum, which comes last.
pub fn protect_list(counts: &[u64], rule: Rule) -> Result<SafeTable, CellsError> {
    let column: Vec<Vec<u64>> = counts.iter().map(|c| vec![*c]).collect();
    let table = protect(&column, rule)?;
    // A list of one column has every count twice, as cell and as total of its row; one of them masked means both.
    let list: Vec<Option<u64>> = table.cells.iter().map(|row| row[0].and(row[1])).collect();
    let masked = list.iter().filter(|c| c.is_none()).count();
    let sum = counts.iter().sum();
    let small = counts.iter().chain([&sum]).filter(|c| rule.is_small(**c)).count();
    Ok(SafeTable { cells: vec![list], small, complementary: masked.saturating_sub(small) })
}

/// What a masked cell can be: at least, and at most if there is a limit.
pub type Range = (u64, Option<u64>);

/// The ranges that published numbers allow, totals included, `None` where the number itself is published: what an
/// attacker can compute who knows the table's rule. `counts` is the true table, `published` what was made of it.
pub fn ranges(
    counts: &[Vec<u64>],
    published: &SafeTable,
    rule: Rule,
) -> Result<Vec<Vec<Option<Range>>>, CellsError> {
    let mut net = Net::new(counts, rule)?;
    let width = net.columns + 1;
    for (e, cell) in published.cells.iter().flatten().enumerate() {
        net.edges.get_mut(e).ok_or(CellsError::Shape)?.masked = cell.is_none();
    }
    let range = |e: usize| {
        let edge = net.edges[e];
        edge.masked.then(|| {
            let more = net.flow(e, edge.head, edge.tail, UNBOUNDED).0;
            let less = net.flow(e, edge.tail, edge.head, edge.value.saturating_sub(net.least)).0;
            (edge.value - less, (more < UNBOUNDED).then(|| edge.value + more))
        })
    };
    let all: Vec<_> = (0..net.edges.len()).map(range).collect();
    Ok(all.chunks(width).map(<[_]>::to_vec).collect())
}

impl Rule {
    fn is_small(self, count: u64) -> bool {
        count < self.threshold && (count > 0 || self.mask_zero)
    }
}

const UNBOUNDED: u64 = u64::MAX / 4;

fn sum(mut counts: impl Iterator<Item = u64>) -> Result<u64, CellsError> {
    let sum = counts.try_fold(0u64, u64::checked_add);
    sum.filter(|s| *s < UNBOUNDED / 4).ok_or(CellsError::Overflow)
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    tail: usize,
    head: usize,
    value: u64,
    masked: bool,
    total: bool,
}

struct Net {
    rule: Rule,
    /// The least that a masked cell can be, as everybody knows.
    least: u64,
    columns: usize,
    nodes: usize,
    /// Row by row with totals.
    edges: Vec<Edge>,
    /// Edges at each node.
    at: Vec<Vec<usize>>,
}

impl Net {
    fn new(counts: &[Vec<u64>], rule: Rule) -> Result<Self, CellsError> {
        let (rows, columns) = (counts.len(), counts.first().map_or(0, Vec::len));
        if columns == 0 || counts.iter().any(|r| r.len() != columns) {
            return Err(CellsError::Shape);
        }
        // Nodes: rows, all rows, columns, all columns.
        let (all_rows, first_column, all_columns) = (rows, rows + 1, rows + 1 + columns);
        let mut edges = Vec::with_capacity((rows + 1) * (columns + 1));
        for (i, row) in counts.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                edges.push(Edge {
                    tail: i,
                    head: first_column + j,
                    value: *value,
                    masked: false,
                    total: false,
                });
            }
            let value = sum(row.iter().copied())?;
            edges.push(Edge { tail: all_columns, head: i, value, masked: false, total: true });
        }
        for j in 0..columns {
            let value = sum(counts.iter().map(|r| r[j]))?;
            edges.push(Edge { tail: first_column + j, head: all_rows, value, masked: false, total: true });
        }
        let value = sum(counts.iter().flatten().copied())?;
        edges.push(Edge { tail: all_rows, head: all_columns, value, masked: false, total: true });
        let nodes = rows + columns + 2;
        let mut at = vec![Vec::new(); nodes];
        for (e, edge) in edges.iter().enumerate() {
            at[edge.tail].push(e);
            at[edge.head].push(e);
        }
        Ok(Net { rule, least: u64::from(!rule.mask_zero), columns, nodes, edges, at })
    }

    fn is_small(&self, count: u64) -> bool {
        self.rule.is_small(count)
    }

    fn cells(&self) -> Vec<Vec<Option<u64>>> {
        let shown: Vec<Option<u64>> = self.edges.iter().map(|e| (!e.masked).then_some(e.value)).collect();
        shown.chunks(self.columns + 1).map(<[_]>::to_vec).collect()
    }

    /// How much more can pass through an edge, forwards or backwards, on top of a flow.
    fn room(&self, e: usize, forwards: bool, flow: &[i128]) -> u64 {
        let edge = self.edges[e];
        let now = i128::from(edge.value) + flow[e];
        let room = if forwards { i128::from(UNBOUNDED) - flow[e] } else { now - i128::from(self.least) };
        u64::try_from(room.max(0)).unwrap_or(UNBOUNDED)
    }

    /// The maximum flow from `source` to `sink` over masked edges without `without`, up to `wanted`, and where it goes.
    fn flow(&self, without: usize, source: usize, sink: usize, wanted: u64) -> (u64, Vec<i128>) {
        let mut flow = vec![0i128; self.edges.len()];
        let mut sent = 0;
        while sent < wanted {
            let usable = |e: usize| (e != without && self.edges[e].masked).then_some(0);
            let Some(path) = self.path(source, sink, &flow, usable) else { break };
            let room =
                path.iter().map(|(e, f)| self.room(*e, *f, &flow)).min().unwrap_or(0).min(wanted - sent);
            path.iter().for_each(|(e, f)| flow[*e] += if *f { i128::from(room) } else { -i128::from(room) });
            sent += room;
        }
        (sent, flow)
    }

    /// Masks more cells until `wanted` can flow.
    fn widen(&mut self, small: usize, source: usize, sink: usize, wanted: u64) {
        loop {
            let (sent, flow) = self.flow(small, source, sink, wanted);
            if sent >= wanted {
                return;
            }
            // The cheapest way on top of that flow: cells already masked cost nothing, totals are masked last, and a
            // published zero stays published, since masks do not stand on zeros.
            let price = |e: usize| {
                let edge = self.edges[e];
                if e == small || (edge.value < self.least && !edge.masked) {
                    return None;
                }
                let total = if edge.total { 1 << 40 } else { 0 };
                Some(if edge.masked { 0 } else { edge.value.min(1 << 32) + 1 + total })
            };
            // An inner cell always has a way through its totals, whose values are at least its own. A small total may
            // have none: its cells, each at least 1, do not let it go lower.
            let Some(path) = self.path(source, sink, &flow, price) else { return };
            path.iter().for_each(|(e, _)| self.edges[*e].masked = true);
        }
    }

    /// The cheapest path with room, fewest edges first among equals; its edges and whether they are taken forwards.
    fn path(
        &self,
        source: usize,
        sink: usize,
        flow: &[i128],
        price: impl Fn(usize) -> Option<u64>,
    ) -> Option<Vec<(usize, bool)>> {
        let mut cost: Vec<Option<u64>> = vec![None; self.nodes];
        let mut from: Vec<Option<(usize, bool)>> = vec![None; self.nodes];
        cost[source] = Some(0);
        // Prices are not negative and tables are small: relaxing until nothing changes is fast enough.
        let mut open = VecDeque::from([source]);
        while let Some(node) = open.pop_front() {
            let Some(here) = cost[node] else { continue };
            for e in &self.at[node] {
                let forwards = self.edges[*e].tail == node;
                let next = if forwards { self.edges[*e].head } else { self.edges[*e].tail };
                let Some(p) = price(*e) else { continue };
                if self.room(*e, forwards, flow) > 0 && cost[next].is_none_or(|c| here + p < c) {
                    cost[next] = Some(here + p);
                    from[next] = Some((*e, forwards));
                    open.push_back(next);
                }
            }
        }
        let mut path = Vec::new();
        let mut node = sink;
        while node != source {
            let (e, forwards) = from[node]?;
            path.push((e, forwards));
            node = if forwards { self.edges[e].tail } else { self.edges[e].head };
        }
        Some(path)
    }
}
