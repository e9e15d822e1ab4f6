//! Frames: their heads, read and written, and the mask.
//!
//! Rules of this room: it thinks; a head is whole or not there; what RFC 6455, section 5.2, forbids in a head is a violation as soon as
//! the octet that breaks it is there.

use super::Violation;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The head of a frame that a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) fin: bool,
    /// RSV1, which permessage-deflate gives a meaning.
    pub(super) compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

/// The most that the payload of a control frame has.
const MOST_CONTROL: u64 = 125;

impl Head {
    /// Reads the head at the beginning of `octets`; gives it with its own length, or `None` where it has not all come.
    pub(super) fn read(octets: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let Some(&first) = octets.first() else { return Ok(None) };
        if first & 0x30 != 0 {
            return Err(Violation::protocol("a frame sets RSV2 or RSV3"));
        }
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Violation::protocol("a frame has a reserved opcode")),
        };
        let (fin, compressed) = (first & 0x80 != 0, first & 0x40 != 0);
        if opcode.is_control() && !fin {
            return Err(Violation::protocol("a control frame is fragmented"));
        }
        if compressed && (opcode.is_control() || opcode == Opcode::Continuation) {
            return Err(Violation::protocol(
                "RSV1 is set elsewhere than on the first frame of a message",
            ));
        }
        let Some(&second) = octets.get(1) else { return Ok(None) };
        if second & 0x80 == 0 {
            return Err(Violation::protocol("a frame of the client is not masked"));
        }
        let short = u64::from(second & 0x7f);
        if opcode.is_control() && short > MOST_CONTROL {
            return Err(Violation::protocol("a control frame has more than 125 bytes"));
        }
        let (length, at) = match short {
            126 => {
                let Some(octets) = octets.get(2..).and_then(|rest| rest.first_chunk()) else {
                    return Ok(None);
                };
                (u64::from(u16::from_be_bytes(*octets)), 4)
            }
            127 => {
                let Some(octets) = octets.get(2..).and_then(|rest| rest.first_chunk()) else {
                    return Ok(None);
                };
                (u64::from_be_bytes(*octets), 10)
            }
            short => (short, 2),
        };
        if length >> 63 != 0 {
            return Err(Violation::protocol("a length has its highest bit set"));
        }
        if (short == 126 && length < 126) || (short == 127 && length <= u64::from(u16::MAX)) {
            return Err(Violation::protocol(
                "a length is not written in as few octets as it could be",
            ));
        }
        let Some(mask) = octets.get(at..).and_then(|rest| rest.first_chunk()) else {
            return Ok(None);
        };
        Ok(Some((Self { fin, compressed, opcode, length, mask: *mask }, at + 4)))
    }
}

/// Writes the head of a frame of the server, which is whole and not masked.
pub(super) fn write_head(opcode: Opcode, compressed: bool, length: usize, out: &mut Vec<u8>) {
    let first = 0x80 | if compressed { 0x40 } else { 0 } | opcode as u8;
    match length {
        0..126 => out.extend_from_slice(&[first, length as u8]),
        126..=0xffff => {
            let [a, b] = (length as u16).to_be_bytes();
            out.extend_from_slice(&[first, 126, a, b]);
        }
        _ => {
            out.extend_from_slice(&[first, 127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// Puts on the mask, or takes it off, from `offset` octets into the payload on.
pub(super) fn mask(data: &mut [u8], key: [u8; 4], offset: u64) {
    let mut key = key;
    key.rotate_left((offset % 4) as usize);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (octet, key) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *octet ^= key;
    }
}
