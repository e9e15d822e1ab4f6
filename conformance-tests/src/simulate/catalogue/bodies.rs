//! Requests whose body is unusual, or comes in an unusual way.

use http::{HeaderMap, HeaderValue, Method};

use super::super::request::{Piece, Request, data};
use super::super::scenario::{Play, Requests, Scenario};
use super::{ANSWER, no_own_fault, no_part_as_whole};
use crate::lint::Level::{Must, Should};

const fn unusual(slug: &'static str, title: &'static str, requests: Requests) -> Scenario {
    let play = Play::Each(requests, no_own_fault);
    Scenario::new(slug, Should, &["REQ-APP-09"], title, ANSWER, play)
}

pub(crate) const ALL: &[Scenario] = &[
    unusual("body-none", "POST without content is answered without a fault", |path| {
        vec![Request::post(path), Request::post(path).chunked(Vec::new())]
    }),
    unusual("body-of-get", "GET with content is answered without a fault", |path| {
        vec![Request::get(path).exact(vec![data("unexpected")])]
    }),
    unusual(
        "body-unknown-length",
        "content of unknown length is answered without a fault",
        |path| vec![Request::post(path).chunked(vec![data("one"), data("two")])],
    ),
    unusual("body-slow", "content that comes slowly is answered without a fault", |path| {
        let pieces = "a=1&b=2".bytes().flat_map(|octet| [Piece::Wait, data([octet])]).collect();
        vec![Request::post(path).exact(pieces)]
    }),
    Scenario::new(
        "body-truncated",
        Should,
        &["REQ-APP-09", "REQ-INPUT-07"],
        "a body that breaks off is not called the application's fault",
        ANSWER,
        Play::Each(
            |path| {
                let typed = |name| Request::post(path).field("content-type", name);
                vec![
                    Request::post(path).declared(10, vec![data("half"), Piece::Break]),
                    Request::post(path).declared(10, vec![Piece::Break]),
                    Request::post(path).declared(10, vec![data("half")]),
                    Request::post(path).chunked(vec![data("half"), Piece::Wait, Piece::Break]),
                    typed("application/json").chunked(vec![data("{\"a\":"), Piece::Break]),
                ]
            },
            no_own_fault,
        ),
    ),
    Scenario::new(
        "body-stalled",
        Should,
        &["REQ-APP-08"],
        "what has come so far is not taken for the whole",
        "read until `chunk()` gives `None`; a read that is pending is no end",
        Play::Each(
            |path| {
                vec![
                    Request::post(path).declared(10, vec![data("half"), Piece::Stall]),
                    Request::post(path).chunked(vec![Piece::Stall]),
                ]
            },
            no_part_as_whole,
        ),
    ),
    unusual(
        "body-over-limit",
        "a declared length over the limit is answered without a fault",
        |path| vec![Request::post(path).limit(16).exact(vec![data("0123456789"); 4])],
    ),
    unusual(
        "body-over-limit-late",
        "a body that turns out too large is answered without a fault",
        |path| vec![Request::post(path).limit(16).chunked(vec![data("0123456789"); 4])],
    ),
    unusual("body-trailers", "a request with trailers is answered without a fault", |path| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("1234"));
        vec![
            Request::post(path)
                .field("trailer", "x-checksum")
                .chunked(vec![data("content"), Piece::Trailers(trailers)]),
        ]
    }),
    unusual("body-expected", "a client that waits for 100 is answered without a fault", |path| {
        vec![Request::post(path).field("expect", "100-continue").exact(vec![data("content")])]
    }),
    unusual("body-octets", "content that is no text is answered without a fault", |path| {
        ["text/plain; charset=utf-8", "application/json", "application/x-www-form-urlencoded"]
            .map(|name| {
                Request::post(path)
                    .field("content-type", name)
                    .exact(vec![data(b"\xff\xfe\x00\xe9")])
            })
            .into()
    }),
    unusual("body-untyped", "content of an odd type is answered without a fault", |path| {
        ["", "text", "no/such-thing; x", "multipart/form-data", "multipart/form-data; boundary="]
            .map(|name| {
                Request::post(path).field("content-type", name).exact(vec![data("content")])
            })
            .into()
    }),
    unusual(
        "body-malformed",
        "content that is not what its type says is answered without a fault",
        |path| {
            [
                ("application/json", "{\"a\": [1, 2"),
                ("application/json", "null"),
                ("application/x-www-form-urlencoded", "%zz=%&=&&"),
                ("multipart/form-data; boundary=x", "--x\r\nno end"),
                ("application/xml", "<a><b></a>"),
            ]
            .map(|(name, text)| {
                Request::post(path).field("content-type", name).exact(vec![data(text)])
            })
            .into()
        },
    ),
    unusual("body-coded", "content in an unknown coding is answered without a fault", |path| {
        ["gzip", "no-such-coding", "gzip, gzip", ""]
            .map(|coding| {
                Request::post(path).field("content-encoding", coding).exact(vec![data("not gzip")])
            })
            .into()
    }),
    Scenario::new(
        "body-cuts",
        Must,
        &["REQ-APP-08"],
        "the same content in other pieces has the same answer",
        "parse a stream and not a piece: keep what is incomplete until the next piece comes",
        Play::Same(|path| {
            [
                ("text/plain; charset=utf-8", "first line\nsecond line, caf\u{e9}\n"),
                ("application/x-www-form-urlencoded", "name=caf%C3%A9&name=b&empty="),
                ("application/json", "{\"a\": [1, 2, {\"b\": \"caf\u{e9}\"}]}"),
            ]
            .map(|(name, text)| {
                let post = || Request::new(Method::POST, path).field("content-type", name);
                let octets = text.as_bytes();
                let each = |size: usize| octets.chunks(size).map(data).collect::<Vec<_>>();
                vec![
                    post().exact(vec![data(octets)]),
                    post().exact(each(1)),
                    post().exact(each(7)),
                    post().exact(each(1).into_iter().flat_map(|one| [Piece::Wait, one]).collect()),
                    post().chunked(each(3)),
                ]
            })
            .into()
        }),
    ),
];
