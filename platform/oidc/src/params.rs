//! [`Params`]: the parameters of a query or a form, each at most once.

use std::collections::BTreeMap;

use crate::error::{Code, OAuthError};

/// Parameters by name. Empty ones count as absent (RFC 6749 §3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, String>);

/// More names than any request of these standards has.
const MOST: usize = 64;

impl Params {
    /// Reads `application/x-www-form-urlencoded` text: a query without its question mark, or a body.
    ///
    /// # Errors
    /// `invalid_request` when a parameter comes twice (RFC 6749 §3.1: MUST NOT be included more than once) or
    /// there are too many.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut all = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if all.len() >= MOST {
                return Err(OAuthError::new(Code::InvalidRequest, "too many parameters"));
            }
            if value.contains('\0') || name.contains('\0') {
                return Err(OAuthError::new(Code::InvalidRequest, "a parameter contains a NUL character"));
            }
            if all.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(OAuthError::new(Code::InvalidRequest, "a parameter is repeated"));
            }
        }
        all.retain(|_, v| !v.is_empty());
        Ok(Params(all))
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn need(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::new(Code::InvalidRequest, format!("{name} is missing")))
    }

    /// Names and values in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Takes a parameter out.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let all = pairs.into_iter().map(|(k, v)| (k.into(), v.into()));
        Params(all.filter(|(_, v): &(String, String)| !v.is_empty()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_each_and_empty_is_absent() {
        let p = Params::parse("a=1&b=&c=%E9%9B%AA+1").unwrap();
        assert_eq!((p.get("a"), p.get("b"), p.get("c")), (Some("1"), None, Some("雪 1")));
        assert_eq!(p.need("d").unwrap_err().code, Code::InvalidRequest);
        for twice in ["a=1&a=1", "a=1&a=2", "a=&a=1"] {
            assert_eq!(Params::parse(twice).unwrap_err().code, Code::InvalidRequest, "{twice}");
        }
    }
}
