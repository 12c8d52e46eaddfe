//! Settings: declared once as [`Setting`], read from the config file and the environment by the binary, asked for
//! by key from [`Values`].
//!
//! A module declares its own with [`Module::settings`](crate::Module::settings); their keys begin with its name.
//! The example file, the messages for wrong values and `config show` are made from the declarations.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// `section.name`; the environment variable is `KENROKU_SECTION__NAME`.
    pub key: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Value when nobody sets it, as it is written in an environment variable.
    pub default: &'static str,
    /// Value of `kenroku demo`, when it differs.
    pub demo: Option<&'static str>,
    /// What it does, in one or two sentences for the person who writes the file.
    pub about: &'static str,
}

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A file or folder.
    Path,
    /// A file that holds a secret on one line; empty for none. The secret itself never stands in the config.
    SecretFile,
    /// Yes or no.
    Bool,
    /// A whole number within bounds.
    Int(i64, i64),
    /// A number within bounds.
    Number(f64, f64),
    /// A span: `500ms`, `20s`, `10m`, `24h`, `30d`.
    Span,
    /// A size: `64KiB`, `1MiB`, `10MB`, or bytes.
    Size,
    /// An address with port, such as `127.0.0.1:8080` or `[::]:8080`; empty for none.
    Address,
    /// One of these.
    Choice(&'static [&'static str]),
    /// A list of texts.
    List,
    /// A list of networks such as `10.0.0.0/8`.
    Networks,
}

/// A value as somebody wrote it.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// From the environment: always text, lists separated by commas.
    Env(String),
    /// A text in the file.
    Text(String),
    /// A whole number in the file.
    Int(i64),
    /// A number in the file.
    Float(f64),
    /// `true` or `false` in the file.
    Bool(bool),
    /// A list of texts in the file.
    List(Vec<String>),
    /// Something that no setting takes (a date, a table, a mixed list).
    Other(&'static str),
}

/// A value that was found good.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, path, choice, address.
    Text(String),
    /// Yes or no.
    Bool(bool),
    /// Whole number; bytes of a size.
    Int(i64),
    /// Number.
    Number(f64),
    /// Span.
    Span(Duration),
    /// List.
    List(Vec<String>),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// `kenroku demo`.
    Demo,
    /// The line of the config file.
    File(usize),
    /// The environment variable.
    Env(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Demo => f.write_str("demo"),
            Origin::File(line) => write!(f, "line {line}"),
            Origin::Env(name) => f.write_str(name),
        }
    }
}

impl Kind {
    /// What is accepted, for messages.
    pub fn accepted(&self) -> String {
        match self {
            Kind::Text => "a text in quotes".to_owned(),
            Kind::Path => "a path in quotes".to_owned(),
            Kind::SecretFile => "the path of a file that holds the secret, or \"\"".to_owned(),
            Kind::Bool => "true or false".to_owned(),
            Kind::Int(min, max) => format!("a whole number from {min} to {max}"),
            Kind::Number(min, max) => format!("a number from {min} to {max}"),
            Kind::Span => "a span such as \"500ms\", \"20s\", \"10m\", \"24h\" or \"30d\"".to_owned(),
            Kind::Size => "a size such as \"64KiB\", \"1MiB\" or \"10MB\", or a number of bytes".to_owned(),
            Kind::Address => {
                "an address with port such as \"127.0.0.1:8080\" or \"[::]:8080\", or \"\" for none"
                    .to_owned()
            }
            Kind::Choice(all) => all.iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(" or "),
            Kind::List => "a list of texts such as [\"a\", \"b\"]".to_owned(),
            Kind::Networks => "a list of networks such as [\"10.0.0.0/8\", \"fd00::/8\"]".to_owned(),
        }
    }

    /// Reads a value; `None` when it is not of this kind.
    pub fn read(&self, raw: &Raw) -> Option<Value> {
        let env = |raw: &Raw| if let Raw::Env(t) = raw { Some(t.trim().to_owned()) } else { None };
        let text = |raw: &Raw| if let Raw::Text(t) = raw { Some(t.clone()) } else { env(raw) };
        match self {
            Kind::Text | Kind::Path | Kind::SecretFile => text(raw).map(Value::Text),
            Kind::Choice(all) => text(raw).filter(|t| all.contains(&t.as_str())).map(Value::Text),
            Kind::Address => text(raw)
                .filter(|t| t.is_empty() || t.parse::<std::net::SocketAddr>().is_ok())
                .map(Value::Text),
            Kind::Bool => match raw {
                Raw::Bool(b) => Some(Value::Bool(*b)),
                _ => env(raw)?.parse().ok().map(Value::Bool),
            },
            Kind::Int(min, max) => {
                let n = if let Raw::Int(n) = raw { *n } else { env(raw)?.parse().ok()? };
                (n >= *min && n <= *max).then_some(Value::Int(n))
            }
            Kind::Number(min, max) => {
                let n = match raw {
                    Raw::Int(n) => *n as f64,
                    Raw::Float(n) => *n,
                    _ => env(raw)?.parse().ok()?,
                };
                (n >= *min && n <= *max).then_some(Value::Number(n))
            }
            Kind::Span => span(&text(raw)?).map(Value::Span),
            Kind::Size => match raw {
                Raw::Int(n) => (*n >= 0).then_some(Value::Int(*n)),
                _ => size(&text(raw)?).map(Value::Int),
            },
            Kind::List => list(raw).map(Value::List),
            Kind::Networks => {
                let all = list(raw)?;
                all.iter().all(|n| n.parse::<kenroku_http::net::IpNet>().is_ok()).then_some(Value::List(all))
            }
        }
    }
}

fn list(raw: &Raw) -> Option<Vec<String>> {
    match raw {
        Raw::List(all) => Some(all.clone()),
        Raw::Env(t) => {
            Some(t.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect())
        }
        _ => None,
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

fn span(text: &str) -> Option<Duration> {
    let (n, unit) = number_and_unit(text.trim())?;
    Some(match unit {
        "ms" => Duration::from_millis(n),
        "s" => Duration::from_secs(n),
        "m" | "min" => Duration::from_secs(n.checked_mul(60)?),
        "h" => Duration::from_secs(n.checked_mul(3600)?),
        "d" => Duration::from_secs(n.checked_mul(86_400)?),
        _ => return None,
    })
}

fn size(text: &str) -> Option<i64> {
    let (n, unit) = number_and_unit(text.trim())?;
    let factor = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" => 1024,
        "MB" => 1_000_000,
        "MiB" => 1024 * 1024,
        "GB" => 1_000_000_000,
        "GiB" => 1024 * 1024 * 1024,
        _ => return None,
    };
    i64::try_from(n.checked_mul(factor)?).ok()
}

/// Every setting with its value. A service in the app: `app.get::<Values>()?.span("snow.public_delay")?`.
#[derive(Clone, Debug, Default)]
pub struct Values(BTreeMap<&'static str, (Value, Origin)>);

/// A key that nobody declared, or asked for as another kind: a mistake in the program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the program asks for the setting {0}, which is not declared as such")]
pub struct UnknownSetting(pub String);

impl From<UnknownSetting> for kenroku_types::Problem {
    fn from(e: UnknownSetting) -> Self {
        kenroku_types::Problem::internal().because(&e)
    }
}

impl Values {
    /// The defaults of these settings, or what the demo sets.
    pub fn defaults<'a>(settings: impl IntoIterator<Item = &'a Setting>, demo: bool) -> Self {
        let mut values = Values::default();
        for s in settings {
            let (text, origin) = match s.demo.filter(|_| demo) {
                Some(text) => (text, Origin::Demo),
                None => (s.default, Origin::Default),
            };
            // A default that is not of its kind is caught by `check` in the binary's test.
            if let Some(value) = s.kind.read(&Raw::Env(text.to_owned())) {
                values.set(s.key, value, origin);
            }
        }
        values
    }

    /// Sets a value.
    pub fn set(&mut self, key: &'static str, value: Value, origin: Origin) {
        self.0.insert(key, (value, origin));
    }

    /// The value of a key and where it comes from.
    pub fn origin(&self, key: &str) -> Option<(&Value, &Origin)> {
        self.0.get(key).map(|(v, o)| (v, o))
    }

    fn value<T>(&self, key: &str, pick: impl FnOnce(&Value) -> Option<T>) -> Result<T, UnknownSetting> {
        self.0.get(key).and_then(|(v, _)| pick(v)).ok_or_else(|| UnknownSetting(key.to_owned()))
    }

    /// A text, path, choice or address.
    ///
    /// # Errors
    /// When no such setting is declared; so with all of these.
    pub fn text(&self, key: &str) -> Result<String, UnknownSetting> {
        self.value(key, |v| if let Value::Text(t) = v { Some(t.clone()) } else { None })
    }

    /// A yes or no.
    ///
    /// # Errors
    /// As [`Values::text`].
    pub fn bool(&self, key: &str) -> Result<bool, UnknownSetting> {
        self.value(key, |v| if let Value::Bool(b) = v { Some(*b) } else { None })
    }

    /// A whole number, or the bytes of a size.
    ///
    /// # Errors
    /// As [`Values::text`].
    pub fn int(&self, key: &str) -> Result<i64, UnknownSetting> {
        self.value(key, |v| if let Value::Int(n) = v { Some(*n) } else { None })
    }

    /// A number.
    ///
    /// # Errors
    /// As [`Values::text`].
    pub fn number(&self, key: &str) -> Result<f64, UnknownSetting> {
        self.value(key, |v| if let Value::Number(n) = v { Some(*n) } else { None })
    }

    /// A span.
    ///
    /// # Errors
    /// As [`Values::text`].
    pub fn span(&self, key: &str) -> Result<Duration, UnknownSetting> {
        self.value(key, |v| if let Value::Span(d) = v { Some(*d) } else { None })
    }

    /// A list.
    ///
    /// # Errors
    /// As [`Values::text`].
    pub fn list(&self, key: &str) -> Result<Vec<String>, UnknownSetting> {
        self.value(key, |v| if let Value::List(l) = v { Some(l.clone()) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_take_what_they_say_and_nothing_else() {
        let text = |t: &str| Raw::Text(t.to_owned());
        let env = |t: &str| Raw::Env(t.to_owned());
        assert_eq!(Kind::Span.read(&text("10m")), Some(Value::Span(Duration::from_secs(600))));
        assert_eq!(Kind::Size.read(&text("1MiB")), Some(Value::Int(1_048_576)));
        assert_eq!(Kind::Bool.read(&env("true")), Some(Value::Bool(true)));
        assert_eq!(Kind::List.read(&env("a, b")), Some(Value::List(vec!["a".into(), "b".into()])));
        assert!(Kind::Address.read(&text("")).is_some() && Kind::Address.read(&text("[::]:80")).is_some());
        let wrong = [
            (Kind::Span, text("10")),
            (Kind::Span, Raw::Int(10)),
            (Kind::Size, text("1XB")),
            (Kind::Bool, text("true")),
            (Kind::Int(1, 5), Raw::Int(6)),
            (Kind::Address, text("localhost")),
            (Kind::Choice(&["a"]), text("b")),
            (Kind::Networks, Raw::List(vec!["10.0.0.0/99".into()])),
            (Kind::Text, Raw::Other("date")),
        ];
        for (kind, raw) in wrong {
            assert_eq!(kind.read(&raw), None, "{kind:?} {raw:?}");
        }
    }

    #[test]
    fn defaults_and_the_demo_have_their_origin() {
        let s = Setting { key: "a.b", kind: Kind::Span, default: "10m", demo: Some("5s"), about: "" };
        let normal = Values::defaults([&s], false);
        assert_eq!(
            (normal.span("a.b").unwrap().as_secs(), normal.origin("a.b").unwrap().1),
            (600, &Origin::Default)
        );
        assert_eq!(Values::defaults([&s], true).span("a.b").unwrap().as_secs(), 5);
        assert!(normal.text("a.b").is_err() && normal.span("a.c").is_err());
    }
}
