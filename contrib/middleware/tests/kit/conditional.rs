//! Conditional requests: tags, dates, and what of a response stays.

use http::{Method, StatusCode};
use rwgi_middleware::{Client, Compression, ConditionalGet};

use crate::common::{answering, streaming, wait, with_fields};

const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[test]
fn a_tag_is_of_the_content() {
    let tag = |content: &'static str| {
        let client = Client::new(ConditionalGet::new(answering("text/plain", content)));
        wait(client.get("/").send()).header("etag").unwrap().to_owned()
    };
    assert_eq!(tag("one"), tag("one"));
    assert_ne!(tag("one"), tag("two"));
    assert!(tag("").starts_with('"') && tag("").len() == 34);
}

#[test]
fn a_client_that_has_the_content_gets_a_304_with_what_caches_need() {
    let fields = &[
        ("content-type", "text/plain"),
        ("cache-control", "max-age=60"),
        ("vary", "cookie"),
        ("set-cookie", "a=b"),
        ("content-language", "en"),
        ("last-modified", OLD),
    ];
    let client = Client::new(ConditionalGet::new(with_fields(fields, "content")));
    let tag = wait(client.get("/").send()).header("etag").unwrap().to_owned();
    let response = wait(client.get("/").header("if-none-match", &format!("\"x\", {tag}")).send());
    assert_eq!((response.status(), response.text()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(response.header("etag"), Some(&*tag));
    for (name, value) in &fields[1..4] {
        assert_eq!(response.header(name), Some(*value));
    }
    for name in ["content-type", "content-language", "content-length"] {
        assert_eq!(response.header(name), None, "{name}");
    }
    let by_date = wait(client.get("/").header("if-modified-since", OLD).send());
    assert_eq!(by_date.status(), StatusCode::NOT_MODIFIED);
}

#[test]
fn a_client_that_has_another_state_gets_412() {
    let fields = &[("content-type", "text/plain"), ("etag", "\"a\"")];
    let client = Client::new(ConditionalGet::new(with_fields(fields, "content")));
    let response = wait(client.get("/").header("if-match", "\"b\"").send());
    assert_eq!((response.status(), response.text()), (StatusCode::PRECONDITION_FAILED, ""));
    let response = wait(client.request(Method::HEAD, "/").header("if-none-match", "\"a\"").send());
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    let response = wait(client.post("/").header("if-match", "\"b\"").send());
    assert_eq!(response.status(), StatusCode::OK, "what was done cannot fail afterwards");
}

#[test]
fn streams_secrets_and_large_content_get_no_tag() {
    let client = Client::new(ConditionalGet::new(streaming("text/plain", &["a", "b"])));
    let response = wait(client.get("/").send());
    assert_eq!((response.header("etag"), response.text()), (None, "ab"));
    assert!(response.trailers().is_some());

    let fields = &[("cache-control", "private, no-store")];
    let client = Client::new(ConditionalGet::new(with_fields(fields, "content")));
    assert_eq!(wait(client.get("/").send()).header("etag"), None);

    let large = answering("text/plain", "x".repeat(11));
    let client = Client::new(ConditionalGet::new(large).hash_up_to(Some(10)));
    let response = wait(client.get("/").send());
    assert_eq!((response.header("etag"), response.content().len()), (None, 11));

    let client = Client::new(ConditionalGet::new(answering("text/plain", "x")).hash_up_to(None));
    assert_eq!(wait(client.get("/").send()).header("etag"), None);
}

#[test]
fn it_works_inside_of_compression() {
    let inner = ConditionalGet::new(answering("text/plain", "again ".repeat(100)));
    let client = Client::new(Compression::new(inner));
    let ask = || client.get("/").header("accept-encoding", "gzip");
    let tag = wait(ask().send()).header("etag").unwrap().to_owned();
    assert!(tag.starts_with("W/\""));
    let response = wait(ask().header("if-none-match", &tag).send());
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
}
