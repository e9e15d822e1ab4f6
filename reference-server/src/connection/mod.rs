//! One connection, from its first octet to its last.
//!
//! Rules of this room: one task carries it; there is one timer, and it is armed again only when it fires, not with each request; what hyper
//! cannot do (408, a refusal of its own, reset, lingering close) is done here once hyper has let go.

pub(crate) mod head_watch;
pub(crate) mod state;
mod wire;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use rwgi::{Application, Connection, ServerInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, Sleep, timeout};

use self::state::{ABORTED, CLOSE_DELIMITED, LINGER, Phase, State};
use self::wire::{Gathering, Wire, WireHandle};
use crate::config::Config;
use crate::diagnosis::diagnose;
use crate::fault::{self, Refusal};
use crate::gateway::Gateway;
use crate::stop::{Stage, Stop};
use crate::transport::Transport;

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct Shared<A> {
    pub(crate) application: Arc<A>,
    pub(crate) http1: http1::Builder,
    pub(crate) config: Config,
    pub(crate) server: Arc<ServerInfo>,
    pub(crate) stop: Stop,
}

/// hyper's settings, with a reason each.
pub(crate) fn http1(config: &Config) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // A client that has sent its request and says so by FIN still gets its answer; who is gone is seen by the reset.
        .half_close(true)
        // The wire gathers the responses of a pipeline itself, and says there why.
        .pipeline_flush(false)
        // 64 KiB instead of about 400: what a connection can be made to hold.
        .max_buf_size(64 * 1024)
        .max_header_size(config.head_bytes)
        // The connection's own timer covers head and idle time, at less than a timer for each request.
        .header_read_timeout(None);
    if config.head_fields != 100 {
        // Naming the default would move hyper's field table to the heap.
        builder.max_headers(config.head_fields);
    }
    builder
}

/// How hyper's part of a connection ended.
enum End {
    /// hyper is done, well or not.
    Done(hyper::Result<()>),
    /// The client was silent for too long, in this phase.
    Silent(Phase),
    /// The client reset the connection.
    Departed,
    /// The server's period of grace is over.
    Killed,
}

type Hyper<T, A> = http1::Connection<TokioIo<Wire<T>>, Gateway<A>>;

/// Serves one connection to its end.
pub(crate) async fn serve<T: Transport, A: Application>(transport: T, shared: Arc<Shared<A>>) {
    let connection = Arc::new(Connection {
        peer: transport.peer(),
        local: transport.local(),
        tls: None,
        server: Arc::clone(&shared.server),
    });
    let state = Arc::new(State::new(shared.config.target_bytes));
    let reset = transport.reset_by_peer();
    let gateway = Gateway {
        application: Arc::clone(&shared.application),
        connection: Arc::clone(&connection),
        state: Arc::clone(&state),
        body_bytes: shared.config.body_bytes,
    };
    let (wire, handle) = wire::split(transport, Arc::clone(&state));
    let mut http = shared.http1.serve_connection(TokioIo::new(wire), gateway);
    let end = drive(&mut http, &handle, &shared, &state, reset).await;
    drop(http);
    if let Some(socket) = handle.into_inner() {
        close(socket, end, &shared.config, &state, &connection).await;
    }
}

/// Drives hyper until the connection ends, one way or another.
async fn drive<T: Transport, A: Application>(
    http: &mut Hyper<T, A>,
    wire: &WireHandle<T>,
    shared: &Shared<A>,
    state: &State,
    reset: impl Future<Output = ()>,
) -> End {
    let mut seen = Stage::Run;
    let advanced = shared.stop.beyond(seen);
    let sleep = tokio::time::sleep(shared.config.first_byte_timeout);
    tokio::pin!(advanced, reset, sleep);
    let mut watching = false;
    let mut wait = Wait { since: Instant::now(), phase: Phase::Fresh, served: 0, armed: false };
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = http.poll_without_shutdown(cx) {
                return Poll::Ready(End::Done(result));
            }
            let stage = shared.stop.stage();
            if stage == seen && watching {
                break;
            }
            if stage == Stage::Kill {
                return Poll::Ready(End::Killed);
            }
            if stage > seen {
                seen = stage;
                advanced.set(shared.stop.beyond(stage));
                Pin::new(&mut *http).graceful_shutdown();
            }
            // Registered once; the waker is this task's and stays so.
            watching = advanced.as_mut().poll(cx).is_pending();
        }
        if let Poll::Ready(Err(_)) = wire.lock().poll_send(cx) {
            return Poll::Ready(End::Departed);
        }
        if state.phase() == Phase::Busy {
            return reset.as_mut().poll(cx).map(|()| End::Departed);
        }
        if wait.has_changed(state) {
            wait.restart(state);
            if state.phase() == Phase::Idle {
                state.head().rest();
                wire.lock().rest();
            }
        }
        wait.poll(cx, &shared.config, sleep.as_mut()).map(End::Silent)
    })
    .await
}

/// How long the connection has waited for its client.
struct Wait {
    since: Instant,
    phase: Phase,
    served: u32,
    armed: bool,
}

impl Wait {
    /// Whether something has come since the wait began.
    #[inline]
    fn has_changed(&self, state: &State) -> bool {
        (state.phase(), state.served()) != (self.phase, self.served)
    }

    fn restart(&mut self, state: &State) {
        (self.phase, self.served, self.since) = (state.phase(), state.served(), Instant::now());
    }

    /// Ready when the client has been silent for too long.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        config: &Config,
        mut sleep: Pin<&mut Sleep>,
    ) -> Poll<Phase> {
        let now = Instant::now();
        let phase = self.phase;
        let patience = match phase {
            Phase::Fresh => config.first_byte_timeout,
            Phase::Idle => config.idle_timeout,
            Phase::Head | Phase::Busy => config.head_timeout,
        };
        let deadline = self.since + patience;
        if now >= deadline {
            return Poll::Ready(phase);
        }
        // An earlier deadline is left to fire and to find out that there is time: cheaper than a change with each request.
        if sleep.is_elapsed() || sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
            self.armed = false;
        }
        if !self.armed {
            self.armed = true;
            if sleep.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

/// Says and does what is left when hyper has let go.
async fn close<T: Transport>(
    mut socket: Gathering<T>,
    end: End,
    config: &Config,
    state: &State,
    connection: &Connection,
) {
    let mut refusal = None;
    match end {
        End::Departed => {
            tracing::debug!(peer = %connection.peer, "the client reset the connection");
            return;
        }
        End::Killed => {
            if state.phase() == Phase::Busy {
                socket.transport.reset_on_drop();
            }
            return;
        }
        End::Silent(Phase::Head) => refusal = Some(Refusal::HeadTimeout),
        End::Silent(_) => {}
        End::Done(result) => {
            refusal = state.head().refusal();
            if refusal.is_none()
                && let Err(error) = result
                && !state.has(ABORTED)
            {
                log_hyper(&error, state, connection);
            }
        }
    }
    if let Some(refusal) = refusal {
        fault::log_refusal(refusal, &connection.peer);
        socket.add(&fault::closing_octets(refusal.status(), std::time::SystemTime::now()));
        state.set(LINGER);
    }
    let sent = timeout(config.linger, poll_fn(|cx| socket.poll_send(cx))).await;
    if !matches!(sent, Ok(Ok(()))) {
        return;
    }
    let mut transport = socket.transport;
    if state.has(ABORTED) {
        if state.has(CLOSE_DELIMITED) {
            transport.reset_on_drop();
        }
    } else if state.has(LINGER) {
        // Whoever sent what was refused or left unread may not have finished sending it.
        linger(transport, config).await;
    } else {
        // The client may be gone already; then there is nothing to shut down.
        let _ = transport.shutdown().await;
    }
}

/// Logs why hyper ended a connection.
fn log_hyper(error: &hyper::Error, state: &State, connection: &Connection) {
    if error.is_parse() {
        // hyper has answered already, with a status of its own choice.
        state.set(LINGER);
        let status = if error.is_parse_too_large() { 431 } else { 400 };
        fault::log_refusal(diagnose(state.head().recent(), status), &connection.peer);
    } else {
        tracing::debug!(peer = %connection.peer, %error, "the connection ended early");
    }
}

/// More than a client sends before it reads that it should stop.
const MOST_LINGERED: usize = 1024 * 1024;

/// Closes the sending side and reads on for a while: closing with unread octets would reset the connection, and the reset
/// could overtake the answer.
async fn linger<T: Transport>(mut transport: T, config: &Config) {
    if transport.shutdown().await.is_err() {
        return;
    }
    let mut scratch = vec![0; 16 * 1024];
    let mut read = 0;
    let drained = async {
        while read < MOST_LINGERED {
            match transport.read(&mut scratch).await {
                Ok(0) | Err(_) => return,
                Ok(more) => read += more,
            }
        }
    };
    // Time is up, or the client has closed: either way the socket goes.
    let _ = timeout(config.linger, drained).await;
}
