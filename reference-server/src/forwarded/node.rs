//! One hop as a proxy writes it: an address, perhaps with a port, or a word for "not told".
//!
//! Rules of this room: it thinks; a node is an address in its whole or it is none; nothing is resolved, nothing is guessed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rwgi::Endpoint;

/// Reads a hop. What is no address (`unknown`, `_hidden`, something malformed) is [`Endpoint::Unknown`]. Port 0: not told.
pub(super) fn endpoint(text: &str) -> Endpoint {
    let text = text.trim_matches([' ', '\t']);
    // nginx writes `unix:` for a client on its own Unix socket.
    if text.eq_ignore_ascii_case("unix:") || text.eq_ignore_ascii_case("unix") {
        return Endpoint::Unix(None);
    }
    address(text).map_or(Endpoint::Unknown, |(ip, port)| {
        Endpoint::Ip(SocketAddr::new(ip.to_canonical(), port))
    })
}

fn address(text: &str) -> Option<(IpAddr, u16)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, rest) = rest.split_once(']')?;
        let ip: Ipv6Addr = ip.parse().ok()?;
        return Some((ip.into(), port(rest)?));
    }
    // Bare IPv6, which X-Forwarded-For has; there a port cannot follow.
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Some((ip.into(), 0));
    }
    let (ip, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
    let ip: Ipv4Addr = ip.parse().ok()?;
    Some((ip.into(), port(rest)?))
}

/// What follows an address: nothing, a port, or one that is hidden (RFC 7239, section 6).
fn port(rest: &str) -> Option<u16> {
    if rest.is_empty() {
        return Some(0);
    }
    let port = rest.strip_prefix(':')?;
    if let Some(hidden) = port.strip_prefix('_') {
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
        return (!hidden.is_empty() && hidden.bytes().all(plain)).then_some(0);
    }
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|octet| octet.is_ascii_digit());
    if digits { port.parse().ok() } else { None }
}
