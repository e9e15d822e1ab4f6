//! HTTP/2: the response, its trailers and the windows.
//!
//! Rules of this room: by requirement; what must not come is waited for after a PING was answered, so that the server had its turn.

use super::http2_moves::{
    begin, begin_with, control, flaw, get, h2, message, needs, play, without,
};
use crate::honest::Violation;
use crate::http2::setting::INITIAL_WINDOW_SIZE;
use crate::server::application::pattern;
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::Talk;
use crate::server::wire::{Ended, Http2};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    h2!(
        "h2-response",
        "Status, fields and content of a response arrive on its stream",
        ["REQ-RESP-02", "REQ-RESP-04"],
        |talk| {
            let response = play(talk, "status 201; field x-a=1 x-a=2; respond hello")?;
            response.status(201)?;
            response.head.fields_are("x-a", &[b"1", b"2"])?;
            response.body("hello")
        },
        Violation::reply("sends 200 in any case", |_, reply| reply.status = 200)
    ),
    h2!(
        "h2-large-response",
        "Content that is larger than a frame and a window arrives whole",
        ["REQ-BODY-01"],
        |talk| play(talk, "respond-fill 300000")?.body(pattern(300_000)),
        Violation::content("drops the last octet of a large piece", |data| {
            if data.len() > 10_000 {
                data.pop();
            }
        })
    ),
    h2!(
        "h2-large-head",
        "A head that is larger than a frame arrives whole",
        ["REQ-RESP-04"],
        |talk| {
            let long = "x".repeat(3000);
            let mut http2 = begin(talk)?;
            let fields: String = (0..7).map(|number| format!(" x-{number}={long}")).collect();
            let stream = http2.open(&get(&format!("field{fields}; respond")), true)?;
            let response = http2.response(stream)?;
            (0..7).try_for_each(|number| response.head.field(&format!("x-{number}"), &long))
        },
        Violation::reply("cuts long values", |_, reply| {
            reply.fields.iter_mut().for_each(|(_, value)| value.truncate(1000));
        })
    ),
    // REQ-H2-10
    h2!(
        "h2-no-connection-field",
        "A response holds no connection-specific field",
        ["REQ-H2-10"],
        |talk| play(talk, "respond hello")?.body("hello"),
        Violation::reply("says Connection: keep-alive", |asked, reply| {
            if asked.path != "/control" {
                reply.add("connection", "keep-alive");
            }
        })
    ),
    h2!(
        "h2-no-transfer-encoding",
        "A streamed response holds no connection-specific field",
        ["REQ-H2-10"],
        |talk| play(talk, "start; write a; flush; write b; finish")?.body("ab"),
        Violation::reply("says Transfer-Encoding: chunked", |_, reply| {
            if !reply.fields.iter().any(|(name, _)| name == "content-length") {
                reply.add("transfer-encoding", "chunked");
            }
        })
    ),
    h2!(
        "h2-no-connection-field-in-error",
        "The server's own error response holds no connection-specific field",
        ["REQ-H2-10"],
        |talk| play(talk, "error application")?.status(500),
        Violation::reply("says Connection: close", |asked, reply| {
            if !asked.by_application {
                reply.add("connection", "close");
            }
        })
    ),
    // REQ-H2-11
    h2!(
        "h2-head-request",
        "The response to HEAD has the fields and no content",
        ["REQ-H2-11"],
        |talk| bodyless(talk, "HEAD", "respond hello", Some("5")),
        flaw!("sends content", ContentForAll)
    ),
    h2!(
        "h2-head-request-streamed",
        "The response to HEAD has no content where the application writes some",
        ["REQ-H2-11"],
        |talk| bodyless(talk, "HEAD", "start; write hello; flush; finish", None),
        flaw!("sends content", ContentForAll)
    ),
    h2!(
        "h2-204",
        "A response with status 204 has no content",
        ["REQ-H2-11"],
        |talk| bodyless(talk, "GET", "status 204; start; finish", None),
        flaw!("sends content", ContentForAll)
    ),
    h2!(
        "h2-304",
        "A response with status 304 has no content, and the length that the application declared",
        ["REQ-H2-11"],
        |talk| {
            let script = "status 304; field content-length=1234; start; finish";
            bodyless(talk, "GET", script, Some("1234"))
        },
        flaw!("sends content", ContentForAll)
    ),
    // REQ-H2-12
    h2!(
        "h2-trailers",
        "Trailer fields of a response follow the content",
        ["REQ-H2-12"],
        |talk| trailers(talk, "start; write hello; finish x-sum=17 x-end=yes", "hello"),
        flaw!("drops them", NoTrailers)
    ),
    h2!(
        "h2-trailers-end-stream",
        "Trailer fields of a response end the stream",
        ["REQ-H2-12"],
        |talk| trailers(talk, "start; write hello; flush; finish x-sum=17 x-end=yes", "hello"),
        flaw!("leaves the stream open", OpenTrailers)
    ),
    h2!(
        "h2-trailers-without-content",
        "Trailer fields of a response may follow no content at all",
        ["REQ-H2-12"],
        |talk| trailers(talk, "start; flush; finish x-sum=17 x-end=yes", ""),
        flaw!("drops them", NoTrailers)
    ),
    h2!(
        "h2-trailers-after-length",
        "Trailer fields of a response follow content of a declared length",
        ["REQ-H2-12"],
        |talk| {
            let script = "field content-length=5; start; write hello; finish x-sum=17 x-end=yes";
            trailers(talk, script, "hello")
        },
        flaw!("drops them", NoTrailers)
    ),
    // REQ-H2-13
    h2!(
        "h2-stream-window",
        "A response waits for the window of its stream",
        ["REQ-H2-13"],
        |talk| {
            let mut http2 = begin_with(talk, &[(INITIAL_WINDOW_SIZE, 10)])?;
            http2.keep_windows();
            let stream = http2.open(&get("respond-fill 100"), true)?;
            received(&mut http2, stream, 10)?;
            http2.grant(stream, 20)?;
            received(&mut http2, stream, 30)?;
            http2.grant(stream, 1000)?;
            http2.response(stream)?.body(pattern(100))
        },
        flaw!("overlooks it", NoStreamWindow)
    ),
    h2!(
        "h2-connection-window",
        "A response waits for the window of the connection",
        ["REQ-H2-13"],
        |talk| {
            let mut http2 = begin_with(talk, &[(INITIAL_WINDOW_SIZE, 1 << 20)])?;
            http2.keep_windows();
            let stream = http2.open(&get("respond-fill 100000"), true)?;
            received(&mut http2, stream, 65_535)?;
            http2.grant(0, 50_000)?;
            http2.response(stream)?.body(pattern(100_000))
        },
        flaw!("overlooks it", NoConnectionWindow)
    ),
    h2!(
        "h2-window-of-settings",
        "A changed initial window holds for streams that are open",
        ["REQ-H2-13"],
        |talk| {
            let mut http2 = begin_with(talk, &[(INITIAL_WINDOW_SIZE, 0)])?;
            http2.keep_windows();
            let stream = http2.open(&get("respond-fill 100"), true)?;
            http2.head(stream)?;
            received(&mut http2, stream, 0)?;
            http2.settings(&[(INITIAL_WINDOW_SIZE, 60)])?;
            received(&mut http2, stream, 60)?;
            http2.settings(&[(INITIAL_WINDOW_SIZE, 1000)])?;
            http2.response(stream)?.body(pattern(100))
        },
        flaw!("applies it to new streams only", SettingsForNewStreams)
    ),
    h2!(
        "h2-write-waits-for-window",
        "An application that writes waits for the window of its stream",
        ["REQ-H2-13", "REQ-BODY-04"],
        |talk| {
            let mut http2 = begin(talk)?;
            http2.keep_windows();
            let stream = http2.open(&get("start; pump 64 65536; finish"), true)?;
            received(&mut http2, stream, 65_535)?;
            talk.watch("pumped")?.quiet("a write that waits while the client opens no window")?;
            http2.grant(0, 1 << 24)?;
            http2.grant(stream, 1 << 24)?;
            // First what was written is taken off the socket: else the application waits for that.
            let (ended, body) = http2.ended(stream)?;
            talk.await_event("pumped")?;
            let whole = ended == Ended::Complete && body.len() == 64 * 65_536;
            check(whole, "4194304 octets", format!("{} octets, {ended:?}", body.len()))
        },
        flaw!("takes all that is written", StoresContent)
    ),
    h2!(
        "h2-window-of-neighbour",
        "A stream without a window holds up no other stream",
        ["REQ-H2-13", "REQ-H2-17"],
        |talk| {
            let mut http2 = begin(talk)?;
            http2.settings(&[(INITIAL_WINDOW_SIZE, 0)])?;
            http2.keep_windows();
            let stuck = http2.open(&get("respond-fill 1000"), true)?;
            http2.head(stuck)?;
            let other = http2.open(&get("respond other"), true)?;
            http2.grant(other, 100)?;
            http2.response(other)?.body("other")?;
            http2.grant(stuck, 1000)?;
            http2.response(stuck)?.body(pattern(1000))
        },
        flaw!("serves one stream at a time", OneAtATime)
    ),
];

/// A response without content; its Content-Length is this one where there is one.
fn bodyless(talk: &mut Talk<'_>, method: &str, script: &str, length: Option<&str>) -> Held {
    let mut http2 = begin(talk)?;
    let stream = http2.open(&message(method, script), true)?;
    let response = http2.response(stream)?;
    check(response.is_of_application(), "a response of the application", "another one")
        .control()?;
    response.body("")?;
    if let Some(length) = length {
        response.head.field("content-length", length)?;
    }
    control(&mut http2)
}

/// A response with the trailers x-sum and x-end after this content.
fn trailers(talk: &mut Talk<'_>, script: &str, body: &str) -> Held {
    let mut http2 = begin(talk)?;
    needs(&mut http2, "response-trailers")?;
    let fields = without(get(script), "te");
    let stream = http2.open(&super::http2_moves::with(fields, &[("te", "trailers")]), true)?;
    let response = http2.response(stream)?;
    response.body(body)?;
    let mut found = response.trailers;
    found.sort();
    let expected = [("x-end".to_owned(), b"yes".to_vec()), ("x-sum".to_owned(), b"17".to_vec())];
    let shown = found.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>().join(", ");
    check(found == expected, "the trailer fields x-sum and x-end", format!("fields \"{shown}\""))
}

/// So much content of a stream comes, and no more.
fn received(http2: &mut Http2, stream: u32, length: usize) -> Held {
    http2.body(stream, length)?;
    http2.ping()?;
    http2.quiet(stream, "no more content than the window allows")?;
    let received = http2.received(stream);
    check(received == length, format!("{length} octets"), format!("{received} octets"))
}
