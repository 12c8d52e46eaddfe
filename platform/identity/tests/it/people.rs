//! Registering, proving again, pseudonyms, sessions, release.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kenroku_access::Granted;
use kenroku_bus::{Consumer, Failed, Handle, Received, Worker};
use kenroku_contracts::identity::{EndReason, SessionEnded};
use kenroku_identity::claims::Claim;
use kenroku_identity::credential::{Handle as Found, Kind, NewCredential};
use kenroku_identity::model::PersonState;
use kenroku_identity::person::Registered;
use kenroku_identity::review::Decision;
use kenroku_identity::session::Proved;
use kenroku_identity::{IdentityError, ReviewPeople};
use kenroku_module::test::TestSite;
use kenroku_store::{Db, Tx};
use kenroku_types::Tenant;
use kenroku_types::ids::SubjectId;

use crate::world::{agreed, identity, newcomer, register, sign_in, site};

fn passkey(n: u8) -> NewCredential {
    NewCredential::new(Kind::Passkey, Found::Bytes(vec![n; 16]))
}

#[kenroku_store::test(&[])]
async fn somebody_registers_and_is_known_by_another_name_everywhere(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let me = register(&i, "模擬　花子").await;
    let row = i.person(me).await.unwrap().unwrap();
    assert_eq!((row.state, row.muni.map(|m| m.code5())), (PersonState::Active, Some("17211".to_owned())));
    let snow = i.subject(me, "snow").await.unwrap();
    assert_eq!(i.subject(me, "snow").await.unwrap(), snow, "it stays");
    let portal = i.subject(me, "portal").await.unwrap();
    assert_ne!(snow, portal);
    assert_ne!(snow.uuid(), me.uuid());
    assert_eq!(i.person_of("snow", snow).await.unwrap(), Some(me));
    assert_eq!(i.person_of("portal", snow).await.unwrap(), None, "no sector knows another's");
    assert_eq!(i.subject(me, "identity").await.unwrap(), SubjectId::from_uuid(me.uuid()));
}

#[kenroku_store::test(&[])]
async fn attributes_leave_by_consent_and_leave_a_row(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let me = register(&i, "模擬　花子").await;
    let asked =
        [Claim::Name, Claim::FamilyName, Claim::GivenName, Claim::Birthdate, Claim::MuniCode, Claim::IsAdult];
    let consent = agreed(&i, me, &asked).await;
    assert!(i.release(me, &asked, i.env().id(), None).await.is_err(), "agreed to nothing of the kind");
    assert!(i.release(me, &[Claim::Address], consent, None).await.is_err(), "not agreed to");
    let other = register(&i, "模擬　二").await;
    assert!(i.release(other, &asked, consent, None).await.is_err(), "somebody else's agreement");
    let out = i.release(me, &asked, consent, Some(i.env().id())).await.unwrap();
    assert_eq!((out["family_name"].as_str(), out["given_name"].as_str()), (Some("模擬"), Some("花子")));
    assert_eq!(out["birthdate"], "1985-05-05");
    assert_eq!(
        (&out["urn:ishikawa:is_adult"], &out["urn:ishikawa:muni_code"]),
        (&true.into(), &"17211".into())
    );
    assert_eq!(out["urn:ishikawa:proof"]["method"], "jpki");
    assert!(out.get("address").is_none(), "nothing that was not asked for");
    let seen = i.vault().accesses(Tenant::SHARED, SubjectId::from_uuid(me.uuid()), None, 9).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].basis.starts_with("consent:") && seen[0].purpose == "identity.release");

    let consent = agreed(&i, me, &[Claim::Gender, Claim::Address]).await;
    let out = i.release(me, &[Claim::Gender, Claim::Address], consent, None).await.unwrap();
    assert_eq!((&out["gender"], &out["address"]["locality"]), (&"female".into(), &"能美市".into()));
    i.release(me, &[Claim::MuniCode, Claim::AccountClass], i.env().id(), None).await.unwrap();
    let seen = i.vault().accesses(Tenant::SHARED, SubjectId::from_uuid(me.uuid()), None, 9).await.unwrap();
    assert_eq!(seen.len(), 2, "what is not sealed opens nothing");

    assert!(i.mark_moved(me).await.unwrap());
    let e = i.release(me, &[Claim::Name], i.env().id(), None).await.unwrap_err();
    assert_eq!(e, IdentityError::ProveAgain);
    let e = i.release(i.env().id(), &[Claim::Name], i.env().id(), None).await.unwrap_err();
    assert_eq!(e, IdentityError::NotFound);
}

#[kenroku_store::test(&[])]
async fn whoever_comes_twice_waits_for_an_operator(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let first = register(&i, "模擬　齋藤").await;
    let mut again = newcomer(&i, "模擬 斎藤", "石川県金沢市鞍月１");
    again.credentials = vec![passkey(1)];
    let twin = again.id;
    assert!(matches!(i.register(again).await.unwrap(), Registered::Review(_)));
    let refused = i.start_session(twin, Proved::PASSKEY, "", None).await.unwrap_err();
    assert_eq!(refused, IdentityError::Refused, "nobody signs in before the decision");
    assert!(i.start_session(first, Proved::PASSKEY, "", None).await.is_ok(), "the known one does");

    let mut taken = newcomer(&i, "模擬　別人", "石川県金沢市鞍月１");
    taken.attributes.birth = None;
    taken.credentials = vec![passkey(1)];
    let half = taken.id;
    assert_eq!(i.register(taken).await.unwrap_err(), IdentityError::CredentialTaken);
    assert_eq!(i.person(half).await.unwrap(), None, "no half person stays behind");
}

#[kenroku_store::test(&[])]
async fn an_operator_tells_two_people_apart_or_joins_one(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let desk: Granted<ReviewPeople> = Granted::for_system("desk", Tenant::of("17000".parse().unwrap()));
    let known = register(&i, "模擬　花子").await;
    i.add_credential(known, &passkey(1)).await.unwrap();
    let come = async |n: u8| {
        site.app().env().clock.advance(Duration::from_secs(1));
        let mut new = newcomer(&i, "模擬　花子", "石川県金沢市鞍月１");
        new.credentials = vec![NewCredential::new(Kind::JpkiAuth, Found::Bytes(vec![n; 16]))];
        let id = new.id;
        i.register(new).await.unwrap();
        id
    };
    let twin = come(7).await;
    let open = i.reviews(&desk).await.unwrap();
    assert_eq!(open.iter().map(|r| (r.newcomer, r.known)).collect::<Vec<_>>(), [(twin, known)]);
    let [new, old] = i.both_sides(&desk, &open[0], Some(i.env().id())).await.unwrap();
    assert_eq!(new.unwrap().attributes.name, old.unwrap().attributes.name);
    let seen = i.vault().accesses(Tenant::SHARED, SubjectId::from_uuid(known.uuid()), None, 9).await.unwrap();
    assert_eq!((seen[0].actor.as_str(), seen[0].purpose.as_str()), ("system:desk", "identity.review"));
    i.decide(&desk, open[0].id, open[0].version, Decision::Different).await.unwrap();
    let again = i.decide(&desk, open[0].id, open[0].version, Decision::Same).await.unwrap_err();
    assert_eq!(again, IdentityError::Stale, "decided once");
    assert_eq!(i.person(twin).await.unwrap().unwrap().state, PersonState::Active);

    let third = come(8).await;
    let open = i.reviews(&desk).await.unwrap();
    assert_eq!(open.iter().map(|r| (r.newcomer, r.known)).collect::<Vec<_>>(), [(third, known)]);
    i.decide(&desk, open[0].id, open[0].version, Decision::Same).await.unwrap();
    let row = i.person(known).await.unwrap().unwrap();
    let joined = i.person(third).await.unwrap().unwrap().state;
    assert_eq!((row.state, joined), (PersonState::Moved, PersonState::Closed));
    let kinds: Vec<Kind> = i.credentials(known).await.unwrap().into_iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [Kind::JpkiAuth, Kind::Passkey], "the card came over, the passkey stayed");
}

#[kenroku_store::test(&[])]
async fn moving_house_keeps_everything_but_the_old_proof(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let me = register(&i, "模擬　花子").await;
    i.add_credential(me, &passkey(1)).await.unwrap();
    i.mark_moved(me).await.unwrap();
    assert!(!i.mark_moved(me).await.unwrap(), "once");
    let mut anew = newcomer(&i, "模擬　花子", "石川県金沢市鞍月１");
    anew.id = me;
    anew.credentials = vec![NewCredential::new(Kind::JpkiSign, Found::Bytes(vec![9]))];
    i.prove_again(anew.clone()).await.unwrap();
    i.prove_again(anew).await.unwrap();
    let row = i.person(me).await.unwrap().unwrap();
    assert_eq!((row.state, row.muni.map(|m| m.code5())), (PersonState::Active, Some("17201".to_owned())));
    let kinds: Vec<Kind> = i.credentials(me).await.unwrap().into_iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [Kind::JpkiSign, Kind::Passkey]);
    let consent = agreed(&i, me, &[Claim::Address]).await;
    let out = i.release(me, &[Claim::Address], consent, None).await.unwrap();
    assert_eq!(out["address"]["locality"], "金沢市");

    let mut stranger = newcomer(&i, "模擬　別人", "石川県金沢市鞍月１");
    stranger.id = me;
    assert_eq!(i.prove_again(stranger).await.unwrap_err(), IdentityError::Duplicate, "somebody else's card");
}

#[kenroku_store::test(&[])]
async fn the_last_way_to_sign_in_stays(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let me = register(&i, "模擬　花子").await;
    let one = i.add_credential(me, &passkey(1)).await.unwrap();
    assert_eq!(i.add_credential(me, &passkey(1)).await.unwrap_err(), IdentityError::CredentialTaken);
    assert_eq!(i.remove_credential(me, one).await.unwrap_err(), IdentityError::LastCredential);
    let two = i.add_credential(me, &passkey(2)).await.unwrap();
    i.name_credential(me, two, "  青い電話\n ").await.unwrap();
    i.remove_credential(me, one).await.unwrap();
    let left = i.credentials(me).await.unwrap();
    assert_eq!(left.iter().map(|c| (c.id, c.label.as_str())).collect::<Vec<_>>(), [(two, "青い電話")]);
    assert_eq!(i.remove_credential(me, one).await.unwrap_err(), IdentityError::NotFound);
    let other = register(&i, "模擬　太郎").await;
    assert_eq!(i.name_credential(other, two, "x").await.unwrap_err(), IdentityError::NotFound, "not theirs");
    i.add_credential(other, &passkey(1)).await.unwrap();
}

#[derive(Clone, Default)]
struct Ended(Arc<Mutex<Vec<EndReason>>>);

impl Handle<SessionEnded> for Ended {
    async fn handle(&self, _: &mut Tx, e: Received<SessionEnded>) -> Result<(), Failed> {
        self.0.lock().unwrap().push(e.event.reason);
        Ok(())
    }
}

async fn told(site: &TestSite) -> Vec<EndReason> {
    let (ended, app) = (Ended::default(), site.app());
    let worker = Worker::new(app.bus().clone(), app.db().clone(), kenroku_bus::Settings::default());
    worker.consumer(Consumer::new("probe.ended").on::<SessionEnded, _>(ended.clone())).drain().await.unwrap();
    let all = ended.0.lock().unwrap();
    all.clone()
}

#[kenroku_store::test(&[])]
async fn a_session_is_renewed_for_its_person_and_replaced_for_another(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let me = register(&i, "模擬　花子").await;
    let other = register(&i, "模擬　太郎").await;
    let first = i.start_session(me, Proved::PASSKEY, "a", None).await.unwrap();
    let again = i.start_session(me, Proved::CARD, "a", Some(first.session())).await.unwrap();
    assert_eq!(first.session().sid, again.session().sid, "clients stay signed in");
    assert_eq!(i.session(first.token()).await.unwrap(), None, "the old token is worth nothing");
    let found = i.session(again.token()).await.unwrap().unwrap();
    assert_eq!(&found, again.session());
    assert!(found.reaches(kenroku_access::Assurance::JpkiAuth));

    let theirs = i.start_session(other, Proved::PASSKEY, "a", Some(again.session())).await.unwrap();
    assert_ne!(theirs.session().sid, again.session().sid);
    assert_eq!(i.session(again.token()).await.unwrap(), None);
    assert_eq!(told(&site).await, [EndReason::Replaced]);

    let gone = i.start_session(me, Proved::PASSKEY, "b", Some(first.session())).await.unwrap();
    assert_ne!(gone.session().sid, first.session().sid, "a session that ended is not brought back");
    assert_eq!(i.session("r-0000").await.unwrap(), None);
    assert_eq!(i.session("").await.unwrap(), None);
}

#[kenroku_store::test(&[])]
async fn signing_out_everywhere_tells_everybody(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let me = register(&i, "模擬　花子").await;
    let (a, b) = (sign_in(&i, me).await, sign_in(&i, me).await);
    let c = i.start_session(me, Proved::CARD, "Windows / Edge", None).await.unwrap();
    assert_eq!(i.devices(me).await.unwrap().len(), 3);
    assert!(i.end_session(me, a.sid, EndReason::SignedOut).await.unwrap());
    assert!(!i.end_session(me, a.sid, EndReason::SignedOut).await.unwrap(), "twice is no error");
    let other = register(&i, "模擬　太郎").await;
    assert!(!i.end_session(other, b.sid, EndReason::Revoked).await.unwrap(), "only one's own");
    assert_eq!(i.end_sessions(me, Some(c.session().sid)).await.unwrap(), 1);
    assert_eq!(told(&site).await, [EndReason::SignedOut, EndReason::Revoked]);

    let clock = &site.app().env().clock;
    clock.advance(Duration::from_secs(1800));
    assert!(i.session(c.token()).await.unwrap().is_some(), "in use");
    clock.advance(Duration::from_secs(3601));
    assert!(i.session(c.token()).await.unwrap().is_none(), "silent for too long");
    assert_eq!(i.sweep_sessions().await.unwrap(), 1);
    assert_eq!(i.sweep_tickets().await.unwrap(), 0);
    let mut did: Vec<String> = i.history(me).await.unwrap().into_iter().map(|h| h.what).collect();
    did.sort_unstable();
    assert_eq!(did, ["changed", "ended", "in", "in", "in", "out"]);

    sign_in(&i, me).await;
    let row = i.person(me).await.unwrap().unwrap();
    i.set_state(me, row.version, PersonState::Closed).await.unwrap();
    assert_eq!(i.set_state(me, row.version, PersonState::Active).await.unwrap_err(), IdentityError::Stale);
    assert!(i.devices(me).await.unwrap().is_empty(), "closing ends the sessions");
    site.work().await;
}
