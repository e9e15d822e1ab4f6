//! What an application of RWGI may rely on and hyper's embedders do not check.
//!
//! Rules of this room: it thinks, on values alone; a head is refused by requirement before the application is called, so that
//! `authority()` is a host and `path()` a path. Inside of an RWGI server all of it was checked before, and is not again.

use std::net::Ipv6Addr;

use http::header::{HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, StatusCode, Version};
use rwgi::{BodyLength, Error, Result};

/// Checks the target, Host and the transfer coding.
///
/// # Errors
/// The requirement that the head breaks, with the status of the answer.
pub(crate) fn check(head: &Parts, length: BodyLength) -> Result<()> {
    let uri = &head.uri;
    if head.method == Method::CONNECT {
        return Err(refusal(StatusCode::NOT_IMPLEMENTED, "CONNECT is not offered", "REQ-HTTP-21"));
    }
    if uri.scheme().is_none() && uri.authority().is_some() {
        return Err(bad("a target in authority-form is for CONNECT only", "REQ-HTTP-19"));
    }
    match uri.path() {
        "*" if head.method == Method::OPTIONS => {}
        "*" => return Err(bad("the target `*` is for OPTIONS only", "REQ-HTTP-18")),
        path if path.starts_with('/') && path.is_ascii() => {}
        _ => return Err(bad("the target has none of the four forms", "REQ-HTTP-20")),
    }
    if uri.authority().is_some_and(|authority| !is_host(authority.as_str().as_bytes())) {
        return Err(bad("the target's authority is not host[:port]", "REQ-HTTP-20"));
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(bad("there is more than one Host field", "REQ-HTTP-23")),
        (Some(host), None) if !is_host(host.as_bytes()) => {
            return Err(bad("the Host field is not host[:port]", "REQ-HTTP-24"));
        }
        (None, None) if head.version == Version::HTTP_11 => {
            return Err(bad("an HTTP/1.1 request needs a Host field", "REQ-HTTP-22"));
        }
        _ => {}
    }
    if length != BodyLength::Empty {
        let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
        match (codings.next(), codings.next()) {
            (None, _) => {}
            (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {}
            _ => {
                let why = "the only transfer coding offered is `chunked`, once";
                return Err(refusal(StatusCode::NOT_IMPLEMENTED, why, "REQ-HTTP-27"));
            }
        }
    }
    Ok(())
}

/// Whether the octets are `uri-host [ ":" port ]` (RFC 9110, section 7.2); nothing at all is one: a target without an authority.
fn is_host(value: &[u8]) -> bool {
    if value.is_empty() {
        return true;
    }
    let Ok(authority) = Authority::try_from(value) else { return false };
    let (host, whole) = (authority.host(), authority.as_str());
    let port = whole.strip_prefix(host);
    let literal = host.strip_prefix('[').map(|rest| rest.strip_suffix(']').unwrap_or(rest));
    !whole.contains('@')
        && port.is_some_and(|port| matches!(port, "" | ":") || authority.port_u16().is_some())
        && literal.is_none_or(|address| {
            address.parse::<Ipv6Addr>().is_ok() || address.starts_with(['v', 'V'])
        })
}

#[cold]
fn bad(why: &'static str, requirement: &'static str) -> Error {
    refusal(StatusCode::BAD_REQUEST, why, requirement)
}

#[cold]
fn refusal(status: StatusCode, why: &'static str, requirement: &'static str) -> Error {
    Error::client(status, why).with_requirement(requirement)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(method: &str, target: &str, hosts: &[&str]) -> Option<&'static str> {
        let mut builder = http::Request::builder().method(method).uri(target);
        for host in hosts {
            builder = builder.header(HOST, *host);
        }
        let head = builder.body(()).unwrap().into_parts().0;
        check(&head, BodyLength::Empty).err().and_then(|error| error.requirement())
    }

    #[test]
    fn a_head_that_no_application_should_see_is_refused_by_requirement() {
        for (method, target, hosts, broken) in [
            ("GET", "/", &["a"][..], None),
            ("GET", "/", &["a:80"], None),
            ("GET", "/", &["a:"], None),
            ("GET", "/", &["[::1]:80"], None),
            ("GET", "/", &[""], None),
            ("OPTIONS", "*", &["a"], None),
            ("GET", "http://a/", &["b"], None),
            ("GET", "*", &["a"], Some("REQ-HTTP-18")),
            ("GET", "a:80", &["a"], Some("REQ-HTTP-19")),
            ("CONNECT", "a:80", &["a"], Some("REQ-HTTP-21")),
            ("GET", "/", &[], Some("REQ-HTTP-22")),
            ("GET", "/", &["a", "a"], Some("REQ-HTTP-23")),
            ("GET", "/", &["a/b"], Some("REQ-HTTP-24")),
            ("GET", "/", &["u@a"], Some("REQ-HTTP-24")),
            ("GET", "/", &["a b"], Some("REQ-HTTP-24")),
            ("GET", "/", &["a, b"], Some("REQ-HTTP-24")),
            ("GET", "/", &["a:b"], Some("REQ-HTTP-24")),
            ("GET", "/", &["a:99999"], Some("REQ-HTTP-24")),
            ("GET", "/", &["[::1"], Some("REQ-HTTP-24")),
            ("GET", "/", &["[a.b]"], Some("REQ-HTTP-24")),
            ("GET", "http://u@a/", &["a"], Some("REQ-HTTP-20")),
        ] {
            assert_eq!(verdict(method, target, hosts), broken, "{method} {target} {hosts:?}");
        }
    }
}
