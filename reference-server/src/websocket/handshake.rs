//! The server's side of the handshake.
//!
//! Rules of this room: it thinks; that the client's side is valid was found out before.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS};
use http::{HeaderMap, HeaderValue};
use rwgi::{Acceptance, Ping, WebSocketOffer};
use sha1::{Digest, Sha1};

use super::deflate::Agreed;
use crate::config::check::LONGEST;

/// What every acceptance begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    pub(crate) message_bytes: usize,
    pub(crate) ping: Ping,
    /// How long a client may take to answer a Close frame.
    pub(crate) patience: std::time::Duration,
}

/// What holds for one WebSocket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) message_bytes: usize,
    pub(crate) ping: Ping,
    pub(crate) patience: std::time::Duration,
    pub(super) agreed: Option<Agreed>,
}

/// RFC 6455, section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Sec-WebSocket-Accept for a key.
fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Completes the head of an acceptance, and gives what holds from then on.
pub(crate) fn complete(
    offer: &WebSocketOffer,
    acceptance: &Acceptance,
    defaults: &Defaults,
    fields: &mut HeaderMap,
) -> Terms {
    if let Some(key) = offer.key()
        && let Ok(value) = HeaderValue::try_from(accept(key))
    {
        fields.insert(SEC_WEBSOCKET_ACCEPT, value);
    }
    let agreed =
        if acceptance.allows_compression() { Agreed::of(offer.extensions()) } else { None };
    if let Some(agreed) = &agreed
        && let Ok(value) = HeaderValue::try_from(agreed.response())
    {
        fields.insert(SEC_WEBSOCKET_EXTENSIONS, value);
    }
    Terms {
        message_bytes: acceptance.chosen_message_limit().unwrap_or(defaults.message_bytes),
        ping: match acceptance.chosen_ping().unwrap_or(defaults.ping) {
            Ping::Never => Ping::Never,
            // The application chooses freely, and a clock has an end.
            Ping::Every { idle, patience } => {
                Ping::Every { idle: idle.min(LONGEST), patience: patience.min(LONGEST) }
            }
        },
        patience: defaults.patience,
        agreed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Evidence: REQ-WS-02
    #[test]
    fn the_key_of_the_rfc_has_the_answer_of_the_rfc() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
