//! From messages to octets.
//!
//! Rules of this room: it thinks; a message is one frame; nothing follows a Close frame; small messages are gathered, and a large one is
//! not copied.

use bytes::{Buf, Bytes};
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
    /// What is to be sent: first this, of which some has been sent, then the large payload.
    octets: Vec<u8>,
    sent: usize,
    large: Bytes,
    closed: bool,
}

impl Encoder {
    pub(super) fn new(agreed: Option<&Agreed>) -> Self {
        Self {
            deflater: agreed.map(Deflater::new),
            octets: Vec::new(),
            sent: 0,
            large: Bytes::new(),
            closed: false,
        }
    }

    /// How much waits to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.octets.len() - self.sent + self.large.len()
    }

    /// What is to be sent, one after the other.
    pub(super) fn unsent(&self) -> (&[u8], &[u8]) {
        (&self.octets[self.sent..], &self.large)
    }

    /// So much of that was sent.
    pub(super) fn sent(&mut self, length: usize) {
        let first = length.min(self.octets.len() - self.sent);
        self.sent += first;
        self.large.advance(length - first);
        // What was sent is held no longer than as much is still to be.
        if self.sent == self.octets.len() {
            self.octets.clear();
            self.sent = 0;
        } else if self.sent * 2 >= self.octets.len() {
            self.octets.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Gives back what is more than a socket at rest may hold.
    pub(super) fn rest(&mut self, most: usize) {
        if self.octets.capacity() > most {
            self.octets = Vec::new();
        }
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
