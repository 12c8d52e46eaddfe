//! What operations share: reading, changing and choosing entities, each change in one transaction with its history.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use kenroku_http::App;
use kenroku_ngsi_ld::fragment::{Change, Outcome};
use kenroku_ngsi_ld::query::{Links, Order, Selection, order};
use kenroku_ngsi_ld::{Attr, Entity, Fault, Kind, NgsiError};
use kenroku_store::Tx;
use kenroku_types::Tenant;

use crate::Broker;
use crate::http::Failed;
use crate::sql::{self, Narrow};
use crate::subs::{Event, told};

/// Entities read at once while a query is answered.
const BATCH: i64 = 500;
/// Most entities that an ordered query sorts.
const SORTED: usize = 50_000;

pub(crate) fn missing(id: &str) -> NgsiError {
    NgsiError::not_found(format!("there is no entity {}", kenroku_ngsi_ld::check::short(id)))
}

/// An entity that must be there.
pub(crate) async fn one(app: &App, tx: &mut Tx, tenant: Tenant, id: &str) -> Result<Entity, Failed> {
    Ok(sql::get(tx, tenant, id, app.env().now()).await?.ok_or_else(|| missing(id))?)
}

/// Writes a new entity.
pub(crate) async fn create(app: &App, tx: &mut Tx, tenant: Tenant, mut e: Entity) -> Result<Entity, Failed> {
    let now = app.env().now();
    if sql::exists(tx, tenant, &e.id, now).await? {
        return Err(NgsiError::new(
            Fault::AlreadyExists,
            format!("{} exists already", kenroku_ngsi_ld::check::short(&e.id)),
        )
        .into());
    }
    let outcome = kenroku_ngsi_ld::fragment::create(&mut e, now);
    save(app, tx, tenant, None, &e, &outcome.changes).await?;
    Ok(e)
}

/// Writes an entity that was changed, with its history.
pub(crate) async fn save(
    app: &App,
    tx: &mut Tx,
    tenant: Tenant,
    old: Option<&Entity>,
    e: &Entity,
    changes: &[Change],
) -> Result<(), Failed> {
    sql::put(tx, tenant, old, e).await?;
    sql::put_past(tx, tenant, e).await?;
    remember(app, tx, tenant, &e.id, changes).await?;
    let event = if old.is_none() { Event::Created } else { Event::Updated };
    told(app, tx, tenant, event, e, changes).await
}

async fn remember(
    app: &App,
    tx: &mut Tx,
    tenant: Tenant,
    id: &str,
    changes: &[Change],
) -> Result<(), Failed> {
    let now = app.env().now();
    for c in changes {
        let mut a = match (&c.after, &c.before) {
            (Some(a), _) => a.clone(),
            (None, Some(b)) => {
                // What is left of a deleted attribute is that it was deleted (§4.5.6, NGSI-LD Null).
                let null = serde_json::json!(kenroku_ngsi_ld::NULL);
                let value = if b.kind == Kind::LanguageProperty {
                    serde_json::json!({ "@none": null })
                } else {
                    null
                };
                let mut gone = Attr::new(b.kind, value);
                gone.dataset_id.clone_from(&b.dataset_id);
                gone.created_at = b.created_at;
                gone.deleted_at = Some(now);
                gone.modified_at = Some(now);
                gone
            }
            (None, None) => continue,
        };
        let instance = app.env().uuid();
        a.instance_id = Some(format!("urn:ngsi-ld:instance:{instance}"));
        sql::add_instance(tx, tenant, id, &c.name, instance, &a).await?;
    }
    Ok(())
}

/// Changes an entity that must be there.
pub(crate) async fn change(
    app: &App,
    tx: &mut Tx,
    tenant: Tenant,
    id: &str,
    f: impl FnOnce(&mut Entity) -> Result<Outcome, NgsiError>,
) -> Result<Outcome, Failed> {
    let old = one(app, tx, tenant, id).await?;
    let mut e = old.clone();
    let outcome = f(&mut e)?;
    if e != old {
        save(app, tx, tenant, Some(&old), &e, &outcome.changes).await?;
    }
    Ok(outcome)
}

/// Deletes an entity that must be there.
pub(crate) async fn delete(
    app: &App,
    broker: &Broker,
    tx: &mut Tx,
    tenant: Tenant,
    id: &str,
) -> Result<(), Failed> {
    let mut e = one(app, tx, tenant, id).await?;
    sql::delete(tx, tenant, id).await?;
    let gone: Vec<Change> = e
        .attrs
        .iter()
        .flat_map(|(name, all)| {
            all.iter().map(|a| Change { name: name.clone(), before: Some(a.clone()), after: None })
        })
        .collect();
    told(app, tx, tenant, Event::Deleted, &e, &gone).await?;
    if broker.settings.forget_with_entity {
        sql::delete_past(tx, tenant, id).await?;
    } else {
        e.deleted_at = Some(app.env().now());
        sql::put_past(tx, tenant, &e).await?;
    }
    Ok(())
}

/// Which part of the answers.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub offset: usize,
    pub limit: usize,
    pub count: bool,
    pub order: Vec<Order>,
}

/// Answers to a query.
#[derive(Debug)]
pub(crate) struct Found {
    pub entities: Vec<Entity>,
    /// Whether there are more behind them.
    pub more: bool,
    pub count: Option<usize>,
}

pub(crate) fn narrow(s: &Selection) -> Narrow {
    Narrow {
        ids: s.ids.clone(),
        types: s.types.as_ref().and_then(kenroku_ngsi_ld::query::TypeQ::any_of),
        attrs: s.attrs.clone(),
    }
}

/// Linked entities: those that are asked for and not at hand are noted, read, and the question is asked again.
#[derive(Default)]
struct Near {
    known: BTreeMap<String, Option<Entity>>,
    wanted: RefCell<BTreeSet<String>>,
}

impl Links for Near {
    fn entity(&self, id: &str) -> Option<Entity> {
        match self.known.get(id) {
            Some(e) => e.clone(),
            None => {
                self.wanted.borrow_mut().insert(id.to_owned());
                None
            }
        }
    }
}

/// Those of `batch` that the selection means.
async fn decide(
    app: &App,
    tx: &mut Tx,
    tenant: Tenant,
    s: &Selection,
    batch: Vec<Entity>,
) -> Result<Vec<Entity>, Failed> {
    let mut known = BTreeMap::new();
    for _ in 0..8 {
        let near = Near { known, wanted: RefCell::default() };
        let answers: Vec<bool> = batch.iter().map(|e| s.matches(e, &near)).collect();
        let wanted = near.wanted.into_inner();
        if wanted.is_empty() {
            return Ok(batch.into_iter().zip(answers).filter(|(_, yes)| *yes).map(|(e, _)| e).collect());
        }
        known = near.known;
        for id in wanted {
            let e = sql::get(tx, tenant, &id, app.env().now()).await?;
            known.insert(id, e);
        }
    }
    Err(NgsiError::new(Fault::TooComplexQuery, "the query follows too many links").into())
}

/// Answers a query.
pub(crate) async fn find(
    app: &App,
    tx: &mut Tx,
    tenant: Tenant,
    s: &Selection,
    part: &Part,
) -> Result<Found, Failed> {
    let n = narrow(s);
    let now = app.env().now();
    let mut found = Vec::new();
    let (mut after, mut seen, mut more) = (String::new(), 0usize, false);
    let sorted = !part.order.is_empty();
    let exact = s.q.is_none() && s.geo.is_none() && s.scope.is_none() && s.id_pattern.is_none();
    loop {
        let size = if exact && !sorted {
            BATCH.min((part.offset + part.limit + 1 - seen.min(part.offset + part.limit)) as i64)
        } else {
            BATCH
        };
        let batch = sql::page(tx, tenant, &n, &after, size.max(1), now).await?;
        let full = batch.len() as i64 == size.max(1);
        let Some(last) = batch.last() else { break };
        after = last.id.clone();
        for e in decide(app, tx, tenant, s, batch).await? {
            seen += 1;
            if sorted || (seen > part.offset && found.len() < part.limit) {
                found.push(e);
            } else if seen > part.offset {
                more = true;
            }
        }
        if found.len() > SORTED {
            return Err(NgsiError::new(
                Fault::TooComplexQuery,
                format!("at most {SORTED} entities can be ordered; ask for fewer"),
            )
            .into());
        }
        if !full || (more && !sorted && (exact || !part.count)) {
            break;
        }
    }
    let count = match part.count {
        false => None,
        true if exact && !sorted && more => {
            Some(usize::try_from(sql::count(tx, tenant, &n, now).await?).unwrap_or(0))
        }
        true => Some(seen),
    };
    if sorted {
        order(&mut found, &part.order);
        more = found.len() > part.offset + part.limit;
        found = found.into_iter().skip(part.offset).take(part.limit).collect();
    }
    Ok(Found { entities: found, more, count })
}
