//! The config file and the environment: read, checked against the declared settings, and turned into values.
//!
//! Every fault is told at once, with the line, the key, the value, what is accepted and the nearest known key.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kenroku_bus::{Bus, NatsSettings};
use kenroku_http::Settings as Http;
use kenroku_http::net::IpNet;
use kenroku_module::settings::{Origin, Raw, UnknownSetting};
use kenroku_module::{Setting, Values};
use kenroku_store::{LiteOptions, PgOptions};
use kenroku_types::Env;
use toml::de::{DeTable, DeValue};

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file named on the command line cannot be read.
    #[error("{0} cannot be read: {1}; name the file with --config, or leave it out to use the defaults")]
    Unreadable(PathBuf, String),
    /// Everything that is wrong in it, one fault per line.
    #[error("{0}")]
    Faults(String),
    /// A secret's file cannot be read.
    #[error(
        "{key} names {path}, which cannot be read: {why}; create it, readable by this user only (chmod 600)"
    )]
    Secret {
        /// The setting.
        key: &'static str,
        /// The file.
        path: String,
        /// The system's words.
        why: String,
    },
    /// A mistake in the program.
    #[error(transparent)]
    Unknown(#[from] UnknownSetting),
}

/// Prefix of environment variables.
const PREFIX: &str = "KENROKU_";

/// Variables of the test runner and the gate; they are no settings.
const NOT_SETTINGS: [&str; 4] = ["KENROKU_TEST_", "KENROKU_BLESS", "KENROKU_SQL_COVERAGE", "KENROKU_CONFIG"];

/// Reads the file (if any) and the environment.
///
/// # Errors
/// All faults at once.
pub fn load(
    settings: &[Setting],
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
    demo: bool,
) -> Result<Values, ConfigError> {
    let mut values = Values::defaults(settings, demo);
    let mut faults = Vec::new();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigError::Unreadable(path.to_owned(), e.to_string()))?;
        read_file(&path.display().to_string(), &text, settings, &mut values, &mut faults);
    }
    read_env(env, settings, &mut values, &mut faults);
    if faults.is_empty() { Ok(values) } else { Err(ConfigError::Faults(faults.join("\n"))) }
}

fn read_file(name: &str, text: &str, settings: &[Setting], values: &mut Values, faults: &mut Vec<String>) {
    let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(e) => {
            let line = e.span().map_or(1, |s| line_of(s.start));
            faults.push(format!("{name}, line {line}: this is not TOML: {}", e.message()));
            return;
        }
    };
    for (section, content) in table.get_ref() {
        let line = line_of(section.span().start);
        let Some(entries) = content.get_ref().as_table() else {
            let key = section.get_ref();
            faults.push(format!(
                "{name}, line {line}: “{key}” stands outside a section{}",
                hint(key, settings)
            ));
            continue;
        };
        for (entry, value) in entries {
            let key = format!("{}.{}", section.get_ref(), entry.get_ref());
            let line = line_of(entry.span().start);
            let Some(setting) = settings.iter().find(|s| s.key == key) else {
                faults.push(format!(
                    "{name}, line {line}: there is no setting “{key}”{}",
                    hint(&key, settings)
                ));
                continue;
            };
            let raw = raw(value.get_ref());
            match setting.kind.read(&raw) {
                Some(v) => values.set(setting.key, v, Origin::File(line)),
                None => faults.push(format!("{name}, line {line}: {}", wrong(setting, &shown(&raw)))),
            }
        }
    }
}

fn read_env(
    env: impl IntoIterator<Item = (String, String)>,
    settings: &[Setting],
    values: &mut Values,
    faults: &mut Vec<String>,
) {
    let mut env: Vec<_> = env.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    env.sort();
    for (name, text) in env {
        if NOT_SETTINGS.iter().any(|n| name.starts_with(n)) {
            continue;
        }
        let Some(setting) = settings.iter().find(|s| variable(s.key) == name) else {
            let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
            let near = nearest(&key, settings).map(|k| format!("; did you mean {}?", variable(k)));
            faults.push(format!("the environment variable {name} sets nothing{}", near.unwrap_or_default()));
            continue;
        };
        let raw = Raw::Env(text);
        match setting.kind.read(&raw) {
            Some(v) => values.set(setting.key, v, Origin::Env(name)),
            None => {
                faults.push(format!("the environment variable {name}: {}", wrong(setting, &shown(&raw))));
            }
        }
    }
}

/// The environment variable of a setting.
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

fn wrong(setting: &Setting, value: &str) -> String {
    format!("{} = {value} is not accepted; it takes {}", setting.key, setting.kind.accepted())
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(s) => Raw::Text(s.to_string()),
        DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix())
            .map_or(Raw::Other("a number that is too large"), Raw::Int),
        DeValue::Float(f) => f.as_str().parse().map_or(Raw::Other("a number"), Raw::Float),
        DeValue::Boolean(b) => Raw::Bool(*b),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
        DeValue::Array(items) => {
            let texts: Option<Vec<String>> =
                items.iter().map(|i| i.get_ref().as_str().map(str::to_owned)).collect();
            texts.map_or(Raw::Other("a list with something else than texts"), Raw::List)
        }
    }
}

fn shown(raw: &Raw) -> String {
    match raw {
        Raw::Env(t) | Raw::Text(t) => format!("{t:?}"),
        Raw::Int(n) => n.to_string(),
        Raw::Float(n) => n.to_string(),
        Raw::Bool(b) => b.to_string(),
        Raw::List(all) => format!("{all:?}"),
        Raw::Other(what) => (*what).to_owned(),
    }
}

fn hint(key: &str, settings: &[Setting]) -> String {
    nearest(key, settings).map_or_else(
        || "; `kenroku config show` lists all settings".to_owned(),
        |near| format!("; did you mean “{near}”?"),
    )
}

/// The known key that differs least, when it differs little; the section counts less than the name.
fn nearest(key: &str, settings: &[Setting]) -> Option<&'static str> {
    let name = |k: &str| k.rsplit('.').next().unwrap_or(k).to_owned();
    settings
        .iter()
        .map(|s| (distance(key, s.key).min(distance(&name(key), &name(s.key)) + 1), s.key))
        .filter(|(d, k)| *d <= (k.len() / 3).max(2))
        .min()
        .map(|(_, k)| k)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(ca != *cb)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

/// Every setting with its value and where it comes from. Secrets are files, so none is shown.
pub fn show(settings: &[Setting], values: &Values) -> String {
    let mut out = String::new();
    for s in settings {
        if let Some((value, origin)) = values.origin(s.key) {
            let value = match value {
                kenroku_module::settings::Value::Text(t) => format!("{t:?}"),
                kenroku_module::settings::Value::Bool(b) => b.to_string(),
                kenroku_module::settings::Value::Int(n) => n.to_string(),
                kenroku_module::settings::Value::Number(n) => n.to_string(),
                kenroku_module::settings::Value::Span(d) => format!("{d:?}"),
                kenroku_module::settings::Value::List(l) => format!("{l:?}"),
            };
            let _ = writeln!(out, "{:<26} = {value:<28} ({origin}; {})", s.key, variable(s.key));
        }
    }
    out
}

/// The HTTP side's settings.
///
/// # Errors
/// Only a mistake in the program.
pub fn http(v: &Values) -> Result<Http, ConfigError> {
    let networks = |key: &str| -> Result<Vec<IpNet>, UnknownSetting> {
        Ok(v.list(key)?.iter().filter_map(|n| n.parse().ok()).collect())
    };
    let bytes = |key: &str| -> Result<usize, UnknownSetting> {
        Ok(usize::try_from(v.int(key)?).unwrap_or(usize::MAX))
    };
    Ok(Http {
        body_limit: bytes("limits.body")?,
        decoded_limit: bytes("limits.decoded_body")?,
        timeout: v.span("limits.request_time")?,
        header_timeout: v.span("limits.header_time")?,
        header_limit: bytes("limits.header_size")?,
        connections: bytes("limits.connections")?,
        drain: v.span("server.drain")?,
        rate_per_second: v.number("limits.rate_per_second")?,
        rate_burst: v.number("limits.rate_burst")?,
        rate_exempt: networks("limits.rate_exempt")?,
        trusted_proxies: networks("server.trusted_proxies")?,
        origins: v.list("server.origins")?,
        tls: v.bool("server.https_only")?,
        separate_staff: !v.text("server.staff")?.is_empty(),
        separate_admin: !v.text("server.admin")?.is_empty(),
    })
}

/// How the database is reached.
#[derive(Clone, Debug)]
pub enum Store {
    /// Embedded.
    Sqlite(PathBuf, LiteOptions),
    /// A server.
    Postgres(PgOptions),
}

/// The database's settings, its password read from its file.
///
/// # Errors
/// When the password's file cannot be read.
pub fn store(v: &Values) -> Result<Store, ConfigError> {
    database(v, "store.file", "store.database")
}

/// The key store of the vault, a database of its own.
///
/// # Errors
/// As [`store`].
pub fn keys(v: &Values) -> Result<Store, ConfigError> {
    let mut store = database(v, "vault.keys_file", "vault.keys_database")?;
    if let Store::Sqlite(_, options) = &mut store {
        // A destroyed key must leave no trace in the file.
        options.secure_delete = true;
    }
    Ok(store)
}

/// The log of who read personal data: on SQLite a file of its own, so that reading never waits for a writer of
/// the main one.
///
/// # Errors
/// As [`store`].
pub fn access_log(v: &Values) -> Result<Store, ConfigError> {
    database(v, "vault.log_file", "store.database")
}

fn database(v: &Values, file: &str, name: &str) -> Result<Store, ConfigError> {
    if v.text("store.engine")? == "sqlite" {
        let path = data_folder(v)?.join(v.text(file)?);
        let readers = usize::try_from(v.int("store.readers")?).unwrap_or(8);
        return Ok(Store::Sqlite(path, LiteOptions { readers, ..LiteOptions::default() }));
    }
    let mut info = String::new();
    let port = v.int("store.port")?.to_string();
    for (name, value) in [
        ("host", v.text("store.host")?),
        ("port", port),
        ("dbname", v.text(name)?),
        ("user", v.text("store.user")?),
    ] {
        let _ = write!(info, "{name}='{}' ", quoted(&value));
    }
    if let Some(password) = secret(v, "store.password_file")? {
        let _ = write!(info, "password='{}' ", quoted(&password));
    }
    let mut options = PgOptions::new(info.trim_end());
    options.connections = usize::try_from(v.int("store.connections")?).unwrap_or(16);
    options.wait = v.span("store.wait")?;
    Ok(Store::Postgres(options))
}

/// The bus: of this process alone, or woken through NATS. The line connects in the background for ever.
///
/// # Errors
/// When the token's file cannot be read.
pub fn bus(v: &Values, env: &Env) -> Result<Bus, ConfigError> {
    let mut url = v.text("bus.nats")?;
    if url.is_empty() {
        return Ok(Bus::local(env.clone()));
    }
    if let (Some(token), Some((scheme, host))) = (secret(v, "bus.token_file")?, url.split_once("://")) {
        url = format!("{scheme}://{token}@{host}");
    }
    let installation = v.text("bus.installation")?;
    Ok(Bus::with_nats(env.clone(), NatsSettings { url, installation }))
}

/// Escapes for libpq's connection strings.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "\\'")
}

/// The secret that a setting's file holds; `None` when the setting is empty.
///
/// # Errors
/// When the file cannot be read.
pub fn secret(v: &Values, key: &'static str) -> Result<Option<String>, ConfigError> {
    let path = v.text(key)?;
    if path.is_empty() {
        return Ok(None);
    }
    let text =
        std::fs::read_to_string(&path).map_err(|e| ConfigError::Secret { key, path, why: e.to_string() })?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The data folder.
///
/// # Errors
/// Only a mistake in the program.
pub fn data_folder(v: &Values) -> Result<PathBuf, UnknownSetting> {
    v.text("data.folder").map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{OWN, example};

    fn load_text(text: &str, env: &[(&str, &str)]) -> Result<Values, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.toml");
        std::fs::write(&path, text).unwrap();
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        load(OWN, Some(&path), env, false)
    }

    fn faults(text: &str, env: &[(&str, &str)]) -> String {
        load_text(text, env).unwrap_err().to_string()
    }

    #[test]
    fn the_file_is_read_and_the_environment_wins() {
        let text = "[server]\npublic = \"0.0.0.0:80\"\n[limits]\nbody = \"2MiB\"\n";
        let v = load_text(text, &[("KENROKU_SERVER__PUBLIC", "[::]:8081"), ("HOME", "/root")]).unwrap();
        assert_eq!(v.text("server.public").unwrap(), "[::]:8081");
        assert_eq!(http(&v).unwrap().body_limit, 2 * 1024 * 1024);
        assert_eq!(v.origin("limits.body").unwrap().1, &Origin::File(4));
    }

    #[test]
    fn every_fault_names_line_key_value_what_is_accepted_and_the_nearest_key() {
        let all = faults(
            "[server]\npubic = \"x\"\nstaff = \"here\"\n[limits]\nbody = true\n[stor]\nengine = \"sqlite\"\n",
            &[("KENROKU_LOG__FORMAT", "xml"), ("KENROKU_LOG_LEVEL", "info")],
        );
        for part in [
            "line 2: there is no setting “server.pubic”; did you mean “server.public”?",
            "line 3: server.staff = \"here\" is not accepted; it takes an address with port",
            "line 5: limits.body = true is not accepted; it takes a size",
            "line 7: there is no setting “stor.engine”; did you mean “store.engine”?",
            "KENROKU_LOG__FORMAT: log.format = \"xml\" is not accepted; it takes \"json\" or \"human\"",
            "KENROKU_LOG_LEVEL sets nothing; did you mean KENROKU_LOG__LEVEL?",
        ] {
            assert!(all.contains(part), "{part}\n--\n{all}");
        }
        assert!(faults("[server\n", &[]).contains("line 1: this is not TOML"));
        assert!(faults("public = 1\n", &[]).contains("outside a section; did you mean “server.public”?"));
    }

    #[test]
    fn the_example_is_complete_current_and_valid() {
        let mut settings = crate::settings::all(&crate::modules::modules());
        settings.dedup_by_key(|s| s.key);
        let text = example(&settings);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../kenroku.example.toml");
        crate::blessed::check(path, &text);
        let uncommented: String = text
            .lines()
            .filter(|l| l.contains(" = ") || l.starts_with('['))
            .map(|l| format!("{}\n", l.trim_start_matches("# ")))
            .filter(|l| !l.contains("for example"))
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("k.toml");
        std::fs::write(&file, uncommented).unwrap();
        load(&settings, Some(&file), [], false).unwrap();
    }

    #[test]
    fn secrets_come_from_files_and_are_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pw");
        std::fs::write(&file, "it's\\secret\n").unwrap();
        let text =
            format!("[store]\nengine = \"postgres\"\npassword_file = {:?}\n", file.display().to_string());
        let v = load_text(&text, &[]).unwrap();
        let Store::Postgres(options) = store(&v).unwrap() else { panic!("not PostgreSQL") };
        assert!(options.conninfo.contains(r"password='it\'s\\secret'"));
        assert!(!show(OWN, &v).contains("secret\""));
        let missing =
            load_text("[store]\nengine = \"postgres\"\npassword_file = \"/no/such\"\n", &[]).unwrap();
        assert!(store(&missing).unwrap_err().to_string().contains("chmod 600"));
    }
}
