//! The pages in the process: a person answers by form; the data officer sees the record.

use kenroku_access::testing;
use kenroku_consent::model::{State, Step};
use kenroku_store::Db;
use serde_json::json;

use crate::world::{consent, kaga, known, nomi, person, program, remember, reply, site, vendor};

#[kenroku_store::test(&[])]
async fn a_person_reads_agrees_sees_who_looked_and_takes_it_back(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    vendor(&site, t, 1, "visits").await;
    remember(&site, 5, "模擬　一", "良好").await;
    let api = site.acting(program(t, 1));
    let body = json!({ "agreement": "visits", "subject": known(5, "vendor-1") });
    api.post_json("/api/consent/v1/requests", &body).await;

    let me = site.acting(person(5));
    assert!(me.get("/my").await.text().contains("1 件"));
    let list = me.get("/my/consents").await.text();
    let record = c.answers(&[t], known(5, "consent")).await.unwrap()[0].record.id;
    let path = format!("/my/consents/{t}/{record}");
    assert!(list.contains(&path));
    assert!(me.get(&path).await.text().contains("事業者1"));
    assert_eq!(site.acting(person(6)).get(&path).await.status, 404, "somebody else's");
    assert_eq!(site.acting(person(6)).post_form(&path, &[], "shown=1&answer=no").await.status, 404);

    let state = async || c.answers(&[t], known(5, "consent")).await.unwrap()[0].record.standing().state;
    let none = me.post_form(&path, &[], "shown=1&answer=yes").await;
    assert!(none.header("location").ends_with("done=missing"), "{}", none.header("location"));
    assert_eq!(state().await, State::Asked);
    let old = me.post_form(&path, &[], "shown=9&answer=yes&item=probe.name").await;
    assert!(old.header("location").ends_with("done=changed"));
    let yes = me.post_form(&path, &[], "shown=1&answer=yes&item=probe.name").await;
    assert!(yes.header("location").ends_with("done=grant"));
    assert_eq!(state().await, State::Granted);
    assert!(me.get(yes.header("location")).await.text().contains("同意しました"));

    assert!(me.get("/my/log").await.text().contains("記録はありません"));
    assert_eq!(api.post_json("/api/consent/v1/facts", &body).await.status, 200);
    let log = me.get("/my/log").await.text();
    assert!(log.contains("事業者1") && log.contains("氏名") && log.contains(&path));
    assert!(!site.acting(person(6)).get("/my/log").await.text().contains("事業者1"));

    me.post_form(&path, &[], "shown=1&answer=withdraw").await;
    assert_eq!(state().await, State::Withdrawn);
    assert_eq!(api.post_json("/api/consent/v1/facts", &body).await.status, 403);
    assert_eq!(site.get("/my").await.status, 401, "nobody signed in");
}

#[kenroku_store::test(&[])]
async fn the_data_officer_sees_agreements_and_provisions_of_the_own_office(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, agreement) = vendor(&site, t, 1, "visits").await;
    remember(&site, 5, "模擬　一", "良好").await;
    c.answer(t, agreement, known(5, "consent"), reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let body = json!({ "agreement": "visits", "subject": known(5, "vendor-1") });
    site.acting(program(t, 1)).post_json("/api/consent/v1/facts", &body).await;
    let officer = site.acting(testing::staff(t, &["data-officer"]));
    assert!(officer.get("/staff/consent").await.text().contains("事業者1"));
    let record = officer.get("/staff/consent/provisions").await.text();
    assert!(record.contains("事業者1") && !record.contains("模擬　一"), "it holds no names of people");
    let other = site.acting(testing::staff(kaga(), &["data-officer"]));
    assert!(!other.get("/staff/consent/provisions").await.text().contains("事業者1"));
    let clerk = site.acting(testing::staff(t, &["muni-admin"]));
    assert_ne!(clerk.get("/staff/consent/provisions").await.status, 200);
}
