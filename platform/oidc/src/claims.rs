//! Which claims a request asks for: by scope (Core §5.4) and by the `claims` parameter (Core §5.5).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Code, OAuthError};
use crate::scope::Scopes;

/// The claims of a scope of Core §5.4 and §11; nothing for others.
pub fn of_scope(scope: &str) -> &'static [&'static str] {
    match scope {
        "profile" => &["name", "family_name", "given_name", "gender", "birthdate"],
        "address" => &["address"],
        "email" => &["email", "email_verified"],
        "phone" => &["phone_number", "phone_number_verified"],
        _ => &[],
    }
}

/// How a single claim is asked for (Core §5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// Without it the client cannot do what the person wants.
    #[serde(default)]
    pub essential: bool,
    /// Values that would do, best first; none means any.
    #[serde(default)]
    pub values: Vec<Value>,
}

/// The `claims` parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// For the answer of the userinfo endpoint.
    #[serde(default)]
    pub userinfo: BTreeMap<String, Wanted>,
    /// For the ID token.
    #[serde(default)]
    pub id_token: BTreeMap<String, Wanted>,
}

/// Claims asked for one by one at most.
const MOST: usize = 64;

impl ClaimsRequest {
    /// Reads the parameter. Members that are not understood are passed over (Core §5.5).
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let bad = || OAuthError::new(Code::InvalidRequest, "claims is not a JSON object as in Core 5.5");
        let all: Value = serde_json::from_str(text).map_err(|_| bad())?;
        let all = all.as_object().ok_or_else(bad)?;
        let part = |name: &str| -> Result<BTreeMap<String, Wanted>, OAuthError> {
            let Some(part) = all.get(name).filter(|v| !v.is_null()) else { return Ok(BTreeMap::new()) };
            let part = part.as_object().filter(|p| p.len() <= MOST).ok_or_else(bad)?;
            part.iter().map(|(k, v)| Ok((k.clone(), wanted(v).ok_or_else(bad)?))).collect()
        };
        Ok(ClaimsRequest { userinfo: part("userinfo")?, id_token: part("id_token")? })
    }

    /// The names of all claims asked for, in either place.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.userinfo.keys().chain(self.id_token.keys()).map(String::as_str)
    }
}

fn wanted(v: &Value) -> Option<Wanted> {
    if v.is_null() {
        return Some(Wanted::default());
    }
    let o = v.as_object()?;
    let values = match (o.get("value"), o.get("values")) {
        (Some(one), _) => vec![one.clone()],
        (None, Some(many)) => many.as_array()?.clone(),
        (None, None) => Vec::new(),
    };
    let essential = match o.get("essential") {
        None => false,
        Some(e) => e.as_bool()?,
    };
    Some(Wanted { essential, values })
}

/// Every attribute that scopes and parameter together ask for, of those that exist here.
pub fn attributes(scopes: &Scopes, request: &ClaimsRequest, supported: &[&str]) -> BTreeSet<String> {
    let by_scope = scopes.iter().flat_map(|s| of_scope(s).iter().copied());
    let all = by_scope.chain(request.names());
    all.filter(|name| supported.contains(name)).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// The example of Core §5.5
    #[test]
    fn reads_the_example_of_the_standard() {
        let text = r#"{"userinfo":{"given_name":{"essential":true},"nickname":null,"email":{"essential":true},
            "email_verified":{"essential":true},"picture":null,"http://example.info/claims/groups":null},
            "id_token":{"auth_time":{"essential":true},"acr":{"values":["urn:mace:incommon:iap:silver"]}}}"#;
        let r = ClaimsRequest::parse(text).unwrap();
        assert!(r.userinfo["given_name"].essential && !r.userinfo["nickname"].essential);
        assert_eq!(r.id_token["acr"].values, [json!("urn:mace:incommon:iap:silver")]);
        let scopes = Scopes::parse("openid address").unwrap();
        let all = attributes(&scopes, &r, &["given_name", "address", "email", "name"]);
        assert_eq!(all.into_iter().collect::<Vec<_>>(), ["address", "email", "given_name"]);
    }

    #[test]
    fn what_is_no_claims_parameter() {
        for bad in [
            "",
            "[]",
            "{\"userinfo\":[]}",
            "{\"id_token\":{\"acr\":7}}",
            "{\"id_token\":{\"acr\":{\"essential\":1}}}",
        ] {
            assert_eq!(ClaimsRequest::parse(bad).unwrap_err().code, Code::InvalidRequest, "{bad}");
        }
        assert_eq!(ClaimsRequest::parse("{\"other\":1}").unwrap(), ClaimsRequest::default());
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,80}") {
            let _ = ClaimsRequest::parse(&text);
        }
    }
}
