//! Every rule of the table “Where the engines differ”: its recommended form gives equal answers. The test runner
//! compares them; the assertions here fix the values themselves.

use kenroku_store::{Bulk, Col, Db, Error, Sql, SqlBuilder, Val, params, row, sql, testing};
use kenroku_types::Tenant;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::SCHEMA;

const PUT: &Sql = sql!(
    "insert into probe (tenant, id, name, n, x, ok, doc, raw) values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (tenant, id) do update set name = excluded.name, version = probe.version + 1 returning version"
);
const GET: &Sql = sql!("select id, name, n, x, ok, doc, raw from probe where tenant = $1 and id = $2");
const SWAPPED: &Sql =
    sql!("select cast($2 as bigint), cast($1 as text) from probe where tenant = $3 and name = $1 and n = $2");
const JSON_TEXT: &Sql =
    sql!("select cast(doc ->> 'n' as text) from probe where tenant = $1 and cast(doc ->> 'n' as text) = $2");
const SUM: &Sql = sql!(
    "select cast(sum(n) as bigint), cast(coalesce(sum(n), 0) as bigint) / 2 from probe where tenant = $1"
);
const NULLS: &Sql = sql!("select id from probe where tenant = $1 order by n nulls first, id");
const TRUE: &Sql = sql!("select id from probe where tenant = $1 and ok = $2 order by id");
const UPDATE_FROM: &Sql = sql!(
    "update probe set name = other.name from probe as other where probe.tenant = $1 and probe.id = $2
     and other.tenant = probe.tenant and other.id = $3 returning probe.name"
);
const WINDOW: &Sql = sql!(
    "select id, row_number() over (order by n desc nulls last, id), count(*) filter (where ok) over ()
     from probe where tenant = $1 order by id"
);
const COPY: &Sql = sql!(
    "insert into probe (tenant, id, name) select tenant, id + 100, name from probe where tenant = $1 and true
     on conflict (tenant, id) do nothing"
);
const CHILD: &Sql = sql!("insert into probe_child (tenant, id, parent) values ($1, $2, $3)");
const BUMP: &Sql =
    sql!("update probe set version = version + 1 where tenant = $1 and id = $2 and version = $3");

const T: Tenant = Tenant::SHARED;

#[derive(Debug, PartialEq)]
struct Probe {
    id: i64,
    name: Option<String>,
    n: Option<i64>,
    x: Option<f64>,
    ok: Option<bool>,
    doc: Option<serde_json::Value>,
    raw: Option<Vec<u8>>,
}
row!(Probe { id, name, n, x, ok, doc, raw });

async fn put(db: &Db, id: i64, n: Option<i64>, ok: bool) {
    let mut tx = db.begin().await.unwrap();
    let doc = json!({"n": id, "deep": {"list": [1, 2]}});
    let (version,): (i64,) =
        tx.one(PUT, params![T, id, format!("name {id}"), n, 1.5, ok, &doc, vec![0u8, 255]]).await.unwrap();
    assert_eq!(version, 0);
    tx.commit().await.unwrap();
}

#[kenroku_store::test(SCHEMA)]
async fn values_come_back_as_they_went_in(db: Db) {
    put(&db, 1, Some(-7), true).await;
    let mut tx = db.read().await.unwrap();
    let p: Probe = tx.one(GET, params![T, 1]).await.unwrap();
    let want = Probe {
        id: 1,
        name: Some("name 1".to_owned()),
        n: Some(-7),
        x: Some(1.5),
        ok: Some(true),
        doc: Some(json!({"n": 1, "deep": {"list": [1, 2]}})),
        raw: Some(vec![0, 255]),
    };
    assert_eq!(p, want);
    assert_eq!(tx.opt::<Probe>(GET, params![T, 2]).await.unwrap(), None, "absent is None, not an error");
    let other = Tenant::of("172111".parse().unwrap());
    assert_eq!(tx.opt::<Probe>(GET, params![other, 1]).await.unwrap(), None, "another tenant finds nothing");
}

#[kenroku_store::test(SCHEMA)]
async fn recommended_forms_answer_alike(db: Db) {
    for (id, n, ok) in [(1, Some(5), true), (2, None, false), (3, Some(8), true)] {
        put(&db, id, n, ok).await;
    }
    let mut tx = db.begin().await.unwrap();
    let swapped: Vec<(i64, String)> = tx.all(SWAPPED, params!["name 1", 5, T]).await.unwrap();
    assert_eq!(swapped, [(5, "name 1".to_owned())]);
    assert_eq!(tx.all::<(String,)>(JSON_TEXT, params![T, "2"]).await.unwrap(), [("2".to_owned(),)]);
    assert_eq!(tx.one::<(i64, i64)>(SUM, params![T]).await.unwrap(), (13, 6));
    assert_eq!(tx.all::<(i64,)>(NULLS, params![T]).await.unwrap(), [(2,), (1,), (3,)]);
    assert_eq!(tx.all::<(i64,)>(TRUE, params![T, true]).await.unwrap(), [(1,), (3,)]);
    assert_eq!(tx.all::<(String,)>(UPDATE_FROM, params![T, 1, 3]).await.unwrap(), [("name 3".to_owned(),)]);
    let rows: Vec<(i64, i64, i64)> = tx.all(WINDOW, params![T]).await.unwrap();
    assert_eq!(rows, [(1, 2, 2), (2, 3, 2), (3, 1, 2)]);
    assert_eq!(tx.execute(COPY, params![T]).await.unwrap(), 3);
    assert_eq!(tx.execute(COPY, params![T]).await.unwrap(), 3, "the copies are copied, the rest conflicts");
    let mut b = SqlBuilder::new("select id from probe where tenant = ");
    b.bind(T).push(" and id in ").bind_list([1i64, 103, 999]).push(" order by id");
    assert_eq!(tx.all_dyn::<(i64,)>(&b).await.unwrap(), [(1,), (103,)]);
    tx.commit().await.unwrap();
}

#[kenroku_store::test(SCHEMA)]
async fn errors_are_the_same_on_both(db: Db) {
    put(&db, 1, None, true).await;
    const PLAIN: &Sql = sql!("insert into probe (tenant, id) values ($1, $2)");
    let mut tx = db.begin().await.unwrap();
    assert!(matches!(tx.execute(PLAIN, params![T, 1]).await, Err(Error::Unique(_))));
    drop(tx);
    let mut tx = db.begin().await.unwrap();
    assert!(matches!(tx.execute(CHILD, params![T, 1, 77]).await, Err(Error::Constraint(_))));
    drop(tx);
    let mut tx = db.begin().await.unwrap();
    assert!(matches!(tx.execute_one(BUMP, params![T, 1, 4]).await, Err(Error::Stale)));
    tx.execute_one(BUMP, params![T, 1, 0]).await.expect("the right version is accepted");
    tx.execute(CHILD, params![T, 1, 1]).await.expect("an existing parent is accepted");
    let wrong: Result<Vec<(bool, String, i64)>, Error> = tx.all(GET, params![T, 1]).await;
    assert!(matches!(wrong, Err(Error::Decode { .. })), "{wrong:?}");
}

static MANY: Bulk = Bulk::new(
    "probe",
    &[
        ("tenant", Col::Uuid),
        ("id", Col::Int),
        ("name", Col::Text),
        ("x", Col::Real),
        ("ok", Col::Bool),
        ("doc", Col::Json),
        ("raw", Col::Blob),
    ],
    "on conflict (tenant, id) do nothing",
);

fn rows(ids: std::ops::Range<i64>) -> Vec<Vec<Val<'static>>> {
    ids.map(|i| {
        vec![
            T.into(),
            i.into(),
            (i % 3 != 0).then(|| format!("n{i}")).into(),
            (i as f64 / 4.0).into(),
            (i % 2 == 0).into(),
            json!({"i": i}).into(),
            i.to_be_bytes().to_vec().into(),
        ]
    })
    .collect()
}

#[kenroku_store::test(SCHEMA)]
async fn bulk_inserts_count_only_new_rows(db: Db) {
    let mut tx = db.begin().await.unwrap();
    assert_eq!(tx.insert_many(&MANY, &rows(0..6000)).await.unwrap(), 6000);
    assert_eq!(tx.insert_many(&MANY, &rows(5990..6010)).await.unwrap(), 10);
    let bad = vec![vec![Val::from(T), Val::from("text in an integer column")]];
    assert!(tx.insert_many(&MANY, &bad).await.is_err());
    tx.commit().await.unwrap();
    let mut tx = db.read().await.unwrap();
    let p: Probe = tx.one(GET, params![T, 6001]).await.unwrap();
    assert_eq!((p.name.as_deref(), p.x, p.ok), (Some("n6001"), Some(1500.25), Some(false)));
    assert_eq!((p.doc, p.raw), (Some(json!({"i": 6001})), Some(6001i64.to_be_bytes().to_vec())));
}

#[kenroku_store::test(SCHEMA)]
async fn any_text_json_and_number_survives(db: Db) {
    // The same cases on both engines, so that their answers can be compared.
    let mut runner = TestRunner::deterministic();
    let strategy = (
        "[^\0]{0,40}",
        any::<i64>(),
        any::<f64>().prop_filter("finite", |x| x.is_finite()),
        prop::collection::vec(any::<u8>(), 0..40),
    );
    for id in 0..64i64 {
        let (text, n, x, raw) = strategy.new_tree(&mut runner).unwrap().current();
        let mut tx = db.begin().await.unwrap();
        tx.execute(PUT, params![T, id, &text, n, x, true, json!({ "t": text }), &raw]).await.unwrap();
        let p: Probe = tx.one(GET, params![T, id]).await.unwrap();
        assert_eq!((p.name, p.n, p.x, p.raw), (Some(text.clone()), Some(n), Some(x), Some(raw)));
        assert_eq!(p.doc, Some(json!({ "t": text })));
        tx.commit().await.unwrap();
    }
}

#[kenroku_store::test(SCHEMA, concurrent)]
async fn every_statement_prepares_and_names_its_tenant(db: Db) {
    assert_eq!(testing::prepare_all(&db).await.unwrap(), Vec::<String>::new());
    assert_eq!(testing::without_tenant(), Vec::<String>::new());
    assert_eq!(testing::pairs().len(), 2, "each pair needs a reason to exist: {:?}", testing::pairs());
}

#[kenroku_store::test(SCHEMA, concurrent)]
async fn the_schema_can_be_written_down(db: Db) {
    let text = testing::schema(&db).await.unwrap();
    for want in ["probe_child", "schema_migration", "version"] {
        assert!(text.contains(want), "{want} in {text}");
    }
}
