//! Chapter "The input", demand: what is read is taken from the client, and no more; what has come is given at once.

use std::time::Duration;

use serde_json::Value;

use crate::honest::{Switch, Violation};
use crate::server::case::{Case, Need};
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, get, message};

use super::input::CHUNKED;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-INPUT-09 and 10: demand.
    case!(
        "input-not-stored",
        "A body that nobody reads is not taken from the client",
        ["REQ-INPUT-09"],
        |talk| {
            let script = "limit none; gate g; respond done";
            taken_slowly(talk, script)
        },
        Violation::switch("takes all that comes", Switch::NoInputLimit)
    ),
    case!(
        "input-not-read-ahead",
        "A body is not taken from the client faster than it is read",
        ["REQ-INPUT-09"],
        |talk| {
            let script = "limit none; read-chunk; gate g; respond done";
            taken_slowly(talk, script)
        },
        Violation::switch("takes all that comes", Switch::NoInputLimit)
    ),
    case!(
        "input-arrives-early",
        "Bytes that have arrived are given without waiting for the rest",
        ["REQ-INPUT-10"],
        |talk| arrives_early(talk, "Content-Length: 5\r\n", "he", "llo"),
        Violation::switch("waits for the whole body", Switch::WholeBodyFirst)
    ),
    case!(
        "input-chunk-arrives-early",
        "A chunk that has arrived is given without waiting for the rest",
        ["REQ-INPUT-10"],
        |talk| arrives_early(talk, CHUNKED, "2\r\nhe\r\n", "3\r\nllo\r\n0\r\n\r\n"),
        Violation::switch("waits for the whole body", Switch::WholeBodyFirst)
    ),
    case!(
        "input-part-of-chunk-arrives-early",
        "A part of a chunk is given without waiting for the rest of it",
        ["REQ-INPUT-10"],
        |talk| arrives_early(talk, CHUNKED, "5\r\nhe", "llo\r\n0\r\n\r\n"),
        Violation::switch("waits for the whole body", Switch::WholeBodyFirst)
    ),
    case!(
        "called-before-body",
        "The application is called before its body has arrived",
        ["REQ-INPUT-10"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&message("POST", "respond early", "Content-Length: 5\r\n", ""))?;
            wire.response()?.body("early")
        },
        Violation::switch("waits for the whole body", Switch::WholeBodyFirst)
    ),
    Case {
        id: "echo-while-reading",
        title: "The body is read while the response is sent",
        requirements: &["REQ-INPUT-11"],
        needs: Need::Capability("full-duplex"),
        talk: |talk| {
            let mut wire = talk.connect()?;
            wire.send(&message("POST", "start; echo; finish", CHUNKED, "2\r\nhe\r\n"))?;
            wire.head()?.status(200)?;
            wire.body(2)?;
            wire.send("3\r\nllo\r\n")?;
            wire.body(5)?;
            wire.send("0\r\n\r\n")?;
            wire.rest()?.body("hello")
        },
        violation: Violation::switch("sends when it has read", Switch::StoresResponse),
    },
    Case {
        id: "echo-with-length",
        title: "A body of declared length is read while the response is sent",
        requirements: &["REQ-INPUT-11"],
        needs: Need::Capability("full-duplex"),
        talk: |talk| {
            let mut wire = talk.connect()?;
            wire.send(&message("POST", "start; echo; finish", "Content-Length: 5\r\n", "he"))?;
            wire.head()?.status(200)?;
            wire.body(2)?;
            wire.send("llo")?;
            wire.rest()?.body("hello")?;
            wire.still_open()
        },
        violation: Violation::switch("sends when it has read", Switch::StoresResponse),
    },
];

/// Of 64 MiB that nobody reads, only what fits into buffers is taken.
fn taken_slowly(talk: &mut Talk<'_>, script: &str) -> Held {
    const MOST: usize = 64 << 20;
    talk.answer("respond control").control()?;
    let mut wire = talk.connect()?;
    wire.send(&message("POST", script, &format!("Content-Length: {MOST}\r\n"), ""))?;
    talk.await_event("called")?;
    let taken = wire.send_until_stuck(&[b'a'; 1 << 16], MOST, Duration::from_millis(200))?;
    check(
        taken < MOST / 2,
        "a client that is slowed down, with the kernel's buffers full",
        format!("{taken} octets were taken while nobody read them"),
    )?;
    wire.reset();
    talk.request(&get("respond control")).map(drop)
}

fn arrives_early(talk: &mut Talk<'_>, fields: &str, first: &str, second: &str) -> Held {
    let mut wire = talk.connect()?;
    wire.send(&message("POST", "read-chunk; read; respond done", fields, first))?;
    let events = talk.await_event("chunk")?;
    let chunk = events.iter().find(|event| event.is("chunk"));
    let data = chunk.map_or(Value::Null, |event| event.get("data").clone());
    check(data == "he", "the octets that have arrived", data)?;
    wire.send(second)?;
    wire.response()?.body("done")
}
