//! Chores of the workspace: the gate, its single steps, and scaffolding. `cargo run -p xtask -- --help`.
//!
//! What it is not: part of the product. Nothing here is shipped. How to add a step: a function that returns
//! `anyhow::Result<()>` with a message that says what to do, listed in [`ci`].
#![expect(clippy::print_stdout, reason = "a tool of the command line")]

mod ci;
mod deps;
mod licences;
mod scaffold;
mod servers;
mod shell;
mod statements;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Chores of the Kenroku workspace")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The whole gate, or some of its steps by name.
    #[command(after_help = ci::list())]
    Ci {
        /// Only these steps, in the gate's order.
        steps: Vec<String>,
    },
    /// Which crate may depend on which.
    CheckDeps,
    /// Licences, bans and sources of dependencies against deny.toml.
    Licences,
    /// Builds style sheets and scripts into web/dist.
    Assets,
    /// Writes a new service crate that compiles, shows a page and passes its tests.
    NewService {
        /// Lower-case letters, digits and hyphens.
        name: String,
    },
    /// The Rust crate openidconnect goes from discovery to logout against a demo.
    Openidconnect,
    /// The long fault runs.
    Soak,
}

fn main() -> Result<()> {
    match Args::parse().what {
        What::Ci { steps } => ci::run(&steps),
        What::CheckDeps => deps::check(),
        What::Licences => licences::check(),
        What::Assets => ci::assets(),
        What::NewService { name } => scaffold::new_service(&name),
        What::Openidconnect => ci::openidconnect(),
        What::Soak => ci::soak(),
    }
}
