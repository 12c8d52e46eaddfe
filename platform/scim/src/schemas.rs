//! What the server can do and how its resources are made (RFC 7643 §5–§7).

use serde_json::{Value, json};

use crate::api::Base;
use crate::error::ScimError;
use crate::query::{MOST, Query};
use crate::{group, user};

pub(crate) fn provider(base: &Base) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": MOST},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Key",
            "description": "Authorization: Bearer krc_…, a key with the permission access.provision-staff",
            "primary": true,
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": base.of("ServiceProviderConfig")},
    })
}

fn kind(base: &Base, name: &str, endpoint: &str, schema: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": name,
        "name": name,
        "endpoint": format!("/{endpoint}"),
        "schema": schema,
        "meta": {"resourceType": "ResourceType", "location": base.at("ResourceTypes", name)},
    })
}

fn kinds(base: &Base) -> [Value; 2] {
    [kind(base, "User", "Users", user::SCHEMA), kind(base, "Group", "Groups", group::SCHEMA)]
}

/// An attribute (RFC 7643 §7) that is text, optional and written by the directory unless `more` says otherwise.
fn attribute(name: &str, about: &str, more: Value) -> Value {
    let mut out = json!({
        "name": name,
        "type": "string",
        "multiValued": false,
        "description": about,
        "required": false,
        "caseExact": false,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
    });
    if let (Some(out), Value::Object(more)) = (out.as_object_mut(), more) {
        out.extend(more);
    }
    out
}

fn schema(base: &Base, id: &str, name: &str, attributes: Vec<Value>) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": id,
        "name": name,
        "attributes": attributes,
        "meta": {"resourceType": "Schema", "location": base.at("Schemas", id)},
    })
}

fn schemas(base: &Base) -> [Value; 2] {
    let name = vec![
        attribute("formatted", "The name that others see.", json!({})),
        attribute("familyName", "Family name.", json!({})),
        attribute("givenName", "Given name.", json!({})),
    ];
    let emails = vec![
        attribute("value", "The address.", json!({})),
        attribute("type", "Always work.", json!({"canonicalValues": ["work"]})),
        attribute("primary", "Always true.", json!({"type": "boolean"})),
    ];
    let fixed = json!({"mutability": "readOnly"});
    let groups =
        vec![attribute("value", "The role.", fixed.clone()), attribute("display", "Its name.", fixed)];
    let members = vec![
        attribute("value", "The id of the user.", json!({"mutability": "immutable", "caseExact": true})),
        attribute("display", "The user's name.", json!({"mutability": "readOnly"})),
    ];
    let user = vec![
        attribute(
            "userName",
            "The name to sign in with: 2 to 64 letters, digits or . _ @ -",
            json!({"required": true, "uniqueness": "server"}),
        ),
        attribute("externalId", "The directory's own id.", json!({"caseExact": true})),
        attribute("displayName", "The name that others see.", json!({})),
        attribute("name", "The parts of the name.", json!({"type": "complex", "subAttributes": name})),
        attribute("active", "Whether the account may sign in.", json!({"type": "boolean"})),
        attribute(
            "emails",
            "One address at work.",
            json!({"type": "complex", "multiValued": true, "subAttributes": emails}),
        ),
        attribute(
            "groups",
            "The roles.",
            json!({"type": "complex", "multiValued": true, "mutability": "readOnly", "subAttributes": groups}),
        ),
    ];
    let group = vec![
        attribute(
            "displayName",
            "The name of the role.",
            json!({"required": true, "mutability": "readOnly"}),
        ),
        attribute(
            "members",
            "Who has the role.",
            json!({"type": "complex", "multiValued": true, "subAttributes": members}),
        ),
    ];
    [schema(base, user::SCHEMA, "User", user), schema(base, group::SCHEMA, "Group", group)]
}

pub(crate) fn list(of: &str, base: &Base) -> Result<Value, ScimError> {
    let all = if of == "Schemas" { schemas(base) } else { kinds(base) };
    Query::default().list(all)
}

pub(crate) fn one(of: &str, id: &str, base: &Base) -> Result<Value, ScimError> {
    let all = if of == "Schemas" { schemas(base) } else { kinds(base) };
    all.into_iter().find(|v| v["id"] == id).ok_or_else(ScimError::not_found)
}
