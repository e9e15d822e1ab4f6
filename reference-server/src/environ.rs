//! From a parsed head to an environ, or to a refusal.
//!
//! Rules of this room: it thinks, on values alone; what hyper lets pass and the specification forbids is refused here, once, by
//! requirement; an environ that leaves this room has a checked authority, target and framing.

use std::net::Ipv6Addr;

use http::header::{COOKIE, HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri, Version, request};
use rwgi::BodyLength;

use crate::fault::Refusal;

/// Checks what hyper leaves to its embedder. `fragment` is there where the target had one, which hyper drops.
///
/// # Errors
/// The requirement that the head breaks; the application is not called.
#[inline]
pub(crate) fn check(
    head: &request::Parts,
    length: BodyLength,
    target_bytes: usize,
    fragment: bool,
) -> Result<(), Refusal> {
    let path = path_alone(&head.uri);
    if path.map_or_else(|| target_length(&head.uri), str::len) > target_bytes {
        return Err(Refusal::TargetTooLong);
    }
    if fragment {
        return Err(Refusal::TargetForm);
    }
    check_form(&head.method, &head.uri, path)?;
    // User information and a port that is no number are no more welcome in absolute-form than in Host.
    if path.is_none()
        && head.uri.authority().is_some_and(|authority| !is_host(authority.as_str().as_bytes()))
    {
        return Err(Refusal::TargetForm);
    }
    check_host(&head.headers, head.version)?;
    // A length is known only where there is no coding: hyper lets a coding win, and refuses one that is not `chunked` at its end.
    if length == BodyLength::Unknown {
        check_coding(&head.headers)?;
    }
    Ok(())
}

/// [`check`] for HTTP/2, whose framing and field syntax its codec has checked. `extended` is a CONNECT with `:protocol`.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_http2(
    head: &request::Parts,
    target_bytes: usize,
    head_fields: usize,
    extended: bool,
) -> Result<(), Refusal> {
    let uri = &head.uri;
    // Extended CONNECT has a target like any other (RFC 8441, section 4).
    check_form(if extended { &Method::GET } else { &head.method }, uri, path_alone(uri))?;
    // The codec misses `:path` only where `:authority` is there.
    if uri.path().is_empty() {
        return Err(Refusal::TargetForm);
    }
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > target_bytes {
        return Err(Refusal::TargetTooLong);
    }
    if head.headers.len() > head_fields {
        return Err(Refusal::HeadTooLarge);
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    match (uri.authority(), hosts.next(), hosts.next()) {
        (_, _, Some(_)) => Err(Refusal::HostTwice),
        (None, None, None) => Err(Refusal::HostMissing),
        (Some(authority), Some(host), None)
            if !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes()) =>
        {
            Err(Refusal::HostMalformed)
        }
        (None, Some(host), None) if !is_host(host.as_bytes()) => Err(Refusal::HostMalformed),
        // User information in `:authority` is no more welcome than in Host.
        (Some(authority), _, None) if !is_host(authority.as_str().as_bytes()) => {
            Err(Refusal::HostMalformed)
        }
        _ => Ok(()),
    }
}

/// HTTP/2 may cut a cookie into crumbs (RFC 9113, section 8.2.3); applications know it in one piece.
pub(crate) fn join_cookies(fields: &mut HeaderMap) {
    let mut crumbs = fields.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return };
    let mut whole = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(crumb.as_bytes());
    }
    if let Ok(whole) = HeaderValue::from_maybe_shared(bytes::Bytes::from(whole)) {
        fields.insert(COOKIE, whole);
    }
}

/// The length of a target as it came.
fn target_length(uri: &Uri) -> usize {
    let path = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    path + scheme + uri.authority().map_or(0, |authority| authority.as_str().len())
}

/// The target as it came where it is no more than a path and its query, as nearly all are, or `*`.
#[inline]
fn path_alone(uri: &Uri) -> Option<&str> {
    if uri.scheme().is_some() || uri.authority().is_some() {
        return None;
    }
    uri.path_and_query().map(PathAndQuery::as_str)
}

#[inline]
fn check_form(method: &Method, uri: &Uri, path: Option<&str>) -> Result<(), Refusal> {
    if *method == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    match path {
        // hyper lets octets from 0x80 pass, which the grammar does not (RFC 3986, section 3.3).
        Some(path) if path.starts_with('/') => {
            if path.is_ascii() {
                Ok(())
            } else {
                Err(Refusal::TargetForm)
            }
        }
        _ => check_unusual_target(method, uri),
    }
}

fn check_unusual_target(method: &Method, uri: &Uri) -> Result<(), Refusal> {
    let known_scheme = uri.scheme_str().is_none_or(|scheme| matches!(scheme, "http" | "https"));
    match uri.path() {
        // Only authority-form has an authority without a scheme.
        _ if uri.scheme().is_none() && uri.authority().is_some() => Err(Refusal::AuthorityForm),
        "*" if *method == Method::OPTIONS => Ok(()),
        "*" => Err(Refusal::Asterisk),
        _ if uri.path_and_query().is_some_and(|target| !target.as_str().is_ascii()) => {
            Err(Refusal::TargetForm)
        }
        path if path.starts_with('/') && known_scheme => Ok(()),
        _ => Err(Refusal::TargetForm),
    }
}

#[inline]
fn check_host(fields: &HeaderMap, version: Version) -> Result<(), Refusal> {
    let host = if fields.len() <= FEW_FIELDS {
        fields.iter().find(|(name, _)| **name == HOST).map(|(_, host)| host)
    } else {
        fields.get(HOST)
    };
    // Only where some field is repeated can it be this one.
    let repeated = fields.len() != fields.keys_len();
    let twice = repeated && fields.get_all(HOST).iter().nth(1).is_some();
    match host {
        None if version == Version::HTTP_11 => Err(Refusal::HostMissing),
        None => Ok(()),
        Some(_) if twice => Err(Refusal::HostTwice),
        Some(host) if is_host(host.as_bytes()) => Ok(()),
        Some(_) => Err(Refusal::HostMalformed),
    }
}

/// So many fields are looked through in less time than it takes to make a hash of a name.
const FEW_FIELDS: usize = 8;

/// The octets that make up nearly all hosts: letters, digits, dots and hyphens.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut octet = 0;
    while octet < 128 {
        let character = octet as u8;
        plain[octet] = character.is_ascii_alphanumeric() || matches!(character, b'.' | b'-');
        octet += 1;
    }
    plain
};

/// Whether the octets are `uri-host [ ":" port ]` (RFC 9110, section 7.2). An empty value is one: a target without an authority.
#[inline]
pub(crate) fn is_host(value: &[u8]) -> bool {
    match value.iter().position(|octet| !PLAIN[usize::from(*octet)]) {
        None => true,
        Some(at) if value[at] == b':' => is_port(&value[at + 1..]),
        Some(_) => is_unusual_host(value),
    }
}

fn is_port(digits: &[u8]) -> bool {
    digits.is_empty()
        || digits.iter().all(u8::is_ascii_digit)
            && std::str::from_utf8(digits).is_ok_and(|text| text.parse::<u16>().is_ok())
}

/// IP literals, names of other octets than the plain ones, and what is none of these.
#[cold]
fn is_unusual_host(value: &[u8]) -> bool {
    match value.strip_prefix(b"[") {
        Some(literal) => is_literal(literal),
        None => is_name(value),
    }
}

/// What follows `[`: an address of IPv6 or of a version to come (RFC 3986, section 3.2.2), the bracket and a port.
fn is_literal(value: &[u8]) -> bool {
    let Some(end) = value.iter().position(|octet| *octet == b']') else { return false };
    let (address, rest) = (&value[..end], &value[end + 1..]);
    let known = std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    (known || is_future_address(address))
        && (rest.is_empty() || rest.strip_prefix(b":").is_some_and(is_port))
}

fn is_future_address(address: &[u8]) -> bool {
    let Some((b'v' | b'V', rest)) = address.split_first() else { return false };
    let mut parts = rest.splitn(2, |octet| *octet == b'.');
    let (Some(version), Some(name)) = (parts.next(), parts.next()) else { return false };
    let allowed = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(octet);
    !version.is_empty()
        && version.iter().all(u8::is_ascii_hexdigit)
        && !name.is_empty()
        && name.iter().all(allowed)
}

/// A registered name (RFC 3986, section 3.2.2) and a port. User information is part of an authority and not of a host.
fn is_name(value: &[u8]) -> bool {
    let (name, port) = match value.iter().rposition(|octet| *octet == b':') {
        Some(colon) => (&value[..colon], &value[colon + 1..]),
        None => (value, &[][..]),
    };
    let mut octets = name.iter();
    let encoded = |octets: &mut std::slice::Iter<'_, u8>| {
        octets.next().is_some_and(u8::is_ascii_hexdigit)
            && octets.next().is_some_and(u8::is_ascii_hexdigit)
    };
    while let Some(octet) = octets.next() {
        let allowed = match octet {
            b'%' => encoded(&mut octets),
            _ => octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(octet),
        };
        if !allowed {
            return false;
        }
    }
    is_port(port)
}

fn check_coding(fields: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::Coding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, target: &str, fields: &[(&'static str, &'static str)]) -> request::Parts {
        let mut builder = http::Request::builder().method(method).uri(target);
        for (name, value) in fields {
            builder = builder.header(*name, HeaderValue::from_static(value));
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn judged(
        method: &str,
        target: &str,
        fields: &[(&'static str, &'static str)],
    ) -> Option<Refusal> {
        check(&head(method, target, fields), BodyLength::Unknown, 100, false).err()
    }

    // Evidence: REQ-HTTP-17, REQ-HTTP-18, REQ-HTTP-19, REQ-HTTP-20, REQ-HTTP-21
    #[test]
    fn each_form_of_target_has_its_place() {
        let host = [("host", "a")];
        for (method, target, verdict) in [
            ("GET", "/", None),
            ("GET", "/a?b", None),
            ("GET", "http://b/c", None),
            ("OPTIONS", "*", None),
            ("GET", "*", Some(Refusal::Asterisk)),
            ("GET", "a:80", Some(Refusal::AuthorityForm)),
            ("GET", "ftp://a/b", Some(Refusal::TargetForm)),
            ("GET", "http://a:b/", Some(Refusal::TargetForm)),
            ("GET", "http://u@a/", Some(Refusal::TargetForm)),
            ("GET", "http://b:8/c", None),
            ("GET", "/%C3%A9", None),
            ("GET", "/\u{e9}", Some(Refusal::TargetForm)),
            ("GET", "/?\u{e9}", Some(Refusal::TargetForm)),
            ("GET", "http://b/\u{e9}", Some(Refusal::TargetForm)),
            ("CONNECT", "a:80", Some(Refusal::Connect)),
        ] {
            assert_eq!(judged(method, target, &host), verdict, "{method} {target}");
        }
    }

    // Evidence: REQ-HTTP-22, REQ-HTTP-23, REQ-HTTP-24, REQ-HTTP-25
    #[test]
    fn a_host_is_there_once_and_well_formed() {
        assert_eq!(judged("GET", "/", &[]), Some(Refusal::HostMissing));
        assert_eq!(judged("GET", "/", &[("host", "a"), ("host", "a")]), Some(Refusal::HostTwice));
        let mut old = head("GET", "/", &[]);
        old.version = Version::HTTP_10;
        assert_eq!(check(&old, BodyLength::Empty, 100, false), Ok(()));
        for fine in [
            "",
            "a",
            "a:80",
            "a:",
            "127.0.0.1:8000",
            "[::1]",
            "[::1]:80",
            "[v1.a:b]",
            "a%20b",
            "a%20b:80",
            "a_b:1",
        ] {
            assert!(is_host(fine.as_bytes()), "{fine:?}");
        }
        for bad in [
            "a b",
            "a/b",
            "u@a",
            "a:b",
            "a:80:80",
            "a:99999",
            "[::1",
            "a%2",
            "a%20b:x",
            "a%zz",
            "a,b c",
            "http://a",
            "a?b",
            "a#b",
            "a\\b",
            "[a]",
            "[::1%25eth0]",
            "[v.a]",
            "[::1]a",
            "@",
            "%",
            ":b",
            "::",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad:?}");
        }
    }

    // Evidence: REQ-H2-03
    #[test]
    fn http2_says_its_path() {
        let mut head = head("GET", "/", &[("host", "a")]);
        assert_eq!(check_http2(&head, 100, 10, false), Ok(()));
        // As the codec has it where both `:path` and `:authority` are missing.
        head.uri = Uri::from_parts(http::uri::Parts::default()).unwrap();
        assert_eq!(check_http2(&head, 100, 10, false), Err(Refusal::TargetForm));
    }

    // Evidence: REQ-H2-07, REQ-H2-08
    #[test]
    fn http2_says_its_host_once_and_its_cookie_in_crumbs() {
        let judged = |target: &str, fields: &[(&'static str, &'static str)]| {
            let mut head = head("GET", target, fields);
            let verdict = check_http2(&head, 100, 10, false).err();
            join_cookies(&mut head.headers);
            (verdict, head.headers.get(COOKIE).cloned())
        };
        assert_eq!(judged("http://a/b", &[]), (None, None));
        assert_eq!(judged("http://a/b", &[("host", "A")]).0, None);
        assert_eq!(judged("http://a/b", &[("host", "b")]).0, Some(Refusal::HostMalformed));
        assert_eq!(judged("http://u@a/b", &[]).0, Some(Refusal::HostMalformed));
        assert_eq!(judged("/b", &[]).0, Some(Refusal::HostMissing));
        assert_eq!(judged("/b", &[("host", "a"), ("host", "a")]).0, Some(Refusal::HostTwice));
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")];
        assert_eq!(judged("http://a/b", &crumbs).1.unwrap(), "a=1; b=2; c=3");
        let long = format!("http://a/{}", "x".repeat(100));
        assert_eq!(judged(&long, &[]).0, Some(Refusal::TargetTooLong));
        assert_eq!(judged("http://a/", &[("x", "y"); 11]).0, Some(Refusal::HeadTooLarge));
        // At its limit a head is not beyond it.
        assert_eq!(judged(&long[..long.len() - 1], &[("x", "y"); 10]).0, None);
        // `:authority` may be absent where Host is there.
        assert_eq!(judged("/b", &[("host", "a")]).0, None);
        assert_eq!(judged("/b", &[("host", "a b")]).0, Some(Refusal::HostMalformed));
    }

    #[test]
    fn a_target_is_as_long_as_it_came() {
        for target in ["/", "/a?b=c", "*", "a:80", "http://a/", "https://a.example:8443/b?c"] {
            assert_eq!(target_length(&target.parse().unwrap()), target.len(), "{target}");
        }
    }

    // Evidence: REQ-HTTP-27
    #[test]
    fn one_transfer_coding_is_known() {
        let with = |coding| judged("POST", "/", &[("host", "a"), ("transfer-encoding", coding)]);
        assert_eq!(with("chunked"), None);
        assert_eq!(with("Chunked"), None);
        for unknown in ["gzip, chunked", "chunked, chunked", "identity", "x"] {
            assert_eq!(with(unknown), Some(Refusal::Coding), "{unknown}");
        }
        let twice =
            [("host", "a"), ("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")];
        assert_eq!(judged("POST", "/", &twice), Some(Refusal::Coding));
    }
}
