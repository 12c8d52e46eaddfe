//! What a class of rows must fulfil: k-anonymity, l-diversity, t-closeness.
//!
//! A class that does not fulfil it is suppressed: none of its rows is published. In the definitions n is the size of
//! the class, q the share of a sensitive value in the class, p its share in the whole table before suppression.
//!
//! - k-anonymity (Sweeney 2002): n ≥ k.
//! - distinct l-diversity: at least l different values. Entropy l-diversity: exp(−Σ q ln q) ≥ l. Recursive
//!   (c,l)-diversity: with counts r₁ ≥ r₂ ≥ …, r₁ < c·(r_l + r_{l+1} + …). All Machanavajjhala et al. 2007.
//! - t-closeness (Li et al. 2007): the earth mover's distance of q and p is at most t. Equal distances:
//!   ½ Σ |q − p|. Ordered values: Σᵢ |Σ_{j≤i} (q_j − p_j)| / (m − 1).
//!
//! **What is monotone.** When a class that has k rows and l distinct values merges with any other class, the union has
//! too. So on coarser nodes never more rows are suppressed for k and distinct l. The other rules hold for unions of
//! classes that fulfil them, but a fulfilling class may merge with a failing one and fail: with suppression they are
//! *not* monotone, and the search must not conclude from them. [`Requirement::certain`] is the monotone part.

use serde::{Deserialize, Serialize};

use crate::hierarchy::Decimal;
use crate::table::Column;

/// Room for rounding in floating point; far below any difference that one row makes in four billion.
const EPS: f64 = 1e-12;

/// How different the sensitive values of a class must be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Diversity {
    /// So many different values.
    Distinct {
        /// At least 2.
        l: u32,
    },
    /// As diverse as `l` equally frequent values.
    Entropy {
        /// Above 1.
        l: f64,
    },
    /// The most frequent value is rarer than `c` times all from the l-th on.
    Recursive {
        /// Above 0.
        c: f64,
        /// At least 2.
        l: u32,
    },
}

/// How near the sensitive values of a class must be to those of the whole table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closeness {
    /// At most this distance, from 0 to 1.
    pub t: f64,
    /// Of what kind.
    #[serde(default)]
    pub distance: Distance,
    /// For ordered values that are not numbers: all values from first to last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<String>,
}

/// The ground distance of the earth mover's distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// Every value is as far from every other.
    #[default]
    Equal,
    /// Neighbours in the order are one step apart.
    Ordered,
}

/// Why a requirement cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivacyError {
    /// A parameter is out of its range.
    #[error("{0}")]
    Range(&'static str),
    /// A value has no place in the order.
    #[error("{0} values are neither numbers nor named in “order”; name all values there from first to last")]
    Order(usize),
}

/// What is asked of one sensitive column.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensitive {
    /// Diversity, if asked for.
    pub diversity: Option<Diversity>,
    /// Largest distance and its kind, if asked for.
    pub closeness: Option<(f64, Distance)>,
    /// How often each value stands in the whole table.
    overall: Vec<u32>,
    /// Place of each value in the order; for equal distances the values as they come.
    rank: Vec<u32>,
}

impl Sensitive {
    /// For a column of the table.
    pub fn new(
        column: &Column,
        diversity: Option<Diversity>,
        closeness: Option<&Closeness>,
    ) -> Result<Self, PrivacyError> {
        match diversity {
            Some(Diversity::Distinct { l } | Diversity::Recursive { l, .. }) if l < 2 => {
                return Err(PrivacyError::Range("l must be at least 2: one value alone is no diversity"));
            }
            Some(Diversity::Entropy { l }) if !l.is_finite() || l <= 1.0 => {
                return Err(PrivacyError::Range("l of entropy must be above 1"));
            }
            Some(Diversity::Recursive { c, .. }) if !c.is_finite() || c <= 0.0 => {
                return Err(PrivacyError::Range("c must be above 0"));
            }
            _ => {}
        }
        if closeness.is_some_and(|c| !(0.0..=1.0).contains(&c.t)) {
            return Err(PrivacyError::Range("t must be from 0 to 1"));
        }
        let ordered = closeness.filter(|c| c.distance == Distance::Ordered);
        let rank = match ordered {
            Some(c) => ranks(column, &c.order)?,
            None => (0..column.values().len() as u32).collect(),
        };
        let closeness = closeness.map(|c| (c.t, c.distance));
        Ok(Sensitive { diversity, closeness, overall: column.counts(), rank })
    }

    /// Whether anything is asked.
    pub fn asks(&self) -> bool {
        self.diversity.is_some() || self.closeness.is_some()
    }

    /// How many values.
    pub fn values(&self) -> usize {
        self.overall.len()
    }

    fn distinct_enough(&self, cells: &[(u32, u32)]) -> bool {
        let needed = match self.diversity {
            None => return true,
            Some(Diversity::Distinct { l } | Diversity::Recursive { l, .. }) => l as usize,
            // exp of the entropy is at most the number of values.
            Some(Diversity::Entropy { l }) => (l - 1e-9).ceil() as usize,
        };
        cells.len() >= needed
    }

    fn holds(&self, cells: &[(u32, u32)], scratch: &mut Scratch) -> bool {
        let diverse = match self.diversity {
            None => true,
            Some(Diversity::Distinct { l }) => cells.len() >= l as usize,
            Some(Diversity::Entropy { l }) => entropy(cells) >= l - 1e-9,
            Some(Diversity::Recursive { c, l }) => recursive(cells, c, l as usize, scratch),
        };
        diverse && self.closeness.is_none_or(|(t, kind)| self.distance(kind, cells, scratch) <= t + EPS)
    }

    /// The earth mover's distance of a class to the whole table. The sums are integers, so it is exact up to the
    /// last division.
    pub fn distance(&self, kind: Distance, cells: &[(u32, u32)], scratch: &mut Scratch) -> f64 {
        emd(kind, cells, &self.overall, &self.rank, scratch)
    }

    /// The same, measured against another distribution of the values.
    pub fn distance_to(
        &self,
        overall: &[u32],
        kind: Distance,
        cells: &[(u32, u32)],
        scratch: &mut Scratch,
    ) -> f64 {
        emd(kind, cells, overall, &self.rank, scratch)
    }
}

/// exp(−Σ q ln q) of a class: as many equally frequent values would be as diverse.
pub fn entropy(cells: &[(u32, u32)]) -> f64 {
    let n: f64 = cells.iter().map(|(_, c)| f64::from(*c)).sum();
    let h: f64 = cells.iter().map(|(_, c)| f64::from(*c) / n).map(|q| -q * q.ln()).sum();
    h.exp()
}

fn recursive(cells: &[(u32, u32)], c: f64, l: usize, scratch: &mut Scratch) -> bool {
    let counts = &mut scratch.counts;
    counts.clear();
    counts.extend(cells.iter().map(|(_, n)| u64::from(*n)));
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let tail: u64 = counts.iter().skip(l - 1).sum();
    counts.first().is_some_and(|r1| (*r1 as f64) < c * tail as f64)
}

fn emd(kind: Distance, cells: &[(u32, u32)], overall: &[u32], rank: &[u32], scratch: &mut Scratch) -> f64 {
    let n: i128 = cells.iter().map(|(_, c)| i128::from(*c)).sum();
    let all: i128 = overall.iter().map(|c| i128::from(*c)).sum();
    if n == 0 || all == 0 {
        return 0.0;
    }
    // q − p over the common denominator n·all.
    let sum = match kind {
        Distance::Equal => {
            let (mut sum, mut met) = (0i128, 0i128);
            for (value, count) in cells {
                let p = i128::from(overall[*value as usize]);
                sum += (i128::from(*count) * all - p * n).abs();
                met += p;
            }
            return (sum + (all - met) * n) as f64 / (2 * n * all) as f64;
        }
        Distance::Ordered => {
            let difference = &mut scratch.difference;
            difference.clear();
            difference.resize(overall.len(), 0);
            for (value, p) in overall.iter().enumerate() {
                difference[rank[value] as usize] -= i128::from(*p) * n;
            }
            for (value, count) in cells {
                difference[rank[*value as usize] as usize] += i128::from(*count) * all;
            }
            let mut so_far = 0i128;
            let distance = |d: &i128| {
                so_far += d;
                so_far.abs()
            };
            difference.iter().map(distance).sum::<i128>()
        }
    };
    let steps = (overall.len() as i128 - 1).max(1);
    sum as f64 / (steps * n * all) as f64
}

fn ranks(column: &Column, order: &[String]) -> Result<Vec<u32>, PrivacyError> {
    let values = column.values();
    let mut places: Vec<(Decimal, usize)> = Vec::with_capacity(values.len());
    for (i, value) in values.iter().enumerate() {
        let place = if order.is_empty() {
            value.parse().ok()
        } else {
            order.iter().position(|o| o == value).map(|p| Decimal::whole(p as i64))
        };
        places.extend(place.map(|p| (p, i)));
    }
    if places.len() < values.len() {
        return Err(PrivacyError::Order(values.len() - places.len()));
    }
    places.sort_unstable();
    let mut rank = vec![0; values.len()];
    for (r, (_, i)) in places.into_iter().enumerate() {
        rank[i] = r as u32;
    }
    Ok(rank)
}

/// Memory that is used again from class to class.
#[derive(Debug, Default)]
pub struct Scratch {
    counts: Vec<u64>,
    difference: Vec<i128>,
}

/// What every published class must fulfil.
#[derive(Debug, Clone, PartialEq)]
pub struct Requirement {
    /// Least size.
    pub k: u32,
    /// Each is checked by itself. If someone may know one of them of a person, declare it a quasi-identifier.
    pub sensitive: Vec<Sensitive>,
}

impl Requirement {
    /// Whether the monotone part holds: what merging with any other class cannot undo.
    pub fn certain<'a>(&self, size: u32, cells: impl Fn(usize) -> &'a [(u32, u32)]) -> bool {
        size >= self.k && self.sensitive.iter().enumerate().all(|(i, s)| s.distinct_enough(cells(i)))
    }

    /// Whether all of it holds.
    pub fn holds<'a>(
        &self,
        size: u32,
        cells: impl Fn(usize) -> &'a [(u32, u32)],
        scratch: &mut Scratch,
    ) -> bool {
        size >= self.k && self.sensitive.iter().enumerate().all(|(i, s)| s.holds(cells(i), scratch))
    }

    /// Whether the monotone part is everything that is asked.
    pub fn is_monotone(&self) -> bool {
        self.sensitive
            .iter()
            .all(|s| s.closeness.is_none() && matches!(s.diversity, None | Some(Diversity::Distinct { .. })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensitive(rows: &[&str], d: Option<Diversity>, c: Option<Closeness>) -> Sensitive {
        Sensitive::new(&Column::new("x", rows.iter().copied()), d, c.as_ref()).unwrap()
    }

    fn close(t: f64, distance: Distance) -> Option<Closeness> {
        Some(Closeness { t, distance, order: Vec::new() })
    }

    /// The salaries of Li, Li and Venkatasubramanian 2007, table 3: nine people earn 3k to 11k; D[{3k,4k,5k}, Q] is
    /// 0.375 and D[{6k,8k,11k}, Q] is 0.167.
    #[test]
    fn the_published_distances_are_met() {
        let salaries = ["3", "4", "5", "6", "7", "8", "9", "10", "11"];
        let s = sensitive(&salaries, None, close(0.2, Distance::Ordered));
        let mut scratch = Scratch::default();
        let one = |v: [u32; 3]| v.map(|v| (v, 1));
        assert!((s.distance(Distance::Ordered, &one([0, 1, 2]), &mut scratch) - 0.375).abs() < 1e-12);
        assert!((s.distance(Distance::Ordered, &one([3, 5, 8]), &mut scratch) - 1.0 / 6.0).abs() < 1e-12);
        assert!(!s.holds(&one([0, 1, 2]), &mut scratch));
        assert!(s.holds(&one([3, 5, 8]), &mut scratch));
        // Equal distances: ½ (3·|1/3 − 1/9| + 6·1/9) = 2/3.
        assert!((s.distance(Distance::Equal, &one([0, 1, 2]), &mut scratch) - 2.0 / 3.0).abs() < 1e-12);
    }

    /// Machanavajjhala et al. 2007, §4: with counts r₁ ≥ … the class fails when one value crowds out the rest.
    #[test]
    fn diversity_of_small_classes() {
        let rows = ["a", "b", "c"];
        let mut scratch = Scratch::default();
        let mut holds = |d, cells: &[(u32, u32)]| sensitive(&rows, Some(d), None).holds(cells, &mut scratch);
        let even = [(0, 2), (1, 2), (2, 2)];
        let skewed = [(0, 4), (1, 1), (2, 1)];
        assert!(holds(Diversity::Distinct { l: 3 }, &skewed));
        assert!(!holds(Diversity::Distinct { l: 3 }, &[(0, 5), (1, 1)]));
        assert!(holds(Diversity::Entropy { l: 3.0 }, &even));
        // exp(−(⅔ ln ⅔ + 2·⅙ ln ⅙)) = 2.381.
        assert!((entropy(&skewed) - 2.381_101_6).abs() < 1e-6);
        assert!(holds(Diversity::Entropy { l: 2.38 }, &skewed));
        assert!(!holds(Diversity::Entropy { l: 2.39 }, &skewed));
        // l = 2: 4 < c·(1 + 1) needs c > 2; l = 3: 4 < c·1 needs c > 4.
        assert!(holds(Diversity::Recursive { c: 2.1, l: 2 }, &skewed));
        assert!(!holds(Diversity::Recursive { c: 2.0, l: 2 }, &skewed));
        assert!(holds(Diversity::Recursive { c: 4.1, l: 3 }, &skewed));
        assert!(!holds(Diversity::Recursive { c: 4.0, l: 3 }, &skewed));
        assert!(!holds(Diversity::Recursive { c: 9.0, l: 3 }, &[(0, 1), (1, 1)]), "two values are not three");
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        let c = Column::new("x", ["低", "中", "高"]);
        let new = |d, c2: Option<Closeness>| Sensitive::new(&c, d, c2.as_ref());
        assert!(new(Some(Diversity::Distinct { l: 1 }), None).is_err());
        assert!(new(Some(Diversity::Distinct { l: 2 }), None).is_ok());
        assert!(new(Some(Diversity::Entropy { l: f64::NAN }), None).is_err());
        assert!(new(None, close(1.1, Distance::Equal)).is_err());
        assert!(new(None, close(1.0, Distance::Equal)).is_ok());
        assert_eq!(new(None, close(0.2, Distance::Ordered)), Err(PrivacyError::Order(3)));
        let order = ["低", "中", "高"].map(str::to_owned).to_vec();
        assert!(new(None, Some(Closeness { t: 0.2, distance: Distance::Ordered, order })).is_ok());
    }
}
