//! A site with a module that holds two facts about people, a vendor, and people known by number.

use std::sync::{Arc, Mutex};

use kenroku_access::{Actor, ClientId, Granted, Permission, TenantTree, permission, resource_kind, testing};
use kenroku_consent::model::{
    AgreedItem, AgreementId, By, DataUse, LawfulBasis, RecipientKind, Step, Terms, Texts,
};
use kenroku_consent::registers::CONSENTS;
use kenroku_consent::sql::RecipientRow;
use kenroku_consent::{Consent, ManageAgreements, NewRecipient, Obtain, Reply};
use kenroku_contracts::personal::{
    Answer, MandateId, Proxies, ProxiesPort, Proxy, Pseudonyms, PseudonymsPort,
};
use kenroku_contracts::signing::{Signer, SignerPort};
use kenroku_module::Module;
use kenroku_module::test::TestSite;
use kenroku_store::{Db, Migration, ModuleMigrations, Sql, params, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{MuniCode, Problem, Tenant};
use kenroku_vault::share::{Fact, Item, Reading, Source, Sources, Wanted};
use kenroku_vault::{
    Category, ConsentId, Disclosure, Field, LegalBasis, Purpose, RetentionClass, Sealed, Vault,
};
use uuid::Uuid;

const KEEP: RetentionClass =
    RetentionClass { code: "probe.kept", ja: "試験の記録", days: Some(30), source: "試験" };
pub const NAME: Field = Field::new("probe", "probe_fact", "name", "氏名", KEEP, Category::Person).shared();
pub const STATE: Field =
    Field::new("probe", "probe_fact", "state", "体調", KEEP, Category::Health).special_care().shared();

const TABLE: ModuleMigrations = ModuleMigrations {
    module: "probe",
    steps: &[Migration {
        name: "0001_init",
        text:
            "create table probe_fact (tenant {uuid} not null, subject {uuid} not null, name {blob} not null,
                 state {blob} not null, primary key (tenant, subject)) {strict};",
        postgres: None,
    }],
};
const ADD: &Sql = sql!("insert into probe_fact (tenant, subject, name, state) values ($1, $2, $3, $4)");
const GET: &Sql = sql!("select name, state from probe_fact where tenant = $1 and subject = $2");

const fn item(code: &'static str, field: &'static Field) -> Item {
    Item {
        code, names: ["項目", "項目《こうもく》", "Item"], category: field.category, field: Some(field)
    }
}
const ITEMS: [Item; 2] = [item("probe.name", &NAME), item("probe.state", &STATE)];

/// Holds the facts.
struct Probe {
    db: Db,
    vault: Vault,
}

impl Source for Probe {
    fn module(&self) -> &'static str {
        "probe"
    }
    fn names(&self) -> [&'static str; 3] {
        ["試験", "試験《しけん》", "Test"]
    }
    fn tenants(&self) -> Vec<Tenant> {
        vec![Tenant::SHARED]
    }
    fn items(&self) -> &'static [Item] {
        &ITEMS
    }
    fn read<'a>(&'a self, wanted: &'a Wanted) -> Reading<'a, Vec<Fact>> {
        Box::pin(async move {
            let s = wanted.subject;
            let row: Option<(Sealed<String>, Sealed<String>)> =
                self.db.read().await?.opt(GET, params![Tenant::SHARED, s]).await?;
            let Some((name, state)) = row else { return Ok(Vec::new()) };
            let mut fields = Vec::new();
            for code in &wanted.items {
                fields.push(if *code == "probe.name" { &NAME } else { &STATE });
            }
            let reader = self.vault.disclose(&wanted.why, &[s], &fields).await?;
            let mut out = Vec::new();
            for code in &wanted.items {
                let (field, sealed) = if *code == "probe.name" { (&NAME, &name) } else { (&STATE, &state) };
                let value = reader.open(field.at(s, s.uuid()), sealed)?.into_value();
                out.push(Fact {
                    code,
                    value: value.into(),
                    source: "probe".to_owned(),
                    method: String::new(),
                    assurance: String::new(),
                    verified_at: None,
                });
            }
            Ok(out)
        })
    }
}

/// People are numbers; every sector shifts them by an amount of its own. Numbers from 1,000 on are nobody.
struct Shifted;

fn shift(sector: &str) -> u128 {
    sector.bytes().fold(7, |h: u128, b| h.wrapping_mul(131).wrapping_add(u128::from(b))) << 32
}

/// Person `n` as a sector knows them.
pub fn known(n: u128, sector: &str) -> SubjectId {
    SubjectId::from_uuid(Uuid::from_u128(shift(sector) + n))
}

impl Pseudonyms for Shifted {
    fn translate<'a>(
        &'a self,
        from: &'a str,
        subject: SubjectId,
        to: &'a str,
    ) -> Answer<'a, Option<SubjectId>> {
        Box::pin(async move {
            let n = subject.uuid().as_u128().wrapping_sub(shift(from));
            Ok::<_, Problem>((n < 1000).then(|| known(n, to)))
        })
    }
}

/// Who decides for whom, as the test says.
#[derive(Debug, Default)]
pub struct Deputies(pub Mutex<Vec<Proxy>>);

impl Proxies for Deputies {
    fn of<'a>(&'a self, _: &'a str, agent: SubjectId) -> Answer<'a, Vec<Proxy>> {
        let all = self.0.lock().unwrap().clone();
        Box::pin(async move { Ok(all.into_iter().filter(|p| p.agent == agent).collect()) })
    }
    fn in_force<'a>(&'a self, mandate: MandateId) -> Answer<'a, bool> {
        let there = self.0.lock().unwrap().iter().any(|p| p.mandate == mandate);
        Box::pin(async move { Ok(there) })
    }
}

/// Signs by writing the claims down.
struct Plain;

impl Signer for Plain {
    fn issuer(&self) -> String {
        "https://portal.example".to_owned()
    }
    fn sign<'a>(&'a self, typ: &'static str, claims: &'a serde_json::Value) -> Answer<'a, String> {
        Box::pin(async move { Ok(format!("{typ}.{claims}.end")) })
    }
}

resource_kind! {
    /// 試験の記録
    pub Facts;
}
permission! {
    /// 試験の記録を開く
    pub OpenFacts = "probe.open" on Facts, view, special_care;
}
/// A module that opens by itself what rests on a consent.
pub const BY_ITSELF: Purpose = Purpose {
    code: "probe.by-itself",
    ja: "試験",
    basis: LegalBasis::Consent(CONSENTS),
    categories: &Category::ALL,
};

/// Opens the name of person `n` past the broker, in an office's name.
pub async fn past_the_broker(
    site: &TestSite,
    office: Tenant,
    n: u128,
    consent: ConsentId,
    field: &'static Field,
) -> Result<(), kenroku_vault::Error> {
    let proof: Granted<OpenFacts> = Granted::for_system("probe", office);
    let s = known(n, "probe");
    let why = Disclosure::new(&proof, &BY_ITSELF).of_everybody().consent(s, consent);
    site.vault().disclose(&why, &[s], &[field]).await.map(drop)
}

fn probe() -> Module {
    let module = Module::new("probe").migrations(TABLE).fields(&[&NAME, &STATE]).purposes(&[&BY_ITSELF]);
    module.permissions(&[OpenFacts::META]).start(|b| {
        Box::pin(async move {
            let vault = b.get::<Vault>().map_err(|e| e.0)?;
            let source = Probe { db: b.db().clone(), vault: (*vault).clone() };
            b.get::<Sources>().map_err(|e| e.0)?.add(Arc::new(source));
            b.put(PseudonymsPort(Arc::new(Shifted)));
            let deputies = Arc::new(Deputies::default());
            b.put_shared(Arc::clone(&deputies));
            b.put(ProxiesPort(deputies));
            b.put(SignerPort(Arc::new(Plain)));
            Ok(())
        })
    })
}

pub fn nomi() -> Tenant {
    Tenant::of(MuniCode::new(17211).unwrap())
}
pub fn kaga() -> Tenant {
    Tenant::of(MuniCode::new(17206).unwrap())
}

fn tree() -> TenantTree {
    let pref = Tenant::of(MuniCode::new(17000).unwrap());
    TenantTree::new([(pref, None), (nomi(), Some(pref)), (kaga(), Some(pref))]).unwrap()
}

pub async fn site(db: Db) -> TestSite {
    TestSite::on(db, tree(), [kenroku_consent::module(), probe()]).await
}

/// On an embedded database, for background work: the order of jobs is each engine's own.
pub async fn alone() -> TestSite {
    TestSite::within(tree(), [kenroku_consent::module(), probe()]).await
}

pub fn consent(site: &TestSite) -> Arc<Consent> {
    site.app().get::<Consent>().unwrap()
}

/// Seals the two facts of person `n`.
pub async fn remember(site: &TestSite, n: u128, name: &str, state: &str) {
    let s = known(n, "probe");
    let sealer = site.vault().sealer(Tenant::SHARED, &[s], &[&NAME, &STATE]).await.unwrap();
    let name = sealer.seal(NAME.at(s, s.uuid()), &name.to_owned()).unwrap();
    let state = sealer.seal(STATE.at(s, s.uuid()), &state.to_owned()).unwrap();
    let mut tx = site.app().db().begin().await.unwrap();
    tx.execute(ADD, params![Tenant::SHARED, s, name, state]).await.unwrap();
    tx.commit().await.unwrap();
}

pub fn officer(tenant: Tenant) -> Granted<ManageAgreements> {
    Granted::for_system("test", tenant)
}
pub fn reader(tenant: Tenant) -> Granted<Obtain> {
    Granted::for_system("test", tenant)
}

pub fn client(n: u128) -> ClientId {
    ClientId::from_uuid(Uuid::from_u128(0xC11E_0000 + n))
}
/// The program of vendor `n`.
pub fn program(tenant: Tenant, n: u128) -> Actor {
    Actor::Client { id: client(n), tenant, scopes: vec![Obtain::META.id.to_owned()] }
}
/// Person `n` on their own pages.
pub fn person(n: u128) -> Actor {
    match testing::resident(1) {
        Actor::Resident { sign_in, .. } => Actor::Resident { subject: known(n, "consent"), sign_in },
        other => other,
    }
}

pub fn terms(items: &[&str]) -> Terms {
    let t = |w: &str| Texts::new(w, w, w);
    let item = |c: &&str| AgreedItem { code: (*c).to_owned(), required: false };
    Terms {
        service: t("visits"),
        purpose: t("to visit"),
        without: t("no visits"),
        basis: LawfulBasis::Consent,
        article: String::new(),
        data_use: DataUse::Using,
        items: items.iter().map(item).collect(),
        retention_days: 30,
        valid_days: 90,
    }
}

/// Vendor `n` with the agreement `code` about both facts.
pub async fn vendor(site: &TestSite, tenant: Tenant, n: u128, code: &str) -> (RecipientRow, AgreementId) {
    let c = consent(site);
    let new = NewRecipient {
        kind: RecipientKind::Client,
        handle: client(n).to_string(),
        sector: format!("vendor-{n}"),
        name: format!("事業者{n}"),
        address: "石川県".to_owned(),
        representative: "代表".to_owned(),
    };
    let id = c.register_recipient(&officer(tenant), new).await.unwrap();
    let agreement =
        c.agree(&officer(tenant), code, id, &terms(&["probe.name", "probe.state"])).await.unwrap();
    (c.recipient(tenant, id).await.unwrap(), agreement)
}

pub fn reply(step: Step, items: &[&str], shown: i64) -> Reply {
    Reply {
        step,
        items: items.iter().map(|i| (*i).to_owned()).collect(),
        shown,
        by: By::Person,
        assurance: kenroku_access::Assurance::JpkiAuth,
        locale: "ja",
    }
}
