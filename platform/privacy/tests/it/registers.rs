//! The registers: purposes, personal information files, breaches, what was received, what is removed by the clock.

use std::time::Duration;

use kenroku_access::{Granted, testing};
use kenroku_privacy::breach::{Class, Did, Entered};
use kenroku_privacy::received::Made;
use kenroku_privacy::{KeepRegisters, PrivacyError, book, breach, files, purposes, received, sheet};
use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::Tenant;

use crate::world::{kaga, nomi, privacy, site};

fn officer(tenant: Tenant) -> Granted<KeepRegisters> {
    Granted::for_system("test", tenant)
}

/// Every required field of a form filled in, and what else is said.
fn filled(items: &[sheet::Item], more: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = items.iter().filter(|i| i.required && !more.iter().any(|(n, _)| *n == i.name));
    let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
    own.map(|i| pair(i.name, "あ")).chain(more.iter().map(|(n, v)| pair(n, v))).collect()
}

fn form(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("&")
}

const FORGED: &Sql =
    sql!("update privacy_entry set snapshot = $4 where tenant = $1 and book = $2 and number = $3");

#[kenroku_store::test(&[])]
async fn purposes_have_versions_that_everybody_can_read(db: Db) {
    let site = site(db).await;
    let p = privacy(&site);
    let versions = p.purpose_versions().await.unwrap();
    assert_eq!(versions.len(), p.stated_purposes().len());
    assert!(versions.iter().all(|v| v.version == 1 && v.stated.what.iter().all(|w| !w.is_empty())));
    assert_eq!(p.note_purposes().await.unwrap(), 0, "nothing changed");
    // The release before this one said something else, and knew a purpose that this one has dropped.
    let mut old = versions[0].stated.clone();
    old.article = "別の条".to_owned();
    let gone = purposes::Stated { code: "old.purpose".to_owned(), ..old.clone() };
    let mut tx = p.db().begin().await.unwrap();
    for s in [&old, &gone] {
        book::append(&mut tx, Tenant::SHARED, purposes::BOOK, &s.code, s, p.env().now()).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(p.note_purposes().await.unwrap(), 2);
    assert_eq!(p.note_purposes().await.unwrap(), 0);
    let versions = p.purpose_versions().await.unwrap();
    assert!(versions.iter().any(|v| v.stated.code == "old.purpose" && v.stated.ended && v.version == 2));
    let page = site.get("/purposes").await.text();
    assert!(page.contains("ご本人が、自分の登録内容を見る") && page.contains("第3版"));
    assert!(!page.contains("別の条"), "the newest version only");
    assert!(site.get("/purposes?lang=en").await.text().contains("Checking a one-time code"));
    assert!(site.get("/purposes?as=csv").await.text().starts_with('\u{feff}'));

    let desk = site.acting(testing::staff(nomi(), &["data-officer"]));
    let list = desk.get("/staff/privacy/purposes").await.text();
    assert!(list.contains("old.purpose") && list.contains("書き換えられていません"));
    let json = desk.get("/staff/privacy/purposes?as=json").await.json();
    assert_eq!(json.as_array().unwrap().len(), versions.len());
    assert_ne!(
        site.acting(testing::staff(nomi(), &["muni-admin"])).get("/staff/privacy/purposes").await.status,
        200
    );
    let mut tx = p.db().begin().await.unwrap();
    tx.execute(FORGED, params![Tenant::SHARED, purposes::BOOK, 1, "{}"]).await.unwrap();
    let entries = book::all(&mut tx, Tenant::SHARED, purposes::BOOK).await.unwrap();
    assert_eq!(book::verify(&entries).unwrap_err().number, 1);
}

#[kenroku_store::test(&[])]
async fn a_file_is_drafted_from_declarations_completed_and_published(db: Db) {
    let site = site(db).await;
    let (p, own, other) = (privacy(&site), officer(nomi()), officer(kaga()));
    let drafts = p.file_drafts();
    let (_, draft) = drafts.iter().find(|(m, _)| *m == "identity").unwrap();
    assert!(draft["records"].contains("生年月日") && draft["name"] == "いしかわIDファイル");
    let desk = site.acting(testing::staff(nomi(), &["data-officer"]));
    assert!(desk.get("/staff/privacy/files").await.text().contains("いしかわIDファイル"));
    assert!(desk.get("/staff/privacy/files/new?from=identity").await.text().contains("生年月日"));
    let bad = desk.post_form("/staff/privacy/files/new", &[], "name=甲&persons=x").await.text();
    assert!(bad.contains("を確かめてください"));
    let pairs = filled(&files::ITEMS, &[("name", "健診ファイル"), ("persons", "48000")]);
    let no = filled(&files::ITEMS, &[("persons", "多い")]);
    assert!(matches!(p.draft_file(&own, None, &no).await, Err(PrivacyError::Input(_))));
    let sent = desk.post_form("/staff/privacy/files/new", &[], &form(&pairs)).await;
    let path = sent.header("location").to_owned();
    assert!(path.starts_with("/staff/privacy/files/"));
    let id = p.files(nomi()).await.unwrap()[0].id;
    assert!(!site.get("/personal-files").await.text().contains("健診ファイル"), "a draft");
    let foreign = site.acting(testing::staff(kaga(), &["data-officer"]));
    assert_eq!(foreign.get(&path).await.status, 404);
    assert_eq!(p.file(kaga(), id).await.err(), Some(PrivacyError::NotFound));
    assert_eq!(p.publish_file(&other, id, 1, false).await, Err(PrivacyError::NotFound));
    assert_eq!(p.draft_file(&other, Some((id, 1)), &pairs).await, Err(PrivacyError::NotFound));
    assert_eq!(p.publish_file(&own, id, 9, false).await, Err(PrivacyError::Stale));
    assert_eq!(desk.post_form(&path, &[], "act=publish&version=1").await.header("location"), path);
    let public = site.get("/personal-files").await.text();
    assert!(public.contains("健診ファイル") && public.contains("48000"));
    assert!(site.get("/personal-files?as=csv").await.text().contains("健診ファイル"));
    assert_eq!(site.get("/personal-files?as=json").await.json()[0]["persons"], "48000");
    assert!(p.published_files(kaga()).await.unwrap().is_empty() && p.files(kaga()).await.unwrap().is_empty());

    let next = filled(&files::ITEMS, &[("name", "健診ファイル（新）"), ("persons", "49000")]);
    let save = format!("act=save&version=2&{}", form(&next));
    assert_eq!(desk.post_form(&path, &[], &save).await.header("location"), path);
    assert!(!site.get("/personal-files").await.text().contains("（新）"), "saved is not published");
    assert_eq!(desk.post_form(&path, &[], &save).await.status, 409, "somebody was first");
    let wrong = desk.post_form(&path, &[], "act=save&version=3&name=&persons=x").await.text();
    assert!(wrong.contains("を確かめてください"));
    desk.post_form(&path, &[], "act=publish&version=3").await;
    assert!(site.get("/personal-files").await.text().contains("（新）"));
    desk.post_form(&path, &[], "act=end&version=4").await;
    assert!(!site.get("/personal-files").await.text().contains("健診ファイル"));
    assert!(desk.get(&path).await.text().contains("保有をやめました"));
    assert!(desk.get("/staff/privacy/files?as=csv").await.text().contains("健診ファイル"));
    let mut tx = p.db().read().await.unwrap();
    let entries = book::all(&mut tx, nomi(), files::BOOK).await.unwrap();
    assert_eq!((entries.len(), book::verify(&entries)), (3, Ok(())));
}

#[kenroku_store::test(&[])]
async fn a_breach_is_reported_told_and_closed(db: Db) {
    let site = site(db).await;
    let (p, own, other) = (privacy(&site), officer(nomi()), officer(kaga()));
    let today = p.today().unwrap();
    let entered = |people: &str, classes: &[Class]| Entered {
        drill: false,
        known_on: today,
        classes: classes.to_vec(),
        pairs: filled(&breach::ITEMS, &[("title", "誤送付"), ("people", people)]),
    };
    let small = p.enter_breach(&own, &entered("100", &[])).await.unwrap();
    assert_eq!(p.breach(nomi(), small).await.unwrap().next(), None, "a hundred are not more than a hundred");
    let id = p.enter_breach(&own, &entered("101", &[])).await.unwrap();
    let row = p.breach(nomi(), id).await.unwrap();
    assert_eq!(row.classes(), [Class::Many]);
    assert_eq!(row.next().unwrap().0, Did::First);
    assert_eq!(p.breaches(nomi()).await.unwrap()[0].id, id, "what is due comes first");
    assert_eq!(p.breach(kaga(), id).await.err(), Some(PrivacyError::NotFound));
    assert!(
        p.breaches(kaga()).await.unwrap().is_empty() && p.breach_steps(kaga(), id).await.unwrap().is_empty()
    );
    assert_eq!(p.do_breach(&other, id, 1, Did::First, "報告").await, Err(PrivacyError::NotFound));
    assert_eq!(p.rewrite_breach(&other, id, 1, &entered("5", &[])).await, Err(PrivacyError::NotFound));
    let later = Entered { known_on: today.plus_days(1).unwrap(), ..entered("5", &[]) };
    assert!(matches!(p.enter_breach(&own, &later).await, Err(PrivacyError::Input(_))));
    assert!(matches!(p.enter_breach(&own, &entered("多数", &[])).await, Err(PrivacyError::Input(_))));
    assert_eq!(p.do_breach(&own, id, 1, Did::End, "終わり").await, Err(PrivacyError::Refused("now")));
    assert_eq!(p.do_breach(&own, id, 1, Did::First, " ").await, Err(PrivacyError::Refused("text")));
    assert_eq!(p.near_deadlines().await.unwrap().len(), 1);
    p.rewrite_breach(&own, id, 1, &entered("101", &[Class::Malicious])).await.unwrap();
    let sixty = p.breach(nomi(), id).await.unwrap().due().full_by.days_since(today);
    assert!((59..=66).contains(&sixty), "{sixty}");
    for (version, did) in [(2, Did::First), (3, Did::Full), (4, Did::Told), (5, Did::End)] {
        p.do_breach(&own, id, version, did, "しました").await.unwrap();
    }
    assert!(p.near_deadlines().await.unwrap().is_empty());
    assert_eq!(p.breach_steps(nomi(), id).await.unwrap().len(), 4);
    assert_eq!(p.do_breach(&own, id, 6, Did::Note, "もう").await, Err(PrivacyError::Stale), "it is closed");

    let desk = site.acting(testing::staff(nomi(), &["data-officer"]));
    assert!(desk.get("/staff/privacy/breaches/new").await.text().contains("これは訓練です"));
    let bad = desk.post_form("/staff/privacy/breaches/new", &[], "known_on=x").await.text();
    assert!(bad.contains("日付を確かめて"));
    let bad = desk
        .post_form("/staff/privacy/breaches/new", &[], &format!("known_on={today}&people=x"))
        .await
        .text();
    assert!(bad.contains("を確かめてください"));
    let pairs = filled(&breach::ITEMS, &[("title", "メールの誤送信"), ("people", "3")]);
    let sent = format!("drill=yes&known_on={today}&class=special-care&{}", form(&pairs));
    let sent = desk.post_form("/staff/privacy/breaches/new", &[], &sent).await;
    let path = sent.header("location").to_owned();
    let one = desk.get(&path).await.text();
    assert!(one.contains("【訓練】メールの誤送信") && one.contains("速報の期限"));
    assert!(p.near_deadlines().await.unwrap().is_empty(), "a drill wakes nobody");
    let end = desk.post_form(&path, &[], "act=did&version=1&did=end&text=終わり").await;
    assert!(desk.get(end.header("location")).await.text().contains("済んでいないか"));
    assert_eq!(
        desk.post_form(&path, &[], "act=did&version=1&did=first&text=報告").await.header("location"),
        path
    );
    let again = format!("act=rewrite&version=2&known_on={today}&{}", form(&pairs));
    assert_eq!(desk.post_form(&path, &[], &again).await.header("location"), path);
    assert!(desk.get(&path).await.text().contains("報告の義務はありません"));
    let list = desk.get("/staff/privacy/breaches").await.text();
    assert!(list.contains("誤送付") && list.contains("【訓練】"));
    assert!(desk.get("/staff/privacy/breaches?as=csv").await.text().contains("誤送付"));
    let foreign = site.acting(testing::staff(kaga(), &["data-officer"]));
    assert_eq!(foreign.get(&path).await.status, 404);
}

#[kenroku_store::test(&[])]
async fn what_was_received_is_recorded_and_goes_on_its_day(db: Db) {
    let site = site(db).await;
    let (p, own, other) = (privacy(&site), officer(nomi()), officer(kaga()));
    let today = p.today().unwrap();
    let pairs = filled(&received::ITEMS, &[("provider", "病院")]);
    let each = p.record_received(&own, Made::Each, today, &pairs).await.unwrap();
    let contract = p.record_received(&own, Made::Contract, today, &pairs).await.unwrap();
    let later = today.plus_days(1).unwrap();
    assert!(matches!(p.record_received(&own, Made::Each, later, &pairs).await, Err(PrivacyError::Input(_))));
    assert!(matches!(p.record_received(&own, Made::Each, today, &[]).await, Err(PrivacyError::Input(_))));
    assert_eq!(p.received_again(&own, each, 1).await, Err(PrivacyError::Refused("now")));
    assert_eq!(p.received_again(&other, contract, 1).await, Err(PrivacyError::NotFound));
    site.app().env().clock.advance(Duration::from_secs(10 * 86_400));
    let before = p.received(nomi()).await.unwrap().iter().find(|r| r.id == contract).unwrap().until;
    p.received_again(&own, contract, 1).await.unwrap();
    assert_eq!(p.received_again(&own, contract, 1).await, Err(PrivacyError::Stale));
    let after = p.received(nomi()).await.unwrap().iter().find(|r| r.id == contract).unwrap().until;
    assert_eq!(after.days_since(before), 10, "its time begins anew");
    assert!(p.received(kaga()).await.unwrap().is_empty());

    let desk = site.acting(testing::staff(nomi(), &["data-officer"]));
    assert!(desk.get("/staff/privacy/received").await.text().contains("病院"));
    assert!(
        desk.post_form("/staff/privacy/received", &[], "act=add&made=each")
            .await
            .text()
            .contains("日付を確かめて")
    );
    let add = format!("act=add&made=bulk&received_on={today}&{}", form(&pairs));
    assert_eq!(desk.post_form("/staff/privacy/received", &[], &add).await.status, 303);
    let again = format!("act=again&which={contract} 2");
    assert_eq!(desk.post_form("/staff/privacy/received", &[], &again).await.status, 303);
    assert_eq!(desk.get("/staff/privacy/received?as=json").await.json().as_array().unwrap().len(), 3);

    assert_eq!(p.purge_received(nomi(), before).await.unwrap(), 0);
    site.app().env().clock.advance(Duration::from_secs(367 * 86_400));
    assert_eq!(p.purge_received(kaga(), p.today().unwrap()).await.unwrap(), 0);
    let done = p.purge().await.unwrap();
    let line = |code: &str| done.iter().find(|l| l.rule.code == code).unwrap();
    assert_eq!((line("privacy.received").removed, line("consent.cases").removed), (1, 0));
    assert_eq!(p.received(nomi()).await.unwrap().len(), 2);
    assert_eq!(p.purges(99).await.unwrap().len(), done.len(), "also the rules that removed nothing");
    let page = desk.get("/staff/privacy/retention").await.text();
    assert!(page.contains("privacy.received") && page.contains("退会した方"));
    assert!(desk.get("/staff/privacy/retention?as=csv").await.text().contains("consent.provisions"));
}

#[kenroku_store::test(&[])]
async fn an_answered_objection_goes_after_five_years(db: Db) {
    let site = site(db).await;
    let p = privacy(&site);
    let consent = site.app().get::<kenroku_consent::Consent>().unwrap();
    let me = crate::world::register(&site, "模擬　花子").await;
    let known = crate::world::known(&site, me, "consent").await;
    // Somebody looked: the row of the access log to object to.
    let i = crate::world::identity(&site);
    let asked = [kenroku_identity::claims::Claim::Name];
    let by = crate::world::name_agreed(&i, me).await;
    i.release(me, &asked, by, Some(i.env().id())).await.unwrap();
    let seen = kenroku_types::ids::SubjectId::from_uuid(me.uuid());
    let entry = site.vault().accesses(Tenant::SHARED, seen, None, 1).await.unwrap().remove(0);
    let id = consent.object(site.vault(), nomi(), known, &entry, "知らない").await.unwrap();
    let officer: Granted<kenroku_consent::HandleCases> = Granted::for_system("test", nomi());
    let five_years = Duration::from_secs(1_826 * 86_400);
    site.app().env().clock.advance(five_years);
    p.purge().await.unwrap();
    assert_eq!(consent.cases(site.vault(), &officer).await.unwrap().len(), 1, "nobody has answered");
    consent.answer_case(site.vault(), &officer, id, 1, "調べました").await.unwrap();
    p.purge().await.unwrap();
    assert_eq!(
        consent.cases(site.vault(), &officer).await.unwrap().len(),
        1,
        "its time begins with the answer"
    );
    site.app().env().clock.advance(five_years);
    let done = p.purge().await.unwrap();
    let line = done.iter().find(|l| l.rule.code == "consent.cases").unwrap();
    assert_eq!((line.removed, line.overdue), (1, 0));
    assert!(consent.cases(site.vault(), &officer).await.unwrap().is_empty());
    let again = consent.object(site.vault(), nomi(), known, &entry, "もう一度").await;
    assert!(again.is_ok(), "a new objection gets a new key");
}
