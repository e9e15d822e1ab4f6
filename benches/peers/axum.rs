//! axum, as its users write it.
//!
//! Rules of this peer: idiomatic handlers and extractors, `Body::from_stream` for the stream; nothing is added and nothing taken away.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use benches::{routes, serve};
use clap::Parser;

fn main() -> benches::Result<()> {
    let router = Router::new()
        .route("/plaintext", get(async || routes::PLAINTEXT))
        .route("/fields", get(async || routes::PLAINTEXT))
        .route("/json", get(async || Json(routes::message())))
        .route("/echo", post(async |body: Body| ([(CONTENT_TYPE, "text/plain")], body)))
        .route("/stream", get(stream))
        .route(
            "/large",
            get(async || ([(CONTENT_TYPE, "text/plain")], Bytes::from_static(&routes::LARGE))),
        );
    serve::run(serve::Arguments::parse(), move |listener| {
        let router = router.clone();
        async move {
            let listener = listener.tap_io(|stream| {
                // A stream that refuses it is still served.
                let _ = stream.set_nodelay(true);
            });
            Ok(axum::serve(listener, router).await?)
        }
    })
}

async fn stream() -> impl IntoResponse {
    let chunks = (0..routes::CHUNKS).map(|_| Ok::<_, Infallible>(routes::chunk()));
    ([(CONTENT_TYPE, "text/plain")], Body::from_stream(futures_util::stream::iter(chunks)))
}
