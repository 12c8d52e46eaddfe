//! What names, ids, times and geometries must look like (GS CIM 009 §4.6, §4.7).

use geo::{Geometry, Validation as _};
use kenroku_types::Timestamp;
use serde_json::Value;

use crate::NgsiError;

/// Whether a name of an attribute or type may be one (§4.6.2): no blanks and none of the signs of the query languages.
pub fn is_name(s: &str) -> bool {
    !s.is_empty()
        && s.len() <= 2048
        && !s.contains(|c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '\'' | '=' | ';' | '(' | ')')
        })
}

/// Whether it is an absolute URI.
pub fn is_uri(s: &str) -> bool {
    s.len() <= 2048 && kenroku_jsonld::is_absolute(s)
}

/// An id that must be a URI.
///
/// # Errors
/// When it is none.
pub fn uri(s: &str, what: &str) -> Result<(), NgsiError> {
    if is_uri(s) { Ok(()) } else { Err(NgsiError::data(format!("{what} “{}” is not a URI", short(s)))) }
}

/// The beginning of a text that an error quotes.
pub fn short(s: &str) -> String {
    if s.chars().count() <= 80 {
        s.to_owned()
    } else {
        format!("{}…", s.chars().take(80).collect::<String>())
    }
}

/// A date and time with its zone (§4.6.3).
///
/// # Errors
/// When it is none.
pub fn time(s: &str) -> Result<Timestamp, NgsiError> {
    let zoned = s.len() <= 40
        && s.as_bytes().get(10).is_some_and(|c| *c == b'T')
        && (s.ends_with('Z') || s.get(11..).is_some_and(|t| t.contains(['+', '-'])));
    // A comma before the fraction is ISO 8601 too.
    let parsed = zoned.then(|| s.replace(',', ".").parse().ok()).flatten();
    parsed.ok_or_else(|| {
        NgsiError::data(format!("“{}” is not a date and time in UTC, as 2026-01-14T00:30:00Z", short(s)))
    })
}

/// Names of GeoJSON geometries (RFC 7946 §3.1).
pub const GEOMETRIES: [&str; 7] =
    ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"];

/// Whether a value looks like a GeoJSON geometry.
pub fn looks_like_geometry(v: &Value) -> bool {
    v.get("type").and_then(Value::as_str).is_some_and(|t| GEOMETRIES.contains(&t))
        && (v.get("coordinates").is_some() || v.get("geometries").is_some())
}

/// A geometry (RFC 7946) that is valid in the sense of ISO 19107: rings are closed and do not cross themselves.
///
/// # Errors
/// What is wrong with it.
pub fn geometry(v: &Value) -> Result<Geometry<f64>, NgsiError> {
    let g = read_geometry(v, 0)?;
    if let Err(e) = g.check_validation() {
        return Err(NgsiError::data(format!("the geometry is not valid: {e}")));
    }
    Ok(g)
}

fn read_geometry(v: &Value, depth: u8) -> Result<Geometry<f64>, NgsiError> {
    let kind = v.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind == "GeometryCollection" {
        let all = v.get("geometries").and_then(Value::as_array).filter(|_| depth < 4);
        let all = all
            .ok_or_else(|| NgsiError::data("a GeometryCollection has geometries, and few levels of them"))?;
        let each = all.iter().map(|g| read_geometry(g, depth + 1)).collect::<Result<Vec<_>, _>>()?;
        return Ok(Geometry::GeometryCollection(each.into()));
    }
    let c = v.get("coordinates").ok_or_else(|| NgsiError::data("a geometry has coordinates"))?;
    from_coordinates(kind, c)
}

/// A geometry of its kind and coordinates, as query parameters give them.
///
/// # Errors
/// When they do not fit together.
pub fn from_coordinates(kind: &str, c: &Value) -> Result<Geometry<f64>, NgsiError> {
    Ok(match kind {
        "Point" => Geometry::Point(position(c)?.into()),
        "MultiPoint" => Geometry::MultiPoint(positions(c)?.into_iter().map(geo::Point::from).collect()),
        "LineString" => Geometry::LineString(line(c)?),
        "MultiLineString" => Geometry::MultiLineString(geo::MultiLineString(
            list(c)?.iter().map(line).collect::<Result<_, _>>()?,
        )),
        "Polygon" => Geometry::Polygon(polygon(c)?),
        "MultiPolygon" => {
            Geometry::MultiPolygon(geo::MultiPolygon(list(c)?.iter().map(polygon).collect::<Result<_, _>>()?))
        }
        other => return Err(NgsiError::data(format!("“{}” is no kind of geometry", short(other)))),
    })
}

/// The point that distances are measured from.
///
/// # Errors
/// When it is none.
pub fn reference(c: &Value) -> Result<Option<geo::Point<f64>>, NgsiError> {
    Ok(Some(position(c)?.into()))
}

fn list(c: &Value) -> Result<&Vec<Value>, NgsiError> {
    c.as_array().ok_or_else(|| {
        NgsiError::data("coordinates are an array of the depth that the geometry's type asks for")
    })
}

fn position(c: &Value) -> Result<geo::Coord<f64>, NgsiError> {
    let numbers: Option<Vec<f64>> = list(c)?.iter().map(Value::as_f64).collect();
    match numbers.as_deref() {
        Some([x, y] | [x, y, _]) if x.abs() <= 180.0 && y.abs() <= 90.0 => Ok(geo::Coord { x: *x, y: *y }),
        Some([_, _] | [_, _, _]) => Err(NgsiError::data("a position is longitude (±180) and latitude (±90)")),
        _ => Err(NgsiError::data("a position is two or three numbers")),
    }
}

fn positions(c: &Value) -> Result<Vec<geo::Coord<f64>>, NgsiError> {
    list(c)?.iter().map(position).collect()
}

fn line(c: &Value) -> Result<geo::LineString<f64>, NgsiError> {
    let all = positions(c)?;
    if all.len() < 2 {
        return Err(NgsiError::data("a line has at least two positions"));
    }
    Ok(geo::LineString(all))
}

fn polygon(c: &Value) -> Result<geo::Polygon<f64>, NgsiError> {
    let mut rings = Vec::new();
    for ring in list(c)? {
        let all = positions(ring)?;
        if all.len() < 4 || all.first() != all.last() {
            return Err(NgsiError::data("a ring has at least four positions and ends where it begins"));
        }
        rings.push(geo::LineString(all));
    }
    if rings.is_empty() {
        return Err(NgsiError::data("a polygon has at least one ring"));
    }
    let outer = rings.remove(0);
    Ok(geo::Polygon::new(outer, rings))
}

/// Whether a scope may be one (§4.18): levels behind slashes.
pub fn is_scope(s: &str) -> bool {
    let s = s.strip_prefix('/').unwrap_or(s);
    s.len() <= 2048
        && !s.is_empty()
        && s.split('/').all(|l| {
            l.chars().next().is_some_and(char::is_alphanumeric)
                && l.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_need_their_zone() {
        assert!(time("2026-01-14T00:30:00Z").is_ok() && time("2026-01-14T00:30:00.123456Z").is_ok());
        assert!(time("2026-01-14T09:30:00+09:00").is_ok());
        for wrong in ["2026-01-14T00:30:00", "2026-01-14", "yesterday", "2026-13-14T00:30:00Z", ""] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rings_may_not_cross_themselves() {
        let ring = |c: Value| geometry(&json!({ "type": "Polygon", "coordinates": [c] }));
        assert!(ring(json!([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])).is_ok());
        assert!(ring(json!([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]])).is_err());
        assert!(ring(json!([[0, 0], [1, 0], [1, 1]])).is_err());
        assert!(geometry(&json!({ "type": "Point", "coordinates": [200, 0] })).is_err());
        assert!(geometry(&json!({ "type": "Point", "coordinates": ["a", 0] })).is_err());
    }
}
