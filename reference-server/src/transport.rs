//! The wire: byte streams that the server can serve, and what it must be able to do to them besides reading and writing.
//!
//! Rules of this room: a door, it moves bytes and decides nothing; everything above is generic over it, so that the same server
//! runs on sockets and, in tests, on in-memory pipes.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rwgi::{Endpoint, TlsInfo};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;

/// A byte stream between a client and the server. Every method has a default, so that whatever reads and writes can be served; with the
/// defaults it has no addresses, and a reset is noticed by reading and writing only.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The client's end (REQ-ENV-16).
    fn peer(&self) -> Endpoint {
        Endpoint::Unknown
    }

    /// The server's end (REQ-ENV-17).
    fn local(&self) -> Endpoint {
        Endpoint::Unknown
    }

    /// What TLS established, where the stream is under TLS (REQ-ENV-18).
    fn tls(&self) -> Option<&TlsInfo> {
        None
    }

    /// A future that ends when the client resets the stream, whether or not anybody reads or writes; never, where that
    /// cannot be seen. By it the application's future is dropped (REQ-EXCH-08).
    ///
    /// Cancel safe: dropped, it has taken nothing from the stream.
    fn reset_by_peer(&self) -> impl Future<Output = ()> + Send + 'static {
        std::future::pending()
    }

    /// Whether octets have come that nobody has read: asked of the system, which may know of some before a read does. A stream that has
    /// nothing to ask says no.
    fn has_unread(&self) -> bool {
        false
    }

    /// Whether the client lives in the system's time, as the other end of a socket does. Then the deadlines of the connection are kept
    /// by a timer of the system's, where there is one, and cost it nothing while it is busy; otherwise the runtime keeps them, and a
    /// [paused clock](tokio::time) holds for them.
    fn in_real_time(&self) -> bool {
        false
    }

    /// Makes the coming drop a reset that the client cannot take for an end (REQ-ERR-10); does nothing where there is none.
    fn reset_on_drop(&self) {}

    /// Has another runtime watch the stream from now on; one that no runtime watches stays as it is.
    ///
    /// # Errors
    /// The system refuses to watch it there.
    fn move_to(self, _: &Handle) -> io::Result<Self>
    where
        Self: Sized,
    {
        Ok(self)
    }
}

/// In-memory pipes, for tests.
impl Transport for DuplexStream {}

/// A socket that can be watched for a reset while it is read and written elsewhere.
#[derive(Debug)]
pub struct Socket<S> {
    stream: Arc<S>,
    peer: Endpoint,
    local: Endpoint,
}

/// A TCP connection.
pub type TcpSocket = Socket<TcpStream>;

/// A connection over a Unix socket.
pub type UnixSocket = Socket<UnixStream>;

impl From<TcpStream> for TcpSocket {
    fn from(stream: TcpStream) -> Self {
        let endpoint = |address: io::Result<_>| address.map_or(Endpoint::Unknown, Endpoint::Ip);
        Self {
            peer: endpoint(stream.peer_addr()),
            local: endpoint(stream.local_addr()),
            stream: Arc::new(stream),
        }
    }
}

impl From<UnixStream> for UnixSocket {
    fn from(stream: UnixStream) -> Self {
        let endpoint = |address: io::Result<tokio::net::unix::SocketAddr>| {
            address.map_or(Endpoint::Unknown, |address| {
                Endpoint::Unix(address.as_pathname().map(Into::into))
            })
        };
        Self {
            peer: endpoint(stream.peer_addr()),
            local: endpoint(stream.local_addr()),
            stream: Arc::new(stream),
        }
    }
}

/// What the two kinds of socket have in common.
pub(crate) trait RawSocket: Send + Sync + 'static {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Reads; a read that empties the socket makes the next look wait for news, without a system call to learn it.
    fn try_read(&self, buf: &mut ReadBuf<'_>) -> io::Result<usize>;
    fn try_write(&self, data: &[u8]) -> io::Result<usize>;
    fn try_write_vectored(&self, data: &[io::IoSlice<'_>]) -> io::Result<usize>;
    fn errored(&self) -> impl Future<Output = io::Result<()>> + Send;
    fn as_socket(&self) -> socket2::SockRef<'_>;
    fn move_to(self, runtime: &Handle) -> io::Result<Self>
    where
        Self: Sized;
}

macro_rules! raw_socket {
    ($stream:ty) => {
        impl RawSocket for $stream {
            fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_read_ready(cx)
            }
            fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_ready(cx)
            }
            fn try_read(&self, buf: &mut ReadBuf<'_>) -> io::Result<usize> {
                let room = buf.remaining();
                let mut short = None;
                let read = self.try_io(Interest::READABLE, || match self.try_read_buf(buf) {
                    // A short read has emptied the socket; said from in here it takes back only the readiness that was known before
                    // the read, and never that of octets that came since.
                    Ok(read) if read > 0 && read < room => {
                        short = Some(read);
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                    result => result,
                });
                short.map_or(read, Ok)
            }
            fn try_write(&self, data: &[u8]) -> io::Result<usize> {
                <$stream>::try_write(self, data)
            }
            fn try_write_vectored(&self, data: &[io::IoSlice<'_>]) -> io::Result<usize> {
                <$stream>::try_write_vectored(self, data)
            }
            async fn errored(&self) -> io::Result<()> {
                self.ready(Interest::ERROR).await.map(drop)
            }
            fn as_socket(&self) -> socket2::SockRef<'_> {
                socket2::SockRef::from(self)
            }
            fn move_to(self, runtime: &Handle) -> io::Result<Self> {
                let stream = self.into_std()?;
                let _entered = runtime.enter();
                Self::from_std(stream)
            }
        }
    };
}

raw_socket!(TcpStream);
raw_socket!(UnixStream);

impl<S: RawSocket> Transport for Socket<S> {
    fn peer(&self) -> Endpoint {
        self.peer.clone()
    }

    fn local(&self) -> Endpoint {
        self.local.clone()
    }

    fn reset_by_peer(&self) -> impl Future<Output = ()> + Send + 'static {
        let stream = Arc::clone(&self.stream);
        async move {
            // An error here is the runtime shutting down, which ends everything anyway.
            let _ = stream.errored().await;
        }
    }

    fn has_unread(&self) -> bool {
        let mut one = [MaybeUninit::uninit(); 1];
        // The end and an error are nothing to read, and a socket without news says that it would block.
        matches!(self.stream.as_socket().peek(&mut one), Ok(1..))
    }

    fn in_real_time(&self) -> bool {
        true
    }

    fn reset_on_drop(&self) {
        // Where the kernel refuses, the drop is a plain close: nothing better is left to do.
        let _ = self.stream.as_socket().set_linger(Some(std::time::Duration::ZERO));
    }

    fn move_to(self, runtime: &Handle) -> io::Result<Self> {
        let stream = Arc::into_inner(self.stream)
            .ok_or_else(|| io::Error::other("the socket is watched elsewhere"))?;
        Ok(Self { stream: Arc::new(stream.move_to(runtime)?), ..self })
    }
}

impl<S: RawSocket> AsyncRead for Socket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_readable(cx))?;
            match self.stream.try_read(buf) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// The size up to which a write is small.
const MOST_UNASKED: usize = 4 * 1024;

impl<S: RawSocket> AsyncWrite for Socket<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A small write is nearly always taken at once, and need not ask before; large ones ask, which is how tokio sees to it that no task
        // writes for ever.
        if data.len() >= MOST_UNASKED {
            ready!(self.stream.poll_writable(cx))?;
        }
        loop {
            match self.stream.try_write(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_writable(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_writable(cx))?;
            match self.stream.try_write_vectored(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.as_socket().shutdown(std::net::Shutdown::Write))
    }
}
