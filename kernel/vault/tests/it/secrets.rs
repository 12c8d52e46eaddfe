//! Secrets of the installation: they open where they belong, in every process, and nowhere else.

use kenroku_store::Db;
use kenroku_vault::{Error, MasterKeys};

use crate::world::*;

#[kenroku_store::test(SCHEMA)]
async fn a_secret_opens_in_its_place_only(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let sealed = vault.seal_secret(NOMI, "probe.key", "row-1", b"private").await.unwrap();
    assert!(!sealed.windows(7).any(|w| w == b"private"));
    let open = |tenant, purpose, id: &'static str| vault.open_secret(tenant, purpose, id, &sealed);
    assert_eq!(open(NOMI, "probe.key", "row-1").await.unwrap().as_slice(), b"private");
    assert_eq!(open(NOMI, "probe.key", "row-2").await.unwrap_err(), Error::NotAuthentic);
    assert_eq!(open(NOMI, "probe.other", "row-1").await.unwrap_err(), Error::NotAuthentic);
    assert_eq!(open(KANAZAWA, "probe.key", "row-1").await.unwrap_err(), Error::NotAuthentic);
    assert_eq!(
        vault.open_secret(NOMI, "probe.key", "row-1", &sealed[..3]).await.unwrap_err(),
        Error::Malformed
    );
    let rewrapped = vault.renew_tenant_key(NOMI).await.unwrap();
    vault.rotate(&[], 100).await.unwrap();
    assert_eq!(open(NOMI, "probe.key", "row-1").await.unwrap().as_slice(), b"private", "after {rewrapped}");
}

#[kenroku_store::test(SCHEMA)]
async fn every_process_derives_the_same_shared_secret(db: Db) {
    let env = env();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let a = try_vault(&env, &db, &db, MasterKeys::create(&path, &env.rng).unwrap()).await.unwrap();
    let b = try_vault(&env, &db, &db, MasterKeys::load(&path).unwrap()).await.unwrap();
    let first = a.shared_secret(NOMI, "probe.nonce").await.unwrap();
    assert_eq!(first, b.shared_secret(NOMI, "probe.nonce").await.unwrap());
    assert_ne!(first, b.shared_secret(NOMI, "probe.other").await.unwrap());
    assert_ne!(first, b.shared_secret(KANAZAWA, "probe.nonce").await.unwrap());
}
