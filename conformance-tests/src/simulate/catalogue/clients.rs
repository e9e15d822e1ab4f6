//! Clients and servers that poll in unusual ways, and several at a time.

use super::super::drive::Manner;
use super::super::request::{Piece, Request, data};
use super::super::scenario::{Play, Scenario};
use crate::lint::Level::{May, Must};

fn ordinary(path: &str) -> Vec<Request> {
    let pieces = vec![Piece::Wait, data("a=1"), Piece::Wait, data("&b=2"), Piece::Wait];
    vec![
        Request::get(path),
        Request::post(path)
            .field("content-type", "application/x-www-form-urlencoded")
            .exact(pieces),
    ]
}

pub(crate) const ALL: &[Scenario] = &[
    Scenario::new(
        "polls-spurious",
        Must,
        &[],
        "a poll that nobody asked for changes nothing",
        "when polled, look whether what is waited for has come, and wait on if it has not",
        Play::Alike(ordinary, Manner::Spurious),
    )
    .source("std::task::Waker: spurious wake-ups are allowed"),
    Scenario::new(
        "polls-fresh-wakers",
        Must,
        &["REQ-EXCH-04"],
        "the waker of the latest poll is the one that is woken",
        "store the waker anew at every poll that is pending",
        Play::Alike(ordinary, Manner::FreshWakers),
    )
    .source("std::future::Future::poll"),
    Scenario::new(
        "reader-slow",
        May,
        &["REQ-BODY-04"],
        "a client that reads slowly has the same answer (tried where time can pass)",
        "give a time limit to the wait for data, not to the wait for the client",
        Play::Alike(ordinary, Manner::Slow),
    ),
    Scenario::new(
        "calls-overlap",
        Must,
        &["REQ-APP-01"],
        "a call is answered while another is under way",
        "hold no lock across an await that another call needs to get on",
        Play::Overlap(ordinary),
    ),
];
