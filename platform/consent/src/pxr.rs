//! The concepts of the パーソナルデータ連携モジュール (PxR; Personal-Data-Linkage-Module, 2022): what a person takes along to
//! a region that runs it, and what they bring from there. docs/pxr.md has the map.
//!
//! What is brought is no yes: an operation whose terms are, word for word, those of an agreement here becomes a question
//! that waits for the person. Facts that are brought are not taken in: nobody here can say where they come from.

use std::collections::BTreeSet;

use kenroku_store::Tx;
use kenroku_types::ids::SubjectId;
use kenroku_types::{Tenant, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Consent;
use crate::broker::OwnFacts;
use crate::consent::{Agreement, Answer};
use crate::delivery::VersionRow;
use crate::error::{ConsentError, Result};
use crate::model::{By, DataUse, LawfulBasis, State, Step};
use crate::sql;

/// The format's name and version.
pub const FORMAT: &str = "kenroku-pxr/1";
/// Operations that are looked at.
const MOST: usize = 200;

/// A code with its version, as catalogues of PxR name everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The code.
    #[serde(rename = "_value")]
    pub value: String,
    /// Its version.
    #[serde(rename = "_ver")]
    pub version: i64,
}

fn code(value: impl ToString, version: i64) -> Code {
    Code { value: value.to_string(), version }
}

/// Everything of one person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Book {
    /// [`FORMAT`].
    pub format: String,
    /// My-Condition-Book: whose.
    #[serde(default)]
    pub my_condition_book: Option<Owner>,
    /// Actors: whoever receives or delivers.
    #[serde(default)]
    pub actor: Vec<Actor>,
    /// 蓄積定義・共有定義.
    #[serde(default)]
    pub data_operation: Vec<Operation>,
    /// The CToken ledger: that something exists, not what it says.
    #[serde(default)]
    pub ctoken: Vec<Token>,
    /// Things, with their values.
    #[serde(default)]
    pub thing: Vec<Thing>,
}

/// Whose book it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The broker's pseudonym of the person.
    pub pxr_id: String,
}

/// An actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Which.
    #[serde(rename = "_code")]
    pub code: Code,
    /// 氏名又は名称.
    pub name: String,
    /// 住所.
    pub address: String,
}

/// A definition of storing or sharing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// `store` or `share`.
    #[serde(rename = "type")]
    pub way: String,
    /// With whom.
    pub actor: Code,
    /// TouConsent: the words that were agreed to.
    pub tou: Tou,
    /// Where it stands, in our words.
    pub status: String,
    /// Until when.
    #[serde(default)]
    pub expire_at: Option<Timestamp>,
    /// Which things, and whether the person said yes to each.
    pub data_type: Vec<DataType>,
}

/// Terms that were agreed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tou {
    /// The agreement's code and the number of its revision.
    pub terms_of_use: Code,
    /// SHA-256 of the terms, hexadecimal ([`terms_hash`]).
    pub hash: String,
}

/// One thing of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataType {
    /// Which.
    pub thing: Code,
    /// Whether the person said yes.
    pub consent_flg: bool,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Which thing, in which version.
    pub thing: Code,
    /// Who delivered it.
    pub actor: String,
    /// When.
    pub start_at: Timestamp,
    /// When a correction took its place.
    #[serde(default)]
    pub end_at: Option<Timestamp>,
}

/// A thing with its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thing {
    /// Which.
    #[serde(rename = "_code")]
    pub code: Code,
    /// What it says.
    pub value: Value,
    /// Who says so.
    pub source: String,
    /// How it was proved.
    pub method: String,
    /// When.
    #[serde(default)]
    pub verified_at: Option<Timestamp>,
}

/// What the words of an agreement hash to: the same in every region, unlike the hash of a revision in its chain.
pub fn terms_hash(a: &Agreement) -> String {
    let text = serde_json::to_string(&a.now.terms).unwrap_or_default();
    hex::encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()))
}

/// A person's book.
pub fn book(subject: SubjectId, answers: &[Answer], versions: &[VersionRow], facts: &[OwnFacts]) -> Book {
    let mut actor: Vec<Actor> = Vec::new();
    for a in answers {
        let r = &a.agreement.recipient;
        let known = Actor { code: code(r.id, 1), name: r.name.clone(), address: r.address.clone() };
        if !actor.contains(&known) {
            actor.push(known);
        }
    }
    let operation = |a: &Answer| {
        let (s, terms) = (a.record.standing(), &a.agreement.now.terms);
        let way = if terms.data_use == DataUse::Source { "store" } else { "share" };
        let types = terms.codes().map(|c| DataType { thing: code(c, 1), consent_flg: s.items.contains(c) });
        Operation {
            way: way.to_owned(),
            actor: code(a.agreement.recipient.id, 1),
            tou: Tou {
                terms_of_use: code(&a.agreement.row.code, a.agreement.row.number),
                hash: terms_hash(&a.agreement),
            },
            status: s.state.code().to_owned(),
            expire_at: s.until,
            data_type: types.collect(),
        }
    };
    let token = |v: &VersionRow| Token {
        thing: code(&v.item, v.version),
        actor: v.source.clone(),
        start_at: v.at,
        end_at: v.replaced_at,
    };
    let held = facts.iter().filter_map(|o| o.facts.as_ref().ok()).flatten();
    let thing = held.map(|f| Thing {
        code: code(f.code, 1),
        value: f.value.clone(),
        source: f.source.clone(),
        method: f.method.clone(),
        verified_at: f.verified_at,
    });
    Book {
        format: FORMAT.to_owned(),
        my_condition_book: Some(Owner { pxr_id: subject.to_string() }),
        actor,
        data_operation: answers.iter().map(operation).collect(),
        ctoken: versions.iter().map(token).collect(),
        thing: thing.collect(),
    }
}

/// Reads a book.
///
/// # Errors
/// [`ConsentError::Input`] for what is none of a format that is known.
pub fn read(text: &str) -> Result<Book> {
    let book: Option<Book> = serde_json::from_str(text).ok();
    book.filter(|b| b.format == FORMAT && b.data_operation.len() <= MOST)
        .ok_or_else(|| ConsentError::Input(vec![("book", format!("a file of the format {FORMAT}"))]))
}

impl Consent {
    /// Puts what a person brings to them: each operation they had said yes to, with the same words as an agreement here,
    /// becomes a question. Returns the services that now wait for an answer.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn bring(&self, tenants: &[Tenant], subject: SubjectId, book: &Book) -> Result<Vec<Agreement>> {
        let agreed: BTreeSet<(&str, &str)> = book
            .data_operation
            .iter()
            .filter(|o| o.status == State::Granted.code() && o.data_type.iter().any(|t| t.consent_flg))
            .map(|o| (o.tou.terms_of_use.value.as_str(), o.tou.hash.as_str()))
            .collect();
        let mut out = Vec::new();
        for tenant in tenants {
            for a in self.agreements(*tenant).await? {
                let same = agreed.contains(&(a.row.code.as_str(), terms_hash(&a).as_str()));
                if !same || a.row.ended_at.is_some() || a.now.terms.basis != LawfulBasis::Consent {
                    continue;
                }
                let mut tx = self.db().begin().await?;
                if self.put_to(&mut tx, &a, subject).await? {
                    tx.commit().await?;
                    out.push(a);
                }
            }
        }
        Ok(out)
    }

    /// Asks the person themself; false when there is nothing to ask.
    async fn put_to(&self, tx: &mut Tx, a: &Agreement, subject: SubjectId) -> Result<bool> {
        let record = sql::record_of(tx, a.tenant, subject, a.row.id).await?;
        let step = self.answered(a, Step::Draft, BTreeSet::new(), None, By::Person);
        match self.step(tx, a, subject, record.as_ref(), step, true).await {
            Ok(_) => Ok(true),
            Err(ConsentError::NotNow) => Ok(false),
            Err(e) => Err(e),
        }
    }
}
