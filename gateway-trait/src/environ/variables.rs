//! The environ under the names of CGI and WSGI, for bridges.
//!
//! Rules of this room: it reads an environ and changes nothing; names follow RFC 3875 and PEP 3333; a field that
//! could pass for another (an underscore on the wire) or for a process variable (`Proxy`) is left out.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST};
use http::{HeaderMap, HeaderName, Version};

use super::Environ;
use super::path::decode_octets;
use crate::{BodyLength, Endpoint, Result};

/// One variable: its name and its octets, which need not be UTF-8.
pub type Variable<'a> = (Cow<'static, str>, Cow<'a, [u8]>);

/// All variables of the environ; see [`Environ::variables`].
pub(super) fn variables(environ: &Environ) -> Result<Vec<Variable<'_>>> {
    let mut list: Vec<Variable<'_>> = Vec::with_capacity(16 + environ.headers().len());
    let mut add = |name: &'static str, value: Cow<'_, [u8]>| {
        list.push((Cow::Borrowed(name), Cow::Owned(value.into_owned())));
    };
    add("GATEWAY_INTERFACE", text("CGI/1.1"));
    add("SERVER_SOFTWARE", text(environ.server().software()));
    add("SERVER_PROTOCOL", text(protocol(environ.version())));
    add("REQUEST_METHOD", text(environ.method().as_str()));
    add("REQUEST_URI", Cow::Owned(request_uri(environ).into_bytes()));
    add("SCRIPT_NAME", decode_octets(environ.script_name())?);
    add("PATH_INFO", decode_octets(environ.path_info())?);
    add("QUERY_STRING", text(environ.query().unwrap_or("")));
    let (name, port) = server_name(environ);
    add("SERVER_NAME", Cow::Owned(name.into_bytes()));
    add("SERVER_PORT", Cow::Owned(port.into_bytes()));
    match environ.peer() {
        Endpoint::Ip(address) => {
            let ip = address.ip().to_string();
            add("REMOTE_HOST", text(&ip));
            add("REMOTE_ADDR", text(&ip));
            add("REMOTE_PORT", Cow::Owned(address.port().to_string().into_bytes()));
        }
        // CGI has no word for a peer without an address; an empty one is what its servers say.
        Endpoint::Unix(_) | Endpoint::Unknown => add("REMOTE_ADDR", text("")),
    }
    add("wsgi.url_scheme", text(environ.scheme().as_str()));
    if let Some(value) = environ.headers().get(CONTENT_TYPE) {
        add("CONTENT_TYPE", Cow::Borrowed(value.as_bytes()));
    }
    if let BodyLength::Exact(length) = environ.input().length() {
        add("CONTENT_LENGTH", Cow::Owned(length.to_string().into_bytes()));
    } else if let Some(value) = environ.headers().get(CONTENT_LENGTH) {
        // None, or one that was taken out already: the field still tells.
        add("CONTENT_LENGTH", Cow::Borrowed(value.as_bytes()));
    }
    if let Some(authority) = environ.authority().filter(|_| !environ.headers().contains_key(HOST)) {
        // HTTP/2 says it in `:authority`, absolute-form in the target; WSGI knows one name for both.
        list.push((Cow::Borrowed("HTTP_HOST"), Cow::Borrowed(authority.as_bytes())));
    }
    for name in environ.headers().keys() {
        if let Some(variable) = variable_name(name) {
            let value = if name == HOST {
                // An absolute-form target replaces the field (RFC 9112, section 3.2.2).
                Cow::Borrowed(environ.authority().unwrap_or("").as_bytes())
            } else {
                joined(environ.headers(), name)
            };
            list.push((Cow::Owned(variable), value));
        }
    }
    Ok(list)
}

/// `HTTP_…` for a field, `None` for one that has another name or none.
fn variable_name(name: &HeaderName) -> Option<String> {
    let text = name.as_str();
    if name == CONTENT_TYPE || name == CONTENT_LENGTH || text == "proxy" || text.contains('_') {
        return None;
    }
    Some(format!("HTTP_{}", text.replace('-', "_").to_ascii_uppercase()))
}

/// The values of a repeated field in one, as RFC 9110, section 5.3, joins them; cookies as RFC 6265 has it.
fn joined<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Cow<'a, [u8]> {
    let mut values = fields.get_all(name).iter();
    let first = values.next().map(|value| value.as_bytes()).unwrap_or_default();
    let separator: &[u8] = if name == COOKIE { b"; " } else { b", " };
    values.fold(Cow::Borrowed(first), |mut whole, value| {
        whole.to_mut().extend_from_slice(separator);
        whole.to_mut().extend_from_slice(value.as_bytes());
        whole
    })
}

/// Host and port by which the request was addressed; without an authority, those of the local end.
pub(super) fn server_name(environ: &Environ) -> (String, String) {
    let authority = environ.authority().and_then(|text| text.parse::<http::uri::Authority>().ok());
    let default_port = environ.scheme().default_port();
    match (authority, environ.connection().local.socket_addr()) {
        (Some(authority), _) => {
            (authority.host().to_owned(), authority.port_u16().unwrap_or(default_port).to_string())
        }
        (None, Some(local)) => {
            let name = match local.ip() {
                IpAddr::V4(ip) => ip.to_string(),
                // As in a URL, and as RFC 3875, section 4.1.14, has it.
                IpAddr::V6(ip) => format!("[{ip}]"),
            };
            (name, local.port().to_string())
        }
        (None, None) => ("localhost".to_owned(), default_port.to_string()),
    }
}

/// The version as the wire and CGI spell it.
pub(super) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

fn request_uri(environ: &Environ) -> String {
    match environ.query() {
        Some(query) => format!("{}?{query}", environ.path()),
        None => environ.path().to_owned(),
    }
}

fn text(value: &str) -> Cow<'_, [u8]> {
    Cow::Borrowed(value.as_bytes())
}
