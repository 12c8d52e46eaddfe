//! Secrets of the installation itself: private keys that modules keep in their tables, and keys that all processes
//! must share. They name no person, so they need no disclosure and leave no row in the access log.
//!
//! They hang on a key of their own in the key store ([`SECRETS`](crate::keys::SECRETS)), wrapped and rotated like every other:
//! whoever has the data database alone cannot open them.

use kenroku_types::Tenant;
use zeroize::Zeroizing;

use crate::Vault;
use crate::aead::{self, Canon};
use crate::error::{Error, Result};
use crate::keys::SECRETS;
use crate::master::hkdf;

/// What is sealed is bound to where it lies: it opens nowhere else.
fn aad(tenant: Tenant, version: u32, purpose: &str, id: &str) -> Vec<u8> {
    Canon::new("kenroku-vault/secret/1").uuid(tenant.uuid()).int(version.into()).text(purpose).text(id).done()
}

impl Vault {
    /// Seals a secret for this purpose (`module.what`, never changed) and row.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Master`].
    pub async fn seal_secret(
        &self,
        tenant: Tenant,
        purpose: &'static str,
        id: &str,
        secret: &[u8],
    ) -> Result<Vec<u8>> {
        let own = self.keys().own(tenant, SECRETS).await?;
        let (version, key) = own.newest(SECRETS).ok_or(Error::Crypto("the key of secrets"))?;
        let mut out = version.to_be_bytes().to_vec();
        aead::seal_into(&mut out, key, &self.env().rng, &aad(tenant, version, purpose, id), secret)?;
        Ok(out)
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Error::NotAuthentic`] for another tenant, purpose or row; [`Error::Malformed`].
    pub async fn open_secret(
        &self,
        tenant: Tenant,
        purpose: &'static str,
        id: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        let (version, rest) = sealed.split_first_chunk::<4>().ok_or(Error::Malformed)?;
        let version = u32::from_be_bytes(*version);
        let own = self.keys().own(tenant, SECRETS).await?;
        let key = own.version(SECRETS, version).ok_or(Error::NotAuthentic)?;
        aead::open(key, &aad(tenant, version, purpose, id), rest)
    }

    /// A secret that every process of the installation derives alike and that lies nowhere.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Master`].
    pub async fn shared_secret(&self, tenant: Tenant, purpose: &'static str) -> Result<Zeroizing<[u8; 32]>> {
        let own = self.keys().own(tenant, SECRETS).await?;
        let key = own.version(SECRETS, 1).ok_or(Error::Crypto("the key of secrets"))?;
        Ok(Zeroizing::new(*hkdf(b"kenroku-vault/shared-secret/1", key, purpose)?.bytes()))
    }
}
