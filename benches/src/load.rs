//! The load: many keep-alive connections, each with a fixed number of requests under way, and others that are open and silent.
//!
//! Rules of this room: one thread and one poll, so that it can be pinned to a core; a closed loop, or a given rate, where a request's time counts from
//! the moment at which it should have been sent; a wrong answer ends the measurement. What goes over a connection is in `http1` and
//! `http2`.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::routes::Route;
use crate::{Result, http1, http2};

/// What is asked of a server.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The route.
    pub route: Route,
    /// How many connections.
    pub connections: usize,
    /// How many requests are under way on each.
    pub pipeline: usize,
    /// Connections that are open and say nothing.
    pub idle: usize,
    /// Whether it speaks HTTP/2, where `pipeline` is the number of streams.
    pub http2: bool,
    /// Requests per second over all connections; without it each answer is followed by the next request at once.
    pub rate: Option<f64>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// How many there were.
    pub count: u64,
    /// How long they took to come.
    pub elapsed: Duration,
    /// The time of each answer, in nanoseconds, sorted.
    times: Vec<u32>,
}

impl Answers {
    /// One more, asked for at that time.
    pub(crate) fn add(&mut self, since: Instant) {
        self.count += 1;
        let time = since.elapsed().as_nanos();
        self.times.push(u32::try_from(time).unwrap_or(u32::MAX));
    }

    /// Answers per second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    /// The time within which this share of the answers came, in microseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let place = (share * self.times.len() as f64) as usize;
        let time = self.times.get(place.min(self.times.len().saturating_sub(1)));
        time.map_or(0.0, |nanoseconds| f64::from(*nanoseconds) / 1_000.0)
    }
}

/// The open connections of a load.
#[derive(Debug)]
pub struct Generator {
    load: Load,
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    _idle: Vec<std::net::TcpStream>,
    buffer: Vec<u8>,
}

/// What speaks with the server on one connection.
#[derive(Debug)]
enum Connection {
    Http1(http1::Connection),
    Http2(http2::Connection),
}

impl Generator {
    /// Opens the connections.
    ///
    /// # Errors
    /// The server refuses.
    pub fn connect(address: SocketAddr, load: Load) -> Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(load.connections);
        for number in 0..load.connections {
            let stream = connect(address)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(number), both)?;
            let wire = Wire { stream, unsent: Vec::new() };
            connections.push(if load.http2 {
                Connection::Http2(http2::Connection::new(wire, load.route))
            } else {
                Connection::Http1(http1::Connection::new(wire, load.route))
            });
        }
        let idle = (0..load.idle).map(|_| connect(address)).collect::<Result<_>>()?;
        let buffer = vec![0; 256 * 1024];
        Ok(Self {
            load,
            poll,
            events: Events::with_capacity(1024),
            connections,
            _idle: idle,
            buffer,
        })
    }

    /// Asks for so long, and waits for the last answers.
    ///
    /// # Errors
    /// The server closes a connection, answers wrongly, or not at all for ten seconds.
    pub fn run(&mut self, duration: Duration) -> Result<Answers> {
        let start = Instant::now();
        let mut answers = Answers::default();
        let mut due = Due::new(self.load.rate, start);
        if self.load.rate.is_none() {
            for connection in &mut self.connections {
                connection.send(self.load.pipeline, start)?;
            }
        }
        loop {
            let now = Instant::now();
            let over = now - start >= duration;
            if over && self.connections.iter().all(|connection| connection.outstanding() == 0) {
                break;
            }
            let patience = if over { None } else { self.send_what_is_due(&mut due, now)? };
            self.poll.poll(&mut self.events, Some(patience.unwrap_or(PATIENCE)))?;
            if self.events.is_empty() && patience.is_none() {
                return Err("the server has not answered for ten seconds".into());
            }
            for event in &self.events {
                let connection = &mut self.connections[event.token().0];
                connection.flush()?;
                connection.read(&mut self.buffer, &mut answers)?;
                if !over && self.load.rate.is_none() {
                    let free = connection.free(self.load.pipeline);
                    if free > 0 {
                        connection.send(free, Instant::now())?;
                    }
                }
            }
        }
        answers.elapsed = start.elapsed();
        answers.times.sort_unstable();
        Ok(answers)
    }

    /// Sends what the rate asks for; gives how long to wait for the next.
    fn send_what_is_due(&mut self, due: &mut Due, now: Instant) -> Result<Option<Duration>> {
        let Some(interval) = due.interval else { return Ok(None) };
        while due.next <= now {
            // A request waits for a free connection, and its time runs meanwhile.
            let count = self.connections.len();
            let free = (0..count)
                .map(|offset| (due.turn + offset) % count)
                .find(|number| self.connections[*number].outstanding() == 0);
            let Some(number) = free else { return Ok(Some(PATIENCE)) };
            self.connections[number].send(self.load.pipeline, due.next)?;
            due.turn = number + 1;
            due.next += interval;
        }
        Ok(Some((due.next - now).max(Duration::from_micros(1))))
    }
}

fn connect(address: SocketAddr) -> Result<std::net::TcpStream> {
    let stream = std::net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// When the next request is due, and on which connection.
struct Due {
    interval: Option<Duration>,
    next: Instant,
    turn: usize,
}

impl Due {
    fn new(rate: Option<f64>, start: Instant) -> Self {
        let interval = rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        Self { interval, next: start, turn: 0 }
    }
}

impl Connection {
    /// Sends so many requests more, which count from `since`.
    fn send(&mut self, requests: usize, since: Instant) -> Result<()> {
        match self {
            Self::Http1(connection) => connection.send(requests, since),
            Self::Http2(connection) => connection.send(requests, since),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Http1(connection) => connection.wire.flush(),
            Self::Http2(connection) => connection.wire.flush(),
        }
    }

    fn read(&mut self, buffer: &mut [u8], answers: &mut Answers) -> Result<()> {
        match self {
            Self::Http1(connection) => connection.read(buffer, answers),
            Self::Http2(connection) => connection.read(buffer, answers),
        }
    }

    /// How many requests wait for their answers.
    fn outstanding(&self) -> usize {
        match self {
            Self::Http1(connection) => connection.outstanding(),
            Self::Http2(connection) => connection.outstanding(),
        }
    }

    /// How many more may be sent now: pipelined requests go together, streams go as they come.
    fn free(&self, pipeline: usize) -> usize {
        match (self, self.outstanding()) {
            (Self::Http1(_), 0) => pipeline,
            (Self::Http1(_), _) => 0,
            (Self::Http2(_), outstanding) => pipeline - outstanding,
        }
    }
}

/// A socket, and what could not be sent on it yet.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) unsent: Vec<u8>,
}

impl Wire {
    /// Sends what can be sent now.
    pub(crate) fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads what is there; none where nothing is.
    ///
    /// # Errors
    /// The server closes, which no server may under load.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        match self.stream.read(buffer) {
            Ok(0) => Err("the server closed a connection under load".into()),
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
