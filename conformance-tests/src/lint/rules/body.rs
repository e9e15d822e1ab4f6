//! The content of a response, as it leaves the application.
//!
//! Rules of this room: it counts and looks, and keeps no byte.

use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;

use crate::lint::Level::{May, Must, Should};
use crate::lint::rule::Rule;
use crate::lint::watch::{State, Watch};

pub(crate) static UNTYPED: Rule = Rule::application(
    "body-untyped",
    Should,
    &["REQ-RESP-28"],
    "content has a Content-Type",
    "name it: [(CONTENT_TYPE, \"text/plain; charset=utf-8\")]; nobody will add it and browsers guess",
)
.source("RFC 9110 section 8.3");
pub(crate) static RESET_CONTENT: Rule = Rule::application(
    "body-205",
    Must,
    &[],
    "205 has no content",
    "answer 200, or leave the content out",
)
.source("RFC 9110 section 15.3.6");
pub(crate) static SMALL_PIECES: Rule = Rule::application(
    "body-small-pieces",
    May,
    &[],
    "a body does not come in very many very small pieces",
    "collect a few kilobytes before each `write`; each piece can cost a system call and a frame of its own",
);
pub(crate) static TRAILERS_UNDECLARED: Rule = Rule::application(
    "body-trailers-undeclared",
    Must,
    &["REQ-CAP-03", "REQ-BODY-19"],
    "trailers are given to a server that declares `response-trailers`",
    "ask `environ.capabilities().response_trailers` first",
);

pub(crate) const RULES: &[&Rule] = &[&UNTYPED, &RESET_CONTENT, &SMALL_PIECES, &TRAILERS_UNDECLARED];

/// From how many pieces on their average size matters, and the size below which it is small.
const MANY: u64 = 32;
const SMALL: u64 = 16;

/// Judges one frame, and counts it.
pub(crate) fn check_frame(frame: &Frame<Bytes>, state: &mut State, watch: &Watch) {
    let Some(data) = frame.data_ref() else {
        if !watch.request.capabilities.response_trailers {
            watch.report(&TRAILERS_UNDECLARED, || {
                "trailers were given to a server that does not declare them".to_owned()
            });
        }
        return;
    };
    if state.bytes == 0 {
        if !state.typed {
            watch.report(&UNTYPED, || "content came without Content-Type".to_owned());
        }
        if state.status == Some(StatusCode::RESET_CONTENT) {
            watch.report(&RESET_CONTENT, || "205 came with content".to_owned());
        }
    }
    state.pieces += 1;
    state.bytes += data.len() as u64;
}

/// Judges the body as a whole.
pub(crate) fn check_end(state: &State, watch: &Watch) {
    if state.pieces >= MANY && state.bytes < state.pieces * SMALL {
        watch.report(&SMALL_PIECES, || {
            format!("{} bytes came in {} pieces", state.bytes, state.pieces)
        });
    }
}
