//! The binary's own settings; modules bring theirs. The example file is made from these lines.

use kenroku_module::{Kind, Module, Setting};

const fn setting(key: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Setting {
    Setting { key, kind, default, demo: None, about }
}

/// What stands at the head of each section in the example file.
pub const SECTIONS: &[(&str, &str)] = &[
    ("server", "Addresses and trust."),
    ("limits", "How much a client may send and how long it may take. What exceeds them is refused politely."),
    ("data", "Where files live."),
    ("store", "The database: embedded SQLite, or PostgreSQL 15 or newer when one machine is not enough."),
    (
        "vault",
        "Personal data: where its keys and the log of who read it live. Losing the master key loses the data.",
    ),
    ("bus", "Between several machines; not needed on one."),
    ("log", "Logs go to standard error, one line per event; docs/logging.md says what is never in them."),
    ("site", "What all pages share."),
];

/// Settings of the binary itself.
pub const OWN: &[Setting] = &[
    Setting {
        demo: Some("0.0.0.0:8080"),
        ..setting(
            "server.public",
            Kind::Address,
            "127.0.0.1:8080",
            "Where everybody's pages and APIs listen.",
        )
    },
    setting(
        "server.staff",
        Kind::Address,
        "",
        "Where staff pages listen, for example inside LGWAN. Empty: together with the public ones.",
    ),
    setting(
        "server.admin",
        Kind::Address,
        "",
        "Where /metrics listens. Empty: on the public address, for requests from this machine only.",
    ),
    setting(
        "server.trusted_proxies",
        Kind::Networks,
        "",
        "Reverse proxies whose X-Forwarded-For, X-Forwarded-Proto and X-Request-Id are believed.",
    ),
    setting(
        "server.origins",
        Kind::List,
        "",
        "Addresses under which people know this site, such as https://portal.example.jp, when a proxy changes the Host header.",
    ),
    setting(
        "server.https_only",
        Kind::Bool,
        "false",
        "True when people reach this site by HTTPS only: cookies are then always Secure and HSTS is sent.",
    ),
    setting(
        "server.drain",
        Kind::Span,
        "20s",
        "How long running requests may go on after the signal to stop.",
    ),
    setting("limits.body", Kind::Size, "1MiB", "Largest request body as sent."),
    setting(
        "limits.decoded_body",
        Kind::Size,
        "10MB",
        "Largest request body after gzip or deflate decoding.",
    ),
    setting("limits.request_time", Kind::Span, "30s", "Longest time for one request."),
    setting("limits.header_time", Kind::Span, "10s", "Longest time for sending a request's head."),
    setting("limits.header_size", Kind::Size, "16KiB", "Largest head of a request."),
    setting("limits.connections", Kind::Int(1, 1_000_000), "4096", "Open connections per address."),
    setting(
        "limits.rate_per_second",
        Kind::Number(0.1, 1e9),
        "200",
        "Requests per second that one network (IPv4 /24, IPv6 /64) may make for long.",
    ),
    setting(
        "limits.rate_burst",
        Kind::Number(1.0, 1e9),
        "1000",
        "Requests that one network may make at once.",
    ),
    setting(
        "limits.rate_exempt",
        Kind::Networks,
        "127.0.0.0/8, ::1/128",
        "Networks without a rate limit, such as a gateway that sends for many vehicles.",
    ),
    Setting {
        demo: Some("./var"),
        ..setting(
            "data.folder",
            Kind::Path,
            "/var/lib/kenroku",
            "Folder for the embedded database, the key store and spooled files. Made when missing.",
        )
    },
    setting("store.engine", Kind::Choice(&["sqlite", "postgres"]), "sqlite", "Which database."),
    setting(
        "store.file",
        Kind::Path,
        "kenroku.db",
        "SQLite: the file, inside data.folder unless it begins with /.",
    ),
    setting("store.readers", Kind::Int(1, 64), "8", "SQLite: readers at the same time."),
    setting(
        "store.host",
        Kind::Text,
        "/run/postgresql",
        "PostgreSQL: host name, address, or folder of the socket.",
    ),
    setting("store.port", Kind::Int(1, 65535), "5432", "PostgreSQL: port."),
    setting("store.database", Kind::Text, "kenroku", "PostgreSQL: database."),
    setting("store.user", Kind::Text, "kenroku", "PostgreSQL: user."),
    setting(
        "store.password_file",
        Kind::SecretFile,
        "",
        "PostgreSQL: file with the password on one line, readable by the service's user only.",
    ),
    setting("store.connections", Kind::Int(2, 500), "16", "PostgreSQL: most connections of this process."),
    setting("store.wait", Kind::Span, "5s", "PostgreSQL: longest wait for a connection."),
    setting(
        "vault.master_file",
        Kind::Path,
        "master.key",
        "File of the master key, inside data.folder unless it begins with /. Made at the first start; keep a copy in a safe, never beside the database's copies.",
    ),
    setting(
        "vault.keys_file",
        Kind::Path,
        "keys.db",
        "SQLite: file of the key store, inside data.folder unless it begins with /.",
    ),
    setting(
        "vault.log_file",
        Kind::Path,
        "access-log.db",
        "SQLite: file of the log of who read personal data, inside data.folder unless it begins with /.",
    ),
    setting(
        "vault.keys_database",
        Kind::Text,
        "kenroku_keys",
        "PostgreSQL: database of the key store, on the same server, with backups of its own.",
    ),
    setting(
        "vault.witness_folder",
        Kind::Path,
        "",
        "Folder on another machine or disk, outside data.folder, where signed checkpoints of the access log go: `kenroku admin verify-log` compares with it. Empty: whoever changes the whole database is not found out.",
    ),
    setting(
        "vault.key_backup_days",
        Kind::Int(1, 365),
        "7",
        "Days after which copies of the key store are deleted: so long an erased person's data could still be read from old copies.",
    ),
    setting(
        "bus.nats",
        Kind::Text,
        "",
        "Address of a NATS server, such as nats://10.1.0.5:4222, that wakes the other machines at once. Empty: they look every second.",
    ),
    setting(
        "bus.token_file",
        Kind::SecretFile,
        "",
        "File with the token for the NATS server on one line; the address itself holds no secret.",
    ),
    setting(
        "bus.installation",
        Kind::Text,
        "kenroku",
        "Keeps installations apart that share a NATS server: lower-case letters, digits and -.",
    ),
    setting("log.format", Kind::Choice(&["json", "human"]), "json", "For machines or for people."),
    setting(
        "log.level",
        Kind::Text,
        "info",
        "Smallest level: error, warn, info, debug, trace; or per part, such as \"info,kenroku_snow=debug\".",
    ),
    Setting {
        demo: Some("true"),
        ..setting(
            "site.simulated",
            Kind::Bool,
            "false",
            "Every page says that its data is simulated (模擬データ).",
        )
    },
];

/// All settings: the binary's and those of the modules.
pub fn all(modules: &[Module]) -> Vec<Setting> {
    OWN.iter().chain(modules.iter().flat_map(|m| &m.settings)).copied().collect()
}

/// `kenroku.example.toml`: every setting with its default, what it does and what it takes.
pub fn example(settings: &[Setting]) -> String {
    let mut out = String::from(
        "# Configuration of Kenroku. Every setting is optional; the values below are the defaults.\n\
         # Each one can also be set by an environment variable: KENROKU_, then section and name in capitals\n\
         # with two underscores between them, for example KENROKU_SERVER__PUBLIC=0.0.0.0:8080.\n\
         # Lists in variables are separated by commas. The variable wins over the file.\n\
         # Check a file with: kenroku config check --config kenroku.toml\n",
    );
    let mut section = "";
    for s in settings {
        let (head, name) = s.key.split_once('.').unwrap_or(("", s.key));
        if head != section {
            section = head;
            let about = SECTIONS.iter().find(|(n, _)| *n == head).map_or("", |(_, about)| about);
            out.push('\n');
            if !about.is_empty() {
                out.push_str(&format!("# {about}\n"));
            }
            out.push_str(&format!("[{head}]\n"));
        }
        out.push_str(&format!("# {}\n# Takes {}.\n# {name} = {}\n", s.about, s.kind.accepted(), literal(s)));
    }
    out
}

/// The default as it is written in TOML.
fn literal(s: &Setting) -> String {
    match s.kind {
        Kind::Bool | Kind::Int(..) | Kind::Number(..) => s.default.to_owned(),
        Kind::List | Kind::Networks => {
            let items = s.default.split(',').map(str::trim).filter(|t| !t.is_empty());
            format!("[{}]", items.map(|t| format!("{t:?}")).collect::<Vec<_>>().join(", "))
        }
        _ => format!("{:?}", s.default),
    }
}
