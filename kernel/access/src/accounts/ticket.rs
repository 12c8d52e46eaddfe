//! One-time links and pauses: a random token, its hash in the store, used up before anything is done with it.

use std::net::IpAddr;
use std::time::Duration;

use kenroku_store::{Sql, Tx, params, sql};
use kenroku_types::ids::StaffId;
use kenroku_types::{Tenant, Timestamp};

use super::throttle::Attempt;
use super::{AccountError, Accounts, Result, password, session, sha256, staff};
use crate::kernel::ManageStaff;
use crate::{Actor, Granted};

/// How long a link to set up a password lives: over a weekend.
const SET_UP: Duration = Duration::from_secs(72 * 3600);
/// How long somebody may look for their telephone.
const CODE: Duration = Duration::from_secs(5 * 60);

/// What a ticket is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    SetUp,
    Code,
}

impl For {
    const fn word(self) -> &'static str {
        match self {
            For::SetUp => "set-up",
            For::Code => "code",
        }
    }
}

const ADD: &Sql = sql!(
    "insert into access_ticket (tenant, staff, token_hash, kind, made_at, made_by, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7)"
);
const DROP: &Sql = sql!("delete from access_ticket where tenant = $1 and staff = $2 and kind = $3");
const FIND: &Sql = sql!(
    "select t.tenant, t.staff, s.login from access_ticket t
     join access_staff s on s.tenant = t.tenant and s.id = t.staff
     where t.token_hash = $1 and t.kind = $2 and t.expires_at > $3 and s.disabled = $4 and s.removed_at is null
     -- @cross_tenant the ticket is what tells the tenant"
);
const USE: &Sql = sql!(
    "delete from access_ticket where token_hash = $1 and kind = $2 and expires_at > $3
     returning tenant, staff -- @cross_tenant the ticket is what tells the tenant"
);
const SWEEP: &Sql =
    sql!("delete from access_ticket where expires_at <= $1 -- @cross_tenant ended for anybody");

fn hash(token: &str) -> [u8; 32] {
    sha256(&[b"ticket", token.as_bytes()])
}

pub(super) async fn sweep(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    Ok(tx.execute(SWEEP, params![now]).await?)
}

/// Forgets every ticket of a kind.
pub(super) async fn forget(tx: &mut Tx, tenant: Tenant, id: StaffId, what: For) -> Result<()> {
    tx.execute(DROP, params![tenant, id, what.word()]).await?;
    Ok(())
}

impl Accounts {
    pub(super) async fn new_ticket(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        id: StaffId,
        what: For,
        by: &str,
    ) -> Result<String> {
        let token = hex::encode(self.0.env.rng.bytes::<32>());
        let now = self.0.env.now();
        let ends = now.plus(if what == For::SetUp { SET_UP } else { CODE });
        tx.execute(ADD, params![tenant, id, &hash(&token), what.word(), now, by, ends]).await?;
        Ok(token)
    }

    /// Whose ticket it is and their sign-in name; it stays.
    pub(super) async fn whose_ticket(&self, token: &str, what: For) -> Result<(Tenant, StaffId, String)> {
        let hash = hash(token);
        let found = params![&hash, what.word(), self.0.env.now(), false];
        self.0.db.read().await?.opt(FIND, found).await?.ok_or(AccountError::NotFound)
    }

    /// Uses a ticket up; of two at once, one wins.
    pub(super) async fn use_ticket(&self, tx: &mut Tx, token: &str, what: For) -> Result<(Tenant, StaffId)> {
        let hash = hash(token);
        let found = params![&hash, what.word(), self.0.env.now()];
        tx.opt(USE, found).await?.ok_or(AccountError::NotFound)
    }

    /// A one-time link for an account of the tenant, with which its owner sets up a password within 72 hours. Links
    /// given out before end; the present password stays until the link is used. Shown once.
    ///
    /// # Errors
    /// [`AccountError::NotFound`]; [`AccountError::OwnAccount`].
    pub async fn set_up_ticket(&self, by: &Granted<ManageStaff>, id: StaffId) -> Result<String> {
        staff::not_oneself(by.actor(), id)?;
        let mut tx = self.0.db.begin().await?;
        staff::one(&mut tx, by.tenant(), id).await?;
        forget(&mut tx, by.tenant(), id, For::SetUp).await?;
        let label = by.actor().to_string();
        let token = self.new_ticket(&mut tx, by.tenant(), id, For::SetUp, &label).await?;
        self.note(&mut tx, by.tenant(), id, "ticket", by.actor(), "").await?;
        tx.commit().await?;
        tracing::info!(by = label, staff = %id, "one-time link made");
        Ok(token)
    }

    /// The sign-in name that a one-time link belongs to.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when it was used, replaced or is too old.
    pub async fn set_up_name(&self, token: &str) -> Result<String> {
        Ok(self.whose_ticket(token, For::SetUp).await?.2)
    }

    /// Sets the password up. The link is used up, every session ends.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] as before; a weak password, after which the link can be used again.
    pub async fn set_up(&self, token: &str, new: &str) -> Result<()> {
        let (tenant, id, login) = self.whose_ticket(token, For::SetUp).await?;
        password::check(new, &login)?;
        let hash = self.0.passwords.hash(new, &self.0.env.rng).await?;
        let mut tx = self.0.db.begin().await?;
        let used = self.use_ticket(&mut tx, token, For::SetUp).await?;
        if used != (tenant, id) {
            return Err(AccountError::NotFound);
        }
        staff::store_password(&mut tx, tenant, id, &hash, self.0.env.now()).await?;
        session::end_all(&mut tx, tenant, id).await?;
        self.note_own(&mut tx, tenant, id, "password", "").await?;
        tx.commit().await?;
        tracing::info!(staff = %id, "password set up");
        Ok(())
    }

    /// Counts a try at somebody's one-time code until it is known to be right.
    pub(super) async fn count_code(&self, id: StaffId, from: IpAddr) -> Result<Attempt> {
        let attempt = Attempt::new(&format!("code {id}"), from);
        let mut tx = self.0.db.begin().await?;
        if let Err(e) = attempt.count(&mut tx, &self.0.rules.throttle, self.0.env.now()).await {
            tx.rollback().await?;
            return Err(e);
        }
        tx.commit().await?;
        Ok(attempt)
    }
}

/// The label of somebody's own acts.
pub(super) fn own_label(actor: &Actor) -> Option<(Tenant, StaffId)> {
    match actor {
        Actor::Staff { id, tenant, .. } => Some((*tenant, *id)),
        _ => None,
    }
}
