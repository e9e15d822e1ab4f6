//! One program that is a CGI program or a FastCGI responder, as it was started.
//!
//! As CGI: copied to a folder of CGI programs. As FastCGI: `spawn-fcgi -n -s /run/hello.sock -- target/debug/examples/cgi_hello`.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use rwgi::{Environ, Finished, StartResponse};

// ANCHOR: hello
pub(crate) async fn hello(
    environ: Environ,
    start_response: StartResponse,
) -> rwgi::Result<Finished> {
    let text = format!("Hello from {}, once: {}\n", environ.path(), environ.server().run_once);
    start_response.respond(StatusCode::OK, [(CONTENT_TYPE, "text/plain")], text)
}

fn main() -> std::process::ExitCode {
    rwgi_cgi::serve(hello)
}
// ANCHOR_END: hello
