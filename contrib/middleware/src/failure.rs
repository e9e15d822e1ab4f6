//! What middleware does with a failure that it answers itself.
//!
//! Rules of this room: a client learns the status and nothing else; what is answered here is logged here, once, at the level
//! that the server would have given it, for the server will not see it any more.

use std::error::Error as StdError;
use std::fmt;

use http::{Method, StatusCode};
use rwgi::{Error, Fault, Finished, Result, StartResponse};

/// The status by which an error is answered: the one it carries where that is an error's, else 500.
pub(crate) fn status(error: &Error) -> StatusCode {
    let status = error.status();
    if status.is_client_error() || status.is_server_error() {
        status
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

/// A status in words: all that a client learns.
pub(crate) fn text(status: StatusCode) -> String {
    format!("{} {}\n", status.as_u16(), status.canonical_reason().unwrap_or("Error"))
}

/// Answers an error as the server would.
pub(crate) fn answer(
    error: &Error,
    request: &Request,
    start_response: StartResponse,
) -> Result<Finished> {
    log(error, request);
    let status = status(error);
    start_response.respond(status, [("content-type", "text/plain; charset=utf-8")], text(status))
}

/// Logs an error that is answered here.
pub(crate) fn log(error: &Error, request: &Request) {
    let requirement = error.requirement().unwrap_or("-");
    let status = status(error).as_u16();
    let cause = Causes(error);
    if error.fault() == Fault::Client {
        tracing::debug!(status, requirement, %request, fault = %error.fault(), "error response: {error}{cause}");
    } else {
        tracing::error!(status, requirement, %request, fault = %error.fault(), "error response: {error}{cause}");
    }
}

/// The request in a log line; kept because the environ is given away before it is known whether anything fails.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: Method,
    uri: http::Uri,
}

impl Request {
    pub(crate) fn of(environ: &rwgi::Environ) -> Self {
        Self { method: environ.method().clone(), uri: environ.uri().clone() }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.uri.path())
    }
}

/// The chain of causes, for a log line.
struct Causes<'a>(&'a Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause: Option<&dyn StdError> = self.0.source().map(|source| source as _);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
