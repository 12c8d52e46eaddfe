//! Tables made anonymous on the officer's desk (規則 §62, 行政機関等匿名加工情報) and their register; the work itself is
//! kenroku-anonymize.
//!
//! **The uploaded rows** are personal data of people whom nobody here knows by a pseudonym, so that no key of a person can
//! seal them. They lie sealed under the key of the government (`Vault::seal_secret`) for as long as the work takes, two hours at
//! most, because the officer tries several settings on them; then the row is deleted, and what a backup has of it opens with
//! no key but the key store's. The published file lies sealed too (安全管理措置, §121), until somebody downloads it.

use std::time::Duration;

use kenroku_access::Granted;
use kenroku_anonymize::noise::{Epsilon, Ledger, noisy_counts};
use kenroku_anonymize::{Config, Description, Open, Table, anonymize};
use kenroku_store::{Sql, params, row, sql};
use kenroku_types::{Tenant, Timestamp, id_kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::book::{self, Entry};
use crate::error::{PrivacyError, Result};
use crate::module::KeepRegisters;
use crate::privacy::Privacy;

id_kind! {
    /// A table that is being made anonymous.
    TableWork => WorkId;
}

/// The book of releases: what was published, and to whom it was handed.
pub const BOOK: &str = "releases";
/// The book of noisy counts: what each data set's answers have spent.
pub const NOISE: &str = "noise";

/// The largest table that is taken, in bytes.
pub const LARGEST: usize = 4 * 1024 * 1024;
/// Columns of a table at most.
pub const COLUMNS: usize = 40;
/// How long the rows stay at most.
pub const KEPT: Duration = Duration::from_secs(2 * 3_600);

const ROWS: &str = "privacy.release-rows";
const FILE: &str = "privacy.release-file";

/// A work as it is stored, without its rows.
#[derive(Clone, Debug)]
pub struct WorkRow {
    /// Which.
    pub id: WorkId,
    /// The name of the file.
    pub name: String,
    columns: String,
    /// Rows of the table.
    pub rows_in: i64,
    config: Option<String>,
    outcome: Option<String>,
    /// For optimistic changes.
    pub version: i64,
    /// When the rows are removed.
    pub expires_at: Timestamp,
}
row!(WorkRow { id, name, columns, rows_in, config, outcome, version, expires_at });

impl WorkRow {
    /// The names of the columns.
    ///
    /// # Errors
    /// When they were written in another form.
    pub fn columns(&self) -> Result<Vec<String>> {
        Ok(serde_json::from_str(&self.columns)?)
    }

    /// What was chosen last.
    ///
    /// # Errors
    /// When it was written in another form.
    pub fn config(&self) -> Result<Option<Config>> {
        Ok(self.config.as_deref().map(serde_json::from_str).transpose()?)
    }

    /// What came out last: the description as JSON, or the reason why nothing did.
    ///
    /// # Errors
    /// When it was written in another form.
    pub fn outcome(&self) -> Result<Option<Outcome>> {
        Ok(self.outcome.as_deref().map(serde_json::from_str).transpose()?)
    }
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// The description of the release.
    Done(Value),
    /// Why there is none.
    Failed(String),
}

/// What the register says of a release, beside the library's description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Registered {
    /// It was published.
    Published {
        /// By whom: the account.
        by: String,
        /// The library's description: parameters, what was achieved, risks, hashes, the five steps.
        description: Value,
    },
    /// It was handed to somebody.
    Handed {
        /// The release's number.
        release: i64,
        /// To whom.
        to: String,
        /// How and on which agreement.
        how: String,
        /// By whom.
        by: String,
    },
}

/// What an answer with noise spent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// What was answered.
    pub what: String,
    /// ε.
    pub epsilon: Epsilon,
    /// Δ.
    pub sensitivity: u32,
    /// The data set's budget; the first entry's counts.
    pub budget: Epsilon,
    /// How many numbers were told.
    pub numbers: usize,
    /// By whom.
    pub by: String,
}

const ADD: &Sql = sql!(
    "insert into privacy_work (tenant, id, name, columns, rows_in, sealed, version, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, 1, $7, $8)"
);
const ONE: &Sql = sql!(
    "select id, name, columns, rows_in, config, outcome, version, expires_at from privacy_work
     where tenant = $1 and id = $2 and expires_at > $3"
);
const ALL: &Sql = sql!(
    "select id, name, columns, rows_in, config, outcome, version, expires_at from privacy_work
     where tenant = $1 and expires_at > $2 order by id"
);
const SEALED: &Sql =
    sql!("select sealed from privacy_work where tenant = $1 and id = $2 and expires_at > $3");
const TRIED: &Sql = sql!(
    "update privacy_work set config = $4, outcome = $5, version = version + 1
     where tenant = $1 and id = $2 and version = $3"
);
const REMOVE: &Sql = sql!("delete from privacy_work where tenant = $1 and id = $2");
const OVER: &Sql = sql!("delete from privacy_work where tenant = $1 and expires_at <= $2");
const ADD_FILE: &Sql = sql!("insert into privacy_release (tenant, number, sealed) values ($1, $2, $3)");
const SEALED_FILE: &Sql = sql!("select sealed from privacy_release where tenant = $1 and number = $2");

fn wrong(e: impl std::fmt::Display) -> PrivacyError {
    PrivacyError::Input(vec![("file", e.to_string())])
}

fn broken(e: impl std::error::Error + 'static) -> PrivacyError {
    PrivacyError::Inner(Box::new(kenroku_types::Problem::internal().because(&e)))
}

impl Privacy {
    /// Takes a table; its rows are sealed before anything is stored.
    ///
    /// # Errors
    /// [`PrivacyError::Input`] with the reason, which names lines and columns and never values.
    pub async fn upload(&self, proof: &Granted<KeepRegisters>, name: &str, bytes: Vec<u8>) -> Result<WorkId> {
        if bytes.len() > LARGEST {
            return Err(wrong("the table is larger than 4 MiB; use the command `kenroku anonymize`"));
        }
        // A spreadsheet's byte order mark is no part of the first column's name.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(bytes);
        let table = Table::read(&bytes).map_err(wrong)?;
        if table.columns().len() > COLUMNS {
            return Err(wrong("the table has more than 40 columns; leave out what is not published"));
        }
        let columns: Vec<&str> = table.columns().iter().map(|c| c.name()).collect();
        let (id, now, tenant): (WorkId, _, _) = (self.env().id(), self.env().now(), proof.tenant());
        let rows = i64::try_from(table.rows()).unwrap_or(i64::MAX);
        let sealed = self.vault().seal_secret(tenant, ROWS, &id.to_string(), &bytes).await?;
        let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        let mut tx = self.db().begin().await?;
        let columns = serde_json::to_string(&columns)?;
        tx.execute(ADD, params![tenant, id, name, columns, rows, sealed, now, now.plus(KEPT)]).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// What is being worked on in an office.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn works(&self, tenant: Tenant) -> Result<Vec<WorkRow>> {
        Ok(self.db().read().await?.all(ALL, params![tenant, self.env().now()]).await?)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`PrivacyError::NotFound`], also when its time is over.
    pub async fn work(&self, tenant: Tenant, id: WorkId) -> Result<WorkRow> {
        let found: Option<WorkRow> =
            self.db().read().await?.opt(ONE, params![tenant, id, self.env().now()]).await?;
        found.ok_or(PrivacyError::NotFound)
    }

    /// Makes the table anonymous, away from the threads that serve.
    async fn anonymized(
        &self,
        tenant: Tenant,
        id: WorkId,
        config: &Config,
    ) -> Result<std::result::Result<kenroku_anonymize::Release, String>> {
        let found: Option<(Vec<u8>,)> =
            self.db().read().await?.opt(SEALED, params![tenant, id, self.env().now()]).await?;
        let (sealed,) = found.ok_or(PrivacyError::NotFound)?;
        let rows = self.vault().open_secret(tenant, ROWS, &id.to_string(), &sealed).await?;
        let (config, rng) = (config.clone(), self.env().rng.clone());
        let run = move || {
            let table = Table::read(&rows).map_err(|e| e.to_string())?;
            config.check().map_err(|e| e.to_string())?;
            anonymize(&table, &config, &rng).map_err(|e| e.to_string())
        };
        tokio::task::spawn_blocking(run).await.map_err(broken)
    }

    /// Tries settings: what would come out is described, and nothing is published.
    ///
    /// # Errors
    /// [`PrivacyError::NotFound`]; [`PrivacyError::Stale`].
    pub async fn try_release(
        &self,
        proof: &Granted<KeepRegisters>,
        id: WorkId,
        version: i64,
        config: &Config,
    ) -> Result<Outcome> {
        let outcome = match self.anonymized(proof.tenant(), id, config).await? {
            Ok(release) => Outcome::Done(serde_json::to_value(&release.description)?),
            Err(why) => Outcome::Failed(why),
        };
        let mut tx = self.db().begin().await?;
        let (config, text) = (serde_json::to_string(config)?, serde_json::to_string(&outcome)?);
        tx.execute_one(TRIED, params![proof.tenant(), id, version, config, text]).await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// Publishes: the register's entry and the file in one transaction; the uploaded rows go with it.
    ///
    /// # Errors
    /// [`PrivacyError::Refused`] `open-steps` while a step of the law or a finding has no answer; `no-release` when no
    /// settings hold; [`PrivacyError::NotFound`]; [`PrivacyError::Stale`].
    pub async fn publish_release(
        &self,
        proof: &Granted<KeepRegisters>,
        id: WorkId,
        config: &Config,
    ) -> Result<i64> {
        let (tenant, now) = (proof.tenant(), self.env().now());
        let release = self.anonymized(tenant, id, config).await?;
        let release = release.map_err(|_| PrivacyError::Refused("no-release"))?;
        let published = release.publish(config).map_err(|_: Open| PrivacyError::Refused("open-steps"))?;
        let description = serde_json::to_value::<&Description>(&published.description)?;
        let entry = Registered::Published { by: proof.actor().to_string(), description };
        // The number is known when the entry is there; the key store's disk is not waited for in a transaction.
        let mut tx = self.db().begin().await?;
        let number = book::append(&mut tx, tenant, BOOK, "published", &entry, now).await?;
        tx.rollback().await?;
        let secret = published.csv.as_bytes();
        let sealed = self.vault().seal_secret(tenant, FILE, &number.to_string(), secret).await?;
        let mut tx = self.db().begin().await?;
        if book::append(&mut tx, tenant, BOOK, "published", &entry, now).await? != number {
            return Err(PrivacyError::Stale);
        }
        tx.execute(ADD_FILE, params![tenant, number, sealed]).await?;
        if tx.execute(REMOVE, params![tenant, id]).await? == 0 {
            return Err(PrivacyError::Stale);
        }
        tx.commit().await?;
        tracing::info!(%tenant, number, "anonymized data were published");
        Ok(number)
    }

    /// The register of an office.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn releases(&self, tenant: Tenant) -> Result<Vec<(Entry, Registered)>> {
        let mut tx = self.db().read().await?;
        let entries = book::all(&mut tx, tenant, BOOK).await?;
        entries.into_iter().map(|e| e.data().map(|r| (e, r))).collect()
    }

    /// Writes down that a release was handed to somebody.
    ///
    /// # Errors
    /// [`PrivacyError::NotFound`]; [`PrivacyError::Input`].
    pub async fn hand_release(
        &self,
        proof: &Granted<KeepRegisters>,
        release: i64,
        to: &str,
        how: &str,
    ) -> Result<i64> {
        for (field, text) in [("to", to), ("how", how)] {
            if !(1..=500).contains(&text.trim().chars().count()) {
                return Err(PrivacyError::Input(vec![(field, "write 1 to 500 characters".to_owned())]));
            }
        }
        let (tenant, by) = (proof.tenant(), proof.actor().to_string());
        let mut tx = self.db().begin().await?;
        let found = book::one(&mut tx, tenant, BOOK, release).await?.ok_or(PrivacyError::NotFound)?;
        if !matches!(found.data()?, Registered::Published { .. }) {
            return Err(PrivacyError::NotFound);
        }
        let (to, how) = (to.trim().to_owned(), how.trim().to_owned());
        let entry = Registered::Handed { release, to, how, by };
        let number = book::append(&mut tx, tenant, BOOK, "handed", &entry, self.env().now()).await?;
        tx.commit().await?;
        Ok(number)
    }

    /// The published file.
    ///
    /// # Errors
    /// [`PrivacyError::NotFound`].
    pub async fn release_file(&self, proof: &Granted<KeepRegisters>, number: i64) -> Result<Vec<u8>> {
        let tenant = proof.tenant();
        let found: Option<(Vec<u8>,)> =
            self.db().read().await?.opt(SEALED_FILE, params![tenant, number]).await?;
        let (sealed,) = found.ok_or(PrivacyError::NotFound)?;
        Ok(self.vault().open_secret(tenant, FILE, &number.to_string(), &sealed).await?.to_vec())
    }

    /// Removes works whose time is over; how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn clear_works(&self) -> Result<u64> {
        let (mut n, now) = (0, self.env().now());
        let mut tx = self.db().begin().await?;
        for tenant in self.tenants() {
            n += tx.execute(OVER, params![*tenant, now]).await?;
        }
        tx.commit().await?;
        Ok(n)
    }

    /// What a data set's answers have spent, by data set.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn budgets(&self, tenant: Tenant) -> Result<Vec<Ledger>> {
        self.budgets_in(&mut self.db().read().await?, tenant).await
    }

    async fn budgets_in(&self, tx: &mut kenroku_store::Tx, tenant: Tenant) -> Result<Vec<Ledger>> {
        let entries = book::all(tx, tenant, NOISE).await?;
        let mut out: Vec<Ledger> = Vec::new();
        for e in entries {
            let spent: Spent = e.data()?;
            let at = match out.iter().position(|l| l.dataset() == e.item) {
                Some(at) => at,
                None => {
                    out.push(Ledger::new(&e.item, spent.budget));
                    out.len() - 1
                }
            };
            out[at].spend(spent.what, spent.epsilon).map_err(broken)?;
        }
        Ok(out)
    }

    /// Counts with discrete Laplace noise; what they spend is in the book before they are told.
    ///
    /// # Errors
    /// [`PrivacyError::Input`] when the budget does not allow it or a number is out of range; [`PrivacyError::Stale`].
    pub async fn noisy(
        &self,
        proof: &Granted<KeepRegisters>,
        dataset: &str,
        asked: &Spent,
        counts: &[u64],
    ) -> Result<(Vec<i64>, Epsilon)> {
        let tenant = proof.tenant();
        if !(1..=100).contains(&dataset.chars().count()) || asked.what.is_empty() || counts.is_empty() {
            return Err(PrivacyError::Input(vec![(
                "dataset",
                "name the data set, the answer and its counts".to_owned(),
            )]));
        }
        // The ledger is read in the transaction that adds to it: two at once get one number, and the second is refused.
        let mut tx = self.db().begin().await?;
        let known = self.budgets_in(&mut tx, tenant).await?;
        let mut ledger = known
            .into_iter()
            .find(|l| l.dataset() == dataset)
            .unwrap_or_else(|| Ledger::new(dataset, asked.budget));
        let noise = noisy_counts(
            counts,
            asked.what.clone(),
            asked.epsilon,
            asked.sensitivity,
            &mut ledger,
            &self.env().rng,
        )
        .map_err(|e| PrivacyError::Input(vec![("epsilon", e.to_string())]))?;
        let entry = Spent { numbers: counts.len(), by: proof.actor().to_string(), ..asked.clone() };
        book::append(&mut tx, tenant, NOISE, dataset, &entry, self.env().now()).await?;
        tx.commit().await?;
        Ok((noise, ledger.left()))
    }
}
