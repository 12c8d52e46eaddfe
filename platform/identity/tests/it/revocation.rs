//! The nightly comparison with the lists: moved, renamed, lost, expired, unknown, old lists, no lists.

use std::sync::Arc;
use std::time::Duration;

use kenroku_http::test::NOW;
use kenroku_identity::card::CardTrust;
use kenroku_identity::claims::Claim;
use kenroku_identity::credential::Kind;
use kenroku_identity::model::{PersonId, PersonState};
use kenroku_identity::revocation::CheckOutcome;
use kenroku_identity::{Identity, IdentityError};
use kenroku_jpki::revocation::Fixed;
use kenroku_jpki::{Crl, CrlFiles};
use kenroku_module::test::TestSite;
use kenroku_sim_card::pki::List;
use kenroku_sim_card::{Pki, Purpose, Resident};
use kenroku_store::Db;
use kenroku_types::Timestamp;

use crate::cards::{ONE, OTHER, cookies, registered};
use crate::world::{agreed, anchors, identity, newcomer, sign_in, site, trust_of};

const DAY: Duration = Duration::from_secs(86_400);

/// Lists of all CAs, made at `at`, that name who is revoked, with the reason's code.
fn lists(at: Timestamp, without: Option<Purpose>, revoked: &[(Purpose, u32, u8)]) -> CardTrust {
    let pki = Pki::shipped().unwrap();
    let mut all = Vec::new();
    for (purpose, cas) in [(Purpose::Auth, &pki.auth), (Purpose::Sign, &pki.sign)] {
        for (i, ca) in cas.iter().enumerate() {
            let entries = revoked
                .iter()
                .filter(|r| r.0 == purpose && usize::from(Resident::new(r.1).generation) == i + 1);
            let list = List {
                number: vec![1],
                this_update: at,
                next_update: Some(at.plus(DAY)),
                revoked: entries.map(|r| (Resident::new(r.1).serial(purpose), at, Some(r.2))).collect(),
                extensions: Vec::new(),
            };
            let der = ca.list(&list).unwrap();
            if without != Some(purpose) {
                let crl = Crl::load(&der, &anchors::<kenroku_jpki::Auth>(&pki.auth));
                all.push(
                    crl.or_else(|_| Crl::load(&der, &anchors::<kenroku_jpki::Sign>(&pki.sign))).unwrap(),
                );
            }
        }
    }
    trust_of(Arc::new(CrlFiles::new(all, DAY, "test")))
}

/// A resident who registered with a card.
async fn somebody(site: &TestSite, resident: u32) -> PersonId {
    let i = identity(site);
    let cookies = cookies(&registered(site, resident).await).join("; ");
    let token = cookies.split("kr_session=").nth(1).and_then(|r| r.split(';').next()).unwrap();
    i.session(token).await.unwrap().unwrap().person
}

async fn state(i: &Identity, person: PersonId) -> PersonState {
    i.person(person).await.unwrap().unwrap().state
}

async fn kinds(i: &Identity, person: PersonId) -> Vec<Kind> {
    i.credentials(person).await.unwrap().into_iter().map(|c| c.kind).collect()
}

#[kenroku_store::test(&[])]
async fn whoever_moved_is_asked_to_prove_again_and_nobody_else(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let (me, other) = (somebody(&site, ONE).await, somebody(&site, OTHER).await);
    let quiet = i.check_revocation(&lists(NOW, None, &[])).await.unwrap();
    assert_eq!((quiet.outcome, quiet.lists, quiet.entries, quiet.moved), (CheckOutcome::Whole, 6, 0, 0));

    // A move and a new name are the same to a list: the attributes changed (RFC 5280 §5.3.1, affiliationChanged).
    let night =
        lists(NOW, None, &[(Purpose::Sign, ONE, 3), (Purpose::Sign, 900, 3), (Purpose::Auth, 901, 1)]);
    let found = i.check_revocation(&night).await.unwrap();
    assert_eq!((found.outcome, found.entries, found.revoked, found.moved), (CheckOutcome::Whole, 3, 1, 1));
    assert_eq!((state(&i, me).await, state(&i, other).await), (PersonState::Moved, PersonState::Active));
    assert_eq!(kinds(&i, me).await, [Kind::JpkiAuth], "signing in stays");
    let e = i.release(me, &[Claim::Name], i.env().id(), None).await.unwrap_err();
    assert_eq!(e, IdentityError::ProveAgain, "nothing is released");
    let consent = agreed(&i, other, &[Claim::Name]).await;
    i.release(other, &[Claim::Name], consent, None).await.unwrap();
    sign_in(&i, me).await;
    let ways: Vec<String> = i.history(me).await.unwrap().into_iter().map(|h| h.way).collect();
    assert_eq!(ways.iter().filter(|w| *w == "certificate-revoked").count(), 1);
    let again = i.check_revocation(&night).await.unwrap();
    assert_eq!((again.entries, again.revoked, again.moved), (3, 0, 0), "found once");
    assert_eq!(i.revocation_checks().await.unwrap().len(), 3);

    // The lost card: it signs nobody in any more, but the attributes still hold.
    let lost = i.check_revocation(&lists(NOW, None, &[(Purpose::Auth, OTHER, 1)])).await.unwrap();
    assert_eq!((lost.revoked, lost.moved), (1, 0));
    assert_eq!((state(&i, other).await, kinds(&i, other).await), (PersonState::Active, vec![Kind::JpkiSign]));
}

#[kenroku_store::test(&[])]
async fn the_person_is_told_what_to_do(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let me = somebody(&site, ONE).await;
    let started = i.start_session(me, kenroku_identity::session::Proved::PASSKEY, "", None).await.unwrap();
    let cookie = format!("kr_session={}", started.token());
    let home = async || site.get_with("/id", &[("cookie", cookie.as_str())]).await.text();
    assert!(!home().await.contains("登録内容の確かめ直しが必要です"));
    i.check_revocation(&lists(NOW, None, &[(Purpose::Sign, ONE, 3)])).await.unwrap();
    let told = home().await;
    assert!(told.contains("登録内容の確かめ直しが必要です") && told.contains("act=replace"), "{told}");
    let history = site.get_with("/id/history", &[("cookie", cookie.as_str())]).await.text();
    assert!(history.contains("カードの電子証明書が使えなくなりました"), "{history}");
}

#[kenroku_store::test(&[])]
async fn what_is_not_known_marks_nobody(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let me = somebody(&site, ONE).await;
    let down = i.check_revocation(&trust_of(Arc::new(Fixed::silent()))).await.unwrap();
    assert_eq!((down.outcome, down.moved), (CheckOutcome::Failed, 0), "the source is down");
    let one_by_one = i.check_revocation(&trust_of(Arc::new(Fixed::good(NOW)))).await.unwrap();
    assert_eq!(one_by_one.outcome, CheckOutcome::Failed, "a responder cannot be compared with");
    let empty =
        i.check_revocation(&trust_of(Arc::new(CrlFiles::new(Vec::new(), DAY, "test")))).await.unwrap();
    assert_eq!((empty.outcome, empty.uncovered), (CheckOutcome::Failed, 6));
    let unknown =
        i.check_revocation(&lists(NOW, Some(Purpose::Sign), &[(Purpose::Sign, ONE, 3)])).await.unwrap();
    assert_eq!((unknown.outcome, unknown.uncovered, unknown.moved), (CheckOutcome::Partly, 3, 0));
    assert_eq!(state(&i, me).await, PersonState::Active);

    // An old list is not whole, but what it says stays true.
    let old = lists(NOW.minus(3 * DAY), None, &[(Purpose::Sign, ONE, 3)]);
    let partly = i.check_revocation(&old).await.unwrap();
    assert_eq!((partly.outcome, partly.stale, partly.moved), (CheckOutcome::Partly, 6, 1));
    assert_eq!(state(&i, me).await, PersonState::Moved);
}

#[kenroku_store::test(&[])]
async fn a_certificate_that_reached_its_end_is_no_ground_any_more(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let me = somebody(&site, ONE).await;
    let all = i.credentials(me).await.unwrap();
    let end = all.iter().find(|c| c.kind == Kind::JpkiSign).and_then(|c| c.not_after).unwrap();
    assert_eq!(i.ends_soon(&all), None);
    let clock = &site.app().env().clock;
    let go = |t: Timestamp| clock.advance(Duration::from_micros(t.since(clock.now()).unsigned_abs()));
    go(end.minus(30 * DAY));
    assert_eq!(i.ends_soon(&all), Some(end), "told before");
    let before = i.check_revocation(&lists(clock.now(), None, &[])).await.unwrap();
    assert_eq!((before.outcome, before.expired), (CheckOutcome::Whole, 0));
    go(end.plus(DAY));
    let after = i.check_revocation(&lists(clock.now(), None, &[])).await.unwrap();
    assert_eq!((after.expired, after.moved), (2, 1));
    assert_eq!((state(&i, me).await, kinds(&i, me).await), (PersonState::Moved, vec![]));
}

#[kenroku_store::test(&[])]
async fn somebody_under_review_is_found_after_the_decision(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let r = Resident::new(ONE);
    let mut twin = newcomer(&i, &r.name, &r.address);
    twin.attributes.birth = Some(kenroku_identity::model::Birth::of(r.birth));
    twin.attributes.sex = None;
    i.register(twin).await.unwrap();
    let me = somebody(&site, ONE).await;
    let row = i.person(me).await.unwrap().unwrap();
    i.set_state(me, row.version, PersonState::Review).await.unwrap();
    let night = lists(NOW, None, &[(Purpose::Sign, ONE, 3)]);
    assert_eq!(i.check_revocation(&night).await.unwrap().revoked, 0);
    let row = i.person(me).await.unwrap().unwrap();
    i.set_state(me, row.version, PersonState::Active).await.unwrap();
    assert_eq!(i.check_revocation(&night).await.unwrap().moved, 1);
}

/// Not on both engines at once: jobs that are due together begin in no order.
#[tokio::test]
async fn it_goes_by_the_clock_and_is_measured() {
    let cards = kenroku_module::Module::new("probe").start(|b| {
        b.put(lists(NOW, None, &[]));
        Box::pin(async { Ok(()) })
    });
    let site = TestSite::of([kenroku_identity::module(), cards]).await;
    let i = identity(&site);
    site.work().await;
    site.app().env().clock.advance(DAY);
    site.work().await;
    let checks = i.revocation_checks().await.unwrap();
    assert_eq!((checks.len(), checks[0].lists), (1, 6));
    let metrics = site.app().metrics().render();
    for name in ["whole_timestamp_seconds", "lists{state=\"stale\"}", "found_total{of=\"people\"}"] {
        assert!(metrics.contains(&format!("kenroku_identity_revocation_{name}")), "{name}: {metrics}");
    }
}
