//! Chapter "The input": `Expect: 100-continue`.

use serde_json::{Value, json};

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, get, message};

use super::input_limits::no_interim;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-INPUT-17 to 20: Expect.
    case!(
        "continue-when-read",
        "100 (Continue) is sent when the body is first read",
        ["REQ-INPUT-17"],
        |talk| continues(talk, "Content-Length: 5\r\nExpect: 100-continue\r\n", "hello"),
        Violation::switch("never sends it", Switch::NoContinue)
    ),
    case!(
        "continue-of-chunked",
        "100 (Continue) is sent when a chunked body is first read",
        ["REQ-INPUT-17"],
        |talk| continues(
            talk,
            "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n",
            "5\r\nhello\r\n0\r\n\r\n"
        ),
        Violation::switch("never sends it", Switch::NoContinue)
    ),
    case!(
        "continue-in-any-case",
        "The expectation is recognised in any case",
        ["REQ-INPUT-17"],
        |talk| continues(talk, "Content-Length: 5\r\nExpect: 100-Continue\r\n", "hello"),
        Violation::switch("never sends 100", Switch::NoContinue)
    ),
    case!(
        "continue-on-kept-connection",
        "100 (Continue) is sent to a later request on the connection",
        ["REQ-INPUT-17"],
        |talk| {
            let mut wire = talk.connect()?;
            for _ in 0..2 {
                let fields = "Content-Length: 5\r\nExpect: 100-continue\r\n";
                wire.send(&message("POST", "read; respond done", fields, ""))?;
                wire.await_interim(100)?;
                wire.send("hello")?;
                wire.response()?.body("done")?;
            }
            Ok(())
        },
        Violation::switch("never sends it", Switch::NoContinue)
    ),
    case!(
        "body-without-waiting-is-read",
        "A client that does not wait for 100 (Continue) has its body read",
        ["REQ-INPUT-17"],
        |talk| {
            let mut wire = talk.connect()?;
            let fields = "Content-Length: 5\r\nExpect: 100-continue\r\n";
            let report = wire.request(&message("POST", "read; report", fields, "hello"))?.json()?;
            check(report["body"] == "hello", "the body hello", &report["body"])?;
            wire.still_open()
        },
        Violation::report("takes the body for another request", |json| json["body"] = json!(""))
    ),
    case!(
        "no-continue-before-read",
        "100 (Continue) is not sent before the body is read",
        ["REQ-INPUT-18"],
        |talk| {
            let mut wire = talk.connect()?;
            let fields = "Content-Length: 5\r\nExpect: 100-continue\r\n";
            wire.send(&message("POST", "gate g; read; respond done", fields, ""))?;
            talk.await_event("called")?;
            wire.quiet("nothing before the application reads")?;
            talk.open_gate("g")?;
            wire.await_interim(100).control()?;
            wire.send("hello")?;
            wire.response()?.body("done")
        },
        Violation::switch("sends it at once", Switch::EarlyContinue)
    ),
    case!(
        "no-continue-without-read",
        "100 (Continue) is not sent where the body is not read",
        ["REQ-INPUT-18"],
        |talk| {
            let fields = "Content-Length: 5\r\nExpect: 100-continue\r\n";
            let response =
                talk.request(&message("POST", "status 403; respond refused", fields, ""))?;
            response.status(403)?;
            no_interim(&response)
        },
        Violation::switch("sends it at once", Switch::EarlyContinue)
    ),
    case!(
        "no-continue-before-error",
        "100 (Continue) is not sent where the application fails without reading",
        ["REQ-INPUT-18"],
        |talk| {
            let fields = "Content-Length: 5\r\nExpect: 100-continue\r\n";
            let response = talk.request(&message("POST", "error client 401", fields, ""))?;
            response.status(401)?;
            no_interim(&response)
        },
        Violation::switch("sends it at once", Switch::EarlyContinue)
    ),
    case!(
        "no-continue-to-http10",
        "100 (Continue) is not sent to HTTP/1.0",
        ["REQ-INPUT-19"],
        |talk| {
            let mut wire = talk.connect()?;
            let fields = "Content-Length: 5\r\nExpect: 100-continue\r\n";
            let request = message("POST", "note reading; read; respond done", fields, "");
            wire.send(&request.replace("HTTP/1.1", "HTTP/1.0"))?;
            talk.await_event("reading")?;
            wire.quiet("nothing before the final response")?;
            wire.send("hello")?;
            let response = wire.response()?;
            response.body("done")?;
            no_interim(&response)
        },
        Violation::switch("sends it", Switch::ContinueInTen)
    ),
    case!(
        "read-after-commit-fails",
        "The first read of an expected body after the commit fails",
        ["REQ-INPUT-20"],
        |talk| {
            let mut wire = talk.connect()?;
            let fields = "Content-Length: 5\r\nExpect: 100-continue\r\n";
            let script = "start; write a; flush; try read; finish";
            wire.send(&message("POST", script, fields, ""))?;
            wire.head()?.status(200)?;
            wire.body(1)?;
            let events = talk.await_event("tried")?;
            let tried = events.iter().find(|event| event.is("tried"));
            let ok = tried.map_or(Value::Null, |event| event.get("ok").clone());
            check(ok == false, "the read to fail", format!("ok: {ok}"))?;
            wire.rest()?.body("a")?;
            wire.ended().of("REQ-HTTP-49").map(drop)
        },
        Violation::switch("sends 100 in the middle of the response", Switch::LateContinue)
    ),
];

/// The client is told to continue when the application reads, and then its body is read.
fn continues(talk: &mut Talk<'_>, fields: &str, body: &str) -> Held {
    let mut wire = talk.connect()?;
    wire.send(&message("POST", "gate g; read; report", fields, ""))?;
    talk.await_event("called")?;
    talk.open_gate("g")?;
    wire.await_interim(100)?;
    wire.send(body)?;
    let response = wire.response()?;
    let count = response.interim.len();
    check(count == 1, "one informational response", format!("{count} of them"))?;
    check(response.json()?["body"] == "hello", "the body hello", &response.json()?["body"])?;
    talk.request(&get("respond control")).map(drop)
}
