//! A WebSocket: an echo that knows how it ended, and a page to try it with.
//!
//! `cargo run -p rwgi-server --example websocket`, then open <http://127.0.0.1:8000>.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use rwgi::{Environ, Finished, Message, Result, StartResponse};

const PAGE: &str = "<!doctype html><title>Echo</title><input autofocus><ul></ul><script>
const socket = new WebSocket(location.href.replace('http', 'ws'));
socket.onmessage = (event) => document.querySelector('ul').append(
    Object.assign(document.createElement('li'), { textContent: event.data }));
document.querySelector('input').onchange = (event) => {
    socket.send(event.target.value);
    event.target.value = '';
};
</script>";

// ANCHOR: application
/// The application: an `async fn` of this shape is one.
pub async fn application(environ: Environ, start_response: StartResponse) -> Result<Finished> {
    // No handshake: a browser that wants the page.
    if environ.websocket().is_none() {
        let html = [(CONTENT_TYPE, "text/html; charset=utf-8")];
        return start_response.respond(StatusCode::OK, html, PAGE);
    }
    let mut socket = start_response.accept(())?;
    // Waits for a message; an `Err` says how the client ended it, and ends the loop.
    while let Ok(message) = socket.recv().await {
        match message {
            Message::Text(text) if text == "bye" => break,
            // Waits while the client does not read.
            message => socket.send(message).await?,
        }
    }
    Ok(socket.finish())
}
// ANCHOR_END: application

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(application)
}
