//! The counter: what staff do for people without a card, for children, and for those who lost everything.
//!
//! A clerk compares papers with the person and enters what they say. The kind of paper is kept, never its number. What
//! was proved so is worth less than a card ([`Assurance::Password`]) and says whose counter it was. Everything a clerk
//! opens is in the vault's log before they see it, everything they do is one transaction with a row of
//! `identity_counter_act` and a line in the history that the person sees.
//!
//! Every act carries an id that its form was made with: a form that is sent twice does it once.

use kenroku_access::{Assurance, Granted};
use kenroku_places::Places;
use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::ids::RequestId;
use kenroku_types::{JapaneseDate, Tenant, Timestamp};
use kenroku_vault::{Disclosure, Field};

use crate::delegation::{DelegationRow, Kind, Scope, hand_over};
use crate::error::{IdentityError, Result};
use crate::model::{
    AccountClass, Attributes, CounterActId, DelegationId, PersonId, PersonState, ProofMethod, Provenance,
    coded,
};
use crate::module::COUNTER;
use crate::person::{
    self, ADDRESS, BIRTH, NAME, NewPerson, Opened, PersonRow, Registered, SEX, vault_subject,
};
use crate::sheet::{self, Sheet};
use crate::{Identity, ServeCounter, credential, session};

coded! {
    /// With which papers somebody showed who they are.
    Document {
        /// 運転免許証
        DrivingLicence = "driving-licence",
        /// 運転経歴証明書
        DrivingHistory = "driving-history",
        /// マイナンバーカード, looked at without its secrets (forgotten, locked).
        MyNumberCard = "my-number-card",
        /// 旅券
        Passport = "passport",
        /// 在留カード・特別永住者証明書
        ResidenceCard = "residence-card",
        /// 障害者手帳
        Disability = "disability-handbook",
        /// Two papers without a photograph, such as 資格確認書 and 年金手帳.
        TwoPapers = "two-papers",
    }
}

coded! {
    /// By which paper somebody showed that they may act for another.
    Paper {
        /// 母子健康手帳
        MaternalHandbook = "maternal-handbook",
        /// 住民票
        ResidentRecord = "resident-record",
        /// 戸籍
        FamilyRegister = "family-register",
        /// 審判書, 登記事項証明書
        CourtRecord = "court-record",
    }
}

impl Paper {
    const fn ja(self) -> &'static str {
        match self {
            Paper::MaternalHandbook => "母子健康手帳",
            Paper::ResidentRecord => "住民票",
            Paper::FamilyRegister => "戸籍",
            Paper::CourtRecord => "審判書または登記事項証明書",
        }
    }
}

coded! {
    /// What was done.
    Did {
        /// Somebody without a card was registered.
        Registered = "registered",
        /// A child was registered with a guardian.
        Child = "child",
        /// Somebody who was proofed at a counter moved house.
        Moved = "moved",
        /// Somebody who lost everything got a new sheet.
        Recovered = "recovered",
        /// A guardian was entered.
        Guardian = "guardian",
        /// A wrong one was ended.
        GuardianEnded = "guardian-ended",
        /// The sheet was printed again.
        Sheet = "sheet",
    }
}

/// What a clerk did, as the counter lists it: without names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActRow {
    /// Which.
    pub id: CounterActId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Did,
    /// For whom.
    pub person: PersonId,
}
row!(ActRow { id, at, what, person });

/// Acts on the first page.
const LISTED: i64 = 10;
/// After this an adult guardian shows the register again: it is not told to us when one changes.
pub const ADULT_YEARS: i32 = 3;
/// How long a sheet can be printed again at the counter that printed it, in microseconds.
const AGAIN: i64 = 8 * 3600 * 1_000_000;

const ADD: &Sql = sql!(
    "insert into identity_counter_act (tenant, id, at, staff, what, person, other, document)
     values ($1, $2, $3, $4, $5, $6, $7, $8)"
);
const ACT: &Sql = sql!("select id, at, what, person from identity_counter_act where tenant = $1 and id = $2");
const LATEST: &Sql = sql!(
    "select id, at, what, person from identity_counter_act where tenant = $1 order by at desc, id desc limit $2"
);

/// What a clerk enters about somebody.
#[derive(Clone, Debug)]
pub struct AtCounter {
    /// The id that the form was made with.
    pub act: CounterActId,
    /// As the papers say.
    pub attributes: Attributes,
    /// Which papers.
    pub document: Document,
}

/// Who stands for a child or an adult who needs it.
#[derive(Clone, Debug)]
pub struct Guarding {
    /// The code that the guardian shows, signed in.
    pub code: String,
    /// Which paper shows that they may.
    pub paper: Paper,
}

/// What came of entering somebody.
#[derive(Debug)]
pub struct Entered {
    /// Who it is now.
    pub person: PersonId,
    /// Whether an operator looks at it first.
    pub review: bool,
    /// What they take home; children have none.
    pub sheet: Option<Sheet>,
    /// Until when a guardian acts.
    pub until: Option<Timestamp>,
}

/// Somebody who was found, with what the clerk compares.
#[derive(Debug)]
pub struct Candidate {
    /// What is known without opening anything.
    pub row: PersonRow,
    /// What was proved.
    pub opened: Option<Opened>,
    /// Guardians in force, with their names.
    pub guardians: Vec<(DelegationRow, Option<String>)>,
}

fn input(field: &'static str, code: &'static str) -> IdentityError {
    IdentityError::Input(field, code, "the counter cannot enter this".to_owned())
}

/// Where a counter is, in words that stay: `能美市の窓口`.
fn place(tenant: Tenant) -> String {
    let name = Places::shared().ok().and_then(|p| p.tenant_name(tenant)).unwrap_or("石川県");
    format!("{name}の窓口")
}

/// The code of a counter's government, for [`Provenance::source`] and the history.
fn code(tenant: Tenant) -> String {
    let places = Places::shared().ok();
    let found = places.and_then(|p| p.tenants().find(|(t, _, _)| *t == tenant));
    found.map(|(_, code, _)| code.code5()).unwrap_or_default()
}

impl Identity {
    /// An act of this counter; `None` when there is none of that id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn counter_act(&self, by: &Granted<ServeCounter>, id: CounterActId) -> Result<Option<ActRow>> {
        Ok(self.db().read().await?.opt(ACT, params![by.tenant(), id]).await?)
    }

    /// The last acts of this counter, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn counter_acts(&self, by: &Granted<ServeCounter>) -> Result<Vec<ActRow>> {
        Ok(self.db().read().await?.all(LATEST, params![by.tenant(), LISTED]).await?)
    }

    async fn act_in(
        &self,
        tx: &mut Tx,
        by: &Granted<ServeCounter>,
        id: CounterActId,
        what: Did,
        person: PersonId,
        other: Option<PersonId>,
        document: &str,
    ) -> Result<()> {
        let (staff, tenant) = (by.actor().to_string(), by.tenant());
        let row = params![tenant, id, self.env().now(), &staff, what, person, other, document];
        match tx.execute(ADD, row).await {
            Err(kenroku_store::Error::Unique(_)) => return Err(IdentityError::Stale),
            other => other?,
        };
        tracing::info!(act = %id, by = %by.actor(), what = what.code(), "at a counter");
        let (way, place) = (format!("counter-{}", what.code()), code(tenant));
        for who in [Some(person), other].into_iter().flatten() {
            session::note(tx, self.env(), who, "changed", &way, &place).await?;
        }
        Ok(())
    }

    /// A row in the vault's log before anything is done or shown.
    async fn log(
        &self,
        by: &Granted<ServeCounter>,
        person: PersonId,
        request: Option<RequestId>,
    ) -> Result<()> {
        let fields: [&'static Field; 4] = [&NAME, &BIRTH, &SEX, &ADDRESS];
        self.vault().disclose(&why(by, request), &[vault_subject(person)], &fields).await?;
        Ok(())
    }

    fn proved_at(&self, by: &Granted<ServeCounter>, method: ProofMethod) -> Provenance {
        Provenance {
            method,
            assurance: Assurance::Password,
            source: format!("counter:{}", code(by.tenant())),
            verified_at: self.env().now(),
        }
    }

    /// Registers somebody whose papers were seen. `class` counts for those from elsewhere; whoever lives in Ishikawa
    /// has an account without a card.
    ///
    /// # Errors
    /// [`IdentityError::Stale`] when this form was sent before; [`IdentityError::Input`] for an address elsewhere
    /// without a reason to have an ID here.
    pub async fn register_at_counter(
        &self,
        by: &Granted<ServeCounter>,
        who: AtCounter,
        class: AccountClass,
        request: Option<RequestId>,
    ) -> Result<Entered> {
        let at_home = who.attributes.municipality(Places::shared()?).is_some();
        let class = match class {
            _ if at_home => AccountClass::NoCard,
            AccountClass::Homecoming | AccountClass::Worker => class,
            _ => return Err(input("class", "identity.counter-class")),
        };
        let new = NewPerson {
            id: self.env().id(),
            class,
            attributes: who.attributes,
            provenance: self.proved_at(by, ProofMethod::Counter),
            credentials: Vec::new(),
            simulated: self.rules().demo,
        };
        let person = new.id;
        let prepared = self.prepare(new).await?;
        self.log(by, person, request).await?;
        let mut tx = self.db().begin().await?;
        let done = async {
            let document = who.document.code();
            self.act_in(&mut tx, by, who.act, Did::Registered, person, None, document).await?;
            let registered = self.register_in(&mut tx, &prepared, None).await?;
            Ok::<_, IdentityError>((registered, sheet::issue_in(&mut tx, self, person).await?))
        };
        let (registered, sheet) = settle(done.await, tx).await?;
        let review = registered != Registered::Active;
        Ok(Entered { person, review, sheet: Some(sheet), until: None })
    }

    /// Registers a child with a guardian who is there: proofed, signed in, with a code of this half hour.
    ///
    /// # Errors
    /// [`IdentityError::Stale`]; [`IdentityError::Input`] for a guardian's code that is not open, or a child who is too
    /// old to need one.
    pub async fn register_child(
        &self,
        by: &Granted<ServeCounter>,
        child: AtCounter,
        guarding: &Guarding,
        request: Option<RequestId>,
    ) -> Result<Entered> {
        let guardian = self.guardian(&guarding.code).await?;
        let until = self.childhood(&child.attributes)?;
        let new = NewPerson {
            id: self.env().id(),
            class: AccountClass::Child,
            attributes: child.attributes,
            provenance: self.proved_at(by, ProofMethod::Guardian),
            credentials: Vec::new(),
            simulated: self.rules().demo,
        };
        let person = new.id;
        let prepared = self.prepare(new).await?;
        self.log(by, person, request).await?;
        let mut tx = self.db().begin().await?;
        let done = async {
            let document = format!("{} {}", child.document.code(), guarding.paper.code());
            self.act_in(&mut tx, by, child.act, Did::Child, person, Some(guardian), &document).await?;
            self.still_there(&mut tx, guarding, guardian).await?;
            let registered = self.register_in(&mut tx, &prepared, None).await?;
            let basis = format!("{}（{}）", guarding.paper.ja(), place(by.tenant()));
            self.entrust_in(&mut tx, person, guardian, Kind::Guardian, Scope::ALL, &basis, until).await?;
            Ok::<_, IdentityError>(registered)
        };
        let registered = settle(done.await, tx).await?;
        Ok(Entered { person, review: registered != Registered::Active, sheet: None, until: Some(until) })
    }

    /// Who shows this code: somebody with an account of their own that is in order.
    async fn guardian(&self, code: &str) -> Result<PersonId> {
        let wrong = || input("code", "identity.counter-code");
        let id = self.present(code).await.map_err(|e| if e == IdentityError::Over { wrong() } else { e })?;
        let row = self.person(id).await?.ok_or_else(wrong)?;
        match (row.state, row.class) {
            (PersonState::Active, class) if class != AccountClass::Child => Ok(id),
            _ => Err(input("code", "identity.counter-guardian")),
        }
    }

    async fn still_there(&self, tx: &mut Tx, guarding: &Guarding, guardian: PersonId) -> Result<()> {
        match self.take_present(tx, &guarding.code).await {
            Ok(id) if id == guardian => Ok(()),
            Ok(_) | Err(IdentityError::Over) => Err(input("code", "identity.counter-code")),
            Err(e) => Err(e),
        }
    }

    /// Until when a guardian acts for somebody born then.
    fn childhood(&self, a: &Attributes) -> Result<Timestamp> {
        let wrong = || input("birth", "identity.counter-birth");
        let born = a.birth.and_then(crate::model::Birth::date).ok_or_else(wrong)?;
        let until = hand_over(born, self.rules().hand_over_age).ok_or_else(wrong)?;
        match until > self.env().now() {
            true => Ok(until),
            false => Err(input("birth", "identity.counter-grown")),
        }
    }

    /// Everybody of this name, birth and sex, opened for the clerk to compare with the papers. The log names the clerk.
    ///
    /// # Errors
    /// What the vault refuses.
    pub async fn find_at_counter(
        &self,
        by: &Granted<ServeCounter>,
        said: &Attributes,
        request: Option<RequestId>,
    ) -> Result<Vec<Candidate>> {
        let mut found = Vec::new();
        for id in person::alike(self, said).await? {
            found.extend(self.candidate(by, id, request).await?);
        }
        Ok(found)
    }

    /// One of them again.
    ///
    /// # Errors
    /// What the vault refuses.
    pub async fn candidate(
        &self,
        by: &Granted<ServeCounter>,
        id: PersonId,
        request: Option<RequestId>,
    ) -> Result<Option<Candidate>> {
        let fields: [&'static Field; 4] = [&NAME, &BIRTH, &SEX, &ADDRESS];
        let Some(row) = self.person(id).await? else { return Ok(None) };
        let opened = self.attributes(&why(by, request), id, &fields).await?;
        let mut guardians = Vec::new();
        for d in self.delegations(id).await? {
            let (Kind::Guardian | Kind::AdultGuardian, true, Some(agent)) =
                (d.kind, d.principal == id, d.agent)
            else {
                continue;
            };
            let named = self.attributes(&why(by, request), agent, &[&NAME]).await?;
            guardians.push((d, named.map(|o| o.attributes.name.text)));
        }
        Ok(Some(Candidate { row, opened, guardians }))
    }

    /// A new sheet for somebody who lost everything; `ends` also ends every passkey, password and session, which others
    /// may have in hand. The card stays: it has a secret and a list of its own.
    ///
    /// # Errors
    /// [`IdentityError::Stale`]; [`IdentityError::Input`] for a child, whose guardian acts, and for somebody whom an
    /// operator still looks at.
    pub async fn recover(
        &self,
        by: &Granted<ServeCounter>,
        act: CounterActId,
        person: PersonId,
        document: Document,
        ends: bool,
    ) -> Result<Sheet> {
        self.may_have_sheet(person).await?;
        let mut tx = self.db().begin().await?;
        let done = async {
            self.act_in(&mut tx, by, act, Did::Recovered, person, None, document.code()).await?;
            if ends {
                credential::lost(&mut tx, person, self.env().now()).await?;
                self.end_all_in(&mut tx, person, None).await?;
            }
            sheet::issue_in(&mut tx, self, person).await
        };
        settle(done.await, tx).await
    }

    async fn may_have_sheet(&self, person: PersonId) -> Result<()> {
        let row = self.person(person).await?.ok_or(IdentityError::NotFound)?;
        match (row.state, row.class) {
            (PersonState::Active | PersonState::Moved, class) if class != AccountClass::Child => Ok(()),
            (PersonState::Active | PersonState::Moved, _) => {
                Err(input("main", "identity.counter-child-sheet"))
            }
            _ => Err(input("main", "identity.counter-closed")),
        }
    }

    /// Prints the sheet of an act of today again: paper was lost, or the printer failed. The first one is worth nothing.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an act of another counter; [`IdentityError::Over`] for one of earlier.
    pub async fn sheet_again(
        &self,
        by: &Granted<ServeCounter>,
        act: CounterActId,
        of: CounterActId,
    ) -> Result<Sheet> {
        let known = self.counter_act(by, of).await?.ok_or(IdentityError::NotFound)?;
        let printed = matches!(known.what, Did::Registered | Did::Recovered | Did::Sheet);
        if !printed || self.env().now().since(known.at) > AGAIN {
            return Err(IdentityError::Over);
        }
        let mut tx = self.db().begin().await?;
        let done = async {
            self.act_in(&mut tx, by, act, Did::Sheet, known.person, None, "").await?;
            sheet::issue_in(&mut tx, self, known.person).await
        };
        settle(done.await, tx).await
    }

    /// A new address of somebody whom a counter proofed. Whoever has a card proves it with the card.
    ///
    /// # Errors
    /// [`IdentityError::Stale`]; [`IdentityError::Input`] for somebody with a card; as [`Identity::prove_again`].
    pub async fn moved_at_counter(
        &self,
        by: &Granted<ServeCounter>,
        person: PersonId,
        who: AtCounter,
        class: AccountClass,
    ) -> Result<()> {
        let row = self.person(person).await?.ok_or(IdentityError::NotFound)?;
        if self.credentials(person).await?.iter().any(|c| c.kind == credential::Kind::JpkiSign) {
            return Err(input("main", "identity.counter-has-card"));
        }
        let at_home = who.attributes.municipality(Places::shared()?).is_some();
        let class = match (row.class, class) {
            (AccountClass::Child, _) => AccountClass::Child,
            _ if at_home => AccountClass::NoCard,
            (_, AccountClass::Homecoming | AccountClass::Worker) => class,
            _ => return Err(input("class", "identity.counter-class")),
        };
        let method = match class {
            AccountClass::Child => ProofMethod::Guardian,
            _ => ProofMethod::Counter,
        };
        let new = NewPerson {
            id: person,
            class,
            attributes: who.attributes,
            provenance: self.proved_at(by, method),
            credentials: Vec::new(),
            simulated: row.simulated,
        };
        let prepared = self.prepare(new).await?;
        let mut tx = self.db().begin().await?;
        let done = async {
            self.act_in(&mut tx, by, who.act, Did::Moved, person, None, who.document.code()).await?;
            self.prove_again_in(&mut tx, &prepared).await
        };
        settle(done.await, tx).await
    }

    /// Enters a guardian who is there: of a child until the hand-over, of an adult (成年後見人) for [`ADULT_YEARS`].
    ///
    /// # Errors
    /// [`IdentityError::Stale`]; [`IdentityError::Input`] for a code that is not open or a guardian of themself.
    pub async fn enter_guardian(
        &self,
        by: &Granted<ServeCounter>,
        act: CounterActId,
        of: &Candidate,
        guarding: &Guarding,
    ) -> Result<Timestamp> {
        let guardian = self.guardian(&guarding.code).await?;
        let (person, child) = (of.row.id, of.row.class == AccountClass::Child);
        let open = of.row.state == PersonState::Active || of.row.state == PersonState::Moved;
        if !open || guardian == person {
            return Err(input("code", "identity.counter-guardian"));
        }
        let (kind, until) = match &of.opened {
            Some(o) if child => (Kind::Guardian, self.childhood(&o.attributes)?),
            _ if guarding.paper != Paper::CourtRecord => {
                return Err(input("paper", "identity.counter-paper"));
            }
            _ => (Kind::AdultGuardian, self.in_years()?),
        };
        let mut tx = self.db().begin().await?;
        let done = async {
            self.act_in(&mut tx, by, act, Did::Guardian, person, Some(guardian), guarding.paper.code())
                .await?;
            self.still_there(&mut tx, guarding, guardian).await?;
            let basis = format!("{}（{}）", guarding.paper.ja(), place(by.tenant()));
            self.entrust_in(&mut tx, person, guardian, kind, Scope::ALL, &basis, until).await
        };
        settle(done.await, tx).await.map(|_| until)
    }

    fn in_years(&self) -> Result<Timestamp> {
        let end = JapaneseDate::of(self.env().now()).ok().and_then(|d| d.plus_days(ADULT_YEARS * 365));
        end.map(JapaneseDate::start).ok_or_else(|| input("paper", "identity.counter-paper"))
    }

    /// Ends a guardian who was entered wrongly or is one no longer.
    ///
    /// # Errors
    /// [`IdentityError::Stale`]; [`IdentityError::NotFound`] when there is none of that id in force.
    pub async fn end_guardian(
        &self,
        by: &Granted<ServeCounter>,
        act: CounterActId,
        person: PersonId,
        id: DelegationId,
    ) -> Result<()> {
        let all = self.delegations(person).await?;
        let d =
            all.into_iter().find(|d| d.id == id && d.principal == person).ok_or(IdentityError::NotFound)?;
        let mut tx = self.db().begin().await?;
        let done = async {
            self.act_in(&mut tx, by, act, Did::GuardianEnded, person, d.agent, "").await?;
            self.end_delegation_in(&mut tx, person, id, &by.actor().to_string()).await
        };
        settle(done.await, tx).await
    }
}

fn why(by: &Granted<ServeCounter>, request: Option<RequestId>) -> Disclosure {
    let d = Disclosure::new(by, &COUNTER).of_everybody();
    match request {
        Some(id) => d.request(id),
        None => d,
    }
}

/// Commits what went well and rolls back what did not.
async fn settle<R>(done: Result<R>, tx: Tx) -> Result<R> {
    match done {
        Ok(r) => {
            tx.commit().await?;
            Ok(r)
        }
        Err(e) => {
            tx.rollback().await?;
            Err(e)
        }
    }
}
