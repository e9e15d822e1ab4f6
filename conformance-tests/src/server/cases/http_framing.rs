//! Chapter "HTTP duties", where a request's body ends.

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, message};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-HTTP-26 to 28: Transfer-Encoding.
    refused!(
        "both-lengths",
        "Transfer-Encoding beside Content-Length is answered 400",
        "REQ-HTTP-26",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
        "takes the chunked coding",
        BothLengths
    ),
    refused!(
        "both-lengths-reversed",
        "Content-Length after Transfer-Encoding is answered 400",
        "REQ-HTTP-26",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        &[400],
        "takes the chunked coding",
        BothLengths
    ),
    refused!(
        "coding-unknown",
        "An unknown transfer coding before chunked is answered 501",
        "REQ-HTTP-27",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        &[501],
        "takes it for chunked",
        AnyCoding
    ),
    refused!(
        "coding-not-last",
        "A coding after chunked is answered 400",
        "REQ-HTTP-27",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        &[400, 501],
        "takes it for chunked",
        AnyCoding
    ),
    refused!(
        "coding-gzip-alone",
        "A transfer coding without chunked is answered 501 or 400",
        "REQ-HTTP-27",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        &[400, 501],
        "takes it for chunked",
        AnyCoding
    ),
    refused!(
        "coding-misspelt",
        "A coding that only resembles chunked is refused",
        "REQ-HTTP-27",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        &[400, 501],
        "takes it for chunked",
        AnyCoding
    ),
    refused!(
        "coding-twice",
        "chunked applied twice is refused",
        "REQ-HTTP-27",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400, 501],
        "takes it for chunked once",
        AnyCoding
    ),
    case!(
        "coding-upper-case",
        "The name of the coding has no case",
        ["REQ-HTTP-27"],
        |talk| body_is(
            talk,
            "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "hello"
        ),
        Violation::switch("knows it in lower case only", Switch::CodingCase)
    ),
    refused!(
        "coding-in-http10",
        "Transfer-Encoding in HTTP/1.0 is answered 400",
        "REQ-HTTP-28",
        "POST /?tag={tag} HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
        "decodes it",
        ChunkedInTen
    ),
    // REQ-HTTP-29 and 30: Content-Length.
    refused!(
        "length-signed",
        "A Content-Length with a sign is answered 400",
        "REQ-HTTP-29",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nContent-Length: +5\r\n\r\nhello",
        &[400],
        "takes the digits in it",
        LooseLength
    ),
    refused!(
        "length-negative",
        "A negative Content-Length is answered 400",
        "REQ-HTTP-29",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nContent-Length: -0\r\n\r\n",
        &[400],
        "takes the digits in it",
        LooseLength
    ),
    refused!(
        "length-hexadecimal",
        "A hexadecimal Content-Length is answered 400",
        "REQ-HTTP-29",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0x5\r\n\r\nhello",
        &[400],
        "takes the digits in it",
        LooseLength
    ),
    refused!(
        "length-empty",
        "An empty Content-Length is answered 400",
        "REQ-HTTP-29",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nContent-Length:\r\n\r\n",
        &[400],
        "takes it for zero",
        LooseLength
    ),
    refused!(
        "length-with-text",
        "A Content-Length with text after the digits is answered 400",
        "REQ-HTTP-29",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5 bytes\r\n\r\nhello",
        &[400],
        "takes the digits in it",
        LooseLength
    ),
    refused!(
        "length-over-64-bits",
        "A Content-Length beyond 64 bits is answered 400",
        "REQ-HTTP-29",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 18446744073709551617\r\n\r\na",
        &[400],
        "lets it wrap",
        LengthWraps
    ),
    refused!(
        "lengths-differ",
        "Two Content-Length fields that differ are answered 400",
        "REQ-HTTP-30",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        &[400],
        "takes the first one",
        FirstLength
    ),
    refused!(
        "length-list-differs",
        "A list of lengths that differ is answered 400",
        "REQ-HTTP-30",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5, 6\r\n\r\nhello!",
        &[400],
        "takes the first one",
        FirstLength
    ),
    // REQ-HTTP-31 and 32: the chunked coding.
    case!(
        "chunked-decoded",
        "The chunked coding is decoded",
        ["REQ-HTTP-31"],
        |talk| body_is(talk, &chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), "hello world"),
        Violation::report("loses the last octet", |json| {
            json["body"] = json["body"]
                .as_str()
                .map(|body| &body[..body.len().saturating_sub(1)])
                .unwrap_or("")
                .into();
        })
    ),
    case!(
        "chunk-extensions-skipped",
        "Chunk extensions are skipped",
        ["REQ-HTTP-31"],
        |talk| body_is(talk, &chunked("5;a=b;c=\"d\"\r\nhello\r\n0;last\r\n\r\n"), "hello"),
        Violation::switch("refuses them", Switch::NoExtensions)
    ),
    case!(
        "chunk-hexadecimal",
        "Chunk sizes are hexadecimal, in either case",
        ["REQ-HTTP-31"],
        |talk| body_is(
            talk,
            &chunked("a\r\n0123456789\r\nB\r\nabcdefghijk\r\n0\r\n\r\n"),
            "0123456789abcdefghijk"
        ),
        Violation::report("loses the last octet", |json| {
            json["body"] = json["body"]
                .as_str()
                .map(|body| &body[..body.len().saturating_sub(1)])
                .unwrap_or("")
                .into();
        })
    ),
    case!(
        "chunk-in-pieces",
        "A chunked body that arrives octet by octet is the same body",
        ["REQ-HTTP-31"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&chunked(""))?;
            for octet in b"5;x\r\nhello\r\n0\r\nX-End: a\r\n\r\n" {
                wire.send_octets(&[*octet])?;
            }
            let report = wire.response()?.json()?;
            check(report["body"] == "hello", "the body \"hello\"", &report["body"])?;
            wire.still_open()
        },
        Violation::switch("does not know extensions", Switch::NoExtensions)
    ),
    case!(
        "chunk-size-not-hexadecimal",
        "A chunk size that is not hexadecimal breaks the body",
        ["REQ-HTTP-32"],
        |talk| broken(talk, "x\r\nhello\r\n0\r\n\r\n"),
        Violation::switch("takes it for zero", Switch::LooseChunkSize)
    ),
    case!(
        "chunk-size-empty",
        "An empty chunk size breaks the body",
        ["REQ-HTTP-32"],
        |talk| broken(talk, "\r\nhello\r\n0\r\n\r\n"),
        Violation::switch("takes it for zero", Switch::LooseChunkSize)
    ),
    case!(
        "chunk-size-signed",
        "A signed chunk size breaks the body",
        ["REQ-HTTP-32"],
        |talk| broken(talk, "+5\r\nhello\r\n0\r\n\r\n"),
        Violation::switch("takes it for zero", Switch::LooseChunkSize)
    ),
    case!(
        "chunk-size-over-64-bits",
        "A chunk size beyond 64 bits breaks the body",
        ["REQ-HTTP-32"],
        |talk| broken(talk, "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        Violation::switch("lets it wrap", Switch::ChunkWraps)
    ),
    case!(
        "chunk-data-without-crlf",
        "Chunk data that is not followed by CRLF breaks the body",
        ["REQ-HTTP-32"],
        |talk| broken(talk, "5\r\nhelloXX0\r\n\r\n"),
        Violation::switch("does not look", Switch::LooseChunkEnd)
    ),
    case!(
        "chunk-data-too-long",
        "Chunk data longer than its size breaks the body",
        ["REQ-HTTP-32"],
        |talk| broken(talk, "5\r\nhelloworld\r\n0\r\n\r\n"),
        Violation::switch("skips to the end of the line", Switch::ChunkSkipsLine)
    ),
    case!(
        "chunk-error-is-answered",
        "A broken chunked body before the commit is answered 400",
        ["REQ-HTTP-32"],
        |talk| {
            talk.request(&chunked("5\r\nhello\r\n0\r\n\r\n"))?.status(200).control()?;
            talk.request(&chunked("x\r\nhello\r\n0\r\n\r\n"))?.status(400)
        },
        Violation::switch("takes the size for zero", Switch::LooseChunkSize)
    ),
    // REQ-HTTP-33: the next request.
    case!(
        "next-after-length",
        "The octet after a body of declared length begins the next request",
        ["REQ-HTTP-33"],
        |talk| next_follows(
            talk,
            "POST /first HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello"
        ),
        Violation::switch("skips one", Switch::SkipsAfterBody)
    ),
    case!(
        "next-after-chunked",
        "The octet after a chunked body begins the next request",
        ["REQ-HTTP-33"],
        |talk| next_follows(
            talk,
            "POST /first HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ),
        Violation::switch("drops what has arrived", Switch::DropsPipelined)
    ),
    case!(
        "no-length-no-body",
        "A POST without a length has no body",
        ["REQ-HTTP-33"],
        |talk| next_follows(talk, "POST /first HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        Violation::switch("lets it go on to the end", Switch::BodyToTheEnd)
    ),
    case!(
        "get-with-body",
        "A GET may have a body, and the next request follows it",
        ["REQ-HTTP-33"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send("GET /first HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhelloGET /second HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
            let first = wire.response()?.json()?;
            check(first["body"] == "hello", "the body \"hello\"", &first["body"])?;
            let second = wire.response()?.json()?;
            check(second["path_info"] == "/second", "the path /second", &second["path_info"])
        },
        Violation::switch("skips an octet after a body", Switch::SkipsAfterBody)
    ),
    case!(
        "length-with-zeros",
        "A Content-Length with leading zeros is a decimal number",
        ["REQ-HTTP-29"],
        |talk| body_is(
            talk,
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0005\r\n\r\nhello",
            "hello"
        ),
        Violation::switch("takes it for octal or refuses it", Switch::NoLeadingZeros)
    ),
];

fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: {{host}}\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

/// The application sees this body, and the connection goes on.
fn body_is(talk: &mut Talk<'_>, request: &str, body: &str) -> Held {
    let mut wire = talk.connect()?;
    let response = wire.request(request)?;
    response.status(200)?;
    let report = response.json()?;
    check(report["body"] == body, format!("the body {body:?}"), &report["body"])?;
    wire.still_open()
}

/// The read of this chunked body fails by the client's fault, and the connection ends with the response.
fn broken(talk: &mut Talk<'_>, body: &str) -> Held {
    let request =
        |body| message("POST", "try read; respond seen", "Transfer-Encoding: chunked\r\n", body);
    let mut good = talk.connect()?;
    good.request(&request("5\r\nhello\r\n0\r\n\r\n"))?.body("seen").control()?;
    let mut wire = talk.connect()?;
    wire.send(&request(body))?;
    let _ = wire.response_or_end("POST")?;
    let events = talk.await_events("tried", 2)?;
    let tried: Vec<_> = events.iter().filter(|event| event.is("tried")).collect();
    check(tried[0].get("ok") == true, "the read of a good body to succeed", tried[0].get("error"))
        .control()?;
    check(tried[1].get("ok") == false, "the read of this body to fail", "it succeeded")?;
    let fault = &tried[1].get("error")["fault"];
    check(fault == "client", "a client fault", fault)?;
    wire.ended().map(drop)
}

/// This request and the next one, sent together, are both answered.
fn next_follows(talk: &mut Talk<'_>, first: &str) -> Held {
    let mut wire = talk.connect()?;
    wire.send(&format!("{first}GET /second HTTP/1.1\r\nHost: {{host}}\r\n\r\n"))?;
    let one = wire.response()?.json()?;
    check(one["path_info"] == "/first", "the path /first", &one["path_info"])?;
    let two = wire.response()?.json()?;
    check(two["path_info"] == "/second", "the path /second", &two["path_info"])
}
