//! Echo: the request's content comes back while it still arrives.
//!
//! `cargo run -p rwgi-server --example echo`, then `curl -T some-file http://127.0.0.1:8000/ | cmp - some-file`. Each chunk is read
//! when the one before was taken, so a file of any size passes through the memory of a few chunks.

use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, Method, StatusCode};
use rwgi::{BodyLength, Environ, Finished, Result, StartResponse};

// ANCHOR: application
/// The application: an `async fn` of this shape is one.
pub async fn application(mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
    if !matches!(*environ.method(), Method::POST | Method::PUT) {
        // Content that nobody reads is not asked for: a client that waits for "100 Continue" keeps it.
        return start_response.respond(
            StatusCode::METHOD_NOT_ALLOWED,
            [(ALLOW, "POST, PUT")],
            "Send me something.\n",
        );
    }
    let mut fields: Vec<(HeaderName, String)> = Vec::new();
    if let Some(kind) = environ.headers().get(CONTENT_TYPE) {
        fields.push((CONTENT_TYPE, kind.to_str()?.to_owned()));
    }
    let mut input = environ.take_input();
    // The server's limit on content is meant for what is collected; nothing is here.
    input.set_limit(None);
    // A length that is known is declared: the client sees how much will come, and the server holds us to it.
    if let BodyLength::Exact(length) = input.length() {
        fields.push((CONTENT_LENGTH, length.to_string()));
    }
    // Read first and commit then: an upload that breaks off at once is answered with an error response.
    let mut chunk = input.chunk().await?;
    let mut body = start_response.start(StatusCode::OK, fields)?;
    while let Some(data) = chunk {
        body.write(data).await?;
        chunk = input.chunk().await?;
    }
    body.finish()
}
// ANCHOR_END: application

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(application)
}
