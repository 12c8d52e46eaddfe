//! The pages, as a browser without JavaScript sees them.

use axum::http::StatusCode;
use kenroku_http::test::Answer;
use kenroku_identity::{Identity, totp};
use kenroku_module::test::TestSite;
use kenroku_store::Db;

use crate::world::{identity, register, site};

fn cookies(a: &Answer) -> String {
    let all = a.headers.get_all("set-cookie").iter().filter_map(|v| v.to_str().ok());
    all.map(|c| c.split(';').next().unwrap_or_default().to_owned()).collect::<Vec<_>>().join("; ")
}

fn hidden(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    page.split(&mark).nth(1).and_then(|r| r.split('"').next()).unwrap_or_default().to_owned()
}

const SENTENCE: &str = "yuki no asa ni aruku hitotachi";

async fn with_codes(i: &Identity) -> [u8; 20] {
    let me = register(i, "模擬　花子").await;
    let (ticket, key) = i.begin_codes(me, "hanako", SENTENCE).await.unwrap();
    let code = format!("{:06}", totp::code(&key, i.env().now().secs() / 30));
    i.finish_codes(me, ticket.id, &ticket.secret, &key, &code).await.unwrap();
    i.env().clock.advance(std::time::Duration::from_secs(60));
    key
}

async fn signed_in(site: &TestSite, key: &[u8; 20], next: &str) -> Answer {
    let fields = format!("login=hanako&password={}&next={next}", SENTENCE.replace(' ', "+"));
    let page = site.post_form("/id/sign-in/password", &[], &fields).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let (ticket, secret) = (hidden(&page.text(), "ticket"), hidden(&page.text(), "secret"));
    let code = totp::code(key, site.app().env().now().secs() / 30);
    let fields = format!("ticket={ticket}&secret={secret}&code={code:06}");
    site.post_form("/id/sign-in/code", &[], &fields).await
}

#[kenroku_store::test(&[])]
async fn a_browser_without_script_signs_in_looks_around_and_signs_out(db: Db) {
    let site = site(db).await;
    let key = with_codes(&identity(&site)).await;
    let visitor = site.get("/id").await;
    assert_eq!((visitor.status, visitor.header("location")), (StatusCode::SEE_OTHER, "/id/sign-in?next=/id"));
    assert_eq!(site.get("/id/profile").await.status, StatusCode::UNAUTHORIZED);

    let in_ = signed_in(&site, &key, "/id/devices").await;
    assert_eq!((in_.status, in_.header("location")), (StatusCode::SEE_OTHER, "/id/devices"));
    let cookie = cookies(&in_);
    assert!(cookie.contains("kr_session=r-") && cookie.contains("kr-in=1"), "{cookie}");
    let with = [("cookie", cookie.as_str())];
    for (path, says) in [
        ("/id", "能美市"),
        ("/id/profile", "模擬　花子"),
        ("/id/history", "ログインしました"),
        ("/id/devices", "この端末です"),
        ("/id/passkeys", "確認コードのアプリ"),
        ("/id/passkeys/password", "15文字以上"),
        ("/id/delegations", "受け取る"),
        ("/id/delegations/invite", "手続きをする"),
    ] {
        let page = site.get_with(path, &with).await;
        assert!(page.status == 200 && page.text().contains(says), "{path}: {}", page.text());
    }
    let there = site.get_with("/id/sign-in?next=/snow", &with).await;
    assert_eq!(
        (there.status, there.header("location")),
        (StatusCode::SEE_OTHER, "/snow"),
        "signed in already"
    );
    let more = site.get_with("/id/sign-in?next=/snow&need=urn:ishikawa:jpki-auth", &with).await;
    assert!(more.status == 200 && more.text().contains("より確かな方法"), "more is asked for");
    assert!(!more.text().contains("/id/sign-in/password"), "a password is not enough");
    assert_eq!(site.get_with("/id/sign-in?next=/snow&fresh=1", &with).await.status, 200, "once more");

    let invited = site.post_form("/id/delegations/invite", &with, "kind=family&scope=messages&days=30").await;
    assert!(invited.text().contains("番号ができました"), "{}", invited.text());
    let none = site.post_form("/id/delegations/invite", &with, "kind=family&days=30").await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    let wrong = site.post_form("/id/delegations/accept", &with, "code=AAAA").await;
    assert_eq!(wrong.status, StatusCode::GONE);
    let list = site.get_with("/id/delegations", &with).await.text();
    let ended = site.post_form("/id/delegations/end", &with, &format!("id={}", hidden(&list, "id"))).await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER);

    site.app().env().clock.advance(std::time::Duration::from_secs(16 * 60));
    let stale = site.get_with("/id/passkeys", &with).await;
    assert_eq!(stale.header("location"), "/id/sign-in?fresh=1&next=/id/passkeys", "a fresh proof first");

    let out = site.post_form("/id/sign-out", &with, "").await;
    assert!(out.header("location") == "/" && cookies(&out).contains("kr_session="));
    assert_eq!(
        site.get_with("/id", &with).await.status,
        StatusCode::SEE_OTHER,
        "the old cookie opens nothing"
    );
}

#[kenroku_store::test(&[])]
async fn nobody_is_led_elsewhere_or_signed_in_by_another_site(db: Db) {
    let site = site(db).await;
    let key = with_codes(&identity(&site)).await;
    let in_ = signed_in(&site, &key, "https://evil.example/").await;
    assert_eq!(in_.header("location"), "/id");
    let fields = "login=hanako&password=x";
    let forged = site
        .request(
            axum::http::Method::POST,
            "/id/sign-in/password",
            &[("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")],
            fields.into(),
        )
        .await;
    assert_eq!((forged.status, forged.problem_code()), (StatusCode::FORBIDDEN, "cross-site".to_owned()));
    let fixed = [("cookie", "kr_session=r-chosen-by-somebody-else")];
    let page = site.get_with("/id", &fixed).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "a planted session is nobody's");
    let wrong = site.post_form("/id/sign-in/password", &[], fields).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let same = site.post_form("/id/sign-in/password", &[], "login=nobody&password=x").await;
    assert_eq!(wrong.text().replace("hanako", "nobody"), same.text(), "who exists is not told");
}

#[kenroku_store::test(&[])]
async fn every_page_is_there_in_three_languages(db: Db) {
    let site = site(db).await;
    for path in [
        "/id/sign-in",
        "/id/sign-in/password",
        "/id/help",
        "/id/register",
        "/id/register/terms?act=register&class=resident",
        "/id/register/terms?act=desk&class=child",
        "/id/register/terms?act=sign-in",
    ] {
        for lang in ["ja", "ja-x-yasashii", "en"] {
            let join = if path.contains('?') { '&' } else { '?' };
            let page = site.get(&format!("{path}{join}lang={lang}")).await;
            assert_eq!(page.status, 200, "{path} {lang}");
            assert!(page.body.len() < 40_000, "{path} {lang}: {} bytes", page.body.len());
            assert!(!page.text().contains('⟦'), "{path} {lang} lacks a text");
        }
    }
}
