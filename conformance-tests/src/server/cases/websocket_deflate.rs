//! Chapter "WebSocket": permessage-deflate.

use super::websocket_moves::{BINARY, Came, ECHO, Sent, TEXT, open, receive, send};
use crate::honest::{Switch, Violation, WebSocketFlaw};
use crate::server::case::{Case, Need};
use crate::server::failure::{Held, Of, check};
use crate::server::talk::Talk;
use crate::server::wire::frame;

/// Messages of one size by one offer: sent compressed, inflated, deflated, come back, again and again.
fn again(talk: &mut Talk<'_>, offer: &str, opcode: u8, length: usize) -> Held {
    let mut socket = open(talk, ECHO, &format!("Sec-WebSocket-Extensions: {offer}\r\n"))?;
    socket.agree().of("REQ-WS-23")?;
    for _ in 0..4 {
        send(&mut socket, &[Sent::Deflated(opcode, length)])?;
        receive(&mut socket, &[Came::Fill(opcode, length)])?;
        // The pattern comes again, but further back than a small window reaches: there is no way to write it in less.
        check(
            !offer.contains("server_max_window_bits") || socket.last * 5 > length * 2,
            "no reference beyond the window",
            format!("{length} octets of noise in {}", socket.last),
        )?;
    }
    // One that is not compressed may come between.
    send(
        &mut socket,
        &[Sent::Fill(opcode, length), Sent::Frame(super::websocket_moves::CLOSE, b"\x03\xe8")],
    )?;
    receive(&mut socket, &[Came::Fill(opcode, length), Came::Closed(1000)])
}

macro_rules! sizes {
    ($($group:literal $offer:literal $opcode:ident $summary:literal $flaw:ident: $($size:literal)*;)*) => {
        &[$($(Case {
            id: concat!("ws-deflate-", $group, "-", $size),
            title: concat!("Messages of ", $size, " octets cross by `", $offer, "`"),
            requirements: &["REQ-WS-24", "REQ-WS-23"],
            needs: Need::Capability("websocket"),
            talk: |talk| again(talk, $offer, $opcode, $size),
            violation: Violation::switch($summary, Switch::WebSocket(WebSocketFlaw::$flaw)),
        },)*)*]
    };
}

/// Messages of all sizes by all parameters.
pub(super) const SIZES: &[Case] = sizes! {
    "text" "permessage-deflate" TEXT "does not inflate" NoInflate: 16 64 256 1024 4096 8192 16384 32768 65536 131072;
    "binary" "permessage-deflate" BINARY "drops the last octet" Shortens: 16 64 256 1024 4096 8192 16384 32768 65536 131072;
    "takeover" "permessage-deflate; client_max_window_bits" TEXT "forgets the client's context" ForgetsContext: 128 256 1024 4096 8192 16384;
    "server-alone" "permessage-deflate; server_no_context_takeover" TEXT "keeps its context" KeepsContext: 128 256 1024 4096 8192 16384 32768 65536 131072;
    "client-alone" "permessage-deflate; client_no_context_takeover" BINARY "does not inflate" NoInflate: 16 64 256 1024 4096 8192 16384 32768 65536 131072;
    "both-alone" "permessage-deflate; server_no_context_takeover; client_no_context_takeover" TEXT "keeps its context" KeepsContext: 128 256 1024 4096 8192 16384 32768 65536 131072;
    "server-9" "permessage-deflate; server_max_window_bits=9" TEXT "uses a larger window" LargeWindow: 1024 4096 8192 16384 32768 65536 131072;
    "server-10" "permessage-deflate; server_max_window_bits=10; server_no_context_takeover" BINARY "uses a larger window" LargeWindow: 8192 16384 32768 65536 131072;
    "client-9" "permessage-deflate; client_max_window_bits=9" TEXT "drops the last octet" Shortens: 16 64 256 1024 4096 8192 16384 32768 65536 131072;
    "both-9" "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9; server_no_context_takeover; client_no_context_takeover" TEXT "uses a larger window" LargeWindow: 8192 16384 32768 65536 131072;
};

/// What the server agrees to.
fn answer(talk: &mut Talk<'_>, offers: &str) -> Held<String> {
    let socket = open(talk, ECHO, &format!("Sec-WebSocket-Extensions: {offers}\r\n"))?;
    let said = socket.head.all("sec-websocket-extensions");
    Ok(said.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect())
}

fn declines(talk: &mut Talk<'_>, offer: &str) -> Held {
    let good = answer(talk, "permessage-deflate")?;
    check(good == "permessage-deflate", "permessage-deflate", good).control()?;
    let said = answer(talk, offer)?;
    check(said.is_empty(), "the offer to be declined", said)?;
    let said = answer(talk, &format!("{offer}, permessage-deflate"))?;
    check(said == "permessage-deflate", "the next offer to be accepted", said)
}

macro_rules! declined {
    ($($id:literal $offer:literal)*) => {
        &[$(Case {
            id: concat!("ws-offer-", $id),
            title: concat!("The offer `", $offer, "` is declined, and the next one accepted"),
            requirements: &["REQ-WS-23"],
            needs: Need::Capability("websocket"),
            talk: |talk| declines(talk, $offer),
            violation: Violation::switch("accepts any", Switch::WebSocket(WebSocketFlaw::AnyOffer)),
        },)*]
    };
}

/// Offers that cannot be accepted.
pub(super) const DECLINED: &[Case] = declined! {
    "unknown" "permessage-deflate; unknown"
    "unknown-value" "permessage-deflate; unknown=1"
    "server-bits-7" "permessage-deflate; server_max_window_bits=7"
    "server-bits-16" "permessage-deflate; server_max_window_bits=16"
    "server-bits-zero" "permessage-deflate; server_max_window_bits=09"
    "server-bits-none" "permessage-deflate; server_max_window_bits"
    "server-bits-text" "permessage-deflate; server_max_window_bits=x"
    "client-bits-7" "permessage-deflate; client_max_window_bits=7"
    "client-bits-16" "permessage-deflate; client_max_window_bits=16"
    "server-takeover-value" "permessage-deflate; server_no_context_takeover=1"
    "client-takeover-value" "permessage-deflate; client_no_context_takeover=1"
    "twice" "permessage-deflate; server_no_context_takeover; server_no_context_takeover"
};

const fn deflate(
    id: &'static str,
    title: &'static str,
    requirement: &'static [&'static str],
    talk: fn(&mut Talk<'_>) -> Held,
    summary: &'static str,
    flaw: WebSocketFlaw,
) -> Case {
    Case {
        id,
        title,
        requirements: requirement,
        needs: Need::Capability("websocket"),
        talk,
        violation: Violation::switch(summary, Switch::WebSocket(flaw)),
    }
}

/// A frame of compressed data that has to close the session.
fn closes(talk: &mut Talk<'_>, script: &str, octets: &[u8], code: u16) -> Held {
    let mut socket = open(talk, script, "Sec-WebSocket-Extensions: permessage-deflate\r\n")?;
    socket.agree().control()?;
    send(&mut socket, &[Sent::Deflated(TEXT, 100)])?;
    receive(&mut socket, &[Came::Fill(TEXT, 100)]).control()?;
    socket.send(octets)?;
    receive(&mut socket, &[Came::Closed(code)])
}

fn bomb(talk: &mut Talk<'_>, opcode: u8) -> Held {
    let mut socket = open(
        talk,
        "accept limit=100000; ws-echo",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    )?;
    socket.agree().control()?;
    send(&mut socket, &[Sent::Deflated(opcode, 100)])?;
    receive(&mut socket, &[Came::Fill(opcode, 100)]).control()?;
    let payload = socket.deflate(&vec![b'0'; 8 * 1024 * 1024]);
    socket.send(&frame(opcode | 0x40, &payload))?;
    receive(&mut socket, &[Came::Closed(1009)])
}

/// The other cases of this file.
pub(super) const CASES: &[Case] = &[
    deflate(
        "ws-deflate-offered",
        "permessage-deflate is accepted where it is offered",
        &["REQ-WS-23"],
        |talk| {
            let said = answer(talk, "permessage-deflate")?;
            check(said == "permessage-deflate", "permessage-deflate", said)
        },
        "accepts none",
        WebSocketFlaw::NoDeflate,
    ),
    deflate(
        "ws-deflate-second",
        "An offer that the server does not know is passed over",
        &["REQ-WS-23"],
        |talk| {
            let said =
                answer(talk, "x-unknown; a=b, permessage-deflate; server_no_context_takeover")?;
            check(
                said == "permessage-deflate; server_no_context_takeover",
                "the second offer",
                said,
            )
        },
        "accepts none",
        WebSocketFlaw::NoDeflate,
    ),
    deflate(
        "ws-deflate-forbidden",
        "An application can forbid compression",
        &["REQ-WS-23"],
        |talk| {
            let socket = open(
                talk,
                "accept compression=no; ws-echo",
                "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            )?;
            check(!socket.head.has("sec-websocket-extensions"), "no extension", "one")
        },
        "compresses anyway",
        WebSocketFlaw::DeflatesAnyway,
    ),
    deflate(
        "ws-deflate-fragments",
        "A compressed message in fragments comes back",
        &["REQ-WS-24"],
        |talk| {
            let mut socket = open(talk, ECHO, "Sec-WebSocket-Extensions: permessage-deflate\r\n")?;
            socket.agree()?;
            let payload = socket.deflate(b"a message that is compressed, and then cut");
            for (at, piece) in payload.chunks(5).enumerate() {
                socket.send(&frame(if at == 0 { 0x41 } else { 0 }, piece))?;
            }
            socket.send(&frame(0x80, b""))?;
            receive(&mut socket, &[Came::Text("a message that is compressed, and then cut")])
        },
        "does not inflate",
        WebSocketFlaw::NoInflate,
    ),
    deflate(
        "ws-deflate-empty",
        "An empty compressed message comes back",
        &["REQ-WS-24"],
        |talk| {
            let mut socket = open(talk, ECHO, "Sec-WebSocket-Extensions: permessage-deflate\r\n")?;
            socket.agree()?;
            socket.send(&frame(0xc1, b"\x00"))?;
            receive(&mut socket, &[Came::Text("")])
        },
        "does not inflate",
        WebSocketFlaw::NoInflate,
    ),
    deflate(
        "ws-deflate-stored",
        "A message in a stored block comes back",
        &["REQ-WS-24"],
        |talk| {
            let mut socket = open(talk, ECHO, "Sec-WebSocket-Extensions: permessage-deflate\r\n")?;
            socket.agree()?;
            socket.send(&frame(0xc1, b"\x00\x05\x00\xfa\xffHello\x00"))?;
            receive(&mut socket, &[Came::Text("Hello")])
        },
        "does not inflate",
        WebSocketFlaw::NoInflate,
    ),
    deflate(
        "ws-deflate-last-block",
        "A message whose block is the last comes back",
        &["REQ-WS-24"],
        |talk| {
            let mut socket = open(talk, ECHO, "Sec-WebSocket-Extensions: permessage-deflate\r\n")?;
            socket.agree()?;
            socket.send(&frame(0xc1, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))?;
            receive(&mut socket, &[Came::Text("Hello")])
        },
        "does not inflate",
        WebSocketFlaw::NoInflate,
    ),
    deflate(
        "ws-deflate-two-blocks",
        "A message in two blocks comes back",
        &["REQ-WS-24"],
        |talk| {
            let mut socket = open(talk, ECHO, "Sec-WebSocket-Extensions: permessage-deflate\r\n")?;
            socket.agree()?;
            socket.send(&frame(0xc1, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"))?;
            receive(&mut socket, &[Came::Text("Hello")])
        },
        "does not inflate",
        WebSocketFlaw::NoInflate,
    ),
    deflate(
        "ws-deflate-rsv1-continuation",
        "RSV1 on a continuation is 1002",
        &["REQ-WS-09"],
        |talk| closes(talk, ECHO, &[frame(0x01, b"a"), frame(0xc0, b"b")].concat(), 1002),
        "does not look at it",
        WebSocketFlaw::Reserved,
    ),
    deflate(
        "ws-deflate-rsv1-ping",
        "RSV1 on a Ping is 1002",
        &["REQ-WS-09"],
        |talk| closes(talk, ECHO, &frame(0xc9, b"p"), 1002),
        "does not look at it",
        WebSocketFlaw::Reserved,
    ),
    deflate(
        "ws-deflate-rsv2",
        "RSV2 beside RSV1 is 1002",
        &["REQ-WS-09"],
        |talk| closes(talk, ECHO, &frame(0xe1, b"\x00"), 1002),
        "does not look at it",
        WebSocketFlaw::Reserved,
    ),
    deflate(
        "ws-deflate-broken",
        "What does not inflate is 1007",
        &["REQ-WS-25"],
        |talk| closes(talk, ECHO, &frame(0xc2, b"\xff\xff\xff\xff"), 1007),
        "takes it for nothing",
        WebSocketFlaw::RepairsDeflate,
    ),
    deflate(
        "ws-deflate-broken-text",
        "A text that does not inflate is 1007",
        &["REQ-WS-25"],
        |talk| closes(talk, ECHO, &frame(0xc1, b"\x07\x00\x00"), 1007),
        "takes it for nothing",
        WebSocketFlaw::RepairsDeflate,
    ),
    deflate(
        "ws-deflate-no-utf8",
        "A text that inflates to something else than UTF-8 is 1007",
        &["REQ-WS-13"],
        |talk| closes(talk, ECHO, &frame(0xc1, b"\x00\x02\x00\xfd\xff\xff\xff\x00"), 1007),
        "repairs it",
        WebSocketFlaw::RepairsText,
    ),
    deflate(
        "ws-deflate-bomb-text",
        "A text that inflates beyond the limit is 1009",
        &["REQ-WS-25"],
        |talk| bomb(talk, TEXT),
        "inflates it",
        WebSocketFlaw::NoInflationLimit,
    ),
    deflate(
        "ws-deflate-bomb-binary",
        "A binary message that inflates beyond the limit is 1009",
        &["REQ-WS-25"],
        |talk| bomb(talk, BINARY),
        "inflates it",
        WebSocketFlaw::NoInflationLimit,
    ),
];
