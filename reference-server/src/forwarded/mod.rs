//! What a trusted proxy says of a request: X-Forwarded-* or Forwarded (RFC 7239), walked from the right.
//!
//! Rules of this room: it thinks, on values alone; nobody is believed who is not on the list; each hop's word is believed as far as the hop after
//! it was, and no further; what cannot be understood makes the client unknown, and never somebody; the raw facts stay as they are.
//!
//! A proxy adds what it saw at the right, and hands on what its client sent at the left. So the entry at the very right was written by the peer of the
//! connection; it is believed where that peer is trusted, and names the next hop, which is trusted or is the client.
//!
//! Only the fields that the configuration names are looked at. A proxy that writes X-Forwarded-For hands on a client's Forwarded untouched, and the
//! other way round: to read whichever is there would be to believe the client.

mod node;
mod rfc7239;
mod trust;
mod x_forwarded;

use http::HeaderMap;
use rwgi::{Endpoint, Forwarded};

pub use self::trust::{ForwardedFields, TrustedProxies};

/// What the proxies on the way have said of a request; `None` where the peer is not trusted or has said nothing.
pub(crate) fn forwarded(
    peer: &Endpoint,
    fields: &HeaderMap,
    trusted: &TrustedProxies,
    believed: &ForwardedFields,
) -> Option<Forwarded> {
    if !trusted.trusts(peer) {
        return None;
    }
    let said = if believed.forwarded() {
        rfc7239::walk(fields, trusted)
    } else {
        x_forwarded::walk(fields, trusted, believed)
    };
    (said != Forwarded::default()).then_some(said)
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
