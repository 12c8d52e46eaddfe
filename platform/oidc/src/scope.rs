//! [`Scopes`]: a set of scope tokens (RFC 6749 §3.3).

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Code, OAuthError};

/// A set of scope tokens; as text they are separated by single spaces, in the order of the alphabet.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Reads a `scope` parameter.
    ///
    /// # Errors
    /// `invalid_scope` for characters that a scope token cannot have (RFC 6749 §3.3: `%x21 / %x23-5B / %x5D-7E`).
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let ok = |t: &str| t.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        let tokens: BTreeSet<String> =
            text.split(' ').filter(|t| !t.is_empty()).map(ToOwned::to_owned).collect();
        if tokens.iter().all(|t| ok(t)) {
            Ok(Scopes(tokens))
        } else {
            Err(OAuthError::new(Code::InvalidScope, "a scope contains a character that is not allowed"))
        }
    }

    /// Whether it holds this one.
    pub fn has(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every one is also in `other`.
    pub fn is_within(&self, other: &Scopes) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Those that are also in `other`.
    #[must_use]
    pub fn and(&self, other: &Scopes) -> Scopes {
        Scopes(self.0.intersection(&other.0).cloned().collect())
    }

    /// Those of both.
    #[must_use]
    pub fn or(&self, other: &Scopes) -> Scopes {
        Scopes(self.0.union(&other.0).cloned().collect())
    }

    /// Without this one.
    #[must_use]
    pub fn without(mut self, token: &str) -> Scopes {
        self.0.remove(token);
        self
    }

    /// Each.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, token) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

impl From<Scopes> for String {
    fn from(s: Scopes) -> String {
        s.to_string()
    }
}

impl TryFrom<String> for Scopes {
    type Error = OAuthError;
    fn try_from(s: String) -> Result<Self, OAuthError> {
        Scopes::parse(&s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_set_without_order_or_repetition() {
        let a = Scopes::parse("profile openid  openid").unwrap();
        assert_eq!(a.to_string(), "openid profile");
        assert!(a.has("openid") && Scopes::parse("openid").unwrap().is_within(&a));
        assert_eq!(Scopes::parse("op\"en").unwrap_err().code, Code::InvalidScope);
        assert_eq!(Scopes::parse("雪").unwrap_err().code, Code::InvalidScope);
    }

    proptest! {
        #[test]
        fn reading_what_was_written(tokens in prop::collection::btree_set("[!#-\\[\\]-~]{1,8}", 0..6)) {
            let s = Scopes(tokens);
            prop_assert_eq!(Scopes::parse(&s.to_string()).unwrap(), s);
        }
    }
}
