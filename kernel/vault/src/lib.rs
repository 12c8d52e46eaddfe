//! The vault: the only place that reads personal data, and the log of everybody who did.
//!
//! **What it is.** Personal data lies in columns as [`Sealed<T>`]: encrypted under a key of its own per person and
//! retention class. Opening it takes a [`Disclosure`] (who, for what, on which legal basis), whose row in the
//! access log is on the disk before anything is decrypted. Destroying a person's keys erases their data in every
//! copy there is.
//!
//! **What it is not.** It does not decide who may (kernel/access does, and its proof is the way in), nor whether
//! somebody agreed: it asks whoever keeps the consent ([`Registered`]) at each disclosure. It stores no personal data itself: modules do.
//!
//! # Three levels of keys
//! | level | wraps | where | lost or stolen alone |
//! |---|---|---|---|
//! | master, several generations ([`MasterKeys`]) | tenant keys | a file with mode 0600, away from databases | reads nothing |
//! | tenant key, versions | data keys | key store | reads nothing without the master |
//! | data key per person and class, versions | the fields of one person | key store | |
//!
//! The key store is a database of its own (a second file, a second PostgreSQL database) with its own backups, kept
//! for [`VaultOptions::key_backup_days`] (7). The data database with all its backups reads nothing without it.
//!
//! # Invariants
//! - This is the only crate that decrypts personal data. [`Sealed`] has no way to its content but [`Reader::open`].
//! - What rests on a consent opens only while whoever keeps it says that it holds ([`Registered`]); where nobody
//!   answers, nothing opens.
//! - A [`Reader`] exists only after its log rows are durable. If the log cannot be written, nothing opens.
//! - A sealed value opens only in its own tenant, module, table, column, class, person and row.
//! - A destroyed key takes effect at once in this process, within [`MAX_KEY_CACHE`] (30 s) in others, and in the
//!   backups of the key store after their retention: [`Vault::unreadable_after`].
//! - The log is numbered without gaps per tenant, its Merkle roots are signed, chained and witnessed outside.
//! - Nonces are random, 96 bits; `aead.rs` says why that is safe here.
//!
//! # How to store and read personal data
//! List purposes and fields in the module's [`ModuleVault`]; get the [`Sealer`] and the [`Reader`] *before* you
//! begin a transaction (both wait for a disk), use them inside. Read rows first, then disclose, then open.
//! ```no_run
//! # use kenroku_access::{Granted, permission, resource_kind};
//! # use kenroku_store::{Db, Sql, params, sql};
//! # use kenroku_types::{Tenant, ids::{RequestId, SubjectId}};
//! use kenroku_vault::{Category, ConsentId, Disclosure, Field, LegalBasis, Purpose, Register, RetentionClass, Sealed, Vault};
//! # resource_kind! {
//! #     /// 妊産婦
//! #     pub Mother;
//! # }
//! # permission! {
//! #     /// 妊産婦の連絡先を見る
//! #     pub ViewMothers = "maternity.view" on Mother, view, personal;
//! # }
//! const KEEP: RetentionClass = RetentionClass {
//!     code: "maternity.visits", ja: "訪問の記録", days: Some(1825), source: "文書管理規程 別表",
//! };
//! const NAME: Field = Field::new("maternity", "visit", "name", "氏名", KEEP, Category::Person);
//! // Whoever keeps the consents answers for them: Vault::answers_for.
//! const AGREED: Register = Register { code: "maternity.consents", log: "consent" };
//! const VISIT: Purpose = Purpose {
//!     code: "maternity.visit", ja: "家庭訪問の準備", basis: LegalBasis::Consent(AGREED), categories: &[Category::Person],
//! };
//! # const ADD: &Sql = sql!("insert into visit (tenant, subject, name) values ($1, $2, $3)");
//! # const GET: &Sql = sql!("select name from visit where tenant = $1 and subject = $2");
//! async fn register(vault: &Vault, db: &Db, tenant: Tenant, who: SubjectId, name: String) -> Result<(), Box<dyn std::error::Error>> {
//!     let sealer = vault.sealer(tenant, &[who], &[&NAME]).await?;
//!     let mut tx = db.begin().await?;
//!     tx.execute(ADD, params![tenant, who, sealer.seal(NAME.at(who, who.uuid()), &name)?]).await?;
//!     Ok(tx.commit().await?)
//! }
//! async fn name(vault: &Vault, db: &Db, proof: &Granted<ViewMothers>, who: SubjectId, agreed: ConsentId, request: RequestId)
//!     -> Result<String, Box<dyn std::error::Error>>
//! {
//!     let why = Disclosure::new(proof, &VISIT).consent(who, agreed).request(request);
//!     let (sealed,): (Sealed<String>,) = db.read().await?.one(GET, params![proof.tenant(), who]).await?;
//!     let reader = vault.disclose(&why, &[who], &[&NAME]).await?;
//!     Ok(reader.open(NAME.at(who, who.uuid()), &sealed)?.into_value())
//! }
//! ```
//!
//! # How to keep a secret of the installation
//! A private key in a module's table: [`Vault::seal_secret`] and [`Vault::open_secret`]. A key that all processes
//! share: [`Vault::shared_secret`].
//!
//! # How a module hands facts on
//! It puts a [`share::Source`] into [`share::Sources`] at its start; the broker asks it by the person's consent.
//!
//! # How a module lets somebody leave
//! It puts a [`leave::Holder`] into [`leave::Holders`] at its start: what it erases, what a law keeps, what it removes
//! by the clock.
//!
//! # How to add one more
//! A field: a [`Field`] constant in the module, listed in its [`ModuleVault`], a `{blob}` column of that name. A
//! purpose: a [`Purpose`] constant with its basis cited. A retention class: a [`RetentionClass`] with its source.
//! Fields that should survive the renewal of data keys: a [`Reseal`].

mod aead;
mod align;
mod backup;
mod checkpoint;
mod disclosure;
mod erase;
mod error;
mod field;
mod keeper;
mod keys;
pub mod leave;
mod log;
mod master;
pub mod merkle;
mod register;
mod rotate;
mod sealed;
pub mod search;
mod secret;
pub mod share;
mod sql;
mod vault;
mod verify;
mod witness;

/// The crates that stand in this one's interface, as it was built with them: for programs compiled by tests.
#[doc(hidden)]
pub use {kenroku_access, kenroku_types, serde};

pub use align::{Finding, Manipulation};
pub use checkpoint::{Checkpoint, RowMark, SealReport, SignedCheckpoint};
pub use disclosure::{Disclosure, Explanation, LegalBasis, LegalClass, ModuleVault, Purpose};
pub use erase::Erasure;
pub use error::{Error, Result, StoreError};
pub use field::{Category, Field, RetentionClass, Slot};
pub use keeper::{LogCheck, LogState, Sealing, TenantWitness};
pub use kenroku_types::ids::ConsentId;
pub use log::{LogEntry, LogKind};
pub use master::MasterKeys;
pub use register::{Asked, Register, Registered};
pub use rotate::{RENEWAL_GRACE, Reseal, Resealing, RotationReport};
pub use sealed::{Opened, Reader, Resealer, Sealed, Sealer};
pub use vault::{MAX_KEY_CACHE, Vault, VaultOptions, VaultParts};
pub use verify::{LogReport, TenantLogReport, verify_log};
pub use witness::{Answer as WitnessAnswer, FileWitness, Testimony, TestimonyPage, Witness};

use kenroku_store::{ModuleMigrations, migrations};

/// The tables of the access log.
pub const LOG_TABLES: ModuleMigrations =
    migrations!("vault", ["0001_log", "0002_log_subject", "0003_log_erased", "0004_testimony"]);

/// The tables of the key store, for its own database.
pub const KEY_TABLES: ModuleMigrations =
    migrations!("vaultkey", ["0001_keys", "0002_keys_log_ref", "0003_keys_wrapped_by"]);
