//! The request of a stream: decoded fields to a request that can be served, or a refusal.
//!
//! Rules of this room: no socket; strict by RFC 9113, sections 8.1 to 8.3; nothing is repaired. Each leniency stands at the check that
//! it takes away.

use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, request};
use rwgi::BodyLength;

use self::Refusal::{Malformed, Status};
use super::flaw::Http2Flaw;
use crate::honest::fields::{is_control, is_host, is_token, length};

/// A head that can be served.
pub(super) struct Head {
    pub(super) parts: request::Parts,
    pub(super) length: BodyLength,
    /// The client waits for 100.
    pub(super) expects: bool,
    /// What an extended CONNECT asks for (RFC 8441).
    pub(super) protocol: Option<String>,
}

/// A head that is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A stream error.
    Malformed,
    /// An error response.
    Status(u16),
}

type Pairs = [(Vec<u8>, Vec<u8>)];

/// Fields that belong to a connection of HTTP/1 (RFC 9113, section 8.2.2).
const OF_CONNECTION: [&str; 5] =
    ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"];

#[derive(Default)]
struct Pseudo<'a> {
    method: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    protocol: Option<&'a [u8]>,
}

/// Reads the fields of a request; `ended` where no content follows, `connects` where extended CONNECT is taken.
pub(super) fn read(
    fields: &Pairs,
    ended: bool,
    connects: bool,
    flaw: Option<Http2Flaw>,
) -> Result<Head, Refusal> {
    let off = |one: Http2Flaw| flaw == Some(one);
    let mut pseudo = Pseudo::default();
    let mut request = Request::new(());
    for (name, value) in fields {
        match name.strip_prefix(b":") {
            Some(name) => {
                if !request.headers().is_empty() && !off(Http2Flaw::LatePseudo) {
                    return Err(Malformed);
                }
                pseudo.take(name, value, connects, flaw)?;
            }
            None => field(request.headers_mut(), name, value, flaw)?,
        }
    }
    check_limits(fields, &pseudo)?;
    let connect = pseudo.method == Some(b"CONNECT");
    let made_up = |value: Option<&'static [u8]>| {
        value.filter(|_| {
            off(Http2Flaw::MissingPseudo)
                || off(Http2Flaw::EmptyPseudo)
                || connect && off(Http2Flaw::PlainProtocol)
        })
    };
    let method = pseudo.method.or(made_up(Some(b"GET"))).ok_or(Malformed)?;
    *request.method_mut() = Method::from_bytes(method).map_err(|_| Malformed)?;
    *request.version_mut() = Version::HTTP_2;
    if pseudo.protocol.is_some() && !connect && !off(Http2Flaw::ProtocolForAll) {
        return Err(Malformed);
    }
    if connect && pseudo.protocol.is_none() {
        let plain = pseudo.scheme.is_none() && pseudo.path.is_none() && pseudo.authority.is_some();
        return Err(if plain { Status(501) } else { Malformed });
    }
    let scheme = pseudo.scheme.or(made_up(Some(b"http"))).ok_or(Malformed)?;
    let path = pseudo.path.or(made_up(Some(b"/"))).ok_or(Malformed)?;
    check_host(request.headers(), pseudo.authority, flaw)?;
    *request.uri_mut() = uri(request.method(), scheme, pseudo.authority, path)?;
    // What follows an extended CONNECT is no content.
    let length = match pseudo.protocol {
        Some(_) if connect => BodyLength::Empty,
        _ => content_length(request.headers(), ended, flaw)?,
    };
    let mut parts = request.into_parts().0;
    if !off(Http2Flaw::CookieCrumbs) {
        join_cookies(&mut parts.headers);
    }
    let expects =
        parts.headers.get("expect").is_some_and(|value| value == "100-continue") && !ended;
    let protocol = pseudo.protocol.map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(Head { parts, length, expects, protocol })
}

impl<'a> Pseudo<'a> {
    fn take(
        &mut self,
        name: &[u8],
        value: &'a [u8],
        connects: bool,
        flaw: Option<Http2Flaw>,
    ) -> Result<(), Refusal> {
        let place = match name {
            b"method" => &mut self.method,
            b"scheme" => &mut self.scheme,
            b"authority" => &mut self.authority,
            b"path" => &mut self.path,
            b"protocol" if connects => &mut self.protocol,
            _ if flaw == Some(Http2Flaw::UnknownPseudo) => return Ok(()),
            _ => return Err(Malformed),
        };
        if place.is_some() && flaw != Some(Http2Flaw::RepeatedPseudo) {
            return Err(Malformed);
        }
        if value.is_empty() {
            return if flaw == Some(Http2Flaw::EmptyPseudo) { Ok(()) } else { Err(Malformed) };
        }
        *place = Some(value);
        Ok(())
    }
}

fn field(
    fields: &mut http::HeaderMap,
    name: &[u8],
    value: &[u8],
    flaw: Option<Http2Flaw>,
) -> Result<(), Refusal> {
    let upper = name.iter().any(u8::is_ascii_uppercase);
    if !is_token(name) || upper && flaw != Some(Http2Flaw::UpperCase) {
        return Err(Malformed);
    }
    let space = |octet: Option<&u8>| octet.is_some_and(|octet| matches!(octet, b' ' | b'\t'));
    if value.iter().any(|octet| is_control(*octet)) || space(value.first()) || space(value.last()) {
        return Err(Malformed);
    }
    let name = HeaderName::from_bytes(name).map_err(|_| Malformed)?;
    if OF_CONNECTION.contains(&name.as_str()) {
        return if flaw == Some(Http2Flaw::ConnectionFields) { Ok(()) } else { Err(Malformed) };
    }
    if name == "te" && flaw == Some(Http2Flaw::NoTe) {
        return Err(Malformed);
    }
    if name == "te" && value != b"trailers" && flaw != Some(Http2Flaw::AnyTe) {
        return Err(Malformed);
    }
    fields.append(name, HeaderValue::from_bytes(value).map_err(|_| Malformed)?);
    Ok(())
}

/// The trailer fields of a request.
pub(super) fn trailers(fields: &Pairs) -> Option<http::HeaderMap> {
    let mut map = http::HeaderMap::new();
    for (name, value) in fields {
        field(&mut map, name, value, None).ok()?;
    }
    Some(map)
}

fn check_limits(fields: &Pairs, pseudo: &Pseudo<'_>) -> Result<(), Refusal> {
    let limits = crate::honest::limits();
    let target = pseudo.path.map_or(0, <[u8]>::len);
    if limits.target_bytes.is_some_and(|limit| target > limit) {
        return Err(Status(414));
    }
    let octets: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    let count = fields.iter().filter(|(name, _)| !name.starts_with(b":")).count();
    let large = limits.head_bytes.is_some_and(|limit| octets > limit)
        || limits.head_fields.is_some_and(|limit| count > limit);
    if large { Err(Status(431)) } else { Ok(()) }
}

fn check_host(
    fields: &http::HeaderMap,
    authority: Option<&[u8]>,
    flaw: Option<Http2Flaw>,
) -> Result<(), Refusal> {
    let off = |one: Http2Flaw| flaw == Some(one);
    let hosts: Vec<&[u8]> = fields.get_all("host").iter().map(HeaderValue::as_bytes).collect();
    let host = match hosts[..] {
        [] => None,
        [host] => Some(host),
        [host, ..] if off(Http2Flaw::TwoHosts) => Some(host),
        [..] => return Err(Status(400)),
    };
    let well_formed = |host: Option<&[u8]>| host.is_none_or(is_host);
    let fine = match (authority, host) {
        (None, None) => off(Http2Flaw::NoHost),
        (None, Some(_)) => !off(Http2Flaw::NeedsAuthority),
        (Some(authority), Some(host)) => {
            authority.eq_ignore_ascii_case(host) && !off(Http2Flaw::NoHostBeside)
                || off(Http2Flaw::HostDiffers)
                || off(Http2Flaw::TwoHosts)
        }
        (Some(_), None) => true,
    };
    if fine && well_formed(authority) && well_formed(host) { Ok(()) } else { Err(Status(400)) }
}

fn uri(
    method: &Method,
    scheme: &[u8],
    authority: Option<&[u8]>,
    path: &[u8],
) -> Result<Uri, Refusal> {
    let visible = path.iter().all(|octet| (0x21..0x7f).contains(octet) && *octet != b'#');
    let asterisk = path == b"*" && *method == Method::OPTIONS;
    if !visible || !(path.starts_with(b"/") || asterisk) {
        return Err(Malformed);
    }
    if !matches!(scheme, b"http" | b"https") {
        return Err(Status(400));
    }
    let Some(authority) = authority else {
        return Uri::try_from(path).map_err(|_| Malformed);
    };
    let builder = Uri::builder().scheme(scheme).authority(authority).path_and_query(path);
    builder.build().map_err(|_| Malformed)
}

fn content_length(
    fields: &http::HeaderMap,
    ended: bool,
    flaw: Option<Http2Flaw>,
) -> Result<BodyLength, Refusal> {
    let declared: Vec<&[u8]> =
        fields.get_all("content-length").iter().map(HeaderValue::as_bytes).collect();
    let declared = match declared[..] {
        [] => None,
        [one] => Some(length(one).ok_or(Malformed)?),
        [..] => return Err(Malformed),
    };
    match (declared, ended) {
        (None | Some(0), true) | (Some(0), false) => Ok(BodyLength::Empty),
        (Some(_), true) if flaw == Some(Http2Flaw::AnyLength) => Ok(BodyLength::Empty),
        (Some(_), true) => Err(Malformed),
        (Some(_), false) if flaw == Some(Http2Flaw::AnyLength) => Ok(BodyLength::Unknown),
        (Some(length), false) => Ok(BodyLength::Exact(length)),
        (None, false) => Ok(BodyLength::Unknown),
    }
}

/// RFC 9113, section 8.2.3.
fn join_cookies(fields: &mut http::HeaderMap) {
    let crumbs: Vec<&[u8]> = fields.get_all("cookie").iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        fields.insert("cookie", whole);
    }
}
