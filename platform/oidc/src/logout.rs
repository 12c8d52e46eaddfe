//! Logout: the token that tells a client (Back-Channel Logout 1.0 §2.4), and the request of a client
//! (RP-Initiated Logout 1.0 §2).

use std::collections::BTreeMap;

use kenroku_types::Timestamp;
use serde::Serialize;

use crate::client::ClientMetadata;
use crate::redirect;
use crate::token::secs;

/// `typ` of a logout token.
pub const LOGOUT_TOKEN_TYPE: &str = "logout+jwt";
/// The event it stands for.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

#[derive(Debug, Serialize)]
struct Nothing {}

/// Claims of a logout token. There is never a `nonce` (§2.4).
#[derive(Debug, Serialize)]
pub struct LogoutToken<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    sid: &'a str,
    jti: &'a str,
    #[serde(serialize_with = "secs")]
    iat: Timestamp,
    #[serde(serialize_with = "secs")]
    exp: Timestamp,
    events: BTreeMap<&'static str, Nothing>,
}

impl<'a> LogoutToken<'a> {
    /// For a client, about a person's session. It is valid for two minutes, as §2.4 recommends.
    pub fn new(iss: &'a str, aud: &'a str, sub: &'a str, sid: &'a str, jti: &'a str, now: Timestamp) -> Self {
        let exp = now.plus(std::time::Duration::from_secs(120));
        LogoutToken { iss, sub, aud, sid, jti, iat: now, exp, events: BTreeMap::from([(EVENT, Nothing {})]) }
    }
}

/// Whether the browser may be sent there after signing out: only to an address registered for that, compared as
/// redirect addresses are (RP-Initiated Logout §3).
pub fn may_return(client: &ClientMetadata, address: &str) -> bool {
    client.post_logout_redirect_uris.iter().any(|u| redirect::matches(u, address, client.application_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_logout_token_has_its_event_and_no_nonce() {
        let t = LogoutToken::new("https://o", "rp", "s", "x", "j", Timestamp::from_secs(10));
        let j = serde_json::to_value(&t).unwrap();
        assert_eq!(j["events"], json!({ EVENT: {} }));
        assert_eq!((&j["exp"], j.get("nonce")), (&json!(130), None));
    }

    #[test]
    fn only_registered_addresses() {
        let m: ClientMetadata =
            serde_json::from_value(json!({ "post_logout_redirect_uris": ["https://rp.example/bye"] }))
                .unwrap();
        assert!(may_return(&m, "https://rp.example/bye"));
        for other in ["https://rp.example/bye/", "https://rp.example/bye?x", "https://evil.example/bye"] {
            assert!(!may_return(&m, other), "{other}");
        }
    }
}
