//! What people sign in with, and how it is found, replaced and removed. One person has several.

use std::borrow::Cow;

use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::{Env, Tenant, Timestamp};
use kenroku_vault::search::{BlindIndex, Peppered};
use kenroku_vault::{Category, Field, Sealed};
use ring::digest::{SHA256, digest};
use unicode_normalization::UnicodeNormalization as _;

use crate::error::{IdentityError, Result};
use crate::model::{CredentialId, PersonId, coded};
use crate::person::KEEP;
use crate::{Identity, session};

coded! {
    /// What sort of credential.
    Kind {
        /// A passkey (WebAuthn).
        Passkey = "passkey",
        /// 利用者証明用電子証明書, by the blind index of its issuer and serial number.
        JpkiAuth = "jpki-auth",
        /// 署名用電子証明書, likewise: it signs nobody in, but tells when the attributes have to be proved again.
        JpkiSign = "jpki-sign",
        /// A login name with a password.
        Password = "password",
        /// One-time codes: with a password.
        Totp = "totp",
    }
}

/// The blind index of a certificate.
pub const CERTIFICATE: Field =
    Field::new("identity", "identity_credential", "handle", "電子証明書の照合値", KEEP, Category::Person);
/// The secret of one-time codes.
pub const SEED: Field =
    Field::new("identity", "identity_credential", "seed", "確認コードの鍵", KEEP, Category::Person);

const T: Tenant = Tenant::SHARED;

/// Names a certificate: whose CA (the SHA-256 of its DER, or its key identifier) and which number.
#[derive(Clone, Copy, Debug)]
pub struct CertificateRef<'a> {
    /// Which sort.
    pub kind: Kind,
    /// Which CA generation: all of them have one name.
    pub issuer: &'a [u8],
    /// The serial number as in the certificate.
    pub serial: &'a [u8],
}

impl Peppered for CertificateRef<'_> {
    const WHY: &'static str =
        "a card is recognised by its certificate's number, which grows by one and can be enumerated";
    fn canonical(&self) -> Cow<'_, [u8]> {
        let mut out = self.kind.code().as_bytes().to_vec();
        for part in [self.issuer, self.serial] {
            out.extend_from_slice(&(part.len() as u32).to_be_bytes());
            out.extend_from_slice(part);
        }
        Cow::Owned(out)
    }
}

/// Bytes by which a credential is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handle {
    /// A value that tells nothing by itself.
    Bytes(Vec<u8>),
    /// A blind index.
    Blind(BlindIndex),
}

impl<'a> From<&'a Handle> for kenroku_store::Val<'a> {
    fn from(h: &'a Handle) -> Self {
        match h {
            Handle::Bytes(b) => b.into(),
            Handle::Blind(i) => (*i).into(),
        }
    }
}

/// The handle of a login name: its hash, in one form for every keyboard.
pub fn login_handle(login: &str) -> Handle {
    let text = normal_login(login);
    Handle::Bytes(digest(&SHA256, &[b"identity-login", text.as_bytes()].concat()).as_ref().to_vec())
}

/// The one form of a login name: NFKC, small letters.
pub fn normal_login(login: &str) -> String {
    login.trim().nfkc().collect::<String>().to_lowercase()
}

/// A credential to be stored.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// What sort.
    pub kind: Kind,
    /// How it is found.
    pub handle: Handle,
    /// A public key.
    pub public: Option<Vec<u8>>,
    /// A password's hash.
    pub hash: Option<String>,
    /// A sealed secret.
    pub seed: Option<Sealed<Vec<u8>>>,
    /// A passkey's counter, or the last step of one-time codes.
    pub counter: i64,
    /// What the person calls it.
    pub label: String,
    /// When it ends by itself.
    pub not_after: Option<Timestamp>,
}

impl NewCredential {
    /// With nothing but its handle.
    pub fn new(kind: Kind, handle: Handle) -> Self {
        NewCredential {
            kind,
            handle,
            public: None,
            hash: None,
            seed: None,
            counter: 0,
            label: String::new(),
            not_after: None,
        }
    }
}

/// A credential as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRow {
    /// Which.
    pub id: CredentialId,
    /// What sort.
    pub kind: Kind,
    /// What the person calls it.
    pub label: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// When it ends by itself.
    pub not_after: Option<Timestamp>,
}
row!(CredentialRow { id, kind, label, created_at, last_used_at, not_after });

/// A credential as a sign-in needs it.
pub(crate) struct Found {
    pub id: CredentialId,
    pub person: PersonId,
    pub public: Option<Vec<u8>>,
    pub hash: Option<String>,
    pub counter: i64,
}
row!(Found { id, person, public, hash, counter });

const FIND: &Sql = sql!(
    "select id, person, public, hash, counter from identity_credential
     where tenant = $1 and kind = $2 and handle = $3 and ended_at is null"
);
const ADD: &Sql = sql!(
    "insert into identity_credential (tenant, id, person, kind, handle, public, hash, seed, counter, label, created_at,
       not_after, replaces)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
);
const CURRENT: &Sql = sql!(
    "select id from identity_credential where tenant = $1 and person = $2 and kind = $3 and ended_at is null
     order by created_at desc, id desc limit 1"
);
const REPLACED: &Sql = sql!(
    "update identity_credential set ended_at = $4, ended_why = 'replaced'
     where tenant = $1 and person = $2 and kind = $3 and ended_at is null"
);
const LIST: &Sql = sql!(
    "select id, kind, label, created_at, last_used_at, not_after from identity_credential
     where tenant = $1 and person = $2 and ended_at is null order by kind, created_at, id"
);
const IDS: &Sql = sql!(
    "select handle from identity_credential
     where tenant = $1 and person = $2 and kind = 'passkey' and ended_at is null order by created_at, id"
);
/// Only forward: of two uses of one code or of a copied key, one wins.
const USED: &Sql = sql!(
    "update identity_credential set counter = $3, last_used_at = $4
     where tenant = $1 and id = $2 and counter < $5 and ended_at is null"
);
/// For what has no counter.
const TOUCHED: &Sql = sql!(
    "update identity_credential set last_used_at = $3 where tenant = $1 and id = $2 and ended_at is null"
);
const REHASH: &Sql = sql!("update identity_credential set hash = $3 where tenant = $1 and id = $2");
const SEED_OF: &Sql = sql!(
    "select id, seed, counter from identity_credential
     where tenant = $1 and person = $2 and kind = 'totp' and ended_at is null
     order by created_at desc, id desc limit 1"
);
const DROP: &Sql = sql!(
    "update identity_credential set ended_at = $4, ended_why = 'removed'
     where tenant = $1 and person = $2 and id = $3 and ended_at is null"
);
const LOST: &Sql = sql!(
    "update identity_credential set ended_at = $3, ended_why = 'lost'
     where tenant = $1 and person = $2 and kind in ('passkey', 'password', 'totp') and ended_at is null"
);
const NAME: &Sql = sql!(
    "update identity_credential set label = $4 where tenant = $1 and person = $2 and id = $3 and ended_at is null"
);

/// Finds what somebody shows.
pub(crate) async fn find(tx: &mut Tx, kind: Kind, handle: &Handle) -> Result<Option<Found>> {
    Ok(tx.opt(FIND, params![T, kind, handle]).await?)
}

/// Stores a credential.
pub(crate) async fn add(
    tx: &mut Tx,
    env: &Env,
    person: PersonId,
    c: &NewCredential,
    replaces: Option<CredentialId>,
) -> Result<CredentialId> {
    let id: CredentialId = env.id();
    let row = params![
        T,
        id,
        person,
        c.kind,
        &c.handle,
        c.public.as_ref(),
        c.hash.as_ref(),
        c.seed.clone(),
        c.counter,
        &c.label,
        env.now(),
        c.not_after,
        replaces
    ];
    match tx.execute(ADD, row).await {
        Err(kenroku_store::Error::Unique(_)) => Err(IdentityError::CredentialTaken),
        other => {
            other?;
            Ok(id)
        }
    }
}

/// Ends the person's credentials of a kind because newer ones come; returns the newest of them.
pub(crate) async fn replace(
    tx: &mut Tx,
    person: PersonId,
    kind: Kind,
    now: Timestamp,
) -> Result<Option<CredentialId>> {
    let old: Option<(CredentialId,)> = tx.opt(CURRENT, params![T, person, kind]).await?;
    tx.execute(REPLACED, params![T, person, kind, now]).await?;
    Ok(old.map(|o| o.0))
}

/// Ends what somebody may have lost together with a telephone or a note; the card stays.
pub(crate) async fn lost(tx: &mut Tx, person: PersonId, now: Timestamp) -> Result<()> {
    tx.execute(LOST, params![T, person, now]).await?;
    Ok(())
}

/// Moves a counter forward; `false` when it was there already.
pub(crate) async fn used(tx: &mut Tx, id: CredentialId, counter: i64, now: Timestamp) -> Result<bool> {
    Ok(tx.execute(USED, params![T, id, counter, now, counter]).await? == 1)
}

/// Notes the use of something without a counter; `false` when it ended meanwhile.
pub(crate) async fn touched(tx: &mut Tx, id: CredentialId, now: Timestamp) -> Result<bool> {
    Ok(tx.execute(TOUCHED, params![T, id, now]).await? == 1)
}

/// Stores a password's hash anew, with today's work.
pub(crate) async fn rehash(tx: &mut Tx, id: CredentialId, hash: &str) -> Result<()> {
    tx.execute(REHASH, params![T, id, hash]).await?;
    Ok(())
}

/// The sealed secret of a person's one-time codes, with the last step used.
pub(crate) async fn seed(
    tx: &mut Tx,
    person: PersonId,
) -> Result<Option<(CredentialId, Option<Sealed<Vec<u8>>>, i64)>> {
    Ok(tx.opt(SEED_OF, params![T, person]).await?)
}

impl Identity {
    /// The blind index of a certificate.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn certificate_handle(&self, c: &CertificateRef<'_>) -> Result<Handle> {
        Ok(Handle::Blind(self.vault().peppered_index(T, &CERTIFICATE, c).await?))
    }

    /// What a person can sign in with, by kind.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn credentials(&self, person: PersonId) -> Result<Vec<CredentialRow>> {
        Ok(self.db().read().await?.all(LIST, params![T, person]).await?)
    }

    /// The ids of a person's passkeys, so that a device does not make a second one.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn passkey_ids(&self, person: PersonId) -> Result<Vec<Vec<u8>>> {
        let rows: Vec<(Vec<u8>,)> = self.db().read().await?.all(IDS, params![T, person]).await?;
        Ok(rows.into_iter().map(|r| r.0).collect())
    }

    /// Adds something to sign in with.
    ///
    /// # Errors
    /// [`IdentityError::CredentialTaken`].
    pub async fn add_credential(&self, person: PersonId, c: &NewCredential) -> Result<CredentialId> {
        let mut tx = self.db().begin().await?;
        let id = match add(&mut tx, self.env(), person, c, None).await {
            Ok(id) => id,
            Err(e) => {
                tx.rollback().await?;
                return Err(e);
            }
        };
        session::note(&mut tx, self.env(), person, "changed", &format!("added-{}", c.kind.code()), "")
            .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Gives a credential the person's own name for it.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn name_credential(&self, person: PersonId, id: CredentialId, label: &str) -> Result<()> {
        let label: String = label.trim().chars().filter(|c| !c.is_control()).take(40).collect();
        let mut tx = self.db().begin().await?;
        let n = tx.execute(NAME, params![T, person, id, &label]).await?;
        tx.commit().await?;
        if n == 1 { Ok(()) } else { Err(IdentityError::NotFound) }
    }

    /// Removes something to sign in with; the last one that signs in by itself stays.
    ///
    /// # Errors
    /// [`IdentityError::LastCredential`], [`IdentityError::NotFound`].
    pub async fn remove_credential(&self, person: PersonId, id: CredentialId) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let all: Vec<CredentialRow> = tx.all(LIST, params![T, person]).await?;
        let Some(it) = all.iter().find(|c| c.id == id) else {
            tx.rollback().await?;
            return Err(IdentityError::NotFound);
        };
        let left: Vec<Kind> = all.iter().filter(|c| c.id != id).map(|c| c.kind).collect();
        if !signs_in(&left) {
            tx.rollback().await?;
            return Err(IdentityError::LastCredential);
        }
        tx.execute(DROP, params![T, person, id, self.env().now()]).await?;
        let what = format!("removed-{}", it.kind.code());
        session::note(&mut tx, self.env(), person, "changed", &what, "").await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Whether somebody with these can sign in.
fn signs_in(kinds: &[Kind]) -> bool {
    let has = |k| kinds.contains(&k);
    has(Kind::Passkey) || has(Kind::JpkiAuth) || (has(Kind::Password) && has(Kind::Totp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_or_a_code_alone_signs_nobody_in() {
        assert!(!signs_in(&[]));
        assert!(!signs_in(&[Kind::Password]));
        assert!(!signs_in(&[Kind::Totp, Kind::JpkiSign]));
        assert!(signs_in(&[Kind::Password, Kind::Totp]));
        assert!(signs_in(&[Kind::Passkey]) && signs_in(&[Kind::JpkiAuth]));
    }

    #[test]
    fn certificates_of_two_generations_or_sorts_are_told_apart() {
        let c = |kind, issuer: &'static [u8], serial: &'static [u8]| {
            CertificateRef { kind, issuer, serial }.canonical().into_owned()
        };
        let one = c(Kind::JpkiAuth, b"ab", b"c");
        assert_ne!(one, c(Kind::JpkiAuth, b"a", b"bc"));
        assert_ne!(one, c(Kind::JpkiSign, b"ab", b"c"));
        assert_eq!(one, c(Kind::JpkiAuth, b"ab", b"c"));
    }
}
