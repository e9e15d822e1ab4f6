//! A loop over sockets for the peers that are the limit: one poll and one listener for each thread, no runtime.
//!
//! Rules of this room: it moves octets and knows no protocol; a peer's own function makes answers of what was read.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::thread;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::{Result, serve};

const LISTENER: Token = Token(usize::MAX);

/// What a peer does with octets: takes what it answers from the first (what was read and is not answered), appends to the second (what is
/// answered and not written), and keeps what it wants to remember of a connection in `S`.
pub type Answer<S> = fn(&mut S, &mut Vec<u8>, &mut Vec<u8>);

/// Serves with as many threads as the arguments say, reading so many octets at a time; for ever.
///
/// # Errors
/// It cannot listen.
pub fn serve<S: Default + 'static>(
    arguments: &serve::Arguments,
    at_once: usize,
    answer: Answer<S>,
) -> Result<()> {
    let first = arguments.listen(arguments.bind)?;
    let address = first.local_addr()?;
    for _ in 1..arguments.threads() {
        let listener = arguments.listen(address)?;
        thread::spawn(move || {
            if let Err(error) = turn(TcpListener::from_std(listener), at_once, answer) {
                eprintln!("a thread of the server ended: {error}");
            }
        });
    }
    serve::announce(address)?;
    Ok(turn(TcpListener::from_std(first), at_once, answer)?)
}

struct Connection<S> {
    stream: TcpStream,
    state: S,
    read: Vec<u8>,
    to_write: Vec<u8>,
}

fn turn<S: Default>(
    mut listener: TcpListener,
    at_once: usize,
    answer: Answer<S>,
) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections = HashMap::new();
    let mut next = 0;
    let mut buffer = vec![0; at_once];
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
                    let (read, to_write) = (Vec::new(), Vec::new());
                    connections
                        .insert(next, Connection { stream, state: S::default(), read, to_write });
                    next += 1;
                }
            } else if let Some(connection) = connections.get_mut(&event.token().0)
                && connection.turn(&mut buffer, answer).is_err()
            {
                connections.remove(&event.token().0);
            }
        }
    }
}

impl<S> Connection<S> {
    /// Reads until there is nothing more, answers, writes; an error is the end of the connection.
    fn turn(&mut self, buffer: &mut [u8], answer: Answer<S>) -> io::Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    self.read.extend_from_slice(&buffer[..length]);
                    answer(&mut self.state, &mut self.read, &mut self.to_write);
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
}
