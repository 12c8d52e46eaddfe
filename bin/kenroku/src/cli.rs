//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::exit::Stop;
use crate::{admin, anonymize, backup, config, demo, import, modules, open, run, settings};

/// 兼六: the digital public infrastructure of a prefecture.
#[derive(Parser)]
#[command(name = "kenroku", version, propagate_version = true)]
pub struct Cli {
    /// Configuration file; without it the defaults and the environment count.
    #[arg(long, short, global = true, env = "KENROKU_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary can do.
#[derive(Subcommand)]
pub enum Command {
    /// Serve pages and APIs, and do the background work (until SIGTERM or Ctrl-C).
    Serve,
    /// Do the background work only, beside other `serve` processes on the same PostgreSQL.
    Worker,
    /// Show everything on this machine with simulated data (模擬データ): pages, APIs and accounts to try.
    Demo,
    /// Bring the database's schema up to date; `serve` does it too.
    Migrate,
    /// Read a file into the database.
    Import {
        /// Kind of file; leave it out to list the kinds.
        kind: Option<String>,
        /// The file.
        file: Option<PathBuf>,
    },
    /// Make a table about people anonymous, so that it can be given away (docs/anonymization.md).
    Anonymize(anonymize::Args),
    /// Look at the configuration.
    Config {
        /// What to look at.
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Accounts, keys and checks, for the operator at the machine.
    Admin {
        /// What to do.
        #[command(subcommand)]
        what: admin::AdminCommand,
    },
    /// Write complete copies of the databases while they are in use.
    Backup {
        /// Folder for the copies; their names carry the time.
        folder: PathBuf,
    },
    /// Put a copy in place of the database it was made of. `serve` must be stopped.
    Restore {
        /// The copy.
        file: PathBuf,
    },
}

/// What to look at in the configuration.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Say everything that is wrong, or that nothing is.
    Check,
    /// Show every setting with its value and where it comes from.
    Show,
    /// Print the commented example file.
    Example,
}

impl Command {
    /// Runs the command.
    pub async fn run(self, file: Option<PathBuf>) -> Result<(), Stop> {
        if let Command::Anonymize(args) = &self {
            // Needs neither a database nor a server's settings.
            return anonymize::run(args);
        }
        let demo = matches!(self, Command::Demo);
        let modules = modules::modules();
        let settings = settings::all(&modules);
        if let Command::Config { what: ConfigCommand::Example } = self {
            return print(&settings::example(&settings));
        }
        let mut values = config::load(&settings, file.as_deref(), environment(), demo)?;
        match self {
            Command::Serve => run::serve(modules, values).await,
            Command::Worker => run::worker(modules, values).await,
            Command::Demo => {
                demo::port(&mut values, environment())?;
                demo::run(modules, values).await
            }
            Command::Migrate => {
                let db = open::database(&values)?;
                let report = open::migrate(&db, &modules).await?;
                let names: String = report.applied.iter().map(|n| format!("  {n}\n")).collect();
                print(&format!(
                    "{names}{} steps run, {} were there already\n",
                    report.applied.len(),
                    report.present
                ))
            }
            Command::Import { kind, file } => import::run(modules, values, kind, file).await,
            Command::Config { what: ConfigCommand::Show } => print(&config::show(&settings, &values)),
            // Done above.
            Command::Anonymize(_) => Ok(()),
            Command::Config { .. } => {
                config::http(&values)?;
                config::store(&values)?;
                run::policies(&modules)?;
                let name = file.map_or_else(|| "the environment".to_owned(), |f| f.display().to_string());
                print(&format!("{name}: nothing is wrong\n"))
            }
            Command::Admin { what } => admin::run(modules, values, what).await,
            Command::Backup { folder } => backup::backup(&modules, &values, &folder).await,
            Command::Restore { file } => backup::restore(&values, &file).await,
        }
    }
}

/// Prints a command's result.
pub fn print(text: &str) -> Result<(), Stop> {
    use std::io::Write as _;
    // A closed pipe (`| head`) is no error of ours.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn environment() -> impl Iterator<Item = (String, String)> {
    // Variables that are not text cannot be ours.
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
}
