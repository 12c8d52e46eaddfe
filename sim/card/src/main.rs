//! The simulated card as a program: puts it into a virtual reader, tells whose it is, writes the trust anchors.
#![expect(clippy::print_stdout, reason = "a tool of the command line")]

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use kenroku_sim_card::card::{Card, Token};
use kenroku_sim_card::pki::{List, Pki};
use kenroku_sim_card::{PASSWORD, PIN, Resident, vpcd};
use kenroku_types::Clock;

/// 模擬マイナンバーカード: a software card for trials. No real card, no real person.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Puts a resident's card into the virtual reader until it is closed.
    Insert {
        /// 0 to 999.
        resident: u32,
        /// Where vpcd listens.
        #[arg(long, default_value = "127.0.0.1:35963")]
        reader: String,
    },
    /// Shows some residents.
    List {
        /// From this number on.
        #[arg(default_value_t = 0)]
        from: u32,
    },
    /// Writes the CA certificates and empty lists of revoked certificates (DER) for a verifier's configuration.
    Anchors {
        /// A folder.
        folder: PathBuf,
    },
}

fn main() -> Result<()> {
    let pki = Pki::shipped()?;
    match Args::parse().what {
        What::Insert { resident, reader } => {
            let resident = Resident::new(resident);
            let card = Mutex::new(Card::of(&resident, &pki, Token::Card)?);
            let line = TcpStream::connect(&reader)
                .with_context(|| format!("no virtual reader at {reader}: is pcscd with vpcd running?"))?;
            line.set_nodelay(true)?;
            println!("模擬カード: {} / PIN {PIN} / 署名用パスワード {PASSWORD}", resident.name);
            vpcd::serve(&card, line)?;
        }
        What::List { from } => {
            for r in Resident::all().skip(from as usize).take(20) {
                let sign = if r.can_sign() { "" } else { " 署名用なし" };
                println!("{:4} {} {} {} 第{}世代{sign}", r.number, r.name, r.birth, r.address, r.generation);
            }
        }
        What::Anchors { folder } => {
            std::fs::create_dir_all(&folder)?;
            let now = Clock::system().now();
            for ca in pki.all() {
                let name = format!("{:?}-{}", ca.purpose, ca.generation).to_lowercase();
                let list = ca.list(&List {
                    this_update: now,
                    next_update: Some(now.plus(Duration::from_secs(86_400))),
                    number: now.secs().to_be_bytes().to_vec(),
                    revoked: Vec::new(),
                    extensions: Vec::new(),
                })?;
                std::fs::write(folder.join(format!("{name}.cer")), &ca.certificate)?;
                std::fs::write(folder.join(format!("{name}.crl")), list)?;
            }
            println!("{}", folder.display());
        }
    }
    Ok(())
}
