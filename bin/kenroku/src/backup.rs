//! `backup` and `restore`.

use std::path::Path;

use kenroku_module::{Module, Values};
use kenroku_store::{Db, Engine, restore_postgres, restore_sqlite};
use kenroku_types::Env;

use crate::cli::print;
use crate::config::{self, Store};
use crate::exit::{Code, Stop};
use crate::open;
use crate::progress::Progress;

/// Names of copies begin so; `restore` knows by it what a file is a copy of.
const MAIN: &str = "kenroku-";
const LOG: &str = "access-log-";
const KEYS: &str = "keys-";

/// Copies the databases into `folder` while they are in use. The key store goes into a folder of its own: its
/// copies are deleted after `vault.key_backup_days`, or an erasure would not hold.
pub async fn backup(modules: &[Module], values: &Values, folder: &Path) -> Result<(), Stop> {
    open::make_folder(folder)?;
    let keys_folder = folder.join("keys");
    open::make_folder(&keys_folder)?;
    let env = Env::system();
    let db = open::database(values)?;
    db.ping().await?;
    let t = env.now().jst();
    let stamp =
        format!("{:04}{:02}{:02}-{:02}{:02}{:02}", t.year, t.month, t.day, t.hour, t.minute, t.second);
    let mut progress = Progress::new("backup");
    // The key store first: a person whose keys are newer than it cannot be in the other copies yet.
    let vault = open::vault(values, &db, modules, &env).await?;
    let keys = vault.backup_keys(&keys_folder).await.map_err(|e| Stop::new(Code::Io, e.to_string()))?;
    let mut lines = format!("{}: the key store\n", keys.display());
    let mut copies = vec![(config::store(values)?, MAIN)];
    if db.engine() == Engine::Sqlite {
        copies.push((config::access_log(values)?, LOG));
    }
    for (store, prefix) in copies {
        let (source, kind) = match store {
            Store::Sqlite(path, options) => (Db::open_sqlite(&path, options)?, "db"),
            Store::Postgres(options) => (Db::open_postgres(&options)?, "pgdump"),
        };
        let file = folder.join(format!("{prefix}{stamp}.{kind}"));
        let bytes = source.backup(&file, &mut |done, all| progress.at(done, all)).await?;
        lines.push_str(&format!("{}: {:.1} MB\n", file.display(), bytes as f64 / 1e6));
    }
    let seconds = progress.finish();
    print(&format!(
        "{lines}complete and on the disk after {seconds:.1} s. To put one back: stop the service, then kenroku restore FILE\n"
    ))
}

/// Puts a copy in place of the database that its name says it is of.
pub async fn restore(values: &Values, file: &Path) -> Result<(), Stop> {
    if !file.is_file() {
        return Err(Stop::new(
            Code::NoInput,
            format!("{} is not a file; name a copy made by `kenroku backup`", file.display()),
        ));
    }
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let store = if name.starts_with(MAIN) {
        config::store(values)?
    } else if name.starts_with(LOG) {
        config::access_log(values)?
    } else if name.starts_with(KEYS) {
        config::keys(values)?
    } else {
        return Err(Stop::new(
            Code::Data,
            format!(
                "{name} does not say what it is a copy of; its name should begin with {MAIN}, {LOG} or {KEYS}"
            ),
        ));
    };
    let _lock = open::lock(values)?;
    let progress = Progress::new("restore");
    let kept = match store {
        Store::Sqlite(path, _) => restore_sqlite(file, &path).await?.map(|p| p.display().to_string()),
        Store::Postgres(options) => {
            restore_postgres(file, &options).await?;
            None
        }
    };
    let seconds = progress.finish();
    let before = kept.map_or_else(String::new, |p| format!("The database from before is kept as {p}\n"));
    print(&format!("{} is in place after {seconds:.1} s\n{before}Start the service now.\n", file.display()))
}
