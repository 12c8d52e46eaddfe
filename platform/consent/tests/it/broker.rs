//! The broker: what leaves, what does not, and what is recorded.

use std::sync::Arc;

use kenroku_consent::ConsentError;
use kenroku_consent::broker::Inquiry;
use kenroku_consent::model::{Step, Why};
use kenroku_contracts::personal::PseudonymsPort;
use kenroku_store::Db;
use kenroku_types::{Tenant, Timestamp};
use serde_json::json;

use crate::world::{consent, known, nomi, program, reader, remember, reply, site, vendor};

#[kenroku_store::test(&[])]
async fn only_what_was_agreed_to_leaves_and_is_recorded_before(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (party, agreement) = vendor(&site, t, 1, "visits").await;
    remember(&site, 5, "模擬　一", "良好").await;
    let names: Arc<PseudonymsPort> = site.app().get().unwrap();
    let theirs = known(5, "vendor-1");
    let obtain = async || {
        let inquiry =
            Inquiry { party: &party, agreement: "visits", subject: theirs, items: &[], request: None };
        c.obtain(&*names.0, &reader(t), inquiry).await
    };
    assert_eq!(obtain().await, Err(ConsentError::Refused("no-answer")));
    let record = c.request(&*names.0, &reader(t), &party, "visits", theirs).await.unwrap();
    assert_eq!(obtain().await, Err(ConsentError::Refused("no-answer")), "asked is not agreed");
    let accesses = async || site.vault().accesses(Tenant::SHARED, known(5, "probe"), None, 10).await.unwrap();
    assert!(accesses().await.is_empty(), "nothing was opened");

    let me = known(5, "consent");
    c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let got = obtain().await.unwrap();
    assert_eq!(got.consent, record);
    assert_eq!(got.facts.len(), 1);
    assert_eq!((got.facts[0].code, &got.facts[0].value), ("probe.name", &json!("模擬　一")));
    assert_eq!(got.refused, [("probe.state".to_owned(), Why::LeftOut)]);
    let rows = accesses().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].basis, format!("consent:{record}"));
    assert_eq!(rows[0].fields, "probe.probe_fact.name", "the other field was not opened");
    let kept = c.provisions(t, Timestamp::from_micros(i64::MAX), 10).await.unwrap();
    assert_eq!((kept.len(), kept[0].record, kept[0].recipient), (1, record, party.id));
    assert_eq!(kept[0].items().into_iter().collect::<Vec<_>>(), ["probe.name"]);
    assert_eq!(c.provisions_of(&[t], me, 10).await.unwrap().len(), 1);

    c.answer(t, agreement, me, reply(Step::Withdraw, &[], 1)).await.unwrap();
    assert_eq!(obtain().await, Err(ConsentError::Refused("withdrawn")));
    assert_eq!(accesses().await.len(), 1, "nothing more was opened");
}

#[kenroku_store::test(&[])]
async fn a_recipient_reaches_its_own_agreements_and_people_only(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (party, agreement) = vendor(&site, t, 1, "visits").await;
    let (other, _) = vendor(&site, t, 2, "else").await;
    remember(&site, 5, "模擬　一", "良好").await;
    c.answer(t, agreement, known(5, "consent"), reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let names: Arc<PseudonymsPort> = site.app().get().unwrap();
    let obtain = async |party, subject| {
        let inquiry = Inquiry { party, agreement: "visits", subject, items: &[], request: None };
        c.obtain(&*names.0, &reader(t), inquiry).await
    };
    assert!(obtain(&party, known(5, "vendor-1")).await.is_ok());
    assert_eq!(obtain(&other, known(5, "vendor-2")).await, Err(ConsentError::NotFound));
    let stranger = obtain(&party, known(5, "vendor-2")).await;
    assert_eq!(stranger, Err(ConsentError::Refused("no-answer")), "another's pseudonym is nobody");
}

#[kenroku_store::test(&[])]
async fn a_program_asks_receives_is_told_and_acknowledges(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, agreement) = vendor(&site, t, 1, "visits").await;
    remember(&site, 5, "模擬　一", "良好").await;
    let api = site.acting(program(t, 1));
    let body = json!({ "agreement": "visits", "subject": known(5, "vendor-1") });
    let facts = "/api/consent/v1/facts";
    assert_eq!(api.post_json(facts, &body).await.problem_code(), "consent.no-answer");
    assert_eq!(api.post_json("/api/consent/v1/requests", &body).await.status, 202);
    c.answer(t, agreement, known(5, "consent"), reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let got = api.post_json(facts, &body).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.json()["facts"][0]["value"], "模擬　一");
    assert_eq!(got.json()["refused"][0]["code"], "left-out");

    let list = format!(
        "/api/consent/v1/verification/consent-records?dataAgreementId=visits&individualId={}",
        known(5, "vendor-1")
    );
    let record = &api.get(&list).await.json()["consentRecords"][0];
    assert_eq!((&record["optIn"], &record["standing"]), (&json!(true), &json!("granted")));
    assert_eq!(record["dataClass"], "special-care");
    let all = api.get("/api/consent/v1/verification/consent-records?dataAgreementId=visits&limit=1").await;
    assert_eq!(all.json()["consentRecords"][0]["individual"], json!(known(5, "vendor-1")));
    let next = all.json()["next"].as_str().unwrap().to_owned();
    let rest =
        format!("/api/consent/v1/verification/consent-records?dataAgreementId=visits&limit=1&cursor={next}");
    assert_eq!(api.get(&rest).await.json()["consentRecords"], json!([]));

    c.answer(t, agreement, known(5, "consent"), reply(Step::Withdraw, &[], 1)).await.unwrap();
    let refused = api.post_json(facts, &body).await;
    assert_eq!((refused.status.as_u16(), refused.problem_code()), (403, "consent.withdrawn".to_owned()));
    let notices = api.get("/api/consent/v1/notices").await.json();
    let steps: Vec<&str> = notices.as_array().unwrap().iter().map(|n| n["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["grant", "withdraw"]);
    for n in notices.as_array().unwrap() {
        let path = format!("/api/consent/v1/notices/{}/acknowledge", n["id"].as_str().unwrap());
        assert_eq!(api.post_json(&path, &json!({})).await.status, 204);
        assert_eq!(api.post_json(&path, &json!({})).await.status, 204, "again");
    }
    assert_eq!(api.get("/api/consent/v1/notices").await.json(), json!([]));
    assert!(!c.answers(&[t], known(5, "consent")).await.unwrap()[0].untold);

    let stranger = site.acting(program(t, 9));
    assert_eq!(stranger.post_json(facts, &body).await.problem_code(), "consent.not-a-recipient");
    let elsewhere = site.acting(program(crate::world::kaga(), 1));
    assert_eq!(elsewhere.post_json(facts, &body).await.problem_code(), "consent.not-a-recipient");
    assert_eq!(site.post_json(facts, &body).await.status, 401, "no key");
}

#[kenroku_store::test(&[])]
async fn a_share_code_works_once_for_its_recipient_and_for_ten_minutes(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, agreement) = vendor(&site, t, 1, "visits").await;
    vendor(&site, t, 2, "else").await;
    remember(&site, 5, "模擬　一", "良好").await;
    let me = known(5, "consent");
    let a = c.agreement(&mut c.db().read().await.unwrap(), t, agreement).await.unwrap();
    let name: std::collections::BTreeSet<String> = ["probe.name".to_owned()].into();
    let none = Default::default();
    assert!(matches!(c.share_once(&a, me, &none).await, Err(ConsentError::Input(_))));
    let code = c.share_once(&a, me, &name).await.unwrap();
    let redeem = async |n: u128, code: &str| {
        let body = json!({ "code": code });
        site.acting(program(t, n)).post_json("/api/consent/v1/codes/redeem", &body).await
    };
    assert_eq!(redeem(1, "AAAA-AAAA").await.status, 404, "guessed");
    assert_eq!(redeem(2, &code).await.status, 404, "another recipient");
    let got = redeem(1, &code.to_lowercase().replace('-', " ")).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.json()["subject"], json!(known(5, "vendor-1")));
    assert_eq!(got.json()["facts"][0]["value"], "模擬　一");
    assert_eq!(got.json()["facts"].as_array().unwrap().len(), 1, "what was not ticked stays");
    assert_eq!(redeem(1, &code).await.status, 404, "used");
    assert_eq!(c.provisions_of(&[t], me, 10).await.unwrap().len(), 1);
    let mine = c.codes(&[t], me).await.unwrap();
    let rows = site.vault().accesses(Tenant::SHARED, known(5, "probe"), None, 10).await.unwrap();
    assert_eq!(rows[0].basis, format!("consent:{}", mine[0].0.id), "the log leads to the code");

    let late = c.share_once(&a, me, &name).await.unwrap();
    site.app().env().clock.advance(std::time::Duration::from_secs(601));
    assert_eq!(redeem(1, &late).await.status, 404);
    let stale = c.share_once(&a, me, &name).await.unwrap();
    let words = crate::world::terms(&["probe.name"]);
    c.revise(&crate::world::officer(t), agreement, 1, &words).await.unwrap();
    assert_eq!(redeem(1, &stale).await.problem_code(), "consent.outdated");
}

#[kenroku_store::test(&[])]
async fn provisions_and_codes_end_each_by_its_own_span(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (party, agreement) = vendor(&site, t, 1, "visits").await;
    remember(&site, 5, "模擬　一", "良好").await;
    let me = known(5, "consent");
    let a = c.agreement(&mut c.db().read().await.unwrap(), t, agreement).await.unwrap();
    c.share_once(&a, me, &["probe.name".to_owned()].into()).await.unwrap();
    c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let names: Arc<PseudonymsPort> = site.app().get().unwrap();
    let inquiry = Inquiry {
        party: &party,
        agreement: "visits",
        subject: known(5, "vendor-1"),
        items: &["probe.name".to_owned()],
        request: None,
    };
    c.obtain(&*names.0, &reader(t), inquiry).await.unwrap();
    let (env, day) = (site.app().env(), std::time::Duration::from_secs(86_400));
    let left = async |provisions: u32, codes: u32| {
        let now = env.now();
        c.purge(t, now.minus(day * provisions), now.minus(day * codes)).await.unwrap();
        (c.provisions_of(&[t], me, 10).await.unwrap().len(), c.codes(&[t], me).await.unwrap().len())
    };
    env.clock.advance(day * 10);
    assert_eq!(left(11, 11).await, (1, 1));
    assert_eq!(left(11, 9).await, (1, 0));
    assert_eq!(left(9, 9).await, (0, 0));
}
