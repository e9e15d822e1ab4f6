//! The wire as hyper sees it: the transport, with the connection's rooms listening in.
//!
//! Rules of this room: a door; it shows each octet that comes to the head watch; what hyper flushes is gathered until hyper has
//! nothing more to say in this turn, and then leaves in one write; hyper never shuts the transport down, for its last words may have to be
//! put better.
//!
//! Asked whether it takes several buffers in one write, it says no where a connection has long sent nothing large: hyper then makes one buffer
//! of a head and its content, which for small content is cheaper than a queue of both, and copies what is large. Only a new hyper asks again.
//!
//! Gathering is what hyper's own `pipeline_flush` does, which however buffers a streamed response without bound and strands the last
//! responses of a connection that ends in a malformed head (hyper 1.12).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use memchr::memmem;
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::sniff::Protocol;
use super::state::{HANDED_OVER, Phase, State};
use crate::stop::Stage;

/// What is gathered before hyper has to wait for the socket: the responses of a deep pipeline.
const MOST_GATHERED: usize = 16 * 1024;
/// A write of this size is worth a system call of its own, and not worth a copy.
const LARGE_WRITE: usize = 4 * 1024;
/// What an idle connection may keep allocated.
const IDLE_GATHERED: usize = 1024;

/// hyper's end of the transport.
#[derive(Debug)]
pub(crate) struct Wire<T> {
    socket: Arc<Mutex<Gathering<T>>>,
    /// What was read before hyper was there.
    octets: Bytes,
    protocol: Protocol,
    state: Arc<State>,
}

/// The transport and what waits to be written to it.
#[derive(Debug)]
pub(crate) struct Gathering<T> {
    pub(crate) transport: T,
    gathered: Vec<u8>,
    written: usize,
    /// What the transport has taken; only a change of it means something.
    sent: usize,
    /// The transport did not take hyper's last large write.
    blocked: bool,
    /// The transport holds octets itself (TLS) and could not pass them on.
    unflushed: bool,
    /// Nobody gathers for whoever took the transport over.
    handed_over: Option<Box<HandedOver>>,
}

/// Where a transport stands that somebody took over by hyper's own upgrade.
#[derive(Debug, Default)]
struct HandedOver {
    released: bool,
    stage: Option<Stage>,
    /// Who waits for the release.
    owner: Option<Waker>,
    /// Who waits in a read or a write.
    waiting: [Option<Waker>; 2],
}

/// The connection's own end of the transport.
#[derive(Debug)]
pub(crate) struct WireHandle<T>(Arc<Mutex<Gathering<T>>>);

/// Both ends of a transport.
pub(crate) fn split<T>(
    transport: T,
    octets: Bytes,
    protocol: Protocol,
    state: Arc<State>,
) -> (Wire<T>, WireHandle<T>) {
    let socket = Arc::new(Mutex::new(Gathering {
        transport,
        gathered: Vec::new(),
        written: 0,
        sent: 0,
        blocked: false,
        unflushed: false,
        handed_over: None,
    }));
    (Wire { socket: Arc::clone(&socket), octets, protocol, state }, WireHandle(socket))
}

impl<T> WireHandle<T> {
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Gathering<T>> {
        self.0.lock()
    }

    /// From now on nothing is gathered: hyper gives the transport away.
    pub(crate) fn hand_over(&self) {
        self.lock().handed_over = Some(Box::default());
    }

    /// Ready once the transport was let go of.
    pub(crate) fn poll_released(&self, cx: &Context<'_>) -> Poll<()> {
        match &mut self.lock().handed_over {
            Some(handed_over) if !handed_over.released => {
                handed_over.owner = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Tells whoever holds the transport that the server stops, or has stopped.
    pub(crate) fn tell(&self, stage: Stage) {
        if let Some(handed_over) = &mut self.lock().handed_over {
            handed_over.stage = Some(stage);
            handed_over.waiting.iter_mut().filter_map(Option::take).for_each(Waker::wake);
        }
    }

    /// The transport itself, once hyper has let go of it.
    pub(crate) fn into_inner(self) -> Option<Gathering<T>> {
        let socket = Arc::into_inner(self.0)?;
        Some(socket.into_inner())
    }
}

impl<T: AsyncWrite + Unpin> Gathering<T> {
    /// Writes what was gathered.
    #[inline]
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.gathered.len() {
            let rest = &self.gathered[self.written..];
            match ready!(Pin::new(&mut self.transport).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => {
                    self.written += more;
                    self.sent = self.sent.wrapping_add(more);
                }
            }
        }
        self.gathered.clear();
        self.written = 0;
        let flushed = Pin::new(&mut self.transport).poll_flush(cx);
        self.unflushed = flushed.is_pending();
        flushed
    }

    /// Adds octets of the server's own after those of hyper.
    pub(crate) fn add(&mut self, octets: &[u8]) {
        self.gathered.extend_from_slice(octets);
    }

    /// Takes back the response that hyper gave by itself to a head that it could not parse: its last words, still unsent. To be called where it
    /// gave one, for another's content can look like it.
    pub(crate) fn retract_error(&mut self) {
        const BEGIN: &[u8] = b"HTTP/1.";
        const FIELDS: &[u8] = b"\r\nconnection: close\r\ncontent-length: 0\r\ndate: ";
        let unsent = &self.gathered[self.written..];
        if let Some(start) = memmem::rfind(unsent, BEGIN)
            && memmem::find(&unsent[start..], FIELDS).is_some()
        {
            self.gathered.truncate(self.written + start);
        }
    }

    /// Whether something that hyper gave has not left: octets that were gathered, or a large write that the transport did not take.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked || self.unflushed || self.waiting() > 0
    }

    /// What the transport has taken; only a change of it means something.
    pub(crate) fn sent(&self) -> usize {
        self.sent
    }

    /// Notes how a large write went.
    fn note(&mut self, written: &Poll<io::Result<usize>>) {
        self.blocked = written.is_pending();
        if let Poll::Ready(Ok(more)) = written {
            self.sent = self.sent.wrapping_add(*more);
        }
    }

    /// Gives back what an idle connection need not hold.
    pub(crate) fn rest(&mut self) {
        if self.gathered.is_empty() {
            self.gathered.shrink_to(IDLE_GATHERED);
        }
    }

    fn waiting(&self) -> usize {
        self.gathered.len() - self.written
    }
}

impl<T> Drop for Wire<T> {
    fn drop(&mut self) {
        let owner = self.lock().handed_over.as_mut().and_then(|handed_over| {
            handed_over.released = true;
            handed_over.owner.take()
        });
        if let Some(owner) = owner {
            owner.wake();
        }
    }
}

impl HandedOver {
    /// Whether the server has stopped; whoever waits is woken when it does.
    fn look(&mut self, which: usize, cx: &Context<'_>) -> io::Result<bool> {
        self.waiting[which] = Some(cx.waker().clone());
        match self.stage {
            Some(Stage::Kill) => Err(io::ErrorKind::ConnectionAborted.into()),
            stage => Ok(stage.is_some()),
        }
    }
}

impl<T> Wire<T> {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Gathering<T>> {
        self.socket.lock()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<T> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let mut socket = this.socket.lock();
        if let Some(handed_over) = &mut socket.handed_over
            && handed_over.look(0, cx)?
        {
            // The end of what the client sends is how it is told that the server stops.
            return Poll::Ready(Ok(()));
        }
        if this.octets.is_empty() {
            let read = Pin::new(&mut socket.transport).poll_read(cx, buf);
            if read.is_pending() {
                this.state.note_waits();
            }
            if read.is_pending() && this.protocol == Protocol::Http1 && !this.state.is_sent() {
                // hyper has answered all that came, and the socket is locked: the turn need not lock it again to send. What fails
                // here fails there.
                if matches!(socket.poll_send(cx), Poll::Ready(Ok(()))) && !socket.is_blocked() {
                    this.state.note_sent();
                }
            }
            ready!(read)?;
        } else {
            let length = this.octets.len().min(buf.remaining());
            buf.put_slice(&this.octets.split_to(length));
            if this.octets.is_empty() {
                this.octets = Bytes::new();
            }
        }
        let watched = this.protocol != Protocol::Http2 && socket.handed_over.is_none();
        drop(socket);
        let octets = &buf.filled()[before..];
        if octets.is_empty() || !watched {
            return Poll::Ready(Ok(()));
        }
        let of_a_head = self.state.feed(octets);
        match self.state.phase() {
            Phase::Busy | Phase::Head => {}
            Phase::Fresh | Phase::Idle if of_a_head => self.state.enter(Phase::Head),
            Phase::Fresh => {}
            Phase::Idle => self.state.touch(),
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Wire<T> {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.lock();
        if let Some(handed_over) = &mut socket.handed_over {
            handed_over.look(1, cx)?;
            ready!(socket.poll_send(cx))?;
            return Pin::new(&mut socket.transport).poll_write(cx, data);
        }
        self.state.note_written();
        if data.len() >= LARGE_WRITE || socket.waiting() >= MOST_GATHERED {
            ready!(socket.poll_send(cx))?;
        }
        if data.len() >= LARGE_WRITE {
            let written = Pin::new(&mut socket.transport).poll_write(cx, data);
            socket.note(&written);
            return written;
        }
        socket.gathered.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = data.iter().map(|slice| slice.len()).sum::<usize>();
        let mut socket = self.lock();
        if let Some(handed_over) = &mut socket.handed_over {
            handed_over.look(1, cx)?;
            ready!(socket.poll_send(cx))?;
            return Pin::new(&mut socket.transport).poll_write_vectored(cx, data);
        }
        self.state.note_written();
        if length >= LARGE_WRITE || socket.waiting() >= MOST_GATHERED {
            ready!(socket.poll_send(cx))?;
        }
        if length >= LARGE_WRITE {
            let written = Pin::new(&mut socket.transport).poll_write_vectored(cx, data);
            socket.note(&written);
            return written;
        }
        for slice in data {
            socket.gathered.extend_from_slice(slice);
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        let asked = self.protocol == Protocol::Http2 || self.state.is_vectored();
        asked && self.lock().transport.is_write_vectored()
    }

    /// The connection sends what was gathered as soon as hyper's turn is over.
    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state.has(HANDED_OVER) {
            return self.lock().poll_send(cx);
        }
        self.state.note_flushed();
        Poll::Ready(Ok(()))
    }

    /// hyper has nothing more to say; what remains to be done is done by the connection.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.lock();
        if socket.handed_over.is_some() {
            ready!(socket.poll_send(cx))?;
            return Pin::new(&mut socket.transport).poll_shutdown(cx);
        }
        Poll::Ready(Ok(()))
    }
}
