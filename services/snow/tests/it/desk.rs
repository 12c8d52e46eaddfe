//! What the desk looks up, on both engines, and never another tenant's.

use kenroku_http::test::NOW;
use kenroku_snow::MIGRATIONS;
use kenroku_snow::sql::{fleet, log, matched};
use kenroku_store::Db;
use kenroku_types::{MuniCode, Tenant};

use crate::world::{device, fill, id, prefecture, snow};

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, MIGRATIONS])]
async fn devices_and_vehicles_are_found_by_their_own_tenant_only(db: Db) {
    let (snow, ids) = snow(db.clone());
    fill(&snow, &ids).await;
    let other = Tenant::of(MuniCode::new(17211).unwrap());
    let phone = id(77);
    let mut tx = db.begin().await.unwrap();
    assert!(fleet::add_device(&mut tx, prefecture(), phone, "電話", true, NOW).await.unwrap());
    assert!(!fleet::add_device(&mut tx, prefecture(), phone, "電話", true, NOW).await.unwrap());
    assert!(!fleet::vehicles(&mut tx, prefecture()).await.unwrap().is_empty());
    assert!(fleet::vehicles(&mut tx, other).await.unwrap().is_empty());
    let found = fleet::devices(&mut tx, prefecture()).await.unwrap();
    assert!(found.iter().any(|d| d.id == phone) && found.iter().any(|d| d.id == device()));
    assert!(fleet::devices(&mut tx, other).await.unwrap().is_empty());
    assert!(fleet::is_device(&mut tx, prefecture(), phone).await.unwrap());
    assert!(!fleet::is_device(&mut tx, other, phone).await.unwrap());
    assert!(log::quarantine_counts(&mut tx, prefecture(), NOW).await.unwrap().is_empty());
    assert!(matched::positions(&mut tx, prefecture()).await.unwrap().is_empty());
    tx.commit().await.unwrap();
}
