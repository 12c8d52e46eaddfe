//! Sessions: a random token in the browser, its hash in the store, an end by time or by hand.

use std::net::IpAddr;
use std::time::Duration;

use kenroku_store::{Sql, Tx, params, sql};
use kenroku_types::ids::StaffId;
use kenroku_types::{Env, Tenant, Timestamp};

use super::throttle::{self, Attempt};
use super::{AccountError, Accounts, Result, history, sha256, staff};
use crate::kernel::ManageStaff;
use crate::{Actor, Assurance, Granted, SignIn};

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

/// How long “last seen” may lag behind: not every request writes.
const SEEN_STEP: Duration = Duration::from_secs(60);

const BY_LOGIN: &Sql = sql!(
    "select tenant, id, password, disabled from access_staff
     where login = $1 and kind = 'staff' and removed_at is null
     -- @cross_tenant the login name is what tells the tenant"
);
const ADD: &Sql = sql!(
    "insert into access_session (tenant, staff, token_hash, signed_in_at, seen_at, expires_at)
     values ($1, $2, $3, $4, $5, $6)"
);
const FIND: &Sql = sql!(
    "select s.tenant, s.staff, s.signed_in_at, s.seen_at, s.expires_at, a.roles
     from access_session s join access_staff a on a.tenant = s.tenant and a.id = s.staff
     where s.token_hash = $1 and s.expires_at > $2 and s.seen_at > $3 and a.disabled = $4
     -- @cross_tenant the token is what tells the tenant"
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
    /// Signs a member of staff in. The token goes into the cookie and nowhere else; it is always a new one, so
    /// that nobody can prepare a session for somebody else.
    ///
    /// # Errors
    /// [`AccountError::SignInRefused`] whatever was wrong; [`AccountError::TooManyAttempts`];
    /// [`AccountError::Busy`].
    pub async fn sign_in(&self, login: &str, password: &str, from: IpAddr) -> Result<(String, Session)> {
        let (tenant, id) = self.check_password(&staff::normal_login(login), password, from).await?;
        let (token, now) = (token(&self.0.env), self.0.env.now());
        let expires = now.plus(self.0.rules.session.absolute);
        let mut tx = self.0.db.begin().await?;
        tx.execute(ADD, params![tenant, id, &token_hash(&token), now, now, expires]).await?;
        self.note_own(&mut tx, tenant, id, "in", "").await?;
        tx.commit().await?;
        tracing::info!(staff = %id, %tenant, "signed in");
        let session = self.authenticate(&token).await?.ok_or(AccountError::SignInRefused)?;
        Ok((token, session))
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
        type Found = (Tenant, StaffId, Timestamp, Timestamp, Timestamp, String);
        let (hash, now) = (token_hash(token), self.0.env.now());
        let silent = now.minus(self.0.rules.session.idle);
        let mut tx = self.0.db.read().await?;
        let found: Option<Found> = tx.opt(FIND, params![&hash, now, silent, false]).await?;
        drop(tx);
        let Some((tenant, id, at, seen, expires, roles)) = found else { return Ok(None) };
        if now.since(seen) >= SEEN_STEP.as_micros() as i64 {
            let mut tx = self.0.db.begin().await?;
            tx.execute(SEEN, params![tenant, id, &hash, now]).await?;
            tx.commit().await?;
        }
        let sign_in = SignIn { assurance: Assurance::Password, at };
        let actor = Actor::Staff { id, tenant, roles: staff::split_roles(&roles), sign_in };
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
        self.end_sessions(*tenant, *id).await
    }

    /// Ends all sessions of an account of the tenant: a lost laptop.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_sessions(&self, by: &Granted<ManageStaff>, id: StaffId) -> Result<u64> {
        self.end_sessions(by.tenant(), id).await
    }

    async fn end_sessions(&self, tenant: Tenant, id: StaffId) -> Result<u64> {
        let mut tx = self.0.db.begin().await?;
        let n = end_all(&mut tx, tenant, id).await?;
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
        tx.commit().await?;
        Ok(sessions + counters + history)
    }
}
