//! How an exchange ended, and what was said of it.
//!
//! Rules of this room: what the callback was told is compared with what the lint saw by itself; the end that the table of phases names
//! is the measure. Broken here is the gateway library that drives the exchange.

use http::StatusCode;
use rwgi::protocol::{Event, Phase};
use rwgi::{Outcome, OutcomeKind};

use crate::lint::Level::Must;
use crate::lint::rule::Rule;
use crate::lint::watch::{State, Watch};

const LIBRARY: &str = "drive the application with an `Exchange`, and let it tell the end";

pub(crate) static ORDER: Rule = Rule::server(
    "end-order",
    Must,
    &["REQ-EXCH-05", "REQ-EXCH-07"],
    "a response takes only the steps that the table of phases has",
    LIBRARY,
);
pub(crate) static ONCE: Rule = Rule::server(
    "end-once",
    Must,
    &["REQ-EXCH-10"],
    "the end of an exchange is announced exactly once",
    LIBRARY,
);
pub(crate) static COMPLETED: Rule = Rule::server(
    "end-completed",
    Must,
    &["REQ-EXCH-11"],
    "`Completed` is told where the application returned and the whole response was taken",
    LIBRARY,
);
pub(crate) static CANCELLED: Rule = Rule::server(
    "end-cancelled",
    Must,
    &["REQ-EXCH-12"],
    "`Cancelled` is told where the exchange was dropped before its end",
    LIBRARY,
);
pub(crate) static FAILED: Rule = Rule::server(
    "end-failed",
    Must,
    &["REQ-EXCH-13"],
    "`Failed` is told where the application or its body failed",
    LIBRARY,
);
pub(crate) static FACTS: Rule = Rule::server(
    "end-facts",
    Must,
    &["REQ-EXCH-14"],
    "the outcome has the response's status and the bytes that were taken",
    LIBRARY,
);

pub(crate) const RULES: &[&Rule] = &[&ORDER, &ONCE, &COMPLETED, &CANCELLED, &FAILED, &FACTS];

/// What the callback was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcement {
    pub(crate) kind: OutcomeKind,
    pub(crate) status: Option<StatusCode>,
    pub(crate) bytes: u64,
}

impl From<&Outcome> for Announcement {
    fn from(outcome: &Outcome) -> Self {
        Self { kind: outcome.kind(), status: outcome.status(), bytes: outcome.bytes() }
    }
}

/// An event came that has no place in the phase.
pub(crate) fn out_of_order(watch: &Watch, phase: Phase, event: Event) {
    watch.report(&ORDER, || format!("{event:?} came while the response was {phase}"));
}

/// Compares what was told with what was seen.
pub(crate) fn check(told: &Announcement, seen: &State, watch: &Watch) {
    let failed = matches!(seen.phase, Phase::Failed | Phase::Aborted) || seen.body_failed;
    let whole = seen.phase == Phase::Completed && seen.body_ended && !seen.body_failed;
    // A failure that has not come out of the body yet is nothing that the server could know of.
    let known = seen.phase == Phase::Failed || seen.body_failed;
    // The server may let go of a response without content once it has the head (REQ-RESP-25).
    let discharged = seen.body_ended && !seen.body_failed && watch.is_without_content(seen.status);
    let rule = match told.kind {
        OutcomeKind::Completed if !whole && !discharged => &COMPLETED,
        OutcomeKind::Cancelled if whole || known => &CANCELLED,
        OutcomeKind::Failed if !failed => &FAILED,
        _ => return check_facts(told, seen, watch),
    };
    watch.report(rule, || {
        format!(
            "the outcome is {:?} where the response was {}, its body {}",
            told.kind,
            seen.phase,
            match (seen.body_failed, seen.body_ended) {
                (true, _) => "failed",
                (false, true) => "at its end",
                (false, false) => "not at its end",
            }
        )
    });
}

fn check_facts(told: &Announcement, seen: &State, watch: &Watch) {
    let status = seen.status.or(seen.error_status);
    // What crosses a session does not come by here.
    let bytes =
        if status == Some(StatusCode::SWITCHING_PROTOCOLS) { told.bytes } else { seen.bytes };
    if told.status != status || told.bytes != bytes {
        watch.report(&FACTS, || {
            format!(
                "the outcome says status {:?} and {} bytes, the lint saw {status:?} and {}",
                told.status, told.bytes, seen.bytes
            )
        });
    }
}

/// The callback is gone: how often was it run?
pub(crate) fn check_count(times: u64, watch: &Watch) {
    if times != 1 {
        watch.report(&ONCE, || format!("the end was announced {times} times"));
    }
}
