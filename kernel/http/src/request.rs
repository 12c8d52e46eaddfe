//! [`RequestInfo`]: what the boundary learned about a request, for handlers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use kenroku_types::{Env, Problem};

use crate::Settings;

/// Which of the server's addresses a request came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// For everybody.
    Public,
    /// For staff, for example inside LGWAN.
    Staff,
    /// For operators: metrics and health only.
    Admin,
}

/// The other end of the connection, put into each request by [`crate::serve`].
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Address of the socket: the client, or a proxy.
    pub addr: SocketAddr,
    /// Which listener accepted it.
    pub listener: Listener,
}

impl Default for Peer {
    fn default() -> Self {
        Peer { addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), listener: Listener::Public }
    }
}

/// What is known of a request before any handler runs. A handler takes it as an argument.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    /// Id of this request, echoed as `X-Request-Id`.
    pub id: Arc<str>,
    /// The client's address: the socket's, or what a trusted proxy says.
    pub client: IpAddr,
    /// Whether the client's connection is encrypted, as far as the server or a trusted proxy knows.
    pub https: bool,
    /// Which listener accepted it.
    pub listener: Listener,
}

impl RequestInfo {
    /// Reads the head of a request. Forwarding headers count only when the socket's other end is a declared
    /// proxy; from `X-Forwarded-For` the rightmost address that is not such a proxy is taken, since all to
    /// its left is the client's claim.
    pub fn read(headers: &HeaderMap, peer: Peer, settings: &Settings, env: &Env) -> Self {
        let socket = peer.addr.ip().to_canonical();
        let trusted = settings.trusts(socket);
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let client = match text("x-forwarded-for") {
            Some(list) if trusted => list
                .rsplit(',')
                .map_while(|a| a.trim().parse::<IpAddr>().ok())
                .map(|a| a.to_canonical())
                .find(|a| !settings.trusts(*a))
                .unwrap_or(socket),
            _ => socket,
        };
        let id = text("x-request-id").filter(|id| trusted && well_formed(id));
        RequestInfo {
            id: id.map_or_else(|| Arc::from(env.uuid().simple().to_string()), Arc::from),
            client,
            https: settings.tls || (trusted && text("x-forwarded-proto") == Some("https")),
            listener: peer.listener,
        }
    }
}

/// 8–64 letters, digits, `-`, `_` or `.`: nothing that could forge a log line.
fn well_formed(id: &str) -> bool {
    (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl<S: Send + Sync> FromRequestParts<S> for RequestInfo {
    type Rejection = crate::Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, crate::Error> {
        parts.extensions.get::<RequestInfo>().cloned().ok_or_else(|| {
            let mut problem = Problem::internal();
            "the request did not cross the boundary".clone_into(&mut problem.cause);
            crate::Error::from(problem)
        })
    }
}

/// What a device calls itself, cut down to system and browser: enough to know one's own again, too little to follow
/// anybody.
pub fn device_name(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("");
    let first = |words: &[(&'static str, &'static str)]| {
        words.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let system = first(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("CrOS", "ChromeOS"),
        ("Mac OS X", "Mac"),
        ("Linux", "Linux"),
    ]);
    let browser = first(&[
        ("Edg/", "Edge"),
        ("FxiOS/", "Firefox"),
        ("Firefox/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    match (system, browser) {
        (Some(s), Some(b)) => format!("{s} / {b}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenroku_types::Timestamp;

    fn read(peer: &str, headers: &[(&'static str, &str)]) -> RequestInfo {
        let settings =
            Settings { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Settings::default() };
        let mut map = HeaderMap::new();
        for (k, v) in headers {
            map.insert(*k, v.parse().unwrap());
        }
        let peer = Peer { addr: SocketAddr::new(peer.parse().unwrap(), 1), listener: Listener::Public };
        RequestInfo::read(&map, peer, &settings, &Env::fixed(Timestamp::EPOCH, 1))
    }

    #[test]
    fn only_a_declared_proxy_is_believed() {
        let claims = [
            ("x-forwarded-for", "198.51.100.1, 203.0.113.5, 10.0.0.2"),
            ("x-request-id", "abc-12345"),
            ("x-forwarded-proto", "https"),
        ];
        let believed = read("10.0.0.9", &claims);
        assert_eq!(believed.client.to_string(), "203.0.113.5");
        assert_eq!((&*believed.id, believed.https), ("abc-12345", true));
        let ignored = read("203.0.113.5", &claims);
        assert_eq!(ignored.client.to_string(), "203.0.113.5");
        assert!(&*ignored.id != "abc-12345" && ignored.id.len() == 32 && !ignored.https);
    }

    #[test]
    fn a_malformed_id_is_replaced() {
        for id in ["short", "has space in it", "x\u{e9}xxxxxxxx", &"a".repeat(65)] {
            assert_ne!(&*read("10.0.0.9", &[("x-request-id", id)]).id, id);
        }
    }

    #[test]
    fn devices_are_named_by_system_and_browser_only() {
        let name = |agent: &'static str| {
            let mut h = HeaderMap::new();
            h.insert(header::USER_AGENT, axum::http::HeaderValue::from_static(agent));
            device_name(&h)
        };
        let phone = "Mozilla/5.0 (Linux; Android 14; SH-54D Build/x) AppleWebKit/537.36 (KHTML, like Gecko) \
                     Chrome/129.0.0.0 Mobile Safari/537.36";
        assert_eq!(name(phone), "Android / Chrome");
        let tablet =
            "Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605 Version/17.0 Safari/604.1";
        assert_eq!(name(tablet), "iPad / Safari");
        assert_eq!(name("curl/8"), "");
    }
}
