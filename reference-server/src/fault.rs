//! The one place where a fault becomes a status, a log line and the end or the life of a connection.
//!
//! Rules of this room: it thinks; clients learn a status and nothing else; each fault is logged once, with the requirement that
//! was broken, at a level that its culprit deserves.

use std::fmt;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Response, StatusCode};
use rwgi::{Endpoint, Error, Fault};

/// Why a request was refused before the application was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Syntax,
    Version,
    TargetTooLong,
    TargetForm,
    AuthorityForm,
    Asterisk,
    Connect,
    HeadTooLarge,
    HeadTimeout,
    HostMissing,
    HostTwice,
    HostMalformed,
    Coding,
    CodingAndLength,
    SpaceBeforeColon,
    Folded,
    BareCarriageReturn,
    Nul,
    FieldName,
    CodingInHttp10,
    ContentLength,
    ContentLengths,
    Busy,
}

impl Refusal {
    /// The status of the answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::HeadTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Connect | Self::Coding => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The requirement by which it is refused.
    pub(crate) fn requirement(self) -> &'static str {
        match self {
            Self::Syntax => "REQ-HTTP-01",
            Self::Version => "REQ-HTTP-04",
            Self::TargetTooLong => "REQ-HTTP-06",
            Self::HeadTooLarge => "REQ-HTTP-07",
            Self::SpaceBeforeColon => "REQ-HTTP-08",
            Self::Folded => "REQ-HTTP-09",
            Self::BareCarriageReturn => "REQ-HTTP-10",
            Self::Nul => "REQ-HTTP-11",
            Self::FieldName => "REQ-HTTP-12",
            Self::HeadTimeout => "REQ-HTTP-16",
            Self::Asterisk => "REQ-HTTP-18",
            Self::AuthorityForm => "REQ-HTTP-19",
            Self::TargetForm => "REQ-HTTP-20",
            Self::Connect => "REQ-HTTP-21",
            Self::HostMissing => "REQ-HTTP-22",
            Self::HostTwice => "REQ-HTTP-23",
            Self::HostMalformed => "REQ-HTTP-24",
            Self::CodingAndLength => "REQ-HTTP-26",
            Self::Coding => "REQ-HTTP-27",
            Self::CodingInHttp10 => "REQ-HTTP-28",
            Self::ContentLength => "REQ-HTTP-29",
            Self::ContentLengths => "REQ-HTTP-30",
            // A limit of this server, and no rule.
            Self::Busy => "-",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "the head does not follow the grammar of RFC 9112",
            Self::Version => "the version of HTTP is not 1.x",
            Self::TargetTooLong => "the request target is longer than the limit",
            Self::TargetForm => "the request target has none of the four forms",
            Self::AuthorityForm => "a target in authority-form is for CONNECT only",
            Self::Asterisk => "the target `*` is for OPTIONS only",
            Self::Connect => "CONNECT is not offered",
            Self::HeadTooLarge => "the head is larger, or has more fields, than the limit",
            Self::HeadTimeout => "the head was not complete in time",
            Self::HostMissing => "an HTTP/1.1 request needs a Host field",
            Self::HostTwice => "there is more than one Host field",
            Self::HostMalformed => "the Host field is not host[:port]",
            Self::Coding => "the only transfer coding offered is `chunked`, once",
            Self::CodingAndLength => "Content-Length stands beside Transfer-Encoding",
            Self::SpaceBeforeColon => "white space stands between a field's name and its colon",
            Self::Folded => "a field is continued on the next line",
            Self::BareCarriageReturn => "a CR is not followed by LF",
            Self::Nul => "the head holds a NUL octet",
            Self::FieldName => "a field's name is not a token",
            Self::CodingInHttp10 => "HTTP/1.0 has no Transfer-Encoding",
            Self::ContentLength => "Content-Length is not a number of 64 bits",
            Self::ContentLengths => "there are differing Content-Lengths",
            Self::Busy => "there are as many exchanges under way as are allowed at once",
        })
    }
}

/// Logs a refusal, once.
pub(crate) fn log_refusal(refusal: Refusal, peer: &Endpoint) {
    tracing::info!(
        status = refusal.status().as_u16(),
        requirement = refusal.requirement(),
        %peer,
        "request refused: {refusal}"
    );
}

/// A request's name in the log: method and target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Label {
    pub(crate) method: Method,
    pub(crate) target: Option<PathAndQuery>,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Some(target) => write!(f, "{} {target}", self.method),
            None => self.method.fmt(f),
        }
    }
}

/// Logs an application's or server's failure, once; a client's own fault only where someone debugs.
pub(crate) fn log_error(error: &Error, request: &dyn fmt::Display, aborted: bool) {
    let what = if aborted { "response aborted" } else { "error response" };
    let requirement = error.requirement().unwrap_or("-");
    let status = error.status().as_u16();
    let at = error.location().map(tracing::field::display);
    if error.fault() == Fault::Client {
        tracing::debug!(status, requirement, request = %request, fault = %error.fault(), at, "{what}: {error:#}");
    } else {
        tracing::error!(status, requirement, request = %request, fault = %error.fault(), at, "{what}: {error:#}");
    }
}

/// What a client learns of an error: its status, in words.
pub(crate) fn error_text(status: StatusCode) -> Bytes {
    Bytes::from(format!("{} {}\n", status.as_u16(), status.canonical_reason().unwrap_or("Error")))
}

/// An error response.
pub(crate) fn error_response(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(error_text(status));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// An error response as octets, for when hyper has let go of the connection; it closes.
pub(crate) fn closing_octets(status: StatusCode, date: std::time::SystemTime) -> Vec<u8> {
    let text = error_text(status);
    let mut octets = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\ndate: {}\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        text.len(),
        httpdate::fmt_http_date(date),
    )
    .into_bytes();
    octets.extend_from_slice(&text);
    octets
}

#[cfg(test)]
#[path = "../tests/support/log.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests from outside use the rest")]
mod log;

#[cfg(test)]
mod tests {
    use std::io;

    use super::log::Log;
    use super::*;

    // Evidence: REQ-ERR-02, REQ-ERR-04
    #[test]
    fn a_client_learns_the_status_and_nothing_else() {
        let error = Error::client(StatusCode::NOT_FOUND, "secret path /etc");
        let response = error_response(error.status());
        assert_eq!(response.status(), 404);
        assert_eq!(response.body(), "404 Not Found\n");
    }

    #[test]
    fn a_refusal_has_its_status_and_says_why() {
        for (refusal, status) in [
            (Refusal::HeadTimeout, 408),
            (Refusal::TargetTooLong, 414),
            (Refusal::HeadTooLarge, 431),
            (Refusal::Connect, 501),
            (Refusal::Coding, 501),
            (Refusal::Busy, 503),
            (Refusal::Version, 505),
            (Refusal::Syntax, 400),
        ] {
            assert_eq!(refusal.status(), status, "{refusal}");
        }
        assert_eq!(Refusal::HostTwice.requirement(), "REQ-HTTP-23");
        assert_eq!(Refusal::HostTwice.to_string(), "there is more than one Host field");
    }

    #[test]
    fn a_request_is_named_by_its_method_and_target() {
        let target = Some(PathAndQuery::from_static("/a?b"));
        assert_eq!(Label { method: Method::PUT, target }.to_string(), "PUT /a?b");
        assert_eq!(Label::default().to_string(), "GET");
    }

    #[test]
    fn closing_octets_are_a_whole_response() {
        let octets = closing_octets(StatusCode::BAD_REQUEST, std::time::UNIX_EPOCH);
        let text = String::from_utf8(octets).unwrap();
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        assert!(text.contains("date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"));
        assert!(text.ends_with("\r\n\r\n400 Bad Request\n"));
        assert!(text.contains("content-length: 16\r\n"));
    }

    fn logged(error: &Error, aborted: bool) -> String {
        let (log, _listening) = Log::listen_to_spans();
        log_error(error, &"GET /", aborted);
        log.take("").join("\n")
    }

    #[test]
    fn a_refusal_is_one_line_with_its_requirement() {
        let (log, _listening) = Log::listen_to_spans();
        log_refusal(Refusal::HostTwice, &Endpoint::Unknown);
        let line = log.take("").join("\n");
        for part in ["request refused: there is more than one Host", "REQ-HTTP-23", "400"] {
            assert_eq!(line.matches(part).count(), 1, "{part:?} in {line}");
        }
    }

    #[test]
    fn a_failure_is_one_line_with_its_causes_at_the_level_of_its_culprit() {
        let cause = Error::server("the disk is full").with_source(io::Error::other("sector 7"));
        let error = Error::application("no page").with_source(cause);
        let line = logged(&error.with_requirement("REQ-APP-03"), false);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.trim_start().starts_with("ERROR"), "{line}");
        for part in ["error response: ", "no page: ", "the disk is full", ": sector 7", "500"] {
            assert_eq!(line.matches(part).count(), 1, "{part:?} in {line}");
        }
        assert!(line.contains("REQ-APP-03") && line.contains("GET /"), "{line}");

        let line = logged(&Error::client(StatusCode::NOT_FOUND, "no such page"), true);
        assert!(line.trim_start().starts_with("DEBUG"), "{line}");
        assert!(line.contains("response aborted: ") && line.contains("404"), "{line}");
    }
}
