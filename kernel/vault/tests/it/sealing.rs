//! The log under seal: every manipulation is found at its row, beside the untouched log that verifies.

use std::sync::Mutex;

use kenroku_store::{Bulk, Col, Db, Sql, Val, params, sql};
use kenroku_types::Tenant;
use kenroku_types::ids::SubjectId;
use kenroku_vault::merkle::{self, verify_consistency, verify_inclusion};
use kenroku_vault::{
    Checkpoint, Error, FileWitness, Finding, LogReport, Manipulation, Testimony, TestimonyPage, Vault,
    Witness, WitnessAnswer, verify_log,
};
use uuid::Uuid;

use crate::world::*;

/// A witness in memory.
#[derive(Default)]
struct Memory(Mutex<Vec<Testimony>>);
impl Witness for Memory {
    fn publish<'a>(&'a self, t: &'a Testimony) -> WitnessAnswer<'a, ()> {
        Box::pin(async move {
            let mut kept = self.0.lock().unwrap();
            if !kept.contains(t) {
                kept.push(t.clone());
            }
            Ok(())
        })
    }
    fn tenants(&self) -> WitnessAnswer<'_, Vec<Tenant>> {
        Box::pin(async { Ok(vec![NOMI]) })
    }
    fn testimonies(&self, tenant: Tenant, from: u64) -> WitnessAnswer<'_, TestimonyPage> {
        Box::pin(async move {
            let kept = self.0.lock().unwrap();
            let of = kept.iter().filter(|t| t.signed.checkpoint.tenant == tenant);
            let testimonies: Vec<_> = of.skip(from as usize).take(2).cloned().collect();
            let next = (testimonies.len() == 2).then_some(from + 2);
            Ok(TestimonyPage { testimonies, next })
        })
    }
    fn last(&self, tenant: Tenant) -> WitnessAnswer<'_, Option<u64>> {
        Box::pin(async move {
            let kept = self.0.lock().unwrap();
            let of = kept.iter().filter(|t| t.signed.checkpoint.tenant == tenant);
            Ok(of.map(|t| t.signed.checkpoint.number).max())
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Row(Vec<Val<'static>>);
impl kenroku_store::FromRow for Row {
    fn from_row(r: &kenroku_store::Row<'_>) -> kenroku_store::Result<Self> {
        let text = |i| r.get::<String>(i);
        Ok(Row(vec![
            r.get::<Tenant>(0)?.into(),
            r.get::<i64>(1)?.into(),
            r.get::<Uuid>(2)?.into(),
            r.get::<i64>(3)?.into(),
            text(4)?.into(),
            text(5)?.into(),
            text(6)?.into(),
            text(7)?.into(),
            r.get::<Uuid>(8)?.into(),
            text(9)?.into(),
            text(10)?.into(),
            r.get::<Option<Uuid>>(11)?.into(),
            r.get::<Vec<u8>>(12)?.into(),
        ]))
    }
}
impl Row {
    fn seq(&self) -> i64 {
        match self.0[1] {
            Val::Int(i) => i,
            _ => unreachable!(),
        }
    }
    fn with_seq(mut self, seq: i64) -> Self {
        self.0[1] = seq.into();
        self
    }
    /// The hash by the documented encoding, computed here a second time: whoever edits a row with care fixes it too.
    fn with_right_hash(mut self) -> Self {
        let mut b = Vec::new();
        let mut part = |p: &[u8]| {
            b.extend_from_slice(&(p.len() as u64).to_be_bytes());
            b.extend_from_slice(p);
        };
        part(b"kenroku-vault/log/1");
        for (i, v) in self.0.iter().enumerate().filter(|(i, _)| ![1, 12].contains(i)) {
            match v {
                Val::Uuid(u) => part(u.as_bytes()),
                Val::Int(n) => part(&n.to_be_bytes()),
                Val::Text(t) => part(t.as_bytes()),
                Val::Null => part(&[]),
                other => panic!("column {i}: {other:?}"),
            }
        }
        self.0[12] = merkle::leaf(&b).to_vec().into();
        self
    }
    fn by(mut self, actor: &str) -> Self {
        self.0[5] = actor.to_owned().into();
        self
    }
}

const ROWS: &Sql = sql!(
    "select tenant, seq, id, at, kind, actor, permission, purpose, subject_ref, fields, basis, request, hash
     from vault_log where tenant = $1 order by seq"
);
const WIPE: &Sql = sql!("delete from vault_log where tenant = $1");
const SET_HEAD: &Sql = sql!("update vault_log_head set last = $2 where tenant = $1");
const CHECKPOINTS: &Sql = sql!("select number, body from vault_checkpoint where tenant = $1 order by number");
const SET_BODY: &Sql = sql!("update vault_checkpoint set body = $3 where tenant = $1 and number = $2");
const FORGET_WITNESSED: &Sql = sql!("update vault_checkpoint set witnessed_at = null where tenant = $1");
static PUT: Bulk = Bulk::new(
    "vault_log",
    &[
        ("tenant", Col::Uuid),
        ("seq", Col::Int),
        ("id", Col::Uuid),
        ("at", Col::Int),
        ("kind", Col::Text),
        ("actor", Col::Text),
        ("permission", Col::Text),
        ("purpose", Col::Text),
        ("subject_ref", Col::Uuid),
        ("fields", Col::Text),
        ("basis", Col::Text),
        ("request", Col::Uuid),
        ("hash", Col::Blob),
    ],
    "",
);

async fn rows(db: &Db) -> Vec<Row> {
    db.read().await.unwrap().all(ROWS, params![NOMI]).await.unwrap()
}

/// The log as somebody with all rights on the database would leave it, the counter included.
async fn replace(db: &Db, rows: &[Row]) {
    let mut tx = db.begin().await.unwrap();
    tx.execute(WIPE, params![NOMI]).await.unwrap();
    let values: Vec<_> = rows.iter().map(|r| r.0.clone()).collect();
    tx.insert_many(&PUT, &values).await.unwrap();
    tx.execute(SET_HEAD, params![NOMI, rows.last().map_or(0, Row::seq)]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn verify(db: &Db, w: &dyn Witness) -> LogReport {
    verify_log(db, w, &mut |_, _| {}).await.unwrap()
}

async fn found(db: &Db, w: &dyn Witness) -> Vec<(i64, Manipulation)> {
    let report = verify(db, w).await;
    report.tenants.iter().flat_map(|(_, t)| &t.findings).map(|f: &Finding| (f.seq, f.what)).collect()
}

/// Some people whose data is read `n` times more.
async fn reads(vault: &Vault, db: &Db, people: &mut Vec<SubjectId>, n: usize) {
    if people.is_empty() {
        for _ in 0..10 {
            let who: SubjectId = env_id(vault, people.len());
            store(vault, db, NOMI, who, "名").await;
            people.push(who);
        }
    }
    for chunk in (0..n).collect::<Vec<_>>().chunks(people.len()) {
        vault.disclose(&staff(NOMI, &VISIT), &people[..chunk.len()], &[&NAME]).await.unwrap();
    }
}

fn env_id(_: &Vault, n: usize) -> SubjectId {
    SubjectId::from_uuid(Uuid::from_u128(0x1000 + n as u128))
}

#[kenroku_store::test(SCHEMA)]
async fn manipulations_are_found_at_their_row(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let witness = Memory::default();
    let mut people = Vec::new();
    for n in [30, 50, 40] {
        reads(&vault, &db, &mut people, n).await;
        let r = vault.seal_batch(&witness).await.unwrap();
        assert_eq!((r.rows, r.checkpoints, r.witnessed, r.more), (n as u64, 1, 1, false));
    }
    assert_eq!(vault.seal_batch(&witness).await.unwrap(), Default::default(), "nothing new, nothing sealed");
    reads(&vault, &db, &mut people, 10).await;

    let untouched = rows(&db).await;
    let mut told = 0;
    let report = verify_log(&db, &witness, &mut |_, n| told = n).await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    let t = &report.tenants[0].1;
    assert_eq!((t.rows, t.witnessed_rows, t.checkpoints, told), (130, 120, 3, 130));

    use Manipulation::*;
    let renumbered =
        |rows: Vec<Row>| rows.into_iter().zip(1..).map(|(r, n)| r.with_seq(n)).collect::<Vec<_>>();
    let u = &untouched;
    let mut edited = u.clone();
    edited[41] = edited[41].clone().by("staff:somebody-else");
    let mut edited_with_care = u.clone();
    edited_with_care[41] = edited[41].clone().with_right_hash();
    let mut hash_only = u.clone();
    hash_only[7].0[12] = vec![7u8; 32].into();
    let mut deleted = u.clone();
    deleted.remove(60);
    let deleted_closed = renumbered(deleted.clone());
    let mut inserted = u.clone();
    inserted.insert(30, {
        let mut r = u[3].clone();
        r.0[2] = Uuid::from_u128(99).into();
        r.with_right_hash()
    });
    let inserted = renumbered(inserted);
    let mut swapped = u.clone();
    swapped.swap(10, 90);
    let swapped = renumbered(swapped);
    let mut moved = u.clone();
    let r = moved.remove(5);
    moved.insert(100, r);
    let moved = renumbered(moved);
    let mut later_edited = u.clone();
    later_edited[125] = later_edited[125].clone().by("staff:somebody-else");
    let mut later_deleted = u.clone();
    later_deleted.remove(124);
    let mut two = edited_with_care.clone();
    two.remove(80);

    let cases: Vec<(&str, Vec<Row>, Vec<(i64, Manipulation)>)> = vec![
        ("edited", edited, vec![(42, Edited)]),
        ("edited, hash fixed", edited_with_care, vec![(42, Edited)]),
        ("hash alone", hash_only, vec![(8, Edited)]),
        ("deleted", deleted, vec![(61, Deleted)]),
        ("deleted, gap closed", deleted_closed, vec![(61, Deleted)]),
        ("inserted", inserted, vec![(31, Inserted)]),
        ("two swapped", swapped, vec![(11, Moved), (91, Moved)]),
        ("moved", moved, vec![(6, Moved)]),
        ("cut before the last checkpoint", u[..95].to_vec(), vec![(96, Truncated)]),
        ("all gone", vec![], vec![(1, Truncated)]),
        ("edited after the last checkpoint", later_edited, vec![(126, Edited)]),
        ("deleted after the last checkpoint", later_deleted, vec![(125, Deleted)]),
        ("two acts", two, vec![(42, Edited), (81, Deleted)]),
    ];
    for (name, rows, want) in cases {
        replace(&db, &rows).await;
        assert_eq!(found(&db, &witness).await, want, "{name}");
        replace(&db, u).await;
        assert_eq!(found(&db, &witness).await, vec![], "put back after: {name}");
    }
    for (r, again) in u.iter().zip(u.iter().cloned().map(Row::with_right_hash)) {
        assert_eq!(*r, again, "the encoding is the documented one");
    }

    // What protects the rows is protected too.
    let bodies: Vec<(i64, String)> = db.read().await.unwrap().all(CHECKPOINTS, params![NOMI]).await.unwrap();
    let set = async |number: i64, body: &str| {
        let mut tx = db.begin().await.unwrap();
        tx.execute(SET_BODY, params![NOMI, number, body]).await.unwrap();
        tx.commit().await.unwrap();
    };
    set(2, &bodies[1].1.replace("size 80", "size 79")).await;
    assert_eq!(found(&db, &witness).await, vec![(80, Checkpoint_)]);
    set(2, &bodies[1].1).await;
    let mut tx = db.begin().await.unwrap();
    tx.execute(SET_HEAD, params![NOMI, 500]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(found(&db, &witness).await, vec![(131, Counter)]);
    replace(&db, u).await;

    // A witness that contradicts itself is told apart from a log that does.
    let mut forged = witness.0.lock().unwrap().clone();
    forged[1].signed.checkpoint.size -= 1;
    let forged = Memory(Mutex::new(forged));
    assert_eq!(found(&db, &forged).await[0], (31, Manipulation::Witness));
    assert_eq!(found(&db, &witness).await, vec![]);
}

use Manipulation::Checkpoint as Checkpoint_;

#[kenroku_store::test(SCHEMA)]
async fn rows_and_growth_are_proved(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let witness = Memory::default();
    let mut people = Vec::new();
    for n in [13, 7, 21] {
        reads(&vault, &db, &mut people, n).await;
        vault.seal_batch(&witness).await.unwrap();
    }
    let kept: Vec<Checkpoint> =
        witness.0.lock().unwrap().iter().map(|t| t.signed.checkpoint.clone()).collect();
    assert_eq!(kept.iter().map(|c| c.size).collect::<Vec<_>>(), vec![13, 20, 41]);
    for c in &kept {
        for seq in 1..=c.size {
            let (leaf, path) = vault.prove_row(NOMI, seq, c.size).await.unwrap();
            assert!(verify_inclusion(&leaf, seq - 1, c.size, &path, &c.root));
        }
    }
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let (a, b) = (&kept[a], &kept[b]);
        let path = vault.prove_growth(NOMI, a.size, b.size).await.unwrap();
        assert!(verify_consistency(a.size, b.size, &a.root, &b.root, &path));
    }
    assert!(vault.prove_row(NOMI, 42, 41).await.is_err());
    assert!(vault.prove_row(NOMI, 0, 41).await.is_err());
    assert!(vault.prove_row(NOMI, 1, 42).await.is_err());
    assert!(vault.prove_growth(NOMI, 21, 20).await.is_err());
}

#[kenroku_store::test(SCHEMA)]
async fn a_file_outside_is_a_witness(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let dir = tempfile::tempdir().unwrap();
    let (data, outside) = (dir.path().join("data"), dir.path().join("outside"));
    std::fs::create_dir(&data).unwrap();
    let e = FileWitness::new(&data.join("witness"), &data).unwrap_err();
    assert!(e.to_string().contains("data folder"), "{e}");
    let witness = FileWitness::new(&outside, &data).unwrap();
    let mut people = Vec::new();
    for n in [12, 8] {
        reads(&vault, &db, &mut people, n).await;
        vault.seal_batch(&witness).await.unwrap();
    }
    assert!(verify(&db, &witness).await.is_intact());

    // Handed over again, as after a crash before the confirmation was noted: only the last may be repeated.
    let path = outside.join(format!("{NOMI}.jsonl"));
    let before = std::fs::read(&path).unwrap();
    let last = witness.testimonies(NOMI, 0).await.unwrap().testimonies.pop().unwrap();
    witness.publish(&last).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
    // A line that a crash cut off is written again.
    std::fs::write(&path, &before[..before.len() - 20]).unwrap();
    assert!(witness.testimonies(NOMI, 0).await.unwrap().testimonies.len() == 1);
    witness.publish(&last).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);

    // A rewritten history does not follow what the witness holds.
    let mut tx = db.begin().await.unwrap();
    tx.execute(FORGET_WITNESSED, params![NOMI]).await.unwrap();
    tx.commit().await.unwrap();
    let e = vault.seal_batch(&witness).await.unwrap_err();
    assert!(matches!(e, Error::Witness(_)), "{e}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(verify(&db, &witness).await.is_intact());

    // The witness's own file was changed.
    let text = String::from_utf8(before.clone()).unwrap();
    std::fs::write(&path, text.replacen("size 12", "size 13", 1)).unwrap();
    assert_eq!(found(&db, &witness).await[0], (1, Manipulation::Witness));
    std::fs::write(&path, "{}\n").unwrap();
    assert!(verify_log(&db, &witness, &mut |_, _| {}).await.is_err());
    std::fs::write(&path, before).unwrap();
    assert!(verify(&db, &witness).await.is_intact());
}

const FORGET_KEPT: &Sql =
    sql!("delete from vault_testimony where tenant = $1 and log_tenant = $2 and number = $3");

#[kenroku_store::test(SCHEMA)]
async fn a_tenant_keeps_anothers_checkpoints_and_a_new_witness_gets_them_all(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let alone = vault.tenant_witness(vec![NOMI]);
    let keeper = vault.tenant_witness(vec![NOMI, KANAZAWA]);
    let mut people = Vec::new();
    reads(&vault, &db, &mut people, 12).await;
    assert!(vault.seal_batch(&alone).await.is_err(), "nobody else is there");
    let r = vault.seal_batch(&keeper).await.unwrap();
    assert_eq!((r.checkpoints, r.witnessed), (0, 1), "made before, kept now");
    for n in [8, 5] {
        reads(&vault, &db, &mut people, n).await;
        let r = vault.seal_batch(&keeper).await.unwrap();
        assert_eq!((r.rows, r.checkpoints, r.witnessed), (n as u64, 1, 1));
    }
    assert_eq!(keeper.last(NOMI).await.unwrap(), Some(3));
    assert_eq!(keeper.last(KANAZAWA).await.unwrap(), None);
    assert_eq!(vault.tenant_witness(vec![]).last(NOMI).await.unwrap(), Some(3), "whoever began goes on");
    let report = vault.check_log("tenant", &keeper).await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    let state = vault.log_state(NOMI).await.unwrap();
    let sealed = state.sealed.unwrap();
    assert_eq!((state.rows, sealed.number, sealed.size), (25, 3, 25));
    assert_eq!((state.checks[0].witnessed_rows, state.checks[0].findings), (25, 0));
    assert!(vault.log_state(KANAZAWA).await.unwrap().checks.is_empty(), "another's");

    // A witness that comes later gets everything; the rows and the hashes of the checkpoints are as they were.
    let late = Memory::default();
    let r = vault.seal_batch(&late).await.unwrap();
    assert_eq!((r.checkpoints, r.witnessed), (0, 3));
    assert!(verify(&db, &late).await.is_intact());

    // Edited with care, all hashes in the database right: found at its row, and told on the officer's page.
    let untouched = rows(&db).await;
    let mut edited = untouched.clone();
    edited[14] = edited[14].clone().by("staff:somebody-else").with_right_hash();
    replace(&db, &edited).await;
    assert_eq!(found(&db, &keeper).await, vec![(15, Manipulation::Edited)]);
    vault.check_log("tenant", &keeper).await.unwrap();
    let check = vault.log_state(NOMI).await.unwrap().checks.remove(0);
    assert_eq!((check.findings, check.first.as_ref().unwrap().0), (1, 15));
    assert!(check.first.unwrap().1.starts_with("Edited"));
    replace(&db, &untouched).await;
    vault.check_log("tenant", &keeper).await.unwrap();
    assert_eq!(vault.log_state(NOMI).await.unwrap().checks[0].first, None);

    // Whoever takes a testimony away leaves a gap.
    let mut tx = db.begin().await.unwrap();
    tx.execute(FORGET_KEPT, params![KANAZAWA, NOMI, 2]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(found(&db, &keeper).await[0], (13, Manipulation::Witness));
}
