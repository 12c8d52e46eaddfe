//! IDs of elsewhere, against the stand-in for デジタル認証アプリ: linking, signing in, and every way to cheat.

use std::sync::OnceLock;

use axum::body::Body;
use axum::http::Request;
use kenroku_access::{Access, Assurance, Granted, Permission};
use kenroku_identity::model::PersonId;
use kenroku_identity::session::Session;
use kenroku_identity::upstream::{Arrived, GivenBack, Pending, Provider, Providers};
use kenroku_identity::{After, Identity, IdentityError};
use kenroku_module::test::TestSite;
use kenroku_oidc::jwk::{Alg, KeySet};
use kenroku_oidc::jws::SigningKey;
use kenroku_oidc::upstream::Registration;
use kenroku_oidc::{Params, Scopes};
use kenroku_sim_card::Resident;
use kenroku_sim_dia::{Client, DigitalAuthApp, RegionId};
use kenroku_store::Db;
use tower::ServiceExt as _;

use crate::world::{identity, register, sign_in, site};

const BACK: &str = "https://portal.example/id/upstream/back";

struct World {
    site: TestSite,
    i: std::sync::Arc<Identity>,
    dia: DigitalAuthApp,
    all: Providers,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One address for both engines: it stands in rows that are compared.
type Address = OnceLock<std::net::TcpListener>;

impl World {
    /// Two names for one stand-in: one whose subjects belong to one person, one whose may be shared.
    async fn new(db: Db, at: &Address) -> Self {
        let site = site(db).await;
        let i = identity(&site);
        let listener = at.get_or_init(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let listener = listener.try_clone().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (der, key) = SigningKey::generate(Alg::Es256).unwrap();
        let keys = KeySet::from_jwks(&serde_json::json!({ "keys": [key.public().to_jwk()] })).unwrap();
        let clients = vec![Client { id: "kenroku1".to_owned(), redirect_uri: BACK.to_owned(), keys }];
        let dia = DigitalAuthApp::new(i.env().clone(), &base, clients, "salt").unwrap();
        let router = dia.router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let us = Registration {
            client_id: "kenroku1".to_owned(),
            redirect_uri: BACK.to_owned(),
            scopes: Scopes::parse("openid name birthdate").unwrap(),
            algs: vec![Alg::Es256],
        };
        let provider = |name: &str, issuer: &str| {
            let key = SigningKey::from_pkcs8(Alg::Es256, &der).unwrap();
            Provider::with_key(name, ("模擬", "Simulated"), issuer, us.clone(), Assurance::JpkiAuth, key)
        };
        // Nobody listens at this one.
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let all = Providers::new(vec![
            provider("dia", &dia.issuer()),
            provider("family", &dia.issuer()).shared(),
            provider("sign", &dia.issuer()).signing(&format!("{base}/api/sign-transactions")),
            provider("silent", &format!("http://{closed}")),
        ]);
        World { site, i, dia, all: all.unwrap(), server }
    }

    async fn person(&self, name: &str) -> (PersonId, Session) {
        let person = register(&self.i, name).await;
        (person, sign_in(&self.i, person).await)
    }

    fn at(&self, name: &str) -> &Provider {
        self.all.named(name).unwrap()
    }

    /// The browser at the stand-in: chooses a resident and brings the answer.
    async fn choose(&self, pending: &Pending, resident: u32) -> Params {
        let (address, query) = pending.address.split_once('?').unwrap();
        let form = [("request", query.to_owned()), ("resident", resident.to_string())];
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let r =
            self.dia.router().oneshot(Request::post(address).body(Body::from(form)).unwrap()).await.unwrap();
        let to = r.headers()["location"].to_str().unwrap().to_owned();
        Params::parse(to.split_once('?').unwrap().1).unwrap()
    }

    async fn arrive(
        &self,
        p: &Pending,
        answer: &Params,
        session: Option<&Session>,
    ) -> Result<Arrived, IdentityError> {
        self.i.arrive(&self.all, (p.ticket.id, &p.ticket.secret), answer, session, None).await
    }

    fn proof<P: Permission>(&self, s: &Session) -> Granted<P> {
        let access = self.site.app().get::<Access>().unwrap();
        access.grant_at_home::<P>(&s.actor()).unwrap()
    }

    async fn link(&self, name: &str, s: &Session, resident: u32) -> Result<(), IdentityError> {
        let pending = self.i.visit_to_link(&self.all, self.at(name), s).await.unwrap();
        let answer = self.choose(&pending, resident).await;
        let Arrived::ToConfirm(id) = self.arrive(&pending, &answer, Some(s)).await? else { panic!() };
        let shown = self.i.pending_link(&self.proof(s), s, id).await?;
        assert_eq!(shown.told.name(), Some(Resident::new(resident).name.as_str()));
        let shared = |name: &str| self.all.named(name).is_some_and(|p| p.shared);
        let label = shown.told.name().unwrap_or_default().to_owned();
        self.i.confirm_link(&self.proof(s), s, id, &label, shared).await
    }

    async fn enter(&self, name: &str, resident: u32) -> Result<Arrived, IdentityError> {
        let after = After { next: "/snow".to_owned() };
        let pending = self.i.visit_to_sign_in(&self.all, self.at(name), after).await.unwrap();
        let answer = self.choose(&pending, resident).await;
        self.arrive(&pending, &answer, None).await
    }

    async fn links(&self, s: &Session) -> Vec<kenroku_identity::upstream::Linked> {
        self.i.links(&self.proof(s), s.person).await.unwrap()
    }
}

#[kenroku_store::test(&[])]
async fn an_id_of_elsewhere_is_linked_used_and_taken_apart(db: Db) {
    static AT: Address = Address::new();
    let w = World::new(db, &AT).await;
    let (person, s) = w.person("模擬　花子").await;
    assert!(matches!(w.enter("dia", 1).await, Ok(Arrived::Unknown(name)) if name == "dia"));
    w.link("dia", &s, 1).await.unwrap();
    // A person may have several, also two at one provider.
    w.link("dia", &s, 2).await.unwrap();
    for resident in [1, 2] {
        match w.enter("dia", resident).await.unwrap() {
            Arrived::SignedIn(who, how, after) => {
                assert_eq!((who, how.assurance, after.next.as_str()), (person, Assurance::JpkiAuth, "/snow"));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(w.enter("dia", 3).await, Ok(Arrived::Unknown(_))));
    let all = w.links(&s).await;
    assert_eq!((all.len(), all[0].told.claims.len()), (2, 2), "name and birthdate, as asked for");
    assert!(all.iter().all(|l| l.last_used_at.is_some() && l.ended_at.is_none()));
    let first = all.iter().find(|l| l.told.name() == Some(&Resident::new(1).name)).unwrap().id;
    let (stranger, _) = w.person("模擬　月子").await;
    let mine = w.proof(&s);
    assert_eq!(w.i.unlink(&mine, &w.all, stranger, first).await, Err(IdentityError::NotFound));
    let given = w.i.unlink(&mine, &w.all, person, first).await;
    assert_eq!(given, Ok(GivenBack::No), "the app takes no tokens back, as its documents know of none");
    assert_eq!(w.i.unlink(&mine, &w.all, person, first).await, Err(IdentityError::NotFound));
    assert!(matches!(w.enter("dia", 1).await, Ok(Arrived::Unknown(_))));
    assert!(matches!(w.enter("dia", 2).await, Ok(Arrived::SignedIn(..))));
    let tombstone = w.links(&s).await.into_iter().find(|l| l.id == first).unwrap();
    assert!(tombstone.ended_at.is_some(), "it stays");
    // What ended can be linked anew.
    w.link("dia", &s, 1).await.unwrap();
}

#[kenroku_store::test(&[])]
async fn a_link_belongs_to_the_session_that_left_for_it(db: Db) {
    static AT: Address = Address::new();
    let w = World::new(db, &AT).await;
    let (_, mine) = w.person("模擬　花子").await;
    let (_, other) = w.person("模擬　雪子").await;
    let again = sign_in(&w.i, mine.person).await;
    for arriving in [None, Some(&other), Some(&again)] {
        let pending = w.i.visit_to_link(&w.all, w.at("dia"), &mine).await.unwrap();
        let answer = w.choose(&pending, 1).await;
        let refused = w.arrive(&pending, &answer, arriving).await.unwrap_err();
        assert_eq!(refused, IdentityError::Refused);
        let used = w.arrive(&pending, &answer, Some(&mine)).await.unwrap_err();
        assert_eq!(used, IdentityError::Over, "a refused visit is over");
    }
    assert!(w.links(&mine).await.is_empty() && w.links(&other).await.is_empty());

    // Nor does anybody else confirm it, nor the same person later.
    let pending = w.i.visit_to_link(&w.all, w.at("dia"), &mine).await.unwrap();
    let answer = w.choose(&pending, 1).await;
    let Ok(Arrived::ToConfirm(id)) = w.arrive(&pending, &answer, Some(&mine)).await else { panic!() };
    for s in [&other, &again] {
        let refused = w.i.confirm_link(&w.proof(s), s, id, "", |_| false).await;
        assert_eq!(refused, Err(IdentityError::Over));
        assert_eq!(w.i.pending_link(&w.proof(s), s, id).await, Err(IdentityError::Over));
    }
    w.site.app().env().clock.advance(std::time::Duration::from_secs(301));
    let late = w.i.confirm_link(&w.proof(&mine), &mine, id, "", |_| false).await;
    assert_eq!(late, Err(IdentityError::Over));
    assert_eq!((w.i.sweep_links().await, w.i.sweep_links().await), (Ok(1), Ok(0)));
    // The honest one: left, came back and confirmed in one session.
    let fresh = sign_in(&w.i, mine.person).await;
    w.link("dia", &fresh, 1).await.unwrap();
    assert_eq!(w.links(&fresh).await.len(), 1);
}

#[kenroku_store::test(&[])]
async fn one_subject_is_one_person_unless_the_operator_lets_it_be_shared(db: Db) {
    static AT: Address = Address::new();
    let w = World::new(db, &AT).await;
    let (_, a) = w.person("模擬　花子").await;
    let (_, b) = w.person("模擬　雪子").await;
    w.link("dia", &a, 1).await.unwrap();
    assert_eq!(w.link("dia", &b, 1).await, Err(IdentityError::CredentialTaken));
    assert_eq!(w.link("dia", &a, 1).await, Err(IdentityError::CredentialTaken));
    w.link("family", &a, 5).await.unwrap();
    assert!(matches!(w.enter("family", 5).await, Ok(Arrived::SignedIn(..))));
    w.link("family", &b, 5).await.unwrap();
    assert_eq!(w.link("family", &b, 5).await, Err(IdentityError::CredentialTaken));
    // The subject does not tell which of them is here: they do, and nobody else can be chosen.
    let choice = |came: Arrived| match came {
        Arrived::ToChoose(ticket) => ticket,
        other => panic!("{other:?}"),
    };
    let ticket = choice(w.enter("family", 5).await.unwrap());
    let held = (ticket.id, ticket.secret.as_str());
    let sharers = w.i.to_choose(held).await.unwrap();
    let name = Resident::new(5).name;
    assert_eq!(sharers.iter().map(|s| s.label.as_str()).collect::<Vec<_>>(), [&name, &name]);
    assert_eq!(w.i.to_choose((ticket.id, "x")).await, Err(IdentityError::Over));
    let (who, how, after) = w.i.choose(&w.all, held, sharers[1].id).await.unwrap();
    assert_eq!((who, how.assurance, after.next.as_str()), (b.person, Assurance::JpkiAuth, "/snow"));
    assert_eq!(w.i.choose(&w.all, held, sharers[0].id).await.unwrap_err(), IdentityError::Over, "once");
    let foreign = w.links(&a).await.into_iter().find(|l| l.provider == "dia").unwrap();
    let ticket = choice(w.enter("family", 5).await.unwrap());
    let held = (ticket.id, ticket.secret.as_str());
    assert_eq!(w.i.choose(&w.all, held, foreign.id).await.unwrap_err(), IdentityError::Refused);
    // Who ended the link meanwhile is no longer among them.
    let ticket = choice(w.enter("family", 5).await.unwrap());
    w.i.unlink(&w.proof(&b), &w.all, b.person, sharers[1].id).await.unwrap();
    let left = w.i.to_choose((ticket.id, &ticket.secret)).await.unwrap();
    assert_eq!(left.iter().map(|s| s.id).collect::<Vec<_>>(), [sharers[0].id]);
    let gone = w.i.choose(&w.all, (ticket.id, &ticket.secret), sharers[1].id).await.unwrap_err();
    assert_eq!(gone, IdentityError::Refused);
}

#[kenroku_store::test(&[])]
async fn who_shares_an_id_has_a_name_among_those_who_do(db: Db) {
    static AT: Address = Address::new();
    let w = World::new(db, &AT).await;
    let (_, s) = w.person("模擬　花子").await;
    let pending = w.i.visit_to_link(&w.all, w.at("family"), &s).await.unwrap();
    let answer = w.choose(&pending, 1).await;
    let Ok(Arrived::ToConfirm(id)) = w.arrive(&pending, &answer, Some(&s)).await else { panic!() };
    let nameless = w.i.confirm_link(&w.proof(&s), &s, id, " \n", |_| true).await;
    assert!(matches!(nameless, Err(IdentityError::Input("label", ..))));
    w.i.confirm_link(&w.proof(&s), &s, id, " 母\u{7} ", |_| true).await.unwrap();
    assert_eq!(w.links(&s).await[0].label, "母");
}

#[kenroku_store::test(&[])]
async fn what_the_provider_gave_is_given_back_when_the_link_ends(db: Db) {
    static AT: Address = Address::new();
    let w = World::new(db, &AT).await;
    let (person, s) = w.person("模擬　花子").await;
    static REGION_AT: Address = Address::new();
    let listener = REGION_AT.get_or_init(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let listener = listener.try_clone().unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let region = RegionId::new(w.i.env().clone(), &base, "kenroku1", "s3cret", BACK).unwrap();
    let router = region.router();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let us = Registration {
        client_id: "kenroku1".to_owned(),
        redirect_uri: BACK.to_owned(),
        scopes: Scopes::parse("openid profile").unwrap(),
        algs: vec![Alg::EdDsa],
    };
    let with = |secret| {
        let titles = ("地域", "Region");
        Provider::with_secret("region", titles, &base, us.clone(), Assurance::Password, secret)
    };
    let all = Providers::new(vec![with("s3cret")]).unwrap();
    let choose = async |pending: &Pending| {
        let (address, query) = pending.address.split_once('?').unwrap();
        let form = [("request", query.to_owned()), ("resident", "1002".to_owned())];
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let r =
            region.router().oneshot(Request::post(address).body(Body::from(form)).unwrap()).await.unwrap();
        let to = r.headers()["location"].to_str().unwrap().to_owned();
        Params::parse(to.split_once('?').unwrap().1).unwrap()
    };
    let link = async || {
        let pending = w.i.visit_to_link(&all, &all.all()[0], &s).await.unwrap();
        let answer = choose(&pending).await;
        let ticket = (pending.ticket.id, pending.ticket.secret.as_str());
        let came = w.i.arrive(&all, ticket, &answer, Some(&s), None).await;
        let Ok(Arrived::ToConfirm(id)) = came else { panic!("{came:?}") };
        w.i.confirm_link(&w.proof(&s), &s, id, "", |_| false).await.unwrap();
        id
    };
    let id = link().await;
    // The newest token is what is given back.
    let pending = w.i.visit_to_sign_in(&all, &all.all()[0], After::default()).await.unwrap();
    let answer = choose(&pending).await;
    let ticket = (pending.ticket.id, pending.ticket.secret.as_str());
    assert!(matches!(w.i.arrive(&all, ticket, &answer, None, None).await, Ok(Arrived::SignedIn(..))));
    assert_eq!(w.i.unlink(&w.proof(&s), &all, person, id).await, Ok(GivenBack::Yes));
    assert_eq!(region.revoked(), 1);
    // A provider that does not do its part keeps nobody linked.
    let id = link().await;
    let refused = Providers::new(vec![with("another")]).unwrap();
    assert_eq!(w.i.unlink(&w.proof(&s), &refused, person, id).await, Ok(GivenBack::Unreached));
    assert!(w.links(&s).await.iter().all(|l| l.ended_at.is_some()));
    server.abort();
}

#[kenroku_store::test(&[])]
async fn answers_that_were_not_asked_for_are_refused(db: Db) {
    static AT: Address = Address::new();
    let w = World::new(db, &AT).await;
    let (_, s) = w.person("模擬　花子").await;
    w.link("dia", &s, 1).await.unwrap();
    let visit = || w.i.visit_to_sign_in(&w.all, w.at("dia"), After::default());
    // Login CSRF: somebody's answer in another browser, or a stolen code in one's own visit.
    let (theirs, own) = (visit().await.unwrap(), visit().await.unwrap());
    let answer = w.choose(&theirs, 1).await;
    assert_eq!(w.arrive(&own, &answer, None).await.unwrap_err(), IdentityError::Refused);
    let mut wrong = theirs.ticket.secret.clone();
    wrong.replace_range(..1, if wrong.starts_with('0') { "1" } else { "0" });
    let stolen = w.i.arrive(&w.all, (theirs.ticket.id, &wrong), &answer, None, None).await.unwrap_err();
    assert_eq!(stolen, IdentityError::Over);
    assert!(matches!(w.arrive(&theirs, &answer, None).await, Ok(Arrived::SignedIn(..))));
    assert_eq!(w.arrive(&theirs, &answer, None).await.unwrap_err(), IdentityError::Over, "once");
    let silent = w.i.visit_to_sign_in(&w.all, w.at("silent"), After::default()).await;
    assert_eq!(silent.unwrap_err(), IdentityError::Elsewhere);
}

mod signing {
    use super::*;
    use crate::world::{revoked, trust};
    use kenroku_identity::card::{Act, CardTrust};
    use kenroku_identity::model::AccountClass;
    use kenroku_jpki::Status;

    impl World {
        async fn ticket(&self, act: Act) -> kenroku_identity::ticket::Issued {
            let (class, at) = (AccountClass::Resident, "https://portal.example");
            kenroku_identity::card::begin(&self.i, act, class, None, "/id", at, true).await.unwrap()
        }

        /// Signs as `signer` and, when asked, signs in as somebody else; what came of the ticket.
        async fn sign(&self, trust: &CardTrust, act: Act, signer: u32) -> (Option<String>, Option<PersonId>) {
            let ticket = self.ticket(act).await;
            let pending = self.i.visit_to_sign(&self.all, self.at("sign"), ticket.id).await.unwrap();
            assert!(pending.address.contains("sign_transaction_id="), "{}", pending.address);
            let answer = self.choose(&pending, signer).await;
            let at = (pending.ticket.id, pending.ticket.secret.as_str());
            let came = self.i.arrive(&self.all, at, &answer, None, Some(trust)).await;
            assert!(matches!(came, Ok(Arrived::Signed)), "{came:?}");
            let ended = self.i.look(ticket.id, &ticket.secret).await.unwrap();
            (ended.result, ended.person)
        }
    }

    #[kenroku_store::test(&[])]
    async fn a_phone_registers_with_the_signature_alone_and_signs_in_by_it_afterwards(db: Db) {
        static AT: Address = Address::new();
        let w = World::new(db, &AT).await;
        let trust = trust(Status::Good);
        let (result, person) = w.sign(&trust, Act::Register, 3).await;
        assert_eq!(result.as_deref(), Some("registered"));
        let person = person.unwrap();
        let s = sign_in(&w.i, person).await;
        assert_eq!(w.links(&s).await.len(), 1, "the text that was signed said so");
        assert!(matches!(w.enter("sign", 3).await, Ok(Arrived::SignedIn(who, ..)) if who == person));
        // The same card again is the same person.
        assert_eq!(w.sign(&trust, Act::Register, 3).await, (Some("proved".to_owned()), Some(person)));
        assert_eq!(w.links(&s).await.len(), 1);
    }

    #[kenroku_store::test(&[])]
    async fn who_signs_in_must_be_who_signs_and_a_revoked_card_signs_nothing(db: Db) {
        static AT: Address = Address::new();
        let w = World::new(db, &AT).await;
        let trust = trust(Status::Good);
        // Somebody lets another sign his request, and brings his own sign-in.
        let ticket = w.ticket(Act::Register).await;
        let theirs = w.i.visit_to_sign(&w.all, w.at("sign"), ticket.id).await.unwrap();
        w.dia.swap_signer(4);
        let answer = w.choose(&theirs, 3).await;
        let at = (theirs.ticket.id, theirs.ticket.secret.as_str());
        let came = w.i.arrive(&w.all, at, &answer, None, Some(&trust)).await;
        assert!(matches!(came, Ok(Arrived::Signed)), "{came:?}");
        let ended = w.i.look(ticket.id, &ticket.secret).await.unwrap();
        assert_eq!((ended.result.as_deref(), ended.person), (Some("refused"), None));
        let over = w.i.visit_to_sign(&w.all, w.at("sign"), ticket.id).await.unwrap_err();
        assert_eq!(over, IdentityError::Over, "a ticket is signed once");
        assert_eq!(w.sign(&trust, Act::Register, 3).await.0.as_deref(), Some("registered"), "the honest one");
        let (result, who) = w.sign(&crate::world::trust(revoked()), Act::Register, 5).await;
        assert_eq!((result.as_deref(), who), (Some("revoked"), None));
        // A reader's ticket is not an app's.
        let (class, at) = (AccountClass::Resident, "https://portal.example");
        let reader = kenroku_identity::card::begin(&w.i, Act::Register, class, None, "/id", at, false).await;
        let refused = w.i.visit_to_sign(&w.all, w.at("sign"), reader.unwrap().id).await.unwrap_err();
        assert_eq!(refused, IdentityError::Over);
    }
}
