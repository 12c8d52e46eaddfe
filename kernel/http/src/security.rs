//! Headers that every answer carries, and the guard against forged cross-site requests.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use kenroku_types::Problem;

/// Nothing inline, nothing from other hosts, no frames. `blob:` lets a map run its worker and decode tiles.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; \
     img-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; font-src 'self'; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// One year, sub-domains included (RFC 6797).
const HSTS: &str = "max-age=31536000; includeSubDomains";

/// Sets the headers that are not there yet.
pub fn set_headers(headers: &mut HeaderMap, https: bool) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(self), geolocation=(self), microphone=(self), payment=(), usb=()",
        ),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if https {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HeaderValue::from_static(HSTS));
    }
}

/// Refuses an unsafe request that another site made the browser send. Browsers say where a request comes
/// from in `Sec-Fetch-Site`; those too old for it (Safari before 16.4) send `Origin`. Programs send neither
/// and no cookie, and pass.
///
/// `origins` are this site's other names, behind a proxy that changes `Host`.
///
/// # Errors
/// 403 `cross-site`.
pub fn refuse_cross_site(method: &Method, headers: &HeaderMap, origins: &[String]) -> Result<(), Problem> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name: &HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let own = match (text(&HeaderName::from_static("sec-fetch-site")), text(&header::ORIGIN)) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            (host.is_some() && host == text(&header::HOST)) || origins.iter().any(|o| o == origin)
        }
        (None, None) => !headers.contains_key(header::COOKIE),
    };
    if own {
        return Ok(());
    }
    Err(Problem::new(403, "cross-site", "This request was sent by another site")
        .next("Open the page on this site and send the form from there."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &'static str)]) -> bool {
        let map: HeaderMap =
            headers.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect();
        assert!(refuse_cross_site(&Method::GET, &map, &[]).is_ok(), "safe methods always pass");
        refuse_cross_site(&Method::POST, &map, &["https://other.name".to_owned()]).is_ok()
    }

    #[test]
    fn own_pages_and_programs_pass_and_other_sites_do_not() {
        let own = ("host", "portal.example");
        assert!(check(&[own, ("sec-fetch-site", "same-origin"), ("cookie", "s=1")]));
        assert!(check(&[own, ("origin", "https://portal.example"), ("cookie", "s=1")]));
        assert!(check(&[own, ("origin", "https://other.name"), ("cookie", "s=1")]), "declared in the config");
        assert!(check(&[own]), "a program without cookies");
        assert!(!check(&[own, ("sec-fetch-site", "cross-site"), ("cookie", "s=1")]));
        assert!(!check(&[own, ("sec-fetch-site", "same-site")]));
        assert!(!check(&[own, ("origin", "https://evil.example")]));
        assert!(!check(&[own, ("origin", "null"), ("cookie", "s=1")]));
        assert!(!check(&[own, ("cookie", "s=1")]), "a cookie and no word of where it comes from");
    }

    #[test]
    fn headers_are_set_once_and_the_handlers_choice_stays() {
        let mut h = HeaderMap::new();
        h.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        set_headers(&mut h, true);
        assert_eq!(h[header::CACHE_CONTROL], "public, max-age=60");
        assert!(h.contains_key(header::STRICT_TRANSPORT_SECURITY));
        assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
        let mut plain = HeaderMap::new();
        set_headers(&mut plain, false);
        assert!(!plain.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }
}
