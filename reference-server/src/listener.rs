//! Where clients arrive.
//!
//! Rules of this room: a door; binding says clearly what is wrong; a listener outlives every single failure to accept.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use rwgi::Endpoint;
use tokio::net::{TcpListener, UnixListener};

use crate::transport::{TcpSocket, Transport, UnixSocket};
use crate::{Error, Result};

/// A source of connections.
pub trait Listener: Send + 'static {
    /// What it accepts.
    type Stream: Transport;

    /// The next connection; waits out whatever keeps the system from accepting one.
    ///
    /// Cancel safe: dropped, it has accepted nothing.
    fn accept(&mut self) -> impl Future<Output = Self::Stream> + Send;

    /// Where it listens.
    fn endpoint(&self) -> Endpoint;
}

/// Listens on the first address that `address` stands for.
pub(crate) fn bind_tcp(address: &str, backlog: u32) -> Result<TcpListener> {
    let failed = |error| Error::bind(address, error);
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no such address");
    for candidate in address.to_socket_addrs().map_err(failed)? {
        match listen(candidate, backlog) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the process before to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

impl Listener for TcpListener {
    type Stream = TcpSocket;

    async fn accept(&mut self) -> TcpSocket {
        loop {
            match TcpListener::accept(self).await {
                Ok((stream, _)) => {
                    // Responses leave in whole writes already; waiting to fill a segment only delays them.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY was refused");
                    }
                    return stream.into();
                }
                Err(error) => wait_out(&error).await,
            }
        }
    }

    fn endpoint(&self) -> Endpoint {
        self.local_addr().map_or(Endpoint::Unknown, Endpoint::Ip)
    }
}

impl Listener for UnixListener {
    type Stream = UnixSocket;

    async fn accept(&mut self) -> UnixSocket {
        loop {
            match UnixListener::accept(self).await {
                Ok((stream, _)) => return stream.into(),
                Err(error) => wait_out(&error).await,
            }
        }
    }

    fn endpoint(&self) -> Endpoint {
        self.local_addr().map_or(Endpoint::Unknown, |address| {
            Endpoint::Unix(address.as_pathname().map(Into::into))
        })
    }
}

/// 50 ms: long enough not to spin while descriptors or memory are short, short enough not to be felt. nginx: 500 ms;
/// axum: 1 s.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits as long as a failed accept is worth: not at all where only that one connection is gone.
async fn wait_out(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
    {
        return;
    }
    tracing::warn!(%error, "no connection could be accepted; trying again in 50 ms");
    tokio::time::sleep(PAUSE).await;
}
