//! What could not be used, from the device to the desk that dismisses it.

use kenroku_http::test::NOW;
use kenroku_snow::MIGRATIONS;
use kenroku_snow::ingest;
use kenroku_snow::model::Refused;
use kenroku_snow::sql::refused;
use kenroku_store::Db;
use kenroku_types::{MuniCode, Tenant};

use crate::pages::{desk, staff};
use crate::world::{KEY, device, fill, prefecture, site, snow};

const PAGE: &str = "/staff/snow/refused";

#[tokio::test]
async fn the_desk_looks_mends_and_dismisses() {
    let (site, _, _) = site().await;
    let ahead = |m: u64| NOW.plus(std::time::Duration::from_secs(3600 + m)).to_string();
    let rows = serde_json::json!([
        { "time": ahead(1), "lat": 36.44, "lon": 136.5 }, { "time": ahead(2), "lat": 36.44, "lon": 136.5 },
        { "time": ahead(3), "lat": 36.44, "lon": 136.5 }, { "time": NOW.to_string(), "lat": 0, "lon": 0 },
        { "time": NOW.to_string(), "lat": 36.44, "lon": 136.5, "note": "<b>" },
    ]);
    let sent = site.post_json_with("/api/snow/v1/positions", &[("x-device-key", KEY)], &rows).await;
    assert_eq!(sent.json()["refused"], 5);

    let own = site.acting(desk(prefecture()));
    let page = own.get(PAGE).await.text();
    assert!(page.contains("時計が進んでいる") && page.contains("秘密の機器"), "{page}");
    let clock = format!("{PAGE}?device={}&#38;why=snow.clock-ahead#rows", device());
    assert!(page.contains(&clock), "{page}");
    let of_clock = format!("{PAGE}?device={}&why=snow.clock-ahead", device());
    let detail = own.get(&of_clock).await.text();
    assert!(
        detail.contains("自動で合わせる設定") && detail.matches("name=\"digest\"").count() == 3,
        "{detail}"
    );
    let form = own.get(&format!("{PAGE}?device={}&why=snow.row-malformed", device())).await.text();
    assert!(
        !form.contains("\"<b>\"") && (form.contains("&lt;b&gt;") || form.contains("&#60;b&#62;")),
        "raw text is escaped: {form}"
    );
    assert!(own.get(&format!("{of_clock}&lang=en")).await.text().contains("set its clock by itself"));
    assert!(own.get(&format!("{of_clock}&lang=ja-x-yasashii")).await.text().contains("<ruby>"));

    let value = |html: &str, name: &str| {
        let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let one = format!("device={}&why=snow.clock-ahead&digest={}", device(), value(&detail, "digest"));
    let all = format!("device={}&why=snow.clock-ahead&seen={}", device(), value(&detail, "seen"));
    let dismiss = format!("{PAGE}/dismiss");

    // Whoever has no business here changes nothing.
    assert_eq!(site.get(PAGE).await.status, 401);
    assert_eq!(site.post_form(&dismiss, &[], &one).await.status, 401);
    let officer = site.acting(staff(prefecture(), "data-officer"));
    assert_eq!(officer.get(PAGE).await.status, 403);
    assert_eq!(officer.post_form(&dismiss, &[], &one).await.status, 403);
    let nomi = site.acting(desk(Tenant::of("17211".parse().unwrap())));
    assert!(!nomi.get(PAGE).await.text().contains("秘密"), "another government's devices");
    assert_eq!(nomi.post_form(&dismiss, &[], &one).await.status, 303);
    assert_eq!(nomi.post_form(&dismiss, &[], &all).await.status, 303);
    let count = |html: String| html.matches("name=\"digest\"").count();
    assert_eq!(count(own.get(&of_clock).await.text()), 3, "nothing was dismissed");

    assert_eq!(
        own.post_form(&dismiss, &[], &format!("device={}&why=snow.clock-ahead", device())).await.status,
        400
    );
    assert_eq!(own.post_form(&dismiss, &[], &one).await.status, 303);
    assert_eq!(count(own.get(&of_clock).await.text()), 2);
    assert_eq!(own.post_form(&dismiss, &[], &all).await.status, 303);
    let left = own.get(PAGE).await.text();
    assert!(!left.contains("時計が進んでいる") && left.contains("測位できていない"), "{left}");
}

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, MIGRATIONS])]
async fn dismissing_touches_only_what_is_meant(db: Db) {
    let (snow, ids) = snow(db.clone());
    fill(&snow, &ids).await;
    let rows = |from: u64| {
        let row = |i| format!("{{\"time\":\"never\",\"n\":{i}}}");
        ingest::rows((from..from + 2).map(row).collect::<Vec<_>>().join("\n").as_bytes()).unwrap()
    };
    snow.take_in(prefecture(), device(), rows(0)).await.unwrap();
    let seen = snow.env().now();
    snow.env().clock.advance(std::time::Duration::from_secs(60));
    snow.take_in(prefecture(), device(), rows(2)).await.unwrap();
    let (other, why) = (Tenant::of(MuniCode::new(17211).unwrap()), Refused::Malformed);
    let mut tx = db.begin().await.unwrap();
    let kept = refused::rows(&mut tx, prefecture(), device(), why, 9).await.unwrap();
    assert_eq!(kept.len(), 4);
    assert!(kept[0].received_at > kept[3].received_at, "the latest first");
    let digest = &kept[0].digest;
    assert!(!refused::dismiss(&mut tx, other, device(), why, digest).await.unwrap());
    assert!(!refused::dismiss(&mut tx, prefecture(), device(), Refused::NoFix, digest).await.unwrap());
    assert_eq!(refused::dismiss_all(&mut tx, other, device(), why, seen).await.unwrap(), 0);
    assert_eq!(refused::dismiss_all(&mut tx, prefecture(), device(), why, seen).await.unwrap(), 2);
    assert!(refused::dismiss(&mut tx, prefecture(), device(), why, digest).await.unwrap());
    let groups = refused::groups(&mut tx, prefecture(), 9).await.unwrap();
    assert_eq!((groups.len(), groups[0].rows, groups[0].label.as_deref()), (1, 1, Some("秘密の機器")));
    tx.commit().await.unwrap();
}
