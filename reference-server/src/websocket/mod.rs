//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692): frames on the wire, messages in the contract.
//!
//! Rules of this room: handshake, frames, decoder, encoder and deflate think: octets in, events out, no socket; `carry` is the door that
//! moves octets and holds the clock. The codec is the server's own, for no widely used one has permessage-deflate.

pub(crate) mod carry;
mod decoder;
mod deflate;
mod encoder;
mod frame;
#[cfg(test)]
mod fuzz;
pub(crate) mod handshake;
#[cfg(test)]
mod tests;

use rwgi::CloseCode;

/// A rule of the protocol that the client broke: the code that closes, and what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: CloseCode,
    pub(crate) what: &'static str,
}

impl Violation {
    const fn protocol(what: &'static str) -> Self {
        Self { code: CloseCode::PROTOCOL_ERROR, what }
    }

    const fn data(what: &'static str) -> Self {
        Self { code: CloseCode::INVALID_DATA, what }
    }

    const fn too_large() -> Self {
        Self { code: CloseCode::TOO_LARGE, what: "the message is larger than the limit" }
    }
}
