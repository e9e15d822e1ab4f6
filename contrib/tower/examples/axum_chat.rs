//! A chat over WebSocket by axum's extractor, on `rwgi-server`.
//!
//! `cargo run -p rwgi-tower --features axum --example axum_chat`

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::broadcast;

#[tokio::main]
async fn main() -> rwgi_server::Result<()> {
    // let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    // axum::serve(listener, app()).await
    let hosted = rwgi_tower::from_router(app());
    rwgi_server::Server::new(hosted).bind("127.0.0.1:3000").serve().await
}

/// The room: what anybody says is told to all.
struct Room {
    said: broadcast::Sender<String>,
}

/// The application.
pub(crate) fn app() -> Router {
    let room = Arc::new(Room { said: broadcast::channel(100).0 });
    Router::new().route("/websocket", any(enter)).with_state(room)
}

async fn enter(upgrade: WebSocketUpgrade, State(room): State<Arc<Room>>) -> Response {
    upgrade.on_upgrade(|socket| chat(socket, room))
}

/// The first message is the name; every further one is said to all.
async fn chat(socket: WebSocket, room: Arc<Room>) {
    let (mut out, mut messages) = socket.split();
    let Some(Ok(Message::Text(name))) = messages.next().await else { return };
    let mut said = room.said.subscribe();
    // Nobody may be listening, and that is no failure.
    let _ = room.said.send(format!("{name} joined."));
    let hear = async {
        while let Ok(text) = said.recv().await {
            if out.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    };
    let speak = async {
        while let Some(Ok(Message::Text(text))) = messages.next().await {
            let _ = room.said.send(format!("{name}: {text}"));
        }
    };
    tokio::select! {
        () = hear => {}
        () = speak => {}
    }
    let _ = room.said.send(format!("{name} left."));
}
