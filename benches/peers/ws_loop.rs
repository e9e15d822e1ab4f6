//! A loop over sockets that echoes frames and checks nothing: the limit of the comparison.
//!
//! Rules of this peer: it answers any handshake alike, takes the mask off and sends the payload back; one poll and one listener for each thread.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::thread;

use benches::serve;
use clap::Parser;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// To the key that the load sends.
const HANDSHAKE: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const LISTENER: Token = Token(usize::MAX);

fn main() -> benches::Result<()> {
    let arguments = serve::Arguments::parse();
    let first = arguments.listen(arguments.bind)?;
    let address = first.local_addr()?;
    for _ in 1..arguments.threads() {
        let listener = arguments.listen(address)?;
        thread::spawn(move || {
            if let Err(error) = serve(TcpListener::from_std(listener)) {
                eprintln!("a thread of the server ended: {error}");
            }
        });
    }
    serve::announce(address)?;
    Ok(serve(TcpListener::from_std(first))?)
}

/// One client: what is read and not answered, what is answered and not written.
struct Connection {
    stream: TcpStream,
    open: bool,
    read: Vec<u8>,
    to_write: Vec<u8>,
}

fn serve(mut listener: TcpListener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections = HashMap::new();
    let mut next = 0;
    let mut buffer = vec![0; 128 * 1024];
    loop {
        if let Err(error) = poll.poll(&mut events, None) {
            if error.kind() == ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(next), both)?;
                    let connection =
                        Connection { stream, open: false, read: Vec::new(), to_write: Vec::new() };
                    connections.insert(next, connection);
                    next += 1;
                }
            } else if let Some(connection) = connections.get_mut(&event.token().0)
                && connection.turn(&mut buffer).is_err()
            {
                connections.remove(&event.token().0);
            }
        }
    }
}

impl Connection {
    /// Reads until there is nothing more, answers, writes; an error is the end of the connection.
    fn turn(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    self.read.extend_from_slice(&buffer[..length]);
                    self.answer();
                    // A short read has emptied the socket.
                    if length < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        while !self.to_write.is_empty() {
            match self.stream.write(&self.to_write) {
                Ok(length) => drop(self.to_write.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn answer(&mut self) {
        if !self.open {
            let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") else {
                return;
            };
            self.read.drain(..end + 4);
            self.to_write.extend_from_slice(HANDSHAKE);
            self.open = true;
        }
        let mut start = 0;
        while let Some(length) = echo(&mut self.read[start..], &mut self.to_write) {
            start += length;
        }
        self.read.drain(..start);
    }
}

/// Sends the first frame back, where all of it is there; gives its length.
fn echo(read: &mut [u8], out: &mut Vec<u8>) -> Option<usize> {
    let (length, at) = match read.get(1)? & 0x7f {
        126 => (usize::from(u16::from_be_bytes(*read.get(2..)?.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*read.get(2..)?.first_chunk()?) as usize, 10),
        short => (usize::from(short), 2),
    };
    let key: [u8; 4] = *read.get(at..)?.first_chunk()?;
    let whole = at + 4 + length;
    let payload = read.get_mut(at + 4..whole)?;
    let wide = u64::from_ne_bytes([key, key].concat().try_into().ok()?);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (octet, key) in rest.iter_mut().zip(key.into_iter().cycle()) {
        *octet ^= key;
    }
    out.extend_from_slice(&read[..at]);
    let second = out.len() - at + 1;
    out[second] &= 0x7f;
    out.extend_from_slice(&read[at + 4..whole]);
    Some(whole)
}
