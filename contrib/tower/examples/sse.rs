//! Server-sent events of axum on `rwgi-server`: each event leaves when it happens.
//!
//! `cargo run -p rwgi-tower --features axum --example sse`

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use axum::routing::{get, post};
use futures_util::stream::{self, Stream};
use tokio::sync::broadcast;

#[tokio::main]
async fn main() -> rwgi_server::Result<()> {
    // let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    // axum::serve(listener, app()).await
    let hosted = rwgi_tower::from_router(app());
    rwgi_server::Server::new(hosted).bind("127.0.0.1:3000").serve().await
}

/// The application: what is posted to `/say` is told to everybody who listens at `/events`.
pub(crate) fn app() -> Router {
    let (say, _) = broadcast::channel::<String>(16);
    let heard = say.clone();
    Router::new().route("/events", get(move || async move { events(heard.subscribe()) })).route(
        "/say",
        post(move |text: String| async move { say.send(text).map(|_| ()).unwrap_or(()) }),
    )
}

fn events(
    heard: broadcast::Receiver<String>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let first = stream::iter([Ok(Event::default().event("welcome").data("listening"))]);
    let later = stream::unfold(heard, |mut heard| async move {
        let text = heard.recv().await.ok()?;
        Some((Ok(Event::default().data(text)), heard))
    });
    let events = futures_util::StreamExt::chain(first, later);
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}
