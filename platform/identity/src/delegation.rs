//! 代理: who may act for whom, for what, until when. Both see it, either ends it.
//!
//! A helper or care manager is invited by the person, with a code that the other types while signed in. A guardian of a
//! child, or an adult guardian (成年後見人), is entered by whoever saw the papers.

use std::time::Duration;

use kenroku_access::{Granted, Permission};
use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::{JapaneseDate, Tenant, Timestamp};
use kenroku_vault::{Category, ConsentId, Disclosure, LegalBasis, Purpose};
use ring::digest::{SHA256, digest};

use crate::error::{IdentityError, Result};
use crate::model::{DelegationId, PersonId, coded};
use crate::person::{NAME, vault_subject};
use crate::ticket::normal_code;
use crate::{Identity, session};

coded! {
    /// What somebody acts as.
    Kind {
        /// 親権者・未成年後見人 (民法 §818, §838) for a child.
        Guardian = "guardian",
        /// 成年後見人 (民法 §859) for an adult.
        AdultGuardian = "adult-guardian",
        /// A relative who helps.
        Family = "family",
        /// 介護支援専門員 (介護保険法 §7(5)).
        CareManager = "care-manager",
    }
}

coded! {
    /// What somebody may do for the other.
    Scope {
        /// Read messages and notices.
        Messages = "messages",
        /// Fill in and follow procedures.
        Procedures = "procedures",
        /// Book visits, classes and rooms.
        Bookings = "bookings",
        /// Use coupons.
        Coupons = "coupons",
        /// See care and health records that were shared with the person.
        Health = "health",
    }
}

impl Scope {
    /// The key of its words on pages.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Scope::Messages => "identity-may-messages",
            Scope::Procedures => "identity-may-procedures",
            Scope::Bookings => "identity-may-bookings",
            Scope::Coupons => "identity-may-coupons",
            Scope::Health => "identity-may-health",
        }
    }
}

/// Both sides of a delegation see each other's name; the consent is the delegation.
pub const EACH_OTHER: Purpose = Purpose {
    code: "identity.each-other",
    ja: "代理を頼んだ方と代理をする方が、互いの氏名を見る",
    basis: LegalBasis::Consent,
    categories: &[Category::Person],
};

/// Longest that an invitation by code can hold, and the default.
pub const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// How long a code waits to be typed.
const INVITED: Duration = Duration::from_secs(3 * 86_400);

const T: Tenant = Tenant::SHARED;

/// A delegation as both see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationRow {
    /// Which.
    pub id: DelegationId,
    /// As what.
    pub kind: Kind,
    /// For whom.
    pub principal: PersonId,
    /// Who; `None` until the code was typed.
    pub agent: Option<PersonId>,
    scopes: String,
    /// What it rests on, in words.
    pub basis: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub until: Timestamp,
}
row!(DelegationRow { id, kind, principal, agent, scopes, basis, created_at, until });

impl DelegationRow {
    /// For what.
    pub fn scopes(&self) -> Vec<Scope> {
        self.scopes.split_whitespace().filter_map(Scope::from_code).collect()
    }
}

const ADD: &Sql = sql!(
    "insert into identity_delegation (tenant, id, kind, principal, agent, code_hash, scopes, basis, created_at,
       accepted_at, until)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);
const ACCEPT: &Sql = sql!(
    "update identity_delegation set agent = $3, accepted_at = $4, code_hash = null
     where tenant = $1 and code_hash = $2 and agent is null and ended_at is null and created_at > $5
       and principal <> $6
     returning id"
);
const OF: &Sql = sql!(
    "select id, kind, principal, agent, scopes, basis, created_at, until from identity_delegation
     where tenant = $1 and (principal = $2 or agent = $3) and ended_at is null and until > $4
     order by created_at desc, id"
);
const MAY: &Sql = sql!(
    "select id, kind, principal, agent, scopes, basis, created_at, until from identity_delegation
     where tenant = $1 and principal = $2 and agent = $3 and ended_at is null and until > $4 order by id"
);
const END: &Sql = sql!(
    "update identity_delegation set ended_at = $4, ended_by = $5, code_hash = null
     where tenant = $1 and id = $2 and (principal = $3 or agent = $6) and ended_at is null
     returning principal, agent"
);

fn code_hash(code: &str) -> Vec<u8> {
    digest(&SHA256, &[b"identity-delegation", normal_code(code).as_bytes()].concat()).as_ref().to_vec()
}

fn joined(scopes: &[Scope]) -> String {
    let mut codes: Vec<&str> = scopes.iter().map(|s| s.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.join(" ")
}

/// When a child's account is handed over: at the end of the school year (学校教育法施行規則 §59: 31 March) in which the
/// child reaches `age`. It tells less than the birthday would.
pub fn hand_over(born: JapaneseDate, age: i32) -> Option<Timestamp> {
    let (y, m, d) = born.ymd();
    // Born on 1 April or before belongs to the school year before (学校教育法 §17, 年齢計算ニ関スル法律).
    let early = (m, d) <= (4, 1);
    let year = y + age + i32::from(!early);
    JapaneseDate::new(year, 4, 1).ok().map(JapaneseDate::start)
}

impl Identity {
    /// Invites somebody to act for `principal`; returns the code that they type. It waits three days.
    ///
    /// # Errors
    /// [`IdentityError::Input`] without scopes, or for a kind that needs papers.
    pub async fn invite(
        &self,
        principal: PersonId,
        kind: Kind,
        scopes: &[Scope],
        life: Duration,
    ) -> Result<String> {
        if !matches!(kind, Kind::Family | Kind::CareManager) {
            let why = "a guardian is entered at a counter";
            return Err(IdentityError::Input("kind", "identity.kind", why.to_owned()));
        }
        if scopes.is_empty() {
            return Err(IdentityError::Input("scope", "identity.scope", "choose at least one".to_owned()));
        }
        let (code, now) = (self.fresh_code(), self.env().now());
        let id: DelegationId = self.env().id();
        let none: Option<PersonId> = None;
        let never: Option<Timestamp> = None;
        let until = now.plus(life.min(LONGEST));
        let mut tx = self.db().begin().await?;
        let hash = code_hash(&code);
        let row = params![T, id, kind, principal, none, &hash, joined(scopes), "invited", now, never, until];
        tx.execute(ADD, row).await?;
        session::note(&mut tx, self.env(), principal, "changed", "delegation-invited", "").await?;
        tx.commit().await?;
        Ok(code)
    }

    /// Accepts an invitation.
    ///
    /// # Errors
    /// [`IdentityError::Over`] for a code that is unknown, used, too old, or one's own.
    pub async fn accept(&self, agent: PersonId, code: &str) -> Result<DelegationId> {
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        let row = params![T, code_hash(code), agent, now, now.minus(INVITED), agent];
        let taken: Option<(DelegationId,)> = tx.opt(ACCEPT, row).await?;
        if taken.is_some() {
            session::note(&mut tx, self.env(), agent, "changed", "delegation-accepted", "").await?;
        }
        tx.commit().await?;
        taken.map(|t| t.0).ok_or(IdentityError::Over)
    }

    /// Enters a guardian, after somebody saw the papers that `basis` names.
    ///
    /// # Errors
    /// [`IdentityError::Input`] for somebody as their own guardian.
    pub async fn entrust(
        &self,
        principal: PersonId,
        agent: PersonId,
        kind: Kind,
        scopes: &[Scope],
        basis: &str,
        until: Timestamp,
    ) -> Result<DelegationId> {
        let mut tx = self.db().begin().await?;
        let id = self.entrust_in(&mut tx, principal, agent, kind, scopes, basis, until).await?;
        tx.commit().await?;
        Ok(id)
    }

    async fn entrust_in(
        &self,
        tx: &mut Tx,
        principal: PersonId,
        agent: PersonId,
        kind: Kind,
        scopes: &[Scope],
        basis: &str,
        until: Timestamp,
    ) -> Result<DelegationId> {
        if principal == agent {
            let why = "nobody is their own guardian";
            return Err(IdentityError::Input("agent", "identity.agent", why.to_owned()));
        }
        let (id, now): (DelegationId, _) = (self.env().id(), self.env().now());
        let none: Option<Vec<u8>> = None;
        let row = params![T, id, kind, principal, agent, none, joined(scopes), basis, now, now, until];
        tx.execute(ADD, row).await?;
        for who in [principal, agent] {
            session::note(tx, self.env(), who, "changed", "delegation-entered", "").await?;
        }
        Ok(id)
    }

    /// All delegations in force for or by a person, invitations included.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delegations(&self, person: PersonId) -> Result<Vec<DelegationRow>> {
        let now = self.env().now();
        Ok(self.db().read().await?.all(OF, params![T, person, person, now]).await?)
    }

    /// The name of the other side, which both agreed to show each other with the delegation; `None` until the code was
    /// typed.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn other_name<P: Permission>(
        &self,
        proof: &Granted<P>,
        d: &DelegationRow,
        me: PersonId,
    ) -> Result<Option<String>> {
        let other = if d.principal == me { d.agent } else { Some(d.principal) };
        let Some(other) = other else { return Ok(None) };
        let agreed = ConsentId::from_uuid(d.id.uuid());
        let why = Disclosure::new(proof, &EACH_OTHER).consent(vault_subject(other), agreed);
        Ok(self.attributes(&why, other, &[&NAME]).await?.map(|o| o.attributes.name.text))
    }

    /// The delegation by which `agent` may do `scope` for `principal` now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn may_act(
        &self,
        agent: PersonId,
        principal: PersonId,
        scope: Scope,
    ) -> Result<Option<DelegationRow>> {
        let now = self.env().now();
        let rows: Vec<DelegationRow> =
            self.db().read().await?.all(MAY, params![T, principal, agent, now]).await?;
        Ok(rows.into_iter().find(|d| d.scopes().contains(&scope)))
    }

    /// Ends a delegation; either side may, at once.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] when there is none of theirs in force.
    pub async fn end_delegation(&self, by: PersonId, id: DelegationId) -> Result<()> {
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        let ended: Option<(PersonId, Option<PersonId>)> =
            tx.opt(END, params![T, id, by, now, by.uuid().to_string(), by]).await?;
        let Some((principal, agent)) = ended else {
            tx.rollback().await?;
            return Err(IdentityError::NotFound);
        };
        for who in [Some(principal), agent].into_iter().flatten() {
            session::note(&mut tx, self.env(), who, "changed", "delegation-ended", "").await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hand_over_is_at_the_end_of_the_school_year() {
        let on = |born: &str| {
            hand_over(born.parse().unwrap(), 15).map(|t| JapaneseDate::of(t).unwrap().to_string())
        };
        assert_eq!(on("2012-04-02"), Some("2028-04-01".to_owned()));
        assert_eq!(on("2013-03-31"), Some("2028-04-01".to_owned()), "the same school year");
        assert_eq!(on("2013-04-01"), Some("2028-04-01".to_owned()), "the last of it");
        assert_eq!(on("2013-04-02"), Some("2029-04-01".to_owned()));
    }
}
