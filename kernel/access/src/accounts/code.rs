//! The second step of signing in: a one-time code by time ([`crate::totp`]).
//!
//! The seed lies sealed beside the account; the vault, which stands above this crate, seals and opens it, so the caller
//! compares the code and hands the accepted step in. What this file keeps: a step counts once, tries are counted, and
//! whoever must have a code ([`AccountRules::codes_for_overseers`](super::AccountRules)) gets no session without.

use std::net::IpAddr;

use kenroku_store::{Sql, Tx, params, sql};
use kenroku_types::Tenant;
use kenroku_types::ids::StaffId;

use super::ticket::{For, own_label};
use super::{AccountError, Accounts, Result, Session, ticket};
use crate::kernel::{ManageStaff, ROLES};
use crate::{Actor, Assurance, Granted, RoleId};

/// What the right password leads to.
#[derive(Clone, Debug)]
pub enum Begun {
    /// Signed in: the token for the cookie, and the session.
    In(String, Session),
    /// A code is needed; the ticket stands for the password for five minutes.
    Code(String),
    /// A code is needed and none is set up yet.
    SetUpCode(String),
}

/// Somebody between password and code.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Whose staff.
    pub tenant: Tenant,
    /// Who.
    pub id: StaffId,
    /// The name they sign in with.
    pub login: String,
    /// Their seed, sealed; `None` while none is set up.
    pub seed: Option<Vec<u8>>,
    /// The last step that was accepted.
    pub last_step: i64,
}

const GET: &Sql = sql!("select seed, last_step from access_code where tenant = $1 and staff = $2");
const STEP: &Sql =
    sql!("update access_code set last_step = $3 where tenant = $1 and staff = $2 and last_step < $3");
const ADD: &Sql = sql!(
    "insert into access_code (tenant, staff, seed, last_step, made_at) values ($1, $2, $3, $4, $5)
     on conflict (tenant, staff) do update set
       seed = excluded.seed, last_step = excluded.last_step, made_at = excluded.made_at"
);
const REMOVE: &Sql = sql!("delete from access_code where tenant = $1 and staff = $2");

/// Forgets somebody's seed.
pub(super) async fn forget(tx: &mut Tx, tenant: Tenant, id: StaffId) -> Result<u64> {
    Ok(tx.execute(REMOVE, params![tenant, id]).await?)
}

/// Whether one of the roles watches over others.
pub fn oversees(roles: &[RoleId]) -> bool {
    roles.iter().any(|r| ROLES.iter().any(|known| known.id == r.as_str()))
}

impl Accounts {
    async fn seed_of(&self, tenant: Tenant, id: StaffId) -> Result<Option<(Vec<u8>, i64)>> {
        Ok(self.0.db.read().await?.opt(GET, params![tenant, id]).await?)
    }

    /// The first step: name and password. Whoever needs a code gets a ticket instead of a session.
    ///
    /// # Errors
    /// As [`Accounts::sign_in`].
    pub async fn begin_sign_in(
        &self,
        login: &str,
        password: &str,
        from: IpAddr,
        device: &str,
    ) -> Result<Begun> {
        let (tenant, id) = self.check_password(&super::staff::normal_login(login), password, from).await?;
        let seed = self.seed_of(tenant, id).await?;
        let must = self.0.rules.codes_for_overseers && {
            let mut tx = self.0.db.read().await?;
            oversees(&super::staff::one(&mut tx, tenant, id).await?.roles())
        };
        let mut tx = self.0.db.begin().await?;
        if seed.is_none() && !must {
            let token = self.open_session(&mut tx, tenant, id, Assurance::Password, device).await?;
            self.note_own(&mut tx, tenant, id, "in", device).await?;
            tx.commit().await?;
            tracing::info!(staff = %id, %tenant, "signed in");
            let session = self.authenticate(&token).await?.ok_or(AccountError::SignInRefused)?;
            return Ok(Begun::In(token, session));
        }
        let ticket = self.new_ticket(&mut tx, tenant, id, For::Code, "").await?;
        tx.commit().await?;
        Ok(if seed.is_some() { Begun::Code(ticket) } else { Begun::SetUpCode(ticket) })
    }

    /// Who waits with this ticket. A try is counted; [`Accounts::finish_sign_in`] takes the count back.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when the five minutes are over; [`AccountError::TooManyAttempts`].
    pub async fn waiting(&self, ticket: &str, from: IpAddr) -> Result<Waiting> {
        let (tenant, id, login) = self.whose_ticket(ticket, For::Code).await?;
        self.count_code(id, from).await?;
        let (seed, last_step) = self.seed_of(tenant, id).await?.map_or((None, 0), |(s, n)| (Some(s), n));
        Ok(Waiting { tenant, id, login, seed, last_step })
    }

    /// The second step: the code was right for `step`. `seed` is the sealed seed of whoever sets one up now.
    ///
    /// # Errors
    /// [`AccountError::SignInRefused`] when the step counted already, or a seed is there and another is handed in;
    /// [`AccountError::NotFound`] when the ticket was used at once elsewhere.
    pub async fn finish_sign_in(
        &self,
        ticket: &str,
        from: IpAddr,
        step: i64,
        seed: Option<&[u8]>,
        device: &str,
    ) -> Result<(String, Session)> {
        let mut tx = self.0.db.begin().await?;
        let (tenant, id) = self.use_ticket(&mut tx, ticket, For::Code).await?;
        let has: Option<(Vec<u8>, i64)> = tx.opt(GET, params![tenant, id]).await?;
        match (has, seed) {
            (Some(_), None) => {
                if tx.execute(STEP, params![tenant, id, step]).await? != 1 {
                    return Err(AccountError::SignInRefused);
                }
            }
            (None, Some(seed)) => {
                tx.execute(ADD, params![tenant, id, seed, step, self.0.env.now()]).await?;
                self.note_own(&mut tx, tenant, id, "code", "").await?;
            }
            _ => return Err(AccountError::SignInRefused),
        }
        super::throttle::Attempt::new(&format!("code {id}"), from).forgive(&mut tx).await?;
        let token = self.open_session(&mut tx, tenant, id, Assurance::PasswordOtp, device).await?;
        self.note_own(&mut tx, tenant, id, "in", device).await?;
        tx.commit().await?;
        tracing::info!(staff = %id, %tenant, "signed in with a code");
        let session = self.authenticate(&token).await?.ok_or(AccountError::SignInRefused)?;
        Ok((token, session))
    }

    /// Whether somebody has a code.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_code(&self, tenant: Tenant, id: StaffId) -> Result<bool> {
        Ok(self.seed_of(tenant, id).await?.is_some())
    }

    /// Gives oneself a code, or another one: on a new telephone. The caller has compared one code of the new seed.
    ///
    /// # Errors
    /// [`AccountError::SignInRefused`] when the password is wrong; such failures count.
    pub async fn set_own_code(
        &self,
        actor: &Actor,
        from: IpAddr,
        password: &str,
        seed: &[u8],
        step: i64,
    ) -> Result<()> {
        let (tenant, id) = own_label(actor).ok_or(AccountError::NotFound)?;
        self.own_password(actor, from, password).await?;
        let mut tx = self.0.db.begin().await?;
        tx.execute(ADD, params![tenant, id, seed, step, self.0.env.now()]).await?;
        self.note(&mut tx, tenant, id, "code", actor, "").await?;
        Ok(tx.commit().await?)
    }

    /// Takes somebody's code away, who lost the telephone, and ends their sessions. Whoever must have a code sets one
    /// up at the next sign-in.
    ///
    /// # Errors
    /// [`AccountError::NotFound`]; [`AccountError::OwnAccount`].
    pub async fn remove_code(&self, by: &Granted<ManageStaff>, id: StaffId) -> Result<()> {
        super::staff::not_oneself(by.actor(), id)?;
        let mut tx = self.0.db.begin().await?;
        super::staff::one(&mut tx, by.tenant(), id).await?;
        forget(&mut tx, by.tenant(), id).await?;
        ticket::forget(&mut tx, by.tenant(), id, For::Code).await?;
        super::session::end_all(&mut tx, by.tenant(), id).await?;
        self.note(&mut tx, by.tenant(), id, "code-removed", by.actor(), "").await?;
        tx.commit().await?;
        tracing::info!(by = %by.actor(), staff = %id, "one-time code removed");
        Ok(())
    }
}
