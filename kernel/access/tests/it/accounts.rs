//! Accounts, sessions and keys on both engines.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use kenroku_access::accounts::{
    AccountError, AccountRules, Accounts, KeyHolder, MIGRATIONS, NewKey, NewStaff, Passwords,
};
use kenroku_access::kernel::{self, ManageKeys, ManageStaff, ViewStaff};
use kenroku_access::{Access, Actor, Assurance, ClientId, Granted, Permission, RoleId, WebRules};
use kenroku_store::{Db, ModuleMigrations, testing};
use kenroku_types::ids::{DeviceId, StaffId};
use kenroku_types::{Env, Tenant, Timestamp};

use crate::world::*;

const SCHEMA: &[ModuleMigrations] = &[MIGRATIONS];
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
const AWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9));
const GOOD: &str = "雪の朝に歩く人たち、二〇二六年";
const SNOW: RoleId = RoleId::new("snow-desk");

fn office(db: &Db) -> (Accounts, Env) {
    let env = Env::fixed(Timestamp::from_secs(1_768_350_600), 42);
    let few = Passwords::new(NonZeroU32::new(10).unwrap(), 2, 8);
    (Accounts::new(db.clone(), env.clone(), &policies(), few, AccountRules::default()), env)
}

fn manage(tenant: Tenant) -> Granted<ManageStaff> {
    Granted::for_system("test", tenant)
}

async fn hire(a: &Accounts, tenant: Tenant, login: &str, roles: &[RoleId]) -> StaffId {
    let new = NewStaff { login, name: "試験 太郎", password: GOOD, roles };
    a.create_staff(&manage(tenant), &new).await.unwrap()
}

#[kenroku_store::test(SCHEMA)]
async fn signing_in_gives_an_actor_and_out_takes_it(db: Db) {
    let (a, _) = office(&db);
    let id = hire(&a, nomi(), "Yuki.Desk", &[SNOW]).await;
    let (token, session) = a.sign_in("ｙｕｋｉ.desk ", GOOD, HOME).await.unwrap();
    let Actor::Staff { id: who, tenant, roles, sign_in } = &session.actor else { panic!("not staff") };
    assert_eq!((*who, *tenant, roles.as_slice()), (id, nomi(), [SNOW].as_slice()));
    assert_eq!(sign_in.assurance, Assurance::Password);
    assert_eq!(token.len(), 64);

    let (other, _) = a.sign_in("yuki.desk", GOOD, HOME).await.unwrap();
    assert_ne!(token, other);
    a.sign_out(&token).await.unwrap();
    a.sign_out(&token).await.unwrap();
    assert!(a.authenticate(&token).await.unwrap().is_none());
    assert!(a.authenticate(&other).await.unwrap().is_some());
    assert_eq!(a.sign_out_everywhere(&session.actor).await.unwrap(), 1);
    assert!(a.authenticate(&other).await.unwrap().is_none());
    assert!(a.authenticate("").await.unwrap().is_none());
}

#[kenroku_store::test(SCHEMA)]
async fn what_was_wrong_is_not_told(db: Db) {
    let (a, _) = office(&db);
    let id = hire(&a, nomi(), "desk", &[SNOW]).await;
    assert!(a.sign_in("desk", GOOD, HOME).await.is_ok());
    let refused = AccountError::SignInRefused;
    assert_eq!(a.sign_in("desk", "another password", HOME).await.unwrap_err(), refused);
    assert_eq!(a.sign_in("nobody", GOOD, HOME).await.unwrap_err(), refused);
    a.set_disabled(&manage(nomi()), id, 1, true).await.unwrap();
    assert_eq!(a.sign_in("desk", GOOD, HOME).await.unwrap_err(), refused);
    a.set_disabled(&manage(nomi()), id, 2, false).await.unwrap();
    assert!(a.sign_in("desk", GOOD, HOME).await.is_ok());
}

#[kenroku_store::test(SCHEMA)]
async fn sessions_end_by_silence_by_age_and_by_hand(db: Db) {
    let (a, env) = office(&db);
    let id = hire(&a, nomi(), "desk", &[SNOW]).await;
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let (token, session) = a.sign_in("desk", GOOD, HOME).await.unwrap();
    assert_eq!(session.expires, env.now().plus(minutes(12 * 60)));

    // Busy all day: it lives until the absolute end and no longer.
    for _ in 0..14 {
        env.clock.advance(minutes(50));
        assert!(a.authenticate(&token).await.unwrap().is_some());
    }
    env.clock.advance(minutes(20));
    assert!(a.authenticate(&token).await.unwrap().is_none());

    let (token, _) = a.sign_in("desk", GOOD, HOME).await.unwrap();
    env.clock.advance(minutes(59));
    assert!(a.authenticate(&token).await.unwrap().is_some());
    env.clock.advance(minutes(61));
    assert!(a.authenticate(&token).await.unwrap().is_none());
    assert_eq!(a.sweep().await.unwrap(), 2);

    let (token, _) = a.sign_in("desk", GOOD, HOME).await.unwrap();
    assert_eq!(a.revoke_sessions(&manage(kaga()), id).await.unwrap(), 0, "not another tenant's");
    assert!(a.authenticate(&token).await.unwrap().is_some());
    assert_eq!(a.revoke_sessions(&manage(nomi()), id).await.unwrap(), 1);
    assert!(a.authenticate(&token).await.unwrap().is_none());
}

#[kenroku_store::test(SCHEMA)]
async fn rotation_replaces_the_token_and_keeps_the_end(db: Db) {
    let (a, env) = office(&db);
    hire(&a, nomi(), "desk", &[SNOW]).await;
    let (old, before) = a.sign_in("desk", GOOD, HOME).await.unwrap();
    env.clock.advance(Duration::from_secs(600));
    let new = a.rotate(&old).await.unwrap();
    assert!(a.authenticate(&old).await.unwrap().is_none());
    assert_eq!(a.authenticate(&new).await.unwrap().unwrap().expires, before.expires);
    assert_eq!(a.rotate(&old).await.unwrap_err(), AccountError::NotFound);
}

#[kenroku_store::test(SCHEMA)]
async fn guessing_is_slowed_down_alike_for_names_that_exist_and_that_do_not(db: Db) {
    let (a, env) = office(&db);
    hire(&a, nomi(), "desk", &[SNOW]).await;
    for login in ["desk", "nobody"] {
        let mut answers = Vec::new();
        for _ in 0..7 {
            answers.push(a.sign_in(login, "wrong wrong wrong", HOME).await.unwrap_err());
        }
        assert_eq!(answers[..6], vec![AccountError::SignInRefused; 6], "{login}");
        assert_eq!(answers[6], AccountError::TooManyAttempts(3), "{login}");
    }
    // Blocked means blocked, for the right password and from elsewhere too …
    assert_eq!(a.sign_in("desk", GOOD, AWAY).await.unwrap_err(), AccountError::TooManyAttempts(3));
    // … until the wait is over; success forgets the failures.
    env.clock.advance(Duration::from_secs(3));
    assert!(a.sign_in("desk", GOOD, HOME).await.is_ok());
    assert_eq!(a.sign_in("desk", "wrong wrong wrong", HOME).await.unwrap_err(), AccountError::SignInRefused);
    assert!(a.sign_in("desk", GOOD, HOME).await.is_ok());
}

#[kenroku_store::test(SCHEMA)]
async fn a_network_that_tries_many_names_is_slowed_down(db: Db) {
    let (a, env) = office(&db);
    hire(&a, nomi(), "desk", &[SNOW]).await;
    for n in 0..41 {
        let e = a.sign_in(&format!("name{n}"), "wrong wrong wrong", HOME).await.unwrap_err();
        assert_eq!(e, AccountError::SignInRefused, "{n}");
    }
    assert!(matches!(a.sign_in("desk", GOOD, HOME).await, Err(AccountError::TooManyAttempts(_))));
    assert!(a.sign_in("desk", GOOD, AWAY).await.is_ok(), "others are not affected");
    env.clock.advance(Duration::from_secs(3601));
    assert!(a.sign_in("desk", GOOD, HOME).await.is_ok());
}

#[kenroku_store::test(SCHEMA)]
async fn accounts_that_cannot_be_are_refused_beside_one_that_can(db: Db) {
    let (a, _) = office(&db);
    let fine = NewStaff { login: "desk", name: "試験 太郎", password: GOOD, roles: &[SNOW] };
    let make = async |tenant, new: &NewStaff<'_>| a.create_staff(&manage(tenant), new).await;
    assert!(make(nomi(), &fine).await.is_ok());
    assert_eq!(make(kaga(), &NewStaff { login: "DESK", ..fine }).await, Err(AccountError::LoginTaken));
    assert_eq!(make(nomi(), &NewStaff { login: "a b", ..fine }).await, Err(AccountError::LoginForm));
    let weak = make(nomi(), &NewStaff { login: "desk2", password: "secret", ..fine }).await;
    assert!(matches!(weak, Err(AccountError::WeakPassword(_))));
    let role = async |tenant, login, role| {
        make(tenant, &NewStaff { login, roles: &[RoleId::new(role)], ..fine }).await.map(|_| ())
    };
    assert_eq!(role(nomi(), "x1", "mayor").await, Err(AccountError::UnknownRole("mayor".to_owned())));
    assert_eq!(
        role(nomi(), "x2", "pref-admin").await,
        Err(AccountError::RoleNotHere("pref-admin".to_owned()))
    );
    assert_eq!(role(nomi(), "x3", "operator").await, Err(AccountError::RoleNotHere("operator".to_owned())));
    assert_eq!(role(pref(), "x4", "pref-admin").await, Ok(()));
    assert_eq!(role(Tenant::SHARED, "x5", "operator").await, Ok(()));
    assert_eq!(
        role(Tenant::SHARED, "x6", "muni-admin").await,
        Err(AccountError::RoleNotHere("muni-admin".to_owned()))
    );
}

#[kenroku_store::test(SCHEMA)]
async fn another_tenants_administrator_finds_nothing(db: Db) {
    let (a, env) = office(&db);
    let id = hire(&a, nomi(), "desk", &[SNOW]).await;
    let view = |t| Granted::<ViewStaff>::for_system("test", t);
    assert_eq!(a.list_staff(&view(nomi())).await.unwrap().len(), 1);
    assert_eq!(a.list_staff(&view(kaga())).await.unwrap().len(), 0);
    assert_eq!(a.set_roles(&manage(kaga()), id, 1, &[]).await, Err(AccountError::Stale));
    assert_eq!(a.reset_password(&manage(kaga()), id, GOOD).await, Err(AccountError::NotFound));
    assert_eq!(a.set_roles(&manage(nomi()), id, 1, &[RoleId::new("data-officer"), SNOW]).await, Ok(()));
    assert_eq!(a.set_roles(&manage(nomi()), id, 1, &[]).await, Err(AccountError::Stale));
    let row = &a.list_staff(&view(nomi())).await.unwrap()[0];
    assert_eq!((row.roles().len(), row.version, row.disabled), (2, 2, false));

    let keys = |t| Granted::<ManageKeys>::for_system("test", t);
    let holder = KeyHolder::Device(env.id::<kenroku_types::ids::Device>());
    let new = NewKey { holder, scopes: &[], label: "1号車", expires: None };
    let key = a.issue_key(&keys(nomi()), &new).await.unwrap();
    assert_eq!(a.list_keys(&keys(kaga())).await.unwrap().len(), 0);
    assert_eq!(a.revoke_key(&keys(kaga()), key.id).await, Err(AccountError::NotFound));
    let foreign = a.rotate_key(&keys(kaga()), key.id, Duration::ZERO, None).await;
    assert_eq!(foreign.unwrap_err(), AccountError::NotFound);
    assert!(a.authenticate_key(&key.secret).await.unwrap().is_some());
}

#[kenroku_store::test(SCHEMA)]
async fn changed_roles_hold_at_once_and_nobody_changes_their_own(db: Db) {
    let (a, _) = office(&db);
    let id = hire(&a, nomi(), "admin", &[kernel::MUNI_ADMIN]).await;
    let (token, session) = a.sign_in("admin", GOOD, HOME).await.unwrap();
    let access = Access::new(policies(), a.clone(), WebRules::default());
    let proof: Granted<ManageStaff> = access.grant_at_home(&session.actor).unwrap();
    assert_eq!(a.set_roles(&proof, id, 1, &[kernel::DATA_OFFICER]).await, Err(AccountError::OwnAccount));
    assert_eq!(a.set_disabled(&proof, id, 1, true).await, Err(AccountError::OwnAccount));

    a.set_roles(&manage(nomi()), id, 1, &[SNOW]).await.unwrap();
    let now = a.authenticate(&token).await.unwrap().unwrap().actor;
    assert!(access.grant_at_home::<ManageStaff>(&now).is_err());
    assert!(access.grant_at_home::<ViewLive>(&now).is_ok());
    a.set_disabled(&manage(nomi()), id, 2, true).await.unwrap();
    assert!(a.authenticate(&token).await.unwrap().is_none());
}

#[kenroku_store::test(SCHEMA)]
async fn a_new_password_ends_what_the_old_one_opened(db: Db) {
    let (a, _) = office(&db);
    let id = hire(&a, nomi(), "desk", &[SNOW]).await;
    let (token, session) = a.sign_in("desk", GOOD, HOME).await.unwrap();
    let newer = "春になれば雪はとける、二〇二七年";
    let change = async |old, new| a.change_own_password(&session.actor, HOME, old, new).await;
    assert_eq!(change("not the old one", newer).await, Err(AccountError::SignInRefused));
    assert!(matches!(change(GOOD, "short").await, Err(AccountError::WeakPassword(_))));
    assert_eq!(change(GOOD, newer).await, Ok(()));
    assert!(a.authenticate(&token).await.unwrap().is_none());
    assert!(a.sign_in("desk", GOOD, HOME).await.is_err());
    let (token, _) = a.sign_in("desk", newer, HOME).await.unwrap();
    a.reset_password(&manage(nomi()), id, GOOD).await.unwrap();
    assert!(a.authenticate(&token).await.unwrap().is_none());
    assert!(a.sign_in("desk", GOOD, HOME).await.is_ok());
}

#[kenroku_store::test(SCHEMA)]
async fn keys_are_issued_replaced_with_an_overlap_and_stopped(db: Db) {
    let (a, env) = office(&db);
    let by = Granted::<ManageKeys>::for_system("test", nomi());
    let device: DeviceId = env.id();
    let new = NewKey { holder: KeyHolder::Device(device), scopes: &[], label: "1号車", expires: None };
    let first = a.issue_key(&by, &new).await.unwrap();
    assert!(first.secret.starts_with("krd_") && first.secret.len() == 28);
    let works = async |secret: &str| a.authenticate_key(secret).await.unwrap();
    assert_eq!(works(&first.secret).await, Some(Actor::Device { id: device, tenant: nomi() }));
    assert_eq!(works("krd_0000-0000-0000-0000-0000").await, None);
    let typed = first.secret.to_uppercase().replace(['-', '_'], " ").replace('0', "O").replace('1', "l");
    assert_eq!(works(&typed).await, works(&first.secret).await, "typed by hand");

    let second = a.rotate_key(&by, first.id, Duration::from_secs(3600), None).await.unwrap();
    assert_eq!(works(&first.secret).await, works(&second.secret).await);
    env.clock.advance(Duration::from_secs(3600));
    assert_eq!(works(&first.secret).await, None);
    assert!(works(&second.secret).await.is_some());
    let again = a.rotate_key(&by, first.id, Duration::ZERO, None).await;
    assert_eq!(again.unwrap_err(), AccountError::NotFound);
    a.revoke_key(&by, second.id).await.unwrap();
    assert_eq!(works(&second.secret).await, None);
    assert_eq!(a.revoke_key(&by, second.id).await, Err(AccountError::NotFound));

    let known = NewKey { holder: KeyHolder::Device(env.id()), scopes: &[], label: "2号車", expires: None };
    for _ in 0..2 {
        a.adopt_key(&by, &known, "made-elsewhere-0000").await.unwrap();
    }
    let third = a.issue_key(&by, &known).await.unwrap();
    let elsewhere: Granted<ManageKeys> = Granted::for_system("test", pref());
    assert!(!a.revoke_keys_of(&elsewhere, known.holder).await.unwrap(), "another government's");
    assert!(works("made-elsewhere-0000").await.is_some() && works(&third.secret).await.is_some());
    assert!(a.revoke_keys_of(&by, known.holder).await.unwrap());
    assert!(works("made-elsewhere-0000").await.is_none() && works(&third.secret).await.is_none());
    let now = env.now();
    let ended = a.list_keys(&by).await.unwrap();
    assert!(ended.iter().all(|k| k.ended_at(now).is_some()), "{ended:?}");

    let client: ClientId = env.id();
    let until = env.now().plus(Duration::from_secs(60));
    let new = NewKey {
        holder: KeyHolder::Client(client),
        scopes: &[ViewLive::META],
        label: "試験の事業者",
        expires: Some(until),
    };
    let key = a.issue_key(&by, &new).await.unwrap();
    let access = Access::new(policies(), a.clone(), WebRules::default());
    let actor = access.actor_of_key(&key.secret).await.unwrap();
    assert!(access.grant_at_home::<ViewLive>(&actor).is_ok());
    assert!(access.grant_at_home::<ViewPublic>(&actor).is_err(), "the scope narrows");
    env.clock.advance(Duration::from_secs(60));
    assert_eq!(works(&key.secret).await, None);
    assert_eq!(a.list_keys(&by).await.unwrap().len(), 5);
}

/// Many guesses at once: every one is counted, so no more get through than one after the other.
#[kenroku_store::test(SCHEMA, concurrent)]
async fn parallel_guessing_gains_nothing(db: Db) {
    let (a, _) = office(&db);
    let patient = Passwords::new(NonZeroU32::new(10).unwrap(), 2, 100);
    let env = Env::fixed(Timestamp::from_secs(1_768_350_600), 42);
    let a2 = Accounts::new(db.clone(), env, &policies(), patient, AccountRules::default());
    hire(&a, nomi(), "desk", &[SNOW]).await;
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let a = a2.clone();
            tokio::spawn(async move { a.sign_in("desk", "wrong wrong wrong", HOME).await.unwrap_err() })
        })
        .collect();
    let mut tried = 0;
    for t in tasks {
        tried += usize::from(t.await.unwrap() == AccountError::SignInRefused);
    }
    assert_eq!(tried, 6);
}

/// The secrets of the tests must not be in the database.
#[test]
fn nothing_secret_is_stored() {
    let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let t = testing::sqlite(SCHEMA).await;
        let (a, env) = office(&t.db);
        hire(&a, nomi(), "desk", &[SNOW]).await;
        let (token, _) = a.sign_in("desk", GOOD, HOME).await.unwrap();
        let by = Granted::<ManageKeys>::for_system("test", nomi());
        let holder = KeyHolder::Device(env.id::<kenroku_types::ids::Device>());
        let new = NewKey { holder, scopes: &[], label: "1号車", expires: None };
        let key = a.issue_key(&by, &new).await.unwrap();
        let mut bytes = Vec::new();
        for f in std::fs::read_dir(t.dir.path()).unwrap() {
            bytes.extend(std::fs::read(f.unwrap().path()).unwrap());
        }
        let holds = |secret: &[u8]| bytes.windows(secret.len()).any(|w| w == secret);
        assert!(holds("1号車".as_bytes()), "the files are the right ones");
        for secret in [GOOD, &token, &key.secret, &key.secret[4..]] {
            assert!(!holds(secret.as_bytes()));
            assert!(!holds(&hex::decode(secret).unwrap_or_else(|_| b"never".to_vec())));
        }
    });
}

#[kenroku_store::test(SCHEMA)]
async fn every_statement_prepares_and_names_its_tenant(db: Db) {
    assert_eq!(testing::prepare_all(&db).await.unwrap(), Vec::<String>::new());
    let ours = |list: Vec<String>| list.into_iter().filter(|s| s.contains("access")).collect::<Vec<_>>();
    assert_eq!(ours(testing::without_tenant()), Vec::<String>::new());
}
