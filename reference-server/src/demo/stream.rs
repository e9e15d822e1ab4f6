//! The streaming routes: pieces of text over time, and events without an end.
//!
//! Rules of this room: what is asked for is capped, so that no request holds a connection for long by a number; what has no end of its own
//! ends when the server is told to stop.

use std::time::Duration;

use http::StatusCode;
use rwgi::{Environ, Error, Finished, Result, StartResponse};

use super::text_fields;

/// The most pieces that one request gets.
pub(super) const MOST_PIECES: u64 = 1_000;
/// The longest pause between two pieces, in milliseconds.
pub(super) const LONGEST_INTERVAL: u64 = 5_000;

/// Writes `n` pieces, one every `interval` milliseconds.
pub(super) async fn stream(environ: Environ, start_response: StartResponse) -> Result<Finished> {
    let pieces = number(&environ, "n", 12)?.min(MOST_PIECES);
    let interval = number(&environ, "interval", 250)?.min(LONGEST_INTERVAL);

    let mut body =
        start_response.start(StatusCode::OK, text_fields("text/plain; charset=utf-8"))?;
    for piece in 1..=pieces {
        if piece > 1 {
            tokio::time::sleep(Duration::from_millis(interval)).await;
        }
        body.write(format!("piece {piece} of {pieces}\n")).await?;
    }
    body.finish()
}

/// Server-sent events (the HTML standard's `EventSource`), one every `interval` milliseconds until the server is told to stop; the last one
/// is `bye`.
pub(super) async fn events(environ: Environ, start_response: StartResponse) -> Result<Finished> {
    let interval =
        Duration::from_millis(number(&environ, "interval", 1_000)?.min(LONGEST_INTERVAL));
    let mut stopping = environ.stopping().wait();
    let mut body = start_response.start(StatusCode::OK, text_fields("text/event-stream"))?;
    for event in 1_u64.. {
        body.write(format!("id: {event}\ndata: event {event}\n\n")).await?;
        tokio::select! {
            biased;
            () = &mut stopping => break,
            () = tokio::time::sleep(interval) => {}
        }
    }
    // The client asks again after a second, of whoever serves then.
    body.write("event: bye\nretry: 1000\ndata: the server stops\n\n").await?;
    body.finish()
}

/// The number that the query gives under `name`, the last one if there are several.
pub(super) fn number(environ: &Environ, name: &str, default: u64) -> Result<u64> {
    let pairs = environ.query().unwrap_or("").split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.rev().find(|(key, _)| *key == name) else { return Ok(default) };
    text.parse().map_err(|_| {
        Error::client(StatusCode::BAD_REQUEST, format!("`{name}` of the query is no number"))
    })
}
