//! One connection, from its first octet to its last.
//!
//! Rules of this room: one task carries it; there is one timer, and it is armed again only when it fires, not with each request; what hyper
//! cannot do (408, a refusal of its own, reset, lingering close) is done here once hyper has let go.

pub(crate) mod head_watch;
pub(crate) mod http1;
pub(crate) mod http2;
mod sniff;
pub(crate) mod state;
mod wait;
mod wire;

use std::future::poll_fn;
use std::sync::Arc;

use hyper::server::conn;
use hyper_util::rt::TokioIo;
use rwgi::{Application, Connection, ServerInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use self::sniff::{Protocol, sniff};
use self::state::{ABORTED, CLOSE_DELIMITED, LINGER, Phase, State};
use self::wire::Gathering;
use crate::config::Config;
use crate::diagnosis::diagnose;
use crate::fault::{self, Refusal};
use crate::gateway::Gateway;
use crate::stop::Stop;
use crate::transport::Transport;

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct Shared<A> {
    pub(crate) application: Arc<A>,
    pub(crate) http1: conn::http1::Builder,
    pub(crate) config: Config,
    pub(crate) server: Arc<ServerInfo>,
    /// The server as applications on HTTP/2 see it: it can do a little more there.
    pub(crate) server_http2: Arc<ServerInfo>,
    pub(crate) stop: Stop,
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

/// Serves one connection to its end.
pub(crate) async fn serve<T: Transport, A: Application>(mut transport: T, shared: Arc<Shared<A>>) {
    let Some((protocol, octets)) = sniff(&mut transport, &shared).await else { return };
    let server = match protocol {
        Protocol::Http1 => &shared.server,
        Protocol::Http2 => &shared.server_http2,
    };
    let connection = Arc::new(Connection {
        peer: transport.peer(),
        local: transport.local(),
        tls: None,
        server: Arc::clone(server),
    });
    let state = Arc::new(State::new(shared.config.target_bytes));
    let reset = transport.reset_by_peer();
    let gateway = Gateway {
        application: Arc::clone(&shared.application),
        connection: Arc::clone(&connection),
        state: Arc::clone(&state),
        target_bytes: shared.config.target_bytes,
        head_fields: shared.config.head_fields,
        body_bytes: shared.config.body_bytes,
    };
    let (wire, handle) = wire::split(transport, octets, protocol, Arc::clone(&state));
    let io = TokioIo::new(wire);
    let end = match protocol {
        Protocol::Http1 => {
            let http = shared.http1.serve_connection(io, gateway);
            http1::drive(http, &handle, &shared, &state, reset).await
        }
        Protocol::Http2 => http2::drive(io, gateway, &handle, &shared, &state).await,
    };
    if let Some(socket) = handle.into_inner() {
        close(socket, end, &shared.config, &state, &connection).await;
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
