//! Ways to sign in that need no card: passkeys, and a password with a one-time code.

use std::net::IpAddr;

use kenroku_access::Granted;
use kenroku_access::accounts::{Attempt, check_password};
use kenroku_types::Tenant;
use kenroku_vault::Disclosure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::credential::{self, Handle, Kind, NewCredential, SEED, login_handle, normal_login};
use crate::error::{IdentityError, Result};
use crate::model::{CredentialId, PersonId, TicketId};
use crate::module::SIGN_IN;
use crate::person::vault_subject;
use crate::ticket::{Issued, TicketKind};
use crate::webauthn::{self, Created, Got, Site};
use crate::{ChangeOwn, Identity, session, sheet, subject, totp};

const T: Tenant = Tenant::SHARED;

/// Where somebody goes after signing in, kept with the ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// A path of this site.
    pub next: String,
}

#[derive(Serialize, Deserialize)]
struct Ceremony {
    challenge: String,
    after: After,
}

#[derive(Serialize, Deserialize)]
struct PasswordStep {
    after: After,
}

#[derive(Serialize, Deserialize)]
struct CodeSetUp {
    login: String,
    hash: String,
}

/// What a code that was not accepted leaves: a ticket to try again with.
#[derive(Debug)]
pub enum CodeStep {
    /// Signed in.
    Done(PersonId, After),
    /// Wrong; try again with this.
    Again(Issued),
}

impl Identity {
    /// Asks the browser for any passkey of this site.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_passkey(&self, site: &Site, after: After) -> Result<(Issued, Value)> {
        let challenge: [u8; 32] = self.env().rng.bytes();
        let body = Ceremony { challenge: hex::encode(challenge), after };
        let issued = self.issue(TicketKind::PasskeyUse, None, &body, false).await?;
        Ok((issued, webauthn::request_options(site, &challenge)))
    }

    /// Takes the browser's answer.
    ///
    /// # Errors
    /// [`IdentityError::Refused`] whatever was wrong; [`IdentityError::Over`].
    pub async fn finish_passkey(
        &self,
        site: &Site,
        id: TicketId,
        secret: &str,
        answer: &Got,
    ) -> Result<(PersonId, After)> {
        let body: Ceremony = self.take(TicketKind::PasskeyUse, id, secret).await?.body()?;
        let challenge = hex::decode(&body.challenge).unwrap_or_default();
        let handle = Handle::Bytes(answer.raw_id.0.clone());
        let found = credential::find(&mut self.db().read().await?, Kind::Passkey, &handle).await?;
        let Some(found) = found else {
            tracing::info!("passkey refused: unknown");
            return Err(IdentityError::Refused);
        };
        let owner = self.subject(found.person, subject::PASSKEYS).await?;
        let cose = found.public.unwrap_or_default();
        let counter = u32::try_from(found.counter).unwrap_or(u32::MAX);
        let used = webauthn::verify_got(site, &challenge, answer, owner.uuid().as_bytes(), &cose, counter)
            .map_err(|why| {
                tracing::info!(%why, "passkey refused");
                IdentityError::Refused
            })?;
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        let fresh = match used.counter {
            0 => credential::touched(&mut tx, found.id, now).await?,
            n => credential::used(&mut tx, found.id, n.into(), now).await?,
        };
        tx.commit().await?;
        if fresh { Ok((found.person, body.after)) } else { Err(IdentityError::Refused) }
    }

    /// Asks the browser to make a passkey for somebody who is signed in. `name` is what the device shows.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_new_passkey(
        &self,
        site: &Site,
        person: PersonId,
        name: &str,
    ) -> Result<(Issued, Value)> {
        let challenge: [u8; 32] = self.env().rng.bytes();
        let body = Ceremony { challenge: hex::encode(challenge), after: After::default() };
        let issued = self.issue(TicketKind::PasskeyNew, Some(person), &body, false).await?;
        let user = self.subject(person, subject::PASSKEYS).await?;
        let known = self.passkey_ids(person).await?;
        let options = webauthn::creation_options(site, &challenge, user.uuid().as_bytes(), name, &known);
        Ok((issued, options))
    }

    /// Stores the passkey that the browser made.
    ///
    /// # Errors
    /// [`IdentityError::Refused`]; [`IdentityError::Over`], also when somebody else began it;
    /// [`IdentityError::CredentialTaken`].
    pub async fn finish_new_passkey(
        &self,
        site: &Site,
        person: PersonId,
        id: TicketId,
        secret: &str,
        answer: &Created,
        label: &str,
    ) -> Result<CredentialId> {
        let new = self.made_passkey(site, person, id, secret, answer, label).await?;
        self.add_credential(person, &new).await
    }

    /// Uses the ticket up and looks at what the browser made.
    pub(crate) async fn made_passkey(
        &self,
        site: &Site,
        person: PersonId,
        id: TicketId,
        secret: &str,
        answer: &Created,
        label: &str,
    ) -> Result<NewCredential> {
        let ticket = self.take(TicketKind::PasskeyNew, id, secret).await?;
        if ticket.person != Some(person) {
            return Err(IdentityError::Over);
        }
        let body: Ceremony = ticket.body()?;
        let challenge = hex::decode(&body.challenge).unwrap_or_default();
        let made = webauthn::verify_created(site, &challenge, answer).map_err(|why| {
            tracing::info!(%why, "new passkey refused");
            IdentityError::Refused
        })?;
        let mut new = NewCredential::new(Kind::Passkey, Handle::Bytes(made.id));
        new.public = Some(made.cose);
        new.counter = made.counter.into();
        label.clone_into(&mut new.label);
        Ok(new)
    }

    /// The first step with a password: a ticket for the code, when name and password are right.
    ///
    /// # Errors
    /// [`IdentityError::Refused`] whatever was wrong; [`IdentityError::TooManyAttempts`]; [`IdentityError::Busy`].
    pub async fn begin_password(
        &self,
        login: &str,
        password: &str,
        from: IpAddr,
        after: After,
    ) -> Result<Issued> {
        let login = normal_login(login);
        let attempt = Attempt::new(&format!("resident {login}"), from);
        let mut tx = self.db().begin().await?;
        if let Err(e) = attempt.count(&mut tx, &self.rules().throttle, self.env().now()).await {
            tx.rollback().await?;
            return Err(e.into());
        }
        let found = credential::find(&mut tx, Kind::Password, &login_handle(&login)).await?;
        tx.commit().await?;
        let stored = found.as_ref().and_then(|f| f.hash.as_deref());
        let right = self.passwords().verify(password, stored).await?;
        let Some(found) = found.filter(|_| right) else {
            tracing::info!("password refused");
            return Err(IdentityError::Refused);
        };
        let renewed = match found.hash.as_deref().is_some_and(|h| self.passwords().outdated(h)) {
            true => Some(self.passwords().hash(password, &self.env().rng).await?),
            false => None,
        };
        let mut tx = self.db().begin().await?;
        attempt.forgive(&mut tx).await?;
        if let Some(hash) = renewed {
            credential::rehash(&mut tx, found.id, &hash).await?;
        }
        credential::touched(&mut tx, found.id, self.env().now()).await?;
        tx.commit().await?;
        self.issue(TicketKind::Password, Some(found.person), &PasswordStep { after }, false).await
    }

    /// The second step: the code from the app.
    ///
    /// # Errors
    /// [`IdentityError::Over`]; [`IdentityError::TooManyAttempts`].
    pub async fn finish_code(
        &self,
        id: TicketId,
        secret: &str,
        typed: &str,
        from: IpAddr,
    ) -> Result<CodeStep> {
        let ticket = self.take(TicketKind::Password, id, secret).await?;
        let person = ticket.person.ok_or(IdentityError::Over)?;
        let body: PasswordStep = ticket.body()?;
        let attempt = Attempt::new(&format!("resident-code {person}"), from);
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        if let Err(e) = attempt.count(&mut tx, &self.rules().throttle, now).await {
            tx.rollback().await?;
            return Err(e.into());
        }
        let seed = credential::seed(&mut tx, person).await?;
        tx.commit().await?;
        if let Some((credential, Some(seed), last)) = seed {
            let proof: Granted<ChangeOwn> = Granted::for_system("identity", T);
            let who = vault_subject(person);
            let why = Disclosure::new(&proof, &SIGN_IN);
            let key = self.vault().open(&why, SEED.at(who, who.uuid()), &seed).await?;
            if let Some(step) = totp::accepted(&key, typed, now.secs(), last) {
                let mut tx = self.db().begin().await?;
                let first = credential::used(&mut tx, credential, step, now).await?;
                if first {
                    attempt.forgive(&mut tx).await?;
                }
                tx.commit().await?;
                if first {
                    return Ok(CodeStep::Done(person, body.after));
                }
            }
        }
        tracing::info!("one-time code refused");
        let again = self.issue(TicketKind::Password, Some(person), &body, false).await?;
        Ok(CodeStep::Again(again))
    }

    /// Begins setting up a password with one-time codes: checks name and password, and makes the secret for the app.
    ///
    /// # Errors
    /// [`IdentityError::Input`] for a name or password that cannot be used.
    pub async fn begin_codes(
        &self,
        person: PersonId,
        login: &str,
        password: &str,
    ) -> Result<(Issued, [u8; 20])> {
        let login = normal_login(login);
        let fits = |c: char| c.is_alphanumeric() || ".-_@".contains(c);
        if !(4..=64).contains(&login.chars().count()) || !login.chars().all(fits) {
            let why = "4 to 64 letters, digits or . _ @ - without spaces";
            return Err(IdentityError::Input("login", "identity.login-form", why.to_owned()));
        }
        check_password(password, &login)?;
        let hash = self.passwords().hash(password, &self.env().rng).await?;
        let body = CodeSetUp { login, hash };
        let issued = self.issue(TicketKind::TotpNew, Some(person), &body, false).await?;
        Ok((issued, self.env().rng.bytes()))
    }

    /// Stores both once the app has shown a right code. An earlier pair of the person ends.
    ///
    /// # Errors
    /// [`IdentityError::Refused`] for a wrong code; [`IdentityError::Over`]; [`IdentityError::Input`] when the name is
    /// somebody else's.
    pub async fn finish_codes(
        &self,
        person: PersonId,
        id: TicketId,
        secret: &str,
        key: &[u8],
        typed: &str,
    ) -> Result<()> {
        self.finish_codes_of(person, id, secret, key, typed, None).await
    }

    /// The same, using up the sheet that somebody brought from a counter.
    pub(crate) async fn finish_codes_of(
        &self,
        person: PersonId,
        id: TicketId,
        secret: &str,
        key: &[u8],
        typed: &str,
        sheet: Option<TicketId>,
    ) -> Result<()> {
        let ticket = self.take(TicketKind::TotpNew, id, secret).await?;
        if ticket.person != Some(person) || key.len() != 20 {
            return Err(IdentityError::Over);
        }
        let body: CodeSetUp = ticket.body()?;
        let now = self.env().now();
        let Some(step) = totp::accepted(key, typed, now.secs(), 0) else {
            return Err(IdentityError::Refused);
        };
        self.store_codes(person, &body.login, body.hash, key, step, sheet).await
    }

    /// Stores a login name, a password's hash and the secret of one-time codes for somebody.
    pub(crate) async fn store_codes(
        &self,
        person: PersonId,
        login: &str,
        hash: String,
        key: &[u8],
        step: i64,
        sheet: Option<TicketId>,
    ) -> Result<()> {
        let who = vault_subject(person);
        let sealed = self.vault().seal(T, SEED.at(who, who.uuid()), &key.to_vec()).await?;
        let mut password = NewCredential::new(Kind::Password, login_handle(login));
        password.hash = Some(hash);
        let mut codes = NewCredential::new(Kind::Totp, Handle::Bytes(self.env().uuid().as_bytes().to_vec()));
        codes.seed = Some(sealed);
        codes.counter = step;
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        if let Some(sheet) = sheet
            && let Err(e) = sheet::use_in(&mut tx, sheet, person, now).await
        {
            tx.rollback().await?;
            return Err(e);
        }
        for c in [password, codes] {
            let old = credential::replace(&mut tx, person, c.kind, now).await?;
            match credential::add(&mut tx, self.env(), person, &c, old).await {
                Ok(_) => {}
                Err(IdentityError::CredentialTaken) => {
                    tx.rollback().await?;
                    let why = "this name is taken".to_owned();
                    return Err(IdentityError::Input("login", "identity.login-taken", why));
                }
                Err(e) => return Err(e),
            }
        }
        session::note(&mut tx, self.env(), person, "changed", "added-password", "").await?;
        tx.commit().await?;
        Ok(())
    }
}
