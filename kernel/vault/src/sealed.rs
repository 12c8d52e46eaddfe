//! [`Sealed`]: personal data as it lies in a column; [`Sealer`] makes it, [`Reader`] opens it.
//!
//! Stored form: format (1 byte, 1), algorithm (1 byte, 1 = AES-256-GCM), version of the data key (4 bytes,
//! big-endian), nonce (12 bytes), ciphertext, tag (16 bytes). Tenant, module, table, column, retention class,
//! person, row and the first six bytes are the associated data. The content is JSON, padded with spaces to a
//! multiple of 32 bytes, so that the length does not tell “true” from “false” or a short name from a long one.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use kenroku_store::{FromCol, Raw, Val, rusqlite_value::ValueRef};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Clock, Rng, Tenant};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::aead::{self, Canon, OVERHEAD, Secret};
use crate::error::{Error, Result};
use crate::field::{Field, Slot};
use crate::keys::SubjectKeys;

const FORMAT: u8 = 1;
const AES_256_GCM: u8 = 1;
const HEADER: usize = 6;
/// Contents are padded to a multiple of this many bytes.
const BLOCK: usize = 32;

/// A `T` that only the vault opens, and only for a [`Disclosure`](crate::Disclosure). Lives in a `{blob}` column:
/// bind it with `params!`, read it as a column.
///
/// It has no `Display`, no serde and no way to its content; `Debug` tells the length and the key version.
pub struct Sealed<T> {
    bytes: Vec<u8>,
    content: PhantomData<fn() -> T>,
}

impl<T> Sealed<T> {
    fn parse(bytes: Vec<u8>) -> Result<Self> {
        match bytes.first_chunk::<HEADER>() {
            Some([FORMAT, AES_256_GCM, ..]) if bytes.len() >= HEADER + OVERHEAD => {
                Ok(Sealed { bytes, content: PhantomData })
            }
            _ => Err(Error::Malformed),
        }
    }

    /// The version of the data key it was sealed under.
    pub fn key_version(&self) -> u32 {
        self.bytes.get(2..HEADER).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
    }

    fn header(&self) -> &[u8] {
        self.bytes.get(..HEADER).unwrap_or_default()
    }
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Sealed { bytes: self.bytes.clone(), content: PhantomData }
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes, key {})", self.bytes.len(), self.key_version())
    }
}

impl<'a, T> From<&'a Sealed<T>> for Val<'a> {
    fn from(s: &'a Sealed<T>) -> Val<'a> {
        Val::from(&s.bytes)
    }
}

impl<'a, T> From<Sealed<T>> for Val<'a> {
    fn from(s: Sealed<T>) -> Val<'a> {
        Val::from(s.bytes)
    }
}

impl<T> FromCol for Sealed<T> {
    fn from_lite(v: ValueRef<'_>) -> std::result::Result<Self, String> {
        Self::parse(Vec::from_lite(v)?).map_err(|e| e.to_string())
    }
    fn from_pg(v: Raw<'_>) -> std::result::Result<Self, String> {
        Self::parse(Vec::from_pg(v)?).map_err(|e| e.to_string())
    }
}

/// A value that was opened. Dereferences to it; `Debug` does not show it, so that it does not slip into a log.
pub struct Opened<T>(T);

impl<T> Opened<T> {
    /// The value, for a page or an answer. From here on the caller keeps it from logs and other tables.
    pub fn into_value(self) -> T {
        self.0
    }
}

impl<T> Deref for Opened<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Opened<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(…)")
    }
}

fn aad(header: &[u8], tenant: Tenant, slot: &Slot) -> Vec<u8> {
    Canon::new("kenroku-vault/sealed/1")
        .bytes(header)
        .uuid(tenant.uuid())
        .text(slot.field.module)
        .text(slot.field.table)
        .text(slot.field.column)
        .text(slot.field.class.code)
        .uuid(slot.subject.uuid())
        .uuid(slot.row)
        .done()
}

fn close<T>(
    (version, key): (u32, &Secret),
    rng: &Rng,
    tenant: Tenant,
    slot: &Slot,
    plain: &[u8],
) -> Result<Sealed<T>> {
    let mut bytes = Vec::with_capacity(HEADER + plain.len() + OVERHEAD);
    bytes.extend_from_slice(&[FORMAT, AES_256_GCM]);
    bytes.extend_from_slice(&version.to_be_bytes());
    let aad = aad(&bytes, tenant, slot);
    aead::seal_into(&mut bytes, key, rng, &aad, plain)?;
    Ok(Sealed { bytes, content: PhantomData })
}

fn uncover<T>(keys: &SubjectKeys, tenant: Tenant, slot: &Slot, s: &Sealed<T>) -> Result<Zeroizing<Vec<u8>>> {
    if keys.erased_at.is_some() {
        return Err(Error::Erased);
    }
    let version = s.key_version();
    let key = keys.version(slot.field.class.code, version).ok_or(Error::KeyGone(version))?;
    aead::open(key, &aad(s.header(), tenant, slot), s.bytes.get(HEADER..).unwrap_or_default())
}

/// Seals values of the people and classes it was made for; needs no waiting, so it can be used inside a
/// transaction. Get one from [`Vault::sealer`](crate::Vault::sealer) *before* the transaction begins; it is over
/// within [`MAX_KEY_CACHE`](crate::MAX_KEY_CACHE).
pub struct Sealer {
    pub(crate) tenant: Tenant,
    pub(crate) rng: Rng,
    pub(crate) keys: BTreeMap<SubjectId, Arc<SubjectKeys>>,
    pub(crate) fields: Vec<&'static Field>,
    pub(crate) clock: Clock,
    pub(crate) until: Duration,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} people)", self.keys.len())
    }
}

impl Sealer {
    /// Seals a value for its place.
    ///
    /// # Errors
    /// [`Error::NotDisclosed`] when the sealer was not made for this person and field; [`Error::Over`].
    pub fn seal<T: Serialize>(&self, slot: Slot, value: &T) -> Result<Sealed<T>> {
        // A key that a rotation has destroyed meanwhile would make the value unreadable.
        if self.clock.monotonic() > self.until {
            return Err(Error::Over);
        }
        let keys = self
            .keys
            .get(&slot.subject)
            .filter(|_| self.fields.iter().any(|f| **f == *slot.field))
            .ok_or_else(|| Error::NotDisclosed(slot.field.name()))?;
        let mut plain = Zeroizing::new(Vec::with_capacity(1024));
        serde_json::to_writer(&mut *plain, value).map_err(|_| Error::Content)?;
        let padded = plain.len().next_multiple_of(BLOCK);
        plain.resize(padded, b' ');
        let key = keys.for_sealing(slot.field.class.code, self.clock.now()).ok_or(Error::SubjectUnknown)?;
        close(key, &self.rng, self.tenant, &slot, &plain)
    }
}

/// Opens values of the people and fields it was disclosed, whose log rows are on the disk. Get one from
/// [`Vault::disclose`](crate::Vault::disclose); it is over within [`MAX_KEY_CACHE`](crate::MAX_KEY_CACHE).
pub struct Reader {
    pub(crate) tenant: Tenant,
    pub(crate) keys: HashMap<SubjectId, Arc<SubjectKeys>>,
    pub(crate) fields: Vec<&'static Field>,
    pub(crate) clock: Clock,
    pub(crate) until: Duration,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} people)", self.keys.len())
    }
}

impl Reader {
    /// Opens a value in its place.
    ///
    /// # Errors
    /// [`Error::NotAuthentic`] when it belongs elsewhere or was altered; [`Error::Erased`]; [`Error::KeyGone`];
    /// [`Error::NotDisclosed`] for another person or field; [`Error::Over`]; [`Error::Content`].
    pub fn open<T: DeserializeOwned>(&self, slot: Slot, sealed: &Sealed<T>) -> Result<Opened<T>> {
        if self.clock.monotonic() > self.until {
            return Err(Error::Over);
        }
        if !self.fields.iter().any(|f| **f == *slot.field) {
            return Err(Error::NotDisclosed(slot.field.name()));
        }
        let keys = self.keys.get(&slot.subject).ok_or(Error::SubjectUnknown)?;
        let plain = uncover(keys, self.tenant, &slot, sealed)?;
        // The parser's message would quote the content.
        serde_json::from_slice(&plain).map(Opened).map_err(|_| Error::Content)
    }
}

/// Renews values under the newest key of their person, without showing them to anybody. Given to
/// [`Reseal`](crate::Reseal) during a rotation.
pub struct Resealer {
    pub(crate) tenant: Tenant,
    pub(crate) rng: Rng,
    pub(crate) subject: SubjectId,
    pub(crate) keys: Arc<SubjectKeys>,
}

impl fmt::Debug for Resealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resealer({})", self.subject)
    }
}

impl Resealer {
    /// Whose values.
    pub fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// Of which person.
    pub fn subject(&self) -> SubjectId {
        self.subject
    }

    /// The value under the newest key; `None` when it is there already.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn renew<T>(&self, slot: Slot, sealed: &Sealed<T>) -> Result<Option<Sealed<T>>> {
        if slot.subject != self.subject {
            return Err(Error::NotDisclosed(slot.field.name()));
        }
        let newest = self.keys.newest(slot.field.class.code).ok_or(Error::SubjectUnknown)?;
        if sealed.key_version() == newest.0 {
            return Ok(None);
        }
        let plain = uncover(&self.keys, self.tenant, &slot, sealed)?;
        close(newest, &self.rng, self.tenant, &slot, &plain).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Category, RetentionClass};
    use kenroku_types::Rng;
    use proptest::prelude::*;

    const KEEP: RetentionClass =
        RetentionClass { code: "a.keep", ja: "試験", days: None, source: "試験" };
    const A: Field = Field::new("a", "t", "c", "甲", KEEP, Category::Person);
    // The same letters, cut elsewhere.
    const B: Field = Field::new("a", "tc", "", "乙", KEEP, Category::Person);

    proptest! {
        #[test]
        fn whatever_is_sealed_opens_in_its_place_alone(
            text in ".{0,100}", seed: u64, subject: u128, row: u128, tenant: u128, bit in 0usize..4000
        ) {
            let rng = Rng::seeded(seed);
            let keys = SubjectKeys::of(KEEP.code, vec![Secret::random(&rng), Secret::random(&rng)]);
            let id = |n: u128| SubjectId::from_uuid(uuid::Uuid::from_u128(n));
            let (t, slot) = (Tenant::from_uuid(uuid::Uuid::from_u128(tenant)), A.at(id(subject), uuid::Uuid::from_u128(row)));
            let mut plain = serde_json::to_vec(&text).unwrap();
            plain.resize(plain.len().next_multiple_of(BLOCK), b' ');
            let sealed: Sealed<String> = close(keys.newest(KEEP.code).unwrap(), &rng, t, &slot, &plain).unwrap();
            prop_assert_eq!(sealed.bytes.len() % BLOCK, (HEADER + OVERHEAD) % BLOCK);
            let back = uncover(&keys, t, &slot, &sealed).unwrap();
            prop_assert_eq!(serde_json::from_slice::<String>(&back).unwrap(), text);

            let refused = |t, slot: &Slot, s: &Sealed<String>| uncover(&keys, t, slot, s).is_err();
            let elsewhere = [
                Slot { subject: id(!subject), ..slot },
                Slot { row: uuid::Uuid::from_u128(!row), ..slot },
                Slot { field: &B, ..slot },
            ];
            prop_assert!(refused(Tenant::from_uuid(uuid::Uuid::from_u128(!tenant)), &slot, &sealed));
            prop_assert!(elsewhere.iter().all(|s| refused(t, s, &sealed)));
            let mut bent = sealed.bytes.clone();
            let n = bit % (bent.len() * 8);
            bent[n / 8] ^= 1 << (n % 8);
            if let Ok(bent) = Sealed::parse(bent) {
                prop_assert!(refused(t, &slot, &bent));
            }
        }

        #[test]
        fn any_bytes_are_a_sealed_value_or_refused(b in proptest::collection::vec(any::<u8>(), 0..80)) {
            match Sealed::<String>::parse(b.clone()) {
                Ok(s) => prop_assert!(b.len() >= HEADER + OVERHEAD && s.header() == [1, 1, b[2], b[3], b[4], b[5]]),
                Err(e) => prop_assert_eq!(e, Error::Malformed),
            }
        }
    }
}
