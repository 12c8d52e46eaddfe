//! Random small tables: the search must find what looking at every node by the definitions finds.

use std::collections::BTreeMap;

use kenroku_anonymize::grouping::Key;
use kenroku_anonymize::hierarchy::{Hierarchy, Ladder};
use kenroku_anonymize::loss::{Measure, Objective};
use kenroku_anonymize::privacy::{Closeness, Distance, Diversity, Requirement, Sensitive};
use kenroku_anonymize::search::{Found, SearchError, Task, search};
use kenroku_anonymize::table::Column;
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Case {
    /// Values of three quasi-identifiers and one sensitive column.
    rows: Vec<([u32; 3], u32)>,
    k: u32,
    diversity: Option<Diversity>,
    closeness: Option<Closeness>,
    limit: usize,
    objective: Objective,
    weights: [f64; 3],
    from: [u8; 3],
}

/// How many values each quasi-identifier has, and by how many values its levels group them.
const DOMAIN: [u32; 3] = [8, 5, 2];
const STEPS: [&[u32]; 3] = [&[1, 2, 4, 8], &[1, 3, 5], &[1, 2]];

fn hierarchy(i: usize) -> Hierarchy {
    let row = |v: u32| STEPS[i].iter().map(|s| format!("{s}/{}", v / s)).collect();
    Hierarchy::Table { file: String::new(), rows: (0..DOMAIN[i]).map(row).collect() }
}

fn cases() -> impl Strategy<Value = Case> {
    let row = (0..DOMAIN[0], 0..DOMAIN[1], 0..DOMAIN[2], prop_oneof![3 => Just(0u32), 2 => 1u32..5]);
    let diversity = prop_oneof![
        2 => Just(None),
        1 => (2u32..4).prop_map(|l| Some(Diversity::Distinct { l })),
        1 => (11u32..30).prop_map(|l| Some(Diversity::Entropy { l: f64::from(l) / 10.0 })),
        1 => (1u32..40, 2u32..4).prop_map(|(c, l)| Some(Diversity::Recursive { c: f64::from(c) / 10.0, l })),
    ];
    let closeness = prop_oneof![
        1 => Just(None),
        1 => (1u32..60, any::<bool>()).prop_map(|(t, ordered)| {
            let distance = if ordered { Distance::Ordered } else { Distance::Equal };
            Some(Closeness { t: f64::from(t) / 100.0, distance, order: Vec::new() })
        }),
    ];
    let objective =
        prop_oneof![Just(Objective::Loss), Just(Objective::Entropy), Just(Objective::Discernibility)];
    let weights = prop::array::uniform3(prop_oneof![Just(1.0), Just(0.25), Just(7.0)]);
    let from = (0u8..3, 0u8..2, 0u8..2).prop_map(|(a, b, c)| [a, b, c]);
    let limit = prop_oneof![1 => Just(0usize), 2 => 0usize..20];
    (prop::collection::vec(row, 1..60), 1u32..8, diversity, closeness, limit, objective, weights, from)
        .prop_map(|(rows, k, diversity, closeness, limit, objective, weights, from)| Case {
            rows: rows.into_iter().map(|(a, b, c, s)| ([a, b, c], s)).collect(),
            k,
            diversity,
            closeness,
            limit,
            objective,
            weights,
            from,
        })
}

/// Per class the sensitive values, straight from the definitions.
type Classes = BTreeMap<[u32; 3], Vec<u32>>;

fn classes(case: &Case, levels: [u8; 3]) -> Classes {
    let mut all = Classes::new();
    for (q, s) in &case.rows {
        let key = std::array::from_fn(|i| q[i] / STEPS[i][usize::from(levels[i])]);
        all.entry(key).or_default().push(*s);
    }
    all
}

fn shares(values: &[u32]) -> BTreeMap<u32, f64> {
    let mut all = BTreeMap::new();
    values.iter().for_each(|v| *all.entry(*v).or_insert(0.0) += 1.0 / values.len() as f64);
    all
}

fn good(case: &Case, class: &[u32], whole: &[u32]) -> bool {
    let q = shares(class);
    let diverse = match case.diversity {
        None => true,
        Some(Diversity::Distinct { l }) => q.len() >= l as usize,
        Some(Diversity::Entropy { l }) => q.values().map(|q| -q * q.ln()).sum::<f64>() >= l.ln() - 1e-9,
        Some(Diversity::Recursive { c, l }) => {
            let mut r: Vec<f64> = q.values().map(|q| (q * class.len() as f64).round()).collect();
            r.sort_by(|a, b| b.total_cmp(a));
            r[0] < c * r.iter().skip(l as usize - 1).sum::<f64>()
        }
    };
    let p = shares(whole);
    let differences: Vec<f64> = p.iter().map(|(v, p)| q.get(v).unwrap_or(&0.0) - p).collect();
    let close = case.closeness.as_ref().is_none_or(|c| {
        let distance = match c.distance {
            Distance::Equal => differences.iter().map(|d| d.abs()).sum::<f64>() / 2.0,
            Distance::Ordered => {
                let so_far = |sum: &mut f64, d: &f64| {
                    *sum += d;
                    Some(sum.abs())
                };
                differences.iter().scan(0.0, so_far).sum::<f64>() / (p.len() as f64 - 1.0).max(1.0)
            }
        };
        distance <= c.t + 1e-9
    });
    class.len() >= case.k as usize && diverse && close
}

/// Loss and suppressed rows of a node.
fn node(case: &Case, levels: [u8; 3]) -> (f64, usize) {
    let whole: Vec<u32> = case.rows.iter().map(|r| r.1).collect();
    let all = classes(case, levels);
    let n = case.rows.len() as f64;
    let mut suppressed = 0;
    let (mut lost, mut most) = (0.0, 0.0);
    for (q, _) in &case.rows {
        let key = std::array::from_fn(|i| q[i] / STEPS[i][usize::from(levels[i])]);
        let class = &all[&key];
        let keep = good(case, class, &whole);
        suppressed += usize::from(!keep);
        if case.objective == Objective::Discernibility {
            lost += if keep { class.len() as f64 } else { n };
            most += n;
            continue;
        }
        for i in 0..3 {
            let step = STEPS[i][usize::from(levels[i])];
            let like = |step: u32| case.rows.iter().filter(|r| r.0[i] / step == q[i] / step).count() as f64;
            let (cell, total) = match case.objective {
                Objective::Loss => {
                    let leaves = (0..DOMAIN[i]).filter(|v| v / step == q[i] / step).count() as f64;
                    ((leaves - 1.0) / f64::from(DOMAIN[i] - 1), 1.0)
                }
                _ => (-(like(1) / like(step)).log2(), -(like(1) / n).log2()),
            };
            lost += case.weights[i] * if keep { cell } else { total };
            most += case.weights[i] * total;
        }
    }
    (if most > 0.0 { lost / most } else { 0.0 }, suppressed)
}

fn best(case: &Case) -> Option<f64> {
    let mut best: Option<f64> = None;
    for a in case.from[0]..4 {
        for b in case.from[1]..3 {
            for c in case.from[2]..2 {
                let (loss, suppressed) = node(case, [a, b, c]);
                if suppressed <= case.limit && suppressed < case.rows.len() {
                    best = Some(best.map_or(loss, |l| l.min(loss)));
                }
            }
        }
    }
    best
}

fn found(case: &Case) -> Result<Found, SearchError> {
    let column = |values: Vec<String>| Column::new("x", values.iter().map(String::as_str));
    let quasi: Vec<(Column, Ladder)> = (0..3)
        .map(|i| {
            let c = column(case.rows.iter().map(|r| format!("1/{}", r.0[i])).collect());
            let ladder = hierarchy(i).ladder(&c).unwrap();
            (c, ladder)
        })
        .collect();
    let keys: Vec<Key<'_>> = quasi.iter().map(|(c, ladder)| Key { codes: c.codes(), ladder }).collect();
    let secret = column(case.rows.iter().map(|r| r.1.to_string()).collect());
    let sensitive = Sensitive::new(&secret, case.diversity, case.closeness.as_ref()).unwrap();
    let requirement = Requirement { k: case.k, sensitive: vec![sensitive] };
    let measure = Measure::new(case.objective, &keys, &case.weights, case.rows.len());
    let task = Task {
        keys: &keys,
        low: case.from.to_vec(),
        high: vec![3, 2, 1],
        rows: case.rows.len(),
        sensitive: vec![secret.codes()],
        requirement: &requirement,
        limit: case.limit,
        measure: &measure,
    };
    search(&task, &mut |_, _| {})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn nothing_better_is_overlooked_and_nothing_worse_is_allowed(case in cases()) {
        match (found(&case), best(&case)) {
            (Ok(found), Some(best)) => {
                prop_assert!((found.loss - best).abs() < 1e-9, "{} instead of {}", found.loss, best);
                let levels: [u8; 3] = found.levels.clone().try_into().unwrap();
                let (loss, suppressed) = node(&case, levels);
                prop_assert!((loss - found.loss).abs() < 1e-9);
                prop_assert_eq!(suppressed, found.suppressed);
            }
            (Err(SearchError::Impossible { least, limit }), None) => {
                prop_assert!(least > limit || least == case.rows.len());
            }
            (found, best) => prop_assert!(false, "{:?} instead of {:?}", found.map(|f| f.loss), best),
        }
    }
}
