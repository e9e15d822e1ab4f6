//! Chapter "The body": its end, and the fields after it.

use super::body::is_cut;
use crate::honest::{Switch, Violation};
use crate::server::case::{Case, Need};
use crate::server::failure::{Failure, Held, Of, check};
use crate::server::talk::{Talk, get, message};

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-BODY-16 and 17: the end.
    case!(
        "dropped-writer-is-cut",
        "A response whose writer is dropped after the commit is cut visibly",
        ["REQ-BODY-16"],
        |talk| is_cut(talk, "start; write abc; flush; drop-writer; wait-for-ever", "abc"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    case!(
        "unfinished-has-no-end",
        "A response that is not finished has no end",
        ["REQ-BODY-17"],
        |talk| {
            let mut wire = talk.connect()?;
            wire.send(&get("start; write abc; gate g; write d; finish"))?;
            wire.head()?;
            wire.body(3)?;
            wire.quiet("no end of the message before the application has finished")?;
            talk.open_gate("g")?;
            wire.rest()?.body("abcd")
        },
        Violation::switch("ends it when the application waits", Switch::EndsWhenPending)
    ),
    case!(
        "failed-has-no-end",
        "A chunked response that failed has no last chunk",
        ["REQ-BODY-17"],
        |talk| is_cut(talk, "start; write abc; flush; error application", "abc"),
        Violation::switch("completes it", Switch::CompletesAborted)
    ),
    // REQ-BODY-18 to 20: trailers.
    Case {
        id: "trailers-sent",
        title: "Trailer fields are sent after a chunked body to a client that accepts them",
        requirements: &["REQ-BODY-18"],
        needs: Need::Capability("response-trailers"),
        talk: |talk| {
            let script = "start; write a; flush; finish x-sum=1 x-sum=2 x-end=b";
            let response =
                talk.request(&message("GET", script, "TE: trailers\r\nConnection: TE\r\n", ""))?;
            response.body("a")?;
            let found: Vec<(&str, &[u8])> =
                response.trailers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
            let expected: [(&str, &[u8]); 3] = [("x-sum", b"1"), ("x-sum", b"2"), ("x-end", b"b")];
            check(
                found == expected,
                "the trailers x-sum: 1, x-sum: 2, x-end: b",
                format!("{found:?}"),
            )
        },
        violation: Violation::switch("leaves them out", Switch::NoResponseTrailers),
    },
    Case {
        id: "trailers-not-after-length",
        title: "A response of declared length is complete without its trailers",
        requirements: &["REQ-BODY-19"],
        needs: Need::Capability("response-trailers"),
        talk: |talk| {
            let mut wire = talk.connect()?;
            let script = "field content-length=1; start; write a; finish x-sum=1";
            let response =
                wire.request(&message("GET", script, "TE: trailers\r\nConnection: TE\r\n", ""))?;
            response.body("a")?;
            wire.still_open()
        },
        violation: Violation::switch("sends them all the same", Switch::TrailersAlways),
    },
    Case {
        id: "trailers-not-to-http10",
        title: "A response to HTTP/1.0 is complete without its trailers",
        requirements: &["REQ-BODY-19"],
        needs: Need::Capability("response-trailers"),
        talk: |talk| {
            let request = "GET / HTTP/1.0\r\nTE: trailers\r\nX-Play: start; write a; flush; finish x-sum=1\r\n\r\n";
            talk.request(request)?.body("a")
        },
        violation: Violation::switch("sends them all the same", Switch::TrailersAlways),
    },
    Case {
        id: "trailers-not-after-head",
        title: "A response to HEAD is complete without its trailers",
        requirements: &["REQ-BODY-19"],
        needs: Need::Capability("response-trailers"),
        talk: |talk| {
            let mut wire = talk.connect()?;
            let response =
                wire.request(&message("HEAD", "start; finish x-sum=1", "TE: trailers\r\n", ""))?;
            response.status(200)?;
            wire.still_open()
        },
        violation: Violation::switch("sends content after each head", Switch::ContentForAll),
    },
    Case {
        id: "trailers-refused",
        title: "A trailer field that would change what was read is refused as an application fault",
        requirements: &["REQ-BODY-20"],
        needs: Need::Capability("response-trailers"),
        talk: trailers_refused,
        violation: Violation::script("allows some of them", |script| {
            script.replace("set-cookie=", "x-cookie=")
        }),
    },
];

/// REQ-BODY-20's list.
const REFUSED: [&str; 29] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "host",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "range",
    "retry-after",
    "set-cookie",
    "vary",
    "warning",
    "www-authenticate",
];

fn trailers_refused(talk: &mut Talk<'_>) -> Held {
    let mut wire = talk.connect()?;
    wire.request(&get("start; finish x-sum=1"))?.status(200).control()?;
    for name in REFUSED {
        let response = wire.request(&get(&format!("start; finish {name}=1")))?;
        if response.head.status != 500 {
            return Err(Failure::new(
                format!("status 500 for the trailer {name}"),
                format!("status {}", response.head.status),
            ));
        }
    }
    Ok(())
}
