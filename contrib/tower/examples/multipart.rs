//! A multipart upload to axum on `rwgi-server`: the parts are read as they come, and axum's own limit is the one that counts.
//!
//! `cargo run -p rwgi-tower --features axum --example multipart`

use axum::Router;
use axum::extract::{DefaultBodyLimit, Multipart};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;

/// The most that one upload may have: 8 MiB, which is more than `rwgi-server` grants to those who do not ask.
pub(crate) const LIMIT: usize = 8 * 1024 * 1024;

#[tokio::main]
async fn main() -> rwgi_server::Result<()> {
    // let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    // axum::serve(listener, app()).await
    let hosted = rwgi_tower::from_router(app());
    rwgi_server::Server::new(hosted).bind("127.0.0.1:3000").serve().await
}

/// The application: a form, and what it uploads.
pub(crate) fn app() -> Router {
    Router::new().route("/", get(form).post(accept)).layer(DefaultBodyLimit::max(LIMIT))
}

async fn form() -> Html<&'static str> {
    Html(
        "<!doctype html><title>Upload</title><form method=post enctype=multipart/form-data>\
         <input type=file name=file multiple><input type=submit value=Upload></form>",
    )
}

async fn accept(mut multipart: Multipart) -> Result<String, (StatusCode, String)> {
    let refused =
        |error: axum::extract::multipart::MultipartError| (error.status(), error.body_text());
    let mut told = String::new();
    while let Some(mut field) = multipart.next_field().await.map_err(refused)? {
        let name = field.file_name().or(field.name()).unwrap_or("?").to_owned();
        let mut length = 0;
        while let Some(chunk) = field.chunk().await.map_err(refused)? {
            length += chunk.len();
        }
        told.push_str(&format!("{name}: {length} bytes\n"));
    }
    Ok(told)
}
