//! What a status asks for, and what a request must have asked for to get it.
//!
//! Rules of this room: one rule for each demand of RFC 9110 section 15 that an application can forget.

use http::header::{
    ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, PROXY_AUTHENTICATE,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, Response, StatusCode};
use rwgi::{Error, RequiredUpgrade};

use crate::lint::Level::{Must, Should};
use crate::lint::rule::Rule;
use crate::lint::watch::Watch;

pub(crate) static LOCATION_MISSING: Rule = Rule::application(
    "status-redirect-location",
    Should,
    &[],
    "a redirection (301, 302, 303, 307, 308) has a Location",
    "say where to: [(LOCATION, \"/new\")]",
)
.source("RFC 9110 section 15.4");
pub(crate) static AUTHENTICATE_MISSING: Rule = Rule::application(
    "status-401-authenticate",
    Must,
    &[],
    "401 has a WWW-Authenticate",
    "name the scheme: [(WWW_AUTHENTICATE, \"Basic realm=\\\"x\\\"\")]; without one to offer, answer 403",
)
.source("RFC 9110 section 15.5.2");
pub(crate) static PROXY_AUTHENTICATE_MISSING: Rule = Rule::application(
    "status-407-authenticate",
    Must,
    &[],
    "407 has a Proxy-Authenticate",
    "name the scheme; an application that is no proxy answers 401",
)
.source("RFC 9110 section 15.5.8");
pub(crate) static ALLOW_MISSING: Rule = Rule::application(
    "status-405-allow",
    Must,
    &[],
    "405 has an Allow",
    "name the methods: [(ALLOW, \"GET, HEAD\")]; an empty value is allowed",
)
.source("RFC 9110 section 15.5.6");
pub(crate) static UPGRADE_REQUIRED: Rule = Rule::application(
    "status-426",
    Must,
    &[],
    "426 says to which protocol",
    "say it with `ResponseHead::require_upgrade`, or `Error::with_required_upgrade`; the server sends it as Upgrade",
)
.source("RFC 9110 section 15.5.22");
pub(crate) static PARTIAL_RANGE: Rule = Rule::application(
    "status-206-range",
    Must,
    &[],
    "206 has a Content-Range, or the type multipart/byteranges",
    "say which part it is: [(CONTENT_RANGE, \"bytes 0-9/100\")]",
)
.source("RFC 9110 section 15.3.7");
pub(crate) static UNSATISFIED_RANGE: Rule = Rule::application(
    "status-416-range",
    Should,
    &[],
    "416 has a Content-Range with the length that there is",
    "say it: [(CONTENT_RANGE, \"bytes */100\")]",
)
.source("RFC 9110 section 15.5.17");
pub(crate) static RANGE_ELSEWHERE: Rule = Rule::application(
    "status-range-elsewhere",
    Should,
    &[],
    "Content-Range stands in a 206 or 416 only",
    "answer 206, or leave the field out",
)
.source("RFC 9110 section 14.4");
pub(crate) static RANGE_UNASKED: Rule = Rule::application(
    "status-range-unasked",
    Must,
    &[],
    "206 and 416 answer requests that have a Range",
    "answer 200 with the whole",
)
.source("RFC 9110 section 14.2");
pub(crate) static CONDITION_UNASKED: Rule = Rule::application(
    "status-condition-unasked",
    Must,
    &[],
    "304 and 412 answer requests that have a precondition",
    "answer what GET would; for 412 without a precondition, 409 or 428",
)
.source("RFC 9110 section 13");
pub(crate) static NO_CONTENT_LENGTH: Rule = Rule::application(
    "status-204-length",
    Must,
    &["REQ-RESP-27"],
    "204 declares no Content-Length",
    "leave the field out; the server removes it",
)
.source("RFC 9110 section 8.6");

pub(crate) const RULES: &[&Rule] = &[
    &LOCATION_MISSING,
    &AUTHENTICATE_MISSING,
    &PROXY_AUTHENTICATE_MISSING,
    &ALLOW_MISSING,
    &UPGRADE_REQUIRED,
    &PARTIAL_RANGE,
    &UNSATISFIED_RANGE,
    &RANGE_ELSEWHERE,
    &RANGE_UNASKED,
    &CONDITION_UNASKED,
    &NO_CONTENT_LENGTH,
];

/// Judges the status together with its fields and the request.
pub(crate) fn check<B>(response: &Response<B>, watch: &Watch) {
    let (status, fields) = (response.status(), response.headers());
    let has = |name| fields.contains_key(name);
    let number = status.as_u16();
    let missing = |rule, field: &str| watch.report(rule, || format!("{number} without {field}"));
    match number {
        301 | 302 | 303 | 307 | 308 if !has(LOCATION) => missing(&LOCATION_MISSING, "Location"),
        401 if !has(WWW_AUTHENTICATE) => missing(&AUTHENTICATE_MISSING, "WWW-Authenticate"),
        405 if !has(ALLOW) => missing(&ALLOW_MISSING, "Allow"),
        407 if !has(PROXY_AUTHENTICATE) => {
            missing(&PROXY_AUTHENTICATE_MISSING, "Proxy-Authenticate");
        }
        206 if !has(CONTENT_RANGE) && !is_multipart(fields) => {
            missing(&PARTIAL_RANGE, "Content-Range");
        }
        416 if !has(CONTENT_RANGE) => missing(&UNSATISFIED_RANGE, "Content-Range"),
        426 if response.extensions().get::<RequiredUpgrade>().is_none() => {
            missing(&UPGRADE_REQUIRED, "a protocol");
        }
        _ => {}
    }
    if has(CONTENT_RANGE) && !matches!(number, 206 | 416) {
        watch.report(&RANGE_ELSEWHERE, || format!("{number} with Content-Range"));
    }
    if matches!(number, 206 | 416) && !watch.request.ranged {
        watch.report(&RANGE_UNASKED, || format!("{number} to a request without Range"));
    }
    if matches!(number, 304 | 412) && !watch.request.conditional {
        watch.report(&CONDITION_UNASKED, || format!("{number} to an unconditional request"));
    }
}

/// Judges the status that an error asks for.
pub(crate) fn check_error(error: &Error, watch: &Watch) {
    if error.status() == StatusCode::UPGRADE_REQUIRED && error.required_upgrade().is_none() {
        watch.report(&UPGRADE_REQUIRED, || format!("426 without a protocol: {error}"));
    }
}

/// Judges what the exchange is about to take away from a head.
pub(crate) fn check_given(head: &rwgi::ResponseHead, watch: &Watch) {
    if head.status() == StatusCode::NO_CONTENT && head.fields().contains_key(CONTENT_LENGTH) {
        watch.report(&NO_CONTENT_LENGTH, || "204 with a Content-Length".to_owned());
    }
}

fn is_multipart(fields: &HeaderMap) -> bool {
    fields
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.to_ascii_lowercase().starts_with("multipart/byteranges"))
}
