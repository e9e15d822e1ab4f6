//! Chapter "HTTP duties", the life of a connection, and bodies that nobody read.

use crate::honest::{Switch, Violation};
use crate::server::case::{Case, Need};
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, get, message};
use crate::server::wire::Ending;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-HTTP-41: the connection stays.
    case!(
        "kept-after-whole",
        "The connection stays open after a whole answer",
        ["REQ-HTTP-41"],
        |talk| stays_open(talk, "GET", "respond hello", ""),
        Violation::switch("closes after each response", Switch::ClosesAlways)
    ),
    case!(
        "kept-after-stream",
        "The connection stays open after a streamed answer",
        ["REQ-HTTP-41"],
        |talk| stays_open(talk, "GET", "start; write a; flush; write b; finish", ""),
        Violation::switch("closes after each response", Switch::ClosesAlways)
    ),
    case!(
        "kept-after-head",
        "The connection stays open after a response to HEAD",
        ["REQ-HTTP-41"],
        |talk| stays_open(talk, "HEAD", "respond hello", ""),
        Violation::switch("closes after each response", Switch::ClosesAlways)
    ),
    case!(
        "kept-after-204",
        "The connection stays open after status 204",
        ["REQ-HTTP-41"],
        |talk| stays_open(talk, "GET", "status 204; respond", ""),
        Violation::switch("closes after each response", Switch::ClosesSilently)
    ),
    case!(
        "kept-after-304",
        "The connection stays open after status 304",
        ["REQ-HTTP-41"],
        |talk| stays_open(talk, "GET", "status 304; respond", ""),
        Violation::switch("closes after each response", Switch::ClosesSilently)
    ),
    case!(
        "kept-after-application-error",
        "The connection stays open after an error response of the application's making",
        ["REQ-HTTP-41"],
        |talk| stays_open(talk, "GET", "status 404; respond gone", ""),
        Violation::switch("closes after each response", Switch::ClosesSilently)
    ),
    case!(
        "kept-after-body",
        "The connection stays open after a body that was read",
        ["REQ-HTTP-41"],
        |talk| stays_open(talk, "POST", "read; respond hello", "hello"),
        Violation::switch("closes after each response", Switch::ClosesAlways)
    ),
    case!(
        "many-exchanges",
        "Ten exchanges one after another use one connection",
        ["REQ-HTTP-41"],
        |talk| {
            let mut wire = talk.connect()?;
            (0..10).try_for_each(|_| wire.request(&get("respond hello"))?.body("hello"))
        },
        Violation::switch("closes after each response", Switch::ClosesSilently)
    ),
    // REQ-HTTP-42 to 45: the connection ends.
    case!(
        "closed-when-asked",
        "The connection is closed after Connection: close",
        ["REQ-HTTP-42"],
        |talk| ends_after(talk, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        Violation::switch("keeps it", Switch::KeepsAlways)
    ),
    case!(
        "closed-when-asked-in-a-list",
        "Connection: close counts inside a list and in any case",
        ["REQ-HTTP-42"],
        |talk| ends_after(
            talk,
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: X-Test, CLOSE\r\n\r\n"
        ),
        Violation::switch("keeps the connection", Switch::KeepsAlways)
    ),
    case!(
        "closed-after-stream",
        "The connection is closed after a streamed answer when the client asked for it",
        ["REQ-HTTP-42"],
        |talk| ends_after(
            talk,
            &message("GET", "start; write a; flush; finish", "Connection: close\r\n", "")
        ),
        Violation::switch("keeps it", Switch::KeepsAlways)
    ),
    case!(
        "close-is-said",
        "The last response of a connection says Connection: close",
        ["REQ-HTTP-43"],
        |talk| {
            let response =
                talk.request("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
            response.status(200).control()?;
            check(response.head.has_connection("close"), "Connection: close", "no such option")
        },
        Violation::switch("does not say it", Switch::NoConnectionClose)
    ),
    case!(
        "close-is-said-in-refusal",
        "A refusal that ends the connection says Connection: close",
        ["REQ-HTTP-43"],
        |talk| {
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            let response = wire.request("GET / HTTP/1.1\r\nHost: {host}\r\nX Test: a\r\n\r\n")?;
            response.status(400)?;
            check(response.head.has_connection("close"), "Connection: close", "no such option")
        },
        Violation::reply("does not say it", |asked, reply| {
            if !asked.by_application {
                reply.remove("connection");
            }
        })
    ),
    case!(
        "http10-closed",
        "The connection is closed after HTTP/1.0",
        ["REQ-HTTP-44"],
        |talk| ends_after(talk, "GET / HTTP/1.0\r\nHost: {host}\r\n\r\n"),
        Violation::switch("keeps it", Switch::KeepsTen)
    ),
    case!(
        "http10-closed-with-length",
        "The connection is closed after HTTP/1.0 with a body",
        ["REQ-HTTP-44"],
        |talk| ends_after(
            talk,
            "POST / HTTP/1.0\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello"
        ),
        Violation::switch("keeps it", Switch::KeepsTen)
    ),
    case!(
        "nothing-after-close",
        "A request that follows Connection: close is not answered",
        ["REQ-HTTP-45"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send("GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\nGET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
            wire.response()?.status(200)?;
            wire.ended()?;
            talk.called(1)
        },
        Violation::switch("answers it", Switch::AnswersAfterClose)
    ),
    case!(
        "nothing-called-after-close",
        "The application is not called with what follows Connection: close",
        ["REQ-HTTP-45"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send("GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\nGET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
            wire.response()?.status(200)?;
            let _ = wire.response_or_end("GET")?;
            talk.called(1)
        },
        Violation::switch("goes on", Switch::KeepsAlways)
    ),
    // REQ-HTTP-46: pipelining.
    case!(
        "pipelined-in-order",
        "Pipelined requests are answered in their order",
        ["REQ-HTTP-46"],
        |talk| {
            let mut wire = talk.connect()?;
            let requests: String =
                (0..5).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: {{host}}\r\n\r\n")).collect();
            wire.send(&requests)?;
            (0..5).try_for_each(|n| {
                let report = wire.response()?.json()?;
                check(
                    report["path_info"] == format!("/{n}"),
                    format!("the answer to /{n}"),
                    &report["path_info"],
                )
            })
        },
        Violation::switch("answers in another order", Switch::Reorders)
    ),
    case!(
        "pipelined-all",
        "Every one of pipelined requests is answered",
        ["REQ-HTTP-46"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".repeat(3))?;
            (0..3).try_for_each(|_| wire.response()?.status(200))
        },
        Violation::switch("answers the first one only", Switch::DropsPipelined)
    ),
    case!(
        "pipelined-behind-slow",
        "A quick answer waits for the slow one before it",
        ["REQ-HTTP-46"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&format!("{}{}", get("gate g; respond slow"), get("respond quick")))?;
            talk.await_event("called")?;
            wire.quiet("nothing before the first request is answered")?;
            talk.open_gate("g")?;
            wire.response()?.body("slow")?;
            wire.response()?.body("quick")
        },
        Violation::switch("answers in another order", Switch::Reorders)
    ),
    case!(
        "pipelined-bodies",
        "Pipelined bodies are kept apart",
        ["REQ-HTTP-46"],
        |talk| {
            let mut wire = talk.connect()?;
            let post = |body: &str| {
                message(
                    "POST",
                    "start; echo; finish",
                    &format!("Content-Length: {}\r\n", body.len()),
                    body,
                )
            };
            wire.send(&format!("{}{}{}", post("one"), post("three"), post("")))?;
            ["one", "three", ""].iter().try_for_each(|body| wire.response()?.body(body))
        },
        Violation::switch("skips an octet after a body", Switch::SkipsAfterBody)
    ),
    // REQ-HTTP-47: Upgrade.
    Case {
        id: "upgrade-ignored",
        title: "Upgrade is ignored by a server that does not declare it",
        requirements: &["REQ-HTTP-47"],
        needs: Need::Lack("upgrade"),
        talk: |talk| {
            let response = talk.request("GET /a HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: example/1\r\n\r\n")?;
            response.status(200)?;
            check(response.json()?["path_info"] == "/a", "an ordinary answer", "another")
        },
        violation: Violation::switch("answers 101", Switch::Upgrades),
    },
    Case {
        id: "upgrade-h2c-ignored",
        title: "Upgrade: h2c is ignored by a server that does not declare upgrades",
        requirements: &["REQ-HTTP-47"],
        needs: Need::Lack("upgrade"),
        talk: |talk| {
            let response = talk.request("GET /a HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")?;
            response.status(200)?;
            check(response.json()?["path_info"] == "/a", "an ordinary answer", "another")
        },
        violation: Violation::switch("answers 101", Switch::Upgrades),
    },
    // REQ-HTTP-48 to 50: bodies that nobody read.
    case!(
        "unread-body-is-no-request",
        "A body that nobody read is not taken for the next request",
        ["REQ-HTTP-48"],
        |talk| unread(talk, "Content-Length: 4000\r\n", ""),
        Violation::switch("goes on with the connection", Switch::KeepsUnread)
    ),
    case!(
        "unread-chunked-body-is-no-request",
        "A chunked body that nobody read is not taken for the next request",
        ["REQ-HTTP-48"],
        |talk| unread(talk, "Transfer-Encoding: chunked\r\n", "fa0\r\n"),
        Violation::switch("goes on with the connection", Switch::KeepsUnread)
    ),
    case!(
        "half-read-body-is-no-request",
        "The rest of a body that was half read is not taken for the next request",
        ["REQ-HTTP-48"],
        |talk| {
            let script = "read-chunk; respond seen";
            smuggled(
                talk,
                &message("POST", script, "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\nfa0\r\n"),
            )
        },
        Violation::switch("goes on with the connection", Switch::KeepsUnread)
    ),
    case!(
        "unanswered-expectation-closes",
        "The connection is closed after an expectation that was not answered",
        ["REQ-HTTP-49"],
        |talk| expectation_closes(talk, "respond refused"),
        Violation::switch("keeps it", Switch::KeepsExpectation)
    ),
    case!(
        "unanswered-expectation-closes-after-error",
        "The connection is closed after an expectation that was answered by an error status",
        ["REQ-HTTP-49"],
        |talk| expectation_closes(talk, "status 417; respond refused"),
        Violation::switch("keeps it", Switch::KeepsExpectation)
    ),
    case!(
        "response-survives-unread-body",
        "A client that is still sending can read the whole response",
        ["REQ-HTTP-50"],
        |talk| {
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            wire.send(&message("POST", "respond-fill 20000", "Content-Length: 50000000\r\n", ""))?;
            wire.send_octets(&vec![b'a'; 200_000])?;
            let response = wire.response()?;
            check(response.body.len() == 20_000, "20000 octets of content", response.body.len())?;
            check(wire.ended()? == Ending::Closed, "an orderly end of the connection", "a reset")
        },
        Violation::switch("closes at once", Switch::NoLinger)
    ),
    case!(
        "refusal-survives-unread-body",
        "A client that sends a body after a refused head can read the refusal",
        ["REQ-HTTP-50"],
        |talk| {
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            wire.send("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n")?;
            wire.send_octets(&vec![b'a'; 200_000])?;
            wire.response()?.status(400)?;
            check(wire.ended()? == Ending::Closed, "an orderly end of the connection", "a reset")
        },
        Violation::switch("closes at once", Switch::NoLinger)
    ),
];

fn stays_open(talk: &mut Talk<'_>, method: &str, script: &str, body: &str) -> Held {
    let mut wire = talk.connect()?;
    let length = format!("Content-Length: {}\r\n", body.len());
    let response =
        wire.request(&message(method, script, if body.is_empty() { "" } else { &length }, body))?;
    check(
        response.is_of_application(),
        "a response of the application",
        format!("status {}", response.head.status),
    )
    .control()?;
    wire.still_open()
}

/// The connection ends, in order, after the answer to this; the same without its wish does not end it.
fn ends_after(talk: &mut Talk<'_>, request: &str) -> Held {
    let mut wire = talk.connect()?;
    talk.control(&mut wire)?;
    wire.request(request)?.status(200)?;
    check(wire.ended()? == Ending::Closed, "an orderly end", "a reset")
}

fn unread(talk: &mut Talk<'_>, field: &str, begin: &str) -> Held {
    smuggled(talk, &message("POST", "respond seen", field, begin))
}

/// This request announces more body than it brings, and what it brings looks like a request.
fn smuggled(talk: &mut Talk<'_>, request: &str) -> Held {
    let mut wire = talk.connect()?;
    talk.control(&mut wire)?;
    wire.send(&format!("{request}GET /smuggled?tag={{tag}} HTTP/1.1\r\nHost: {{host}}\r\n\r\n"))?;
    wire.response()?.body("seen").control()?;
    // A server that reads on waits for the rest, and one that closes has said its last word.
    if let Err(failure) = wire.quiet("no answer to what stands in the body")
        && failure.found != "the connection ended"
    {
        return Err(failure);
    }
    talk.called(1)
}

/// A client that waits for 100 gets a final response instead, and the connection ends.
fn expectation_closes(talk: &mut Talk<'_>, script: &str) -> Held {
    let mut wire = talk.connect()?;
    talk.control(&mut wire)?;
    let fields = "Content-Length: 5\r\nExpect: 100-continue\r\n";
    let response = wire.request(&message("POST", script, fields, ""))?;
    response.body("refused").control()?;
    wire.ended().map(drop)
}
