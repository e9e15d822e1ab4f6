//! The WebSocket routes: an echo, and a download that tells how far it is.
//!
//! Rules of this room: only the demo's own pages may open a socket from a browser, since browsers let any page try; what a client sends is
//! limited, and what is asked for is capped.

use bytes::Bytes;
use http::header::SEC_WEBSOCKET_VERSION;
use http::{StatusCode, Uri};
use rwgi::{
    Acceptance, CloseCode, Environ, Error, Finished, Message, ResponseHead, Result, StartResponse,
};

use super::stream::number;

/// The largest message that the echo takes.
const MOST_ECHOED: usize = 64 * 1024;
/// The most that one download has.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// What one piece of it has.
const PIECE: u64 = 64 * 1024;

/// Sends each message back.
pub(super) async fn echo(environ: Environ, start_response: StartResponse) -> Result<Finished> {
    if let Some(why_not) = refusal(&environ)? {
        return start_response.respond_with(why_not, "A WebSocket is spoken here.\n");
    }
    let mut socket = start_response.accept(Acceptance::new().message_limit(MOST_ECHOED))?;
    while let Ok(message) = socket.recv().await {
        socket.send(message).await?;
    }
    Ok(socket.finish())
}

/// Sends `bytes` bytes in pieces, and after each how many have gone.
pub(super) async fn download(environ: Environ, start_response: StartResponse) -> Result<Finished> {
    if let Some(why_not) = refusal(&environ)? {
        return start_response.respond_with(why_not, "A WebSocket is spoken here.\n");
    }
    let total = number(&environ, "bytes", 8 * 1024 * 1024)?.min(MOST_BYTES);
    let mut socket = start_response.accept(Acceptance::new().compression(false))?;
    let piece = Bytes::from(vec![b'.'; PIECE as usize]);
    let mut sent = 0;
    while sent < total {
        let length = (total - sent).min(PIECE);
        socket.send(Message::Binary(piece.slice(..length as usize))).await?;
        sent += length;
        socket.send(format!("{sent} of {total}")).await?;
    }
    socket.close(CloseCode::NORMAL, "all sent").await
}

/// The answer to a request that is no WebSocket.
///
/// # Errors
/// A page of another origin asks (403).
fn refusal(environ: &Environ) -> Result<Option<ResponseHead>> {
    let Some(offer) = environ.websocket() else {
        let mut head = ResponseHead::new(
            StatusCode::UPGRADE_REQUIRED,
            super::text_fields("text/plain; charset=utf-8"),
        )?;
        head.require_upgrade("websocket")?;
        head.insert(SEC_WEBSOCKET_VERSION, 13)?;
        return Ok(Some(head));
    };
    // A client that is no browser names none.
    let Some(origin) = offer.origin() else { return Ok(None) };
    let same = origin.parse::<Uri>().is_ok_and(|origin| {
        origin.authority().map(|authority| authority.as_str()) == environ.authority()
    });
    if !same {
        return Err(Error::client(
            StatusCode::FORBIDDEN,
            format!("a page of {origin} asks for a WebSocket"),
        ));
    }
    Ok(None)
}
