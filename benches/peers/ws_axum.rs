//! An echo over axum's WebSocket, as its users write it.
//!
//! Rules of this peer: the extractor and its loop, as axum's documentation has them.

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use benches::serve;
use clap::Parser;

/// As tungstenite beneath it has here: its own 128 KiB are cleared for each read.
const READ_BYTES: usize = 16 * 1024;

fn main() -> benches::Result<()> {
    serve::run(serve::Arguments::parse(), move |listener| async move {
        let router = Router::new().route("/ws", get(upgrade));
        let listener = listener.tap_io(|stream| {
            // A stream that refuses it is still served.
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, router).await?)
    })
}

async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
    upgrade.read_buffer_size(READ_BYTES).on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_))
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}
