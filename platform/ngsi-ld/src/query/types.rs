//! The entity type selection language (GS CIM 009 §4.17).

use std::fmt;

use super::lex::Cursor;
use crate::{Names, NgsiError};

/// Which types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeQ {
    /// Any.
    Any,
    /// This one, by its full name.
    Is(String),
    /// One of these.
    Or(Vec<TypeQ>),
    /// All of these.
    And(Vec<TypeQ>),
}

impl TypeQ {
    /// `A`, `A,B`, `A|B`, `A;B`, brackets.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, names: &Names) -> Result<Self, NgsiError> {
        if text == "*" {
            return Ok(TypeQ::Any);
        }
        let mut c = Cursor::new(text)?;
        let t = Self::or(&mut c, names)?;
        if c.is_done() { Ok(t) } else { Err(c.wrong("this does not belong to a selection of types")) }
    }

    fn or(c: &mut Cursor<'_>, names: &Names) -> Result<Self, NgsiError> {
        let mut all = vec![Self::and(c, names)?];
        while c.eat(",") || c.eat("|") {
            all.push(Self::and(c, names)?);
        }
        Ok(one(all, TypeQ::Or))
    }

    fn and(c: &mut Cursor<'_>, names: &Names) -> Result<Self, NgsiError> {
        let mut all = vec![Self::atom(c, names)?];
        while c.eat(";") {
            all.push(Self::atom(c, names)?);
        }
        Ok(one(all, TypeQ::And))
    }

    fn atom(c: &mut Cursor<'_>, names: &Names) -> Result<Self, NgsiError> {
        if c.eat("(") {
            c.open()?;
            let inner = Self::or(c, names)?;
            c.close()?;
            return Ok(inner);
        }
        let name = c.until(|ch| matches!(ch, ',' | '|' | ';' | '(' | ')')).trim();
        if name.is_empty() {
            return Err(c.wrong("a type is missing"));
        }
        names.full(name).map(TypeQ::Is)
    }

    /// Whether an entity of these types is meant.
    pub fn matches(&self, types: &[String]) -> bool {
        match self {
            TypeQ::Any => true,
            TypeQ::Is(t) => types.contains(t),
            TypeQ::Or(all) => all.iter().any(|t| t.matches(types)),
            TypeQ::And(all) => all.iter().all(|t| t.matches(types)),
        }
    }

    /// Types of which every answer has at least one, for a store to narrow by; `None` when nothing can be said.
    pub fn any_of(&self) -> Option<Vec<String>> {
        match self {
            TypeQ::Any => None,
            TypeQ::Is(t) => Some(vec![t.clone()]),
            TypeQ::Or(all) => {
                let each: Option<Vec<Vec<String>>> = all.iter().map(TypeQ::any_of).collect();
                each.map(|e| e.into_iter().flatten().collect())
            }
            TypeQ::And(all) => all.iter().filter_map(TypeQ::any_of).min_by_key(Vec::len),
        }
    }
}

fn one(mut all: Vec<TypeQ>, join: fn(Vec<TypeQ>) -> TypeQ) -> TypeQ {
    if all.len() == 1 { all.remove(0) } else { join(all) }
}

impl fmt::Display for TypeQ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, all: &[TypeQ], by: &str| {
            for (i, t) in all.iter().enumerate() {
                if i > 0 {
                    f.write_str(by)?;
                }
                match t {
                    TypeQ::Or(_) | TypeQ::And(_) => write!(f, "({t})")?,
                    _ => write!(f, "{t}")?,
                }
            }
            Ok(())
        };
        match self {
            TypeQ::Any => f.write_str("*"),
            TypeQ::Is(t) => f.write_str(t),
            TypeQ::Or(all) => list(f, all, "|"),
            TypeQ::And(all) => list(f, all, ";"),
        }
    }
}
