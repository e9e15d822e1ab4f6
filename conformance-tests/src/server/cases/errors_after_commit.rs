//! Chapter "Errors", after the commit: a failure cuts the response off, and nobody else.

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, get, message};
use crate::server::wire::{Ending, Framing, escape};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-ERR-07 to 10: the response is cut.
    case!(
        "error-after-commit-is-cut",
        "An error after the commit cuts a chunked response",
        ["REQ-ERR-07"],
        |talk| is_cut(talk, "start; write abc; flush; error application"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    case!(
        "error-after-commit-is-cut-with-length",
        "An error after the commit cuts a response of declared length",
        ["REQ-ERR-07"],
        |talk| is_cut(talk, "field content-length=9; start; write abc; flush; error application"),
        Violation::switch("fills it up", Switch::CompletesAborted)
    ),
    case!(
        "client-fault-after-commit-is-cut",
        "A client fault after the commit cuts the response like any other",
        ["REQ-ERR-07"],
        |talk| is_cut(talk, "start; write abc; flush; error client 404"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    case!(
        "error-after-empty-commit-is-cut",
        "An error after a head without a byte of content cuts the response",
        ["REQ-ERR-07"],
        |talk| is_cut(talk, "start; flush; error application"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    case!(
        "late-error-is-cut",
        "An error long after the commit cuts the response",
        ["REQ-ERR-07"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("start; write abc; gate g; error application"))?;
            wire.head()?.status(200)?;
            wire.body(3)?;
            talk.open_gate("g")?;
            let (ending, _) = wire.cut_or_complete()?;
            check(ending.is_some(), "a response that is visibly cut", "a complete one")
        },
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    case!(
        "error-on-thread-is-cut",
        "An error after the commit, returned by another thread, cuts the response",
        ["REQ-ERR-07"],
        |talk| is_cut(talk, "start; thread; write abc; flush; error application"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    case!(
        "panic-after-commit-is-cut",
        "A panic after the commit cuts a chunked response",
        ["REQ-ERR-08"],
        |talk| is_cut(talk, "start; write abc; flush; panic"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    case!(
        "panic-after-commit-is-cut-with-length",
        "A panic after the commit cuts a response of declared length",
        ["REQ-ERR-08"],
        |talk| is_cut(talk, "field content-length=9; start; write abc; flush; panic"),
        Violation::switch("fills it up", Switch::CompletesAborted)
    ),
    case!(
        "forwarded-error-is-cut",
        "The error of a forwarded body cuts the response",
        ["REQ-ERR-09"],
        |talk| is_cut(talk, "forward data=abc then=error"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    case!(
        "forwarded-error-is-cut-with-length",
        "The error of a forwarded body cuts a response of declared length",
        ["REQ-ERR-09"],
        |talk| is_cut(talk, "field content-length=9; forward data=abc then=error"),
        Violation::switch("fills it up", Switch::CompletesAborted)
    ),
    case!(
        "forwarded-panic-is-cut",
        "The panic of a forwarded body cuts the response",
        ["REQ-ERR-09"],
        |talk| is_cut(talk, "forward data=abc then=panic"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    case!(
        "http10-cut-is-reset",
        "A response to HTTP/1.0 without a length is cut by a reset",
        ["REQ-ERR-10"],
        |talk| is_reset(talk, "start; write abc; flush; error application"),
        Violation::switch("closes in order", Switch::OrderlyAbort)
    ),
    case!(
        "http10-panic-is-reset",
        "A response to HTTP/1.0 without a length is cut by a reset after a panic",
        ["REQ-ERR-10"],
        |talk| is_reset(talk, "start; write abc; flush; panic"),
        Violation::switch("closes in order", Switch::OrderlyAbort)
    ),
    case!(
        "http10-forwarded-cut-is-reset",
        "A forwarded response to HTTP/1.0 without a length is cut by a reset",
        ["REQ-ERR-10"],
        |talk| is_reset(talk, "forward data=abc then=error"),
        Violation::switch("closes in order", Switch::OrderlyAbort)
    ),
    // REQ-ERR-11: no second head.
    case!(
        "no-error-response-after-commit",
        "No error response follows the commit",
        ["REQ-ERR-11"],
        |talk| brings_only(talk, "start; write abc; flush; error client 404", "abc"),
        Violation::switch("sends one", Switch::ErrorAfterCommit)
    ),
    case!(
        "no-error-response-after-length",
        "No error response follows the commit of a response of declared length",
        ["REQ-ERR-11"],
        |talk| brings_only(
            talk,
            "field content-length=900; start; write abc; flush; error client 404",
            "abc"
        ),
        Violation::switch("sends one", Switch::ErrorAfterCommit)
    ),
    case!(
        "no-error-response-after-panic",
        "No error response follows the commit when the application panics",
        ["REQ-ERR-11"],
        |talk| brings_only(talk, "start; write abc; flush; panic", "abc"),
        Violation::switch("sends one", Switch::ErrorAfterCommit)
    ),
    // REQ-ERR-12: what was taken is sent.
    case!(
        "bytes-before-error-are-sent",
        "The bytes before an error are sent",
        ["REQ-ERR-12"],
        |talk| brings_all(talk, "start; write abc; flush; error application"),
        Violation::switch("drops them", Switch::DropsBeforeAbort)
    ),
    case!(
        "bytes-before-panic-are-sent",
        "The bytes before a panic are sent",
        ["REQ-ERR-12"],
        |talk| brings_all(talk, "start; write abc; flush; panic"),
        Violation::switch("drops them", Switch::DropsBeforeAbort)
    ),
    case!(
        "bytes-before-forwarded-error-are-sent",
        "The bytes before the error of a forwarded body are sent",
        ["REQ-ERR-12"],
        |talk| brings_all(talk, "forward data=abc then=error"),
        Violation::switch("drops them", Switch::DropsBeforeAbort)
    ),
    // REQ-ERR-13: the neighbours.
    case!(
        "neighbour-of-panic",
        "An exchange that waits is not disturbed by a panic in another",
        ["REQ-ERR-13"],
        |talk| neighbour(talk, "panic"),
        Violation::switch("stops serving", Switch::PanicStopsServer)
    ),
    case!(
        "neighbour-of-many-panics",
        "Twenty panics one after another leave the server serving",
        ["REQ-ERR-13"],
        |talk| {
            for _ in 0..20 {
                talk.play("panic")?.status(500)?;
            }
            talk.answer("respond hello")?.body("hello")
        },
        Violation::switch("stops serving", Switch::PanicStopsServer)
    ),
    case!(
        "neighbour-of-cut",
        "An exchange that waits is not disturbed by a response that is cut",
        ["REQ-ERR-13"],
        |talk| neighbour(talk, "start; write abc; flush; panic"),
        Violation::switch("stops serving", Switch::FailureStopsServer)
    ),
    case!(
        "neighbour-of-callback-panic",
        "An exchange that waits is not disturbed by a panic in a callback of another",
        ["REQ-ERR-13"],
        |talk| neighbour(talk, "complete-panic; error application"),
        Violation::switch("stops serving", Switch::FailureStopsServer)
    ),
    // REQ-ERR-14: the connection stays.
    case!(
        "kept-after-client-fault",
        "The connection stays open after a client fault",
        ["REQ-ERR-14"],
        |talk| stays(talk, "GET", "error client 404", ""),
        Violation::switch("closes it", Switch::ClosesAfterError)
    ),
    case!(
        "kept-after-application-fault",
        "The connection stays open after an application fault",
        ["REQ-ERR-14"],
        |talk| stays(talk, "GET", "error application", ""),
        Violation::switch("closes it", Switch::ClosesAfterError)
    ),
    case!(
        "kept-after-panic",
        "The connection stays open after a panic",
        ["REQ-ERR-14"],
        |talk| stays(talk, "GET", "panic", ""),
        Violation::switch("closes it", Switch::ClosesAfterError)
    ),
    case!(
        "kept-after-error-with-body",
        "The connection stays open after a failure whose request body was read",
        ["REQ-ERR-14"],
        |talk| stays(talk, "POST", "read; error application", "hello"),
        Violation::switch("closes it", Switch::ClosesAfterError)
    ),
];

/// The response begins well and is not complete; the same without its flaw is.
pub(super) fn is_cut(talk: &mut Talk<'_>, script: &str) -> Held {
    talk.answer("start; write abc; flush; finish")?.body("abc").control()?;
    let mut wire = talk.connect()?;
    wire.send(&get(script))?;
    let head = wire.head()?;
    head.status(200)?;
    let (ending, body) = wire.cut_or_complete()?;
    let by_close = head.framing == Framing::Close && ending != Some(Ending::Reset);
    check(ending.is_some() && !by_close, "a response that is visibly cut", "a complete one")?;
    // With a reset nobody can promise that all of it arrives.
    check(b"abc".starts_with(&body), "no more than \"abc\"", escape(&body))
}

fn is_reset(talk: &mut Talk<'_>, script: &str) -> Held {
    let ten = |script: &str| get(script).replace("HTTP/1.1", "HTTP/1.0");
    talk.request(&ten("start; write abc; flush; finish"))?.body("abc").control()?;
    let mut wire = talk.connect()?;
    wire.send(&ten(script))?;
    let head = wire.head()?;
    head.status(200)?;
    let (ending, _) = wire.cut_or_complete()?;
    let cut = match head.framing {
        Framing::Close => ending == Some(Ending::Reset),
        _ => ending.is_some(),
    };
    check(cut, "a reset of the connection", "an orderly end, as after a complete response")
}

/// What comes after the head is a part of this content, and the connection ends.
fn brings_only(talk: &mut Talk<'_>, script: &str, content: &str) -> Held {
    talk.play("error client 404")?.status(404).control()?;
    let mut wire = talk.connect()?;
    wire.send(&get(script))?;
    wire.head()?.status(200)?;
    let (_, body) = wire.cut_or_complete()?;
    check(
        content.as_bytes().starts_with(&body),
        format!("no more than \"{content}\""),
        format!("\"{}\"", escape(&body)),
    )?;
    wire.ended().map(drop)
}

fn brings_all(talk: &mut Talk<'_>, script: &str) -> Held {
    let mut wire = talk.connect()?;
    wire.send(&get(script))?;
    wire.head()?.status(200)?;
    let (ending, body) = wire.cut_or_complete()?;
    check(ending.is_some(), "a response that is visibly cut", "a complete one").control()?;
    check(body == b"abc", "\"abc\" before the cut", format!("\"{}\"", escape(&body)))
}

/// An exchange that waits and one that begins are served whatever becomes of this script.
fn neighbour(talk: &mut Talk<'_>, script: &str) -> Held {
    let mut waiting = talk.connect()?;
    waiting.send(&get("gate g; respond neighbour"))?;
    talk.await_event("called")?;
    let mut wire = talk.connect()?;
    wire.send(&get(script))?;
    let _ = wire.any_head("HEAD");
    talk.answer("respond hello")?.body("hello")?;
    talk.open_gate("g")?;
    waiting.response()?.body("neighbour")
}

fn stays(talk: &mut Talk<'_>, method: &str, script: &str, body: &str) -> Held {
    let mut wire = talk.connect()?;
    let length = format!("Content-Length: {}\r\n", body.len());
    let fields = if body.is_empty() { "" } else { &length };
    let response = wire.request(&message(method, script, fields, body))?;
    check(response.head.status >= 400, "an error response", response.head.status).control()?;
    wire.still_open()
}
