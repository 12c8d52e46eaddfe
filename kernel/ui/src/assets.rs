//! Style sheets, scripts and pictures: built by `web/` into `web/dist` under names that carry a hash of the
//! content, embedded in the binary (read from disk in debug builds), sent precompressed and kept for ever.
//!
//! Without `web/dist` (nobody has run npm) pages get a small built-in style sheet and no script.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use axum::Router;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../web/dist"]
struct Dist;

/// Names of the built-in files, which stand in for a missing `web/dist`.
const FALLBACK: [(&str, &str); 2] =
    [("fallback.css", include_str!("fallback.css")), ("fallback.svg", include_str!("fallback.svg"))];

/// Address of an asset by the name of its source: `kr.css` → `/assets/kr-3f9a….css`. Empty for a script that
/// was not built, so that the page can leave it out.
pub fn url(name: &str) -> String {
    if let Some(file) = manifest().get(name) {
        return format!("/assets/{file}");
    }
    match name.rsplit_once('.').map(|(_, ext)| ext) {
        Some(ext @ ("css" | "svg")) => format!("/assets/fallback.{ext}"),
        _ => String::new(),
    }
}

/// Source name → name in `web/dist`. Debug builds read it each time, so that a new build of the web part is
/// seen without compiling.
fn manifest() -> Cow<'static, HashMap<String, String>> {
    static READ: OnceLock<HashMap<String, String>> = OnceLock::new();
    let read = || match Dist::get("manifest.json").map(|f| serde_json::from_slice(&f.data)) {
        Some(Ok(names)) => names,
        Some(Err(e)) => {
            tracing::error!(error = %e, "web/dist/manifest.json is broken; run npm run build in web/");
            HashMap::new()
        }
        None => HashMap::new(),
    };
    if cfg!(debug_assertions) { Cow::Owned(read()) } else { Cow::Borrowed(READ.get_or_init(read)) }
}

/// The route `/assets/…`.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{*path}", get(serve_path))
}

#[expect(clippy::disallowed_types, reason = "any path is valid here: what is not a file is 404")]
async fn serve_path(axum::extract::Path(path): axum::extract::Path<String>, headers: HeaderMap) -> Response {
    serve(&path, &headers)
}

/// Answers with the file of that name below `web/dist`, compressed as the caller accepts it.
pub fn serve(path: &str, headers: &HeaderMap) -> Response {
    if let Some((_, text)) = FALLBACK.iter().find(|(name, _)| *name == path) {
        let kind = [(CONTENT_TYPE, content_type(path)), (CACHE_CONTROL, "no-cache")];
        return (kind, *text).into_response();
    }
    // Compressed copies are variants of a file, not files of their own.
    if path.ends_with(".br") || path.ends_with(".gz") || path == "manifest.json" {
        return StatusCode::NOT_FOUND.into_response();
    }
    let tag = format!("\"{path}\"");
    let same = headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    if Dist::get(path).is_some()
        && same.is_some_and(|v| v.split(',').any(|t| t.trim().trim_start_matches("W/") == tag))
    {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let variants = [("br", ".br"), ("gzip", ".gz")];
    let encoded = variants
        .into_iter()
        .filter(|(name, _)| accepts(accepted, name))
        .find_map(|(name, suffix)| Some((Dist::get(&format!("{path}{suffix}"))?, Some(name))));
    let Some((file, encoding)) = encoded.or_else(|| Some((Dist::get(path)?, None))) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = match file.data {
        Cow::Borrowed(bytes) => bytes.into_response(),
        Cow::Owned(bytes) => bytes.into_response(),
    };
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    out.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    out.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(ETAG, tag);
    }
    if let Some(encoding) = encoding {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// True when `Accept-Encoding` (RFC 9110 §12.5.3) names the coding without refusing it by weight zero.
fn accepts(header: &str, coding: &str) -> bool {
    header.split(',').any(|part| {
        let mut fields = part.split(';').map(str::trim);
        let named = fields.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let refused =
            fields.any(|f| f.strip_prefix("q=").is_some_and(|q| q.trim().parse::<f32>() == Ok(0.0)));
        named && !refused
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ext)| ext) {
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_refused_by_weight_is_not_used() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("gzip;q=0.5, BR;q=0.1", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("", "gzip"));
    }

    #[test]
    fn a_script_that_was_not_built_has_no_address() {
        assert_eq!(url("no-such.js"), "");
        assert_eq!(url("no-such.css"), "/assets/fallback.css");
    }

    #[test]
    fn compressed_copies_are_served_under_the_plain_name_only() {
        let Some(file) = manifest().get("kr.css").cloned() else { return };
        let ask = |path: String, encoding: &'static str| {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(encoding))]);
            serve(&path, &headers)
        };
        let brotli = ask(file.clone(), "gzip, br");
        assert_eq!(brotli.headers()[CONTENT_ENCODING], "br");
        assert_eq!(brotli.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
        assert!(ask(file.clone(), "").headers().get(CONTENT_ENCODING).is_none());
        assert_eq!(ask(format!("{file}.br"), "br").status(), StatusCode::NOT_FOUND);
        assert_eq!(ask("../Cargo.toml".to_owned(), "").status(), StatusCode::NOT_FOUND);
    }
}
