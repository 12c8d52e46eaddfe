//! Opening what lives outside the process: the data folder, its lock, the database.

use std::fs::{File, TryLockError};
use std::path::Path;

use kenroku_module::{Module, Values, migrations};
use kenroku_store::{Db, Engine, MigrationReport};
use kenroku_types::{Clock, Env};
use kenroku_vault::{FileWitness, KEY_TABLES, LOG_TABLES, MasterKeys, Vault, VaultOptions, VaultParts};

use crate::config::{self, Store};
use crate::exit::{Code, Stop};

/// Held for as long as this process owns the data folder.
pub struct Lock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

/// Makes the data folder and takes its lock, so that two servers or a restore never use it at once.
pub fn lock(values: &Values) -> Result<Lock, Stop> {
    let folder = config::data_folder(values)?;
    make_folder(&folder)?;
    let path = folder.join("kenroku.lock");
    let file = File::create(&path).map_err(|e| cannot(&path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Stop::new(
            Code::TryAgain,
            format!("another kenroku uses {}; stop it first, or name another data.folder", folder.display()),
        )),
        Err(TryLockError::Error(e)) => Err(cannot(&path, &e)),
    }
}

/// Makes a folder that is not there, readable by this user only: it will hold keys and personal data.
pub fn make_folder(folder: &Path) -> Result<(), Stop> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| cannot(folder, &e))
}

fn cannot(path: &Path, e: &std::io::Error) -> Stop {
    let code = match e.kind() {
        std::io::ErrorKind::StorageFull => Code::Io,
        _ => Code::CannotCreate,
    };
    Stop::new(
        code,
        format!(
            "{} cannot be written: {e}; give this user the right (chown), or set data.folder to a folder it may write",
            path.display()
        ),
    )
}

/// Opens the database. A PostgreSQL server is asked at its first use.
pub fn database(values: &Values) -> Result<Db, Stop> {
    open(config::store(values)?)
}

fn open(store: Store) -> Result<Db, Stop> {
    match store {
        Store::Sqlite(path, options) => {
            if let Some(folder) = path.parent() {
                make_folder(folder)?;
            }
            Ok(Db::open_sqlite(&path, options)?)
        }
        Store::Postgres(options) => Ok(Db::open_postgres(&options)?),
    }
}

/// Opens the vault over its own databases, which are brought up to date. `main` holds the access log on
/// PostgreSQL.
pub async fn vault(values: &Values, main: &Db, modules: &[Module], env: &Env) -> Result<Vault, Stop> {
    let keys = open(config::keys(values)?)?;
    let log = match main.engine() {
        Engine::Sqlite => open(config::access_log(values)?)?,
        Engine::Postgres => main.clone(),
    };
    log.migrate(&[LOG_TABLES], env.now()).await?;
    keys.migrate(&[KEY_TABLES], env.now()).await.map_err(|e| {
        let mut stop = Stop::from(e);
        stop.text.push_str(" (the key store; see vault.keys_file and vault.keys_database)");
        stop
    })?;
    let path = config::data_folder(values)?.join(values.text("vault.master_file")?);
    let (master, made) = master(&path, env)?;
    let days = u32::try_from(values.int("vault.key_backup_days")?).unwrap_or(7);
    let parts = VaultParts {
        env: env.clone(),
        log,
        keys,
        master,
        modules: modules.iter().map(|m| m.vault.clone()).collect(),
        options: VaultOptions { key_backup_days: days, ..VaultOptions::default() },
    };
    Vault::start(parts).await.map_err(|e| {
        let mut stop = vault_stop(e);
        if made {
            // A new key beside a key store that was made with another would only hide what is missing.
            let _ = std::fs::remove_file(&path);
            stop.text.push_str(&format!("; put the master key back as {}", path.display()));
        }
        stop
    })
}

/// Who keeps the checkpoints of the access log, when one is configured.
pub fn witness(values: &Values) -> Result<Option<FileWitness>, Stop> {
    let folder = values.text("vault.witness_folder")?;
    if folder.is_empty() {
        return Ok(None);
    }
    let data = config::data_folder(values)?;
    FileWitness::new(Path::new(&folder), &data)
        .map(Some)
        .map_err(|e| Stop::new(Code::Config, format!("vault.witness_folder: {e}")))
}

/// The database with the access log.
pub fn access_log(values: &Values) -> Result<Db, Stop> {
    open(config::access_log(values)?)
}

/// The master key, and whether it was made just now, as at the first start.
fn master(path: &Path, env: &Env) -> Result<(MasterKeys, bool), Stop> {
    if path.exists() {
        return Ok((MasterKeys::load(path).map_err(vault_stop)?, false));
    }
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let made = MasterKeys::create(path, &env.rng).map_err(vault_stop)?;
    tracing::warn!(file = %path.display(), "made a new master key; put a copy into a safe, away from the database's copies");
    Ok((made, true))
}

fn vault_stop(e: kenroku_vault::Error) -> Stop {
    Stop::new(Code::Config, format!("the vault cannot open: {e}"))
}

/// Brings the schema up to date; says what to check when the server does not answer.
pub async fn migrate(db: &Db, modules: &[Module]) -> Result<MigrationReport, Stop> {
    db.migrate(&migrations(modules), Clock::system().now()).await.map_err(|e| {
        let mut stop = Stop::from(e);
        if stop.code == Code::Unavailable {
            stop.text.push_str(
                "; check store.host, store.port, store.database, store.user and the content of store.password_file, \
                 and that the server runs and lets this machine in (pg_hba.conf)",
            );
        }
        stop
    })
}
