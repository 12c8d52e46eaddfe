//! Requests: asked on the own page and at the counter, decided with reasons, kept and removed by the law's time.

use std::time::Duration;

use kenroku_access::{Granted, testing};
use kenroku_privacy::request::{
    Act, Channel, Decision, Kind, Letter, NewRequest, Proxy, RequestId, RequestState,
};
use kenroku_privacy::{AskOwn, HandleRequests, PrivacyError};
use kenroku_store::Db;
use kenroku_types::Tenant;

use crate::world::{kaga, known, nomi, on_own_page, privacy, register, site};

fn officer(tenant: Tenant) -> Granted<HandleRequests> {
    Granted::for_system("test", tenant)
}

fn new(today: kenroku_types::JapaneseDate) -> NewRequest {
    NewRequest {
        kind: Kind::Disclose,
        channel: Channel::Counter,
        received_on: today,
        disclosed_on: None,
        checked: "運転免許証".to_owned(),
        proxy: Proxy::Nobody,
        proxy_checked: String::new(),
        letter: Letter {
            name: "模擬　花子".to_owned(),
            address: "石川県能美市".to_owned(),
            what: "保育の申込書".to_owned(),
            ..Letter::default()
        },
    }
}

#[kenroku_store::test(&[])]
async fn a_person_asks_sees_the_decision_and_the_officer_works_by_the_deadline(db: Db) {
    let site = site(db).await;
    let me = register(&site, "模擬　花子").await;
    let person = site.acting(on_own_page(&site, me).await);
    assert!(person.get("/my/requests").await.text().contains("まだ請求はありません"));
    assert!(person.get("/my/requests/new?kind=disclose").await.text().contains("見たい個人情報"));
    let office = nomi();
    let bad = person.post_form("/my/requests/new", &[], "kind=disclose&office=&name=x").await.text();
    assert!(bad.contains("請求先を選んで"));
    let bad = format!("kind=disclose&office={office}&name=花子&address=&what=");
    let bad = person.post_form("/my/requests/new", &[], &bad).await.text();
    assert!(bad.contains("住所を1") && bad.contains("求めることを1"));
    let form =
        format!("kind=disclose&office={office}&name=模擬　花子&address=能美市&what=保育の申込書&proxy=none");
    let sent = person.post_form("/my/requests/new", &[], &form).await;
    let path = sent.header("location").to_owned();
    assert!(path.starts_with(&format!("/my/requests/{office}/")), "{path}");
    assert!(person.get(&path).await.text().contains("調べています"));
    let stranger = register(&site, "模擬　次郎").await;
    let other = site.acting(on_own_page(&site, stranger).await);
    assert_eq!(other.get(&path).await.status, 404, "somebody else's");

    let id = path.rsplit('/').next().unwrap().to_owned();
    let desk = site.acting(testing::staff(office, &["data-officer"]));
    let list = desk.get("/staff/privacy").await.text();
    assert!(list.contains(&id) && !list.contains("模擬　花子"), "the list opens nothing");
    let csv = desk.get("/staff/privacy?as=csv").await;
    assert!(csv.text().starts_with('\u{feff}') && csv.text().contains(&id));
    assert_eq!(desk.get("/staff/privacy?as=json").await.json()[0]["kind"], "disclose");
    let one = format!("/staff/privacy/requests/{id}");
    assert!(desk.get(&one).await.text().contains("保育の申込書"));
    let foreign = site.acting(testing::staff(kaga(), &["data-officer"]));
    assert_eq!(foreign.get(&one).await.status, 404);
    assert!(!foreign.get("/staff/privacy").await.text().contains(&id));
    let clerk = site.acting(testing::staff(office, &["muni-admin"]));
    assert_ne!(clerk.get("/staff/privacy").await.status, 200);

    let none = desk.post_form(&one, &[], "act=decide&version=1&decision=partly&text=理由").await;
    assert!(none.header("location").ends_with("not=section"), "{}", none.header("location"));
    assert!(desk.get(none.header("location")).await.text().contains("根拠の条項を選んで"));
    let ok = "act=decide&version=1&decision=partly&section=78-1-2&section=78-1-7&text=ほかの方の情報&fee=写し1枚10円";
    assert_eq!(desk.post_form(&one, &[], ok).await.header("location"), one);
    assert_eq!(desk.post_form(&one, &[], ok).await.header("location"), format!("{one}?not=now"));
    let told = person.get(&path).await.text();
    assert!(told.contains("第78条第1項第2号") && told.contains("写し1枚10円") && told.contains("審査請求"));
    let done = desk.post_form(&one, &[], "act=close&version=2&text=閲覧").await;
    assert_eq!(done.header("location"), one);
    assert!(person.get(&path).await.text().contains("終わりました"));
    assert!(person.get("/my/requests").await.text().contains("終わりました"));
}

#[kenroku_store::test(&[])]
async fn the_counter_enters_checks_extends_and_decides(db: Db) {
    let site = site(db).await;
    let p = privacy(&site);
    let (own, other, today) = (officer(nomi()), officer(kaga()), p.today().unwrap());
    let agent = NewRequest { proxy: Proxy::Agent, checked: String::new(), ..new(today) };
    assert!(matches!(p.receive(&own, &agent).await, Err(PrivacyError::Input(_))), "whose data?");
    let letter = Letter { principal: "模擬　太郎".to_owned(), ..agent.letter.clone() };
    let agent = NewRequest { letter, ..agent };
    let later = NewRequest { received_on: today.plus_days(1).unwrap(), ..agent.clone() };
    assert!(matches!(p.receive(&own, &later).await, Err(PrivacyError::Input(_))), "in the future");
    let id = p.receive(&own, &agent).await.unwrap();
    let decide = Act::Decide {
        decision: Decision::Granted,
        sections: Vec::new(),
        text: String::new(),
        fee: String::new(),
    };
    assert_eq!(p.act(&own, id, 1, &decide).await, Err(PrivacyError::Refused("checked")));
    let check = Act::Check { person: "運転免許証".to_owned(), proxy: "委任状".to_owned() };
    assert_eq!(p.act(&other, id, 1, &check).await, Err(PrivacyError::NotFound), "of another office");
    assert_eq!(p.act(&own, id, 1, &check).await, Ok(RequestState::Open));
    assert_eq!(p.act(&own, id, 1, &check).await, Err(PrivacyError::Stale));
    let before = p.request(&own, id).await.unwrap().row.due();
    let extend = Act::Extend { text: "確認に時間がかかる".to_owned() };
    assert_eq!(p.act(&own, id, 2, &extend).await, Ok(RequestState::Open));
    assert!(p.request(&own, id).await.unwrap().row.due() > before);
    let pause = Act::Pause { days: 3, text: "範囲の確認".to_owned() };
    assert_eq!(p.act(&own, id, 3, &pause).await, Ok(RequestState::Open));
    assert_eq!(p.act(&own, id, 4, &decide).await, Ok(RequestState::Decided));
    let opened = p.request(&own, id).await.unwrap();
    let kinds: Vec<&str> = opened.notices.iter().map(|n| n.kind.as_str()).collect();
    assert_eq!(kinds, ["extend", "pause", "decide"]);
    assert_eq!(p.request(&other, id).await.err(), Some(PrivacyError::NotFound));
    assert!(p.requests(kaga()).await.unwrap().0.is_empty());
    assert_eq!(p.requests(nomi()).await.unwrap().0.len(), 1);

    let desk = site.acting(testing::staff(nomi(), &["data-officer"]));
    assert!(desk.get("/staff/privacy/requests/new").await.text().contains("受け付ける"));
    let bad = desk.post_form("/staff/privacy/requests/new", &[], "kind=disclose&received_on=x").await.text();
    assert!(bad.contains("日付を確かめて"));
    let form =
        format!("kind=correct&channel=post&received_on={today}&name=甲&address=乙&what=直す&proxy=none");
    let sent = desk.post_form("/staff/privacy/requests/new", &[], &form).await;
    assert!(sent.header("location").starts_with("/staff/privacy/requests/"));
    assert!(desk.get(sent.header("location")).await.text().contains("第90条第3項"));
}

#[kenroku_store::test(&[])]
async fn a_closed_request_stays_five_years_and_is_then_unreadable(db: Db) {
    let site = site(db).await;
    let p = privacy(&site);
    let (own, today) = (officer(nomi()), p.today().unwrap());
    let me = register(&site, "模擬　花子").await;
    let mine = known(&site, me, "privacy").await;
    let ask: Granted<AskOwn> = Granted::for_system("test", Tenant::SHARED);
    let id = p.ask(&ask, nomi(), mine, &NewRequest { channel: Channel::Page, ..new(today) }).await.unwrap();
    let elsewhere = p.ask(&ask, Tenant::SHARED, mine, &new(today)).await;
    assert!(matches!(elsewhere, Err(PrivacyError::Input(_))), "no office");
    p.act(&own, id, 1, &Act::Withdraw).await.unwrap();
    assert_eq!(
        (p.requests_of(mine).await.unwrap(), p.requests_of(known(&site, me, "consent").await).await.unwrap()),
        (1, 0)
    );

    // Leaving keeps it, for the law does.
    p.leave(mine).await.unwrap();
    let clock = &site.app().env().clock;
    clock.advance(Duration::from_secs(8 * 86_400));
    p.erase_due(&*crate::world::names(&site).0).await.unwrap();
    assert_eq!(p.request(&own, id).await.unwrap().letter.what, "保育の申込書");
    let before = |days: u64| site.app().env().now().minus(Duration::from_secs(days * 86_400));
    assert_eq!(p.purge_requests(nomi(), before(1_825), 10).await.unwrap(), (0, 0));
    clock.advance(Duration::from_secs(1_826 * 86_400));
    assert_eq!(p.purge_requests(kaga(), before(1_825), 10).await.unwrap(), (0, 0), "of another office");
    assert_eq!(p.purge_requests(nomi(), before(1_825), 0).await.unwrap(), (0, 1), "overdue");
    assert_eq!(p.purge_requests(nomi(), before(1_825), 10).await.unwrap(), (1, 0));
    assert_eq!(p.request(&own, id).await.err(), Some(PrivacyError::NotFound));
    assert_eq!(p.request(&own, RequestId::from_uuid(me.uuid())).await.err(), Some(PrivacyError::NotFound));
}
