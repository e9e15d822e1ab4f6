//! What middleware does with a failure that it answers itself.
//!
//! Rules of this room: a client learns the status and nothing else; what is answered here is logged here, once, at the level
//! that the server would have given it, for the server will not see it any more.

use std::fmt;

use http::{Method, StatusCode};
use rwgi::{Error, Fault, Finished, IntoFields, ResponseHead, Result, StartResponse};

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
    let head = head(error, [("content-type", "text/plain; charset=utf-8")])?;
    start_response.respond_with(head, text(error.status()))
}

/// The head of the answer to an error, which says as well what else the server would have said of it: the protocols to upgrade to.
pub(crate) fn head(error: &Error, fields: impl IntoFields) -> Result<ResponseHead> {
    let mut head = ResponseHead::new(error.status(), fields)?;
    if let Some(required) = error.required_upgrade() {
        head.extensions_mut().insert(required.clone());
    }
    Ok(head)
}

/// Logs an error that is answered here.
pub(crate) fn log(error: &Error, request: &Request) {
    let requirement = error.requirement().unwrap_or("-");
    let status = error.status().as_u16();
    if error.fault() == Fault::Client {
        tracing::debug!(status, requirement, %request, fault = %error.fault(), "error response: {error:#}");
    } else {
        tracing::error!(status, requirement, %request, fault = %error.fault(), "error response: {error:#}");
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
