//! Chapter "The response": status, fields, and when they leave.

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, get};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-RESP-02 to 06: status and fields.
    case!(
        "status-sent",
        "The status that the application gave is sent",
        ["REQ-RESP-02"],
        |talk| {
            [200, 201, 299, 302, 404, 418, 503, 599].iter().try_for_each(|status| {
                talk.answer(&format!("status {status}; respond a"))?.status(*status)
            })
        },
        Violation::reply("replaces what it does not know by 200", |_, reply| {
            if reply.status == 299 {
                reply.status = 200;
            }
        })
    ),
    case!(
        "status-sent-in-stream",
        "The status of a streamed answer is sent",
        ["REQ-RESP-02"],
        |talk| talk.answer("status 201; start; write a; flush; finish")?.status(201),
        Violation::reply("sends 200", |asked, reply| {
            if asked.by_application {
                reply.status = 200;
            }
        })
    ),
    case!(
        "status-1xx-refused",
        "A final head with a status of 1xx is refused",
        ["REQ-RESP-03"],
        |talk| refused(talk, "status 101", "try start"),
        Violation::report("accepts it", accepts)
    ),
    case!(
        "status-600-refused",
        "A final head with a status from 600 on is refused",
        ["REQ-RESP-03"],
        |talk| refused(talk, "status 600", "try start"),
        Violation::report("accepts it", accepts)
    ),
    case!(
        "status-refused-is-500",
        "An application that passes the refusal of its status on is answered 500",
        ["REQ-RESP-03"],
        |talk| {
            talk.answer("status 599; respond a")?.status(599).control()?;
            talk.play("status 600; respond a")?.status(500)
        },
        Violation::script("sends 599 in its place", |script| script
            .replace("status 600", "status 599"))
    ),
    case!(
        "fields-sent",
        "Every field is sent with its value unchanged",
        ["REQ-RESP-04"],
        |talk| {
            let script = "field x-a=one%20two x-b=%22q%22 x-c= x-d=%E9%FF content-type=text/plain;charset=utf-8 etag=%22a%22".replace(";charset", "%3Bcharset");
            let response = talk.play(&format!("{script}; respond a"))?;
            response.status(200)?;
            response.head.field("x-a", "one two")?;
            response.head.field("x-b", "\"q\"")?;
            response.head.field("x-c", "")?;
            response.head.field("x-d", b"\xe9\xff")?;
            response.head.field("content-type", "text/plain;charset=utf-8")?;
            response.head.field("etag", "\"a\"")
        },
        Violation::reply("leaves empty fields out", |_, reply| reply
            .fields
            .retain(|(_, value)| !value.is_empty()))
    ),
    case!(
        "fields-sent-in-stream",
        "Every field of a streamed answer is sent",
        ["REQ-RESP-04"],
        |talk| {
            let response = talk.answer("field x-a=one x-b=two; start; write a; flush; finish")?;
            response.head.field("x-a", "one")?;
            response.head.field("x-b", "two")
        },
        Violation::reply("leaves one out", |_, reply| reply.remove("x-b"))
    ),
    case!(
        "fields-sent-of-forwarded",
        "Every field of a forwarded answer is sent",
        ["REQ-RESP-04"],
        |talk| {
            let response = talk.answer("status 203; field x-a=one x-b=two; forward data=hello")?;
            response.status(203)?;
            response.body("hello")?;
            response.head.field("x-b", "two")
        },
        Violation::reply("leaves one out", |_, reply| reply.remove("x-b"))
    ),
    case!(
        "set-cookie-lines",
        "Repeated fields are separate lines in their order",
        ["REQ-RESP-05"],
        |talk| {
            let response = talk.answer(
                "field set-cookie=a=1 x-other=o set-cookie=b=2 set-cookie=c=3; respond a",
            )?;
            response.head.fields_are("set-cookie", &[b"a=1", b"b=2", b"c=3"])
        },
        Violation::reply("joins them", |_, reply| {
            let cookies: Vec<_> = reply
                .fields
                .iter()
                .filter(|(name, _)| name == "set-cookie")
                .map(|(_, value)| value.clone())
                .collect();
            if !cookies.is_empty() {
                reply.remove("set-cookie");
                reply.fields.push(("set-cookie".to_owned(), cookies.join(&b", "[..])));
            }
        })
    ),
    case!(
        "repeated-fields-order",
        "The order of repeated fields is kept",
        ["REQ-RESP-05"],
        |talk| talk
            .answer("field link=a; field link=b; respond a")?
            .head
            .fields_are("link", &[b"a", b"b"]),
        Violation::reply("reverses it", |_, reply| reply.fields.reverse())
    ),
    case!(
        "value-with-line-end-refused",
        "A field value with CR, LF or NUL is refused",
        ["REQ-RESP-06"],
        |talk| {
            ["a%0D%0Ax-evil:b", "a%0Ab", "a%0Db", "a%00b"]
                .iter()
                .try_for_each(|value| refused(talk, &format!("field x-test={value}"), "try start"))
        },
        Violation::report("accepts it", accepts)
    ),
    case!(
        "value-with-line-end-not-sent",
        "Nothing of a head with CR and LF in a value is sent",
        ["REQ-RESP-06"],
        |talk| {
            talk.answer("field x-test=a; respond a")?.status(200).control()?;
            let response = talk.play("field x-test=a%0D%0Ax-evil:b; respond a")?;
            response.status(500)?;
            response.head.without("x-evil")
        },
        Violation::script("takes it for two fields", |script| script
            .replace("x-test=a%0D%0Ax-evil:b", "x-test=a x-evil=b"))
    ),
    // REQ-RESP-08 and 09: what is not the application's.
    case!(
        "connection-fields-refused",
        "A head with a field of the connection is refused at the call",
        ["REQ-RESP-08"],
        |talk| {
            [
                "connection=close",
                "keep-alive=timeout=5",
                "proxy-connection=close",
                "transfer-encoding=chunked",
                "te=trailers",
                "trailer=x-a",
                "upgrade=h2c",
            ]
            .iter()
            .try_for_each(|field| refused(talk, &format!("field {field}"), "try start"))
        },
        Violation::report("accepts it", accepts)
    ),
    case!(
        "connection-fields-refused-in-respond",
        "A whole answer with a field of the connection is answered 500",
        ["REQ-RESP-08"],
        |talk| {
            talk.answer("field x-a=close; respond a")?.status(200).control()?;
            talk.play("field connection=close; respond a")?.status(500)
        },
        Violation::script("drops the field", |script| script.replace("connection=", "x-a="))
    ),
    case!(
        "connection-fields-refused-in-forward",
        "A forwarded head with a field of the connection is answered 500",
        ["REQ-RESP-08"],
        |talk| {
            talk.answer("field x-a=chunked; forward data=a")?.status(200).control()?;
            talk.play("field transfer-encoding=chunked; forward data=a")?.status(500)
        },
        Violation::script("drops the field", |script| script.replace("transfer-encoding=", "x-a="))
    ),
    case!(
        "length-not-digits-refused",
        "A Content-Length that is no number is refused",
        ["REQ-RESP-09"],
        |talk| {
            ["x", "-1", "+1", "1%201", "0x1", "18446744073709551616"].iter().try_for_each(|value| {
                refused(talk, &format!("field content-length={value}"), "try start")
            })
        },
        Violation::report("accepts it", accepts)
    ),
    case!(
        "lengths-that-differ-refused",
        "Two Content-Length fields that differ are refused",
        ["REQ-RESP-09"],
        |talk| refused(talk, "field content-length=1 content-length=2", "try start"),
        Violation::report("accepts them", accepts)
    ),
    case!(
        "length-twice-sent-once",
        "The same Content-Length given twice is sent once",
        ["REQ-RESP-09"],
        |talk| {
            let response = talk.play("field content-length=5 content-length=5; respond hello")?;
            response.body("hello")?;
            response.head.field("x-application", "rwgi-conformance")?;
            response.head.field("content-length", "5")
        },
        Violation::script("refuses it", |script| script
            .replace("content-length=5 content-length=5", "content-length=5 content-length=6"))
    ),
    // REQ-RESP-10 to 14: the commit.
    case!(
        "nothing-before-commit",
        "No byte of the response is sent before the head is committed",
        ["REQ-RESP-10"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("start; note started; gate g; write a; flush; finish"))?;
            talk.await_event("started")?;
            wire.quiet("no byte before the commit")?;
            talk.open_gate("g")?;
            wire.response()?.body("a")
        },
        Violation::switch("sends a head at once", Switch::HeadFirst)
    ),
    case!(
        "failure-before-commit-is-whole",
        "A failure after start and before the commit is answered by an error response",
        ["REQ-RESP-10"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("start; note started; gate g; error application"))?;
            talk.await_event("started")?;
            talk.open_gate("g")?;
            wire.response()?.status(500)
        },
        Violation::switch("sends a head at once", Switch::HeadFirst)
    ),
    case!(
        "head-replaced",
        "The head given last is sent, with nothing of the one before",
        ["REQ-RESP-11"],
        |talk| {
            let response = talk.answer("field x-old=a set-cookie=a=1; start; status 404; field x-new=b; replace; write gone; finish")?;
            response.status(404)?;
            response.head.field("x-new", "b")?;
            response.head.without("x-old")?;
            response.head.without("set-cookie")?;
            response.body("gone")
        },
        Violation::reply("keeps fields of the first", |_, reply| {
            if reply.status == 404 {
                reply.add("x-old", "a");
            }
        })
    ),
    case!(
        "head-replaced-twice",
        "A head can be replaced more than once",
        ["REQ-RESP-11"],
        |talk| {
            let response = talk.answer(
                "start; status 404; replace; status 410; replace; write gone; flush; finish",
            )?;
            response.status(410)
        },
        Violation::script("keeps the first replacement", |script| script
            .replace("status 410; replace; ", ""))
    ),
    case!(
        "head-not-replaced-after-commit",
        "replace_head after the commit is refused, and the response goes on",
        ["REQ-RESP-12"],
        |talk| {
            let response =
                talk.answer("start; write a; flush; status 404; try replace; write b; finish")?;
            response.status(200)?;
            response.body("ab")?;
            tried(talk, false)
        },
        Violation::report("says that it was done", |json| set_tried(json, true))
    ),
    case!(
        "hooks-in-reverse-order",
        "Head hooks run once each, the one registered last first",
        ["REQ-RESP-13"],
        |talk| {
            let response = talk.answer("hook x-order=first; hook x-order=second; respond a")?;
            response.head.fields_are("x-order", &[b"second", b"first"])
        },
        Violation::script("runs them in the order of registration", |script| script.replace(
            "hook x-order=first; hook x-order=second",
            "hook x-order=second; hook x-order=first"
        ))
    ),
    case!(
        "hooks-in-stream",
        "Head hooks run at the commit of a streamed answer",
        ["REQ-RESP-13"],
        |talk| {
            let response = talk.answer(
                "hook x-hook=a; start; status 404; replace; write a; flush; write b; finish",
            )?;
            response.status(404)?;
            response.head.fields_are("x-hook", &[b"a"])
        },
        Violation::script("runs them for each head that is given", |script| script.replacen(
            "hook x-hook=a; ",
            "hook x-hook=a; hook x-hook=a; ",
            1
        ))
    ),
    case!(
        "hooks-not-for-errors",
        "Head hooks do not run for an error response of the server",
        ["REQ-RESP-13"],
        |talk| {
            talk.answer("hook x-hook=a; respond a")?.head.field("x-hook", "a").control()?;
            let response = talk.play("hook x-hook=a; error application")?;
            response.status(500)?;
            response.head.without("x-hook")
        },
        Violation::reply("runs them", |_, reply| {
            if reply.status == 500 {
                reply.add("x-hook", "a");
            }
        })
    ),
    case!(
        "hook-error-is-500",
        "The error of a head hook is an error before the commit",
        ["REQ-RESP-14"],
        |talk| {
            talk.answer("respond a")?.status(200).control()?;
            talk.play("hook-error; respond a")?.status(500)?;
            talk.play("hook-error; start; write a; flush; finish")?.status(500)
        },
        Violation::script("goes on without it", |script| script.replace("hook-error; ", ""))
    ),
];

/// A head that these steps describe is refused as an application fault, and the application can still answer.
fn refused(talk: &mut Talk<'_>, steps: &str, attempt: &str) -> Held {
    let fine = talk.play("try start; write a; finish")?;
    fine.status(200).control()?;
    let response = talk.play(&format!(
        "{steps}; {attempt}; status 200; no-fields; field x-application=rwgi-conformance; report"
    ))?;
    response.status(200)?;
    let report = response.json()?;
    let note = &report["notes"][0];
    check(note["ok"] == false, format!("`{steps}` to be refused"), "it was accepted")?;
    let fault = &note["error"]["fault"];
    check(fault == "application", "an application fault", fault)
}

/// The report of a gateway that accepts what it should refuse.
fn accepts(json: &mut serde_json::Value) {
    if !json["notes"].is_null() {
        json["notes"][0]["ok"] = true.into();
    }
}

fn tried(talk: &mut Talk<'_>, ok: bool) -> Held {
    let events = talk.await_event("tried")?;
    let found = events.iter().find(|event| event.is("tried")).map(|event| event.get("ok").clone());
    check(
        found.as_ref().is_some_and(|found| *found == ok),
        format!("the call to give ok = {ok}"),
        format!("{found:?}"),
    )
}

fn set_tried(json: &mut serde_json::Value, ok: bool) {
    for event in json["events"].as_array_mut().into_iter().flatten() {
        if event["event"] == "tried" {
            event["ok"] = ok.into();
        }
    }
}
