//! Every statement finds its own tenant's rows and nobody else's.

use kenroku_consent::MIGRATIONS;
use kenroku_consent::model::Step;
use kenroku_consent::usage::NewHolder;
use kenroku_store::Db;
use kenroku_types::Tenant;
use serde_json::json;
use uuid::Uuid;

use crate::apart::complaints;
use crate::world::{consent, known, nomi, officer, person, program, remember, reply, site, vendor};

#[kenroku_store::test(&[], concurrent)]
async fn no_statement_finds_a_row_of_another_tenant(db: Db) {
    let site = site(db).await;
    let (c, t) = (consent(&site), nomi());
    remember(&site, 5, "模擬　一", "良好").await;
    let (party, agreement) = vendor(&site, t, 1, "visits").await;
    let me = known(5, "consent");
    c.answer(t, agreement, me, reply(Step::Grant, &["probe.name"], 1)).await.unwrap();
    let facts = json!({ "agreement": "visits", "subject": known(5, "vendor-1") });
    assert_eq!(site.acting(program(t, 1)).post_json("/api/consent/v1/facts", &facts).await.status, 200);
    let a = c.agreement(&mut c.db().read().await.unwrap(), t, agreement).await.unwrap();
    c.share_once(&a, me, &["probe.name".to_owned()].into()).await.unwrap();
    let row = &site.vault().accesses(Tenant::SHARED, known(5, "probe"), None, 1).await.unwrap()[0];
    c.object(site.vault(), t, me, row, "なぜ見たのですか").await.unwrap();
    let (url, since) = ("https://vendor.example/log".to_owned(), site.app().env().now());
    let holder = NewHolder { recipient: party.id, url, key: "key".to_owned(), since };
    c.link_usage(site.vault(), &officer(t), holder).await.unwrap();
    assert_eq!(site.acting(person(5)).get("/my").await.status, 200);

    let nobody = Tenant::from_uuid(Uuid::from_u128(0x99));
    let wrong = complaints(c.db(), (t, nobody), "platform/consent/src", &[MIGRATIONS], EXCUSED).await;
    assert_eq!(wrong, Vec::<String>::new());
}

/// Parts of statements, or files, that find nothing in this test, each with the reason.
const EXCUSED: &[(&str, &str)] = &[
    ("emergency.rs", "nobody declares a danger here"),
    ("delivery.rs", "nobody delivers here"),
    ("changes.rs", "nobody subscribes here"),
    ("holder.rs", "nobody leaves here, and no case is old"),
    ("mandate is not null", "nobody acts for another here"),
    ("select items from consent_code", "the code is not used here"),
];
