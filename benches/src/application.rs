//! The routes as an RWGI application, for every contestant that speaks the contract.
//!
//! Rules of this room: written as any user would write it; nothing here knows which server calls it.

use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use rwgi::{BodyLength, Environ, Finished, ResponseHead, Result, StartResponse};

use crate::routes;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Answers the routes of the comparison.
///
/// # Errors
/// What the client or the contract refuses.
pub async fn application(environ: Environ, start_response: StartResponse) -> Result<Finished> {
    match environ.path_info() {
        "/plaintext" | "/fields" => {
            start_response.respond(StatusCode::OK, [(CONTENT_TYPE, TEXT)], routes::PLAINTEXT)
        }
        "/json" => start_response.respond(StatusCode::OK, [(CONTENT_TYPE, JSON)], routes::json()?),
        "/echo" if environ.method() == Method::POST => echo(environ, start_response).await,
        "/stream" => {
            let mut body = start_response.start(StatusCode::OK, [(CONTENT_TYPE, TEXT)])?;
            for _ in 0..routes::CHUNKS {
                body.write(routes::chunk()).await?;
            }
            body.finish()
        }
        "/large" => {
            start_response.respond(StatusCode::OK, [(CONTENT_TYPE, TEXT)], &routes::LARGE[..])
        }
        "/burn" => {
            let until = Instant::now() + Duration::from_millis(1);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            start_response.respond(StatusCode::OK, [(CONTENT_TYPE, TEXT)], routes::PLAINTEXT)
        }
        path => match routes::long_chunks(path) {
            Some(chunks) => long(chunks, start_response).await,
            None => start_response.respond(StatusCode::NOT_FOUND, (), ""),
        },
    }
}

/// A stream of so many chunks.
async fn long(chunks: usize, start_response: StartResponse) -> Result<Finished> {
    let mut body = start_response.start(StatusCode::OK, [(CONTENT_TYPE, TEXT)])?;
    for _ in 0..chunks {
        body.write(routes::chunk()).await?;
    }
    body.finish()
}

/// Sends back what comes in, as it comes in, with the length that the client declared.
async fn echo(mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
    let input = environ.input_mut();
    input.set_limit(None);
    let mut head = ResponseHead::new(StatusCode::OK, [(CONTENT_TYPE, TEXT)])?;
    if let BodyLength::Exact(length) = input.length() {
        head.declare_length(length);
    }
    let mut body = start_response.start_with(head);
    while let Some(chunk) = input.chunk().await? {
        body.write(chunk).await?;
    }
    body.finish()
}
