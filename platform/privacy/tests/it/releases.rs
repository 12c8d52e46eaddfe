//! Tables made anonymous: sealed while they are worked on, registered when published, gone afterwards.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::Method;
use kenroku_access::{Granted, testing};
use kenroku_anonymize::noise::Epsilon;
use kenroku_privacy::release::{KEPT, LARGEST, Spent};
use kenroku_privacy::{KeepRegisters, PrivacyError, book, release};
use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::Tenant;

use crate::world::{kaga, nomi, privacy, site};

fn officer(tenant: Tenant) -> Granted<KeepRegisters> {
    Granted::for_system("test", tenant)
}

/// Forty simulated people.
fn table() -> String {
    let mut out = String::from("氏名,年齢,住所,結果\n");
    for n in 0..40 {
        let town = if n % 2 == 0 { "能美市辰口町" } else { "能美市寺井町" };
        let result = ["A", "B", "C"][n % 3];
        let _ = writeln!(out, "模擬　{n}号,{},{town},{result}", 30 + n / 4);
    }
    out
}

const SETTINGS: &str = "act=try&title=健診&purpose=研究&recipient=大学&k=5&suppression=5\
&role-0=identifier&role-1=quasi-identifier&shape-1=ages&widths-1=5,10&role-2=quasi-identifier&shape-2=places\
&role-3=sensitive&l-3=2";
const STEPS: &str = "act=publish&identifying=氏名を削除&codes=含まれていない&linking=含まれていない&peculiar=90歳以上なし&whole=k=5とした";
const SEALED: &Sql = sql!("select sealed from privacy_work where tenant = $1");

#[kenroku_store::test(&[])]
async fn a_table_is_uploaded_tried_published_and_handed_over(db: Db) {
    let site = site(db).await;
    let (p, desk) = (privacy(&site), site.acting(testing::staff(nomi(), &["data-officer"])));
    assert!(desk.get("/staff/privacy/releases").await.text().contains("まだ登録はありません"));
    let upload = async |text: &str| {
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"健診.csv\"\r\nContent-Type: text/csv\r\n\r\n{text}\r\n--x--\r\n"
        );
        let headers =
            [("content-type", "multipart/form-data; boundary=x"), ("sec-fetch-site", "same-origin")];
        desk.request(Method::POST, "/staff/privacy/releases", &headers, Body::from(body)).await
    };
    let bad = upload("a,b\n1\n").await.text();
    assert!(bad.contains("読み込めません"), "{bad}");
    let sent = upload(&format!("\u{feff}{}", table())).await;
    let path = sent.header("location").to_owned();
    assert!(path.starts_with("/staff/privacy/releases/work/"), "{}", sent.text());
    let (sealed,): (Vec<u8>,) = p.db().read().await.unwrap().one(SEALED, params![nomi()]).await.unwrap();
    let inside = |needle: &str| sealed.windows(needle.len()).any(|w| w == needle.as_bytes());
    assert!(!inside("模擬") && !inside("能美市"), "the rows are not stored in the clear");
    let first = desk.get(&path).await.text();
    assert!(first.contains("「氏名」の役割") && !first.contains("模擬　1号"));
    let foreign = site.acting(testing::staff(kaga(), &["data-officer"]));
    assert_eq!(foreign.get(&path).await.status, 404);

    let wrong = desk.post_form(&path, &[], &format!("version=1&{}", SETTINGS.replace("k=5", "k=x"))).await;
    assert!(desk.get(wrong.header("location")).await.text().contains("値を確かめて"));
    let much = SETTINGS.replace("k=5", "k=41");
    desk.post_form(&path, &[], &format!("version=1&{much}")).await;
    assert!(desk.get(&path).await.text().contains("この設定では作れません"));
    assert_eq!(desk.post_form(&path, &[], STEPS).await.header("location"), format!("{path}?not=no-release"));
    let tried = desk.post_form(&path, &[], &format!("version=2&{SETTINGS}")).await;
    assert_eq!(tried.header("location"), path);
    assert_eq!(desk.post_form(&path, &[], &format!("version=2&{SETTINGS}")).await.status, 409);
    let outcome = desk.get(&path).await.text();
    assert!(outcome.contains("個人が分かる危険") && outcome.contains("第5号"));
    let early = desk.post_form(&path, &[], "act=publish&identifying=削除").await;
    assert!(desk.get(early.header("location")).await.text().contains("答えが残っています"));
    let done = desk.post_form(&path, &[], STEPS).await;
    let entry = done.header("location").to_owned();
    assert_eq!(entry, "/staff/privacy/releases/entries/1");
    assert_eq!(desk.get(&path).await.status, 404, "the rows are gone");
    let shown = desk.get(&entry).await.text();
    assert!(shown.contains("氏名を削除") && shown.contains("書き換えられていません"));
    let file = desk.get(&format!("{entry}/file")).await;
    let text = file.text();
    assert!(text.starts_with('\u{feff}') && text.contains("年齢") && !text.contains("模擬"));
    assert!(text.lines().count() >= 36, "at most a twentieth is left out");
    assert_eq!(foreign.get(&entry).await.status, 404);
    assert_eq!(foreign.get(&format!("{entry}/file")).await.status, 404);

    assert!(desk.post_form(&entry, &[], "to=&how=").await.text().contains("提供先と契約を"));
    assert_eq!(desk.post_form(&entry, &[], "to=大学&how=契約第1号").await.header("location"), entry);
    assert!(desk.get(&entry).await.text().contains("契約第1号"));
    assert_eq!(foreign.post_form(&entry, &[], "to=大学&how=契約").await.status, 404);
    assert_eq!(desk.get("/staff/privacy/releases?as=json").await.json().as_array().unwrap().len(), 2);
    assert!(desk.get("/staff/privacy/releases").await.text().contains("第1号を提供"));
    let (own, other) = (officer(nomi()), officer(kaga()));
    assert!(p.releases(kaga()).await.unwrap().is_empty());
    assert_eq!(p.release_file(&other, 1).await, Err(PrivacyError::NotFound));
    assert_eq!(p.hand_release(&own, 2, "甲", "乙").await, Err(PrivacyError::NotFound), "no release");
    let entries = book::all(&mut p.db().read().await.unwrap(), nomi(), release::BOOK).await.unwrap();
    assert_eq!((entries.len(), book::verify(&entries)), (2, Ok(())));
}

#[kenroku_store::test(&[])]
async fn unfinished_rows_go_by_the_clock(db: Db) {
    let site = site(db).await;
    let (p, own, other) = (privacy(&site), officer(nomi()), officer(kaga()));
    let big = p.upload(&own, "大.csv", vec![b'a'; LARGEST + 1]).await;
    assert!(matches!(big, Err(PrivacyError::Input(_))));
    let id = p.upload(&own, "健診.csv", table().into_bytes()).await.unwrap();
    assert_eq!(p.works(nomi()).await.unwrap().len(), 1);
    assert!(p.works(kaga()).await.unwrap().is_empty());
    assert_eq!(p.work(kaga(), id).await.err(), Some(PrivacyError::NotFound));
    let config: kenroku_anonymize::Config = serde_json::from_value(serde_json::json!({
        "k": 2, "release": { "title": "a", "purpose": "b", "recipient": "c" }, "column": []
    }))
    .unwrap();
    assert_eq!(p.try_release(&other, id, 1, &config).await, Err(PrivacyError::NotFound));
    assert_eq!(p.publish_release(&other, id, &config).await, Err(PrivacyError::NotFound));
    assert_eq!(p.clear_works().await.unwrap(), 0);
    site.app().env().clock.advance(KEPT);
    assert_eq!(p.work(nomi(), id).await.err(), Some(PrivacyError::NotFound), "its time is over");
    assert_eq!(p.clear_works().await.unwrap(), 1);
}

#[kenroku_store::test(&[])]
async fn counts_are_masked_and_noise_stays_within_its_budget(db: Db) {
    let site = site(db).await;
    let (p, own) = (privacy(&site), officer(nomi()));
    let asked = |epsilon: u64| Spent {
        what: "受診者".to_owned(),
        epsilon: Epsilon::millionths(epsilon),
        sensitivity: 1,
        budget: Epsilon::millionths(1_000_000),
        numbers: 0,
        by: String::new(),
    };
    let (noise, left) = p.noisy(&own, "健診", &asked(600_000), &[120, 3]).await.unwrap();
    assert_eq!((noise.len(), left), (2, Epsilon::millionths(400_000)));
    let over = p.noisy(&own, "健診", &asked(400_001), &[1]).await;
    assert!(matches!(over, Err(PrivacyError::Input(_))), "the budget is not there any more");
    let more = Spent { budget: Epsilon::millionths(9_000_000), ..asked(400_001) };
    assert!(p.noisy(&own, "健診", &more, &[1]).await.is_err(), "and cannot be raised later");
    assert!(p.noisy(&own, "健診", &asked(400_000), &[1]).await.is_ok());
    assert!(p.noisy(&own, "", &asked(1), &[1]).await.is_err());
    assert_eq!(p.budgets(nomi()).await.unwrap()[0].left(), Epsilon::millionths(0));
    assert!(p.budgets(kaga()).await.unwrap().is_empty());

    let desk = site.acting(testing::staff(nomi(), &["data-officer"]));
    assert!(desk.get("/staff/privacy/releases/noise").await.text().contains("健診"));
    let form = "dataset=別&budget=1&what=人数&epsilon=0.5&sensitivity=1&counts=10,20";
    assert!(desk.post_form("/staff/privacy/releases/noise", &[], form).await.text().contains("0.5"));
    let over = form.replace("0.5", "0.6");
    assert!(
        desk.post_form("/staff/privacy/releases/noise", &[], &over).await.text().contains("予算が足りない")
    );
    let bad = desk.post_form("/staff/privacy/releases/noise", &[], "counts=x").await.text();
    assert!(bad.contains("件数、ε、予算を確かめて"));
    assert!(desk.get("/staff/privacy/releases/cells").await.text().contains("集計表"));
    let table = "counts=町,男,女%0AA,3,40%0AB,50,60&threshold=10";
    let masked = desk.post_form("/staff/privacy/releases/cells", &[], table).await.text();
    assert!(masked.contains(">X<") && !masked.contains(">3<"), "{masked}");
    for bad in ["counts=x&threshold=10", "counts=町,男%0AA,3&threshold=1"] {
        assert!(desk.post_form("/staff/privacy/releases/cells", &[], bad).await.text().contains("kr-wrongs"));
    }
}
