//! A stream that was taken over by extended CONNECT (RFC 8441): octets in DATA, an end in END_STREAM.
//!
//! Rules of this room: what is taken is granted to the client again, and nothing else is; a reset is the client's departure.

use std::cell::Cell;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::flaw::Http2Flaw;
use super::hub::Hub;
use crate::honest::drive::Gone;
use crate::honest::inbound::Brought;
use crate::honest::line::{Line, Lines};
use crate::honest::listener::Server;
use crate::honest::websocket::WebSocketFlaw;

pub(super) struct StreamLine<'a> {
    hub: &'a Arc<Hub>,
    id: u32,
    waker: &'a Waker,
    ended: Cell<bool>,
}

impl<'a> StreamLine<'a> {
    pub(super) fn new(hub: &'a Arc<Hub>, id: u32, waker: &'a Waker) -> Self {
        Self { hub, id, waker, ended: Cell::new(false) }
    }
}

impl Line for StreamLine<'_> {
    fn server(&self) -> &Server {
        &self.hub.server
    }

    fn waker(&self) -> &Waker {
        self.waker
    }

    fn take_over(&self, _: &str, fields: Lines) -> Result<(), Gone> {
        let mut lines: Lines = Vec::new();
        let status = if self.hub.off(Http2Flaw::ConnectIs204) { "204" } else { "200" };
        lines.push((":status".to_owned(), status.into()));
        lines.extend(fields);
        if self.hub.off(Http2Flaw::ConnectionOnConnect) {
            lines.push(("connection".to_owned(), b"upgrade".to_vec()));
        }
        self.hub.headers(self.id, lines, false)
    }

    fn write(&self, octets: &[u8]) -> Result<(), Gone> {
        if self.ended.get() || octets.is_empty() {
            return Ok(());
        }
        self.hub.data(self.id, octets, false)
    }

    fn end(&self) -> Result<(), Gone> {
        if self.ended.replace(true) {
            return Ok(());
        }
        self.hub.data(self.id, b"", true)
    }

    fn read(&self, buffer: &mut Vec<u8>, time: Duration) -> Result<Brought, Gone> {
        for last in [false, true] {
            let mut state = self.hub.lock();
            let stream = state.streams.get_mut(&self.id).ok_or(Gone)?;
            let length = buffer.len();
            // The flaw is told from the others by what one frame brings.
            let one = self.websocket_off(WebSocketFlaw::WholePieces);
            let pieces = if one { stream.arrived.len().min(1) } else { stream.arrived.len() };
            for data in stream.arrived.drain(..pieces) {
                buffer.extend_from_slice(&data);
            }
            let count = buffer.len() - length;
            let (reset, ended) = (stream.reset, stream.ended);
            let broken = stream.broken.is_some() && !ended;
            stream.granted += i64::try_from(count).unwrap_or(0);
            drop(state);
            if count > 0 {
                if !ended {
                    self.hub.grant(self.id, count);
                }
                return Ok(Brought::More);
            }
            if reset {
                self.check()?;
            } else if broken {
                return Err(Gone);
            }
            if ended {
                return Ok(Brought::End);
            }
            if !last {
                self.hub.wait(time);
            }
        }
        Ok(Brought::Nothing)
    }

    fn check(&self) -> Result<(), Gone> {
        self.hub.check(self.id)
    }
}
