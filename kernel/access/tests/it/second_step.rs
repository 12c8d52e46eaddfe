//! One-time codes, one-time links and emergency accounts, on both engines.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{Request, header};
use kenroku_access::accounts::{
    AccountError, AccountRules, Accounts, Begun, MIGRATIONS, NewStaff, Passwords, Steward,
};
use kenroku_access::kernel::{AcknowledgeAlarms, MUNI_ADMIN, ManageStaff, ViewAlarms, ViewStaff};
use kenroku_access::{Access, Actor, Assurance, Granted, RoleId, WebRules};
use kenroku_store::{Db, ModuleMigrations};
use kenroku_types::ids::StaffId;
use kenroku_types::{Env, Tenant, Timestamp};

use crate::world::*;

const SCHEMA: &[ModuleMigrations] = &[MIGRATIONS];
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
const GOOD: &str = "雪の朝に歩く人たち、二〇二六年";
const NEWER: &str = "春になれば雪はとける、二〇二七年";
const WHY: &str = "管理者が全員、雪で登庁できない";

fn office(db: &Db) -> (Accounts, Env) {
    let env = Env::fixed(Timestamp::from_secs(1_768_350_600), 42);
    let few = Passwords::new(NonZeroU32::new(10).unwrap(), 2, 8);
    let rules = AccountRules { codes_for_overseers: true, ..AccountRules::default() };
    (Accounts::new(db.clone(), env.clone(), &policies(), few, rules), env)
}

fn of<P: kenroku_access::Permission>(tenant: Tenant) -> Granted<P> {
    Granted::for_system("test", tenant)
}

async fn hire(a: &Accounts, login: &str, roles: &[RoleId]) -> StaffId {
    let new = NewStaff { login, name: "試験 太郎", password: GOOD, roles };
    a.create_staff(&of(nomi()), &new).await.unwrap()
}

#[kenroku_store::test(SCHEMA)]
async fn whoever_watches_over_others_needs_a_code_and_the_rest_may_have_one(db: Db) {
    let (a, env) = office(&db);
    hire(&a, "desk", &[]).await;
    let admin = hire(&a, "admin", &[MUNI_ADMIN]).await;
    let begin = async |login| a.begin_sign_in(login, GOOD, HOME, "Linux / Firefox").await.unwrap();
    let Begun::In(_, session) = begin("desk").await else { panic!("no code is needed") };
    assert_eq!(session.actor.assurance(), Assurance::Password);
    assert_eq!(a.sign_in("admin", GOOD, HOME).await.unwrap_err(), AccountError::CodeNeeded);

    let Begun::SetUpCode(ticket) = begin("admin").await else { panic!("a code is needed") };
    let who = a.waiting(&ticket, HOME).await.unwrap();
    assert_eq!((who.id, who.seed), (admin, None));
    // A ticket without a seed opens nothing; with one it opens once.
    let none = a.finish_sign_in(&ticket, HOME, 7, None, "").await;
    assert_eq!(none.unwrap_err(), AccountError::SignInRefused);
    let (token, session) = a.finish_sign_in(&ticket, HOME, 7, Some(b"sealed"), "Mac / Safari").await.unwrap();
    assert_eq!(session.actor.assurance(), Assurance::PasswordOtp);
    assert_eq!(a.finish_sign_in(&ticket, HOME, 8, None, "").await.unwrap_err(), AccountError::NotFound);

    let Begun::Code(ticket) = begin("admin").await else { panic!("it is set up now") };
    let who = a.waiting(&ticket, HOME).await.unwrap();
    assert_eq!((who.seed.as_deref(), who.last_step), (Some(&b"sealed"[..]), 7));
    // The same step again, or a seed of whoever knows the password only.
    assert_eq!(a.finish_sign_in(&ticket, HOME, 7, None, "").await.unwrap_err(), AccountError::SignInRefused);
    let other = a.finish_sign_in(&ticket, HOME, 9, Some(b"mine"), "").await;
    assert_eq!(other.unwrap_err(), AccountError::SignInRefused);
    assert!(a.finish_sign_in(&ticket, HOME, 8, None, "").await.is_ok());

    let Begun::Code(ticket) = begin("admin").await else { panic!() };
    env.clock.advance(Duration::from_secs(301));
    assert_eq!(a.waiting(&ticket, HOME).await.unwrap_err(), AccountError::NotFound, "five minutes");

    let view = of::<ViewStaff>(nomi());
    let sessions = a.sessions_of(&view, admin).await.unwrap();
    assert!(sessions.iter().any(|s| s.device == "Mac / Safari" && s.assurance == "password-otp"));
    assert_eq!(a.sessions_of(&of(kaga()), admin).await.unwrap(), []);
    // A lost telephone: the code and every session end, the next sign-in begins anew.
    assert_eq!(a.remove_code(&of(kaga()), admin).await.unwrap_err(), AccountError::NotFound);
    a.remove_code(&of(nomi()), admin).await.unwrap();
    assert!(a.authenticate(&token).await.unwrap().is_none());
    assert!(matches!(begin("admin").await, Begun::SetUpCode(_)));
}

#[kenroku_store::test(SCHEMA)]
async fn codes_cannot_be_guessed(db: Db) {
    let (a, _) = office(&db);
    hire(&a, "admin", &[MUNI_ADMIN]).await;
    let Begun::SetUpCode(ticket) = a.begin_sign_in("admin", GOOD, HOME, "").await.unwrap() else { panic!() };
    for _ in 0..6 {
        assert!(a.waiting(&ticket, HOME).await.is_ok());
    }
    assert!(matches!(a.waiting(&ticket, HOME).await, Err(AccountError::TooManyAttempts(_))));
}

#[kenroku_store::test(SCHEMA)]
async fn own_code_needs_the_password_once_more(db: Db) {
    let (a, _) = office(&db);
    let id = hire(&a, "desk", &[]).await;
    let (_, session) = a.sign_in("desk", GOOD, HOME).await.unwrap();
    let set = async |password| a.set_own_code(&session.actor, HOME, password, b"sealed", 3).await;
    assert_eq!(set("not the password").await, Err(AccountError::SignInRefused));
    assert!(!a.has_code(nomi(), id).await.unwrap());
    assert_eq!(set(GOOD).await, Ok(()));
    assert!(a.has_code(nomi(), id).await.unwrap());
    assert_eq!(a.sign_in("desk", GOOD, HOME).await.unwrap_err(), AccountError::CodeNeeded);
    assert_eq!(a.own_account(&session.actor).await.unwrap().login, "desk");
    assert_eq!(a.own_sessions(&session.actor).await.unwrap().len(), 1);
    assert!(a.own_history(&session.actor).await.unwrap().iter().any(|h| h.what == "code"));
}

#[kenroku_store::test(SCHEMA)]
async fn a_link_sets_a_password_up_once(db: Db) {
    let (a, env) = office(&db);
    let id = hire(&a, "desk", &[]).await;
    let (token, _) = a.sign_in("desk", GOOD, HOME).await.unwrap();
    assert_eq!(a.set_up_ticket(&of(kaga()), id).await.unwrap_err(), AccountError::NotFound);
    let first = a.set_up_ticket(&of(nomi()), id).await.unwrap();
    let second = a.set_up_ticket(&of(nomi()), id).await.unwrap();
    assert_eq!(a.set_up_name(&first).await, Err(AccountError::NotFound), "replaced");
    assert_eq!(a.set_up_name(&second).await.unwrap(), "desk");
    assert!(a.authenticate(&token).await.unwrap().is_some(), "nothing ends before it is used");
    assert!(matches!(a.set_up(&second, "short").await, Err(AccountError::WeakPassword(_))));
    a.set_up(&second, NEWER).await.unwrap();
    assert_eq!(a.set_up(&second, GOOD).await, Err(AccountError::NotFound), "used");
    assert!(a.authenticate(&token).await.unwrap().is_none());
    assert!(a.sign_in("desk", GOOD, HOME).await.is_err());
    assert!(a.sign_in("desk", NEWER, HOME).await.is_ok());
    let third = a.set_up_ticket(&of(nomi()), id).await.unwrap();
    env.clock.advance(Duration::from_secs(72 * 3600 + 1));
    assert_eq!(a.set_up(&third, GOOD).await, Err(AccountError::NotFound), "too old");
    assert!(a.sweep().await.unwrap() > 0);
}

#[kenroku_store::test(SCHEMA)]
async fn an_emergency_account_works_once_and_never_quietly(db: Db) {
    let (a, env) = office(&db);
    let manage = of::<ManageStaff>(nomi());
    hire(&a, "desk", &[]).await;
    assert_eq!(a.seal_break_glass(&manage, "desk", &[MUNI_ADMIN]).await, Err(AccountError::LoginTaken));
    let credential = a.seal_break_glass(&manage, "glass", &[MUNI_ADMIN]).await.unwrap();
    assert_eq!(credential.len(), 8 * 4 + 7);
    // The usual door does not know it, and no list of accounts shows it.
    assert_eq!(a.sign_in("glass", &credential, HOME).await.unwrap_err(), AccountError::SignInRefused);
    assert_eq!(a.list_staff(&of(nomi())).await.unwrap().len(), 1);
    assert_eq!(a.directory(Steward::Administrator(&manage)).await.unwrap().len(), 1);

    let wrong = a.check_seal("glass", "0000-0000", HOME).await;
    assert_eq!(wrong.unwrap_err(), AccountError::SignInRefused);
    assert!(a.check_seal("desk", GOOD, HOME).await.is_err(), "other accounts do not open here");
    let typed = credential.to_uppercase().replace('-', " ");
    let seal = a.check_seal("Glass", &typed, HOME).await.unwrap();
    let at_once = a.check_seal("glass", &credential, HOME).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    assert_eq!(a.break_seal_within(&mut tx, &seal, "help", "").await.unwrap_err(), AccountError::Words);
    let broken = a.break_seal_within(&mut tx, &seal, WHY, "Linux").await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let second = a.break_seal_within(&mut tx, &at_once, WHY, "").await;
    assert_eq!(second.unwrap_err(), AccountError::SignInRefused);
    drop(tx);
    assert!(a.check_seal("glass", &credential, HOME).await.is_err(), "used up");

    let actor = a.authenticate(&broken.token).await.unwrap().unwrap().actor;
    assert!(actor.is_break_glass() && actor.to_string().starts_with("break-glass:"));
    let access = Access::new(policies(), a.clone(), WebRules::default());
    assert!(access.grant_at_home::<ManageStaff>(&actor).is_ok(), "it may what its role may");

    // Every request is written down before it is answered.
    let request = Request::get("/staff/keys").header(header::COOKIE, format!("kr_staff={}", broken.token));
    let mut parts = request.body(()).unwrap().into_parts().0;
    assert_eq!(access.authenticate(&mut parts).await.unwrap(), actor);
    let history = a.staff_history(&of(nomi()), broken.id).await.unwrap();
    assert!(
        history.iter().any(|h| h.what == "act" && h.note.starts_with("GET") && h.by == actor.to_string())
    );
    assert!(history.iter().any(|h| h.what == "break-glass" && h.note == WHY));

    // The alarm stands until somebody else has dealt with it.
    let see = of::<ViewAlarms>(nomi());
    let open = a.open_alarms(&[of(kaga()), see.clone()]).await.unwrap();
    assert_eq!((open.len(), open[0].reason.as_str(), open[0].subject.as_str()), (1, WHY, "glass"));
    let own = access.grant_at_home::<AcknowledgeAlarms>(&actor).unwrap();
    let note = "石川が通信の復旧に使った。封印し直した。";
    assert_eq!(a.acknowledge(&own, open[0].id, note).await, Err(AccountError::OwnAccount));
    let by = of::<AcknowledgeAlarms>(nomi());
    assert_eq!(a.acknowledge(&by, open[0].id, "ok").await, Err(AccountError::Words));
    assert_eq!(a.acknowledge(&of(kaga()), open[0].id, note).await, Err(AccountError::NotFound));
    assert_eq!(a.acknowledge(&by, open[0].id, note).await, Ok(()));
    assert_eq!(a.open_alarms(std::slice::from_ref(&see)).await.unwrap(), []);
    assert_eq!(a.alarms(&see).await.unwrap()[0].note, note);

    // An hour, however busy.
    env.clock.advance(Duration::from_secs(3599));
    assert!(a.authenticate(&broken.token).await.unwrap().is_some());
    env.clock.advance(Duration::from_secs(2));
    assert!(a.authenticate(&broken.token).await.unwrap().is_none());

    assert!(!a.seals(&see).await.unwrap()[0].sealed);
    let again = a.seal_break_glass(&manage, "glass", &[MUNI_ADMIN]).await.unwrap();
    assert!(a.seals(&see).await.unwrap()[0].sealed);
    assert_eq!(a.seals(&see).await.unwrap()[0].roles(), [MUNI_ADMIN]);
    assert!(again != credential && a.check_seal("glass", &again, HOME).await.is_ok());
    assert!(matches!(actor, Actor::Staff { .. }));
}

#[kenroku_store::test(SCHEMA)]
async fn an_alarm_about_a_contract_is_raised_once(db: Db) {
    let (a, env) = office(&db);
    let about = env.uuid();
    for first in [true, false] {
        let mut tx = db.begin().await.unwrap();
        let raised = a.raise_contract_alarm(&mut tx, Tenant::SHARED, about, "ポイント店", "2026-03-31").await;
        assert_eq!(raised, Ok(first));
        tx.commit().await.unwrap();
    }
    let open = a.open_alarms(&[of(Tenant::SHARED)]).await.unwrap();
    assert_eq!((open.len(), open[0].kind.as_str()), (1, "contract"));
    a.acknowledge(&of(Tenant::SHARED), open[0].id, "契約は更新しないと確かめた。").await.unwrap();
    let mut tx = db.begin().await.unwrap();
    assert_eq!(a.raise_contract_alarm(&mut tx, Tenant::SHARED, about, "x", "y").await, Ok(false), "seen");
}
