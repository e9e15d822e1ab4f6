//! Every frame that comes, checked by RFC 9113 before anybody uses it.
//!
//! Rules of this room: what a server may not send is a failure, whatever the case is about; what it may send and nobody waits for is
//! noted and forgotten.

use super::connection::Http2;
use super::shown;
use super::stream::Stream;
use crate::http2::{FRAME_SIZE, Frame, MOST_WINDOW, flag, kind, number, read_settings, setting};
use crate::server::failure::{Failure, Held, Of, check};

impl Http2 {
    /// Checks a frame and files it.
    pub(super) fn judge(&mut self, frame: &Frame) -> Held {
        let name = shown::name(frame.kind);
        let acknowledges = frame.kind == kind::SETTINGS && frame.has(flag::ACK);
        if !self.peer.greeted {
            let first = frame.kind == kind::SETTINGS && !acknowledges;
            check(first, "SETTINGS as the server's first frame", &name)?;
        }
        let length = frame.payload.len();
        check(
            length <= FRAME_SIZE,
            "frames of 16384 octets at most, as the client has not allowed larger ones",
            format!("{name} of {length} octets"),
        )?;
        if let Some((open, ..)) = &self.open_block {
            let continues = frame.kind == kind::CONTINUATION && frame.stream == *open;
            check(continues, "CONTINUATION after a field section without its end", &name)?;
        }
        let of_connection = matches!(frame.kind, kind::SETTINGS | kind::PING | kind::GOAWAY);
        let of_stream = matches!(
            frame.kind,
            kind::DATA | kind::HEADERS | kind::RST_STREAM | kind::CONTINUATION | kind::PRIORITY
        );
        let misplaced = of_connection && frame.stream > 0 || of_stream && frame.stream == 0;
        check(
            !misplaced,
            "frames of a stream on a stream, those of the connection on none",
            &name,
        )?;
        match frame.kind {
            kind::DATA => self.content(frame),
            kind::HEADERS | kind::CONTINUATION => self.block(frame),
            kind::RST_STREAM => self.stream_reset(frame),
            kind::SETTINGS => self.server_settings(frame),
            kind::PING => self.server_ping(frame),
            kind::GOAWAY => {
                check(length >= 8, "GOAWAY with a stream and a code", format!("{length} octets"))?;
                self.peer.goaway = Some((number(&frame.payload), number(&frame.payload[4..])));
                Ok(())
            }
            kind::WINDOW_UPDATE => {
                let more = number(&frame.payload) & 0x7fff_ffff;
                let fine = length == 4 && more > 0;
                match self.streams.get_mut(&frame.stream) {
                    Some(stream) => stream.granted += i64::from(more),
                    None if frame.stream == 0 => self.peer.granted += i64::from(more),
                    None => {}
                }
                check(fine, "a window opened by more than nothing", format!("{more}"))
            }
            kind::PUSH_PROMISE => Err(Failure::new("no push, which the client forbids", name)),
            _ => Ok(()),
        }
    }

    /// The stream that a frame belongs to, which the client has to have opened.
    fn of(&mut self, frame: &Frame) -> Held<&mut Stream> {
        let name = shown::name(frame.kind);
        self.streams.get_mut(&frame.stream).ok_or_else(|| {
            let found = format!("{name} on stream {}", frame.stream);
            Failure::new("frames on the streams that the client has opened", found)
        })
    }

    fn content(&mut self, frame: &Frame) -> Held {
        let octets = frame
            .content()
            .ok_or_else(|| Failure::new("padding within the frame", "more than its length"))?
            .to_vec();
        let flow = frame.payload.len();
        self.window -= i64::try_from(flow).unwrap_or(i64::MAX);
        let over = -self.window;
        check(
            self.window >= 0,
            "no more content than the window of the connection allows",
            format!("{over} octets too many"),
        )
        .of("REQ-H2-13")?;
        let stream = self.of(frame)?;
        stream.frames += 1;
        if !stream.cancelled {
            stream.check_open("DATA")?;
            stream.content(&octets, flow, frame.has(flag::END_STREAM))?;
        }
        if self.generous && flow > 0 {
            let more = u32::try_from(flow).unwrap_or(0);
            self.grant(0, more)?;
            if !frame.has(flag::END_STREAM) {
                self.grant(frame.stream, more)?;
            }
        }
        Ok(())
    }

    fn block(&mut self, frame: &Frame) -> Held {
        let malformed = |found: &str| Failure::new("a well-formed field section", found);
        let content = frame.content().ok_or_else(|| malformed("too much padding"))?;
        let (flags, mut block) = match self.open_block.take() {
            Some((_, flags, block)) => (flags, block),
            None if frame.kind == kind::HEADERS => (frame.flags, Vec::new()),
            None => return Err(malformed("CONTINUATION of nothing")),
        };
        block.extend_from_slice(content);
        if !frame.has(flag::END_HEADERS) {
            self.open_block = Some((frame.stream, flags, block));
            return Ok(());
        }
        let fields = self.decoder.decode(&block).map_err(malformed)?;
        self.show_fields(&fields);
        let stream = self.of(frame)?;
        stream.frames += 1;
        if stream.cancelled {
            return Ok(());
        }
        stream.check_open("HEADERS")?;
        stream.section(fields, flags & flag::END_STREAM != 0)
    }

    fn stream_reset(&mut self, frame: &Frame) -> Held {
        let length = frame.payload.len();
        check(length == 4, "RST_STREAM with a code", format!("{length} octets"))?;
        let code = number(&frame.payload);
        let stream = self.of(frame)?;
        stream.frames += 1;
        check(
            stream.reset.is_none() || stream.cancelled,
            "one RST_STREAM for a stream",
            "a second one",
        )?;
        stream.reset = Some(code);
        Ok(())
    }

    fn server_settings(&mut self, frame: &Frame) -> Held {
        self.peer.greeted = true;
        let length = frame.payload.len();
        if frame.has(flag::ACK) {
            self.peer.acknowledged += 1;
            return check(length == 0, "an acknowledgement with nothing in it", length);
        }
        check(length.is_multiple_of(6), "settings of six octets each", length)?;
        for (name, value) in read_settings(&frame.payload) {
            let fine = match name {
                setting::ENABLE_PUSH => value == 0,
                setting::INITIAL_WINDOW_SIZE => i64::from(value) <= MOST_WINDOW,
                setting::MAX_FRAME_SIZE => (1 << 14..1 << 24).contains(&value),
                _ => true,
            };
            check(fine, "settings that a server may send", format!("{name}={value}"))?;
            self.peer.settings.insert(name, value);
        }
        self.frame(kind::SETTINGS, flag::ACK, 0, &[])
    }

    fn server_ping(&mut self, frame: &Frame) -> Held {
        let length = frame.payload.len();
        check(length == 8, "PING of eight octets", format!("{length}"))?;
        if frame.has(flag::ACK) {
            self.peer.pongs += 1;
            return Ok(());
        }
        self.frame(kind::PING, flag::ACK, 0, &frame.payload)
    }
}
