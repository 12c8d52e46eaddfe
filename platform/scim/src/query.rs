//! What lists and single answers take in their query: filter, pages, which attributes.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::ScimError;
use crate::filter::Filter;

/// Entries of a page when nobody asks for a number.
const USUAL: i64 = 100;
/// Most entries of a page; also `filter.maxResults`.
pub(crate) const MOST: i64 = 200;

/// The query parameters of RFC 7644 §3.4.2 and §3.9.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Query {
    filter: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    attributes: Option<String>,
    excluded_attributes: Option<String>,
}

impl Query {
    /// A page of those that answer the filter, in the order given.
    pub fn list(&self, all: impl IntoIterator<Item = Value>) -> Result<Value, ScimError> {
        let filter =
            self.filter.as_deref().filter(|f| !f.trim().is_empty()).map(Filter::parse).transpose()?;
        let found: Vec<Value> =
            all.into_iter().filter(|v| filter.as_ref().is_none_or(|f| f.holds(v))).collect();
        // RFC 7644 §3.4.2.4: less than one counts as one, a negative count as none.
        let start = self.start_index.unwrap_or(1).max(1);
        let count = self.count.unwrap_or(USUAL).clamp(0, MOST);
        let (skip, take) =
            (usize::try_from(start - 1).unwrap_or(usize::MAX), usize::try_from(count).unwrap_or(0));
        let total = found.len();
        let page: Vec<Value> = found.into_iter().skip(skip).take(take).map(|v| self.cut(v)).collect();
        Ok(json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": page.len(),
            "Resources": page,
        }))
    }

    /// Only the attributes asked for. `schemas` and `id` always come (RFC 7643 §7, `returned`).
    pub fn cut(&self, resource: Value) -> Value {
        let Value::Object(members) = resource else { return resource };
        let names = |list: &str| -> Vec<String> {
            // A part of an attribute brings the whole: more than asked for, never less.
            let own = |n: &str| {
                n.rsplit(':').next().unwrap_or(n).split('.').next().unwrap_or(n).to_ascii_lowercase()
            };
            list.split(',').map(|n| own(n.trim())).collect()
        };
        let always = |name: &str| name == "schemas" || name == "id";
        let kept: Map<String, Value> = match (&self.attributes, &self.excluded_attributes) {
            (Some(list), _) => {
                let wanted = names(list);
                members
                    .into_iter()
                    .filter(|(n, _)| always(n) || wanted.contains(&n.to_ascii_lowercase()))
                    .collect()
            }
            (None, Some(list)) => {
                let unwanted = names(list);
                members
                    .into_iter()
                    .filter(|(n, _)| always(n) || !unwanted.contains(&n.to_ascii_lowercase()))
                    .collect()
            }
            (None, None) => members,
        };
        Value::Object(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: Value) -> Value {
        let q: Query = serde_json::from_value(query).unwrap();
        q.list((1..=250).map(|n| json!({"id": n.to_string(), "n": n}))).unwrap()
    }

    #[test]
    fn pages_follow_the_standard() {
        let ids = |v: &Value| {
            v["Resources"].as_array().unwrap().iter().map(|r| r["n"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        let first = page(json!({}));
        assert_eq!((first["totalResults"].as_i64(), ids(&first).len()), (Some(250), 100));
        let second = page(json!({"startIndex": 101, "count": 3}));
        assert_eq!((ids(&second), second["startIndex"].as_i64()), (vec![101, 102, 103], Some(101)));
        assert_eq!(ids(&page(json!({"startIndex": -5, "count": 1}))), [1]);
        assert_eq!(ids(&page(json!({"count": -1}))), Vec::<i64>::new());
        assert_eq!(ids(&page(json!({"count": 9999}))).len(), 200);
        assert_eq!(ids(&page(json!({"startIndex": i64::MAX, "count": i64::MAX}))), Vec::<i64>::new());
        assert_eq!(page(json!({"count": 0, "filter": "n gt 240"}))["totalResults"], 10);
    }

    #[test]
    fn attributes_are_left_out_when_asked() {
        let cut = |q: Value| {
            serde_json::from_value::<Query>(q)
                .unwrap()
                .cut(json!({"id": "1", "members": [], "displayName": "x"}))
        };
        assert_eq!(cut(json!({"excludedAttributes": "members"})), json!({"id": "1", "displayName": "x"}));
        assert_eq!(
            cut(json!({"attributes": "displayname,name.familyName"})),
            json!({"id": "1", "displayName": "x"})
        );
    }
}
