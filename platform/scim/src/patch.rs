//! Changes (RFC 7644 §3.5.2) and whole descriptions (§3.3, §3.5.1) of a user, onto the [`Profile`] that is kept.
//!
//! Directories differ in what they send, so this reads generously: operations in any case, truth as text (`"True"`),
//! names of attributes with dots as members of a value without a path, and attributes that are not kept.

use kenroku_access::accounts::Profile;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{Kind, ScimError};
use crate::filter::{Path, member};

/// Most operations in one request.
const MAX_OPS: usize = 1000;

/// Attributes of RFC 7643 §4.1 and of its extension that are taken and not kept.
const NOT_KEPT: [&str; 17] = [
    "password",
    "nickname",
    "profileurl",
    "title",
    "usertype",
    "preferredlanguage",
    "locale",
    "timezone",
    "phonenumbers",
    "ims",
    "photos",
    "addresses",
    "entitlements",
    "roles",
    "x509certificates",
    "schemas",
    "user",
];
/// Attributes that the server writes.
const READ_ONLY: [&str; 3] = ["id", "meta", "groups"];

/// The body of a PATCH.
#[derive(Debug, Deserialize)]
pub struct Patch {
    /// The operations, in their order.
    #[serde(alias = "operations", rename = "Operations")]
    pub operations: Vec<Operation>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub struct Operation {
    /// `add`, `replace` or `remove`, in any case.
    op: String,
    /// What it is about; the whole resource when it is missing.
    #[serde(default)]
    path: Option<String>,
    /// The new value.
    #[serde(default)]
    value: Value,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Added to what is there.
    Add,
    /// Put in place of what is there.
    Replace,
    /// Taken away.
    Remove,
}

impl Patch {
    /// Reads the body.
    ///
    /// # Errors
    /// `invalidSyntax`.
    pub fn read(body: &[u8]) -> Result<Patch, ScimError> {
        let bad = |e: serde_json::Error| ScimError::of(Kind::InvalidSyntax, format!("no PatchOp: {e}"));
        let patch: Patch = serde_json::from_slice(body).map_err(bad)?;
        if patch.operations.is_empty() || patch.operations.len() > MAX_OPS {
            return Err(ScimError::of(Kind::InvalidSyntax, "a PatchOp has 1 to 1000 operations"));
        }
        Ok(patch)
    }
}

impl Operation {
    /// What is done, to what, with what.
    ///
    /// # Errors
    /// `invalidSyntax` for an unknown operation, `invalidPath`, `noTarget` for a removal without a path.
    pub fn parts(&self) -> Result<(Verb, Option<Path>, &Value), ScimError> {
        let verb = match self.op.to_ascii_lowercase().as_str() {
            "add" => Verb::Add,
            "replace" => Verb::Replace,
            "remove" => Verb::Remove,
            _ => return Err(ScimError::of(Kind::InvalidSyntax, "op is add, replace or remove")),
        };
        let path = self.path.as_deref().filter(|p| !p.is_empty()).map(Path::parse).transpose()?;
        if verb == Verb::Remove && path.is_none() {
            return Err(ScimError::of(Kind::NoTarget, "remove needs a path"));
        }
        Ok((verb, path, &self.value))
    }
}

/// Changes a profile by one operation.
///
/// # Errors
/// [`ScimError`] of the kind that RFC 7644 §3.12 names.
pub fn apply(profile: &mut Profile, op: &Operation) -> Result<(), ScimError> {
    let (verb, path, value) = op.parts()?;
    let Some(path) = path else {
        let Value::Object(members) = value else {
            return Err(ScimError::of(
                Kind::InvalidValue,
                "without a path the value is an object of attributes",
            ));
        };
        return set_all(profile, members);
    };
    let readonly = path.attr.schema.is_none() && READ_ONLY.contains(&path.attr.name.as_str());
    if readonly {
        return Err(ScimError::of(Kind::Mutability, format!("{} is written by the server", path.attr.name)));
    }
    set(profile, &path, if verb == Verb::Remove { &Value::Null } else { value })
}

/// Sets every member; those that the server writes are passed over (RFC 7644 §3.5.1).
fn set_all(profile: &mut Profile, members: &Map<String, Value>) -> Result<(), ScimError> {
    for (name, value) in members {
        let path = Path::parse(name)?;
        if path.attr.schema.is_some() || !READ_ONLY.contains(&path.attr.name.as_str()) {
            set(profile, &path, value)?;
        }
    }
    Ok(())
}

/// A whole description: what it leaves out is empty; whether the account is active stays as it was.
///
/// # Errors
/// As [`apply`]; `invalidValue` without a `userName`.
pub fn whole(body: &[u8], active: bool) -> Result<Profile, ScimError> {
    let bad = |e: serde_json::Error| ScimError::of(Kind::InvalidSyntax, format!("no user: {e}"));
    let members: Map<String, Value> = serde_json::from_slice(body).map_err(bad)?;
    let mut profile = Profile { active, ..Profile::default() };
    // The name to be shown is the last word on names, whatever the order of the members.
    let (shown, others): (Map<_, _>, Map<_, _>) =
        members.into_iter().partition(|(name, _)| name.eq_ignore_ascii_case("displayName"));
    set_all(&mut profile, &others)?;
    set_all(&mut profile, &shown)?;
    if profile.login.trim().is_empty() {
        return Err(ScimError::of(Kind::InvalidValue, "userName is missing"));
    }
    if profile.name.trim().is_empty() {
        profile.name = format!("{} {}", profile.family_name, profile.given_name).trim().to_owned();
    }
    Ok(profile)
}

fn text(value: &Value, name: &str) -> Result<String, ScimError> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(s) => Ok(s.clone()),
        _ => Err(ScimError::of(Kind::InvalidValue, format!("{name} is a text"))),
    }
}

fn truth(value: &Value) -> Result<bool, ScimError> {
    match value {
        Value::Bool(b) => Ok(*b),
        Value::String(s) if s.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(s) if s.eq_ignore_ascii_case("false") => Ok(false),
        // Some send it as one value of a list.
        Value::Array(a) if a.len() == 1 => match a.first().and_then(|v| member(v, "value")) {
            Some(v) if !v.is_array() => truth(v),
            _ => Err(ScimError::of(Kind::InvalidValue, "active is true or false")),
        },
        _ => Err(ScimError::of(Kind::InvalidValue, "active is true or false")),
    }
}

/// Sets what a path names; null empties it.
fn set(p: &mut Profile, path: &Path, value: &Value) -> Result<(), ScimError> {
    if path.attr.schema.as_deref().is_some_and(|s| !s.starts_with("urn:ietf:params:scim:schemas:core:2.0")) {
        return Ok(());
    }
    match (path.attr.name.as_str(), path.sub.as_deref()) {
        ("username", None) => {
            p.login = text(value, "userName")?;
            if p.login.is_empty() {
                return Err(ScimError::of(Kind::InvalidValue, "userName cannot be empty"));
            }
        }
        ("externalid", None) => p.external_id = Some(text(value, "externalId")?).filter(|x| !x.is_empty()),
        ("displayname", None) | ("name", Some("formatted")) => p.name = text(value, "displayName")?,
        ("name", Some("familyname")) => p.family_name = text(value, "familyName")?,
        ("name", Some("givenname")) => p.given_name = text(value, "givenName")?,
        ("name", Some("middlename" | "honorificprefix" | "honorificsuffix")) => {}
        ("name", None) => match value {
            Value::Null => (p.family_name, p.given_name) = (String::new(), String::new()),
            Value::Object(parts) => {
                for (part, value) in parts {
                    set(p, &Path::parse(&format!("name.{part}"))?, value)?;
                }
            }
            _ => return Err(ScimError::of(Kind::InvalidValue, "name is an object")),
        },
        ("active", None) => p.active = truth(value)?,
        ("emails", _) => set_email(p, path, value)?,
        (name, _) if NOT_KEPT.contains(&name) => {}
        (name, _) => {
            return Err(ScimError::of(Kind::InvalidPath, format!("there is no attribute “{name}”")));
        }
    }
    Ok(())
}

/// One address is kept: the one at work, or the first.
fn set_email(p: &mut Profile, path: &Path, value: &Value) -> Result<(), ScimError> {
    if let Some(which) = &path.which {
        let own = json!({"type": "work", "primary": true, "value": p.email});
        if !which.holds(&own) {
            return Ok(());
        }
    }
    match path.sub.as_deref() {
        Some("value") => {
            p.email = text(value, "emails.value")?;
            return Ok(());
        }
        // Its kind and its rank are fixed.
        Some(_) => return Ok(()),
        None => {}
    }
    let is = |v: &Value, name: &str, wanted: &str| {
        member(v, name).is_some_and(|x| {
            x.as_str().is_some_and(|x| x.eq_ignore_ascii_case(wanted))
                || x.as_bool() == Some(wanted == "true")
        })
    };
    let one = match value {
        Value::Array(list) => {
            let find = |name: &str, wanted: &str| list.iter().find(|v| is(v, name, wanted));
            find("type", "work").or_else(|| find("primary", "true")).or(list.first()).unwrap_or(&Value::Null)
        }
        one => one,
    };
    let address = if one.is_object() { member(one, "value").unwrap_or(&Value::Null) } else { one };
    p.email = text(address, "emails.value")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn patched(ops: Value) -> Result<Profile, ScimError> {
        let mut profile = Profile {
            login: "hana".to_owned(),
            name: "除雪 花子".to_owned(),
            email: "hana@example.jp".to_owned(),
            active: true,
            ..Profile::default()
        };
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": ops});
        for op in &Patch::read(body.to_string().as_bytes())?.operations {
            apply(&mut profile, op)?;
        }
        Ok(profile)
    }

    /// The shapes that Microsoft documents for the provisioning service of Entra ID.
    #[test]
    fn changes_as_entra_sends_them() {
        let p = patched(json!([
            {"op": "Replace", "path": "active", "value": "False"},
            {"op": "Add", "path": "emails[type eq \"work\"].value", "value": "new@example.jp"},
            {"op": "Replace", "path": "name.familyName", "value": "除雪"},
            {"op": "Add", "path": "addresses[type eq \"work\"].formatted", "value": "somewhere"},
            {"op": "Replace", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "道路課"},
            {"op": "Add", "path": "externalId", "value": "e-1"},
        ]))
        .unwrap();
        assert_eq!((p.active, p.email.as_str(), p.family_name.as_str()), (false, "new@example.jp", "除雪"));
        assert_eq!(p.external_id.as_deref(), Some("e-1"));
        let without_path = json!([{"op": "replace", "value": {
            "displayName": "除雪 花代", "name.givenName": "花代", "emails[type eq \"home\"].value": "h@example.jp",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "道路課"},
        }}]);
        let p = patched(without_path).unwrap();
        assert_eq!(
            (p.name.as_str(), p.given_name.as_str(), p.email.as_str()),
            ("除雪 花代", "花代", "hana@example.jp")
        );
        assert_eq!(patched(json!([{"op": "Remove", "path": "externalId"}])).unwrap().external_id, None);
    }

    /// The shapes that Okta documents.
    #[test]
    fn changes_as_okta_sends_them() {
        let p = patched(json!([{"op": "replace", "value": {"active": false}}])).unwrap();
        assert!(!p.active);
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "hana@example.jp", "name": {"givenName": "花子", "familyName": "除雪"},
            "emails": [{"primary": false, "value": "h@example.jp", "type": "home"},
                       {"primary": true, "value": "hana@example.jp", "type": "work"}],
            "displayName": "除雪 花子", "locale": "ja-JP", "externalId": "00u1", "groups": [], "password": "ignored", "active": true,
        });
        let p = whole(user.to_string().as_bytes(), false).unwrap();
        assert_eq!(
            (p.login.as_str(), p.email.as_str(), p.active),
            ("hana@example.jp", "hana@example.jp", true)
        );
    }

    #[test]
    fn what_cannot_be_is_named_in_the_words_of_the_standard() {
        let kind = |ops: Value| patched(ops).unwrap_err().kind.unwrap();
        assert_eq!(kind(json!([{"op": "replace", "path": "id", "value": "x"}])), Kind::Mutability);
        assert_eq!(kind(json!([{"op": "replace", "path": "shoeSize", "value": 42}])), Kind::InvalidPath);
        assert_eq!(kind(json!([{"op": "replace", "path": "active", "value": "maybe"}])), Kind::InvalidValue);
        assert_eq!(kind(json!([{"op": "remove", "path": "userName"}])), Kind::InvalidValue);
        assert_eq!(kind(json!([{"op": "remove"}])), Kind::NoTarget);
        assert_eq!(kind(json!([{"op": "move", "path": "active"}])), Kind::InvalidSyntax);
        assert_eq!(kind(json!([{"op": "replace", "value": true}])), Kind::InvalidValue);
        assert_eq!(kind(json!([])), Kind::InvalidSyntax);
        assert_eq!(whole(b"{}", true).unwrap_err().kind, Some(Kind::InvalidValue));
        assert_eq!(whole(b"[1]", true).unwrap_err().kind, Some(Kind::InvalidSyntax));
    }

    #[test]
    fn names_are_put_together_when_none_is_to_be_shown() {
        let name = |user: Value| whole(user.to_string().as_bytes(), true).unwrap().name;
        let parts = json!({"familyName": "除雪", "givenName": "花子"});
        assert_eq!(name(json!({"userName": "h1", "name": parts})), "除雪 花子");
        assert_eq!(name(json!({"userName": "h1", "displayName": "花", "name": {"formatted": "x"}})), "花");
        assert_eq!(name(json!({"userName": "h1"})), "");
    }

    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-zA-Z.\\[]{0,8}|value|type|emails|name", inner, 0..3)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_that_anybody_sends_panics(
            op in "add|replace|remove|x", path in prop::option::of("[a-zA-Z.:\\[\\] \"=]{0,20}|emails|name|active"),
            value in anything(),
        ) {
            let _ = patched(json!([{"op": op, "path": path, "value": value.clone()}]));
            let _ = whole(value.to_string().as_bytes(), true);
        }
    }
}
