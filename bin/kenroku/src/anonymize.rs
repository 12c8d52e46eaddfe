//! `anonymize`: a table about people made anonymous by a recipe, with its entry for the register of releases.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kenroku_anonymize::release::anonymize_within;
use kenroku_anonymize::{Config, Description, Open, Table};
use kenroku_types::Rng;

use crate::cli::print;
use crate::exit::{Code, Stop};
use crate::progress::Progress;

/// What to anonymize, and how.
#[derive(clap::Args)]
pub struct Args {
    /// The recipe (TOML): what each column is and what must hold. Its hierarchies' files are looked for beside it.
    #[arg(long, value_name = "FILE")]
    recipe: PathBuf,
    /// The table: comma-separated values in UTF-8, the first line names the columns.
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Where the rows go; the entry for the register goes beside it with `.json` at the end. Without it the result is
    /// only described.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A table of the whole population with the same columns, to count the risk in.
    #[arg(long, value_name = "FILE")]
    population: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &Args) -> Result<(), Stop> {
    let entry = args.out.as_deref().map(beside);
    for file in args.out.iter().chain(&entry) {
        if file.exists() {
            return Err(Stop::new(Code::CannotCreate, format!("{} is there already", file.display())));
        }
    }
    let mut progress = Progress::new("anonymize");
    let folder = args.recipe.parent().unwrap_or(Path::new("")).to_owned();
    let text = String::from_utf8(read(&args.recipe)?).map_err(|_| wrong(&args.recipe, "it is not UTF-8"))?;
    let mut hierarchy = |name: &str| {
        let file = folder.join(name);
        std::fs::read(&file).map_err(|e| format!("the file {} cannot be read: {e}", file.display()))
    };
    let config = Config::parse(&text, &mut hierarchy).map_err(|e| wrong(&args.recipe, e))?;
    let table = |file: &Path| Table::read(&read(file)?).map_err(|e| wrong(file, e));
    let rows = table(&args.input)?;
    let population = args.population.as_deref().map(table).transpose()?;
    let rng = config.seed.map_or_else(Rng::system, Rng::seeded);
    let mut told = |settled, nodes| progress.at(settled, nodes);
    let release = anonymize_within(&rows, population.as_ref(), &config, &rng, &mut told)
        .map_err(|e| wrong(&args.input, e))?;
    let mut said = summary(&args.input, &release.description, progress.finish());
    match (&args.out, &entry) {
        (Some(out), Some(entry)) => match release.publish(&config) {
            Ok(published) => {
                let json = serde_json::to_string_pretty(&published.description).map_err(Stop::fault)?;
                // The entry first: no file is given away that the register does not know.
                create(entry, &json)?;
                create(out, &published.csv)?;
                let _ = writeln!(said, "written: {}, {}", out.display(), entry.display());
                print(&said)
            }
            Err(open) => {
                print(&said)?;
                Err(Stop::new(Code::Data, format!("{open}\n{}", opened(&open))))
            }
        },
        _ => {
            said.push_str("nothing was written: --out says where to\n");
            print(&said)
        }
    }
}

fn beside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

fn read(file: &Path) -> Result<Vec<u8>, Stop> {
    std::fs::read(file)
        .map_err(|e| Stop::new(Code::NoInput, format!("{} cannot be read: {e}", file.display())))
}

fn wrong(file: &Path, e: impl std::fmt::Display) -> Stop {
    Stop::new(Code::Data, format!("{}: {e}", file.display()))
}

/// Never over a file that is there: it could be what somebody was given.
fn create(file: &Path, text: &str) -> Result<(), Stop> {
    let open = std::fs::OpenOptions::new().write(true).create_new(true).open(file);
    let mut open =
        open.map_err(|e| Stop::new(Code::CannotCreate, format!("{} cannot be made: {e}", file.display())))?;
    let written = open.write_all(text.as_bytes()).and_then(|()| open.sync_all());
    written.map_err(|e| Stop::new(Code::Io, format!("{} cannot be written: {e}", file.display())))
}

fn summary(input: &Path, d: &Description, seconds: f64) -> String {
    let mut text = format!(
        "{}: {} of {} rows kept, in {} groups of at least {} ({} of {} combinations of levels looked at, {seconds:.1} s)\n",
        input.display(),
        d.rows_out,
        d.rows_in,
        d.achieved.classes,
        d.achieved.k,
        d.searched.looked_at,
        d.searched.nodes,
    );
    let _ = writeln!(text, "detail lost: {:.1} %", d.losses.loss * 100.0);
    let _ = writeln!(
        text,
        "risk of a known person's row: at most {:.3}, on average {:.4} (before: {:.3}, {:.4})",
        d.risks.prosecutor.highest,
        d.risks.prosecutor.average,
        d.risks_before.prosecutor.highest,
        d.risks_before.prosecutor.average,
    );
    if let Some(j) = &d.risks.journalist {
        let _ =
            writeln!(text, "within the population: at most {:.3}, on average {:.4}", j.highest, j.average);
    }
    for (c, level, of) in d.columns.iter().filter_map(|c| c.level.map(|(l, of)| (c, l, of))) {
        let _ = writeln!(text, "  {}: level {level} of {of}, {} values", c.name, c.values);
    }
    for s in &d.achieved.sensitive {
        let _ = writeln!(
            text,
            "  {}: at least {} values in each group, distance to the whole at most {:.3}",
            s.column, s.distinct, s.t
        );
    }
    text
}

/// What a person has to answer, in the words of the law.
fn opened(open: &Open) -> String {
    let steps = open.steps.iter().map(|s| format!("  {}", s.ja()));
    let findings = open.findings.iter().map(|f| format!("  {}: {} ({})", f.column, f.looks.ja(), f.values));
    steps.chain(findings).collect::<Vec<_>>().join("\n")
}
