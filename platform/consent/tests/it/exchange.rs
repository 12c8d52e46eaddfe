//! Deliveries, many people in one call, subscriptions.

use kenroku_access::{Actor, Permission as _};
use kenroku_consent::model::{AgreementId, DataUse, RecipientKind, State, Step, Terms, What};
use kenroku_consent::sql::RecipientRow;
use kenroku_consent::{Consent, Deliver, NewRecipient, Obtain, pxr};
use kenroku_contracts::personal::{FactsChanged, FactsPort};
use kenroku_module::test::TestSite;
use kenroku_store::Db;
use kenroku_types::{Tenant, Timestamp};
use serde_json::{Value, json};

use crate::world::{
    alone, client, consent, kaga, known, nomi, officer, person, reader, remember, reply, site, terms, vendor,
};

const DELIVERIES: &str = "/api/consent/v1/deliveries";

/// The program of vendor `n`, with both rights.
fn both(tenant: Tenant, n: u128) -> Actor {
    let scopes = [Obtain::META, Deliver::META].iter().map(|m| m.id.to_owned()).collect();
    Actor::Client { id: client(n), tenant, scopes }
}

/// Vendor 1 reads under `visits` and delivers under `reports`; vendor 2 reads what was delivered under `notes`.
async fn world(site: &TestSite) -> (RecipientRow, [AgreementId; 3]) {
    let (c, t) = (consent(site), nomi());
    let (party, visits) = vendor(site, t, 1, "visits").await;
    let items = ["delivered.visited-on", "delivered.visit-note"];
    let reports = Terms { data_use: DataUse::Source, ..terms(&items) };
    let reports = c.agree(&officer(t), "reports", party.id, &reports).await.unwrap();
    let (other, _) = vendor(site, t, 2, "else").await;
    let notes = c.agree(&officer(t), "notes", other.id, &terms(&items)).await.unwrap();
    (party, [visits, reports, notes])
}

async fn yes(c: &Consent, agreement: AgreementId, n: u128, items: &[&str]) {
    c.answer(nomi(), agreement, known(n, "consent"), reply(Step::Grant, items, 1)).await.unwrap();
}

fn delivery(agreement: &str, n: u128, facts: Value) -> Value {
    json!({ "agreement": agreement, "subject": known(n, "vendor-1"), "facts": facts })
}

#[kenroku_store::test(&[])]
async fn what_is_delivered_is_the_persons_and_leaves_again_by_another_consent(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, [_, reports, notes]) = world(&site).await;
    let api = site.acting(both(t, 1));
    let day = json!({ "item": "delivered.visited-on", "value": "2026-01-20", "method": "visit" });
    let note = json!({ "item": "delivered.visit-note", "value": "元気です" });
    let deliver =
        async |agreement: &str, facts: Value| api.post_json(DELIVERIES, &delivery(agreement, 5, facts)).await;

    assert_eq!(deliver("reports", json!([day])).await.problem_code(), "consent.no-answer");
    yes(&c, reports, 5, &["delivered.visited-on"]).await;
    assert_eq!(
        deliver("reports", json!([day, note])).await.problem_code(),
        "consent.left-out",
        "all or none"
    );
    assert_eq!(c.delivered(known(5, "consent")).await.unwrap(), []);
    assert_eq!(deliver("visits", json!([day])).await.status, 404, "that one is for reading");
    let done = deliver("reports", json!([day])).await;
    assert_eq!(
        (done.status.as_u16(), done.json()),
        (201, json!([{ "item": "delivered.visited-on", "version": 1 }]))
    );
    let corrected = json!({ "item": "delivered.visited-on", "value": "2026-01-21" });
    assert_eq!(deliver("reports", json!([corrected])).await.json()[0]["version"], 2);
    let versions = c.delivered(known(5, "consent")).await.unwrap();
    assert_eq!(
        versions.iter().map(|v| (v.version, v.replaced_at.is_some())).collect::<Vec<_>>(),
        [(1, true), (2, false)]
    );
    assert_eq!(c.delivered(known(6, "consent")).await.unwrap(), [], "about somebody else");

    for bad in [
        json!([]),
        json!([{ "item": "probe.name", "value": "x" }]),
        json!([day, day]),
        json!([{ "item": "delivered.visited-on", "value": null }]),
        json!([{ "item": "delivered.visited-on", "value": "x".repeat(5_000) }]),
    ] {
        assert_eq!(deliver("reports", bad).await.problem_code(), "consent.input");
    }
    let stranger = delivery("reports", 5_000, json!([day]));
    assert_eq!(api.post_json(DELIVERIES, &stranger).await.problem_code(), "consent.no-answer");
    let elsewhere = site.acting(both(kaga(), 1));
    let e = elsewhere.post_json(DELIVERIES, &delivery("reports", 5, json!([day]))).await;
    assert_eq!(e.problem_code(), "consent.not-a-recipient");
    let reads_only = site.acting(crate::world::program(t, 1));
    assert_eq!(reads_only.post_json(DELIVERIES, &delivery("reports", 5, json!([day]))).await.status, 403);

    // The person sees it with who delivered it; another recipient by a consent of its own.
    let page = site.acting(person(5)).get("/my/data").await.text();
    assert!(page.contains("1月21日") && page.contains("事業者1") && !page.contains("1月20日"), "{page}");
    assert!(!site.acting(person(6)).get("/my/data").await.text().contains("事業者1"));
    let reader = site.acting(both(t, 2));
    let body = json!({ "agreement": "notes", "subject": known(5, "vendor-2") });
    assert_eq!(reader.post_json("/api/consent/v1/facts", &body).await.problem_code(), "consent.no-answer");
    yes(&c, notes, 5, &["delivered.visited-on"]).await;
    let got = reader.post_json("/api/consent/v1/facts", &body).await.json();
    assert_eq!(
        (&got["facts"][0]["value"], &got["facts"][0]["source"]),
        (&json!("2026-01-21"), &json!("事業者1"))
    );
    let log = site.acting(person(5)).get("/my/log").await.text();
    assert!(log.contains("事業者2") && log.contains("届けられたデータ"));
    let not_for_reading = json!({ "agreement": "reports", "subject": known(5, "vendor-1") });
    assert_eq!(api.post_json("/api/consent/v1/facts", &not_for_reading).await.status, 404);

    c.answer(t, reports, known(5, "consent"), reply(Step::Withdraw, &[], 1)).await.unwrap();
    assert_eq!(deliver("reports", json!([day])).await.problem_code(), "consent.withdrawn");
}

#[kenroku_store::test(&[])]
async fn many_people_are_decided_about_one_by_one(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, [visits, ..]) = world(&site).await;
    for n in [5, 6, 7] {
        remember(&site, n, &format!("模擬　{n}"), "良好").await;
    }
    yes(&c, visits, 5, &["probe.name"]).await;
    yes(&c, visits, 7, &["probe.name", "probe.state"]).await;
    let api = site.acting(both(t, 1));
    let many = async |subjects: Vec<Value>| {
        let body = json!({ "agreement": "visits", "subjects": subjects });
        api.post_json("/api/consent/v1/facts/bulk", &body).await
    };
    let known: Vec<Value> = [5, 6, 7, 5_000].iter().map(|n| json!(known(*n, "vendor-1"))).collect();
    let got = many(known.clone()).await.json();
    let facts: Vec<usize> =
        got.as_array().unwrap().iter().map(|o| o["facts"].as_array().unwrap().len()).collect();
    assert_eq!(facts, [1, 0, 2, 0]);
    assert_eq!((&got[0]["subject"], &got[0]["facts"][0]["value"]), (&known[0], &json!("模擬　5")));
    assert_eq!(got[0]["refused"][0]["code"], "left-out");
    assert_eq!(
        (&got[1]["code"], &got[3]["code"]),
        (&json!("consent.no-answer"), &json!("consent.no-answer"))
    );
    assert_eq!(
        c.provisions(t, Timestamp::from_micros(i64::MAX), 9).await.unwrap().len(),
        2,
        "one record each"
    );
    assert_eq!(many(Vec::new()).await.problem_code(), "consent.input");
    assert_eq!(many(vec![known[0].clone(); 101]).await.problem_code(), "consent.input");
    assert_eq!(many(vec![known[0].clone(); 100]).await.status, 200);
}

#[tokio::test]
async fn a_subscriber_is_told_to_read_again_and_of_nobody_elses_change() {
    let site = alone().await;
    let (c, t) = (consent(&site), nomi());
    let (party, [visits, ..]) = world(&site).await;
    let api = site.acting(both(t, 1));
    let subscriptions = "/api/consent/v1/subscriptions";
    let subscribe =
        async |agreement: &str| api.post_json(subscriptions, &json!({ "agreement": agreement })).await;
    assert_eq!(subscribe("reports").await.status, 404, "that one delivers");
    assert_eq!(subscribe("notes").await.status, 404, "another recipient's");
    let first = subscribe("visits").await;
    assert_eq!(first.status, 201);
    assert_eq!(subscribe("visits").await.json()["id"], first.json()["id"], "the same again");
    assert_eq!(api.get(subscriptions).await.json().as_array().unwrap().len(), 1);
    yes(&c, visits, 5, &["probe.name"]).await;
    for n in c.notices(t, party.id, 9).await.unwrap() {
        c.acknowledge(t, party.id, n.id).await.unwrap();
    }
    let change = async |n: u128, item: &str| {
        let event = FactsChanged {
            module: "probe".to_owned(),
            subject: known(n, "probe"),
            items: vec![item.to_owned()],
        };
        let mut tx = site.app().db().begin().await.unwrap();
        site.app().bus().publish(&mut tx, Tenant::SHARED, &event).await.unwrap();
        tx.commit().await.unwrap();
        site.work().await;
        c.notices(t, party.id, 9).await.unwrap().iter().map(|n| n.step).collect::<Vec<_>>()
    };
    assert_eq!(change(5, "probe.state").await, [], "what it may not see");
    assert_eq!(change(6, "probe.name").await, [], "of somebody who said nothing");
    assert_eq!(change(5, "probe.name").await, [What::Changed]);
    assert_eq!(change(5, "probe.name").await, [What::Changed], "told once until it is acknowledged");
    let path = format!("{subscriptions}/{}", first.json()["id"].as_str().unwrap());
    let end = async |n: u128| {
        let (api, none) = (site.acting(both(t, n)), axum::body::Body::empty());
        api.request(axum::http::Method::DELETE, &path, &[], none).await.status
    };
    assert_eq!(end(2).await, 404);
    assert_eq!(c.subscriptions(kaga(), party.id).await.unwrap().len(), 0);
    assert_eq!(end(1).await, 204);
    for n in c.notices(t, party.id, 9).await.unwrap() {
        c.acknowledge(t, party.id, n.id).await.unwrap();
    }
    assert_eq!(change(5, "probe.name").await, [], "unsubscribed");
}

#[kenroku_store::test(&[])]
async fn a_change_is_told_once_until_it_is_acknowledged(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (party, [visits, ..]) = world(&site).await;
    let first = c.subscribe(&reader(t), &party, "visits").await.unwrap();
    assert_eq!(c.subscribe(&reader(t), &party, "visits").await.unwrap().id, first.id, "the same again");
    let changed = FactsChanged {
        module: "probe".to_owned(),
        subject: known(5, "probe"),
        items: vec!["probe.name".to_owned()],
    };
    assert_eq!(c.tell_changes(t, &changed).await.unwrap(), 0, "nobody said yes");
    yes(&c, visits, 5, &["probe.name"]).await;
    assert_eq!(c.tell_changes(kaga(), &changed).await.unwrap(), 0, "another office's");
    assert_eq!(c.tell_changes(t, &changed).await.unwrap(), 1);
    assert_eq!(c.tell_changes(t, &changed).await.unwrap(), 0, "not acknowledged yet");
    assert!(c.unsubscribe(kaga(), party.id, first.id).await.is_err());
    c.unsubscribe(t, party.id, first.id).await.unwrap();
    for n in c.notices(t, party.id, 9).await.unwrap() {
        c.acknowledge(t, party.id, n.id).await.unwrap();
    }
    assert_eq!(c.tell_changes(t, &changed).await.unwrap(), 0, "unsubscribed");
}

#[kenroku_store::test(&[])]
async fn a_module_of_ours_learns_anothers_facts_by_an_agreement_of_its_own(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    remember(&site, 5, "模擬　一", "良好").await;
    let new = NewRecipient {
        kind: RecipientKind::Module,
        handle: "letters".to_owned(),
        sector: "letters".to_owned(),
        name: "お知らせ".to_owned(),
        address: "石川県能美市".to_owned(),
        representative: String::new(),
    };
    let id = c.register_recipient(&officer(t), new).await.unwrap();
    let agreement = c.agree(&officer(t), "letters", id, &terms(&["probe.name"])).await.unwrap();
    let port = site.app().get::<FactsPort>().unwrap();
    let read = async |module, office| port.0.facts(module, office, "letters", known(5, "letters")).await;
    assert_eq!(read("letters", t).await.unwrap_err().code, "consent.no-answer");
    yes(&c, agreement, 5, &["probe.name"]).await;
    let got = read("letters", t).await.unwrap();
    assert_eq!((got.len(), &got[0].value, got[0].source.as_str()), (1, &json!("模擬　一"), "probe"));
    assert_eq!(
        read("letters", kaga()).await.unwrap_err().code,
        "consent.not-a-recipient",
        "another office's"
    );
    assert_eq!(read("other", t).await.unwrap_err().code, "consent.not-a-recipient");
    let log = site.acting(person(5)).get("/my/log").await.text();
    assert!(log.contains("お知らせ"), "in the person's log like everybody");
}

#[kenroku_store::test(&[])]
async fn a_book_is_taken_along_and_what_is_brought_is_put_to_the_person(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, [visits, reports, _]) = world(&site).await;
    remember(&site, 5, "模擬　一", "良好").await;
    yes(&c, visits, 5, &["probe.name"]).await;
    yes(&c, reports, 5, &["delivered.visited-on"]).await;
    let day = json!([{ "item": "delivered.visited-on", "value": "2026-01-20" }]);
    site.acting(both(t, 1)).post_json(DELIVERIES, &delivery("reports", 5, day)).await;
    let file = site.acting(person(5)).get("/my/data/download/pxr").await;
    let book = pxr::read(&file.text()).unwrap();
    let ways: Vec<&str> = book.data_operation.iter().map(|o| o.way.as_str()).collect();
    assert_eq!((ways.contains(&"share"), ways.contains(&"store"), book.ctoken.len()), (true, true, 1));
    let shared = book.data_operation.iter().find(|o| o.way == "share").unwrap();
    let said: Vec<bool> = shared.data_type.iter().map(|d| d.consent_flg).collect();
    assert_eq!((said, shared.status.as_str()), (vec![true, false], "granted"));
    assert!(
        book.thing.iter().any(|x| x.value == "模擬　一") && book.thing.iter().any(|x| x.source == "事業者1")
    );

    // Somebody else brings the same file: it is put to them, and it is no yes.
    let other = site.acting(person(6));
    let text: String = file.text().bytes().map(|b| format!("%{b:02X}")).collect();
    let brought = other.post_form("/my/data/bring", &[], &format!("book={text}")).await.text();
    assert!(brought.contains("お返事を待っている同意に加えました"), "{brought}");
    let standing = c.answers(&[t], known(6, "consent")).await.unwrap();
    let states: Vec<State> = standing.iter().map(|a| a.record.standing().state).collect();
    assert_eq!(states, [State::Asked, State::Asked]);
    let body = json!({ "agreement": "visits", "subject": known(6, "vendor-1") });
    let facts = site.acting(both(t, 1)).post_json("/api/consent/v1/facts", &body).await;
    assert_eq!(facts.problem_code(), "consent.no-answer");
    let again = other.post_form("/my/data/bring", &[], &format!("book={text}")).await.text();
    assert!(again.contains("使える同意はありません"), "asked once");
    // Other words are another agreement.
    c.revise(&officer(t), visits, 1, &Terms { retention_days: 7, ..terms(&["probe.name"]) }).await.unwrap();
    let third = c.bring(&[t], known(7, "consent"), &book).await.unwrap();
    assert_eq!(third.iter().map(|a| a.row.code.as_str()).collect::<Vec<_>>(), ["reports"]);
    assert!(c.bring(&[kaga()], known(8, "consent"), &book).await.unwrap().is_empty(), "another office's");
    for bad in ["", "{}", "[1]", "{\"format\":\"other/1\"}"] {
        assert!(pxr::read(bad).is_err());
    }
    assert!(other.post_form("/my/data/bring", &[], "book=x").await.text().contains("すべて貼って"));
}
