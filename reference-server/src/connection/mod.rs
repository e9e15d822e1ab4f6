//! One connection, from its first octet to its last.
//!
//! Rules of this room: one task carries it; there is one timer, and it is armed again only when it fires, not with each request; what hyper
//! cannot do (408, a refusal of its own, reset, lingering close) is done here once hyper has let go.

mod chunked;
pub(crate) mod clock;
mod company;
pub(crate) mod head_watch;
pub(crate) mod http1;
pub(crate) mod http2;
mod rest;
mod sniff;
pub(crate) mod state;
mod timer;
mod turn;
mod wait;
mod wire;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;

use bytes::Bytes;
use hyper::server::conn;
use hyper_util::rt::TokioIo;
use rwgi::{Connection, ServerInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use self::clock::Clocks;
use self::rest::{Rested, rest};
use self::sniff::{Protocol, sniff};
use self::state::{ABORTED, AGED, CLOSE_DELIMITED, LINGER, Phase, State};
use self::timer::Timer;
use self::wire::{Gathering, WireHandle};
use crate::body_pace::Pace;
use crate::config::Config;
use crate::diagnosis::diagnose;
use crate::fault::{self, Refusal};
use crate::gateway::{Gateway, Proxies};
use crate::hosted::Hosted;
use crate::observation::Observer;
use crate::request_body::Terms;
use crate::stop::{Stage, Stop};
use crate::transport::Transport;
use crate::upgrade::{self, Ended, Granted};

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) application: Arc<dyn Hosted>,
    pub(crate) http1: conn::http1::Builder,
    pub(crate) config: Config,
    pub(crate) server: Arc<ServerInfo>,
    /// The server as applications on HTTP/2 see it: it can do a little more there.
    pub(crate) server_http2: Arc<ServerInfo>,
    pub(crate) stop: Arc<Stop>,
    /// Exchanges under way.
    pub(crate) load: Arc<AtomicUsize>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) proxies: Arc<Proxies>,
    /// What keeps the timers of connections.
    pub(crate) clocks: Clocks,
}

/// How hyper's part of a connection ended.
enum End {
    /// hyper is done, well or not.
    Done(hyper::Result<()>),
    /// The client was silent for too long, in this phase.
    Silent(Phase),
    /// The client is idle, and may be until then.
    Resting(Instant),
    /// The client is idle, and a hyper that writes otherwise is to serve what comes.
    Renewed,
    /// The client reset the connection.
    Departed,
    /// The client went beyond a limit at which nothing more is said to it.
    CutOff(&'static str),
    /// The server's period of grace is over.
    Killed,
    /// The connection was taken over; this came behind the request.
    Upgraded(Box<Granted>, Bytes),
    /// hyper gave the transport to whoever holds its own upgrade.
    HandedOver,
}

impl End {
    /// The period of grace is over; exchanges under way are aborted, which is noted before hyper drops them.
    fn killed(state: &State) -> Self {
        if state.phase() == Phase::Busy {
            state.set(ABORTED);
        }
        Self::Killed
    }
}

/// Why a client is cut off that has room for nothing.
const DOES_NOT_READ: &str = "the client does not read what it asked for";

/// Serves one connection to its end.
///
/// What it takes to serve requests is in a box, and is given back while a client on HTTP/1.1 rests.
pub(crate) async fn serve<T: Transport>(mut transport: T, shared: Arc<Shared>) {
    let _open = shared.observer.connection();
    let clock = if transport.in_real_time() { shared.clocks.current() } else { None };
    let first_byte = Instant::now() + shared.config.first_byte_timeout;
    let mut timer = Timer::new(clock.as_ref(), first_byte);
    let sniffed = sniff(&mut transport, &mut timer, &shared).await;
    let Some((protocol, mut octets)) = sniffed else { return };
    let old = wait::old(&shared.config);
    let (mut first, mut vectored) = (Phase::Fresh, true);
    loop {
        let timer = &mut timer;
        let requests = requests(transport, octets, protocol, first, vectored, timer, old, &shared);
        let paused = Box::pin(requests).await;
        first = Phase::Idle;
        let until;
        (transport, until) = match paused {
            Some((transport, Some(until))) => (transport, until),
            Some((same, None)) => {
                (transport, octets, vectored) = (same, Bytes::new(), !vectored);
                continue;
            }
            None => return,
        };
        timer.reset(until);
        octets = match rest(&mut transport, timer, &shared).await {
            Rested::Woken(octets) => octets,
            Rested::Over => return Box::pin(part(transport, false, &shared.config)).await,
            Rested::Broken(error) => {
                tracing::debug!(peer = %transport.peer(), %error, "the connection ended early");
                return;
            }
        };
        vectored = true;
    }
}

/// Serves requests until the connection has ended, or its client is idle: then the transport is given back, and until when the client may
/// rest, or nothing where hyper is to be made anew. `vectored` is whether hyper passes large pieces on as they are.
async fn requests<T: Transport>(
    transport: T,
    octets: Bytes,
    protocol: Protocol,
    first: Phase,
    vectored: bool,
    timer: &mut Timer,
    old: Option<Instant>,
    shared: &Shared,
) -> Option<(T, Option<Instant>)> {
    let server = match protocol {
        Protocol::Http1 => &shared.server,
        Protocol::Http2 => &shared.server_http2,
    };
    let connection = Arc::new(Connection {
        peer: transport.peer(),
        local: transport.local(),
        tls: transport.tls().cloned(),
        server: Arc::clone(server),
    });
    let renews = transport.is_write_vectored();
    let vectored = vectored && renews;
    let state = Arc::new(State::new(Arc::clone(&shared.stop), Arc::clone(&shared.load), vectored));
    state.enter(first);
    if old.is_some_and(|old| Instant::now() >= old) {
        state.set(AGED);
    }
    let reset = transport.reset_by_peer();
    tokio::pin!(reset);
    let gateway = Gateway {
        application: Arc::clone(&shared.application),
        connection: Arc::clone(&connection),
        state: Arc::clone(&state),
        target_bytes: shared.config.target_bytes,
        head_fields: shared.config.head_fields,
        body_bytes: shared.config.body_bytes,
        terms: Arc::new(Terms { pace: Pace::new(&shared.config), runtime: Handle::current() }),
        exchanges: shared.config.exchanges,
        observer: Arc::clone(&shared.observer),
        websocket: shared.config.websocket_defaults(),
        proxies: Some(&shared.proxies)
            .filter(|proxies| proxies.trusted.trusts(&connection.peer))
            .map(Arc::clone),
    };
    let (wire, handle) = wire::split(transport, octets, protocol, Arc::clone(&state));
    let io = TokioIo::new(wire);
    let mut end = match protocol {
        Protocol::Http1 => {
            let http = if shared.stop.stage() == Stage::Drain {
                // The first request is here, and its answer says that it is the last.
                shared.http1.clone().keep_alive(false).serve_connection(io, gateway)
            } else {
                shared.http1.serve_connection(io, gateway)
            };
            // In boxes, here and below: a future keeps room for what it moves and for each way that it may take.
            http1::drive(
                Box::new(http),
                &handle,
                shared,
                &state,
                timer,
                old,
                renews,
                reset.as_mut(),
            )
            .await
        }
        Protocol::Http2 => {
            Box::pin(http2::drive(io, gateway, &handle, shared, &state, timer, old)).await
        }
    };
    if matches!(end, End::HandedOver) {
        end = handed_over(&handle, shared).await;
    }
    let mut socket = handle.into_inner()?;
    match end {
        End::Resting(until) => return Some((socket.transport, Some(until))),
        End::Renewed => return Some((socket.transport, None)),
        _ => {}
    }
    if let End::Upgraded(granted, early) = end {
        let carried = carry(&mut socket, early, *granted, shared, &state, reset.as_mut());
        end = Box::pin(carried).await;
    }
    Box::pin(close(socket, end, shared, &state, &connection, reset)).await;
    None
}

/// Carries the session of an exchange that took the connection over.
async fn carry<T: Transport>(
    socket: &mut Gathering<T>,
    early: Bytes,
    granted: Granted,
    shared: &Shared,
    state: &State,
    mut reset: Pin<&mut impl Future<Output = ()>>,
) -> End {
    let sent = tokio::select! {
        biased;
        sent = poll_fn(|cx| socket.poll_send(cx)) => sent.is_ok(),
        () = reset.as_mut() => false,
    };
    if !sent {
        return End::Departed;
    }
    let ended = upgrade::carry(&mut socket.transport, early, granted, &shared.stop, reset).await;
    match ended {
        Ended::Whole => state.set(LINGER),
        Ended::Closed => {}
        Ended::Failed => {
            state.set(ABORTED);
            state.set(CLOSE_DELIMITED);
        }
        Ended::Departed => return End::Departed,
        Ended::Killed => {
            state.set(ABORTED);
            return End::Killed;
        }
    }
    End::Done(Ok(()))
}

/// Waits until whoever took hyper's upgrade lets go of the transport: at the server's stop its reading side ends, and at the end of the
/// period of grace it is cut.
async fn handed_over<T: Transport>(handle: &WireHandle<T>, shared: &Shared) -> End {
    let mut seen = Stage::Run;
    loop {
        tokio::select! {
            biased;
            () = poll_fn(|cx| handle.poll_released(cx)) => return End::Done(Ok(())),
            () = shared.stop.beyond(seen) => {}
        }
        seen = shared.stop.stage();
        if seen == Stage::Announce {
            // All goes on.
            continue;
        }
        handle.tell(seen);
        if seen == Stage::Kill {
            return End::Killed;
        }
    }
}

/// Says and does what is left when hyper has let go.
async fn close<T: Transport>(
    mut socket: Gathering<T>,
    end: End,
    shared: &Shared,
    state: &State,
    connection: &Connection,
    reset: impl Future<Output = ()>,
) {
    let mut refusal = None;
    match end {
        End::Departed => {
            tracing::debug!(peer = %connection.peer, "the client reset the connection");
            return;
        }
        End::CutOff(why) => {
            tracing::info!(peer = %connection.peer, "connection cut off: {why}");
            socket.transport.reset_on_drop();
            return;
        }
        End::Killed => {
            if state.has(ABORTED) || socket.is_blocked() {
                socket.transport.reset_on_drop();
            }
            return;
        }
        End::Silent(Phase::Head) => {
            refusal = broken_lines(state, &shared.config).or(Some(Refusal::HeadTimeout));
        }
        End::Silent(_)
        | End::Done(Ok(()))
        | End::Upgraded(..)
        | End::HandedOver
        | End::Resting(_)
        | End::Renewed => {}
        End::Done(Err(error)) if error.is_parse() => {
            // hyper knows no 505, takes large numbers for large heads, and says nothing to some heads.
            if !error.is_parse_version_h2() {
                socket.retract_error();
            }
            let large = error.is_parse_too_large();
            refusal = Some(diagnose(state.head().unparsed(), large, &shared.config));
        }
        End::Done(Err(error)) => {
            if error.is_incomplete_message() {
                refusal = broken_lines(state, &shared.config);
            }
            if refusal.is_none() && !state.has(ABORTED) {
                tracing::debug!(peer = %connection.peer, %error, "the connection ended early");
            }
        }
    }
    if let Some(refusal) = refusal {
        fault::log_refusal(refusal, &connection.peer);
        shared.observer.refuse(refusal.status().as_u16(), connection);
        socket.add(&fault::closing_octets(refusal.status(), std::time::SystemTime::now()));
        state.set(LINGER);
    }
    let sent = tokio::select! {
        biased;
        sent = send_rest(&mut socket, &shared.config) => sent.is_ok(),
        () = reset => false,
        // A client that reads slowly is waited for as it would be during the exchange: to the end of the period of grace.
        () = shared.stop.beyond(Stage::Drain) => {
            socket.transport.reset_on_drop();
            false
        }
    };
    if !sent {
        return;
    }
    let transport = socket.transport;
    if state.has(ABORTED) {
        if state.has(CLOSE_DELIMITED) {
            transport.reset_on_drop();
        }
        return;
    }
    part(transport, state.has(LINGER), &shared.config).await;
}

/// Closes a connection on which nothing is left to say.
async fn part<T: Transport>(mut transport: T, lingers: bool, config: &Config) {
    // The client may be gone already; then there is nothing to shut down.
    if transport.shutdown().await.is_err() {
        return;
    }
    // Whoever sent what was refused or left unread may not have finished sending it.
    if lingers || has_sent_more(&mut transport).await {
        linger(transport, config).await;
    }
}

/// Sends what is left, for as long as the client takes some of it from time to time.
async fn send_rest<T: Transport>(socket: &mut Gathering<T>, config: &Config) -> io::Result<()> {
    loop {
        let before = socket.sent();
        let turn = timeout(config.write_timeout, poll_fn(|cx| socket.poll_send(cx))).await;
        match turn {
            Ok(sent) => return sent,
            Err(_) if socket.sent() != before => {}
            Err(_) => {
                socket.transport.reset_on_drop();
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

/// What is wrong with the whole lines of a head whose end did not come. hyper looks at a head that arrives in pieces only once it is
/// complete, and never finds it complete where the empty line at its end is the one that is malformed.
fn broken_lines(state: &State, config: &Config) -> Option<Refusal> {
    let mut watch = state.head();
    let octets = watch.unparsed();
    let lines = memchr::memrchr(b'\n', octets).map_or(0, |end| end + 1);
    Some(diagnose(&octets[..lines], false, config)).filter(|refusal| *refusal != Refusal::Syntax)
}

/// Whether octets have come that nobody read.
async fn has_sent_more<T: Transport>(transport: &mut T) -> bool {
    let mut scratch = [0; 1024];
    let mut scratch = ReadBuf::new(&mut scratch);
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *transport).poll_read(cx, &mut scratch).is_ready()))
        .await
        && !scratch.filled().is_empty()
}

/// Reads on for a while, with the sending side closed: closing with unread octets would reset the connection, and the reset
/// could overtake the answer. What is read is not counted: a client that sends fast may still have much of its answer to read.
async fn linger<T: Transport>(mut transport: T, config: &Config) {
    let mut scratch = vec![0; 16 * 1024];
    let drained = async { while matches!(transport.read(&mut scratch).await, Ok(1..)) {} };
    // Time is up, or the client has closed: either way the socket goes.
    let _ = timeout(config.linger, drained).await;
}
