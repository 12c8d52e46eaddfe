//! A site with いしかわID, consent and this module, and people to register.

use std::sync::Arc;

use kenroku_access::{Actor, Assurance, TenantTree, testing};
use kenroku_contracts::personal::PseudonymsPort;
use kenroku_identity::Identity;
use kenroku_identity::model::{
    AccountClass, Attributes, Birth, PersonId, ProofMethod, Provenance, Sex, Written,
};
use kenroku_identity::person::{NewPerson, Registered};
use kenroku_module::Module;
use kenroku_module::test::TestSite;
use kenroku_privacy::{Privacy, SECTOR};
use kenroku_store::Db;
use kenroku_types::ids::SubjectId;
use kenroku_types::{MuniCode, Tenant};

pub fn nomi() -> Tenant {
    Tenant::of(MuniCode::new(17211).unwrap())
}
pub fn kaga() -> Tenant {
    Tenant::of(MuniCode::new(17206).unwrap())
}

pub fn tree() -> TenantTree {
    let pref = Tenant::of(MuniCode::new(17000).unwrap());
    TenantTree::new([(pref, None), (nomi(), Some(pref)), (kaga(), Some(pref))]).unwrap()
}

pub fn modules() -> [Module; 3] {
    [kenroku_privacy::module(), kenroku_consent::module(), kenroku_identity::module()]
}

pub async fn site(db: Db) -> TestSite {
    TestSite::on(db, tree(), modules()).await
}

pub fn identity(site: &TestSite) -> Arc<Identity> {
    site.app().get::<Identity>().unwrap()
}

pub fn privacy(site: &TestSite) -> Arc<Privacy> {
    site.app().get::<Privacy>().unwrap()
}

pub fn names(site: &TestSite) -> Arc<PseudonymsPort> {
    site.app().get::<PseudonymsPort>().unwrap()
}

/// Registers a simulated person.
pub async fn register(site: &TestSite, name: &str) -> PersonId {
    let i = identity(site);
    let new = NewPerson {
        id: i.env().id(),
        class: AccountClass::Resident,
        attributes: Attributes {
            name: Written::plain(name),
            birth: Some(Birth::of("1985-05-05".parse().unwrap())),
            sex: Some(Sex::Female),
            address: Some(Written::plain("石川県能美市来丸町１")),
        },
        provenance: Provenance {
            method: ProofMethod::Jpki,
            assurance: Assurance::JpkiSign,
            source: "card".to_owned(),
            verified_at: i.env().now(),
        },
        credentials: Vec::new(),
        simulated: true,
    };
    let id = new.id;
    assert_eq!(i.register(new).await.unwrap(), Registered::Active);
    id
}

/// The person as a module knows them.
pub async fn known(site: &TestSite, person: PersonId, sector: &str) -> SubjectId {
    identity(site).subject(person, sector).await.unwrap()
}

/// The person on the pages of this module.
pub async fn on_own_page(site: &TestSite, person: PersonId) -> Actor {
    let subject = known(site, person, SECTOR).await;
    match testing::resident(1) {
        Actor::Resident { sign_in, .. } => Actor::Resident { subject, sign_in },
        other => other,
    }
}

const GRANT: &kenroku_store::Sql = kenroku_store::sql!(
    "insert into identity_op_grant (tenant, id, issuer, client, person, subject, scope, claims, acr, amr, auth_time,
       offline, created_at)
     values ($1, $2, 'https://op.example', 'rp', $3, 'sub', 'openid', $4, '', '', $5, $6, $7)"
);

/// What the OpenID Provider keeps when a person agreed that a service learns the name.
pub async fn name_agreed(i: &Identity, person: PersonId) -> kenroku_vault::ConsentId {
    let (id, now): (kenroku_vault::ConsentId, _) = (i.env().id(), i.env().now());
    let claims = serde_json::json!({ "id_token": [], "userinfo": ["name"] });
    let mut tx = i.db().begin().await.unwrap();
    let row = kenroku_store::params![Tenant::SHARED, id.uuid(), person, &claims, now, false, now];
    tx.execute(GRANT, row).await.unwrap();
    tx.commit().await.unwrap();
    id
}
