//! Chapter "The exchange", departure: a client that leaves, and one that only has nothing more to say.
//!
//! Chapter "Capabilities" says how soon a reset is noticed.

use std::time::{Duration, Instant};

use crate::honest::{Switch, Violation};
use crate::server::case::{Case, Need};
use crate::server::failure::{Failure, Held, check};
use crate::server::talk::{Talk, get, message};
use crate::server::wire::Wire;

/// A case about a server that notices a reset promptly.
macro_rules! prompt {
    ($id:literal, $title:literal, $talk:expr) => {
        Case {
            id: $id,
            title: $title,
            requirements: &["REQ-CAP-07", "REQ-EXCH-08"],
            needs: Need::Capability("departure-prompt"),
            talk: $talk,
            violation: Violation::switch("goes on after a reset", Switch::NoDeparture),
        }
    };
}

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-CAP-07, REQ-EXCH-08: a reset.
    prompt!("reset-while-waiting", "A reset drops an application that waits", |talk| drops(
        talk,
        &get("note waiting; wait-for-ever")
    )),
    prompt!(
        "reset-after-head",
        "A reset drops an application that waits after its head was sent",
        |talk| drops(talk, &get("start; flush; note waiting; wait-for-ever"))
    ),
    prompt!(
        "reset-after-finish",
        "A reset drops an application that works on after finish()",
        |talk| drops(talk, &get("start; write a; flush; finish; note waiting; wait-for-ever"))
    ),
    prompt!("reset-while-computing", "A reset drops an application that computes", |talk| drops(
        talk,
        &get("note waiting; spin")
    )),
    prompt!("reset-while-reading", "A reset drops an application that reads the body", |talk| {
        drops(
            talk,
            &message(
                "POST",
                "note waiting; try read; wait-for-ever",
                "Content-Length: 10\r\n",
                "hel",
            ),
        )
    }),
    prompt!(
        "reset-with-body-unread",
        "A reset drops an application that does not read the body",
        |talk| drops(
            talk,
            &message(
                "POST",
                "note waiting; wait-for-ever",
                "Content-Length: 1000000\r\n",
                &"a".repeat(100_000)
            )
        )
    ),
    prompt!(
        "reset-with-body-read",
        "A reset drops an application that has read the body",
        |talk| drops(
            talk,
            &message("POST", "read; note waiting; wait-for-ever", "Content-Length: 3\r\n", "hel")
        )
    ),
    prompt!(
        "reset-with-request-behind",
        "A reset drops an application while the next request has arrived already",
        |talk| {
            let both = format!("{}{}", get("note waiting; wait-for-ever"), get("respond next"));
            drops(talk, &both)
        }
    ),
    prompt!("reset-while-writing", "A reset drops an application that writes", |talk| dropped(
        talk,
        |talk| {
            let mut wire = talk.connect()?;
            wire.shrink_receive_buffer();
            wire.send(&get("start; pump 1024 65536; wait-for-ever"))?;
            wire.head()?;
            wire.body(1)?;
            Ok(wire)
        }
    )),
    prompt!(
        "reset-of-kept-connection",
        "A reset drops the application of a later exchange on the connection",
        |talk| dropped(talk, |talk| {
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            wire.send(&get("note waiting; wait-for-ever"))?;
            talk.await_event("waiting")?;
            Ok(wire)
        })
    ),
    // REQ-CAP-08: a reset that a write meets.
    case!(
        "reset-met-by-write",
        "A write of the response that meets a reset drops the application",
        ["REQ-CAP-08", "REQ-EXCH-08"],
        |talk| {
            let declares = |name| talk.subject().declares(name);
            if !declares("departure-on-write") && !declares("departure-prompt") {
                return Err(Failure::skip("the server promises nothing about departure"));
            }
            let mut wire = talk.connect()?;
            wire.send(&get("start; flush; note waiting; gate g; pump 64 65536; finish"))?;
            wire.head()?.status(200)?;
            talk.await_event("waiting")?;
            wire.reset();
            talk.open_gate("g")?;
            talk.await_event("dropped").map(drop)
        },
        Violation::switch("writes on", Switch::NoDeparture)
    ),
    // REQ-EXCH-09: the client has nothing more to say.
    case!(
        "fin-is-no-departure",
        "A client that closes its sending side gets its answer",
        ["REQ-EXCH-09"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("gate g; respond hello"))?;
            fin(talk, &mut wire)?;
            wire.response()?.body("hello")
        },
        Violation::switch("takes it for a departure", Switch::FinIsDeparture)
    ),
    case!(
        "fin-after-body",
        "A client that closes its sending side after a body gets its answer",
        ["REQ-EXCH-09"],
        |talk| {
            let mut wire = talk.connect()?;
            let script = "read; gate g; respond hello";
            wire.send(&message("POST", script, "Content-Length: 5\r\n", "hello"))?;
            fin(talk, &mut wire)?;
            wire.response()?.body("hello")
        },
        Violation::switch("takes it for a departure", Switch::FinIsDeparture)
    ),
    case!(
        "fin-before-body-is-read",
        "A client that closes its sending side has its body read to the end",
        ["REQ-EXCH-09"],
        |talk| {
            let mut wire = talk.connect()?;
            let script = "gate g; start; echo; finish";
            wire.send(&message("POST", script, "Content-Length: 5\r\n", "hello"))?;
            fin(talk, &mut wire)?;
            wire.response()?.body("hello")
        },
        Violation::script("takes it for a departure", |script| script.replace("echo", "panic"))
    ),
    case!(
        "fin-while-streaming",
        "A client that closes its sending side gets the rest of its response",
        ["REQ-EXCH-09"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("start; write a; flush; gate g; write b; finish"))?;
            wire.head()?;
            wire.body(1)?;
            fin(talk, &mut wire)?;
            wire.rest()?.body("ab")
        },
        Violation::switch("takes it for a departure", Switch::FinIsDeparture)
    ),
    case!(
        "fin-after-pipelined",
        "A client that closes its sending side after two requests gets both answers",
        ["REQ-EXCH-09"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&format!("{}{}", get("gate g; respond one"), get("respond two")))?;
            fin(talk, &mut wire)?;
            wire.response()?.body("one")?;
            wire.response()?.body("two")
        },
        Violation::switch("drops what is pipelined", Switch::DropsPipelined)
    ),
    case!(
        "fin-of-http10",
        "An HTTP/1.0 client that closes its sending side gets its answer",
        ["REQ-EXCH-09"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(
                &get("gate g; start; write a; flush; write b; finish").replace("1.1", "1.0"),
            )?;
            fin(talk, &mut wire)?;
            wire.response()?.body("ab")
        },
        Violation::switch("takes it for a departure", Switch::FinIsDeparture)
    ),
];

/// What REQ-CAP-07 allows, and the way of the news to the suite.
const ALLOWED: Duration = Duration::from_millis(150);

/// A reset of the connection that sent this, once its application waits, drops the application.
fn drops(talk: &mut Talk<'_>, request: &str) -> Held {
    dropped(talk, |talk| {
        let mut wire = talk.connect()?;
        wire.send(request)?;
        talk.await_event("waiting")?;
        Ok(wire)
    })
}

/// A reset of this connection drops its application in time.
///
/// A busy machine can be late once; a server that is late is late each time.
fn dropped(talk: &mut Talk<'_>, begin: impl Fn(&mut Talk<'_>) -> Held<Wire>) -> Held {
    let mut quickest = Duration::MAX;
    for round in 1..=3 {
        talk.turn_page();
        let wire = begin(talk)?;
        talk.await_event("called")?;
        let began = Instant::now();
        wire.reset();
        talk.await_event("dropped")?;
        quickest = quickest.min(began.elapsed());
        if quickest <= ALLOWED {
            return Ok(());
        }
        talk.note(&format!("dropped after {quickest:?} in round {round}"));
    }
    check(
        quickest <= ALLOWED,
        "the application to be dropped within 100 ms, in one of three rounds",
        format!("it was dropped after {quickest:?}"),
    )
}

/// Closes the sending side, lets the server see it, and opens the gate.
fn fin(talk: &mut Talk<'_>, wire: &mut Wire) -> Held {
    talk.await_event("called")?;
    wire.finish_sending();
    wire.quiet("the connection to stay as it is while the application waits")?;
    talk.open_gate("g")
}
