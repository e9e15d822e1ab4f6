#![doc = include_str!("../README.md")]
//!
//! The modules are declared in the order in which a request meets them.

mod request;
mod response;

pub mod fastcgi;
pub mod program;

mod cgi_bin;

use std::process::ExitCode;

use rwgi::Application;

pub use self::cgi_bin::CgiBin;

/// Serves an application to whoever started the process: as a FastCGI responder where standard input is a listening socket (spawn-fcgi,
/// a process manager), else as a CGI program for one request.
///
/// The exit code is 0 where all went well. See [`fastcgi::run`] and [`program::run`] for what that is.
///
/// ```no_run
/// use http::StatusCode;
/// use rwgi::{Environ, Finished, StartResponse};
///
/// async fn hello(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
///     start_response.respond(StatusCode::OK, [("content-type", "text/plain")], "Hello, World!")
/// }
///
/// fn main() -> std::process::ExitCode {
///     rwgi_cgi::serve(hello)
/// }
/// ```
///
/// # Panics
/// Inside of a tokio runtime, for it starts one of its own.
pub fn serve<A: Application>(application: A) -> ExitCode {
    match fastcgi::Listener::inherited() {
        Ok(Some(listener)) => fastcgi::run(application, listener),
        Ok(None) => program::run(application),
        Err(error) => {
            eprintln!("standard input is a socket that cannot be served: {error}");
            ExitCode::FAILURE
        }
    }
}
