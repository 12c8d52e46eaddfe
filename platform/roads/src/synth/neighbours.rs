//! Proximity graphs over points in a plane.

use rstar::primitives::GeomWithData;
use rstar::{AABB, RTree};
use spade::{DelaunayTriangulation, HasPosition, Point2, Triangulation as _};

/// Places on a common grid have many equal distances; a third point blocks only when it is nearer by more than
/// this, in metres, so that rounding does not decide.
const TIE_M: f64 = 1e-6;

struct Site {
    at: [f64; 2],
    index: u32,
}

impl HasPosition for Site {
    type Scalar = f64;
    fn position(&self) -> Point2<f64> {
        Point2::new(self.at[0], self.at[1])
    }
}

pub(super) fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Edges of the Delaunay triangulation as ascending pairs, each with the points opposite it.
fn delaunay(points: &[[f64; 2]]) -> Vec<((u32, u32), Vec<u32>)> {
    // Coordinates far from zero cost the triangulation precision it needs not to spend.
    let [ox, oy] = points.first().copied().unwrap_or_default();
    let sites = points
        .iter()
        .enumerate()
        .map(|(i, p)| Site { at: [p[0] - ox, p[1] - oy], index: i as u32 })
        .collect();
    // The only error is a coordinate that is not finite or absurdly small or large: then there is no graph.
    let Ok(t) = DelaunayTriangulation::<Site>::bulk_load(sites) else { return Vec::new() };
    let mut out: Vec<((u32, u32), Vec<u32>)> = t
        .undirected_edges()
        .map(|e| {
            let [a, b] = e.vertices().map(|v| v.data().index);
            let d = e.as_directed();
            let opposite =
                [d, d.rev()].iter().filter_map(|d| d.opposite_vertex()).map(|v| v.data().index).collect();
            ((a.min(b), a.max(b)), opposite)
        })
        .collect();
    out.sort_unstable();
    out
}

/// Pairs (a, b) such that no c has max(d(a,c), d(b,c)) < d(a,b): the relative-neighbourhood graph, a part of
/// the Delaunay triangulation (Supowit 1983). Ascending.
pub fn relative_neighbour_pairs(points: &[[f64; 2]]) -> Vec<(u32, u32)> {
    let tree =
        RTree::bulk_load(points.iter().enumerate().map(|(i, &p)| GeomWithData::new(p, i as u32)).collect());
    delaunay(points)
        .into_iter()
        .filter(|&((a, b), ref opposite)| {
            let (pa, pb) = (points[a as usize], points[b as usize]);
            let d = distance(pa, pb);
            let blocks = |c: u32| {
                let pc = points[c as usize];
                c != a && c != b && distance(pa, pc).max(distance(pb, pc)) < d - TIE_M
            };
            // The opposite corners block most edges, so look at them before asking the tree.
            if opposite.iter().any(|&c| blocks(c)) {
                return false;
            }
            let lens = AABB::from_corners(
                [pa[0].max(pb[0]) - d, pa[1].max(pb[1]) - d],
                [pa[0].min(pb[0]) + d, pa[1].min(pb[1]) + d],
            );
            !tree.locate_in_envelope(lens).any(|c| blocks(c.data))
        })
        .map(|(pair, _)| pair)
        .collect()
}

/// Pairs whose circle over the diameter holds no other point: the Gabriel graph. Within a Delaunay
/// triangulation only the two opposite corners can lie in it. Ascending.
pub fn gabriel_pairs(points: &[[f64; 2]]) -> Vec<(u32, u32)> {
    delaunay(points)
        .into_iter()
        .filter(|&((a, b), ref opposite)| {
            let (pa, pb) = (points[a as usize], points[b as usize]);
            let middle = [(pa[0] + pb[0]) / 2.0, (pa[1] + pb[1]) / 2.0];
            let r = distance(pa, pb) / 2.0;
            !opposite.iter().any(|&c| distance(points[c as usize], middle) < r - TIE_M)
        })
        .map(|(pair, _)| pair)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_graphs_agree_with_their_definitions(points in proptest::collection::hash_set((0i32..400, 0i32..400), 3..60)) {
            let points: Vec<[f64; 2]> = {
                let mut p: Vec<_> = points.into_iter().collect();
                p.sort_unstable();
                // Shifted a little by position so that hardly any three lie on a line or four on a circle.
                p.iter().enumerate().map(|(i, &(x, y))| [f64::from(x) + (i * i % 97) as f64 * 1e-3, f64::from(y) + (i * 31 % 89) as f64 * 1e-3]).collect()
            };
            let n = points.len() as u32;
            let (mut rng, mut gabriel) = (Vec::new(), Vec::new());
            for a in 0..n {
                for b in a + 1..n {
                    let (pa, pb) = (points[a as usize], points[b as usize]);
                    let d = distance(pa, pb);
                    let others = || (0..n).filter(|&c| c != a && c != b).map(|c| points[c as usize]);
                    if !others().any(|c| distance(pa, c).max(distance(pb, c)) < d) {
                        rng.push((a, b));
                    }
                    if !others().any(|c| distance(pa, c).powi(2) + distance(pb, c).powi(2) < d * d) {
                        gabriel.push((a, b));
                    }
                }
            }
            prop_assert_eq!(relative_neighbour_pairs(&points), rng);
            prop_assert_eq!(gabriel_pairs(&points), gabriel);
        }
    }

    #[test]
    fn a_point_at_equal_distance_does_not_block() {
        // The corners of a square: its sides stay, and no diagonal (a Gabriel circle through the other corners).
        let square = [[0.0, 0.0], [0.1, 0.0], [0.1, 0.1], [0.0, 0.1]];
        assert_eq!(relative_neighbour_pairs(&square), [(0, 1), (0, 3), (1, 2), (2, 3)]);
    }

    #[test]
    fn points_that_are_no_points_give_no_graph() {
        assert!(relative_neighbour_pairs(&[[f64::NAN, 0.0], [1.0, 1.0]]).is_empty());
        assert_eq!(relative_neighbour_pairs(&[[0.0, 0.0], [1.0, 1.0]]), [(0, 1)]);
    }
}
