//! How an application reads, and what the server lets it read.
//!
//! Rules of this room: reading is optional; what was begun and failed has consequences; when it is read matters only against what the
//! server declared.

use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use rwgi::{Error, Fault, OutcomeKind};

use super::capability::REQUEST_TRAILERS;
use crate::lint::Level::{May, Must, Should};
use crate::lint::rule::Rule;
use crate::lint::watch::{State, Watch};

pub(crate) static FAILURE_IGNORED: Rule = Rule::application(
    "input-failure-ignored",
    Must,
    &["REQ-INPUT-07"],
    "a request whose body could not be read is not answered with success",
    "pass the error of the read on with `?`; what was read is a part and not the whole",
)
.source("RFC 9110 section 15.3");
pub(crate) static AFTER_COMMIT: Rule = Rule::application(
    "input-after-commit",
    Must,
    &["REQ-CAP-03"],
    "the body is read before the response is committed, unless the server declares `full-duplex`",
    "read first, or ask `environ.capabilities().full_duplex`",
);
pub(crate) static LATE_CONTINUE: Rule = Rule::application(
    "input-late-continue",
    Should,
    &["REQ-INPUT-20"],
    "a client that expects 100 (Continue) is asked for the body before the response is committed",
    "begin to read before the first `write` or `flush`; such a read fails",
)
.source("RFC 9110 section 10.1.1");
pub(crate) static UNREAD: Rule = Rule::application(
    "input-unread",
    May,
    &["REQ-HTTP-48"],
    "a request's body is read to its end",
    "read it, or accept that the connection closes after the response",
);
pub(crate) static CULPRIT: Rule = Rule::server(
    "input-culprit",
    Must,
    &["REQ-INPUT-04"],
    "a read that fails is not called the application's fault",
    "let the body yield `Error::client` where the client broke off, `Error::server` where the server did",
);

pub(crate) const RULES: &[&Rule] =
    &[&FAILURE_IGNORED, &AFTER_COMMIT, &LATE_CONTINUE, &UNREAD, &CULPRIT];

/// The application asks for content.
pub(crate) fn check_read(watch: &Watch) {
    let (first, committed) = {
        let mut state = watch.state();
        state.reads += 1;
        (state.reads == 1, state.status.is_some())
    };
    if !committed {
        return;
    }
    if first && watch.request.expects_continue {
        watch.report(&LATE_CONTINUE, || {
            "the first read came after the response was committed, and the client waits for 100"
                .to_owned()
        });
    }
    if !watch.request.capabilities.full_duplex {
        watch.report(&AFTER_COMMIT, || {
            "the body was read after the response was committed".to_owned()
        });
    }
}

/// A frame of the request's body came.
pub(crate) fn read(frame: &Frame<Bytes>, ended: bool, watch: &Watch) {
    if ended {
        watch.state().read_to_end = true;
    }
    if frame.is_trailers() && !watch.request.capabilities.request_trailers {
        watch.report(&REQUEST_TRAILERS, || {
            "trailers of the request came from a server that does not declare them".to_owned()
        });
    }
}

/// A read failed.
pub(crate) fn read_failed(error: &Error, watch: &Watch) {
    watch.state().read_failed = true;
    if error.fault() == Fault::Application {
        watch.report(&CULPRIT, || format!("a read failed as the application's fault: {error}"));
    }
}

/// The application answers.
pub(crate) fn check_answer(status: StatusCode, watch: &Watch) {
    if status.is_success() && watch.state().read_failed {
        watch.report(&FAILURE_IGNORED, || {
            format!("{} was answered after a read had failed", status.as_u16())
        });
    }
}

/// The exchange is over.
pub(crate) fn check_end(kind: OutcomeKind, state: &State, watch: &Watch) {
    if kind == OutcomeKind::Completed
        && watch.request.has_input
        && !state.read_to_end
        && !state.read_failed
    {
        watch.report(&UNREAD, || {
            let begun = if state.reads == 0 { "not read" } else { "not read to its end" };
            format!("the request's body was {begun}")
        });
    }
}
