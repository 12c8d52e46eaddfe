//! Outlines of municipalities, and what lies in them.

use kenroku_types::MuniCode;

use crate::geo::{Frame, Point};

/// How far from the outlines a road may lie, in degrees: they are simplified.
pub const BUFFER_DEG: f64 = 0.01;

/// Outline of a municipality: closed or open rings, in any order and orientation; a point is inside when it is
/// inside an odd number of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// The municipality.
    pub municipality: MuniCode,
    /// Rings.
    pub rings: Vec<Vec<Point>>,
}

/// Outlines prepared for many questions.
pub(crate) struct Areas<'a> {
    parts: Vec<Part<'a>>,
}

/// Municipality, bounds (west, south, east, north), rings.
type Part<'a> = (MuniCode, [i32; 4], &'a [Vec<Point>]);

impl<'a> Areas<'a> {
    pub fn new(areas: &'a [Area]) -> Self {
        let parts = areas
            .iter()
            .map(|a| {
                let all = || a.rings.iter().flatten();
                let edge = |v: Option<i32>| v.unwrap_or(0);
                let bounds = [
                    edge(all().map(|p| p.lon).min()),
                    edge(all().map(|p| p.lat).min()),
                    edge(all().map(|p| p.lon).max()),
                    edge(all().map(|p| p.lat).max()),
                ];
                (a.municipality, bounds, a.rings.as_slice())
            })
            .collect();
        Areas { parts }
    }

    /// The municipality that holds a point.
    pub fn containing(&self, p: Point) -> Option<MuniCode> {
        self.parts
            .iter()
            .find(|(_, [w, s, e, n], rings)| {
                (*w..=*e).contains(&p.lon) && (*s..=*n).contains(&p.lat) && inside(rings, p)
            })
            .map(|&(code, ..)| code)
    }

    /// Whether every place on the straight line lies in an outline or within [`BUFFER_DEG`] of one, looked at
    /// about every 60 metres.
    pub fn covers(&self, a: Point, b: Point) -> bool {
        let steps = (crate::geo::distance_m(a, b) / 60.0).ceil().max(1.0);
        (0..=steps as u32).all(|i| {
            let t = f64::from(i) / steps;
            let at = |a: i32, b: i32| a + (f64::from(b - a) * t).round() as i32;
            let p = Point::new(at(a.lon, b.lon), at(a.lat, b.lat));
            self.containing(p).is_some() || self.near(p)
        })
    }

    fn near(&self, p: Point) -> bool {
        let reach = (BUFFER_DEG * crate::geo::UNITS) as i32;
        let limit = f64::from(reach) * f64::from(reach);
        let xy = |q: Point| [f64::from(q.lon - p.lon), f64::from(q.lat - p.lat)];
        self.parts
            .iter()
            .filter(|(_, [w, s, e, n], _)| {
                (w - reach..=e + reach).contains(&p.lon) && (s - reach..=n + reach).contains(&p.lat)
            })
            .flat_map(|(.., rings)| rings.iter())
            .any(|ring| {
                sides(ring).any(|(a, b)| crate::geo::nearest_on_piece([0.0, 0.0], xy(a), xy(b)).1 <= limit)
            })
    }
}

fn sides(ring: &[Point]) -> impl Iterator<Item = (Point, Point)> + '_ {
    ring.iter().copied().zip(ring.iter().copied().cycle().skip(1))
}

/// Even-odd rule.
fn inside(rings: &[Vec<Point>], p: Point) -> bool {
    let frame = Frame::at(p);
    let mut odd = false;
    for (a, b) in rings.iter().flat_map(|r| sides(r)) {
        if (a.lat > p.lat) != (b.lat > p.lat) {
            let ([ax, ay], [bx, by]) = (frame.xy(a), frame.xy(b));
            if ax - ay * (bx - ax) / (by - ay) > 0.0 {
                odd = !odd;
            }
        }
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_is_even_odd() {
        let square = |lo: i32, hi: i32| {
            vec![Point::new(lo, lo), Point::new(hi, lo), Point::new(hi, hi), Point::new(lo, hi)]
        };
        let rings = [square(0, 100), square(40, 60)];
        assert!(inside(&rings, Point::new(10, 10)));
        assert!(!inside(&rings, Point::new(50, 50)));
        assert!(!inside(&rings, Point::new(110, 50)));
    }

    #[test]
    fn a_road_may_not_cross_open_water() {
        let code = MuniCode::new(17201).unwrap();
        let ring = |w: i32| {
            let (s, n, e) = (364_000_000, 365_000_000, w + 500_000);
            vec![Point::new(w, s), Point::new(e, s), Point::new(e, n), Point::new(w, n)]
        };
        // Two strips 0.03° apart: a line between them leaves the buffer in the middle, one along a strip does not.
        let areas = [Area { municipality: code, rings: vec![ring(1_365_000_000), ring(1_365_800_000)] }];
        let areas = Areas::new(&areas);
        let p = |lon: i32, lat: i32| Point::new(lon, lat);
        assert!(areas.covers(p(1_365_100_000, 364_100_000), p(1_365_100_000, 364_700_000)));
        assert!(!areas.covers(p(1_365_400_000, 364_500_000), p(1_365_900_000, 364_500_000)));
        assert!(areas.covers(p(1_365_400_000, 364_500_000), p(1_365_590_000, 364_500_000)));
    }
}
