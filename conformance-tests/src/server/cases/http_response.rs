//! Chapter "HTTP duties", framing the response, and the fields that are the server's.

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, check};
use crate::server::talk::Talk;
use crate::server::wire::{Ending, Framing};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-HTTP-34 to 37: framing.
    case!(
        "stream-is-delimited",
        "A streamed response to HTTP/1.1 is not delimited by the end of the connection",
        ["REQ-HTTP-34"],
        |talk| {
            let response = talk.play("start; write a; flush; write b; finish")?;
            response.body("ab")?;
            check(
                response.head.framing == Framing::Chunked,
                "the chunked coding",
                format!("{:?}", response.head.framing),
            )
        },
        Violation::switch("delimits by the end of the connection", Switch::CloseDelimited)
    ),
    case!(
        "whole-is-delimited",
        "A whole answer to HTTP/1.1 is delimited by its length",
        ["REQ-HTTP-34"],
        |talk| {
            let response = talk.answer("respond hello")?;
            response.body("hello")?;
            check(
                response.head.framing != Framing::Close,
                "Content-Length or the chunked coding",
                "neither",
            )
        },
        Violation::switch("delimits by the end of the connection", Switch::CloseDelimited)
    ),
    case!(
        "error-is-delimited",
        "The server's own error response is delimited",
        ["REQ-HTTP-34"],
        |talk| {
            let response = talk.play("error application")?;
            response.status(500)?;
            check(
                response.head.framing != Framing::Close,
                "Content-Length or the chunked coding",
                "neither",
            )
        },
        Violation::switch("delimits by the end of the connection", Switch::CloseDelimited)
    ),
    case!(
        "not-both-framings",
        "A response has Content-Length or Transfer-Encoding, not both",
        ["REQ-HTTP-35"],
        |talk| {
            let response = talk.play("start; write a; flush; write b; finish")?;
            response.body("ab")?;
            talk.play("field content-length=2; start; write a; flush; write b; finish")?.body("ab")
        },
        Violation::reply("adds a length to the chunked coding", |_, reply| {
            if reply.fields.iter().any(|(name, _)| name == "transfer-encoding") {
                reply.add("content-length", "2");
            }
        })
    ),
    case!(
        "http10-not-chunked",
        "A streamed response to HTTP/1.0 is not chunked",
        ["REQ-HTTP-36"],
        |talk| {
            let response = http10(talk, "start; write a; flush; write b; finish")?;
            response.head.without("transfer-encoding")?;
            response.body("ab")
        },
        Violation::switch("sends it chunked", Switch::ChunkedToTen)
    ),
    case!(
        "http10-close-delimited",
        "Content of unknown length ends, to HTTP/1.0, with an orderly end of the connection",
        ["REQ-HTTP-36"],
        |talk| {
            let mut wire = talk.connect()?;
            let response = wire.request("GET / HTTP/1.0\r\nX-Tag: {tag}\r\nX-Play: start; write a; flush; write b; finish\r\n\r\n")?;
            response.body("ab")?;
            check(
                response.head.framing == Framing::Close,
                "content up to the end of the connection",
                format!("{:?}", response.head.framing),
            )?;
            check(wire.ended()? == Ending::Closed, "an orderly end", "a reset")
        },
        Violation::switch("sends it chunked", Switch::ChunkedToTen)
    ),
    case!(
        "no-coding-in-204",
        "A response with status 204 has no Transfer-Encoding",
        ["REQ-HTTP-37"],
        |talk| {
            let response = talk.play("status 204; start; flush; finish")?;
            response.status(204)?;
            response.head.without("transfer-encoding")
        },
        Violation::reply("adds it", |asked, reply| {
            if reply.status == 204 && asked.by_application {
                reply.add("transfer-encoding", "chunked");
            }
        })
    ),
    // REQ-HTTP-38 to 40: fields of the server's.
    case!(
        "date-added",
        "A response without Date gets one",
        ["REQ-HTTP-38"],
        |talk| {
            let response = talk.answer("respond hello")?;
            is_date(response.head.one("date"))
        },
        Violation::reply("adds none", |_, reply| reply.remove("date"))
    ),
    case!(
        "date-in-stream",
        "A streamed response without Date gets one",
        ["REQ-HTTP-38"],
        |talk| {
            let response = talk.answer("start; write a; flush; finish")?;
            is_date(response.head.one("date"))
        },
        Violation::reply("adds it to whole answers only", |_, reply| {
            if reply.fields.iter().any(|(name, _)| name == "transfer-encoding") {
                reply.remove("date");
            }
        })
    ),
    case!(
        "date-in-error",
        "The server's own error response has a Date",
        ["REQ-HTTP-38"],
        |talk| {
            let response = talk.play("error application")?;
            response.status(500)?;
            is_date(response.head.one("date"))
        },
        Violation::reply("leaves it out of errors", |_, reply| {
            if reply.status >= 400 {
                reply.remove("date");
            }
        })
    ),
    case!(
        "date-in-refusal",
        "The answer to a refused request has a Date",
        ["REQ-HTTP-38"],
        |talk| {
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            let response = wire.request("GET / HTTP/1.1\r\nHost: {host}\r\nX Test: a\r\n\r\n")?;
            response.status(400)?;
            is_date(response.head.one("date"))
        },
        Violation::reply("leaves it out of refusals", |asked, reply| {
            if !asked.by_application {
                reply.remove("date");
            }
        })
    ),
    case!(
        "date-kept",
        "A Date of the application's is neither replaced nor doubled",
        ["REQ-HTTP-39"],
        |talk| {
            let date = "Sun,%2006%20Nov%201994%2008:49:37%20GMT";
            let response = talk.answer(&format!("field date={date}; respond hello"))?;
            response.head.field("date", "Sun, 06 Nov 1994 08:49:37 GMT")
        },
        Violation::reply("adds its own", |_, reply| reply
            .add("date", "Mon, 07 Nov 1994 08:49:37 GMT"))
    ),
    case!(
        "server-kept",
        "A Server field of the application's is neither replaced nor doubled",
        ["REQ-HTTP-39"],
        |talk| talk.play("field server=mine/1; respond hello")?.head.field("server", "mine/1"),
        Violation::reply("replaces it", |_, reply| {
            reply.remove("server");
            reply.add("server", "theirs/1");
        })
    ),
    case!(
        "server-kept-in-stream",
        "A Server field of a streamed response is kept",
        ["REQ-HTTP-39"],
        |talk| talk
            .play("field server=mine/1; start; write a; flush; finish")?
            .head
            .field("server", "mine/1"),
        Violation::reply("removes it", |_, reply| reply.remove("server"))
    ),
    case!(
        "no-further-fields",
        "No field is added but Date, Server, and those of connection and framing",
        ["REQ-HTTP-40"],
        |talk| only_expected(talk, "respond hello"),
        Violation::reply("guesses a Content-Type", |_, reply| reply
            .add("content-type", "text/plain"))
    ),
    case!(
        "no-further-fields-in-stream",
        "No field is added to a streamed response",
        ["REQ-HTTP-40"],
        |talk| only_expected(talk, "start; write a; flush; finish"),
        Violation::reply("adds X-Powered-By", |_, reply| reply.add("x-powered-by", "honest"))
    ),
];

/// A script on a connection of HTTP/1.0.
fn http10(talk: &mut Talk<'_>, script: &str) -> Held<crate::server::wire::Response> {
    talk.request(&format!("GET / HTTP/1.0\r\nX-Tag: {{tag}}\r\nX-Play: {script}\r\n\r\n"))
}

/// IMF-fixdate (RFC 9110, section 5.6.7).
fn is_date(value: Option<&[u8]>) -> Held {
    let text = value.map(String::from_utf8_lossy).unwrap_or_default();
    let form: String = text
        .chars()
        .map(|c| match c {
            '0'..='9' => '0',
            'a'..='z' => 'a',
            other => other,
        })
        .collect();
    let (day, rest) = form.split_once(", ").unwrap_or_default();
    let month = rest.get(3..6).unwrap_or_default();
    let plain = rest.replacen(month, "Aaa", 1);
    let fine = day.len() == 3 && plain == "00 Aaa 0000 00:00:00 GMT";
    check(
        fine,
        "a Date such as Sun, 06 Nov 1994 08:49:37 GMT",
        if text.is_empty() { "none".into() } else { text },
    )
}

fn only_expected(talk: &mut Talk<'_>, script: &str) -> Held {
    let response = talk.answer(script)?;
    let known = [
        "date",
        "server",
        "connection",
        "keep-alive",
        "content-length",
        "transfer-encoding",
        "trailer",
    ];
    let added: Vec<&str> = response
        .head
        .fields
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| *name != crate::server::application::MARK)
        .filter(|name| !known.iter().any(|known| name.eq_ignore_ascii_case(known)))
        .collect();
    check(
        added.is_empty(),
        "no field that neither application nor protocol asks for",
        added.join(", "),
    )
}
