//! The query languages (GS CIM 009 §4.9, §4.10, §4.17, §4.19) and the one evaluator that decides.
//!
//! A store may narrow by what [`Selection`] says of types, ids and names; whether an entity is an answer is decided by
//! [`Selection::matches`] alone, so that every store gives the same answers.

mod geoq;
mod lex;
mod order;
mod q;
mod scopeq;
mod types;

pub use geoq::{GeoQ, GeoRel};
pub use order::{Order, order};
pub use q::{Linked, Op, Path, Q, Term, TermValue};
pub use scopeq::ScopeQ;
pub use types::TypeQ;

use regex::Regex;

use crate::{Entity, NgsiError};

/// Levels of brackets in a query.
const NESTING: usize = 32;
/// Longest query.
const LENGTH: usize = 16 * 1024;

/// A pattern of ids or values: linear time, bounded size.
///
/// # Errors
/// When it is no regular expression, or too large.
pub fn pattern(s: &str) -> Result<Regex, NgsiError> {
    if s.len() > 1024 {
        return Err(NgsiError::data("a pattern has 1,024 characters at most"));
    }
    // POSIX leaves it open what a repeated repetition means (§4.6.4 refers to it); most readers refuse it.
    if s.contains("**") {
        return Err(NgsiError::data(format!("“{}” repeats a repetition", crate::check::short(s))));
    }
    regex::RegexBuilder::new(s).size_limit(1 << 20).dfa_size_limit(1 << 20).build().map_err(|_| {
        NgsiError::data(format!("“{}” is not a pattern that can be used", crate::check::short(s)))
    })
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// One of these ids.
    pub ids: Vec<String>,
    /// Ids like this.
    pub id_pattern: Option<Regex>,
    /// Types.
    pub types: Option<TypeQ>,
    /// At least one of these attributes (full names).
    pub attrs: Vec<String>,
    /// Conditions on attributes.
    pub q: Option<Q>,
    /// Where it is.
    pub geo: Option<GeoQ>,
    /// Where it stands in hierarchies.
    pub scope: Option<ScopeQ>,
}

/// Finds entities that relationships lead to (§4.9, linked entities); at most one level is asked at a time.
pub trait Links {
    /// The entity with this id, if it is here.
    fn entity(&self, id: &str) -> Option<Entity>;
}

/// No linked entity is known.
#[derive(Clone, Copy, Debug)]
pub struct NoLinks;

impl Links for NoLinks {
    fn entity(&self, _: &str) -> Option<Entity> {
        None
    }
}

impl Selection {
    /// Whether the entity is an answer.
    pub fn matches(&self, e: &Entity, links: &dyn Links) -> bool {
        (self.ids.is_empty() || self.ids.contains(&e.id))
            && self.id_pattern.as_ref().is_none_or(|p| p.is_match(&e.id))
            && self.types.as_ref().is_none_or(|t| t.matches(&e.types))
            && (self.attrs.is_empty() || self.attrs.iter().any(|a| e.attrs.contains_key(a)))
            && self.scope.as_ref().is_none_or(|s| s.matches(&e.scope))
            && self.q.as_ref().is_none_or(|q| q.matches(e, links))
            && self.geo.as_ref().is_none_or(|g| g.matches(e))
    }
}
