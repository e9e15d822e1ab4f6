//! Static files by tower-http inside of axum, on `rwgi-server`: ranges, conditions and types included.
//!
//! `cargo run -p rwgi-tower --features axum --example static_files`

use std::path::Path;

use axum::Router;
use axum::routing::get;
use tower_http::services::{ServeDir, ServeFile};

#[tokio::main]
async fn main() -> rwgi_server::Result<()> {
    // let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    // axum::serve(listener, app(Path::new("assets"))).await
    let hosted = rwgi_tower::from_router(app(Path::new("assets")));
    rwgi_server::Server::new(hosted).bind("127.0.0.1:3000").serve().await
}

/// The application: a folder under `/assets`, its `index.html` for what is not there.
pub(crate) fn app(folder: &Path) -> Router {
    let files = ServeDir::new(folder).fallback(ServeFile::new(folder.join("index.html")));
    Router::new().route("/hello", get(|| async { "Hello" })).nest_service("/assets", files)
}
