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

#[kenroku_store::test(&[])]
async fn somebody_objects_to_an_access_and_the_officer_answers(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (_, agreement) = vendor(&site, t, 1, "visits").await;
    remember(&site, 5, "模擬　一", "良好").await;
    c.answer(t, agreement, known(5, "consent"), reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let body = json!({ "agreement": "visits", "subject": known(5, "vendor-1") });
    site.acting(program(t, 1)).post_json("/api/consent/v1/facts", &body).await;
    let me = site.acting(person(5));
    let row = site.vault().accesses(kenroku_types::Tenant::SHARED, known(5, "probe"), None, 1).await.unwrap();
    let path = format!("/my/log/{}/{}", row[0].tenant, row[0].seq);
    assert!(me.get("/my/log").await.text().contains(&path));
    assert!(me.get(&path).await.text().contains("事業者1"));
    assert_eq!(site.acting(person(6)).get(&path).await.status, 404, "about somebody else");
    assert!(me.post_form(&path, &[], "note=+").await.text().contains("1文字以上"));
    let sent = me.post_form(&path, &[], "note=知らない").await;
    assert_eq!(sent.header("location"), "/my/cases");
    assert_eq!(
        me.post_form(&path, &[], "note=もう一度").await.header("location"),
        "/my/cases",
        "one case a row"
    );

    let officer = site.acting(testing::staff(t, &["data-officer"]));
    let list = officer.get("/staff/consent/cases").await.text();
    assert!(list.contains("知らない") && !list.contains("もう一度"));
    let other = site.acting(testing::staff(kaga(), &["data-officer"]));
    assert!(!other.get("/staff/consent/cases").await.text().contains("知らない"));
    let cut = |name: &str| {
        let from = list.find(&format!("name=\"{name}\" value=\"")).unwrap() + name.len() + 15;
        list[from..].split('"').next().unwrap().to_owned()
    };
    let form = format!("id={}&version={}&answer=調べました", cut("id"), cut("version"));
    assert_eq!(other.post_form("/staff/consent/cases", &[], &form).await.status, 404);
    assert_eq!(officer.post_form("/staff/consent/cases", &[], &form).await.status, 303);
    assert_eq!(officer.post_form("/staff/consent/cases", &[], &form).await.status, 409, "answered already");
    assert!(me.get("/my/cases").await.text().contains("調べました"));
    assert!(!site.acting(person(6)).get("/my/cases").await.text().contains("調べました"));
}

#[kenroku_store::test(&[])]
async fn the_officer_registers_a_recipient_and_writes_revises_and_ends_an_agreement(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let officer = site.acting(testing::staff(t, &["data-officer"]));
    let bad = officer.post_form("/staff/consent/recipients", &[], "name=&address=石川県").await.text();
    assert!(bad.contains("200文字"));
    let done = officer.post_form("/staff/consent/recipients", &[], "name=訪問社&address=石川県").await.text();
    assert!(done.contains("登録しました"));
    let id = c.recipients(t).await.unwrap()[0].id;
    let texts: String = ["service", "purpose", "without"]
        .iter()
        .flat_map(|n| ["ja", "yasashii", "en"].map(|l| format!("&{n}_{l}=ことば")))
        .collect();
    let form =
        |more: &str| format!("code=visits&recipient={id}&retention_days=30&valid_days=90{texts}{more}");
    let bad = officer.post_form("/staff/consent/new", &[], &form("")).await.text();
    assert!(bad.contains("20までの項目"), "nothing ticked");
    let none = officer.post_form("/staff/consent/new", &[], "code=visits&recipient=").await.text();
    assert!(none.contains("提供先を選んで"));
    let yes = form("&item=probe.name&item=probe.state&required=probe.name");
    assert_eq!(officer.post_form("/staff/consent/new", &[], &yes).await.header("location"), "/staff/consent");
    assert!(officer.post_form("/staff/consent/new", &[], &yes).await.text().contains("使われています"));
    let a = &c.agreements(t).await.unwrap()[0];
    assert!(a.now.terms.items[0].required && !a.now.terms.items[1].required);
    let path = format!("/staff/consent/agreements/{}", a.row.id);
    assert!(officer.get(&path).await.text().contains("ことば"));
    let less = form("&item=probe.name&version=1");
    assert_eq!(officer.post_form(&path, &[], &less).await.status, 303);
    assert_eq!(officer.post_form(&path, &[], &less).await.status, 409, "somebody was first");
    assert_eq!(officer.post_form(&format!("{path}/end"), &[], "version=2").await.status, 303);
    assert!(c.agreements(t).await.unwrap()[0].row.ended_at.is_some());
    let other = site.acting(testing::staff(kaga(), &["data-officer"]));
    assert_eq!(other.get(&path).await.status, 404);
}

#[kenroku_store::test(&[])]
async fn a_person_sees_and_downloads_what_is_held_and_makes_a_code(db: Db) {
    let site = site(db).await;
    let t = nomi();
    let (_, agreement) = vendor(&site, t, 1, "visits").await;
    remember(&site, 5, "模擬　一", "良好").await;
    let me = site.acting(person(5));
    let page = me.get("/my/data").await.text();
    assert!(page.contains("模擬　一") && page.contains("良好"));
    assert!(me.get("/my/log?own=true").await.text().contains("体調"), "that I looked is recorded");
    assert!(!me.get("/my/log").await.text().contains("体調"));
    let file = me.get("/my/data/download").await;
    assert!(file.header("content-disposition").contains("my-data.json"));
    assert_eq!(file.json()["facts"][0]["facts"][0]["value"], "模擬　一");
    assert!(!site.acting(person(6)).get("/my/data").await.text().contains("模擬　一"));

    assert!(me.get("/my/codes").await.text().contains("事業者1"));
    let path = format!("/my/codes/{t}/{agreement}");
    assert!(me.post_form(&path, &[], "").await.text().contains("1つ以上"));
    let made = me.post_form(&path, &[], "item=probe.name").await.text();
    assert!(made.contains("kr-id__code"), "the code is shown");
}
