//! Chapter "The response": its length, and responses without content.

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, message};
use crate::server::wire::{Framing, Response};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-RESP-15 to 17: Content-Length of a whole answer.
    case!(
        "respond-has-length",
        "A whole answer has its exact Content-Length",
        ["REQ-RESP-15"],
        |talk| {
            let response = talk.answer("respond hello")?;
            response.head.field("content-length", "5")?;
            let empty = talk.answer("respond")?;
            empty.head.field("content-length", "0")
        },
        Violation::switch("sends it chunked", Switch::ChunkedAlways)
    ),
    case!(
        "respond-large-has-length",
        "A large whole answer has its exact Content-Length",
        ["REQ-RESP-15"],
        |talk| {
            let response = talk.answer("respond-fill 300000")?;
            response.head.field("content-length", "300000")?;
            check(response.body.len() == 300_000, "300000 octets", response.body.len())
        },
        Violation::switch("sends it chunked", Switch::ChunkedAlways)
    ),
    case!(
        "respond-wrong-length-is-500",
        "A declared length that is not that of a whole answer is answered 500",
        ["REQ-RESP-16"],
        |talk| {
            talk.answer("field content-length=5; respond hello")?.status(200).control()?;
            talk.play("field content-length=4; respond hello")?.status(500)?;
            talk.play("field content-length=6; respond hello")?.status(500)
        },
        Violation::script("corrects it", |script| script
            .replace("content-length=6", "content-length=5"))
    ),
    case!(
        "finished-at-once-has-length",
        "A streamed answer that is finished at once has its Content-Length",
        ["REQ-RESP-17"],
        |talk| {
            let response = talk.answer("start; write hello; finish")?;
            response.body("hello")?;
            response.head.field("content-length", "5")
        },
        Violation::switch("sends it chunked", Switch::ChunkedAlways)
    ),
    case!(
        "finished-at-once-empty-has-length",
        "A streamed answer without a byte has Content-Length: 0",
        ["REQ-RESP-17"],
        |talk| talk.answer("start; finish")?.head.field("content-length", "0"),
        Violation::switch("sends it chunked", Switch::ChunkedAlways)
    ),
    // REQ-RESP-18 to 25: responses without content.
    case!(
        "head-without-content",
        "A response to HEAD has no content",
        ["REQ-RESP-18"],
        |talk| no_content(talk, "HEAD", "respond hello", 200),
        Violation::switch("sends it", Switch::ContentForAll)
    ),
    case!(
        "head-stream-without-content",
        "A streamed response to HEAD has no content",
        ["REQ-RESP-18"],
        |talk| no_content(talk, "HEAD", "start; write hello; flush; write more; finish", 200),
        Violation::switch("sends it", Switch::ContentForAll)
    ),
    case!(
        "status-204-without-content",
        "A response with status 204 has no content",
        ["REQ-RESP-18"],
        |talk| no_content(talk, "GET", "status 204; respond hello", 204),
        Violation::switch("sends it", Switch::ContentForAll)
    ),
    case!(
        "status-304-without-content",
        "A response with status 304 has no content",
        ["REQ-RESP-18"],
        |talk| no_content(talk, "GET", "status 304; start; write hello; finish", 304),
        Violation::switch("sends it", Switch::ContentForAll)
    ),
    case!(
        "head-forward-without-content",
        "A forwarded response to HEAD has no content",
        ["REQ-RESP-18"],
        |talk| no_content(talk, "HEAD", "forward data=hello", 200),
        Violation::switch("sends it", Switch::ContentForAll)
    ),
    case!(
        "head-keeps-declared-length",
        "A declared length is kept in a response to HEAD",
        ["REQ-RESP-19"],
        |talk| without_content(talk, "HEAD", "field content-length=1234; start; flush; finish")?
            .head
            .field("content-length", "1234"),
        Violation::reply("removes it", |asked, reply| {
            if asked.method == "HEAD" {
                reply.remove("content-length");
            }
        })
    ),
    case!(
        "status-304-keeps-declared-length",
        "A declared length is kept with status 304",
        ["REQ-RESP-19"],
        |talk| without_content(talk, "GET", "status 304; field content-length=1234; respond")?
            .head
            .field("content-length", "1234"),
        Violation::reply("removes it", |_, reply| {
            if reply.status == 304 {
                reply.remove("content-length");
            }
        })
    ),
    case!(
        "head-length-of-bytes",
        "A response to HEAD has the length of the bytes given to respond",
        ["REQ-RESP-20"],
        |talk| without_content(talk, "HEAD", "respond hello")?.head.field("content-length", "5"),
        Violation::reply("says 0", |asked, reply| {
            if asked.method == "HEAD" {
                reply.remove("content-length");
                reply.add("content-length", "0");
            }
        })
    ),
    case!(
        "head-without-bytes-without-length",
        "A response to HEAD whose length nobody knows has none",
        ["REQ-RESP-21"],
        |talk| without_content(talk, "HEAD", "start; flush; finish")?
            .head
            .without("content-length"),
        Violation::reply("says 0", |asked, reply| {
            if asked.method == "HEAD" {
                reply.add("content-length", "0");
            }
        })
    ),
    case!(
        "head-respond-nothing-without-length",
        "An empty respond to HEAD does not say Content-Length: 0",
        ["REQ-RESP-21"],
        |talk| without_content(talk, "HEAD", "respond")?.head.without("content-length"),
        Violation::reply("says 0", |asked, reply| {
            if asked.method == "HEAD"
                && !reply.fields.iter().any(|(name, _)| name == "content-length")
            {
                reply.add("content-length", "0");
            }
        })
    ),
    case!(
        "status-204-without-length",
        "A response with status 204 has no Content-Length",
        ["REQ-RESP-22"],
        |talk| {
            without_content(talk, "GET", "status 204; field content-length=0; respond")?
                .head
                .without("content-length")?;
            without_content(talk, "GET", "status 204; respond")?.head.without("content-length")
        },
        Violation::reply("says 0", |_, reply| {
            if reply.status == 204 {
                reply.add("content-length", "0");
            }
        })
    ),
    case!(
        "status-304-length-not-added",
        "No Content-Length is added to status 304",
        ["REQ-RESP-23"],
        |talk| {
            without_content(talk, "GET", "status 304; respond")?.head.without("content-length")?;
            without_content(talk, "GET", "status 304; respond hello")?
                .head
                .without("content-length")
        },
        Violation::reply("adds one", |_, reply| {
            if reply.status == 304 {
                reply.add("content-length", "0");
            }
        })
    ),
    case!(
        "head-no-shortfall",
        "Missing content is no shortfall in a response to HEAD",
        ["REQ-RESP-24"],
        |talk| {
            let response = without_content(talk, "HEAD", "field content-length=100; respond")?;
            response.status(200)?;
            without_content(talk, "HEAD", "field content-length=100; start; finish")?.status(200)
        },
        Violation::script("takes it for one", |script| script
            .replace("start; finish", "error application"))
    ),
    case!(
        "status-304-no-shortfall",
        "Missing content is no shortfall with status 304",
        ["REQ-RESP-24"],
        |talk| without_content(talk, "GET", "status 304; field content-length=100; start; finish")?
            .status(304),
        Violation::script("takes it for one", |script| script
            .replace("start; finish", "error application"))
    ),
    case!(
        "head-outcome-completed",
        "The outcome of a response to HEAD is Completed, whether the application went on or was dropped",
        ["REQ-RESP-25"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.request(&message(
                "HEAD",
                "complete c; start; write a; write b; write c; finish",
                "",
                "",
            ))?
            .status(200)?;
            let events = talk.await_event("complete")?;
            let outcome = events
                .iter()
                .find(|event| event.is("complete"))
                .map(|event| event.get("outcome").clone());
            check(
                outcome.as_ref().is_some_and(|outcome| outcome == "completed"),
                "the outcome completed",
                format!("{outcome:?}"),
            )
        },
        Violation::report("reports it as cancelled", |json| {
            for event in json["events"].as_array_mut().into_iter().flatten() {
                if event["event"] == "complete" {
                    event["outcome"] = "cancelled".into();
                }
            }
        })
    ),
];

fn without_content(talk: &mut Talk<'_>, method: &str, script: &str) -> Held<Response> {
    let mut wire = talk.connect()?;
    let response = wire.request(&message(method, script, "", ""))?;
    check(
        response.is_of_application(),
        "the application's response",
        format!("status {}", response.head.status),
    )?;
    Ok(response)
}

/// The response has this status and no content: what follows on the connection is the next response.
fn no_content(talk: &mut Talk<'_>, method: &str, script: &str, status: u16) -> Held {
    let mut wire = talk.connect()?;
    let response = wire.request(&message(method, script, "", ""))?;
    response.status(status)?;
    check(
        response.head.framing == Framing::None,
        "no content",
        format!("{:?}", response.head.framing),
    )?;
    wire.still_open()
}
