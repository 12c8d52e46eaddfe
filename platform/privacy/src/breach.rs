//! The workbook of breaches (個人情報の保護に関する法律 §68, 規則 §43 to §45): what happened, which classes must be reported, by when,
//! what was done, who was told. Drills are marked as such and have the same clocks.

use kenroku_access::Granted;
use kenroku_store::{Sql, coded, params, row, sql};
use kenroku_types::{JapaneseDate, Tenant, Timestamp, id_kind};

use crate::clock::{self, BreachDue};
use crate::error::{PrivacyError, Result};
use crate::module::KeepRegisters;
use crate::privacy::Privacy;
use crate::sheet::{self, Item, Sheet};

id_kind! {
    /// A breach, or a drill of one.
    Breach => BreachId;
}

coded! {
    /// What must be reported (規則 §43).
    Class {
        /// 一 要配慮個人情報.
        SpecialCare = "special-care",
        /// 二 Somebody could lose money by it.
        Property = "property",
        /// 三 It may have been done for a wrongful purpose.
        Malicious = "malicious",
        /// 四 More than a hundred people.
        Many = "many",
        /// 五 条例要配慮個人情報.
        Ordinance = "ordinance",
    }
}

coded! {
    /// What was done.
    Did {
        /// 速報 to the commission.
        First = "first",
        /// 確報.
        Full = "full",
        /// The people were told (§68(2)), or why not.
        Told = "told",
        /// It was made public.
        Public = "public",
        /// Anything else.
        Note = "note",
        /// Nothing more to do.
        End = "end",
    }
}

/// More people than this must be reported (規則 §43 四, for public bodies).
pub const MANY: u64 = 100;

const fn long(name: &'static str, label: &'static str, required: bool) -> Item {
    Item { name, label, long: true, required }
}

/// What a report says (規則 §44(1)): the items of the commission's form.
pub const ITEMS: [Item; 8] = [
    Item { name: "title", label: "privacy-breach-name", long: false, required: true },
    long("what", "privacy-breach-what", true),
    long("items", "privacy-breach-items", true),
    Item { name: "people", label: "privacy-breach-people", long: false, required: true },
    long("cause", "privacy-breach-cause", false),
    long("harm", "privacy-breach-harm", false),
    long("persons", "privacy-breach-persons", false),
    long("prevention", "privacy-breach-prevention", false),
];

/// A breach as it is stored.
#[derive(Clone, Debug)]
pub struct BreachRow {
    /// Which.
    pub id: BreachId,
    /// 訓練.
    pub drill: bool,
    /// When it was known.
    pub known_on: JapaneseDate,
    classes: String,
    facts: String,
    /// 速報.
    pub first_on: Option<JapaneseDate>,
    /// 確報.
    pub full_on: Option<JapaneseDate>,
    /// The people were told.
    pub told_on: Option<JapaneseDate>,
    /// Nothing more to do.
    pub ended_on: Option<JapaneseDate>,
    /// For optimistic changes.
    pub version: i64,
}
row!(BreachRow { id, drill, known_on, classes, facts, first_on, full_on, told_on, ended_on, version });

impl BreachRow {
    /// Which classes it belongs to.
    pub fn classes(&self) -> Vec<Class> {
        self.classes.split_whitespace().filter_map(Class::from_code).collect()
    }

    /// What is known of it.
    ///
    /// # Errors
    /// When it was written in another form.
    pub fn facts(&self) -> Result<Sheet> {
        Ok(serde_json::from_str(&self.facts)?)
    }

    /// When it must be reported.
    pub fn due(&self) -> BreachDue {
        clock::breach(self.known_on, self.classes().contains(&Class::Malicious))
    }

    /// The next report that is due, and by when; `None` where none must be made or all were.
    pub fn next(&self) -> Option<(Did, JapaneseDate)> {
        if self.ended_on.is_some() || self.classes().is_empty() {
            return None;
        }
        let due = self.due();
        match (self.first_on, self.full_on, self.told_on) {
            (None, None, _) => Some((Did::First, due.first_by)),
            (_, None, _) => Some((Did::Full, due.full_by)),
            (_, Some(_), None) => Some((Did::Told, due.full_by)),
            _ => None,
        }
    }
}

/// What was done about a breach.
#[derive(Clone, Debug)]
pub struct StepRow {
    /// In which order.
    pub number: i64,
    /// When it was entered.
    pub at: Timestamp,
    /// What.
    pub kind: Did,
    /// In words.
    pub text: String,
}
row!(StepRow { number, at, kind, text });

const ADD: &Sql = sql!(
    "insert into privacy_breach (tenant, id, drill, known_on, classes, facts, version, created_at)
     values ($1, $2, $3, $4, $5, $6, 1, $7)"
);
const REWRITE: &Sql = sql!(
    "update privacy_breach set classes = $4, facts = $5, version = version + 1
     where tenant = $1 and id = $2 and version = $3 and ended_on is null"
);
const MARK: &Sql = sql!(
    "update privacy_breach set first_on = $4, full_on = $5, told_on = $6, ended_on = $7, version = version + 1
     where tenant = $1 and id = $2 and version = $3 and ended_on is null"
);
const ONE: &Sql = sql!(
    "select id, drill, known_on, classes, facts, first_on, full_on, told_on, ended_on, version from privacy_breach
     where tenant = $1 and id = $2"
);
const ALL: &Sql = sql!(
    "select id, drill, known_on, classes, facts, first_on, full_on, told_on, ended_on, version from privacy_breach
     where tenant = $1 order by known_on desc, id desc limit 500"
);
const ADD_STEP: &Sql = sql!(
    "insert into privacy_breach_step (tenant, breach, number, at, kind, text, staff)
     values ($1, $2, (select coalesce(max(number), 0) + 1 from privacy_breach_step where tenant = $1 and breach = $2),
       $3, $4, $5, $6)"
);
const STEPS: &Sql = sql!(
    "select number, at, kind, text from privacy_breach_step where tenant = $1 and breach = $2 order by number"
);

/// What an officer enters.
#[derive(Clone, Debug)]
pub struct Entered {
    /// 訓練.
    pub drill: bool,
    /// When it was known.
    pub known_on: JapaneseDate,
    /// The classes ticked; more than a hundred people add theirs.
    pub classes: Vec<Class>,
    /// The form.
    pub pairs: Vec<(String, String)>,
}

fn checked(e: &Entered) -> Result<(String, String)> {
    let sheet = sheet::read(&ITEMS, &e.pairs)?;
    let people = sheet.get("people").and_then(|n| n.parse::<u64>().ok());
    let Some(people) = people else {
        return Err(PrivacyError::Input(vec![("people", "write a number".to_owned())]));
    };
    let mut classes: Vec<Class> = e.classes.clone();
    if people > MANY {
        classes.push(Class::Many);
    }
    classes.sort_unstable();
    classes.dedup();
    let classes: Vec<&str> = classes.into_iter().map(Class::code).collect();
    Ok((classes.join(" "), serde_json::to_string(&sheet)?))
}

impl Privacy {
    /// A breach becomes known, or a drill begins.
    ///
    /// # Errors
    /// [`PrivacyError::Input`].
    pub async fn enter_breach(&self, proof: &Granted<KeepRegisters>, e: &Entered) -> Result<BreachId> {
        let (classes, facts) = checked(e)?;
        if e.known_on > self.today()? {
            return Err(PrivacyError::Input(vec![("known_on", "it lies in the future".to_owned())]));
        }
        let (id, now): (BreachId, _) = (self.env().id(), self.env().now());
        let mut tx = self.db().begin().await?;
        tx.execute(ADD, params![proof.tenant(), id, e.drill, e.known_on, classes, facts, now]).await?;
        tx.commit().await?;
        tracing::warn!(breach = %id, drill = e.drill, "a breach of personal data was entered");
        Ok(id)
    }

    /// More is known: the form is filled in anew.
    ///
    /// # Errors
    /// [`PrivacyError::Input`]; [`PrivacyError::Stale`].
    pub async fn rewrite_breach(
        &self,
        proof: &Granted<KeepRegisters>,
        id: BreachId,
        version: i64,
        e: &Entered,
    ) -> Result<()> {
        let (classes, facts) = checked(e)?;
        self.breach(proof.tenant(), id).await?;
        let mut tx = self.db().begin().await?;
        tx.execute_one(REWRITE, params![proof.tenant(), id, version, classes, facts]).await?;
        Ok(tx.commit().await?)
    }

    /// Something was done.
    ///
    /// # Errors
    /// [`PrivacyError::Refused`] without words, or when the end comes before the reports; [`PrivacyError::Stale`].
    pub async fn do_breach(
        &self,
        proof: &Granted<KeepRegisters>,
        id: BreachId,
        version: i64,
        did: Did,
        text: &str,
    ) -> Result<()> {
        let (tenant, now, today) = (proof.tenant(), self.env().now(), self.today()?);
        let mut row = self.breach(tenant, id).await?;
        if !(1..=sheet::LONGEST).contains(&text.trim().chars().count()) {
            return Err(PrivacyError::Refused("text"));
        }
        match did {
            Did::First => row.first_on = row.first_on.or(Some(today)),
            Did::Full => row.full_on = row.full_on.or(Some(today)),
            Did::Told => row.told_on = row.told_on.or(Some(today)),
            Did::End if row.next().is_some() => return Err(PrivacyError::Refused("now")),
            Did::End => row.ended_on = Some(today),
            Did::Public | Did::Note => {}
        }
        let mut tx = self.db().begin().await?;
        let set = params![tenant, id, version, row.first_on, row.full_on, row.told_on, row.ended_on];
        tx.execute_one(MARK, set).await?;
        let staff = proof.actor().to_string();
        tx.execute(ADD_STEP, params![tenant, id, now, did, text.trim(), staff]).await?;
        Ok(tx.commit().await?)
    }

    /// One breach.
    ///
    /// # Errors
    /// [`PrivacyError::NotFound`].
    pub async fn breach(&self, tenant: Tenant, id: BreachId) -> Result<BreachRow> {
        self.db().read().await?.opt(ONE, params![tenant, id]).await?.ok_or(PrivacyError::NotFound)
    }

    /// What was done about it, in order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn breach_steps(&self, tenant: Tenant, id: BreachId) -> Result<Vec<StepRow>> {
        Ok(self.db().read().await?.all(STEPS, params![tenant, id]).await?)
    }

    /// The breaches of an office, by their next deadline; those without one at the end, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn breaches(&self, tenant: Tenant) -> Result<Vec<BreachRow>> {
        let mut rows: Vec<BreachRow> = self.db().read().await?.all(ALL, params![tenant]).await?;
        rows.sort_by_key(|r| r.next().map_or((true, None), |(_, by)| (false, Some(by))));
        Ok(rows)
    }
}
