//! Networks: which proxies are trusted, and what counts as one client.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network in CIDR form, such as `10.0.0.0/8` or `fd00::/8`; a bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNet {
    base: IpAddr,
    prefix: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not a network; write an address with a prefix, for example 192.168.10.0/24 or fd00::/8")]
pub struct IpNetError(String);

impl IpNet {
    /// The network with this prefix length that holds `ip`.
    pub fn of(ip: IpAddr, prefix: u8) -> Self {
        IpNet { base: network_of(ip, prefix, prefix), prefix }
    }

    /// Whether the address lies in this network. IPv4 addresses written as IPv6 (`::ffff:…`) count as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        network_of(ip.to_canonical(), self.prefix, self.prefix) == self.base
            && ip.to_canonical().is_ipv4() == self.base.is_ipv4()
    }
}

impl FromStr for IpNet {
    type Err = IpNetError;
    fn from_str(s: &str) -> Result<Self, IpNetError> {
        let err = || IpNetError(s.chars().take(64).collect());
        let (ip, prefix) = s.split_once('/').map_or((s, None), |(ip, p)| (ip, Some(p)));
        let ip: IpAddr = ip.trim().parse().map_err(|_| err())?;
        let max = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(max), |p| p.trim().parse().map_err(|_| err()))?;
        if prefix > max {
            return Err(err());
        }
        Ok(IpNet { base: network_of(ip, prefix, prefix), prefix })
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// The network an address belongs to, by prefix length for IPv4 and for IPv6.
pub fn network_of(ip: IpAddr, v4: u8, v6: u8) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask))
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask))
        }
    }
}

/// What one client is for rate limits: an IPv4 /24 or an IPv6 /64. A household or office usually has one
/// IPv6 /64, and single IPv4 addresses are too easily changed.
pub fn client_network(ip: IpAddr) -> IpAddr {
    network_of(ip, 24, 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(s: &str) -> IpAddr {
        s.parse().unwrap()
    }

    #[test]
    fn a_network_contains_its_own_and_no_others() {
        let n: IpNet = "10.1.0.0/16".parse().unwrap();
        assert!(n.contains(ip("10.1.255.3")) && n.contains(ip("::ffff:10.1.2.3")));
        assert!(!n.contains(ip("10.2.0.1")) && !n.contains(ip("::1")));
        let all: IpNet = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains(ip("203.0.113.9")) && !all.contains(ip("2001:db8::1")));
        assert_eq!("127.0.0.1".parse::<IpNet>().unwrap().to_string(), "127.0.0.1/32");
    }

    #[test]
    fn wrong_networks_are_refused() {
        for s in ["", "10.0.0.0/33", "host/8", "::/129", "10.0.0/8"] {
            assert!(s.parse::<IpNet>().is_err(), "{s}");
        }
    }

    #[test]
    fn clients_are_networks() {
        assert_eq!(client_network(ip("203.0.113.77")), ip("203.0.113.0"));
        assert_eq!(client_network(ip("2001:db8:1:2:3::9")), ip("2001:db8:1:2::"));
    }
}
