//! A simulated card registers, signs in, and is refused where it must be.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kenroku_contracts::card::{CardAnswer, CardChallenge, CardSignature, CardToken};
use kenroku_http::test::Answer;
use kenroku_identity::model::PersonState;
use kenroku_jpki::ToBeSigned;
use kenroku_module::test::TestSite;
use kenroku_sim_card::keys::Hash;
use kenroku_sim_card::{Pki, Purpose, Resident};
use kenroku_store::Db;
use serde_json::{Value, json};

use crate::world::{identity, revoked, site, trust};

/// Residents whose certificates are of the newest generation.
pub const ONE: u32 = 3;
pub const OTHER: u32 = 5;

pub struct Browser {
    pub cookies: String,
    pub code: String,
}

pub fn cookies(a: &Answer) -> Vec<String> {
    let all = a.headers.get_all("set-cookie").iter().filter_map(|v| v.to_str().ok());
    all.map(|c| c.split(';').next().unwrap_or_default().to_owned()).collect()
}

/// Begins at the page, as a browser does.
pub async fn begin(site: &TestSite, fields: &str) -> Browser {
    let a = site.post_form("/id/card", &[], fields).await;
    assert_eq!(a.status, StatusCode::SEE_OTHER, "{}", a.text());
    let cookies = cookies(&a).join("; ");
    let code = cookies.rsplit('.').next().unwrap().to_owned();
    let page = site.get_with("/id/card", &[("cookie", &cookies)]).await;
    assert!(page.text().contains(&format!("{}-{}", &code[..4], &code[4..])), "{}", page.text());
    Browser { cookies, code }
}

pub async fn challenge(site: &TestSite, code: &str) -> CardChallenge {
    let a =
        site.post_json("/api/identity/v1/card/challenges", &json!({ "ticket": code.to_lowercase() })).await;
    assert_eq!(a.status, 200, "{}", a.text());
    serde_json::from_value(a.json()).unwrap()
}

fn signature(c: &CardChallenge, resident: u32, purpose: Purpose, text: &str) -> CardSignature {
    let (pki, r) = (Pki::shipped().unwrap(), Resident::new(resident));
    let key = r.key(purpose).unwrap();
    let certificate = pki.ca(purpose, r.generation).issue(&r.leaf(&pki, purpose, &key)).unwrap();
    let nonce: [u8; 32] = hex::decode(&c.nonce).unwrap().try_into().unwrap();
    let tbs = ToBeSigned::new(c.act.word(), &c.relying_party, &c.session, &nonce, text).unwrap();
    let signature = key.sign(Hash::Sha256, tbs.as_bytes()).unwrap();
    CardSignature { certificate: STANDARD.encode(certificate), signature: STANDARD.encode(signature) }
}

pub fn answer(c: &CardChallenge, resident: u32) -> CardAnswer {
    let sign = c.act.needs_signing().then(|| signature(c, resident, Purpose::Sign, &c.text));
    let auth = signature(c, resident, Purpose::Auth, &c.text);
    CardAnswer { session: c.session.clone(), token: CardToken::Card, auth, sign }
}

async fn post(site: &TestSite, a: &CardAnswer) -> Answer {
    site.post_json("/api/identity/v1/card/answers", a).await
}

pub async fn done(site: &TestSite, b: &Browser) -> Answer {
    site.post_form("/id/card/done", &[("cookie", &b.cookies)], "").await
}

pub async fn registered(site: &TestSite, resident: u32) -> Answer {
    let b = begin(site, "act=register&class=resident").await;
    let c = challenge(site, &b.code).await;
    let a = post(site, &answer(&c, resident)).await;
    assert_eq!((a.status, a.json()["state"].as_str()), (StatusCode::OK, Some("done")), "{}", a.text());
    done(site, &b).await
}

#[kenroku_store::test(&[])]
async fn a_card_registers_and_signs_in(db: Db) {
    let site = site(db).await;
    let b = begin(&site, "act=register&class=resident").await;
    let early = done(&site, &b).await;
    assert!(early.status == 200 && early.text().contains("まだ読み取りが終わっていません"));
    assert_eq!(
        site.get_with("/id/card/state", &[("cookie", &b.cookies)]).await.json(),
        json!({"done": false})
    );
    let c = challenge(&site, &b.code).await;
    let a = post(&site, &answer(&c, ONE)).await;
    assert_eq!(a.json()["state"], "done", "{}", a.text());
    assert_eq!(
        site.get_with("/id/card/state", &[("cookie", &b.cookies)]).await.json(),
        json!({"done": true})
    );
    let in_ = done(&site, &b).await;
    assert_eq!((in_.status, in_.header("location")), (StatusCode::SEE_OTHER, "/id?welcome=1"));
    let session = cookies(&in_).join("; ");
    let home = site.get_with("/id?welcome=1", &[("cookie", &session)]).await;
    assert!(home.status == 200 && home.text().contains("いしかわIDができました"), "{}", home.text());
    let again = done(&site, &b).await;
    assert_eq!(again.status, StatusCode::GONE, "a ticket is worth one session");

    let b = begin(&site, "act=sign-in&next=/snow").await;
    let c = challenge(&site, &b.code).await;
    assert!(!c.act.needs_signing());
    assert_eq!(post(&site, &answer(&c, ONE)).await.status, 200);
    let in_ = done(&site, &b).await;
    assert_eq!((in_.status, in_.header("location")), (StatusCode::SEE_OTHER, "/snow"));

    let b = begin(&site, "act=sign-in").await;
    let c = challenge(&site, &b.code).await;
    let unknown = post(&site, &answer(&c, OTHER)).await;
    assert_eq!(
        (unknown.status, unknown.problem_code()),
        (StatusCode::NOT_FOUND, "identity.unknown-card".to_owned())
    );
    assert!(done(&site, &b).await.text().contains("このカードはまだ登録されていません"));
}

#[kenroku_store::test(&[])]
async fn what_is_signed_counts_once_and_word_for_word(db: Db) {
    let site = site(db).await;
    let b = begin(&site, "act=register&class=worker").await;
    let c = challenge(&site, &b.code).await;
    let mut tampered = answer(&c, ONE);
    tampered.auth = signature(&c, ONE, Purpose::Auth, "何かほかのことに同意します。");
    let a = post(&site, &tampered).await;
    assert_eq!((a.status, a.problem_code()), (StatusCode::UNAUTHORIZED, "jpki.signature".to_owned()));
    let honest = post(&site, &answer(&c, ONE)).await;
    assert_eq!(honest.status, StatusCode::GONE, "a failure uses the challenge up");
    assert!(done(&site, &b).await.text().contains("カードを確かめられませんでした"));

    let b = begin(&site, "act=register&class=worker").await;
    let c = challenge(&site, &b.code).await;
    let swapped = CardAnswer { auth: signature(&c, ONE, Purpose::Sign, &c.text), ..answer(&c, ONE) };
    assert_eq!(post(&site, &swapped).await.problem_code(), "jpki.key-usage", "the other certificate");

    let b = begin(&site, "act=register&class=worker").await;
    let c = challenge(&site, &b.code).await;
    let alone = CardAnswer { sign: None, ..answer(&c, ONE) };
    assert_eq!(post(&site, &alone).await.status, StatusCode::BAD_REQUEST);

    let wrong = site.post_json("/api/identity/v1/card/challenges", &json!({ "ticket": "ABCD-2345" })).await;
    assert_eq!(wrong.status, StatusCode::NOT_FOUND);
}

#[kenroku_store::test(&[], concurrent)]
async fn of_two_answers_at_once_one_wins(db: Db) {
    let site = site(db).await;
    let b = begin(&site, "act=register&class=worker").await;
    let c = challenge(&site, &b.code).await;
    let both = answer(&c, ONE);
    let (x, y) = tokio::join!(post(&site, &both), post(&site, &both));
    let mut statuses = [x.status.as_u16(), y.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 410]);
}

#[kenroku_store::test(&[])]
async fn a_known_card_proves_again_and_a_revoked_one_is_sent_to_the_office(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    assert_eq!(registered(&site, ONE).await.status, StatusCode::SEE_OTHER);
    let again = registered(&site, ONE).await;
    assert_eq!(again.header("location"), "/id/profile", "known already: renewed, not refused");

    let issued = begin(&site, "act=replace").await;
    let c = challenge(&site, &issued.code).await;
    let problem = i.card_answer(&trust(revoked()), &answer(&c, ONE)).await.unwrap_err();
    assert_eq!((problem.status, &*problem.code), (410, "jpki.revoked"));
    assert!(done(&site, &issued).await.text().contains("電子証明書が使えなくなっています"));
}

#[kenroku_store::test(&[])]
async fn somebody_alike_waits_and_a_code_ends_in_five_minutes(db: Db) {
    let site = site(db).await;
    let i = identity(&site);
    // Somebody at a counter was entered with the attributes of the card's holder.
    let b = begin(&site, "act=register&class=resident").await;
    let c = challenge(&site, &b.code).await;
    assert_eq!(post(&site, &answer(&c, ONE)).await.status, 200);
    let session = cookies(&done(&site, &b).await).join("; ");
    let page = site.get_with("/id/passkeys", &[("cookie", &session)]).await;
    let id = page.text().split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let refused = site.post_form("/id/passkeys/remove", &[("cookie", &session)], &format!("id={id}")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "the only way to sign in stays");

    let b = begin(&site, "act=sign-in").await;
    let c = challenge(&site, &b.code).await;
    site.app().env().clock.advance(std::time::Duration::from_secs(300));
    assert_eq!(post(&site, &answer(&c, ONE)).await.status, StatusCode::GONE);
    let late = site.post_json("/api/identity/v1/card/challenges", &json!({ "ticket": b.code })).await;
    assert_eq!(late.status, StatusCode::NOT_FOUND);
    assert_eq!(done(&site, &b).await.status, StatusCode::GONE);
    let states: Value = json!(PersonState::ALL.iter().map(|s| s.code()).collect::<Vec<_>>());
    assert_eq!(states.as_array().map(Vec::len), Some(4));
    drop(i);
}
