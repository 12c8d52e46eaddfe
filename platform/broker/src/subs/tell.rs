//! Which notifications a change gives (§5.8.6), written as jobs in the change's transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use kenroku_bus::Enqueue;
use kenroku_http::App;
use kenroku_ngsi_ld::fragment::Change;
use kenroku_ngsi_ld::query::{NoLinks, Q, ScopeQ, Selection, TypeQ, pattern};
use kenroku_ngsi_ld::{Attr, Entity, Form, NULL, Names, NgsiError, View};
use kenroku_store::Tx;
use kenroku_types::{Tenant, Timestamp};
use serde_json::{Value, json};

use super::deliver::Notify;
use super::{Event, SubRow, read, sql};
use crate::Broker;
use crate::http::Failed;

/// Queues what a change of `e` (as it is now; as it was, when it is gone) gives to tell.
pub(crate) async fn told(
    app: &App,
    tx: &mut Tx,
    tenant: Tenant,
    event: Event,
    e: &Entity,
    changes: &[Change],
) -> Result<(), Failed> {
    let all = sql::all(tx, tenant).await?;
    if all.is_empty() {
        return Ok(());
    }
    let broker = app.get::<Broker>()?;
    let now = app.env().now();
    for s in all.iter().filter(|s| s.status(now) == "active" && s.doc.get("timeInterval").is_none()) {
        if !triggered(s, event, changes) || throttled(s, now) {
            continue;
        }
        // A subscription whose words cannot be read any more must not stop the write.
        let Ok(names) = broker.contexts.names(app, tenant, &s.context).await else { continue };
        if !selected(s, &names, e)? {
            continue;
        }
        let shown = entity(s, event, e, changes, now);
        let target = target(app, &broker, tx, tenant, s, &names).await;
        let data = vec![render(s, &target, &shown)];
        queue(app, tx, tenant, s, &target, data).await?;
        if s.doc.get("throttling").is_some() {
            sql::queued(tx, tenant, &s.id, now).await?;
        }
    }
    Ok(())
}

fn throttled(s: &SubRow, now: Timestamp) -> bool {
    let Some(seconds) = s.doc.get("throttling").and_then(Value::as_f64) else { return false };
    s.last_notification.is_some_and(|t| t.plus(Duration::from_secs_f64(seconds.clamp(0.0, 1e9))) > now)
}

fn triggered(s: &SubRow, event: Event, changes: &[Change]) -> bool {
    let given: Option<BTreeSet<&str>> = s
        .doc
        .get("notificationTrigger")
        .and_then(Value::as_array)
        .map(|a| a.iter().filter_map(Value::as_str).collect());
    let wanted = given.unwrap_or_else(|| ["attributeCreated", "attributeUpdated"].into());
    let own = match event {
        Event::Created => "entityCreated",
        Event::Updated => "entityUpdated",
        Event::Deleted => "entityDeleted",
    };
    let watched: Option<Vec<&str>> = s
        .doc
        .get("watchedAttributes")
        .and_then(Value::as_array)
        .map(|a| a.iter().filter_map(Value::as_str).collect());
    if wanted.contains(own) && (event != Event::Updated || watched.is_none()) {
        return true;
    }
    changes.iter().any(|c| {
        let what = match (&c.before, &c.after) {
            (None, _) => "attributeCreated",
            (_, None) => "attributeDeleted",
            _ => "attributeUpdated",
        };
        // What goes with its entity is told as the entity's end.
        let counts = event != Event::Deleted || wanted.contains("attributeDeleted");
        let updates = event == Event::Updated && wanted.contains("entityUpdated");
        counts
            && (wanted.contains(what) || updates)
            && watched.as_ref().is_none_or(|w| w.contains(&c.name.as_str()))
    })
}

/// Selectors of a subscription: one for each item of `entities`.
pub(super) fn selections(s: &SubRow, names: &Names) -> Result<Vec<Selection>, NgsiError> {
    let base = Selection {
        q: s.doc.get("q").and_then(Value::as_str).map(|q| Q::parse(q, names)).transpose()?,
        geo: s.doc.get("geoQ").map(|g| read::geo(g, names)).transpose()?.flatten(),
        scope: s.doc.get("scopeQ").and_then(Value::as_str).map(ScopeQ::parse).transpose()?,
        ..Selection::default()
    };
    let Some(list) = s.doc.get("entities").and_then(Value::as_array) else { return Ok(vec![base]) };
    list.iter()
        .map(|e| {
            let mut one = base.clone();
            one.types = match e.get("type") {
                Some(Value::String(t)) => Some(TypeQ::parse(t, names)?),
                Some(Value::Array(a)) => Some(TypeQ::Or(
                    a.iter().filter_map(Value::as_str).map(|t| TypeQ::Is(t.to_owned())).collect(),
                )),
                _ => None,
            };
            one.ids = match e.get("id") {
                Some(Value::String(i)) => vec![i.clone()],
                Some(Value::Array(a)) => a.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
                _ => Vec::new(),
            };
            one.id_pattern = e.get("idPattern").and_then(Value::as_str).map(pattern).transpose()?;
            Ok(one)
        })
        .collect()
}

fn selected(s: &SubRow, names: &Names, e: &Entity) -> Result<bool, NgsiError> {
    Ok(selections(s, names)?.iter().any(|sel| sel.matches(e, &NoLinks)))
}

/// The entity with what is said of the change.
fn entity(s: &SubRow, event: Event, e: &Entity, changes: &[Change], now: Timestamp) -> Entity {
    let flag = |k: &str| s.doc.get("notification").and_then(|n| n.get(k)) == Some(&Value::Bool(true));
    let (changed, sys) = (flag("showChanges"), flag("sysAttrs"));
    let mut out = e.clone();
    if event == Event::Deleted {
        out.attrs.clear();
        out.deleted_at = Some(now);
        if !changed {
            return out;
        }
    }
    for c in changes {
        let list = out.attrs.entry(c.name.clone()).or_default();
        match (&c.before, &c.after) {
            (Some(b), None) => {
                let mut a = Attr::new(b.kind, json!(NULL));
                a.dataset_id.clone_from(&b.dataset_id);
                a.deleted_at = Some(now).filter(|_| sys && event != Event::Deleted);
                a.previous = Some((b.kind, b.value.clone())).filter(|_| changed);
                list.push(a);
            }
            (Some(b), Some(a)) if changed => {
                if let Some(shown) = list.iter_mut().find(|x| x.dataset_id == a.dataset_id) {
                    shown.previous = Some((b.kind, b.value.clone()));
                }
            }
            _ => {}
        }
    }
    out.attrs.retain(|_, l| !l.is_empty());
    out
}

/// Where a notification goes and in which words.
pub(super) struct Target {
    names: Names,
    link: String,
}

pub(super) async fn target(
    app: &App,
    broker: &Broker,
    tx: &mut Tx,
    tenant: Tenant,
    s: &SubRow,
    names: &Names,
) -> Target {
    let own = match s.doc.get("jsonldContext") {
        Some(url) => broker.contexts.names(app, tenant, url).await.ok().map(|n| Names::clone(&n)),
        None => None,
    };
    let names = own.unwrap_or_else(|| names.clone());
    let _ = tx;
    let link = names.link().map_or_else(
        || s.doc.get("jsonldContext").and_then(Value::as_str).unwrap_or(kenroku_ngsi_ld::CORE).to_owned(),
        ToOwned::to_owned,
    );
    Target { names, link }
}

/// The entity as the subscription wants it.
pub(super) fn render(s: &SubRow, t: &Target, e: &Entity) -> Value {
    let n = s.doc.get("notification");
    let list = |k: &str| -> Option<BTreeSet<String>> {
        n.and_then(|n| n.get(k))
            .and_then(Value::as_array)
            .map(|a| a.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect())
    };
    let mut v = View::new(&t.names);
    v.form = match n.and_then(|n| n.get("format")).and_then(Value::as_str) {
        Some("keyValues" | "simplified") => Form::Simplified,
        Some("concise") => Form::Concise,
        _ => Form::Normalized,
    };
    v.sys_attrs = n.and_then(|n| n.get("sysAttrs")) == Some(&Value::Bool(true));
    v.pick = list("pick").or_else(|| {
        list("attributes").map(|mut a| {
            a.extend(["id", "type", "scope", "expiresAt"].map(ToOwned::to_owned));
            a
        })
    });
    v.omit = list("omit").unwrap_or_default();
    v.lang = s.doc.get("lang").and_then(Value::as_str).map(ToOwned::to_owned);
    v.datasets = match s.doc.get("datasetId") {
        Some(Value::Array(a)) => Some(a.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()),
        Some(Value::String(d)) => Some(BTreeSet::from([d.clone()])),
        _ => None,
    };
    let geo = n
        .and_then(|n| n.get("endpoint"))
        .and_then(|e| e.get("accept"))
        .is_some_and(|a| a == "application/geo+json");
    if geo {
        Value::Object(v.feature(e, "https://uri.etsi.org/ngsi-ld/location", None))
    } else {
        Value::Object(v.entity(e))
    }
}

/// Writes a notification as a job.
pub(super) async fn queue(
    app: &App,
    tx: &mut Tx,
    tenant: Tenant,
    s: &SubRow,
    t: &Target,
    data: Vec<Value>,
) -> Result<(), Failed> {
    let accept = s
        .doc
        .get("notification")
        .and_then(|n| n.get("endpoint"))
        .and_then(|e| e.get("accept"))
        .and_then(Value::as_str);
    let accept = accept.unwrap_or("application/json").to_owned();
    let mut data = data;
    if accept == "application/ld+json" {
        for e in data.iter_mut().filter_map(Value::as_object_mut) {
            e.insert("@context".to_owned(), t.names.to_json());
        }
    }
    let data = if accept == "application/geo+json" {
        json!({ "type": "FeatureCollection", "features": data })
    } else {
        json!(data)
    };
    let mut body = json!({
        "id": format!("urn:ngsi-ld:Notification:{}", app.env().uuid()),
        "type": "Notification",
        "subscriptionId": s.id,
        "notifiedAt": app.env().now().to_string(),
        "data": data,
    });
    if accept == "application/ld+json"
        && let Value::Object(o) = &mut body
    {
        o.insert("@context".to_owned(), t.names.to_json());
    }
    let job = Notify { subscription: s.id.clone(), accept, link: t.link.clone(), body: body.to_string() };
    app.bus()
        .enqueue(tx, tenant, &job, Enqueue::now().urgent())
        .await
        .map_err(|e| Failed::House(kenroku_http::Error::internal(&e)))?;
    Ok(())
}
