//! `kenroku`: the one server binary.
//!
//! **What it is.** The only place that knows every module (`modules.rs`), reads the configuration, opens the
//! database and runs: `serve`, `worker`, `demo`, `migrate`, `import`, `admin`, `backup`, `restore`, `config`, `anonymize`.
//!
//! **What it is not.** No business rule lives here: a rule belongs to its module.
//!
//! **Architecture invariants.** Settings are declared once and read here; nothing else reads the environment.
//! Every command that fails says what to do, and ends with a code of [`exit::Code`].
//!
//! **How to add a module.** One line in `modules.rs`. **A command:** a variant in `cli.rs`, a function here.

mod admin;
mod anonymize;
mod background;
mod backup;
#[cfg(test)]
mod blessed;
mod cards;
mod cli;
mod config;
mod demo;
mod elsewhere;
mod exit;
mod import;
mod logging;
mod modules;
mod open;
mod progress;
mod run;
mod settings;
#[cfg(test)]
mod statements;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let code = if e.use_stderr() { exit::Code::Usage } else { exit::Code::Ok };
            let _ = e.print();
            return code.into();
        }
    };
    // Whoever speaks TLS in this process uses ring; without a choice a client for HTTP would not even start.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            return exit::Stop::new(exit::Code::Os, format!("the async runtime cannot start: {e}")).report();
        }
    };
    match runtime.block_on(cli.command.run(cli.config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(),
    }
}
