//! Logs: one line per event on standard error, JSON for machines or plain for people.
//!
//! A field whose name is on the list of what is never logged is replaced before it is written, whoever logs it
//! (docs/logging.md). That is a net under the rule, not the rule: do not log such values at all.

use std::fmt::Write as _;
use std::io::Write as _;

use kenroku_module::Values;
use kenroku_types::Clock;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use crate::exit::{Code, Stop};

/// Field names whose values are never written. A name counts also as the last part of a longer one
/// (`staff_name`, `home.address`).
pub const NEVER: [&str; 28] = [
    "address",
    "authorization",
    "birthday",
    "body",
    "card",
    "certificate",
    "cookie",
    "drug",
    "email",
    "form",
    "headers",
    "ip",
    "key",
    "lat",
    "latitude",
    "lon",
    "longitude",
    "mail",
    "name",
    "number",
    "password",
    "path",
    "phone",
    "pin",
    "query",
    "secret",
    "session",
    "token",
];

/// What stands in place of such a value.
const HIDDEN: &str = "[never logged]";

/// Starts logging as configured. Called once, by the commands that run long.
pub fn start(values: &Values) -> Result<(), Stop> {
    let level = values.text("log.level")?;
    let filter = EnvFilter::try_new(&level).map_err(|e| {
        Stop::new(
            Code::Config,
            format!("log.level = {level:?} is not accepted: {e}; write info, or info,kenroku_snow=debug"),
        )
    })?;
    let json = values.text("log.format")? == "json";
    let lines = Lines { json, clock: Clock::system(), write: to_stderr };
    // A second start in one process (tests) keeps the first.
    let _ = Registry::default().with(filter).with(lines).try_init();
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(())
}

fn to_stderr(line: &[u8]) {
    // Nobody can be told that the log cannot be written.
    let _ = std::io::stderr().write_all(line);
}

struct Lines<W> {
    json: bool,
    clock: Clock,
    write: W,
}

impl<S: Subscriber, W: Fn(&[u8]) + Send + Sync + 'static> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let meta = event.metadata();
        let mut fields = fields.0;
        let message =
            fields.remove("message").and_then(|m| m.as_str().map(str::to_owned)).unwrap_or_default();
        let now = self.clock.now();
        let mut line = String::new();
        if self.json {
            let mut all = Map::new();
            all.insert("time".to_owned(), Value::from(now.to_string()));
            all.insert("level".to_owned(), Value::from(meta.level().as_str().to_lowercase()));
            all.insert("target".to_owned(), Value::from(meta.target()));
            all.insert("message".to_owned(), Value::from(message));
            all.append(&mut fields);
            line = Value::Object(all).to_string();
        } else {
            let t = now.jst();
            let _ =
                write!(line, "{:02}:{:02}:{:02} {:<5} {message}", t.hour, t.minute, t.second, meta.level());
            for (name, value) in &fields {
                match value.as_str() {
                    Some(text) if !text.contains(char::is_whitespace) => {
                        let _ = write!(line, " {name}={text}");
                    }
                    _ => {
                        let _ = write!(line, " {name}={value}");
                    }
                }
            }
        }
        line.push('\n');
        (self.write)(line.as_bytes());
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let value = if is_denied(field.name()) {
            Value::from(HIDDEN)
        } else if let Value::String(text) = value {
            Value::from(scrubbed(text))
        } else {
            value
        };
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(value));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, Value::from(format!("{value:?}")));
    }
}

fn is_denied(name: &str) -> bool {
    let last = name.rsplit(['_', '.']).next().unwrap_or(name);
    NEVER.contains(&last)
}

/// Secrets inside other texts (an error of a driver may quote its connection string).
fn scrubbed(mut text: String) -> String {
    for mark in ["password=", "Bearer ", "kr_session=", "kr_staff="] {
        if let Some(at) = text.find(mark) {
            text.truncate(at + mark.len());
            text.push_str(HIDDEN);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn logged(json: bool, f: impl FnOnce()) -> String {
        let out = Arc::new(Mutex::new(Vec::new()));
        let sink = out.clone();
        let clock = Clock::fixed("2026-01-14T09:30:00+09:00".parse().unwrap());
        let lines = Lines { json, clock, write: move |l: &[u8]| sink.lock().unwrap().extend_from_slice(l) };
        tracing::subscriber::with_default(Registry::default().with(lines), f);
        String::from_utf8(out.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn one_json_line_per_event() {
        let line = logged(true, || tracing::info!(status = 200, route = "/snow", "request"));
        let v: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((v["time"].as_str(), v["status"].as_u64()), (Some("2026-01-14T00:30:00Z"), Some(200)));
        assert_eq!((v["message"].as_str(), v["route"].as_str()), (Some("request"), Some("/snow")));
        let human = logged(false, || tracing::warn!(route = "/snow", "slow"));
        assert_eq!(human, "09:30:00 WARN  slow route=/snow\n");
    }

    #[test]
    fn what_is_never_logged_is_not_written_and_other_fields_are() {
        let line = logged(true, || {
            tracing::info!(
                password = "hunter2",
                staff_name = "Hanako",
                lat = 36.5,
                cause = "x password=hunter2 y",
                n = 3,
                "x"
            );
        });
        assert!(!line.contains("hunter2") && !line.contains("Hanako") && !line.contains("36.5"), "{line}");
        assert!(
            line.contains("\"n\":3") && line.contains("\"cause\":\"x password=[never logged]\""),
            "{line}"
        );
    }

    #[test]
    fn the_page_for_people_lists_the_same_names() {
        let page = include_str!("../../../docs/logging.md");
        for name in NEVER {
            assert!(page.contains(&format!("`{name}`")), "docs/logging.md does not list {name}");
        }
    }
}
