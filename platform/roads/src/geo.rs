//! Points on the ground and short distances between them.
//!
//! Distances use the lengths of a degree on the WGS 84 ellipsoid at the place in question, which over the
//! few kilometres between two fixes is exact to about a part in ten thousand.

use serde::{Deserialize, Serialize};

/// A point as two integers of 1e-7 degree (about a centimetre). Serialises as `[lon, lat]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(from = "[i32; 2]", into = "[i32; 2]")]
pub struct Point {
    /// Longitude, 1e-7 degree.
    pub lon: i32,
    /// Latitude, 1e-7 degree.
    pub lat: i32,
}

impl From<[i32; 2]> for Point {
    fn from([lon, lat]: [i32; 2]) -> Self {
        Point { lon, lat }
    }
}
impl From<Point> for [i32; 2] {
    fn from(p: Point) -> Self {
        [p.lon, p.lat]
    }
}

/// Units of [`Point`] in a degree.
pub const UNITS: f64 = 1e7;

impl Point {
    /// From units of 1e-7 degree.
    pub const fn new(lon: i32, lat: i32) -> Self {
        Point { lon, lat }
    }

    /// From degrees; `None` outside ±180 / ±90 or when not a number.
    pub fn from_degrees(lon: f64, lat: f64) -> Option<Self> {
        ((-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat))
            .then(|| Point { lon: (lon * UNITS).round() as i32, lat: (lat * UNITS).round() as i32 })
    }

    /// Longitude in degrees.
    pub fn lon_deg(self) -> f64 {
        f64::from(self.lon) / UNITS
    }

    /// Latitude in degrees.
    pub fn lat_deg(self) -> f64 {
        f64::from(self.lat) / UNITS
    }
}

/// A flat frame in metres around one point, for distances up to some tens of kilometres.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    origin: Point,
    mx: f64,
    my: f64,
}

impl Frame {
    /// The frame around `origin`.
    pub fn at(origin: Point) -> Self {
        let (mx, my) = degree_m(origin.lat_deg());
        Frame { origin, mx: mx / UNITS, my: my / UNITS }
    }

    /// Metres east and north of the origin.
    pub fn xy(&self, p: Point) -> [f64; 2] {
        [
            f64::from(p.lon.wrapping_sub(self.origin.lon)) * self.mx,
            f64::from(p.lat.wrapping_sub(self.origin.lat)) * self.my,
        ]
    }

    /// The point at metres east and north of the origin.
    pub fn point(&self, [x, y]: [f64; 2]) -> Point {
        Point {
            lon: self.origin.lon.wrapping_add((x / self.mx).round() as i32),
            lat: self.origin.lat.wrapping_add((y / self.my).round() as i32),
        }
    }

    /// Units of longitude and latitude that cover `metres` at least.
    pub fn units(&self, metres: f64) -> [i32; 2] {
        // Near the poles a metre is any number of degrees; half the globe is enough for every search.
        let cap = |v: f64| v.min(9e8).ceil() as i32;
        [cap(metres / self.mx.max(1e-12)), cap(metres / self.my)]
    }
}

/// Metres in a degree of longitude and of latitude at a latitude (series of the WGS 84 ellipsoid).
pub fn degree_m(lat_deg: f64) -> (f64, f64) {
    let f = lat_deg.to_radians();
    let lat = 111_132.954 - 559.822 * (2.0 * f).cos() + 1.175 * (4.0 * f).cos();
    let lon = 111_412.84 * f.cos() - 93.5 * (3.0 * f).cos() + 0.118 * (5.0 * f).cos();
    (lon.max(0.0), lat)
}

/// Metres between two points that are near each other.
pub fn distance_m(a: Point, b: Point) -> f64 {
    let mid = (a.lat_deg() + b.lat_deg()) / 2.0;
    let (mx, my) = degree_m(mid);
    let dx = f64::from(b.lon.wrapping_sub(a.lon)) / UNITS * mx;
    let dy = f64::from(b.lat.wrapping_sub(a.lat)) / UNITS * my;
    dx.hypot(dy)
}

/// Metres along a line of points.
pub fn polyline_m(points: &[Point]) -> f64 {
    points.windows(2).map(|w| distance_m(w[0], w[1])).sum()
}

/// The place on the straight piece a–b nearest to p: how far along (0–1) and the squared distance, all in
/// one frame of metres.
pub fn nearest_on_piece(p: [f64; 2], a: [f64; 2], b: [f64; 2]) -> (f64, f64) {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let len2 = dx * dx + dy * dy;
    let t = if len2 > 0.0 { (((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / len2).clamp(0.0, 1.0) } else { 0.0 };
    let (ex, ey) = (a[0] + t * dx - p[0], a[1] + t * dy - p[1]);
    (t, ex * ex + ey * ey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_degree_has_its_published_length() {
        // WGS 84 at 45°: 78 846.8 m of longitude, 111 131.7 m of latitude (NGA tables).
        let (lon, lat) = degree_m(45.0);
        assert!((lon - 78_846.8).abs() < 1.0, "{lon}");
        assert!((lat - 111_131.7).abs() < 1.0, "{lat}");
    }

    #[test]
    fn degrees_outside_the_globe_are_refused() {
        assert!(Point::from_degrees(136.5, 36.4).is_some());
        assert!(Point::from_degrees(180.1, 0.0).is_none());
        assert!(Point::from_degrees(0.0, f64::NAN).is_none());
    }

    proptest! {
        #[test]
        fn a_frame_gives_back_its_points(lon in 1_300_000_000i32..1_400_000_000, lat in 300_000_000i32..450_000_000,
                                         dx in -100_000i32..100_000, dy in -100_000i32..100_000) {
            let o = Point::new(lon, lat);
            let p = Point::new(lon + dx, lat + dy);
            let f = Frame::at(o);
            prop_assert_eq!(f.point(f.xy(p)), p);
            let d = distance_m(o, p);
            let [x, y] = f.xy(p);
            prop_assert!((x.hypot(y) - d).abs() <= 1e-3 * d + 1e-6);
        }

        #[test]
        fn nothing_overflows(a in any::<[i32; 2]>(), b in any::<[i32; 2]>()) {
            let (a, b) = (Point::from(a), Point::from(b));
            let f = Frame::at(a);
            let _ = (f.xy(b), f.units(1000.0), distance_m(a, b), f.point([1e9, -1e9]));
        }
    }
}
