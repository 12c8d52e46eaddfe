//! A registration that is killed between any two steps, and after any commit, leaves no half person: whoever was in the
//! middle of it is registered whole, or registers anew. The built binary, kill -9, on SQLite with a disk that forgets
//! what was not synced, and on PostgreSQL.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use kenroku_card::card::{Card, Tries};
use kenroku_card::ceremony::{self, Asked, CeremonyError, Person, Started};
use kenroku_card::channel::{Channel, ChannelError};
use kenroku_card::secret::{Password, Pin};
use kenroku_card::server::{Http, ServerError};
use kenroku_contracts::card::{CardAnswer, CardChallenge, CardOutcome, CardTicket};
use kenroku_e2e::power::PowerCut;
use kenroku_sim_card::card::Token;
use kenroku_sim_card::{PASSWORD, PIN, Pki, Resident};
use kenroku_store::testing::FreshDatabase;
use kenroku_store::{Db, LiteOptions, PgOptions, SqlBuilder};
use kenroku_types::{Rng, Tenant};

use crate::line::Line;
use crate::process::{Server, kenroku};

/// The steps of a registration, as they are asked of the server.
const STEPS: [&str; 6] = ["terms", "ticket", "code", "challenge", "answer", "done"];

struct InProcess(kenroku_sim_card::Card);

impl Channel for InProcess {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        Ok(self.0.transmit(command))
    }
}

/// Agrees and knows the secrets.
struct Resolute;

impl Person for Resolute {
    fn agrees(&mut self, _: &str, _: &str) -> Result<bool, CeremonyError> {
        Ok(true)
    }
    fn risks_last_try(&mut self, _: Asked) -> Result<bool, CeremonyError> {
        Ok(false)
    }
    fn pin(&mut self, _: Tries) -> Result<Pin, CeremonyError> {
        Pin::new(PIN.to_owned().into()).map_err(|e| CeremonyError::Input(e.to_string()))
    }
    fn password(&mut self, _: Tries) -> Result<Password, CeremonyError> {
        Password::new(PASSWORD.to_owned().into()).map_err(|e| CeremonyError::Input(e.to_string()))
    }
}

/// One request as a browser makes it; nothing when the server died over it.
fn send(addr: &str, method: &str, path: &str, cookies: &str, body: &str) -> Option<String> {
    let mut s = TcpStream::connect(addr).ok()?;
    let length = body.len();
    write!(
        s,
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nOrigin: http://{addr}\r\nAccept: text/html\r\nCookie: {cookies}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    s.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 ").then_some(answer)
}

fn cookies(answer: &str) -> String {
    let set = answer.lines().filter_map(|l| l.strip_prefix("set-cookie: "));
    set.filter_map(|c| c.split(';').next()).collect::<Vec<_>>().join("; ")
}

/// The reader's side of the server, which stops before its first or second question when it is told to.
struct Halting<'a> {
    http: Http,
    before: &'a str,
    reached: std::cell::Cell<&'static str>,
}

impl Halting<'_> {
    fn goes(&self, step: &'static str) -> Result<(), ServerError> {
        self.reached.set(step);
        if self.before == step { Err(ServerError::Unreachable("killed".to_owned())) } else { Ok(()) }
    }
}

impl kenroku_card::server::Server for Halting<'_> {
    fn name(&self) -> &str {
        self.http.name()
    }
    fn challenge(&self, ticket: &CardTicket) -> Result<CardChallenge, ServerError> {
        self.goes("challenge")?;
        self.http.challenge(ticket)
    }
    fn answer(&self, answer: &CardAnswer) -> Result<CardOutcome, ServerError> {
        self.goes("answer")?;
        self.http.answer(answer)
    }
}

/// Registers a resident; how far it came, and the session when it came to the end. `before` names a step at which the
/// caller kills the server instead.
fn register(addr: &str, resident: u32, before: &str) -> Result<String, &'static str> {
    let asked = |step: &'static str, method, path, cookie: &str, body| {
        if before == step { None } else { send(addr, method, path, cookie, body) }.ok_or(step)
    };
    asked("terms", "GET", "/id/register/terms?act=register&class=resident", "", "")?;
    let ticket = cookies(&asked("ticket", "POST", "/id/card", "", "act=register&class=resident")?);
    let code = ticket.rsplit('.').next().unwrap().to_owned();
    asked("code", "GET", "/id/card", &ticket, "")?;
    let http = Http::new(&format!("http://{addr}"), None).unwrap();
    let server = Halting { http, before, reached: std::cell::Cell::new("challenge") };
    let pki = Pki::shipped().unwrap();
    let card = kenroku_sim_card::Card::of(&Resident::new(resident), &pki, Token::Card).unwrap();
    let card = &mut Card::new(InProcess(card));
    ceremony::run(Started::Register, &code, &server, card, &mut Resolute)
        .map_err(|_| server.reached.get())?;
    let done = asked("done", "POST", "/id/card/done", &ticket, "")?;
    assert!(done.starts_with("HTTP/1.1 303"), "{done}");
    Ok(cookies(&done))
}

/// What a registration writes to, and how its server dies over it.
trait Ground {
    /// Starts the server on it.
    fn serve(&self) -> Server;
    /// Lets this server die at its `n`-th moment from now on.
    fn kill_after(&self, server: &Server, n: u32);
    /// After a death: what of the writes is left.
    fn rest(&self, rng: &Rng);
    fn open(&self) -> Db;
}

/// SQLite on a disk that forgets what was not synced: the moments are the syncs.
impl Ground for PowerCut {
    fn serve(&self) -> Server {
        let dir = self.data().parent().unwrap().to_owned();
        let mut c = kenroku(&dir);
        c.env("KENROKU_IDENTITY__DEMO", "true");
        self.arm(&mut c);
        Server::start(c)
    }

    fn kill_after(&self, _: &Server, n: u32) {
        PowerCut::kill_after(self, n);
    }

    fn rest(&self, rng: &Rng) {
        self.cut(rng, rng.below(101));
    }

    fn open(&self) -> Db {
        Db::open_sqlite(&self.data().join("kenroku.db"), LiteOptions::default()).unwrap()
    }
}

/// PostgreSQL behind a line that is cut: the moments are just before each commit is sent, and after it was answered.
struct Cluster {
    conninfo: String,
    folder: tempfile::TempDir,
    main: FreshDatabase,
    keys: FreshDatabase,
    line: Line,
}

impl Cluster {
    fn new(conninfo: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let line = Line::new(folder.path(), conninfo);
        let main = FreshDatabase::new(conninfo, "kill");
        let keys = FreshDatabase::new(conninfo, "kill_keys");
        Cluster { conninfo: conninfo.to_owned(), folder, main, keys, line }
    }
}

impl Ground for Cluster {
    fn serve(&self) -> Server {
        let mut c = kenroku(self.folder.path());
        c.env("KENROKU_IDENTITY__DEMO", "true").env("KENROKU_STORE__ENGINE", "postgres");
        c.env("KENROKU_STORE__HOST", self.folder.path()).env("KENROKU_STORE__USER", "postgres");
        c.env("KENROKU_STORE__DATABASE", &self.main.name);
        c.env("KENROKU_VAULT__KEYS_DATABASE", &self.keys.name);
        Server::start(c)
    }

    fn kill_after(&self, server: &Server, n: u32) {
        self.line.kill_after(server.id(), n);
    }

    fn rest(&self, _: &Rng) {}

    fn open(&self) -> Db {
        // Past the line, which cuts whoever commits. Of a name that is given twice the last one counts.
        Db::open_postgres(&PgOptions::new(format!("{} dbname={}", self.conninfo, self.main.name))).unwrap()
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    rt.block_on(work)
}

/// How many rows contradict that everybody is whole; and how many people there are.
fn half_people(ground: &dyn Ground) -> (i64, i64) {
    block_on(async {
        let db = ground.open();
        let mut tx = db.read().await.unwrap();
        let mut count = async |text: &'static str| {
            let mut b = SqlBuilder::new(text);
            b.bind(Tenant::SHARED);
            let rows: Vec<(i64,)> = tx.all_dyn(&b).await.unwrap();
            rows[0].0
        };
        let mut wrong = 0;
        for text in [
            // Each person has the proof and both certificates …
            "select count(*) from identity_person p where (select count(*) from identity_proof r where r.person = p.id and
               r.ended_at is null) <> 1 and p.tenant = ",
            "select count(*) from identity_person p where (select count(*) from identity_credential c where
               c.person = p.id and c.ended_at is null) <> 2 and p.tenant = ",
            "select count(*) from identity_person p where not exists (select 1 from identity_history h where
               h.person = p.id and h.way = 'registered') and p.tenant = ",
            // … and nothing is there without its person.
            "select count(*) from identity_proof r where not exists (select 1 from identity_person p where p.id = r.person)
               and r.tenant = ",
            "select count(*) from identity_credential c where not exists (select 1 from identity_person p where
               p.id = c.person) and c.tenant = ",
            "select count(*) from identity_ticket t where t.result in ('registered', 'claimed') and not exists (select 1 from
               identity_person p where p.id = t.person) and t.tenant = ",
            "select count(*) from identity_session s where not exists (select 1 from identity_person p where
               p.id = s.person) and s.tenant = ",
        ] {
            wrong += count(text).await;
        }
        (wrong, count("select count(*) from identity_person where tenant = ").await)
    })
}

/// Takes a certificate away from everybody: the control of the counts above.
fn spoil(ground: &dyn Ground) {
    block_on(async {
        let mut tx = ground.open().begin().await.unwrap();
        let mut b = SqlBuilder::new("delete from identity_credential where kind = 'jpki-auth' and tenant = ");
        b.bind(Tenant::SHARED).push(" returning counter");
        let gone: Vec<(i64,)> = tx.all_dyn(&b).await.unwrap();
        assert!(!gone.is_empty());
        tx.commit().await.unwrap();
    });
}

/// Residents whose newest certificates can sign.
fn residents() -> impl Iterator<Item = u32> {
    (1..1000).filter(|n| {
        let r = Resident::new(*n);
        r.can_sign() && r.generation == 3
    })
}

#[test]
fn a_kill_between_any_two_steps_or_after_any_commit_leaves_no_half_person() {
    let seed = Rng::system().u64();
    println!("seed {seed}");
    everybody_is_whole(&PowerCut::new(), seed);
}

/// The same where the database outlives the server, which may die knowing less than the database does.
#[test]
fn on_postgresql_too_a_kill_before_or_after_any_commit_leaves_no_half_person() {
    let Some(conninfo) = kenroku_store::testing::postgres() else { return };
    let seed = Rng::system().u64();
    println!("seed {seed}");
    everybody_is_whole(&Cluster::new(&conninfo), seed);
}

fn everybody_is_whole(ground: &dyn Ground, seed: u64) {
    let (rng, mut residents) = (Rng::seeded(seed), residents());
    let (mut people, mut died_at) = (0, BTreeSet::new());
    let mut server = ground.serve();
    let mut checked = |server: Server, resident: u32, at: &str| {
        drop(server);
        ground.rest(&rng);
        let (wrong, now) = half_people(ground);
        assert_eq!(wrong, 0, "seed {seed}: half a person after dying at {at}");
        assert!(now == people || now == people + 1, "seed {seed}: {people} people, then {now}");
        let server = ground.serve();
        let session = register(&server.addr, resident, "").unwrap_or_else(|s| panic!("again, died at {s}"));
        let page = send(&server.addr, "GET", "/id/profile", &session, "").unwrap();
        let name = Resident::new(resident).name;
        let shown = name.split('\u{3000}').all(|part| page.contains(part));
        assert!(shown, "seed {seed}: {at}: the attributes of the one who came again open");
        people += 1;
        server
    };
    // Between two steps: the server dies before it is asked for the step.
    for step in STEPS {
        let resident = residents.next().unwrap();
        assert_eq!(register(&server.addr, resident, step), Err(step));
        server = checked(server, resident, step);
    }
    // After the n-th sync since the first page, until a registration comes through.
    for n in 1.. {
        let resident = residents.next().unwrap();
        ground.kill_after(&server, n);
        match register(&server.addr, resident, "") {
            Ok(_) => {
                drop(server);
                break;
            }
            Err(at) => {
                died_at.insert(at);
                server = checked(server, resident, at);
            }
        }
        assert!(n < 90, "it does not come to an end");
    }
    // The ticket, its use and the person, and the session are each a commit of their own.
    for step in ["ticket", "answer", "done"] {
        assert!(died_at.contains(step), "nothing was killed at {step}: {died_at:?}");
    }
    let (wrong, whole) = half_people(ground);
    assert_eq!((wrong, whole), (0, people + 1));
    spoil(ground);
    assert_eq!(half_people(ground), (whole, whole), "half people are found when there are any");
}
