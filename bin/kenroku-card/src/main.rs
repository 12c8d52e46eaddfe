//! `kenroku-card`: see the crate's documentation.
#![expect(clippy::print_stdout, reason = "a program of the command line")]

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use kenroku_card::card::{Card, Tries};
use kenroku_card::ceremony::{self, Asked, CeremonyError, Person, Started};
use kenroku_card::reader::{self, Reader};
use kenroku_card::secret::{Password, Pin};
use kenroku_card::server::{Http, ServerError};
use kenroku_card::words::Lang;
use zeroize::Zeroizing;

/// マイナンバーカードで、いしかわIDの登録とサインインをします。 / Registers and signs in to Ishikawa ID with a My Number card.
#[derive(Parser)]
struct Cli {
    /// ことば / Language: ja, en（なければ環境の LANG / otherwise by LANG）
    #[arg(long, global = true, value_parser = ["ja", "en"])]
    lang: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// 登録・再登録（暗証番号と署名用パスワードを使います） / Register, or renew a registration
    Register(Ceremony),
    /// サインイン・本人の確認（暗証番号を使います） / Sign in
    SignIn(Ceremony),
    /// つながっているカードリーダーを表示します / List the card readers
    Readers,
}

#[derive(Args)]
struct Ceremony {
    /// サーバーの住所（画面に出ているもの） / Address of the server, as in the browser
    #[arg(long)]
    server: String,
    /// 画面に出ている番号 / The code that the page shows
    #[arg(long)]
    ticket: String,
    /// 使うカードリーダーの名前（なければ最初にカードが置かれたもの） / Name of the reader to use
    #[arg(long)]
    reader: Option<String>,
    /// カードが置かれるのを待つ秒数 / Seconds to wait for a card
    #[arg(long, default_value_t = 60)]
    wait: u64,
    /// 信頼する認証局の証明書（PEM） / CA certificates to trust
    #[arg(long)]
    ca: Option<PathBuf>,
    /// 答えを標準入力から一行ずつ読みます（キオスクの画面や試験のため） / Read the answers from standard input
    #[arg(long)]
    stdin: bool,
    /// 模擬カードの住民番号（0〜999）。リーダーは使いません / Number of a simulated resident, instead of a reader
    #[cfg(feature = "simulated")]
    #[arg(long)]
    simulated: Option<u32>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let lang = Lang::chosen(cli.lang.as_deref(), environment);
    match run(cli.what, lang) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("{}", lang.error(&e));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the language of a terminal stands in its environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn run(what: What, lang: Lang) -> Result<()> {
    let (started, args) = match what {
        What::Register(args) => (Started::Register, args),
        What::SignIn(args) => (Started::SignIn, args),
        What::Readers => {
            for name in reader::names()? {
                println!("{name}");
            }
            return Ok(());
        }
    };
    let roots = args.ca.as_ref().map(std::fs::read).transpose().map_err(|_| ServerError::Roots)?;
    let server = Http::new(&args.server, roots.as_deref())?;
    let mut person = Terminal { stdin: args.stdin, lang, started };
    #[cfg(feature = "simulated")]
    if let Some(number) = args.simulated {
        let resident = kenroku_sim_card::Resident::new(number);
        println!(
            "【模擬データ】模擬カード: {} 暗証番号 {} 署名用パスワード {}",
            resident.name,
            kenroku_sim_card::PIN,
            kenroku_sim_card::PASSWORD
        );
        let pki = kenroku_sim_card::Pki::shipped()?;
        let card = kenroku_sim_card::Card::of(&resident, &pki, kenroku_sim_card::card::Token::Card)?;
        let outcome = ceremony::run(started, &args.ticket, &server, &mut Card::new(card), &mut person)?;
        println!("{}", lang.outcome(&outcome));
        return Ok(());
    }
    println!("{}", lang.put_card());
    let reader = Reader::wait(args.reader.as_deref(), Duration::from_secs(args.wait))?;
    let outcome = ceremony::run(started, &args.ticket, &server, &mut Card::new(reader), &mut person)?;
    println!("{}", lang.outcome(&outcome));
    Ok(())
}

/// The person at a terminal.
struct Terminal {
    stdin: bool,
    lang: Lang,
    started: Started,
}

impl Terminal {
    fn line(&self) -> Result<Zeroizing<String>, CeremonyError> {
        let mut line = Zeroizing::new(String::new());
        std::io::stdin().lock().read_line(&mut line).map_err(|e| CeremonyError::Input(e.to_string()))?;
        Ok(line)
    }

    fn yes(&self) -> Result<bool, CeremonyError> {
        print!("{}", self.lang.sure());
        let _ = std::io::stdout().flush();
        let line = self.line()?;
        Ok(matches!(line.trim(), "はい" | "yes" | "y"))
    }

    fn secret(&self, prompt: &str) -> Result<Zeroizing<String>, CeremonyError> {
        if self.stdin {
            println!("{prompt}");
            return self.line();
        }
        let typed = rpassword::prompt_password(prompt).map_err(|e| CeremonyError::Input(e.to_string()))?;
        Ok(Zeroizing::new(typed))
    }
}

impl Person for Terminal {
    fn agrees(&mut self, server: &str, text: &str) -> Result<bool, CeremonyError> {
        println!("{}", self.lang.to_sign(self.started, server, text));
        self.yes()
    }

    fn risks_last_try(&mut self, what: Asked) -> Result<bool, CeremonyError> {
        println!("{}", self.lang.last_try(what));
        self.yes()
    }

    fn pin(&mut self, tries: Tries) -> Result<Pin, CeremonyError> {
        Ok(Pin::new(self.secret(&self.lang.ask(Asked::Pin, tries))?)?)
    }

    fn password(&mut self, tries: Tries) -> Result<Password, CeremonyError> {
        Ok(Password::new(self.secret(&self.lang.ask(Asked::Password, tries))?)?)
    }
}
