//! One connection to the server under test.
//!
//! Rules of this room: what is sent is sent as it stands; a wait ends with the deadline; how the server ended the
//! connection (in order, or with a reset) is told apart.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::Transcript;
use crate::server::failure::{Failure, Held, check};

/// How the server's side of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order (FIN).
    Closed,
    /// With a reset (RST).
    Reset,
}

/// A connection, with what was read from it and not used yet.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    transcript: Transcript,
    number: usize,
    /// Each exchange has a process of its own, so that nobody can ever open a gate for it.
    pub(in crate::server) once: bool,
    pub(super) deadline: Duration,
    pub(super) buffer: Vec<u8>,
    pub(super) ending: Option<Ending>,
    was_reset: bool,
    substitutes: [(&'static str, String); 2],
    /// How much of the response that is being read was taken.
    pub(super) reading: super::reader::Reading,
    /// Informational responses that were waited for.
    pub(super) early: Vec<super::Head>,
}

/// Steps of a script that wait for what another request does, or for ever.
const WAITS: [&str; 3] = ["gate", "spin", "wait-for-ever"];

impl Wire {
    pub(crate) fn connect(
        address: SocketAddr,
        number: usize,
        deadline: Duration,
        transcript: Transcript,
        substitutes: [(&'static str, String); 2],
    ) -> Held<Self> {
        let stream = TcpStream::connect_timeout(&address, deadline).map_err(|error| {
            Failure::new(format!("a connection to {address}"), format!("{error}"))
        })?;
        // Pieces are meant to arrive as pieces.
        let _ = stream.set_nodelay(true);
        let _ = stream.set_write_timeout(Some(deadline));
        Ok(Self {
            stream,
            transcript,
            number,
            once: false,
            deadline,
            buffer: Vec::new(),
            ending: None,
            was_reset: false,
            substitutes,
            reading: super::reader::Reading::default(),
            early: Vec::new(),
        })
    }

    /// Speaks HTTP/2 from the first octet, with these settings of the client's beside ENABLE_PUSH = 0.
    ///
    /// # Errors
    /// The server takes nothing within the deadline.
    pub fn into_http2(self, settings: &[(u16, u32)]) -> Held<super::Http2> {
        self.into_http2_after(settings, 0)
    }

    /// [`into_http2`](Self::into_http2), where so many octets of the preface were sent already.
    ///
    /// # Errors
    /// The server takes nothing within the deadline.
    pub fn into_http2_after(self, settings: &[(u16, u32)], sent: usize) -> Held<super::Http2> {
        let Self { stream, number, deadline, transcript, substitutes, .. } = self;
        super::Http2::begin(stream, number, deadline, transcript, substitutes, (settings, sent))
    }

    /// The address of this end.
    ///
    /// # Errors
    /// The operating system does not know it.
    pub fn local_address(&self) -> Held<SocketAddr> {
        self.stream.local_addr().map_err(|error| Failure::new("a local address", error.to_string()))
    }

    /// Sends a text, with `{host}` and `{tag}` replaced.
    ///
    /// A server may answer and close before it has read everything, so that a write which fails is no failure of the case: what
    /// counts is what the server says.
    ///
    /// # Errors
    /// The server took nothing within the deadline.
    pub fn send(&mut self, text: &str) -> Held {
        if self.once && WAITS.iter().any(|step| text.contains(step)) {
            return Err(Failure::skip(
                "each exchange has a process of its own here (`run_once`), and this one would wait for another",
            ));
        }
        let mut text = text.to_owned();
        for (name, value) in &self.substitutes {
            text = text.replace(name, value);
        }
        self.send_octets(text.as_bytes())
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_octets(&mut self, octets: &[u8]) -> Held {
        self.transcript.sent(self.number, octets);
        match self.stream.write_all(octets) {
            Err(error) if is_timeout(&error) => Err(Failure::new(
                format!("the server to take {} octets within {:?}", octets.len(), self.deadline),
                "it took only a part of them",
            )),
            Err(_) => {
                // The reset was told to the write, and a read will see an end that looks orderly.
                self.was_reset = true;
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Sends as much of `octets`, over and over, as the server takes until it has taken nothing for `patience`, at most
    /// `most`; gives how many it took.
    ///
    /// # Errors
    /// The socket cannot be set up.
    pub fn send_until_stuck(
        &mut self,
        octets: &[u8],
        most: usize,
        patience: Duration,
    ) -> Held<usize> {
        let setup = self.stream.set_write_timeout(Some(patience));
        setup.map_err(|error| Failure::new("a write timeout", error.to_string()))?;
        let mut taken = 0;
        while taken < most {
            match self.stream.write(octets) {
                Ok(0) | Err(_) => break,
                Ok(count) => taken += count,
            }
        }
        let _ = self.stream.set_write_timeout(Some(self.deadline));
        self.transcript.note(
            self.number,
            &format!("the suite sent {taken} more octets until the server took no more"),
        );
        Ok(taken)
    }

    /// Says that nothing more will be sent (FIN), and goes on reading.
    pub fn finish_sending(&mut self) {
        self.transcript.note(self.number, "the suite closes its sending side");
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Resets the connection (RST).
    pub fn reset(self) {
        self.transcript.note(self.number, "the suite resets the connection");
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Makes the buffer for what the server sends small.
    pub fn shrink_receive_buffer(&self) {
        let _ = SockRef::from(&self.stream).set_recv_buffer_size(4096);
    }

    /// Reads more into the buffer; `false` at the end of the server's side.
    pub(super) fn fill(&mut self, until: Instant, waiting_for: &str) -> Held<bool> {
        match self.try_fill(until) {
            Filled::More => Ok(true),
            Filled::Ended => Ok(false),
            Filled::TimedOut => {
                self.transcript.note(self.number, "nothing more came within the deadline");
                Err(Failure::new(
                    format!("{waiting_for} within {:?}", self.deadline),
                    "nothing more came, and the connection stayed open",
                ))
            }
        }
    }

    fn try_fill(&mut self, until: Instant) -> Filled {
        if self.ending.is_some() {
            return Filled::Ended;
        }
        let mut chunk = [0; 16 * 1024];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // A timeout of zero would mean none at all.
            let _ = self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))));
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    let (text, ending) = match self.was_reset {
                        true => ("the server reset the connection", Ending::Reset),
                        false => ("the server closed the connection", Ending::Closed),
                    };
                    self.transcript.note(self.number, text);
                    self.ending = Some(ending);
                    return Filled::Ended;
                }
                Ok(count) => {
                    self.transcript.received(self.number, &chunk[..count]);
                    self.buffer.extend_from_slice(&chunk[..count]);
                    return Filled::More;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Filled::TimedOut,
                Err(_) => {
                    self.transcript.note(self.number, "the server reset the connection");
                    self.ending = Some(Ending::Reset);
                    return Filled::Ended;
                }
            }
        }
    }

    pub(super) fn until(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// Fails if the server sends anything, or closes, within a short time.
    ///
    /// Silence cannot be waited for; the case makes sure first that the server had its chance.
    ///
    /// # Errors
    /// Something came.
    pub fn quiet(&mut self, expected: &str) -> Held {
        let until = Instant::now() + Duration::from_millis(60);
        loop {
            // What ends a chunk that was read belongs to it.
            self.take_line_end()?;
            if !self.buffer.is_empty() && self.buffer != b"\r" {
                let found = format!("\"{}\"", super::escape(&self.buffer));
                return Err(Failure::new(expected, found));
            }
            match self.try_fill(until) {
                Filled::TimedOut => return Ok(()),
                Filled::Ended => return Err(Failure::new(expected, "the connection ended")),
                Filled::More => {}
            }
        }
    }

    /// Fails if octets have arrived that belong to no response that was read.
    ///
    /// # Errors
    /// They have.
    pub fn nothing_more(&mut self) -> Held {
        let found = format!("\"{}\"", super::escape(&self.buffer));
        check(self.buffer.is_empty(), "nothing after the last response", found)
    }

    /// Lets the server have this time, or less if it sends something or ends the connection: whether it did.
    ///
    /// # Errors
    /// None as yet; a pause is a wait like the others.
    pub fn pause(&mut self, time: Duration) -> Held<bool> {
        Ok(!self.buffer.is_empty()
            || !matches!(self.try_fill(Instant::now() + time), Filled::TimedOut))
    }

    /// Waits for the end of the server's side, with nothing before it.
    ///
    /// # Errors
    /// Something else came, or the connection stayed open.
    pub fn ended(&mut self) -> Held<Ending> {
        let until = self.until();
        while self.fill(until, "the server to close the connection")? {
            // Whatever comes is shown below; a flood ends with the deadline.
            if self.buffer.len() > 1 << 20 {
                break;
            }
        }
        check(
            self.buffer.is_empty(),
            "nothing more before the connection closes",
            format!("\"{}\"", super::escape(&self.buffer[..self.buffer.len().min(300)])),
        )?;
        self.ending.ok_or_else(|| Failure::new("the connection to close", "it stays open"))
    }

    /// So many octets, as they come.
    ///
    /// # Errors
    /// The connection ends before, or the deadline.
    pub(in crate::server) fn exactly(&mut self, count: usize, what: &str) -> Held<Vec<u8>> {
        let until = self.until();
        while self.buffer.len() < count {
            if !self.fill(until, what)? {
                return Err(Failure::new(what, format!("the connection ended: {:?}", self.ending)));
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// The connection's number on the transcript.
    pub(super) fn note(&self, text: &str) {
        self.transcript.note(self.number, text);
    }
}

enum Filled {
    More,
    Ended,
    TimedOut,
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
