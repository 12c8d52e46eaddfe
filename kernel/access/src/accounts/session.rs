//! Sessions: a random token in the browser, its hash in the store, an end by time or by hand.

use std::net::IpAddr;
use std::time::Duration;

use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::ids::StaffId;
use kenroku_types::{Env, Tenant, Timestamp};

use super::throttle::{self, Attempt};
use super::{AccountError, Accounts, Begun, Result, history, sha256, staff, ticket};
use crate::kernel::{ManageStaff, ViewStaff};
use crate::{Actor, Assurance, BREAK_GLASS, Granted, SignIn};

/// How long sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRules {
    /// The longest life, however busy: a working day.
    pub absolute: Duration,
    /// The longest silence: an office desk left alone.
    pub idle: Duration,
}

impl Default for SessionRules {
    /// Twelve hours, one hour (within NIST SP 800-63B-4 §2.2.3: at most 24 h and 1 h).
    fn default() -> Self {
        SessionRules { absolute: Duration::from_secs(12 * 3600), idle: Duration::from_secs(3600) }
    }
}

/// A session that was found, or has just begun.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who it is.
    pub actor: Actor,
    /// When it ends at the latest.
    pub expires: Timestamp,
    left: Duration,
}

impl Session {
    /// How long it can still last, for the cookie.
    pub const fn max_age(&self) -> Duration {
        self.left
    }
}

/// A session as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// When it began.
    pub signed_in_at: Timestamp,
    /// When it was last used, to a minute.
    pub seen_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// `password` or `password-otp`.
    pub assurance: String,
    /// System and browser; empty when unknown.
    pub device: String,
}
row!(SessionRow { signed_in_at, seen_at, expires_at, assurance, device });

/// How a session was proved, as the table says it.
const PASSWORD: &str = "password";
const OTP: &str = "password-otp";

/// How long “last seen” may lag behind: not every request writes.
const SEEN_STEP: Duration = Duration::from_secs(60);

const BY_LOGIN: &Sql = sql!(
    "select tenant, id, password, disabled from access_staff
     where login = $1 and kind = 'staff' and removed_at is null
     -- @cross_tenant the login name is what tells the tenant"
);
const ADD: &Sql = sql!(
    "insert into access_session (tenant, staff, token_hash, signed_in_at, seen_at, expires_at, assurance, device)
     values ($1, $2, $3, $4, $5, $6, $7, $8)"
);
const FIND: &Sql = sql!(
    "select s.tenant, s.staff, s.signed_in_at, s.seen_at, s.expires_at, a.roles, a.kind, s.assurance
     from access_session s join access_staff a on a.tenant = s.tenant and a.id = s.staff
     where s.token_hash = $1 and s.expires_at > $2 and s.seen_at > $3 and a.disabled = $4
     -- @cross_tenant the token is what tells the tenant"
);
const OF: &Sql = sql!(
    "select signed_in_at, seen_at, expires_at, assurance, device from access_session
     where tenant = $1 and staff = $2 and expires_at > $3 and seen_at > $4 order by seen_at desc, signed_in_at desc"
);
const SEEN: &Sql =
    sql!("update access_session set seen_at = $4 where tenant = $1 and staff = $2 and token_hash = $3");
const RENEW: &Sql = sql!(
    "update access_session set token_hash = $2, seen_at = $3
     where token_hash = $1 and expires_at > $3 and seen_at > $4
     returning expires_at -- @cross_tenant the token is what tells the tenant"
);
const END: &Sql = sql!(
    "delete from access_session where token_hash = $1 -- @cross_tenant the token is what tells the tenant"
);
const END_ALL: &Sql = sql!("delete from access_session where tenant = $1 and staff = $2");
const SWEEP: &Sql = sql!(
    "delete from access_session where expires_at <= $1 or seen_at <= $2 -- @cross_tenant ended for anybody"
);

pub(super) async fn end_all(tx: &mut Tx, tenant: Tenant, id: StaffId) -> Result<u64> {
    Ok(tx.execute(END_ALL, params![tenant, id]).await?)
}

/// Characters of a token.
pub(super) const TOKEN_LEN: usize = 64;

/// A fresh token: 256 random bits in hexadecimal.
fn token(env: &Env) -> String {
    hex::encode(env.rng.bytes::<32>())
}

fn token_hash(token: &str) -> [u8; 32] {
    sha256(&[b"session", token.as_bytes()])
}

impl Accounts {
    /// Signs a member of staff in by password alone. The token goes into the cookie and nowhere else; it is always a new one, so
    /// that nobody can prepare a session for somebody else.
    ///
    /// # Errors
    /// [`AccountError::SignInRefused`] whatever was wrong; [`AccountError::TooManyAttempts`];
    /// [`AccountError::Busy`]; [`AccountError::CodeNeeded`] for whoever needs a second step.
    pub async fn sign_in(&self, login: &str, password: &str, from: IpAddr) -> Result<(String, Session)> {
        match self.begin_sign_in(login, password, from, "").await? {
            Begun::In(token, session) => Ok((token, session)),
            Begun::Code(_) | Begun::SetUpCode(_) => Err(AccountError::CodeNeeded),
        }
    }

    /// Opens a session for a working day.
    pub(super) async fn open_session(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        id: StaffId,
        how: Assurance,
        device: &str,
    ) -> Result<String> {
        let ends = self.0.env.now().plus(self.0.rules.session.absolute);
        self.open_session_until(tx, tenant, id, how, device, ends).await
    }

    /// Opens a session that ends then.
    pub(super) async fn open_session_until(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        id: StaffId,
        how: Assurance,
        device: &str,
        ends: Timestamp,
    ) -> Result<String> {
        let (token, now) = (token(&self.0.env), self.0.env.now());
        let how = if how == Assurance::PasswordOtp { OTP } else { PASSWORD };
        tx.execute(ADD, params![tenant, id, &token_hash(&token), now, now, ends, how, device]).await?;
        Ok(token)
    }

    /// The sessions of an account of the tenant, the last used first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions_of(&self, by: &Granted<ViewStaff>, id: StaffId) -> Result<Vec<SessionRow>> {
        self.sessions(by.tenant(), id).await
    }

    /// One's own sessions.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn own_sessions(&self, actor: &Actor) -> Result<Vec<SessionRow>> {
        let Actor::Staff { id, tenant, .. } = actor else { return Ok(Vec::new()) };
        self.sessions(*tenant, *id).await
    }

    async fn sessions(&self, tenant: Tenant, id: StaffId) -> Result<Vec<SessionRow>> {
        let now = self.0.env.now();
        let silent = now.minus(self.0.rules.session.idle);
        Ok(self.0.db.read().await?.all(OF, params![tenant, id, now, silent]).await?)
    }

    /// Counts the attempt, compares the password, and takes the count back when it was right.
    pub(super) async fn check_password(
        &self,
        login: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<(Tenant, StaffId)> {
        let attempt = Attempt::new(login, from);
        let now = self.0.env.now();
        let mut tx = self.0.db.begin().await?;
        if let Err(e) = attempt.count(&mut tx, &self.0.rules.throttle, now).await {
            tx.rollback().await?;
            return Err(e);
        }
        let found: Option<(Tenant, StaffId, String, bool)> = tx.opt(BY_LOGIN, params![login]).await?;
        tx.commit().await?;

        let stored = found.as_ref().map(|(_, _, p, _)| p.as_str()).filter(|p| *p != staff::NO_PASSWORD);
        let right = self.0.passwords.verify(password, stored).await?;
        let Some((tenant, id, stored, false)) = found.filter(|_| right) else {
            tracing::info!("sign-in refused");
            return Err(AccountError::SignInRefused);
        };
        let renewed = if self.0.passwords.outdated(&stored) {
            Some(self.0.passwords.hash(password, &self.0.env.rng).await?)
        } else {
            None
        };
        let mut tx = self.0.db.begin().await?;
        attempt.forgive(&mut tx).await?;
        if let Some(hash) = renewed {
            staff::store_password(&mut tx, tenant, id, &hash, now).await?;
        }
        tx.commit().await?;
        Ok((tenant, id))
    }

    /// Whose session a token is; `None` when it is unknown, expired, silent for too long, or the account is
    /// disabled.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Session>> {
        type Found = (Tenant, StaffId, Timestamp, Timestamp, Timestamp, String, String, String);
        let (hash, now) = (token_hash(token), self.0.env.now());
        let silent = now.minus(self.0.rules.session.idle);
        let mut tx = self.0.db.read().await?;
        let found: Option<Found> = tx.opt(FIND, params![&hash, now, silent, false]).await?;
        drop(tx);
        let Some((tenant, id, at, seen, expires, roles, kind, how)) = found else { return Ok(None) };
        if now.since(seen) >= SEEN_STEP.as_micros() as i64 {
            let mut tx = self.0.db.begin().await?;
            tx.execute(SEEN, params![tenant, id, &hash, now]).await?;
            tx.commit().await?;
        }
        let assurance = if how == OTP { Assurance::PasswordOtp } else { Assurance::Password };
        let mut roles = staff::split_roles(&roles);
        if kind == "break-glass" {
            roles.push(BREAK_GLASS);
        }
        let actor = Actor::Staff { id, tenant, roles, sign_in: SignIn { assurance, at } };
        let left = Duration::from_micros(u64::try_from(expires.since(now)).unwrap_or(0));
        Ok(Some(Session { actor, expires, left }))
    }

    /// Gives a session a new token, for example after a step that raised its rights; the old one ends at once
    /// and the end of the session stays where it was.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when the session is over.
    pub async fn rotate(&self, old: &str) -> Result<String> {
        let (new, now) = (token(&self.0.env), self.0.env.now());
        let silent = now.minus(self.0.rules.session.idle);
        let mut tx = self.0.db.begin().await?;
        let (old, renewed) = (token_hash(old), token_hash(&new));
        let kept: Option<(Timestamp,)> = tx.opt(RENEW, params![&old, &renewed, now, silent]).await?;
        kept.ok_or(AccountError::NotFound)?;
        tx.commit().await?;
        Ok(new)
    }

    /// Ends one session. Ending it twice is no error.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sign_out(&self, token: &str) -> Result<()> {
        let mut tx = self.0.db.begin().await?;
        tx.execute(END, params![&token_hash(token)]).await?;
        Ok(tx.commit().await?)
    }

    /// Ends all sessions of the signed-in member of staff, everywhere.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sign_out_everywhere(&self, actor: &Actor) -> Result<u64> {
        let Actor::Staff { id, tenant, .. } = actor else { return Ok(0) };
        self.end_sessions(*tenant, *id, actor).await
    }

    /// Ends all sessions of an account of the tenant: a lost laptop.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_sessions(&self, by: &Granted<ManageStaff>, id: StaffId) -> Result<u64> {
        self.end_sessions(by.tenant(), id, by.actor()).await
    }

    async fn end_sessions(&self, tenant: Tenant, id: StaffId, by: &Actor) -> Result<u64> {
        let mut tx = self.0.db.begin().await?;
        let n = end_all(&mut tx, tenant, id).await?;
        self.note(&mut tx, tenant, id, "ended", by, "").await?;
        tx.commit().await?;
        Ok(n)
    }

    /// Removes what has ended: sessions, old failure counters, old history. For a schedule.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self) -> Result<u64> {
        let now = self.0.env.now();
        let silent = now.minus(self.0.rules.session.idle);
        let mut tx = self.0.db.begin().await?;
        let sessions = tx.execute(SWEEP, params![now, silent]).await?;
        let counters = throttle::sweep(&mut tx, &self.0.rules.throttle, now).await?;
        let history = history::forget(&mut tx, now).await?;
        let tickets = ticket::sweep(&mut tx, now).await?;
        tx.commit().await?;
        Ok(sessions + counters + history + tickets)
    }
}
