//! The register of purposes (利用目的, 個人情報の保護に関する法律 §61, §62): what every module declares, version by version in a book.

use kenroku_types::{Tenant, Timestamp};
use kenroku_vault::{Explanation, Field, LegalBasis, Purpose};
use serde::{Deserialize, Serialize};

use crate::book;
use crate::error::Result;
use crate::privacy::Privacy;

/// The book of purposes.
pub const BOOK: &str = "purposes";

/// A purpose as people read it and as the book keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    /// Its code.
    pub code: String,
    /// The service in three languages; the module's name where nobody has explained it.
    pub service: [String; 3],
    /// What for, in three languages.
    pub what: [String; 3],
    /// Who receives it, in three languages.
    pub recipients: [String; 3],
    /// Codes of the categories of data.
    pub categories: Vec<String>,
    /// `statute`, `consent`, `emergency`, `own`.
    pub basis: String,
    /// Law and article.
    pub article: String,
    /// Which of the law's classes of data.
    pub class: String,
    /// What is kept for it, how long and why: one line each.
    pub retention: Vec<Kept>,
    /// Whether a release has dropped it.
    #[serde(default)]
    pub ended: bool,
}

/// What is kept how long.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kept {
    /// The retention class.
    pub what: String,
    /// Days after the matter is closed; `None` as long as the person is registered.
    pub days: Option<u32>,
    /// The law or rule.
    pub source: String,
}

/// A version of a purpose.
#[derive(Clone, Debug)]
pub struct Version {
    /// Number of the entry in the book.
    pub number: i64,
    /// Since when.
    pub at: Timestamp,
    /// How many versions this purpose had with it.
    pub version: usize,
    /// What it says.
    pub stated: Stated,
}

fn three(t: [&str; 3]) -> [String; 3] {
    t.map(str::to_owned)
}

/// What is declared, put into words.
pub fn state(p: &Purpose, explained: Option<&Explanation>, fields: &[Field]) -> Stated {
    let module = p.code.split('.').next().unwrap_or_default();
    let (basis, article) = match p.basis {
        LegalBasis::Statute(a) => ("statute", a),
        LegalBasis::Emergency(a) => ("emergency", a),
        LegalBasis::Entered(_) => ("entered", "提供ごとに、同意書または宣言に記した条文"),
        LegalBasis::Consent(_) => ("consent", "個人情報の保護に関する法律 第69条第2項第1号（本人の同意）"),
        LegalBasis::Own => ("own", "個人情報の保護に関する法律 第76条（本人の求め）"),
    };
    let own = fields.iter().filter(|f| f.module == module && p.categories.contains(&f.category));
    let mut retention: Vec<Kept> = own
        .map(|f| Kept { what: f.class.ja.to_owned(), days: f.class.days, source: f.class.source.to_owned() })
        .collect();
    retention.sort();
    retention.dedup();
    Stated {
        code: p.code.to_owned(),
        service: explained.map_or_else(|| three([module; 3]), |e| three(e.service)),
        what: explained.map_or_else(|| three([p.ja; 3]), |e| three([p.ja, e.what[0], e.what[1]])),
        recipients: explained.map_or_else(Default::default, |e| three(e.recipients)),
        categories: p.categories.iter().map(|c| c.code().to_owned()).collect(),
        basis: basis.to_owned(),
        article: article.to_owned(),
        class: explained.map_or(kenroku_vault::LegalClass::Personal, |e| e.class).code().to_owned(),
        retention,
        ended: false,
    }
}

impl Privacy {
    /// What this release declares, by code.
    pub fn stated_purposes(&self) -> Vec<Stated> {
        let (fields, explained) = (self.vault().fields(), self.vault().explanations());
        let find = |p: &Purpose| explained.iter().copied().find(|e| e.purpose.code == p.code);
        self.vault().purposes().into_iter().map(|p| state(p, find(p), &fields)).collect()
    }

    /// Writes a new version of every purpose that this release states otherwise than the book; how many.
    ///
    /// # Errors
    /// [`PrivacyError::Stale`](crate::PrivacyError::Stale) when another process does so at this moment.
    pub async fn note_purposes(&self) -> Result<usize> {
        let (now, known) = (self.env().now(), self.purpose_versions().await?);
        let last = |code: &str| known.iter().rev().find(|v| v.stated.code == code).map(|v| &v.stated);
        let stated = self.stated_purposes();
        let mut changed: Vec<Stated> = stated.iter().filter(|s| last(&s.code) != Some(*s)).cloned().collect();
        for v in &known {
            let dropped = !stated.iter().any(|s| s.code == v.stated.code);
            if dropped && last(&v.stated.code).is_some_and(|s| !s.ended && *s == v.stated) {
                changed.push(Stated { ended: true, ..v.stated.clone() });
            }
        }
        if changed.is_empty() {
            return Ok(0);
        }
        let mut tx = self.db().begin().await?;
        for s in &changed {
            book::append(&mut tx, Tenant::SHARED, BOOK, &s.code, s, now).await?;
        }
        tx.commit().await?;
        Ok(changed.len())
    }

    /// Every version of every purpose, in the order of the book.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn purpose_versions(&self) -> Result<Vec<Version>> {
        let mut tx = self.db().read().await?;
        let entries = book::all(&mut tx, Tenant::SHARED, BOOK).await?;
        let mut out: Vec<Version> = Vec::with_capacity(entries.len());
        for e in entries {
            let stated: Stated = e.data()?;
            let version = out.iter().filter(|v| v.stated.code == stated.code).count() + 1;
            out.push(Version { number: e.number, at: e.at, version, stated });
        }
        Ok(out)
    }
}
