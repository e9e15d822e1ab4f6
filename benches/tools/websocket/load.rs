//! The load: many WebSockets, each with a fixed number of messages under way.
//!
//! Rules of this room: one thread and one poll; frames are made once and masked, as a client's have to be; an echo of another length, kind or
//! content ends the measurement.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use benches::Result;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Of each message.
    pub(crate) bytes: usize,
    /// Messages that are sent before their echoes have come.
    pub(crate) under_way: usize,
}

impl Load {
    pub(crate) fn heading(self) -> String {
        let bytes = match self.bytes {
            65_536 => "64 KiB".to_owned(),
            bytes => format!("{bytes} bytes"),
        };
        let each = match self.under_way {
            1 => "one message".to_owned(),
            messages => format!("{messages} messages"),
        };
        format!("Echo of {bytes}, {} sockets, {each} under way on each", self.connections)
    }
}

/// What came back.
pub(crate) struct Echoes {
    pub(crate) count: u64,
    pub(crate) elapsed: Duration,
}

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The open sockets of a load.
pub(crate) struct Sockets {
    load: Load,
    poll: Poll,
    events: Events,
    sockets: Vec<Socket>,
    frame: Vec<u8>,
    echo: Vec<u8>,
    buffer: Vec<u8>,
}

struct Socket {
    stream: TcpStream,
    unsent: Vec<u8>,
    /// How far into the echo that comes now.
    seen: usize,
    outstanding: usize,
}

/// Opens a WebSocket.
pub(crate) fn shake_hands(address: SocketAddr) -> Result<std::net::TcpStream> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(
        b"GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
          sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )?;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err("the server closed in the handshake".into());
        }
        head.extend_from_slice(&buffer[..length]);
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        let head = String::from_utf8_lossy(&head);
        return Err(format!("the server does not switch: {head}").into());
    }
    Ok(stream)
}

impl Sockets {
    pub(crate) fn open(address: SocketAddr, load: Load) -> Result<Self> {
        let poll = Poll::new()?;
        let mut sockets = Vec::with_capacity(load.connections);
        for number in 0..load.connections {
            let stream = shake_hands(address)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(number), both)?;
            sockets.push(Socket { stream, unsent: Vec::new(), seen: 0, outstanding: 0 });
        }
        let payload: Vec<u8> = (0..load.bytes).map(|number| number as u8).collect();
        let echo = [head(load.bytes, 0), payload.clone()].concat();
        let masked = payload.iter().zip(KEY.iter().cycle()).map(|(octet, key)| octet ^ key);
        let frame = [head(load.bytes, 0x80), KEY.to_vec(), masked.collect()].concat();
        let buffer = vec![0; 256 * 1024];
        Ok(Self { load, poll, events: Events::with_capacity(1024), sockets, frame, echo, buffer })
    }

    /// Sends for so long, and waits for the last echoes.
    pub(crate) fn run(&mut self, duration: Duration) -> Result<Echoes> {
        let start = Instant::now();
        let mut count = 0;
        for socket in &mut self.sockets {
            socket.send(&self.frame, self.load.under_way)?;
        }
        loop {
            let over = start.elapsed() >= duration;
            if over && self.sockets.iter().all(|socket| socket.outstanding == 0) {
                break;
            }
            self.poll.poll(&mut self.events, Some(PATIENCE))?;
            if self.events.is_empty() {
                return Err("the server has not answered for ten seconds".into());
            }
            for event in &self.events {
                let socket = &mut self.sockets[event.token().0];
                socket.flush()?;
                let came = socket.read(&mut self.buffer, &self.echo)?;
                count += came as u64;
                if came > 0 && !over {
                    socket.send(&self.frame, came)?;
                }
            }
        }
        Ok(Echoes { count, elapsed: start.elapsed() })
    }
}

/// The head of a binary frame; a client's is marked as masked.
fn head(length: usize, masked: u8) -> Vec<u8> {
    let mut head = vec![0x82];
    match length {
        0..126 => head.push(masked | length as u8),
        126..=0xffff => {
            head.push(masked | 126);
            head.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            head.push(masked | 127);
            head.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    head
}

impl Socket {
    fn send(&mut self, frame: &[u8], messages: usize) -> Result<()> {
        self.outstanding += messages;
        for _ in 0..messages {
            self.unsent.extend_from_slice(frame);
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads what is there; gives how many echoes have ended.
    fn read(&mut self, buffer: &mut [u8], echo: &[u8]) -> Result<usize> {
        let mut ended = 0;
        loop {
            let mut came = match self.stream.read(buffer) {
                Ok(0) => return Err("the server closed a socket under load".into()),
                Ok(length) => &buffer[..length],
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(ended),
                Err(error) => return Err(error.into()),
            };
            let short = came.len() < buffer.len();
            while !came.is_empty() {
                let (now, later) = came.split_at(came.len().min(echo.len() - self.seen));
                if *now != echo[self.seen..self.seen + now.len()] || self.outstanding == 0 {
                    return Err("what came back is not what was sent".into());
                }
                self.seen += now.len();
                if self.seen == echo.len() {
                    self.seen = 0;
                    self.outstanding -= 1;
                    ended += 1;
                }
                came = later;
            }
            if short {
                return Ok(ended);
            }
        }
    }
}
