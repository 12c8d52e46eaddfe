//! Counts with noise: differential privacy by the discrete Laplace mechanism, and the budget that it spends.
//!
//! P(x) = ((1 − a)/(1 + a))·a^|x| with a = e^(−ε/Δ), ε the privacy parameter, Δ by how much one person changes the
//! counts. The sampler is exact (Canonne, Kamath and Steinke 2020, algorithms 1 and 2): it compares integers only,
//! because floating-point noise gives the true value away in its last bits (Mironov 2012).
//!
//! Every answer spends; sequential composition adds the ε of all answers about one data set. What is left is in the
//! [`Ledger`], which refuses to spend more. A histogram whose cells no person is in twice spends once.
//!
//! Noise from a seeded source can be taken off again by whoever knows the seed: seeds are for tests.

use kenroku_types::Rng;
use serde::{Deserialize, Serialize};

/// A privacy parameter in millionths, so that budgets add up exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epsilon(u64);

const ONE: u64 = 1_000_000;

impl Epsilon {
    /// From millionths: 500,000 is ε = 0.5.
    pub const fn millionths(n: u64) -> Self {
        Epsilon(n)
    }

    /// For display.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }
}

/// Why noise was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoiseError {
    /// The budget does not allow it.
    #[error("the data set's privacy budget has {} left and {} was asked for; nothing was spent", left.to_f64(), asked.to_f64())]
    Spent {
        /// What is left.
        left: Epsilon,
        /// What was asked for.
        asked: Epsilon,
    },
    /// ε or Δ out of range.
    #[error("ε must be above 0 and at most 100, and the sensitivity from 1 to 1,000,000")]
    Range,
}

/// What a data set's answers have spent. Append-only; keep it with the data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Which data set.
    dataset: String,
    budget: Epsilon,
    entries: Vec<Entry>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What was answered.
    pub what: String,
    /// What it spent.
    pub epsilon: Epsilon,
}

impl Ledger {
    /// A fresh budget.
    pub fn new(dataset: impl Into<String>, budget: Epsilon) -> Self {
        Ledger { dataset: dataset.into(), budget, entries: Vec::new() }
    }

    /// Which data set.
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// All answers so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is left.
    pub fn left(&self) -> Epsilon {
        let spent = self.entries.iter().fold(0u64, |sum, e| sum.saturating_add(e.epsilon.0));
        Epsilon(self.budget.0.saturating_sub(spent))
    }

    /// Spends, or refuses and spends nothing.
    pub fn spend(&mut self, what: impl Into<String>, epsilon: Epsilon) -> Result<Epsilon, NoiseError> {
        let left = self.left();
        if epsilon.0 == 0 {
            return Err(NoiseError::Range);
        }
        if epsilon > left {
            return Err(NoiseError::Spent { left, asked: epsilon });
        }
        self.entries.push(Entry { what: what.into(), epsilon });
        Ok(self.left())
    }
}

/// A scale ε/Δ as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    s: u64,
    t: u64,
}

impl Scale {
    /// `sensitivity`: by how much one person changes all counts together.
    pub fn new(epsilon: Epsilon, sensitivity: u32) -> Result<Self, NoiseError> {
        if epsilon.0 == 0 || epsilon.0 > 100 * ONE || sensitivity == 0 || sensitivity > 1_000_000 {
            return Err(NoiseError::Range);
        }
        Ok(Scale { s: epsilon.0, t: u64::from(sensitivity) * ONE })
    }
}

/// Noise for each of the counts of one answer, spending from the ledger first. Counts may come out negative: that
/// keeps sums unbiased; cut them at 0 only for display.
pub fn noisy_counts(
    counts: &[u64],
    what: impl Into<String>,
    epsilon: Epsilon,
    sensitivity: u32,
    ledger: &mut Ledger,
    rng: &Rng,
) -> Result<Vec<i64>, NoiseError> {
    let scale = Scale::new(epsilon, sensitivity)?;
    ledger.spend(what, epsilon)?;
    let noisy = |c: &u64| i64::try_from(*c).unwrap_or(i64::MAX).saturating_add(discrete_laplace(scale, rng));
    Ok(counts.iter().map(noisy).collect())
}

/// One sample (algorithm 2).
pub fn discrete_laplace(scale: Scale, rng: &Rng) -> i64 {
    let Scale { s, t } = scale;
    loop {
        let u = rng.below(t);
        if !bernoulli_exp(u, t, rng) {
            continue;
        }
        let mut v = 0u64;
        while bernoulli_exp(1, 1, rng) {
            v = v.saturating_add(1);
        }
        let x = v.saturating_mul(t).saturating_add(u);
        let y = i64::try_from(x / s).unwrap_or(i64::MAX);
        let negative = rng.below(2) == 1;
        if negative && y == 0 {
            // Otherwise 0 would come from both signs, twice as often.
            continue;
        }
        return if negative { -y } else { y };
    }
}

/// True with probability e^(−a/b), 0 ≤ a ≤ b (algorithm 1).
fn bernoulli_exp(a: u64, b: u64, rng: &Rng) -> bool {
    let mut k = 1u64;
    // b is at most 10¹²; that k comes near 10⁷, where this could no longer be counted, has a chance of one in (10⁷)!.
    while rng.below(b.saturating_mul(k)) < a {
        k += 1;
    }
    k % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPS_1: Epsilon = Epsilon::millionths(ONE);

    /// Check values for ε = Δ = 1: P(0) = 0.46212, variance 1.8413.
    #[test]
    fn the_distribution_is_the_discrete_laplace() {
        let rng = Rng::seeded(20_200_331);
        let scale = Scale::new(EPS_1, 1).unwrap();
        let n = 200_000;
        let mut histogram = std::collections::BTreeMap::<i64, u32>::new();
        for _ in 0..n {
            *histogram.entry(discrete_laplace(scale, &rng)).or_default() += 1;
        }
        let share = |x: i64| f64::from(*histogram.get(&x).unwrap_or(&0)) / f64::from(n);
        let a = (-1.0f64).exp();
        for x in -4i64..=4 {
            let p = (1.0 - a) / (1.0 + a) * a.powi(x.unsigned_abs() as i32);
            // Five standard deviations.
            assert!((share(x) - p).abs() < 5.0 * (p * (1.0 - p) / f64::from(n)).sqrt(), "{x}: {}", share(x));
        }
        assert!((share(0) - 0.46212).abs() < 0.006);
        let variance: f64 =
            histogram.iter().map(|(x, c)| (*x * *x) as f64 * f64::from(*c)).sum::<f64>() / f64::from(n);
        assert!((variance - 1.8413).abs() < 0.06, "{variance}");
    }

    #[test]
    fn a_larger_sensitivity_spreads_wider() {
        let rng = Rng::seeded(5);
        // ε = 0.5, Δ = 3: a = e^(−1/6), variance 2a/(1 − a)² = 71.8.
        let scale = Scale::new(Epsilon::millionths(500_000), 3).unwrap();
        let n = 50_000;
        let sum: f64 = (0..n).map(|_| discrete_laplace(scale, &rng) as f64).map(|x| x * x).sum();
        let a = (-1.0f64 / 6.0).exp();
        let expected = 2.0 * a / (1.0 - a).powi(2);
        assert!((sum / f64::from(n) / expected - 1.0).abs() < 0.05, "{}", sum / f64::from(n));
    }

    #[test]
    fn the_ledger_spends_exactly_and_then_refuses() {
        let rng = Rng::seeded(1);
        let mut ledger = Ledger::new("通院者", EPS_1);
        let tenth = Epsilon::millionths(100_000);
        for i in 1..=10 {
            assert_eq!(ledger.left(), Epsilon::millionths((11 - i) * 100_000));
            assert!(noisy_counts(&[3, 0], "月別", tenth, 1, &mut ledger, &rng).is_ok());
        }
        let refused = noisy_counts(&[3, 0], "月別", tenth, 1, &mut ledger, &rng).unwrap_err();
        assert_eq!(refused, NoiseError::Spent { left: Epsilon::millionths(0), asked: tenth });
        assert_eq!(ledger.entries().len(), 10);
        let mut fresh = Ledger::new("通院者", EPS_1);
        assert!(noisy_counts(&[3], "x", Epsilon::millionths(0), 1, &mut fresh, &rng).is_err());
        assert!(noisy_counts(&[3], "x", tenth, 0, &mut fresh, &rng).is_err());
        assert_eq!(fresh.left(), EPS_1, "a refused answer spends nothing");
        let kept: Ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
        assert_eq!(kept, ledger);
    }
}
