//! The scope query language (GS CIM 009 §4.19).

use std::fmt;

use super::lex::Cursor;
use crate::NgsiError;

/// Which scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeQ {
    /// Levels; `+` is any one level, `#` at the end anything from there on.
    Path(Vec<String>),
    /// One of these.
    Or(Vec<ScopeQ>),
    /// All of these.
    And(Vec<ScopeQ>),
}

impl ScopeQ {
    /// `/a/b`, `/a/+`, `/a/#`, joined by `,` `|` `;` and brackets.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NgsiError> {
        let mut c = Cursor::new(text)?;
        let s = Self::or(&mut c)?;
        if c.is_done() { Ok(s) } else { Err(c.wrong("this does not belong to a scope query")) }
    }

    fn or(c: &mut Cursor<'_>) -> Result<Self, NgsiError> {
        let mut all = vec![Self::and(c)?];
        while c.eat(",") || c.eat("|") {
            all.push(Self::and(c)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { ScopeQ::Or(all) })
    }

    fn and(c: &mut Cursor<'_>) -> Result<Self, NgsiError> {
        let mut all = vec![Self::atom(c)?];
        while c.eat(";") {
            all.push(Self::atom(c)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { ScopeQ::And(all) })
    }

    fn atom(c: &mut Cursor<'_>) -> Result<Self, NgsiError> {
        if c.eat("(") {
            c.open()?;
            let inner = Self::or(c)?;
            c.close()?;
            return Ok(inner);
        }
        let text = c.until(|ch| matches!(ch, ',' | '|' | ';' | '(' | ')')).trim();
        let levels: Vec<String> =
            text.strip_prefix('/').unwrap_or(text).split('/').map(ToOwned::to_owned).collect();
        let last = levels.len() - 1;
        for (i, l) in levels.iter().enumerate() {
            let fine = match l.as_str() {
                "+" => true,
                "#" => i == last,
                l => crate::check::is_scope(l),
            };
            if !fine {
                return Err(NgsiError::data(format!("“{}” is not a scope", crate::check::short(text))));
            }
        }
        Ok(ScopeQ::Path(levels))
    }

    /// Whether one of the scopes is meant.
    pub fn matches(&self, scopes: &[String]) -> bool {
        match self {
            ScopeQ::Path(p) => scopes.iter().any(|s| path(p, s)),
            ScopeQ::Or(all) => all.iter().any(|s| s.matches(scopes)),
            ScopeQ::And(all) => all.iter().all(|s| s.matches(scopes)),
        }
    }
}

fn path(wanted: &[String], scope: &str) -> bool {
    let mut levels = scope.strip_prefix('/').unwrap_or(scope).split('/');
    for w in wanted {
        match w.as_str() {
            "#" => return true,
            "+" => {
                if levels.next().is_none() {
                    return false;
                }
            }
            exact => {
                if levels.next() != Some(exact) {
                    return false;
                }
            }
        }
    }
    levels.next().is_none()
}

impl fmt::Display for ScopeQ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, all: &[ScopeQ], by: &str| {
            for (i, s) in all.iter().enumerate() {
                if i > 0 {
                    f.write_str(by)?;
                }
                match s {
                    ScopeQ::Path(_) => write!(f, "{s}")?,
                    _ => write!(f, "({s})")?,
                }
            }
            Ok(())
        };
        match self {
            ScopeQ::Path(p) => write!(f, "/{}", p.join("/")),
            ScopeQ::Or(all) => list(f, all, ","),
            ScopeQ::And(all) => list(f, all, ";"),
        }
    }
}
