//! A client of WebSocket: frames as they are given, octet for octet, and a reader that forgives nothing.
//!
//! Rules of this room: written from RFC 6455 and RFC 7692, with no library but one that inflates; what the server may not send is a
//! failure here, whatever the case is about.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::connection::Wire;
use super::http2::{Ended, Http2};
use crate::server::failure::{Failure, Held, Of, check};

/// A frame of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// FIN, the reserved bits and the opcode.
    pub first: u8,
    /// The payload.
    pub payload: Vec<u8>,
}

/// What both sides agreed on for compression, from the client's side.
#[derive(Debug)]
struct Deflate {
    out: Compress,
    out_takeover: bool,
    inflate: Decompress,
    in_takeover: bool,
}

/// What carries the frames: a connection of HTTP/1.1, or a stream of HTTP/2 of whose content so much was taken.
#[derive(Debug)]
enum Line {
    Wire(Box<Wire>),
    Stream(Box<Http2>, u32, usize),
}

/// A WebSocket after its handshake.
#[derive(Debug)]
pub struct Socket {
    line: Line,
    /// The fields of the server's answer.
    pub head: super::Head,
    deflate: Option<Deflate>,
    /// The octets of the last message on the wire.
    pub last: usize,
}

const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

const KEY: [u8; 4] = [0x1d, 0x83, 0xb2, 0x5e];

/// A frame of a client, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![first];
    match payload.len() {
        length @ 0..126 => octets.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            octets.push(0x80 | 126);
            octets.extend((length as u16).to_be_bytes());
        }
        length => {
            octets.push(0x80 | 127);
            octets.extend((length as u64).to_be_bytes());
        }
    }
    octets.extend(KEY);
    octets.extend(payload.iter().zip(KEY.iter().cycle()).map(|(octet, key)| octet ^ key));
    octets
}

/// The value of a parameter of Sec-WebSocket-Extensions.
fn parameter<'a>(agreed: &'a str, name: &str) -> Option<&'a str> {
    agreed.split(';').map(str::trim).find_map(|part| match part.split_once('=') {
        Some((own, value)) if own == name => Some(value),
        None if part == name => Some(""),
        _ => None,
    })
}

impl Socket {
    /// Goes on from the head of the answer to a handshake.
    pub(crate) fn new(wire: Wire, head: super::Head) -> Self {
        Self { line: Line::Wire(Box::new(wire)), head, deflate: None, last: 0 }
    }

    /// Goes on from the head of the answer to an extended CONNECT on this stream.
    pub(crate) fn on_stream(http2: Http2, stream: u32, head: super::Head) -> Self {
        Self { line: Line::Stream(Box::new(http2), stream, 0), head, deflate: None, last: 0 }
    }

    /// The connection and the stream, where it is one of HTTP/2.
    pub(crate) fn stream(&mut self) -> Option<(&mut Http2, u32)> {
        match &mut self.line {
            Line::Wire(_) => None,
            Line::Stream(http2, id, _) => Some((http2, *id)),
        }
    }

    fn exactly(&mut self, count: usize, what: &str) -> Held<Vec<u8>> {
        match &mut self.line {
            Line::Wire(wire) => wire.exactly(count, what),
            Line::Stream(http2, id, taken) => {
                let octets = http2.content_after(*id, *taken, count, what)?;
                *taken += count;
                Ok(octets)
            }
        }
    }

    /// Takes compression as it was agreed on.
    ///
    /// # Errors
    /// The answer agrees to nothing.
    pub fn agree(&mut self) -> Held {
        let agreed = self.head.one("sec-websocket-extensions").map(String::from_utf8_lossy);
        let agreed = agreed.unwrap_or_default().into_owned();
        check(
            agreed.starts_with("permessage-deflate"),
            "permessage-deflate to be accepted",
            format!("{agreed:?}"),
        )?;
        let bits = |name| {
            parameter(&agreed, name).and_then(|bits| bits.parse::<u8>().ok()).unwrap_or(15).max(9)
        };
        self.deflate = Some(Deflate {
            out: Compress::new_with_window_bits(
                Compression::fast(),
                false,
                bits("client_max_window_bits"),
            ),
            out_takeover: parameter(&agreed, "client_no_context_takeover").is_none(),
            inflate: Decompress::new_with_window_bits(false, bits("server_max_window_bits")),
            in_takeover: parameter(&agreed, "server_no_context_takeover").is_none(),
        });
        Ok(())
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self, octets: &[u8]) -> Held {
        match &mut self.line {
            Line::Wire(wire) => wire.send_octets(octets),
            Line::Stream(http2, id, _) => http2.data(*id, octets, false),
        }
    }

    /// Deflates a message's payload, without the tail.
    pub fn deflate(&mut self, data: &[u8]) -> Vec<u8> {
        let Some(deflate) = &mut self.deflate else { return data.to_vec() };
        let mut out = Vec::with_capacity(data.len() + 128);
        let start = deflate.out.total_in();
        loop {
            let used = (deflate.out.total_in() - start) as usize;
            let _ = deflate.out.compress_vec(&data[used..], &mut out, FlushCompress::Sync);
            let used = (deflate.out.total_in() - start) as usize;
            if used == data.len() && out.len() < out.capacity() {
                break;
            }
            out.reserve(out.len().max(128));
        }
        if !deflate.out_takeover {
            deflate.out.reset();
        }
        out.truncate(out.len() - if out.ends_with(&[0, 0, 0xff, 0xff]) { 4 } else { 0 });
        if out.is_empty() {
            out.push(0);
        }
        out
    }

    /// The next frame.
    ///
    /// # Errors
    /// None comes, or it is one that a server may not send.
    pub fn frame(&mut self) -> Held<Frame> {
        let head = self.exactly(2, "a frame")?;
        let (first, second) = (head[0], head[1]);
        check(second & 0x80 == 0, "a frame that is not masked", "a masked one").of("REQ-WS-26")?;
        let shown = || format!("{first:#04x}");
        check(first & 0x30 == 0, "no reserved bit without a meaning", shown())?;
        let known = matches!(first & 0x0f, 0..=2 | 8..=10);
        check(known, "a known opcode", shown())?;
        let control = first & 0x08 != 0;
        let plain = !control || first & 0xc0 == 0x80 && second <= 125;
        let expected = "a control frame in one piece, with 125 octets at most and not compressed";
        check(plain, expected, shown())?;
        let (length, least) = match second {
            126 => {
                let octets = self.exactly(2, "the length of a frame")?;
                (usize::from(u16::from_be_bytes([octets[0], octets[1]])), 126)
            }
            127 => {
                let octets = self.exactly(8, "the length of a frame")?;
                let length =
                    octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
                (length, 1 << 16)
            }
            short => (usize::from(short), 0),
        };
        let expected = "the length of a frame in the fewest octets";
        check(length >= least, expected, format!("{length} behind {second}"))?;
        if length > 1 << 26 {
            return Err(Failure::new(
                "a frame of a sensible size",
                format!("one of {length} octets"),
            ));
        }
        let payload = self.exactly(length, "the payload of a frame")?;
        Ok(Frame { first, payload })
    }

    /// The next frame that is no Ping, which may come at any time.
    fn awaited(&mut self) -> Held<Frame> {
        loop {
            let came = self.frame()?;
            if came.first != PING {
                return Ok(came);
            }
            self.send(&frame(PONG, &came.payload))?;
        }
    }

    /// The next frame that is no Ping, for a Ping is answered; a message is whole and inflated.
    ///
    /// # Errors
    /// None comes, or one that does not inflate.
    pub fn message(&mut self) -> Held<Frame> {
        let mut whole = self.awaited()?;
        let compressed = whole.first & 0x40 != 0;
        if compressed && self.deflate.is_none() {
            return Err(Failure::new("no reserved bit", "RSV1 without an agreement"));
        }
        while whole.first & 0x88 == 0 {
            let more = self.awaited()?;
            check(more.first & 0x7f == 0, "a continuation", format!("{:#04x}", more.first))?;
            whole.payload.extend(more.payload);
            whole.first |= more.first & 0x80;
        }
        self.last = whole.payload.len();
        if compressed && let Some(deflate) = &mut self.deflate {
            whole.first &= !0x40;
            whole.payload.extend([0, 0, 0xff, 0xff]);
            whole.payload = deflate.inflated(&whole.payload)?;
        }
        Ok(whole)
    }

    /// Says that nothing more is sent, and goes on reading.
    ///
    /// # Errors
    /// The server took nothing within the deadline.
    pub fn finish_sending(&mut self) -> Held {
        match &mut self.line {
            Line::Wire(wire) => {
                wire.finish_sending();
                Ok(())
            }
            Line::Stream(http2, id, _) => http2.data(*id, b"", true),
        }
    }

    /// The connection ends, or the stream in order, with nothing before.
    ///
    /// # Errors
    /// Something comes, or it stays open.
    pub fn ended(&mut self) -> Held {
        match &mut self.line {
            Line::Wire(wire) => wire.ended().map(drop),
            Line::Stream(http2, id, taken) => {
                let (ended, content) = http2.ended(*id)?;
                let more = content.len() - *taken;
                check(more == 0, "nothing more before the end", format!("{more} octets"))?;
                check(ended == Ended::Complete, "END_STREAM", format!("{ended:?}"))
            }
        }
    }
}

impl Deflate {
    /// In small steps, so that what reaches back beyond the window is found out.
    fn inflated(&mut self, data: &[u8]) -> Held<Vec<u8>> {
        let mut whole = Vec::new();
        let start = self.inflate.total_in();
        loop {
            let mut step = Vec::with_capacity(64);
            let used = (self.inflate.total_in() - start) as usize;
            let result =
                self.inflate.decompress_vec(&data[used..], &mut step, FlushDecompress::Sync);
            if result.is_err() {
                return Err(Failure::new("a message that inflates", "one that does not"));
            }
            let full = step.len() == step.capacity();
            whole.extend(step);
            if (self.inflate.total_in() - start) as usize == data.len() && !full {
                break;
            }
            if whole.len() > 1 << 26 {
                return Err(Failure::new("a message of a sensible size", "one without an end"));
            }
        }
        if !self.in_takeover {
            self.inflate.reset(false);
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::time::Duration;

    use super::super::{Framing, Head, Transcript};
    use super::*;

    /// What comes of these octets of a server.
    fn read(octets: &[u8]) -> Held<Frame> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let substitutes = [("{host}", String::new()), ("{tag}", String::new())];
        let (address, deadline) = (listener.local_addr().unwrap(), Duration::from_secs(60));
        let wire = Wire::connect(address, 1, deadline, Transcript::default(), substitutes)?;
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(octets).unwrap();
        server.shutdown(std::net::Shutdown::Write).unwrap();
        let (reason, fields, framing) = (Vec::new(), Vec::new(), Framing::None);
        Socket::new(wire, Head { minor: 1, status: 101, reason, fields, framing }).message()
    }

    #[test]
    fn what_a_server_may_send_is_read() {
        let long = [&[0x81, 126, 0, 126][..], &[b'a'; 126]].concat();
        for (octets, first, length) in [
            (&b"\x81\x02ab"[..], 0x81, 2),
            (b"\x81\x00", 0x81, 0),
            (&long, 0x81, 126),
            (b"\x8a\x01a", PONG, 1),
            (b"\x88\x02\x03\xe8", 0x88, 2),
            (b"\x02\x01a\x00\x01b\x80\x01c", 0x82, 3),
            (b"\x89\x00\x81\x01a", 0x81, 1),
            (b"\x01\x01a\x89\x01!\x80\x01b", 0x81, 2),
        ] {
            let frame = read(octets).unwrap();
            assert_eq!((frame.first, frame.payload.len()), (first, length), "{octets:x?}");
        }
    }

    #[test]
    fn what_no_server_may_send_is_not_repaired() {
        let wide = [&[0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff][..], &[b'a'; 0xffff]].concat();
        let ping = [&[0x89, 126, 0, 126][..], &[b'a'; 126]].concat();
        for (octets, expected) in [
            (&b"\x81\x81\0\0\0\0a"[..], "not masked"),
            (b"\x81\x7e\x00\x02ab", "fewest octets"),
            (&wide, "fewest octets"),
            (b"\x81\x7f\x80\0\0\0\0\0\0\x01a", "sensible size"),
            (b"\xa1\x01a", "reserved bit"),
            (b"\x91\x01a", "reserved bit"),
            (b"\xc1\x01a", "reserved bit"),
            (b"\x83\x01a", "known opcode"),
            (b"\x8b\x00", "known opcode"),
            (b"\x09\x00", "control frame"),
            (b"\xca\x00", "control frame"),
            (&ping, "control frame"),
            (b"\x01\x01a\x81\x01b", "a continuation"),
        ] {
            let failure = read(octets).unwrap_err();
            assert!(failure.expected.contains(expected), "{octets:x?}: {failure}");
        }
    }
}
