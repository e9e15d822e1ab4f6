//! One connection of HTTP/2: what is sent, and how octets become frames.
//!
//! Rules of this room: a frame leaves as it was built, whatever it breaks; a write that fails is no failure of the case, what counts is
//! what the server says.

use std::collections::{BTreeMap, HashMap};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::shown;
use super::stream::Stream;
use crate::http2::{Frame, PREFACE, WINDOW, flag, hpack, kind, setting, settings};
use crate::server::failure::{Failure, Held};
use crate::server::wire::{Ending, Transcript};

/// What the server has said of itself and of the connection.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Its settings.
    pub settings: HashMap<u16, u32>,
    /// Its first SETTINGS has come.
    pub greeted: bool,
    /// It has acknowledged the client's settings this many times.
    pub acknowledged: usize,
    /// It has answered this many pings.
    pub pongs: usize,
    /// By how much it has opened the window of the connection.
    pub granted: i64,
    /// Its GOAWAY: last stream and code.
    pub goaway: Option<(u32, u32)>,
}

/// A connection, with what is known of its streams.
#[derive(Debug)]
pub struct Http2 {
    stream: TcpStream,
    transcript: Transcript,
    number: usize,
    pub(super) deadline: Duration,
    substitutes: [(&'static str, String); 2],
    buffer: Vec<u8>,
    pub(super) decoder: hpack::Decoder,
    pub(super) open_block: Option<(u32, u8, Vec<u8>)>,
    pub(super) streams: BTreeMap<u32, Stream>,
    /// What the server may send on the connection.
    pub(super) window: i64,
    pub(super) initial_window: i64,
    /// The client opens windows again as content comes.
    pub(super) generous: bool,
    next: u32,
    /// What the server has said.
    pub peer: Peer,
    pub(super) ending: Option<Ending>,
}

impl Http2 {
    /// Speaks the preface, but for what was sent of it already, and these settings beside ENABLE_PUSH = 0 on a connection.
    pub(in crate::server) fn begin(
        stream: TcpStream,
        number: usize,
        deadline: Duration,
        transcript: Transcript,
        substitutes: [(&'static str, String); 2],
        (values, sent): (&[(u16, u32)], usize),
    ) -> Held<Self> {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_write_timeout(Some(deadline));
        let mut http2 = Self {
            stream,
            transcript,
            number,
            deadline,
            substitutes,
            buffer: Vec::new(),
            decoder: hpack::Decoder::default(),
            open_block: None,
            streams: BTreeMap::new(),
            window: WINDOW,
            initial_window: WINDOW,
            generous: true,
            next: 1,
            peer: Peer::default(),
            ending: None,
        };
        http2.transcript.sent_words(number, "the preface of HTTP/2");
        http2.octets(PREFACE.get(sent..).unwrap_or_default())?;
        let mut all = vec![(setting::ENABLE_PUSH, 0)];
        all.extend_from_slice(values);
        http2.settings(&all)?;
        Ok(http2)
    }

    fn octets(&mut self, octets: &[u8]) -> Held {
        match self.stream.write_all(octets) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let expected = format!("the server to take {} octets", octets.len());
                Err(Failure::new(expected, "it took only a part of them"))
            }
            _ => Ok(()),
        }
    }

    /// Sends any frame, well formed or not.
    ///
    /// # Errors
    /// The server took nothing within the deadline.
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Held {
        let frame = Frame::new(kind, flags, stream, payload);
        self.transcript.sent_words(self.number, &shown::frame(&frame));
        self.octets(&frame.octets())
    }

    /// Sends settings; an initial window holds at once, as the server has to reckon with it once it has acknowledged.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    pub fn settings(&mut self, values: &[(u16, u32)]) -> Held {
        for (name, value) in values {
            if *name == setting::INITIAL_WINDOW_SIZE {
                let more = i64::from(*value) - self.initial_window;
                self.initial_window += more;
                self.streams.values_mut().for_each(|stream| stream.window += more);
            }
        }
        self.frame(kind::SETTINGS, 0, 0, &settings(values))
    }

    /// Leaves windows to the case: none is opened again by itself.
    pub fn keep_windows(&mut self) {
        self.generous = false;
    }

    /// Opens a window further; stream 0 is the connection.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    pub fn grant(&mut self, stream: u32, more: u32) -> Held {
        let window = match stream {
            0 => Some(&mut self.window),
            _ => self.streams.get_mut(&stream).map(|stream| &mut stream.window),
        };
        if let Some(window) = window {
            *window += i64::from(more);
        }
        self.frame(kind::WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
    }

    /// A text with `{host}` and `{tag}` replaced.
    fn fill_in(&self, text: &str) -> String {
        let fill = |text: String, (name, value): &(&str, String)| text.replace(name, value);
        self.substitutes.iter().fold(text.to_owned(), fill)
    }

    /// Opens a stream with these fields as they stand, `{host}` and `{tag}` replaced; `end` where no content follows.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    pub fn open(&mut self, fields: &[(&str, &str)], end: bool) -> Held<u32> {
        let id = self.next;
        self.next += 2;
        let method = fields.iter().rfind(|(name, _)| *name == ":method");
        let method = method.map_or("", |(_, method)| *method).to_owned();
        self.streams.insert(id, Stream::new(method, self.initial_window));
        self.fields(id, fields, end)?;
        Ok(id)
    }

    /// Sends a field section on a stream: the request's head, or its trailers.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    pub fn fields(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) -> Held {
        let filled: Vec<(Vec<u8>, Vec<u8>)> = fields
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), self.fill_in(value).into_bytes()))
            .collect();
        let block = hpack::encode(filled.iter().map(|(name, value)| (name, value)));
        let end = if end { flag::END_STREAM } else { 0 };
        let parts: Vec<&[u8]> = block.chunks(crate::http2::FRAME_SIZE).collect();
        for (at, part) in parts.iter().enumerate() {
            let last = if at + 1 == parts.len() { flag::END_HEADERS } else { 0 };
            match at {
                0 => self.frame(kind::HEADERS, last | end, stream, part)?,
                _ => self.frame(kind::CONTINUATION, last, stream, part)?,
            }
        }
        self.transcript.sent_words(self.number, &shown::fields(&filled));
        Ok(())
    }

    /// Sends content, in as many frames as it needs; the case keeps to the windows, or does not.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    pub fn data(&mut self, stream: u32, octets: &[u8], end: bool) -> Held {
        let mut parts: Vec<&[u8]> = octets.chunks(crate::http2::FRAME_SIZE).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        for (at, part) in parts.iter().enumerate() {
            let last = end && at + 1 == parts.len();
            self.frame(kind::DATA, if last { flag::END_STREAM } else { 0 }, stream, part)?;
        }
        Ok(())
    }

    /// Resets a stream.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    pub fn reset(&mut self, stream: u32, code: u32) -> Held {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.cancelled = true;
        }
        self.frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
    }

    /// Resets the connection below (RST).
    pub fn reset_connection(self) {
        self.transcript.note(self.number, "the suite resets the connection");
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Takes one frame, and checks it; `None` where nothing came until then, or the connection has ended.
    pub(super) fn take(&mut self, until: Instant) -> Held<Option<Frame>> {
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer) {
                self.transcript.received_words(self.number, &shown::frame(&frame));
                self.judge(&frame)?;
                return Ok(Some(frame));
            }
            if self.ending.is_some() {
                return Ok(None);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            // A timeout of zero would mean none at all.
            let _ = self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))));
            match self.stream.read(&mut chunk) {
                Ok(0) => self.end(Ending::Closed),
                Ok(count) => {
                    self.buffer.extend_from_slice(&chunk[..count]);
                    self.check_greeting()?;
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(None),
                    _ => self.end(Ending::Reset),
                },
            }
        }
    }

    fn end(&mut self, ending: Ending) {
        let how = if ending == Ending::Closed { "closed" } else { "reset" };
        self.note(&format!("the server {how} the connection"));
        self.ending = Some(ending);
    }

    /// A server that does not know HTTP/2 answers in HTTP/1: that is said, and not taken for a long frame.
    fn check_greeting(&mut self) -> Held {
        if self.peer.greeted || !self.buffer.starts_with(b"HTTP/") {
            return Ok(());
        }
        self.transcript.received(self.number, &self.buffer);
        let found = crate::server::wire::escape(&self.buffer[..self.buffer.len().min(80)]);
        Err(Failure::new("SETTINGS as the answer to the preface of HTTP/2", format!("\"{found}\"")))
    }

    pub(super) fn note(&self, text: &str) {
        self.transcript.note(self.number, text);
    }

    pub(super) fn show_fields(&self, fields: &[(Vec<u8>, Vec<u8>)]) {
        self.transcript.received_words(self.number, &shown::fields(fields));
    }
}
