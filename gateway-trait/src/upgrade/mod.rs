//! Taking a connection over: what a request offers, and the two halves of what follows when the offer is taken.
//!
//! Rules of this room: what is offered is read once, from the head; what follows is a session, whose application half speaks to its
//! server half through one link; one task carries both, and a half that lives elsewhere wakes the other.

pub(crate) mod link;
pub(crate) mod session;
pub(crate) mod tunnel;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, Version, request};

use crate::websocket::WebSocketOffer;

/// What a request offers to go on with instead of HTTP: the Upgrade field of HTTP/1.1, or `:protocol` of extended CONNECT (RFC 8441).
///
/// ```
/// use rwgi::{Environ, ServerInfo};
/// let mut server = ServerInfo::new("test/1");
/// server.capabilities.upgrade = true;
/// let environ = Environ::builder()
///     .server(server)
///     .header("connection", "upgrade")
///     .header("upgrade", "echo/1, irc")
///     .build()?;
/// let offer = environ.upgrade().expect("an offer");
/// assert_eq!(offer.protocols().collect::<Vec<_>>(), ["echo/1", "irc"]);
/// # Ok::<(), rwgi::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct UpgradeOffer {
    protocols: Vec<String>,
    websocket: Option<WebSocketOffer>,
}

impl UpgradeOffer {
    /// The offer of an HTTP/1.1 request, if it makes one: `Connection: upgrade` beside an Upgrade field that follows its grammar
    /// (REQ-UPG-01).
    ///
    /// A request with content makes none as far as a server is concerned, which is the caller's to know.
    pub fn of_request(head: &request::Parts) -> Option<Self> {
        if head.version != Version::HTTP_11 || !lists(&head.headers, &CONNECTION, "upgrade") {
            return None;
        }
        let mut protocols = Vec::new();
        for line in head.headers.get_all(UPGRADE) {
            for protocol in elements(line.to_str().ok()?) {
                if !is_protocol(protocol) {
                    return None;
                }
                protocols.push(protocol.to_owned());
            }
        }
        if protocols.is_empty() {
            return None;
        }
        let websocket = protocols
            .iter()
            .any(|protocol| protocol.eq_ignore_ascii_case("websocket"))
            .then(|| WebSocketOffer::of_upgrade(head))
            .flatten();
        Some(Self { protocols, websocket })
    }

    /// The offer of an extended CONNECT: what `:protocol` names (REQ-UPG-13).
    pub fn of_connect(head: &request::Parts, protocol: &str) -> Self {
        let websocket =
            (protocol == "websocket").then(|| WebSocketOffer::of_connect(head)).flatten();
        Self { protocols: vec![protocol.to_owned()], websocket }
    }

    /// The protocols, in the client's order of preference, as it spelled them (`name` or `name/version`).
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.protocols.iter().map(String::as_str)
    }

    /// The client's spelling of `protocol`, where it is offered; names are compared without regard to case.
    pub fn find(&self, protocol: &str) -> Option<&str> {
        self.protocols().find(|offered| offered.eq_ignore_ascii_case(protocol))
    }

    /// The WebSocket handshake, where the offer is a valid one (REQ-WS-01).
    pub fn websocket(&self) -> Option<&WebSocketOffer> {
        self.websocket.as_ref()
    }
}

/// The elements of a comma-separated list, without the empty ones (RFC 9110, section 5.6.1).
pub(crate) fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(|element| element.trim_matches([' ', '\t']))
        .filter(|element| !element.is_empty())
}

/// Whether the field lists the token.
pub(crate) fn lists(fields: &HeaderMap, name: &http::HeaderName, token: &str) -> bool {
    fields
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(elements)
        .any(|element| element.eq_ignore_ascii_case(token))
}

/// `protocol = protocol-name ["/" protocol-version]`, both tokens (RFC 9110, section 7.8).
pub(crate) fn is_protocol(text: &str) -> bool {
    let (name, version) =
        text.split_once('/').map_or((text, None), |(name, version)| (name, Some(version)));
    is_token(name) && version.is_none_or(is_token)
}

/// Whether the text is a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: Version, fields: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::builder().version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    // Evidence: REQ-UPG-01
    #[test]
    fn an_offer_is_a_list_of_protocols_that_the_connection_names() {
        let fields =
            [("connection", "keep-alive, Upgrade"), ("upgrade", "h2c, x/1"), ("upgrade", "y")];
        let offer = UpgradeOffer::of_request(&head(Version::HTTP_11, &fields)).unwrap();
        assert_eq!(offer.protocols().collect::<Vec<_>>(), ["h2c", "x/1", "y"]);
        assert_eq!((offer.find("H2C"), offer.find("z")), (Some("h2c"), None));
        assert!(UpgradeOffer::of_request(&head(Version::HTTP_10, &fields)).is_none());
        for fields in [
            &[("upgrade", "x")][..],
            &[("connection", "upgrade")],
            &[("connection", "close"), ("upgrade", "x")],
            &[("connection", "upgrade"), ("upgrade", " , ")],
            &[("connection", "upgrade"), ("upgrade", "x y")],
            &[("connection", "upgrade"), ("upgrade", "x/")],
        ] {
            assert!(
                UpgradeOffer::of_request(&head(Version::HTTP_11, fields)).is_none(),
                "{fields:?}"
            );
        }
    }
}
