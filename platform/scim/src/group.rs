//! Groups: the roles of the key's tenant. Membership grants the role; the groups themselves are fixed.

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use kenroku_access::Role;
use kenroku_access::accounts::{Accounts, StaffRow};
use kenroku_http::{App, Path};
use kenroku_types::ids::StaffId;
use serde_json::{Value, json};

use crate::api::{Answered, Base, answer, if_match};
use crate::error::{Kind, ScimError};
use crate::filter::{Filter, member};
use crate::key::Directory;
use crate::patch::{Operation, Patch, Verb};
use crate::query::Query;

pub(crate) const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

fn entry(row: &StaffRow, base: &Base) -> Value {
    let id = row.id.to_string();
    json!({"value": id, "display": row.name, "type": "User", "$ref": base.at("Users", &id)})
}

fn holders<'r>(role: &str, rows: &'r [StaffRow]) -> impl Iterator<Item = &'r StaffRow> {
    rows.iter().filter(move |r| r.roles().iter().any(|x| x.as_str() == role))
}

/// Changes when somebody joins or leaves.
fn version<'r>(members: impl Iterator<Item = &'r StaffRow>) -> String {
    let mut ids: Vec<_> = members.map(|r| r.id).collect();
    ids.sort_unstable();
    let bytes: Vec<u8> = ids.iter().flat_map(|id| *id.uuid().as_bytes()).collect();
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    format!("W/\"{}\"", hex::encode(digest.as_ref().get(..8).unwrap_or_default()))
}

/// A role as RFC 7643 §4.2 writes a group.
fn resource(role: &Role, rows: &[StaffRow], base: &Base) -> Value {
    json!({
        "schemas": [SCHEMA],
        "id": role.id,
        "displayName": role.ja,
        "members": holders(role.id, rows).map(|r| entry(r, base)).collect::<Vec<_>>(),
        "meta": {
            "resourceType": "Group",
            "location": base.at("Groups", role.id),
            "version": version(holders(role.id, rows)),
        },
    })
}

pub(crate) async fn list(
    by: Directory,
    app: App,
    base: Base,
    query: Answered<Query>,
) -> Result<Response, ScimError> {
    let accounts = app.get::<Accounts>()?;
    let rows = accounts.directory(by.steward()).await?;
    let all = accounts.roles_of(by.tenant()).map(|r| resource(r, &rows, &base));
    Ok(answer(&query.0.list(all)?, None))
}

/// The group of an id, if the tenant has that role.
fn named<'a>(by: &Directory, accounts: &'a Accounts, id: &str) -> Result<&'a Role, ScimError> {
    accounts.roles_of(by.tenant()).find(|r| r.id == id).ok_or_else(ScimError::not_found)
}

async fn shown(
    by: &Directory,
    accounts: &Accounts,
    role: &Role,
    base: &Base,
    query: &Query,
) -> Result<Response, ScimError> {
    let rows = accounts.directory(by.steward()).await?;
    Ok(answer(&query.cut(resource(role, &rows, base)), Some(&version(holders(role.id, &rows)))))
}

pub(crate) async fn read(
    by: Directory,
    app: App,
    base: Base,
    Path(id): Path<String>,
    query: Answered<Query>,
) -> Result<Response, ScimError> {
    let accounts = app.get::<Accounts>()?;
    let role = named(&by, &accounts, &id)?;
    shown(&by, &accounts, role, &base, &query.0).await
}

/// A group as it is sent whole.
fn read_whole(body: &[u8]) -> Result<Value, ScimError> {
    let bad = |e: serde_json::Error| ScimError::of(Kind::InvalidSyntax, format!("no group: {e}"));
    serde_json::from_slice(body).map_err(bad)
}

/// Nobody makes a group: a known name is taken, another has no meaning here.
pub(crate) async fn create(by: Directory, app: App, body: Bytes) -> Result<Response, ScimError> {
    let accounts = app.get::<Accounts>()?;
    let group = read_whole(&body)?;
    let name = member(&group, "displayName").and_then(Value::as_str).unwrap_or_default();
    if accounts.roles_of(by.tenant()).any(|r| r.ja == name || r.id == name) {
        return Err(ScimError::of(
            Kind::Uniqueness,
            "this group is there already; look it up by displayName",
        ));
    }
    Err(fixed())
}

fn fixed() -> ScimError {
    ScimError::new(
        403,
        "the groups are the roles of this installation: they cannot be made, renamed or removed",
    )
}

pub(crate) async fn remove(by: Directory, app: App, Path(id): Path<String>) -> Result<Response, ScimError> {
    named(&by, &*app.get::<Accounts>()?, &id)?;
    Err(fixed())
}

/// The accounts that a value names: `[{"value": "…"}]`, one of it, or the bare number.
fn ids(value: &Value) -> Result<Vec<StaffId>, ScimError> {
    let one = |v: &Value| {
        let text = if v.is_object() { member(v, "value").unwrap_or(&Value::Null) } else { v };
        let id = text.as_str().and_then(|t| t.parse::<StaffId>().ok());
        id.ok_or_else(|| ScimError::of(Kind::InvalidValue, "a member is {\"value\": the id of a user}"))
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) => list.iter().map(one).collect(),
        v => Ok(vec![one(v)?]),
    }
}

/// What a whole description, or a value without a path, says of the members; refuses another name.
fn wanted(role: &Role, group: &Value) -> Result<Option<Vec<StaffId>>, ScimError> {
    if !group.is_object() {
        return Err(ScimError::of(Kind::InvalidValue, "an object of attributes is expected"));
    }
    let renamed = |v: &Value| v.as_str().is_none_or(|n| n != role.ja && n != role.id);
    if member(group, "displayName").is_some_and(renamed) {
        return Err(ScimError::of(Kind::Mutability, "the name of a group is fixed"));
    }
    member(group, "members").map(ids).transpose()
}

/// Who has the role after an operation.
fn apply(
    role: &Role,
    rows: &[StaffRow],
    mut have: Vec<StaffId>,
    op: &Operation,
    base: &Base,
) -> Result<Vec<StaffId>, ScimError> {
    let (verb, path, value) = op.parts()?;
    let Some(path) = path else {
        match (wanted(role, value)?, verb) {
            (Some(ids), Verb::Replace) => have = ids,
            (Some(ids), _) => have.extend(ids),
            (None, _) => {}
        }
        return Ok(have);
    };
    match path.attr.name.as_str() {
        "members" => {}
        "displayname" => {
            wanted(role, &json!({"displayName": value}))?;
            return Ok(have);
        }
        "externalid" => return Ok(have),
        name => return Err(ScimError::of(Kind::InvalidPath, format!("a group has no “{name}” to change"))),
    }
    match (verb, &path.which) {
        (Verb::Add, None) => have.extend(ids(value)?),
        (Verb::Replace, None) => have = ids(value)?,
        (Verb::Remove, None) if value.is_null() => have.clear(),
        (Verb::Remove, None) => {
            let gone = ids(value)?;
            have.retain(|id| !gone.contains(id));
        }
        (Verb::Remove, Some(which)) => {
            let goes = |id: &StaffId| matches(rows, *id, which, base);
            have.retain(|id| !goes(id));
        }
        (_, Some(_)) => {
            return Err(ScimError::of(Kind::InvalidPath, "members are added and removed, not changed"));
        }
    }
    Ok(have)
}

fn matches(rows: &[StaffRow], id: StaffId, which: &Filter, base: &Base) -> bool {
    rows.iter().find(|r| r.id == id).is_some_and(|r| which.holds(&entry(r, base)))
}

/// An unknown member is the mistake of whoever sent it, not an unknown address.
fn unknown_member(e: ScimError) -> ScimError {
    if e.status == 404 { ScimError::of(Kind::InvalidValue, "a member is no user of this tenant") } else { e }
}

pub(crate) async fn change(
    by: Directory,
    app: App,
    base: Base,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ScimError> {
    let accounts = app.get::<Accounts>()?;
    let role = named(&by, &accounts, &id)?;
    let patch = Patch::read(&body)?;
    let select = |rows: &[StaffRow], have: Vec<StaffId>| {
        if_match(&headers, &version(holders(role.id, rows)))?;
        patch.operations.iter().try_fold(have, |have, op| apply(role, rows, have, op, &base))
    };
    accounts.set_members(by.steward(), role.id, select).await.map_err(unknown_member)?;
    shown(&by, &accounts, role, &base, &Query::default()).await
}

pub(crate) async fn replace(
    by: Directory,
    app: App,
    base: Base,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ScimError> {
    let accounts = app.get::<Accounts>()?;
    let role = named(&by, &accounts, &id)?;
    let group = read_whole(&body)?;
    let shall = wanted(role, &group)?.unwrap_or_default();
    let select = |rows: &[StaffRow], _: Vec<StaffId>| {
        if_match(&headers, &version(holders(role.id, rows)))?;
        Ok::<_, ScimError>(shall)
    };
    accounts.set_members(by.steward(), role.id, select).await.map_err(unknown_member)?;
    shown(&by, &accounts, role, &base, &Query::default()).await
}
