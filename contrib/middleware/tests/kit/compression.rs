//! Compression: what is coded comes out again as it was.

use std::io::Read;

use http::{Method, StatusCode};
use rwgi::{Environ, Error, StartResponse};
use rwgi_middleware::{Client, Compression, ConditionalGet, Response};

use crate::common::{answering, streaming, wait, with_fields};

/// The content of a response, as a browser would have it.
fn decoded(response: &Response) -> String {
    let mut text = String::new();
    let mut content = &response.content()[..];
    match response.header("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(content).read_to_string(&mut text).unwrap(),
        Some("br") => brotli::Decompressor::new(content, 4096).read_to_string(&mut text).unwrap(),
        None => content.read_to_string(&mut text).unwrap(),
        Some(other) => panic!("{other} is not offered"),
    };
    text
}

fn long() -> &'static str {
    Box::leak("again and again, ".repeat(20_000).into_boxed_str())
}

#[test]
fn small_and_large_answers_come_back_whole() {
    for coding in ["gzip", "br"] {
        for length in [200, 5_000, 60_000, 300_000] {
            let text = &long()[..length];
            let client = Client::new(Compression::new(answering("text/plain", text)));
            let response = wait(client.get("/").header("accept-encoding", coding).send());
            assert_eq!(response.header("content-encoding"), Some(coding));
            assert_eq!(response.header("vary"), Some("accept-encoding"));
            assert_eq!(decoded(&response), text, "{coding} {length}");
            assert!(response.content().len() < length / 2, "{coding} {length}");
        }
    }
}

#[test]
fn a_stream_leaves_piece_by_piece_with_its_trailers() {
    for coding in ["gzip", "br"] {
        let client =
            Client::new(Compression::new(streaming("text/html", &["<p>1", "<p>2", "<p>3"])));
        let response = wait(client.get("/").header("accept-encoding", coding).send());
        assert_eq!(decoded(&response), "<p>1<p>2<p>3", "{coding}");
        assert!(response.trailers().unwrap().contains_key("x-checksum"));
    }
}

#[test]
fn what_is_short_or_unsuited_passes() {
    let short = Client::new(Compression::new(answering("text/plain", "short")));
    let response = wait(short.get("/").header("accept-encoding", "gzip").send());
    assert_eq!((response.text(), response.header("content-encoding")), ("short", None));
    assert_eq!(response.header("vary"), Some("accept-encoding"));

    let image = Client::new(Compression::new(answering("image/png", long())));
    let response = wait(image.get("/").header("accept-encoding", "gzip").send());
    assert_eq!((response.header("vary"), response.header("content-encoding")), (None, None));
    assert_eq!(response.text(), long());
}

#[test]
fn who_asks_for_nothing_gets_it_plain_and_the_cache_is_told() {
    let client = Client::new(Compression::new(answering("text/plain", long())));
    for accepted in ["", "identity", "deflate", "gzip;q=0"] {
        let response = wait(client.get("/").header("accept-encoding", accepted).send());
        assert_eq!(response.text(), long());
        assert_eq!(response.header("vary"), Some("accept-encoding"));
    }
}

#[test]
fn a_304_has_the_fields_of_the_200_that_the_client_keeps() {
    let fields = &[("content-type", "text/plain"), ("etag", "\"a\"")];
    let site = Compression::new(ConditionalGet::new(with_fields(fields, long())));
    let client = Client::new(site);
    for (accepted, tag) in [("gzip", "W/\"a\""), ("identity", "\"a\"")] {
        let ask = || client.get("/").header("accept-encoding", accepted);
        let first = wait(ask().send());
        assert_eq!(first.header("etag"), Some(tag));
        let again = wait(ask().header("if-none-match", tag).send());
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        for field in ["etag", "vary"] {
            assert_eq!(again.header(field), first.header(field), "{accepted}: {field}");
        }
    }
    // Who has it plain keeps the strong tag, also when it would take it coded by now.
    let other = client.get("/").header("accept-encoding", "gzip").header("if-none-match", "\"a\"");
    assert_eq!(wait(other.send()).header("etag"), Some("\"a\""));
}

#[test]
fn a_strong_tag_becomes_weak_and_ranges_are_not_offered() {
    let fields = &[("content-type", "text/plain"), ("etag", "\"a\""), ("accept-ranges", "bytes")];
    let client = Client::new(Compression::new(with_fields(fields, long())));
    let response = wait(client.get("/").header("accept-encoding", "gzip").send());
    assert_eq!(response.header("etag"), Some("W/\"a\""));
    assert_eq!(response.header("accept-ranges"), None);
    assert_eq!(wait(client.get("/").send()).header("etag"), Some("\"a\""));
}

#[test]
fn a_head_has_the_fields_of_its_get() {
    let client = Client::new(Compression::new(answering("text/plain", long())));
    let ask = |method| client.request(method, "/").header("accept-encoding", "gzip").send();
    let (get, head) = (wait(ask(Method::GET)), wait(ask(Method::HEAD)));
    for name in ["content-encoding", "vary", "content-type", "etag"] {
        assert_eq!(get.header(name), head.header(name), "{name}");
    }
    assert_eq!(head.header("content-length"), None);

    let short = Client::new(Compression::new(answering("text/plain", "short")));
    let head = wait(short.request(Method::HEAD, "/").header("accept-encoding", "gzip").send());
    assert_eq!((head.header("content-encoding"), head.header("content-length")), (None, Some("5")));
}

#[test]
fn a_failure_in_the_middle_stays_one() {
    let broken = |_: Environ, start: StartResponse| async move {
        let mut body = start.start(StatusCode::OK, [("content-type", "text/plain")])?;
        body.write("the beginning").await?;
        body.flush().await?;
        Err::<rwgi::Finished, _>(Error::application("no more"))
    };
    for coding in ["gzip", "br"] {
        let client = Client::new(Compression::new(broken));
        let response = wait(client.get("/").header("accept-encoding", coding).send());
        assert!(response.error().is_some(), "{coding}");
        assert!(!response.content().is_empty(), "{coding}: what came before it leaves");
    }
}
