//! Break-glass accounts: an emergency account for each tenant whose credential lies sealed in a safe.
//!
//! Using it is allowed and never quiet: it needs a reason, raises an alarm in the same transaction, lasts an hour, is
//! marked in every log (`break-glass:…` in place of `staff:…`), and uses the credential up. The alarm stands before
//! administrators and data officers until one of them says what was done about it.

use std::net::IpAddr;
use std::time::Duration;

use kenroku_store::{Error as StoreError, Sql, Tx, params, row, sql};
use kenroku_types::ids::StaffId;
use kenroku_types::{Tenant, Timestamp, id_kind};

use super::key::LETTERS;
use super::staff::{NO_PASSWORD, check_login, split_roles};
use super::throttle::Attempt;
use super::{AccountError, Accounts, Result, session};
use crate::kernel::{AcknowledgeAlarms, ManageStaff, ViewAlarms};
use crate::{Actor, Assurance, Granted, RoleId};

id_kind! {
    /// Something that administrators and data officers must see.
    Alarm => AlarmId;
}

/// How long an emergency session lasts, whatever happens.
pub const BREAK_GLASS_LASTS: Duration = Duration::from_secs(3600);
/// Fewest and most characters of a reason or of a note.
const WORDS: std::ops::RangeInclusive<usize> = 10..=500;

/// An emergency account as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealRow {
    /// The account.
    pub id: StaffId,
    /// The name to sign in with.
    pub login: String,
    roles: String,
    /// Whether its credential lies unused; otherwise a new one must be sealed.
    pub sealed: bool,
    /// When it was sealed, or used.
    pub changed_at: Timestamp,
}
row!(SealRow { id, login, roles, sealed, changed_at });

impl SealRow {
    /// What it may do.
    pub fn roles(&self) -> Vec<RoleId> {
        split_roles(&self.roles)
    }
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmRow {
    /// Its id.
    pub id: AlarmId,
    /// Whose.
    pub tenant: Tenant,
    /// What it is about: `break-glass`, `contract`.
    pub kind: String,
    /// Which account or contract, by its name.
    pub subject: String,
    /// When.
    pub at: Timestamp,
    /// Why: in the words of whoever used the account; until when the contract holds.
    pub reason: String,
    /// Since when somebody has seen it.
    pub seen_at: Option<Timestamp>,
    /// Who, as a log label.
    pub seen_by: String,
    /// What was done about it.
    pub note: String,
}
row!(AlarmRow { id, tenant, kind, subject, at, reason, seen_at, seen_by, note });

/// A credential that was found right, on its way to be used.
#[derive(Debug)]
pub struct Seal {
    tenant: Tenant,
    id: StaffId,
    login: String,
    stored: String,
    attempt: Attempt,
}

/// What using an emergency account leads to.
#[derive(Debug)]
pub struct Broken {
    /// The token for the cookie.
    pub token: String,
    /// Whose account.
    pub tenant: Tenant,
    /// Which account.
    pub id: StaffId,
    /// The alarm.
    pub alarm: AlarmId,
}

const KIND: &Sql = sql!(
    "select tenant, id, kind from access_staff where login = $1 -- @cross_tenant sign-in names are unique in the installation"
);
const ADD: &Sql = sql!(
    "insert into access_staff (tenant, id, login, name, password, roles, disabled, version, created_at, changed_at, kind)
     values ($1, $2, $3, $3, $4, $5, $6, 1, $7, $7, 'break-glass')"
);
const RESEAL: &Sql = sql!(
    "update access_staff set password = $3, roles = $4, disabled = $5, version = version + 1, changed_at = $6
     where tenant = $1 and id = $2 and kind = 'break-glass'"
);
const SEALS: &Sql = sql!(
    "select id, login, roles, password <> '-', changed_at from access_staff
     where tenant = $1 and kind = 'break-glass' and removed_at is null order by login"
);
const FIND: &Sql = sql!(
    "select tenant, id, password from access_staff
     where login = $1 and kind = 'break-glass' and disabled = $2 and removed_at is null
     -- @cross_tenant the login name is what tells the tenant"
);
const BREAK: &Sql = sql!(
    "update access_staff set password = $4, version = version + 1, changed_at = $5
     where tenant = $1 and id = $2 and password = $3"
);
const ALARM: &Sql = sql!(
    "insert into access_alarm (tenant, id, kind, about, subject, at, reason) values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (tenant, id) do nothing"
);
const ALARMS: &Sql = sql!(
    "select id, tenant, kind, subject, at, reason, seen_at, seen_by, note from access_alarm
     where tenant = $1 order by at desc, id desc limit 100"
);
const OPEN: &Sql = sql!(
    "select id, tenant, kind, subject, at, reason, seen_at, seen_by, note from access_alarm
     where tenant = $1 and seen_at is null order by at desc, id desc limit 100"
);
const SEEN: &Sql = sql!(
    "update access_alarm set seen_at = $3, seen_by = $4, note = $5
     where tenant = $1 and id = $2 and seen_at is null"
);

/// The credential as it is compared: dashes, blanks and case do not matter, letters that look like digits are those.
fn plain(credential: &str) -> String {
    let letters = credential.chars().filter(char::is_ascii_alphanumeric);
    letters
        .map(|c| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        })
        .collect()
}

fn words(text: &str) -> Result<&str> {
    let text = text.trim();
    if WORDS.contains(&text.chars().count()) { Ok(text) } else { Err(AccountError::Words) }
}

impl Accounts {
    /// Makes an emergency account, or seals a new credential for one. The credential (160 random bits in eight groups
    /// of four) is returned this once: print it, put it into an envelope, lock it away.
    ///
    /// # Errors
    /// [`AccountError::LoginTaken`] when the name is somebody else's; unknown roles.
    pub async fn seal_break_glass(
        &self,
        by: &Granted<ManageStaff>,
        login: &str,
        roles: &[RoleId],
    ) -> Result<String> {
        let login = check_login(login)?;
        let roles = self.check_roles(by.tenant(), roles)?;
        let letter = |b: &u8| char::from(LETTERS[usize::from(b % 32)]);
        let bytes = self.0.env.rng.bytes::<32>();
        let groups: Vec<String> = bytes.chunks(4).map(|c| c.iter().map(letter).collect()).collect();
        let secret = groups.join("-");
        let hash = self.0.passwords.hash(&plain(&secret), &self.0.env.rng).await?;
        let (tenant, now) = (by.tenant(), self.0.env.now());
        let mut tx = self.0.db.begin().await?;
        let found: Option<(Tenant, StaffId, String)> = tx.opt(KIND, params![&login]).await?;
        let id = match found {
            Some((home, id, kind)) if home == tenant && kind == "break-glass" => {
                tx.execute_one(RESEAL, params![tenant, id, &hash, &roles, false, now]).await?;
                id
            }
            Some(_) => return Err(AccountError::LoginTaken),
            None => {
                let id: StaffId = self.0.env.id();
                match tx.execute(ADD, params![tenant, id, &login, &hash, &roles, false, now]).await {
                    Err(StoreError::Unique(_)) => return Err(AccountError::LoginTaken),
                    other => other?,
                };
                id
            }
        };
        session::end_all(&mut tx, tenant, id).await?;
        self.note(&mut tx, tenant, id, "sealed", by.actor(), &roles).await?;
        tx.commit().await?;
        tracing::warn!(by = %by.actor(), staff = %id, %tenant, roles, "emergency account sealed");
        Ok(secret)
    }

    /// The emergency accounts of the tenant.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn seals(&self, by: &Granted<ViewAlarms>) -> Result<Vec<SealRow>> {
        Ok(self.0.db.read().await?.all(SEALS, params![by.tenant()]).await?)
    }

    /// Compares a credential. Guesses are slowed down like passwords.
    ///
    /// # Errors
    /// [`AccountError::SignInRefused`], [`AccountError::TooManyAttempts`], [`AccountError::Busy`].
    pub async fn check_seal(&self, login: &str, credential: &str, from: IpAddr) -> Result<Seal> {
        let login = super::staff::normal_login(login);
        let attempt = Attempt::new(&login, from);
        let mut tx = self.0.db.begin().await?;
        if let Err(e) = attempt.count(&mut tx, &self.0.rules.throttle, self.0.env.now()).await {
            tx.rollback().await?;
            return Err(e);
        }
        let found: Option<(Tenant, StaffId, String)> = tx.opt(FIND, params![&login, false]).await?;
        tx.commit().await?;
        let stored = found.as_ref().map(|(_, _, p)| p.as_str()).filter(|p| *p != NO_PASSWORD);
        let right = self.0.passwords.verify(&plain(credential), stored).await?;
        let Some((tenant, id, stored)) = found.filter(|_| right) else {
            tracing::warn!("use of an emergency account refused");
            return Err(AccountError::SignInRefused);
        };
        Ok(Seal { tenant, id, login, stored, attempt })
    }

    /// Uses the credential up: opens a session of one hour and raises the alarm, in the caller's transaction, in which the
    /// event is published too.
    ///
    /// # Errors
    /// [`AccountError::Words`] without a reason; [`AccountError::SignInRefused`] when it was used at once elsewhere.
    pub async fn break_seal_within(
        &self,
        tx: &mut Tx,
        seal: &Seal,
        reason: &str,
        device: &str,
    ) -> Result<Broken> {
        let reason = words(reason)?;
        let (tenant, id, now) = (seal.tenant, seal.id, self.0.env.now());
        if tx.execute(BREAK, params![tenant, id, &seal.stored, NO_PASSWORD, now]).await? != 1 {
            return Err(AccountError::SignInRefused);
        }
        seal.attempt.forgive(tx).await?;
        session::end_all(tx, tenant, id).await?;
        let ends = now.plus(BREAK_GLASS_LASTS);
        let token = self.open_session_until(tx, tenant, id, Assurance::Password, device, ends).await?;
        let alarm: AlarmId = self.0.env.id();
        tx.execute(ALARM, params![tenant, alarm, "break-glass", id, &seal.login, now, reason]).await?;
        self.note_as(tx, tenant, id, "break-glass", &format!("break-glass:{id}"), reason).await?;
        tracing::error!(staff = %id, %tenant, alarm = %alarm, "AN EMERGENCY ACCOUNT IS IN USE");
        Ok(Broken { token, tenant, id, alarm })
    }

    /// Raises an alarm about a contract that ends, once for each `about`; whether it was the first time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn raise_contract_alarm(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        about: uuid::Uuid,
        subject: &str,
        reason: &str,
    ) -> Result<bool> {
        let row = params![tenant, about, "contract", about, subject, self.0.env.now(), reason];
        Ok(tx.execute(ALARM, row).await? == 1)
    }

    /// The last hundred alarms of the tenant, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn alarms(&self, by: &Granted<ViewAlarms>) -> Result<Vec<AlarmRow>> {
        Ok(self.0.db.read().await?.all(ALARMS, params![by.tenant()]).await?)
    }

    /// The alarms of these tenants that nobody has dealt with.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open_alarms(&self, by: &[Granted<ViewAlarms>]) -> Result<Vec<AlarmRow>> {
        let mut tx = self.0.db.read().await?;
        let mut all = Vec::new();
        for one in by {
            all.extend(tx.all::<AlarmRow>(OPEN, params![one.tenant()]).await?);
        }
        Ok(all)
    }

    /// Says what was done about an alarm: it stands before nobody any more.
    ///
    /// # Errors
    /// [`AccountError::Words`] without a note, [`AccountError::OwnAccount`] for an emergency account,
    /// [`AccountError::NotFound`] when the tenant has no such open alarm.
    pub async fn acknowledge(&self, by: &Granted<AcknowledgeAlarms>, id: AlarmId, note: &str) -> Result<()> {
        if by.actor().is_break_glass() {
            return Err(AccountError::OwnAccount);
        }
        let note = words(note)?;
        let label = by.actor().to_string();
        let mut tx = self.0.db.begin().await?;
        if tx.execute(SEEN, params![by.tenant(), id, self.0.env.now(), &label, note]).await? != 1 {
            return Err(AccountError::NotFound);
        }
        tx.commit().await?;
        tracing::warn!(by = label, alarm = %id, "alarm acknowledged");
        Ok(())
    }

    /// Writes an act of an emergency account down before it happens.
    pub(super) async fn note_act(&self, actor: &Actor, what: &str) -> Result<()> {
        let Actor::Staff { id, tenant, .. } = actor else { return Ok(()) };
        let mut tx = self.0.db.begin().await?;
        self.note_as(&mut tx, *tenant, *id, "act", &actor.to_string(), what).await?;
        Ok(tx.commit().await?)
    }
}
