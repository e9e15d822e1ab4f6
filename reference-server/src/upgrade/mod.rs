//! What follows an upgrade: the session of an exchange that took its connection over, carried by the connection's own task.
//!
//! Rules of this room: a session is granted by the gateway and carried once hyper has let go; on HTTP/1.1 over the transport itself, on
//! HTTP/2 over the stream; it hears of the server's stop, and is cut when the period of grace is over.

pub(crate) mod tunnel;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::request;
use hyper::ext::Protocol;
use rwgi::{BodyLength, Session, UpgradeOffer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::fault::{self, Label};
use crate::stop::{Stage, Stop};
use crate::websocket;
use crate::websocket::handshake::Terms;

/// Whether it is a CONNECT with `:protocol`.
pub(crate) fn is_extended_connect(head: &request::Parts) -> bool {
    !head.extensions.is_empty() && head.extensions.get::<Protocol>().is_some()
}

/// What the request offers to upgrade to; nothing where it has content, for that would have to be read first.
#[cold]
pub(crate) fn offered(head: &request::Parts, length: BodyLength) -> Option<UpgradeOffer> {
    if length != BodyLength::Empty {
        return None;
    }
    match head.extensions.get::<Protocol>() {
        Some(protocol) => Some(UpgradeOffer::of_connect(head, protocol.as_str())),
        None => UpgradeOffer::of_request(head),
    }
}

/// A session that the gateway has granted and whose head is on its way.
pub(crate) struct Granted {
    pub(crate) session: Session,
    pub(crate) label: Label,
    /// What was agreed on, where it is a WebSocket.
    pub(crate) terms: Option<Terms>,
}

/// How a session ended, for whoever holds the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All that was to be sent was; the sending side is shut down.
    Whole,
    /// Both sides have said that it is over, and the client sends no more.
    Closed,
    /// The application failed: the client must be able to tell.
    Failed,
    /// The client is gone.
    Departed,
    /// The period of grace is over.
    Killed,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Carries a session to its end. `early` is what the client sent behind its request.
pub(crate) async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    early: Bytes,
    granted: Granted,
    stop: &Stop,
    reset: impl Future<Output = ()>,
) -> Ended {
    let Granted { session, label, terms } = granted;
    let (ended, result) = match session {
        Session::Tunnel(half) => tunnel::carry(io, early, half, stop, reset).await,
        Session::WebSocket(half, _) => match terms {
            Some(terms) => websocket::carry::carry(io, early, half, terms, stop, reset).await,
            None => (Ended::Failed, Err(rwgi::Error::server("a WebSocket without its handshake"))),
        },
        _ => (Ended::Failed, Err(rwgi::Error::unsupported("websocket"))),
    };
    if let Err(error) = result {
        fault::log_error(&error, &label, true);
    }
    ended
}

/// The stop of the server, as a session hears of it.
pub(crate) struct Stopping<'a, F> {
    stop: &'a Stop,
    seen: Stage,
    advanced: Pin<&'a mut F>,
}

/// What has become of the server since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    None,
    Draining,
    Killed,
}

impl<'a, F: Future<Output = ()>> Stopping<'a, F> {
    pub(crate) fn new(stop: &'a Stop, advanced: Pin<&'a mut F>) -> Self {
        Self { stop, seen: Stage::Run, advanced }
    }

    /// Whether there is nothing new: for a task that is woken at the next advance already.
    pub(crate) fn is_quiet(&self) -> bool {
        self.stop.stage() <= self.seen
    }

    /// Looks, and has the task woken at the next advance; `next` makes the wait for it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, next: impl Fn(Stage) -> F) -> News {
        let mut news = News::None;
        while self.advanced.as_mut().poll(cx).is_ready() {
            let stage = self.stop.stage();
            if stage == Stage::Kill {
                return News::Killed;
            }
            self.seen = self.seen.max(stage);
            // While the end is announced the doors are open: whoever came back would come to the same server.
            if stage == Stage::Drain {
                news = News::Draining;
            }
            self.advanced.set(next(self.seen));
        }
        news
    }
}

/// Where a session reads to: nothing is held while nothing comes.
#[derive(Debug, Default)]
pub(crate) struct Inlet {
    buffer: BytesMut,
}

/// What is read at a time.
const READ_BYTES: usize = 16 * 1024;

impl Inlet {
    /// Reads once; empty is the end.
    pub(crate) fn poll<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Bytes>> {
        self.buffer.reserve(READ_BYTES);
        match tokio_util::io::poll_read_buf(Pin::new(io), cx, &mut self.buffer) {
            Poll::Ready(result) => Poll::Ready(result.map(|_| self.buffer.split().freeze())),
            Poll::Pending => {
                self.buffer = BytesMut::new();
                Poll::Pending
            }
        }
    }
}
