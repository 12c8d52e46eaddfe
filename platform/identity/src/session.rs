//! [`Session`]: who is signed in with this browser, since when and how.
//!
//! A random token lies in the browser, its hash in the store, so several serving processes agree by themselves. Every
//! sign-in gives a new token, also when the same person proves more: nobody can prepare a session for somebody else.
//! The session keeps its `sid` when the same person signs in again, so that clients that know it stay signed in.

use std::time::Duration;

use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use kenroku_access::{Access, Actor, Assurance, Door, SignIn};
use kenroku_contracts::identity::{EndReason, SessionEnded};
use kenroku_http::App;
use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Env, Tenant, Timestamp};
use kenroku_ui::SIGNED_IN_COOKIE;
use ring::digest::{SHA256, digest};

use crate::delegation::Scope;
use crate::error::{IdentityError, Result};
use crate::model::{PersonId, PersonState, SessionId, assurance_code, assurance_of};
use crate::{Identity, person};

/// Somebody signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, told to clients as `sid`.
    pub sid: SessionId,
    /// Who it is.
    pub person: PersonId,
    /// How surely and when it was last proved.
    pub sign_in: SignIn,
    /// By what, as RFC 8176 names it: `["pwd", "otp"]`.
    pub amr: Vec<String>,
}

impl Session {
    /// The person as this module's own pages and policies see them: to other modules they are somebody else.
    pub fn actor(&self) -> Actor {
        Actor::Resident { subject: SubjectId::from_uuid(self.person.uuid()), sign_in: self.sign_in }
    }

    /// Whether it proves at least that much.
    pub fn reaches(&self, need: Assurance) -> bool {
        self.sign_in.assurance >= need
    }
}

/// How somebody has just proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proved {
    /// How sure it is.
    pub assurance: Assurance,
    /// RFC 8176, separated by spaces.
    pub amr: &'static str,
}

impl Proved {
    /// A passkey with user verification (RFC 8176 §2: a key, and a test of the user).
    pub const PASSKEY: Proved = Proved { assurance: Assurance::Passkey, amr: "swk user" };
    /// A password and a one-time code.
    pub const PASSWORD_OTP: Proved = Proved { assurance: Assurance::PasswordOtp, amr: "pwd otp mfa" };
    /// The card's certificate for user authentication with its PIN.
    pub const CARD: Proved = Proved { assurance: Assurance::JpkiAuth, amr: "sc hwk pin" };
    /// The card's certificate for signatures with its password.
    pub const CARD_SIGN: Proved = Proved { assurance: Assurance::JpkiSign, amr: "sc hwk pin" };
}

/// A session that has just begun or was renewed.
#[derive(Clone, Debug)]
pub struct Started {
    session: Session,
    token: String,
    max_age: Duration,
}

/// A line of the device list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// The session.
    pub sid: SessionId,
    /// What it looks like: system and browser.
    pub device: String,
    /// How it signed in.
    pub assurance: String,
    /// When it last proved who it is.
    pub signed_in_at: Timestamp,
    /// When it was last used, to a minute.
    pub seen_at: Timestamp,
}
row!(DeviceRow { sid, device, assurance, signed_in_at, seen_at });

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// When.
    pub at: Timestamp,
    /// What: `in`, `out`, `refused`, `ended`, `changed`.
    pub what: String,
    /// By which way or what was changed.
    pub way: String,
    /// With which device.
    pub device: String,
}
row!(HistoryRow { at, what, way, device });

/// What residents' tokens begin with; staff's are bare hexadecimal.
pub(crate) const PREFIX: &str = "r-";
/// How long “last seen” may lag behind.
const SEEN_STEP: Duration = Duration::from_secs(60);

struct Found {
    sid: SessionId,
    person: PersonId,
    assurance: String,
    amr: String,
    signed_in_at: Timestamp,
    seen_at: Timestamp,
}
row!(Found { sid, person, assurance, amr, signed_in_at, seen_at });

const FIND: &Sql = sql!(
    "select s.sid, s.person, s.assurance, s.amr, s.signed_in_at, s.seen_at
     from identity_session s join identity_person p on p.tenant = s.tenant and p.id = s.person
     where s.tenant = $1 and s.token_hash = $2 and s.expires_at > $3 and s.seen_at > $4
       and p.state in ('active', 'moved')"
);
const SEEN: &Sql = sql!("update identity_session set seen_at = $3 where tenant = $1 and sid = $2");
const ADD: &Sql = sql!(
    "insert into identity_session (tenant, sid, person, token_hash, assurance, amr, device, signed_in_at, begun_at,
       seen_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);
const RENEW: &Sql = sql!(
    "update identity_session set token_hash = $4, assurance = $5, amr = $6, signed_in_at = $7, seen_at = $8,
       expires_at = $9
     where tenant = $1 and sid = $2 and person = $3"
);
const END: &Sql = sql!("delete from identity_session where tenant = $1 and person = $2 and sid = $3");
const OF_PERSON: &Sql = sql!(
    "select sid, device, assurance, signed_in_at, seen_at from identity_session
     where tenant = $1 and person = $2 and expires_at > $3 and seen_at > $4 order by seen_at desc, sid"
);
const SIDS: &Sql = sql!("select sid from identity_session where tenant = $1 and person = $2 order by sid");
const EXPIRED: &Sql = sql!(
    "select person, sid from identity_session where tenant = $1 and (expires_at <= $2 or seen_at <= $3)
     order by sid limit 500"
);
const NOTE: &Sql = sql!(
    "insert into identity_history (tenant, person, id, at, what, way, device) values ($1, $2, $3, $4, $5, $6, $7)"
);
const HISTORY: &Sql = sql!(
    "select at, what, way, device from identity_history where tenant = $1 and person = $2
     order by at desc, id desc limit 100"
);
const FORGET: &Sql = sql!("delete from identity_history where tenant = $1 and at < $2");

const T: Tenant = Tenant::SHARED;

fn token_hash(token: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &[b"identity-session", token.as_bytes()].concat()).as_ref());
    out
}

/// The session that the request's cookie shows; `None` when there is none, or it is over.
///
/// # Errors
/// When the store fails.
pub async fn current(app: &App, parts: &Parts) -> kenroku_http::Result<Option<Session>> {
    let access = app.get::<Access>()?;
    let Some(token) = access.web().session_token(parts, Door::Residents) else { return Ok(None) };
    Ok(app.get::<Identity>()?.session(token).await?)
}

/// The municipality of whoever is signed in, by the proofed address: for pages that begin with one's own area. `None`
/// for visitors, for people from elsewhere, and where there are no accounts at all.
///
/// # Errors
/// When the store fails.
pub async fn area(app: &App, parts: &Parts) -> kenroku_http::Result<Option<kenroku_types::MuniCode>> {
    let Ok(identity) = app.get::<Identity>() else { return Ok(None) };
    let Some(s) = current(app, parts).await? else { return Ok(None) };
    Ok(identity.person(s.person).await?.and_then(|p| p.muni))
}

/// The municipalities of those for whom whoever is signed in may read notices, each once: for pages that show what
/// happens where a parent or child lives. Asked of the delegations at each request, so an ended one shows nothing.
///
/// # Errors
/// When the store fails.
pub async fn areas_of_others(app: &App, parts: &Parts) -> kenroku_http::Result<Vec<kenroku_types::MuniCode>> {
    let Ok(identity) = app.get::<Identity>() else { return Ok(Vec::new()) };
    let Some(s) = current(app, parts).await? else { return Ok(Vec::new()) };
    let mut areas = Vec::new();
    for d in identity.delegations(s.person).await? {
        if identity.may_act(s.person, d.principal, Scope::Messages).await?.is_none() {
            continue;
        }
        let muni = identity.person(d.principal).await?.and_then(|p| p.muni);
        areas.extend(muni.filter(|m| !areas.contains(m)));
    }
    Ok(areas)
}

/// Finds a session by its token.
pub(crate) async fn find(
    db: &kenroku_store::Db,
    env: &Env,
    idle: Duration,
    token: &str,
) -> Result<Option<Session>> {
    if !token.starts_with(PREFIX) {
        return Ok(None);
    }
    let now = env.now();
    let mut tx = db.read().await?;
    let found: Option<Found> = tx.opt(FIND, params![T, &token_hash(token), now, now.minus(idle)]).await?;
    drop(tx);
    let Some(f) = found else { return Ok(None) };
    if now.since(f.seen_at) >= SEEN_STEP.as_micros() as i64 {
        let mut tx = db.begin().await?;
        tx.execute(SEEN, params![T, f.sid, now]).await?;
        tx.commit().await?;
    }
    Ok(Some(Session {
        sid: f.sid,
        person: f.person,
        sign_in: SignIn { assurance: assurance_of(&f.assurance), at: f.signed_in_at },
        amr: f.amr.split_whitespace().map(str::to_owned).collect(),
    }))
}

/// Adds a line to a person's history.
pub(crate) async fn note(
    tx: &mut Tx,
    env: &Env,
    person: PersonId,
    what: &str,
    way: &str,
    device: &str,
) -> Result<()> {
    tx.execute(NOTE, params![T, person, env.uuid(), env.now(), what, way, device]).await?;
    Ok(())
}

impl Identity {
    /// The session of a token; `None` when it is over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session(&self, token: &str) -> Result<Option<Session>> {
        find(self.db(), self.env(), self.rules().idle, token).await
    }

    /// Begins a session, or renews `current` when it is the same person's. Another person's ends.
    ///
    /// # Errors
    /// [`IdentityError::Refused`] when the person may not sign in.
    pub async fn start_session(
        &self,
        person: PersonId,
        how: Proved,
        device: &str,
        current: Option<&Session>,
    ) -> Result<Started> {
        let env = self.env();
        let mut tx = self.db().begin().await?;
        match person::state(&mut tx, person).await? {
            Some(PersonState::Active | PersonState::Moved) => {}
            _ => {
                tx.rollback().await?;
                return Err(IdentityError::Refused);
            }
        }
        let token = format!("{PREFIX}{}", hex::encode(env.rng.bytes::<32>()));
        let (now, hash) = (env.now(), token_hash(&token));
        let expires = now.plus(self.rules().absolute);
        let code = assurance_code(how.assurance);
        let mut sid = None;
        if let Some(own) = current {
            if own.person == person {
                let renewed = params![T, own.sid, person, &hash, code, how.amr, now, now, expires];
                if tx.execute(RENEW, renewed).await? == 1 {
                    sid = Some(own.sid);
                }
            } else {
                self.end_in(&mut tx, own.person, own.sid, EndReason::Replaced).await?;
            }
        }
        let sid = match sid {
            Some(sid) => sid,
            None => {
                let sid: SessionId = env.id();
                let row = params![T, sid, person, &hash, code, how.amr, device, now, now, now, expires];
                tx.execute(ADD, row).await?;
                sid
            }
        };
        note(&mut tx, env, person, "in", code, device).await?;
        tx.commit().await?;
        let sign_in = SignIn { assurance: how.assurance, at: now };
        let amr = how.amr.split_whitespace().map(str::to_owned).collect();
        let session = Session { sid, person, sign_in, amr };
        Ok(Started { session, token, max_age: self.rules().absolute })
    }

    /// Ends a session of the person; `SessionEnded` tells whoever relied on it. Ending it twice is no error.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_session(&self, person: PersonId, sid: SessionId, why: EndReason) -> Result<bool> {
        let mut tx = self.db().begin().await?;
        let was = self.end_in(&mut tx, person, sid, why).await?;
        if was {
            let what = if why == EndReason::SignedOut { "out" } else { "ended" };
            note(&mut tx, self.env(), person, what, "", "").await?;
        }
        tx.commit().await?;
        Ok(was)
    }

    async fn end_in(&self, tx: &mut Tx, person: PersonId, sid: SessionId, reason: EndReason) -> Result<bool> {
        let was = tx.execute(END, params![T, person, sid]).await? == 1;
        if was {
            self.bus().publish(tx, T, &SessionEnded { sid, reason }).await?;
        }
        Ok(was)
    }

    /// Ends every session of the person but one: a lost telephone. Returns how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_sessions(&self, person: PersonId, but: Option<SessionId>) -> Result<u64> {
        let mut tx = self.db().begin().await?;
        let n = self.end_all_in(&mut tx, person, but).await?;
        note(&mut tx, self.env(), person, "ended", "all", "").await?;
        tx.commit().await?;
        Ok(n)
    }

    pub(crate) async fn end_all_in(
        &self,
        tx: &mut Tx,
        person: PersonId,
        but: Option<SessionId>,
    ) -> Result<u64> {
        let sids: Vec<(SessionId,)> = tx.all(SIDS, params![T, person]).await?;
        let mut n = 0;
        for (sid,) in sids {
            if Some(sid) != but {
                n += u64::from(self.end_in(tx, person, sid, EndReason::Revoked).await?);
            }
        }
        Ok(n)
    }

    /// The person's sessions, the last used first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn devices(&self, person: PersonId) -> Result<Vec<DeviceRow>> {
        let now = self.env().now();
        let mut tx = self.db().read().await?;
        Ok(tx.all(OF_PERSON, params![T, person, now, now.minus(self.rules().idle)]).await?)
    }

    /// The person's last hundred sign-ins and changes, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn history(&self, person: PersonId) -> Result<Vec<HistoryRow>> {
        Ok(self.db().read().await?.all(HISTORY, params![T, person]).await?)
    }

    /// Removes sessions whose time is over, telling their clients, and history older than a year.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep_sessions(&self) -> Result<u64> {
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        let over: Vec<(PersonId, SessionId)> =
            tx.all(EXPIRED, params![T, now, now.minus(self.rules().idle)]).await?;
        for (person, sid) in &over {
            self.end_in(&mut tx, *person, *sid, EndReason::Expired).await?;
        }
        tx.execute(FORGET, params![T, now.minus(Duration::from_secs(366 * 86_400))]).await?;
        tx.commit().await?;
        Ok(over.len() as u64)
    }
}

impl Started {
    /// The session.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The secret: for the cookie, and for nothing else.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Puts the cookies into an answer.
    pub fn set_cookies(&self, access: &Access, parts: &Parts, headers: &mut HeaderMap) {
        if let Some(cookie) = access.web().set_cookie(parts, Door::Residents, &self.token, self.max_age) {
            headers.append(SET_COOKIE, cookie);
        }
        hint(headers, self.max_age);
    }
}

/// Removes the cookies of whoever was signed in.
pub fn clear_cookies(access: &Access, parts: &Parts, headers: &mut HeaderMap) {
    if let Some(cookie) = access.web().clear_cookie(parts, Door::Residents) {
        headers.append(SET_COOKIE, cookie);
    }
    hint(headers, Duration::ZERO);
}

/// The cookie that pages read to show the way to one's own page.
fn hint(headers: &mut HeaderMap, max_age: Duration) {
    let text = format!("{SIGNED_IN_COOKIE}=1; Path=/; HttpOnly; SameSite=Lax; Max-Age={}", max_age.as_secs());
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.append(SET_COOKIE, value);
    }
}
