//! The load: many keep-alive connections, each with a fixed number of requests under way.
//!
//! Rules of this room: one thread and one poll, so that it can be pinned to a core; a closed loop, or a given rate, where a request's time counts from
//! the moment at which it should have been sent; a wrong answer ends the measurement.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Result;
use crate::response::ResponseReader;
use crate::routes::Route;

/// What is asked of a server.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The route.
    pub route: Route,
    /// How many connections.
    pub connections: usize,
    /// How many requests are under way on each.
    pub pipeline: usize,
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
    buffer: Vec<u8>,
    burst: Vec<u8>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    reader: ResponseReader,
    /// Octets of an unfinished head or chunk size.
    kept: Vec<u8>,
    unsent: Vec<u8>,
    outstanding: usize,
    since: Instant,
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
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(number), both)?;
            connections.push(Connection {
                stream,
                reader: ResponseReader::default(),
                kept: Vec::new(),
                unsent: Vec::new(),
                outstanding: 0,
                since: Instant::now(),
            });
        }
        Ok(Self {
            load,
            poll,
            events: Events::with_capacity(1024),
            connections,
            buffer: vec![0; 256 * 1024],
            burst: load.route.request().repeat(load.pipeline),
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
                connection.send(&self.burst, self.load.pipeline, start)?;
            }
        }
        loop {
            let now = Instant::now();
            let over = now - start >= duration;
            if over && self.connections.iter().all(|connection| connection.outstanding == 0) {
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
                connection.read(&mut self.buffer, self.load.route, &mut answers)?;
                if connection.outstanding == 0 && !over && self.load.rate.is_none() {
                    connection.send(&self.burst, self.load.pipeline, Instant::now())?;
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
                .find(|number| self.connections[*number].outstanding == 0);
            let Some(number) = free else { return Ok(Some(PATIENCE)) };
            self.connections[number].send(&self.burst, self.load.pipeline, due.next)?;
            due.turn = number + 1;
            due.next += interval;
        }
        Ok(Some((due.next - now).max(Duration::from_micros(1))))
    }
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
    fn send(&mut self, burst: &[u8], requests: usize, since: Instant) -> Result<()> {
        self.outstanding = requests;
        self.since = since;
        self.unsent.extend_from_slice(burst);
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

    fn read(&mut self, buffer: &mut [u8], route: Route, answers: &mut Answers) -> Result<()> {
        loop {
            let kept = self.kept.len();
            buffer[..kept].copy_from_slice(&self.kept);
            let end = match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => return Err("the server closed a connection under load".into()),
                Ok(length) => kept + length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let mut start = 0;
            loop {
                let progress = self.reader.read(&buffer[start..end])?;
                start += progress.consumed;
                let Some(length) = progress.ended else { break };
                if length != route.answer_length() || self.outstanding == 0 {
                    return Err(format!("an answer of /{route} has {length} bytes").into());
                }
                self.outstanding -= 1;
                answers.count += 1;
                let time = self.since.elapsed().as_nanos();
                answers.times.push(u32::try_from(time).unwrap_or(u32::MAX));
            }
            self.kept.clear();
            self.kept.extend_from_slice(&buffer[start..end]);
            if end < buffer.len() {
                return Ok(());
            }
        }
    }
}
