//! HTTP/2: streams that fail, that are left, and that have neighbours.
//!
//! Rules of this room: by requirement; that a connection goes on is shown by a plain request on it, that a neighbour does by its own
//! response.

use std::time::{Duration, Instant};

use super::http2_moves::{begin, but, control, flaw, get, h2, message, with};
use crate::http2::{code, setting};
use crate::server::application::SuiteApplication;
use crate::server::case::{Case, Need};
use crate::server::failure::{Failure, Held, Of, check};
use crate::server::talk::Talk;
use crate::server::wire::{Ended, Http2};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-H2-14
    h2!(
        "h2-abort-after-error",
        "A response whose application fails after the commit ends with RST_STREAM",
        ["REQ-H2-14"],
        |talk| aborted(talk, "start; write part; flush; error application"),
        flaw!("ends it as if it were complete", AbortEnds)
    ),
    h2!(
        "h2-abort-after-panic",
        "A response whose application panics after the commit ends with RST_STREAM",
        ["REQ-H2-14"],
        |talk| aborted(talk, "start; write part; flush; panic"),
        flaw!("leaves it open", AbortHangs)
    ),
    h2!(
        "h2-abort-code",
        "The code of an aborted response is not NO_ERROR",
        ["REQ-H2-14"],
        |talk| aborted(talk, "start; write part; flush; drop-writer"),
        flaw!("says NO_ERROR", AbortNoError)
    ),
    h2!(
        "h2-abort-of-short-content",
        "A response that falls short of its declared length ends with RST_STREAM",
        ["REQ-H2-14"],
        |talk| aborted(talk, "field content-length=10; start; write part; flush; finish"),
        flaw!("says NO_ERROR", AbortNoError)
    ),
    h2!(
        "h2-abort-after-finish",
        "A response whose application fails after finish() ends with RST_STREAM",
        ["REQ-H2-14"],
        |talk| aborted(talk, "start; write part; flush; finish; error application"),
        flaw!("ends it as if it were complete", AbortEnds)
    ),
    h2!(
        "h2-error-before-commit",
        "An application that fails before the commit is answered with 500 on its stream",
        ["REQ-ERR-05"],
        |talk| {
            let mut http2 = begin(talk)?;
            let stream = http2.open(&get("panic"), true)?;
            http2.response(stream)?.status(500)?;
            control(&mut http2)
        },
        flaw!("aborts", AbortsForErrors)
    ),
    // REQ-H2-15
    h2!(
        "h2-abort-keeps-connection",
        "The connection and its other streams outlive an aborted response",
        ["REQ-H2-15"],
        |talk| {
            let mut http2 = begin(talk)?;
            let waiting = http2.open(&get("gate g; respond waited"), true)?;
            talk.await_event("called").control()?;
            abort_on(&mut http2, "start; write part; flush; error application")?;
            control(&mut http2)?;
            talk.open_gate("g").control()?;
            http2.response(waiting)?.body("waited")
        },
        flaw!("ends the connection", AbortCloses)
    ),
    // REQ-H2-16
    h2!(
        "h2-reset-while-waiting",
        "RST_STREAM drops an application that waits",
        ["REQ-H2-16", "REQ-CAP-07"],
        |talk| dropped(talk, |http2| http2.open(&get("note waiting; wait-for-ever"), true)),
        flaw!("goes on", NoDeparture)
    ),
    h2!(
        "h2-reset-after-head",
        "RST_STREAM drops an application that waits after its head was sent",
        ["REQ-H2-16", "REQ-CAP-07"],
        |talk| dropped(talk, |http2| {
            let script = "start; write a; flush; note waiting; wait-for-ever";
            let stream = http2.open(&get(script), true)?;
            http2.body(stream, 1)?;
            Ok(stream)
        }),
        flaw!("goes on", NoDeparture)
    ),
    h2!(
        "h2-reset-while-reading",
        "RST_STREAM drops an application that reads the body",
        ["REQ-H2-16", "REQ-CAP-07"],
        |talk| dropped(talk, |http2| {
            let script = "read-chunk; note waiting; try read; wait-for-ever";
            let stream = http2.open(&message("POST", script), false)?;
            http2.data(stream, b"hello", false)?;
            Ok(stream)
        }),
        flaw!("goes on", NoDeparture)
    ),
    h2!(
        "h2-reset-while-writing",
        "RST_STREAM drops an application that waits for the window",
        ["REQ-H2-16", "REQ-CAP-07"],
        |talk| dropped(talk, |http2| {
            http2.keep_windows();
            let script = "start; note waiting; pump 64 65536; wait-for-ever";
            let stream = http2.open(&get(script), true)?;
            http2.body(stream, 1)?;
            Ok(stream)
        }),
        flaw!("goes on", NoDeparture)
    ),
    h2!(
        "h2-reset-of-one",
        "RST_STREAM leaves the neighbours of its stream alone",
        ["REQ-H2-16"],
        |talk| {
            let mut http2 = begin(talk)?;
            let other = http2.open(&get("start; write a; flush; gate g; write b; finish"), true)?;
            http2.body(other, 1)?;
            let left = http2.open(&get("note waiting; wait-for-ever"), true)?;
            talk.await_event("waiting").control()?;
            http2.reset(left, code::CANCEL)?;
            http2.ping()?;
            talk.await_event("dropped")?;
            talk.open_gate("g").control()?;
            http2.response(other)?.body("ab")?;
            control(&mut http2)
        },
        flaw!("cancels them all", ResetCancelsAll)
    ),
    // REQ-H2-17
    h2!(
        "h2-waiting-exchange",
        "An exchange that waits holds up no other one",
        ["REQ-H2-17"],
        |talk| {
            let mut http2 = begin(talk)?;
            let waiting = http2.open(&get("gate g; respond waited"), true)?;
            talk.await_event("called").control()?;
            for _ in 0..3 {
                control(&mut http2)?;
            }
            talk.open_gate("g").control()?;
            http2.response(waiting)?.body("waited")
        },
        flaw!("serves one stream at a time", OneAtATime)
    ),
    h2!(
        "h2-waiting-for-body",
        "An exchange that waits for content holds up no other one",
        ["REQ-H2-17"],
        |talk| {
            let mut http2 = begin(talk)?;
            let reading = http2.open(&message("POST", "start; echo; finish"), false)?;
            talk.await_event("called").control()?;
            control(&mut http2)?;
            http2.data(reading, b"hello", true)?;
            http2.response(reading)?.body("hello")
        },
        flaw!("serves one stream at a time", OneAtATime)
    ),
    h2!(
        "h2-unread-body-of-neighbour",
        "Content that nobody reads holds up no other stream's content",
        ["REQ-H2-17"],
        |talk| {
            let mut http2 = begin(talk)?;
            http2.acknowledged(1)?;
            let unread = http2.open(&message("POST", "gate g; read; respond read"), false)?;
            talk.await_event("called").control()?;
            // Half of the window that streams have at first.
            http2.data(unread, &vec![b'x'; 32_000], false)?;
            let script = "start; echo; finish";
            let echo = http2.open(&but(message("POST", script), "x-tag", "{tag}.other"), false)?;
            http2.data(echo, b"hello", true)?;
            http2.response(echo)?.body("hello")?;
            talk.open_gate("g").control()?;
            http2.data(unread, b"", true)?;
            http2.response(unread)?.body("read")
        },
        flaw!("serves one stream at a time", OneAtATime)
    ),
    // REQ-H2-18
    h2!(
        "h2-unread-body",
        "A response is complete although the content of its request was not read, and has not ended",
        ["REQ-H2-18"],
        |talk| unread(talk, b""),
        flaw!("waits for the end of the content", WaitsForBody)
    ),
    h2!(
        "h2-unread-body-under-way",
        "A response is complete although content of its request is under way",
        ["REQ-H2-18"],
        |talk| unread(talk, &[b'x'; 40_000]),
        flaw!("resets the stream before", UnreadResets)
    ),
    h2!(
        "h2-unread-body-keeps-connection",
        "The connection outlives content that was not read",
        ["REQ-H2-18"],
        |talk| unread(talk, b"some of it"),
        flaw!("ends the connection", UnreadCloses)
    ),
    // REQ-H2-19
    h2!(
        "h2-stream-limit",
        "The server announces how many streams it takes at a time",
        ["REQ-H2-19"],
        |talk| {
            let http2 = begin(talk)?;
            let limit = http2.peer.settings.get(&setting::MAX_CONCURRENT_STREAMS);
            check(limit.is_some(), "SETTINGS_MAX_CONCURRENT_STREAMS", "settings without it")
        },
        flaw!("announces none", NoStreamLimit)
    ),
    // REQ-H2-20
    Case {
        id: "h2-goaway",
        title: "A server that is told to stop says GOAWAY",
        requirements: &["REQ-H2-20"],
        needs: Need::Launch,
        talk: stopped,
        violation: flaw!("says nothing", NoGoaway),
    },
    Case {
        id: "h2-goaway-completes",
        title: "A server that is told to stop completes the streams that it accepted",
        requirements: &["REQ-H2-20"],
        needs: Need::Launch,
        talk: stopped,
        violation: flaw!("cuts them", GoawayCuts),
    },
];

/// A response on a new connection is aborted.
fn aborted(talk: &mut Talk<'_>, script: &str) -> Held {
    let mut http2 = begin(talk)?;
    abort_on(&mut http2, script)
}

/// What was written arrives, and then RST_STREAM with a code that tells of a failure.
fn abort_on(http2: &mut Http2, script: &str) -> Held {
    let stream = http2.open(&get(script), true)?;
    http2.head(stream)?.status(200)?;
    let (ended, body) = http2.ended(stream)?;
    let expected = "RST_STREAM with a code other than NO_ERROR, and no END_STREAM";
    let fails = matches!(ended, Ended::Reset(why) if why != code::NO_ERROR);
    check(fails, expected, format!("{ended:?}"))?;
    check(b"part".starts_with(&body), "no other content than was written", body.len())
}

/// What REQ-CAP-07 allows, and the way of the news to the suite.
const ALLOWED: Duration = Duration::from_millis(150);

/// A stream that is reset once its application waits drops the application, in time where the server promises that.
fn dropped(talk: &mut Talk<'_>, begins: impl Fn(&mut Http2) -> Held<u32>) -> Held {
    let mut quickest = Duration::MAX;
    for round in 1..=3 {
        let mut http2 = begin(talk)?;
        let stream = begins(&mut http2)?;
        talk.await_events("waiting", round).control()?;
        let began = Instant::now();
        http2.reset(stream, code::CANCEL)?;
        talk.await_events("dropped", round)?;
        quickest = quickest.min(began.elapsed());
        control(&mut http2).of("REQ-H2-16")?;
        if quickest <= ALLOWED || !talk.subject().declares("departure-prompt") {
            return Ok(());
        }
    }
    let expected = "the application to be dropped within 100 ms, in one of three rounds";
    Err(Failure::new(expected, format!("it was dropped after {quickest:?}"))).of("REQ-CAP-07")
}

/// A request whose content does not end is answered, and the connection goes on.
fn unread(talk: &mut Talk<'_>, sent: &[u8]) -> Held {
    let mut http2 = begin(talk)?;
    let fields = with(message("POST", "respond hello"), &[("content-length", "100000")]);
    let stream = http2.open(&fields, false)?;
    if !sent.is_empty() {
        http2.data(stream, sent, false)?;
    }
    http2.response(stream)?.body("hello")?;
    http2.ping()?;
    // The rest, or the end of it, may be under way when the server says that it does not want it.
    http2.data(stream, b"more of it", false)?;
    control(&mut http2)
}

/// A server that is told to stop while a stream waits.
fn stopped(talk: &mut Talk<'_>) -> Held {
    if !talk.subject().declares("http2") {
        return Err(Failure::skip("the server does not declare the capability `http2`"));
    }
    let application = SuiteApplication::new();
    let ledger = application.ledger().clone();
    let running = talk.launch(application)?;
    let tag = talk.tag().to_owned();
    let mut http2 = begin(talk)?;
    let waiting = http2.open(&get("gate g; respond waited"), true)?;
    talk.await_event("called").control()?;
    let grace = talk.deadline();
    std::thread::scope(|scope| {
        let stop = scope.spawn(move || running.stop(grace));
        let result = (|| {
            let (last, why) = http2.await_goaway()?;
            check(why == code::NO_ERROR, "GOAWAY with NO_ERROR", format!("code {why}"))?;
            check(last >= waiting, "the accepted stream among those to be served", last)?;
            ledger.open(&tag, "g");
            http2.response(waiting)?.body("waited")
        })();
        // However it went, the server is to end.
        ledger.open(&tag, "g");
        drop(http2);
        let in_time = stop.join().ok().flatten();
        result?;
        check(in_time != Some(false), "the server to stop in time", "the period of grace ran out")
    })
}
