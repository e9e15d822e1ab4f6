//! Errors: whose fault, which status, and what a client sees before and after the head has left.
//!
//! `cargo run -p rwgi-server --example errors`, then `curl -i http://127.0.0.1:8000/parse?x` and the other routes.

use std::num::ParseIntError;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use rwgi::{Environ, Error, Fault, Finished, Result, StartResponse};

/// The application: an `async fn` of this shape is one.
pub async fn application(environ: Environ, start_response: StartResponse) -> Result<Finished> {
    match environ.path_info() {
        "/broken" => broken(start_response).await,
        "/parse" => parse(&environ, start_response).await,
        "/replace" => replace(start_response).await,
        "/late" => late(start_response).await,
        // The client's fault, with the status that says so.
        path => Err(Error::client(StatusCode::NOT_FOUND, format!("nothing is at {path}"))),
    }
}

/// Any error of any crate goes by `?`: the application's fault, answered 500. Its text is for the log, not for the client.
async fn broken(start_response: StartResponse) -> Result<Finished> {
    let settings = std::fs::read_to_string("/there/is/no/such/file")?;
    start_response.respond(StatusCode::OK, (), settings)
}

// ANCHOR: parse
/// A page of one's own for an error that is expected; others go on as they are.
async fn parse(environ: &Environ, start_response: StartResponse) -> Result<Finished> {
    match double(environ.query().unwrap_or_default()) {
        Ok(number) => start_response.respond(StatusCode::OK, (), format!("{number}\n")),
        Err(error) if error.find::<ParseIntError>().is_some() => start_response.respond(
            StatusCode::UNPROCESSABLE_ENTITY,
            [(CONTENT_TYPE, "text/plain")],
            "Give me a number: /parse?21\n",
        ),
        Err(error) => Err(error),
    }
}

fn double(text: &str) -> Result<i64> {
    let number: i64 = text.parse()?;
    number.checked_mul(2).ok_or_else(|| Error::new(Fault::Client, "too large to be doubled"))
}
// ANCHOR_END: parse

// ANCHOR: replace
/// Until the first byte has left, the head can be replaced: WSGI's `exc_info`.
async fn replace(start_response: StartResponse) -> Result<Finished> {
    let mut body = start_response.start(StatusCode::OK, [("x-page", "the report")])?;
    if let Err(error) = double("no report today") {
        tracing::warn!(%error, "the report could not be made");
        body.replace_head(StatusCode::SERVICE_UNAVAILABLE, [(CONTENT_TYPE, "text/plain")])?;
        body.write("No report today.\n").await?;
    }
    body.finish()
}
// ANCHOR_END: replace

// ANCHOR: late
/// Afterwards nothing can be taken back: the response is cut, so that the client can tell that it is not whole.
async fn late(start_response: StartResponse) -> Result<Finished> {
    let mut body = start_response.start(StatusCode::OK, [(CONTENT_TYPE, "text/plain")])?;
    body.write("The first half.\n").await?;
    body.flush().await?;
    Err(Error::application("the second half is missing"))
}
// ANCHOR_END: late

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(application)
}
