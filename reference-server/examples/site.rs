//! An application with the whole command line of `rwgi`: flags, environment, a file, `check` and `config`.
//!
//! `cargo run -p rwgi-server --example site -- --help`.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use rwgi::{Environ, Finished, StartResponse};

/// The application: an `async fn` of this shape is one.
pub async fn site(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
    start_response.respond(StatusCode::OK, [(CONTENT_TYPE, "text/plain")], "My site.\n")
}

// ANCHOR: main
fn main() -> std::process::ExitCode {
    rwgi_server::command(site)
}
// ANCHOR_END: main
