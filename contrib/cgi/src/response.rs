//! The head of a response as CGI has it (RFC 3875, section 6.3), and error responses.
//!
//! Rules of this room: it thinks, on values alone; the status is always said; a client learns the status of a failure and nothing
//! else (REQ-ERR-04).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode, response};
use http_body::Body;
use rwgi::{Error, Fault, ReasonPhrase, ResponseBody};

/// Puts the head.
pub(crate) fn put_head(to: &mut BytesMut, head: &response::Parts) {
    to.extend_from_slice(b"Status: ");
    to.extend_from_slice(head.status.as_str().as_bytes());
    to.put_u8(b' ');
    match head.extensions.get::<ReasonPhrase>() {
        Some(reason) => to.extend_from_slice(reason.as_bytes()),
        None => {
            let reason = head.status.canonical_reason().unwrap_or("Unknown");
            to.extend_from_slice(reason.as_bytes());
        }
    }
    to.extend_from_slice(b"\r\n");
    for (name, value) in &head.headers {
        to.extend_from_slice(name.as_str().as_bytes());
        to.extend_from_slice(b": ");
        to.extend_from_slice(value.as_bytes());
        to.extend_from_slice(b"\r\n");
    }
    to.extend_from_slice(b"\r\n");
}

/// Declares the length of content that is all there, or whose length is known, where the application did not (REQ-RESP-15).
pub(crate) fn declare_length(head: &mut response::Parts, body: &ResponseBody, method: &Method) {
    let bodyless = *method == Method::HEAD
        || head.status == StatusCode::NO_CONTENT
        || head.status == StatusCode::NOT_MODIFIED;
    if let Some(length) = body.size_hint().exact().filter(|_| !bodyless) {
        head.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
}

/// The response to an error.
pub(crate) fn error_response(status: StatusCode) -> Response<ResponseBody> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let text = Bytes::from(format!("{} {reason}\n", status.as_u16()));
    let mut response = Response::new(ResponseBody::from(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// Logs a failure once, with its causes, at the level of its culprit.
pub(crate) fn log(error: &Error, request: &dyn fmt::Display, aborted: bool) {
    let what = if aborted { "response aborted" } else { "error response" };
    let status = error.status().as_u16();
    let requirement = error.requirement().unwrap_or("-");
    match error.fault() {
        Fault::Client => {
            tracing::debug!(%request, status, requirement, "{what}: {error:#}");
        }
        Fault::Application | Fault::Server => {
            tracing::error!(%request, status, requirement, "{what}: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_status_fields_and_an_empty_line() {
        let response = Response::builder()
            .status(404)
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .body(())
            .unwrap();
        let (mut head, ()) = response.into_parts();
        let mut octets = BytesMut::new();
        put_head(&mut octets, &head);
        assert_eq!(octets, "Status: 404 Not Found\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n");
        head.extensions.insert(ReasonPhrase::new("Nowhere").unwrap());
        octets.clear();
        put_head(&mut octets, &head);
        assert!(octets.starts_with(b"Status: 404 Nowhere\r\n"));
    }
}
