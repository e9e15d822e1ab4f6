//! WebSocket: a session of typed messages.
//!
//! Rules of this room: framing, masking and the rest of RFC 6455 are the server's; here are only whole messages and one end; a session
//! that the application leaves is closed by the server, with a code that says how it was left.

mod acceptance;
mod message;
mod offer;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

pub use self::acceptance::{Acceptance, Ping};
pub use self::message::{CloseCode, CloseFrame, Closed, Message, Messages, Outgoing};
pub use self::offer::WebSocketOffer;
use crate::exchange::slot::Slot;
use crate::upgrade::link::{Gone, Link, SessionKind};
use crate::{Finished, Result};

/// A WebSocket, as [`accept`](crate::StartResponse::accept) gives it.
///
/// Pings are answered by the server (REQ-WS-15). The session ends when the application returns: what it did not [close](Self::close) is
/// closed then, with 1000 after `Ok`, 1011 after an error, and 1001 where the server stops (REQ-WS-20).
///
/// ```
/// use rwgi::{Environ, Finished, StartResponse};
///
/// async fn echo(environ: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
///     if environ.websocket().is_none() {
///         return start_response.respond(http::StatusCode::OK, (), "a page");
///     }
///     let mut socket = start_response.accept(())?;
///     while let Ok(message) = socket.recv().await {
///         socket.send(message).await?;
///     }
///     Ok(socket.finish())
/// }
/// # let _ = echo;
/// ```
#[must_use = "the session ends when the application returns what `finish` or `close` gives"]
pub struct WebSocket {
    receiver: WebSocketReceiver,
    sender: WebSocketSender,
}

/// The receiving half of a [`WebSocket`]; once it is dropped, what the client sends is thrown away.
pub struct WebSocketReceiver {
    link: Arc<Link<Messages>>,
}

/// The sending half of a [`WebSocket`]; it gives the proof by which the application ends.
pub struct WebSocketSender {
    link: Arc<Link<Messages>>,
    slot: Arc<Slot>,
}

impl WebSocket {
    pub(crate) fn new(link: Arc<Link<Messages>>, slot: Arc<Slot>) -> Self {
        Self {
            receiver: WebSocketReceiver { link: Arc::clone(&link) },
            sender: WebSocketSender { link, slot },
        }
    }

    /// [`WebSocketReceiver::recv`]. Cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn recv(&mut self) -> Result<Message, Closed> {
        self.receiver.recv().await
    }

    /// [`WebSocketReceiver::try_recv`].
    ///
    /// # Errors
    /// As there.
    pub fn try_recv(&mut self) -> Result<Option<Message>, Closed> {
        self.receiver.try_recv()
    }

    /// [`WebSocketReceiver::waiting`].
    pub fn waiting(&self) -> usize {
        self.receiver.waiting()
    }

    /// [`WebSocketReceiver::closed`].
    pub fn closed(&self) -> Option<Closed> {
        self.receiver.closed()
    }

    /// [`WebSocketSender::send`]. Cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Closed> {
        self.sender.send(message).await
    }

    /// [`WebSocketSender::flush`]. Cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn flush(&mut self) -> Result<(), Closed> {
        self.sender.flush().await
    }

    /// Closes: what was sent before arrives, then the Close frame; ready when the client has closed too, or took too long.
    ///
    /// A reason that is longer than a Close frame has room for is cut. Messages that still come are dropped.
    ///
    /// # Errors
    /// None at present; the proof is given whatever the client does.
    ///
    /// # Cancel safety
    /// None: it takes the socket, and without the proof the session has failed.
    pub async fn close(mut self, code: CloseCode, reason: impl Into<String>) -> Result<Finished> {
        let mut close = Some(Outgoing::Close(CloseFrame::new(code, reason)));
        // Where nobody takes it, the session is over already.
        let _ = poll_fn(|cx| self.sender.link.poll_send(cx, &mut close)).await;
        self.sender.link.finish();
        while self.receiver.recv().await.is_ok() {}
        Ok(self.finish())
    }

    /// Both halves, for two futures or two tasks. The session ends when the application returns, wherever they are.
    pub fn split(self) -> (WebSocketReceiver, WebSocketSender) {
        (self.receiver, self.sender)
    }

    /// The proof that the response was finished: the session ends when the application returns it.
    pub fn finish(self) -> Finished {
        self.sender.finish()
    }
}

impl WebSocketReceiver {
    /// The next message, whole and in its order (REQ-WS-07). Cancel safe: dropped before it is ready, nothing was taken.
    ///
    /// # Errors
    /// The socket is closed, and how (REQ-WS-28). It comes after all messages that came before it, and again each time.
    pub async fn recv(&mut self) -> Result<Message, Closed> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) for hand-written futures.
    ///
    /// # Errors
    /// As there.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Closed>> {
        self.link.poll_recv(cx)
    }

    /// The next message, if it is here already. The server brings more while the application waits for anything at all.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<Option<Message>, Closed> {
        self.link.try_recv()
    }

    /// How many messages are here already; while 128 of them, or 64 KiB, wait the server reads no further (REQ-WS-29).
    pub fn waiting(&self) -> usize {
        self.link.waiting()
    }

    /// How the socket was closed, whether or not all messages before that were taken; `None` while it is open.
    pub fn closed(&self) -> Option<Closed> {
        self.link.end()
    }
}

impl Drop for WebSocketReceiver {
    fn drop(&mut self) {
        self.link.unhear();
    }
}

impl WebSocketSender {
    /// Sends a message once the server has room for it: this is the backpressure. Cancel safe: dropped before it is ready, nothing was sent.
    ///
    /// There is room while less than 64 KiB and fewer than 128 messages wait to be taken. They leave in their order (REQ-WS-26).
    ///
    /// # Errors
    /// The socket is closed.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Closed> {
        let mut piece = Some(Outgoing::Message(message.into()));
        poll_fn(|cx| self.link.poll_send(cx, &mut piece)).await.map_err(|Gone| self.gone())
    }

    /// Waits until the server has taken what was sent. Cancel safe.
    ///
    /// # Errors
    /// The socket is closed, and not all of it was taken.
    pub async fn flush(&mut self) -> Result<(), Closed> {
        poll_fn(|cx| self.link.poll_flush(cx)).await.map_err(|Gone| self.gone())
    }

    /// Closes, without waiting for the client's answer, which the other half receives. Cancel safe: dropped before it is ready, nothing was sent.
    ///
    /// # Errors
    /// The socket is closed.
    pub async fn close(
        &mut self,
        code: CloseCode,
        reason: impl Into<String>,
    ) -> Result<(), Closed> {
        let mut close = Some(Outgoing::Close(CloseFrame::new(code, reason)));
        poll_fn(|cx| self.link.poll_send(cx, &mut close)).await.map_err(|Gone| self.gone())?;
        self.link.finish();
        Ok(())
    }

    /// How the socket was closed; `None` while it is open.
    pub fn closed(&self) -> Option<Closed> {
        self.link.end()
    }

    /// [`WebSocket::finish`].
    pub fn finish(self) -> Finished {
        Finished::new(self.slot)
    }

    fn gone(&self) -> Closed {
        self.link.end().unwrap_or_else(Messages::departed)
    }
}

macro_rules! debug {
    ($($name:ident),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("closed", &self.closed()).finish_non_exhaustive()
            }
        })*
    };
}
debug!(WebSocket, WebSocketReceiver, WebSocketSender);
