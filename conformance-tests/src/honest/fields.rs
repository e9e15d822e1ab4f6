//! The grammar of small things: tokens, field values, Host, lengths.
//!
//! Rules of this room: octets in, an answer out; no sockets and no state.

use std::net::Ipv6Addr;

/// RFC 9110, section 5.6.2.
pub(super) fn is_token(octets: &[u8]) -> bool {
    !octets.is_empty()
        && octets
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet))
}

/// A control octet that no field value may hold.
pub(super) fn is_control(octet: u8) -> bool {
    (octet < 0x20 && octet != b'\t') || octet == 0x7f
}

/// A field value without the spaces and tabs around it; no other octet is whitespace here.
pub(crate) fn trim_whitespace(mut octets: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = octets {
        octets = rest;
    }
    octets
}

/// `uri-host [ ":" port ]` (RFC 9110, section 7.2), or nothing.
pub(super) fn is_host(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, rest)) = rest.split_once(']') else { return false };
            if !is_ip_literal(address) {
                return false;
            }
            match rest.strip_prefix(':') {
                Some(port) => ("", Some(port)),
                None if rest.is_empty() => ("", None),
                None => return false,
            }
        }
        None => match text.split_once(':') {
            // A port without a host names nobody.
            Some(("", _)) => return false,
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port_is_fine = port.is_none_or(|port| {
        port.bytes().all(|octet| octet.is_ascii_digit())
            && (port.is_empty() || port.parse::<u16>().is_ok())
    });
    is_reg_name(host) && port_is_fine
}

/// RFC 3986, section 3.2.2: an IPv6 address, or an address of a future version.
fn is_ip_literal(text: &str) -> bool {
    if text.parse::<Ipv6Addr>().is_ok() {
        return true;
    }
    let Some((version, rest)) = text.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.'))
    else {
        return false;
    };
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(&octet);
    !version.is_empty()
        && version.bytes().all(|octet| octet.is_ascii_hexdigit())
        && !rest.is_empty()
        && rest.bytes().all(allowed)
}

/// RFC 3986, section 3.2.2: unreserved, percent-encoded and sub-delims. A comma would be a list here.
fn is_reg_name(text: &str) -> bool {
    let octets = text.as_bytes();
    let mut at = 0;
    while at < octets.len() {
        match octets[at] {
            b'%' => {
                let escape = octets.get(at + 1..at + 3);
                if !escape.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                    return false;
                }
                at += 3;
            }
            octet if octet.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&octet) => at += 1,
            _ => return false,
        }
    }
    true
}

/// A sequence of digits within 64 bits.
pub(super) fn length(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Whether a list of options holds one, without regard to case.
pub(super) fn holds(values: impl Iterator<Item = Vec<u8>>, option: &str) -> bool {
    values.into_iter().any(|value| {
        String::from_utf8_lossy(&value)
            .split(',')
            .any(|one| one.trim().eq_ignore_ascii_case(option))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in [
            "",
            "a",
            "a.example",
            "a:80",
            "a:",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:80",
            "%41",
            "[v1.a:b]",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b", "a/b", "u@a", "a:b", "a:70000", ":80", "[::1", "::1", "a,b", "a#", "[x]", "%4",
            "a?b", "[::1]x",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn lengths() {
        assert_eq!(length(b"0010"), Some(10));
        for bad in ["", "+1", "-1", "0x1", "1 1", "18446744073709551616"] {
            assert_eq!(length(bad.as_bytes()), None, "{bad}");
        }
    }
}
