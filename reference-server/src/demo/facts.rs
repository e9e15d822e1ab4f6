//! What the page tells of a request, in groups of named facts.
//!
//! Rules of this room: it reads an environ and knows no HTML; a fact carries the expression by which an
//! application learns it, so that the page teaches the contract; what is not there is `None`.

use std::borrow::Cow;
use std::time::Duration;

use rwgi::{BodyLength, Environ};

use super::html::readable;

/// One row: where the fact comes from, and what it is.
pub(super) struct Fact {
    /// The expression, or the name of the field or variable.
    pub(super) name: Cow<'static, str>,
    /// `None` where there is nothing.
    pub(super) value: Option<String>,
}

fn fact(name: &'static str, value: impl Into<Option<String>>) -> Fact {
    Fact { name: Cow::Borrowed(name), value: value.into().filter(|value| !value.is_empty()) }
}

/// The request line and what follows from it.
pub(super) fn request(environ: &Environ) -> Vec<Fact> {
    vec![
        fact("method()", environ.method().to_string()),
        fact("url()", environ.url()),
        fact("scheme()", environ.scheme().to_string()),
        fact("authority()", environ.authority().map(str::to_owned)),
        fact("script_name()", environ.script_name().to_owned()),
        fact("path_info()", environ.path_info().to_owned()),
        fact("query()", environ.query().map(str::to_owned)),
        fact("version()", environ.protocol().to_owned()),
        fact("input().length()", content(environ.input().length())),
    ]
}

fn content(length: BodyLength) -> Option<String> {
    match length {
        BodyLength::Empty => None,
        BodyLength::Exact(length) => Some(count(length, "byte")),
        BodyLength::Unknown => Some("not known before its end".to_owned()),
    }
}

/// The fields, each value in a row of its own.
pub(super) fn fields(environ: &Environ) -> Vec<Fact> {
    let row = |(name, value): (&http::HeaderName, &http::HeaderValue)| Fact {
        name: Cow::Owned(name.to_string()),
        value: Some(readable(value.as_bytes()).into_owned()).filter(|value| !value.is_empty()),
    };
    environ.headers().iter().map(row).collect()
}

/// The two ends of the connection, and the server.
pub(super) fn server(environ: &Environ) -> Vec<Fact> {
    let server = environ.server();
    let connection = environ.connection();
    let endpoints: Vec<_> = server.endpoints.iter().map(ToString::to_string).collect();
    let tls = connection.tls.as_ref();
    vec![
        fact("peer()", environ.peer().to_string()),
        fact("connection().local", connection.local.to_string()),
        fact("connection().tls", tls.map(|tls| tls.version.clone().unwrap_or("yes".to_owned()))),
        fact("server().software()", server.software().to_owned()),
        fact("server().endpoints", endpoints.join(", ")),
        fact("server().concurrent", yes_or_no(server.concurrent)),
        fact("server().multiprocess", yes_or_no(server.multiprocess)),
        fact("server().run_once", yes_or_no(server.run_once)),
    ]
}

fn yes_or_no(fact: bool) -> String {
    if fact { "yes" } else { "no" }.to_owned()
}

/// What the server grants one exchange.
pub(super) fn limits(environ: &Environ) -> Vec<Fact> {
    let limits = environ.limits();
    let size = |bytes: Option<usize>| bytes.map(|bytes| count(bytes as u64, "byte"));
    vec![
        fact("head_bytes", size(limits.head_bytes)),
        fact("head_fields", limits.head_fields.map(|fields| count(fields as u64, "field"))),
        fact("target_bytes", size(limits.target_bytes)),
        fact("body_bytes", limits.body_bytes.map(|bytes| count(bytes, "byte"))),
        fact("head_timeout", limits.head_timeout.map(seconds)),
        fact("idle_timeout", limits.idle_timeout.map(seconds)),
    ]
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// The CGI and WSGI names; `None` where the path cannot be decoded.
pub(super) fn variables(environ: &Environ) -> Option<Vec<Fact>> {
    let variables = environ.variables().ok()?;
    let row = |(name, value): rwgi::Variable<'_>| Fact {
        name,
        value: Some(readable(&value).into_owned()).filter(|value| !value.is_empty()),
    };
    Some(variables.into_iter().map(row).collect())
}

/// A number with its thousands apart, and a noun.
fn count(number: u64, noun: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(0, "byte"), "0 bytes");
        assert_eq!(count(1, "byte"), "1 byte");
        assert_eq!(count(999, "field"), "999 fields");
        assert_eq!(count(2_097_152, "byte"), "2,097,152 bytes");
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5 s");
    }
}
