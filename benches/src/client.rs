//! A client that asks one question at a time, for figures that must not depend on timing.
//!
//! Rules of this room: a question is sent only when the one before is answered in full; an answer of another status or length is an error.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Result;
use crate::response::ResponseReader;
use crate::routes::Route;

/// One keep-alive connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    reader: ResponseReader,
    buffer: Vec<u8>,
    held: usize,
}

impl Client {
    /// Connects; no answer may take longer than `patience`.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn connect(address: SocketAddr, patience: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self { stream, reader: ResponseReader::default(), buffer: vec![0; 64 * 1024], held: 0 })
    }

    /// Sends the route's request and reads its answer.
    ///
    /// # Errors
    /// The connection breaks, or the answer is not the route's.
    pub fn ask(&mut self, route: Route, request: &[u8]) -> Result<()> {
        self.ask_pipelined(route, request, 1)
    }

    /// Sends `requests`, which are so many of the route's in one go, and reads their answers.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn ask_pipelined(&mut self, route: Route, requests: &[u8], depth: usize) -> Result<()> {
        self.stream.write_all(requests)?;
        let mut answered = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[self.held..])?;
            if read == 0 {
                return Err("the server closed the connection".into());
            }
            self.held += read;
            loop {
                let progress = self.reader.read(&self.buffer[..self.held])?;
                self.buffer.copy_within(progress.consumed..self.held, 0);
                self.held -= progress.consumed;
                let Some(length) = progress.ended else { break };
                answered += 1;
                if length != route.answer_length() || (answered == depth && self.held != 0) {
                    return Err(format!("the answer of /{route} has {length} bytes").into());
                }
                if answered == depth {
                    return Ok(());
                }
            }
        }
    }
}
