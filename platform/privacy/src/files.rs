//! 個人情報ファイル簿 (個人情報の保護に関する法律 §75 with §74(1), 同法施行令): drafted from what the modules declare, completed and
//! published by the officer, shown to everybody. What was published is an entry of a book, version by version.

use std::collections::BTreeSet;

use kenroku_access::{DataClass, Granted};
use kenroku_store::{Sql, params, row, sql};
use kenroku_types::{Tenant, Timestamp, id_kind};
use serde::{Deserialize, Serialize};

use crate::book;
use crate::error::{PrivacyError, Result};
use crate::module::KeepRegisters;
use crate::privacy::Privacy;
use crate::sheet::{self, Item, Sheet};

id_kind! {
    /// A personal information file.
    PersonFile => PersonFileId;
}

/// The book of published sheets.
pub const BOOK: &str = "files";

const fn line(name: &'static str, label: &'static str) -> Item {
    Item { name, label, long: false, required: true }
}

/// The items of §75(1) in the order of §74(1), with those of the cabinet order.
pub const ITEMS: [Item; 16] = [
    line("name", "privacy-file-name"),
    line("body", "privacy-file-body"),
    line("unit", "privacy-file-unit"),
    Item { long: true, ..line("purpose", "privacy-file-purpose") },
    Item { long: true, ..line("records", "privacy-file-records") },
    line("range", "privacy-file-range"),
    line("collected", "privacy-file-collected"),
    line("special", "privacy-file-special"),
    Item { required: false, ..line("recipients", "privacy-file-recipients") },
    line("desk", "privacy-file-desk"),
    Item { required: false, ..line("procedure", "privacy-file-procedure") },
    line("form", "privacy-file-form"),
    line("persons", "privacy-file-persons"),
    Item { required: false, ..line("proposals", "privacy-file-proposals") },
    Item { required: false, long: true, ..line("anonymized", "privacy-file-anonymized") },
    Item { required: false, long: true, ..line("notes", "privacy-file-notes") },
];

/// From how many persons on a sheet must be published (§75(2), 施行令).
pub const FROM_PERSONS: u64 = 1_000;

/// A file as it is stored.
#[derive(Clone, Debug)]
pub struct FileRow {
    /// Which.
    pub id: PersonFileId,
    draft: String,
    /// Number of the published entry in the book.
    pub published: Option<i64>,
    /// When the file ceased.
    pub ended_at: Option<Timestamp>,
    /// For optimistic changes.
    pub version: i64,
    /// When the draft was last changed.
    pub changed_at: Timestamp,
}
row!(FileRow { id, draft, published, ended_at, version, changed_at });

impl FileRow {
    /// The draft.
    ///
    /// # Errors
    /// When it was written in another form.
    pub fn draft(&self) -> Result<Sheet> {
        Ok(serde_json::from_str(&self.draft)?)
    }
}

/// What the book keeps of a publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The sheet; empty when the file ceased.
    pub sheet: Sheet,
    /// Whether it ceased.
    #[serde(default)]
    pub ended: bool,
}

const ADD: &Sql =
    sql!("insert into privacy_file (tenant, id, draft, version, changed_at) values ($1, $2, $3, 1, $4)");
const SET: &Sql = sql!(
    "update privacy_file set draft = $4, changed_at = $5, version = version + 1
     where tenant = $1 and id = $2 and version = $3 and ended_at is null"
);
const PUBLISH: &Sql = sql!(
    "update privacy_file set published = $4, ended_at = $5, version = version + 1
     where tenant = $1 and id = $2 and version = $3 and ended_at is null"
);
const ALL: &Sql = sql!(
    "select id, draft, published, ended_at, version, changed_at from privacy_file where tenant = $1 order by id"
);
const ONE: &Sql = sql!(
    "select id, draft, published, ended_at, version, changed_at from privacy_file where tenant = $1 and id = $2"
);

impl Privacy {
    /// A sheet for each module that keeps personal data, as far as its declarations tell.
    pub fn file_drafts(&self) -> Vec<(&'static str, Sheet)> {
        let fields = self.vault().fields();
        let modules: BTreeSet<&'static str> = fields.iter().map(|f| f.module).collect();
        let draft = |module: &'static str| {
            let own: Vec<_> = fields.iter().filter(|f| f.module == module).collect();
            let mut records: Vec<&str> = own.iter().map(|f| f.ja).collect();
            records.sort_unstable();
            records.dedup();
            let purposes = self.vault().purposes();
            let purposes: Vec<&str> =
                purposes.iter().filter(|p| p.code.split('.').next() == Some(module)).map(|p| p.ja).collect();
            let special = own.iter().any(|f| f.data == DataClass::SpecialCare);
            let name =
                self.vault().explanations().iter().find(|e| e.module() == module).map(|e| e.service[0]);
            let set = [
                ("name", format!("{}ファイル", name.unwrap_or(module))),
                ("purpose", purposes.join("、")),
                ("records", records.join("、")),
                ("special", if special { "含む" } else { "含まない" }.to_owned()),
                ("form", "法第60条第2項第1号（電算処理ファイル）".to_owned()),
            ];
            set.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
        };
        modules.into_iter().map(|m| (m, draft(m))).collect()
    }

    /// A new draft, or the next of one.
    ///
    /// # Errors
    /// [`PrivacyError::Input`]; [`PrivacyError::Stale`].
    pub async fn draft_file(
        &self,
        proof: &Granted<KeepRegisters>,
        known: Option<(PersonFileId, i64)>,
        pairs: &[(String, String)],
    ) -> Result<PersonFileId> {
        let (sheet, now) = (sheet::read(&ITEMS, pairs)?, self.env().now());
        if sheet.get("persons").is_none_or(|n| n.parse::<u64>().is_err()) {
            return Err(PrivacyError::Input(vec![("persons", "write a number".to_owned())]));
        }
        let text = serde_json::to_string(&sheet)?;
        let mut tx = self.db().begin().await?;
        let id = match known {
            Some((id, version)) => {
                self.file_in(&mut tx, proof.tenant(), id).await?;
                tx.execute_one(SET, params![proof.tenant(), id, version, text, now]).await?;
                id
            }
            None => {
                let id: PersonFileId = self.env().id();
                tx.execute(ADD, params![proof.tenant(), id, text, now]).await?;
                id
            }
        };
        tx.commit().await?;
        Ok(id)
    }

    async fn file_in(&self, tx: &mut kenroku_store::Tx, tenant: Tenant, id: PersonFileId) -> Result<FileRow> {
        tx.opt(ONE, params![tenant, id]).await?.ok_or(PrivacyError::NotFound)
    }

    /// Publishes the draft, or says that the file ceased.
    ///
    /// # Errors
    /// [`PrivacyError::NotFound`]; [`PrivacyError::Stale`].
    pub async fn publish_file(
        &self,
        proof: &Granted<KeepRegisters>,
        id: PersonFileId,
        version: i64,
        ended: bool,
    ) -> Result<i64> {
        let (tenant, now) = (proof.tenant(), self.env().now());
        let mut tx = self.db().begin().await?;
        let row = self.file_in(&mut tx, tenant, id).await?;
        let sheet = row.draft()?;
        let number =
            book::append(&mut tx, tenant, BOOK, &id.to_string(), &Published { sheet, ended }, now).await?;
        let end = ended.then_some(now);
        tx.execute_one(PUBLISH, params![tenant, id, version, number, end]).await?;
        tx.commit().await?;
        Ok(number)
    }

    /// The files of an office, drafts and all.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn files(&self, tenant: Tenant) -> Result<Vec<FileRow>> {
        Ok(self.db().read().await?.all(ALL, params![tenant]).await?)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`PrivacyError::NotFound`].
    pub async fn file(&self, tenant: Tenant, id: PersonFileId) -> Result<FileRow> {
        self.file_in(&mut self.db().read().await?, tenant, id).await
    }

    /// What an office has published and not ended: when and what.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn published_files(&self, tenant: Tenant) -> Result<Vec<(PersonFileId, Timestamp, Sheet)>> {
        let mut tx = self.db().read().await?;
        let rows: Vec<FileRow> = tx.all(ALL, params![tenant]).await?;
        let mut out = Vec::new();
        for row in rows.into_iter().filter(|r| r.ended_at.is_none()) {
            let Some(number) = row.published else { continue };
            if let Some(entry) = book::one(&mut tx, tenant, BOOK, number).await? {
                out.push((row.id, entry.at, entry.data::<Published>()?.sheet));
            }
        }
        Ok(out)
    }
}
