//! Contracts of services: who acts outside its dates is refused at each request ([`Client::is_active`]); this file tells
//! people before it comes to that. Thirty days before the end, and at the end, an alarm stands before the operators.

use std::sync::Arc;
use std::time::Duration;

use kenroku_access::accounts::Accounts;
use kenroku_bus::{Done, Failed, Job, Running, Work};
use kenroku_oidc::sha256;
use kenroku_types::{JapaneseDate, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clients::Client;
use super::provider::{Provider, T};
use super::sql;

/// How long before the end people are told.
const NOTICE: Duration = Duration::from_secs(30 * 86_400);

/// How near the end of a contract is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// In thirty days or less.
    Soon,
    /// It is over, and nobody has stopped the service.
    Over,
}

/// How near the end of a client's contract is; `None` when it is far, has none, or the client is stopped.
pub(super) fn ends(c: &Client, now: Timestamp) -> Option<Ends> {
    let until = c.policy.valid_until.filter(|_| c.state == "active")?;
    if until <= now {
        Some(Ends::Over)
    } else if until <= now.plus(NOTICE) {
        Some(Ends::Soon)
    } else {
        None
    }
}

/// Looks at every contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookAtContracts {}

impl Job for LookAtContracts {
    const KIND: &'static str = "identity.op-contracts";
}

pub(super) struct Looking {
    pub(super) op: Provider,
    pub(super) accounts: Arc<Accounts>,
}

/// One alarm for each contract, end and kind: another end makes another.
fn alarm_id(c: &Client, until: Timestamp, how: Ends) -> Uuid {
    let hash = sha256(format!("contract {} {until} {how:?}", c.id).as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    Uuid::from_bytes(bytes)
}

impl Work<LookAtContracts> for Looking {
    async fn work(&self, run: &Running, _: LookAtContracts) -> Result<Done, Failed> {
        let now = self.op.env.now();
        let mut tx = run.begin().await?;
        for c in sql::clients(&mut tx).await? {
            let (Some(how), Some(until)) = (ends(&c, now), c.policy.valid_until) else { continue };
            let day = JapaneseDate::of(until).map(|d| d.to_string()).unwrap_or_default();
            let reason = match how {
                Ends::Soon => format!("{day} に契約が終わります。終わると、このサービスは止まります。"),
                Ends::Over => format!("{day} に契約が終わり、このサービスは止まっています。"),
            };
            let id = alarm_id(&c, until, how);
            let raised = self.accounts.raise_contract_alarm(&mut tx, T, id, c.name(), &reason).await;
            if raised.map_err(Failed::again)? {
                tracing::warn!(client = c.id, %until, ?how, "the contract of a service ends");
            }
        }
        run.finish(tx).await
    }
}
