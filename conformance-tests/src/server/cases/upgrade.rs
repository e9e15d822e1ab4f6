//! Chapter "Upgrade": what a request offers, the head that takes the offer, and the octets of the tunnel.
//!
//! Rules of this room: by requirement; the offer is read in the application's report.

use super::http2_moves::is;
use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, get, message};
use crate::server::wire::{Ending, Head, Wire};

/// A case that needs the upgrade of the server.
macro_rules! upg {
    ($id:literal, $title:literal, $requirements:expr, $talk:expr, $violation:expr $(,)?) => {
        crate::server::case::Case {
            id: $id,
            title: $title,
            requirements: &$requirements,
            needs: crate::server::case::Need::Capability("upgrade"),
            talk: $talk,
            violation: $violation,
        }
    };
}
/// A violation in the server's own code for taking connections over.
macro_rules! wrong {
    ($summary:literal, $flaw:ident) => {
        crate::honest::Violation::switch(
            $summary,
            crate::honest::Switch::Upgrade(crate::honest::UpgradeFlaw::$flaw),
        )
    };
}
pub(super) use {upg, wrong};

/// The fields of an offer.
pub(super) const OFFER: &str = "Connection: upgrade\r\nUpgrade: other, Echo/1\r\n";
pub(super) const ECHO: &str = "upgrade echo/1; tunnel-echo";

/// What the environ shows of an offer.
fn shows(talk: &mut Talk<'_>, request: &str, offer: &[&str]) -> Held {
    let seen = talk.report(&message("GET", "report", OFFER, ""))?;
    is(&seen, "upgrade", serde_json::json!(["other", "Echo/1"])).control()?;
    shows_first(talk, request, offer)
}

fn shows_first(talk: &mut Talk<'_>, request: &str, offer: &[&str]) -> Held {
    let seen = talk.report(request)?;
    is(&seen, "upgrade", if offer.is_empty() { serde_json::Value::Null } else { offer.into() })
}

/// A server that sees an offer where there is none.
const SEES_ONE: Violation = Violation::report("sees one", |report| {
    if report["upgrade"].is_null() {
        report["upgrade"] = serde_json::json!(["echo"]);
    }
});

/// The head of the answer to an offer.
fn taken(talk: &mut Talk<'_>, script: &str) -> Held<(Wire, Head)> {
    let mut wire = talk.connect()?;
    wire.send(&message("GET", script, OFFER, ""))?;
    let head = wire.any_head("GET")?;
    check(head.status == 101, "status 101", format!("status {}", head.status)).of("REQ-UPG-04")?;
    Ok((wire, head))
}

/// A tunnel whose application performs a script.
pub(super) fn open(talk: &mut Talk<'_>, script: &str) -> Held<Wire> {
    taken(talk, script).map(|(wire, _)| wire)
}

/// These octets come next.
pub(super) fn comes(wire: &mut Wire, octets: &[u8]) -> Held {
    let found = wire.exactly(octets.len(), "the octets of the tunnel")?;
    let shown = |octets: &[u8]| {
        format!("{} octets \"{}\"", octets.len(), octets[..octets.len().min(60)].escape_ascii())
    };
    check(found == octets, shown(octets), shown(&found))
}

/// A tunnel that the application ends fails otherwise than in order.
pub(super) fn in_order(wire: &mut Wire) -> Held {
    let ending = wire.ended()?;
    check(ending == Ending::Closed, "an end in order", "a reset")
}

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-UPG-01: the offer.
    upg!(
        "upg-offer",
        "The protocols of an Upgrade field are shown in their order and spelling",
        ["REQ-UPG-01"],
        |talk| {
            let fields =
                "Connection: keep-alive, Upgrade\r\nUpgrade: h2c, Echo/1\r\nUpgrade: x\r\n";
            shows_first(talk, &message("GET", "report", fields, ""), &["h2c", "Echo/1", "x"])
        },
        Violation::report("shows the first alone", |report| {
            if let Some(offer) = report["upgrade"].as_array_mut() {
                offer.truncate(1);
            }
        })
    ),
    upg!(
        "upg-no-connection",
        "An Upgrade field that Connection does not name offers nothing",
        ["REQ-UPG-01"],
        |talk| shows(talk, &message("GET", "report", "Upgrade: echo\r\n", ""), &[]),
        SEES_ONE
    ),
    upg!(
        "upg-no-field",
        "Connection: upgrade without an Upgrade field offers nothing",
        ["REQ-UPG-01"],
        |talk| shows(talk, &message("GET", "report", "Connection: upgrade\r\n", ""), &[]),
        SEES_ONE
    ),
    upg!(
        "upg-malformed",
        "An Upgrade field that is no list of protocols offers nothing",
        ["REQ-UPG-01"],
        |talk| {
            let fields = "Connection: upgrade\r\nUpgrade: e cho\r\n";
            shows(talk, &message("GET", "report", fields, ""), &[])
        },
        SEES_ONE
    ),
    upg!(
        "upg-with-content",
        "A request with content offers nothing",
        ["REQ-UPG-01"],
        |talk| {
            let fields = format!("{OFFER}Content-Length: 2\r\n");
            shows(talk, &message("POST", "read; report", &fields, "hi"), &[])
        },
        SEES_ONE
    ),
    upg!(
        "upg-http10",
        "A request of HTTP/1.0 offers nothing",
        ["REQ-UPG-01"],
        |talk| {
            let request = message("GET", "report", OFFER, "").replace("HTTP/1.1", "HTTP/1.0");
            shows(talk, &request, &[])
        },
        SEES_ONE
    ),
    // REQ-UPG-02: an offer that is not taken.
    upg!(
        "upg-untaken",
        "An offer that is not taken is answered as any request, and the connection goes on",
        ["REQ-UPG-02"],
        |talk| {
            let mut wire = talk.connect()?;
            for _ in 0..2 {
                let response = wire.request(&message("GET", "respond no", OFFER, ""))?;
                response.status(200)?;
                response.body("no")?;
            }
            talk.control(&mut wire).of("REQ-UPG-02")
        },
        Violation::switch("closes after each response", Switch::ClosesAlways)
    ),
    upg!(
        "upg-taken-with-content",
        "An application that takes the offer of a request with content is refused",
        ["REQ-UPG-03"],
        |talk| {
            drop(open(talk, ECHO).control()?);
            let fields = format!("{OFFER}Content-Length: 2\r\n");
            talk.request(&message("POST", &format!("read; {ECHO}"), &fields, "hi"))?.status(426)
        },
        Violation::script("answers as if nothing were wrong", |script| {
            if script.starts_with("read") { "respond".to_owned() } else { script.to_owned() }
        })
    ),
    // REQ-UPG-03: only what was offered.
    upg!(
        "upg-not-offered",
        "A protocol that was not offered is refused with 426",
        ["REQ-UPG-03"],
        |talk| {
            drop(open(talk, ECHO).control()?);
            let response =
                talk.request(&message("GET", "upgrade third; tunnel-echo", OFFER, ""))?;
            response.status(426)?;
            response.head.field("upgrade", "third").of("REQ-UPG-14")
        },
        Violation::script("takes another one", |script| script.replace("third", "other"))
    ),
    upg!(
        "upg-nothing-offered",
        "An upgrade of a request that offers nothing is refused with 426",
        ["REQ-UPG-03"],
        |talk| {
            drop(open(talk, ECHO).control()?);
            talk.request(&get(ECHO))?.status(426)
        },
        Violation::request("sees an offer everywhere", |parts| {
            if parts.headers.contains_key("x-play") && !parts.headers.contains_key("upgrade") {
                parts.headers.insert("upgrade", http::HeaderValue::from_static("echo/1"));
                parts.headers.insert("connection", http::HeaderValue::from_static("upgrade"));
            }
        })
    ),
    // REQ-UPG-04: the head.
    upg!(
        "upg-connection",
        "The head that takes an offer names the upgrade in Connection",
        ["REQ-UPG-04"],
        |talk| {
            let (_, head) = taken(talk, ECHO)?;
            check(head.has_connection("upgrade"), "Connection: upgrade", "none")
        },
        wrong!("leaves it out", NoConnection)
    ),
    upg!(
        "upg-protocol",
        "The head that takes an offer names the protocol",
        ["REQ-UPG-04"],
        |talk| taken(talk, "upgrade other; tunnel-echo")?.1.field("upgrade", "other"),
        wrong!("leaves it out", NoUpgrade)
    ),
    upg!(
        "upg-spelling",
        "The head that takes an offer spells the protocol as the client does",
        ["REQ-UPG-04"],
        |talk| taken(talk, ECHO)?.1.field("upgrade", "Echo/1"),
        wrong!("spells it in its own way", OwnSpelling)
    ),
    upg!(
        "upg-fields",
        "The application's fields are sent with the head that takes an offer",
        ["REQ-UPG-04"],
        |talk| taken(talk, "upgrade echo/1 x-a=b; tunnel-echo")?.1.field("x-a", "b"),
        wrong!("drops them", NoFields)
    ),
    // REQ-UPG-06
    upg!(
        "upg-no-length",
        "The head that takes an offer has no Content-Length",
        ["REQ-UPG-06"],
        |talk| taken(talk, ECHO)?.1.without("content-length"),
        wrong!("says that it has no content", HasLength)
    ),
    upg!(
        "upg-no-coding",
        "The head that takes an offer has no Transfer-Encoding",
        ["REQ-UPG-06", "REQ-HTTP-37"],
        |talk| taken(talk, ECHO)?.1.without("transfer-encoding"),
        wrong!("says chunked", HasCoding)
    ),
    // REQ-UPG-14
    upg!(
        "upg-required",
        "What a client has to upgrade to is said with status 426",
        ["REQ-UPG-14"],
        |talk| {
            let response = talk.play("status 426; require-upgrade echo/1; respond")?;
            response.status(426)?;
            response.head.field("upgrade", "echo/1")?;
            check(response.head.has_connection("upgrade"), "Connection: upgrade", "none")
        },
        wrong!("leaves it out", NoRequirement)
    ),
    // REQ-UPG-05: the octets.
    upg!(
        "upg-echo",
        "The octets of a tunnel arrive in their order and unchanged",
        ["REQ-UPG-05"],
        |talk| {
            let mut wire = open(talk, ECHO)?;
            let all: Vec<u8> = (0..=255).collect();
            for octets in [&b"one"[..], &all, b"\r\n\r\n"] {
                wire.send_octets(octets)?;
                comes(&mut wire, octets)?;
            }
            Ok(())
        },
        wrong!("drops the last of each piece", Shortens)
    ),
    upg!(
        "upg-early",
        "Octets that come with the request are the tunnel's",
        ["REQ-UPG-05"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&message("GET", ECHO, OFFER, "early"))?;
            wire.any_head("GET")?.status(101).of("REQ-UPG-04")?;
            comes(&mut wire, b"early")
        },
        wrong!("drops them", DropsEarly)
    ),
    upg!(
        "upg-large",
        "A tunnel carries more than fits anywhere, as fast as it is read",
        ["REQ-UPG-05"],
        |talk| {
            const LENGTH: usize = 4_000_000;
            let mut wire = open(talk, "upgrade echo/1; tunnel-fill 4000000")?;
            comes(&mut wire, &crate::server::application::pattern(LENGTH as u64))?;
            in_order(&mut wire)
        },
        wrong!("drops the last of each piece", Shortens)
    ),
    upg!(
        "upg-first",
        "The application may be the first to send",
        ["REQ-UPG-05"],
        |talk| {
            let mut wire = open(talk, "upgrade echo/1; tunnel-send welcome; tunnel-echo")?;
            comes(&mut wire, b"welcome")?;
            wire.send_octets(b"thanks")?;
            comes(&mut wire, b"thanks")
        },
        wrong!("drops the last of each piece", Shortens)
    ),
];
