//! What いしかわID tells other modules.

use kenroku_bus::Event;
use kenroku_types::id_kind;
use serde::{Deserialize, Serialize};

id_kind! {
    /// A session of somebody with an いしかわID: the `sid` of OpenID Connect Back-Channel Logout 1.0 §2.1.
    Session => SessionId;
}

/// A session is over. It names no person: whoever handed out something for the session knows it by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// Which one.
    pub sid: SessionId,
    /// Why.
    pub reason: EndReason,
}

impl Event for SessionEnded {
    const NAME: &'static str = "identity.session-ended";
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// The person signed out.
    SignedOut,
    /// The person or an operator ended it from elsewhere.
    Revoked,
    /// Somebody else signed in with the same browser.
    Replaced,
    /// Its time was over.
    Expired,
}
