//! Where clients arrive.
//!
//! Rules of this room: a door; a listener outlives every single failure to accept; who has been let in by the kernel is not turned away
//! because the server stops.

use std::future::{Future, poll_fn};
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use rwgi::Endpoint;
use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout_at;

use crate::bind::SocketFile;
use crate::failed_accepts::FailedAccepts;
use crate::transport::{TcpSocket, Transport, UnixSocket};

/// A source of connections, for [`Server::start_on`](crate::Server::start_on); tokio's listeners are, and whatever else gives a [`Transport`].
///
/// ```
/// use rwgi::Endpoint;
/// use tokio::io::DuplexStream;
/// use tokio::sync::mpsc;
///
/// /// Pipes in memory, for tests.
/// struct Pipes(mpsc::Receiver<DuplexStream>);
///
/// impl rwgi_server::Listener for Pipes {
///     type Stream = DuplexStream;
///
///     async fn accept(&mut self) -> DuplexStream {
///         match self.0.recv().await {
///             Some(pipe) => pipe,
///             None => std::future::pending().await,
///         }
///     }
///
///     fn endpoint(&self) -> Endpoint {
///         Endpoint::Unknown
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// What it accepts.
    type Stream: Transport;

    /// The next connection; waits out whatever keeps the system from accepting one.
    ///
    /// Cancel safe: dropped, it has accepted nothing.
    fn accept(&mut self) -> impl Future<Output = Self::Stream> + Send;

    /// Where it listens.
    fn endpoint(&self) -> Endpoint;

    /// Begins to leave; gives how long it has still to accept, so that no client on its way to it is turned away.
    ///
    /// Zero unless implemented: only a listener that shares its address has clients on their way to it alone.
    fn leave(&mut self) -> Duration {
        Duration::ZERO
    }

    /// Stops listening; gives the connections that had arrived already, which are served. None unless implemented.
    fn close(self) -> Vec<Self::Stream>
    where
        Self: Sized,
    {
        Vec::new()
    }
}

impl Listener for TcpListener {
    type Stream = TcpSocket;

    async fn accept(&mut self) -> TcpSocket {
        outlive(|cx| self.poll_accept(cx)).await.0.into()
    }

    fn endpoint(&self) -> Endpoint {
        self.local_addr().map_or(Endpoint::Unknown, Endpoint::Ip)
    }

    fn leave(&mut self) -> Duration {
        let socket = SockRef::from(&*self);
        if !socket.reuse_port().unwrap_or(false) {
            return Duration::ZERO;
        }
        match socket.attach_filter(&NO_NEW_CLIENTS) {
            Ok(()) => HANDOVER,
            Err(error) => {
                tracing::debug!(%error, "the listening socket takes no filter");
                Duration::ZERO
            }
        }
    }

    fn close(self) -> Vec<TcpSocket> {
        let Ok(listener) = self.into_std() else { return Vec::new() };
        std::iter::from_fn(|| listener.accept().ok())
            .filter_map(|(stream, _)| {
                stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)).ok()
            })
            .map(TcpSocket::from)
            .collect()
    }
}

impl Listener for UnixListener {
    type Stream = UnixSocket;

    async fn accept(&mut self) -> UnixSocket {
        outlive(|cx| self.poll_accept(cx)).await.0.into()
    }

    fn endpoint(&self) -> Endpoint {
        self.local_addr().map_or(Endpoint::Unknown, |address| {
            Endpoint::Unix(address.as_pathname().map(Into::into))
        })
    }

    fn close(self) -> Vec<UnixSocket> {
        let Ok(listener) = self.into_std() else { return Vec::new() };
        std::iter::from_fn(|| listener.accept().ok())
            .filter_map(|(stream, _)| {
                stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream)).ok()
            })
            .map(UnixSocket::from)
            .collect()
    }
}

/// A Unix socket whose file goes when the server does.
#[derive(Debug)]
pub(crate) struct FiledUnixListener {
    listener: UnixListener,
    file: Option<SocketFile>,
}

impl FiledUnixListener {
    /// # Errors
    /// The runtime does not take the socket.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    pub(crate) fn new(
        listener: std::os::unix::net::UnixListener,
        file: Option<SocketFile>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener: UnixListener::from_std(listener)?, file })
    }
}

impl Listener for FiledUnixListener {
    type Stream = UnixSocket;

    async fn accept(&mut self) -> UnixSocket {
        Listener::accept(&mut self.listener).await
    }

    fn endpoint(&self) -> Endpoint {
        self.listener.endpoint()
    }

    fn close(self) -> Vec<UnixSocket> {
        if let Some(file) = self.file {
            // Before the last look, so that nobody finds it after that.
            file.remove();
        }
        self.listener.close()
    }
}

/// How long a shared address is left: the handshakes that are under way end, and a client that was not heard asks again after a second
/// (RFC 6298), when only the other server is there.
const HANDOVER: Duration = Duration::from_millis(500);

/// Drops the first segment (SYN) of each new connection, so that a shared address is left without resetting whoever was queued in the
/// meantime: the flags are the octet 13 of a TCP segment.
const NO_NEW_CLIENTS: [SockFilter; 4] = {
    const LOAD_OCTET: u16 = 0x30;
    const JUMP_IF_ANY_BIT: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const SYN: u32 = 0x02;
    [
        SockFilter::new(LOAD_OCTET, 0, 0, 13),
        SockFilter::new(JUMP_IF_ANY_BIT, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
};

/// 50 ms: long enough not to spin while descriptors or memory are short, short enough not to be felt. nginx: 500 ms;
/// axum: 1 s.
const PAUSE: Duration = Duration::from_millis(50);

/// What failed in this process.
static FAILED: FailedAccepts = FailedAccepts::new();

/// Accepts, however often it fails; waits as long as a failure is worth, which is not at all where only that one connection is gone.
async fn outlive<T>(mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>) -> T {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    loop {
        let next = poll_fn(&mut accept);
        let accepted = match FAILED.due() {
            None => next.await,
            Some(due) => match timeout_at(due, next).await {
                Ok(accepted) => accepted,
                Err(_) => {
                    FAILED.settle();
                    continue;
                }
            },
        };
        match accepted.map_err(|error| (error.kind(), error)) {
            Ok(accepted) => return accepted,
            Err((ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted, _)) => {}
            Err((_, error)) => {
                FAILED.note(&error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
