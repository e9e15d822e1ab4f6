//! What a client and a server of HTTP/2 both need: frames as octets, and the compression of fields.
//!
//! Rules of this room: octets in, values out; no socket, no state but that of one direction's field compression, and no opinion on
//! what a peer may send: the suite's client judges, the control specimen refuses, each for itself.

pub(crate) mod hpack;
mod huffman;
mod table;

/// What a client says first (RFC 9113, section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The window of a stream, and of the connection, before anybody says otherwise.
pub(crate) const WINDOW: i64 = 65_535;
/// The largest content of a frame before anybody says otherwise.
pub(crate) const FRAME_SIZE: usize = 16_384;
/// The largest window there can be.
pub(crate) const MOST_WINDOW: i64 = (1 << 31) - 1;

/// The types of frames (RFC 9113, section 6).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// The flags of frames.
pub(crate) mod flag {
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// The error codes that are spoken of here (RFC 9113, section 7).
pub(crate) mod code {
    pub(crate) const NO_ERROR: u32 = 0;
    pub(crate) const PROTOCOL_ERROR: u32 = 1;
    pub(crate) const INTERNAL_ERROR: u32 = 2;
    pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
    pub(crate) const STREAM_CLOSED: u32 = 5;
    pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
    pub(crate) const REFUSED_STREAM: u32 = 7;
    pub(crate) const CANCEL: u32 = 8;
    pub(crate) const COMPRESSION_ERROR: u32 = 9;
}

/// The settings that are spoken of here (RFC 9113, section 6.5.2).
pub(crate) mod setting {
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
    /// RFC 8441, section 3.
    pub(crate) const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// A frame as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The frame's octets; the length is that of what it carries.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let mut octets = length.to_be_bytes()[1..].to_vec();
        octets.extend([self.kind, self.flags]);
        octets.extend(self.stream.to_be_bytes());
        octets.extend_from_slice(&self.payload);
        octets
    }

    /// The length that the frame at the front of these octets declares, once its head is there.
    pub(crate) fn declared(octets: &[u8]) -> Option<usize> {
        let length = octets.get(..9)?;
        Some(usize::from(length[0]) << 16 | usize::from(length[1]) << 8 | usize::from(length[2]))
    }

    /// Takes a whole frame off the front of a buffer.
    pub(crate) fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        let end = 9 + Self::declared(buffer)?;
        if buffer.len() < end {
            return None;
        }
        let octets: Vec<u8> = buffer.drain(..end).collect();
        Some(Self {
            kind: octets[3],
            flags: octets[4],
            stream: number(&octets[5..9]) & 0x7fff_ffff,
            payload: octets[9..].to_vec(),
        })
    }

    /// What a frame carries without padding and priority; `None` where the padding is longer than the frame.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        let mut content = &self.payload[..];
        if self.has(flag::PADDED) && matches!(self.kind, kind::DATA | kind::HEADERS) {
            let (length, rest) = content.split_first()?;
            content = rest.get(..rest.len().checked_sub(usize::from(*length))?)?;
        }
        if self.has(flag::PRIORITY) && self.kind == kind::HEADERS {
            content = content.get(5..)?;
        }
        Some(content)
    }
}

/// A 32-bit number, as far as it is there.
pub(crate) fn number(octets: &[u8]) -> u32 {
    octets.iter().take(4).fold(0, |sum, octet| sum << 8 | u32::from(*octet))
}

/// The content of a SETTINGS frame.
pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let octets = |(name, value): &(u16, u32)| {
        name.to_be_bytes().into_iter().chain(value.to_be_bytes()).collect::<Vec<u8>>()
    };
    values.iter().flat_map(octets).collect()
}

/// The settings in the content of a SETTINGS frame.
pub(crate) fn read_settings(payload: &[u8]) -> impl Iterator<Item = (u16, u32)> {
    payload.chunks_exact(6).map(|six| (u16::from_be_bytes([six[0], six[1]]), number(&six[2..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let frame = Frame::new(kind::HEADERS, flag::END_HEADERS, 3, *b"abc");
        let mut octets = frame.octets();
        assert_eq!(octets, b"\x00\x00\x03\x01\x04\x00\x00\x00\x03abc");
        octets.push(0);
        assert_eq!(Frame::take(&mut octets), Some(frame));
        assert_eq!(Frame::take(&mut octets), None);
        assert_eq!(octets, [0]);
    }

    #[test]
    fn padding_and_priority_are_no_content() {
        let padded = Frame::new(kind::DATA, flag::PADDED, 1, *b"\x02abc\x00\x00");
        assert_eq!(padded.content(), Some(&b"abc"[..]));
        let too_much = Frame::new(kind::DATA, flag::PADDED, 1, *b"\x03a");
        assert_eq!(too_much.content(), None);
        let weighed = Frame::new(kind::HEADERS, flag::PRIORITY, 1, *b"\x00\x00\x00\x00\x10abc");
        assert_eq!(weighed.content(), Some(&b"abc"[..]));
    }

    #[test]
    fn settings_are_read_as_they_are_written() {
        let values = [(setting::ENABLE_PUSH, 0), (setting::INITIAL_WINDOW_SIZE, 70_000)];
        assert_eq!(read_settings(&settings(&values)).collect::<Vec<_>>(), values);
    }
}
