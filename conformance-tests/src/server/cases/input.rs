//! Chapter "The input": the bytes of the request's body, their end, and their limits.

use serde_json::{Value, json};

use crate::honest::{Switch, Violation};
use crate::server::application::pattern;
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, message};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-INPUT-01 to 03: bytes.
    case!(
        "input-of-length",
        "A body of declared length is given as it is",
        ["REQ-INPUT-01"],
        |talk| gives(talk, "Content-Length: 11\r\n", "hello\r\n\0\u{7f}ok", "hello\r\n\0\u{7f}ok"),
        Violation::report("loses an octet", |json| json["body"] = json!("hello\r\n\0ok"))
    ),
    case!(
        "input-of-chunks",
        "A chunked body is given in order and without its framing",
        ["REQ-INPUT-01"],
        |talk| gives(talk, CHUNKED, "5\r\nhello\r\n7;a=b\r\n, world\r\n0\r\n\r\n", "hello, world"),
        Violation::report("gives the framing too", |json| json["body"] =
            json!("5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"))
    ),
    case!(
        "input-large",
        "A large body is given unchanged",
        ["REQ-INPUT-01"],
        |talk| {
            let mut wire = talk.connect()?;
            let fields = "Content-Length: 300000\r\n";
            wire.send(&message("POST", "read; start; write a; flush; finish", fields, ""))?;
            wire.send_octets(&pattern(300_000))?;
            wire.response()?.body("a").control()?;
            let mut wire = talk.connect()?;
            wire.send(&message("POST", "read-to-end 300000; report", fields, ""))?;
            wire.send_octets(&pattern(300_000))?;
            let report = wire.response()?.json()?;
            let length = &report["body_length"];
            check(*length == 300_000, "300000 octets to be read", length)
        },
        Violation::report("loses some", |json| json["body_length"] = json!(299_999))
    ),
    case!(
        "input-of-many-chunks",
        "A body of many chunks is given in order",
        ["REQ-INPUT-01"],
        |talk| {
            let octets = pattern(60_000);
            let mut wire = talk.connect()?;
            wire.send(&message("POST", "read-to-end 60000; report", CHUNKED, ""))?;
            for piece in octets.chunks(999) {
                wire.send_octets(format!("{:x}\r\n", piece.len()).as_bytes())?;
                wire.send_octets(piece)?;
                wire.send_octets(b"\r\n")?;
            }
            wire.send("0\r\n\r\n")?;
            let report = wire.response()?.json()?;
            let body = report["body"].as_str().unwrap_or_default().as_bytes();
            check(
                body == octets,
                "60000 octets of the pattern, in order",
                format!("{} octets, or others", body.len()),
            )
        },
        Violation::report("gives a chunk twice", |json| {
            let again =
                json["body"].as_str().map(|body| format!("{body}{}", &body[..999.min(body.len())]));
            json["body"] = json!(again);
        })
    ),
    case!(
        "input-with-coding",
        "A body with a content coding is given as it is",
        ["REQ-INPUT-01"],
        |talk| gives(
            talk,
            "Content-Encoding: gzip\r\nContent-Length: 4\r\n",
            "\u{1f}\u{8}ab",
            "\u{1f}\u{8}ab"
        ),
        Violation::report("undoes it", |json| json["body"] = json!("decoded"))
    ),
    case!(
        "input-ends",
        "The end of the body is reported, again and again",
        ["REQ-INPUT-02"],
        |talk| {
            let script = "read; read-chunk; read-chunk; report";
            let report = talk.report(&message("POST", script, "Content-Length: 5\r\n", "hello"))?;
            check(
                report["body"] == "hello"
                    && report["notes"] == json!([{ "data": null }, { "data": null }]),
                "hello, and then the end twice",
                format!("{} and {}", report["body"], report["notes"]),
            )
        },
        Violation::report("gives the last chunk again", |json| {
            json["notes"] = json!([{ "data": null }, { "data": "hello" }]);
        })
    ),
    case!(
        "input-ends-without-waiting",
        "The end is reported without waiting for more from the client",
        ["REQ-INPUT-02"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&message("POST", "read; respond done", "Content-Length: 5\r\n", "hello"))?;
            wire.response()?.body("done")
        },
        Violation::script("waits", |script| script.replace("read;", "read; wait-for-ever;"))
    ),
    case!(
        "input-empty-ends-at-once",
        "An empty body ends at the first call",
        ["REQ-INPUT-02"],
        |talk| {
            for fields in ["", "Content-Length: 0\r\n"] {
                let report = talk.report(&message("POST", "read-chunk; report", fields, ""))?;
                check(
                    report["notes"] == json!([{ "data": null }]),
                    "the end at the first call",
                    &report["notes"],
                )?;
            }
            Ok(())
        },
        Violation::report("gives an empty chunk first", |json| {
            json["notes"] = json!([{ "data": "" }]);
        })
    ),
    case!(
        "input-empty-chunked-ends",
        "A chunked body without a chunk ends at the first call",
        ["REQ-INPUT-02"],
        |talk| {
            let request = message("POST", "read-chunk; report", CHUNKED, "0\r\n\r\n");
            let report = talk.report(&request)?;
            check(
                report["notes"] == json!([{ "data": null }]),
                "the end at the first call",
                &report["notes"],
            )
        },
        Violation::report("gives an empty chunk first", |json| {
            json["notes"] = json!([{ "data": "" }]);
        })
    ),
    case!(
        "input-chunks-not-empty",
        "No chunk is empty, however the body was cut",
        ["REQ-INPUT-03"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(
                "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n",
            )?;
            talk.await_event("called")?;
            for piece in ["2", "\r\nhe\r", "\n", "3\r", "\nllo\r\n0\r", "\n\r\n"] {
                wire.send(piece)?;
            }
            let report = wire.response()?.json()?;
            let chunks = report["chunks"].as_array().cloned().unwrap_or_default();
            check(report["body"] == "hello", "hello", &report["body"]).control()?;
            check(
                chunks.iter().all(|length| *length != 0),
                "no chunk of zero bytes",
                format!("chunks of {chunks:?} bytes"),
            )
        },
        Violation::report("gives one", |json| {
            if let Some(chunks) = json["chunks"].as_array_mut() {
                chunks.push(json!(0));
            }
        })
    ),
    // REQ-INPUT-04 and 05: a body that breaks off.
    case!(
        "input-cut-fails",
        "A body that breaks off is a client fault",
        ["REQ-INPUT-04"],
        |talk| breaks(talk, "Content-Length: 10\r\n", "hello", true),
        Violation::report("takes it for complete", succeeded)
    ),
    case!(
        "input-cut-between-chunks-fails",
        "A chunked body that breaks off between chunks is a client fault",
        ["REQ-INPUT-04"],
        |talk| breaks(talk, CHUNKED, "5\r\nhello\r\n", true),
        Violation::switch("takes it for complete", Switch::TruncatedIsEnd)
    ),
    case!(
        "input-cut-in-chunk-fails",
        "A chunked body that breaks off within a chunk is a client fault",
        ["REQ-INPUT-04"],
        |talk| breaks(talk, CHUNKED, "a\r\nhello", true),
        Violation::switch("takes it for complete", Switch::TruncatedIsEnd)
    ),
    case!(
        "input-cut-in-trailers-fails",
        "A chunked body that breaks off before the empty line at its end is a client fault",
        ["REQ-INPUT-04"],
        |talk| breaks(talk, CHUNKED, "5\r\nhello\r\n0\r\n", true),
        Violation::switch("takes it for complete", Switch::TruncatedIsEnd)
    ),
    case!(
        "input-broken-size-fails",
        "A chunk whose size is not hexadecimal is a client fault",
        ["REQ-INPUT-04"],
        |talk| breaks(talk, CHUNKED, "5\r\nhello\r\nxyz\r\n", false),
        Violation::switch("takes it for the end", Switch::LooseChunkSize)
    ),
    case!(
        "input-broken-chunk-fails",
        "A chunk that is longer than its size is a client fault",
        ["REQ-INPUT-04"],
        |talk| breaks(talk, CHUNKED, "5\r\nhello!!\r\n0\r\n\r\n", false),
        Violation::switch("skips the surplus", Switch::ChunkSkipsLine)
    ),
    case!(
        "input-not-ended-after-failure",
        "No end is reported after a read has failed",
        ["REQ-INPUT-05"],
        |talk| never_ends(talk, "Content-Length: 10\r\n", "hello", true),
        Violation::report("reports one", succeeded)
    ),
    case!(
        "input-not-ended-after-broken-chunk",
        "No end is reported after a chunk that was malformed",
        ["REQ-INPUT-05"],
        |talk| never_ends(talk, CHUNKED, "5\r\nhello\r\nxyz\r\n0\r\n\r\n", false),
        Violation::switch("reports one", Switch::LooseChunkSize)
    ),
    // REQ-INPUT-06: the length.
    case!(
        "input-length-empty",
        "A request without a body has the length Empty",
        ["REQ-INPUT-06"],
        |talk| {
            has_length(talk, "GET", "", "", json!("empty"))?;
            has_length(talk, "POST", "", "", json!("empty"))?;
            has_length(talk, "POST", "Content-Length: 0\r\n", "", json!("empty"))
        },
        Violation::report("does not know it", |json| json["length"] = json!("unknown"))
    ),
    case!(
        "input-length-exact",
        "A declared length is known",
        ["REQ-INPUT-06"],
        |talk| has_length(talk, "POST", "Content-Length: 5\r\n", "hello", json!(5)),
        Violation::report("does not know it", |json| json["length"] = json!("unknown"))
    ),
    case!(
        "input-length-unknown",
        "The length of a chunked body is not known",
        ["REQ-INPUT-06"],
        |talk| has_length(talk, "POST", CHUNKED, "5\r\nhello\r\n0\r\n\r\n", json!("unknown")),
        Violation::report("takes it for empty", |json| json["length"] = json!("empty"))
    ),
    case!(
        "input-length-after-reading",
        "The length is that of the whole body after it was read",
        ["REQ-INPUT-06"],
        |talk| {
            let request = message("POST", "read; report", "Content-Length: 5\r\n", "hello");
            let report = talk.report(&request)?;
            check(report["length"] == 5, "the length 5", &report["length"])
        },
        Violation::report("counts down", |json| json["length"] = json!("empty"))
    ),
];

/// The field of a chunked body.
pub(super) const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// The application is given this body, each octet a character below U+0080.
fn gives(talk: &mut Talk<'_>, fields: &str, sent: &str, body: &str) -> Held {
    let report =
        talk.report(&format!("POST / HTTP/1.1\r\nHost: {{host}}\r\n{fields}\r\n{sent}"))?;
    check(report["body"] == body, format!("the body {body:?}"), &report["body"])
}

/// A whole body is read; then one that is broken, and after which the client may close its sending side, is a client fault.
fn breaks(talk: &mut Talk<'_>, fields: &str, broken: &str, fin: bool) -> Held {
    talk.report(&message("POST", "read; report", CHUNKED, "5\r\nhello\r\n0\r\n\r\n")).control()?;
    let mut wire = talk.connect()?;
    wire.send(&message("POST", "try read; gate g; respond survived", fields, broken))?;
    if fin {
        wire.finish_sending();
    }
    let events = talk.await_event("tried")?;
    let tried = events.iter().find(|event| event.is("tried"));
    let error = tried.map_or(Value::Null, |event| event.get("error").clone());
    check(
        error["fault"] == "client",
        "the read to fail with a client fault",
        if error.is_null() { "it succeeded".to_owned() } else { error.to_string() },
    )?;
    talk.open_gate("g")
}

/// After a read that failed, the next one gives no end.
fn never_ends(talk: &mut Talk<'_>, fields: &str, broken: &str, fin: bool) -> Held {
    let mut wire = talk.connect()?;
    wire.send(&message("POST", "try read; try read-chunk; respond", fields, broken))?;
    if fin {
        wire.finish_sending();
    }
    let events = talk.await_events("tried", 2)?;
    let failed: Vec<bool> = events
        .iter()
        .filter(|event| event.is("tried"))
        .map(|event| *event.get("ok") == json!(false))
        .collect();
    check(failed == [true, true], "two reads to fail", format!("{failed:?}"))
}

fn has_length(
    talk: &mut Talk<'_>,
    method: &str,
    fields: &str,
    body: &str,
    expected: Value,
) -> Held {
    let report = talk.report(&message(method, "report", fields, body))?;
    check(report["length"] == expected, format!("the length {expected}"), &report["length"])
}

/// What a gateway that takes a failure for the end would show.
fn succeeded(json: &mut Value) {
    for event in json["events"].as_array_mut().into_iter().flatten() {
        if event["step"] == "read" || event["step"] == "read-chunk" {
            event["ok"] = json!(true);
            event["error"] = Value::Null;
        }
    }
}
