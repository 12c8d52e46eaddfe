//! The geoquery language (GS CIM 009 §4.10).

use std::fmt;

use geo::{
    BoundingRect as _, Contains as _, Coord, Distance as _, Geometry, Haversine, LinesIter as _, Point,
    Relate as _,
};
use serde_json::Value;

use crate::model::{Entity, Kind};
use crate::{NgsiError, check};

/// How two geometries lie to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GeoRel {
    /// At most so many metres away.
    NearMax(f64),
    /// At least so many metres away.
    NearMin(f64),
    /// The entity's lies within.
    Within,
    /// The entity's contains it.
    Contains,
    /// They touch or cross.
    Intersects,
    /// They are the same.
    Equals,
    /// They have nothing in common.
    Disjoint,
    /// They overlap.
    Overlaps,
}

/// Where.
#[derive(Clone, Debug)]
pub struct GeoQ {
    /// How it lies.
    pub rel: GeoRel,
    /// To what.
    pub geometry: Geometry<f64>,
    /// Kind and coordinates as they were asked.
    pub asked: (String, Value),
    /// Full name of the attribute that tells where the entity is.
    pub property: String,
}

impl GeoRel {
    /// From its text.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(s: &str) -> Result<Self, NgsiError> {
        let wrong = || NgsiError::data(format!("“{}” is no relation of geometries", check::short(s)));
        if let Some(rest) = s.strip_prefix("near") {
            let (sign, metres) = rest
                .strip_prefix(';')
                .and_then(|r| r.split_once("==").or_else(|| r.split_once('=')))
                .ok_or_else(wrong)?;
            let m: f64 =
                metres.trim().parse().ok().filter(|m: &f64| m.is_finite() && *m >= 0.0).ok_or_else(wrong)?;
            return match sign.trim() {
                "maxDistance" => Ok(GeoRel::NearMax(m)),
                "minDistance" => Ok(GeoRel::NearMin(m)),
                _ => Err(wrong()),
            };
        }
        Ok(match s {
            "within" => GeoRel::Within,
            "contains" => GeoRel::Contains,
            "intersects" => GeoRel::Intersects,
            "equals" => GeoRel::Equals,
            "disjoint" => GeoRel::Disjoint,
            "overlaps" => GeoRel::Overlaps,
            _ => return Err(wrong()),
        })
    }
}

impl fmt::Display for GeoRel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GeoRel::NearMax(m) => write!(f, "near;maxDistance=={m}"),
            GeoRel::NearMin(m) => write!(f, "near;minDistance=={m}"),
            GeoRel::Within => f.write_str("within"),
            GeoRel::Contains => f.write_str("contains"),
            GeoRel::Intersects => f.write_str("intersects"),
            GeoRel::Equals => f.write_str("equals"),
            GeoRel::Disjoint => f.write_str("disjoint"),
            GeoRel::Overlaps => f.write_str("overlaps"),
        }
    }
}

impl GeoQ {
    /// From its parts; `coordinates` is JSON, or its text.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(
        rel: &str,
        geometry: &str,
        coordinates: &Value,
        property: String,
    ) -> Result<Self, NgsiError> {
        let parsed;
        let coordinates = match coordinates {
            Value::String(s) => {
                parsed = serde_json::from_str::<Value>(s)
                    .map_err(|_| NgsiError::data("coordinates are a JSON array"))?;
                &parsed
            }
            other => other,
        };
        let whole = serde_json::json!({ "type": geometry, "coordinates": coordinates });
        let g = check::geometry(&whole)?;
        Ok(GeoQ {
            rel: GeoRel::parse(rel)?,
            geometry: g,
            asked: (geometry.to_owned(), coordinates.clone()),
            property,
        })
    }

    /// Whether the entity lies so.
    pub fn matches(&self, e: &Entity) -> bool {
        let Some(all) = e.attrs.get(&self.property) else { return false };
        all.iter()
            .filter(|a| a.kind == Kind::GeoProperty)
            .any(|a| check::geometry(&a.value).is_ok_and(|g| self.holds(&g)))
    }

    /// West, south, east and north of everything that can be an answer; `None` when nothing can be said.
    pub fn bounds(&self) -> Option<[f64; 4]> {
        let r = self.geometry.bounding_rect()?;
        let (west, south, east, north) = (r.min().x, r.min().y, r.max().x, r.max().y);
        match self.rel {
            GeoRel::NearMin(_) | GeoRel::Disjoint => None,
            GeoRel::NearMax(m) => {
                let dy = m / 110_000.0;
                let worst = (south - dy).abs().max((north + dy).abs()).min(89.0);
                let dx = dy / worst.to_radians().cos().max(0.01);
                Some([west - dx, south - dy, east + dx, north + dy])
            }
            _ => Some([west, south, east, north]),
        }
    }

    fn holds(&self, g: &Geometry<f64>) -> bool {
        match self.rel {
            GeoRel::NearMax(m) => distance(g, &self.geometry) <= m,
            GeoRel::NearMin(m) => distance(g, &self.geometry) >= m,
            GeoRel::Within => g.relate(&self.geometry).is_within() || g.relate(&self.geometry).is_coveredby(),
            GeoRel::Contains => {
                g.relate(&self.geometry).is_contains() || g.relate(&self.geometry).is_covers()
            }
            GeoRel::Intersects => g.relate(&self.geometry).is_intersects(),
            GeoRel::Equals => g.relate(&self.geometry).is_equal_topo(),
            GeoRel::Disjoint => g.relate(&self.geometry).is_disjoint(),
            GeoRel::Overlaps => g.relate(&self.geometry).is_overlaps(),
        }
    }
}

/// Metres between two geometries: the shortest way between a corner of one and the other. Good for what `near` asks, where
/// one of them is small.
fn distance(a: &Geometry<f64>, b: &Geometry<f64>) -> f64 {
    if a.relate(b).is_intersects() {
        return 0.0;
    }
    corners(a)
        .into_iter()
        .map(|p| to(p, b))
        .chain(corners(b).into_iter().map(|p| to(p, a)))
        .fold(f64::INFINITY, f64::min)
}

fn corners(g: &Geometry<f64>) -> Vec<Coord<f64>> {
    use geo::CoordsIter as _;
    g.coords_iter().take(10_000).collect()
}

fn to(p: Coord<f64>, g: &Geometry<f64>) -> f64 {
    match g {
        Geometry::Point(q) => Haversine.distance(Point::from(p), *q),
        Geometry::MultiPoint(all) => {
            all.iter().map(|q| Haversine.distance(Point::from(p), *q)).fold(f64::INFINITY, f64::min)
        }
        Geometry::LineString(l) => segments(p, l.lines_iter()),
        Geometry::MultiLineString(l) => segments(p, l.lines_iter()),
        Geometry::Polygon(l) if l.contains(&Point::from(p)) => 0.0,
        Geometry::Polygon(l) => segments(p, l.lines_iter()),
        Geometry::MultiPolygon(l) if l.contains(&Point::from(p)) => 0.0,
        Geometry::MultiPolygon(l) => segments(p, l.lines_iter()),
        Geometry::GeometryCollection(all) => all.iter().map(|g| to(p, g)).fold(f64::INFINITY, f64::min),
        _ => f64::INFINITY,
    }
}

/// To the nearest point of each segment, found on the plane around `p` and measured on the sphere.
fn segments(p: Coord<f64>, lines: impl Iterator<Item = geo::Line<f64>>) -> f64 {
    let k = p.y.to_radians().cos().max(0.01);
    lines
        .map(|l| {
            let (dx, dy) = ((l.end.x - l.start.x) * k, l.end.y - l.start.y);
            let (px, py) = ((p.x - l.start.x) * k, p.y - l.start.y);
            let len = dx * dx + dy * dy;
            let t = if len > 0.0 { ((px * dx + py * dy) / len).clamp(0.0, 1.0) } else { 0.0 };
            let near =
                Point::new(l.start.x + t * (l.end.x - l.start.x), l.start.y + t * (l.end.y - l.start.y));
            Haversine.distance(Point::from(p), near)
        })
        .fold(f64::INFINITY, f64::min)
}
