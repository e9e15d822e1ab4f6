//! One connection of the load that speaks HTTP/1.1: requests pipelined, answers in their order.
//!
//! Rules of this room: the octets of the requests are made once; a burst is answered in full before the next is sent.

use std::time::Instant;

use crate::Result;
use crate::load::{Answers, Wire};
use crate::response::ResponseReader;
use crate::routes::Route;

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    route: Route,
    request: Vec<u8>,
    reader: ResponseReader,
    /// Octets of an unfinished head or chunk size.
    kept: Vec<u8>,
    outstanding: usize,
    since: Instant,
}

impl Connection {
    pub(crate) fn new(wire: Wire, route: Route) -> Self {
        Self {
            wire,
            route,
            request: route.request(),
            reader: ResponseReader::default(),
            kept: Vec::new(),
            outstanding: 0,
            since: Instant::now(),
        }
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }

    pub(crate) fn send(&mut self, requests: usize, since: Instant) -> Result<()> {
        self.outstanding = requests;
        self.since = since;
        for _ in 0..requests {
            self.wire.unsent.extend_from_slice(&self.request);
        }
        self.wire.flush()
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8], answers: &mut Answers) -> Result<()> {
        loop {
            let kept = self.kept.len();
            buffer[..kept].copy_from_slice(&self.kept);
            let Some(length) = self.wire.read(&mut buffer[kept..])? else { return Ok(()) };
            let end = kept + length;
            let mut start = 0;
            loop {
                let progress = self.reader.read(&buffer[start..end])?;
                start += progress.consumed;
                let Some(length) = progress.ended else { break };
                if length != self.route.answer_length() || self.outstanding == 0 {
                    return Err(format!("an answer of /{} has {length} bytes", self.route).into());
                }
                self.outstanding -= 1;
                answers.add(self.since);
            }
            self.kept.clear();
            self.kept.extend_from_slice(&buffer[start..end]);
            if end < buffer.len() {
                return Ok(());
            }
        }
    }
}
