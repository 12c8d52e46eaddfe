//! The OsmAnd protocol, as the free app Traccar Client speaks it (old versions by query or form, new ones by JSON).
//!
//! The app's “device identifier” is the device's key. Status codes are the protocol's own: 200 taken (or kept in the
//! quarantine, which sending again would not better), 400 for an unknown or absent id, 404 for an unknown device in
//! JSON, whose app stops then.

use kenroku_types::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::ingest::Incoming;
use crate::model::{Report, Task, accept};

/// One knot in m/s (1852 m an hour, exactly).
const KNOT: f64 = 1852.0 / 3600.0;

/// A message: whose, and what.
pub struct Message {
    /// The key typed in as the device's identifier; `None` when the message names none.
    pub id: Option<String>,
    /// The report.
    pub row: Incoming,
}

/// Reads the fields of a query or form. Keys that this protocol does not know are kept with the report.
pub fn from_fields(fields: impl IntoIterator<Item = (String, String)>, now: Timestamp) -> Message {
    let mut known = Map::new();
    for (key, value) in fields {
        known.insert(key, Value::String(value));
    }
    let mut take = |names: &[&str]| {
        names.iter().find_map(|n| known.remove(*n)).and_then(|v| v.as_str().map(ToOwned::to_owned))
    };
    let id = take(&["id", "deviceid"]).filter(|i| !i.is_empty());
    let (lat, lon, place) = (take(&["lat"]), take(&["lon"]), take(&["location"]));
    let time = take(&["timestamp"]);
    let speed = take(&["speed"]);
    let heading = take(&["bearing", "heading"]);
    let (accuracy, hdop) = (take(&["accuracy"]), take(&["hdop"]));
    let (work, task, mock) = (take(&["work"]), take(&["task"]), take(&["mock"]));
    let read = || -> Result<Report, String> {
        let (lat, lon) = match (lat, lon, place) {
            (Some(lat), Some(lon), _) => (lat, lon),
            (_, _, Some(p)) => {
                let (lat, lon) = p.split_once(',').ok_or("location is “lat,lon”")?;
                (lat.to_owned(), lon.to_owned())
            }
            _ => return Err("lat and lon, or location, are missing".to_owned()),
        };
        let at = time.map_or(Ok(now), |t| moment(&t))?;
        let unknown_if_negative = |v: Option<String>| number(v).map(|v| v.filter(|v| *v >= 0.0));
        let mut r = Report::new(at, required(&lat, "lat")?, required(&lon, "lon")?);
        r.speed_mps = unknown_if_negative(speed)?.map(|knots| knots * KNOT);
        r.heading_deg = unknown_if_negative(heading)?;
        r.accuracy_m = unknown_if_negative(accuracy)?;
        r.hdop = unknown_if_negative(hdop)?;
        r.work = work.as_deref().and_then(flag);
        r.task = task.as_deref().and_then(Task::from_word);
        r.mock = mock.as_deref().and_then(flag).unwrap_or(false);
        Ok(r)
    };
    let report = read();
    let raw = raw_of(&known, &report);
    Message { id, row: with_extra(report, known, raw) }
}

/// Reads a JSON message of the newer app.
pub fn from_json(body: &[u8], now: Timestamp) -> Result<Message, String> {
    let value: Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let raw = value.to_string();
    let m: JsonMessage = serde_json::from_value(value).map_err(|e| e.to_string())?;
    let id = m.device_id.filter(|i| !i.is_empty());
    let read = || -> Result<Report, String> {
        let l = m.location.as_ref().ok_or("location is missing")?;
        let at = match &l.timestamp {
            None => now,
            Some(Value::String(t)) => moment(t)?,
            Some(Value::Number(n)) => moment(&n.to_string())?,
            Some(_) => return Err("timestamp is a time or a number".to_owned()),
        };
        let c = &l.coords;
        let known = |v: Option<f64>| v.filter(|v| *v >= 0.0);
        let mut r = Report::new(at, c.latitude, c.longitude);
        (r.speed_mps, r.heading_deg, r.accuracy_m) = (known(c.speed), known(c.heading), known(c.accuracy));
        r.mock = l.mock.unwrap_or(false);
        if let Some(extras) = &l.extras {
            r.work = extras.get("work").and_then(|w| w.as_bool().or_else(|| w.as_str().and_then(flag)));
            r.task = extras.get("task").and_then(Value::as_str).and_then(Task::from_word);
        }
        Ok(r)
    };
    let report = read();
    let mut extra = Map::new();
    if let Some(l) = m.location {
        let pairs =
            [("event", l.event), ("battery", l.battery), ("activity", l.activity), ("alarm", l.alarm)];
        extra.extend(pairs.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))));
        extra.extend(l.extras.unwrap_or_default());
    }
    Ok(Message { id, row: with_extra(report, extra, raw) })
}

fn with_extra(report: Result<Report, String>, extra: Map<String, Value>, raw: String) -> Incoming {
    let text = (!extra.is_empty()).then(|| Value::Object(extra).to_string());
    let report = report.map(|r| Report { extra: text.filter(|t| t.len() <= accept::MAX_EXTRA), ..r });
    Incoming { raw, report }
}

/// What the quarantine keeps of a form: never the key.
fn raw_of(rest: &Map<String, Value>, report: &Result<Report, String>) -> String {
    match report {
        Ok(r) => format!("time={} lat={} lon={} speed_mps={:?}", r.at, r.lat, r.lon, r.speed_mps),
        Err(what) => format!("{what}; other fields {}", Value::Object(rest.clone())),
    }
}

#[derive(Deserialize)]
struct JsonMessage {
    #[serde(default)]
    device_id: Option<String>,
    #[serde(default)]
    location: Option<JsonLocation>,
}

#[derive(Deserialize)]
struct JsonLocation {
    #[serde(default)]
    timestamp: Option<Value>,
    coords: Coords,
    #[serde(default)]
    mock: Option<bool>,
    #[serde(default)]
    event: Option<Value>,
    #[serde(default)]
    activity: Option<Value>,
    #[serde(default)]
    battery: Option<Value>,
    #[serde(default)]
    alarm: Option<Value>,
    #[serde(default)]
    extras: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Coords {
    latitude: f64,
    longitude: f64,
    /// m/s, unlike the form's knots.
    #[serde(default)]
    speed: Option<f64>,
    #[serde(default)]
    heading: Option<f64>,
    #[serde(default)]
    accuracy: Option<f64>,
}

/// A time: seconds below 2³¹ − 1, else milliseconds, or ISO 8601.
fn moment(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(n) = text.parse::<i64>() {
        return Ok(if n < i64::from(i32::MAX) {
            Timestamp::from_secs(n)
        } else {
            Timestamp::from_micros(n.saturating_mul(1000))
        });
    }
    text.replace(' ', "T").parse::<Timestamp>().map_err(|e| e.to_string())
}

fn required(text: &str, name: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("{name} is a number in degrees"))
}

fn number(text: Option<String>) -> Result<Option<f64>, String> {
    text.filter(|t| !t.trim().is_empty())
        .map(|t| {
            t.trim()
                .parse()
                .map_err(|_| format!("“{}” is not a number", t.chars().take(20).collect::<String>()))
        })
        .transpose()
}

fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_768_350_600);

    fn fields(query: &str) -> Message {
        let pairs = query.split('&').filter_map(|p| p.split_once('='));
        from_fields(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())), NOW)
    }

    #[test]
    fn the_old_app_speaks_in_knots() {
        let m = fields(
            "id=abc&timestamp=1768350600&lat=36.4&lon=136.5&speed=10&bearing=90.5&altitude=3&accuracy=8&batt=77",
        );
        assert_eq!(m.id.as_deref(), Some("abc"));
        let r = m.row.report.unwrap();
        assert_eq!(
            (r.at, r.lat, r.lon, r.heading_deg, r.accuracy_m),
            (NOW, 36.4, 136.5, Some(90.5), Some(8.0))
        );
        assert!((r.speed_mps.unwrap() - 5.1444).abs() < 1e-3);
        let extra: Value = serde_json::from_str(&r.extra.unwrap()).unwrap();
        assert_eq!(extra, serde_json::json!({ "altitude": "3", "batt": "77" }));
    }

    #[test]
    fn forms_of_time_and_place() {
        let at = |t: &str| fields(&format!("id=a&lat=1&lon=2&timestamp={t}")).row.report.unwrap().at;
        assert_eq!(at("1768350600000"), NOW, "milliseconds");
        assert_eq!(at("2026-01-14T00:30:00Z"), NOW);
        assert_eq!(at("2147483646"), Timestamp::from_secs(2_147_483_646));
        assert_eq!(at("2147483647"), Timestamp::from_micros(2_147_483_647_000), "2³¹ − 1 is milliseconds");
        let r = fields("deviceid=a&location=36.4,136.5&speed=-1&heading=-1").row.report.unwrap();
        assert_eq!((r.at, r.lat, r.lon, r.speed_mps, r.heading_deg), (NOW, 36.4, 136.5, None, None));
        assert!(fields("id=a&lat=36").row.report.is_err() && fields("lat=1&lon=2").id.is_none());
        assert!(!fields("id=secret&lat=x&lon=2").row.raw.contains("secret"));
    }

    #[test]
    fn the_new_app_speaks_json_in_metres_per_second() {
        let body = br#"{"device_id":"abc","location":{"timestamp":"2026-01-14T00:30:00.000Z","coords":{"latitude":36.4,
            "longitude":136.5,"speed":4.2,"heading":-1,"accuracy":5,"altitude":2},"event":"motion","is_moving":true,
            "odometer":12.5,"mock":true,"activity":{"type":"in_vehicle"},"battery":{"level":0.8,"is_charging":true},
            "extras":{"work":true}}}"#;
        let m = from_json(body, NOW).unwrap();
        let r = m.row.report.unwrap();
        assert_eq!((m.id.as_deref(), r.at, r.speed_mps, r.heading_deg), (Some("abc"), NOW, Some(4.2), None));
        assert!(r.mock && r.work == Some(true) && r.extra.unwrap().contains("in_vehicle"));
        assert!(from_json(b"{", NOW).is_err());
        assert!(
            from_json(br#"{"location":{"coords":{"latitude":1,"longitude":2}}}"#, NOW).unwrap().id.is_none()
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(pairs in prop::collection::vec((".{0,12}", ".{0,20}"), 0..8), body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = from_fields(pairs, NOW);
            let _ = from_json(&body, NOW);
        }
    }
}
