//! The risk that someone finds a known person in a release.
//!
//! - *Prosecutor*: he knows that the person is in the table. A row's risk is 1/f, f the size of its class.
//! - *Journalist*: he does not know, but has a register of the population. A row's risk is 1/F, F the number of people
//!   of its class in the population (El Emam and Dankar 2008). F is counted in a population table, or estimated as f
//!   divided by the sampled share, which is right on average only and marked so.
//! - *Marketer*: he wants as many as possible and does not mind errors. The expected share of rows found right is
//!   (1/n)·Σ f/F over the classes; where nothing but the table is known F = f and it is classes/n.

use serde::Serialize;

/// The usual thresholds of risk (1/5, 1/10, 1/20).
pub const THRESHOLDS: [f64; 3] = [0.2, 0.1, 0.05];

/// The risks of one attacker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Risk {
    /// Of the row in most danger.
    pub highest: f64,
    /// Over all rows.
    pub average: f64,
    /// For each threshold the share of rows whose risk is above it.
    pub at_risk: Vec<AtRisk>,
}

/// How many rows are above a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtRisk {
    /// Of the risk.
    pub threshold: f64,
    /// Of the rows, 0 to 1.
    pub share: f64,
}

/// Where the population's numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Population {
    /// Counted in a table.
    Counted,
    /// From the share of people in the table.
    Estimated,
}

/// All attackers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Risks {
    /// Knows that the person is there.
    pub prosecutor: Risk,
    /// Compares with the population, where its numbers are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journalist: Option<Risk>,
    /// Expected share of rows found right.
    pub marketer: f64,
    /// Where the population's numbers come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub population: Option<Population>,
    /// Rows that are alone in their class.
    pub uniques: usize,
}

impl Risks {
    /// From the sizes of the classes, and what is known of the population's (same order).
    pub fn of(sizes: &[u32], population: Option<(&[f64], Population)>) -> Self {
        let own: Vec<f64> = sizes.iter().map(|f| f64::from(*f)).collect();
        let rows: f64 = own.iter().sum();
        let prosecutor = risk(sizes, &own);
        let journalist = population.map(|(larger, _)| risk(sizes, larger));
        let people = population.map_or(own.as_slice(), |(larger, _)| larger);
        let found: f64 = own.iter().zip(people).map(|(f, all)| f / all.max(*f)).sum();
        Risks {
            prosecutor,
            journalist,
            marketer: if rows > 0.0 { found / rows } else { 0.0 },
            population: population.map(|(_, p)| p),
            uniques: sizes.iter().filter(|s| **s == 1).count(),
        }
    }
}

fn risk(sizes: &[u32], people: &[f64]) -> Risk {
    let rows: f64 = sizes.iter().map(|s| f64::from(*s)).sum();
    let each = || sizes.iter().zip(people).map(|(f, all)| (f64::from(*f), 1.0 / all.max(1.0)));
    let share = |sum: f64| if rows > 0.0 { sum / rows } else { 0.0 };
    let above = |threshold: f64| each().filter(|(_, r)| *r > threshold + 1e-12).map(|(f, _)| f).sum();
    Risk {
        highest: each().map(|(_, r)| r).fold(0.0, f64::max),
        average: share(each().map(|(f, r)| f * r).sum()),
        at_risk: THRESHOLDS.map(|threshold| AtRisk { threshold, share: share(above(threshold)) }).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn risks_by_hand() {
        // Ten rows in classes of 1, 4 and 5.
        let r = Risks::of(&[1, 4, 5], None);
        assert_eq!(r.prosecutor.highest, 1.0);
        assert!((r.prosecutor.average - 0.3).abs() < 1e-12, "three classes of ten rows");
        assert!((r.marketer - 0.3).abs() < 1e-12);
        let shares: Vec<f64> = r.prosecutor.at_risk.iter().map(|a| a.share).collect();
        assert_eq!(shares, [0.5, 1.0, 1.0], "1/5 is not above 0.2");
        assert_eq!((r.uniques, r.journalist), (1, None));

        let r = Risks::of(&[1, 4, 5], Some((&[10.0, 8.0, 50.0], Population::Counted)));
        let j = r.journalist.unwrap();
        assert_eq!(j.highest, 0.125);
        assert!((j.average - (0.1 + 4.0 / 8.0 + 5.0 / 50.0) / 10.0).abs() < 1e-12);
        assert_eq!(j.at_risk.iter().map(|a| a.share).collect::<Vec<_>>(), [0.0, 0.4, 0.5]);
        assert!((r.marketer - (0.1 + 0.5 + 0.1) / 10.0).abs() < 1e-12);
        assert_eq!(r.prosecutor.highest, 1.0, "what he knows does not depend on the population");
    }
}
