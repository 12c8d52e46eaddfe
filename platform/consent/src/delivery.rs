//! Deliveries: a recipient or a module of ours hands facts about a person in, under an agreement that the person said
//! yes to. They lie sealed here, apart from every module, with who delivered them, how they were proved and when; the
//! person sees them among their data, and others receive them by an agreement of their own. A correction is a new
//! version.

use kenroku_access::Granted;
use kenroku_contracts::personal::{FactsChanged, Pseudonyms};
use kenroku_store::{Db, Sql, Tx, params, row, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant, Timestamp, id_kind};
use kenroku_vault::share::{Fact, Item, Reading, Source, Wanted};
use kenroku_vault::{Category, Field, RetentionClass, Sealed, Vault};
use serde_json::Value;

use crate::Consent;
use crate::broker::SECTOR;
use crate::error::{ConsentError, Result};
use crate::model::{AgreementId, DataUse, RecipientId};
use crate::module::Deliver;
use crate::sql::RecipientRow;

id_kind! {
    /// A delivered fact.
    Delivery => DeliveryId;
}

/// As long as what was delivered is of use; it ends with the person's registration.
pub const KEEP: RetentionClass = RetentionClass {
    code: "consent.deliveries",
    ja: "届けられたデータ",
    days: None,
    source: "同意書（届けることへの同意）",
};
/// What needs no special care.
pub const PLAIN: Field =
    Field::new("consent", "consent_delivery", "plain", "届けられたデータ", KEEP, Category::Person).shared();
/// 要配慮個人情報.
pub const SPECIAL: Field =
    Field::new("consent", "consent_delivery", "special", "届けられた健康のデータ", KEEP, Category::Health)
        .special_care()
        .shared();

/// Everything that can be delivered. How to add one more: a line here; agreements keep its code for ever.
pub const ITEMS: [Item; 6] = [
    plain("delivered.contact", ["連絡先", "連絡先《れんらくさき》", "Contact"]),
    plain("delivered.visited-on", ["訪問や面談があった日", "会っ《あっ》た 日《ひ》", "Date of a visit"]),
    plain(
        "delivered.certificate",
        ["修了や資格の証明", "卒業《そつぎょう》や 資格《しかく》", "Certificate"],
    ),
    special(
        "delivered.due-date",
        ["出産予定日", "赤《あか》ちゃんが 生まれる《うまれる》 日《ひ》", "Due date"],
    ),
    special(
        "delivered.visit-note",
        ["訪問の記録", "会っ《あっ》た ときの 記録《きろく》", "Note of a visit"],
    ),
    special("delivered.allergies", ["アレルギー", "アレルギー", "Allergies"]),
];

/// What this module can hand on: everything delivered, and the record of who looked.
const HANDED: [Item; ITEMS.len() + 1] =
    [ITEMS[0], ITEMS[1], ITEMS[2], ITEMS[3], ITEMS[4], ITEMS[5], crate::usage::own::LISTED];

const fn plain(code: &'static str, names: [&'static str; 3]) -> Item {
    Item { code, names, category: Category::Person, field: Some(&PLAIN) }
}
const fn special(code: &'static str, names: [&'static str; 3]) -> Item {
    Item { code, names, category: Category::Health, field: Some(&SPECIAL) }
}

/// What can be delivered under this code.
pub fn item(code: &str) -> Option<&'static Item> {
    ITEMS.iter().find(|i| i.code == code)
}

/// Facts of one delivery at most.
pub const MOST: usize = 20;
/// Bytes of a value as JSON at most.
pub const LONGEST: usize = 4_096;

const T: Tenant = Tenant::SHARED;

/// A fact to be delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    /// Which item.
    pub item: String,
    /// Its value.
    pub value: Value,
    /// How it was proved, in the deliverer's words; empty when it was not.
    pub method: String,
    /// How surely; empty when it was not proved.
    pub assurance: String,
    /// When it was proved or written.
    pub verified_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Row {
    id: DeliveryId,
    item: String,
    source: String,
    plain: Option<Sealed<Value>>,
    special: Option<Sealed<Value>>,
    method: String,
    assurance: String,
    verified_at: Option<Timestamp>,
    at: Timestamp,
}
row!(Row { id, item, source, plain, special, method, assurance, verified_at, at });

/// A version of something that was delivered, for showing where it comes from; its value stays sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// Which item.
    pub item: String,
    /// From 1.
    pub version: i64,
    /// Who delivered it.
    pub source: String,
    /// When.
    pub at: Timestamp,
    /// When a correction took its place.
    pub replaced_at: Option<Timestamp>,
}
row!(VersionRow { item, version, source, at, replaced_at });

const CURRENT: &Sql = sql!(
    "select id, item, source, plain, special, method, assurance, verified_at, at from consent_delivery
     where tenant = $1 and subject = $2 and replaced_at is null order by item, recipient"
);
const HISTORY: &Sql = sql!(
    "select item, version, source, at, replaced_at from consent_delivery
     where tenant = $1 and subject = $2 order by item, recipient, version"
);
const LAST: &Sql = sql!(
    "select coalesce(max(version), 0) from consent_delivery
     where tenant = $1 and subject = $2 and item = $3 and recipient = $4"
);
const REPLACE: &Sql = sql!(
    "update consent_delivery set replaced_at = $5
     where tenant = $1 and subject = $2 and item = $3 and recipient = $4 and replaced_at is null"
);
const ADD: &Sql = sql!(
    "insert into consent_delivery (tenant, id, subject, item, version, office, agreement, recipient, source, plain,
       special, method, assurance, verified_at, at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
);

fn faults(facts: &[Delivered]) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    if facts.is_empty() || facts.len() > MOST {
        out.push(("facts", format!("1 to {MOST} facts")));
    }
    for f in facts {
        if item(&f.item).is_none() {
            out.push(("item", format!("{} cannot be delivered", f.item)));
        }
        let long = serde_json::to_string(&f.value).map_or(usize::MAX, |t| t.len()) > LONGEST;
        if f.value.is_null() || long {
            out.push(("value", format!("a value of at most {LONGEST} bytes")));
        }
        if f.method.chars().count() > 60 || f.assurance.chars().count() > 60 {
            out.push(("method", "at most 60 characters".to_owned()));
        }
    }
    let mut codes: Vec<&str> = facts.iter().map(|f| f.item.as_str()).collect();
    codes.sort_unstable();
    if codes.windows(2).any(|w| w[0] == w[1]) {
        out.push(("item", "each item once".to_owned()));
    }
    out
}

/// Under what something is delivered.
struct Under<'a> {
    office: Tenant,
    agreement: AgreementId,
    by: &'a RecipientRow,
    subject: SubjectId,
    now: Timestamp,
}

impl Consent {
    /// Takes facts about a person in; returns the version of each. All of them or none.
    ///
    /// # Errors
    /// [`ConsentError::Input`]; [`ConsentError::NotFound`] for an agreement that is not theirs or is not for delivering;
    /// [`ConsentError::Refused`] when the person did not say yes to one of the items. A person unknown to them is
    /// answered as one who was not asked.
    pub async fn deliver(
        &self,
        vault: &Vault,
        names: &dyn Pseudonyms,
        proof: &Granted<Deliver>,
        by: &RecipientRow,
        agreement: &str,
        theirs: SubjectId,
        facts: &[Delivered],
    ) -> Result<Vec<(String, i64)>> {
        let faults = faults(facts);
        if !faults.is_empty() {
            return Err(ConsentError::Input(faults));
        }
        let office = proof.tenant();
        let subject = names.translate(&by.sector, theirs, SECTOR).await?;
        let subject = subject.ok_or(ConsentError::Refused("no-answer"))?;
        let codes: Vec<String> = facts.iter().map(|f| f.item.clone()).collect();
        let agreement = {
            let mut tx = self.db().read().await?;
            let a = self.theirs_for(&mut tx, office, by, agreement, DataUse::Source).await?;
            self.all_agreed(&mut tx, &a, subject, &codes).await?;
            a
        };
        // Sealing may wait for the key store's disk: before the transaction.
        let sealer = vault.sealer(T, &[subject], &[&PLAIN, &SPECIAL]).await?;
        let mut sealed = Vec::with_capacity(facts.len());
        for f in facts {
            let id: DeliveryId = self.env().id();
            let field = item(&f.item).and_then(|i| i.field).ok_or(ConsentError::NotFound)?;
            let value = sealer.seal(field.at(subject, id.uuid()), &f.value)?;
            let (plain, special) = if *field == PLAIN { (Some(value), None) } else { (None, Some(value)) };
            sealed.push((f, id, plain, special));
        }
        let under = Under { office, agreement: agreement.row.id, by, subject, now: self.env().now() };
        let mut tx = self.db().begin().await?;
        let again = self.agreement(&mut tx, office, agreement.row.id).await?;
        self.all_agreed(&mut tx, &again, subject, &codes).await?;
        let mut out = Vec::new();
        for (f, id, plain, special) in sealed {
            out.push((f.item.clone(), add(&mut tx, &under, f, id, plain, special).await?));
        }
        let changed = FactsChanged { module: SECTOR.to_owned(), subject, items: codes };
        self.bus().publish(&mut tx, office, &changed).await?;
        tx.commit().await?;
        Ok(out)
    }

    async fn all_agreed(
        &self,
        tx: &mut Tx,
        agreement: &crate::Agreement,
        subject: SubjectId,
        codes: &[String],
    ) -> Result<()> {
        let (decision, _) = self.decide(tx, agreement, subject, codes).await?;
        match decision.refused.first() {
            None => Ok(()),
            Some((_, why)) => Err(ConsentError::Refused(why.code())),
        }
    }

    /// Every version of what was delivered about a person, without the values.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delivered(&self, subject: SubjectId) -> Result<Vec<VersionRow>> {
        Ok(self.db().read().await?.all(HISTORY, params![T, subject]).await?)
    }
}

async fn add(
    tx: &mut Tx,
    u: &Under<'_>,
    f: &Delivered,
    id: DeliveryId,
    plain: Option<Sealed<Value>>,
    special: Option<Sealed<Value>>,
) -> Result<i64> {
    let by: RecipientId = u.by.id;
    let (last,): (i64,) = tx.one(LAST, params![T, u.subject, &f.item, by]).await?;
    tx.execute(REPLACE, params![T, u.subject, &f.item, by, u.now]).await?;
    let row = params![
        T,
        id,
        u.subject,
        &f.item,
        last + 1,
        u.office,
        u.agreement,
        by,
        &u.by.name,
        plain,
        special,
        &f.method,
        &f.assurance,
        f.verified_at,
        u.now
    ];
    tx.execute(ADD, row).await.map_err(crate::consent::stale)?;
    Ok(last + 1)
}

/// What was delivered, as a source like every other.
#[derive(Clone, Debug)]
pub(crate) struct Deliveries {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
}

impl Deliveries {
    async fn opened(&self, wanted: &Wanted) -> std::result::Result<Vec<Fact>, Problem> {
        let who = wanted.subject;
        let rows: Vec<Row> = self.db.read().await?.all(CURRENT, params![T, who]).await?;
        let asked = |r: &Row| item(&r.item).filter(|i| wanted.items.contains(&i.code));
        let rows: Vec<(&'static Item, Row)> =
            rows.into_iter().filter_map(|r| asked(&r).map(|i| (i, r))).collect();
        let mut fields: Vec<&'static Field> = rows.iter().filter_map(|(i, _)| i.field).collect();
        fields.sort_by_key(|f| f.column);
        fields.dedup();
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        let reader = self.vault.disclose(&wanted.why, &[who], &fields).await?;
        let mut out = Vec::with_capacity(rows.len());
        for (item, r) in rows {
            let sealed = match (&r.plain, &r.special) {
                (Some(v), _) => Some((&PLAIN, v)),
                (None, v) => v.as_ref().map(|v| (&SPECIAL, v)),
            };
            let Some((field, sealed)) = sealed else { continue };
            out.push(Fact {
                code: item.code,
                value: reader.open(field.at(who, r.id.uuid()), sealed)?.into_value(),
                source: r.source,
                method: r.method,
                assurance: r.assurance,
                verified_at: r.verified_at.or(Some(r.at)),
            });
        }
        Ok(out)
    }
}

impl Source for Deliveries {
    fn module(&self) -> &'static str {
        SECTOR
    }
    fn names(&self) -> [&'static str; 3] {
        ["届けられたデータ", "届い《とどい》た データ", "Delivered by others"]
    }
    fn tenants(&self) -> Vec<Tenant> {
        vec![T]
    }
    fn items(&self) -> &'static [Item] {
        &HANDED
    }
    fn read<'a>(&'a self, wanted: &'a Wanted) -> Reading<'a, Vec<Fact>> {
        Box::pin(self.opened(wanted))
    }
}
