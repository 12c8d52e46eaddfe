//! The logs of recipients beside ours, and ours for recipients.

use std::sync::{Arc, Mutex};

use kenroku_access::testing;
use kenroku_consent::Consent;
use kenroku_consent::model::{AgreementId, RecipientId, Step, Terms};
use kenroku_consent::usage::{Beat, NewHolder};
use kenroku_module::test::TestSite;
use kenroku_store::Db;
use kenroku_types::{Tenant, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{
    alone, consent, kaga, known, nomi, officer, person, program, remember, reply, site, terms, vendor,
};

/// A server of somebody else's: what it answers to a path, or nothing at all; and what it was asked.
struct Stub {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn stub(answer: impl Fn(&str) -> Option<(u16, Value)> + Send + 'static) -> Stub {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/log/", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut waiting = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = String::new();
            let mut chunk = [0; 2048];
            while !text.contains("\r\n\r\n") {
                let Ok(n @ 1..) = stream.read(&mut chunk).await else { break };
                text.push_str(&String::from_utf8_lossy(&chunk[..n]));
            }
            let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
            heard.lock().unwrap().push(text);
            let Some((status, body)) = answer(&path) else {
                waiting.push(stream);
                continue;
            };
            let body = body.to_string();
            let head =
                format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    Stub { url, asked }
}

fn visits() -> Value {
    json!({ "totalUsages": 3, "usages": [{ "logtime": "2026-01-13T15:00:00+09:00", "action": "訪問の準備",
        "receiverCode": "m-1", "receiverName": "助産師", "receiverSystem": "visits" }] })
}

fn begun() -> Timestamp {
    "2026-01-01T00:00:00+09:00".parse().unwrap()
}

async fn link(site: &TestSite, t: Tenant, recipient: RecipientId, url: &str) {
    let new = NewHolder { recipient, url: url.to_owned(), key: "their-key".to_owned(), since: begun() };
    consent(site).link_usage(site.vault(), &officer(t), new).await.unwrap();
}

async fn agreed(site: &TestSite, t: Tenant, n: u128) -> RecipientId {
    let (party, agreement) = vendor(site, t, n, &format!("visits-{n}")).await;
    consent(site)
        .answer(t, agreement, known(5, "consent"), reply(Step::Grant, &["probe.name"], 1))
        .await
        .unwrap();
    party.id
}

#[kenroku_store::test(&[], concurrent)]
async fn what_recipients_tell_stands_between_our_rows_and_who_is_silent_is_named(db: Db) {
    let site = site(db).await;
    let t = nomi();
    remember(&site, 5, "模擬　一", "良好").await;
    let answering = stub(|path| path.starts_with("/log/v2/findUsage").then(|| (200, visits()))).await;
    let hanging = stub(|_| None).await;
    let other = stub(|_| Some((200, json!({ "totalUsages": "?" })))).await;
    let stranger = stub(|_| Some((200, visits()))).await;
    for (n, s) in [(1, &answering), (2, &hanging), (3, &other)] {
        let recipient = agreed(&site, if n == 2 { kaga() } else { t }, n).await;
        link(&site, if n == 2 { kaga() } else { t }, recipient, &s.url).await;
    }
    let (unknown, _) = vendor(&site, t, 4, "else").await;
    link(&site, t, unknown.id, &stranger.url).await;
    let me = site.acting(person(5));
    me.get("/my/data").await;

    let page = me.get("/my/log").await.text();
    assert!(page.contains("事業者1（助産師）") && page.contains("訪問の準備"), "{page}");
    assert!(page.contains("応答あり、3 件"), "{page}");
    assert_eq!(page.matches("応答なし").count(), 2, "one is silent, one answers something else: {page}");
    assert!(page.contains("まだ一度も応答していません"));
    let asked = answering.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    let theirs = known(5, "vendor-1");
    assert!(
        asked[0].contains(&format!("userCode={theirs}&periodStart=2025-12-31T15:00:00Z")),
        "{}",
        asked[0]
    );
    let head = asked[0].to_ascii_lowercase();
    assert!(
        head.contains(&format!("x-road-userid: {theirs}")) && head.contains("bearer their-key"),
        "{head}"
    );
    assert!(stranger.asked.lock().unwrap().is_empty(), "it does not deal with this person");

    // Whoever was silent is left in peace for a minute: it delays no second page.
    let page = me.get("/my/log").await.text();
    assert!(page.contains("応答あり、3 件") && page.matches("応答なし").count() == 2);
    assert_eq!((answering.asked.lock().unwrap().len(), hanging.asked.lock().unwrap().len()), (2, 1));
    assert!(!me.get("/my/log?own=true").await.text().contains("訪問の準備"), "they are not asked for this");
    let nobody = site.acting(person(6)).get("/my/log").await.text();
    assert!(!nobody.contains("事業者が持つ記録"));
    assert_eq!(answering.asked.lock().unwrap().len(), 2, "about nobody else");
}

#[kenroku_store::test(&[], concurrent)]
async fn the_officer_links_a_log_sees_whether_it_answers_and_unlinks_it(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let (party, _) = vendor(&site, t, 1, "visits").await;
    let stub = stub(|path| match path {
        "/log/v2/heartbeat" => Some((200, json!({ "status": "OK" }))),
        "/log/v2/usagePeriod" => Some((200, json!({ "periodStart": "2026-01-05T00:00:00+09:00" }))),
        _ => Some((404, json!({}))),
    })
    .await;
    let me = site.acting(testing::staff(t, &["data-officer"]));
    let path = "/staff/consent/usage";
    let form = |url: &str, since: &str| format!("recipient={}&url={url}&key=k&since={since}", party.id);
    for (bad, said) in [
        (form("http://id.example/", ""), "https で始まるアドレス"),
        (form(&stub.url, "2126-01-01"), "今日までの日付"),
        (form(&stub.url, "someday"), "今日までの日付"),
        ("recipient=&url=&key=".to_owned(), "提供先を選んで"),
    ] {
        let page = me.post_form(path, &[], &bad).await.text();
        assert!(page.contains(said), "{bad}: {page}");
    }
    let wrong_place = stub.url.replace("/log", "/elsewhere");
    assert!(
        me.post_form(path, &[], &form(&wrong_place, "")).await.text().contains("記録の始まりを答えません")
    );
    assert!(c.usage_holders(t).await.unwrap().is_empty());

    assert_eq!(me.post_form(path, &[], &form(&stub.url, "")).await.status, 303);
    let held = c.usage_holders(t).await.unwrap();
    assert_eq!((held[0].status, held[0].since), (Beat::Ok, "2026-01-05T00:00:00+09:00".parse().unwrap()));
    assert!(held[0].answered_at.is_some() && !String::from_utf8_lossy(&held[0].key).contains("k="));
    assert!(me.get(path).await.text().contains("応答あり"));
    assert_eq!(me.post_form(path, &[], &form(&stub.url, "2026-01-02")).await.status, 303, "again changes it");
    assert_eq!(c.usage_holders(t).await.unwrap()[0].since, "2026-01-02T00:00:00+09:00".parse().unwrap());

    let end = format!("{path}/{}/end", party.id);
    let other = site.acting(testing::staff(kaga(), &["data-officer"]));
    assert_eq!(other.post_form(&end, &[], "").await.status, 404, "another office");
    assert_eq!(me.post_form(&end, &[], "").await.status, 303);
    assert!(c.usage_holders(t).await.unwrap().is_empty());
    assert_eq!(site.acting(testing::staff(t, &[])).get(path).await.status, 403, "not for everybody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heartbeat_goes_by_the_clock() {
    let site = alone().await;
    let (c, t) = (consent(&site), nomi());
    let well = Arc::new(Mutex::new(json!({ "status": "OK" })));
    let says = Arc::clone(&well);
    let stub = stub(move |_| Some((200, says.lock().unwrap().clone()))).await;
    let (party, _) = vendor(&site, t, 1, "visits").await;
    link(&site, t, party.id, &stub.url).await;
    let beat = async |c: &Consent| {
        site.app().env().clock.advance(std::time::Duration::from_secs(300));
        site.work().await;
        let h = c.usage_holders(t).await.unwrap().remove(0);
        (h.status, h.message, h.answered_at)
    };
    site.work().await;
    let (status, _, first) = beat(&c).await;
    assert_eq!((status, first.is_some()), (Beat::Ok, true));
    *well.lock().unwrap() = json!({ "status": "FAIL", "message": "整備中" });
    assert_eq!(beat(&c).await, (Beat::Fail, "整備中".to_owned(), first));
    *well.lock().unwrap() = json!({ "state": "?" });
    assert_eq!(beat(&c).await, (Beat::Silent, String::new(), first));
    *well.lock().unwrap() = json!({ "status": "OK" });
    assert!(beat(&c).await.2 > first);
}

async fn showing(site: &TestSite, t: Tenant) -> AgreementId {
    let (party, _) = vendor(site, t, 1, "visits").await;
    let words = Terms { ..terms(&["consent.access-log"]) };
    consent(site).agree(&officer(t), "show", party.id, &words).await.unwrap()
}

#[kenroku_store::test(&[])]
async fn a_recipient_with_the_persons_yes_shows_who_looked(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    let agreement = showing(&site, t).await;
    remember(&site, 5, "模擬　一", "良好").await;
    let me = site.acting(person(5));
    for _ in 0..3 {
        me.get("/my/data").await;
    }
    let api = site.acting(program(t, 1));
    let theirs = known(5, "vendor-1");
    let find = async |more: &str| {
        let path = format!("/api/consent/v1/usage/v2/findUsage?userCode={theirs}{more}");
        api.get_with(&path, &[("x-road-userid", &theirs.to_string())]).await
    };
    let kept = async || c.provisions(t, Timestamp::from_micros(i64::MAX), 10).await.unwrap().len();
    assert_eq!(find("").await.problem_code(), "consent.no-answer");
    let yes = reply(Step::Grant, &["consent.access-log"], 1);
    c.answer(t, agreement, known(5, "consent"), yes).await.unwrap();
    assert_eq!(kept().await, 0, "a refusal is no provision");
    let all = find("").await;
    assert_eq!(all.status, 200);
    let all = all.json();
    assert_eq!((&all["totalUsages"], all["usages"].as_array().unwrap().len()), (&json!(3), 3));
    let first = &all["usages"][0];
    assert!(first["action"].as_str().unwrap().contains("氏名"), "{first}");
    assert_eq!(first["receiverCode"], "resident");
    assert_eq!(kept().await, 1);
    let one = find("&offset=1&limit=1").await.json();
    assert_eq!((&one["totalUsages"], one["usages"].as_array().unwrap().len()), (&json!(3), 1));
    let later = find("&periodStart=2030-01-01T00:00:00Z").await.json();
    assert_eq!(later, json!({ "totalUsages": 0, "usages": [] }));
    assert_eq!(kept().await, 2, "nothing shown, nothing provided");
    for bad in ["&limit=0", "&limit=1001", "&offset=10001"] {
        assert_eq!(find(bad).await.status, 400, "{bad}");
    }

    let path = format!("/api/consent/v1/usage/v2/findUsage?userCode={theirs}");
    assert_eq!(api.get(&path).await.status, 400, "who asks?");
    let another = known(6, "vendor-1").to_string();
    let refused = api.get_with(&path, &[("x-road-userid", &another)]).await;
    assert_eq!(refused.problem_code(), "consent.not-the-person");
    let own = [("x-road-userid", theirs.to_string())];
    let own: Vec<(&str, &str)> = own.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(site.get_with(&path, &own).await.status, 401, "no key");
    assert_eq!(
        site.acting(program(t, 9)).get_with(&path, &own).await.problem_code(),
        "consent.not-a-recipient"
    );
    assert_eq!(site.acting(program(kaga(), 1)).get_with(&path, &own).await.status, 403);

    let base = "/api/consent/v1/usage/v2";
    assert_eq!(api.get(&format!("{base}/heartbeat")).await.json(), json!({ "status": "OK" }));
    assert!(api.get(&format!("{base}/usagePeriod")).await.json()["periodStart"].is_string());
    assert_eq!(site.acting(program(t, 9)).get(&format!("{base}/heartbeat")).await.status, 403);

    c.answer(t, agreement, known(5, "consent"), reply(Step::Withdraw, &[], 1)).await.unwrap();
    assert_eq!(find("").await.problem_code(), "consent.withdrawn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_officer_sees_the_seals_and_the_last_comparison() {
    let site = alone().await;
    let (t, path) = (nomi(), "/staff/consent/witness");
    remember(&site, 5, "模擬　一", "良好").await;
    let officer = site.acting(testing::staff(t, &["data-officer"]));
    assert!(officer.get(path).await.text().contains("まだ照らしていません"));
    site.acting(person(5)).get("/my/data").await;
    site.work().await;
    site.app().env().clock.advance(std::time::Duration::from_secs(60));
    site.work().await;
    let page = officer.get(path).await.text();
    assert!(page.contains("1 番、1 行まで") && page.contains("1 番まで"), "{page}");
    assert!(page.contains("vault.witness_folder"), "there is no place outside in a test: {page}");
    assert_eq!(officer.post_form(path, &[], "").await.status, 303);
    assert!(officer.get(path).await.text().contains("1 行まで、封のとおり"));
    site.acting(person(5)).get("/my/data").await;
    site.app().env().clock.advance(std::time::Duration::from_secs(700));
    assert!(officer.get(path).await.text().contains("封をされない行が10分以上"), "nobody seals");
    assert_eq!(site.acting(testing::staff(t, &[])).get(path).await.status, 403);
}
