//! Chapter "The input": limits and trailers.

use serde_json::{Value, json};

use crate::honest::{Switch, Violation};
use crate::server::case::{Case, Need};
use crate::server::failure::{Failure, Held, Of, check};
use crate::server::talk::{Talk, message};
use crate::server::wire::Response;

use super::input::CHUNKED;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-INPUT-12 to 16: limits.
    case!(
        "body-over-limit-is-413",
        "A chunked body over the server's limit is answered 413",
        ["REQ-INPUT-12"],
        |talk| {
            let limit = limit(talk)?;
            brings(talk, "read; respond done", limit)?.body("done").control()?;
            brings(talk, "read; respond done", limit + 1)?.status(413)
        },
        Violation::script("has no limit", |script| script.replace("read;", "limit none; read;"))
    ),
    case!(
        "declared-body-over-limit-is-413",
        "A declared length over the server's limit is answered 413 when the body is read",
        ["REQ-INPUT-12"],
        |talk| {
            let fields = format!("Content-Length: {}\r\n", limit(talk)? + 1);
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            wire.send(&message("POST", "read; respond done", &fields, ""))?;
            wire.finish_sending();
            wire.response()?.status(413)
        },
        Violation::script("has no limit", |script| script.replace("read;", "limit none; read;"))
    ),
    case!(
        "limit-is-client-fault",
        "A body over the limit is a client fault",
        ["REQ-INPUT-12"],
        |talk| {
            let mut wire = talk.connect()?;
            let body = "6\r\nhello!\r\n0\r\n\r\n";
            wire.request(&message("POST", "limit 5; try read; respond", CHUNKED, body))?;
            let events = talk.await_event("tried")?;
            let tried = events.iter().find(|event| event.is("tried"));
            let fault = tried.map_or(Value::Null, |event| event.get("error")["fault"].clone());
            check(fault == "client", "a client fault", fault)
        },
        Violation::report("blames the application", |json| {
            for event in json["events"].as_array_mut().into_iter().flatten() {
                event["error"]["fault"] = json!("application");
            }
        })
    ),
    case!(
        "limit-lowered",
        "The application can lower the limit",
        ["REQ-INPUT-13"],
        |talk| {
            let script = "limit 5; read; respond done";
            posts(talk, script, CHUNKED, "5\r\nhello\r\n0\r\n\r\n")?.body("done").control()?;
            posts(talk, script, CHUNKED, "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")?.status(413)
        },
        Violation::script("keeps its own", |script| script.replace("limit 5; ", ""))
    ),
    case!(
        "limit-raised",
        "The application can raise the limit",
        ["REQ-INPUT-13"],
        |talk| {
            let limit = limit(talk)?;
            let script = format!("limit {}; read; respond done", limit + 10);
            brings(talk, &script, limit + 10)?.body("done")?;
            brings(talk, &script, limit + 11)?.status(413)
        },
        Violation::script("keeps its own", |script| match script.split_once("; ") {
            Some((limit, rest)) if limit.starts_with("limit") => rest.to_owned(),
            _ => script.to_owned(),
        })
    ),
    case!(
        "limit-lifted",
        "The application can lift the limit",
        ["REQ-INPUT-13"],
        |talk| {
            let limit = limit(talk)?;
            brings(talk, "limit none; read; respond done", limit + 1)?.body("done")
        },
        Violation::script("keeps its own", |script| script.replace("limit none; ", ""))
    ),
    case!(
        "limit-of-one-exchange",
        "A limit that the application sets holds for its exchange alone",
        ["REQ-INPUT-13"],
        |talk| {
            let mut wire = talk.connect()?;
            let fields = "Content-Length: 5\r\n";
            wire.request(&message("POST", "limit 5; read; respond one", fields, "hello"))?
                .body("one")?;
            let fields = "Content-Length: 6\r\n";
            wire.request(&message("POST", "read; respond two", fields, "hello!"))?.body("two")
        },
        Violation::script("keeps it", |script| script
            .replace("read; respond two", "limit 5; read; respond two"))
    ),
    case!(
        "declared-over-limit-fails-at-once",
        "The first read of a body whose declared length exceeds the limit fails before it arrives",
        ["REQ-INPUT-14"],
        |talk| {
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            let script = "limit 5; read; respond done";
            wire.request(&message("POST", script, "Content-Length: 6\r\n", ""))?.status(413)
        },
        Violation::script("waits for the body", |script| script.replace("limit 5; ", ""))
    ),
    case!(
        "no-continue-over-limit",
        "A client whose declared length exceeds the limit is not told to continue",
        ["REQ-INPUT-14"],
        |talk| {
            let fields = "Content-Length: 6\r\nExpect: 100-continue\r\n";
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            let script = "limit 5; read; respond done";
            let response = wire.request(&message("POST", script, fields, ""))?;
            response.status(413)?;
            no_interim(&response)
        },
        Violation::switch("tells it to", Switch::EarlyContinue)
    ),
    case!(
        "read-to-end-has-limit",
        "read_to_end() of more than its limit is answered 413",
        ["REQ-INPUT-15"],
        |talk| collects(talk, "read-to-end 5; respond done"),
        Violation::script("takes all", |script| script.replace("to-end 5", "to-end 100"))
    ),
    case!(
        "read-to-string-has-limit",
        "read_to_string() of more than its limit is answered 413",
        ["REQ-INPUT-15"],
        |talk| collects(talk, "read-to-string 5; respond done"),
        Violation::script("takes all", |script| script.replace("to-string 5", "to-string 100"))
    ),
    case!(
        "text-has-to-be-utf-8",
        "read_to_string() of a body that is not UTF-8 is answered 400",
        ["REQ-INPUT-16"],
        |talk| {
            let script = "read-to-string 9; respond done";
            let fields = "Content-Length: 2\r\n";
            posts(talk, script, fields, "\u{e9}")?.body("done").control()?;
            let mut wire = talk.connect()?;
            wire.send(&message("POST", script, fields, ""))?;
            wire.send_octets(b"\xe9a")?;
            wire.response()?.status(400)
        },
        Violation::script("replaces what it does not know", |script| script
            .replace("to-string", "to-end"))
    ),
    // REQ-INPUT-21 and 22: trailers.
    Case {
        id: "trailers-given",
        title: "The trailer fields of the request are given after the body",
        requirements: &["REQ-INPUT-21"],
        needs: Need::Capability("request-trailers"),
        talk: |talk| {
            let report = talk.report(&message(
                "POST",
                "read; report",
                CHUNKED,
                "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\nX-End: b\r\n\r\n",
            ))?;
            let expected = json!([["x-sum", "1"], ["x-sum", "2"], ["x-end", "b"]]);
            check(report["trailers"] == expected, format!("{expected}"), &report["trailers"])
        },
        violation: Violation::switch("drops them", Switch::NoTrailers),
    },
    Case {
        id: "trailers-given-after-unread-body",
        title: "trailers() reads what is left of the body and drops it",
        requirements: &["REQ-INPUT-21"],
        needs: Need::Capability("request-trailers"),
        talk: |talk| {
            let report = talk.report(&message(
                "POST",
                "trailers; report",
                CHUNKED,
                "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
            ))?;
            let expected = json!([["x-sum", "1"]]);
            check(report["trailers"] == expected, format!("{expected}"), &report["trailers"])
        },
        violation: Violation::switch("drops them", Switch::NoTrailers),
    },
    Case {
        id: "no-trailers-without-section",
        title: "A body without a trailer section has no trailers",
        requirements: &["REQ-INPUT-21"],
        needs: Need::Capability("request-trailers"),
        talk: |talk| {
            for (fields, body) in
                [(CHUNKED, "5\r\nhello\r\n0\r\n\r\n"), ("Content-Length: 5\r\n", "hello"), ("", "")]
            {
                let report = talk.report(&message("POST", "read; report", fields, body))?;
                check(report["trailers"].is_null(), "no trailers", &report["trailers"])?;
            }
            Ok(())
        },
        violation: Violation::report("gives an empty map", |json| json["trailers"] = json!([])),
    },
    case!(
        "trailers-not-in-head",
        "Trailer fields do not become fields of the head",
        ["REQ-INPUT-22"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send("POST / HTTP/1.1\r\nHost: {host}\r\nX-Test: a\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            wire.send("5\r\nhello\r\n0\r\nX-Test: b\r\nAuthorization: Basic YTpi\r\n\r\n")?;
            let report = wire.response()?.json()?;
            check(report["body"] == "hello", "the body hello", &report["body"]).control()?;
            let fields = report["fields"].to_string();
            check(
                fields.contains("x-test") && !fields.contains("\"b\""),
                "x-test: a alone",
                &report["fields"],
            )?;
            check(!fields.contains("authorization"), "no Authorization", &report["fields"])
        },
        Violation::switch("merges them", Switch::MergesTrailers)
    ),
];

/// The server's limit on a body.
fn limit(talk: &mut Talk<'_>) -> Held<usize> {
    let limit = talk.subject().limit("body_bytes").and_then(|limit| usize::try_from(limit).ok());
    limit
        .filter(|limit| *limit <= 64 << 20)
        .ok_or_else(|| Failure::skip("the server tells no limit, or one that is too large to try"))
}

/// The answer to a chunked body of this length.
fn brings(talk: &mut Talk<'_>, script: &str, length: usize) -> Held<Response> {
    let mut wire = talk.connect()?;
    wire.send(&message("POST", script, CHUNKED, ""))?;
    let piece = vec![b'a'; 1 << 16];
    let mut left = length;
    while left > 0 {
        let count = left.min(piece.len());
        wire.send_octets(format!("{count:x}\r\n").as_bytes())?;
        wire.send_octets(&piece[..count])?;
        wire.send_octets(b"\r\n")?;
        left -= count;
    }
    wire.send_octets(b"0\r\n\r\n")?;
    wire.response()
}

fn posts(talk: &mut Talk<'_>, script: &str, fields: &str, body: &str) -> Held<Response> {
    talk.request(&message("POST", script, fields, body))
}

/// Five bytes are collected and six are not.
fn collects(talk: &mut Talk<'_>, script: &str) -> Held {
    posts(talk, script, "Content-Length: 5\r\n", "hello")?.body("done").control()?;
    posts(talk, script, "Content-Length: 6\r\n", "hello!")?.status(413)?;
    posts(talk, script, CHUNKED, "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")?.status(413)
}

/// No informational response came before this one.
pub(super) fn no_interim(response: &Response) -> Held {
    let statuses: Vec<u16> = response.interim.iter().map(|head| head.status).collect();
    check(statuses.is_empty(), "no informational response", format!("{statuses:?}"))
}
