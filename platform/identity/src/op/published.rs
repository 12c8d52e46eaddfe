//! Public keys that a service publishes at an address of its own (`jwks_uri`, RFC 7591 §2), for `private_key_jwt`.
//!
//! The address was checked when it was registered ([`kenroku_oidc::redirect::check_fetched`]) and is asked through the one
//! way out, with its limits: TLS, ten seconds, 256 kB, no redirects. What was read is believed for ten minutes and not a
//! moment longer: a service that takes a stolen key off its list is rid of it then, and one that cannot be reached
//! cannot sign in. Many requests at once ask once, and a request by a stranger makes us ask at most every ten seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use kenroku_oidc::Code;
use kenroku_oidc::jwk::KeySet;
use kenroku_oidc::jws::Unverified;
use kenroku_outbound::{Caller, Outbound, OutboundError};

use super::answer::{Outcome, refused};

/// How long keys are believed without asking again.
const FRESH: Duration = Duration::from_secs(600);
/// How soon it is asked again for what none of the keys signed, or after it did not answer.
const AGAIN: Duration = Duration::from_secs(10);

/// The answer of one address: when, and the keys unless it failed.
type Answer = (Duration, Option<Arc<KeySet>>);

/// What services publish. There are no more addresses than registered services.
#[derive(Default)]
pub(super) struct Published {
    out: OnceLock<Outbound>,
    answers: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Answer>>>>>,
}

impl Published {
    /// The keys at this address, among which the one that the assertion names is looked for; `now` by the steady clock.
    ///
    /// # Errors
    /// `invalid_client` when they cannot be had.
    pub(super) async fn keys(&self, at: &str, assertion: &str, now: Duration) -> Outcome<Arc<KeySet>> {
        let answer = Arc::clone(
            self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(at.to_owned()).or_default(),
        );
        // Who waits here finds the answer that another one fetched.
        let mut answer = answer.lock().await;
        if let Some((asked, keys)) = &*answer {
            let age = now.saturating_sub(*asked);
            match keys {
                Some(keys) if age < AGAIN || (age < FRESH && signed_by_one_of(assertion, keys)) => {
                    return Ok(Arc::clone(keys));
                }
                None if age < AGAIN => return Err(unreadable()),
                _ => {}
            }
        }
        let keys = self.fetch(at).await.map(Arc::new).inspect_err(|why| {
            tracing::warn!(why, "the keys that a service publishes cannot be read");
        });
        *answer = Some((now, keys.as_ref().ok().cloned()));
        keys.map_err(|_| unreadable())
    }

    async fn fetch(&self, at: &str) -> Result<KeySet, String> {
        let told = |e: OutboundError| e.to_string();
        let out = match self.out.get() {
            Some(out) => out,
            None => {
                let new = Outbound::new().map_err(told)?;
                self.out.get_or_init(|| new)
            }
        };
        let answer = out.get(at, Caller::Nobody).await.map_err(told)?;
        if !answer.is_ok() {
            return Err(format!("it answers with {}", answer.status));
        }
        KeySet::from_jwks(&answer.json).map_err(|e| e.to_string())
    }
}

/// Whether one of the keys signed this; otherwise the service may have renewed them, perhaps under the old name.
fn signed_by_one_of(assertion: &str, keys: &KeySet) -> bool {
    Unverified::parse(assertion).is_ok_and(|token| token.verify_with(keys).is_ok())
}

fn unreadable() -> super::answer::Fault {
    refused(Code::InvalidClient, "the keys of this client cannot be read from its jwks_uri")
}
