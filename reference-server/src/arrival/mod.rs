//! What stands before HTTP on a new connection: the PROXY header of a known proxy, and the TLS handshake.
//!
//! Rules of this room: all of it has one deadline; a connection on which it fails is closed and nobody else notices; a plain connection goes
//! straight on.

#[cfg(test)]
mod fuzz;
mod layered;
mod proxy;

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use rwgi::Endpoint;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use self::layered::{Layered, Prefixed};
use self::proxy::Header;
use crate::TrustedProxies;
use crate::connection::{self, Shared};
use crate::tls::Store;
use crate::transport::Transport;

/// What stands before HTTP on the connections of one listener.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    pub(crate) tls: Option<Arc<Store>>,
    /// Whose connections begin with a PROXY header.
    pub(crate) proxies: Arc<TrustedProxies>,
}

impl Layers {
    fn expects_header(&self, peer: &Endpoint) -> bool {
        !self.proxies.is_empty() && self.proxies.trusts(peer)
    }
}

/// Serves a new connection to its end.
pub(crate) async fn serve<T: Transport>(transport: T, layers: Layers, shared: Arc<Shared>) {
    if layers.tls.is_none() && !layers.expects_header(&transport.peer()) {
        connection::serve(transport, shared).await;
    } else {
        // In a box, so that what a plain connection keeps does not grow by what others need.
        Box::pin(serve_layered(transport, layers, shared)).await;
    }
}

/// The same for a kind of transport that is not worth a compilation of HTTP of its own.
pub(crate) async fn serve_layered<T: Transport>(transport: T, layers: Layers, shared: Arc<Shared>) {
    let peer = transport.peer();
    let arrived = tokio::select! {
        arrived = timeout(shared.config.handshake_timeout, Box::pin(arrive(transport, layers))) => arrived,
        () = shared.stop.patience_over() => return,
    };
    match arrived {
        Ok(Some(layered)) => connection::serve(layered, shared).await,
        Ok(None) => {}
        Err(_) => tracing::debug!(%peer, "the handshake was not complete in time"),
    }
}

/// Reads what stands before HTTP; `None` where it is not as it should be.
async fn arrive<T: Transport>(mut transport: T, layers: Layers) -> Option<Layered> {
    let (mut peer, mut local) = (transport.peer(), transport.local());
    let mut octets = Bytes::new();
    if layers.expects_header(&peer) {
        let header;
        (header, octets) = match read_header(&mut transport).await {
            Ok(Some(read)) => read,
            // Whoever says nothing at all looks whether the door is open.
            Ok(None) => return None,
            Err(problem) => {
                tracing::warn!(%peer, "connection refused: {problem}");
                return None;
            }
        };
        if let Header::Proxied { peer: client, local: end } = header {
            (peer, local) = (client, end);
        }
    }
    let io = Prefixed::new(octets, Box::new(transport));
    let Some(tls) = layers.tls else { return Some(Layered::plain(io, peer, local)) };
    match TlsAcceptor::from(tls.current()).accept(io).await {
        Ok(io) => Some(Layered::tls(io, peer, local)),
        Err(error) => {
            tracing::debug!(%peer, "TLS handshake failed: {error}");
            None
        }
    }
}

/// Reads a PROXY header; gives it and what was read behind it.
async fn read_header<T: Transport>(
    transport: &mut T,
) -> Result<Option<(Header, Bytes)>, proxy::Malformed> {
    let mut octets = BytesMut::with_capacity(512);
    loop {
        match transport.read_buf(&mut octets).await {
            Ok(0) | Err(_) if octets.is_empty() => return Ok(None),
            Ok(0) | Err(_) => return Err("the connection ended within its PROXY header"),
            Ok(_) => {}
        }
        if let Some((header, length)) = proxy::parse(&octets)? {
            octets.advance(length);
            return Ok(Some((header, octets.freeze())));
        }
    }
}
