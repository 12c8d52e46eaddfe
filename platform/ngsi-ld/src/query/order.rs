//! Ordering of answers (GS CIM 009 §4.23).

use std::cmp::Ordering;

use geo::{Centroid as _, Distance as _, Haversine, Point};
use serde_json::Value;

use crate::{Entity, Names, NgsiError, check};

/// One key.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    word: String,
    path: Vec<String>,
    trail: Vec<String>,
    descending: bool,
    from: Option<Point<f64>>,
}

impl Order {
    /// `temperature;desc,name`: keys in order; `from` is where distances are measured.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, names: &Names, from: Option<Point<f64>>) -> Result<Vec<Order>, NgsiError> {
        let mut out = Vec::new();
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let mut it = part.split(';');
            let key = it.next().unwrap_or_default();
            let (mut descending, mut distance) = (false, false);
            for word in it {
                match word {
                    "asc" => {}
                    "desc" => descending = true,
                    "dist-asc" => distance = true,
                    "dist-desc" => (descending, distance) = (true, true),
                    other => {
                        return Err(NgsiError::request(format!(
                            "“{}” is no direction: asc, desc, dist-asc, dist-desc",
                            check::short(other)
                        )));
                    }
                }
            }
            if distance && from.is_none() {
                return Err(NgsiError::request("ordering by distance needs a geometry and coordinates"));
            }
            let (words, trail) = match key.split_once('[') {
                Some((w, t)) => (w, t.trim_end_matches(']').split('.').map(ToOwned::to_owned).collect()),
                None => (key, Vec::new()),
            };
            let path = words.split('.').map(|w| names.full(w)).collect::<Result<Vec<_>, _>>()?;
            out.push(Order {
                word: key.to_owned(),
                path,
                trail,
                descending,
                from: from.filter(|_| distance),
            });
        }
        Ok(out)
    }

    /// A time of the attribute that the path ends behind.
    fn member(&self, a: Option<&crate::Attr>) -> Value {
        let time = |t: Option<kenroku_types::Timestamp>| t.map_or(Value::Null, |t| Value::from(t.micros()));
        let Some(a) = a else { return Value::Null };
        match self.word.rsplit('.').next() {
            Some("observedAt") => time(a.observed_at),
            Some("createdAt") => time(a.created_at),
            Some("modifiedAt") => time(a.modified_at),
            Some("unitCode") => a.unit_code.clone().unwrap_or_default(),
            _ => Value::Null,
        }
    }

    fn key(&self, e: &Entity) -> Value {
        match self.word.as_str() {
            "id" => return Value::from(e.id.as_str()),
            "type" => return e.types.first().map_or(Value::Null, |t| Value::from(t.as_str())),
            "createdAt" => return e.created_at.map_or(Value::Null, |t| Value::from(t.micros())),
            "modifiedAt" => return e.modified_at.map_or(Value::Null, |t| Value::from(t.micros())),
            _ => {}
        }
        let mut attrs = &e.attrs;
        let mut found = None;
        let mut before: Option<&crate::Attr> = None;
        for name in &self.path {
            found = attrs.get(name).and_then(|all| all.first());
            match found {
                Some(a) => attrs = &a.attrs,
                None => return self.member(before),
            }
            before = found;
        }
        let Some(a) = found else { return Value::Null };
        if let Some(from) = self.from {
            let c = check::geometry(&a.value).ok().and_then(|g| g.centroid());
            return c.map_or(Value::Null, |c| Value::from(Haversine.distance(from, c)));
        }
        self.trail.iter().try_fold(&a.value, |v, k| v.get(k)).cloned().unwrap_or_default()
    }
}

/// Sorts by these keys; what has no value comes last, ties stay as they were.
pub fn order(all: &mut [Entity], keys: &[Order]) {
    all.sort_by(|a, b| {
        for k in keys {
            let o = compare(&k.key(a), &k.key(b), k.descending);
            if o.is_ne() {
                return o;
            }
        }
        Ordering::Equal
    });
}

fn compare(a: &Value, b: &Value, descending: bool) -> Ordering {
    let o = match (a, b) {
        (Value::Null, Value::Null) => return Ordering::Equal,
        (Value::Null, _) => return Ordering::Greater,
        (_, Value::Null) => return Ordering::Less,
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (a, b) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => a.to_string().cmp(&b.to_string()),
        },
    };
    if descending { o.reverse() } else { o }
}
