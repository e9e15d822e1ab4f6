//! What a client offers with a WebSocket handshake.
//!
//! Rules of this room: an offer exists only for a handshake that RFC 6455, section 4.2.1, or RFC 8441, section 5, calls valid; it thinks, on
//! the head alone.

use http::header::{
    HeaderName, ORIGIN, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
};
use http::{HeaderMap, Method, request};

use crate::upgrade::{elements, is_token};

/// A valid WebSocket handshake: what the client offers, and from where it comes (REQ-WS-01).
///
/// ```
/// # use rwgi::{Environ, ServerInfo};
/// # let mut server = ServerInfo::new("test/1");
/// # server.capabilities.websocket = true;
/// let environ = Environ::builder()
///     .server(server)
///     .header("connection", "upgrade")
///     .header("upgrade", "websocket")
///     .header("sec-websocket-version", 13)
///     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
///     .header("sec-websocket-protocol", "chat, superchat")
///     .build()?;
/// let offer = environ.websocket().expect("a valid handshake");
/// assert_eq!(offer.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
/// # Ok::<(), rwgi::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketOffer {
    key: Option<String>,
    subprotocols: Vec<String>,
    extensions: Vec<String>,
    origin: Option<String>,
}

impl WebSocketOffer {
    /// Of an HTTP/1.1 request whose Upgrade field names `websocket`.
    pub(crate) fn of_upgrade(head: &request::Parts) -> Option<Self> {
        let key = only(&head.headers, &SEC_WEBSOCKET_KEY)?;
        if head.method != Method::GET || !is_key(key) {
            return None;
        }
        Self::of_fields(&head.headers, Some(key.to_owned()))
    }

    /// Of an extended CONNECT whose `:protocol` is `websocket`; it has no key.
    pub(crate) fn of_connect(head: &request::Parts) -> Option<Self> {
        Self::of_fields(&head.headers, None)
    }

    fn of_fields(fields: &HeaderMap, key: Option<String>) -> Option<Self> {
        if only(fields, &SEC_WEBSOCKET_VERSION)? != "13" {
            return None;
        }
        let origin = match fields.get(ORIGIN) {
            Some(_) => Some(only(fields, &ORIGIN)?.to_owned()),
            None => None,
        };
        let subprotocols = list(fields, &SEC_WEBSOCKET_PROTOCOL)?;
        if subprotocols.iter().any(|name| !is_token(name)) {
            return None;
        }
        Some(Self {
            key,
            subprotocols,
            extensions: list(fields, &SEC_WEBSOCKET_EXTENSIONS)?,
            origin,
        })
    }

    /// The subprotocols, in the client's order of preference; compared with regard to case.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.subprotocols.iter().map(String::as_str)
    }

    /// The extensions with their parameters, in the client's order of preference; which one is used is the server's to choose.
    pub fn extensions(&self) -> impl Iterator<Item = &str> {
        self.extensions.iter().map(String::as_str)
    }

    /// The Origin field: where the page comes from whose script opens the socket. A client that is no browser sends none.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The Sec-WebSocket-Key, which the server answers; extended CONNECT has none.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// The value of a field that stands there once.
fn only<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = fields.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().ok().map(str::trim),
        _ => None,
    }
}

fn list(fields: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for line in fields.get_all(name) {
        all.extend(elements(line.to_str().ok()?).map(str::to_owned));
    }
    Some(all)
}

/// Whether it has the form of 16 octets in base64: 22 digits and `==`.
fn is_key(text: &str) -> bool {
    let Some(digits) = text.strip_suffix("==") else { return false };
    digits.len() == 22
        && digits
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'+' || octet == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[(&str, &str)] =
        &[("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];

    fn offer(method: Method, fields: &[(&str, &str)]) -> Option<WebSocketOffer> {
        let mut request = http::Request::builder().method(method);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        WebSocketOffer::of_upgrade(&request.body(()).unwrap().into_parts().0)
    }

    // Evidence: REQ-WS-01
    #[test]
    fn an_offer_exists_only_for_a_valid_handshake() {
        assert!(offer(Method::GET, GOOD).is_some());
        assert!(offer(Method::POST, GOOD).is_none());
        for (name, value) in [
            ("sec-websocket-version", "12"),
            ("sec-websocket-version", "13, 8"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ="),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZT0x"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25j!Q=="),
            ("sec-websocket-key", ""),
            ("sec-websocket-protocol", "a b"),
        ] {
            let mut fields: Vec<_> = GOOD.iter().copied().filter(|(own, _)| *own != name).collect();
            assert_eq!(offer(Method::GET, &fields).is_none(), name != "sec-websocket-protocol");
            fields.push((name, value));
            assert!(offer(Method::GET, &fields).is_none(), "{name}: {value}");
        }
        for (name, value) in GOOD {
            let twice: Vec<_> = GOOD.iter().copied().chain([(*name, *value)]).collect();
            assert!(offer(Method::GET, &twice).is_none(), "{name} twice");
        }
    }
}
