//! Chapter "The body": the bytes between the head and the end.

use std::time::Duration;

use crate::honest::{Switch, Violation};
use crate::server::application::pattern;
use crate::server::case::Case;
use crate::server::failure::{Held, Of, check};
use crate::server::talk::{Talk, get};
use crate::server::wire::{Ending, Framing};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-BODY-01 to 07: handing over bytes.
    case!(
        "body-in-order",
        "The pieces arrive in the order in which they were written",
        ["REQ-BODY-01"],
        |talk| talk
            .answer("start; write one; write two; flush; write three; finish")?
            .body("onetwothree"),
        Violation::script("swaps two of them", |script| script
            .replace("write one; write two", "write two; write one"))
    ),
    case!(
        "body-unchanged",
        "A large body arrives unchanged",
        ["REQ-BODY-01"],
        |talk| {
            let response = talk.answer("start; fill 100000; flush; fill 200000; finish")?;
            let expected = [pattern(100_000), pattern(200_000)].concat();
            check(
                response.body == expected,
                "300000 octets of the pattern",
                format!("{} octets, or others", response.body.len()),
            )
        },
        Violation::content("changes an octet", |data| {
            if data.len() > 50_000 {
                data[40_000] ^= 1;
            }
        })
    ),
    case!(
        "body-binary",
        "Octets of every value arrive unchanged",
        ["REQ-BODY-01"],
        |talk| talk.answer("respond %00%01%0D%0A%7F%80%FF")?.body(b"\x00\x01\r\n\x7f\x80\xff"),
        Violation::content("takes the octets for text", |data| {
            *data = String::from_utf8_lossy(data).into_owned().into_bytes();
            data.truncate(7);
        })
    ),
    case!(
        "body-of-forwarded",
        "A forwarded body arrives unchanged",
        ["REQ-BODY-01"],
        |talk| {
            let response = talk.answer("forward data=a fill=70000 data=b")?;
            let expected = [b"a".to_vec(), pattern(70_000), b"b".to_vec()].concat();
            check(
                response.body == expected,
                "70002 octets",
                format!("{} octets, or others", response.body.len()),
            )
        },
        Violation::content("changes an octet", |data| {
            if data.len() > 50_000 {
                data[40_000] ^= 1;
            }
        })
    ),
    case!(
        "write-leaves-at-once",
        "A chunk is sent without a further write",
        ["REQ-BODY-02"],
        |talk| leaves_at_once(talk, "start; write a; gate g; write b; finish"),
        Violation::switch("sends the response when it is whole", Switch::StoresResponse)
    ),
    case!(
        "write-leaves-at-once-with-length",
        "A chunk that does not complete the declared length is sent without a further write",
        ["REQ-BODY-02"],
        |talk| leaves_at_once(
            talk,
            "field content-length=2; start; write a; gate g; write b; finish"
        ),
        Violation::switch("sends the response when it is whole", Switch::StoresResponse)
    ),
    case!(
        "forwarded-leaves-at-once",
        "A chunk of a forwarded body is sent without a further one",
        ["REQ-BODY-02"],
        |talk| leaves_at_once(talk, "forward data=a gate=g data=b"),
        Violation::switch("sends the response when it is whole", Switch::StoresResponse)
    ),
    case!(
        "write-waits-for-reader",
        "An application does not write on while the client does not read",
        ["REQ-BODY-04"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.shrink_receive_buffer();
            wire.send(&get("start; write a; pump 1024 65536; finish"))?;
            wire.head()?;
            wire.body(1)?;
            let mut watch = talk.watch("pumped")?;
            check(
                !watch.pause(Duration::from_millis(500))?,
                "64 MiB not to be written while nobody reads",
                "all was written",
            )?;
            wire.reset();
            Ok(())
        },
        Violation::switch("stores the response in memory", Switch::StoresResponse)
    ),
    case!(
        "empty-write-is-nothing",
        "An empty write does not commit the head",
        ["REQ-BODY-05"],
        |talk| {
            let response = talk.answer("start; write ; status 404; replace; write gone; finish")?;
            response.status(404)?;
            response.body("gone")
        },
        Violation::script("commits it", |script| script.replace("write ;", "flush;"))
    ),
    case!(
        "empty-write-ends-nothing",
        "An empty write does not end a chunked body",
        ["REQ-BODY-05"],
        |talk| leaves_at_once(
            talk,
            "start; write a; flush; write ; flush; gate g; write b; finish"
        ),
        Violation::switch("sends an empty chunk", Switch::EmptyChunks)
    ),
    case!(
        "flush-sends-head",
        "flush() sends the head without a byte of the body",
        ["REQ-BODY-06"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("status 201; start; flush; gate g; write a; finish"))?;
            wire.head()?.status(201)?;
            talk.open_gate("g")?;
            wire.rest()?.body("a")
        },
        Violation::script("does nothing", |script| script.replace("flush; ", ""))
    ),
    case!(
        "flushed-bytes-are-sent",
        "What was flushed is sent although the application fails afterwards",
        ["REQ-BODY-07"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("start; write abc; flush; error application"))?;
            wire.head()?.status(200)?;
            let (ending, body) = wire.cut_or_complete()?;
            check(body == b"abc", "the octets abc", crate::server::wire::escape(&body))?;
            check(ending.is_some(), "a response that is cut", "a complete one").of("REQ-ERR-07")
        },
        Violation::switch("drops it", Switch::DropsBeforeAbort)
    ),
    // REQ-BODY-09 to 14: declared length.
    case!(
        "write-beyond-length-refused",
        "A write beyond the declared length is refused whole",
        ["REQ-BODY-09"],
        |talk| {
            let response = talk.answer(
                "field content-length=5; start; write abc; try write defg; write de; finish",
            )?;
            response.body("abcde")?;
            let events = talk.await_event("tried")?;
            let tried = events.iter().find(|event| event.is("tried"));
            let ok = tried.map(|event| event.get("ok").clone());
            check(
                ok.as_ref().is_some_and(|ok| ok == false),
                "the write to fail",
                format!("{ok:?}"),
            )?;
            let fault = tried.map(|event| event.get("error")["fault"].clone());
            check(
                fault.as_ref().is_some_and(|fault| fault == "application"),
                "an application fault",
                format!("{fault:?}"),
            )
        },
        Violation::report("accepts it", |json| {
            for event in json["events"].as_array_mut().into_iter().flatten() {
                if event["event"] == "tried" {
                    event["ok"] = true.into();
                }
            }
        })
    ),
    case!(
        "surplus-not-sent",
        "Nothing of a write beyond the declared length is sent",
        ["REQ-BODY-09"],
        |talk| {
            let mut wire = talk.connect()?;
            let response = wire.request(&get(
                "field content-length=3; start; try write abcd; write abc; finish",
            ))?;
            response.body("abc")?;
            wire.still_open()
        },
        Violation::script("sends a part of it", |script| script
            .replace("try write abcd; write abc", "write abd"))
    ),
    case!(
        "short-before-commit-is-500",
        "A body that is finished short before the commit is answered 500",
        ["REQ-BODY-10"],
        |talk| {
            talk.answer("field content-length=5; start; write hello; finish")?
                .status(200)
                .control()?;
            talk.play("field content-length=5; start; finish")?.status(500)
        },
        Violation::script("corrects the length", |script| script
            .replace("content-length=5; start; finish", "content-length=0; start; finish"))
    ),
    case!(
        "short-after-commit-is-cut",
        "A body that is finished short after the commit is cut visibly",
        ["REQ-BODY-10"],
        |talk| is_cut(talk, "field content-length=5; start; write abc; flush; finish", "abc"),
        Violation::switch("fills it up", Switch::CompletesAborted)
    ),
    case!(
        "last-chunk-held",
        "The chunk that completes the declared length waits for the application's return",
        ["REQ-BODY-11"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("field content-length=3; start; write abc; gate g; finish"))?;
            // The head may have left, its last chunk has not.
            talk.await_event("called")?;
            wire.pause(Duration::from_millis(60))?;
            talk.open_gate("g")?;
            wire.response()?.body("abc")?;
            let mut wire = talk.connect()?;
            wire.send(&get("field content-length=3; start; write abc; gate g; error application"))?;
            whole_is_an_error(&mut wire)
        },
        Violation::script("sends it at once", |script| script
            .replace("gate g; error application", "finish"))
    ),
    case!(
        "flush-of-last-chunk-is-ready",
        "flush() of the chunk that completes the length does not wait",
        ["REQ-BODY-11"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get(
                "field content-length=3; start; write abc; flush; note flushed; finish",
            ))?;
            talk.await_event("flushed")?;
            wire.response()?.body("abc")
        },
        Violation::script("waits for ever", |script| script
            .replace("flush; note", "flush; wait-for-ever; note"))
    ),
    case!(
        "forwarded-short-is-cut",
        "A forwarded body short of its declared length is cut visibly",
        ["REQ-BODY-12"],
        |talk| is_cut(talk, "field content-length=5; forward data=abc", "abc"),
        Violation::switch("fills it up", Switch::CompletesAborted)
    ),
    case!(
        "forwarded-short-of-own-size-is-cut",
        "A forwarded body short of the size that it reports is cut visibly",
        ["REQ-BODY-12"],
        |talk| is_cut(talk, "forward exact=5 data=abc", "abc"),
        Violation::switch("fills it up", Switch::CompletesAborted)
    ),
    case!(
        "forwarded-long-is-cut",
        "A forwarded body beyond its declared length is cut, without the surplus",
        ["REQ-BODY-13"],
        |talk| is_cut(talk, "field content-length=3; forward data=ab data=cde", "ab"),
        Violation::switch("fills it up", Switch::CompletesAborted)
    ),
    case!(
        "forwarded-size-is-length",
        "The exact size of a forwarded body is its Content-Length",
        ["REQ-BODY-14"],
        |talk| {
            let response = talk.answer("forward exact=5 data=he data=llo")?;
            response.body("hello")?;
            response.head.field("content-length", "5")
        },
        Violation::script("does not ask for it", |script| script.replace("exact=5 ", ""))
    ),
];

fn leaves_at_once(talk: &mut Talk<'_>, script: &str) -> Held {
    let mut wire = talk.connect()?;
    wire.send(&get(script))?;
    wire.head()?.status(200)?;
    let body = wire.body(1)?;
    check(body == b"a", "the octet a", crate::server::wire::escape(&body))?;
    talk.open_gate("g")?;
    wire.rest()?.body("ab")
}

/// The response begins well, brings these octets, and is not complete.
pub(super) fn is_cut(talk: &mut Talk<'_>, script: &str, octets: &str) -> Held {
    talk.answer("start; write abc; flush; finish")?.body("abc").control()?;
    let mut wire = talk.connect()?;
    wire.send(&get(script))?;
    let head = wire.head()?;
    head.status(200)?;
    let (ending, body) = wire.cut_or_complete()?;
    let by_close = head.framing == Framing::Close && ending != Some(Ending::Reset);
    check(ending.is_some() && !by_close, "a response that is visibly cut", "a complete one")?;
    // With a reset nobody can promise that all of it arrives.
    check(
        octets.as_bytes().starts_with(&body),
        format!("no more than {octets:?}"),
        crate::server::wire::escape(&body),
    )
}

/// A response that completes its length and then fails is an error response or is cut; it is never whole.
fn whole_is_an_error(wire: &mut crate::server::wire::Wire) -> Held {
    let head = wire.head()?;
    if head.status == 500 {
        return Ok(());
    }
    let (ending, _) = wire.cut_or_complete()?;
    check(ending.is_some(), "a response that is visibly cut, or status 500", "a complete one")
}
