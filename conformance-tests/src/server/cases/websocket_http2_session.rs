//! Chapter "WebSocket" over HTTP/2: the session on its stream.
//!
//! Rules of this room: frames travel in DATA, an end is END_STREAM, a reset is RST_STREAM; what has been judged on HTTP/1.1 in full is judged
//! here once for each kind.

use super::http2_moves::{control, flaw};
use super::websocket_http2::{connect, open, wrong, ws2};
use super::websocket_moves::{CLOSE, Came, ECHO, PING, Sent, TEXT, receive, send, shown};
use crate::http2::code;
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::Talk;
use crate::server::wire::frame;

/// Sends, receives, and closes where that has not happened yet.
fn converse(talk: &mut Talk<'_>, script: &str, sent: &[Sent], came: &[Came]) -> Held {
    let mut socket = open(talk, script, &[])?;
    let closes = matches!(came.last(), Some(Came::Closed(_) | Came::ClosedPlainly | Came::Says(_)));
    if closes && script == ECHO {
        send(&mut socket, &[Sent::Frame(TEXT, b"control")])?;
        receive(&mut socket, &[Came::Text("control")]).control()?;
    }
    send(&mut socket, sent)?;
    receive(&mut socket, came)?;
    if !closes {
        send(&mut socket, &[Sent::Frame(CLOSE, b"\x03\xe8")])?;
        receive(&mut socket, &[Came::Closed(1000)])?;
    }
    Ok(())
}

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // Messages.
    ws2!(
        "ws2-echo",
        "Messages travel in DATA, in both directions and in their order",
        ["REQ-WS-07", "REQ-WS-26"],
        |talk| converse(
            talk,
            ECHO,
            &[Sent::Frame(TEXT, b"one"), Sent::Frame(TEXT, b""), Sent::Frame(0x82, b"\xff\x00")],
            &[Came::Text("one"), Came::Text(""), Came::Binary(b"\xff\x00")]
        ),
        wrong!("drops the last octet", Shortens)
    ),
    ws2!(
        "ws2-octet-by-octet",
        "A frame may be cut anywhere by the frames of HTTP/2",
        ["REQ-WS-07"],
        |talk| converse(talk, ECHO, &[Sent::Cut(TEXT, 40, 1)], &[Came::Fill(TEXT, 40)]),
        wrong!("takes the content of DATA for whole frames", WholePieces)
    ),
    ws2!(
        "ws2-many-in-one",
        "Several frames may come in one frame of HTTP/2",
        ["REQ-WS-07"],
        |talk| converse(talk, ECHO, &[Sent::Times(20, TEXT, b"many")], &[Came::Text("many"); 20]),
        wrong!("drops the last octet", Shortens)
    ),
    ws2!(
        "ws2-fragments",
        "Fragments on a stream are put together, with a Ping between them answered",
        ["REQ-WS-07", "REQ-WS-15"],
        |talk| converse(
            talk,
            ECHO,
            &[Sent::Frame(0x01, b"a"), Sent::Frame(PING, b"p"), Sent::Frame(0x80, b"b")],
            &[Came::Pong(b"p"), Came::Text("ab")]
        ),
        wrong!("takes each fragment for a message", NoFragments)
    ),
    ws2!(
        "ws2-large",
        "A message larger than the window comes whole",
        ["REQ-WS-26"],
        |talk| {
            let mut socket = open(talk, "accept; ws-fill 300000; ws-recv", &[])?;
            let found = socket.message()?;
            let whole = crate::server::application::pattern(300_000);
            let fine = found.payload == whole;
            check(fine, "300000 octets as sent", shown(found.first, &found.payload))
        },
        wrong!("drops the last octet", Shortens)
    ),
    ws2!(
        "ws2-window",
        "A message that is larger than the window waits for it",
        ["REQ-WS-26", "REQ-H2-13"],
        |talk| {
            let mut socket = open(talk, "accept; ws-recv; ws-fill 100000; ws-recv", &[])?;
            if let Some((http2, _)) = socket.stream() {
                http2.keep_windows();
                http2.grant(0, 200_000)?;
            }
            send(&mut socket, &[Sent::Frame(TEXT, b"go")])?;
            let Some((http2, id)) = socket.stream() else { return Ok(()) };
            // All that the windows allow, and what is there at once when they open.
            http2.body(id, 60_000)?;
            http2.ping()?;
            http2.grant(id, 200_000)?;
            let found = socket.message()?;
            check(found.payload.len() == 100_000, "100000 octets", found.payload.len())
        },
        flaw!("does not look at the stream's", NoStreamWindow)
    ),
    ws2!(
        "ws2-deflate",
        "permessage-deflate is agreed on by extended CONNECT as it is by an upgrade",
        ["REQ-WS-24"],
        |talk| {
            let offer = [("sec-websocket-extensions", "permessage-deflate")];
            let mut socket = open(talk, ECHO, &offer)?;
            socket.agree()?;
            for _ in 0..2 {
                send(&mut socket, &[Sent::Deflated(TEXT, 2000)])?;
                receive(&mut socket, &[Came::Fill(TEXT, 2000)])?;
            }
            Ok(())
        },
        wrong!("does not inflate", NoInflate)
    ),
    // What a client may not send.
    ws2!(
        "ws2-unmasked",
        "A frame on a stream that is not masked is closed with 1002",
        ["REQ-WS-08"],
        |talk| converse(talk, ECHO, &[Sent::Raw(b"\x81\x02hi")], &[Came::Closed(1002)]),
        wrong!("takes it", Unmasked)
    ),
    ws2!(
        "ws2-no-text",
        "Text on a stream that is not UTF-8 is closed with 1007",
        ["REQ-WS-13"],
        |talk| converse(talk, ECHO, &[Sent::Frame(TEXT, b"\xc3\x28")], &[Came::Closed(1007)]),
        wrong!("repairs it", RepairsText)
    ),
    ws2!(
        "ws2-too-large",
        "A message on a stream that is larger than its limit is closed with 1009",
        ["REQ-WS-19"],
        |talk| converse(
            talk,
            "accept limit=100; ws-echo",
            &[Sent::Fill(TEXT, 101)],
            &[Came::Closed(1009)]
        ),
        wrong!("knows no limit", NoLimit)
    ),
    // The end.
    ws2!(
        "ws2-close",
        "A Close frame on a stream is answered, and END_STREAM follows",
        ["REQ-WS-17"],
        |talk| converse(talk, ECHO, &[Sent::Frame(CLOSE, b"\x0f\xa1")], &[Came::Closed(4001)]),
        flaw!("resets the stream", SessionResets)
    ),
    ws2!(
        "ws2-close-goes-on",
        "After a close on a stream the connection goes on",
        ["REQ-WS-17", "REQ-H2-15"],
        |talk| {
            let mut socket = open(talk, ECHO, &[])?;
            send(&mut socket, &[Sent::Frame(CLOSE, b"\x03\xe8")])?;
            receive(&mut socket, &[Came::Closed(1000)])?;
            socket.finish_sending()?;
            let Some((http2, _)) = socket.stream() else { return Ok(()) };
            control(http2)?;
            let id = http2.open(&connect(ECHO), false)?;
            http2.head(id)?.status(200)
        },
        wrong!("leaves it open", StaysOpen)
    ),
    ws2!(
        "ws2-left",
        "A session on a stream that the application left is closed with 1000",
        ["REQ-WS-20"],
        |talk| {
            let came = [Came::Text("bye"), Came::Says(1000)];
            converse(talk, "accept; ws-send bye", &[], &came)
        },
        wrong!("closes with 1011", LeavesBadly)
    ),
    ws2!(
        "ws2-failed",
        "A session on a stream whose application failed is closed with 1011",
        ["REQ-WS-20"],
        |talk| converse(talk, "accept; error application", &[], &[Came::Says(1011)]),
        wrong!("closes with 1000", FailsNormally)
    ),
    ws2!(
        "ws2-ended-without-close",
        "END_STREAM without a Close frame is 1006 to the application",
        ["REQ-WS-28"],
        |talk| {
            let mut socket = open(talk, ECHO, &[])?;
            send(&mut socket, &[Sent::Frame(TEXT, b"control")])?;
            receive(&mut socket, &[Came::Text("control")]).control()?;
            socket.finish_sending()?;
            let page = talk.await_event("closed")?;
            let told = page.iter().find(|event| event.is("closed"));
            let told = told.and_then(|event| event.get("code").as_u64());
            check(told == Some(1006), "the code 1006", format!("{told:?}"))
        },
        wrong!("tells 1000", TellsNormal)
    ),
    ws2!(
        "ws2-reset",
        "RST_STREAM ends the session, and no other stream",
        ["REQ-H2-16"],
        |talk| {
            let mut socket = open(talk, "complete c; accept; ws-echo", &[])?;
            send(&mut socket, &[Sent::Frame(TEXT, b"control")])?;
            receive(&mut socket, &[Came::Text("control")]).control()?;
            let Some((http2, id)) = socket.stream() else { return Ok(()) };
            let left = http2.open(&connect("accept; ws-echo"), false)?;
            http2.head(left)?.status(200)?;
            http2.reset(id, code::CANCEL)?;
            http2.ping()?;
            talk.await_event("complete")?;
            http2.data(left, &frame(TEXT, b"still"), false)?;
            check(
                http2.content_after(left, 0, 7, "an echo")? == b"\x81\x05still",
                "its echo",
                "another",
            )
        },
        flaw!("goes on with it", NoDeparture)
    ),
    ws2!(
        "ws2-neighbours",
        "A session that waits holds up no other stream, and no other session",
        ["REQ-H2-17"],
        |talk| {
            let mut socket = open(talk, ECHO, &[])?;
            let Some((http2, _)) = socket.stream() else { return Ok(()) };
            control(http2)?;
            let second = http2.open(&connect(ECHO), false)?;
            http2.head(second)?.status(200)?;
            http2.data(second, &frame(TEXT, b"two"), false)?;
            let echo = http2.content_after(second, 0, 5, "an echo")?;
            check(echo == b"\x81\x03two", "the echo of the second", format!("{echo:?}"))?;
            send(&mut socket, &[Sent::Frame(TEXT, b"one")])?;
            receive(&mut socket, &[Came::Text("one")])
        },
        flaw!("serves one at a time", OneAtATime)
    ),
];
