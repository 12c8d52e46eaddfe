//! Taking in batches: rows are read one by one, so that a bad one spoils nothing else.
//!
//! What is acknowledged is on the disk. Rows that are not taken are kept in the quarantine with the reason.

use kenroku_store::Result;
use kenroku_types::ids::DeviceId;
use kenroku_types::{Problem, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Snow;
use crate::model::{Refused, Report, Task, Verdict, accept};
use crate::sql::log::{self, Rejected};

/// Longest raw row kept in the quarantine, bytes.
const MAX_RAW: usize = 2048;
/// Rows named one by one in an answer.
const MAX_NAMED: usize = 100;

/// One row of `POST /api/snow/v1/positions`.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PositionRow {
    /// When the place was measured, RFC 3339. Without an offset it is Japan time.
    #[schema(value_type = String, example = "2026-01-14T09:30:00+09:00")]
    pub time: Timestamp,
    /// Latitude, degrees (WGS 84).
    pub lat: f64,
    /// Longitude, degrees.
    pub lon: f64,
    /// Speed over ground, km/h; negative is unknown.
    #[serde(default)]
    pub speed_kmh: Option<f64>,
    /// Course over ground, degrees clockwise from north; negative is unknown.
    #[serde(default)]
    pub heading_deg: Option<f64>,
    /// Horizontal dilution of precision.
    #[serde(default)]
    pub hdop: Option<f64>,
    /// Radius of the error, metres.
    #[serde(default)]
    pub accuracy_m: Option<f64>,
    /// Whether the blade is down, the PTO on, or the operator said so. Absent: the device cannot tell.
    #[serde(default)]
    pub work: Option<bool>,
    /// What is being done.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "ploughing")]
    pub task: Option<Task>,
    /// The device says that the place was made up.
    #[serde(default)]
    pub mock: bool,
}

impl From<PositionRow> for Report {
    fn from(r: PositionRow) -> Report {
        Report {
            speed_mps: r.speed_kmh.map(|v| v / 3.6),
            heading_deg: r.heading_deg,
            hdop: r.hdop,
            accuracy_m: r.accuracy_m,
            work: r.work,
            task: r.task,
            mock: r.mock,
            ..Report::new(r.time, r.lat, r.lon)
        }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Receipt {
    /// Rows that are now in the log and will survive a crash.
    pub accepted: u64,
    /// Rows that were there already: the same device and time.
    pub duplicate: u64,
    /// Rows that were not taken.
    pub refused: u64,
    /// The first hundred of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RefusedRow>,
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct RefusedRow {
    /// Its position in the batch, from 0.
    pub row: usize,
    /// Stable code.
    #[schema(value_type = String, example = "snow.clock-ahead")]
    pub code: Refused,
    /// What was wrong and what would be taken.
    pub detail: String,
}

/// A row as it arrived, with what could be read of it.
pub struct Incoming {
    /// The raw text.
    pub raw: String,
    /// The report, or what was wrong with its form.
    pub report: std::result::Result<Report, String>,
}

/// Divides a body into rows: a JSON array of objects, or one object per line (NDJSON).
///
/// # Errors
/// 400 when the array does not end or the body is neither: nothing of it is used then.
pub fn rows(body: &[u8]) -> std::result::Result<Vec<Incoming>, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| not_a_batch("The body is not UTF-8."))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    let pieces: Vec<&str> = if let Some(inner) = text.strip_prefix('[') {
        elements(inner).ok_or_else(|| not_a_batch("The JSON array does not end; the body may be cut off."))?
    } else if text.starts_with('{') {
        text.lines().map(str::trim).filter(|l| !l.is_empty()).collect()
    } else {
        return Err(not_a_batch("The body is neither a JSON array nor JSON lines."));
    };
    Ok(pieces
        .into_iter()
        .map(|piece| Incoming {
            report: serde_json::from_str::<PositionRow>(piece).map(Report::from).map_err(|e| e.to_string()),
            raw: piece.to_owned(),
        })
        .collect())
}

fn not_a_batch(detail: &str) -> Problem {
    Problem::new(400, "snow.batch-form", "This is not a batch of positions")
        .detail(detail)
        .next("Send a JSON array of positions, or one JSON object per line, in UTF-8; nothing of this body was used.")
}

/// The elements of a JSON array after its opening bracket, without reading them: an element that is no JSON (`NaN`)
/// must not spoil its neighbours. `None` when the array does not end.
fn elements(inner: &str) -> Option<Vec<&str>> {
    let (mut out, mut start, mut depth) = (Vec::new(), 0, 0u32);
    let (mut in_text, mut escaped) = (false, false);
    for (i, b) in inner.bytes().enumerate() {
        if in_text {
            match b {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match b {
            b'"' => in_text = true,
            b'{' | b'[' => depth += 1,
            b']' if depth == 0 => {
                let last = inner[start..i].trim();
                if !(last.is_empty() && out.is_empty()) {
                    out.push(last);
                }
                return inner[i + 1..].trim().is_empty().then_some(out);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                out.push(inner[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    None
}

impl Snow {
    /// Checks rows and writes them: the good ones into the log, the others into the quarantine, in one transaction.
    ///
    /// # Errors
    /// When the database fails; nothing of the batch is acknowledged then.
    pub async fn take_in(&self, tenant: Tenant, device: DeviceId, rows: Vec<Incoming>) -> Result<Receipt> {
        let (now, area) = (self.env().now(), self.area());
        let mut good: Vec<Verdict> = Vec::with_capacity(rows.len());
        let mut bad: Vec<Rejected> = Vec::new();
        let mut receipt = Receipt::default();
        for (row, incoming) in rows.into_iter().enumerate() {
            let judged = match incoming.report {
                Ok(report) => accept::check(report, now, &area).map_err(|r| (r, r.detail().to_owned())),
                Err(what) => Err((Refused::Malformed, what)),
            };
            match judged {
                Ok(verdict) => good.push(verdict),
                Err((code, detail)) => {
                    receipt.refused += 1;
                    if receipt.rows.len() < MAX_NAMED {
                        receipt.rows.push(RefusedRow { row, code, detail });
                    }
                    bad.push(Rejected { why: code, raw: cut(&incoming.raw, MAX_RAW).to_owned() });
                }
            }
        }
        let sent = good.len() as u64;
        let mut tx = self.db().begin().await?;
        receipt.accepted = log::append(&mut tx, tenant, device, &good, now).await?;
        receipt.duplicate = sent.saturating_sub(receipt.accepted);
        log::quarantine(&mut tx, tenant, device, &bad, now).await?;
        tx.commit().await?;
        self.wake();
        Ok(receipt)
    }
}

/// The beginning of a text, at most `max` bytes, cut between characters. No control characters but blanks.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &str) -> Vec<bool> {
        rows(body.as_bytes()).unwrap().iter().map(|r| r.report.is_ok()).collect()
    }

    const GOOD: &str = r#"{"time":"2026-01-14T09:30:00+09:00","lat":36.4,"lon":136.5,"task":"ploughing"}"#;

    #[test]
    fn one_bad_row_spoils_nothing_else() {
        assert_eq!(read(&format!("[{GOOD},{GOOD}]")), [true, true]);
        assert_eq!(read(&format!("{GOOD}\n\n{GOOD}\n")), [true, true]);
        assert_eq!(
            read(&format!(r#"[{GOOD},{{"time":"x","lat":NaN}}, 7,{GOOD}]"#)),
            [true, false, false, true]
        );
        assert_eq!(
            read(r#"[{"note":"a ] , b"}]"#),
            [false],
            "one row, cut at no bracket or comma of its text"
        );
        assert_eq!(read(&format!("{GOOD}\nnonsense\n{GOOD}")), [true, false, true]);
        assert!(read("[]").is_empty() && read(" [ ] ").is_empty());
        assert_eq!(read(r#"[{"time":"2026-01-14T09:30:00Z","lat":36,"lon":136,"task":"dancing"}]"#), [false]);
    }

    #[test]
    fn a_typing_error_in_a_name_is_not_silent() {
        let with = |name: &str| {
            let body = format!(r#"[{{"time":"2026-01-14T09:30:00Z","lat":36.4,"lon":136.5,"{name}":18}}]"#);
            rows(body.as_bytes()).unwrap().remove(0).report
        };
        assert_eq!(with("speed_kmh").unwrap().speed_mps, Some(5.0));
        assert!(with("speed_mps").unwrap_err().contains("unknown field `speed_mps`"));
    }

    #[test]
    fn what_is_cut_off_is_refused_whole() {
        for body in [&format!("[{GOOD},{{\"time\""), &format!("[{GOOD}"), "hello", "", "\"[\""] {
            assert_eq!(rows(body.as_bytes()).err().map(|p| p.status), Some(400), "{body}");
        }
        assert!(rows(&[0xff, 0xfe]).is_err());
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in ".{0,200}") {
            let _ = rows(body.as_bytes());
        }

        #[test]
        fn an_array_divides_as_a_json_reader_would(values in prop::collection::vec(any::<(i32, String)>(), 0..8)) {
            let body = serde_json::to_string(&values).unwrap();
            let pieces = elements(body.strip_prefix('[').unwrap()).unwrap();
            let read: Vec<(i32, String)> = pieces.iter().map(|p| serde_json::from_str(p).unwrap()).collect();
            prop_assert_eq!(read, values);
        }
    }
}
