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
