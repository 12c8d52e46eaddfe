//! Passkeys; password and code; what an attacker may not learn.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use kenroku_access::accounts::Passwords;
use kenroku_identity::model::PersonId;
use kenroku_identity::webauthn::device::Device;
use kenroku_identity::webauthn::{Created, Got, Site};
use kenroku_identity::{After, CodeStep, Identity, IdentityError, Rules, totp};
use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::Tenant;
use serde_json::Value;

use crate::world::{identity, register, site};

const ORIGIN: &str = "https://portal.example.jp";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
const SENTENCE: &str = "雪の朝に歩く人たち、二〇二六年";

fn place() -> Site {
    Site::of_origin(ORIGIN).unwrap()
}

fn got(v: Value) -> Got {
    serde_json::from_value(v).unwrap()
}

fn after() -> After {
    After { next: "/snow".to_owned() }
}

async fn with_passkey(i: &Identity) -> (PersonId, Device) {
    let me = register(i, "模擬　花子").await;
    let mut device = Device::new(&i.env().rng, ORIGIN);
    let (ticket, options) = i.begin_new_passkey(&place(), me, "模擬　花子").await.unwrap();
    let answer: Created = serde_json::from_value(device.create(&options)).unwrap();
    i.finish_new_passkey(&place(), me, ticket.id, &ticket.secret, &answer, "Android").await.unwrap();
    (me, device)
}

#[kenroku_store::test(&[])]
async fn a_passkey_signs_in_once_per_challenge(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let (me, mut device) = with_passkey(&i).await;
    let (ticket, options) = i.begin_passkey(&place(), after()).await.unwrap();
    let answer = got(device.get(&options));
    let (who, then) = i.finish_passkey(&place(), ticket.id, &ticket.secret, &answer).await.unwrap();
    assert_eq!((who, then), (me, after()));
    let again = i.finish_passkey(&place(), ticket.id, &ticket.secret, &answer).await.unwrap_err();
    assert_eq!(again, IdentityError::Over, "a challenge is used once");

    let (ticket, _) = i.begin_passkey(&place(), after()).await.unwrap();
    let stolen = i.finish_passkey(&place(), ticket.id, "another secret", &answer).await.unwrap_err();
    assert_eq!(stolen, IdentityError::Over, "a ticket belongs to its browser");
    let replay = i.finish_passkey(&place(), ticket.id, &ticket.secret, &answer).await.unwrap_err();
    assert_eq!(replay, IdentityError::Refused, "an answer belongs to its challenge");

    let (ticket, options) = i.begin_passkey(&place(), after()).await.unwrap();
    let late = got(device.get(&options));
    site.app().env().clock.advance(Duration::from_secs(301));
    let e = i.finish_passkey(&place(), ticket.id, &ticket.secret, &late).await.unwrap_err();
    assert_eq!(e, IdentityError::Over);
    let (ticket, options) = i.begin_passkey(&place(), after()).await.unwrap();
    let mut stranger = Device::new(&i.env().rng, ORIGIN);
    stranger.user = device.user.clone();
    let unknown = got(stranger.get(&options));
    let e = i.finish_passkey(&place(), ticket.id, &ticket.secret, &unknown).await.unwrap_err();
    assert_eq!(e, IdentityError::Refused);
    let (ticket, options) = i.begin_passkey(&place(), after()).await.unwrap();
    let fine = got(device.get(&options));
    assert!(i.finish_passkey(&place(), ticket.id, &ticket.secret, &fine).await.is_ok());
}

#[kenroku_store::test(&[], concurrent)]
async fn of_two_answers_to_one_challenge_one_signs_in(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let (me, mut device) = with_passkey(&i).await;
    for _ in 0..3 {
        let (ticket, options) = i.begin_passkey(&place(), after()).await.unwrap();
        let answer = got(device.get(&options));
        let place = place();
        let finish = || i.finish_passkey(&place, ticket.id, &ticket.secret, &answer);
        let (a, b) = tokio::join!(finish(), finish());
        let won: Vec<PersonId> = [&a, &b].into_iter().flatten().map(|(who, _)| *who).collect();
        assert_eq!(won, [me], "{a:?} {b:?}");
    }
}

#[kenroku_store::test(&[])]
async fn a_copied_passkey_is_noticed(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let (_, mut device) = with_passkey(&i).await;
    for (before, want) in [
        (u32::MAX, Ok(())), // it counts up to zero: synchronised passkeys always say that
        (7, Ok(())),
        (6, Err(IdentityError::Refused)),
        (8, Ok(())),
    ] {
        let (ticket, options) = i.begin_passkey(&place(), after()).await.unwrap();
        device.counter = before;
        let answer = got(device.get(&options));
        let did = i.finish_passkey(&place(), ticket.id, &ticket.secret, &answer).await.map(|_| ());
        assert_eq!(did, want, "{before}");
    }
}

#[kenroku_store::test(&[])]
async fn another_person_cannot_finish_what_one_began(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let (me, other) = (register(&i, "模擬　花子").await, register(&i, "模擬　太郎").await);
    let mut device = Device::new(&i.env().rng, ORIGIN);
    let (ticket, options) = i.begin_new_passkey(&place(), me, "x").await.unwrap();
    let answer: Created = serde_json::from_value(device.create(&options)).unwrap();
    let e = i.finish_new_passkey(&place(), other, ticket.id, &ticket.secret, &answer, "").await.unwrap_err();
    assert_eq!(e, IdentityError::Over);
    let (ticket, options) = i.begin_new_passkey(&place(), me, "x").await.unwrap();
    let answer: Created = serde_json::from_value(device.create(&options)).unwrap();
    assert!(i.finish_new_passkey(&place(), me, ticket.id, &ticket.secret, &answer, "").await.is_ok());
    let (_, options) = i.begin_new_passkey(&place(), me, "x").await.unwrap();
    assert_eq!(options["excludeCredentials"].as_array().map(Vec::len), Some(1), "not twice on one device");
}

async fn with_codes(i: &Identity, login: &str, name: &str) -> (PersonId, [u8; 20]) {
    let me = register(i, name).await;
    let (ticket, key) = i.begin_codes(me, login, SENTENCE).await.unwrap();
    let code = format!("{:06}", totp::code(&key, i.env().now().secs() / 30));
    i.finish_codes(me, ticket.id, &ticket.secret, &key, &code).await.unwrap();
    (me, key)
}

#[kenroku_store::test(&[])]
async fn a_password_needs_its_code_and_a_code_works_once(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let (me, key) = with_codes(&i, "Hanako.2026", "模擬　花子").await;
    site.app().env().clock.advance(Duration::from_secs(60));
    let right = format!("{:06}", totp::code(&key, i.env().now().secs() / 30));

    let ticket = i.begin_password("ＨＡＮＡＫＯ.2026", SENTENCE, HERE, after()).await.unwrap();
    let wrong = i.finish_code(ticket.id, &ticket.secret, "000000", HERE).await.unwrap();
    let CodeStep::Again(second) = wrong else { panic!("a wrong code signs nobody in") };
    let done = i.finish_code(second.id, &second.secret, &right, HERE).await.unwrap();
    let CodeStep::Done(who, then) = done else { panic!("the right code") };
    assert_eq!((who, then), (me, after()));
    let ticket = i.begin_password("hanako.2026", SENTENCE, HERE, after()).await.unwrap();
    let seen = i.finish_code(ticket.id, &ticket.secret, &right, HERE).await.unwrap();
    assert!(matches!(seen, CodeStep::Again(_)), "somebody looked over the shoulder");
    let over = i.finish_code(ticket.id, &ticket.secret, &right, HERE).await.unwrap_err();
    assert_eq!(over, IdentityError::Over);
}

#[kenroku_store::test(&[])]
async fn who_exists_is_not_told_and_guessing_is_slowed_down(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    with_codes(&i, "hanako", "模擬　花子").await;
    let nobody = i.begin_password("nobody", "not the password", HERE, after()).await.unwrap_err();
    assert_eq!(nobody, IdentityError::Refused);
    for _ in 0..6 {
        let wrong = i.begin_password("hanako", "not the password", HERE, after()).await.unwrap_err();
        assert_eq!(wrong, IdentityError::Refused, "the same as for nobody");
    }
    let blocked = i.begin_password("hanako", SENTENCE, HERE, after()).await.unwrap_err();
    assert!(matches!(blocked, IdentityError::TooManyAttempts(_)), "{blocked}");
    site.app().env().clock.advance(Duration::from_secs(3));
    assert!(i.begin_password("hanako", SENTENCE, HERE, after()).await.is_ok());
}

#[kenroku_store::test(&[])]
async fn a_login_name_is_one_persons_and_passwords_are_long(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    with_codes(&i, "hanako", "模擬　花子").await;
    let other = register(&i, "模擬　太郎").await;
    let code = |e: IdentityError| match e {
        IdentityError::Input(_, code, _) => code,
        other => panic!("{other}"),
    };
    assert_eq!(code(i.begin_codes(other, "a b", SENTENCE).await.unwrap_err()), "identity.login-form");
    assert_eq!(code(i.begin_codes(other, "taro", "short").await.unwrap_err()), "identity.weak-password");
    let (ticket, key) = i.begin_codes(other, "HANAKO", SENTENCE).await.unwrap();
    let now = format!("{:06}", totp::code(&key, i.env().now().secs() / 30));
    let e = i.finish_codes(other, ticket.id, &ticket.secret, &key, &now).await.unwrap_err();
    assert_eq!(code(e), "identity.login-taken");
    assert!(i.credentials(other).await.unwrap().is_empty(), "nothing of it stays");
    let (ticket, key) = i.begin_codes(other, "taro", SENTENCE).await.unwrap();
    let e = i.finish_codes(other, ticket.id, &ticket.secret, &key, "000000").await.unwrap_err();
    assert_eq!(e, IdentityError::Refused, "the app must show a right code first");
}

const STORED: &Sql =
    sql!("select hash from identity_credential where tenant = $1 and person = $2 and kind = 'password'");

/// Work is raised over the years; whoever signs in afterwards has the new one.
#[kenroku_store::test(&[])]
async fn a_password_of_lighter_years_is_hashed_anew_at_the_next_sign_in(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let light = Passwords::new(NonZeroU32::new(1000).unwrap(), 2, 2);
    let (db, env, bus) = (site.app().db().clone(), site.app().env().clone(), site.app().bus().clone());
    let then = Identity::new(db, env, bus, site.vault().clone(), light.clone(), Rules::default());
    let (me, _) = with_codes(&then, "hanako", "模擬　花子").await;
    let outdated = || async {
        let mut tx = i.db().read().await.unwrap();
        let (stored,): (String,) = tx.one(STORED, params![Tenant::SHARED, me]).await.unwrap();
        Passwords::default().outdated(&stored)
    };
    assert!(outdated().await);
    i.begin_password("hanako", SENTENCE, HERE, after()).await.unwrap();
    assert!(!outdated().await);
    i.begin_password("hanako", SENTENCE, HERE, after()).await.unwrap();
}
