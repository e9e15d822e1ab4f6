//! Failures that a service answers: a status for the client, one line for the log.
//!
//! Rules of this room: a client learns the status and nothing else (REQ-ERR-04); the level of the log follows the culprit, as in
//! `rwgi-server`; each failure is logged once.

use std::fmt;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Response, StatusCode};
use rwgi::{Error, Fault, ResponseBody};

/// A request's name in the log: method and target.
#[derive(Debug, Default)]
pub(crate) struct Label {
    method: Method,
    target: Option<PathAndQuery>,
}

impl Label {
    pub(crate) fn of(head: &Parts) -> Self {
        Self { method: head.method.clone(), target: head.uri.path_and_query().cloned() }
    }

    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Some(target) => write!(f, "{} {target}", self.method),
            None => self.method.fmt(f),
        }
    }
}

/// An error response.
pub(crate) fn response(status: StatusCode) -> Response<ResponseBody> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let text = Bytes::from(format!("{} {reason}\n", status.as_u16()));
    let mut response = Response::new(ResponseBody::from(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// Logs a failure, with its causes.
pub(crate) fn log(error: &Error, label: &Label, aborted: bool) {
    let what = if aborted { "response aborted" } else { "error response" };
    let status = error.status().as_u16();
    let requirement = error.requirement().unwrap_or("-");
    match error.fault() {
        Fault::Client => {
            tracing::debug!(request = %label, status, requirement, "{what}: {error:#}");
        }
        Fault::Application | Fault::Server => {
            tracing::error!(request = %label, status, requirement, "{what}: {error:#}");
        }
    }
}
