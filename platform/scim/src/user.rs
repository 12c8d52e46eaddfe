//! Users: the staff accounts of the key's tenant.

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use kenroku_access::Role;
use kenroku_access::accounts::{AccountError, Accounts, Profile, StaffRow};
use kenroku_http::{App, Path};
use kenroku_types::ids::StaffId;
use serde_json::{Value, json};

use crate::api::{Answered, Base, answer, created, if_match, no_content};
use crate::error::ScimError;
use crate::key::Directory;
use crate::patch::{self, Patch};
use crate::query::Query;

pub(crate) const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// The version of a resource, as `meta.version` and `ETag` say it.
pub(crate) fn version(row: &StaffRow) -> String {
    format!("W/\"{}\"", row.version)
}

/// An account as RFC 7643 §4.1 writes it.
pub(crate) fn resource(row: &StaffRow, roles: &[&Role], base: &Base) -> Value {
    let groups: Vec<Value> = row
        .roles()
        .iter()
        .filter_map(|id| roles.iter().find(|r| r.id == id.as_str()))
        .map(|r| json!({"value": r.id, "display": r.ja, "$ref": base.at("Groups", r.id), "type": "direct"}))
        .collect();
    let id = row.id.to_string();
    let mut out = json!({
        "schemas": [SCHEMA],
        "id": id,
        "userName": row.login,
        "displayName": row.name,
        "name": {"formatted": row.name},
        "active": !row.disabled,
        "groups": groups,
        "meta": {
            "resourceType": "User",
            "created": row.created_at.to_string(),
            "lastModified": row.changed_at.to_string(),
            "location": base.at("Users", &id),
            "version": version(row),
        },
    });
    if let Some(external) = &row.external_id {
        out["externalId"] = external.as_str().into();
    }
    for (part, value) in [("familyName", &row.family_name), ("givenName", &row.given_name)] {
        if !value.is_empty() {
            out["name"][part] = value.as_str().into();
        }
    }
    if !row.email.is_empty() {
        out["emails"] = json!([{"value": row.email, "type": "work", "primary": true}]);
    }
    out
}

fn show(by: &Directory, accounts: &Accounts, row: &StaffRow, base: &Base) -> Value {
    let roles: Vec<&Role> = accounts.roles_of(by.tenant()).collect();
    resource(row, &roles, base)
}

pub(crate) async fn list(
    by: Directory,
    app: App,
    base: Base,
    query: Answered<Query>,
) -> Result<Response, ScimError> {
    let accounts = app.get::<Accounts>()?;
    let mut rows = accounts.directory(by.steward()).await?;
    // By age: a page stays where it was when somebody is added.
    rows.sort_by_key(|r| (r.created_at, r.id));
    let roles: Vec<&Role> = accounts.roles_of(by.tenant()).collect();
    Ok(answer(&query.0.list(rows.iter().map(|r| resource(r, &roles, &base)))?, None))
}

/// The account that an address names. What is no number names nobody.
async fn named(by: &Directory, accounts: &Accounts, id: &str) -> Result<StaffRow, ScimError> {
    let id: StaffId = id.parse().map_err(|_| ScimError::not_found())?;
    Ok(accounts.directory_entry(by.steward(), id).await?)
}

pub(crate) async fn read(
    by: Directory,
    app: App,
    base: Base,
    Path(id): Path<String>,
    query: Answered<Query>,
) -> Result<Response, ScimError> {
    let accounts = app.get::<Accounts>()?;
    let row = named(&by, &accounts, &id).await?;
    Ok(answer(&query.0.cut(show(&by, &accounts, &row, &base)), Some(&version(&row))))
}

pub(crate) async fn create(by: Directory, app: App, base: Base, body: Bytes) -> Result<Response, ScimError> {
    let accounts = app.get::<Accounts>()?;
    let new = patch::whole(&body, true)?;
    let row = accounts.provision(by.steward(), &new, &[]).await?;
    Ok(created(&show(&by, &accounts, &row, &base), &version(&row)))
}

async fn store(
    by: &Directory,
    accounts: &Accounts,
    base: &Base,
    headers: &HeaderMap,
    row: &StaffRow,
    new: &Profile,
) -> Result<Response, ScimError> {
    if_match(headers, &version(row))?;
    let stored = accounts.set_profile(by.steward(), row.id, row.version, new).await?;
    Ok(answer(&show(by, accounts, &stored, base), Some(&version(&stored))))
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
    let row = named(&by, &accounts, &id).await?;
    let new = patch::whole(&body, !row.disabled)?;
    store(&by, &accounts, &base, &headers, &row, &new).await
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
    let row = named(&by, &accounts, &id).await?;
    let mut new = Profile::from(&row);
    for op in &Patch::read(&body)?.operations {
        patch::apply(&mut new, op)?;
    }
    store(&by, &accounts, &base, &headers, &row, &new).await
}

pub(crate) async fn remove(
    by: Directory,
    app: App,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ScimError> {
    let accounts = app.get::<Accounts>()?;
    let row = named(&by, &accounts, &id).await?;
    if_match(&headers, &version(&row))?;
    match accounts.remove_staff(by.steward(), row.id, row.version).await {
        Ok(()) => Ok(no_content()),
        // Two removals at once: it is gone, as wished.
        Err(AccountError::NotFound) => Err(ScimError::not_found()),
        Err(e) => Err(e.into()),
    }
}
