//! Keys of devices and of vendors' programs: issued once, stored as a hash, replaced with an overlap.

use std::time::Duration;

use kenroku_store::{Sql, params, row, sql};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Tenant, Timestamp};
use uuid::Uuid;

use super::{AccountError, Accounts, KeyId, Result, sha256};
use crate::kernel::ManageKeys;
use crate::{Actor, ClientId, Granted, PermissionMeta};

/// Who uses a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHolder {
    /// A machine that reports.
    Device(DeviceId),
    /// A vendor's program.
    Client(ClientId),
}

impl KeyHolder {
    const fn kind(self) -> &'static str {
        match self {
            KeyHolder::Device(_) => "device",
            KeyHolder::Client(_) => "client",
        }
    }

    const fn uuid(self) -> Uuid {
        match self {
            KeyHolder::Device(id) => id.uuid(),
            KeyHolder::Client(id) => id.uuid(),
        }
    }
}

/// What a new key needs.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// Who will use it.
    pub holder: KeyHolder,
    /// What a program may use it for, at most; the policies still decide. Devices need none.
    pub scopes: &'a [PermissionMeta],
    /// What people call it.
    pub label: &'a str,
    /// When it ends; `None` for a device that nobody visits.
    pub expires: Option<Timestamp>,
}

/// A key that has just been made. The secret is shown once and cannot be asked for again.
#[derive(Clone, Debug)]
pub struct IssuedKey {
    /// Its id, for lists and revoking.
    pub id: KeyId,
    /// `krd_…` for devices, `krc_…` for programs: the prefix lets scanners for leaked secrets know it.
    pub secret: String,
}

/// A key as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// `device` or `client`.
    pub kind: String,
    /// The device or program.
    pub holder: Uuid,
    /// Permission ids, separated by spaces.
    pub scopes: String,
    /// What people call it.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom, as a log label.
    pub created_by: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was stopped by hand.
    pub revoked_at: Option<Timestamp>,
}
row!(KeyRow { id, kind, holder, scopes, label, created_at, created_by, expires_at, revoked_at });

const ADD: &Sql = sql!(
    "insert into access_key (tenant, id, key_hash, kind, holder, scopes, label, created_at, created_by, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
);
const FIND: &Sql = sql!(
    "select tenant, kind, holder, scopes from access_key
     where key_hash = $1 and revoked_at is null and (expires_at is null or expires_at > $2)
     -- @cross_tenant the key is what tells the tenant"
);
const LIST: &Sql = sql!(
    "select id, kind, holder, scopes, label, created_at, created_by, expires_at, revoked_at
     from access_key where tenant = $1 order by created_at, id"
);
const GET_LIVE: &Sql = sql!(
    "select kind, holder, scopes, label, expires_at from access_key
     where tenant = $1 and id = $2 and revoked_at is null and (expires_at is null or expires_at > $3)"
);
const END_AT: &Sql = sql!("update access_key set expires_at = $3 where tenant = $1 and id = $2");
const REVOKE: &Sql =
    sql!("update access_key set revoked_at = $3 where tenant = $1 and id = $2 and revoked_at is null");

fn key_hash(key: &str) -> [u8; 32] {
    sha256(&[b"key", key.as_bytes()])
}

impl Accounts {
    /// 160 random bits: short enough to type into a phone, far beyond guessing.
    fn new_secret(&self, kind: &str) -> String {
        let prefix = if kind == "device" { "krd" } else { "krc" };
        format!("{prefix}_{}", hex::encode(self.0.env.rng.bytes::<20>()))
    }

    /// Issues a key in the tenant of the proof.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn issue_key(&self, by: &Granted<ManageKeys>, new: &NewKey<'_>) -> Result<IssuedKey> {
        let kind = new.holder.kind();
        let key = IssuedKey { id: self.0.env.id(), secret: self.new_secret(kind) };
        let scopes: Vec<&str> = new.scopes.iter().map(|p| p.id).collect();
        let (hash, scopes, actor) = (key_hash(&key.secret), scopes.join(" "), by.actor().to_string());
        let (tenant, holder, now) = (by.tenant(), new.holder.uuid(), self.0.env.now());
        let row = params![tenant, key.id, &hash, kind, holder, &scopes, new.label, now, &actor, new.expires];
        let mut tx = self.0.db.begin().await?;
        tx.execute(ADD, row).await?;
        tx.commit().await?;
        tracing::info!(by = actor, key = %key.id, kind, scopes, "key issued");
        Ok(key)
    }

    /// Issues a successor with the same holder, scopes and label. Both work until `overlap` has passed, so that
    /// a fleet can be changed over one machine after the other; then the old one ends.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when the tenant has no such living key.
    pub async fn rotate_key(
        &self,
        by: &Granted<ManageKeys>,
        old: KeyId,
        overlap: Duration,
        expires: Option<Timestamp>,
    ) -> Result<IssuedKey> {
        type Found = (String, Uuid, String, String, Option<Timestamp>);
        let (tenant, now) = (by.tenant(), self.0.env.now());
        let mut tx = self.0.db.begin().await?;
        let found: Option<Found> = tx.opt(GET_LIVE, params![tenant, old, now]).await?;
        let (kind, holder, scopes, label, old_end) = found.ok_or(AccountError::NotFound)?;
        let key = IssuedKey { id: self.0.env.id(), secret: self.new_secret(&kind) };
        let (hash, actor) = (key_hash(&key.secret), by.actor().to_string());
        let row = params![tenant, key.id, &hash, &kind, holder, &scopes, &label, now, &actor, expires];
        tx.execute(ADD, row).await?;
        // An end that was nearer anyway stays.
        let end = old_end.map_or(now.plus(overlap), |e| e.min(now.plus(overlap)));
        tx.execute_one(END_AT, params![tenant, old, end]).await?;
        tx.commit().await?;
        tracing::info!(by = actor, old = %old, key = %key.id, "key rotated");
        Ok(key)
    }

    /// Stops a key at once.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when the tenant has no such key, or it was stopped before.
    pub async fn revoke_key(&self, by: &Granted<ManageKeys>, id: KeyId) -> Result<()> {
        let mut tx = self.0.db.begin().await?;
        if tx.execute(REVOKE, params![by.tenant(), id, self.0.env.now()]).await? == 0 {
            return Err(AccountError::NotFound);
        }
        tx.commit().await?;
        tracing::info!(by = %by.actor(), key = %id, "key revoked");
        Ok(())
    }

    /// The keys of the tenant, oldest first; ended ones included.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_keys(&self, by: &Granted<ManageKeys>) -> Result<Vec<KeyRow>> {
        Ok(self.0.db.read().await?.all(LIST, params![by.tenant()]).await?)
    }

    /// Whose key this is; `None` when it is unknown, expired or revoked.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn authenticate_key(&self, key: &str) -> Result<Option<Actor>> {
        let mut tx = self.0.db.read().await?;
        let found: Option<(Tenant, String, Uuid, String)> =
            tx.opt(FIND, params![&key_hash(key), self.0.env.now()]).await?;
        Ok(found.map(|(tenant, kind, holder, scopes)| {
            if kind == "device" {
                Actor::Device { id: DeviceId::from_uuid(holder), tenant }
            } else {
                let scopes = scopes.split_whitespace().map(str::to_owned).collect();
                Actor::Client { id: ClientId::from_uuid(holder), tenant, scopes }
            }
        }))
    }
}
