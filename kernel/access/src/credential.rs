//! What a request shows to prove who sends it: a session cookie, or a key in `Authorization` (`X-Device-Key` for
//! devices that cannot set that). That the cookie
//! was not used by another site is the HTTP layer's guard, which stands before every handler.

use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderValue, header};

use crate::Refusal;

/// When the session cookie is marked `Secure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SecureCookies {
    /// Always: the site is served over HTTPS only.
    Always,
    /// When the request came over HTTPS, as the HTTP layer says by [`Https`]: a demo on the own machine works
    /// too.
    #[default]
    WhenHttps,
}

/// Request extension: whether the request reached us over HTTPS, directly or by a declared trusted proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Https(pub bool);

/// How sessions live in browsers.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebRules {
    /// When cookies are `Secure`.
    pub secure: SecureCookies,
}

/// Where a device puts its key when its maker left it no way to set `Authorization`.
const DEVICE_KEY: &str = "x-device-key";

/// Which door somebody came in by. Each has a cookie of its own: whoever is both a resident and a member of staff is
/// never taken for the other, and signing out of one leaves the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// People with an いしかわID, and visitors: everything that is not below `/staff`.
    Residents,
    /// Staff: `/staff` and everything below.
    Staff,
}

impl Door {
    /// The door of a path.
    pub fn of(path: &str) -> Door {
        match path.strip_prefix("/staff") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Door::Staff,
            _ => Door::Residents,
        }
    }

    /// Name of its session cookie. With TLS browsers accept the prefix only with `Secure`, `Path=/` and no `Domain`,
    /// so that no other host of the same domain can plant one (RFC 6265bis §4.1.3.2).
    const fn cookie(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Door::Residents, false) => "kr_session",
            (Door::Residents, true) => "__Host-kr_session",
            (Door::Staff, false) => "kr_staff",
            (Door::Staff, true) => "__Host-kr_staff",
        }
    }
}

impl WebRules {
    fn is_secure(&self, parts: &Parts) -> bool {
        self.secure == SecureCookies::Always || parts.extensions.get::<Https>().is_some_and(|h| h.0)
    }

    /// The `Set-Cookie` value that keeps a session in the browser for `max_age`. `SameSite=Lax`: a link from a
    /// mail keeps the session, a form of another site does not.
    pub fn set_cookie(
        &self,
        parts: &Parts,
        door: Door,
        token: &str,
        max_age: Duration,
    ) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.cookie(parts, door, token, max_age.as_secs())).ok()
    }

    /// The `Set-Cookie` value that removes it.
    pub fn clear_cookie(&self, parts: &Parts, door: Door) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.cookie(parts, door, "", 0)).ok()
    }

    fn cookie(&self, parts: &Parts, door: Door, value: &str, max_age: u64) -> String {
        let over_https = self.is_secure(parts);
        let (name, secure) = (door.cookie(over_https), if over_https { "; Secure" } else { "" });
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age}{secure}")
    }

    /// The session token that the request carries for a door.
    pub fn session_token<'a>(&self, parts: &'a Parts, door: Door) -> Option<&'a str> {
        let name = door.cookie(self.is_secure(parts));
        let lines = parts.headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
        lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(n, v)| *n == name && !v.is_empty())
            .map(|(_, v)| v)
    }
}

/// What a request shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    None,
    Session(String),
    Key(String),
}

/// Reads what the request shows. A key wins over a cookie: a program that sends one means it.
pub(crate) fn of(parts: &Parts, web: &WebRules) -> Result<Credential, Refusal> {
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let key = value
            .to_str()
            .ok()
            .and_then(|v| v.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        return match key {
            Some((_, key)) => Ok(Credential::Key(key.trim().to_owned())),
            None => Err(Refusal::KeyUnknown),
        };
    }
    if let Some(key) = parts.headers.get(DEVICE_KEY) {
        return key.to_str().map(|k| Credential::Key(k.trim().to_owned())).map_err(|_| Refusal::KeyUnknown);
    }
    let Some(token) = web.session_token(parts, Door::of(parts.uri.path())) else {
        return Ok(Credential::None);
    };
    Ok(Credential::Session(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn parts(method: &str, headers: &[(&str, &str)], https: bool) -> Parts {
        let mut b = Request::builder().method(method).uri("/x").header("host", "portal.example.jp");
        for (k, v) in headers {
            b = b.header(*k, *v);
        }
        let mut p = b.body(()).unwrap().into_parts().0;
        p.extensions.insert(Https(https));
        p
    }

    #[test]
    fn the_cookie_is_hard_to_steal_and_is_found_again() {
        let web = WebRules::default();
        let set = |p: &Parts| {
            web.set_cookie(p, Door::Residents, "abc", Duration::from_secs(60))
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        let plain = parts("GET", &[], false);
        assert_eq!(set(&plain), "kr_session=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
        let https = parts("GET", &[], true);
        assert_eq!(set(&https), "__Host-kr_session=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
        assert!(
            web.clear_cookie(&https, Door::Residents)
                .unwrap()
                .to_str()
                .unwrap()
                .contains("=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
        );

        let back = parts("GET", &[("cookie", "theme=dark; __Host-kr_session=abc")], true);
        assert_eq!(of(&back, &web), Ok(Credential::Session("abc".to_owned())));
        // Over HTTPS a cookie without the prefix may have been planted by a neighbouring host.
        let planted = parts("GET", &[("cookie", "kr_session=abc")], true);
        assert_eq!(of(&planted, &web), Ok(Credential::None));
        let always = WebRules { secure: SecureCookies::Always };
        assert_eq!(of(&parts("GET", &[("cookie", "kr_session=abc")], false), &always), Ok(Credential::None));
    }

    #[test]
    fn whoever_is_both_is_never_mixed_up() {
        let web = WebRules::default();
        let both = |path: &str| {
            let mut p = parts("GET", &[("cookie", "kr_session=r-resident; kr_staff=staff")], false);
            p.uri = path.parse().unwrap();
            of(&p, &web).unwrap()
        };
        for path in ["/staff", "/staff/keys", "/staff/snow/roads?x=1"] {
            assert_eq!(both(path), Credential::Session("staff".to_owned()), "{path}");
        }
        for path in ["/", "/id/profile", "/staffing", "/snow/staff", "/api/snow/v1/state"] {
            assert_eq!(both(path), Credential::Session("r-resident".to_owned()), "{path}");
        }
        let plain = parts("GET", &[], false);
        let cleared = web.clear_cookie(&plain, Door::Staff).unwrap();
        assert!(cleared.to_str().unwrap().starts_with("kr_staff=;"), "the other cookie stays");
    }

    #[test]
    fn a_key_wins_over_a_cookie_and_an_unknown_scheme_is_refused() {
        let web = WebRules::default();
        let with = |v| of(&parts("POST", &[("cookie", "kr_session=abc"), ("authorization", v)], false), &web);
        assert_eq!(with("Bearer krd_x"), Ok(Credential::Key("krd_x".to_owned())));
        assert_eq!(with("bearer krd_x"), Ok(Credential::Key("krd_x".to_owned())));
        assert_eq!(with("Basic YTpi"), Err(Refusal::KeyUnknown));
        assert_eq!(with("krd_x"), Err(Refusal::KeyUnknown));
        let device = parts("POST", &[("cookie", "kr_session=abc"), ("x-device-key", "krd_x")], false);
        assert_eq!(of(&device, &web), Ok(Credential::Key("krd_x".to_owned())));
    }
}
