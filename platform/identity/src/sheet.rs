//! The sheet: what somebody without card or telephone takes home from a counter. A user name and a code, in large print,
//! open one page ([`/id/start`](crate::pages)) where they make a passkey or choose a password.
//!
//! The code is worth an account for [`LIFE`], so it is long, kept as a hash, and counted like a password. It is used up in
//! the transaction that stores the first way to sign in, not before: a page closed too early costs nobody a second trip.

use std::net::IpAddr;
use std::time::Duration;

use kenroku_access::accounts::Attempt;
use kenroku_store::{Sql, Tx, params, sql};
use kenroku_types::{Tenant, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{IdentityError, Result};
use crate::model::{PersonId, PersonState, TicketId};
use crate::ticket::{Issued, Ticket, TicketKind, normal_code, secret_hash};
use crate::webauthn::{Created, Site};
use crate::{Identity, credential, person, session};

/// How long a sheet waits at home.
pub const LIFE: Duration = Duration::from_secs(14 * 86_400);
/// How long somebody may take once they typed it: nobody is hurried.
const AT_IT: Duration = Duration::from_secs(1800);
/// 29^12 ≈ 3.5·10¹⁷ codes.
const CODE_LEN: usize = 12;

const T: Tenant = Tenant::SHARED;

/// What is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Sheet {
    /// The user name: eight digits, which every keyboard has.
    pub user: String,
    /// The code, shown this once.
    pub code: String,
    /// Until when it can be used.
    pub until: Timestamp,
}

impl std::fmt::Debug for Sheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sheet(… until {})", self.until)
    }
}

/// In groups of four, as people read and type it.
pub fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(4).map(|c| c.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

#[derive(Serialize, Deserialize)]
struct AtHome {
    sheet: TicketId,
    user: String,
}

const ADD: &Sql = sql!(
    "insert into identity_ticket (tenant, id, kind, code, secret_hash, person, body, created_at, expires_at)
     values ($1, $2, 'sheet', $3, $4, $5, '', $6, $7)"
);
const CALL_OFF: &Sql = sql!(
    "update identity_ticket set used_at = $3, result = 'called-off', code = null
     where tenant = $1 and person = $2 and kind = 'sheet' and used_at is null"
);
const LOOK: &Sql = sql!(
    "select id, person from identity_ticket
     where tenant = $1 and code = $2 and secret_hash = $3 and kind = 'sheet' and used_at is null and expires_at > $4
       and person is not null"
);
const USE: &Sql = sql!(
    "update identity_ticket set used_at = $4, result = 'used', code = null
     where tenant = $1 and id = $2 and person = $3 and kind = 'sheet' and used_at is null and expires_at > $5"
);

/// Prints a sheet for somebody; an older one of theirs is worth nothing from now on.
pub(crate) async fn issue_in(tx: &mut Tx, identity: &Identity, person: PersonId) -> Result<Sheet> {
    let env = identity.env();
    let now = env.now();
    let sheet = Sheet {
        user: format!("{:08}", env.rng.below(100_000_000)),
        code: identity.fresh_letters(CODE_LEN),
        until: now.plus(LIFE),
    };
    tx.execute(CALL_OFF, params![T, person, now]).await?;
    let id: TicketId = env.id();
    let row = params![T, id, &sheet.user, secret_hash(&sheet.code), person, now, sheet.until];
    tx.execute(ADD, row).await?;
    Ok(sheet)
}

/// Uses a sheet up together with what it was for.
///
/// # Errors
/// [`IdentityError::Over`] when somebody was quicker; roll the transaction back.
pub(crate) async fn use_in(tx: &mut Tx, id: TicketId, person: PersonId, now: Timestamp) -> Result<()> {
    match tx.execute(USE, params![T, id, person, now, now]).await? {
        1 => Ok(()),
        _ => Err(IdentityError::Over),
    }
}

impl Identity {
    /// Takes user name and code as they are typed at home; a ticket to go on with in this browser.
    ///
    /// # Errors
    /// [`IdentityError::Refused`] whatever was wrong, also for somebody whom an operator still looks at;
    /// [`IdentityError::TooManyAttempts`].
    pub async fn open_sheet(&self, user: &str, code: &str, from: IpAddr) -> Result<Issued> {
        let (user, code, now) = (normal_code(user), normal_code(code), self.env().now());
        let attempt = Attempt::new(&format!("resident-sheet {user}"), from);
        let mut tx = self.db().begin().await?;
        if let Err(e) = attempt.count(&mut tx, &self.rules().throttle, now).await {
            tx.rollback().await?;
            return Err(e.into());
        }
        let found: Option<(TicketId, PersonId)> =
            tx.opt(LOOK, params![T, &user, secret_hash(&code), now]).await?;
        let known = match found {
            Some((_, who)) => person::state(&mut tx, who).await?,
            None => None,
        };
        let found = found.filter(|_| matches!(known, Some(PersonState::Active | PersonState::Moved)));
        if found.is_some() {
            attempt.forgive(&mut tx).await?;
        }
        tx.commit().await?;
        let Some((sheet, who)) = found else {
            tracing::info!("a sheet was refused");
            return Err(IdentityError::Refused);
        };
        self.issue_for(TicketKind::Start, Some(who), &AtHome { sheet, user }, false, AT_IT).await
    }

    async fn at_home(&self, id: TicketId, secret: &str) -> Result<(PersonId, AtHome)> {
        let ticket: Ticket = self.look(id, secret).await?;
        let open = ticket.kind == TicketKind::Start && ticket.expires_at > self.env().now();
        let who = ticket.person.filter(|_| open).ok_or(IdentityError::Over)?;
        Ok((who, ticket.body()?))
    }

    /// The user name of a sheet that was opened.
    ///
    /// # Errors
    /// [`IdentityError::Over`].
    pub async fn sheet_user(&self, id: TicketId, secret: &str) -> Result<String> {
        Ok(self.at_home(id, secret).await?.1.user)
    }

    /// Asks the browser for a passkey.
    ///
    /// # Errors
    /// [`IdentityError::Over`].
    pub async fn begin_sheet_passkey(
        &self,
        site: &Site,
        id: TicketId,
        secret: &str,
    ) -> Result<(Issued, Value)> {
        let (who, home) = self.at_home(id, secret).await?;
        self.begin_new_passkey(site, who, &format!("いしかわID {}", grouped(&home.user))).await
    }

    /// Stores the passkey and uses the sheet up.
    ///
    /// # Errors
    /// As [`Identity::finish_new_passkey`].
    pub async fn finish_sheet_passkey(
        &self,
        site: &Site,
        start: (TicketId, &str),
        ticket: (TicketId, &str),
        answer: &Created,
        label: &str,
    ) -> Result<PersonId> {
        let (who, home) = self.at_home(start.0, start.1).await?;
        let new = self.made_passkey(site, who, ticket.0, ticket.1, answer, label).await?;
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        let stored = async {
            use_in(&mut tx, home.sheet, who, now).await?;
            credential::add(&mut tx, self.env(), who, &new, None).await?;
            session::note(&mut tx, self.env(), who, "changed", "added-passkey", "").await
        };
        match stored.await {
            Ok(()) => tx.commit().await?,
            Err(e) => {
                tx.rollback().await?;
                return Err(e);
            }
        }
        Ok(who)
    }

    /// Begins setting up a password for the user name of the sheet.
    ///
    /// # Errors
    /// As [`Identity::begin_codes`].
    pub async fn begin_sheet_codes(
        &self,
        id: TicketId,
        secret: &str,
        password: &str,
    ) -> Result<(Issued, [u8; 20])> {
        let (who, home) = self.at_home(id, secret).await?;
        self.begin_codes(who, &home.user, password).await
    }

    /// Stores password and one-time codes and uses the sheet up.
    ///
    /// # Errors
    /// As [`Identity::finish_codes`].
    pub async fn finish_sheet_codes(
        &self,
        start: (TicketId, &str),
        ticket: (TicketId, &str),
        key: &[u8],
        typed: &str,
    ) -> Result<PersonId> {
        let (who, home) = self.at_home(start.0, start.1).await?;
        self.finish_codes_of(who, ticket.0, ticket.1, key, typed, Some(home.sheet)).await?;
        Ok(who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_of_four() {
        assert_eq!(grouped("ABCDEFGHJKMN"), "ABCD-EFGH-JKMN");
        assert_eq!(grouped("12345678"), "1234-5678");
        assert_eq!(grouped(""), "");
    }
}
