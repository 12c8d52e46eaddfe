//! Keys of devices and of vendors' programs: issued once, stored as a hash, replaced with an overlap.
//!
//! This is the one key system of the house. A module keeps what its device *is* (name, place, vehicle) under a
//! [`DeviceId`]; the key lives here, so that whoever may manage keys sees and stops every one of them.

use std::time::Duration;

use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Tenant, Timestamp};
use uuid::Uuid;

use super::{AccountError, Accounts, KeyId, Result, sha256};
use crate::kernel::ManageKeys;
use crate::{Actor, ClientId, Granted, Permission, PermissionMeta};

/// Permissions that manage keys. A module with devices of its own says so for the permission that registers them:
/// `impl ManagesKeys for ManageDevices {}`. It then touches the keys of its own devices only.
pub trait ManagesKeys: Permission {}
impl ManagesKeys for ManageKeys {}

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
impl KeyRow {
    /// Since when it opens nothing any more; `None` while it lives.
    pub fn ended_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.revoked_at.into_iter().chain(self.expires_at).filter(|t| *t <= now).min()
    }
}
row!(KeyRow { id, kind, holder, scopes, label, created_at, created_by, expires_at, revoked_at });

const ADD: &Sql = sql!(
    "insert into access_key (tenant, id, key_hash, kind, holder, scopes, label, created_at, created_by, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
);
const ADOPT: &Sql = sql!(
    "insert into access_key (tenant, id, key_hash, kind, holder, scopes, label, created_at, created_by, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (key_hash) do nothing"
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
const REVOKE_HELD: &Sql = sql!(
    "update access_key set revoked_at = $4
     where tenant = $1 and kind = $2 and holder = $3 and revoked_at is null"
);

/// What is kept of a key. Case, blanks and dashes do not matter, and letters that look like digits count as those:
/// keys of devices are typed by a gloved hand.
fn key_hash(key: &str) -> [u8; 32] {
    let plain: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        })
        .collect();
    sha256(&[b"key", plain.as_bytes()])
}

/// Crockford's base 32 in lower case: no i, l, o, u.
pub(super) const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl Accounts {
    /// For programs 160 random bits; for devices 100 in five groups of four letters, short enough to type into a
    /// phone. Both are far beyond guessing.
    fn new_secret(&self, kind: &str) -> String {
        let bytes = self.0.env.rng.bytes::<20>();
        if kind != "device" {
            return format!("krc_{}", hex::encode(bytes));
        }
        let letter = |b: &u8| char::from(LETTERS[usize::from(b % 32)]);
        let groups: Vec<String> = bytes.chunks(4).map(|c| c.iter().map(letter).collect()).collect();
        format!("krd_{}", groups.join("-"))
    }

    /// Issues a key in the tenant of the proof.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn issue_key<P: ManagesKeys>(&self, by: &Granted<P>, new: &NewKey<'_>) -> Result<IssuedKey> {
        let mut tx = self.0.db.begin().await?;
        let key = self.issue_key_within(&mut tx, by, new).await?;
        tx.commit().await?;
        Ok(key)
    }

    /// The same as part of a transaction: a device is registered and gets its key together or not at all.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn issue_key_within<P: ManagesKeys>(
        &self,
        tx: &mut Tx,
        by: &Granted<P>,
        new: &NewKey<'_>,
    ) -> Result<IssuedKey> {
        let key = IssuedKey { id: self.0.env.id(), secret: self.new_secret(new.holder.kind()) };
        self.add(tx, ADD, by, new, key.id, &key.secret).await?;
        Ok(key)
    }

    /// Takes over a key that was made elsewhere, such as those of a demonstration; a known one stays as it is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn adopt_key<P: ManagesKeys>(
        &self,
        by: &Granted<P>,
        new: &NewKey<'_>,
        secret: &str,
    ) -> Result<()> {
        let mut tx = self.0.db.begin().await?;
        self.add(&mut tx, ADOPT, by, new, self.0.env.id(), secret).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn add<P: ManagesKeys>(
        &self,
        tx: &mut Tx,
        sql: &'static Sql,
        by: &Granted<P>,
        new: &NewKey<'_>,
        id: KeyId,
        secret: &str,
    ) -> Result<()> {
        let scopes: Vec<&str> = new.scopes.iter().map(|p| p.id).collect();
        let (hash, scopes, actor) = (key_hash(secret), scopes.join(" "), by.actor().to_string());
        let (tenant, holder, now, kind) =
            (by.tenant(), new.holder.uuid(), self.0.env.now(), new.holder.kind());
        let row = params![tenant, id, &hash, kind, holder, &scopes, new.label, now, &actor, new.expires];
        tx.execute(sql, row).await?;
        tracing::info!(by = actor, key = %id, kind, scopes, "key issued");
        Ok(())
    }

    /// Issues a successor with the same holder, scopes and label. Both work until `overlap` has passed, so that
    /// a fleet can be changed over one machine after the other; then the old one ends.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when the tenant has no such living key.
    pub async fn rotate_key<P: ManagesKeys>(
        &self,
        by: &Granted<P>,
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
    pub async fn revoke_key<P: ManagesKeys>(&self, by: &Granted<P>, id: KeyId) -> Result<()> {
        let mut tx = self.0.db.begin().await?;
        if tx.execute(REVOKE, params![by.tenant(), id, self.0.env.now()]).await? == 0 {
            return Err(AccountError::NotFound);
        }
        tx.commit().await?;
        tracing::info!(by = %by.actor(), key = %id, "key revoked");
        Ok(())
    }

    /// Stops every key of a device or program at once; whether there was one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_keys_of<P: ManagesKeys>(&self, by: &Granted<P>, holder: KeyHolder) -> Result<bool> {
        let mut tx = self.0.db.begin().await?;
        let held = params![by.tenant(), holder.kind(), holder.uuid(), self.0.env.now()];
        let stopped = tx.execute(REVOKE_HELD, held).await?;
        tx.commit().await?;
        tracing::info!(by = %by.actor(), holder = %holder.uuid(), stopped, "keys revoked");
        Ok(stopped > 0)
    }

    /// The keys of the tenant, oldest first; ended ones included.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_keys<P: ManagesKeys>(&self, by: &Granted<P>) -> Result<Vec<KeyRow>> {
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
