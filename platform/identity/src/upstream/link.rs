//! Links between a person and an ID of elsewhere: begun, confirmed, used, ended.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use kenroku_access::Granted;
use kenroku_oidc::upstream::Person as Upstream;
use kenroku_store::{Error as StoreError, Sql, params, row, sql};
use kenroku_types::{Tenant, Timestamp};
use kenroku_vault::search::{BlindIndex, Peppered};
use kenroku_vault::{Category, Disclosure, Field, Sealed};
use serde::{Deserialize, Serialize};

use crate::error::{IdentityError, Result};
use crate::model::{LinkId, PersonId};
use crate::module::OWN;
use crate::person::{KEEP, vault_subject};
use crate::session::{Session, note};
use crate::upstream::Provider;
use crate::{ChangeOwn, Identity, ViewOwn};

/// Who the person is at the upstream, and the blind index that finds the link again.
pub const SUBJECT: Field =
    Field::new("identity", "identity_link", "sub", "他のIDでの識別子", KEEP, Category::Person);
/// What the upstream told.
pub const TOLD: Field =
    Field::new("identity", "identity_link", "told", "他のIDが伝えた項目", KEEP, Category::Person);

const T: Tenant = Tenant::SHARED;
/// How long a person may look at the page that asks whether both are the same.
const CONFIRM: Duration = Duration::from_secs(300);
/// Of an ID token we keep what the person is shown for comparing, and nothing that is for programs.
const SHOWN: [&str; 6] = ["name", "address", "birthdate", "gender", "preferred_username", "email"];

/// Names somebody at an upstream; with a person where several may share one subject.
struct Handle<'a> {
    issuer: &'a str,
    sub: &'a str,
    person: Option<PersonId>,
}

impl Peppered for Handle<'_> {
    const WHY: &'static str =
        "a returning person is found by issuer and subject, which some providers number upwards";
    fn canonical(&self) -> Cow<'_, [u8]> {
        let person = self.person.map(|p| p.uuid().to_string()).unwrap_or_default();
        Cow::Owned([self.issuer, self.sub, &person].join("\n").into_bytes())
    }
}

/// What an upstream told about somebody, with its source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Name of the claim and its value.
    pub claims: BTreeMap<String, String>,
}

impl Told {
    /// The name to show: a name, or what comes nearest.
    pub fn name(&self) -> Option<&str> {
        ["name", "preferred_username", "email"].iter().find_map(|c| self.claims.get(*c)).map(String::as_str)
    }
}

/// A link as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Which.
    pub id: LinkId,
    /// The provider's name in the file.
    pub provider: String,
    /// Who vouches for what was told.
    pub issuer: String,
    /// What was told.
    pub told: Told,
    /// When the upstream said so.
    pub verified_at: Timestamp,
    /// Since when it counts; absent while the person has not confirmed it.
    pub confirmed_at: Option<Timestamp>,
    /// When it was last used to sign in.
    pub last_used_at: Option<Timestamp>,
    /// When it was taken apart.
    pub ended_at: Option<Timestamp>,
}

/// A link without what is sealed.
pub struct LinkRow {
    id: LinkId,
    provider: String,
    issuer: String,
    told: Sealed<Told>,
    verified_at: Timestamp,
    confirmed_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}
row!(LinkRow { id, provider, issuer, told, verified_at, confirmed_at, last_used_at, ended_at });

const ADD: &Sql = sql!(
    "insert into identity_link (tenant, id, person, sid, provider, issuer, handle, sub, told, verified_at, begun_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);
const BEGUN: &Sql = sql!(
    "select provider, sub, issuer from identity_link
     where tenant = $1 and id = $2 and person = $3 and sid = $4 and confirmed_at is null and ended_at is null
       and begun_at > $5"
);
const CONFIRMED: &Sql = sql!(
    "update identity_link set confirmed_at = $5, slot = $6
     where tenant = $1 and id = $2 and person = $3 and sid = $4 and confirmed_at is null and ended_at is null
       and begun_at > $7"
);
const OF_PERSON: &Sql = sql!(
    "select id, provider, issuer, told, verified_at, confirmed_at, last_used_at, ended_at from identity_link
     where tenant = $1 and person = $2 and confirmed_at is not null order by confirmed_at, id"
);
const ONE: &Sql = sql!(
    "select id, provider, issuer, told, verified_at, confirmed_at, last_used_at, ended_at from identity_link
     where tenant = $1 and id = $2 and person = $3 and sid = $4 and confirmed_at is null and ended_at is null
       and begun_at > $5"
);
const FIND: &Sql = sql!(
    "select l.id, l.person from identity_link l
     join identity_person p on p.tenant = l.tenant and p.id = l.person and p.state in ('active', 'moved')
     where l.tenant = $1 and l.handle = $2 and l.confirmed_at is not null and l.ended_at is null
     order by l.confirmed_at, l.id"
);
const USED: &Sql =
    sql!("update identity_link set last_used_at = $3 where tenant = $1 and id = $2 and ended_at is null");
const END: &Sql = sql!(
    "update identity_link set ended_at = $4
     where tenant = $1 and id = $2 and person = $3 and confirmed_at is not null and ended_at is null"
);
const SWEEP: &Sql =
    sql!("delete from identity_link where tenant = $1 and confirmed_at is null and begun_at <= $2");

impl Identity {
    async fn handle(&self, issuer: &str, sub: &str, person: Option<PersonId>) -> Result<BlindIndex> {
        Ok(self.vault().peppered_index(T, &SUBJECT, &Handle { issuer, sub, person }).await?)
    }

    /// Keeps what an upstream said, for the person of this session to confirm.
    pub(super) async fn begin_link(
        &self,
        of: &Provider,
        who: &Upstream,
        session: &Session,
    ) -> Result<LinkId> {
        let env = self.env();
        let (id, subject): (LinkId, _) = (env.id(), vault_subject(session.person));
        let handle = self.handle(&who.issuer, &who.sub, None).await?;
        let claim = |c: &&str| Some(((*c).to_owned(), who.text(c)?.chars().take(200).collect()));
        let told = Told { claims: SHOWN.iter().filter_map(claim).collect() };
        let sealer = self.vault().sealer(T, &[subject], &[&SUBJECT, &TOLD]).await?;
        let sub = sealer.seal(SUBJECT.at(subject, id.uuid()), &who.sub)?;
        let told = sealer.seal(TOLD.at(subject, id.uuid()), &told)?;
        let now = env.now();
        let row =
            params![T, id, session.person, session.sid, &of.name, &who.issuer, handle, sub, told, now, now];
        let mut tx = self.db().begin().await?;
        tx.execute(ADD, row).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// What waits for this session's person to confirm.
    ///
    /// # Errors
    /// [`IdentityError::Over`] for another session's, another person's, or after five minutes.
    pub async fn pending_link(
        &self,
        proof: &Granted<ViewOwn>,
        session: &Session,
        id: LinkId,
    ) -> Result<Linked> {
        let since = self.env().now().minus(CONFIRM);
        let found: Option<LinkRow> =
            self.db().read().await?.opt(ONE, params![T, id, session.person, session.sid, since]).await?;
        let row = found.ok_or(IdentityError::Over)?;
        let opened = self.open(proof, session.person, vec![row]).await?;
        opened.into_iter().next().ok_or(IdentityError::Over)
    }

    /// Makes a link count: the person saw both names and said that they are the same.
    ///
    /// # Errors
    /// [`IdentityError::Over`]; [`IdentityError::CredentialTaken`] when somebody else has it linked.
    pub async fn confirm_link(
        &self,
        proof: &Granted<ChangeOwn>,
        session: &Session,
        id: LinkId,
        shared: impl Fn(&str) -> bool + Send,
    ) -> Result<()> {
        let (person, now) = (session.person, self.env().now());
        let since = now.minus(CONFIRM);
        let found: Option<(String, Sealed<String>, String)> =
            self.db().read().await?.opt(BEGUN, params![T, id, person, session.sid, since]).await?;
        let (provider, sub, issuer) = found.ok_or(IdentityError::Over)?;
        let subject = vault_subject(person);
        let why = Disclosure::new(proof, &OWN);
        let reader = self.vault().disclose(&why, &[subject], &[&SUBJECT]).await?;
        let sub = reader.open(SUBJECT.at(subject, id.uuid()), &sub)?.into_value();
        let slot = self.handle(&issuer, &sub, shared(&provider).then_some(person)).await?;
        let mut tx = self.db().begin().await?;
        let row = params![T, id, person, session.sid, now, slot, since];
        match tx.execute(CONFIRMED, row).await {
            Ok(1) => {}
            Ok(_) => return Err(IdentityError::Over),
            Err(StoreError::Unique(_)) => return Err(IdentityError::CredentialTaken),
            Err(e) => return Err(e.into()),
        }
        note(&mut tx, self.env(), person, "changed", "linked", "").await?;
        tx.commit().await?;
        Ok(())
    }

    /// A person's links, those that ended too.
    ///
    /// # Errors
    /// What the vault refuses.
    pub async fn links(&self, proof: &Granted<ViewOwn>, person: PersonId) -> Result<Vec<Linked>> {
        let rows: Vec<LinkRow> = self.db().read().await?.all(OF_PERSON, params![T, person]).await?;
        self.open(proof, person, rows).await
    }

    async fn open(
        &self,
        proof: &Granted<ViewOwn>,
        person: PersonId,
        rows: Vec<LinkRow>,
    ) -> Result<Vec<Linked>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let subject = vault_subject(person);
        let why = Disclosure::new(proof, &OWN);
        let reader = self.vault().disclose(&why, &[subject], &[&TOLD]).await?;
        let linked = |r: LinkRow| {
            let told = reader.open(TOLD.at(subject, r.id.uuid()), &r.told)?.into_value();
            Ok(Linked {
                id: r.id,
                provider: r.provider,
                issuer: r.issuer,
                told,
                verified_at: r.verified_at,
                confirmed_at: r.confirmed_at,
                last_used_at: r.last_used_at,
                ended_at: r.ended_at,
            })
        };
        rows.into_iter().map(linked).collect()
    }

    /// Who signs in with what an upstream said; `None` for nobody, and for several who share it: it does not tell
    /// which of them is here.
    pub(super) async fn by_upstream(&self, who: &Upstream) -> Result<Option<PersonId>> {
        let handle = self.handle(&who.issuer, &who.sub, None).await?;
        let found: Vec<(LinkId, PersonId)> = self.db().read().await?.all(FIND, params![T, handle]).await?;
        let [(link, person)] = found.as_slice() else { return Ok(None) };
        let mut tx = self.db().begin().await?;
        let used = tx.execute(USED, params![T, *link, self.env().now()]).await?;
        tx.commit().await?;
        Ok((used == 1).then_some(*person))
    }

    /// Takes a link apart. What was told stays readable to the person, as a tombstone with its end.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn unlink(&self, person: PersonId, id: LinkId) -> Result<()> {
        let mut tx = self.db().begin().await?;
        if tx.execute(END, params![T, id, person, self.env().now()]).await? != 1 {
            return Err(IdentityError::NotFound);
        }
        note(&mut tx, self.env(), person, "changed", "unlinked", "").await?;
        tx.commit().await?;
        Ok(())
    }

    /// Removes what nobody confirmed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep_links(&self) -> Result<u64> {
        let mut tx = self.db().begin().await?;
        let n = tx.execute(SWEEP, params![T, self.env().now().minus(CONFIRM)]).await?;
        tx.commit().await?;
        Ok(n)
    }
}
