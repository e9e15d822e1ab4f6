//! Which HTTP a connection speaks, from its first octets.
//!
//! Rules of this room: HTTP/2 with prior knowledge begins with its preface (RFC 9113, section 3.4), everything else is HTTP/1.1's to
//! refuse; the wait has a deadline from the first moment, and ends with the server.

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::Shared;
use super::rest::read_some;
use super::timer::Timer;
use crate::transport::Transport;

/// The preface of HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Reads until the protocol is known; `None` where the client left, was silent for too long, or the server stops. The timer is set to when the
/// first octet has to be there.
pub(super) async fn sniff<T: Transport>(
    transport: &mut T,
    timer: &mut Timer,
    shared: &Shared,
) -> Option<(Protocol, Bytes)> {
    // Agreed on with TLS: whoever says the one and speaks the other is told so by the one.
    let agreed = transport.tls().and_then(|tls| match tls.alpn.as_deref() {
        Some("h2") => Some(Protocol::Http2),
        Some(_) => Some(Protocol::Http1),
        None => None,
    });
    let stopping = shared.stop.patience_over();
    tokio::pin!(stopping);
    let mut octets = BytesMut::new();
    loop {
        let read = tokio::select! {
            biased;
            read = read_some(transport, &mut octets) => Some(read),
            () = &mut *timer => None,
            () = &mut stopping => return None,
        };
        let read = match read {
            Some(Ok(read @ 1..)) => read,
            // Half a preface is half a head of HTTP/1.1 as well, which knows what to say to who is late.
            None if !octets.is_empty() => return Some((Protocol::Http1, octets.freeze())),
            // Silence and departure end alike: there is nobody to answer.
            _ => return None,
        };
        if octets.len() == read {
            // In total for the preface, so that one octet at a time does not help.
            timer.reset(Instant::now() + shared.config.head_timeout);
        }
        if let Some(protocol) = agreed {
            return Some((protocol, octets.freeze()));
        }
        if octets.starts_with(PREFACE) {
            return Some((Protocol::Http2, octets.freeze()));
        }
        if !PREFACE.starts_with(&octets) {
            return Some((Protocol::Http1, octets.freeze()));
        }
    }
}
