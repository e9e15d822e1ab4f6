//! From messages to octets.
//!
//! Rules of this room: it thinks; a message is one frame; nothing follows a Close frame; small messages are gathered, and a large one is
//! not copied.

use bytes::{Bytes, BytesMut};
use rwgi::{CloseFrame, Message};

use super::deflate::{Agreed, Deflater};
use super::frame::{Opcode, write_head};

/// Payloads from here on are sent from where they are.
const LARGE: usize = 8 * 1024;
/// Shorter messages are not worth their compression.
const WORTH_DEFLATING: usize = 64;

#[derive(Debug)]
pub(super) struct Encoder {
    deflater: Option<Deflater>,
    /// What is to be sent: first this, then the large payload.
    pub(super) octets: BytesMut,
    pub(super) large: Bytes,
    closed: bool,
}

impl Encoder {
    pub(super) fn new(agreed: Option<&Agreed>) -> Self {
        Self {
            deflater: agreed.map(Deflater::new),
            octets: BytesMut::new(),
            large: Bytes::new(),
            closed: false,
        }
    }

    /// How much waits to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.octets.len() + self.large.len()
    }

    /// Whether the Close frame was written: nothing follows it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn message(&mut self, message: Message) {
        if self.closed {
            return;
        }
        let (opcode, data) = match message {
            Message::Text(text) => (Opcode::Text, Bytes::from(text)),
            Message::Binary(data) => (Opcode::Binary, data),
        };
        let deflated = match &mut self.deflater {
            Some(deflater) if data.len() >= WORTH_DEFLATING => deflater.message(&data),
            _ => None,
        };
        match deflated {
            Some(deflated) => self.frame(opcode, true, deflated.into()),
            None => self.frame(opcode, false, data),
        }
    }

    pub(super) fn ping(&mut self) {
        if !self.closed {
            self.frame(Opcode::Ping, false, Bytes::new());
        }
    }

    pub(super) fn pong(&mut self, payload: Bytes) {
        if !self.closed {
            self.frame(Opcode::Pong, false, payload);
        }
    }

    /// The Close frame; without a code where the client's had none.
    pub(super) fn close(&mut self, close: Option<&CloseFrame>) {
        if self.closed {
            return;
        }
        let mut payload = Vec::new();
        if let Some(close) = close {
            payload.extend(u16::from(close.code()).to_be_bytes());
            payload.extend(close.reason().as_bytes());
        }
        self.frame(Opcode::Close, false, payload.into());
        self.closed = true;
    }

    fn frame(&mut self, opcode: Opcode, compressed: bool, payload: Bytes) {
        // What was large before has to go first.
        if !self.large.is_empty() {
            let large = std::mem::take(&mut self.large);
            self.octets.extend_from_slice(&large);
        }
        write_head(opcode, compressed, payload.len(), &mut self.octets);
        if payload.len() < LARGE {
            self.octets.extend_from_slice(&payload);
        } else {
            self.large = payload;
        }
    }
}
