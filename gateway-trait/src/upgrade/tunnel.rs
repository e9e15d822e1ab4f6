//! The tunnel: octets in both directions, after an upgrade to a protocol that is the application's own.
//!
//! Rules of this room: each direction ends by itself; what the client sends is read on demand; a send waits while the server holds
//! enough of what was sent before.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::link::{Gone, Link, SessionKind, SessionPiece};
use crate::exchange::slot::{Slot, departed};
use crate::{Finished, Result};

/// Octets as they come, cut nowhere in particular: the [`SessionKind`] of a [`Tunnel`].
#[derive(Debug)]
pub enum Octets {}

/// How the client's side of a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelEnd {
    /// The client said that it sends no more.
    Finished,
    /// The client, or the server, broke off.
    BrokenOff,
}

impl SessionKind for Octets {
    type In = Bytes;
    type Out = Bytes;
    type End = TunnelEnd;

    const ENDS_BOTH: bool = false;

    fn departed() -> TunnelEnd {
        TunnelEnd::BrokenOff
    }
}

impl SessionPiece for Bytes {
    fn weight(&self) -> usize {
        self.len()
    }
}

/// The application's half of a connection that it took over by [`upgrade`](crate::StartResponse::upgrade).
///
/// It ends when the application returns: with `Ok` what was sent arrives and both directions end in order, with an error the connection
/// is cut, as a response is (REQ-UPG-10). Octets arrive in order and unchanged (REQ-UPG-05); each direction ends by itself (REQ-UPG-09).
///
/// ```
/// use rwgi::{Environ, Finished, StartResponse};
///
/// async fn echo(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
///     let mut tunnel = start_response.upgrade("echo", ())?;
///     while let Some(octets) = tunnel.recv().await? {
///         tunnel.send(octets).await?;
///     }
///     Ok(tunnel.finish())
/// }
/// # let _ = echo;
/// ```
#[must_use = "the tunnel ends when the application returns what `finish` gives"]
pub struct Tunnel {
    reader: TunnelReader,
    writer: TunnelWriter,
}

/// The receiving half of a [`Tunnel`]; once it is dropped, what the client sends is thrown away.
pub struct TunnelReader {
    link: Arc<Link<Octets>>,
}

/// The sending half of a [`Tunnel`]; it gives the proof by which the application ends.
pub struct TunnelWriter {
    link: Arc<Link<Octets>>,
    slot: Arc<Slot>,
}

impl Tunnel {
    pub(crate) fn new(link: Arc<Link<Octets>>, slot: Arc<Slot>) -> Self {
        Self {
            reader: TunnelReader { link: Arc::clone(&link) },
            writer: TunnelWriter { link, slot },
        }
    }

    /// [`TunnelReader::recv`]. Cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn recv(&mut self) -> Result<Option<Bytes>> {
        self.reader.recv().await
    }

    /// [`TunnelWriter::send`]. Cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn send(&mut self, data: impl Into<Bytes>) -> Result<()> {
        self.writer.send(data).await
    }

    /// [`TunnelWriter::flush`]. Cancel safe.
    ///
    /// # Errors
    /// As there.
    pub async fn flush(&mut self) -> Result<()> {
        self.writer.flush().await
    }

    /// [`TunnelWriter::end`].
    pub fn end(&mut self) {
        self.writer.end();
    }

    /// [`TunnelWriter::stopping`]. Cancel safe.
    pub async fn stopping(&self) {
        self.writer.stopping().await;
    }

    /// Both halves, for two futures or two tasks. The session ends when the application returns, wherever they are.
    pub fn split(self) -> (TunnelReader, TunnelWriter) {
        (self.reader, self.writer)
    }

    /// The proof that the response was finished: the session ends when the application returns it.
    pub fn finish(self) -> Finished {
        self.writer.finish()
    }
}

impl TunnelReader {
    /// The next octets, as they came; `None` once the client has said that it sends no more. Cancel safe: dropped before it is ready,
    /// nothing was taken.
    ///
    /// # Errors
    /// The client broke off.
    pub async fn recv(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) for hand-written futures.
    ///
    /// # Errors
    /// As there.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        self.link.poll_recv(cx).map(|taken| match taken {
            Ok(data) => Ok(Some(data)),
            Err(TunnelEnd::Finished) => Ok(None),
            Err(TunnelEnd::BrokenOff) => Err(departed()),
        })
    }
}

impl Drop for TunnelReader {
    fn drop(&mut self) {
        self.link.unhear();
    }
}

impl TunnelWriter {
    /// Sends octets once the server has room for them: this is the backpressure. Cancel safe: dropped before it is ready, nothing was sent.
    ///
    /// There is room while less than 64 KiB and fewer than 128 pieces wait to be taken. An empty piece sends nothing.
    ///
    /// # Errors
    /// Nobody takes them any more: the session is over, or [`end`](Self::end) was called.
    pub async fn send(&mut self, data: impl Into<Bytes>) -> Result<()> {
        let mut data = Some(data.into()).filter(|data| !data.is_empty());
        poll_fn(|cx| self.link.poll_send(cx, &mut data).map_err(|Gone| departed())).await
    }

    /// [`send`](Self::send) for hand-written futures; takes `data`, leaving it empty, when it is ready.
    ///
    /// # Errors
    /// As there.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<()>> {
        let mut piece = Some(std::mem::take(data)).filter(|data| !data.is_empty());
        let sent = self.link.poll_send(cx, &mut piece).map_err(|Gone| departed());
        *data = piece.unwrap_or_default();
        sent
    }

    /// Waits until the server has taken what was sent. Cancel safe.
    ///
    /// # Errors
    /// The session is over, and not all of it was taken.
    pub async fn flush(&mut self) -> Result<()> {
        poll_fn(|cx| self.link.poll_flush(cx).map_err(|Gone| departed())).await
    }

    /// Says to the client that nothing more is sent; receiving goes on (REQ-UPG-09).
    pub fn end(&mut self) {
        self.link.finish();
    }

    /// Waits until the server begins to stop, or the session is over (REQ-UPG-11). How a protocol is ended is the application's to know;
    /// what goes on beyond the server's period of grace is cut. Cancel safe.
    pub async fn stopping(&self) {
        poll_fn(|cx| self.link.poll_stopping(cx)).await;
    }

    /// Whether the server stops, or the session is over.
    pub fn is_stopping(&self) -> bool {
        self.link.is_stopping()
    }

    /// [`Tunnel::finish`].
    pub fn finish(self) -> Finished {
        Finished::new(self.slot)
    }
}

macro_rules! debug {
    ($($name:ident),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })*
    };
}
debug!(Tunnel, TunnelReader, TunnelWriter);
