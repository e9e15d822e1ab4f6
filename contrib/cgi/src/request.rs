//! From CGI's variables to the head of a request (RFC 3875, section 4.1).
//!
//! Rules of this room: it thinks, on values alone; the raw target is taken where the web server gives it (`REQUEST_URI`) and made of
//! the decoded parts where it does not; a variable that no field can be made of is the web server's fault and answered 400;
//! `HTTP_PROXY` is no field.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use rwgi::{BodyLength, Connection, Endpoint, Error, Result, ServerInfo, TlsInfo};

/// A request as its variables tell it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: Parts,
    /// How much of the raw path is `script_name`.
    pub(crate) mount: usize,
    pub(crate) length: BodyLength,
    pub(crate) connection: Connection,
}

/// When `SCRIPT_NAME` is the mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mount {
    /// As RFC 3875 has it: the application is a program that has a place in the path.
    Script,
    /// Only where the web server also says what comes after it (`PATH_INFO`): nginx's own list of parameters names the whole path
    /// `SCRIPT_NAME`, because there the script is a file.
    WithPathInfo,
}

/// Makes a request of the variables.
///
/// # Errors
/// A variable that is needed is missing or malformed: 400, and the web server's settings are to be looked at.
pub(crate) fn request<'a>(
    variables: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    mount: Mount,
    server: &Arc<ServerInfo>,
) -> Result<Request> {
    let mut said = Said::default();
    let mut fields = HeaderMap::new();
    for (name, value) in variables {
        if let Some(field) = name.strip_prefix(b"HTTP_") {
            add_field(&mut fields, field, value)?;
        } else {
            said.take(name, value);
        }
    }
    let mut head = http::Request::new(()).into_parts().0;
    head.method = Method::from_bytes(said.method.ok_or_else(|| bad("there is no REQUEST_METHOD"))?)
        .map_err(|error| bad("REQUEST_METHOD is no method").with_source(error))?;
    head.version = version(said.protocol);
    head.uri = said.target()?;
    let place = said.mount(head.uri.path(), mount);
    if let Some(kind) = said.content_type.filter(|kind| !kind.is_empty()) {
        fields.insert(CONTENT_TYPE, value(kind)?);
    }
    let length = said.length(&fields)?;
    if let BodyLength::Exact(length) = length {
        fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    } else if said.content_length == Some(b"0") {
        fields.insert(CONTENT_LENGTH, HeaderValue::from(0u64));
    }
    if fields.get_all(HOST).iter().count() > 1 {
        return Err(bad("there is more than one HTTP_HOST").with_requirement("REQ-HTTP-23"));
    }
    if fields.get(HOST).is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(bad("HTTP_HOST is not host[:port]").with_requirement("REQ-HTTP-24"));
    }
    head.headers = fields;
    let connection = said.connection(Arc::clone(server));
    Ok(Request { head, mount: place, length, connection })
}

/// The variables that are no fields.
#[derive(Default)]
struct Said<'a> {
    method: Option<&'a [u8]>,
    protocol: Option<&'a [u8]>,
    request_uri: Option<&'a [u8]>,
    script_name: Option<&'a [u8]>,
    path_info: Option<&'a [u8]>,
    query: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
    remote: (Option<&'a [u8]>, Option<&'a [u8]>),
    local: (Option<&'a [u8]>, Option<&'a [u8]>),
    https: Option<&'a [u8]>,
    tls: (Option<&'a [u8]>, Option<&'a [u8]>),
}

impl<'a> Said<'a> {
    fn take(&mut self, name: &[u8], value: &'a [u8]) {
        let place = match name {
            b"REQUEST_METHOD" => &mut self.method,
            b"SERVER_PROTOCOL" => &mut self.protocol,
            b"REQUEST_URI" => &mut self.request_uri,
            b"SCRIPT_NAME" => &mut self.script_name,
            b"PATH_INFO" => &mut self.path_info,
            b"QUERY_STRING" => &mut self.query,
            b"CONTENT_TYPE" => &mut self.content_type,
            b"CONTENT_LENGTH" => &mut self.content_length,
            b"REMOTE_ADDR" => &mut self.remote.0,
            b"REMOTE_PORT" => &mut self.remote.1,
            b"SERVER_ADDR" => &mut self.local.0,
            b"SERVER_PORT" => &mut self.local.1,
            b"HTTPS" => &mut self.https,
            b"SSL_PROTOCOL" => &mut self.tls.0,
            b"SSL_CIPHER" => &mut self.tls.1,
            _ => return,
        };
        *place = Some(value);
    }

    /// The raw target.
    fn target(&self) -> Result<Uri> {
        let raw = match self.request_uri.filter(|raw| !raw.is_empty()) {
            Some(raw) => Bytes::copy_from_slice(raw),
            None => {
                let mut raw = encoded(self.script_name.unwrap_or_default());
                raw.extend(encoded(self.path_info.unwrap_or_default()));
                if raw.is_empty() {
                    raw.push(b'/');
                }
                if let Some(query) = self.query.filter(|query| !query.is_empty()) {
                    raw.push(b'?');
                    raw.extend_from_slice(query);
                }
                raw.into()
            }
        };
        Uri::from_maybe_shared(raw)
            .map_err(|error| bad("REQUEST_URI is no target").with_source(error))
    }

    /// How much of the raw path is `SCRIPT_NAME`; nothing where that is no beginning of it.
    fn mount(&self, path: &str, when: Mount) -> usize {
        let Some(script) = self.script_name.filter(|script| !script.is_empty()) else { return 0 };
        if when == Mount::WithPathInfo && self.path_info.is_none() {
            return 0;
        }
        decoded_prefix(path.as_bytes(), script.strip_suffix(b"/").unwrap_or(script)).unwrap_or(0)
    }

    fn length(&self, fields: &HeaderMap) -> Result<BodyLength> {
        match self.content_length.filter(|digits| !digits.is_empty()) {
            Some(digits) => std::str::from_utf8(digits)
                .ok()
                .filter(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .map(
                    |length| {
                        if length == 0 { BodyLength::Empty } else { BodyLength::Exact(length) }
                    },
                )
                .ok_or_else(|| bad("CONTENT_LENGTH is no number").with_requirement("REQ-HTTP-29")),
            // A web server that hands content on as it comes says by this field that there is some.
            None if fields.contains_key(http::header::TRANSFER_ENCODING) => Ok(BodyLength::Unknown),
            None => Ok(BodyLength::Empty),
        }
    }

    fn connection(&self, server: Arc<ServerInfo>) -> Connection {
        fn text(octets: Option<&[u8]>) -> Option<&str> {
            octets.and_then(|text| std::str::from_utf8(text).ok())
        }
        let end = |(address, port): (Option<&[u8]>, Option<&[u8]>)| {
            let address = text(address)?.parse::<IpAddr>().ok()?;
            let port = text(port).and_then(|port| port.parse().ok()).unwrap_or(0);
            Some(Endpoint::Ip(SocketAddr::new(address, port)))
        };
        let secure = self.https.is_some_and(|said| {
            !said.is_empty() && !said.eq_ignore_ascii_case(b"off") && said != b"0"
        });
        let mut tls = TlsInfo::default();
        tls.version = text(self.tls.0).filter(|text| !text.is_empty()).map(str::to_owned);
        tls.cipher_suite = text(self.tls.1).filter(|text| !text.is_empty()).map(str::to_owned);
        Connection {
            peer: end(self.remote).unwrap_or_default(),
            local: end(self.local).unwrap_or_default(),
            tls: secure.then_some(tls),
            server,
        }
    }
}

/// Adds the field that a variable `HTTP_…` stands for.
fn add_field(fields: &mut HeaderMap, name: &[u8], octets: &[u8]) -> Result<()> {
    // `Proxy` would become a variable that programs take for their own setting; the others have variables of their own.
    if matches!(name, b"PROXY" | b"CONTENT_TYPE" | b"CONTENT_LENGTH") {
        return Ok(());
    }
    let name: Vec<u8> = name
        .iter()
        .map(|octet| if *octet == b'_' { b'-' } else { octet.to_ascii_lowercase() })
        .collect();
    let name = HeaderName::from_bytes(&name)
        .map_err(|error| bad("a variable HTTP_… is no field").with_source(error))?;
    fields.append(name, value(octets)?);
    Ok(())
}

fn value(octets: &[u8]) -> Result<HeaderValue> {
    HeaderValue::from_bytes(octets).map_err(|error| {
        bad("a variable holds an octet that no field may carry").with_source(error)
    })
}

/// Whether the octets are `uri-host [ ":" port ]` (RFC 9110, section 7.2); web servers hand on what they were sent.
fn is_host(value: &[u8]) -> bool {
    if value.is_empty() {
        return true;
    }
    let Ok(authority) = Authority::try_from(value) else { return false };
    let (host, whole) = (authority.host(), authority.as_str());
    let literal = host.strip_prefix('[').map(|rest| rest.strip_suffix(']').unwrap_or(rest));
    !whole.contains('@')
        && whole
            .strip_prefix(host)
            .is_some_and(|port| matches!(port, "" | ":") || authority.port_u16().is_some())
        && literal.is_none_or(|address| {
            address.parse::<Ipv6Addr>().is_ok() || address.starts_with(['v', 'V'])
        })
}

fn version(protocol: Option<&[u8]>) -> Version {
    match protocol {
        Some(b"HTTP/1.0") => Version::HTTP_10,
        Some(b"HTTP/2" | b"HTTP/2.0") => Version::HTTP_2,
        Some(b"HTTP/3" | b"HTTP/3.0") => Version::HTTP_3,
        _ => Version::HTTP_11,
    }
}

/// A decoded path as it may stand in a target.
fn encoded(path: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(path.len());
    for octet in path {
        if octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(octet) {
            raw.push(*octet);
        } else {
            raw.extend(format!("%{octet:02X}").into_bytes());
        }
    }
    raw
}

/// How much of a raw path decodes to `prefix`, where a segment ends there.
fn decoded_prefix(path: &[u8], prefix: &[u8]) -> Option<usize> {
    let mut at = 0;
    for octet in prefix {
        let (found, length) = match path.get(at)? {
            b'%' => {
                let digits = path.get(at + 1..at + 3)?;
                let digits = std::str::from_utf8(digits).ok()?;
                (u8::from_str_radix(digits, 16).ok()?, 3)
            }
            plain => (*plain, 1),
        };
        if found != *octet {
            return None;
        }
        at += length;
    }
    matches!(path.get(at), None | Some(b'/')).then_some(at)
}

#[cold]
fn bad(why: &'static str) -> Error {
    Error::client(StatusCode::BAD_REQUEST, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(variables: &[(&str, &str)], mount: Mount) -> Result<Request> {
        let variables = variables.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        request(variables, mount, &Arc::default())
    }

    #[test]
    fn a_request_is_what_its_variables_say() {
        let request = made(
            &[
                ("REQUEST_METHOD", "POST"),
                ("SERVER_PROTOCOL", "HTTP/1.0"),
                ("REQUEST_URI", "/shop/caf%C3%A9?q=1"),
                ("SCRIPT_NAME", "/shop"),
                ("PATH_INFO", "/café"),
                ("CONTENT_TYPE", "text/plain"),
                ("CONTENT_LENGTH", "5"),
                ("HTTP_CONTENT_LENGTH", "5"),
                ("HTTP_HOST", "example.org"),
                ("HTTP_X_ONE", "1"),
                ("HTTP_PROXY", "evil"),
                ("REMOTE_ADDR", "::1"),
                ("REMOTE_PORT", "99"),
                ("HTTPS", "on"),
                ("SSL_PROTOCOL", "TLSv1.3"),
            ],
            Mount::Script,
        )
        .unwrap();
        assert_eq!(request.head.method, "POST");
        assert_eq!(request.head.version, Version::HTTP_10);
        assert_eq!(request.head.uri, "/shop/caf%C3%A9?q=1");
        assert_eq!((request.mount, request.length), (5, BodyLength::Exact(5)));
        let names: Vec<_> = request.head.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["host", "x-one", "content-type", "content-length"]);
        assert_eq!(request.connection.peer.to_string(), "[::1]:99");
        assert_eq!(request.connection.tls.unwrap().version.as_deref(), Some("TLSv1.3"));
    }

    #[test]
    fn without_a_raw_target_one_is_made() {
        let target = |variables: &[(&str, &str)]| {
            let get = [("REQUEST_METHOD", "GET")];
            made(&[&get, variables].concat(), Mount::Script).unwrap()
        };
        let request =
            target(&[("SCRIPT_NAME", "/a b"), ("PATH_INFO", "/c?d"), ("QUERY_STRING", "e=f")]);
        assert_eq!((request.head.uri.to_string().as_str(), request.mount), ("/a%20b/c%3Fd?e=f", 6));
        assert_eq!(target(&[]).head.uri, "/");
    }

    #[test]
    fn the_mount_is_a_beginning_of_the_path_or_nothing() {
        for (path, script, info, when, mount) in [
            ("/app/x", "/app", Some("/x"), Mount::WithPathInfo, 4),
            ("/app/x", "/app", None, Mount::WithPathInfo, 0),
            ("/app", "/app", None, Mount::Script, 4),
            ("/%61pp/x", "/app", Some("/x"), Mount::Script, 6),
            ("/apple", "/app", Some(""), Mount::Script, 0),
            ("/app/", "/app/", Some(""), Mount::Script, 4),
            ("/", "", Some("/"), Mount::Script, 0),
            ("/rewritten", "/app", Some("/x"), Mount::Script, 0),
        ] {
            let mut list =
                vec![("REQUEST_METHOD", "GET"), ("REQUEST_URI", path), ("SCRIPT_NAME", script)];
            list.extend(info.map(|info| ("PATH_INFO", info)));
            assert_eq!(made(&list, when).unwrap().mount, mount, "{path} {script} {info:?}");
        }
    }

    #[test]
    fn what_is_no_request_is_the_web_servers_fault() {
        for list in [
            &[("REQUEST_URI", "/")][..],
            &[("REQUEST_METHOD", "G T")],
            &[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/\u{1}")],
            &[("REQUEST_METHOD", "GET"), ("CONTENT_LENGTH", "-1")],
            &[("REQUEST_METHOD", "GET"), ("HTTP_X", "a\nb")],
            &[("REQUEST_METHOD", "GET"), ("HTTP_HOST", "user@a")],
            &[("REQUEST_METHOD", "GET"), ("HTTP_HOST", "a:b")],
            &[("REQUEST_METHOD", "GET"), ("HTTP_HOST", "a"), ("HTTP_HOST", "b")],
        ] {
            assert_eq!(made(list, Mount::Script).unwrap_err().status(), 400, "{list:?}");
        }
    }
}
