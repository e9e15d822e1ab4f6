//! Chapter "Upgrade" over HTTP/2: the tunnel of an extended CONNECT (RFC 8441).
//!
//! Rules of this room: as those of WebSocket over HTTP/2.

use super::http2_moves::{Fields, begin, but, control, flaw, is, needs, with};
use crate::honest::{Switch, UpgradeFlaw, Violation};
use crate::http2::{code, setting};
use crate::server::failure::{Held, Of, check};
use crate::server::talk::Talk;
use crate::server::wire::{Ended, Head, Http2};

/// A case that needs the upgrade over HTTP/2 of the server.
macro_rules! upg2 {
    ($id:literal, $title:literal, $requirements:expr, $talk:expr, $violation:expr $(,)?) => {
        crate::server::case::Case {
            id: $id,
            title: $title,
            requirements: &$requirements,
            needs: crate::server::case::Need::Capabilities(&["upgrade", "http2"]),
            talk: $talk,
            violation: $violation,
        }
    };
}
/// A violation in the server's own code for taking connections over.
macro_rules! wrong {
    ($summary:literal, $flaw:ident) => {
        Violation::switch($summary, Switch::Upgrade(UpgradeFlaw::$flaw))
    };
}

const ECHO: &str = "upgrade echo/1; tunnel-echo";

/// The fields of an extended CONNECT.
fn connect(script: &str) -> Fields<'_> {
    vec![
        (":method", "CONNECT"),
        (":protocol", "Echo/1"),
        (":scheme", "http"),
        (":authority", "{host}"),
        (":path", "/"),
        ("x-tag", "{tag}"),
        ("x-play", script),
    ]
}

/// A connection that is ready for extended CONNECT.
fn ready(talk: &mut Talk<'_>) -> Held<Http2> {
    let mut http2 = begin(talk)?;
    needs(&mut http2, "upgrade")?;
    Ok(http2)
}

/// The head of the answer, and where it came.
fn taken(talk: &mut Talk<'_>, script: &str) -> Held<(Http2, u32, Head)> {
    let mut http2 = ready(talk)?;
    let id = http2.open(&connect(script), false)?;
    let head = http2.head(id)?;
    check(head.status == 200, "status 200", format!("status {}", head.status)).of("REQ-UPG-13")?;
    Ok((http2, id, head))
}

/// These octets come next, behind those that were taken.
fn comes(http2: &mut Http2, id: u32, taken: usize, octets: &[u8]) -> Held {
    let found = http2.content_after(id, taken, octets.len(), "the octets of the tunnel")?;
    let shown = |octets: &[u8]| octets[..octets.len().min(60)].escape_ascii().to_string();
    check(found == octets, shown(octets), shown(&found))
}

/// The cases of this file.
pub(super) const CASES: &[crate::server::case::Case] = &[
    upg2!(
        "upg2-announced",
        "Extended CONNECT for any protocol is announced",
        ["REQ-UPG-13"],
        |talk| {
            let http2 = ready(talk)?;
            let said = http2.peer.settings.get(&setting::ENABLE_CONNECT_PROTOCOL);
            check(said == Some(&1), "SETTINGS_ENABLE_CONNECT_PROTOCOL = 1", format!("{said:?}"))
        },
        flaw!("does not announce it", NoConnectProtocol)
    ),
    upg2!(
        "upg2-offer",
        "The :protocol of an extended CONNECT is shown as an offer",
        ["REQ-UPG-13"],
        |talk| {
            let mut http2 = ready(talk)?;
            let id = http2.open(&connect("status 403; report"), false)?;
            let response = http2.response(id)?;
            response.status(403)?;
            is(&response.json()?, "upgrade", serde_json::json!(["Echo/1"]))
        },
        flaw!("hides it", HidesProtocol)
    ),
    upg2!(
        "upg2-not-offered",
        "A protocol that an extended CONNECT does not name is refused with 426",
        ["REQ-UPG-03"],
        |talk| {
            drop(taken(talk, ECHO).control()?);
            let mut http2 = ready(talk)?;
            let id = http2.open(&but(connect(ECHO), ":protocol", "third"), false)?;
            http2.response(id)?.status(426)?;
            control(&mut http2)
        },
        flaw!("takes any protocol for what the application wants", AnyProtocol)
    ),
    upg2!(
        "upg2-fields",
        "The application's fields are sent with the head that takes a stream over",
        ["REQ-UPG-13"],
        |talk| taken(talk, "upgrade echo/1 x-a=b; tunnel-echo")?.2.field("x-a", "b"),
        wrong!("drops them", NoFields)
    ),
    upg2!(
        "upg2-no-connection-fields",
        "The head that takes a stream over has no connection-specific field",
        ["REQ-H2-10"],
        |talk| taken(talk, ECHO).map(drop),
        flaw!("sends Connection", ConnectionOnConnect)
    ),
    upg2!(
        "upg2-no-length",
        "The head that takes a stream over has no Content-Length",
        ["REQ-UPG-06"],
        |talk| taken(talk, ECHO)?.2.without("content-length"),
        wrong!("says that it has no content", HasLength)
    ),
    upg2!(
        "upg2-untaken",
        "An extended CONNECT that is not taken is answered, and the connection goes on",
        ["REQ-UPG-02"],
        |talk| {
            let mut http2 = ready(talk)?;
            let id = http2.open(&connect("status 404; respond no"), false)?;
            let response = http2.response(id)?;
            response.status(404)?;
            response.body("no")?;
            control(&mut http2)
        },
        flaw!("resets the stream in its place", UnreadResets)
    ),
    upg2!(
        "upg2-untaken-success",
        "An ordinary success does not answer extended CONNECT of any protocol",
        ["REQ-UPG-08"],
        |talk| {
            let mut http2 = ready(talk)?;
            let id = http2.open(&connect("respond hello"), false)?;
            http2.response(id)?.status(501)?;
            control(&mut http2)
        },
        flaw!("sends it", ConnectSucceeds)
    ),
    upg2!(
        "upg2-echo",
        "The octets of a tunnel travel in DATA, unchanged",
        ["REQ-UPG-05"],
        |talk| {
            let (mut http2, id, _) = taken(talk, ECHO)?;
            let all: Vec<u8> = (0..=255).collect();
            http2.data(id, b"one", false)?;
            comes(&mut http2, id, 0, b"one")?;
            http2.data(id, &all, false)?;
            comes(&mut http2, id, 3, &all)
        },
        wrong!("drops the last of each piece", Shortens)
    ),
    upg2!(
        "upg2-early",
        "DATA that comes before the answer is the tunnel's",
        ["REQ-UPG-05"],
        |talk| {
            let mut http2 = ready(talk)?;
            let script = "gate g; upgrade echo/1; tunnel-echo";
            let id = http2.open(&connect(script), false)?;
            http2.data(id, b"early", false)?;
            http2.ping()?;
            talk.open_gate("g").control()?;
            http2.head(id)?.status(200).of("REQ-UPG-13")?;
            comes(&mut http2, id, 0, b"early")
        },
        wrong!("drops the last of each piece", Shortens)
    ),
    upg2!(
        "upg2-large",
        "A tunnel on a stream carries more than the window, as it is opened again",
        ["REQ-UPG-05"],
        |talk| {
            let (mut http2, id, _) = taken(talk, "upgrade echo/1; tunnel-fill 500000")?;
            let all = crate::server::application::pattern(500_000);
            comes(&mut http2, id, 0, &all)?;
            let (ended, _) = http2.ended(id)?;
            check(ended == Ended::Complete, "END_STREAM", format!("{ended:?}"))
        },
        wrong!("drops the last of each piece", Shortens)
    ),
    upg2!(
        "upg2-client-ends",
        "END_STREAM is the client's end, after which the application can still send",
        ["REQ-UPG-09"],
        |talk| {
            let script = "upgrade echo/1; tunnel-echo; gate g; tunnel-send bye";
            let (mut http2, id, _) = taken(talk, script)?;
            http2.data(id, b"last", true)?;
            talk.await_event("tunnel-ended")?;
            talk.open_gate("g").control()?;
            comes(&mut http2, id, 0, b"lastbye")?;
            let (ended, _) = http2.ended(id)?;
            check(ended == Ended::Complete, "END_STREAM", format!("{ended:?}"))
        },
        wrong!("ends both directions", ClientEndsBoth)
    ),
    upg2!(
        "upg2-application-ends",
        "The application's end is END_STREAM, after which the client can still send",
        ["REQ-UPG-09"],
        |talk| {
            let script = "upgrade echo/1; tunnel-send bye; tunnel-end; tunnel-recv; note heard";
            let (mut http2, id, _) = taken(talk, script)?;
            let (ended, content) = http2.ended(id)?;
            let found = (ended, content.as_slice());
            check(found == (Ended::Complete, b"bye"), "bye, END_STREAM", format!("{found:?}"))?;
            http2.data(id, b"late", false)?;
            let page = talk.await_event("heard")?;
            let seen = page.iter().find(|event| event.is("octets"));
            let seen = seen.map(|event| event.get("data").clone());
            check(seen == Some("late".into()), "the octets \"late\"", format!("{seen:?}"))
        },
        wrong!("ends both directions", ApplicationEndsBoth)
    ),
    upg2!(
        "upg2-failed",
        "A tunnel on a stream whose application fails is reset, and the connection goes on",
        ["REQ-H2-14"],
        |talk| {
            let script = "upgrade echo/1; tunnel-recv; error application";
            let (mut http2, id, _) = taken(talk, script)?;
            http2.data(id, b"go", false)?;
            let (ended, _) = http2.ended(id)?;
            let reset = matches!(ended, Ended::Reset(why) if why != code::NO_ERROR);
            check(reset, "RST_STREAM with an error", format!("{ended:?}"))?;
            control(&mut http2)
        },
        wrong!("ends it in order", OrderlyFailure)
    ),
    upg2!(
        "upg2-reset",
        "RST_STREAM ends the tunnel",
        ["REQ-H2-16"],
        |talk| {
            let script = "complete c; upgrade echo/1; tunnel-echo";
            let (mut http2, id, _) = taken(talk, script)?;
            http2.data(id, b"one", false)?;
            comes(&mut http2, id, 0, b"one").control()?;
            http2.reset(id, code::CANCEL)?;
            talk.await_event("complete")?;
            control(&mut http2)
        },
        flaw!("goes on with it", NoDeparture)
    ),
    upg2!(
        "upg2-unread",
        "What the application does not read is not granted again",
        ["REQ-UPG-12"],
        |talk| {
            const MOST: i64 = 16 << 20;
            let script = "upgrade echo/1; note waiting; wait-for-ever";
            let (mut http2, id, _) = taken(talk, script)?;
            talk.await_event("waiting")?;
            let taken = http2.send_until_stuck(id, MOST)?;
            let found = format!("{taken} octets were granted while nobody read them");
            check(taken < MOST / 2, "a window that closes", found)?;
            http2.reset(id, code::CANCEL)?;
            control(&mut http2)
        },
        wrong!("takes it all in", Hoards)
    ),
    upg2!(
        "upg2-neighbours",
        "A tunnel holds up no other stream",
        ["REQ-H2-17"],
        |talk| {
            let (mut http2, id, _) = taken(talk, ECHO)?;
            control(&mut http2)?;
            let fields = with(connect(ECHO), &[("x-second", "1")]);
            let second = http2.open(&fields, false)?;
            http2.head(second)?.status(200)?;
            http2.data(second, b"two", false)?;
            comes(&mut http2, second, 0, b"two")?;
            http2.data(id, b"one", false)?;
            comes(&mut http2, id, 0, b"one")
        },
        flaw!("serves one at a time", OneAtATime)
    ),
];
