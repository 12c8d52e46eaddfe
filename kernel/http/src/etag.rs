//! [`ETag`]: conditional GET (RFC 9110 §13), so that what has not changed is not sent again.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A weak entity tag: two answers with the same tag mean the same, whatever their encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// From a version that the data has anyway (row version, change counter, file hash). Characters that a
    /// tag cannot hold are replaced.
    pub fn version(version: impl std::fmt::Display) -> Self {
        let clean: String = version
            .to_string()
            .chars()
            .map(|c| if c.is_ascii_graphic() && c != '"' { c } else { '_' })
            .collect();
        ETag(format!("W/\"{clean}\""))
    }

    /// From the content, when it has no version: half of its SHA-256.
    pub fn of(content: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, content);
        ETag::version(hex::encode(&digest.as_ref()[..16]))
    }

    /// Whether the caller has this already (`If-None-Match`, weak comparison).
    pub fn matches(&self, headers: &HeaderMap) -> bool {
        let bare = |t: &str| t.trim().trim_start_matches("W/").to_owned();
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .any(|list| list.split(',').any(|t| t.trim() == "*" || bare(t) == bare(&self.0)))
    }

    /// 304 when the caller has it, otherwise what `body` makes; both carry the tag and `cache_control`.
    pub fn respond<R: IntoResponse>(
        &self,
        headers: &HeaderMap,
        cache_control: &'static str,
        body: impl FnOnce() -> R,
    ) -> Response {
        let mut response = if self.matches(headers) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            body().into_response()
        };
        if let Ok(tag) = HeaderValue::from_str(&self.0) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(tag: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::IF_NONE_MATCH, tag.parse().unwrap())])
    }

    #[test]
    fn unchanged_is_not_sent_again_and_changed_is() {
        let tag = ETag::version(42);
        for yes in ["W/\"42\"", "\"42\"", "\"1\", W/\"42\"", "*"] {
            assert_eq!(tag.respond(&asks(yes), "no-cache", || "x").status(), 304, "{yes}");
        }
        let fresh = tag.respond(&asks("\"41\""), "no-cache", || "x");
        assert_eq!((fresh.status(), fresh.headers()["etag"].to_str().unwrap()), (StatusCode::OK, "W/\"42\""));
        assert_ne!(ETag::of(b"a"), ETag::of(b"b"));
    }
}
