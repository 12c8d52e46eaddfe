//! Tables about people made fit to be given away: anonymization, small cells, noise, and the risk that remains.
//!
//! **What it is.** A pure library. [`anonymize`] takes a [`Table`] and a [`Config`] (what each column is, how values grow
//! coarser, what must hold) and finds, over the whole lattice of levels, the one that loses least while every published
//! row is one of at least k and the sensitive values are diverse and close enough ([`privacy`], [`search`](mod@search)). It
//! says what was lost ([`loss`]), who could still find whom ([`risk`]), and what was done for each of the five steps of the
//! law ([`checklist`]). For tables of counts: [`cells`] masks small ones and what would give them away, [`noise`]
//! adds discrete Laplace noise within a budget.
//!
//! **What it is not.** It does not decide which columns are quasi-identifiers: that is a judgement about who knows what,
//! and every guarantee stands on it. It knows one release, not what earlier ones told of the same people. It has no IO, no
//! clock and no database; the register of releases and the page belong to whoever calls it. k counts rows: declare
//! the person's identifier with `one-row-each`, so that a table with several rows of a person is refused.
//!
//! **Invariants.** No column is published that the configuration does not name. Published rows fulfil everything asked
//! for, whatever the objective; if nothing can, the call fails. No allowed combination of levels loses less than the one
//! chosen. Suppressed rows never exceed the limit. The order of rows says nothing. Nothing leaves [`Release::publish`] while a step of
//! the law is unanswered. Errors name columns and rows, never values. No input panics.
//!
//! **How to add one more.** A hierarchy: a variant of [`Hierarchy`] with its levels in `steps` and its labels in `ladder`.
//! A rule for classes: in [`privacy`], and say whether it is monotone under suppression; `tests/it/brute.rs` compares with
//! looking at every node. An objective: in [`loss`], with a bound that no coarser node beats.
//!
//! ```
//! use kenroku_anonymize::{Config, Table, anonymize};
//! use kenroku_types::Rng;
//!
//! let config = Config::parse(
//!     r#"
//!     k = 2
//!     [release]
//!     title = "健診の結果"
//!     purpose = "研究"
//!     recipient = "大学"
//!     [[column]]
//!     name = "氏名"
//!     role = "identifier"
//!     [[column]]
//!     name = "年齢"
//!     role = "quasi-identifier"
//!     hierarchy = { kind = "ages", widths = [5, 10, 20], top = 90 }
//!     [[column]]
//!     name = "結果"
//!     role = "sensitive"
//!     diversity = { kind = "distinct", l = 2 }
//!     "#,
//!     &mut |file| Err(format!("{file} is not needed here")),
//! )?;
//! let table = Table::read("氏名,年齢,結果\n甲,31,A\n乙,33,B\n丙,47,A\n丁,41,C\n".as_bytes())?;
//! let release = anonymize(&table, &config, &Rng::seeded(1))?;
//! assert_eq!(release.description.achieved.k, 2);
//! assert_eq!(release.table.column("年齢").map(|c| c.values().len()), Some(2)); // 30〜39歳, 40〜49歳
//! assert!(release.publish(&config).is_err(), "no step of the law is answered yet");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cells;
pub mod checklist;
pub mod config;
pub mod csv;
pub mod description;
pub mod grouping;
pub mod hierarchy;
pub mod lattice;
pub mod loss;
pub mod noise;
pub mod privacy;
pub mod release;
pub mod risk;
pub mod screen;
pub mod search;
pub mod table;

pub use checklist::{Answers, Checklist, Step};
pub use config::{ColumnConfig, Config, ConfigError, Role};
pub use description::Description;
pub use hierarchy::Hierarchy;
pub use loss::Objective;
pub use release::{Error, Open, Published, Release, anonymize, anonymize_within};
pub use table::{Column, Table, TableError};
