//! Where the server says that a request's body ends.
//!
//! Rules of this room: it compares the fields of the framing with one another and with the input's length; it reads nothing.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Version};
use rwgi::{BodyLength, Environ};

use crate::lint::Level::Must;
use crate::lint::rule::Rule;
use crate::lint::watch::Watch;

const REFUSE: &str = "answer 400, close the connection, and do not call the application";

pub(crate) static BOTH: Rule = Rule::server(
    "framing-both",
    Must,
    &["REQ-HTTP-26"],
    "a request has Transfer-Encoding or Content-Length, not both",
    REFUSE,
)
.source("RFC 9112 section 6.3");
pub(crate) static CODING: Rule = Rule::server(
    "framing-coding",
    Must,
    &["REQ-HTTP-27"],
    "the only transfer coding is `chunked`",
    "answer 501, close the connection, and do not call the application",
)
.source("RFC 9112 section 6.1");
pub(crate) static HTTP10_CODING: Rule = Rule::server(
    "framing-http10-coding",
    Must,
    &["REQ-HTTP-28"],
    "an HTTP/1.0 request has no Transfer-Encoding",
    REFUSE,
)
.source("RFC 9112 section 6.1");
pub(crate) static LENGTH_MALFORMED: Rule = Rule::server(
    "framing-length-malformed",
    Must,
    &["REQ-HTTP-29"],
    "Content-Length is a sequence of digits below 2^64",
    REFUSE,
)
.source("RFC 9110 section 8.6");
pub(crate) static LENGTH_DIFFERS: Rule = Rule::server(
    "framing-length-differs",
    Must,
    &["REQ-HTTP-30"],
    "Content-Length has one value",
    REFUSE,
)
.source("RFC 9110 section 8.6");
pub(crate) static INPUT_LENGTH: Rule = Rule::server(
    "framing-input-length",
    Must,
    &["REQ-INPUT-06", "REQ-MID-04"],
    "`length()` says what Content-Length and Transfer-Encoding say",
    "give `Exact(n)` for Content-Length: n, `Empty` for 0 or no framing, `Unknown` for chunked; middleware that changes the content corrects the field",
);

pub(crate) const RULES: &[&Rule] =
    &[&BOTH, &CODING, &HTTP10_CODING, &LENGTH_MALFORMED, &LENGTH_DIFFERS, &INPUT_LENGTH];

/// Judges the framing of the request.
pub(crate) fn check(environ: &Environ, watch: &Watch) {
    let fields = environ.headers();
    let coded = fields.contains_key(TRANSFER_ENCODING);
    if coded && fields.contains_key(CONTENT_LENGTH) {
        watch.report(&BOTH, || "both Transfer-Encoding and Content-Length came".to_owned());
        return;
    }
    if coded {
        check_coding(environ, watch);
        return;
    }
    let Ok(declared) = declared(fields, watch) else { return };
    let length = environ.input().length();
    let agrees = match (declared, length) {
        (None | Some(0), BodyLength::Empty) | (None, BodyLength::Unknown) => true,
        (Some(declared), BodyLength::Exact(length)) => declared == length,
        _ => false,
    };
    if !agrees {
        watch.report(&INPUT_LENGTH, || {
            format!("Content-Length is {declared:?} and `length()` is {length:?}")
        });
    }
}

fn check_coding(environ: &Environ, watch: &Watch) {
    let fields = environ.headers();
    if environ.version() == Version::HTTP_10 {
        watch.report(&HTTP10_CODING, || "Transfer-Encoding came by HTTP/1.0".to_owned());
        return;
    }
    let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
    let only = codings.next().filter(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if environ.version() != Version::HTTP_2 && (only.is_none() || codings.next().is_some()) {
        watch.report(&CODING, || {
            let all: Vec<_> = fields.get_all(TRANSFER_ENCODING).iter().collect();
            format!("Transfer-Encoding is {all:?}")
        });
    }
    let length = environ.input().length();
    if length != BodyLength::Unknown {
        watch.report(&INPUT_LENGTH, || format!("the body is chunked and `length()` is {length:?}"));
    }
}

/// The declared length; `Err` where it is malformed, which is reported.
fn declared(fields: &HeaderMap, watch: &Watch) -> Result<Option<u64>, ()> {
    let mut declared = None;
    for value in fields.get_all(CONTENT_LENGTH) {
        let octets = value.as_bytes();
        let number = std::str::from_utf8(octets)
            .ok()
            .filter(|text| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()))
            .and_then(|text| text.parse::<u64>().ok());
        let Some(number) = number else {
            watch.report(&LENGTH_MALFORMED, || format!("Content-Length is {value:?}"));
            return Err(());
        };
        if declared.is_some_and(|earlier| earlier != number) {
            watch.report(&LENGTH_DIFFERS, || {
                let all: Vec<_> = fields.get_all(CONTENT_LENGTH).iter().collect();
                format!("Content-Length is {all:?}")
            });
            return Err(());
        }
        declared = Some(number);
    }
    Ok(declared)
}
