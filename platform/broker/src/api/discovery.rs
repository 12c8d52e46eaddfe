//! Which types and attributes there are (GS CIM 009 §5.7.5 to §5.7.10).

use std::collections::{BTreeMap, BTreeSet};

use kenroku_ngsi_ld::{Names, NgsiError};
use serde_json::{Value, json};

use crate::door::Reader;
use crate::http::{Answer, Call, Media, answer};
use crate::sql::{self, TypeAttr};

const FORMS: [Media; 2] = [Media::Json, Media::LdJson];

/// An id for an answer that is made afresh each time.
fn fresh(call: &Call, kind: &str) -> String {
    format!("urn:ngsi-ld:{kind}:{}", call.app.env().uuid())
}

fn sorted(names: &Names, all: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let set: BTreeSet<String> = all.into_iter().map(|n| names.brief(n.as_ref())).collect();
    set.into_iter().collect()
}

pub(super) async fn types(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&["details", "local"]])?;
    let media = call.accept(&FORMS)?;
    let names = call.names(&space).await?;
    let details = call.flag("details")?;
    let mut tx = call.app.db().read().await?;
    let body = if details {
        let mut by: BTreeMap<String, BTreeSet<String>> =
            sql::types(&mut tx, space.tenant).await?.into_iter().map(|(t, _)| (t, BTreeSet::new())).collect();
        for r in sql::type_attrs(&mut tx, space.tenant).await? {
            by.entry(r.kind).or_default().insert(r.attr);
        }
        by.into_iter()
            .map(|(t, attrs)| json!({ "id": t, "type": "EntityType", "typeName": names.brief(&t), "attributeNames": sorted(&names, attrs) }))
            .collect()
    } else {
        let all = sql::types(&mut tx, space.tenant).await?;
        let list = sorted(&names, all.iter().map(|(t, _)| t));
        json!({ "id": fresh(&call, "EntityTypeList"), "type": "EntityTypeList", "typeList": list })
    };
    answer(&call, &space, &names, media, body).await
}

pub(super) async fn one_type(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&["local"]])?;
    let media = call.accept(&FORMS)?;
    let names = call.names(&space).await?;
    let full = names.full(call.param("type"))?;
    let mut tx = call.app.db().read().await?;
    let all = sql::types(&mut tx, space.tenant).await?;
    let (_, count) = all
        .iter()
        .find(|(t, _)| *t == full)
        .ok_or_else(|| NgsiError::not_found("there are no entities of this type"))?;
    let mut by: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for r in sql::type_attrs(&mut tx, space.tenant).await?.into_iter().filter(|r| r.kind == full) {
        by.entry(r.attr).or_default().extend(r.kinds.split(' ').map(ToOwned::to_owned));
    }
    let details: Vec<Value> = by
        .into_iter()
        .map(|(a, kinds)| json!({ "id": a, "type": "Attribute", "attributeName": names.brief(&a), "attributeTypes": kinds }))
        .collect();
    let body = json!({
        "id": full, "type": "EntityTypeInfo", "typeName": names.brief(&full), "entityCount": count, "attributeDetails": details,
    });
    answer(&call, &space, &names, media, body).await
}

/// What is known of an attribute: types of entities with it, its kinds, how many there are.
#[derive(Default)]
struct Known {
    types: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

fn by_attr(rows: Vec<TypeAttr>) -> BTreeMap<String, Known> {
    let mut by: BTreeMap<String, Known> = BTreeMap::new();
    for r in rows {
        let k = by.entry(r.attr).or_default();
        k.types.insert(r.kind);
        k.kinds.extend(r.kinds.split(' ').map(ToOwned::to_owned));
    }
    by
}

pub(super) async fn attributes(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&["details", "local"]])?;
    let media = call.accept(&FORMS)?;
    let names = call.names(&space).await?;
    let details = call.flag("details")?;
    let mut tx = call.app.db().read().await?;
    let by = by_attr(sql::type_attrs(&mut tx, space.tenant).await?);
    let body = if details {
        by.into_iter()
            .map(|(a, k)| json!({ "id": a, "type": "Attribute", "attributeName": names.brief(&a), "typeNames": sorted(&names, k.types) }))
            .collect()
    } else {
        let list = sorted(&names, by.keys());
        json!({ "id": fresh(&call, "AttributeList"), "type": "AttributeList", "attributeList": list })
    };
    answer(&call, &space, &names, media, body).await
}

pub(super) async fn one_attribute(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&["local"]])?;
    let media = call.accept(&FORMS)?;
    let names = call.names(&space).await?;
    let full = names.full(call.param("attr"))?;
    let mut tx = call.app.db().read().await?;
    let mut by = by_attr(sql::type_attrs(&mut tx, space.tenant).await?);
    let known = by.remove(&full).ok_or_else(|| NgsiError::not_found("no entity has this attribute"))?;
    let count = sql::attr_count(&mut tx, space.tenant, &full).await?;
    let body = json!({
        "id": full, "type": "Attribute", "attributeName": names.brief(&full), "attributeCount": count,
        "typeNames": sorted(&names, known.types), "attributeTypes": known.kinds,
    });
    answer(&call, &space, &names, media, body).await
}
