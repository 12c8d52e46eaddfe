//! The counter: a clerk at the window, a sheet at home, a guardian with a child, and the hand-over.

use std::time::Duration;

use axum::http::StatusCode;
use kenroku_access::{Actor, Assurance, Granted, RoleId, SignIn};
use kenroku_http::test::Answer;
use kenroku_identity::claims::Claim;
use kenroku_identity::delegation::{Kind, LONGEST, Scope};
use kenroku_identity::model::{AccountClass, PersonId, PersonState};
use kenroku_identity::review::Decision;
use kenroku_identity::session::Proved;
use kenroku_identity::webauthn::device::Device;
use kenroku_identity::{Identity, IdentityError, ReviewPeople, totp};
use kenroku_module::test::TestSite;
use kenroku_store::Db;
use kenroku_types::ids::SubjectId;
use kenroku_types::{JapaneseDate, MuniCode, Tenant, Timestamp};

use crate::world::{identity, newcomer, register, sign_in, site};

const COUNTER: &str = "/staff/identity/counter";
const SENTENCE: &str = "yuki no asa ni aruku hitotachi";

fn tenant(code: u32) -> Tenant {
    Tenant::of(MuniCode::new(code).unwrap())
}

fn clerk(site: &TestSite, code: u32) -> kenroku_http::test::TestApp {
    staff(site, code, "resident-desk")
}

fn staff(site: &TestSite, code: u32, role: &'static str) -> kenroku_http::test::TestApp {
    let sign_in = SignIn { assurance: Assurance::Password, at: site.app().env().now() };
    let (id, tenant) = (site.app().env().id(), tenant(code));
    site.acting(Actor::Staff { id, tenant, roles: vec![RoleId::new(role)], sign_in })
}

fn hidden(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    page.split(&mark).nth(1).and_then(|r| r.split('"').next()).unwrap_or_default().to_owned()
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    out.extend_pairs(fields);
    out.finish()
}

fn cookies(a: &Answer) -> String {
    let all = a.headers.get_all("set-cookie").iter().filter_map(|v| v.to_str().ok());
    all.map(|c| c.split(';').next().unwrap_or_default().to_owned()).collect::<Vec<_>>().join("; ")
}

/// What stands on a printed sheet: user name and code.
fn sheet(page: &str) -> (String, String) {
    let keys: Vec<&str> = page.split("<dd>").skip(1).filter_map(|r| r.split("</dd>").next()).collect();
    let find = |len: usize| keys.iter().find(|k| k.len() == len && k.contains('-')).unwrap_or(&"");
    (find(9).to_string(), find(14).to_string())
}

const TOME: [(&str, &str); 6] = [
    ("name", "模擬 とめ"),
    ("birth", "昭和16年1月14日"),
    ("sex", "female"),
    ("address", "石川県輪島市河井町1番地"),
    ("class", "no-card"),
    ("document", "two-papers"),
];

async fn enter(site: &TestSite, path: &str, fields: &[(&str, &str)]) -> Answer {
    let clerk = clerk(site, 17211);
    let form = clerk.get(&format!("{COUNTER}/{path}")).await.text();
    let act = hidden(&form, "act");
    let mut all = vec![("act", act.as_str())];
    all.extend_from_slice(fields);
    clerk.post_form(&format!("{COUNTER}/{path}"), &[], &encoded(&all)).await
}

fn with<'a>(fields: &[(&'a str, &'a str)], name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    fields.iter().map(|(n, v)| if *n == name { (*n, value) } else { (*n, *v) }).collect()
}

async fn typed(site: &TestSite, user: &str, code: &str) -> Answer {
    site.post_form("/id/start", &[], &encoded(&[("user", user), ("code", code)])).await
}

/// Chooses a password at home; the cookies of the session.
async fn at_home(site: &TestSite, user: &str, code: &str) -> Answer {
    let opened = typed(site, user, code).await;
    assert_eq!((opened.status, opened.header("location")), (StatusCode::SEE_OTHER, "/id/start/choose"));
    let cookie = cookies(&opened);
    let head = [("cookie", cookie.as_str())];
    let choose = site.get_with("/id/start/choose", &head).await;
    assert!(
        choose.status == 200 && choose.text().contains("この端末のパスキーをつくる"),
        "{}",
        choose.text()
    );
    let form = site.get_with("/id/start/password", &head).await;
    assert_eq!(form.status, 200);
    let weak = site.post_form("/id/start/password", &head, "password=short").await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = site.post_form("/id/start/password", &head, &encoded(&[("password", SENTENCE)])).await.text();
    let (ticket, secret, key) = (hidden(&page, "ticket"), hidden(&page, "secret"), hidden(&page, "key"));
    let bytes: [u8; 20] = hex::decode(&key).unwrap().try_into().unwrap();
    let code = format!("{:06}", totp::code(&bytes, site.app().env().now().secs() / 30));
    let fields = encoded(&[("ticket", &ticket), ("secret", &secret), ("key", &key), ("code", &code)]);
    site.post_form("/id/start/code", &head, &fields).await
}

#[kenroku_store::test(&[])]
async fn a_clerk_registers_somebody_who_begins_at_home(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let printed = enter(&site, "person", &TOME).await;
    assert_eq!(printed.status, 200, "{}", printed.text());
    assert_eq!(printed.header("cache-control"), "no-store");
    let (user, code) = sheet(&printed.text());
    assert!(printed.text().contains("模擬　とめ") && user.len() == 9, "{}", printed.text());

    let wrong = typed(&site, &user, "ABCD-EFGH-JKMN").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let nobody = typed(&site, "0000-0000", "ABCD-EFGH-JKMN").await;
    assert_eq!(wrong.text().replace(&user, "0000-0000"), nobody.text(), "who has a sheet is not told");
    let in_ = at_home(&site, &user, &code.to_lowercase()).await;
    assert_eq!(
        (in_.status, in_.header("location")),
        (StatusCode::SEE_OTHER, "/id?welcome=1"),
        "{}",
        in_.text()
    );
    let again = typed(&site, &user, &code).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "a sheet is used once");

    let session = cookies(&in_);
    let me = [("cookie", session.as_str())];
    let history = site.get_with("/id/history", &me).await.text();
    assert!(history.contains("窓口で登録しました") && history.contains("能美市の窓口"), "{history}");
    let profile = site.get_with("/id/profile", &me).await.text();
    assert!(
        profile.contains("窓口の職員が書類で確認") && profile.contains("窓口の職員が見ました"),
        "{profile}"
    );
    let acts = i.counter_acts(&Granted::for_system("test", tenant(17211))).await.unwrap();
    let out = i.release(acts[0].person, &[Claim::AccountClass], i.env().id(), None).await.unwrap();
    assert_eq!(out["urn:ishikawa:account_class"], "no-card");
    let seen = SubjectId::from_uuid(acts[0].person.uuid());
    let seen = i.vault().accesses(Tenant::SHARED, seen, None, 9).await.unwrap();
    assert!(seen.iter().any(|r| r.purpose == "identity.counter" && r.actor.starts_with("staff:")));
}

#[kenroku_store::test(&[])]
async fn a_form_that_is_sent_twice_does_it_once_and_the_sheet_is_printed_again(db: Db) {
    let site = site(db).await;
    let clerk = clerk(&site, 17211);
    let act = hidden(&clerk.get(&format!("{COUNTER}/person")).await.text(), "act");
    let mut fields = vec![("act", act.as_str())];
    fields.extend(TOME);
    let first = clerk.post_form(&format!("{COUNTER}/person"), &[], &encoded(&fields)).await;
    assert_eq!(first.status, 200);
    let twice = clerk.post_form(&format!("{COUNTER}/person"), &[], &encoded(&fields)).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    let home = clerk.get(COUNTER).await.text();
    assert_eq!(home.matches("カードのない方を登録しました").count(), 1, "{home}");

    let again = encoded(&[("id", &hidden(&home, "id")), ("act", &hidden(&home, "act"))]);
    let elsewhere = self::clerk(&site, 17201).post_form(&format!("{COUNTER}/sheet"), &[], &again).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND, "another city's counter");
    let renewed = clerk.post_form(&format!("{COUNTER}/sheet"), &[], &again).await;
    let ((user, code), (new_user, new_code)) = (sheet(&first.text()), sheet(&renewed.text()));
    assert_eq!(typed(&site, &user, &code).await.status, StatusCode::UNPROCESSABLE_ENTITY, "called off");
    assert_eq!(typed(&site, &new_user, &new_code).await.status, StatusCode::SEE_OTHER);
    site.app().env().clock.advance(Duration::from_secs(8 * 3600 + 60));
    let home = clerk.get(COUNTER).await.text();
    let late = encoded(&[("id", &hidden(&home, "id")), ("act", &hidden(&home, "act"))]);
    let late = clerk.post_form(&format!("{COUNTER}/sheet"), &[], &late).await;
    assert!(late.status == 200 || late.status == StatusCode::GONE);
    site.app().env().clock.advance(Duration::from_secs(15 * 86_400));
    assert_eq!(
        typed(&site, &new_user, &new_code).await.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "two weeks"
    );
}

#[kenroku_store::test(&[])]
async fn only_clerks_come_in_and_every_field_is_asked_for(db: Db) {
    let site = site(db).await;
    assert_eq!(clerk(&site, 17211).get(COUNTER).await.status, 200);
    let desk = staff(&site, 17211, "muni-admin");
    assert_eq!(desk.get(COUNTER).await.status, StatusCode::FORBIDDEN, "an administrator is no clerk");
    assert_eq!(site.get(COUNTER).await.status, StatusCode::UNAUTHORIZED);
    for (name, bad) in [
        ("name", ""),
        ("birth", "昭和99年1月1日"),
        ("birth", "2999-01-01"),
        ("sex", ""),
        ("address", "輪島市河井町1番地"),
        ("document", "library-card"),
    ] {
        let a = enter(&site, "person", &with(&TOME, name, bad)).await;
        assert_eq!(a.status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {bad}");
    }
    let there = with(&TOME, "address", "富山県富山市新総曲輪1番7号");
    let why = enter(&site, "person", &there).await;
    assert_eq!(why.status, StatusCode::UNPROCESSABLE_ENTITY, "from elsewhere for no reason");
    let home = enter(&site, "person", &with(&there, "class", "homecoming")).await;
    assert_eq!(home.status, 200, "{}", home.text());
    let i = identity(&site);
    let acts = i.counter_acts(&Granted::for_system("test", tenant(17211))).await.unwrap();
    let row = i.person(acts[0].person).await.unwrap().unwrap();
    assert_eq!((row.class, row.muni), (AccountClass::Homecoming, None));
    for path in ["", "/person", "/child", "/find"] {
        for lang in ["ja", "ja-x-yasashii", "en"] {
            let page = clerk(&site, 17211).get(&format!("{COUNTER}{path}?lang={lang}")).await;
            assert!(page.status == 200 && !page.text().contains('⟦'), "{path} {lang}");
        }
    }
}

#[kenroku_store::test(&[])]
async fn somebody_alike_waits_and_the_sheet_works_after_the_decision(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let desk: Granted<ReviewPeople> = Granted::for_system("desk", tenant(17000));
    let known = register(&i, "模擬　花子").await;
    let alike = [
        ("name", "模擬 花子"),
        ("birth", "1985-05-05"),
        ("sex", "female"),
        ("address", "石川県金沢市鞍月1"),
        ("class", "no-card"),
        ("document", "passport"),
    ];
    let waits = enter(&site, "person", &alike).await;
    assert!(waits.status == 200 && waits.text().contains("同じ方かもしれない登録があります"));
    let (user, code) = sheet(&waits.text());
    assert_eq!(typed(&site, &user, &code).await.status, StatusCode::UNPROCESSABLE_ENTITY, "not yet");
    let open = i.reviews(&desk).await.unwrap();
    i.decide(&desk, open[0].id, open[0].version, Decision::Same).await.unwrap();
    let in_ = at_home(&site, &user, &code).await;
    assert_eq!(in_.status, StatusCode::SEE_OTHER, "the sheet is the known person's");
    let cookies = cookies(&in_);
    let token = cookies.split("kr_session=").nth(1).and_then(|r| r.split(';').next()).unwrap();
    assert_eq!(i.session(token).await.unwrap().unwrap().person, known);
}

async fn shown(i: &Identity, person: PersonId) -> String {
    i.show_present(person).await.unwrap().code
}

fn child(code: &str) -> Vec<(&str, &str)> {
    vec![
        ("code", code),
        ("name", "模擬 子"),
        ("birth", "2016-08-20"),
        ("sex", "male"),
        ("address", "石川県能美市来丸町1"),
        ("document", "driving-licence"),
        ("paper", "maternal-handbook"),
    ]
}

#[kenroku_store::test(&[])]
async fn a_child_is_registered_with_a_guardian_who_is_there(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let mother = register(&i, "模擬　母").await;
    let code = shown(&i, mother).await;
    let none = enter(&site, "child", &child("ABCD-2345")).await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY, "nobody shows this code");
    let grown = enter(&site, "child", &with(&child(&code), "birth", "2001-08-20")).await;
    assert_eq!(grown.status, StatusCode::UNPROCESSABLE_ENTITY);
    let entered = enter(&site, "child", &child(&code)).await;
    assert!(entered.status == 200 && entered.text().contains("令和14年4月1日"), "{}", entered.text());
    assert_eq!(sheet(&entered.text()), Default::default(), "a child takes no sheet home");
    let again = enter(&site, "child", &child(&code)).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "a code is shown once");

    let all = i.delegations(mother).await.unwrap();
    let kid = all[0].principal;
    assert_eq!((all.len(), all[0].kind), (1, Kind::Guardian));
    assert!(all[0].basis.contains("母子健康手帳") && all[0].basis.contains("能美市"), "{}", all[0].basis);
    assert!(i.may_act(mother, kid, Scope::Health).await.unwrap().is_some());
    let row = i.person(kid).await.unwrap().unwrap();
    assert_eq!((row.class, row.state), (AccountClass::Child, PersonState::Active));
    let ways: Vec<String> = i.history(mother).await.unwrap().into_iter().map(|h| h.way).collect();
    assert!(ways.contains(&"counter-child".to_owned()), "{ways:?}");

    // A second guardian, and a wrong one who is ended.
    let father = register(&i, "模擬　父").await;
    let found = enter(&site, "find", &child("")).await.text();
    let (act, person) = (hidden(&found, "act"), hidden(&found, "person"));
    assert_eq!(person, kid.to_string(), "{found}");
    assert!(!found.contains("新しい紙を出す"), "no sheet for a child: {found}");
    let clerk = clerk(&site, 17211);
    let shows = shown(&i, father).await;
    let fields =
        encoded(&[("act", &act), ("person", &person), ("code", &shows), ("paper", "family-register")]);
    let two = clerk.post_form(&format!("{COUNTER}/guardian"), &[], &fields).await;
    assert!(two.status == 200 && two.text().contains("模擬　父"), "{}", two.text());
    let found = enter(&site, "find", &child("")).await.text();
    let wrong = i.delegations(father).await.unwrap()[0].id.to_string();
    let end = encoded(&[("act", &hidden(&found, "act")), ("person", &person), ("id", &wrong)]);
    let ended = clerk.post_form(&format!("{COUNTER}/guardian/end"), &[], &end).await;
    assert_eq!(ended.status, 200, "{}", ended.text());
    assert!(i.may_act(father, kid, Scope::Health).await.unwrap().is_none());
    assert!(i.may_act(mother, kid, Scope::Health).await.unwrap().is_some());

    let own = shown(&i, kid).await;
    let fields = encoded(&[
        ("act", &i.env().uuid().to_string()),
        ("person", &person),
        ("code", &own),
        ("paper", "family-register"),
    ]);
    let refused = clerk.post_form(&format!("{COUNTER}/guardian"), &[], &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "a child guards nobody");
    let adult = shown(&i, mother).await;
    let fields = |paper: &str| {
        let act = i.env().uuid().to_string();
        encoded(&[("act", &act), ("person", &father.to_string()), ("code", &adult), ("paper", paper)])
    };
    let thin = clerk.post_form(&format!("{COUNTER}/guardian"), &[], &fields("resident-record")).await;
    assert_eq!(thin.status, StatusCode::UNPROCESSABLE_ENTITY, "an adult guardian shows the court's paper");
    let good = clerk.post_form(&format!("{COUNTER}/guardian"), &[], &fields("court-record")).await;
    assert_eq!(good.status, 200, "{}", good.text());
    assert_eq!(i.delegations(father).await.unwrap()[0].kind, Kind::AdultGuardian);
}

#[kenroku_store::test(&[])]
async fn whoever_lost_everything_gets_a_new_sheet(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let place = kenroku_identity::webauthn::Site::of_origin("https://portal.example.jp").unwrap();
    let me = register(&i, "模擬　花子").await;
    let mut device = Device::new(&i.env().rng, "https://portal.example.jp");
    let (ticket, options) = i.begin_new_passkey(&place, me, "x").await.unwrap();
    let answer = serde_json::from_value(device.create(&options)).unwrap();
    i.finish_new_passkey(&place, me, ticket.id, &ticket.secret, &answer, "").await.unwrap();
    sign_in(&i, me).await;

    let clerk = clerk(&site, 17211);
    let said = [("name", "模擬 花子"), ("birth", "1985-05-05"), ("sex", "female")];
    let stranger = enter(&site, "find", &with(&said, "name", "模擬 だれか")).await;
    assert!(stranger.text().contains("登録が見つかりません"), "{}", stranger.text());
    let found = enter(&site, "find", &said).await.text();
    assert!(found.contains("石川県能美市来丸町１"), "{found}");
    let (act, person) = (hidden(&found, "act"), hidden(&found, "person"));
    let ask = |seen: &str| {
        let fields = [
            ("act", act.as_str()),
            ("person", &person),
            ("document", "passport"),
            ("ends", "yes"),
            ("seen", seen),
        ];
        encoded(&fields)
    };
    let unseen = clerk.post_form(&format!("{COUNTER}/recover"), &[], &ask("")).await;
    assert_eq!(unseen.status, StatusCode::UNPROCESSABLE_ENTITY, "the clerk says that they looked");
    let printed = clerk.post_form(&format!("{COUNTER}/recover"), &[], &ask("yes")).await;
    assert_eq!(printed.status, 200, "{}", printed.text());
    assert!(i.credentials(me).await.unwrap().is_empty() && i.devices(me).await.unwrap().is_empty());
    let (user, code) = sheet(&printed.text());

    // At home, with a passkey this time; of two browsers one wins.
    let open = async || {
        let from = std::net::IpAddr::from([203, 0, 113, 7]);
        i.open_sheet(&user, &code, from).await.unwrap()
    };
    let (one, two) = (open().await, open().await);
    let mut make = async |start: &kenroku_identity::ticket::Issued| {
        let mut device = Device::new(&i.env().rng, "https://portal.example.jp");
        let (t, options) = i.begin_sheet_passkey(&place, start.id, &start.secret).await.unwrap();
        let answer = serde_json::from_value(device.create(&options)).unwrap();
        i.finish_sheet_passkey(&place, (start.id, &start.secret), (t.id, &t.secret), &answer, "").await
    };
    assert_eq!(make(&one).await, Ok(me));
    assert_eq!(make(&two).await, Err(IdentityError::Over));
    assert_eq!(i.credentials(me).await.unwrap().len(), 1);
    assert!(i.start_session(me, Proved::PASSKEY, "", None).await.is_ok());

    let row = i.person(me).await.unwrap().unwrap();
    i.set_state(me, row.version, PersonState::Closed).await.unwrap();
    let fields = encoded(&[
        ("act", &i.env().uuid().to_string()),
        ("person", &person),
        ("document", "passport"),
        ("ends", "no"),
        ("seen", "yes"),
    ]);
    let closed = clerk.post_form(&format!("{COUNTER}/recover"), &[], &fields).await;
    assert_eq!(closed.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[kenroku_store::test(&[])]
async fn somebody_without_a_card_moves_house_at_the_counter(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    enter(&site, "person", &TOME).await;
    let found = enter(&site, "find", &TOME).await.text();
    let person = hidden(&found, "person");
    let clerk = clerk(&site, 17211);
    let go = |address: &str| {
        let act = i.env().uuid().to_string();
        let fields = [
            ("act", act.as_str()),
            ("person", &person),
            ("address", address),
            ("class", "no-card"),
            ("document", "two-papers"),
        ];
        encoded(&fields)
    };
    let bad = clerk.post_form(&format!("{COUNTER}/move"), &[], &go("どこか")).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    let moved = clerk.post_form(&format!("{COUNTER}/move"), &[], &go("石川県金沢市鞍月1丁目1番地")).await;
    assert!(moved.status == 200 && moved.text().contains("鞍月"), "{}", moved.text());
    let row = i.person(person.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(row.muni.map(|m| m.code5()), Some("17201".to_owned()));
}

#[kenroku_store::test(&[])]
async fn a_child_takes_over_at_the_end_of_the_school_year(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    let mother = register(&i, "模擬　母").await;
    let mut new = newcomer(&i, "模擬　子", "石川県能美市来丸町１");
    new.class = AccountClass::Child;
    let kid = new.id;
    i.register(new).await.unwrap();
    let until = JapaneseDate::new(2028, 4, 1).unwrap().start();
    let id = i.entrust(kid, mother, Kind::Guardian, Scope::ALL, "母子健康手帳", until).await.unwrap();
    let helper = register(&i, "模擬　祖母").await;
    let invited = i.invite(kid, Kind::Family, &[Scope::Messages], LONGEST * 9).await.unwrap();
    i.accept(helper, &invited).await.unwrap();
    assert_eq!(i.hand_over_sheet(mother, id).await.unwrap_err(), IdentityError::NotFound, "too early");
    assert_eq!(i.hand_over_due().await.unwrap(), 0);
    let clock = &site.app().env().clock;
    let go = |t: Timestamp| clock.advance(Duration::from_micros(t.since(clock.now()).unsigned_abs()));
    go(until.minus(Duration::from_secs(30 * 86_400)));
    assert_eq!(i.hand_over_sheet(helper, id).await.unwrap_err(), IdentityError::NotFound, "not theirs");
    let sheet = i.hand_over_sheet(mother, id).await.unwrap();
    let started = i.start_session(mother, Proved::PASSKEY, "", None).await.unwrap();
    let cookie = format!("kr_session={}", started.token());
    let head = [("cookie", cookie.as_str())];
    let page = site.get_with("/id/delegations", &head).await.text();
    assert!(page.contains("お子さんへの引き継ぎ"), "{page}");
    let printed = site.post_form("/id/delegations/hand-over", &head, &format!("id={id}")).await;
    assert!(printed.status == 200 && printed.text().contains("いしかわIDをはじめる紙"), "{}", printed.text());
    assert_eq!(typed(&site, &sheet.user, &sheet.code).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let (user, code) = self::sheet(&printed.text());
    assert_eq!(at_home(&site, &user, &code).await.status, StatusCode::SEE_OTHER, "the newest sheet counts");

    go(until);
    assert!(i.may_act(mother, kid, Scope::Health).await.unwrap().is_none(), "to the second");
    assert_eq!(i.hand_over_due().await.unwrap(), 1);
    let row = i.person(kid).await.unwrap().unwrap();
    assert_eq!(row.class, AccountClass::Resident, "proofed by card, in Ishikawa");
    for who in [kid, mother] {
        let ways: Vec<String> = i.history(who).await.unwrap().into_iter().map(|h| h.way).collect();
        assert_eq!(ways.iter().filter(|w| *w == "handed-over").count(), 1, "{ways:?}");
    }
    assert_eq!(i.hand_over_due().await.unwrap(), 0, "once");
    assert_eq!(i.hand_over_sheet(mother, id).await.unwrap_err(), IdentityError::NotFound, "too late");
}

/// Not on both engines at once: jobs that are due together begin in no order.
#[tokio::test]
async fn the_hand_over_goes_by_the_clock() {
    let site = TestSite::of([kenroku_identity::module()]).await;
    let i = identity(&site);
    let mother = register(&i, "模擬　母").await;
    let mut new = newcomer(&i, "模擬　子", "富山県富山市新総曲輪１");
    new.class = AccountClass::Child;
    new.provenance.method = kenroku_identity::model::ProofMethod::Guardian;
    let kid = new.id;
    i.register(new).await.unwrap();
    let until = i.env().now().plus(Duration::from_secs(3600));
    i.entrust(kid, mother, Kind::Guardian, Scope::ALL, "母子健康手帳", until).await.unwrap();
    // The first look at a schedule is when it begins.
    site.work().await;
    assert_eq!(i.person(kid).await.unwrap().unwrap().class, AccountClass::Child);
    site.app().env().clock.advance(Duration::from_secs(2 * 86_400));
    site.work().await;
    assert_eq!(i.person(kid).await.unwrap().unwrap().class, AccountClass::Homecoming);
}
