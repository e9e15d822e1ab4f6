//! Chapter "WebSocket" over HTTP/2: the handshake by extended CONNECT (RFC 8441).
//!
//! Rules of this room: a handshake differs from a good one in one thing; that the connection goes on is shown by a plain request on it.

use super::http2_moves::{
    Fields, begin, but, control, flaw, is, malformed, needs, report_on, with, without,
};
use super::websocket_moves::ECHO;
use crate::honest::Violation;
use crate::http2::setting;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::Talk;
use crate::server::wire::{Head, Http2, Socket};

/// A case that needs WebSocket over HTTP/2 of the server.
macro_rules! ws2 {
    ($id:literal, $title:literal, $requirements:expr, $talk:expr, $violation:expr $(,)?) => {
        crate::server::case::Case {
            id: $id,
            title: $title,
            requirements: &$requirements,
            needs: crate::server::case::Need::Capabilities(&["websocket", "http2"]),
            talk: $talk,
            violation: $violation,
        }
    };
}
/// A violation in the server's own code for WebSocket.
macro_rules! wrong {
    ($summary:literal, $flaw:ident) => {
        crate::honest::Violation::switch(
            $summary,
            crate::honest::Switch::WebSocket(crate::honest::WebSocketFlaw::$flaw),
        )
    };
}
pub(super) use {wrong, ws2};

/// The fields of a good handshake.
pub(super) fn connect(script: &str) -> Fields<'_> {
    vec![
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "{host}"),
        (":path", "/"),
        ("sec-websocket-version", "13"),
        ("x-tag", "{tag}"),
        ("x-play", script),
    ]
}

/// A connection that is ready for extended CONNECT.
fn ready(talk: &mut Talk<'_>) -> Held<Http2> {
    let mut http2 = begin(talk)?;
    needs(&mut http2, "websocket")?;
    Ok(http2)
}

/// The head of the answer to a handshake, and where it came.
fn handshake(talk: &mut Talk<'_>, fields: &[(&str, &str)]) -> Held<(Http2, u32, Head)> {
    let mut http2 = ready(talk)?;
    let id = http2.open(fields, false)?;
    let head = http2.head(id)?;
    Ok((http2, id, head))
}

/// A WebSocket whose application performs a script.
pub(super) fn open(talk: &mut Talk<'_>, script: &str, fields: &[(&str, &str)]) -> Held<Socket> {
    let (http2, id, head) = handshake(talk, &with(connect(script), fields))?;
    check(head.status == 200, "status 200", format!("status {}", head.status)).of("REQ-WS-03")?;
    Ok(Socket::on_stream(http2, id, head))
}

/// A handshake that is none is answered as any other request; a good one on the same connection is one.
fn no_offer(talk: &mut Talk<'_>, fields: &[(&str, &str)]) -> Held {
    drop(open(talk, ECHO, &[]).control()?);
    let (mut http2, _, head) = handshake(talk, fields)?;
    let found = format!("status {}", head.status);
    check(head.status == 426, "no WebSocket to accept: status 426", found)?;
    control(&mut http2)
}

fn set_version(parts: &mut http::request::Parts) {
    if parts.headers.contains_key("x-play") {
        parts.headers.insert("sec-websocket-version", http::HeaderValue::from_static("13"));
    }
}

/// The cases of this file.
pub(super) const CASES: &[crate::server::case::Case] = &[
    // The handshake.
    ws2!(
        "ws2-announced",
        "Extended CONNECT is announced with SETTINGS_ENABLE_CONNECT_PROTOCOL",
        ["REQ-WS-01", "REQ-UPG-13"],
        |talk| {
            let http2 = ready(talk)?;
            let said = http2.peer.settings.get(&setting::ENABLE_CONNECT_PROTOCOL);
            check(said == Some(&1), "SETTINGS_ENABLE_CONNECT_PROTOCOL = 1", format!("{said:?}"))
        },
        flaw!("does not announce it", NoConnectProtocol)
    ),
    ws2!(
        "ws2-status",
        "An acceptance on a stream has the status 200",
        ["REQ-WS-03"],
        |talk| open(talk, ECHO, &[]).map(drop),
        flaw!("says 204", ConnectIs204)
    ),
    ws2!(
        "ws2-no-accept",
        "An acceptance on a stream has no Sec-WebSocket-Accept",
        ["REQ-WS-03"],
        |talk| open(talk, ECHO, &[])?.head.without("sec-websocket-accept"),
        wrong!("makes one of no key", AcceptsWithoutKey)
    ),
    ws2!(
        "ws2-no-connection-fields",
        "An acceptance on a stream has no connection-specific field",
        ["REQ-WS-03", "REQ-H2-10"],
        |talk| open(talk, ECHO, &[]).map(drop),
        flaw!("sends Connection", ConnectionOnConnect)
    ),
    ws2!(
        "ws2-no-version",
        "A handshake on a stream without a version is none",
        ["REQ-WS-01"],
        |talk| no_offer(talk, &without(connect(ECHO), "sec-websocket-version")),
        Violation::request("puts the handshake right", set_version)
    ),
    ws2!(
        "ws2-version-8",
        "A handshake on a stream of another version is none",
        ["REQ-WS-01"],
        |talk| no_offer(talk, &but(connect(ECHO), "sec-websocket-version", "8")),
        Violation::request("puts the handshake right", set_version)
    ),
    ws2!(
        "ws2-other-protocol",
        "Extended CONNECT of another protocol is no handshake",
        ["REQ-WS-01"],
        |talk| no_offer(talk, &but(connect(ECHO), ":protocol", "websocket2")),
        flaw!("takes any protocol for WebSocket", AnyProtocol)
    ),
    ws2!(
        "ws2-subprotocol",
        "The subprotocol that was chosen is said on a stream",
        ["REQ-WS-03"],
        |talk| {
            let offered = [("sec-websocket-protocol", "a, b")];
            let socket = open(talk, "accept subprotocol=b; ws-echo", &offered)?;
            socket.head.field("sec-websocket-protocol", "b")
        },
        wrong!("drops what the application adds", NoFields)
    ),
    ws2!(
        "ws2-environ",
        "The environ of a handshake on a stream is that of any request",
        ["REQ-H2-02"],
        |talk| {
            let mut http2 = ready(talk)?;
            let fields = but(connect("status 403; report"), ":path", "/chat?room=1");
            let id = http2.open(&fields, false)?;
            let response = http2.response(id)?;
            response.status(403)?;
            let report = response.json()?;
            is(&report, "method", "CONNECT")?;
            is(&report, "path_info", "/chat")?;
            is(&report, "query", "room=1")?;
            is(&report, "version", "HTTP/2")?;
            is(&report, "upgrade", serde_json::json!(["websocket"]))
                .or_else(|failure| if report["upgrade"].is_null() { Ok(()) } else { Err(failure) })
        },
        Violation::report("shows a GET", |report| report["method"] = "GET".into())
    ),
    // A denial.
    ws2!(
        "ws2-denied",
        "Any other answer denies on a stream, and the connection goes on",
        ["REQ-WS-04"],
        |talk| {
            let mut http2 = ready(talk)?;
            for _ in 0..2 {
                let id = http2.open(&connect("status 403; respond no"), false)?;
                let response = http2.response(id)?;
                response.status(403)?;
                response.body("no")?;
            }
            control(&mut http2)
        },
        Violation::script("accepts by itself", |script| {
            script.replace("status 403; respond no", ECHO)
        })
    ),
    ws2!(
        "ws2-denied-by-success",
        "An ordinary success does not answer extended CONNECT",
        ["REQ-UPG-08"],
        |talk| {
            drop(open(talk, ECHO, &[]).control()?);
            let mut http2 = ready(talk)?;
            let id = http2.open(&connect("respond hello"), false)?;
            http2.response(id)?.status(501)?;
            control(&mut http2)
        },
        flaw!("sends it", ConnectSucceeds)
    ),
    ws2!(
        "ws2-denied-by-failure",
        "An application that fails before it accepts is answered with its error on the stream",
        ["REQ-ERR-05"],
        |talk| {
            let mut http2 = ready(talk)?;
            let id = http2.open(&connect("error application"), false)?;
            http2.response(id)?.status(500)?;
            control(&mut http2)
        },
        flaw!("aborts", AbortsForErrors)
    ),
    // Malformed requests.
    ws2!(
        "ws2-protocol-of-get",
        "A request with :protocol whose method is not CONNECT is malformed",
        ["REQ-H2-03", "REQ-HTTP-02"],
        |talk| malformed(talk, &but(connect("respond"), ":method", "GET")),
        flaw!("takes it", ProtocolForAll)
    ),
    ws2!(
        "ws2-without-path",
        "An extended CONNECT without :path is malformed",
        ["REQ-H2-03", "REQ-HTTP-02"],
        |talk| malformed(talk, &without(connect("respond"), ":path")),
        flaw!("takes it", PlainProtocol)
    ),
    ws2!(
        "ws2-without-scheme",
        "An extended CONNECT without :scheme is malformed",
        ["REQ-H2-03", "REQ-HTTP-02"],
        |talk| malformed(talk, &without(connect("respond"), ":scheme")),
        flaw!("takes it", PlainProtocol)
    ),
    ws2!(
        "ws2-plain-connect",
        "CONNECT without :protocol stays refused",
        ["REQ-HTTP-21", "REQ-HTTP-02"],
        |talk| {
            let mut http2 = ready(talk)?;
            let fields = [(":method", "CONNECT"), (":authority", "{host}"), ("x-tag", "{tag}")];
            let id = http2.open(&fields, false)?;
            let head = http2.head(id)?;
            check(head.status >= 400, "an error", format!("status {}", head.status))?;
            report_on(&mut http2, &super::http2_moves::asks("GET", "/")).map(drop)?;
            talk.called(0).of("REQ-HTTP-02")
        },
        flaw!("calls the application", CallsRefused)
    ),
];
