//! Redirect addresses: what may be registered, and whether a request's is registered (RFC 9700 §2.1, §4.1.3).

use url::{Host, Url};

/// What kind of program a client is (OpenID Connect Dynamic Client Registration 1.0 §2, `application_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationType {
    /// On a server or in a browser.
    #[default]
    Web,
    /// Installed on a device (RFC 8252).
    Native,
}

/// Why an address cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// Not an absolute address in its canonical form.
    #[error("a redirect address must be absolute and in canonical form")]
    Form,
    /// RFC 6749 §3.1.2: no fragment.
    #[error("a redirect address has no fragment")]
    Fragment,
    /// User name or password in it.
    #[error("a redirect address has no user name or password")]
    UserInfo,
    /// Plain HTTP on the network, or a scheme that runs code.
    #[error(
        "use https; http only for a native application on 127.0.0.1 or [::1]; a private scheme has a dot"
    )]
    Scheme,
    /// A wildcard.
    #[error("a redirect address is one address: no wildcard")]
    Wildcard,
}

/// Whether a client may register this address.
///
/// `local_http` also lets web clients use `http` on this machine, for development and the demo.
///
/// # Errors
/// [`RedirectError`].
pub fn check_registered(text: &str, kind: ApplicationType, local_http: bool) -> Result<(), RedirectError> {
    if text.contains('*') {
        return Err(RedirectError::Wildcard);
    }
    let url = Url::parse(text).map_err(|_| RedirectError::Form)?;
    if url.fragment().is_some() {
        return Err(RedirectError::Fragment);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(RedirectError::UserInfo);
    }
    // Comparison is letter by letter, so what browsers would rewrite is refused here: `/a/../b`, `HTTPS:`, `:443`.
    let canonical = url.as_str() == text || url.as_str().strip_suffix('/') == Some(text);
    if !canonical || !text.is_ascii() {
        return Err(RedirectError::Form);
    }
    let loopback = is_loopback(&url);
    match (url.scheme(), kind) {
        ("https", _) => Ok(()),
        ("http", ApplicationType::Native) if loopback => Ok(()),
        ("http", ApplicationType::Web) if local_http && (loopback || url.host_str() == Some("localhost")) => {
            Ok(())
        }
        // RFC 8252 §7.1: a private-use scheme is a reversed domain name, which also keeps out `javascript:`.
        (scheme, ApplicationType::Native) if scheme.contains('.') => Ok(()),
        _ => Err(RedirectError::Scheme),
    }
}

/// Whether we may fetch something from this address, which somebody else registered: `https` with the name of a server,
/// so that its certificate vouches for whom we ask, and never a bare number of our own network. `local_http` also lets
/// plain HTTP on this machine, for development and the demo.
///
/// # Errors
/// [`RedirectError`].
pub fn check_fetched(text: &str, local_http: bool) -> Result<(), RedirectError> {
    check_registered(text, ApplicationType::Web, local_http)?;
    let url = Url::parse(text).map_err(|_| RedirectError::Form)?;
    match url.host() {
        _ if url.scheme() == "http" => Ok(()),
        Some(Host::Domain(name)) if name.trim_matches('.').contains('.') && !name.ends_with(".localhost") => {
            Ok(())
        }
        _ => Err(RedirectError::Form),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        _ => false,
    }
}

/// Whether the address of a request is the registered one: letter by letter, except that a native application's
/// loopback address may have any port (RFC 8252 §7.3).
pub fn matches(registered: &str, given: &str, kind: ApplicationType) -> bool {
    if registered == given {
        return true;
    }
    if kind != ApplicationType::Native {
        return false;
    }
    match (without_port(registered), without_port(given)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// The address with its port left out, for `http` on a loopback address only.
fn without_port(text: &str) -> Option<(String, String)> {
    let url = Url::parse(text).ok().filter(|u| u.scheme() == "http" && is_loopback(u))?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return None;
    }
    // The parsed form serves to be sure of the host; what follows it is compared as it was written.
    let host = url.host_str()?.to_owned();
    let rest = text.strip_prefix("http://")?.strip_prefix(&host)?;
    let rest = match rest.strip_prefix(':') {
        Some(port) => {
            let end = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
            &port[end..]
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| (host, rest.to_owned()))
}

/// The address with these parameters added to its query (RFC 6749 §4.1.2 keeps what is there).
pub fn with_query(address: &str, params: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (k, v) in params {
        query.append_pair(k, v);
    }
    let joint = match address.find('?') {
        None => "?",
        Some(at) if at + 1 == address.len() || address.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{address}{joint}{}", query.finish())
}

/// Scheme, host and port, for `form-action` and for CORS; `None` for a private scheme.
pub fn origin(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    url.origin().is_tuple().then(|| url.origin().ascii_serialization())
}

/// The host, which is the sector of a pairwise subject when nobody named another (Core §8.1).
pub fn host(address: &str) -> Option<String> {
    Url::parse(address).ok()?.host_str().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ApplicationType::{Native, Web};
    use proptest::prelude::*;

    #[test]
    fn what_may_be_registered() {
        for (text, kind) in [
            ("https://rp.example/cb", Web),
            ("https://rp.example", Web),
            ("https://rp.example/cb?tenant=1", Web),
            ("http://127.0.0.1/cb", Native),
            ("http://[::1]:8080/cb", Native),
            ("jp.lg.example.app:/cb", Native),
        ] {
            assert_eq!(check_registered(text, kind, false), Ok(()), "{text}");
        }
        assert_eq!(check_registered("http://localhost:3000/cb", Web, true), Ok(()));
        for (text, kind, why) in [
            ("http://localhost:3000/cb", Web, RedirectError::Scheme),
            ("http://rp.example/cb", Web, RedirectError::Scheme),
            ("http://rp.example/cb", Native, RedirectError::Scheme),
            ("javascript:alert(1)", Native, RedirectError::Scheme),
            ("myapp:/cb", Native, RedirectError::Scheme),
            ("jp.lg.example.app:/cb", Web, RedirectError::Scheme),
            ("https://rp.example/*", Web, RedirectError::Wildcard),
            ("https://*.rp.example/cb", Web, RedirectError::Wildcard),
            ("https://rp.example/cb#x", Web, RedirectError::Fragment),
            ("https://u:p@rp.example/cb", Web, RedirectError::UserInfo),
            ("https://rp.example/a/../cb", Web, RedirectError::Form),
            ("https://rp.example:443/cb", Web, RedirectError::Form),
            ("HTTPS://rp.example/cb", Web, RedirectError::Form),
            ("/cb", Web, RedirectError::Form),
            ("", Web, RedirectError::Form),
        ] {
            assert_eq!(check_registered(text, kind, false), Err(why), "{text}");
        }
    }

    /// RFC 9700 §4.1: what insufficient matching lets through.
    #[test]
    fn redirect_tricks_do_not_match_and_the_address_itself_does() {
        let own = "https://rp.example/cb";
        assert!(matches(own, own, Web));
        for trick in [
            "https://rp.example/cb/",
            "https://rp.example/cb/../evil",
            "https://rp.example/cb?x=1",
            "https://rp.example/cb#x",
            "https://rp.example/CB",
            "https://RP.example/cb",
            "https://rp.example.evil.example/cb",
            "https://rp.example@evil.example/cb",
            "https://evil.example/https://rp.example/cb",
            "https://rp.example:443/cb",
            "https://rp.example%2ecb",
            "http://rp.example/cb",
            "https://rp.example/cb%00",
            " https://rp.example/cb",
        ] {
            assert!(!matches(own, trick, Web), "{trick}");
            assert!(!matches(own, trick, Native), "{trick}");
        }
    }

    /// RFC 8252 §7.3
    #[test]
    fn a_native_loopback_address_may_have_any_port() {
        let own = "http://127.0.0.1/cb";
        for given in ["http://127.0.0.1:51004/cb", own] {
            assert!(matches(own, given, Native), "{given}");
        }
        assert!(!matches(own, "http://127.0.0.1:51004/cb", Web));
        for trick in [
            "http://127.0.0.2:5/cb",
            "http://127.0.0.1:5/cb?x",
            "http://127.0.0.1:5@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://localhost:5/cb",
            "https://127.0.0.1:5/cb",
            "http://127.0.0.1:x/cb",
            "http://127.0.0.1:5/../cb",
        ] {
            assert!(!matches(own, trick, Native), "{trick}");
        }
    }

    #[test]
    fn parameters_are_added() {
        assert_eq!(
            with_query("https://a/cb", &[("code", "a b"), ("iss", "https://o")]),
            "https://a/cb?code=a+b&iss=https%3A%2F%2Fo"
        );
        assert_eq!(with_query("https://a/cb?x=1", &[("e", "1")]), "https://a/cb?x=1&e=1");
        assert_eq!(origin("https://a:8443/cb?x"), Some("https://a:8443".to_owned()));
        assert_eq!(origin("jp.example.app:/cb"), None);
    }

    proptest! {
        #[test]
        fn only_equal_text_matches_for_web(a in "https://[a-z.]{1,8}/[a-z/?#%.]{0,8}", b in "https://[a-z.]{1,8}/[a-z/?#%.]{0,8}") {
            prop_assert_eq!(matches(&a, &b, Web), a == b);
            let _ = matches(&a, &b, Native);
        }
    }
}
