//! Chapter "WebSocket": the handshake, and what the application learns of the end.
//!
//! Rules of this room: a handshake that is none differs from a good one in one thing, and a server that puts it right is its violation.

use super::websocket_moves::{
    CLOSE, Came, ECHO, KEY, PING, Sent, TEXT, converse, handshake, open, receive, send, shown,
};
use crate::honest::{Switch, Violation, WebSocketFlaw};
use crate::server::case::{Case, Need};
use crate::server::failure::{Failure, Held, Of, check};
use crate::server::talk::Talk;
use crate::server::wire::{Socket, frame};

const fn flawed(summary: &'static str, flaw: WebSocketFlaw) -> Violation {
    Violation::switch(summary, Switch::WebSocket(flaw))
}

const fn of_handshake(
    id: &'static str,
    title: &'static str,
    requirements: &'static [&'static str],
    talk: fn(&mut Talk<'_>) -> Held,
    violation: Violation,
) -> Case {
    Case { id, title, requirements, needs: Need::Capability("websocket"), talk, violation }
}

/// A handshake that is none: the environ shows no WebSocket, and the same with what was wrong put right does.
fn no_offer(talk: &mut Talk<'_>, fields: &str) -> Held {
    drop(open(talk, ECHO, "").control()?);
    let (_, head) = handshake(talk, ECHO, fields)?;
    check(
        head.status == 426,
        "no WebSocket to accept: status 426",
        format!("status {}", head.status),
    )?;
    head.field("upgrade", "websocket").of("REQ-UPG-14")
}

/// A case about a handshake that lacks something, and a server that puts it right.
macro_rules! no_offer {
    ($id:literal, $what:literal, $fields:expr, $repair:expr) => {
        of_handshake(
            $id,
            concat!("A handshake ", $what, " is none"),
            &["REQ-WS-01"],
            |talk| no_offer(talk, $fields),
            Violation::request("puts the handshake right", $repair),
        )
    };
}

fn set(parts: &mut http::request::Parts, name: &'static str, value: &'static str) {
    if parts.headers.contains_key("x-play") {
        parts.headers.insert(name, http::HeaderValue::from_static(value));
    }
}

const GOOD_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    no_offer!(
        "ws-no-key",
        "without Sec-WebSocket-Key",
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        |parts| set(parts, "sec-websocket-key", GOOD_KEY)
    ),
    no_offer!(
        "ws-short-key",
        "with a key of 15 octets",
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n",
        |parts| set(parts, "sec-websocket-key", GOOD_KEY)
    ),
    no_offer!(
        "ws-key-no-base64",
        "with a key that is no base64",
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!!==\r\n",
        |parts| set(parts, "sec-websocket-key", GOOD_KEY)
    ),
    no_offer!(
        "ws-two-keys",
        "with two keys",
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        |parts| set(parts, "sec-websocket-key", GOOD_KEY)
    ),
    no_offer!(
        "ws-no-version",
        "without Sec-WebSocket-Version",
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        |parts| set(parts, "sec-websocket-version", "13")
    ),
    no_offer!(
        "ws-version-8",
        "of version 8",
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        |parts| set(parts, "sec-websocket-version", "13")
    ),
    no_offer!(
        "ws-no-connection",
        "without Connection",
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        |parts| set(parts, "connection", "upgrade")
    ),
    no_offer!(
        "ws-connection-close",
        "whose Connection does not name it",
        "Connection: keep-alive\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        |parts| set(parts, "connection", "upgrade")
    ),
    no_offer!(
        "ws-no-upgrade",
        "without Upgrade",
        "Connection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        |parts| set(parts, "upgrade", "websocket")
    ),
    no_offer!(
        "ws-other-upgrade",
        "to another protocol",
        "Connection: upgrade\r\nUpgrade: websocket2\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        |parts| set(parts, "upgrade", "websocket")
    ),
    of_handshake(
        "ws-by-post",
        "A handshake by POST is none",
        &["REQ-WS-01"],
        |talk| {
            drop(open(talk, ECHO, "").control()?);
            let response = talk.request(&format!("POST / HTTP/1.1\r\nHost: {{host}}\r\nX-Tag: {{tag}}\r\nX-Play: {ECHO}\r\nContent-Length: 0\r\n{KEY}\r\n"))?;
            response.status(426)
        },
        Violation::request("takes any method", |parts| parts.method = http::Method::GET),
    ),
    of_handshake(
        "ws-spelling",
        "Names in a handshake are compared without regard to case",
        &["REQ-WS-02"],
        |talk| {
            let (_, head) = handshake(
                talk,
                ECHO,
                "CONNECTION: keep-alive, UPGRADE\r\nUPGRADE: h2c, WebSocket\r\nSEC-WEBSOCKET-VERSION: 13\r\nSEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            )?;
            head.status(101)
        },
        Violation::request("knows one spelling", |parts| {
            if parts.headers.get("upgrade").is_some_and(|value| value != "websocket") {
                parts.headers.remove("upgrade");
            }
        }),
    ),
    of_handshake(
        "ws-accept",
        "Sec-WebSocket-Accept answers the key",
        &["REQ-WS-02"],
        |talk| open(talk, ECHO, "").map(drop),
        flawed("answers another key", WebSocketFlaw::WrongAccept),
    ),
    of_handshake(
        "ws-connection",
        "The answer names the upgrade in Connection",
        &["REQ-WS-02"],
        |talk| {
            let socket = open(talk, ECHO, "")?;
            check(socket.head.has_connection("upgrade"), "Connection: upgrade", "none")
        },
        flawed("leaves Connection out", WebSocketFlaw::NoConnection),
    ),
    of_handshake(
        "ws-upgrade",
        "The answer says Upgrade: websocket",
        &["REQ-WS-02"],
        |talk| {
            let socket = open(talk, ECHO, "")?;
            let said = socket
                .head
                .one("upgrade")
                .is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"));
            check(said, "Upgrade: websocket", "another or none")
        },
        flawed("leaves Upgrade out", WebSocketFlaw::NoUpgrade),
    ),
    of_handshake(
        "ws-subprotocol",
        "The subprotocol that was chosen is said",
        &["REQ-WS-02"],
        |talk| {
            let socket =
                open(talk, "accept subprotocol=b; ws-echo", "Sec-WebSocket-Protocol: a, b\r\n")?;
            socket.head.field("sec-websocket-protocol", "b")
        },
        flawed("drops what the application adds", WebSocketFlaw::NoFields),
    ),
    of_handshake(
        "ws-no-subprotocol",
        "Where none was chosen none is said",
        &["REQ-WS-02"],
        |talk| {
            let socket = open(talk, ECHO, "Sec-WebSocket-Protocol: a, b\r\n")?;
            socket.head.without("sec-websocket-protocol")
        },
        Violation::script("chooses one by itself", |script| {
            script.replace("accept;", "accept subprotocol=a;")
        }),
    ),
    of_handshake(
        "ws-foreign-subprotocol",
        "A subprotocol that was not offered is refused",
        &["REQ-WS-06"],
        |talk| {
            drop(
                open(talk, "accept subprotocol=a; ws-echo", "Sec-WebSocket-Protocol: a\r\n")
                    .control()?,
            );
            let (_, head) = handshake(
                talk,
                "accept subprotocol=c; ws-echo",
                &format!("{KEY}Sec-WebSocket-Protocol: a\r\n"),
            )?;
            head.status(500)
        },
        Violation::script("accepts without it", |script| script.replace("subprotocol=c", "")),
    ),
    of_handshake(
        "ws-own-field",
        "A field of the acceptance is sent",
        &["REQ-WS-02"],
        |talk| {
            let socket = open(talk, "accept set-cookie=a=b; ws-echo", "")?;
            socket.head.field("set-cookie", "a=b")
        },
        flawed("drops what the application adds", WebSocketFlaw::NoFields),
    ),
    of_handshake(
        "ws-handshake-field",
        "A field of the handshake is the server's",
        &["REQ-WS-05"],
        |talk| {
            drop(open(talk, ECHO, "").control()?);
            let (_, head) = handshake(talk, "accept sec-websocket-accept=x; ws-echo", KEY)?;
            head.status(500)
        },
        Violation::script("drops it", |script| script.replace("sec-websocket-accept=x", "")),
    ),
    of_handshake(
        "ws-denied",
        "Any other answer denies",
        &["REQ-WS-04"],
        |talk| {
            let response = talk.request(&format!("GET / HTTP/1.1\r\nHost: {{host}}\r\nX-Tag: {{tag}}\r\nX-Play: status 403; respond no\r\n{KEY}\r\n"))?;
            response.status(403)?;
            response.body("no")
        },
        Violation::script("accepts by itself", |script| {
            script.replace("status 403; respond no", ECHO)
        }),
    ),
    of_handshake(
        "ws-denied-goes-on",
        "After a denial the connection goes on",
        &["REQ-WS-04"],
        |talk| {
            let mut wire = talk.connect()?;
            for _ in 0..2 {
                let response = wire.request(&format!("GET / HTTP/1.1\r\nHost: {{host}}\r\nX-Tag: {{tag}}\r\nX-Play: respond no\r\n{KEY}\r\n"))?;
                response.body("no")?;
            }
            Ok(())
        },
        Violation::switch("closes after each response", Switch::ClosesAlways),
    ),
    of_handshake(
        "ws-early",
        "Frames in the segment of the handshake are read",
        &["REQ-WS-07"],
        |talk| {
            let mut wire = talk.connect()?;
            let head = format!(
                "GET / HTTP/1.1\r\nHost: {}\r\nX-Tag: {}\r\nX-Play: {ECHO}\r\n{KEY}\r\n",
                talk.authority(),
                talk.tag()
            );
            wire.send_octets(&[head.as_bytes(), &frame(TEXT, b"early")].concat())?;
            let head = wire.any_head("GET")?;
            head.status(101)?;
            receive(&mut Socket::new(wire, head), &[Came::Text("early")])
        },
        flawed("drops the last octet", WebSocketFlaw::Shortens),
    ),
    of_handshake(
        "ws-told",
        "The application learns the code, the reason and that the close was in order",
        &["REQ-WS-28"],
        |talk| told(talk, &[Sent::Frame(CLOSE, b"\x0f\xa1why")], (4001, "why", true)),
        flawed("tells 1006 always", WebSocketFlaw::TellsAbnormal),
    ),
    of_handshake(
        "ws-told-1005",
        "A close without a code is 1005 to the application",
        &["REQ-WS-28"],
        |talk| told(talk, &[Sent::Frame(CLOSE, b"")], (1005, "", true)),
        flawed("tells 1006 always", WebSocketFlaw::TellsAbnormal),
    ),
    of_handshake(
        "ws-told-1002",
        "A broken rule is told to the application by its code",
        &["REQ-WS-28"],
        |talk| {
            let page = {
                let mut socket = open(talk, ECHO, "")?;
                send(&mut socket, &[Sent::Frame(0x83, b"")])?;
                receive(&mut socket, &[Came::Closed(1002)]).control()?;
                talk.await_event("closed")?
            };
            let event = page
                .iter()
                .find(|event| event.is("closed"))
                .ok_or_else(|| Failure::new("the end", "none"))?;
            let told = (event.get("code").as_u64(), event.get("clean").as_bool());
            check(told == (Some(1002), Some(false)), "1002, not clean", format!("{told:?}"))
        },
        flawed("tells 1006 always", WebSocketFlaw::TellsAbnormal),
    ),
    of_handshake(
        "ws-left",
        "A session that the application left is closed with 1000",
        &["REQ-WS-20"],
        |talk| converse(talk, "accept", &[], &[Came::Says(1000)]),
        flawed("closes with 1011", WebSocketFlaw::LeavesBadly),
    ),
    of_handshake(
        "ws-sent-and-left",
        "What was sent before comes before the close",
        &["REQ-WS-20"],
        |talk| {
            converse(
                talk,
                "accept; ws-send one; ws-send two",
                &[],
                &[Came::Text("one"), Came::Text("two"), Came::Says(1000)],
            )
        },
        flawed("closes with 1011", WebSocketFlaw::LeavesBadly),
    ),
    of_handshake(
        "ws-failed",
        "A session whose application failed is closed with 1011",
        &["REQ-WS-20"],
        |talk| {
            converse(
                talk,
                "accept; ws-send one; error application",
                &[],
                &[Came::Text("one"), Came::Says(1011)],
            )
        },
        flawed("closes with 1000", WebSocketFlaw::FailsNormally),
    ),
    of_handshake(
        "ws-panicked",
        "A session whose application panicked is closed with 1011",
        &["REQ-WS-20"],
        |talk| {
            converse(
                talk,
                "accept; ws-send one; panic",
                &[],
                &[Came::Text("one"), Came::Says(1011)],
            )
        },
        flawed("closes with 1000", WebSocketFlaw::FailsNormally),
    ),
    of_handshake(
        "ws-own-close",
        "The application's close has its code and its reason",
        &["REQ-WS-14"],
        |talk| {
            let mut socket = open(talk, "accept; ws-close 4321 because", "")?;
            let found = socket.message()?;
            check(
                (found.first, &found.payload[..]) == (CLOSE, &b"\x10\xe1because"[..]),
                "4321 because",
                shown(found.first, &found.payload),
            )?;
            send(&mut socket, &[Sent::Frame(CLOSE, b"\x10\xe1")])?;
            socket.ended()
        },
        flawed("says 1000 for any", WebSocketFlaw::OwnClose),
    ),
    of_handshake(
        "ws-idle-ping",
        "A silent client is asked whether it is there",
        &["REQ-WS-22"],
        |talk| {
            let mut socket = open(talk, "accept ping-ms=50; ws-echo", "")?;
            let found = socket.frame()?;
            check(found.first == PING, "a Ping", shown(found.first, &found.payload))
        },
        flawed("sends none", WebSocketFlaw::NoPing),
    ),
];

/// What the application learned of the end.
fn told(talk: &mut Talk<'_>, sent: &[Sent], (code, reason, clean): (u64, &str, bool)) -> Held {
    let mut socket = open(talk, ECHO, "")?;
    send(&mut socket, sent)?;
    let page = talk.await_event("closed")?;
    let Some(event) = page.iter().find(|event| event.is("closed")) else {
        return Err(Failure::new("the end to be told", "nothing"));
    };
    let found =
        (event.get("code").as_u64(), event.get("reason").as_str(), event.get("clean").as_bool());
    check(
        found == (Some(code), Some(reason), Some(clean)),
        format!("{code} {reason:?} {clean}"),
        format!("{found:?}"),
    )
}
