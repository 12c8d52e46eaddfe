//! JSON-LD 1.1 as the NGSI-LD API needs it: contexts, the names they give, expansion and compaction.
//!
//! **What it is.** [`Context`] is an active context (JSON-LD 1.1 API §4.1) made by a [`Processor`] from local contexts;
//! it turns terms into IRIs and back ([`Context::expand_iri`], [`Context::compact_iri`]). [`expand`] and [`compact`]
//! are the algorithms of §5.1 and §6.1 for whole documents.
//!
//! **What it is not.** No input or output: a document that is not at hand is an error that names it
//! ([`Error::Missing`]); the caller fetches it, puts it where [`Documents`] finds it and asks again. No flattening, no
//! framing, no RDF.
//!
//! **Invariants.**
//! - Nothing recurses deeper than [`Limits::depth`], nothing makes more terms than [`Limits::terms`] or reads more
//!   remote documents than [`Limits::remote`]: a context that imports itself ends as [`Error::Overflow`].
//! - Protected terms stay what they are, except where the caller says otherwise ([`Processor::overriding`]).
//! - The same contexts in the same order always give the same names.
//!
//! **How to add one more.** A keyword of a term definition: a field of [`Term`], its case in `define.rs`, and its use in
//! `expand.rs` and `compact.rs`; a case in `tests/it/cases.rs` with the clause it comes from.

mod compact;
mod context;
mod define;
mod error;
mod expand;
mod inverse;
mod iri;
mod value;

pub use compact::compact;
pub use context::{Context, Documents, Limits, NoDocuments, Processor};
pub use define::{Container, Term};
pub use error::Error;
pub use expand::expand;
pub use iri::{is_absolute, is_keyword};
