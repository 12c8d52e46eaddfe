//! [`Settings`]: addresses, limits and trust of the HTTP side, as the config file gives them.

use std::net::IpAddr;
use std::time::Duration;

use crate::net::IpNet;

/// How much a client may send and how long it may take. Every number is an upper bound that is refused with a
/// problem document, never a crash.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of a request body as sent; an operation may set its own.
    pub body_limit: usize,
    /// Bytes of a request body after gzip or deflate decoding.
    pub decoded_limit: usize,
    /// How long one request may take, from its head to the answer's head.
    pub timeout: Duration,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// Bytes of a request's head, address included.
    pub header_limit: usize,
    /// Open connections per listener; more wait in the system's queue.
    pub connections: usize,
    /// How long running requests may go on after the signal to stop.
    pub drain: Duration,
    /// Requests per second that one network (IPv4 /24, IPv6 /64) may make for long.
    pub rate_per_second: f64,
    /// Requests that one network may make at once.
    pub rate_burst: f64,
    /// Networks without a rate limit: by default this machine.
    pub rate_exempt: Vec<IpNet>,
    /// Reverse proxies whose `X-Forwarded-*` and `X-Request-Id` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins (`https://portal.example.jp`) that are this site under another name, behind a proxy that changes
    /// `Host`.
    pub origins: Vec<String>,
    /// Whether the server speaks TLS itself, so that HSTS is sent on every answer.
    pub tls: bool,
    /// Whether staff pages have a listener of their own; then the public one does not know them.
    pub separate_staff: bool,
    /// Whether `/metrics` has a listener of its own; otherwise only this machine may read it.
    pub separate_admin: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            body_limit: 1024 * 1024,
            decoded_limit: 10_000_000,
            timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            header_limit: 16 * 1024,
            connections: 4096,
            drain: Duration::from_secs(20),
            rate_per_second: 200.0,
            rate_burst: 1000.0,
            rate_exempt: vec![loopback_v4(), loopback_v6()],
            trusted_proxies: Vec::new(),
            origins: Vec::new(),
            tls: false,
            separate_staff: false,
            separate_admin: false,
        }
    }
}

impl Settings {
    /// Whether the address is a declared proxy.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|n| n.contains(ip))
    }
}

fn loopback_v4() -> IpNet {
    IpNet::of(IpAddr::from([127, 0, 0, 0]), 8)
}

fn loopback_v6() -> IpNet {
    IpNet::of(IpAddr::from(std::net::Ipv6Addr::LOCALHOST), 128)
}
