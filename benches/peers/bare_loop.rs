//! A loop over sockets that parses nothing: the limit that no server of HTTP reaches.
//!
//! Rules of this peer: it looks for empty lines and answers each with the same octets; one poll and one listener for each thread.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::thread;

use benches::serve;
use clap::Parser;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\
    date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nHello, World!";

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
    read: Vec<u8>,
    to_write: Vec<u8>,
}

fn serve(mut listener: TcpListener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections = HashMap::new();
    let mut next = 0;
    let mut buffer = vec![0; 64 * 1024];
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
                    let connection = Connection { stream, read: Vec::new(), to_write: Vec::new() };
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
                    self.answer(&buffer[..length]);
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

    /// One answer for each empty line.
    fn answer(&mut self, data: &[u8]) {
        self.read.extend_from_slice(data);
        let mut start = 0;
        while let Some(end) = self.read[start..].windows(4).position(|four| four == b"\r\n\r\n") {
            start += end + 4;
            self.to_write.extend_from_slice(ANSWER);
        }
        self.read.drain(..start);
    }
}
