//! Where web servers connect: a TCP port, a Unix socket, or the socket that a process manager left on standard input.
//!
//! Rules of this room: a door; registered with the runtime when it is first asked; a file in the way of a Unix socket is removed only
//! where it is a socket on which nobody listens.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use rwgi::{Endpoint, Error, Result};
use socket2::Socket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A listening socket, TCP or Unix; tokio's own become one by `From`.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens on `host:port`, or on `unix:/path`; the file of a Unix socket that nobody serves any more is replaced.
    ///
    /// # Errors
    /// The address cannot be listened on.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    pub fn bind(address: &str) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::server(format!("cannot listen on {address}: {error}")).with_source(error)
        };
        match address.strip_prefix("unix:") {
            Some(path) => {
                remove_stale(Path::new(path)).map_err(failed)?;
                UnixListener::bind(path).map(|listener| Self(Kind::Unix(listener))).map_err(failed)
            }
            None => {
                let listener = std::net::TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                TcpListener::from_std(listener).map(Self::from).map_err(failed)
            }
        }
    }

    /// The socket that spawn-fcgi, or a process manager, left on standard input; `None` where standard input is none that listens.
    ///
    /// # Errors
    /// It is a listening socket of another kind than TCP and Unix.
    pub fn inherited() -> io::Result<Option<Inherited>> {
        let socket = Socket::from(io::stdin().as_fd().try_clone_to_owned()?);
        match socket.is_listener() {
            Ok(true) => {}
            Ok(false) | Err(_) => return Ok(None),
        }
        let address = socket.local_addr()?;
        if address.is_unix() || address.is_ipv4() || address.is_ipv6() {
            return Ok(Some(Inherited(socket, address.is_unix())));
        }
        Err(io::Error::other("neither TCP nor Unix"))
    }

    /// Where it listens.
    pub fn endpoint(&self) -> Endpoint {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().map_or(Endpoint::Unknown, Endpoint::Ip),
            Kind::Unix(listener) => {
                let address = listener.local_addr().ok();
                Endpoint::Unix(
                    address.and_then(|address| address.as_pathname().map(Path::to_owned)),
                )
            }
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // A stream that refuses it is still served.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Kind::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(Kind::Tcp(listener))
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self(Kind::Unix(listener))
    }
}

/// A socket of a process that ended without removing it.
fn remove_stale(path: &Path) -> io::Result<()> {
    let socket = path.symlink_metadata().is_ok_and(|file| file.file_type().is_socket());
    if !socket {
        return Ok(());
    }
    match BlockingUnixStream::connect(path) {
        // Any other failure says that somebody may be there: one who is not to be spoken to, or speaks in datagrams.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        _ => Ok(()),
    }
}

/// A listening socket on standard input, not yet known to a runtime.
#[derive(Debug)]
pub struct Inherited(Socket, bool);

impl Inherited {
    /// The listener.
    ///
    /// # Errors
    /// The system refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    pub fn listen(self) -> io::Result<Listener> {
        self.0.set_nonblocking(true)?;
        Ok(Listener(if self.1 {
            Kind::Unix(UnixListener::from_std(self.0.into())?)
        } else {
            Kind::Tcp(TcpListener::from_std(self.0.into())?)
        }))
    }
}

/// A web server's connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;

    #[tokio::test]
    async fn only_a_socket_that_nobody_serves_is_replaced() {
        let folder = std::env::temp_dir().join(format!("rwgi-cgi-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| folder.join(name);
        let bind = |name: &str| Listener::bind(&format!("unix:{}", path(name).display()));
        drop(UnixListener::bind(path("stale")).unwrap());
        let _served = UnixListener::bind(path("served")).unwrap();
        let _datagrams = UnixDatagram::bind(path("datagrams")).unwrap();
        std::fs::write(path("file"), "mine").unwrap();
        let replaced = ["stale", "served", "datagrams", "file"].map(|name| bind(name).is_ok());
        let left = ["served", "datagrams", "file"].map(|name| path(name).exists());
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(replaced, [true, false, false, false]);
        assert_eq!(left, [true; 3]);
    }
}
