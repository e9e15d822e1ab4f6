//! Chapter "Upgrade", the tunnel's ends: those of each side, a failure, a client that is not read, and the stop of the server.
//!
//! Rules of this room: by requirement; how a direction ended is told apart from how the connection did.

use std::time::Duration;

use super::lifespan_stop::{LONG, SHORT, Stopping};
use super::upgrade::{ECHO, OFFER, comes, in_order, open, upg, wrong};
use crate::honest::{Switch, Violation};
use crate::server::case::{Case, Need};
use crate::server::failure::{Failure, Held, Of, check};
use crate::server::talk::{Talk, get, message};
use crate::server::wire::Ending;

/// A case that starts and stops a server which can upgrade.
macro_rules! upg_launched {
    ($id:literal, $title:literal, $requirements:expr, $talk:expr, $violation:expr $(,)?) => {
        Case {
            id: $id,
            title: $title,
            requirements: &$requirements,
            needs: Need::Launch,
            talk: $talk,
            violation: $violation,
        }
    };
}

/// Skips where the server cannot upgrade.
fn needs_upgrade(talk: &Talk<'_>) -> Held {
    if talk.subject().declares("upgrade") {
        return Ok(());
    }
    Err(Failure::skip("the server does not declare the capability `upgrade`"))
}

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-UPG-09: the ends.
    upg!(
        "upg-client-ends",
        "The application that sees the client's end can still send",
        ["REQ-UPG-09"],
        |talk| {
            let mut wire = open(talk, "upgrade echo/1; tunnel-echo; gate g; tunnel-send bye")?;
            wire.send_octets(b"last")?;
            comes(&mut wire, b"last").control()?;
            wire.finish_sending();
            talk.await_event("tunnel-ended")?;
            talk.open_gate("g").control()?;
            comes(&mut wire, b"bye")?;
            in_order(&mut wire)
        },
        wrong!("ends both directions", ClientEndsBoth)
    ),
    upg!(
        "upg-client-ends-shown",
        "The client's end is shown to the application",
        ["REQ-UPG-09"],
        |talk| {
            let mut wire = open(talk, ECHO)?;
            wire.send_octets(b"last")?;
            comes(&mut wire, b"last").control()?;
            wire.finish_sending();
            talk.await_event("tunnel-ended").map(drop)
        },
        wrong!("hides it", HidesEnd)
    ),
    upg!(
        "upg-application-ends",
        "The client that sees the application's end can still send",
        ["REQ-UPG-09"],
        |talk| {
            let script = "upgrade echo/1; tunnel-send bye; tunnel-end; tunnel-recv; note heard";
            let mut wire = open(talk, script)?;
            comes(&mut wire, b"bye")?;
            in_order(&mut wire)?;
            wire.send_octets(b"late")?;
            let page = talk.await_event("heard")?;
            let seen = page.iter().find(|event| event.is("octets"));
            let seen = seen.map(|event| event.get("data").clone());
            check(seen == Some("late".into()), "the octets \"late\"", format!("{seen:?}"))
        },
        wrong!("ends both directions", ApplicationEndsBoth)
    ),
    upg!(
        "upg-returned",
        "What was sent before the application returned arrives, and the tunnel ends in order",
        ["REQ-UPG-09"],
        |talk| {
            let mut wire = open(talk, "upgrade echo/1; tunnel-recv; tunnel-send one")?;
            wire.send_octets(b"go")?;
            comes(&mut wire, b"one")?;
            in_order(&mut wire)
        },
        wrong!("drops the last of each piece", Shortens)
    ),
    // REQ-UPG-10: a failure.
    upg!(
        "upg-failed",
        "A tunnel whose application fails is reset",
        ["REQ-UPG-10"],
        |talk| cut(talk, "upgrade echo/1; tunnel-recv; error application"),
        wrong!("ends it in order", OrderlyFailure)
    ),
    upg!(
        "upg-panicked",
        "A tunnel whose application panics is reset",
        ["REQ-UPG-10"],
        |talk| cut(talk, "upgrade echo/1; tunnel-recv; panic"),
        wrong!("ends it in order", OrderlyFailure)
    ),
    // REQ-UPG-12: what nobody reads.
    upg!(
        "upg-unread",
        "A client that sends what the application does not read is slowed down",
        ["REQ-UPG-12"],
        |talk| {
            const MOST: usize = 64 << 20;
            let mut wire = open(talk, "upgrade echo/1; note waiting; wait-for-ever")?;
            talk.await_event("waiting")?;
            let taken =
                wire.send_until_stuck(&[b'a'; 1 << 16], MOST, Duration::from_millis(200))?;
            check(
                taken < MOST / 2,
                "a client that is slowed down, with the kernel's buffers full",
                format!("{taken} octets were taken while nobody read them"),
            )?;
            wire.reset();
            talk.request(&get("respond control")).map(drop)
        },
        wrong!("takes it all in", Hoards)
    ),
    // REQ-UPG-11: the stop.
    upg_launched!(
        "upg-stopping",
        "A session is told that the server stops, and may go on within the period of grace",
        ["REQ-UPG-11"],
        |talk| {
            let mut stopping = stopping(
                talk,
                "upgrade echo/1; tunnel-stopping; tunnel-send told; gate g; tunnel-send bye",
            )?;
            stopping.tell(talk, LONG)?;
            comes(&mut stopping.wire, b"told")?;
            stopping.open();
            comes(&mut stopping.wire, b"bye")?;
            in_order(&mut stopping.wire)?;
            let in_time = stopping.stopped(talk)?;
            check(in_time, "a stop in time", "one that was not")
        },
        wrong!("does not tell it", SilentStop)
    ),
    upg_launched!(
        "upg-stopping-goes-on",
        "A tunnel goes on while the server waits for it",
        ["REQ-UPG-11"],
        |talk| {
            let mut stopping =
                stopping(talk, "upgrade echo/1; tunnel-stopping; tunnel-send told; tunnel-echo")?;
            stopping.tell(talk, LONG)?;
            comes(&mut stopping.wire, b"told")?;
            stopping.wire.send_octets(b"on")?;
            comes(&mut stopping.wire, b"on")?;
            stopping.wire.finish_sending();
            in_order(&mut stopping.wire)?;
            stopping.stopped(talk).map(drop)
        },
        wrong!("cuts it", CutsAtStop)
    ),
    upg_launched!(
        "upg-outlasting",
        "A tunnel that outlasts the period of grace is cut, and its outcome is Cancelled",
        ["REQ-UPG-11"],
        |talk| {
            let mut stopping = stopping(talk, "complete c; upgrade echo/1; wait-for-ever")?;
            stopping.tell(talk, SHORT)?;
            let ending = stopping.wire.ended()?;
            check(ending == Ending::Reset, "a reset", "an end in order")?;
            stopping.stopped(talk)?;
            let events = stopping.application.ledger().events(talk.tag());
            let outcome = events.iter().find(|event| event["event"] == "complete");
            let outcome = outcome.map(|event| event["outcome"].clone());
            check(
                outcome == Some("cancelled".into()),
                "the outcome cancelled",
                format!("{outcome:?}"),
            )
        },
        Violation::switch("waits for it", Switch::EndlessGrace)
    ),
];

/// The application fails after it was sent something: the connection is reset.
fn cut(talk: &mut Talk<'_>, script: &str) -> Held {
    let mut wire = open(talk, script)?;
    wire.send_octets(b"go")?;
    let ending = wire.ended()?;
    check(ending == Ending::Reset, "a reset", "an end in order")
}

/// A server with a tunnel that is told to stop.
fn stopping(talk: &mut Talk<'_>, script: &str) -> Held<Stopping> {
    needs_upgrade(talk)?;
    let mut stopping = Stopping::begin(talk, &message("GET", script, OFFER, ""))?;
    stopping.wire.any_head("GET")?.status(101).of("REQ-UPG-04")?;
    Ok(stopping)
}
