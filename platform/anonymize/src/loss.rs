//! How much is lost: the objectives that the search can minimise, each from 0 (nothing) to 1 (everything).
//!
//! - **Loss** (Iyengar 2002; also GenILoss, NCP): a value generalised to a label that stands for g of the m values of
//!   its domain has lost (g − 1)/(m − 1); a suppressed row has lost everything; the mean over all cells.
//! - **Entropy** (non-uniform entropy, Gionis and Tassa 2009): −log₂ of the share that the true value has among the
//!   rows of its label, summed over all cells and divided by what is lost when nothing is told.
//! - **Discernibility** (Bayardo and Agrawal 2005): Σ |E|² over the published classes plus the number of all rows for
//!   each suppressed row, divided by the square of the number of all rows.
//!
//! **The bound.** A row that is published on a coarser node loses at least what it loses here, and a suppressed one
//! everything. So what *all* rows would lose at a node if none were suppressed bounds from below the loss of the node
//! and of every coarser one. For the first two objectives the bound is a sum over columns, known before looking.

use serde::{Deserialize, Serialize};

use crate::grouping::{Grouping, Key};

/// What the search minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Share of detail lost per cell.
    #[default]
    Loss,
    /// Bits lost per cell.
    Entropy,
    /// Pairs of rows that can no longer be told apart.
    Discernibility,
}

/// An [`Objective`] made ready for a table.
#[derive(Debug, Clone)]
pub struct Measure {
    objective: Objective,
    rows: f64,
    /// Per column, level and label: what one row loses.
    cells: Vec<Vec<Vec<f64>>>,
    /// Per column and level: what all rows lose together.
    sums: Vec<Vec<f64>>,
    /// What a suppressed row loses.
    suppressed: f64,
    /// Subtracted from every sum, which is then divided by `scale`.
    offset: f64,
    scale: f64,
}

impl Measure {
    /// For the rows of the keys; `weights` say how much each column matters.
    pub fn new(objective: Objective, keys: &[Key<'_>], weights: &[f64], rows: usize) -> Self {
        let n = rows as f64;
        let (mut cells, mut sums) = (Vec::new(), Vec::new());
        let (mut suppressed, mut own) = (0.0, 0.0);
        for (key, weight) in keys.iter().zip(weights) {
            let mut counts = vec![0u32; key.ladder.levels.first().map_or(0, |l| l.map.len())];
            key.codes.iter().for_each(|c| counts[*c as usize] += 1);
            let frequency = |level: &crate::hierarchy::Level| {
                let mut f = vec![0u64; level.labels.len()];
                level.map.iter().zip(&counts).for_each(|(label, c)| f[*label as usize] += u64::from(*c));
                f
            };
            let levels: Vec<Vec<f64>> = key
                .ladder
                .levels
                .iter()
                .map(|level| match objective {
                    Objective::Loss => {
                        let all = f64::from(key.ladder.domain.max(2) - 1);
                        level.leaves.iter().map(|g| weight * f64::from(g - 1) / all).collect()
                    }
                    Objective::Entropy => {
                        frequency(level).iter().map(|f| weight * (*f as f64).max(1.0).log2()).collect()
                    }
                    // Used for the bound only: how many labels there are.
                    Objective::Discernibility => vec![0.0; level.labels.len()],
                })
                .collect();
            let total = |(level, cost): (&crate::hierarchy::Level, &Vec<f64>)| {
                frequency(level).iter().zip(cost).map(|(f, c)| *f as f64 * c).sum()
            };
            let column: Vec<f64> = key.ladder.levels.iter().zip(&levels).map(total).collect();
            match objective {
                Objective::Loss => suppressed += weight,
                Objective::Entropy => {
                    suppressed += weight * n.log2();
                    own += column.first().copied().unwrap_or(0.0);
                }
                Objective::Discernibility => {}
            }
            cells.push(levels);
            sums.push(column);
        }
        let (suppressed, scale) = match objective {
            Objective::Discernibility => (n, n * n),
            _ => (suppressed, n * suppressed - own),
        };
        let scale = if scale > 0.0 { scale } else { 1.0 };
        Measure { objective, rows: n, cells, sums, suppressed, offset: own, scale }
    }

    /// No node on these or coarser levels loses less.
    pub fn bound(&self, levels: &[u8]) -> f64 {
        if self.objective == Objective::Discernibility {
            // At best all combinations of labels are equally frequent.
            let classes: f64 =
                self.cells.iter().zip(levels).map(|(c, l)| c[usize::from(*l)].len() as f64).product();
            return 1.0 / classes.min(self.rows);
        }
        let sum: f64 = self.sums.iter().zip(levels).map(|(s, l)| s[usize::from(*l)]).sum();
        (sum - self.offset) / self.scale
    }

    /// What a node loses when only the classes with `keep` are published, and a bound for all coarser nodes that may
    /// be better than [`Measure::bound`].
    pub fn of(&self, grouping: &Grouping, keys: &[Key<'_>], keep: &[bool]) -> (f64, f64) {
        if self.objective == Objective::Discernibility {
            let (mut loss, mut least) = (0.0, 0.0);
            for (size, keep) in grouping.size.iter().map(|s| f64::from(*s)).zip(keep) {
                loss += size * if *keep { size } else { self.suppressed };
                least += size * size;
            }
            return (loss / self.scale, least / self.scale);
        }
        let mut row_cost = vec![0.0f64; grouping.rep.len()];
        for ((key, level), cells) in keys.iter().zip(&grouping.levels).zip(&self.cells) {
            let level = usize::from(*level);
            let (map, cells) = (&key.ladder.levels[level].map, &cells[level]);
            for (cost, row) in row_cost.iter_mut().zip(&grouping.rep) {
                *cost += cells[map[key.codes[*row as usize] as usize] as usize];
            }
        }
        let class = |((cost, size), keep): ((&f64, &u32), &bool)| {
            f64::from(*size) * if *keep { *cost } else { self.suppressed }
        };
        let sum: f64 = row_cost.iter().zip(&grouping.size).zip(keep).map(class).sum();
        ((sum - self.offset) / self.scale, self.bound(&grouping.levels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hierarchy::{Hierarchy, Ladder};
    use crate::table::Column;

    fn measured(objective: Objective, level: u8, keep: [bool; 2]) -> f64 {
        // Four rows a, a, b, c; a and b are x, c is y.
        let column = Column::new("v", ["a", "a", "b", "c"]);
        let rows = Hierarchy::records(b"a,x\nb,x\nc,y\n").unwrap();
        let ladder: Ladder = Hierarchy::Table { file: String::new(), rows }.ladder(&column).unwrap();
        let keys = [Key { codes: column.codes(), ladder: &ladder }];
        let (grouping, _) = Grouping::of_rows(&keys, &[level], 4, &[]).unwrap();
        let keep: Vec<bool> = (0..grouping.rep.len()).map(|i| keep[i.min(1)]).collect();
        let m = Measure::new(objective, &keys, &[1.0], 4);
        let (loss, bound) = m.of(&grouping, &keys, &keep);
        assert!(bound <= loss + 1e-12 && m.bound(&[level]) <= loss + 1e-12);
        loss
    }

    #[test]
    fn losses_by_hand() {
        let all = [true, true];
        for objective in [Objective::Loss, Objective::Entropy] {
            assert!(measured(objective, 0, all).abs() < 1e-12, "nothing is lost");
            assert!((measured(objective, 2, all) - 1.0).abs() < 1e-12, "everything is lost");
        }
        // x stands for two of three values: three rows lose 1/2 each, of four.
        assert!((measured(Objective::Loss, 1, all) - 3.0 / 8.0).abs() < 1e-12);
        // The one row of y suppressed: 3/8 + 1/4.
        assert!((measured(Objective::Loss, 1, [true, false]) - 5.0 / 8.0).abs() < 1e-12);
        // Bits: 2·log₂(3/2) + log₂ 3 of 2·log₂ 2 + 2·log₂ 4 = 6.
        let bits = 2.0 * 1.5f64.log2() + 3f64.log2();
        assert!((measured(Objective::Entropy, 1, all) - bits / 6.0).abs() < 1e-12);
        // 3² + 1² of 4²; with y suppressed 3² + 4.
        assert!((measured(Objective::Discernibility, 1, all) - 10.0 / 16.0).abs() < 1e-12);
        assert!((measured(Objective::Discernibility, 1, [true, false]) - 13.0 / 16.0).abs() < 1e-12);
    }
}
