//! `kenroku-card`: see the crate's documentation.
#![expect(clippy::print_stdout, reason = "a program of the command line")]

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use kenroku_card::card::{Card, Tries};
use kenroku_card::ceremony::{self, CeremonyError, Person, Started};
use kenroku_card::reader::{self, Reader};
use kenroku_card::secret::{Password, Pin};
use kenroku_card::server::Http;
use zeroize::Zeroizing;

/// マイナンバーカードで、いしかわIDの登録とサインインをします。
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// 登録・再登録（暗証番号と署名用パスワードを使います）
    Register(Ceremony),
    /// サインイン・本人の確認（暗証番号を使います）
    SignIn(Ceremony),
    /// つながっているカードリーダーを表示します
    Readers,
}

#[derive(Args)]
struct Ceremony {
    /// サーバーの住所（画面に出ているもの）
    #[arg(long)]
    server: String,
    /// 画面に出ている番号
    #[arg(long)]
    ticket: String,
    /// 使うカードリーダーの名前（なければ最初にカードが置かれたもの）
    #[arg(long)]
    reader: Option<String>,
    /// カードが置かれるのを待つ秒数
    #[arg(long, default_value_t = 60)]
    wait: u64,
    /// 信頼する認証局の証明書（PEM）
    #[arg(long)]
    ca: Option<PathBuf>,
    /// 答えを標準入力から一行ずつ読みます（キオスクの画面や試験のため）
    #[arg(long)]
    stdin: bool,
    /// 模擬カードの住民番号（0〜999）。リーダーは使いません
    #[cfg(feature = "simulated")]
    #[arg(long)]
    simulated: Option<u32>,
}

fn main() -> ExitCode {
    match run(Cli::parse().what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("{e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(what: What) -> Result<()> {
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
    let roots = args.ca.as_ref().map(std::fs::read).transpose().context("認証局の証明書を読み取れません")?;
    let server = Http::new(&args.server, roots.as_deref())?;
    let mut person = Terminal { stdin: args.stdin };
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
        println!("{}", outcome.message);
        return Ok(());
    }
    println!("マイナンバーカードをカードリーダーに置いてください。");
    let reader = Reader::wait(args.reader.as_deref(), Duration::from_secs(args.wait))?;
    let outcome = ceremony::run(started, &args.ticket, &server, &mut Card::new(reader), &mut person)?;
    println!("{}", outcome.message);
    Ok(())
}

/// The person at a terminal.
struct Terminal {
    stdin: bool,
}

impl Terminal {
    fn line(&self) -> Result<Zeroizing<String>, CeremonyError> {
        let mut line = Zeroizing::new(String::new());
        std::io::stdin().lock().read_line(&mut line).map_err(|e| CeremonyError::Input(e.to_string()))?;
        Ok(line)
    }

    fn yes(&self) -> Result<bool, CeremonyError> {
        print!("よろしければ「はい」と入力してください: ");
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
        println!("────────\n宛先: {server}\n\n{text}\n────────");
        println!("この内容に、あなたのマイナンバーカードで署名します。");
        self.yes()
    }

    fn risks_last_try(&mut self, what: &str) -> Result<bool, CeremonyError> {
        println!("【注意】{what}は、あと1回まちがえるとロックされ、市町の窓口に行く必要があります。");
        self.yes()
    }

    fn pin(&mut self, tries: Tries) -> Result<Pin, CeremonyError> {
        let typed = self.secret(&format!("利用者証明用の暗証番号（数字4桁、あと{}回まで）: ", tries.0))?;
        Pin::new(typed).map_err(|e| CeremonyError::Input(e.to_string()))
    }

    fn password(&mut self, tries: Tries) -> Result<Password, CeremonyError> {
        let typed =
            self.secret(&format!("署名用のパスワード（英数字6〜16文字、あと{}回まで）: ", tries.0))?;
        Password::new(typed).map_err(|e| CeremonyError::Input(e.to_string()))
    }
}
