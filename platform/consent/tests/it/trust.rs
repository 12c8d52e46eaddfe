//! What the vault asks itself, the pause after a no, proxies, laws and dangers.

use std::time::Duration;

use kenroku_access::{Granted, testing};
use kenroku_consent::emergency::Article;
use kenroku_consent::model::{AgreementId, By, LawfulBasis, State, Step, Terms};
use kenroku_consent::sql::RecipientRow;
use kenroku_consent::{Consent, ConsentError, DeclareEmergency, Reply, ViewEmergencies};
use kenroku_contracts::personal::{MandateId, Proxy};
use kenroku_module::test::TestSite;
use kenroku_store::Db;
use kenroku_types::Tenant;
use kenroku_vault::Error;
use serde_json::json;
use uuid::Uuid;

use crate::world::{
    Deputies, NAME, STATE, alone, consent, kaga, known, nomi, officer, past_the_broker, person, program,
    remember, reply, site, terms, vendor,
};

const DAY: Duration = Duration::from_secs(86_400);

#[kenroku_store::test(&[])]
async fn no_module_opens_by_a_consent_that_does_not_hold_now(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, agreement) = vendor(&site, t, 1, "visits").await;
    for n in [5, 6] {
        remember(&site, n, "模擬　一", "良好").await;
    }
    let me = known(5, "consent");
    let over = Err(Error::ConsentOver("probe.by-itself"));
    let record = c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let open = async |office, n, field| past_the_broker(&site, office, n, record, field).await;
    assert_eq!(open(t, 5, &NAME).await, Ok(()));
    assert_eq!(open(t, 5, &STATE).await, over, "an item that was left out");
    assert_eq!(open(t, 6, &NAME).await, over, "another person's");
    assert_eq!(open(kaga(), 5, &NAME).await, over, "another office's");
    assert_eq!(past_the_broker(&site, t, 5, site.app().env().id(), &NAME).await, over, "made up");
    site.app().env().clock.advance(90 * DAY);
    assert_eq!(open(t, 5, &NAME).await, over, "its time is over");
    c.answer(t, agreement, me, reply(Step::Renew, &["probe.name"], 1)).await.unwrap();
    assert_eq!(open(t, 5, &NAME).await, Ok(()));
    c.answer(t, agreement, me, reply(Step::Withdraw, &[], 1)).await.unwrap();
    assert_eq!(open(t, 5, &NAME).await, over, "taken back");
}

#[kenroku_store::test(&[])]
async fn after_a_no_the_recipient_waits_and_is_told_until_when(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, agreement) = vendor(&site, t, 1, "visits").await;
    let api = site.acting(program(t, 1));
    let me = known(5, "consent");
    let ask = async || {
        let body = json!({ "agreement": "visits", "subject": known(5, "vendor-1") });
        api.post_json("/api/consent/v1/requests", &body).await
    };
    let refuse = || c.answer(t, agreement, me, reply(Step::Refuse, &[], 1));
    for days in [30, 90, 365, 365] {
        assert_eq!(ask().await.status, 202);
        refuse().await.unwrap();
        let from = site.app().env().now().plus(days * DAY);
        let no = ask().await;
        assert_eq!((no.status.as_u16(), no.problem_code()), (409, "consent.too-soon".to_owned()));
        assert_eq!(no.json()["errors"][0]["detail"], from.to_string());
        site.app().env().clock.advance(days * DAY - Duration::from_secs(1));
        assert_eq!(ask().await.problem_code(), "consent.too-soon");
        site.app().env().clock.advance(Duration::from_secs(1));
    }
    assert_eq!(ask().await.status, 202);
    refuse().await.unwrap();
    c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    assert_eq!(ask().await.status, 202, "the person can say yes at any time");
    c.answer(t, agreement, me, reply(Step::Withdraw, &[], 1)).await.unwrap();
    let earliest = site.app().env().now().plus(30 * DAY).to_string();
    assert_eq!(ask().await.json()["errors"][0]["detail"], earliest, "after a yes it is the first no again");
}

/// The mother of person 5 decides until `until`.
fn mandate(site: &TestSite, days: u32) -> Proxy {
    let proxy = Proxy {
        mandate: MandateId::from_uuid(Uuid::from_u128(0xA0)),
        principal: known(5, "consent"),
        agent: known(7, "consent"),
        name: "模擬　子".to_owned(),
        child: true,
        until: site.app().env().now().plus(DAY * days),
    };
    site.app().get::<Deputies>().unwrap().0.lock().unwrap().push(proxy.clone());
    proxy
}

fn for_other(p: &Proxy, step: Step, items: &[&str]) -> Reply {
    Reply { by: By::Proxy { who: p.agent, mandate: p.mandate, until: p.until }, ..reply(step, items, 1) }
}

async fn may(c: &Consent, t: Tenant, agreement: AgreementId) -> bool {
    let mut tx = c.db().read().await.unwrap();
    let a = c.agreement(&mut tx, t, agreement).await.unwrap();
    !c.decide(&mut tx, &a, known(5, "consent"), &["probe.name".to_owned()])
        .await
        .unwrap()
        .0
        .allowed
        .is_empty()
}

#[kenroku_store::test(&[])]
async fn a_proxys_yes_ends_with_the_delegation_and_the_person_is_asked(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, agreement) = vendor(&site, t, 1, "visits").await;
    remember(&site, 5, "模擬　子", "良好").await;
    let me = known(5, "consent");
    let p = mandate(&site, 40);
    let record = c.answer(t, agreement, me, for_other(&p, Step::Grant, &["probe.name"])).await.unwrap();
    assert!(may(&c, t, agreement).await);
    assert_eq!(past_the_broker(&site, t, 5, record, &NAME).await, Ok(()));
    let (steps, holds) = c.steps(t, me, record).await.unwrap();
    assert_eq!(holds, Ok(()));
    assert!(matches!(steps[0].1.by, By::Proxy { who, .. } if who == p.agent), "the chain says who");
    let standing = async || c.answers(&[t], me).await.unwrap()[0].record.standing();
    assert_eq!(standing().await.until, Some(p.until), "no longer than the delegation");

    // Ended early, by either side: nothing leaves from then on, also before the clock has tidied up.
    let deputies = site.app().get::<Deputies>().unwrap();
    deputies.0.lock().unwrap().clear();
    assert!(!may(&c, t, agreement).await);
    assert_eq!(past_the_broker(&site, t, 5, record, &NAME).await, Err(Error::ConsentOver("probe.by-itself")));
    assert_eq!(c.end_without_mandate(kaga(), 1).await.unwrap(), 0, "another office's");
    assert_eq!(c.end_without_mandate(t, 1).await.unwrap(), 1);
    assert_eq!(standing().await.state, State::Asked, "the person is asked about what was given for them");
    assert_eq!(c.end_without_mandate(t, 1).await.unwrap(), 0);

    // The hand-over by the clock.
    let p = mandate(&site, 40);
    c.answer(t, agreement, me, for_other(&p, Step::Grant, &["probe.name"])).await.unwrap();
    site.app().env().clock.advance(40 * DAY);
    assert!(!may(&c, t, agreement).await);
    assert_eq!(c.expire_due(t, 10).await.unwrap(), 1);
    assert_eq!((standing().await.state, standing().await.mandate), (State::Asked, None));
    c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    assert!(may(&c, t, agreement).await, "now it is their own");
    let acts: Vec<Step> = c.steps(t, me, record).await.unwrap().0.iter().map(|s| s.1.step).collect();
    use Step::{Draft, Expire, Grant};
    assert_eq!(acts, [Grant, Expire, Draft, Grant, Expire, Draft, Grant]);
}

async fn by_law(site: &TestSite, basis: LawfulBasis, code: &str) -> (RecipientRow, AgreementId) {
    let c = consent(site);
    let (party, _) = vendor(site, nomi(), 1, "visits").await;
    let law = Terms { basis, article: "母子保健法 第11条".to_owned(), ..terms(&["probe.name"]) };
    let id = c.agree(&officer(nomi()), code, party.id, &law).await.unwrap();
    (party, id)
}

#[kenroku_store::test(&[])]
async fn what_a_law_orders_leaves_without_a_yes_and_with_a_trace(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, id) = by_law(&site, LawfulBasis::LegalObligation, "newborns").await;
    remember(&site, 5, "模擬　一", "良好").await;
    let api = site.acting(program(t, 1));
    let facts = async |agreement: &str| {
        let body = json!({ "agreement": agreement, "subject": known(5, "vendor-1") });
        api.post_json("/api/consent/v1/facts", &body).await
    };
    assert_eq!(facts("visits").await.problem_code(), "consent.no-answer");
    let got = facts("newborns").await;
    assert_eq!((got.status.as_u16(), &got.json()["facts"][0]["value"]), (200, &json!("模擬　一")));
    let rows = site.vault().accesses(Tenant::SHARED, known(5, "probe"), None, 9).await.unwrap();
    assert_eq!((rows[0].basis.clone(), rows[0].purpose.as_str()), (format!("law:{id}"), "consent.by-law"));
    assert_eq!(c.provisions_of(&[t], known(5, "consent"), 9).await.unwrap().len(), 1);
    let request = json!({ "agreement": "newborns", "subject": known(5, "vendor-1") });
    assert_eq!(api.post_json("/api/consent/v1/requests", &request).await.problem_code(), "consent.not-now");
    c.end_agreement(&officer(t), id, 1).await.unwrap();
    assert_eq!(facts("newborns").await.problem_code(), "consent.agreement-ended");
}

#[kenroku_store::test(&[])]
async fn a_danger_lets_out_what_was_declared_while_it_lasts_and_the_person_is_told(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, id) = by_law(&site, LawfulBasis::VitalInterest, "rescue").await;
    remember(&site, 5, "模擬　一", "良好").await;
    let me = known(5, "consent");
    let api = site.acting(program(t, 1));
    let facts = async |items: serde_json::Value| {
        let body = json!({ "agreement": "rescue", "subject": known(5, "vendor-1"), "items": items });
        api.post_json("/api/consent/v1/facts", &body).await
    };
    assert_eq!(facts(json!([])).await.problem_code(), "consent.not-declared");
    let admin = |t| Granted::<DeclareEmergency>::for_system("test", t);
    let declare = async |t, reason: &str, hours: u64| {
        c.declare_emergency(&admin(t), id, Article::Disaster, reason, Duration::from_secs(hours * 3600)).await
    };
    let reason = "能美市で震度6強の地震、避難所を開設";
    assert!(matches!(declare(t, "地震", 73).await, Err(ConsentError::Input(f)) if f.len() == 2));
    assert_eq!(declare(kaga(), reason, 6).await, Err(ConsentError::NotFound), "another office's");
    let e = declare(t, reason, 6).await.unwrap();
    assert_eq!(declare(t, reason, 6).await, Err(ConsentError::NotNow), "it is declared already");
    let got = facts(json!([])).await;
    assert_eq!(got.json()["facts"][0]["value"], "模擬　一");
    assert_eq!(facts(json!(["probe.state"])).await.problem_code(), "consent.not-in-agreement");
    let rows = site.vault().accesses(Tenant::SHARED, known(5, "probe"), None, 9).await.unwrap();
    assert_eq!(rows[0].basis, format!("emergency:{e}"));

    // Told, with no way round: the row stands in the transaction of the provision.
    let told = c.told(&[t], me).await.unwrap();
    assert_eq!((told.len(), told[0].0.items(), told[0].0.seen_at), (1, vec!["probe.name"], None));
    assert_eq!(told[0].1.article.citation(), "災害対策基本法 第49条の11第3項");
    assert!(
        c.told(&[kaga()], me).await.unwrap().is_empty()
            && c.told(&[t], known(6, "consent")).await.unwrap().is_empty()
    );
    c.read_told(&[kaga()], me).await.unwrap();
    assert_eq!(c.told(&[t], me).await.unwrap()[0].0.seen_at, None);
    c.read_told(&[t], me).await.unwrap();
    assert!(c.told(&[t], me).await.unwrap()[0].0.seen_at.is_some());

    let data_officer = |t| Granted::<ViewEmergencies>::for_system("test", t);
    assert_eq!(c.emergencies(t).await.unwrap()[0].2, 1, "of one person");
    assert!(c.emergencies(kaga()).await.unwrap().is_empty());
    assert_eq!(c.confirm_emergency(&data_officer(kaga()), e).await, Err(ConsentError::NotFound));
    c.confirm_emergency(&data_officer(t), e).await.unwrap();
    assert!(c.emergencies(t).await.unwrap()[0].0.seen_at.is_some());
    assert_eq!(c.end_emergency(&admin(kaga()), e).await, Err(ConsentError::NotFound));
    c.end_emergency(&admin(t), e).await.unwrap();
    assert_eq!(facts(json!([])).await.problem_code(), "consent.not-declared", "it was ended");
    declare(t, reason, 6).await.unwrap();
    assert_eq!(facts(json!([])).await.status, 200);
    site.app().env().clock.advance(Duration::from_secs(6 * 3600));
    assert_eq!(facts(json!([])).await.problem_code(), "consent.not-declared", "its time is over");
}

/// A recipient's server: takes what comes with these answers, one connection after another.
async fn server(answers: &'static [&'static str]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/events", listener.local_addr().unwrap().port());
    let took = tokio::spawn(async move {
        let mut all = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (mut text, mut buffer) = (String::new(), [0; 4096]);
            while !text.ends_with(".end") {
                let n = socket.read(&mut buffer).await.unwrap();
                text.push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
            let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.unwrap();
            all.push(text);
        }
        all
    });
    (url, took)
}

#[tokio::test]
async fn a_withdrawal_is_pushed_until_it_is_taken_and_waits_for_an_acknowledgement() {
    let site = alone().await;
    let (c, t) = (consent(&site), nomi());
    let (party, agreement) = vendor(&site, t, 1, "visits").await;
    let (url, took) = server(&["503 Busy", "202 Accepted", "202 Accepted"]).await;
    let bad = c.push_to(&officer(t), party.id, Some("http://vendor.example/")).await;
    assert!(matches!(bad, Err(ConsentError::Input(_))), "not in the clear");
    assert_eq!(c.push_to(&officer(kaga()), party.id, Some(&url)).await, Err(ConsentError::NotFound));
    let me = known(5, "consent");
    let record = c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    site.work().await;
    let delivered =
        async || c.open_notices(t, 9).await.unwrap().iter().filter(|n| n.delivered_at.is_some()).count();
    assert_eq!(delivered().await, 0, "there was no server to tell");

    c.push_to(&officer(t), party.id, Some(&url)).await.unwrap();
    c.answer(t, agreement, me, reply(Step::Withdraw, &[], 1)).await.unwrap();
    site.work().await;
    assert_eq!(delivered().await, 0, "its server was busy");
    site.app().env().clock.advance(Duration::from_secs(10));
    site.work().await;
    assert_eq!(delivered().await, 1);
    let notices = c.notices(t, party.id, 9).await.unwrap();
    assert!(c.answers(&[t], me).await.unwrap()[0].untold, "taken is not acknowledged");
    assert_eq!(c.push_again(&officer(kaga()), notices[0].id).await, Err(ConsentError::NotFound));
    c.push_again(&officer(t), notices[0].id).await.unwrap();
    site.work().await;
    let texts = took.await.unwrap();
    assert!(
        texts[1].contains("content-type: application/secevent+jwt") && texts[1].contains("secevent+jwt.")
    );
    let body = texts[1].split_once("secevent+jwt.").unwrap().1.trim_end_matches(".end");
    let claims: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("https://portal.example"), &json!(party.handle)));
    let event = &claims["events"]["urn:ishikawa:consent:changed"];
    assert_eq!((&event["record"], &event["step"]), (&json!(record), &json!("withdraw")));
    assert!(!body.contains(&me.to_string()), "it names nobody");
    for n in &notices {
        assert!(c.acknowledge(t, party.id, n.id).await.unwrap());
    }
    assert!(!c.answers(&[t], me).await.unwrap()[0].untold);
    assert!(c.open_notices(kaga(), 9).await.unwrap().is_empty());
    assert_eq!(c.push_again(&officer(t), notices[0].id).await, Err(ConsentError::NotFound), "acknowledged");
}

#[kenroku_store::test(&[])]
async fn somebody_decides_for_another_on_pages_of_their_own(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    vendor(&site, t, 1, "visits").await;
    let body = json!({ "agreement": "visits", "subject": known(5, "vendor-1") });
    site.acting(program(t, 1)).post_json("/api/consent/v1/requests", &body).await;
    let record = c.answers(&[t], known(5, "consent")).await.unwrap()[0].record.id;
    let mother = site.acting(person(7));
    assert!(mother.get("/my/for").await.text().contains("いません"));
    let p = mandate(&site, 40);
    let base = format!("/my/for/{}/consents", p.mandate);
    let path = format!("{base}/{t}/{record}");
    assert!(mother.get("/my/for").await.text().contains(&base));
    assert!(mother.get(&base).await.text().contains(&path));
    let stranger = site.acting(person(8));
    for way in [&base, &path] {
        assert_eq!(mother.get(way).await.status, 200);
        assert_eq!(stranger.get(way).await.status, 404, "somebody else's delegation");
    }
    let yes = "shown=1&answer=yes&item=probe.name";
    assert_eq!(stranger.post_form(&path, &[], yes).await.status, 404);
    assert!(mother.post_form(&path, &[], yes).await.header("location").ends_with("done=grant"));
    let own = site.acting(person(5)).get(&format!("/my/consents/{t}/{record}")).await.text();
    assert!(own.contains("代理の方が同意しました"), "both see it");
    site.app().get::<Deputies>().unwrap().0.lock().unwrap().clear();
    assert_eq!(mother.get(&path).await.status, 404, "the delegation is over");
    assert_eq!(mother.post_form(&path, &[], "shown=1&answer=withdraw").await.status, 404);
}

#[kenroku_store::test(&[])]
async fn an_administrator_declares_a_danger_the_officer_is_alarmed_and_the_person_reads_it(db: Db) {
    let site = site(db).await;
    let (_, t) = (consent(&site), nomi());
    let (_, id) = by_law(&site, LawfulBasis::VitalInterest, "rescue").await;
    remember(&site, 5, "模擬　一", "良好").await;
    let admin = site.acting(testing::staff(t, &["muni-admin"]));
    let data_officer = site.acting(testing::staff(t, &["data-officer"]));
    let danger = "/staff/consent/danger";
    assert_ne!(data_officer.get(danger).await.status, 200, "whoever is alarmed does not declare");
    assert!(admin.get(danger).await.text().contains("事業者1"));
    let form = |reason: &str| format!("agreement={id}&article=disaster-49-11-3&reason={reason}&hours=6");
    assert!(admin.post_form(danger, &[], "agreement=&article=").await.text().contains("条文を選んで"));
    assert!(admin.post_form(danger, &[], &form("地震")).await.text().contains("10文字から"));
    let reason = form("能美市で震度6強の地震がありました");
    assert_eq!(admin.post_form(danger, &[], &reason).await.status, 303);
    assert!(admin.post_form(danger, &[], &reason).await.text().contains("もう宣言"));
    let body = json!({ "agreement": "rescue", "subject": known(5, "vendor-1") });
    assert_eq!(site.acting(program(t, 1)).post_json("/api/consent/v1/facts", &body).await.status, 200);

    assert!(data_officer.get("/staff/consent").await.text().contains("確かめていない緊急時の提供が 1 件"));
    let page = data_officer.get("/staff/consent/emergencies").await.text();
    assert!(page.contains("震度6強") && page.contains("災害対策基本法") && page.contains("1 人"));
    let other = site.acting(testing::staff(kaga(), &["data-officer"]));
    assert!(!other.get("/staff/consent/emergencies").await.text().contains("震度6強"));
    let e = page.split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(other.post_form("/staff/consent/emergencies", &[], &format!("id={e}")).await.status, 404);
    assert_eq!(
        data_officer.post_form("/staff/consent/emergencies", &[], &format!("id={e}")).await.status,
        303
    );
    assert!(!data_officer.get("/staff/consent").await.text().contains("確かめていない"));

    let me = site.acting(person(5));
    assert!(me.get("/my").await.text().contains("緊急時に、あなたの情報を渡しました"));
    let told = me.get("/my/told").await.text();
    assert!(told.contains("震度6強") && told.contains("事業者1") && told.contains("項目"));
    assert_eq!(me.post_form("/my/told", &[], "").await.status, 303);
    assert!(!me.get("/my").await.text().contains("緊急時に、あなたの情報を渡しました"));
    assert!(me.get("/my/told").await.text().contains("震度6強"), "it stays to be read");
    let law = format!("/my/law/{t}/{id}");
    assert!(me.get("/my/consents").await.text().contains(&law), "listed with what a law let out");
    assert!(me.get("/my/log").await.text().contains(&law));
    assert!(me.get(&law).await.text().contains("母子保健法"));
    assert!(!site.acting(person(6)).get("/my/consents").await.text().contains(&law));
    assert_eq!(admin.post_form("/staff/consent/danger/end", &[], &format!("id={e}")).await.status, 303);
    assert!(admin.get(danger).await.text().contains("終わりました"));
}

#[kenroku_store::test(&[])]
async fn the_officer_sees_what_was_not_acknowledged(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (party, agreement) = vendor(&site, t, 1, "visits").await;
    let me = known(5, "consent");
    c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let record = c.answer(t, agreement, me, reply(Step::Withdraw, &[], 1)).await.unwrap();
    let data_officer = site.acting(testing::staff(t, &["data-officer"]));
    let notices = "/staff/consent/notices";
    assert!(data_officer.get(notices).await.text().contains("提供先が取りに来るのを"));
    let own = site.acting(person(5)).get(&format!("/my/consents/{t}/{record}")).await.text();
    assert!(own.contains("まだ受け取りの返事がありません"));
    let push = |url: &str| format!("id={}&push_url={url}", party.id);
    let set = "/staff/consent/recipients/push";
    let bad = data_officer.post_form(set, &[], &push("http://vendor.example/")).await;
    assert!(bad.text().contains("https:// で始まる"));
    assert_eq!(data_officer.post_form(set, &[], &push("https://vendor.example/events")).await.status, 303);
    assert!(data_officer.get(notices).await.text().contains("まだ届いていません"));
    let waiting = c.notices(t, party.id, 9).await.unwrap();
    let again = format!("id={}", waiting[0].id);
    assert_eq!(data_officer.post_form(notices, &[], &again).await.status, 303);
    for n in waiting {
        c.acknowledge(t, party.id, n.id).await.unwrap();
    }
    assert!(data_officer.get(notices).await.text().contains("返事のない知らせはありません"));
    let own = site.acting(person(5)).get(&format!("/my/consents/{t}/{record}")).await.text();
    assert!(!own.contains("まだ受け取りの返事がありません"));
}
