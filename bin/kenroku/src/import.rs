//! `import`: files of the modules' kinds into the database.

use std::path::PathBuf;

use kenroku_module::{Import, Module, Values};

use crate::cli::print;
use crate::exit::{Code, Stop};
use crate::progress::Progress;
use crate::{logging, open, run};

/// Reads `file` as `kind`, or lists the kinds.
pub async fn run(
    modules: Vec<Module>,
    values: Values,
    kind: Option<String>,
    file: Option<PathBuf>,
) -> Result<(), Stop> {
    let importers: Vec<_> = modules.iter().flat_map(|m| m.importers.clone()).collect();
    let list: String = importers.iter().map(|i| format!("  {:<20} {}\n", i.kind, i.about)).collect();
    let (Some(kind), Some(file)) = (kind, file) else {
        return print(&format!("kenroku import KIND FILE, where KIND is one of\n{list}"));
    };
    let Some(importer) = importers.iter().find(|i| i.kind == kind) else {
        return Err(Stop::new(
            Code::Usage,
            format!("there is no import kind “{kind}”; it is one of\n{list}"),
        ));
    };
    if !file.is_file() {
        return Err(Stop::new(Code::NoInput, format!("{} is not a file that can be read", file.display())));
    }
    logging::start(&values)?;
    let db = open::database(&values)?;
    open::migrate(&db, &modules).await?;
    let app = run::put_together(modules, &values, db).await?.app;
    let mut progress = Progress::new("import");
    let started = Progress::new("import");
    let work =
        Import { app, file: file.clone(), progress: Box::new(move |done, all| progress.at(done, all)) };
    match (importer.run)(work).await {
        Ok(summary) => print(&format!("{}: {summary} ({:.1} s)\n", file.display(), started.finish())),
        Err(e) => Err(Stop::new(Code::Data, format!("{}: {e}", file.display()))),
    }
}
