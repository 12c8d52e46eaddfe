//! Random lives: people are asked, say yes and no, take back, let time pass, move, are erased; recipients read. A second,
//! plain account of the rules keeps the whole history and must say the same as the system after each act: nothing leaves
//! without a yes that holds and names it, nothing leaves without its row in the access log and its record of provision,
//! and what may be read is read.
//!
//! `KENROKU_SEQUENCES` sets how many lives (600 when unset; `make soak`: 100,000), `KENROKU_SEED` the seed of the first
//! hundred. A failure prints the seed of its hundred and the number of the life.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kenroku_access::Granted;
use kenroku_consent::broker::Inquiry;
use kenroku_consent::model::{AgreedItem, AgreementId, RecordId, State, Step, Terms, Texts};
use kenroku_consent::sql::RecipientRow;
use kenroku_consent::{Consent, ConsentError, Reply, ViewOwn};
use kenroku_contracts::personal::PseudonymsPort;
use kenroku_module::test::TestSite;
use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::{Rng, Tenant, Timestamp};
use kenroku_vault::{Disclosure, LogEntry};

use crate::world::{
    NAME, STATE, alone, consent, kaga, known, nomi, officer, reader, remember, reply, site, terms, vendor,
};

/// Lives on one database.
const CHUNK: u64 = 100;
/// People in one life.
const PEOPLE: usize = 2;
/// Acts in one life at most.
const ACTS: u64 = 20;
const CODES: [&str; 2] = ["probe.name", "probe.state"];
const DAY: Duration = Duration::from_secs(86_400);

const MOVE: &Sql = sql!("update probe_fact set name = $3, state = $4 where tenant = $1 and subject = $2");

#[expect(clippy::disallowed_methods, reason = "the test runner is configured by the environment")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|v| v.parse().ok())
}

#[test]
fn lives_agree_with_the_plain_account() {
    let lives = variable("KENROKU_SEQUENCES").unwrap_or(600);
    let first = variable("KENROKU_SEED").unwrap_or(1);
    let chunks = lives.div_ceil(CHUNK);
    let next = AtomicU64::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(chunks as usize);
    let totals: Vec<Count> = std::thread::scope(|s| {
        let run = || {
            let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mut sum = Count::default();
            loop {
                let n = next.fetch_add(1, Ordering::SeqCst);
                if n >= chunks {
                    return sum;
                }
                let size = CHUNK.min(lives - n * CHUNK);
                sum.add(&rt.block_on(async { chunk(alone().await, first + n, size).await }));
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| s.spawn(run)).collect();
        workers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    let mut sum = Count::default();
    totals.iter().for_each(|t| sum.add(t));
    println!("{lives} lives from seed {first}: {sum:?}");
    // A test that never reads proves nothing.
    assert!(sum.allowed > lives / 10 && sum.refused > lives / 10 && sum.erased > 0, "{sum:?}");
}

#[kenroku_store::test(&[])]
async fn a_sample_of_lives_on_both_engines(db: Db) {
    let n = chunk(site(db).await, 77, 12).await;
    assert!(n.allowed > 0 && n.refused > 0, "{n:?}");
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    acts: u64,
    allowed: u64,
    refused: u64,
    erased: u64,
    codes: u64,
}

impl Count {
    fn add(&mut self, o: &Count) {
        self.acts += o.acts;
        self.allowed += o.allowed;
        self.refused += o.refused;
        self.erased += o.erased;
        self.codes += o.codes;
    }
}

async fn chunk(site: TestSite, seed: u64, lives: u64) -> Count {
    let mut world = World::new(site, seed).await;
    let mut count = Count::default();
    for life in 0..lives {
        world.place = format!("KENROKU_SEED={seed}, life {life}");
        world.live(life, &mut count).await;
    }
    count
}

/// The plain account: everything that ever happened, looked through again for each question. The moment is the end of a
/// yes, and when a no was said.
#[derive(Clone, Debug, Default)]
struct Past(Vec<(Step, BTreeSet<String>, Option<Timestamp>, usize)>);

impl Past {
    fn state(&self) -> Option<State> {
        self.0.last().map(|(step, ..)| match step {
            Step::Draft => State::Asked,
            Step::Grant | Step::Renew => State::Granted,
            Step::Refuse => State::Refused,
            Step::Withdraw => State::Withdrawn,
            Step::Expire => State::Expired,
        })
    }

    /// Until when nobody may ask again.
    fn asked_again_from(&self) -> Option<Timestamp> {
        let Some((Step::Refuse | Step::Withdraw, _, Some(said), _)) = self.0.last() else { return None };
        let since_yes = self.0.iter().rev().take_while(|(s, ..)| !matches!(s, Step::Grant | Step::Renew));
        let noes = since_yes.filter(|(s, ..)| matches!(s, Step::Refuse | Step::Withdraw)).count();
        Some(said.plus(DAY * [30, 90, 365][noes.min(3) - 1]))
    }

    /// What may leave of `asked`.
    fn may(&self, agreement: &Agreed, asked: &[&str], now: Timestamp) -> BTreeSet<String> {
        let Some((Step::Grant | Step::Renew, items, Some(until), number)) = self.0.last() else {
            return BTreeSet::new();
        };
        if agreement.ended || *until <= now || !agreement.covered_by(*number) {
            return BTreeSet::new();
        }
        let named = &agreement.words.last().unwrap().0;
        let all = asked.iter().map(|c| (*c).to_owned());
        all.filter(|c| items.contains(c) && named.contains(c)).collect()
    }
}

/// An agreement as the plain account knows it: each revision's items, days and purpose.
struct Agreed {
    tenant: Tenant,
    party: RecipientRow,
    vendor: u128,
    code: String,
    id: AgreementId,
    words: Vec<(BTreeSet<String>, u32, u64)>,
    ended: bool,
}

impl Agreed {
    fn number(&self) -> usize {
        self.words.len()
    }
    /// Whether somebody who answered revision `number` need not be asked again.
    fn covered_by(&self, number: usize) -> bool {
        let (now, then) = (self.words.last().unwrap(), &self.words[number - 1]);
        now.0.is_subset(&then.0) && now.1 <= then.1 && now.2 == then.2
    }
    fn terms(words: &(BTreeSet<String>, u32, u64)) -> Terms {
        let said = format!("for {}", words.2);
        let item = |code: &String| AgreedItem { code: code.clone(), required: false };
        Terms {
            items: words.0.iter().map(item).collect(),
            retention_days: words.1,
            purpose: Texts::new(&said, &said, &said),
            ..terms(&CODES)
        }
    }
}

struct Person {
    n: u128,
    facts: [String; 2],
    erased: bool,
    past: [Past; 2],
    records: [Option<RecordId>; 2],
    /// Rows of the log that must be there: basis and fields.
    rows: Vec<(String, BTreeSet<String>)>,
    provisions: usize,
}

struct World {
    site: TestSite,
    c: Arc<Consent>,
    names: Arc<PseudonymsPort>,
    rng: Rng,
    agreements: Vec<Agreed>,
    place: String,
    made: u32,
}

impl World {
    async fn new(site: TestSite, seed: u64) -> Self {
        let (c, names) = (consent(&site), site.app().get().unwrap());
        let rng = Rng::seeded(seed);
        let mut w = World { site, c, names, rng, agreements: Vec::new(), place: String::new(), made: 0 };
        for (tenant, n) in [(nomi(), 1), (kaga(), 2)] {
            let (party, id) = vendor(&w.site, tenant, n, "use").await;
            let words = vec![(all(), 30, 0)];
            let a = Agreed { tenant, party, vendor: n, code: "use".to_owned(), id, words, ended: false };
            w.agreements.push(a);
            // `vendor` says it in its own words; from here on they are ours.
            w.revise(w.agreements.len() - 1, (all(), 30, 0)).await;
        }
        w
    }

    fn below(&self, n: usize) -> usize {
        self.rng.below(n as u64) as usize
    }

    fn some(&self) -> BTreeSet<String> {
        let bits = self.rng.below(4);
        CODES.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, c)| (*c).to_owned()).collect()
    }

    fn now(&self) -> Timestamp {
        self.site.app().env().now()
    }

    async fn live(&mut self, life: u64, count: &mut Count) {
        let mut people = Vec::new();
        for i in 0..PEOPLE {
            let n = u128::from(life) * PEOPLE as u128 + i as u128;
            let facts = [format!("{n} いち"), format!("{n} 良好")];
            remember(&self.site, n, &facts[0], &facts[1]).await;
            let (past, records) = ([Past::default(), Past::default()], [None, None]);
            people.push(Person { n, facts, erased: false, past, records, rows: Vec::new(), provisions: 0 });
        }
        for _ in 0..4 + self.rng.below(ACTS - 3) {
            count.acts += 1;
            // Mostly the same person and agreement: what comes of an act shows in the next.
            let often = |n: u64| usize::from(n == 0);
            let (i, a) = (often(self.rng.below(4)), often(self.rng.below(4)));
            let p = &mut people[i];
            match self.rng.below(100) {
                0..12 => self.ask(p, a).await,
                12..40 => self.answer(p, a).await,
                40..46 => self.pass(&mut people).await,
                46..50 => {
                    let mut words = self.agreements[a].words.last().unwrap().clone();
                    match self.rng.below(3) {
                        0 => words.0 = Some(self.some()).filter(|s| !s.is_empty()).unwrap_or_else(all),
                        1 => words.1 = 20 + self.rng.below(20) as u32,
                        _ => words.2 = self.rng.below(2),
                    }
                    if !self.agreements[a].ended {
                        self.revise(a, words).await;
                    }
                }
                50..52 => self.end(a, &mut people).await,
                52..58 => self.moves(p).await,
                58..60 => self.erase(p, count).await,
                60..64 => self.code(p, a, count).await,
                64..67 => self.strangers(p, a).await,
                67..70 => self.own(p).await,
                _ => self.read(p, a, count).await,
            }
        }
        for p in &people {
            self.look_back(p).await;
        }
    }

    async fn ask(&mut self, p: &mut Person, a: usize) {
        let g = &self.agreements[a];
        let theirs = known(p.n, &format!("vendor-{}", g.vendor));
        let done = self.c.request(&*self.names.0, &reader(g.tenant), &g.party, &g.code, theirs).await;
        let past = &mut p.past[a];
        if g.ended {
            assert_eq!(done, Err(ConsentError::NotNow), "{}", self.place);
            return;
        }
        if let Some(from) = past.asked_again_from().filter(|from| self.site.app().env().now() < *from) {
            assert_eq!(done, Err(ConsentError::TooSoon(from)), "{}", self.place);
            return;
        }
        assert!(done.is_ok(), "{}: {done:?}", self.place);
        p.records[a] = done.ok();
        let pointless = match past.state() {
            Some(State::Asked) => true,
            Some(State::Granted) => g.covered_by(past.0.last().unwrap().3),
            _ => false,
        };
        if !pointless {
            past.0.push((Step::Draft, BTreeSet::new(), None, g.number()));
        }
    }

    async fn answer(&mut self, p: &mut Person, a: usize) {
        let g = &self.agreements[a];
        let step =
            [Step::Grant, Step::Grant, Step::Grant, Step::Refuse, Step::Withdraw, Step::Renew][self.below(6)];
        let items = match self.rng.below(3) {
            0 => self.some(),
            _ => self.agreements[a].words.last().unwrap().0.clone(),
        };
        let shown = if self.rng.below(20) == 0 { g.number() as i64 - 1 } else { g.number() as i64 };
        let listed: Vec<&str> = items.iter().map(String::as_str).collect();
        let me = known(p.n, "consent");
        let done = self.c.answer(g.tenant, g.id, me, Reply { ..reply(step, &listed, shown) }).await;
        let yes = matches!(step, Step::Grant | Step::Renew);
        let state = p.past[a].state();
        let fits = match step {
            Step::Grant => state != Some(State::Granted),
            Step::Renew => matches!(state, Some(State::Granted | State::Expired)),
            Step::Refuse => matches!(state, None | Some(State::Asked)),
            _ => state == Some(State::Granted),
        };
        let said = !yes
            || (!g.ended
                && shown == g.number() as i64
                && !items.is_empty()
                && items.is_subset(&g.words.last().unwrap().0));
        assert_eq!(done.is_ok(), fits && said, "{}: {step:?} {items:?} {done:?}", self.place);
        if let Ok(id) = done {
            assert!(p.records[a].is_none_or(|r| r == id), "{}: one record for each agreement", self.place);
            p.records[a] = Some(id);
            let moment = Some(if yes { self.now().plus(90 * DAY) } else { self.now() });
            p.past[a].0.push((step, if yes { items } else { BTreeSet::new() }, moment, g.number()));
        }
    }

    /// Time goes by; sometimes the clock's own job has run since.
    async fn pass(&mut self, people: &mut [Person]) {
        let days = [1, 30, 89, 91][self.below(4)];
        self.site.app().env().clock.advance(days * DAY);
        if self.rng.below(2) == 0 {
            return;
        }
        for a in 0..self.agreements.len() {
            let tenant = self.agreements[a].tenant;
            while self.c.expire_due(tenant, 500).await.unwrap() == 500 {}
            let (now, number) = (self.now(), self.agreements[a].number());
            for p in people.iter_mut() {
                let past = &mut p.past[a];
                let over = past.0.last().is_some_and(|l| l.2.is_some_and(|u| u <= now));
                if over && past.state() == Some(State::Granted) {
                    past.0.push((Step::Expire, BTreeSet::new(), None, number));
                }
            }
        }
    }

    async fn revise(&mut self, a: usize, words: (BTreeSet<String>, u32, u64)) {
        let g = &mut self.agreements[a];
        let mut tx = self.c.db().read().await.unwrap();
        let version = self.c.agreement(&mut tx, g.tenant, g.id).await.unwrap().row.version;
        drop(tx);
        self.c.revise(&officer(g.tenant), g.id, version, &Agreed::terms(&words)).await.unwrap();
        g.words.push(words);
    }

    /// An agreement ends; half the time another takes its place, which nobody has answered.
    async fn end(&mut self, a: usize, people: &mut [Person]) {
        let g = &mut self.agreements[a];
        if !g.ended {
            let mut tx = self.c.db().read().await.unwrap();
            let version = self.c.agreement(&mut tx, g.tenant, g.id).await.unwrap().row.version;
            drop(tx);
            self.c.end_agreement(&officer(g.tenant), g.id, version).await.unwrap();
            g.ended = true;
        }
        if self.rng.below(4) > 0 {
            self.made += 1;
            let (code, words) = (format!("use-{}", self.made), (all(), 30, 0));
            let terms = Agreed::terms(&words);
            g.id = self.c.agree(&officer(g.tenant), &code, g.party.id, &terms).await.unwrap();
            (g.code, g.words, g.ended) = (code, vec![words], false);
            for p in people {
                (p.past[a], p.records[a]) = (Past::default(), None);
            }
        }
    }

    /// Somebody moves: what is held of them is written anew.
    async fn moves(&mut self, p: &mut Person) {
        let s = known(p.n, "probe");
        let sealer = self.site.vault().sealer(Tenant::SHARED, &[s], &[&NAME, &STATE]).await;
        assert_eq!(sealer.is_err(), p.erased, "{}: nothing new about the erased", self.place);
        let Ok(sealer) = sealer else { return };
        p.facts = [format!("{} {}", p.n, self.rng.below(1000)), format!("移って {}", self.rng.below(1000))];
        let name = sealer.seal(NAME.at(s, s.uuid()), &p.facts[0]).unwrap();
        let state = sealer.seal(STATE.at(s, s.uuid()), &p.facts[1]).unwrap();
        let mut tx = self.site.app().db().begin().await.unwrap();
        tx.execute(MOVE, params![Tenant::SHARED, s, name, state]).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn erase(&mut self, p: &mut Person, count: &mut Count) {
        let why = self.site.vault().purpose("consent.mine").unwrap();
        let order = Disclosure::new(&Granted::<ViewOwn>::for_system("test", Tenant::SHARED), why);
        self.site.vault().erase(&order, known(p.n, "probe")).await.unwrap();
        p.erased = true;
        count.erased += 1;
    }

    async fn log(&self, p: &Person) -> Vec<LogEntry> {
        self.site.vault().accesses(Tenant::SHARED, known(p.n, "probe"), None, 1_000).await.unwrap()
    }

    /// The log and the record of provisions hold what the account holds, no more and no less.
    async fn recorded(&self, p: &Person) {
        let log: Vec<(String, BTreeSet<String>)> = self.log(p).await.into_iter().rev().map(entry).collect();
        let expected: &[_] = if p.erased { &[] } else { &p.rows };
        assert_eq!(log, expected, "{}", self.place);
        let kept = self.c.provisions_of(&[nomi(), kaga()], known(p.n, "consent"), 1_000).await.unwrap();
        assert_eq!(kept.len(), p.provisions, "{}", self.place);
    }

    async fn read(&mut self, p: &mut Person, a: usize, count: &mut Count) {
        let g = &self.agreements[a];
        let asked = self.some();
        let asked: Vec<String> = asked.into_iter().collect();
        let listed: Vec<&str> = match asked.is_empty() {
            true => g.words.last().unwrap().0.iter().map(String::as_str).collect(),
            false => asked.iter().map(String::as_str).collect(),
        };
        let may = p.past[a].may(g, &listed, self.now());
        let subject = known(p.n, &format!("vendor-{}", g.vendor));
        let inquiry = Inquiry { party: &g.party, agreement: &g.code, subject, items: &asked, request: None };
        let got = self.c.obtain(&*self.names.0, &reader(g.tenant), inquiry).await;
        match got {
            Ok(got) => {
                assert!(!p.erased && !may.is_empty(), "{}: {:?} left", self.place, got.facts);
                let left: BTreeSet<String> = got.facts.iter().map(|f| f.code.to_owned()).collect();
                assert_eq!(left, may, "{}", self.place);
                for f in &got.facts {
                    let i = CODES.iter().position(|c| *c == f.code).unwrap();
                    assert_eq!(f.value, p.facts[i].as_str(), "{}", self.place);
                }
                assert_eq!(Some(got.consent), p.records[a], "{}", self.place);
                assert_eq!(got.refused.len(), listed.len() - may.len(), "{}", self.place);
                p.rows.push((format!("consent:{}", got.consent), fields(&may)));
                p.provisions += 1;
                count.allowed += 1;
            }
            Err(e) => {
                assert!(p.erased || may.is_empty(), "{}: {may:?} may be read, {e}", self.place);
                assert!(p.erased || matches!(e, ConsentError::Refused(_)), "{}: {e:?}", self.place);
                count.refused += 1;
            }
        }
        self.recorded(p).await;
    }

    /// A code hands the chosen items on once, whatever was answered before.
    async fn code(&mut self, p: &mut Person, a: usize, count: &mut Count) {
        let g = &self.agreements[a];
        let (items, me) = (self.some(), known(p.n, "consent"));
        let agreement = {
            let mut tx = self.c.db().read().await.unwrap();
            self.c.agreement(&mut tx, g.tenant, g.id).await.unwrap()
        };
        let made = self.c.share_once(&agreement, me, &items).await;
        let may = !g.ended && !items.is_empty() && items.is_subset(&g.words.last().unwrap().0);
        assert_eq!(made.is_ok(), may, "{}: {made:?}", self.place);
        let Ok(code) = made else { return };
        let late = self.rng.below(4) == 0;
        if late {
            self.site.app().env().clock.advance(Duration::from_secs(600));
        }
        let redeem = async || {
            self.c.redeem(&*self.names.0, &reader(g.tenant), &g.party, &code, None).await.map(|r| r.1)
        };
        match redeem().await {
            Ok(got) => {
                assert!(!late && !p.erased, "{}", self.place);
                let left: BTreeSet<String> = got.facts.iter().map(|f| f.code.to_owned()).collect();
                assert_eq!(left, items, "{}", self.place);
                p.rows.push((format!("consent:{}", got.consent), fields(&items)));
                p.provisions += 1;
                count.codes += 1;
            }
            Err(e) => assert!(late || p.erased, "{}: {e}", self.place),
        }
        assert_eq!(redeem().await.err(), Some(ConsentError::NotFound), "{}: once", self.place);
        self.recorded(p).await;
    }

    /// Whoever is not the recipient, or asks by a pseudonym that is not its own, gets nothing.
    async fn strangers(&mut self, p: &mut Person, a: usize) {
        let (g, other) = (&self.agreements[a], &self.agreements[1 - a]);
        let ask = async |party: &RecipientRow, tenant, subject| {
            let inquiry = Inquiry { party, agreement: &g.code, subject, items: &[], request: None };
            self.c.obtain(&*self.names.0, &reader(tenant), inquiry).await
        };
        let own = known(p.n, &format!("vendor-{}", g.vendor));
        let theirs = known(p.n, &format!("vendor-{}", other.vendor));
        let nobody = ask(&g.party, g.tenant, theirs).await;
        assert!(matches!(nobody, Err(ConsentError::Refused(_))), "{}: another's pseudonym", self.place);
        assert!(ask(&other.party, other.tenant, theirs).await.is_err() || other.code == g.code);
        let foreign = ask(&other.party, g.tenant, own).await;
        assert!(foreign.is_err(), "{}: another's agreement", self.place);
        let elsewhere = ask(&g.party, other.tenant, own).await;
        assert!(elsewhere.is_err(), "{}: in another tenant", self.place);
        if other.code == g.code {
            // The other's agreement of the same name was asked after its own rules; what left is on record.
            let may = p.past[1 - a].may(other, &CODES, self.now());
            if !may.is_empty() && !p.erased {
                p.rows.push((format!("consent:{}", p.records[1 - a].unwrap()), fields(&may)));
                p.provisions += 1;
            }
        }
        self.recorded(p).await;
    }

    /// A person sees what is held of them, and that they looked is recorded too.
    async fn own(&mut self, p: &mut Person) {
        let proof = Granted::<ViewOwn>::for_system("test", Tenant::SHARED);
        let me = known(p.n, "consent");
        let own = self.c.own_facts(&*self.names.0, &proof, me, None).await.unwrap();
        let probe = own.iter().find(|o| o.module == "probe").unwrap();
        match &probe.facts {
            Ok(facts) => {
                assert!(!p.erased, "{}", self.place);
                let values: Vec<&str> = facts.iter().filter_map(|f| f.value.as_str()).collect();
                assert_eq!(values, [p.facts[0].as_str(), p.facts[1].as_str()], "{}", self.place);
                let basis = "statute:個人情報の保護に関する法律 第76条（開示請求権）".to_owned();
                p.rows.push((basis, fields(&all())));
            }
            Err(e) => assert!(p.erased, "{}: {e}", self.place),
        }
        self.recorded(p).await;
    }

    /// The chain of each answer tells the whole past.
    async fn look_back(&self, p: &Person) {
        self.recorded(p).await;
        for (a, g) in self.agreements.iter().enumerate() {
            let Some(record) = p.records[a] else { continue };
            let (steps, holds) = self.c.steps(g.tenant, known(p.n, "consent"), record).await.unwrap();
            assert_eq!(holds, Ok(()), "{}", self.place);
            let told: Vec<(Step, i64)> = steps.iter().map(|(_, s)| (s.step, s.number)).collect();
            let past: Vec<(Step, i64)> = p.past[a].0.iter().map(|l| (l.0, l.3 as i64)).collect();
            assert_eq!(told, past, "{}", self.place);
        }
    }
}

fn all() -> BTreeSet<String> {
    CODES.iter().map(|c| (*c).to_owned()).collect()
}

fn fields(codes: &BTreeSet<String>) -> BTreeSet<String> {
    codes.iter().map(|c| c.replacen("probe.", "probe.probe_fact.", 1)).collect()
}

fn entry(e: LogEntry) -> (String, BTreeSet<String>) {
    (e.basis, e.fields.split(',').map(str::to_owned).collect())
}
