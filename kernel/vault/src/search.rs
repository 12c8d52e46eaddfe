//! [`BlindIndex`]: finding a person by an identifier that is stored sealed.
//!
//! The index is HMAC-SHA-256 of the value under a key of its own per tenant, which lies in the key store, cut to 128
//! bits. Whoever holds the data database alone cannot compute it. Whoever can compute it (this program) could try
//! all values of a small set, so the type decides what may be indexed:
//!
//! - [`HighEntropy`]: identifiers with at least 64 random bits, which nobody can try out. Implemented for ids; a
//!   module implements it for its own newtypes (a certificate's serial number, a token). It cannot be implemented
//!   for `String`, numbers or dates: those are not the module's types.
//! - [`Peppered`]: values that can be enumerated (a telephone number has 33 bits) and must be found all the same.
//!   Their index also needs the pepper in the master key file, which is in no database at all.
//!
//! **An index is personal data.** Delete it with its row. Erasing keys does not erase it in old backups of the data:
//! there it tells whoever has the search key *and* the identifier that the person was registered.

use std::borrow::Cow;
use std::fmt;

use kenroku_store::{FromCol, Raw, Val, rusqlite_value::ValueRef};
use kenroku_types::{Id, Tenant};
use ring::hmac;
use uuid::Uuid;

use crate::Vault;
use crate::aead::{Canon, Secret};
use crate::error::{Error, Result};
use crate::field::Field;
use crate::keys::SEARCH;
use crate::master::hkdf;

/// A value that nobody can guess by trying.
pub trait HighEntropy {
    /// Bits that are random to somebody who knows how such values are made; at least 64.
    const BITS: u32;
    /// Why that is so, with the source.
    const WHY: &'static str;
    /// The value in its one canonical form.
    fn canonical(&self) -> Cow<'_, [u8]>;
}

impl HighEntropy for Uuid {
    const BITS: u32 = 74;
    const WHY: &'static str = "RFC 9562 §5.7: version 7 has 74 random bits, version 4 more";
    fn canonical(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.as_bytes())
    }
}

impl<K> HighEntropy for Id<K> {
    const BITS: u32 = Uuid::BITS;
    const WHY: &'static str = Uuid::WHY;
    fn canonical(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.uuid().as_bytes().to_vec())
    }
}

/// A value that can be enumerated and has to be found all the same. Each implementation says why; they are found
/// by searching for this name.
pub trait Peppered {
    /// Why it must be findable.
    const WHY: &'static str;
    /// The value in its one canonical form.
    fn canonical(&self) -> Cow<'_, [u8]>;
}

/// What is stored beside a sealed value to find it by: 16 bytes in a `{blob}` column.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlindIndex([u8; 16]);

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindIndex(…)")
    }
}

impl From<BlindIndex> for Val<'_> {
    fn from(i: BlindIndex) -> Self {
        Val::from(i.0.to_vec())
    }
}

fn from_bytes(b: Vec<u8>) -> std::result::Result<BlindIndex, String> {
    b.try_into().map(BlindIndex).map_err(|b: Vec<u8>| format!("found {} bytes, want 16", b.len()))
}

impl FromCol for BlindIndex {
    fn from_lite(v: ValueRef<'_>) -> std::result::Result<Self, String> {
        from_bytes(Vec::from_lite(v)?)
    }
    fn from_pg(v: Raw<'_>) -> std::result::Result<Self, String> {
        from_bytes(Vec::from_pg(v)?)
    }
}

fn index(key: &Secret, domain: &str, tenant: Tenant, field: &Field, value: &[u8]) -> BlindIndex {
    let data = Canon::new(domain)
        .uuid(tenant.uuid())
        .text(field.module)
        .text(field.table)
        .text(field.column)
        .bytes(value)
        .done();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.bytes()), &data);
    let mut out = [0; 16];
    out.copy_from_slice(&tag.as_ref()[..16]);
    BlindIndex(out)
}

impl Vault {
    /// The index of a value that nobody can guess.
    ///
    /// ```compile_fail
    /// # use kenroku_vault::{Field, Vault};
    /// # async fn f(vault: &Vault, field: &'static Field, tenant: kenroku_types::Tenant) {
    /// let born: kenroku_types::JapaneseDate = "1990-01-01".parse().unwrap();
    /// vault.blind_index(tenant, field, &born).await;
    /// # }
    /// ```
    /// The same call with an identifier:
    /// ```no_run
    /// # use kenroku_vault::{Field, Vault};
    /// # async fn f(vault: &Vault, field: &'static Field, tenant: kenroku_types::Tenant) {
    /// let card: uuid::Uuid = "019449a0-5d3e-7c3a-8f00-000000000000".parse().unwrap();
    /// vault.blind_index(tenant, field, &card).await;
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Undeclared`], [`Error::Store`].
    pub async fn blind_index<T: HighEntropy>(
        &self,
        tenant: Tenant,
        field: &'static Field,
        value: &T,
    ) -> Result<BlindIndex> {
        const { assert!(T::BITS >= 64, "fewer than 64 random bits can be tried out") };
        self.0.registry.field(field)?;
        let own = self.keys().own(tenant, SEARCH).await?;
        let (_, key) = own.newest(SEARCH).ok_or(Error::Crypto("search key"))?;
        Ok(index(key, "kenroku-vault/search/1", tenant, field, &value.canonical()))
    }

    /// The index of a value that can be enumerated, under the search key and the pepper.
    ///
    /// # Errors
    /// As [`Vault::blind_index`].
    pub async fn peppered_index<T: Peppered>(
        &self,
        tenant: Tenant,
        field: &'static Field,
        value: &T,
    ) -> Result<BlindIndex> {
        self.0.registry.field(field)?;
        let own = self.keys().own(tenant, SEARCH).await?;
        let (_, key) = own.newest(SEARCH).ok_or(Error::Crypto("search key"))?;
        let master = self.keys().master();
        let key = hkdf(master.pepper().bytes(), key, "kenroku-vault/peppered/1")?;
        Ok(index(&key, "kenroku-vault/peppered/1", tenant, field, &value.canonical()))
    }
}
