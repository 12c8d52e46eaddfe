//! Disaster mode: networks are down, lists of revoked certificates cannot be renewed, and people must sign in all the
//! same. Somebody declares it with a reason and an end; while it holds, a card may sign in on older revocation data
//! ([`kenroku_jpki::DisasterMode`]). Registering and proving anew stay as strict as ever, what is known to be revoked stays
//! refused, and passkeys and passwords are not concerned.
//!
//! It ends by the clock. Beginning, end and every sign-in that needed it are in the log; pages where people sign in say
//! that it holds.

use std::time::Duration;

use kenroku_jpki::{DisasterError, DisasterMode};
use kenroku_store::{Db, Sql, params, row, sql};
use kenroku_types::{Env, Tenant, Timestamp};

use crate::Identity;
use crate::error::{IdentityError, Result};
use crate::model::DisasterId;

/// The longest declaration; it can be declared again. How long lists stay away was three days after the earthquake of
/// 2024 in the worst places, so longer is a decision to be taken anew.
pub const LONGEST: Duration = Duration::from_secs(72 * 3600);
/// How old revocation data may be meanwhile.
pub const MAX_AGE: Duration = Duration::from_secs(7 * 86_400);

const T: Tenant = Tenant::SHARED;

/// A declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Which.
    pub id: DisasterId,
    /// Why, as residents read it.
    pub reason: String,
    /// Who: `staff:{id}`, `system:admin`.
    pub declared_by: String,
    /// Since when.
    pub declared_at: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// When it was ended, by somebody or the clock.
    pub ended_at: Option<Timestamp>,
    /// By whom; `clock`.
    pub ended_by: Option<String>,
}
row!(Declared { id, reason, declared_by, declared_at, until, ended_at, ended_by });

const CURRENT: &Sql = sql!(
    "select id, reason, declared_by, declared_at, until, ended_at, ended_by from identity_disaster
     where tenant = $1 and ended_at is null and declared_at <= $2 and until > $3 order by until desc limit 1"
);
const LATEST: &Sql = sql!(
    "select id, reason, declared_by, declared_at, until, ended_at, ended_by from identity_disaster
     where tenant = $1 order by declared_at desc, id desc limit 10"
);
const ADD: &Sql = sql!(
    "insert into identity_disaster (tenant, id, reason, declared_by, declared_at, until) values ($1, $2, $3, $4, $5, $6)"
);
const END: &Sql = sql!(
    "update identity_disaster set ended_at = $3, ended_by = $4
     where tenant = $1 and id = $2 and ended_at is null and until > $5"
);
const OVER: &Sql = sql!(
    "update identity_disaster set ended_at = until, ended_by = 'clock'
     where tenant = $1 and ended_at is null and until <= $2"
);

impl Declared {
    /// As the verifier takes it; `None` when it is none (a row of another making).
    pub fn mode(&self) -> Option<DisasterMode> {
        let lasting = Duration::from_micros(u64::try_from(self.until.since(self.declared_at)).ok()?);
        DisasterMode::declare(&self.reason, self.declared_at, lasting, MAX_AGE).ok()
    }
}

/// The declaration in force.
///
/// # Errors
/// When the store fails.
pub async fn current(db: &Db, now: Timestamp) -> Result<Option<Declared>> {
    Ok(db.read().await?.opt(CURRENT, params![T, now, now]).await?)
}

/// Declares it from now on; `by` is somebody who may.
///
/// # Errors
/// [`IdentityError::Input`] for a reason that tells nothing or a time that is too short or too long;
/// [`IdentityError::Stale`] while another declaration holds.
pub async fn declare(db: &Db, env: &Env, by: &str, reason: &str, lasting: Duration) -> Result<Declared> {
    let now = env.now();
    let wrong = |field, code, e: DisasterError| IdentityError::Input(field, code, e.to_string());
    let mode = DisasterMode::declare(reason, now, lasting.min(LONGEST), MAX_AGE).map_err(|e| match e {
        DisasterError::Reason => wrong("reason", "identity.disaster-reason", e),
        DisasterError::Time | DisasterError::Age => wrong("hours", "identity.disaster-hours", e),
    })?;
    if current(db, now).await?.is_some() {
        return Err(IdentityError::Stale);
    }
    let row = Declared {
        id: env.id(),
        reason: mode.reason().to_owned(),
        declared_by: by.to_owned(),
        declared_at: now,
        until: mode.until(),
        ended_at: None,
        ended_by: None,
    };
    let mut tx = db.begin().await?;
    tx.execute(ADD, params![T, row.id, &row.reason, by, now, row.until]).await?;
    tx.commit().await?;
    // What was written as the reason is not for the log: it may name somebody.
    tracing::error!(alarm = "disaster-mode", declaration = %row.id, by, until = %row.until, "disaster mode was declared");
    Ok(row)
}

/// Ends the declaration in force.
///
/// # Errors
/// [`IdentityError::NotFound`] when none holds.
pub async fn end(db: &Db, env: &Env, by: &str) -> Result<()> {
    let now = env.now();
    let row = current(db, now).await?.ok_or(IdentityError::NotFound)?;
    let mut tx = db.begin().await?;
    let n = tx.execute(END, params![T, row.id, now, by, now]).await?;
    tx.commit().await?;
    if n == 0 {
        return Err(IdentityError::NotFound);
    }
    tracing::warn!(alarm = "disaster-mode", declaration = %row.id, by, "disaster mode was ended");
    Ok(())
}

impl Identity {
    /// The declaration in force.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn disaster(&self) -> Result<Option<Declared>> {
        current(self.db(), self.env().now()).await
    }

    /// The last ten declarations, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn disasters(&self) -> Result<Vec<Declared>> {
        Ok(self.db().read().await?.all(LATEST, params![T]).await?)
    }

    /// Writes the end of declarations whose time is over; it was in force no longer anyway.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep_disasters(&self) -> Result<u64> {
        let mut tx = self.db().begin().await?;
        let n = tx.execute(OVER, params![T, self.env().now()]).await?;
        tx.commit().await?;
        if n > 0 {
            tracing::warn!(alarm = "disaster-mode", "disaster mode ended by the clock");
        }
        Ok(n)
    }
}
