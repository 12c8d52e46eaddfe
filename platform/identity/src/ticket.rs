//! Tickets: what has begun and is not done. Each has an end, and is used once by one conditional update, before
//! anybody looks at the answer: of two answers one wins, and a wrong one costs the ticket.

use std::time::Duration;

use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::{Tenant, Timestamp};
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Identity;
use crate::error::{IdentityError, Result};
use crate::model::{PersonId, TicketId, coded};

coded! {
    /// What has begun.
    TicketKind {
        /// Making a passkey.
        PasskeyNew = "passkey-new",
        /// Signing in with a passkey.
        PasskeyUse = "passkey-use",
        /// The first step of a password sign-in: the code is missing.
        Password = "password",
        /// Signing in with a card at a reader.
        CardSignIn = "card-sign-in",
        /// Registering with a card.
        CardRegister = "card-register",
        /// Proving anew with a card.
        CardProve = "card-prove",
        /// Away at another provider.
        Upstream = "upstream",
        /// Choosing among those who share an ID of elsewhere.
        UpstreamChoice = "upstream-choice",
        /// Setting up one-time codes.
        TotpNew = "totp-new",
        /// A sheet from a counter, which waits at home.
        Sheet = "sheet",
        /// A sheet was typed: a passkey or a password is being made.
        Start = "start",
        /// Somebody shows at a counter that they are there, signed in.
        Present = "present",
    }
}

const T: Tenant = Tenant::SHARED;

/// A ticket that was found.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// What has begun.
    pub kind: TicketKind,
    /// Who began it, if they are known.
    pub person: Option<PersonId>,
    body: String,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
    /// How it ended, in a word.
    pub result: Option<String>,
}
row!(Ticket { id, kind, person, body, expires_at, used_at, result });

impl Ticket {
    /// What was kept with it.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn body<B: DeserializeOwned>(&self) -> Result<B> {
        Ok(serde_json::from_str(&self.body)?)
    }
}

/// A ticket that was issued: what the browser or the reader is told.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its id.
    pub id: TicketId,
    /// The secret of whoever began it.
    pub secret: String,
    /// A short code for people to read and type, when one was asked for.
    pub code: String,
}

const ADD: &Sql = sql!(
    "insert into identity_ticket (tenant, id, kind, code, secret_hash, person, body, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
);
const TAKE: &Sql = sql!(
    "update identity_ticket set used_at = $5
     where tenant = $1 and id = $2 and secret_hash = $3 and kind = $4 and used_at is null and expires_at > $6
     returning id, kind, person, body, expires_at, used_at, result"
);
/// A reader knows the ticket by its id alone: what it answers is judged by the signatures.
const TAKE_CARD: &Sql = sql!(
    "update identity_ticket set used_at = $3
     where tenant = $1 and id = $2 and kind in ('card-sign-in', 'card-register', 'card-prove')
       and used_at is null and expires_at > $4
     returning id, kind, person, body, expires_at, used_at, result"
);
const LOOK: &Sql = sql!(
    "select id, kind, person, body, expires_at, used_at, result from identity_ticket
     where tenant = $1 and id = $2 and secret_hash = $3"
);
const LOOK_BY_ID: &Sql = sql!(
    "select id, kind, person, body, expires_at, used_at, result from identity_ticket
     where tenant = $1 and id = $2 and used_at is null and expires_at > $3"
);
const LOOK_BY_CODE: &Sql = sql!(
    "select id, kind, person, body, expires_at, used_at, result from identity_ticket
     where tenant = $1 and code = $2 and kind in ('card-sign-in', 'card-register', 'card-prove')
       and used_at is null and expires_at > $3"
);
const LOOK_PRESENT: &Sql = sql!(
    "select person from identity_ticket
     where tenant = $1 and code = $2 and kind = 'present' and used_at is null and expires_at > $3"
);
const TAKE_PRESENT: &Sql = sql!(
    "update identity_ticket set used_at = $3, code = null
     where tenant = $1 and code = $2 and kind = 'present' and used_at is null and expires_at > $4
     returning person"
);
const FINISH: &Sql = sql!(
    "update identity_ticket set result = $3, person = $4, code = null where tenant = $1 and id = $2 and result is null"
);
/// The result of a ticket whose person was handed to its browser.
pub(crate) const CLAIMED: &str = "claimed";
/// What a finished card ticket is worth to the browser that began it, once.
const CLAIM: &Sql = sql!(
    "update identity_ticket set result = 'claimed'
     where tenant = $1 and id = $2 and secret_hash = $3 and result = $4 and expires_at > $5 and person is not null
     returning person"
);
const SWEEP: &Sql = sql!("delete from identity_ticket where tenant = $1 and expires_at < $2");

/// How long the code of somebody at a counter holds: queues are long.
pub const PRESENT: Duration = Duration::from_secs(1800);
/// Letters and digits that nobody confuses: no O 0 I 1 L U V.
const ALPHABET: &[u8; 29] = b"ABCDEFGHJKMNPQRSTWXYZ23456789";
/// 29^8 ≈ 5·10¹¹ codes, of which a few hundred are open at a time.
const CODE_LEN: usize = 8;

/// How a secret is kept.
pub(crate) fn secret_hash(secret: &str) -> Vec<u8> {
    digest(&SHA256, &[b"identity-ticket", secret.as_bytes()].concat()).as_ref().to_vec()
}

/// A typed code in its one form: capital letters without spaces and hyphens.
pub fn normal_code(typed: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    typed.nfkc().filter(|c| c.is_alphanumeric()).take(32).collect::<String>().to_uppercase()
}

/// A code as people read it: `ABCD-EFGH`.
pub fn spaced(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((a, b)) if !b.is_empty() => format!("{a}-{b}"),
        _ => code.to_owned(),
    }
}

impl Identity {
    /// Issues a ticket for as long as a ceremony may take.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn issue<B: Serialize + Sync>(
        &self,
        kind: TicketKind,
        person: Option<PersonId>,
        body: &B,
        with_code: bool,
    ) -> Result<Issued> {
        let life = self.rules().ceremony.min(Duration::from_secs(300));
        self.issue_for(kind, person, body, with_code, life).await
    }

    /// The same for what takes people longer than a ceremony.
    pub(crate) async fn issue_for<B: Serialize + Sync>(
        &self,
        kind: TicketKind,
        person: Option<PersonId>,
        body: &B,
        with_code: bool,
        life: Duration,
    ) -> Result<Issued> {
        let env = self.env();
        let (id, secret): (TicketId, _) = (env.id(), hex::encode(env.rng.bytes::<32>()));
        let code = if with_code { self.fresh_code() } else { String::new() };
        let (now, body) = (env.now(), serde_json::to_string(body)?);
        let shown = with_code.then_some(&code);
        let mut tx = self.db().begin().await?;
        let row = params![T, id, kind, shown, secret_hash(&secret), person, &body, now, now.plus(life)];
        tx.execute(ADD, row).await?;
        tx.commit().await?;
        Ok(Issued { id, secret, code })
    }

    pub(crate) fn fresh_code(&self) -> String {
        self.fresh_letters(CODE_LEN)
    }

    pub(crate) fn fresh_letters(&self, len: usize) -> String {
        let n = ALPHABET.len() as u64;
        let pick = || ALPHABET.get(self.env().rng.below(n) as usize).copied().map_or('A', char::from);
        (0..len).map(|_| pick()).collect()
    }

    /// Uses a ticket of the browser that began it. It is gone afterwards, whatever comes of it.
    ///
    /// # Errors
    /// [`IdentityError::Over`] when it is unknown, used, of another kind or too old.
    pub async fn take(&self, kind: TicketKind, id: TicketId, secret: &str) -> Result<Ticket> {
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        let taken: Option<Ticket> = tx.opt(TAKE, params![T, id, secret_hash(secret), kind, now, now]).await?;
        tx.commit().await?;
        taken.ok_or(IdentityError::Over)
    }

    /// Uses the ticket of a card ceremony, at a reader.
    ///
    /// # Errors
    /// As [`Identity::take`].
    pub(crate) async fn take_card(&self, id: TicketId) -> Result<Ticket> {
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        let taken: Option<Ticket> = tx.opt(TAKE_CARD, params![T, id, now, now]).await?;
        tx.commit().await?;
        taken.ok_or(IdentityError::Over)
    }

    /// Looks at a ticket without using it.
    ///
    /// # Errors
    /// [`IdentityError::Over`] when there is none of that id and secret.
    pub async fn look(&self, id: TicketId, secret: &str) -> Result<Ticket> {
        let found: Option<Ticket> =
            self.db().read().await?.opt(LOOK, params![T, id, secret_hash(secret)]).await?;
        found.ok_or(IdentityError::Over)
    }

    /// Issues a code with which somebody who is signed in shows at a counter that they are there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn show_present(&self, person: PersonId) -> Result<Issued> {
        self.issue_for(TicketKind::Present, Some(person), &(), true, PRESENT).await
    }

    /// Who shows this code at a counter; it stays open.
    ///
    /// # Errors
    /// [`IdentityError::Over`] when there is none.
    pub(crate) async fn present(&self, code: &str) -> Result<PersonId> {
        let now = self.env().now();
        let mut tx = self.db().read().await?;
        let found: Option<(Option<PersonId>,)> =
            tx.opt(LOOK_PRESENT, params![T, &normal_code(code), now]).await?;
        found.and_then(|f| f.0).ok_or(IdentityError::Over)
    }

    /// The same, and the code is used up.
    ///
    /// # Errors
    /// [`IdentityError::Over`]; roll the transaction back.
    pub(crate) async fn take_present(&self, tx: &mut Tx, code: &str) -> Result<PersonId> {
        let now = self.env().now();
        let found: Option<(Option<PersonId>,)> =
            tx.opt(TAKE_PRESENT, params![T, &normal_code(code), now, now]).await?;
        found.and_then(|f| f.0).ok_or(IdentityError::Over)
    }

    /// Looks at an open ticket by its id alone, for those who hold its secret elsewhere.
    ///
    /// # Errors
    /// [`IdentityError::Over`] when there is none.
    pub(crate) async fn look_by_id(&self, id: TicketId) -> Result<Ticket> {
        let now = self.env().now();
        let found: Option<Ticket> = self.db().read().await?.opt(LOOK_BY_ID, params![T, id, now]).await?;
        found.ok_or(IdentityError::Over)
    }

    /// Looks at the open ticket of a card's code without using it.
    ///
    /// # Errors
    /// [`IdentityError::Over`] when there is none.
    pub async fn look_by_code(&self, code: &str) -> Result<Ticket> {
        let now = self.env().now();
        let mut tx = self.db().read().await?;
        let found: Option<Ticket> = tx.opt(LOOK_BY_CODE, params![T, &normal_code(code), now]).await?;
        found.ok_or(IdentityError::Over)
    }

    /// Writes how a used ticket ended, for the browser that waits; the first word stands.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(
        &self,
        tx: &mut Tx,
        id: TicketId,
        result: &str,
        person: Option<PersonId>,
    ) -> Result<()> {
        tx.execute(FINISH, params![T, id, result, person]).await?;
        Ok(())
    }

    /// Hands a finished ticket's person to the browser that began it, once.
    ///
    /// # Errors
    /// [`IdentityError::Over`] when it did not end with `result`, was handed out already, or is too old.
    pub async fn claim(&self, id: TicketId, secret: &str, result: &str) -> Result<PersonId> {
        let mut tx = self.db().begin().await?;
        let row = params![T, id, secret_hash(secret), result, self.env().now()];
        let claimed: Option<(PersonId,)> = tx.opt(CLAIM, row).await?;
        tx.commit().await?;
        claimed.map(|c| c.0).ok_or(IdentityError::Over)
    }

    /// Removes tickets a day after their end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep_tickets(&self) -> Result<u64> {
        let mut tx = self.db().begin().await?;
        let n = tx.execute(SWEEP, params![T, self.env().now().minus(Duration::from_secs(86_400))]).await?;
        tx.commit().await?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        assert_eq!(normal_code(" abcd-efgh "), "ABCDEFGH");
        assert_eq!(normal_code("ＡＢＣＤ　２３４５"), "ABCD2345");
        assert_eq!(spaced("ABCDEFGH"), "ABCD-EFGH");
        assert_eq!(spaced(""), "");
    }
}
