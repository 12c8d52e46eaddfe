//! Statements and the rows they answer with.

use kenroku_ngsi_ld::Entity;
use kenroku_store::{ModuleMigrations, Result, Sql, SqlBuilder, Tx, Val, migrations, params, row, sql};
use kenroku_types::{Tenant, Timestamp};
use uuid::Uuid;

/// The module's tables.
pub const MIGRATIONS: ModuleMigrations = migrations!("broker", ["0001_init", "0002_subscriptions"]);

/// What a store can narrow a query by.
#[derive(Clone, Debug, Default)]
pub struct Narrow {
    /// One of these ids.
    pub ids: Vec<String>,
    /// At least one of these types.
    pub types: Option<Vec<String>>,
    /// At least one of these attributes.
    pub attrs: Vec<String>,
}

const GET: &Sql = sql!(
    "select doc from broker_entity where tenant = $1 and id = $2 and (expires_at is null or expires_at > $3)"
);
const EXISTS: &Sql = sql!(
    "select cast(1 as bigint) from broker_entity where tenant = $1 and id = $2 and (expires_at is null or expires_at > $3)"
);
const PUT: &Sql = sql!(
    "insert into broker_entity (tenant, id, doc, created_at, modified_at, expires_at) values ($1, $2, $3, $4, $5, $6)
     on conflict (tenant, id) do update set doc = excluded.doc, created_at = excluded.created_at,
     modified_at = excluded.modified_at, expires_at = excluded.expires_at"
);
const DELETE: &Sql = sql!("delete from broker_entity where tenant = $1 and id = $2");
const DELETE_TYPES: &Sql = sql!("delete from broker_type where tenant = $1 and id = $2");
const DELETE_ATTRS: &Sql = sql!("delete from broker_attr where tenant = $1 and id = $2");
const ADD_TYPE: &Sql = sql!("insert into broker_type (tenant, type, id) values ($1, $2, $3)");
const ADD_ATTR: &Sql = sql!("insert into broker_attr (tenant, attr, id, kinds) values ($1, $2, $3, $4)");

/// An entity.
///
/// # Errors
/// The store's.
pub async fn get(tx: &mut Tx, tenant: Tenant, id: &str, now: Timestamp) -> Result<Option<Entity>> {
    let row: Option<(String,)> = tx.opt(GET, params![tenant, id, now]).await?;
    row.map(|(doc,)| read(&doc)).transpose()
}

/// Whether there is such an entity.
///
/// # Errors
/// The store's.
pub async fn exists(tx: &mut Tx, tenant: Tenant, id: &str, now: Timestamp) -> Result<bool> {
    Ok(tx.opt::<(i64,)>(EXISTS, params![tenant, id, now]).await?.is_some())
}

fn read(doc: &str) -> Result<Entity> {
    serde_json::from_str(doc)
        .map_err(|e| kenroku_store::Error::Other(format!("an entity cannot be read: {e}")))
}

fn written<T: serde::Serialize>(v: &T) -> Result<String> {
    serde_json::to_string(v)
        .map_err(|e| kenroku_store::Error::Other(format!("an entity cannot be written: {e}")))
}

/// Writes an entity; `old` is what was there, so that only index rows that change are written.
///
/// # Errors
/// The store's.
pub async fn put(tx: &mut Tx, tenant: Tenant, old: Option<&Entity>, e: &Entity) -> Result<()> {
    let doc = written(e)?;
    let created = e.created_at.unwrap_or(Timestamp::EPOCH);
    let modified = e.modified_at.unwrap_or(created);
    tx.execute(PUT, params![tenant, &e.id, doc, created, modified, e.expires_at]).await?;
    if old.is_none_or(|o| o.types != e.types) {
        tx.execute(DELETE_TYPES, params![tenant, &e.id]).await?;
        for t in &e.types {
            tx.execute(ADD_TYPE, params![tenant, t, &e.id]).await?;
        }
    }
    if old.is_none_or(|o| kinds(o) != kinds(e)) {
        tx.execute(DELETE_ATTRS, params![tenant, &e.id]).await?;
        for (name, kinds) in kinds(e) {
            tx.execute(ADD_ATTR, params![tenant, name, &e.id, kinds]).await?;
        }
    }
    Ok(())
}

/// Names of attributes with the kinds they are there of.
fn kinds(e: &Entity) -> Vec<(&str, String)> {
    e.attrs
        .iter()
        .map(|(name, all)| {
            let mut kinds: Vec<&str> = all.iter().map(|a| a.kind.name()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            (name.as_str(), kinds.join(" "))
        })
        .collect()
}

/// Removes an entity.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, tenant: Tenant, id: &str) -> Result<bool> {
    tx.execute(DELETE_TYPES, params![tenant, id]).await?;
    tx.execute(DELETE_ATTRS, params![tenant, id]).await?;
    Ok(tx.execute(DELETE, params![tenant, id]).await? > 0)
}

fn narrowed<'a>(head: &'static str, tenant: Tenant, n: &'a Narrow, now: Timestamp) -> SqlBuilder<'a> {
    let mut b = SqlBuilder::new(head);
    b.bind(tenant).push(" and (e.expires_at is null or e.expires_at > ").bind(now).push(")");
    if !n.ids.is_empty() {
        b.push(" and e.id in ").bind_list(n.ids.iter().map(String::as_str));
    }
    if let Some(types) = &n.types {
        b.push(" and exists (select 1 from broker_type t where t.tenant = e.tenant and t.id = e.id and t.type in ");
        b.bind_list(types.iter().map(String::as_str)).push(")");
    }
    if !n.attrs.is_empty() {
        b.push(" and exists (select 1 from broker_attr a where a.tenant = e.tenant and a.id = e.id and a.attr in ");
        b.bind_list(n.attrs.iter().map(String::as_str)).push(")");
    }
    b
}

/// Entities behind `after`, in the order of their ids: at most `limit`.
///
/// # Errors
/// The store's.
pub async fn page(
    tx: &mut Tx,
    tenant: Tenant,
    n: &Narrow,
    after: &str,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<Entity>> {
    // A single type is walked in its own index, so that `limit` reads as many rows and no more.
    let rows: Vec<(String,)> =
        if let (Some([one]), true) = (n.types.as_deref(), n.ids.is_empty() && n.attrs.is_empty()) {
            tx.all(OF_TYPE, params![tenant, one, after, now, limit]).await?
        } else {
            let mut b = narrowed("select e.doc from broker_entity e where e.tenant = ", tenant, n, now);
            b.push(" and e.id > ").bind(after).push(" order by e.id limit ").bind(limit);
            tx.all_dyn(&b).await?
        };
    rows.iter().map(|(doc,)| read(doc)).collect()
}

const OF_TYPE: &Sql = sql!(
    "select e.doc from broker_type t join broker_entity e on e.tenant = t.tenant and e.id = t.id
     where t.tenant = $1 and t.type = $2 and t.id > $3 and (e.expires_at is null or e.expires_at > $4)
     order by t.id limit $5"
);

/// How many entities the narrowing leaves.
///
/// # Errors
/// The store's.
pub async fn count(tx: &mut Tx, tenant: Tenant, n: &Narrow, now: Timestamp) -> Result<i64> {
    let b = narrowed("select count(*) from broker_entity e where e.tenant = ", tenant, n, now);
    let rows: Vec<(i64,)> = tx.all_dyn(&b).await?;
    Ok(rows.first().map_or(0, |r| r.0))
}

/// A type with an attribute that entities of it have.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeAttr {
    /// Full name of the type.
    pub kind: String,
    /// Full name of the attribute.
    pub attr: String,
    /// Kinds of attribute, joined by blanks.
    pub kinds: String,
    /// How many entities have it so.
    pub entities: i64,
}
row!(TypeAttr { kind, attr, kinds, entities });

const TYPES: &Sql =
    sql!("select type, count(*) from broker_type where tenant = $1 group by type order by type");
const TYPE_ATTRS: &Sql = sql!(
    "select t.type, a.attr, a.kinds, count(*) from broker_type t join broker_attr a on a.tenant = t.tenant and a.id = t.id
     where t.tenant = $1 group by t.type, a.attr, a.kinds order by t.type, a.attr, a.kinds"
);

/// All types with how many entities are of them.
///
/// # Errors
/// The store's.
pub async fn types(tx: &mut Tx, tenant: Tenant) -> Result<Vec<(String, i64)>> {
    tx.all(TYPES, params![tenant]).await
}

/// All types with their attributes.
///
/// # Errors
/// The store's.
pub async fn type_attrs(tx: &mut Tx, tenant: Tenant) -> Result<Vec<TypeAttr>> {
    tx.all(TYPE_ATTRS, params![tenant]).await
}

/// A context.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextRow {
    /// Its id here.
    pub id: String,
    /// Where it comes from; its own id when it is hosted.
    pub url: String,
    /// `Hosted`, `Cached`, `ImplicitlyCreated`.
    pub kind: String,
    /// The document.
    pub body: String,
    /// Since when it is here.
    pub created_at: Timestamp,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
    /// How often it was used.
    pub hits: i64,
}
row!(ContextRow { id, url, kind, body, created_at, used_at, hits });

const ADD_CONTEXT: &Sql = sql!(
    "insert into broker_context (tenant, id, url, kind, body, created_at, used_at, hits) values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (tenant, id) do nothing"
);
const CONTEXT: &Sql = sql!(
    "select id, url, kind, body, created_at, used_at, hits from broker_context where tenant = $1 and id = $2"
);
const CONTEXT_BY_URL: &Sql = sql!(
    "select id, url, kind, body, created_at, used_at, hits from broker_context where tenant = $1 and url = $2 order by id limit 1"
);
const CONTEXTS: &Sql = sql!(
    "select id, url, kind, body, created_at, used_at, hits from broker_context where tenant = $1 order by created_at, id"
);
const DELETE_CONTEXT: &Sql = sql!("delete from broker_context where tenant = $1 and id = $2");
const RENEW_CONTEXT: &Sql =
    sql!("update broker_context set body = $3, created_at = $4 where tenant = $1 and id = $2");
const USED_CONTEXT: &Sql =
    sql!("update broker_context set hits = hits + 1, used_at = $3 where tenant = $1 and id = $2");

/// Keeps a context.
///
/// # Errors
/// The store's.
pub async fn add_context(tx: &mut Tx, tenant: Tenant, c: &ContextRow) -> Result<()> {
    let p = params![tenant, &c.id, &c.url, &c.kind, &c.body, c.created_at, c.used_at, c.hits];
    tx.execute(ADD_CONTEXT, p).await.map(drop)
}

/// A context by its id.
///
/// # Errors
/// The store's.
pub async fn context(tx: &mut Tx, tenant: Tenant, id: &str) -> Result<Option<ContextRow>> {
    tx.opt(CONTEXT, params![tenant, id]).await
}

/// A context by where it comes from.
///
/// # Errors
/// The store's.
pub async fn context_by_url(tx: &mut Tx, tenant: Tenant, url: &str) -> Result<Option<ContextRow>> {
    tx.opt(CONTEXT_BY_URL, params![tenant, url]).await
}

/// All contexts, oldest first.
///
/// # Errors
/// The store's.
pub async fn contexts(tx: &mut Tx, tenant: Tenant) -> Result<Vec<ContextRow>> {
    tx.all(CONTEXTS, params![tenant]).await
}

/// Forgets a context.
///
/// # Errors
/// The store's.
pub async fn delete_context(tx: &mut Tx, tenant: Tenant, id: &str) -> Result<bool> {
    Ok(tx.execute(DELETE_CONTEXT, params![tenant, id]).await? > 0)
}

/// Puts a newly fetched text in the place of an older one.
///
/// # Errors
/// The store's.
pub async fn renew_context(tx: &mut Tx, tenant: Tenant, id: &str, body: &str, now: Timestamp) -> Result<()> {
    tx.execute(RENEW_CONTEXT, params![tenant, id, body, now]).await.map(drop)
}

/// Counts a use.
///
/// # Errors
/// The store's.
pub async fn used_context(tx: &mut Tx, tenant: Tenant, id: &str, now: Timestamp) -> Result<()> {
    tx.execute(USED_CONTEXT, params![tenant, id, now]).await.map(drop)
}

const ADD_INSTANCE: &Sql = sql!(
    "insert into broker_instance (tenant, entity, attr, at, instance, dataset, doc) values ($1, $2, $3, $4, $5, $6, $7)"
);
const PUT_PAST: &Sql = sql!(
    "insert into broker_past (tenant, id, doc, created_at, modified_at, deleted_at) values ($1, $2, $3, $4, $5, $6)
     on conflict (tenant, id) do update set doc = excluded.doc, modified_at = excluded.modified_at, deleted_at = excluded.deleted_at"
);
const DELETE_PAST: &Sql = sql!("delete from broker_past where tenant = $1 and id = $2");
const DELETE_INSTANCES: &Sql = sql!("delete from broker_instance where tenant = $1 and entity = $2");

/// Keeps an instance of an attribute for its history.
///
/// # Errors
/// The store's.
pub async fn add_instance(
    tx: &mut Tx,
    tenant: Tenant,
    entity: &str,
    attr: &str,
    instance: Uuid,
    a: &kenroku_ngsi_ld::Attr,
) -> Result<()> {
    let at = a.observed_at.or(a.deleted_at).or(a.modified_at).or(a.created_at).unwrap_or(Timestamp::EPOCH);
    let dataset = a.dataset_id.as_deref().map_or(Val::Null, Val::from);
    let p = [
        Val::from(tenant),
        Val::from(entity),
        Val::from(attr),
        Val::from(at),
        Val::from(instance),
        dataset,
        Val::from(written(a)?),
    ];
    tx.execute(ADD_INSTANCE, &p).await.map(drop)
}

/// Keeps what is no attribute of an entity for its history.
///
/// # Errors
/// The store's.
pub async fn put_past(tx: &mut Tx, tenant: Tenant, e: &Entity) -> Result<()> {
    let head = Entity { attrs: kenroku_ngsi_ld::Attrs::new(), ..e.clone() };
    let created = e.created_at.unwrap_or(Timestamp::EPOCH);
    let modified = e.modified_at.unwrap_or(created);
    tx.execute(PUT_PAST, params![tenant, &e.id, written(&head)?, created, modified, e.deleted_at])
        .await
        .map(drop)
}

/// Forgets an entity's history.
///
/// # Errors
/// The store's.
pub async fn delete_past(tx: &mut Tx, tenant: Tenant, id: &str) -> Result<bool> {
    let instances = tx.execute(DELETE_INSTANCES, params![tenant, id]).await?;
    Ok(tx.execute(DELETE_PAST, params![tenant, id]).await? + instances > 0)
}

const ATTR_COUNT: &Sql = sql!("select count(*) from broker_attr where tenant = $1 and attr = $2");

/// How many entities have an attribute.
///
/// # Errors
/// The store's.
pub async fn attr_count(tx: &mut Tx, tenant: Tenant, attr: &str) -> Result<i64> {
    Ok(tx.one::<(i64,)>(ATTR_COUNT, params![tenant, attr]).await?.0)
}

const PAST: &Sql = sql!("select doc from broker_past where tenant = $1 and id = $2");
const PASTS: &Sql = sql!("select doc from broker_past where tenant = $1 and id > $2 order by id limit $3");
const INSTANCES: &Sql = sql!(
    "select attr, doc from broker_instance where tenant = $1 and entity = $2 order by attr, at, instance"
);
const INSTANCES_OF: &Sql = sql!(
    "select instance, doc from broker_instance where tenant = $1 and entity = $2 and attr = $3 order by at, instance"
);
const DELETE_INSTANCE: &Sql =
    sql!("delete from broker_instance where tenant = $1 and entity = $2 and attr = $3 and instance = $4");

/// What is no attribute of an entity's history.
///
/// # Errors
/// The store's.
pub async fn past(tx: &mut Tx, tenant: Tenant, id: &str) -> Result<Option<Entity>> {
    let row: Option<(String,)> = tx.opt(PAST, params![tenant, id]).await?;
    row.map(|(doc,)| read(&doc)).transpose()
}

/// Entities with a history, behind `after` in the order of their ids.
///
/// # Errors
/// The store's.
pub async fn pasts(tx: &mut Tx, tenant: Tenant, after: &str, limit: i64) -> Result<Vec<Entity>> {
    let rows: Vec<(String,)> = tx.all(PASTS, params![tenant, after, limit]).await?;
    rows.iter().map(|(doc,)| read(doc)).collect()
}

fn instance(doc: &str) -> Result<kenroku_ngsi_ld::Attr> {
    serde_json::from_str(doc)
        .map_err(|e| kenroku_store::Error::Other(format!("an instance cannot be read: {e}")))
}

/// Every instance in an entity's history, with the attribute's name, oldest first.
///
/// # Errors
/// The store's.
pub async fn instances(
    tx: &mut Tx,
    tenant: Tenant,
    entity: &str,
) -> Result<Vec<(String, kenroku_ngsi_ld::Attr)>> {
    let rows: Vec<(String, String)> = tx.all(INSTANCES, params![tenant, entity]).await?;
    rows.into_iter().map(|(name, doc)| Ok((name, instance(&doc)?))).collect()
}

/// Every instance of one attribute, oldest first.
///
/// # Errors
/// The store's.
pub async fn instances_of(
    tx: &mut Tx,
    tenant: Tenant,
    entity: &str,
    attr: &str,
) -> Result<Vec<(Uuid, kenroku_ngsi_ld::Attr)>> {
    let rows: Vec<(Uuid, String)> = tx.all(INSTANCES_OF, params![tenant, entity, attr]).await?;
    rows.into_iter().map(|(id, doc)| Ok((id, instance(&doc)?))).collect()
}

/// Removes one instance.
///
/// # Errors
/// The store's.
pub async fn delete_instance(
    tx: &mut Tx,
    tenant: Tenant,
    entity: &str,
    attr: &str,
    instance: Uuid,
) -> Result<bool> {
    Ok(tx.execute(DELETE_INSTANCE, params![tenant, entity, attr, instance]).await? > 0)
}
