//! axum's "hello, world" on `rwgi-server`: the two lines that served it are two other lines, and nothing else is.
//!
//! `cargo run -p rwgi-tower --features axum --example axum_hello`

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::Html;
use axum::routing::get;

// ANCHOR: main
#[tokio::main]
async fn main() -> rwgi_server::Result<()> {
    // let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    // axum::serve(listener, app().into_make_service_with_connect_info::<SocketAddr>()).await
    let hosted = rwgi_tower::from_router(app());
    rwgi_server::Server::new(hosted).bind("127.0.0.1:3000").serve().await
}

/// The application, as it is under `axum::serve`.
pub(crate) fn app() -> Router {
    Router::new().route("/", get(handler)).route("/who", get(who))
}
// ANCHOR_END: main

async fn handler() -> Html<&'static str> {
    Html("<h1>Hello, World!</h1>")
}

async fn who(ConnectInfo(address): ConnectInfo<SocketAddr>) -> String {
    format!("you are {}", address.ip())
}
