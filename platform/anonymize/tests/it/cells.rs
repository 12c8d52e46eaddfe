//! Small cells: what an attacker can compute is found by trying every table.

use kenroku_anonymize::cells::{CellsError, Rule, SafeTable, protect, protect_list, ranges};
use proptest::prelude::*;

/// With totals.
fn full(counts: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let mut all: Vec<Vec<u64>> =
        counts.iter().map(|r| r.iter().copied().chain([r.iter().sum()]).collect()).collect();
    let width = all[0].len();
    all.push((0..width).map(|j| all.iter().map(|r| r[j]).sum()).collect());
    all
}

/// Smallest and largest value of each masked cell over all tables with inner cells up to `most` that fit.
fn by_trying(safe: &SafeTable, rule: Rule, most: u64) -> Vec<Vec<Option<(u64, u64)>>> {
    let least = u64::from(!rule.mask_zero);
    let (rows, columns) = (safe.cells.len() - 1, safe.cells[0].len() - 1);
    let open: Vec<(usize, usize)> = (0..rows)
        .flat_map(|i| (0..columns).map(move |j| (i, j)))
        .filter(|(i, j)| safe.cells[*i][*j].is_none())
        .collect();
    let mut inner: Vec<Vec<u64>> =
        (0..rows).map(|i| (0..columns).map(|j| safe.cells[i][j].unwrap_or(least)).collect()).collect();
    let mut seen: Vec<Vec<Option<(u64, u64)>>> = vec![vec![None; columns + 1]; rows + 1];
    loop {
        let table = full(&inner);
        let fits = table.iter().flatten().zip(safe.cells.iter().flatten());
        if fits.clone().all(|(t, s)| s.map_or(*t >= least, |s| s == *t)) {
            for (i, row) in table.iter().enumerate() {
                for (j, v) in row.iter().enumerate().filter(|(j, _)| safe.cells[i][*j].is_none()) {
                    let (low, high) = seen[i][j].unwrap_or((*v, *v));
                    seen[i][j] = Some((low.min(*v), high.max(*v)));
                }
            }
        }
        // The next table, as an odometer.
        let Some(turn) = open.iter().position(|(i, j)| inner[*i][*j] < most) else { return seen };
        for (i, j) in &open[..turn] {
            inner[*i][*j] = least;
        }
        let (i, j) = open[turn];
        inner[i][j] += 1;
    }
}

fn tables() -> impl Strategy<Value = Vec<Vec<u64>>> {
    let cell = || prop_oneof![2 => Just(0u64), 3 => 1u64..4, 3 => 3u64..9];
    prop_oneof![
        prop::collection::vec(prop::collection::vec(cell(), 2), 1..4),
        prop::collection::vec(prop::collection::vec(cell(), 3), 1..3),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn margins_give_no_small_cell_away(counts in tables(), threshold in 2u64..5, mask_zero in any::<bool>()) {
        let rule = Rule { threshold, mask_zero };
        let least = u64::from(!mask_zero);
        let safe = protect(&counts, rule).unwrap();
        let truth = full(&counts);
        for (t, s) in truth.iter().flatten().zip(safe.cells.iter().flatten()) {
            prop_assert!(s.is_none_or(|s| s == *t), "what is published is true");
            let small = *t < threshold && (*t > 0 || mask_zero);
            prop_assert!(!small || s.is_none(), "{t} is small and published");
            prop_assert!(*t > 0 || mask_zero || s.is_some(), "a mask on a zero");
        }
        let claimed = ranges(&counts, &safe, rule).unwrap();
        for (i, row) in claimed.iter().enumerate() {
            for (j, range) in row.iter().enumerate() {
                let Some((low, high)) = *range else { continue };
                if truth[i][j] >= threshold {
                    continue;
                }
                let inner = i < counts.len() && j < counts[0].len();
                // A total is at least as much as the masked cells in it; all of a small total's cells are masked.
                let cells = truth.iter().take(counts.len()).enumerate().flat_map(|(a, r)| {
                    r.iter().take(r.len() - 1).enumerate().map(move |(b, v)| (a, b, *v))
                });
                let of_total = cells
                    .filter(|(a, b, v)| (i == counts.len() || *a == i) && (j == counts[0].len() || *b == j) && *v > 0)
                    .count() as u64;
                let expected = if inner { least } else { least * of_total };
                prop_assert!(low <= expected, "({i},{j}) is known to be at least {low}");
                prop_assert!(high.is_none_or(|h| h >= threshold - 1), "({i},{j}) is known to be at most {high:?}");
            }
        }
    }
}

fn tiny_tables() -> impl Strategy<Value = Vec<Vec<u64>>> {
    let cell = || prop_oneof![2 => Just(0u64), 3 => Just(1u64), 2 => Just(2u64), 1 => Just(3u64)];
    prop_oneof![
        3 => prop::collection::vec(prop::collection::vec(cell(), 2), 2),
        1 => prop::collection::vec(prop::collection::vec(cell(), 3), 2),
        1 => prop::collection::vec(prop::collection::vec(cell(), 1), 2..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_ranges_are_what_every_table_says(counts in tiny_tables(), threshold in 2u64..4, mask_zero in any::<bool>()) {
        let rule = Rule { threshold, mask_zero };
        let safe = protect(&counts, rule).unwrap();
        let inner = safe.cells.iter().take(counts.len()).flat_map(|r| r.iter().take(r.len() - 1));
        let open = inner.filter(|c| c.is_none()).count();
        // What is limited at all is limited by a published total, and none is more than all together.
        let most: u64 = counts.iter().flatten().sum::<u64>() + 1;
        prop_assume!((most + 1).pow(open as u32) <= 5_000);
        let tried = by_trying(&safe, rule, most);
        let claimed = ranges(&counts, &safe, rule).unwrap();
        for (i, row) in claimed.iter().enumerate() {
            for (j, range) in row.iter().enumerate() {
                match (range, tried[i][j]) {
                    (None, None) => {}
                    (Some((low, high)), Some((seen_low, seen_high))) => {
                        prop_assert_eq!(*low, seen_low, "({}, {})", i, j);
                        match high {
                            Some(high) => prop_assert_eq!(*high, seen_high, "({}, {})", i, j),
                            None => prop_assert!(seen_high >= most, "({}, {})", i, j),
                        }
                    }
                    other => prop_assert!(false, "({i},{j}): {other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_single_small_cell_needs_three_more() {
    let counts = vec![vec![3, 40, 50], vec![60, 70, 80], vec![90, 55, 66]];
    let safe = protect(&counts, Rule::default()).unwrap();
    assert_eq!((safe.small, safe.complementary), (1, 3), "a rectangle: {:?}", safe.cells);
    assert_eq!(safe.cells[0][0], None);
    assert_eq!(safe.cells[3], [Some(153), Some(165), Some(196), Some(514)], "totals stay");
    let range = ranges(&counts, &safe, Rule::default()).unwrap()[0][0].unwrap();
    assert_eq!(range.0, 1);
    assert!(range.1.is_some_and(|h| h >= 9));
}

#[test]
fn nothing_small_is_nothing_masked() {
    let safe = protect(&[vec![10, 0], vec![25, 30]], Rule::default()).unwrap();
    assert_eq!((safe.small, safe.complementary), (0, 0));
    assert!(safe.cells.iter().flatten().all(Option::is_some));
    let zeros = protect(&[vec![10, 0], vec![25, 30]], Rule { threshold: 10, mask_zero: true }).unwrap();
    assert_eq!((zeros.small, zeros.complementary), (1, 3));
}

#[test]
fn a_list_hides_one_more_so_that_the_sum_tells_nothing() {
    let safe = protect_list(&[4, 30, 12, 50], Rule::default()).unwrap();
    assert_eq!(safe.cells, [[None, Some(30), None, Some(50), Some(96)]]);
    assert_eq!((safe.small, safe.complementary), (1, 1));
    let alone = protect_list(&[4], Rule::default()).unwrap();
    assert_eq!(alone.cells, [[None, None]]);
}

#[test]
fn what_is_no_table_of_counts_is_refused() {
    assert_eq!(protect(&[], Rule::default()), Err(CellsError::Shape));
    assert_eq!(protect(&[vec![1], vec![1, 2]], Rule::default()), Err(CellsError::Shape));
    assert_eq!(protect(&[vec![u64::MAX, 1]], Rule::default()), Err(CellsError::Overflow));
    let none = Rule { threshold: 1, mask_zero: false };
    assert_eq!(protect(&[vec![1]], none), Err(CellsError::Threshold));
    assert!(protect(&[vec![1]], Rule { threshold: 2, ..none }).is_ok());
}
