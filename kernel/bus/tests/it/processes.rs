//! Whole processes killed at random moments: nothing acknowledged is lost, nothing has its effect twice.
//!
//! The harness starts this very test binary again in the role of `serve` (publishes facts and writes down each one
//! that was acknowledged), of `worker`, or of both, and kills them and NATS with SIGKILL; a worker is also frozen
//! past its lease. `KENROKU_SOAK_ROUNDS` sets how many times (default 8 per seed).

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kenroku_bus::{
    Backoff, Bus, Consumer, Done, Enqueue, Event, Failed, Handle, Job, NatsSettings, Received, Running,
    Settings, Update, Work, Worker,
};
use kenroku_store::{Db, LiteOptions, PgOptions, Sql, SqlBuilder, Tx, params, sql, testing};
use kenroku_types::{Env, Rng, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::nats::{Nats, pause};
use crate::{EFFECT_AT, SCHEMA, T, effects};

/// Tells a process started by the harness what it is.
const NODE: &str = "KENROKU_BUS_NODE";

const FACT: &Sql = sql!("insert into probe_fact (tenant, n) values ($1, $2)");
const FACTS: &Sql = sql!("select n from probe_fact where tenant = $1 order by n");

#[derive(Clone, Serialize, Deserialize)]
struct Node {
    /// Publishes, handles.
    serve: bool,
    work: bool,
    /// Connection string or file.
    pg: Option<String>,
    sqlite: PathBuf,
    nats: Option<String>,
    /// The first fact of this process.
    first: i64,
    /// Where acknowledged facts, and facts heard of, are written.
    acks: PathBuf,
    heard: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Made {
    n: i64,
}
impl Event for Made {
    const NAME: &'static str = "probe.made";
}

#[derive(Serialize, Deserialize)]
struct Tell {
    n: i64,
}
impl Job for Tell {
    const KIND: &'static str = "probe.tell";
}

#[derive(Clone)]
struct Doing {
    who: &'static str,
    bus: Bus,
}

impl Doing {
    fn trouble(&self) -> Result<(), Failed> {
        if self.bus.env().rng.below(50) == 0 { Err(Failed::again("now and then")) } else { Ok(()) }
    }
}

impl Handle<Made> for Doing {
    async fn handle(&self, tx: &mut Tx, e: Received<Made>) -> Result<(), Failed> {
        let n = e.event.n;
        tx.execute(EFFECT_AT, params![T, self.who, n, e.position]).await?;
        if self.who == "first" {
            if n % 5 == 0 {
                self.bus.enqueue(tx, T, &Tell { n: -n }, Enqueue::now()).await?;
            }
            let bus = self.bus.clone();
            tx.after_commit(move || bus.fan_out("probe.made", n.to_string().as_bytes()));
        }
        self.trouble()
    }
}

impl Work<Tell> for Doing {
    async fn work(&self, run: &Running, job: Tell) -> Result<Done, Failed> {
        let mut tx = run.begin().await?;
        tx.execute(EFFECT_AT, params![T, self.who, job.n, 0]).await?;
        self.trouble()?;
        run.finish(tx).await
    }
}

/// Not a test of its own: what a started process does until it is killed, or until the harness is gone.
#[test]
fn node() {
    let Some(node) = crate::variable(NODE) else { return };
    let node: Node = serde_json::from_str(&node).unwrap();
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    rt.block_on(async {
        let db = open(&node);
        let env = Env::system();
        let bus = match &node.nats {
            Some(url) => Bus::with_nats(env, NatsSettings { url: url.clone(), installation: "t".to_owned() }),
            None => Bus::local(env),
        };
        let heard = Notify::new();
        tokio::join!(hear(&node, &bus, &heard), serve(&node, &bus, &db, &heard), work(&node, &bus, &db));
    });
}

fn open(node: &Node) -> Db {
    match &node.pg {
        Some(c) => {
            let options = PgOptions { connections: 8, ..PgOptions::new(c.clone()) };
            Db::open_postgres(&options).unwrap()
        }
        None => Db::open_sqlite(&node.sqlite, LiteOptions::default()).unwrap(),
    }
}

fn append(file: &Path, n: i64) {
    // One write per line: the parent trusts whole lines only.
    let mut f = OpenOptions::new().create(true).append(true).open(file).unwrap();
    f.write_all(format!("{n}\n").as_bytes()).unwrap();
}

async fn hear(node: &Node, bus: &Bus, heard: &Notify) {
    let mut listener = bus.listen("probe");
    while let Some(u) = listener.next().await {
        heard.notify_one();
        if let Update::Live(l) = u {
            append(&node.heard, std::str::from_utf8(&l.bytes).unwrap().parse().unwrap());
        }
    }
}

async fn serve(node: &Node, bus: &Bus, db: &Db, heard: &Notify) {
    if !node.serve {
        return;
    }
    for n in node.first.. {
        let made = async {
            let mut tx = db.begin().await?;
            tx.execute(FACT, params![T, n]).await?;
            bus.publish(&mut tx, T, &Made { n }).await?;
            if n % 3 == 0 {
                bus.enqueue(&mut tx, T, &Tell { n }, Enqueue::now()).await?;
            }
            tx.commit().await?;
            Ok::<_, kenroku_bus::Error>(())
        };
        match made.await {
            Ok(()) => append(&node.acks, n),
            Err(e) => eprintln!("{n} was not acknowledged: {e}"),
        }
        // The next one when somebody has done something; what is told may be lost, so not for long.
        let most = Duration::from_millis(1 + bus.env().rng.below(16));
        let _ = tokio::time::timeout(most, heard.notified()).await;
    }
}

async fn work(node: &Node, bus: &Bus, db: &Db) {
    if !node.work {
        return;
    }
    let quick =
        Backoff { first: Duration::from_millis(10), most: Duration::from_millis(100), attempts: u32::MAX };
    let settings = Settings {
        poll: Duration::from_millis(250),
        lease: Duration::from_secs(1),
        events: quick,
        jobs: quick,
        ..Settings::default()
    };
    let doing = |who| Doing { who, bus: bus.clone() };
    let w = Worker::new(bus.clone(), db.clone(), settings)
        .consumer(Consumer::new("first").on(doing("first")))
        .consumer(Consumer::new("second").on(doing("second")))
        .job::<Tell, _>(doing("job"));
    w.run(std::future::pending()).await.unwrap();
}

/// The processes of one run.
struct Town {
    dir: tempfile::TempDir,
    pg: Option<String>,
    /// By which the server knows the connections of this run.
    name: Option<String>,
    nats: Option<Nats>,
    nodes: Vec<(Child, &'static str)>,
    started: i64,
}

impl Town {
    fn start(&mut self, role: &'static str) -> Child {
        self.started += 1;
        let file = |what: &str| self.dir.path().join(format!("{role}.{what}"));
        let node = Node {
            serve: role != "worker",
            work: role == "worker" || role == "both",
            pg: self.pg.clone(),
            sqlite: self.dir.path().join("town.db"),
            nats: self.nats.as_ref().map(Nats::url),
            first: self.started * 1_000_000,
            acks: file("acks"),
            heard: file("heard"),
        };
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::node", "--nocapture"])
            .env(NODE, serde_json::to_string(&node).unwrap())
            // It ends when this pipe does, should the harness die.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn kill_and_restart(&mut self, i: usize) {
        let role = self.nodes[i].1;
        let new = self.start(role);
        let mut old = std::mem::replace(&mut self.nodes[i].0, new);
        end(&mut old);
    }

    /// A worker frozen past its lease, while another one takes its jobs over.
    fn freeze(&mut self, i: usize, ms: u64) {
        let pid = self.nodes[i].0.id().to_string();
        let signal = |s: &str| assert!(Command::new("kill").args([s, &pid]).status().unwrap().success());
        signal("-STOP");
        let mut spare = self.start("worker");
        pause(ms);
        signal("-CONT");
        pause(ms / 4);
        end(&mut spare);
    }

    fn lines(&self, what: &str) -> BTreeSet<i64> {
        let mut out = BTreeSet::new();
        for e in std::fs::read_dir(self.dir.path()).unwrap() {
            let p = e.unwrap().path();
            if p.to_string_lossy().ends_with(what) {
                let text = std::fs::read_to_string(p).unwrap();
                let whole = text.rsplit_once('\n').map_or("", |t| t.0);
                out.extend(whole.lines().map(|l| l.parse::<i64>().unwrap()));
            }
        }
        out
    }
}

fn end(c: &mut Child) {
    c.kill().unwrap();
    c.wait().unwrap();
}

impl Drop for Town {
    fn drop(&mut self) {
        for (c, _) in &mut self.nodes {
            let _ = c.kill();
            let _ = c.wait();
        }
    }
}

fn rounds() -> u64 {
    crate::variable("KENROKU_SOAK_ROUNDS").and_then(|r| r.parse().ok()).unwrap_or(8)
}

async fn town(seed: u64, pg: Option<String>, roles: &[&'static str]) {
    let rng = Rng::seeded(seed);
    let nats = if pg.is_some() { Nats::start() } else { None };
    let dir = tempfile::tempdir().unwrap();
    let name = pg.as_ref().map(|_| format!("town {seed}"));
    let pg = pg.zip(name.as_ref()).map(|(c, n)| format!("{c} application_name='{n}'"));
    let mut town = Town { dir, pg, name, nats, nodes: Vec::new(), started: 0 };
    let probe = Node {
        serve: false,
        work: false,
        pg: town.pg.clone(),
        sqlite: town.dir.path().join("town.db"),
        nats: None,
        first: 0,
        acks: PathBuf::new(),
        heard: PathBuf::new(),
    };
    let db = open(&probe);
    db.migrate(SCHEMA, Timestamp::EPOCH).await.unwrap();
    for role in roles {
        let c = town.start(role);
        town.nodes.push((c, role));
    }
    for _ in 0..rounds() {
        pause(50 + rng.below(500));
        let i = rng.below(roles.len() as u64 + 3) as usize;
        match i.checked_sub(roles.len()) {
            None => town.kill_and_restart(i),
            Some(0) => {
                if let Some(n) = &mut town.nats {
                    n.kill();
                    pause(rng.below(300));
                    n.restart();
                }
            }
            Some(1) => {
                if let Some(name) = &town.name {
                    let mut q = SqlBuilder::new(
                        "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = ",
                    );
                    q.bind(name.as_str()).push(" and pid <> pg_backend_pid() /* @reference */");
                    db.read().await.unwrap().all_dyn::<(i64,)>(&q).await.unwrap();
                }
            }
            Some(_) => {
                if let Some(w) = roles.iter().position(|r| *r == "worker") {
                    town.freeze(w, 1_100 + rng.below(300));
                }
            }
        }
    }
    pause(300);
    // No more facts; whoever works goes on until all is done.
    for (i, role) in roles.iter().enumerate() {
        match *role {
            "worker" => {}
            "both" => {
                let worker = town.start("worker");
                let mut old = std::mem::replace(&mut town.nodes[i].0, worker);
                end(&mut old);
            }
            _ => end(&mut town.nodes[i].0),
        }
    }
    let facts: BTreeSet<i64> = db
        .read()
        .await
        .unwrap()
        .all::<(i64,)>(FACTS, params![T])
        .await
        .unwrap()
        .into_iter()
        .map(|f| f.0)
        .collect();
    let jobs: BTreeSet<i64> = (facts.iter().filter(|n| *n % 3 == 0).copied())
        .chain(facts.iter().filter(|n| *n % 5 == 0).map(|n| -n))
        .collect();
    for _ in 0..600 {
        let (a, b, c) =
            (effects(&db, "first").await, effects(&db, "second").await, effects(&db, "job").await);
        if (a.len(), b.len(), c.len()) == (facts.len(), facts.len(), jobs.len()) {
            break;
        }
        pause(50);
    }
    let acks = town.lines("acks");
    let heard = town.lines("serve-a.heard").len() + town.lines("serve-b.heard").len();
    eprintln!(
        "seed {seed}: {} facts, {} acknowledged, {} jobs, {heard} heard",
        facts.len(),
        acks.len(),
        jobs.len()
    );
    let lost: Vec<_> = acks.difference(&facts).collect();
    assert!(lost.is_empty(), "seed {seed}: acknowledged and lost: {lost:?}");
    let (first, second, job) =
        (effects(&db, "first").await, effects(&db, "second").await, effects(&db, "job").await);
    assert_eq!(first, second, "seed {seed}: every consumer sees the same order");
    for (who, done, want) in [("consumer", first, &facts), ("jobs", job, &jobs)] {
        let twice: Vec<_> = done.iter().filter(|d| d.1 != 1).collect();
        assert!(twice.is_empty(), "seed {seed}: {who} more than once: {twice:?}");
        let done: BTreeSet<i64> = done.into_iter().map(|d| d.0).collect();
        let missing: Vec<_> = want.symmetric_difference(&done).collect();
        assert!(missing.is_empty(), "seed {seed}: {who} missing or made up: {missing:?}");
    }
    assert!(acks.len() > 20, "seed {seed}: hardly anything was in flight");
    if town.nats.is_some() {
        // What was made on one machine is seen on the other: every fact is heard of through the worker.
        let made = |role: &str| town.lines(&format!("{role}.acks"));
        let seen = |role: &str| town.lines(&format!("{role}.heard"));
        assert!(seen("serve-b").intersection(&made("serve-a")).next().is_some(), "seed {seed}");
        assert!(seen("serve-a").intersection(&made("serve-b")).next().is_some(), "seed {seed}");
    }
}

fn run(roles: &[&'static str], pg: bool) {
    let conninfo = testing::postgres();
    if pg && conninfo.is_none() {
        return;
    }
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    rt.block_on(async {
        for seed in [11, crate::seed()] {
            let schema = match conninfo.as_ref().filter(|_| pg) {
                Some(c) => Some(testing::fresh_schema(c, &format!("processes {seed}")).await),
                None => None,
            };
            town(seed, schema, roles).await;
        }
    });
}

#[test]
fn two_serve_and_one_worker_on_postgres_with_nats() {
    run(&["serve-a", "serve-b", "worker"], true);
}

#[test]
fn one_process_on_the_embedded_database() {
    run(&["both"], false);
}
