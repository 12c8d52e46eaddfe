//! Signing in, one's own account, and the accounts of others.

use kenroku_access::accounts::Begun;
use kenroku_access::kernel::MUNI_ADMIN;
use kenroku_access::testing::staff;
use kenroku_access::totp;
use kenroku_module::test::TestSite;
use kenroku_types::Tenant;

use crate::world::*;

fn code(site: &TestSite, seed: &str) -> String {
    let step = site.app().env().now().secs().div_euclid(totp::STEP);
    format!("{:06}", totp::code(&hex::decode(seed).unwrap(), step))
}

#[tokio::test]
async fn staff_are_offered_the_tools_they_may_open() {
    let site = site().await;
    let operator = site.acting(staff(Tenant::SHARED, &["operator"])).get("/staff").await;
    assert!(operator.text().contains("href=\"/staff/bus\""), "{}", operator.text());
    let admin = site.acting(staff(of(17211), &["muni-admin"])).get("/staff").await.text();
    assert!(admin.contains("能美市") && !admin.contains("href=\"/staff/bus\""), "{admin}");
    assert!(admin.contains("href=\"/staff/accounts\"") && admin.contains("href=\"/staff/alarms\""));
    assert_eq!(site.get("/staff").await.status, 303);
}

#[tokio::test]
async fn whoever_is_also_a_resident_is_never_mixed_up() {
    let site = site().await;
    hire(&site, 17211, "desk", &[]).await;
    let mut b = Browser::new(&site);
    b.cookies.insert("kr_session".to_owned(), "r-of-a-resident".to_owned());
    assert_eq!(b.sign_in("desk").await.header("location"), "/staff");
    assert_eq!(b.cookies["kr_session"], "r-of-a-resident", "the resident stays signed in");
    assert_eq!(b.get("/staff").await.status, 200);
    b.post("/staff/sign-out", &[]).await;
    assert!(!b.cookies.contains_key("kr_staff") && b.cookies.contains_key("kr_session"));
    assert_eq!(b.get("/staff").await.status, 303);
    // A resident's token in the cookie of staff opens nothing.
    b.cookies.insert("kr_staff".to_owned(), "r-of-a-resident".to_owned());
    assert_eq!(b.get("/staff").await.status, 303);
}

#[tokio::test]
async fn an_administrator_signs_in_with_a_code_and_sets_it_up_first() {
    let site = site().await;
    hire(&site, 17211, "admin", &[MUNI_ADMIN]).await;
    let mut b = Browser::new(&site);
    let page = b.sign_in("admin").await;
    assert!(page.status == 200 && b.cookies.is_empty(), "no session yet");
    let (ticket, seed) = (hidden(&page.text(), "ticket").to_owned(), hidden(&page.text(), "seed").to_owned());
    let step = async |b: &mut Browser<'_>, ticket: &str, seed: &str, code: &str| {
        let fields = [("ticket", ticket), ("seed", seed), ("code", code), ("then", "/staff/accounts")];
        b.post("/staff/sign-in/code", &fields).await
    };
    let wrong = step(&mut b, &ticket, &seed, "000000").await;
    assert!(wrong.status == 422 && b.cookies.is_empty());
    assert_eq!(hidden(&wrong.text(), "seed"), seed, "the same key is shown again");
    assert_eq!(
        step(&mut b, &ticket, "00", &code(&site, &seed)).await.status,
        422,
        "a seed of one's own making"
    );
    let right = step(&mut b, &ticket, &seed, &code(&site, &seed)).await;
    assert_eq!((right.status.as_u16(), right.header("location")), (303, "/staff/accounts"));
    assert_eq!(b.get("/staff/accounts").await.status, 200);

    // From now on the code is asked for, once each.
    let mut again = Browser::new(&site);
    let page = again.sign_in("admin").await.text();
    assert_eq!(hidden(&page, "seed"), "");
    let ticket = hidden(&page, "ticket").to_owned();
    assert_eq!(step(&mut again, &ticket, "", &code(&site, &seed)).await.status, 422, "used before");
    // Whoever knows the password only cannot put a seed of their own in place.
    let mine = "11".repeat(20);
    assert_eq!(step(&mut again, &ticket, &mine, &code(&site, &mine)).await.status, 422);
    site.app().env().clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(step(&mut again, &ticket, "", &code(&site, &seed)).await.status, 303);
    assert_eq!(step(&mut again, &ticket, "", "123456").await.header("location"), "/staff/sign-in");
}

#[tokio::test]
async fn somebody_looks_after_their_own_account() {
    let site = site().await;
    hire(&site, 17211, "desk", &[]).await;
    let mut b = Browser::new(&site);
    assert_eq!(b.get("/staff/own").await.header("location"), "/staff/sign-in");
    b.sign_in("desk").await;
    for lang in ["ja", "ja-x-yasashii", "en"] {
        let page = b.get(&format!("/staff/own?lang={lang}")).await;
        assert!(page.status == 200 && page.text().contains("Linux / Firefox"), "{}", page.text());
    }
    let page = b.get("/staff/own").await.text();
    let seed = hidden(&page, "seed").to_owned();
    let typed = code(&site, &seed);
    let wrong = b.post("/staff/own/code", &[("seed", &seed), ("code", &typed), ("password", "wrong")]).await;
    assert_eq!(wrong.status, 422);
    let right = b.post("/staff/own/code", &[("seed", &seed), ("code", &typed), ("password", GOOD)]).await;
    assert_eq!(right.header("location"), "/staff/own");
    let from = std::net::IpAddr::from([192, 0, 2, 1]);
    assert!(matches!(accounts(&site).begin_sign_in("desk", GOOD, from, "").await.unwrap(), Begun::Code(_)));

    let newer = "haru-ni-nareba-yuki-2027";
    let change = |old: &'static str, new: &'static str, again: &'static str| {
        [("old", old), ("password", new), ("again", again)]
    };
    assert!(b.post("/staff/own/password", &change(GOOD, newer, GOOD)).await.text().contains("staff-again"));
    assert_eq!(b.post("/staff/own/password", &change("wrong", newer, newer)).await.status, 422);
    assert_eq!(b.post("/staff/own/password", &change(GOOD, "short", "short")).await.status, 422);
    let done = b.post("/staff/own/password", &change(GOOD, newer, newer)).await;
    assert_eq!(done.header("location"), "/staff/sign-in");
    assert_eq!(b.get("/staff/own").await.status, 303, "every session ended");
}

#[tokio::test]
async fn an_administrator_makes_and_stops_accounts_and_a_newcomer_sets_up_a_password() {
    let site = site().await;
    let admin = site.acting(staff(of(17211), &["muni-admin"]));
    let make = async |fields: &str| admin.post_form("/staff/accounts", &[], fields).await;
    assert_eq!(make("login=a+b&name=x").await.status, 422);
    let made = make("login=hana&name=hanako&email=hana%40city.example.jp&role=data-officer").await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(make("login=hana").await.status, 422, "taken");
    let text = made.text();
    let link = between(&text, "<code>/staff/set-up", "</code>").to_owned();
    let href = between(&text, "action=\"/staff/accounts/", "\"").to_owned();
    let list = admin.get("/staff/accounts").await.text();
    assert!(list.contains("hanako") && list.contains("パスワードがまだ決まっていません"), "{list}");

    let mut b = Browser::new(&site);
    let form = b.get(&format!("/staff/set-up{link}")).await.text();
    assert!(form.contains("hana"), "{form}");
    let ticket = hidden(&form, "ticket").to_owned();
    let fields = |again: &'static str| {
        [("ticket", ticket.clone()), ("password", GOOD.to_owned()), ("again", again.to_owned())]
    };
    async fn send(b: &mut Browser<'_>, fields: [(&'static str, String); 3]) -> u16 {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        b.post("/staff/set-up", &fields).await.status.as_u16()
    }
    assert_eq!(send(&mut b, fields("another")).await, 422);
    assert_eq!(send(&mut b, fields(GOOD)).await, 303);
    assert!(b.get(&format!("/staff/set-up{link}")).await.text().contains("このリンクは使えません"));

    let one = format!("/staff/accounts/{href}");
    let act = async |fields: String| admin.post_form(&one, &[], &fields).await.status.as_u16();
    let version = || async { hidden(&admin.get(&one).await.text(), "version").to_owned() };
    assert_eq!(act(format!("do=roles&role=muni-admin&version={}", version().await)).await, 303);
    assert_eq!(act("do=roles&role=muni-admin&version=1".to_owned()).await, 409, "an old page");
    assert_eq!(act("do=dance".to_owned()).await, 400);
    assert_eq!(act("do=end".to_owned()).await, 303);
    assert_eq!(act("do=code".to_owned()).await, 303);
    assert_eq!(act("do=link".to_owned()).await, 200);
    assert_eq!(act(format!("do=stop&version={}", version().await)).await, 303);
    assert!(admin.get(&one).await.text().contains("停止しています"));
    assert_eq!(act(format!("do=open&version={}", version().await)).await, 303);
    for lang in ["ja-x-yasashii", "en"] {
        assert_eq!(admin.get(&format!("{one}?lang={lang}")).await.status, 200);
        assert_eq!(admin.get(&format!("/staff/accounts?lang={lang}")).await.status, 200);
    }

    // Who only looks gets no forms; another government finds nothing; strangers sign in first.
    let officer = site.acting(staff(of(17211), &["data-officer"]));
    let seen = officer.get(&one).await.text();
    assert!(seen.contains("hanako") && !seen.contains("name=\"do\""), "{seen}");
    assert_eq!(officer.post_form(&one, &[], "do=end").await.status, 403);
    let other = site.acting(staff(of(17206), &["muni-admin"]));
    assert_eq!(other.get(&one).await.status, 404);
    assert_eq!(other.post_form(&one, &[], "do=link").await.status, 404);
    assert_eq!(site.get(&one).await.status, 401);
}
