//! A socket whose deadlines the runtime keeps, so that a clock which a test moves holds for them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rwgi_server::{Transport, UnixSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// The server's end of a pair of sockets.
#[derive(Debug)]
pub struct Timed(UnixSocket);

impl Timed {
    /// It, and the client's end.
    pub fn pair() -> (Self, UnixStream) {
        let (server, client) = UnixStream::pair().unwrap();
        (Self(server.into()), client)
    }
}

impl Transport for Timed {
    fn reset_by_peer(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.reset_by_peer()
    }

    fn has_unread(&self) -> bool {
        self.0.has_unread()
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
