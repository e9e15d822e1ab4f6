//! The upload route: the request's content comes back as it arrives.
//!
//! Rules of this room: one chunk is in hand at a time, whatever the size of the upload; the declared length is kept.

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use rwgi::{BodyLength, Environ, Finished, ResponseHead, Result, StartResponse};

/// Sends the request's content back, chunk by chunk, with its own content type.
pub(super) async fn echo(mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
    let mut head = ResponseHead::new(StatusCode::OK, DISTRUST)?;
    let content_type = environ.headers().get(CONTENT_TYPE).cloned();
    head.insert(
        CONTENT_TYPE,
        content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    )?;
    let mut input = environ.take_input();
    input.set_limit(None); // nothing is collected, so any size will do
    match input.length() {
        BodyLength::Empty => head.declare_length(0),
        BodyLength::Exact(length) => head.declare_length(length),
        BodyLength::Unknown => {}
    }
    let mut body = start_response.start_with(head);
    while let Some(chunk) = input.chunk().await? {
        body.write(chunk).await?; // waits until the client takes it
    }
    body.finish()
}

/// What somebody else made the client send must not run as a page of this origin.
const DISTRUST: [(http::HeaderName, &str); 2] =
    [(CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
