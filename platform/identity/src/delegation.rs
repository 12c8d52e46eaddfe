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
use crate::registers::DELEGATIONS;
use crate::sheet::Sheet;
use crate::ticket::normal_code;
use crate::{Identity, session, sheet};

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
        /// Decide what is handed on about the person: answer requests for consent, and take consents back.
        Consents = "consents",
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
            Scope::Consents => "identity-may-consents",
        }
    }
}

/// Both sides of a delegation see each other's name; the consent is the delegation.
pub const EACH_OTHER: Purpose = Purpose {
    code: "identity.each-other",
    ja: "代理を頼んだ方と代理をする方が、互いの氏名を見る",
    basis: LegalBasis::Consent(DELEGATIONS),
    categories: &[Category::Person],
};

/// Longest that an invitation by code can hold, and the default.
pub const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// How long before the hand-over a guardian can print the young person's sheet.
pub const BEFORE: Duration = Duration::from_secs(90 * 86_400);
/// Hand-overs in one transaction.
const AT_ONCE: i64 = 100;
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

/// Guardians whose time is over. Those who were ended by hand or by the end of a consent are not among them.
const DUE: &Sql = sql!(
    "select id, principal, agent from identity_delegation
     where tenant = $1 and kind = 'guardian' and ended_at is null and until <= $2 order by until, id limit $3"
);
const END_BY_CLOCK: &Sql = sql!(
    "update identity_delegation set ended_at = until, ended_by = 'clock'
     where tenant = $1 and id = $2 and ended_at is null"
);
/// A child who was handed their account is whoever the proof makes them.
const GROWN: &Sql = sql!(
    "update identity_person set version = version + 1, changed_at = $3, class =
       case when exists (select 1 from identity_proof r where r.tenant = $1 and r.person = $2 and r.method = 'jpki'
              and r.ended_at is null) then 'resident'
            when muni is null then 'homecoming' else 'no-card' end
     where tenant = $1 and id = $2 and class = 'child'"
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

    pub(crate) async fn entrust_in(
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

    /// Whether the young person's own sheet can be printed.
    pub fn hands_over_soon(&self, d: &DelegationRow) -> bool {
        let now = self.env().now();
        d.kind == Kind::Guardian && now < d.until && d.until <= now.plus(BEFORE)
    }

    /// The sheet with which a young person takes over the account. The guardian prints it in the last weeks and gives
    /// it to them; whoever has none goes to a counter.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for what is not the agent's own guardianship or does not end soon.
    pub async fn hand_over_sheet(&self, agent: PersonId, id: DelegationId) -> Result<Sheet> {
        let all = self.delegations(agent).await?;
        let soon = |d: &DelegationRow| d.id == id && d.agent == Some(agent) && self.hands_over_soon(d);
        let d = all.into_iter().find(soon).ok_or(IdentityError::NotFound)?;
        let mut tx = self.db().begin().await?;
        let sheet = sheet::issue_in(&mut tx, self, d.principal).await?;
        for who in [d.principal, agent] {
            session::note(&mut tx, self.env(), who, "changed", "hand-over-sheet", "").await?;
        }
        tx.commit().await?;
        Ok(sheet)
    }

    /// Ends the guardianships whose time is over and makes the children whoever they are now. Returns how many; done
    /// twice, or in two processes at once, each is done once.
    ///
    /// # Errors
    /// When the store fails; what was handed over until then stays so.
    pub async fn hand_over_due(&self) -> Result<u64> {
        let mut done = 0;
        loop {
            let now = self.env().now();
            let mut tx = self.db().begin().await?;
            let due: Vec<(DelegationId, PersonId, Option<PersonId>)> =
                tx.all(DUE, params![T, now, AT_ONCE]).await?;
            for &(id, principal, agent) in &due {
                if tx.execute(END_BY_CLOCK, params![T, id]).await? == 0 {
                    continue;
                }
                tx.execute(GROWN, params![T, principal, now]).await?;
                for who in [Some(principal), agent].into_iter().flatten() {
                    session::note(&mut tx, self.env(), who, "changed", "handed-over", "").await?;
                }
                done += 1;
            }
            tx.commit().await?;
            if (due.len() as i64) < AT_ONCE {
                return Ok(done);
            }
        }
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
        let mut tx = self.db().begin().await?;
        match self.end_delegation_in(&mut tx, by, id, &by.uuid().to_string()).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(e) => {
                tx.rollback().await?;
                Err(e)
            }
        }
    }

    /// The same inside a transaction of the caller's; `side` is one of the two, `ended_by` who did it.
    pub(crate) async fn end_delegation_in(
        &self,
        tx: &mut Tx,
        side: PersonId,
        id: DelegationId,
        ended_by: &str,
    ) -> Result<()> {
        let now = self.env().now();
        let ended: Option<(PersonId, Option<PersonId>)> =
            tx.opt(END, params![T, id, side, now, ended_by, side]).await?;
        let (principal, agent) = ended.ok_or(IdentityError::NotFound)?;
        for who in [Some(principal), agent].into_iter().flatten() {
            session::note(tx, self.env(), who, "changed", "delegation-ended", "").await?;
        }
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
