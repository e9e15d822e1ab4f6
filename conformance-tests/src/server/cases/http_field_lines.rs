//! Chapter "HTTP duties", the field lines of a request head, and heads that do not come to their end.

use std::time::Duration;

use crate::honest::{Switch, Violation};
use crate::server::case::Case;
use crate::server::failure::{Failure, Held, Of};
use crate::server::talk::Talk;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-HTTP-08 to 12: field lines.
    refused!(
        "space-before-colon",
        "A space before the colon is answered 400",
        "REQ-HTTP-08",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-Test : a\r\n\r\n",
        &[400],
        "allows it",
        SpaceBeforeColon
    ),
    refused!(
        "tab-before-colon",
        "A tab before the colon is answered 400",
        "REQ-HTTP-08",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-Test\t: a\r\n\r\n",
        &[400],
        "allows it",
        SpaceBeforeColon
    ),
    refused!(
        "space-before-colon-framing",
        "A space between Content-Length and its colon is answered 400",
        "REQ-HTTP-08",
        "POST /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nContent-Length : 3\r\n\r\nabc",
        &[400],
        "allows it",
        SpaceBeforeColon
    ),
    refused!(
        "folded-line",
        "A folded field line is answered 400",
        "REQ-HTTP-09",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-Test: a\r\n b\r\n\r\n",
        &[400],
        "joins the lines",
        ObsFold
    ),
    refused!(
        "folded-line-tab",
        "A field line that is folded with a tab is answered 400",
        "REQ-HTTP-09",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-Test: a\r\n\tb\r\n\r\n",
        &[400],
        "joins the lines",
        ObsFold
    ),
    refused!(
        "bare-cr-in-value",
        "A CR without LF in a field value is answered 400",
        "REQ-HTTP-10",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-Test: a\rb\r\n\r\n",
        &[400],
        "keeps it in the value",
        BareCr
    ),
    refused!(
        "bare-cr-as-line-end",
        "A CR without LF is not the end of a line",
        "REQ-HTTP-10",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-Test: a\rX-Next: b\r\n\r\n",
        &[400],
        "takes it for the end of a line",
        CrEndsLine
    ),
    refused!(
        "nul-in-value",
        "A NUL in a field value is answered 400",
        "REQ-HTTP-11",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-Test: a\0b\r\n\r\n",
        &[400],
        "allows it",
        Nul
    ),
    refused!(
        "empty-name",
        "A field line with an empty name is answered 400",
        "REQ-HTTP-12",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\n: a\r\n\r\n",
        &[400],
        "allows any name",
        AnyName
    ),
    refused!(
        "name-with-space",
        "A space inside a field name is answered 400",
        "REQ-HTTP-12",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX Test: a\r\n\r\n",
        &[400],
        "allows any name",
        AnyName
    ),
    refused!(
        "name-with-slash",
        "A field name that is no token is answered 400",
        "REQ-HTTP-12",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX/Test: a\r\n\r\n",
        &[400],
        "allows any name",
        AnyName
    ),
    refused!(
        "name-not-ascii",
        "A field name with an octet beyond ASCII is answered 400",
        "REQ-HTTP-12",
        "GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-T\u{e9}st: a\r\n\r\n",
        &[400],
        "allows any name",
        AnyName
    ),
    refused!(
        "first-line-indented",
        "A first field line that begins with a space is answered 400",
        "REQ-HTTP-12",
        "GET /?tag={tag} HTTP/1.1\r\n X-Test: a\r\nHost: {host}\r\n\r\n",
        &[400],
        "skips it",
        SkipsBadLine
    ),
    // REQ-HTTP-13 and 14: leniency.
    case!(
        "empty-line-before-request",
        "An empty line before the request line is ignored",
        ["REQ-HTTP-13"],
        |talk| talk.report("\r\nGET / HTTP/1.1\r\nHost: {host}\r\n\r\n").map(drop),
        Violation::switch("refuses it", Switch::NoEmptyLine)
    ),
    case!(
        "bare-lf",
        "A bare LF as the end of a line is accepted, or answered 400",
        ["REQ-HTTP-14"],
        |talk| {
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            wire.request("GET /?tag={tag} HTTP/1.1\nHost: {host}\n\n")?.head.status_of(&[200, 400])
        },
        Violation::switch("closes without an answer", Switch::LfCloses)
    ),
    // REQ-HTTP-15 and 16: heads that do not come to their end.
    case!(
        "half-head",
        "The application is not called with a head that breaks off",
        ["REQ-HTTP-15"],
        |talk| {
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            wire.send("GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\nX-Test: a")?;
            wire.finish_sending();
            if let Some(response) = wire.response_or_end("GET")? {
                response.head.status_of(&[400, 408])?;
            }
            talk.called(0)
        },
        Violation::switch("takes it for a whole one", Switch::HalfHead)
    ),
    case!(
        "half-head-before-empty-line",
        "A head without its empty line has not ended",
        ["REQ-HTTP-15"],
        |talk| {
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            wire.send("GET /?tag={tag} HTTP/1.1\r\nHost: {host}\r\n")?;
            wire.finish_sending();
            if let Some(response) = wire.response_or_end("GET")? {
                response.head.status_of(&[400, 408])?;
            }
            talk.called(0)
        },
        Violation::switch("takes it for a whole one", Switch::HalfHead)
    ),
    case!(
        "slow-head",
        "A head that does not come to its end in time is answered 408",
        ["REQ-HTTP-16"],
        |talk| {
            time_limit(talk)?;
            let mut wire = talk.connect()?;
            talk.control(&mut wire)?;
            wire.send("GET / HTTP/1.1\r\nHost: {host}\r\nX-Te")?;
            wire.response()?.status(408)?;
            wire.ended().map(drop)
        },
        Violation::switch("waits for ever", Switch::NoHeadTimeout)
    ),
    case!(
        "dripping-head",
        "The time for a head is not renewed by its bytes",
        ["REQ-HTTP-16"],
        dripping_head,
        Violation::switch("renews it with each byte", Switch::HeadTimeoutRenewed)
    ),
    case!(
        "no-head-no-answer",
        "A connection on which no byte of a head has come is not answered 408",
        ["REQ-HTTP-16"],
        |talk| {
            let limit = time_limit(talk)?;
            talk.request("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")?.status(200).control()?;
            let mut wire = talk.connect()?;
            match wire.pause(limit + Duration::from_millis(200))? {
                false => Ok(()),
                true => wire.ended().map(drop),
            }
        },
        Violation::switch("says 408 to it", Switch::IdleIs408)
    ),
];

/// The server's time for a head, where it is short enough to wait for.
fn time_limit(talk: &Talk<'_>) -> Held<Duration> {
    let limit = talk.subject().limit("head_timeout_ms").map(Duration::from_millis);
    limit.filter(|limit| *limit <= Duration::from_secs(3)).ok_or_else(|| {
        Failure::skip("the server's time for a head is not known or longer than 3 s; start it with a shorter one to judge this")
    })
}

fn dripping_head(talk: &mut Talk<'_>) -> Held {
    let limit = time_limit(talk)?;
    let mut wire = talk.connect()?;
    talk.control(&mut wire)?;
    wire.send("GET / HTTP/1.1\r\nHost: {host}\r\nX-Test: ")?;
    let step = limit / 8;
    for _ in 0..16 {
        if wire.pause(step)? {
            return match wire.response_or_end("GET")? {
                Some(response) => response.status(408),
                None => Ok(()),
            };
        }
        wire.send("a")?;
    }
    Err(Failure::new("an end after the server's time for a head", "nothing in twice that time"))
}
