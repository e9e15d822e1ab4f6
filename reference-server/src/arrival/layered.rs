//! A transport with layers: what a PROXY header says of it, and TLS.
//!
//! Rules of this room: a door, it moves bytes and decides nothing; one type for every combination, so that HTTP is compiled once for all
//! of them; a plain TCP connection does not come through here.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use rwgi::{Endpoint, TlsInfo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::transport::Transport;

/// A transport of any kind.
pub(super) trait AnyTransport: AsyncRead + AsyncWrite + Unpin + Send {
    fn reset(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    fn make_drop_a_reset(&self);
    fn has_octets(&self) -> bool;
    fn lives_in_real_time(&self) -> bool;
}

impl<T: Transport> AnyTransport for T {
    fn reset(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.reset_by_peer())
    }

    fn make_drop_a_reset(&self) {
        self.reset_on_drop();
    }

    fn has_octets(&self) -> bool {
        self.has_unread()
    }

    fn lives_in_real_time(&self) -> bool {
        self.in_real_time()
    }
}

/// A transport of which some octets were read ahead.
pub(super) struct Prefixed {
    octets: Bytes,
    socket: Box<dyn AnyTransport>,
}

impl Prefixed {
    pub(super) fn new(octets: Bytes, socket: Box<dyn AnyTransport>) -> Self {
        Self { octets, socket }
    }
}

/// A transport with its layers.
pub(crate) struct Layered {
    io: Io,
    peer: Endpoint,
    local: Endpoint,
    tls: Option<TlsInfo>,
}

enum Io {
    Plain(Prefixed),
    Tls(Box<TlsStream<Prefixed>>),
}

impl Layered {
    pub(super) fn plain(io: Prefixed, peer: Endpoint, local: Endpoint) -> Self {
        Self { io: Io::Plain(io), peer, local, tls: None }
    }

    pub(super) fn tls(io: TlsStream<Prefixed>, peer: Endpoint, local: Endpoint) -> Self {
        let tls = Some(facts(io.get_ref().1));
        Self { io: Io::Tls(Box::new(io)), peer, local, tls }
    }

    fn socket(&self) -> &dyn AnyTransport {
        match &self.io {
            Io::Plain(io) => &*io.socket,
            Io::Tls(io) => &*io.get_ref().0.socket,
        }
    }
}

/// What the handshake established.
fn facts(session: &rustls::ServerConnection) -> TlsInfo {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let mut facts = TlsInfo::default();
    facts.version = session.protocol_version().map(|version| match version {
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    });
    facts.cipher_suite = session.negotiated_cipher_suite().map(|suite| {
        // rustls tells the suites of TLS 1.3 apart by a name of its own; registered is TLS_AES_….
        format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
    });
    facts.server_name = session.server_name().map(str::to_owned);
    facts.alpn = session.alpn_protocol().map(text);
    facts.client_certificates = session
        .peer_certificates()
        .unwrap_or_default()
        .iter()
        .map(|certificate| certificate.to_vec())
        .collect();
    facts
}

impl Transport for Layered {
    fn peer(&self) -> Endpoint {
        self.peer.clone()
    }

    fn local(&self) -> Endpoint {
        self.local.clone()
    }

    fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }

    fn reset_by_peer(&self) -> impl Future<Output = ()> + Send + 'static {
        self.socket().reset()
    }

    /// What TLS has taken from the socket it has given, as far as it could be read.
    fn has_unread(&self) -> bool {
        self.socket().has_octets()
    }

    fn in_real_time(&self) -> bool {
        self.socket().lives_in_real_time()
    }

    fn reset_on_drop(&self) {
        self.socket().make_drop_a_reset();
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.octets.is_empty() {
            return Pin::new(&mut *self.socket).poll_read(cx, buf);
        }
        let length = self.octets.len().min(buf.remaining());
        buf.put_slice(&self.octets[..length]);
        self.octets.advance(length);
        Poll::Ready(Ok(()))
    }
}

/// Hands a method of writing to the one below.
macro_rules! write_to {
    ($this:ident => $below:expr) => {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            let $this = self.get_mut();
            $below.poll_write(cx, data)
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            data: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let $this = self.get_mut();
            $below.poll_write_vectored(cx, data)
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let $this = self.get_mut();
            $below.poll_flush(cx)
        }

        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let $this = self.get_mut();
            $below.poll_shutdown(cx)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }
    };
}

impl AsyncWrite for Prefixed {
    write_to!(this => Pin::new(&mut *this.socket));
}

impl Io {
    fn below(&mut self) -> Pin<&mut (dyn AnyIo + Send)> {
        match self {
            Self::Plain(io) => Pin::new(io),
            Self::Tls(io) => Pin::new(&mut **io),
        }
    }
}

/// Both directions.
trait AnyIo: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> AnyIo for T {}

impl AsyncRead for Layered {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().io.below().poll_read(cx, buf)
    }
}

impl AsyncWrite for Layered {
    write_to!(this => this.io.below());
}
