//! Links between a person and an ID of elsewhere: begun, confirmed, used, ended.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use kenroku_access::Granted;
use kenroku_contracts::card::CardSignature;
use kenroku_oidc::upstream::Person as Upstream;
use kenroku_store::{Error as StoreError, Sql, Tx, params, row, sql};
use kenroku_types::{Tenant, Timestamp};
use kenroku_vault::search::{BlindIndex, Peppered};
use kenroku_vault::{Category, Disclosure, Field, Sealed};
use serde::{Deserialize, Serialize};

use crate::error::{IdentityError, Result};
use crate::model::{LinkId, PersonId, SessionId};
use crate::module::{OWN, SIGN_IN};
use crate::person::{KEEP, vault_subject};
use crate::session::{Session, note};
use crate::upstream::{Provider, Providers};
use crate::{ChangeOwn, Identity, ViewOwn};

/// Who the person is at the upstream, and the blind index that finds the link again.
pub const SUBJECT: Field =
    Field::new("identity", "identity_link", "sub", "他のIDでの識別子", KEEP, Category::Person);
/// What the upstream told.
pub const TOLD: Field =
    Field::new("identity", "identity_link", "told", "他のIDが伝えた項目", KEEP, Category::Person);
/// By what name those who share an ID tell each other apart.
pub const LABEL: Field =
    Field::new("identity", "identity_link", "label", "共用するIDでの呼び名", KEEP, Category::Person);
/// What is given back to the provider when the link ends; it is used for nothing else.
pub const TOKEN: Field =
    Field::new("identity", "identity_link", "token", "他のIDに返すトークン", KEEP, Category::Person);

const T: Tenant = Tenant::SHARED;
/// How long a person may look at the page that asks whether both are the same.
const CONFIRM: Duration = Duration::from_secs(300);
/// In characters.
const LONGEST_LABEL: usize = 20;
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
    fn of(who: &Upstream) -> Told {
        let claim = |c: &&str| Some(((*c).to_owned(), who.text(c)?.chars().take(200).collect()));
        Told { claims: SHOWN.iter().filter_map(claim).collect() }
    }

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
    /// By what name the others who share it know the person; empty where nobody shares it.
    pub label: String,
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
    label: Option<Sealed<String>>,
    verified_at: Timestamp,
    confirmed_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}
row!(LinkRow { id, provider, issuer, told, label, verified_at, confirmed_at, last_used_at, ended_at });

/// Somebody who shares an ID of elsewhere, to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharer {
    /// Their link.
    pub id: LinkId,
    /// Their name among those who share it; empty when they gave none.
    pub label: String,
}

/// What became of what the provider had given us, when a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenBack {
    /// It took its token back.
    Yes,
    /// It takes none back, or never gave any: the person can only end the connection there.
    No,
    /// It did not answer as it should.
    Unreached,
}

/// Who signed at a provider, and what.
pub(crate) struct SignedElsewhere {
    /// The provider's name in the file.
    pub provider: String,
    /// Who.
    pub who: Upstream,
    /// Certificate and signature.
    pub signature: CardSignature,
    /// What is to be given back.
    pub token: Option<zeroize::Zeroizing<String>>,
}

/// A link that a signature makes, sealed.
pub(crate) struct SignedLink {
    id: LinkId,
    person: PersonId,
    provider: String,
    issuer: String,
    handle: BlindIndex,
    sub: Sealed<String>,
    told: Sealed<Told>,
    token: Option<Sealed<String>>,
}

/// A link that a subject opens: which, whose, and by what name its person is known.
pub(crate) type Candidate = (LinkId, PersonId, Option<Sealed<String>>);

const ADD: &Sql = sql!(
    "insert into identity_link (tenant, id, person, sid, provider, issuer, handle, sub, told, token, verified_at, begun_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
);
const BEGUN: &Sql = sql!(
    "select provider, sub, issuer from identity_link
     where tenant = $1 and id = $2 and person = $3 and sid = $4 and confirmed_at is null and ended_at is null
       and begun_at > $5"
);
const CONFIRMED: &Sql = sql!(
    "update identity_link set confirmed_at = $5, slot = $6, label = $8
     where tenant = $1 and id = $2 and person = $3 and sid = $4 and confirmed_at is null and ended_at is null
       and begun_at > $7"
);
const OF_PERSON: &Sql = sql!(
    "select id, provider, issuer, told, label, verified_at, confirmed_at, last_used_at, ended_at from identity_link
     where tenant = $1 and person = $2 and confirmed_at is not null order by confirmed_at, id"
);
const ONE: &Sql = sql!(
    "select id, provider, issuer, told, label, verified_at, confirmed_at, last_used_at, ended_at from identity_link
     where tenant = $1 and id = $2 and person = $3 and sid = $4 and confirmed_at is null and ended_at is null
       and begun_at > $5"
);
const FIND: &Sql = sql!(
    "select l.id, l.person, l.label from identity_link l
     join identity_person p on p.tenant = l.tenant and p.id = l.person and p.state in ('active', 'moved')
     where l.tenant = $1 and l.handle = $2 and l.confirmed_at is not null and l.ended_at is null
     order by l.confirmed_at, l.id"
);
const USED: &Sql = sql!(
    "update identity_link set last_used_at = $3, token = coalesce($4, token)
     where tenant = $1 and id = $2 and ended_at is null"
);
const TO_GIVE_BACK: &Sql = sql!(
    "select provider, token from identity_link
     where tenant = $1 and id = $2 and person = $3 and confirmed_at is not null and ended_at is null"
);
const ADD_SIGNED: &Sql = sql!(
    "insert into identity_link (tenant, id, person, sid, provider, issuer, handle, slot, sub, told, token, verified_at,
       begun_at, confirmed_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
);
const END: &Sql = sql!(
    "update identity_link set ended_at = $4, token = null
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
        token: Option<&str>,
        session: &Session,
    ) -> Result<LinkId> {
        let env = self.env();
        let (id, subject): (LinkId, _) = (env.id(), vault_subject(session.person));
        let handle = self.handle(&who.issuer, &who.sub, None).await?;
        let sealer = self.vault().sealer(T, &[subject], &[&SUBJECT, &TOLD, &TOKEN]).await?;
        let sub = sealer.seal(SUBJECT.at(subject, id.uuid()), &who.sub)?;
        let told = sealer.seal(TOLD.at(subject, id.uuid()), &Told::of(who))?;
        let token = token.map(|t| sealer.seal(TOKEN.at(subject, id.uuid()), &t.to_owned())).transpose()?;
        let (now, sid) = (env.now(), session.sid);
        let row =
            params![T, id, session.person, sid, &of.name, &who.issuer, handle, sub, told, token, now, now];
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

    /// Makes a link count: the person saw both names and said that they are the same. `label` is by what name the
    /// others know them, where the provider's subjects may be `shared`.
    ///
    /// # Errors
    /// [`IdentityError::Over`]; [`IdentityError::CredentialTaken`] when somebody else has it linked;
    /// [`IdentityError::Input`] without a name where one is needed, and nothing is over.
    pub async fn confirm_link(
        &self,
        proof: &Granted<ChangeOwn>,
        session: &Session,
        id: LinkId,
        label: &str,
        shared: impl Fn(&str) -> bool + Send,
    ) -> Result<()> {
        let (person, now) = (session.person, self.env().now());
        let since = now.minus(CONFIRM);
        let found: Option<(String, Sealed<String>, String)> =
            self.db().read().await?.opt(BEGUN, params![T, id, person, session.sid, since]).await?;
        let (provider, sub, issuer) = found.ok_or(IdentityError::Over)?;
        let shared = shared(&provider);
        let label: String = label.trim().chars().filter(|c| !c.is_control()).take(LONGEST_LABEL).collect();
        if shared && label.is_empty() {
            return Err(IdentityError::Input("label", "identity.label", "a name is missing".to_owned()));
        }
        let subject = vault_subject(person);
        let why = Disclosure::new(proof, &OWN);
        let reader = self.vault().disclose(&why, &[subject], &[&SUBJECT]).await?;
        let sub = reader.open(SUBJECT.at(subject, id.uuid()), &sub)?.into_value();
        let slot = self.handle(&issuer, &sub, shared.then_some(person)).await?;
        let label = match shared {
            true => {
                let sealer = self.vault().sealer(T, &[subject], &[&LABEL]).await?;
                Some(sealer.seal(LABEL.at(subject, id.uuid()), &label)?)
            }
            false => None,
        };
        let mut tx = self.db().begin().await?;
        let row = params![T, id, person, session.sid, now, slot, since, label];
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
        let reader = self.vault().disclose(&why, &[subject], &[&TOLD, &LABEL]).await?;
        let linked = |r: LinkRow| {
            let told = reader.open(TOLD.at(subject, r.id.uuid()), &r.told)?.into_value();
            let label = match &r.label {
                Some(label) => reader.open(LABEL.at(subject, r.id.uuid()), label)?.into_value(),
                None => String::new(),
            };
            Ok(Linked {
                label,
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

    /// Whose links an upstream's subject opens: nobody's, one person's, or those of several who share it.
    pub(crate) async fn by_subject(&self, issuer: &str, sub: &str) -> Result<Vec<Candidate>> {
        let handle = self.handle(issuer, sub, None).await?;
        Ok(self.db().read().await?.all(FIND, params![T, handle]).await?)
    }

    /// Notes that a link signed its person in, with what is now to be given back; `false` when it ended meanwhile.
    pub(super) async fn link_used(&self, id: LinkId, person: PersonId, token: Option<&str>) -> Result<bool> {
        let token = match token {
            Some(token) => {
                let subject = vault_subject(person);
                let sealer = self.vault().sealer(T, &[subject], &[&TOKEN]).await?;
                Some(sealer.seal(TOKEN.at(subject, id.uuid()), &token.to_owned())?)
            }
            None => None,
        };
        let mut tx = self.db().begin().await?;
        let used = tx.execute(USED, params![T, id, self.env().now(), token]).await?;
        tx.commit().await?;
        Ok(used == 1)
    }

    /// The names of those who share a subject. Whoever has just signed in with it may read them: each of them agreed
    /// to that when linking.
    pub(super) async fn sharers(&self, all: Vec<Candidate>) -> Result<Vec<Sharer>> {
        let proof: Granted<ChangeOwn> = Granted::for_system("identity", T);
        let why = Disclosure::new(&proof, &SIGN_IN);
        let subjects: Vec<_> = all.iter().map(|(_, person, _)| vault_subject(*person)).collect();
        let reader = self.vault().disclose(&why, &subjects, &[&LABEL]).await?;
        let sharer = |(id, person, label): Candidate| {
            let at = LABEL.at(vault_subject(person), id.uuid());
            let label = label.map(|l| reader.open(at, &l)).transpose()?.map(|o| o.into_value());
            Ok(Sharer { id, label: label.unwrap_or_default() })
        };
        all.into_iter().map(sharer).collect()
    }

    /// A link that a signature makes: whoever signed read that it would be. `None` when the subject belongs to
    /// somebody already.
    pub(crate) async fn prepare_signed_link(
        &self,
        person: PersonId,
        from: &SignedElsewhere,
    ) -> Result<Option<SignedLink>> {
        if !self.by_subject(&from.who.issuer, &from.who.sub).await?.is_empty() {
            return Ok(None);
        }
        let (id, subject): (LinkId, _) = (self.env().id(), vault_subject(person));
        let handle = self.handle(&from.who.issuer, &from.who.sub, None).await?;
        let sealer = self.vault().sealer(T, &[subject], &[&SUBJECT, &TOLD, &TOKEN]).await?;
        let token = from.token.as_ref().map(|t| sealer.seal(TOKEN.at(subject, id.uuid()), &**t));
        Ok(Some(SignedLink {
            id,
            person,
            provider: from.provider.clone(),
            issuer: from.who.issuer.clone(),
            handle,
            sub: sealer.seal(SUBJECT.at(subject, id.uuid()), &from.who.sub)?,
            told: sealer.seal(TOLD.at(subject, id.uuid()), &Told::of(&from.who))?,
            token: token.transpose()?,
        }))
    }

    /// Stores it with what else the signature proved.
    pub(crate) async fn add_signed_link(&self, tx: &mut Tx, l: &SignedLink) -> Result<()> {
        let (now, no_session) = (self.env().now(), SessionId::from_uuid(uuid::Uuid::nil()));
        let row = params![
            T,
            l.id,
            l.person,
            no_session,
            &l.provider,
            &l.issuer,
            l.handle,
            l.handle,
            l.sub.clone(),
            l.told.clone(),
            l.token.clone(),
            now,
            now,
            now
        ];
        match tx.execute(ADD_SIGNED, row).await {
            Err(StoreError::Unique(_)) => return Err(IdentityError::CredentialTaken),
            other => other?,
        };
        note(tx, self.env(), l.person, "changed", "linked", "").await
    }

    /// Takes a link apart, and gives back what the provider gave us. What was told stays readable to the person, as a
    /// tombstone with its end.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn unlink(
        &self,
        proof: &Granted<ChangeOwn>,
        all: &Providers,
        person: PersonId,
        id: LinkId,
    ) -> Result<GivenBack> {
        let found: Option<(String, Option<Sealed<String>>)> =
            self.db().read().await?.opt(TO_GIVE_BACK, params![T, id, person]).await?;
        let (provider, token) = found.ok_or(IdentityError::NotFound)?;
        // Before the row ends: after a fall in between the person presses once more, and no token is forgotten.
        let given = match (all.named(&provider), token) {
            (Some(p), Some(token)) => {
                let why = Disclosure::new(proof, &OWN);
                let at = TOKEN.at(vault_subject(person), id.uuid());
                let token = self.vault().open(&why, at, &token).await?;
                match all.revoke(p, &token, self.env()).await {
                    Ok(()) => GivenBack::Yes,
                    Err(e) => {
                        tracing::warn!(provider, error = %e, "a token could not be given back");
                        GivenBack::Unreached
                    }
                }
            }
            _ => GivenBack::No,
        };
        let mut tx = self.db().begin().await?;
        if tx.execute(END, params![T, id, person, self.env().now()]).await? != 1 {
            tx.rollback().await?;
            return Err(IdentityError::NotFound);
        }
        note(&mut tx, self.env(), person, "changed", "unlinked", "").await?;
        tx.commit().await?;
        Ok(given)
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
