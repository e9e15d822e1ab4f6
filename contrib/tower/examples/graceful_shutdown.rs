//! An orderly end of axum's application on `rwgi-server`: on SIGTERM or ctrl-c nothing new is accepted, and what is under way may end.
//!
//! `cargo run -p rwgi-tower --features axum --example graceful_shutdown`

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tower_http::timeout::TimeoutLayer;

#[tokio::main]
async fn main() -> rwgi_server::Result<()> {
    // let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    // axum::serve(listener, app()).with_graceful_shutdown(shutdown_signal()).await
    let hosted = rwgi_tower::from_router(app());
    rwgi_server::Server::new(hosted).bind("127.0.0.1:3000").serve().await
}

/// The application: what is posted to `/slow` is answered once somebody has posted to `/go`, and nothing takes longer than ten seconds.
pub(crate) fn app() -> Router {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    Router::new()
        .route(
            "/slow",
            post(move |_: String| async move {
                match gate.acquire().await {
                    Ok(_) => "slow, and done",
                    Err(_) => "closed",
                }
            }),
        )
        .route("/go", post(move |_: String| async move { opened.add_permits(1) }))
        .route("/forever", get(std::future::pending::<()>))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(10)))
}
