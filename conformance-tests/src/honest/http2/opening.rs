//! Streams that begin, and request trailers: a field section to an exchange of its own thread.
//!
//! Rules of this room: what is malformed is refused here, before anybody is called; the stream is known to all before its thread runs.

use std::sync::Arc;
use std::thread;

use rwgi::BodyLength;

use super::connection::{Broken, MOST_STREAMS, Reader};
use super::flaw::Http2Flaw;
use super::hub::Stream;
use super::request::{self, Refusal};
use super::stream;
use crate::http2::{WINDOW, code};

impl Reader {
    pub(super) fn trailers(&self, id: u32, fields: &[(Vec<u8>, Vec<u8>)], end: bool) {
        let trailers = request::trailers(fields).filter(|_| end);
        let malformed = trailers.is_none();
        let any_length = self.off(Http2Flaw::AnyLength);
        let known = self.hub.change(|state| {
            let Some(stream) = state.streams.get_mut(&id) else { return false };
            stream.trailers = trailers;
            stream.end(any_length);
            stream.wake();
            true
        });
        if malformed && known {
            self.stream_error(id, code::PROTOCOL_ERROR);
        }
    }

    /// A new stream, with its exchange.
    pub(super) fn open(
        &self,
        id: u32,
        fields: &[(Vec<u8>, Vec<u8>)],
        end: bool,
    ) -> Result<(), Broken> {
        let full = self.hub.lock().streams.len() >= MOST_STREAMS as usize;
        if full || self.leaving {
            self.hub.reset(id, code::REFUSED_STREAM);
            return Ok(());
        }
        let read = request::read(fields, end, self.hub.takes_connect(), self.hub.flaw());
        if read.is_err() && self.off(Http2Flaw::CallsRefused) {
            stream::call_anyway(&self.hub, fields);
        }
        if matches!(read, Err(Refusal::Malformed)) {
            if self.off(Http2Flaw::MalformedCloses) {
                return Err(Broken(code::PROTOCOL_ERROR));
            }
            self.hub.reset(id, code::PROTOCOL_ERROR);
            return Ok(());
        }
        let (left, expects) = match &read {
            Ok(head) if head.protocol.is_some() => (None, false),
            Ok(head) => (Some(head.length), head.expects),
            Err(_) => (None, false),
        };
        self.hub.change(|state| {
            let window = state.initial_window;
            let left = match left {
                Some(BodyLength::Exact(length)) => Some(length),
                Some(BodyLength::Empty) => Some(0),
                _ => None,
            };
            state.streams.insert(id, Stream::new(window, left, end, expects));
        });
        let (hub, guard) = (Arc::clone(&self.hub), self.hub.server.enter());
        let spawned = thread::Builder::new().name("honest-stream".to_owned()).spawn(move || {
            stream::serve(&hub, id, read);
            drop(guard);
        });
        if spawned.is_err() {
            self.hub.reset(id, code::REFUSED_STREAM);
            self.hub.change(|state| state.streams.remove(&id));
        }
        Ok(())
    }
}

impl Stream {
    fn new(window: i64, left: Option<u64>, ended: bool, expects: bool) -> Self {
        Self {
            window,
            granted: WINDOW,
            arrived: std::collections::VecDeque::new(),
            left,
            trailers: None,
            ended,
            broken: None,
            expects,
            committed: false,
            reset: false,
            reader: None,
        }
    }

    /// The client has sent all it will.
    pub(super) fn end(&mut self, any_length: bool) {
        self.ended = true;
        if self.left.is_some_and(|left| left > 0) && self.broken.is_none() && !any_length {
            self.broken = Some("less content than the declared length");
        }
    }
}
