//! A site with the module, simulated cards, and people to register.

use std::sync::Arc;

use kenroku_access::{Assurance, TenantTree};
use kenroku_http::test::NOW;
use kenroku_identity::Identity;
use kenroku_identity::card::CardTrust;
use kenroku_identity::claims::Claim;
use kenroku_identity::model::{
    AccountClass, Attributes, Birth, PersonId, ProofMethod, Provenance, Sex, Written,
};
use kenroku_identity::person::{NewPerson, Registered};
use kenroku_identity::session::{Proved, Session};
use kenroku_jpki::revocation::Fixed;
use kenroku_jpki::{Anchors, Kind, Pin, Profile, Reason, RevocationSource, Status};
use kenroku_module::Module;
use kenroku_module::test::TestSite;
use kenroku_sim_card::pki::ORGANISATION;
use kenroku_sim_card::{Ca, Pki};
use kenroku_store::Db;
use kenroku_vault::ConsentId;

pub fn anchors<K: Kind>(cas: &[Ca]) -> Anchors<K> {
    let pins: Vec<Pin> = cas.iter().map(|c| Pin::of(&c.certificate)).collect();
    let ders = cas.iter().map(|c| c.certificate.as_slice());
    Anchors::load(Profile::test(ORGANISATION).unwrap(), ders, &pins).unwrap()
}

pub fn trust(status: Status) -> CardTrust {
    trust_of(Arc::new(Fixed::with(status, NOW)))
}

pub fn trust_of(revocation: Arc<dyn RevocationSource>) -> CardTrust {
    let pki = Pki::shipped().unwrap();
    CardTrust { auth: anchors(&pki.auth), sign: anchors(&pki.sign), revocation }
}

pub fn revoked() -> Status {
    Status::Revoked { since: None, reason: Reason::AffiliationChanged }
}

pub async fn site(db: Db) -> TestSite {
    let cards = Module::new("probe").start(|b| {
        b.put(trust(Status::Good));
        Box::pin(async { Ok(()) })
    });
    TestSite::on(db, TenantTree::default(), [kenroku_identity::module(), cards]).await
}

pub fn identity(site: &TestSite) -> Arc<Identity> {
    site.app().get::<Identity>().unwrap()
}

pub fn newcomer(i: &Identity, name: &str, address: &str) -> NewPerson {
    NewPerson {
        id: i.env().id(),
        class: AccountClass::Resident,
        attributes: Attributes {
            name: Written::plain(name),
            birth: Some(Birth::of("1985-05-05".parse().unwrap())),
            sex: Some(Sex::Female),
            address: Some(Written::plain(address)),
        },
        provenance: Provenance {
            method: ProofMethod::Jpki,
            assurance: Assurance::JpkiSign,
            source: "card".to_owned(),
            verified_at: i.env().now(),
        },
        credentials: Vec::new(),
        simulated: true,
    }
}

pub async fn register(i: &Identity, name: &str) -> PersonId {
    let new = newcomer(i, name, "石川県能美市来丸町１");
    let id = new.id;
    assert_eq!(i.register(new).await.unwrap(), Registered::Active);
    id
}

pub async fn sign_in(i: &Identity, person: PersonId) -> Session {
    i.start_session(person, Proved::PASSKEY, "Android / Chrome", None).await.unwrap().session().clone()
}

const GRANT: &kenroku_store::Sql = kenroku_store::sql!(
    "insert into identity_op_grant (tenant, id, issuer, client, person, subject, scope, claims, acr, amr, auth_time,
       offline, created_at)
     values ($1, $2, 'https://op.example', 'rp', $3, 'sub', 'openid', $4, '', '', $5, $6, $7)"
);

/// What the OpenID Provider keeps when a person agreed that a service learns these attributes.
pub async fn agreed(i: &Identity, person: PersonId, claims: &[Claim]) -> ConsentId {
    let (id, now): (ConsentId, _) = (i.env().id(), i.env().now());
    let names: Vec<&str> = claims.iter().map(|c| c.name()).collect();
    let claims = serde_json::json!({ "id_token": [], "userinfo": names });
    let mut tx = i.db().begin().await.unwrap();
    let row =
        kenroku_store::params![kenroku_types::Tenant::SHARED, id.uuid(), person, &claims, now, false, now];
    tx.execute(GRANT, row).await.unwrap();
    tx.commit().await.unwrap();
    id
}
