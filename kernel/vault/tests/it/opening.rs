//! Sealing and opening: what opens, what is refused, and that nothing opens without its row in the log.

use kenroku_access::{Actor, Assurance, Granted, SignIn};
use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::ids::{RequestId, SubjectId};
use kenroku_vault::{ConsentId, Disclosure, Error, Field, MAX_KEY_CACHE, MasterKeys, Sealed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

use crate::consents::Kept;
use crate::world::*;

const RAW: &Sql = sql!("select name from probe_person where tenant = $1 and subject = $2");
const SET_RAW: &Sql = sql!("update probe_person set name = $3 where tenant = $1 and subject = $2");
const LOG_SIZE: &Sql = sql!("select count(*) from vault_log where tenant = $1");
const BREAK_LOG: &Sql = sql!("update vault_log_head set last = 0 where tenant = $1");

async fn log_size(db: &Db) -> i64 {
    db.read().await.unwrap().one::<(i64,)>(LOG_SIZE, params![NOMI]).await.unwrap().0
}

#[kenroku_store::test(SCHEMA)]
async fn what_is_sealed_opens_and_leaves_a_row(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let who: SubjectId = env.id();
    store(&vault, &db, NOMI, who, "加賀 友禅").await;
    let (raw,): (Vec<u8>,) = db.read().await.unwrap().one(RAW, params![NOMI, who]).await.unwrap();
    assert!(!raw.windows(6).any(|w| w == "加賀".as_bytes()), "no plaintext in the column");

    let request: RequestId = env.id();
    let slot = NAME.at(who, who.uuid());
    let sealed = stored(&db, NOMI, who).await;
    let opened = vault.open(&staff(NOMI, &VISIT).request(request), slot, &sealed).await.unwrap();
    assert_eq!(*opened, "加賀 友禅");
    assert_eq!(format!("{opened:?} {sealed:?}"), "Opened(…) Sealed(66 bytes, key 1)");

    let seen = vault.accesses(NOMI, who, None, 10).await.unwrap();
    assert_eq!(seen.len(), 1);
    let row = &seen[0];
    assert_eq!((row.seq, row.kind.as_str(), row.actor.as_str()), (1, "read", "system:probe"));
    assert_eq!((row.purpose.as_str(), row.permission.as_str()), ("probe.visit", "probe.view"));
    assert_eq!((row.fields.as_str(), row.request), ("probe.probe_person.name", Some(request)));
    assert_eq!(row.basis, "statute:母子保健法 第11条第1項");
    assert!(vault.accesses(KANAZAWA, who, None, 10).await.unwrap().is_empty(), "another tenant sees none");
    assert!(vault.accesses(NOMI, who, Some(1), 10).await.unwrap().is_empty(), "pages end");
}

#[kenroku_store::test(SCHEMA)]
async fn a_value_opens_only_in_its_place(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let (a, b): (SubjectId, SubjectId) = (env.id(), env.id());
    let row = Uuid::from_u128(1);
    for s in [a, b] {
        vault.seal(KANAZAWA, NAME.at(s, row), &"x".to_owned()).await.unwrap();
        vault.seal(NOMI, NAME.at(s, row), &"x".to_owned()).await.unwrap();
    }
    let slot = NAME.at(a, row);
    let sealed = vault.seal(NOMI, slot, &"能美".to_owned()).await.unwrap();
    let why = health_staff(NOMI);
    assert_eq!(*vault.open(&why, slot, &sealed).await.unwrap(), "能美", "in its place it opens");

    let wrong = |r: kenroku_vault::Result<_>| r.map(kenroku_vault::Opened::into_value).unwrap_err();
    assert_eq!(wrong(vault.open(&why, NAME.at(a, Uuid::from_u128(2)), &sealed).await), Error::NotAuthentic);
    assert_eq!(wrong(vault.open(&why, NAME.at(b, row), &sealed).await), Error::NotAuthentic);
    assert_eq!(wrong(vault.open(&why, STATE.at(a, row), &sealed).await), Error::NotAuthentic);
    assert_eq!(wrong(vault.open(&why, PHONE.at(a, row), &sealed).await), Error::KeyGone(1), "another class");
    assert_eq!(wrong(vault.open(&health_staff(KANAZAWA), slot, &sealed).await), Error::NotAuthentic);
    let nobody: SubjectId = env.id();
    assert_eq!(wrong(vault.open(&why, NAME.at(nobody, row), &sealed).await), Error::SubjectUnknown);

    let number = vault.seal(NOMI, slot, &7u32).await.unwrap();
    assert_eq!(*vault.open(&why, slot, &number).await.unwrap(), 7);
    let mut tx = db.begin().await.unwrap();
    store_raw(&mut tx, a, &number).await;
    tx.commit().await.unwrap();
    let as_text = stored(&db, NOMI, a).await;
    let slot = NAME.at(a, row);
    assert_eq!(wrong(vault.open(&why, slot, &as_text).await), Error::Content, "another type");
}

async fn store_raw(tx: &mut kenroku_store::Tx, who: SubjectId, v: &Sealed<u32>) {
    const ADD: &Sql = sql!("insert into probe_person (tenant, subject, row, name) values ($1, $2, $3, $4)");
    tx.execute(ADD, params![NOMI, who, who.uuid(), v]).await.unwrap();
}

#[kenroku_store::test(SCHEMA)]
async fn every_byte_counts(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let who: SubjectId = env.id();
    store(&vault, &db, NOMI, who, "n").await;
    let (raw,): (Vec<u8>,) = db.read().await.unwrap().one(RAW, params![NOMI, who]).await.unwrap();
    let reader = vault.disclose(&staff(NOMI, &VISIT), &[who], &[&NAME]).await.unwrap();
    let slot = NAME.at(who, who.uuid());
    let set = async |bytes: &[u8]| {
        let mut tx = db.begin().await.unwrap();
        tx.execute(SET_RAW, params![NOMI, who, bytes]).await.unwrap();
        tx.commit().await.unwrap();
        db.read().await.unwrap().one::<(Sealed<String>,)>(RAW, params![NOMI, who]).await
    };
    for i in 0..raw.len() {
        let mut bent = raw.clone();
        bent[i] ^= 0x40;
        match set(&bent).await {
            Err(e) => {
                assert!(i < 2, "only format and algorithm are refused while reading the row: {i}");
                assert!(e.to_string().contains("not a sealed value"), "{e}");
            }
            Ok((s,)) => {
                let want = if i < 6 { Error::KeyGone(s.key_version()) } else { Error::NotAuthentic };
                assert_eq!(reader.open(slot, &s).map(|_| ()).unwrap_err(), want, "byte {i}");
            }
        }
    }
    for n in 0..raw.len() {
        if let Ok((s,)) = set(&raw[..n]).await {
            assert_eq!(reader.open(slot, &s).map(|_| ()).unwrap_err(), Error::NotAuthentic, "cut to {n}");
        } else {
            assert!(n < 34);
        }
    }
    let (whole,) = set(&raw).await.unwrap();
    assert_eq!(*reader.open(slot, &whole).unwrap(), "n");
}

#[kenroku_store::test(SCHEMA)]
async fn purpose_permission_and_basis_are_asked(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let (who, other): (SubjectId, SubjectId) = (env.id(), env.id());
    let row = who.uuid();
    let name = vault.seal(NOMI, NAME.at(who, row), &"名".to_owned()).await.unwrap();
    let state = vault.seal(NOMI, STATE.at(who, row), &"良".to_owned()).await.unwrap();
    let open_name =
        async |d: Disclosure| vault.open(&d, NAME.at(who, row), &name).await.map(|v| v.into_value());
    let open_state =
        async |d: Disclosure| vault.open(&d, STATE.at(who, row), &state).await.map(|v| v.into_value());
    let before = log_size(&db).await;

    let e = open_name(staff(NOMI, &COUNT)).await.unwrap_err();
    assert!(matches!(e, Error::NotForPurpose { purpose: "probe.count", .. }), "{e}");
    let e = open_state(staff(NOMI, &VISIT)).await.unwrap_err();
    assert!(matches!(e, Error::NotForPermission { permission: "probe.view", .. }), "{e}");
    let e = open_name(staff(NOMI, &AGREED)).await.unwrap_err();
    assert_eq!(e, Error::ConsentMissing("probe.agreed"));
    let consent: ConsentId = env.id();
    let kept = Kept(Mutex::new(Some([(NOMI, who, consent)].into())));
    vault.answers_for(AGREEMENTS, Arc::new(kept));
    let e = open_name(staff(NOMI, &AGREED).consent(other, consent)).await.unwrap_err();
    assert_eq!(e, Error::ConsentMissing("probe.agreed"), "somebody else's consent");
    assert_eq!(open_name(staff(NOMI, &MINE)).await.unwrap_err(), Error::NotOwn("probe.mine"));
    let e = vault.disclose(&staff(NOMI, &VISIT).of_everybody(), &[who], &[&NAME]).await.unwrap_err();
    assert!(matches!(e, Error::NotForPurpose { .. }), "what one government keeps is not everybody's: {e}");
    const FORGOTTEN: Field =
        Field::new("probe", "probe_person", "note", "メモ", KEEP, kenroku_vault::Category::Person);
    let e = vault.disclose(&staff(NOMI, &VISIT), &[who], &[&FORGOTTEN]).await.unwrap_err();
    assert!(matches!(e, Error::Undeclared(_)), "{e}");
    assert_eq!(log_size(&db).await, before, "what is refused here discloses nothing");

    assert_eq!(open_name(staff(NOMI, &VISIT)).await.unwrap(), "名");
    assert_eq!(open_state(health_staff(NOMI)).await.unwrap(), "良");
    assert_eq!(open_name(staff(NOMI, &AGREED).consent(who, consent)).await.unwrap(), "名");
    assert_eq!(log_size(&db).await, before + 3);
    let seen = vault.accesses(NOMI, who, None, 1).await.unwrap();
    assert_eq!(seen[0].basis, format!("consent:{consent}"));
}

#[kenroku_store::test(SCHEMA)]
async fn people_see_their_own(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let (me, other): (SubjectId, SubjectId) = (env.id(), env.id());
    for s in [me, other] {
        store(&vault, &db, NOMI, s, "名").await;
    }
    let own = own_proof(me);
    let why = Disclosure::new(&own, &MINE);
    let slot = NAME.at(me, me.uuid());
    assert_eq!(*vault.open(&why, slot, &stored(&db, NOMI, me).await).await.unwrap(), "名");
    let slot = NAME.at(other, other.uuid());
    let e = vault.open(&why, slot, &stored(&db, NOMI, other).await).await.unwrap_err();
    assert_eq!(e, Error::NotOwn("probe.mine"));
}

/// The policies say: a resident sees what is theirs.
fn own_proof(me: SubjectId) -> Granted<ViewVisits> {
    use kenroku_access::{Access, ModuleAccess, Permission, Policies, PolicyFile, Target, TenantTree};
    let module = ModuleAccess {
        module: "probe",
        permissions: vec![ViewVisits::META],
        roles: vec![],
        policies: vec![PolicyFile {
            module: "probe",
            text: r#"@id("probe.own") @ja("本人は自分の記録を見られる。")
                permit (principal is Resident, action == Action::"probe.view", resource);"#,
            explanation_ja: "試験",
        }],
    };
    let policies = Policies::new(TenantTree::default(), [module]).unwrap();
    let sign_in = SignIn { assurance: Assurance::JpkiAuth, at: env().now() };
    let actor = Actor::Resident { subject: me, sign_in };
    let target = Target { owner: Some(me), ..Target::whole::<Visit>(NOMI) };
    Access::new(policies, Nobody, kenroku_access::WebRules::default()).grant(&actor, &target).unwrap()
}

struct Nobody;
impl kenroku_access::Authenticator for Nobody {
    fn session<'a>(&'a self, _: &'a str, _: &'a str) -> kenroku_access::Answer<'a, Option<Actor>> {
        Box::pin(async { Ok(None) })
    }
    fn key<'a>(&'a self, _: &'a str) -> kenroku_access::Answer<'a, Option<Actor>> {
        Box::pin(async { Ok(None) })
    }
}

#[kenroku_store::test(SCHEMA)]
async fn without_the_log_nothing_opens(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let who: SubjectId = env.id();
    store(&vault, &db, NOMI, who, "名").await;
    assert_eq!(read(&vault, &db, NOMI, who).await.unwrap(), "名");
    // The next row would take a number that exists: the log refuses it.
    let mut tx = db.begin().await.unwrap();
    tx.execute(BREAK_LOG, params![NOMI]).await.unwrap();
    tx.commit().await.unwrap();
    let e = read(&vault, &db, NOMI, who).await.unwrap_err();
    assert!(matches!(e, Error::LogUnavailable(_)), "{e}");
    assert_eq!(kenroku_types::Problem::from(e).status, 503);
}

#[kenroku_store::test(SCHEMA)]
async fn readers_and_sealers_do_not_outlive_the_bound(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let (who, other): (SubjectId, SubjectId) = (env.id(), env.id());
    store(&vault, &db, NOMI, who, "名").await;
    let sealed = stored(&db, NOMI, who).await;
    let slot = NAME.at(who, who.uuid());
    let reader = vault.disclose(&staff(NOMI, &VISIT), &[who], &[&NAME]).await.unwrap();
    let sealer = vault.sealer(NOMI, &[who], &[&NAME]).await.unwrap();
    assert!(reader.open(slot, &sealed).is_ok() && sealer.seal(slot, &"新".to_owned()).is_ok());
    assert_eq!(
        sealer.seal(PHONE.at(who, who.uuid()), &0).err(),
        Some(Error::NotDisclosed("probe.probe_person.phone".to_owned()))
    );
    assert!(sealer.seal(NAME.at(other, other.uuid()), &"新".to_owned()).is_err(), "another person");
    env.clock.advance(MAX_KEY_CACHE / 2 + Duration::from_micros(1));
    assert_eq!(reader.open(slot, &sealed).err(), Some(Error::Over));
    assert_eq!(sealer.seal(slot, &"新".to_owned()).err(), Some(Error::Over));
    vault.tidy();
    assert_eq!(read(&vault, &db, NOMI, who).await.unwrap(), "名");
}

#[kenroku_store::test(SCHEMA, concurrent)]
async fn many_open_with_one_commit(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let people: Vec<SubjectId> = (0..700).map(|_| env.id()).collect();
    let sealer = vault.sealer(NOMI, &people, &[&NAME, &PHONE]).await.unwrap();
    let values: Vec<_> = people
        .iter()
        .map(|p| (NAME.at(*p, p.uuid()), sealer.seal(NAME.at(*p, p.uuid()), &p.to_string()).unwrap()))
        .collect();
    let before = log_size(&db).await;
    let list: Vec<_> = values.iter().map(|(slot, s)| (*slot, s)).collect();
    let opened = vault.open_many(&staff(NOMI, &VISIT), &list).await.unwrap();
    for (p, o) in people.iter().zip(opened) {
        assert_eq!(o.unwrap().into_value(), p.to_string());
    }
    assert_eq!(log_size(&db).await, before + 700);

    let calls = (0..50).map(|i| {
        let (vault, slot, sealed) = (vault.clone(), values[i].0, values[i].1.clone());
        tokio::spawn(
            async move { vault.open(&staff(NOMI, &VISIT), slot, &sealed).await.map(|o| o.into_value()) },
        )
    });
    for (i, c) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(c.await.unwrap().unwrap(), people[i].to_string());
    }
    assert_eq!(log_size(&db).await, before + 750);
}

#[kenroku_store::test(SCHEMA)]
async fn another_master_key_is_refused_at_the_start(db: Db) {
    let env = env();
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = (dir.path().join("right.key"), dir.path().join("wrong.key"));
    MasterKeys::create(&right, &env.rng).unwrap();
    MasterKeys::create(&wrong, &env.rng).unwrap();
    let who: SubjectId = env.id();
    let first = try_vault(&env, &db, &db, MasterKeys::load(&right).unwrap()).await.unwrap();
    store(&first, &db, NOMI, who, "名").await;
    let e = try_vault(&env, &db, &db, MasterKeys::load(&wrong).unwrap()).await.unwrap_err();
    assert!(e.to_string().contains("not the one"), "{e}");
    let again = try_vault(&env, &db, &db, MasterKeys::load(&right).unwrap()).await.unwrap();
    assert_eq!(read(&again, &db, NOMI, who).await.unwrap(), "名");
}
