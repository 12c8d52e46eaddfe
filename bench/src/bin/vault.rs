//! The vault beside the raw engine, in one run: `cargo run --release -p kenroku-bench --bin vault`.
//!
//! Everything durable: SQLite with `synchronous=FULL`, log and keys in files of their own. The peer writes rows of
//! the same content with the raw driver, in transactions of the same size, without numbering and hashing them.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use kenroku_access::{Granted, permission, resource_kind};
use kenroku_store::{Db, LiteOptions};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Env, Tenant};
use kenroku_vault::{
    Category, Disclosure, Field, FileWitness, KEY_TABLES, LOG_TABLES, LegalBasis, MasterKeys, ModuleVault,
    Purpose, RetentionClass, Sealed, Slot, Vault, VaultOptions, VaultParts, verify_log,
};
use rusqlite::{Connection, params as raw};

resource_kind! {
    /// 試験
    Probe;
}
permission! {
    /// 試験のために開く
    Open = "bench.open" on Probe, view, personal;
}
const KEEP: RetentionClass =
    RetentionClass { code: "bench.keep", ja: "試験", days: None, source: "試験" };
const NAME: Field = Field::new("bench", "person", "name", "氏名", KEEP, Category::Person);
const WHY: Purpose = Purpose {
    code: "bench.why",
    ja: "測定",
    basis: LegalBasis::Statute("試験条例 第1条"),
    categories: &[Category::Person],
};
const T: Tenant = Tenant::SHARED;
const PEOPLE: usize = 20_000;
const RECORDS: usize = 1_000;
const ROUNDS: usize = 15;

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    rt.block_on(async {
        println!("| vault on SQLite, everything durable | figure |");
        println!("|---|---|");
        let vault = open(dir.path(), "a").await?;
        let (people, values) = seal(&vault).await?;
        open_records(dir.path(), &people, &values).await?;
        append(&vault, &people, dir.path()).await?;
        readers(&vault, &values).await?;
        check(&vault, dir.path()).await
    })
}

async fn open(dir: &Path, name: &str) -> Result<Vault> {
    let env = Env::system();
    let log = Db::open_sqlite(&dir.join("log.db"), LiteOptions::default())?;
    let options = LiteOptions { secure_delete: true, ..LiteOptions::default() };
    let keys = Db::open_sqlite(&dir.join("keys.db"), options)?;
    log.migrate(&[LOG_TABLES], env.now()).await?;
    keys.migrate(&[KEY_TABLES], env.now()).await?;
    let path = dir.join("master.key");
    let master = if name == "a" { MasterKeys::create(&path, &env.rng)? } else { MasterKeys::load(&path)? };
    let modules = vec![ModuleVault {
        module: "bench",
        purposes: vec![&WHY],
        fields: vec![&NAME],
        explanations: Vec::new(),
    }];
    let options = VaultOptions::default();
    Ok(Vault::start(VaultParts { env, log, keys, master, modules, options }).await?)
}

fn why() -> Disclosure {
    Disclosure::new(&Granted::<Open>::for_system("bench", T), &WHY)
}

fn line(what: &str, figure: impl std::fmt::Display) {
    println!("| {what} | {figure} |");
}

fn median(mut v: Vec<Duration>) -> Duration {
    v.sort();
    v[v.len() / 2]
}

type Values = Vec<(Slot, Sealed<String>)>;

async fn seal(vault: &Vault) -> Result<(Vec<SubjectId>, Values)> {
    let env = Env::system();
    let people: Vec<SubjectId> = (0..PEOPLE).map(|_| env.id()).collect();
    let t = Instant::now();
    let sealer = vault.sealer(T, &people, &[&NAME]).await?;
    line("new people with a key each, per second", (PEOPLE as f64 / t.elapsed().as_secs_f64()) as u64);
    let t = Instant::now();
    let mut values = Vec::new();
    for p in &people {
        let slot = NAME.at(*p, p.uuid());
        values.push((slot, sealer.seal(slot, &"兼六 花子".to_owned())?));
    }
    line("values sealed per second, one core", (PEOPLE as f64 / t.elapsed().as_secs_f64()) as u64);
    Ok((people, values))
}

async fn open_records(dir: &Path, people: &[SubjectId], values: &Values) -> Result<()> {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // A new process has no keys yet.
        let vault = open(dir, "b").await?;
        let from = (round * RECORDS) % (people.len() - RECORDS);
        let list: Vec<_> = values[from..from + RECORDS].iter().map(|(s, v)| (*s, v)).collect();
        for times in [&mut cold, &mut warm] {
            let t = Instant::now();
            let opened = vault.open_many(&why(), &list).await?;
            anyhow::ensure!(opened.iter().all(|o| o.is_ok()), "a record did not open");
            times.push(t.elapsed());
        }
    }
    line(
        "1,000 records opened with their log rows, keys not in memory (median)",
        format!("{:.1?}", median(cold)),
    );
    line(
        "1,000 records opened with their log rows, keys in memory (median)",
        format!("{:.1?}", median(warm)),
    );
    limits(dir)
}

/// What the machine itself needs for as much: the cipher, and bytes that wait for the disk.
fn limits(dir: &Path) -> Result<()> {
    use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    use std::io::Write as _;
    let wrong = |_| anyhow::anyhow!("the cipher refuses");
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(wrong)?);
    let mut sealed = vec![7u8; 32];
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key([7; 12]), Aad::from([7; 160]), &mut sealed)
        .map_err(wrong)?;
    let (mut cipher, mut disk) = (Vec::new(), Vec::new());
    let mut file = std::fs::File::create(dir.join("raw-append"))?;
    for _ in 0..ROUNDS {
        let t = Instant::now();
        for _ in 0..RECORDS {
            let mut copy = sealed.clone();
            key.open_in_place(Nonce::assume_unique_for_key([7; 12]), Aad::from([7; 160]), &mut copy)
                .map_err(wrong)?;
        }
        cipher.push(t.elapsed());
        let t = Instant::now();
        file.write_all(&vec![7; RECORDS * 250])?;
        file.sync_data()?;
        disk.push(t.elapsed());
    }
    line("bare AES-256-GCM, 1,000 values opened (median)", format!("{:.2?}", median(cipher)));
    line("bare append of 250 kB that waits for the disk (median)", format!("{:.2?}", median(disk)));
    let (t, mut n) = (Instant::now(), 0u32);
    while t.elapsed() < Duration::from_secs(2) {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        n += 1;
    }
    line("bare appends of 4 kB that wait for the disk, per second", n / 2);
    Ok(())
}

async fn append(vault: &Vault, people: &[SubjectId], dir: &Path) -> Result<()> {
    for (callers, size, calls) in [(1, 1_000, 60), (8, 1_000, 10), (64, 20, 50), (64, 1, 100)] {
        let t = Instant::now();
        let tasks: Vec<_> = (0..callers)
            .map(|i| {
                let vault = vault.clone();
                let some = people[i * size..(i + 1) * size].to_vec();
                tokio::spawn(async move {
                    for _ in 0..calls {
                        vault.disclose(&why(), &some, &[&NAME]).await?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        let rate = (callers * size * calls) as f64 / t.elapsed().as_secs_f64();
        line(&format!("log rows per second, {callers} callers × {size} people per disclosure"), rate as u64);
    }
    let c = Connection::open(dir.join("raw.db"))?;
    c.pragma_update(None, "journal_mode", "wal")?;
    c.pragma_update(None, "synchronous", "full")?;
    c.execute_batch(
        "create table log (tenant blob, seq integer, id blob, at integer, kind text, actor text, permission text,
         purpose text, subject_ref blob, fields text, basis text, request blob, hash blob, primary key (tenant, seq)) strict;
         create index log_subject on log (tenant, subject_ref, seq)",
    )?;
    let t = Instant::now();
    let n = 60_000i64;
    for from in (0..n).step_by(1_000) {
        c.execute_batch("begin immediate")?;
        for seq in from..from + 1_000 {
            let who = people[seq as usize % people.len()].uuid();
            c.prepare_cached("insert into log values (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)")?
                .execute(raw![
                    T.uuid().as_bytes().as_slice(),
                    seq,
                    who.as_bytes().as_slice(),
                    seq,
                    "read",
                    "system:bench",
                    "bench.open",
                    "bench.why",
                    who.as_bytes().as_slice(),
                    "bench.person.name",
                    "statute:試験条例 第1条",
                    None::<Vec<u8>>,
                    [7u8; 32].as_slice()
                ])?;
        }
        c.execute_batch("commit")?;
    }
    line(
        "the same rows with the raw driver, 1 caller × 1,000 per commit",
        (n as f64 / t.elapsed().as_secs_f64()) as u64,
    );
    Ok(())
}

/// A page that opens one person's record, with fifty readers at once.
async fn readers(vault: &Vault, values: &Values) -> Result<()> {
    let tasks: Vec<_> = (0..50)
        .map(|i| {
            let (vault, values) = (vault.clone(), values[i * 40..(i + 1) * 40].to_vec());
            tokio::spawn(async move {
                let mut times = Vec::new();
                for (slot, sealed) in &values {
                    let t = Instant::now();
                    vault.open(&why(), *slot, sealed).await?;
                    times.push(t.elapsed());
                }
                anyhow::Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    times.sort();
    let at = |p: usize| times[times.len() * p / 100];
    line("one record opened, 50 readers at once, p50 / p99", format!("{:.1?} / {:.1?}", at(50), at(99)));
    Ok(())
}

async fn check(vault: &Vault, dir: &Path) -> Result<()> {
    let (data, outside) = (dir.join("data"), dir.join("outside"));
    std::fs::create_dir(&data)?;
    let witness = FileWitness::new(&outside, &data)?;
    let (t, mut rows) = (Instant::now(), 0);
    loop {
        let r = vault.seal_batch(&witness).await?;
        rows += r.rows;
        if !r.more {
            break;
        }
    }
    line("log rows sealed and witnessed per second", (rows as f64 / t.elapsed().as_secs_f64()) as u64);
    let db = Db::open_sqlite(&dir.join("log.db"), LiteOptions::default())?;
    let t = Instant::now();
    let report = verify_log(&db, &witness, &mut |_, _| {}).await?;
    anyhow::ensure!(report.is_intact(), "{report:?}");
    line(
        &format!("rows verified per second ({rows} rows)"),
        (rows as f64 / t.elapsed().as_secs_f64()) as u64,
    );
    let bytes = std::fs::metadata(outside.join(format!("{T}.jsonl")))?.len();
    line("bytes at the witness per row", format!("{:.1}", bytes as f64 / rows as f64));
    Ok(())
}
