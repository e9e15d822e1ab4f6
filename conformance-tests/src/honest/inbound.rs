//! The request's body, off the socket and on demand.
//!
//! Rules of this room: a read waits for a moment at most, so that the connection's thread stays in charge; a body that breaks
//! off is an error and never an end; 100 (Continue) is said when the first read finds nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame};
use rwgi::{Error, Fault};

use super::fields::{is_control, is_token, trim_whitespace};
use super::head::Framing;
use super::violation::Switch;

/// The reading side of a connection, shared by its thread and the body that the application reads.
#[derive(Clone)]
pub(super) struct Inbound(Arc<Mutex<State>>);

pub(super) struct State {
    stream: TcpStream,
    switch: Option<Switch>,
    pub(super) buffer: Vec<u8>,
    framing: Framing,
    chunk: Chunk,
    left: u64,
    pub(super) ended: bool,
    broken: Option<&'static str>,
    /// The client waits for 100 and was not told.
    pub(super) expects: bool,
    /// The final head is on its way: it is too late for 100.
    pub(super) committed: bool,
    /// The client has reset the connection.
    pub(super) reset: bool,
    /// The last read found nothing.
    pub(super) wanted: bool,
    /// Who waits for the body; it may be on another thread.
    reader: Option<Waker>,
    /// The client has closed its sending side.
    pub(super) finished: bool,
    /// What was taken before anybody asked for it; only flawed servers do that.
    hoard: Vec<u8>,
    trailers: Option<HeaderMap>,
    extensions: usize,
}

/// Where the chunked coding stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Size,
    Data,
    DataEnd,
    Trailers,
}

/// How long one read waits.
const MOMENT: Duration = Duration::from_millis(3);
/// The longest line of a chunk's size, the most octets of extensions in all, and of trailers.
const LINE: usize = 4 * 1024;
const EXTENSIONS: usize = 16 * 1024;
const TRAILERS: usize = 16 * 1024;

/// What one read brought.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    More,
    Nothing,
    End,
    Reset,
}

impl Inbound {
    pub(super) fn new(stream: TcpStream, switch: Option<Switch>) -> Self {
        Self(Arc::new(Mutex::new(State {
            stream,
            switch,
            buffer: Vec::new(),
            framing: Framing::None,
            chunk: Chunk::Size,
            left: 0,
            ended: true,
            broken: None,
            expects: false,
            committed: false,
            reset: false,
            wanted: false,
            reader: None,
            finished: false,
            hoard: Vec::new(),
            trailers: None,
            extensions: 0,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Prepares for the body of the next request.
    pub(super) fn begin(&mut self, framing: Framing, expects: bool) {
        self.framing = framing;
        self.chunk = Chunk::Size;
        self.left = if let Framing::Length(length) = framing { length } else { 0 };
        self.ended = matches!(framing, Framing::None | Framing::Length(0));
        self.broken = None;
        self.hoard.clear();
        self.expects = expects;
        self.committed = false;
        self.trailers = None;
        self.extensions = 0;
    }

    fn off(&self, switch: Switch) -> bool {
        self.switch == Some(switch)
    }

    /// Reads once, for a moment.
    pub(super) fn read(&mut self, time: Duration) -> Brought {
        let mut chunk = [0; 16 * 1024];
        let _ = self.stream.set_read_timeout(Some(time));
        match self.stream.read(&mut chunk) {
            Ok(0) => {
                self.finished = true;
                Brought::End
            }
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Brought::More
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    Brought::Nothing
                }
                _ => {
                    self.reset = true;
                    Brought::Reset
                }
            },
        }
    }

    /// Tells the client to go on.
    pub(super) fn say_continue(&mut self) {
        self.expects = false;
        if !self.off(Switch::NoContinue) {
            let _ = self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Whether somebody waits for the body, who is woken: a reader on another thread hears of it this way only.
    pub(super) fn is_wanted(&mut self) -> bool {
        let reader = self.reader.take();
        let wanted = self.wanted || reader.is_some();
        if let Some(reader) = reader.filter(|_| !self.off(Switch::ReadsAtHome)) {
            reader.wake();
        }
        wanted
    }

    /// Takes what comes although nobody asked for it: what there is, or all up to the end.
    pub(super) fn hoard(&mut self, all: bool) {
        while !self.ended && self.broken.is_none() {
            match self.decode() {
                Ok(Some(data)) => {
                    self.hoard.extend_from_slice(&data);
                    continue;
                }
                Ok(None) if self.ended => break,
                Ok(None) => {}
                Err(why) => self.broken = Some(why),
            }
            match self.read(MOMENT) {
                Brought::More => {}
                Brought::Nothing if all => {}
                Brought::Nothing => break,
                Brought::End | Brought::Reset => self.broken = Some("the request's body broke off"),
            }
        }
    }

    /// The trailer fields, once the body has ended.
    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    fn frame(&mut self) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.hoard.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.hoard).into()))));
        }
        loop {
            if let Some(why) = self.broken {
                return Poll::Ready(Some(Err(
                    Error::new(Fault::Client, why).with_requirement("REQ-INPUT-04")
                )));
            }
            match self.decode() {
                Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(None) if self.ended => {
                    let trailers = self.trailers.take().filter(|_| !self.off(Switch::NoTrailers));
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
                Ok(None) => {}
                Err(why) => {
                    self.broken = Some(why);
                    continue;
                }
            }
            if self.expects {
                if self.committed && !self.off(Switch::LateContinue) {
                    self.broken =
                        Some("the head was committed before the client was told to continue");
                    continue;
                }
                self.say_continue();
            }
            match self.read(MOMENT) {
                Brought::More => {}
                // The connection's thread sees the reset, and drops the exchange.
                Brought::Nothing | Brought::Reset => {
                    self.wanted = true;
                    return Poll::Pending;
                }
                Brought::End if self.off(Switch::TruncatedIsEnd) => self.ended = true,
                Brought::End => self.broken = Some("the request's body broke off"),
            }
        }
    }

    /// What the buffer holds of the body: data, nothing yet, or a break of the grammar.
    fn decode(&mut self) -> Result<Option<Bytes>, &'static str> {
        loop {
            if self.ended {
                return Ok(None);
            }
            match self.framing {
                Framing::None => self.ended = true,
                Framing::Length(_) => {
                    let data = self.take_left();
                    if self.left == 0 {
                        self.ended = true;
                        if self.off(Switch::SkipsAfterBody) {
                            let count = self.buffer.len().min(4);
                            self.buffer.drain(..count);
                        }
                    }
                    return Ok(data);
                }
                Framing::Chunked => match self.chunk {
                    Chunk::Data => {
                        let data = self.take_left();
                        if self.left == 0 {
                            self.chunk = Chunk::DataEnd;
                        }
                        return Ok(data);
                    }
                    _ => {
                        if !self.step()? {
                            return Ok(None);
                        }
                    }
                },
            }
        }
    }

    fn take_left(&mut self) -> Option<Bytes> {
        let count = self.buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if count == 0 {
            return None;
        }
        self.left -= count as u64;
        Some(self.buffer.drain(..count).collect::<Vec<u8>>().into())
    }

    /// One step through the framing of the chunked coding; whether there was enough for it.
    fn step(&mut self) -> Result<bool, &'static str> {
        if self.chunk == Chunk::DataEnd {
            if self.off(Switch::ChunkSkipsLine) {
                let Some(end) = self.buffer.iter().position(|octet| *octet == b'\n') else {
                    return Ok(false);
                };
                self.buffer.drain(..=end);
                self.chunk = Chunk::Size;
                return Ok(true);
            }
            if self.buffer.len() < 2 {
                // One wrong octet is enough to know.
                let wrong = self.buffer.first().is_some_and(|octet| *octet != b'\r');
                return if wrong && !self.off(Switch::LooseChunkEnd) {
                    Err("a chunk's data is not followed by CRLF")
                } else {
                    Ok(false)
                };
            }
            if !self.buffer.starts_with(b"\r\n") && !self.off(Switch::LooseChunkEnd) {
                return Err("a chunk's data is not followed by CRLF");
            }
            self.buffer.drain(..2);
            self.chunk = Chunk::Size;
            return Ok(true);
        }
        let Some(end) = self.buffer.iter().position(|octet| *octet == b'\n') else {
            let limit = if self.chunk == Chunk::Size { LINE } else { TRAILERS };
            return if self.buffer.len() > limit {
                Err("a line of the chunked coding is too long")
            } else {
                Ok(false)
            };
        };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        let Some(line) = line.strip_suffix(b"\r\n").filter(|line| !line.contains(&b'\r')) else {
            return Err("a line of the chunked coding does not end with CRLF");
        };
        if self.chunk == Chunk::Trailers {
            return self.trailer(line).map(|()| true);
        }
        let size = self.size(line)?;
        self.left = size;
        self.chunk = if size == 0 { Chunk::Trailers } else { Chunk::Data };
        Ok(true)
    }

    fn size(&mut self, line: &[u8]) -> Result<u64, &'static str> {
        let digits = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
        let (digits, rest) = line.split_at(digits);
        let extension = rest.trim_ascii_start();
        let fine = rest.is_empty() || extension.starts_with(b";");
        if self.off(Switch::NoExtensions) && !rest.is_empty() {
            return Err("chunk extensions are not known");
        }
        let control = rest.iter().any(|octet| is_control(*octet));
        if digits.is_empty() || !fine || control {
            if self.off(Switch::LooseChunkSize) {
                self.ended = true;
                return Ok(0);
            }
            return Err("a chunk's size is not hexadecimal");
        }
        self.extensions += rest.len();
        if self.extensions > EXTENSIONS || line.len() > LINE {
            return Err("the chunk extensions are too long");
        }
        let digits = std::str::from_utf8(digits).unwrap_or("0");
        let digits = if digits.is_empty() { "0" } else { digits };
        if self.off(Switch::ChunkWraps) {
            let wrap =
                |sum: u64, digit: char| (sum << 4) | u64::from(digit.to_digit(16).unwrap_or(0));
            return Ok(digits.chars().fold(0, wrap));
        }
        u64::from_str_radix(digits, 16).map_err(|_| "a chunk's size exceeds 64 bits")
    }

    fn trailer(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if line.is_empty() {
            self.ended = true;
            return Ok(());
        }
        let malformed = "a trailer field is malformed";
        let colon = line.iter().position(|octet| *octet == b':').ok_or(malformed)?;
        let value = trim_whitespace(&line[colon + 1..]);
        if !is_token(&line[..colon]) || value.iter().any(|octet| is_control(*octet)) {
            return Err(malformed);
        }
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| malformed)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| malformed)?;
        self.extensions += line.len();
        if self.extensions > TRAILERS {
            return Err("the trailer section is too long");
        }
        self.trailers.get_or_insert_default().append(name, value);
        Ok(())
    }

    /// Reads what has come of the rest of a body and drops it; whether the end was reached.
    pub(super) fn drain_arrived(&mut self) -> bool {
        for _ in 0..16 {
            if self.ended || self.broken.is_some() {
                break;
            }
            match self.decode() {
                Ok(Some(_)) => {}
                Ok(None) if self.ended => break,
                Ok(None) => {
                    if self.read(Duration::from_millis(1)) != Brought::More {
                        break;
                    }
                }
                Err(why) => self.broken = Some(why),
            }
        }
        self.ended && self.broken.is_none()
    }
}

/// The body as the application's input reads it.
pub(super) struct InboundBody(pub(super) Inbound);

impl Body for InboundBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut state = self.0.lock();
        let polled = state.frame();
        if polled.is_pending() {
            state.reader = Some(cx.waker().clone());
        }
        polled
    }
}
