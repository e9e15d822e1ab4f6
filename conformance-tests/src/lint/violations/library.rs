//! A gateway library that tells of an end that was not so.
//!
//! The real one cannot be made to: it is the only maker of outcomes and does not lie. So these violations speak to the lint in its place,
//! with what such a library would have said.

use std::sync::Arc;

use http::StatusCode;
use rwgi::protocol::Phase;
use rwgi::{Environ, Finished, OutcomeKind, StartResponse};

use super::super::rules::end::Announcement;
use super::super::watch::{State, Watch};
use super::super::{Collector, Lint};
use super::{Violation, get, now, server_info, violation};

async fn unused(_: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    start.respond(StatusCode::OK, (), "")
}

/// What the lint saw, and what the library says of it.
fn told(rule: &'static str, seen: fn(&mut State), kind: OutcomeKind) -> Violation {
    violation(rule, move || {
        let findings = Collector::new();
        let lint = Lint::with_sink(unused, findings.clone());
        let watch = Watch::new(&lint.shared, &get().build().unwrap());
        seen(&mut watch.state());
        watch.outcome(&Announcement { kind, status: Some(StatusCode::OK), bytes: 5 });
        findings.take()
    })
}

fn whole(state: &mut State) {
    *state = State { phase: Phase::Completed, body_ended: true, ..seen(state) };
}

fn half(state: &mut State) {
    *state = State { phase: Phase::Committed, ..seen(state) };
}

fn aborted(state: &mut State) {
    *state = State { phase: Phase::Aborted, body_ended: true, body_failed: true, ..seen(state) };
}

fn seen(state: &State) -> State {
    State { status: Some(StatusCode::OK), bytes: 5, ..state.clone() }
}

pub(super) fn all() -> Vec<Violation> {
    use OutcomeKind::{Cancelled, Completed, Failed};
    vec![
        told("end-completed", half, Completed),
        told("end-completed", aborted, Completed),
        told("end-cancelled", whole, Cancelled),
        told("end-cancelled", aborted, Cancelled),
        told("end-failed", whole, Failed),
        told("end-failed", half, Failed),
        told(
            "end-facts",
            |state| {
                whole(state);
                state.bytes = 7;
            },
            Completed,
        ),
        told(
            "end-facts",
            |state| {
                whole(state);
                state.status = Some(StatusCode::CREATED);
            },
            Completed,
        ),
        violation("end-once", || {
            let findings = Collector::new();
            let lint = Arc::new(Lint::with_sink(unused, findings.clone()));
            let watch = Watch::new(&lint.shared, &get().build().unwrap());
            super::super::rules::end::check_count(2, &watch);
            findings.take()
        }),
        violation("end-order", || {
            // An exchange that goes on after its end: the application returns a second time.
            let findings = Collector::new();
            let lint = Arc::new(Lint::with_sink(unused, findings.clone()));
            now(rwgi::Application::startup(&*lint, &server_info())).unwrap();
            let watch = Watch::new(&lint.shared, &get().build().unwrap());
            watch.state().phase = Phase::Completed;
            watch.failed(&rwgi::Error::application("again"));
            findings.take()
        }),
    ]
}
