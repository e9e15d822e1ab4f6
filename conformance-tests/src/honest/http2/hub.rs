//! What the threads of one connection share: its streams, its windows, and the one writer.
//!
//! Rules of this room: the state is locked for moments and never while octets are written; frames leave whole, one after the other; who
//! waits for a window looks after its stream meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use rwgi::Connection;

use super::flaw::Http2Flaw;
use crate::honest::drive::Gone;
use crate::honest::listener::Server;
use crate::honest::violation::Switch;
use crate::http2::{FRAME_SIZE, Frame, WINDOW, flag, hpack, kind};

pub(super) struct Hub {
    pub(super) server: Arc<Server>,
    pub(super) facts: Arc<Connection>,
    writer: Mutex<TcpStream>,
    state: Mutex<State>,
    changed: Condvar,
    /// Only for the flaw of a server that serves one stream at a time.
    pub(super) turn: Mutex<()>,
}

pub(super) struct State {
    /// What may be sent on the connection.
    pub(super) window: i64,
    /// What may be sent on a new stream.
    pub(super) initial_window: i64,
    pub(super) frame_size: usize,
    pub(super) streams: BTreeMap<u32, Stream>,
    /// The connection is lost.
    pub(super) gone: bool,
}

/// A stream whose exchange is under way.
pub(super) struct Stream {
    pub(super) window: i64,
    /// What the client may send.
    pub(super) granted: i64,
    pub(super) arrived: VecDeque<Bytes>,
    /// What is missing of the declared length.
    pub(super) left: Option<u64>,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) ended: bool,
    pub(super) broken: Option<&'static str>,
    /// The client waits for 100 and was not told.
    pub(super) expects: bool,
    /// The final head is on its way.
    pub(super) committed: bool,
    /// The client has reset the stream.
    pub(super) reset: bool,
    /// Who reads the body.
    pub(super) reader: Option<Waker>,
}

impl Stream {
    pub(super) fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Hub {
    pub(super) fn new(server: Arc<Server>, facts: Arc<Connection>, writer: TcpStream) -> Self {
        let _ = writer.set_write_timeout(Some(Duration::from_millis(20)));
        let state = State {
            window: WINDOW,
            initial_window: WINDOW,
            frame_size: FRAME_SIZE,
            streams: BTreeMap::new(),
            gone: false,
        };
        Self {
            server,
            facts,
            writer: Mutex::new(writer),
            state: Mutex::new(state),
            changed: Condvar::new(),
            turn: Mutex::default(),
        }
    }

    pub(super) fn flaw(&self) -> Option<Http2Flaw> {
        match self.server.switch() {
            Some(Switch::Http2(flaw)) => Some(flaw),
            _ => None,
        }
    }

    pub(super) fn off(&self, flaw: Http2Flaw) -> bool {
        self.flaw() == Some(flaw)
    }

    /// Whether extended CONNECT is taken (RFC 8441).
    pub(super) fn takes_connect(&self) -> bool {
        let capabilities = self.facts.server.capabilities();
        capabilities.upgrade || capabilities.websocket
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells those who wait.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }

    /// Waits until something changes, at most for this time.
    pub(super) fn wait(&self, most: Duration) {
        let _ = self.changed.wait_timeout(self.lock(), most);
    }

    /// Waits until nothing is left of the streams, at most for this time.
    pub(super) fn wait_for_streams(&self, most: Duration) {
        let state = self.lock();
        let _ = self.changed.wait_timeout_while(state, most, |state| !state.streams.is_empty());
    }

    /// The connection is lost, and its exchanges with it.
    pub(super) fn lose(&self) {
        self.change(|state| {
            state.gone = true;
            state.streams.values_mut().for_each(Stream::wake);
        });
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.server.abandoned.load(Ordering::Acquire)
    }

    /// Whether a stream's exchange is still wanted.
    pub(super) fn check(&self, id: u32) -> Result<(), Gone> {
        let state = self.lock();
        let reset = state.streams.get(&id).is_none_or(|stream| stream.reset);
        let heard = !self.off(Http2Flaw::NoDeparture);
        if state.gone || self.is_abandoned() || reset && heard { Err(Gone) } else { Ok(()) }
    }

    /// Sends frames that belong together.
    pub(super) fn send(&self, frames: &[Frame]) -> Result<(), Gone> {
        let octets: Vec<u8> = frames.iter().flat_map(Frame::octets).collect();
        let mut octets = &octets[..];
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        while !octets.is_empty() {
            match writer.write(octets) {
                Ok(count) => octets = &octets[count..],
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                        if self.lock().gone || self.is_abandoned() {
                            return Err(Gone);
                        }
                    }
                    ErrorKind::Interrupted => {}
                    _ => return Err(Gone),
                },
            }
        }
        Ok(())
    }

    /// Sends a field section.
    pub(super) fn headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        id: u32,
        fields: impl IntoIterator<Item = (N, V)>,
        end: bool,
    ) -> Result<(), Gone> {
        let block = hpack::encode(fields);
        let parts: Vec<&[u8]> = block.chunks(self.lock().frame_size).collect();
        let frame = |(at, part): (usize, &&[u8])| {
            let last = if at + 1 == parts.len() { flag::END_HEADERS } else { 0 };
            match at {
                0 => {
                    let end = if end { flag::END_STREAM } else { 0 };
                    Frame::new(kind::HEADERS, last | end, id, *part)
                }
                _ => Frame::new(kind::CONTINUATION, last, id, *part),
            }
        };
        self.send(&parts.iter().enumerate().map(frame).collect::<Vec<_>>())
    }

    /// Sends content as the client's windows allow.
    pub(super) fn data(&self, id: u32, mut octets: &[u8], end: bool) -> Result<(), Gone> {
        loop {
            let count = self.take_window(id, octets.len())?;
            let (now, later) = octets.split_at(count);
            octets = later;
            let flags = if end && octets.is_empty() { flag::END_STREAM } else { 0 };
            self.send(&[Frame::new(kind::DATA, flags, id, now)])?;
            if octets.is_empty() {
                return Ok(());
            }
        }
    }

    /// Waits until something may be sent; gives how much of it.
    fn take_window(&self, id: u32, wanted: usize) -> Result<usize, Gone> {
        loop {
            self.check(id)?;
            let mut state = self.lock();
            let of_connection = state.window;
            let of_stream = state.streams.get(&id).map_or(0, |stream| stream.window);
            let mut allowed = i64::try_from(wanted.min(state.frame_size)).unwrap_or(i64::MAX);
            if !self.off(Http2Flaw::NoConnectionWindow) {
                allowed = allowed.min(of_connection);
            }
            if !self.off(Http2Flaw::NoStreamWindow) {
                allowed = allowed.min(of_stream);
            }
            if allowed > 0 || wanted == 0 {
                let taken = allowed.max(0);
                state.window -= taken;
                if let Some(stream) = state.streams.get_mut(&id) {
                    stream.window -= taken;
                }
                return Ok(usize::try_from(taken).unwrap_or(0));
            }
            let _ = self.changed.wait_timeout(state, Duration::from_millis(5));
        }
    }

    pub(super) fn reset(&self, id: u32, code: u32) {
        let _ = self.send(&[Frame::new(kind::RST_STREAM, 0, id, code.to_be_bytes())]);
    }

    pub(super) fn goaway(&self, last: u32, code: u32) {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        let _ = self.send(&[Frame::new(kind::GOAWAY, 0, 0, payload)]);
    }

    pub(super) fn grant(&self, id: u32, count: usize) {
        if count > 0 {
            let count = u32::try_from(count).unwrap_or(0);
            let _ = self.send(&[Frame::new(kind::WINDOW_UPDATE, 0, id, count.to_be_bytes())]);
        }
    }
}
