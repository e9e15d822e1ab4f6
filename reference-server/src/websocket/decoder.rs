//! From octets to messages.
//!
//! Rules of this room: it thinks; a violation is told as soon as the octet that makes it has come, and nothing comes after it; what is held
//! is what has come, never what a head promises; text is checked as it comes.

use bytes::{Buf, Bytes, BytesMut};
use rwgi::{CloseCode, Message};

use super::Violation;
use super::deflate::{Agreed, Inflater};
use super::frame::{Head, Opcode, mask};

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Message(Message),
    Ping(Bytes),
    Pong,
    /// A Close frame: its code and reason, where it has one.
    Close(Option<(CloseCode, String)>),
}

/// Payloads at least this large are read straight into the message.
const LARGE: u64 = 4 * 1024;
/// What is made room for at a time.
const STEP: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Decoder {
    limit: usize,
    inflater: Option<Inflater>,
    /// The frame that is being read, and how much of its payload has come.
    frame: Option<(Head, u64)>,
    /// The message that is being read.
    message: Option<Partial>,
    control: Vec<u8>,
    closed: bool,
}

#[derive(Debug)]
struct Partial {
    text: bool,
    compressed: bool,
    data: Vec<u8>,
    /// As much of it is UTF-8.
    valid: usize,
}

impl Decoder {
    pub(super) fn new(limit: usize, agreed: Option<&Agreed>) -> Self {
        Self {
            limit,
            inflater: agreed.map(Inflater::new),
            frame: None,
            message: None,
            control: Vec::new(),
            closed: false,
        }
    }

    /// The next event of what has come; what is used of `input` is taken.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Event>, Violation> {
        loop {
            if self.closed {
                // Nothing counts after a Close frame.
                input.clear();
                return Ok(None);
            }
            if self.frame.is_none() {
                let Some((head, length)) = Head::read(input)? else { return Ok(None) };
                self.check(&head)?;
                input.advance(length);
                if let Some(message) = self.whole(&head, input)? {
                    return Ok(Some(message));
                }
                self.begin(&head);
                self.frame = Some((head, 0));
            }
            let Some((head, seen)) = &mut self.frame else { return Ok(None) };
            let length = (head.length - *seen).min(input.len() as u64) as usize;
            let (opcode, key, offset) = (head.opcode, head.mask, *seen);
            *seen += length as u64;
            let done = *seen == head.length;
            let fin = head.fin;
            mask(&mut input[..length], key, offset);
            if opcode.is_control() {
                self.control.extend_from_slice(&input[..length]);
                input.advance(length);
            } else {
                self.data(&input[..length], done && fin)?;
                input.advance(length);
            }
            if !done {
                return Ok(None);
            }
            self.frame = None;
            if opcode.is_control() {
                return self.control(opcode).map(Some);
            }
            if fin {
                return self.finish().map(Some);
            }
        }
    }

    /// What a head says of the message that it belongs to.
    fn check(&self, head: &Head) -> Result<(), Violation> {
        if head.opcode.is_control() {
            return Ok(());
        }
        match (head.opcode, &self.message) {
            (Opcode::Continuation, None) => {
                return Err(Violation::protocol("a continuation continues no message"));
            }
            (Opcode::Continuation, Some(_)) | (_, None) => {}
            (_, Some(_)) => {
                return Err(Violation::protocol("a message begins before the last one has ended"));
            }
        }
        if head.compressed && self.inflater.is_none() {
            return Err(Violation::protocol("RSV1 is set and no compression was agreed on"));
        }
        let held = self.message.as_ref();
        let compressed = head.compressed || held.is_some_and(|message| message.compressed);
        // Stored blocks are a little larger than what they hold.
        let slack = if compressed { 1024 + self.limit / 64 } else { 0 };
        let held = held.filter(|_| !compressed).map_or(0, |message| message.data.len());
        if head.length > (self.limit - held.min(self.limit)).saturating_add(slack) as u64 {
            return Err(Violation::too_large());
        }
        Ok(())
    }

    /// The message, where one frame is all of it and all of that is here, as most are.
    fn whole(&mut self, head: &Head, input: &mut BytesMut) -> Result<Option<Event>, Violation> {
        let plain = head.fin && !head.compressed && (input.len() as u64) >= head.length;
        if !plain || !matches!(head.opcode, Opcode::Text | Opcode::Binary) {
            return Ok(None);
        }
        let length = head.length as usize;
        mask(&mut input[..length], head.mask, 0);
        let message = if head.opcode == Opcode::Text {
            let text = std::str::from_utf8(&input[..length]).map_err(|_| NOT_UTF8)?.to_owned();
            input.advance(length);
            Message::Text(text)
        } else if length < LARGE as usize {
            // A copy, so that a small message that is kept keeps no large buffer.
            let data = Bytes::copy_from_slice(&input[..length]);
            input.advance(length);
            Message::Binary(data)
        } else {
            Message::Binary(input.split_to(length).freeze())
        };
        Ok(Some(Event::Message(message)))
    }

    fn begin(&mut self, head: &Head) {
        if matches!(head.opcode, Opcode::Text | Opcode::Binary) {
            // The room that a large payload is given anyway as soon as it is read from the wire: what comes with its head need not move.
            let direct = !head.compressed && head.length >= LARGE;
            let room = if direct { head.length.min(STEP as u64) } else { 0 };
            self.message = Some(Partial {
                text: head.opcode == Opcode::Text,
                compressed: head.compressed,
                data: Vec::with_capacity(room as usize),
                valid: 0,
            });
        }
    }

    /// A piece of the message, unmasked.
    fn data(&mut self, data: &[u8], last: bool) -> Result<(), Violation> {
        let Some(message) = &mut self.message else { return Ok(()) };
        match &mut self.inflater {
            Some(inflater) if message.compressed => {
                inflater.push(data, &mut message.data, self.limit)?;
                if last {
                    inflater.finish(&mut message.data, self.limit)?;
                }
            }
            _ => message.data.extend_from_slice(data),
        }
        // What comes last is checked with the whole.
        if message.text && !last { message.check_text() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<Event, Violation> {
        let Some(message) = self.message.take() else {
            return Err(Violation::protocol("a continuation continues no message"));
        };
        Ok(Event::Message(if message.text {
            Message::Text(String::from_utf8(message.data).map_err(|_| NOT_UTF8)?)
        } else {
            Message::Binary(message.data.into())
        }))
    }

    fn control(&mut self, opcode: Opcode) -> Result<Event, Violation> {
        let payload = std::mem::take(&mut self.control);
        Ok(match opcode {
            Opcode::Ping => Event::Ping(payload.into()),
            Opcode::Pong => Event::Pong,
            _ => {
                self.closed = true;
                Event::Close(close_of(&payload)?)
            }
        })
    }

    /// Where the next octets of the wire go, if they are part of a large payload: the message itself, with room for so many of them.
    pub(super) fn direct(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        let (head, seen) = self.frame.as_ref()?;
        let left = head.length - seen;
        let message = self.message.as_mut()?;
        if left < LARGE || head.opcode.is_control() || message.compressed {
            return None;
        }
        let room = left.min(STEP.max(message.data.len()) as u64) as usize;
        message.data.reserve(room);
        Some((&mut message.data, room))
    }

    /// So many octets were read to where [`direct`](Self::direct) said.
    pub(super) fn read_direct(&mut self, length: usize) -> Result<Option<Event>, Violation> {
        let (Some((head, seen)), Some(message)) = (&mut self.frame, &mut self.message) else {
            return Ok(None);
        };
        let start = message.data.len() - length;
        mask(&mut message.data[start..], head.mask, *seen);
        *seen += length as u64;
        if *seen < head.length || !head.fin {
            if *seen == head.length {
                self.frame = None;
            }
            return if message.text { message.check_text().map(|()| None) } else { Ok(None) };
        }
        self.frame = None;
        self.finish().map(Some)
    }
}

const NOT_UTF8: Violation = Violation::data("a text message is not UTF-8");

impl Partial {
    /// Fails as soon as what has come cannot become UTF-8.
    fn check_text(&mut self) -> Result<(), Violation> {
        match std::str::from_utf8(&self.data[self.valid..]) {
            Ok(text) => self.valid += text.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }
}

/// What a Close frame says.
fn close_of(payload: &[u8]) -> Result<Option<(CloseCode, String)>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(Violation::protocol("a Close frame holds half a code"))
        };
    };
    let Some(code) = CloseCode::new(u16::from_be_bytes(*code)) else {
        return Err(Violation::protocol("a Close frame holds a code that is never sent"));
    };
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok(Some((code, reason.to_owned()))),
        Err(_) => Err(Violation::data("the reason of a Close frame is not UTF-8")),
    }
}
