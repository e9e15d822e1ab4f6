//! The comparison's application as axum's users write it; served by axum itself, and by the reference server.
//!
//! Rules of this room: idiomatic handlers and extractors, `Body::from_stream` for the stream; nothing is added and nothing taken away.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json};
use axum::routing::{get, post};
use benches::routes;

/// The routes of the comparison.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/plaintext", get(async || routes::PLAINTEXT))
        .route("/fields", get(async || routes::PLAINTEXT))
        .route("/json", get(async || Json(routes::message())))
        .route("/echo", post(async |body: Body| ([(CONTENT_TYPE, "text/plain")], body)))
        .route("/stream", get(stream))
        .route(
            "/large",
            get(async || ([(CONTENT_TYPE, "text/plain")], Bytes::from_static(&routes::LARGE))),
        )
}

async fn stream() -> impl IntoResponse {
    let chunks = (0..routes::CHUNKS).map(|_| Ok::<_, Infallible>(routes::chunk()));
    ([(CONTENT_TYPE, "text/plain")], Body::from_stream(futures_util::stream::iter(chunks)))
}
