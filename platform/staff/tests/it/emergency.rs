//! The emergency account: used at the door, seen by those who must see it.

use kenroku_access::Granted;
use kenroku_access::kernel::{MUNI_ADMIN, ManageStaff};
use kenroku_access::testing::staff;

use crate::world::*;

const WHY: &str = "管理者が全員、雪で登庁できない";

#[tokio::test]
async fn using_the_emergency_account_is_seen_until_somebody_has_dealt_with_it() {
    let site = site().await;
    let by: Granted<ManageStaff> = Granted::for_system("test", of(17211));
    let credential = accounts(&site).seal_break_glass(&by, "nomi-glass", &[MUNI_ADMIN]).await.unwrap();
    let quiet = site.acting(staff(of(17211), &["data-officer"])).get("/staff").await.text();
    assert!(!quiet.contains("確かめていない警報"));
    let mut b = Browser::new(&site);
    assert_eq!(b.get("/staff/break-glass").await.status, 200);
    let open = async |b: &mut Browser<'_>, credential: &str, reason: &str| {
        let fields = [("login", "nomi-glass"), ("credential", credential), ("reason", reason)];
        b.post("/staff/break-glass", &fields).await
    };
    assert_eq!(open(&mut b, "0000-0000", WHY).await.status, 422);
    assert_eq!(open(&mut b, &credential, "急ぎ").await.status, 422, "without a reason");
    assert!(b.cookies.is_empty());
    let used = open(&mut b, &credential, WHY).await;
    assert_eq!((used.status.as_u16(), used.header("location")), (303, "/staff"), "{}", used.text());
    assert!(used.header("set-cookie").contains("Max-Age=3600"));
    assert_eq!(open(&mut Browser::new(&site), &credential, WHY).await.status, 422, "it works once");
    assert!(site.get("/metrics").await.text().contains("kenroku_break_glass_uses_total 1"));

    let own = b.get("/staff").await.text();
    assert!(own.contains("緊急用の利用者で入っています"), "{own}");
    assert_eq!(b.get("/staff/accounts").await.status, 200, "it may what its role may");
    assert_eq!(b.get("/staff/own").await.status, 303, "it has no page of its own");

    // The municipality's and the prefecture's administrators and the data officer see it; others do not.
    for (code, role) in [(17211, "muni-admin"), (17211, "data-officer"), (17000, "pref-admin")] {
        let page = site.acting(staff(of(code), &[role])).get("/staff").await.text();
        assert!(page.contains("確かめていない警報が1件あります"), "{code} {role}");
        let list = site.acting(staff(of(code), &[role])).get("/staff/alarms").await.text();
        assert!(list.contains(WHY) && list.contains("能美市"), "{code} {role}: {list}");
    }
    let elsewhere = site.acting(staff(of(17206), &["muni-admin"]));
    assert!(!elsewhere.get("/staff").await.text().contains("確かめていない警報"));
    assert!(!elsewhere.get("/staff/alarms").await.text().contains(WHY));

    let officer = site.acting(staff(of(17211), &["data-officer"]));
    let page = officer.get("/staff/alarms").await.text();
    let id = hidden(&page, "id").to_owned();
    let note =
        "note=%E9%80%9A%E4%BF%A1%E3%81%AE%E5%BE%A9%E6%97%A7%E3%81%AB%E4%BD%BF%E3%81%A3%E3%81%9F%E3%80%82";
    let seen = async |who: &kenroku_http::test::TestApp, note: &str| {
        who.post_form("/staff/alarms/seen", &[], &format!("id={id}&{note}")).await.status.as_u16()
    };
    assert_eq!(seen(&officer, "note=ok").await, 422);
    assert_eq!(seen(&elsewhere, note).await, 404);
    let below = site.acting(staff(of(17000), &["pref-admin"]));
    assert_eq!(seen(&below, note).await, 404, "the prefecture sees it, the municipality deals with it");
    assert_eq!(
        b.post("/staff/alarms/seen", &[("id", &id), ("note", WHY)]).await.status,
        403,
        "not by itself"
    );
    assert_eq!(seen(&officer, note).await, 303);
    assert!(!officer.get("/staff").await.text().contains("確かめていない警報"));
    let page = officer.get("/staff/alarms?lang=en").await.text();
    assert!(page.contains("Dealt with") && page.contains("Seal a new credential"), "{page}");
    assert_eq!(officer.get("/staff/alarms?lang=ja-x-yasashii").await.status, 200);
}
