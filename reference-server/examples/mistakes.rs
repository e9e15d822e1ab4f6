//! Mistakes: an application that makes the commonest ones, to see what is said about them.
//!
//! `cargo run -p rwgi-server --example mistakes`, then `curl -i http://127.0.0.1:8000/connection` and the other routes; what the server
//! prints is the other half.

use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use rwgi::{Environ, Error, Finished, Result, StartResponse};

/// The application: an `async fn` of this shape is one.
pub async fn application(environ: Environ, start_response: StartResponse) -> Result<Finished> {
    match environ.path_info() {
        "/connection" => connection(start_response),
        "/line-feed" => line_feed(start_response),
        "/longer" => longer(start_response).await,
        "/shorter" => shorter(start_response).await,
        "/one-piece" => one_piece(start_response),
        "/status" => status(start_response),
        "/question-mark" => question_mark(start_response),
        "/index" => index(&[], start_response),
        "/late" => late(start_response).await,
        "/upload" => upload(environ, start_response).await,
        path => Err(Error::client(StatusCode::NOT_FOUND, format!("nothing is at {path}"))),
    }
}

// ANCHOR: connection
fn connection(start_response: StartResponse) -> Result<Finished> {
    start_response.respond(StatusCode::OK, [(CONNECTION, "close")], "Bye\n")
}
// ANCHOR_END: connection

// ANCHOR: line_feed
fn line_feed(start_response: StartResponse) -> Result<Finished> {
    start_response.respond(StatusCode::OK, [("x-comment", "one\ntwo")], "Hello\n")
}
// ANCHOR_END: line_feed

// ANCHOR: longer
async fn longer(start_response: StartResponse) -> Result<Finished> {
    let mut body = start_response.start(StatusCode::OK, [(CONTENT_LENGTH, "5")])?;
    body.write("Hello").await?;
    body.write(", World!").await?;
    body.finish()
}
// ANCHOR_END: longer

// ANCHOR: shorter
async fn shorter(start_response: StartResponse) -> Result<Finished> {
    let mut body = start_response.start(StatusCode::OK, [(CONTENT_LENGTH, "13")])?;
    body.write("Hello").await?;
    body.finish()
}
// ANCHOR_END: shorter

// ANCHOR: one_piece
fn one_piece(start_response: StartResponse) -> Result<Finished> {
    start_response.respond(StatusCode::OK, [(CONTENT_LENGTH, "5")], "Hello, World!")
}
// ANCHOR_END: one_piece

// ANCHOR: status
fn status(start_response: StartResponse) -> Result<Finished> {
    start_response.respond(StatusCode::SWITCHING_PROTOCOLS, (), "")
}
// ANCHOR_END: status

// ANCHOR: question_mark
fn question_mark(start_response: StartResponse) -> Result<Finished> {
    let page = std::fs::read_to_string("no/such/page.html")?;
    start_response.respond(StatusCode::OK, [(CONTENT_TYPE, "text/html")], page)
}
// ANCHOR_END: question_mark

// ANCHOR: index
fn index(pages: &[&'static str], start_response: StartResponse) -> Result<Finished> {
    start_response.respond(StatusCode::OK, (), pages[0])
}
// ANCHOR_END: index

// ANCHOR: late
async fn late(start_response: StartResponse) -> Result<Finished> {
    let mut body = start_response.start(StatusCode::OK, [(CONTENT_TYPE, "text/plain")])?;
    body.write("The first half.\n").await?;
    body.flush().await?;
    Err(Error::application("the second half could not be read"))
}
// ANCHOR_END: late

// ANCHOR: upload
async fn upload(mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
    let content = environ.input_mut().read_to_end(1024).await?;
    start_response.respond(StatusCode::OK, (), format!("{} bytes\n", content.len()))
}
// ANCHOR_END: upload

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(application)
}
