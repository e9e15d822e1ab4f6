//! HTTP/2: whom a request is for, its cookies and its content.
//!
//! Rules of this room: by requirement; a request that is refused differs from a plain one in one thing.

use super::http2_moves::{
    asks, bad, begin, but, flaw, get, h2, is, message, needs, report, tells, with, without,
};
use crate::honest::Violation;
use crate::server::case::Case;
use crate::server::failure::{Held, check};
use crate::server::talk::Talk;

/// The cases of this file.
pub(super) const CASES: &[Case] = &[
    // REQ-H2-06 and REQ-H2-07: authority and Host.
    h2!(
        "h2-authority",
        ":authority is the authority",
        ["REQ-H2-06"],
        |talk| {
            let fields = but(asks("GET", "/"), ":authority", "other.example:81");
            tells(talk, &fields, "authority", "other.example:81")
        },
        Violation::request("gives its own address", |parts| {
            parts.uri = http::Uri::from_static("http://127.0.0.1/");
        })
    ),
    h2!(
        "h2-host-alone",
        "Host is the authority where there is no :authority",
        ["REQ-H2-06"],
        |talk| {
            let fields = without(asks("GET", "/"), ":authority");
            tells(talk, &with(fields, &[("host", "other.example")]), "authority", "other.example")
        },
        flaw!("asks for :authority", NeedsAuthority)
    ),
    h2!(
        "h2-host-beside-authority",
        "A Host that is the same as :authority does no harm",
        ["REQ-H2-06"],
        |talk| {
            let fields = but(asks("GET", "/"), ":authority", "other.example");
            tells(talk, &with(fields, &[("host", "other.example")]), "authority", "other.example")
        },
        flaw!("refuses every Host beside :authority", NoHostBeside)
    ),
    bad!(
        "h2-no-host",
        "A request with neither :authority nor Host is refused",
        "REQ-H2-07",
        without(get("respond"), ":authority"),
        flaw!("serves it", NoHost)
    ),
    bad!(
        "h2-two-hosts",
        "A request with two Host fields is refused",
        "REQ-H2-07",
        with(
            without(get("respond"), ":authority"),
            &[("host", "one.example"), ("host", "two.example")]
        ),
        flaw!("serves the first", TwoHosts)
    ),
    bad!(
        "h2-host-differs",
        "A request whose Host differs from its :authority is refused",
        "REQ-H2-07",
        with(get("respond"), &[("host", "other.example")]),
        flaw!("overlooks Host", HostDiffers)
    ),
    // REQ-H2-08
    h2!(
        "h2-cookie-crumbs",
        "Cookie fields are one field for the application",
        ["REQ-H2-08"],
        |talk| {
            let crumbs =
                [("cookie", "a=1"), ("x-other", "b"), ("cookie", "b=2; c=3"), ("cookie", "d")];
            let report = report(talk, &with(asks("GET", "/"), &crumbs))?;
            let fields = report["fields"].as_array().cloned().unwrap_or_default();
            let cookies: Vec<&str> = fields
                .iter()
                .filter(|field| field[0] == "cookie")
                .filter_map(|field| field[1].as_str())
                .collect();
            let expected = "one field cookie: a=1; b=2; c=3; d";
            check(cookies == ["a=1; b=2; c=3; d"], expected, format!("{cookies:?}"))
        },
        flaw!("leaves the crumbs", CookieCrumbs)
    ),
    // REQ-H2-09: bodies and their length.
    h2!(
        "h2-body",
        "The content of a stream is given in its order, as long as it was declared",
        ["REQ-H2-09", "REQ-INPUT-01"],
        |talk| {
            let mut http2 = begin(talk)?;
            let fields = with(asks("POST", "/"), &[("content-length", "10")]);
            let stream = http2.open(&fields, false)?;
            http2.data(stream, b"hello", false)?;
            http2.data(stream, b"world", true)?;
            let report = http2.response(stream)?.json()?;
            is(&report, "body", "helloworld")?;
            is(&report, "length", 10)
        },
        Violation::report("loses some of it", |report| report["body"] = "hello".into())
    ),
    h2!(
        "h2-body-of-unknown-length",
        "Content needs no Content-Length in HTTP/2",
        ["REQ-INPUT-01"],
        |talk| {
            let mut http2 = begin(talk)?;
            let stream = http2.open(&asks("POST", "/"), false)?;
            http2.data(stream, b"hello", false)?;
            http2.data(stream, b"", true)?;
            let report = http2.response(stream)?.json()?;
            is(&report, "body", "hello")
        },
        Violation::report("takes it for none", |report| report["body"] = "".into())
    ),
    h2!(
        "h2-body-too-short",
        "Content shorter than its Content-Length is broken off",
        ["REQ-H2-09"],
        |talk| broken_body(talk, "10", b"hello"),
        flaw!("does not count", AnyLength)
    ),
    h2!(
        "h2-body-too-long",
        "Content longer than its Content-Length is broken off",
        ["REQ-H2-09"],
        |talk| broken_body(talk, "3", b"hello"),
        flaw!("does not count", AnyLength)
    ),
    h2!(
        "h2-body-missing",
        "A Content-Length without content is broken off",
        ["REQ-H2-09"],
        |talk| {
            let mut http2 = begin(talk)?;
            let fields = with(asks("POST", "/"), &[("content-length", "5")]);
            let stream = http2.open(&fields, true)?;
            http2.refused(stream, &[400])
        },
        flaw!("does not count", AnyLength)
    ),
    h2!(
        "h2-request-trailers",
        "The trailer fields of a request on a stream are given after its content",
        ["REQ-INPUT-21"],
        |talk| {
            let mut http2 = begin(talk)?;
            needs(&mut http2, "request-trailers")?;
            let stream = http2.open(&asks("POST", "/"), false)?;
            http2.data(stream, b"hello", false)?;
            http2.fields(stream, &[("x-sum", "17")], true)?;
            let report = http2.response(stream)?.json()?;
            is(&report, "trailers", serde_json::json!([["x-sum", "17"]]))
        },
        Violation::report("drops them", |report| report["trailers"] = serde_json::Value::Null)
    ),
];

/// The application reads a body of another length than was declared: it sees an error and not an end, unless the server has reset the stream.
fn broken_body(talk: &mut Talk<'_>, declared: &str, octets: &[u8]) -> Held {
    let mut http2 = begin(talk)?;
    let fields =
        with(message("POST", "read; note whole; respond whole"), &[("content-length", declared)]);
    let stream = http2.open(&fields, false)?;
    http2.data(stream, octets, true)?;
    http2.refused(stream, &[400])?;
    let whole = talk.events()?.iter().any(|event| event.is("whole"));
    check(!whole, "a read that fails", "a body that ended in order")
}
