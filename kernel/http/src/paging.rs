//! Lists page by cursor: stable while rows come and go, and as cheap at the end as at the start.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kenroku_types::Problem;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Rows per page when the caller does not say.
pub const DEFAULT_LIMIT: u32 = 50;
/// Rows per page at most.
pub const MAX_LIMIT: u32 = 500;

/// Where the next page starts: the sort key of the last row, opaque to callers. It grants nothing: every
/// statement filters by tenant whatever the cursor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// The cursor behind a row with this sort key (a tuple of the columns in `ORDER BY`).
    pub fn after(key: &impl Serialize) -> Self {
        Cursor(URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default()))
    }

    /// The sort key.
    ///
    /// # Errors
    /// 400 `cursor-invalid` when this is not a cursor of this list.
    pub fn key<K: DeserializeOwned>(&self) -> Result<K, Problem> {
        URL_SAFE_NO_PAD.decode(&self.0).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(
            || {
                Problem::new(400, "cursor-invalid", "The cursor does not belong to this list")
                    .field("cursor", "cursor-invalid", "use the value of `next` from the previous page")
                    .next("Start again without `cursor`.")
            },
        )
    }
}

/// The query parameters of every list: `?limit=50&cursor=…`.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows per page, 1–500; 50 when absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next` of the previous page; absent for the first one.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

impl PageQuery {
    /// Rows per page within the bounds.
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
    }

    /// The sort key to start behind, if any.
    ///
    /// # Errors
    /// As [`Cursor::key`].
    pub fn start<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        self.cursor.as_ref().map(Cursor::key).transpose()
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// From up to `limit + 1` rows: ask the database for one more row than the page holds, and the page knows
    /// whether another follows.
    pub fn of<K: Serialize>(mut rows: Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> Self {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| Cursor::after(&key(row)));
        Page { items: rows, next }
    }

    /// The same page of other items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn walking_all_pages_gives_every_row_once(n in 0u32..60, limit in 1u32..12) {
            let (mut seen, mut query) = (Vec::new(), PageQuery { limit: Some(limit), cursor: None });
            loop {
                let from = query.start::<(u32,)>().unwrap().map_or(0, |(k,)| k + 1);
                let rows: Vec<u32> = (from..n).take(limit as usize + 1).collect();
                let page = Page::of(rows, query.limit(), |r| (*r,));
                prop_assert!(page.items.len() <= limit as usize);
                seen.extend(page.items);
                match page.next {
                    Some(c) => query.cursor = Some(c),
                    None => break,
                }
            }
            prop_assert_eq!(seen, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_foreign_cursor_is_refused_and_its_own_is_not() {
        let own = Cursor::after(&(7, "a"));
        assert_eq!(own.key::<(u32, String)>().unwrap(), (7, "a".to_owned()));
        for bad in [Cursor("%%".into()), Cursor::after(&"x")] {
            assert_eq!(bad.key::<(u32, String)>().unwrap_err().code, "cursor-invalid");
        }
        assert_eq!(PageQuery { limit: Some(9999), cursor: None }.limit(), MAX_LIMIT);
    }
}
