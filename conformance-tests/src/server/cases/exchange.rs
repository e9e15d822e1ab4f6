//! Chapter "The exchange": who is called, who waits for whom, and what the end of a response waits for.

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, get, message};
use crate::server::wire::Wire;

use super::errors_after_commit::is_cut;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-EXCH-01: one call for one request.
    case!(
        "called-once",
        "The application is called once for a request",
        ["REQ-EXCH-01"],
        |talk| calls(talk, "GET", "respond hello", ""),
        Violation::switch("calls it twice", Switch::CallsTwice)
    ),
    case!(
        "called-once-with-body",
        "The application is called once for a request with a body",
        ["REQ-EXCH-01"],
        |talk| calls(talk, "POST", "read; respond hello", "hello"),
        Violation::switch("calls it twice", Switch::CallsTwice)
    ),
    case!(
        "not-called-again-after-error",
        "A request whose application failed is not given to it again",
        ["REQ-EXCH-01"],
        |talk| calls(talk, "GET", "error application 503", ""),
        Violation::switch("calls it twice", Switch::CallsTwice)
    ),
    case!(
        "not-called-again-after-panic",
        "A request whose application panicked is not given to it again",
        ["REQ-EXCH-01"],
        |talk| calls(talk, "GET", "panic", ""),
        Violation::switch("calls it twice", Switch::CallsTwice)
    ),
    case!(
        "called-for-each-request",
        "The application is called once for each request on a connection",
        ["REQ-EXCH-01"],
        |talk| {
            let mut wire = talk.connect()?;
            (0..3).try_for_each(|_| wire.request(&get("respond hello"))?.body("hello"))?;
            talk.called(3)
        },
        Violation::switch("calls it twice", Switch::CallsTwice)
    ),
    // REQ-EXCH-02: nobody is held up.
    case!(
        "waiting-application-holds-up-nobody",
        "An application that waits does not hold up another connection",
        ["REQ-EXCH-02"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("gate g; respond slow"))?;
            talk.answer("respond quick")?.body("quick")?;
            talk.open_gate("g")?;
            wire.response()?.body("slow")
        },
        Violation::switch("serves one connection at a time", Switch::OneAtATime)
    ),
    case!(
        "many-waiting-hold-up-nobody",
        "Sixty-four applications that wait do not hold up another connection",
        ["REQ-EXCH-02"],
        |talk| {
            let mut waiting = Vec::new();
            for _ in 0..64 {
                let mut wire = talk.connect()?;
                wire.send(&get("gate g; respond slow"))?;
                waiting.push(wire);
            }
            talk.answer("respond quick")?.body("quick")?;
            talk.open_gate("g")?;
            waiting.iter_mut().try_for_each(|wire| wire.response()?.body("slow"))
        },
        Violation::switch("serves one connection at a time", Switch::OneAtATime)
    ),
    case!(
        "slow-upload-holds-up-nobody",
        "An application that waits for its client does not hold up another connection",
        ["REQ-EXCH-02"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&message("POST", "read; respond slow", "Content-Length: 5\r\n", "he"))?;
            talk.answer("respond quick")?.body("quick")?;
            wire.send("llo")?;
            wire.response()?.body("slow")
        },
        Violation::switch("serves one connection at a time", Switch::OneAtATime)
    ),
    case!(
        "slow-reader-holds-up-nobody",
        "A client that does not read does not hold up another connection",
        ["REQ-EXCH-02"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.shrink_receive_buffer();
            wire.send(&get("start; pump 1024 65536; finish"))?;
            wire.head()?.status(200)?;
            talk.answer("respond quick")?.body("quick")?;
            wire.reset();
            Ok(())
        },
        Violation::switch("serves one connection at a time", Switch::OneAtATime)
    ),
    // REQ-EXCH-03: the future is driven to its end.
    case!(
        "work-after-finish",
        "What an application does after finish() is carried out",
        ["REQ-EXCH-03"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("start; write a; flush; finish; gate g; note worked"))?;
            wire.head()?;
            wire.body(1)?;
            talk.open_gate("g")?;
            talk.await_event("worked")?;
            wire.rest()?.body("a")
        },
        Violation::switch("drops the application when all content was sent", Switch::DropsEarly)
    ),
    case!(
        "work-after-respond",
        "What an application does after respond() is carried out",
        ["REQ-EXCH-03"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("respond a; gate g; note worked"))?;
            talk.open_gate("g")?;
            wire.response()?.body("a")?;
            talk.await_event("worked").map(drop)
        },
        Violation::script("drops the application when it has its answer", |script| {
            script.replace("; gate g; note worked", "")
        })
    ),
    // REQ-EXCH-04: tokens in other hands.
    case!(
        "answered-from-thread",
        "An application may answer from another thread",
        ["REQ-EXCH-04"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("thread; gate g; respond hello"))?;
            talk.await_event("called")?;
            wire.quiet("nothing before the application has answered")?;
            talk.open_gate("g")?;
            wire.response()?.body("hello")
        },
        Violation::switch("does not hear a wake-up from there", Switch::NoForeignWake)
    ),
    case!(
        "written-from-thread",
        "An application may write its body from another thread",
        ["REQ-EXCH-04"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("start; thread; write a; flush; gate g; write b; finish"))?;
            wire.head()?.status(200)?;
            wire.body(1)?;
            wire.quiet("nothing before the application has written on")?;
            talk.open_gate("g")?;
            wire.rest()?.body("ab")
        },
        Violation::switch("does not hear a wake-up from there", Switch::NoForeignWake)
    ),
    case!(
        "much-written-from-thread",
        "Backpressure reaches a writer on another thread and lets it go on",
        ["REQ-EXCH-04"],
        |talk| {
            let response = talk.answer("start; thread; pump 64 65536; finish")?;
            let length = response.body.len();
            check(length == 64 * 65_536, "4 MiB of content", format!("{length} octets"))
        },
        Violation::switch("does not hear a wake-up from there", Switch::NoForeignWake)
    ),
    case!(
        "read-on-thread",
        "An application may read the body on another thread",
        ["REQ-EXCH-04"],
        |talk| {
            let mut wire = talk.connect()?;
            let script = "thread; read-chunk; note seen; read; respond done";
            wire.send(&message("POST", script, "Content-Length: 5\r\n", ""))?;
            talk.await_event("called")?;
            wire.quiet("nothing before the body has come")?;
            wire.send("he")?;
            talk.await_event("seen")?;
            wire.quiet("nothing before the body has come")?;
            wire.send("llo")?;
            wire.response()?.body("done")
        },
        Violation::switch("reads on its own thread only", Switch::ReadsAtHome)
    ),
    // REQ-EXCH-05: the end waits for the return.
    case!(
        "end-waits-for-return",
        "The end of a chunked response waits for the application's return",
        ["REQ-EXCH-05"],
        |talk| end_waits(talk, "start; write a; flush; finish; note finished; gate g"),
        Violation::switch("ends it when the application waits", Switch::EndsWhenPending)
    ),
    case!(
        "end-waits-for-return-with-length",
        "The last byte of a response of declared length waits for the application's return",
        ["REQ-EXCH-05"],
        |talk| end_waits(
            talk,
            "field content-length=2; start; write a; flush; write b; finish; note finished; gate g"
        ),
        Violation::script("sends it at once", |script| script.replace("; gate g", ""))
    ),
    case!(
        "end-waits-for-return-of-http10",
        "The end of a response to HTTP/1.0 waits for the application's return",
        ["REQ-EXCH-05"],
        |talk| {
            let mut wire = talk.connect()?;
            let script = "start; write a; flush; finish; note finished; gate g";
            wire.send(&get(script).replace("HTTP/1.1", "HTTP/1.0"))?;
            end_comes_with_gate(talk, &mut wire)
        },
        Violation::script("closes at once", |script| script.replace("; gate g", ""))
    ),
    case!(
        "answer-waits-for-return",
        "An answer in one piece waits for the application's return",
        ["REQ-EXCH-05"],
        |talk| answer_waits(talk, "respond a; note finished; gate g"),
        Violation::switch("sends its head at once", Switch::HeadFirst)
    ),
    case!(
        "forwarded-waits-for-return",
        "A forwarded response waits for the application's return",
        ["REQ-EXCH-05"],
        |talk| answer_waits(talk, "forward data=a; note finished; gate g"),
        Violation::switch("sends its head at once", Switch::HeadFirst)
    ),
    // REQ-EXCH-06: the proof of somebody else.
    case!(
        "foreign-finished-is-500",
        "The Finished of another exchange is answered 500",
        ["REQ-EXCH-06"],
        |talk| becomes_500(talk, "foreign-finished"),
        Violation::script("takes it", |script| script.replace("foreign-finished", "respond inner"))
    ),
    case!(
        "foreign-finished-is-no-answer",
        "The Finished of another exchange does not stand for an answer that was given",
        ["REQ-EXCH-06"],
        |talk| becomes_500(talk, "respond own; foreign-finished"),
        Violation::script("takes it", |script| script.replace("; foreign-finished", ""))
    ),
    case!(
        "foreign-finished-is-cut",
        "The Finished of another exchange aborts a response that was committed",
        ["REQ-EXCH-06"],
        |talk| is_cut(talk, "start; write abc; flush; finish; foreign-finished"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    // REQ-EXCH-07: a failure after finish().
    case!(
        "error-after-respond-is-500",
        "An error after respond() is answered 500",
        ["REQ-EXCH-07"],
        |talk| becomes_500(talk, "respond a; error application"),
        Violation::script("sends the answer", |script| script.replace("; error application", ""))
    ),
    case!(
        "panic-after-respond-is-500",
        "A panic after respond() is answered 500",
        ["REQ-EXCH-07"],
        |talk| becomes_500(talk, "respond a; panic"),
        Violation::script("sends the answer", |script| script.replace("; panic", ""))
    ),
    case!(
        "error-after-forward-is-500",
        "An error after forward() is answered 500",
        ["REQ-EXCH-07"],
        |talk| becomes_500(talk, "forward data=a; error application"),
        Violation::script("sends the answer", |script| script.replace("; error application", ""))
    ),
    case!(
        "error-after-finish-is-500",
        "An error after finish() is answered 500 where nothing was committed",
        ["REQ-EXCH-07"],
        |talk| becomes_500(talk, "start; finish; error application"),
        Violation::script("sends the answer", |script| script.replace("; error application", ""))
    ),
    case!(
        "error-after-finish-is-cut",
        "An error after finish() aborts a response that was committed",
        ["REQ-EXCH-07"],
        |talk| is_cut(talk, "start; write abc; flush; finish; error application"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    case!(
        "panic-after-finish-is-cut",
        "A panic after finish() aborts a response that was committed",
        ["REQ-EXCH-07"],
        |talk| is_cut(talk, "start; write abc; flush; finish; panic"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    case!(
        "late-error-after-finish-is-cut",
        "An error long after finish() aborts a response that was committed",
        ["REQ-EXCH-07"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("start; write abc; flush; finish; gate g; error application"))?;
            wire.head()?.status(200)?;
            wire.body(3)?;
            talk.open_gate("g")?;
            let (ending, _) = wire.cut_or_complete()?;
            check(ending.is_some(), "a response that is visibly cut", "a complete one")
        },
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
];

fn calls(talk: &mut Talk<'_>, method: &str, script: &str, body: &str) -> Held {
    let length = format!("Content-Length: {}\r\n", body.len());
    let fields = if body.is_empty() { "" } else { &length };
    talk.request(&message(method, script, fields, body))?;
    talk.await_event("called")?;
    talk.called(1)
}

fn end_waits(talk: &mut Talk<'_>, script: &str) -> Held {
    let mut wire = talk.connect()?;
    wire.send(&get(script))?;
    end_comes_with_gate(talk, &mut wire)
}

/// The first octet is there, the end is not before the gate is open.
fn end_comes_with_gate(talk: &mut Talk<'_>, wire: &mut Wire) -> Held {
    wire.head()?.status(200)?;
    let first = wire.body(1)?;
    check(first == b"a", "the octet a", crate::server::wire::escape(&first))?;
    talk.await_event("finished")?;
    wire.quiet("no end of the message before the application has returned")?;
    talk.open_gate("g")?;
    let rest = wire.rest()?;
    check(rest.body.starts_with(b"a"), "a whole response", "another")
}

fn answer_waits(talk: &mut Talk<'_>, script: &str) -> Held {
    let mut wire = talk.connect()?;
    wire.send(&get(script))?;
    talk.await_event("finished")?;
    wire.quiet("nothing of the answer before the application has returned")?;
    talk.open_gate("g")?;
    wire.response()?.body("a")
}

/// The script is answered 500, and an answer without its flaw is not.
fn becomes_500(talk: &mut Talk<'_>, script: &str) -> Held {
    talk.answer("respond a")?.status(200).control()?;
    let response = talk.play(script)?;
    response.status(500)?;
    check(
        !response.is_of_application(),
        "an error response of the server's own",
        "a response of the application",
    )
}
