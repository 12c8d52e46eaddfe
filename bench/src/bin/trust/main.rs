//! What trust costs, in one run: the decision what may leave, in memory and with the store, and a page that opens one
//! person's record for fifty readers at once.
//! `cargo build --release -p kenroku && cargo run --release -p kenroku-bench --bin trust [BINARY]`.
//!
//! Beside each figure stands the physical limit of this machine in the same run: set look-ups of the same codes, the same
//! rows read by the raw driver from the same file, and for the page bare appends that wait for the disk and the same bytes
//! from a bare socket. The page is `/my/data` of the whole demo with its simulated world: it opens everything that is held
//! of the person, and each opening waits for its row in the access log to be on the disk.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time and sets a child's environment")]

#[path = "../identity/http.rs"]
mod http;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kenroku_access::{Assurance, Granted};
use kenroku_bus::Bus;
use kenroku_consent::model::{
    AgreedItem, Answered, By, DataUse, LawfulBasis, RecipientKind, Standing, Step, Terms, Texts, decide,
};
use kenroku_consent::{Consent, MIGRATIONS, ManageAgreements, NewRecipient, Reply};
use kenroku_store::{Db, LiteOptions};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Env, Tenant, Timestamp};
use kenroku_vault::Category;
use kenroku_vault::share::{Fact, Item, Reading, Source, Sources, Wanted};
use rusqlite::{Connection, params as raw};

use http::{Client, field, hidden};

const ROUNDS: usize = 15;
const T: Tenant = Tenant::SHARED;
const PEOPLE: usize = 5_000;
const READERS: usize = 50;
const SPAN: Duration = Duration::from_secs(8);
const PAGE: &str = "/my/data";
const PASSWORD: &str = "kenroku-demo-2026";

fn main() -> Result<()> {
    let binary = std::env::args().nth(1).unwrap_or_else(|| "target/release/kenroku".to_owned());
    println!("| decision what may leave | µs, median of {ROUNDS} rounds | p99 |\n|---|---|---|");
    in_memory();
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    rt.block_on(with_store())?;
    let binary = std::fs::canonicalize(&binary).with_context(|| format!("{binary}: build it first"))?;
    pages(&binary)
}

fn line(what: &str, rounds: &mut [f64], p99: Option<f64>) {
    rounds.sort_by(f64::total_cmp);
    let p99 = p99.map_or_else(String::new, |p| format!("{p:.2}"));
    println!("| {what} | {:.2} | {p99} |", rounds[rounds.len() / 2]);
}

// --- the rule itself ---

fn codes(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("bench.item-{i}")).collect()
}

fn terms(n: usize) -> Terms {
    let t = || Texts::new("訪問のため", "訪問《ほうもん》の ため", "To visit");
    let item = |code: String| AgreedItem { code, required: false };
    Terms {
        service: t(),
        purpose: t(),
        without: t(),
        basis: LawfulBasis::Consent,
        article: String::new(),
        data_use: DataUse::Using,
        items: codes(n).into_iter().map(item).collect(),
        retention_days: 30,
        valid_days: 365,
    }
}

fn yes(items: &[String]) -> Standing {
    let answered = Answered {
        step: Step::Grant,
        number: 1,
        revision: String::new(),
        items: items.iter().cloned().collect(),
        until: Some(Timestamp::from_secs(i64::from(u32::MAX))),
        by: By::Person,
        acr: String::new(),
        locale: "ja".to_owned(),
    };
    Standing::after(None, &answered, false).unwrap_or_else(|| unreachable!("a yes may come first"))
}

fn in_memory() {
    const N: u32 = 20_000;
    let now = Timestamp::from_secs(1_768_350_600);
    for n in [2, 20] {
        // Not the very revision that was answered: the rule compares both.
        let (terms, older, asked) = (terms(n), terms(n), codes(n));
        let standing = yes(&asked);
        let named: HashSet<&str> = asked.iter().map(String::as_str).collect();
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let t = Instant::now();
            for _ in 0..N {
                black_box(decide(&terms, false, Some((&standing, &older)), black_box(&asked), now));
            }
            ours.push(t.elapsed().as_secs_f64() * 1e6 / f64::from(N));
            let t = Instant::now();
            for _ in 0..N {
                let all: Vec<String> =
                    black_box(&asked).iter().filter(|c| named.contains(c.as_str())).cloned().collect();
                black_box(all);
            }
            bare.push(t.elapsed().as_secs_f64() * 1e6 / f64::from(N));
        }
        line(&format!("in memory, {n} items (budget 20)"), &mut ours, None);
        line(&format!("a set looked up and the codes copied, {n} items"), &mut bare, None);
    }
}

// --- with the store ---

const ITEMS: [Item; 2] = [
    Item { code: "bench.item-0", names: ["甲", "甲", "A"], category: Category::Person, field: None },
    Item { code: "bench.item-1", names: ["乙", "乙", "B"], category: Category::Person, field: None },
];

struct Holder;
impl Source for Holder {
    fn module(&self) -> &'static str {
        "bench"
    }
    fn names(&self) -> [&'static str; 3] {
        ["測定", "測定《そくてい》", "Bench"]
    }
    fn tenants(&self) -> Vec<Tenant> {
        vec![T]
    }
    fn items(&self) -> &'static [Item] {
        &ITEMS
    }
    fn read<'a>(&'a self, _: &'a Wanted) -> Reading<'a, Vec<Fact>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

async fn with_store() -> Result<()> {
    const N: usize = 2_000;
    let (dir, env) = (tempfile::tempdir()?, Env::system());
    let path = dir.path().join("consent.db");
    // What is measured only reads: filling it need not wait for the disk.
    let db = Db::open_sqlite(&path, LiteOptions { durable: false, ..LiteOptions::default() })?;
    db.migrate(&[kenroku_bus::MIGRATIONS, MIGRATIONS], env.now()).await?;
    let sources = Arc::new(Sources::default());
    sources.add(Arc::new(Holder));
    let c = Consent::new(db.clone(), env.clone(), Bus::local(env.clone()), sources);
    let officer: Granted<ManageAgreements> = Granted::for_system("bench", T);
    let recipient = NewRecipient {
        kind: RecipientKind::Module,
        handle: "bench".to_owned(),
        sector: "bench".to_owned(),
        name: "測定".to_owned(),
        address: "石川県".to_owned(),
        representative: String::new(),
    };
    let to = c.register_recipient(&officer, recipient).await?;
    let id = c.agree(&officer, "bench", to, &terms(2)).await?;
    let people: Vec<SubjectId> = (0..PEOPLE).map(|_| env.id()).collect();
    for who in &people {
        let items: BTreeSet<String> = codes(2).into_iter().collect();
        let assurance = Assurance::Passkey;
        let reply = Reply { step: Step::Grant, items, shown: 1, by: By::Person, assurance, locale: "ja" };
        c.answer(T, id, *who, reply).await?;
    }
    let raw_db = Connection::open(&path)?;
    let agreement_id = id.uuid();
    let asked = codes(2);
    let (mut ours, mut bare, mut waits) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let at = |i: usize| &people[(round * 7919 + i * 31) % PEOPLE];
        let began = Instant::now();
        for i in 0..N {
            let t = Instant::now();
            let mut tx = db.read().await?;
            let agreement = c.agreement_by_code(&mut tx, T, "bench").await?;
            let (decision, _) = c.decide(&mut tx, &agreement, *at(i), &asked).await?;
            if decision.allowed.len() != 2 {
                bail!("somebody who agreed was refused");
            }
            drop(tx);
            waits.push(t.elapsed().as_secs_f64() * 1e6);
        }
        ours.push(began.elapsed().as_secs_f64() * 1e6 / N as f64);
        let began = Instant::now();
        for i in 0..N {
            raw_rows(&raw_db, at(i), agreement_id)?;
        }
        bare.push(began.elapsed().as_secs_f64() * 1e6 / N as f64);
    }
    waits.sort_by(f64::total_cmp);
    let p99 = waits[waits.len() * 99 / 100];
    line(&format!("with the store, {PEOPLE} records (budget 1,000)"), &mut ours, Some(p99));
    line("the same three rows by the raw driver", &mut bare, None);
    Ok(())
}

/// The rows that a decision rests on, and nothing else.
fn raw_rows(db: &Connection, who: &SubjectId, agreement: uuid::Uuid) -> Result<()> {
    let tenant = T.uuid();
    let t = tenant.as_bytes().as_slice();
    let (id, recipient): (Vec<u8>, Vec<u8>) = db
        .prepare_cached("select id, recipient from consent_agreement where tenant = ?1 and code = ?2")?
        .query_row(raw![t, "bench"], |r| Ok((r.get(0)?, r.get(1)?)))?;
    black_box(id);
    let name: String = db
        .prepare_cached("select name from consent_recipient where tenant = ?1 and id = ?2")?
        .query_row(raw![t, recipient], |r| r.get(0))?;
    black_box(name);
    let items: String = db
        .prepare_cached(
            "select items from consent_record where tenant = ?1 and subject = ?2 and agreement = ?3",
        )?
        .query_row(raw![t, who.uuid().as_bytes().as_slice(), agreement.as_bytes().as_slice()], |r| {
            r.get(0)
        })?;
    black_box(items);
    Ok(())
}

// --- a page ---

struct Server {
    at: SocketAddr,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pages(binary: &Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    // The first start makes the simulated data.
    drop(start(binary, dir.path())?);
    let server = start(binary, dir.path())?;
    let sessions: Vec<_> =
        ["demo-kenmin", "demo-zaikin"].iter().map(|l| signed_in(&server, l)).collect::<Result<_>>()?;
    println!(
        "\n| `{PAGE}`, {READERS} readers at once | pages per second | p50 ms | p99 ms |\n|---|---|---|---|"
    );
    let mut size = 0;
    for pause in [Duration::ZERO, Duration::from_millis(100)] {
        drive(server.at, &sessions, Duration::from_secs(2), pause)?;
        let (waits, bytes) = drive(server.at, &sessions, SPAN, pause)?;
        size = bytes;
        let what = match pause.is_zero() {
            true => "one after the other, without a pause".to_owned(),
            false => format!("each pauses {} ms between pages", pause.as_millis()),
        };
        row(&what, &waits);
    }
    drop(server);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    std::thread::spawn(move || bare(&listener, size));
    let (waits, _) = drive(at, &sessions, SPAN / 2, Duration::ZERO)?;
    row("the same bytes from a bare socket, without a pause", &waits);
    let (mut file, began, mut n) = (std::fs::File::create(dir.path().join("raw"))?, Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(2) {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        n += 1;
    }
    println!("| bare appends of 4 kB that wait for the disk | {:.0} | | |", f64::from(n) / 2.0);
    Ok(())
}

fn row(what: &str, waits: &[Duration]) {
    let ms = |share: f64| waits[(waits.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "| {what} | {:.0} | {:.2} | {:.2} |",
        waits.len() as f64 / SPAN.as_secs_f64(),
        ms(0.5),
        ms(0.99)
    );
}

/// All readers for this long; their waits, sorted, and the size of a page.
fn drive(
    at: SocketAddr,
    sessions: &[BTreeMap<String, String>],
    span: Duration,
    pause: Duration,
) -> Result<(Vec<Duration>, usize)> {
    let began = Instant::now();
    let (mut waits, mut size) = (Vec::new(), 0);
    std::thread::scope(|s| -> Result<()> {
        let threads: Vec<_> = (0..READERS)
            .map(|i| {
                s.spawn(move || -> Result<(Vec<Duration>, usize)> {
                    let mut client = Client::connect(at)?;
                    client.cookies.clone_from(&sessions[i % sessions.len()]);
                    // Not all in step.
                    std::thread::sleep(pause.mul_f64(i as f64 / READERS as f64));
                    let (mut waits, mut size) = (Vec::new(), 0);
                    while began.elapsed() < span {
                        let t = Instant::now();
                        let page =
                            client.ask("GET", PAGE, "accept: text/html\r\naccept-encoding: gzip\r\n", "")?;
                        waits.push(t.elapsed());
                        if page.status != 200 {
                            bail!("{PAGE} answered {}", page.status);
                        }
                        size = page.body.len();
                        std::thread::sleep(pause);
                    }
                    Ok((waits, size))
                })
            })
            .collect();
        for t in threads {
            let (w, n) = t.join().map_err(|_| anyhow::anyhow!("a reader's thread fell over"))??;
            waits.extend(w);
            size = n;
        }
        Ok(())
    })?;
    waits.sort();
    Ok((waits, size))
}

/// Answers every request on every connection with `size` bytes, until the client goes away.
fn bare(listener: &TcpListener, size: usize) -> Result<()> {
    for stream in listener.incoming() {
        let mut stream: TcpStream = stream?;
        stream.set_nodelay(true)?;
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + size, b'x');
        let mut reader = BufReader::new(stream.try_clone()?);
        std::thread::spawn(move || -> Result<()> {
            let mut line = String::new();
            while reader.read_line(&mut line)? > 0 {
                if line == "\r\n" {
                    stream.write_all(&answer)?;
                }
                line.clear();
            }
            Ok(())
        });
    }
    Ok(())
}

fn start(binary: &Path, dir: &Path) -> Result<Server> {
    let at = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let child = Command::new(binary)
        .arg("demo")
        .current_dir(dir)
        .env("KENROKU_SERVER__PUBLIC", at.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut server = Server { at, child };
    for _ in 0..30_000 {
        if let Ok(mut c) = Client::connect(at)
            && c.ask("GET", "/readyz", "", "").is_ok_and(|a| a.status == 200)
        {
            return Ok(server);
        }
        if let Some(status) = server.child.try_wait()? {
            bail!("the server ended: {status}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    bail!("the server did not start")
}

/// Signs in with password and code, which the demo shows.
fn signed_in(server: &Server, login: &str) -> Result<BTreeMap<String, String>> {
    let mut b = Client::connect(server.at)?;
    let asked = b.go("GET", "/id/sign-in/password", &[])?.text();
    let mut fields = hidden(&asked);
    fields.extend([field("login", login), field("password", PASSWORD)]);
    let shown = b.go("POST", "/id/sign-in/password", &fields)?.text();
    let is_code = |t: &&str| t.len() == 6 && t.bytes().all(|b| b.is_ascii_digit());
    let code = shown.split(['<', '>', ' ', '\n']).find(is_code).context("the demo shows no code")?;
    let mut fields = hidden(&shown);
    fields.push(field("code", code));
    b.go("POST", "/id/sign-in/code", &fields)?;
    let page = b.go("GET", PAGE, &[])?;
    if page.status != 200 {
        bail!("{PAGE} of {login} answered {}", page.status);
    }
    Ok(b.cookies)
}
