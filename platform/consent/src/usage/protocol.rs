//! What the three questions answer (Andmejälgija 1.6, OpenAPI 2.1.0): times are RFC 3339 with a zone, newest first,
//! `totalUsages` counts beyond `offset` and `limit`.

use kenroku_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Rows that one question asks for at most.
pub const MOST: u32 = 1_000;
/// Characters of a text that are kept; the rest is cut.
pub const LONGEST: usize = 200;

/// One time that somebody's data was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ConsentUsage)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub logtime: Timestamp,
    /// For what, as a person reads it.
    pub action: String,
    /// Who received: a code of the holder's.
    pub receiver_code: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver_name: Option<String>,
    /// The system in which it happened.
    pub receiver_system: String,
}

/// The answer of `findUsage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ConsentUsages)]
#[serde(rename_all = "camelCase")]
pub struct Usages {
    /// All within the time that was asked for, whatever `offset` and `limit` were.
    pub total_usages: u64,
    /// Newest first.
    pub usages: Vec<Usage>,
}

/// The answer of `usagePeriod`: from when on there are rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ConsentUsagePeriod)]
#[serde(rename_all = "camelCase")]
pub struct UsagePeriod {
    /// The beginning.
    #[schema(value_type = String, format = DateTime)]
    pub period_start: Timestamp,
    /// The end, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub period_end: Option<Timestamp>,
}

/// The answer of `heartbeat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ConsentHeartbeat)]
pub struct Heartbeat {
    /// `OK` or `FAIL`.
    pub status: String,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A text of somebody else's for a page: without control characters, cut to [`LONGEST`].
pub(crate) fn plain(text: &str) -> String {
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out: String = text.chars().filter(|c| !unseen(*c)).take(LONGEST + 1).collect();
    if out.chars().count() > LONGEST {
        out = out.chars().take(LONGEST - 1).chain(['…']).collect();
    }
    out
}

/// Reads what a holder answered to `findUsage`; `None` when it is not that. Rows outside the time that was asked for, and
/// more rows than were asked for, are an answer to another question.
pub(crate) fn usages(v: Value, (from, until): (Timestamp, Timestamp), limit: u32) -> Option<Usages> {
    let mut found: Usages = serde_json::from_value(v).ok()?;
    let fits = found.usages.len() <= limit as usize
        && found.total_usages >= found.usages.len() as u64
        && found.usages.iter().all(|u| u.logtime >= from && u.logtime <= until);
    if !fits {
        return None;
    }
    for u in &mut found.usages {
        u.action = plain(&u.action);
        u.receiver_code = plain(&u.receiver_code);
        u.receiver_system = plain(&u.receiver_system);
        u.receiver_name = u.receiver_name.as_deref().map(plain).filter(|n| !n.is_empty());
    }
    found.usages.sort_by_key(|u| std::cmp::Reverse(u.logtime));
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn row(at: &str, action: &str) -> Value {
        json!({ "logtime": at, "action": action, "receiverCode": "1", "receiverSystem": "s", "more": true })
    }

    #[test]
    fn an_answer_is_read_and_what_is_none_is_refused() {
        let time = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-02-01T00:00:00Z".parse().unwrap());
        let good = json!({ "totalUsages": 5, "usages": [
            row("2026-01-02T09:00:00+09:00", "訪問\u{202e}の\n準備"), row("2026-01-03T09:00:00+09:00", &"長".repeat(500)),
        ] });
        let read = usages(good.clone(), time, 2).unwrap();
        assert_eq!(read.total_usages, 5);
        assert_eq!(read.usages[0].action.chars().count(), LONGEST);
        assert_eq!(read.usages[1].action, "訪問の準備");
        assert_eq!(read.usages[1].logtime, "2026-01-02T00:00:00Z".parse().unwrap());
        assert_eq!(usages(good.clone(), time, 1), None, "more than was asked for");
        let early = ("2026-01-03T00:00:00Z".parse().unwrap(), time.1);
        assert_eq!(usages(good, early, 2), None, "of another time");
        for none in [
            json!(null),
            json!([]),
            json!({ "usages": [] }),
            json!({ "totalUsages": -1, "usages": [] }),
            json!({ "totalUsages": 0, "usages": [row("2026-01-02T09:00:00Z", "a")] }),
            json!({ "totalUsages": 1, "usages": [row("yesterday", "a")] }),
        ] {
            assert_eq!(usages(none.clone(), time, 9), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_longer_or_hides_anything(text in any::<String>()) {
            let out = plain(&text);
            prop_assert!(out.chars().count() <= LONGEST && !out.chars().any(char::is_control));
        }
    }
}
