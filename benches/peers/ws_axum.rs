//! An echo over axum's WebSocket, as its users write it.
//!
//! Rules of this peer: the extractor and its loop, as axum's documentation has them.

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use axum::serve::ListenerExt;
use benches::serve;
use clap::Parser;

fn main() -> benches::Result<()> {
    serve::run(serve::Arguments::parse(), move |listener| async move {
        let router = Router::new()
            .route("/ws", get(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)));
        let listener = listener.tap_io(|stream| {
            // A stream that refuses it is still served.
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, router).await?)
    })
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
