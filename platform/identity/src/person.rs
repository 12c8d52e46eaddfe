//! People: registering, proving anew, what is known of them.

use std::borrow::Cow;
use std::fmt;

use kenroku_access::Granted;
use kenroku_contracts::personal::FactsChanged;
use kenroku_places::Places;
use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::ids::{RequestId, SubjectId};
use kenroku_types::{MuniCode, Tenant, Timestamp};
use kenroku_vault::search::{BlindIndex, Peppered};
use kenroku_vault::{Category, Disclosure, Field, Purpose, Reader, RetentionClass, Sealed, Sealer};

use crate::credential::{self, NewCredential};
use crate::error::{IdentityError, Result};
use crate::model::{
    AccountClass, Attributes, Birth, PersonId, PersonState, ProofId, ProofMethod, Provenance, ReviewId, Sex,
    Written, assurance_code,
};
use crate::{Identity, session};

/// As long as somebody is registered.
pub const KEEP: RetentionClass = RetentionClass {
    code: "identity.registered",
    ja: "いしかわIDの登録内容",
    days: None,
    source: "登録している間。退会のときに鍵を消す（個人情報の保護に関する法律 第22条に準ずる）",
};
const fn field(column: &'static str, ja: &'static str) -> Field {
    Field::new("identity", "identity_proof", column, ja, KEEP, Category::Person).shared()
}
/// 氏名.
pub const NAME: Field = field("name", "氏名");
/// 生年月日.
pub const BIRTH: Field = field("birth", "生年月日");
/// 性別.
pub const SEX: Field = field("sex", "性別");
/// 住所.
pub const ADDRESS: Field = field("address", "住所");
/// Not sealed but blind: to find a person who comes twice.
pub const MATCH: Field = field("match_key", "同じ方の二重登録を防ぐ照合値");

const T: Tenant = Tenant::SHARED;

/// Under what name the vault knows a person here.
pub(crate) fn vault_subject(person: PersonId) -> SubjectId {
    SubjectId::from_uuid(person.uuid())
}

struct MatchText(String);
impl Peppered for MatchText {
    const WHY: &'static str =
        "one person has one ID; name, birth and sex are all that a new card shares with the old";
    fn canonical(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }
}

/// What is known of a person without opening anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// Who.
    pub id: PersonId,
    /// Class of account.
    pub class: AccountClass,
    /// Whether they may sign in.
    pub state: PersonState,
    /// The municipality of the proofed address; `None` outside Ishikawa.
    pub muni: Option<MuniCode>,
    /// 模擬データ.
    pub simulated: bool,
    /// For optimistic changes.
    pub version: i64,
}
row!(PersonRow { id, class, state, muni, simulated, version });

/// A registration, complete: nothing else is needed for an account.
#[derive(Clone, Debug)]
pub struct NewPerson {
    /// Made before anything is stored, so that attributes can be sealed for it.
    pub id: PersonId,
    /// Class of account.
    pub class: AccountClass,
    /// What was proved.
    pub attributes: Attributes,
    /// By whom and how.
    pub provenance: Provenance,
    /// What they can sign in with.
    pub credentials: Vec<NewCredential>,
    /// 模擬データ.
    pub simulated: bool,
}

/// A registration with everything done that waits for another disk; [`Identity::register_in`] stores it.
pub struct Prepared {
    new: NewPerson,
    muni: Option<MuniCode>,
    match_key: Option<BlindIndex>,
    sealer: Sealer,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared({})", self.new.id)
    }
}

/// How a registration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// Ready.
    Active,
    /// It looks like somebody who is registered already; an operator decides, and until then nobody signs in.
    Review(ReviewId),
}

/// What a proof says, opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The attributes.
    pub attributes: Attributes,
    /// Who proved them.
    pub provenance: Provenance,
}

const STATE: &Sql = sql!("select state from identity_person where tenant = $1 and id = $2");
const GET: &Sql = sql!(
    "select id, class, state, muni, simulated, version from identity_person where tenant = $1 and id = $2"
);
const ADD: &Sql = sql!(
    "insert into identity_person (tenant, id, class, state, muni, simulated, version, created_at, changed_at)
     values ($1, $2, $3, $4, $5, $6, 1, $7, $8)"
);
const SET_STATE: &Sql = sql!(
    "update identity_person set state = $4, version = version + 1, changed_at = $5
     where tenant = $1 and id = $2 and version = $3"
);
const MOVED: &Sql = sql!(
    "update identity_person set state = 'moved', version = version + 1, changed_at = $3
     where tenant = $1 and id = $2 and state = 'active'"
);
const PROVED: &Sql = sql!(
    "update identity_person set state = 'active', class = $3, muni = $4, version = version + 1, changed_at = $5
     where tenant = $1 and id = $2 and state in ('active', 'moved')"
);
const ADD_PROOF: &Sql = sql!(
    "insert into identity_proof (tenant, id, person, method, assurance, source, verified_at, match_key, name, birth,
       sex, address)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
);
const END_PROOFS: &Sql = sql!(
    "update identity_proof set ended_at = $3 where tenant = $1 and person = $2 and method = $4 and ended_at is null"
);
const MATCHES: &Sql = sql!(
    "select distinct r.person from identity_proof r
     join identity_person p on p.tenant = r.tenant and p.id = r.person
     where r.tenant = $1 and r.match_key = $2 and p.state <> 'closed' order by r.person"
);
const PROOFS: &Sql = sql!(
    "select id, method, assurance, source, verified_at, name, birth, sex, address from identity_proof
     where tenant = $1 and person = $2 and ended_at is null order by verified_at desc, id desc"
);
const ADD_REVIEW: &Sql = sql!(
    "insert into identity_review (tenant, id, newcomer, known, why, created_at, version)
     values ($1, $2, $3, $4, $5, $6, 1)"
);

struct ProofRow {
    id: ProofId,
    method: ProofMethod,
    assurance: String,
    source: String,
    verified_at: Timestamp,
    name: Sealed<Written>,
    birth: Option<Sealed<Birth>>,
    sex: Option<Sealed<Sex>>,
    address: Option<Sealed<Written>>,
}
row!(ProofRow { id, method, assurance, source, verified_at, name, birth, sex, address });

/// Whether a person may sign in; `None` when there is no such person.
pub(crate) async fn state(tx: &mut Tx, person: PersonId) -> Result<Option<PersonState>> {
    let row: Option<(PersonState,)> = tx.opt(STATE, params![T, person]).await?;
    Ok(row.map(|r| r.0))
}

/// Everybody with an account who was ever proved to have this name, birth and sex.
pub(crate) async fn alike(identity: &Identity, a: &Attributes) -> Result<Vec<PersonId>> {
    let Some(key) = identity.match_key(a).await? else { return Ok(Vec::new()) };
    let rows: Vec<(PersonId,)> = identity.db().read().await?.all(MATCHES, params![T, key]).await?;
    Ok(rows.into_iter().map(|r| r.0).collect())
}

impl Identity {
    /// What is known of a person without opening anything.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn person(&self, id: PersonId) -> Result<Option<PersonRow>> {
        Ok(self.db().read().await?.opt(GET, params![T, id]).await?)
    }

    /// Does everything of a registration that waits for another disk than the database's.
    ///
    /// # Errors
    /// When the vault or the places fail.
    pub async fn prepare(&self, new: NewPerson) -> Result<Prepared> {
        let muni = new.attributes.municipality(Places::shared()?);
        let match_key = self.match_key(&new.attributes).await?;
        let fields: [&'static Field; 4] = [&NAME, &BIRTH, &SEX, &ADDRESS];
        let sealer = self.vault().sealer(T, &[vault_subject(new.id)], &fields).await?;
        Ok(Prepared { new, muni, match_key, sealer })
    }

    async fn match_key(&self, a: &Attributes) -> Result<Option<BlindIndex>> {
        match a.match_text() {
            Some(text) => Ok(Some(self.vault().peppered_index(T, &MATCH, &MatchText(text)).await?)),
            None => Ok(None),
        }
    }

    /// Registers somebody: the person, what was proved and what they sign in with, in one transaction.
    ///
    /// # Errors
    /// [`IdentityError::CredentialTaken`] when something of it signs somebody in already.
    pub async fn register(&self, new: NewPerson) -> Result<Registered> {
        let prepared = self.prepare(new).await?;
        let mut tx = self.db().begin().await?;
        let done = self.register_in(&mut tx, &prepared, None).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// The same inside a transaction of the caller's, which ends the ticket too. `suspect` is somebody whom the
    /// newcomer claims to be without what they proved saying so: an operator decides.
    ///
    /// # Errors
    /// As [`Identity::register`]; the caller's transaction must then be rolled back.
    pub async fn register_in(
        &self,
        tx: &mut Tx,
        p: &Prepared,
        suspect: Option<PersonId>,
    ) -> Result<Registered> {
        let (id, now) = (p.new.id, self.env().now());
        let twins: Vec<(PersonId,)> = match p.match_key {
            Some(key) => tx.all(MATCHES, params![T, key]).await?,
            None => Vec::new(),
        };
        let twins: Vec<(PersonId,)> = suspect.map(|s| (s,)).into_iter().chain(twins).collect();
        let state = if twins.is_empty() { PersonState::Active } else { PersonState::Review };
        let person = params![T, id, p.new.class, state, p.muni, p.new.simulated, now, now];
        tx.execute(ADD, person).await?;
        self.store_proof(tx, id, &p.new.attributes, &p.new.provenance, p.match_key, &p.sealer).await?;
        for c in &p.new.credentials {
            credential::add(tx, self.env(), id, c, None).await?;
        }
        session::note(tx, self.env(), id, "changed", "registered", "").await?;
        let Some((known,)) = twins.first() else { return Ok(Registered::Active) };
        let review: ReviewId = self.env().id();
        let why = if suspect.is_some() { "claims" } else { "looks-alike" };
        tx.execute(ADD_REVIEW, params![T, review, id, *known, why, now]).await?;
        tracing::info!(%review, "a registration waits for an operator: it looks like somebody known");
        Ok(Registered::Review(review))
    }

    async fn store_proof(
        &self,
        tx: &mut Tx,
        person: PersonId,
        a: &Attributes,
        by: &Provenance,
        match_key: Option<BlindIndex>,
        sealer: &Sealer,
    ) -> Result<()> {
        let proof: ProofId = self.env().id();
        let (who, at) = (vault_subject(person), proof.uuid());
        let name = sealer.seal(NAME.at(who, at), &a.name)?;
        let birth = a.birth.map(|v| sealer.seal(BIRTH.at(who, at), &v)).transpose()?;
        let sex = a.sex.map(|v| sealer.seal(SEX.at(who, at), &v)).transpose()?;
        let address = a.address.as_ref().map(|v| sealer.seal(ADDRESS.at(who, at), v)).transpose()?;
        let assurance = assurance_code(by.assurance);
        let row = params![
            T,
            proof,
            person,
            by.method,
            assurance,
            &by.source,
            by.verified_at,
            match_key,
            name,
            birth,
            sex,
            address
        ];
        tx.execute(ADD_PROOF, row).await?;
        Ok(())
    }

    /// Proves a person's attributes anew, with a new card after moving, renaming or renewal: the old proof by the same
    /// method ends, credentials of the same kinds are replaced, everything else stays with the person.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`]; [`IdentityError::CredentialTaken`]; [`IdentityError::Duplicate`] when birth or
    /// name tell that this is somebody else's card: an operator must look at it.
    pub async fn prove_again(&self, new: NewPerson) -> Result<()> {
        let prepared = self.prepare(new).await?;
        let mut tx = self.db().begin().await?;
        match self.prove_again_in(&mut tx, &prepared).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(e) => {
                tx.rollback().await?;
                Err(e)
            }
        }
    }

    /// The same inside a transaction of the caller's.
    ///
    /// # Errors
    /// As [`Identity::prove_again`].
    pub async fn prove_again_in(&self, tx: &mut Tx, p: &Prepared) -> Result<()> {
        let (id, now) = (p.new.id, self.env().now());
        let same: Vec<(PersonId,)> = match p.match_key {
            Some(key) => tx.all(MATCHES, params![T, key]).await?,
            None => Vec::new(),
        };
        if !same.iter().any(|(k,)| *k == id) {
            return Err(IdentityError::Duplicate);
        }
        if tx.execute(PROVED, params![T, id, p.new.class, p.muni, now]).await? == 0 {
            return Err(IdentityError::NotFound);
        }
        tx.execute(END_PROOFS, params![T, id, now, p.new.provenance.method]).await?;
        self.store_proof(tx, id, &p.new.attributes, &p.new.provenance, p.match_key, &p.sealer).await?;
        for c in &p.new.credentials {
            let old = credential::replace(tx, id, c.kind, now).await?;
            credential::add(tx, self.env(), id, c, old).await?;
        }
        let items = crate::source::codes();
        let changed =
            FactsChanged { module: crate::subject::OWN.to_owned(), subject: vault_subject(id), items };
        self.bus().publish(tx, T, &changed).await?;
        session::note(tx, self.env(), id, "changed", "proved-again", "").await
    }

    /// The certificate behind the attributes was revoked: the person moved, was renamed, or lost the card. They still
    /// sign in, but have to prove their attributes again before anything is released.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn mark_moved(&self, person: PersonId) -> Result<bool> {
        let mut tx = self.db().begin().await?;
        let was = tx.execute(MOVED, params![T, person, self.env().now()]).await? == 1;
        tx.commit().await?;
        Ok(was)
    }

    /// Closes or reopens an account; closing ends its sessions at once.
    ///
    /// # Errors
    /// [`IdentityError::Stale`] when `version` is not the newest.
    pub async fn set_state(&self, person: PersonId, version: i64, state: PersonState) -> Result<()> {
        let mut tx = self.db().begin().await?;
        tx.execute_one(SET_STATE, params![T, person, version, state, self.env().now()]).await?;
        if matches!(state, PersonState::Closed | PersonState::Review) {
            self.end_all_in(&mut tx, person, None).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Opens what was proved about a person, the surest proof first and of those the newest; `None` when nothing is
    /// proved. Only the fields named are disclosed and filled.
    ///
    /// # Errors
    /// What the vault refuses.
    pub async fn attributes(
        &self,
        why: &Disclosure,
        person: PersonId,
        fields: &[&'static Field],
    ) -> Result<Option<Opened>> {
        let mut rows: Vec<ProofRow> = self.db().read().await?.all(PROOFS, params![T, person]).await?;
        rows.sort_by_key(|r| std::cmp::Reverse(crate::model::assurance_of(&r.assurance)));
        let Some(r) = rows.into_iter().next() else { return Ok(None) };
        let reader = self.vault().disclose(why, &[vault_subject(person)], fields).await?;
        Ok(Some(opened(&reader, person, r, fields)?))
    }
}

fn opened(reader: &Reader, person: PersonId, r: ProofRow, fields: &[&'static Field]) -> Result<Opened> {
    let (who, at) = (vault_subject(person), r.id.uuid());
    let asked = |f: &Field| fields.contains(&f);
    let name = match asked(&NAME) {
        true => reader.open(NAME.at(who, at), &r.name)?.into_value(),
        false => Written::plain(""),
    };
    let birth = match r.birth.filter(|_| asked(&BIRTH)) {
        Some(s) => Some(reader.open(BIRTH.at(who, at), &s)?.into_value()),
        None => None,
    };
    let sex = match r.sex.filter(|_| asked(&SEX)) {
        Some(s) => Some(reader.open(SEX.at(who, at), &s)?.into_value()),
        None => None,
    };
    let address = match r.address.filter(|_| asked(&ADDRESS)) {
        Some(s) => Some(reader.open(ADDRESS.at(who, at), &s)?.into_value()),
        None => None,
    };
    let assurance = crate::model::assurance_of(&r.assurance);
    Ok(Opened {
        attributes: Attributes { name, birth, sex, address },
        provenance: Provenance { method: r.method, assurance, source: r.source, verified_at: r.verified_at },
    })
}

/// Why a person's own page opens their data.
pub fn own<P: kenroku_access::Permission>(
    proof: &Granted<P>,
    purpose: &'static Purpose,
    request: Option<RequestId>,
) -> Disclosure {
    let d = Disclosure::new(proof, purpose);
    match request {
        Some(id) => d.request(id),
        None => d,
    }
}
