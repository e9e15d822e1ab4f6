//! Hello, World: the smallest application there is.
//!
//! `cargo run -p rwgi-server --example hello`, then `curl -i http://127.0.0.1:8000/`. `RWGI_BIND` chooses another address.

// ANCHOR: hello
use http::StatusCode;
use http::header::CONTENT_TYPE;
use rwgi::{Environ, Finished, StartResponse};

/// The application: an `async fn` of this shape is one.
pub async fn application(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
    start_response.respond(StatusCode::OK, [(CONTENT_TYPE, "text/plain")], "Hello, World!\n")
}

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(application)
}
// ANCHOR_END: hello
