//! `backup` and `restore`.

use std::path::Path;

use kenroku_module::Values;
use kenroku_store::{restore_postgres, restore_sqlite};
use kenroku_types::Clock;

use crate::cli::print;
use crate::config::{self, Store};
use crate::exit::{Code, Stop};
use crate::open;
use crate::progress::Progress;

/// Copies the database into `folder` while it is in use.
pub async fn backup(values: &Values, folder: &Path) -> Result<(), Stop> {
    open::make_folder(folder)?;
    let db = open::database(values)?;
    db.ping().await?;
    let t = Clock::system().now().jst();
    let kind = match config::store(values)? {
        Store::Sqlite(..) => "db",
        Store::Postgres(_) => "pgdump",
    };
    let name = format!(
        "kenroku-{:04}{:02}{:02}-{:02}{:02}{:02}.{kind}",
        t.year, t.month, t.day, t.hour, t.minute, t.second
    );
    let file = folder.join(name);
    let mut progress = Progress::new("backup");
    let bytes = db.backup(&file, &mut |done, all| progress.at(done, all)).await?;
    let seconds = progress.finish();
    print(&format!(
        "{}: {:.1} MB in {seconds:.1} s, complete and on the disk\nTo put it back: stop the service, then kenroku restore {}\n",
        file.display(),
        bytes as f64 / 1e6,
        file.display()
    ))
}

/// Puts a copy in place of the database.
pub async fn restore(values: &Values, file: &Path) -> Result<(), Stop> {
    if !file.is_file() {
        return Err(Stop::new(
            Code::NoInput,
            format!("{} is not a file; name a copy made by `kenroku backup`", file.display()),
        ));
    }
    let _lock = open::lock(values)?;
    let progress = Progress::new("restore");
    let kept = match config::store(values)? {
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
