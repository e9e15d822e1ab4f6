//! The conforming neighbours of the violations: nothing is found in them.

use http::{Method, Request, StatusCode, Version};
use rwgi::{BodyLength, Environ, Error, Finished, Input, ResponseHead, StartResponse};

use super::super::Finding;
use super::applications::{Frames, answer, answering, data, forward, post, trailer};
use super::{connection, get, raw, serve, server_info};

#[track_caller]
fn clean(findings: &[Finding]) {
    let texts: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", texts.join("\n"));
}

#[test]
fn heads_as_they_should_be() {
    for (status, fields) in [
        (200, &[("content-type", "text/html; charset=utf-8"), ("etag", "W/\"1\"")][..]),
        (200, &[("set-cookie", "a=1; Path=/"), ("set-cookie", "a=1; Path=/b")]),
        (200, &[("set-cookie", "__Host-a=1; Secure; Path=/; SameSite=None")]),
        (200, &[("vary", "accept, origin"), ("vary", "cookie"), ("expires", "0")]),
        (200, &[("vary", "")]),
        (200, &[("vary", "*"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")]),
        (201, &[]),
        (204, &[]),
        (205, &[]),
        (300, &[]),
        (302, &[("location", "/new")]),
        (401, &[("www-authenticate", "Basic realm=\"x\"")]),
        (403, &[]),
        (405, &[("allow", "")]),
        (407, &[("proxy-authenticate", "Basic realm=\"x\"")]),
        (503, &[("retry-after", "120")]),
        (503, &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]),
    ] {
        clean(&answer(status, fields, ""));
    }
}

#[test]
fn what_a_client_has_to_upgrade_to_is_said() {
    let application = |_: Environ, start: StartResponse| async move {
        let mut head = ResponseHead::new(StatusCode::UPGRADE_REQUIRED, ())?;
        head.require_upgrade("websocket")?;
        start.respond_with(head, "")
    };
    clean(&serve(application, get().build().unwrap()));
    let refuses = |_: Environ, _: StartResponse| async {
        let error = Error::client(StatusCode::UPGRADE_REQUIRED, "no WebSocket");
        Err::<Finished, _>(error.with_required_upgrade("websocket"))
    };
    clean(&serve(refuses, get().build().unwrap()));
}

#[test]
fn ranges_and_conditions_that_were_asked_for() {
    let ranged = || get().header("range", "bytes=0-1").build().unwrap();
    let range = &[("content-range", "bytes 0-1/5"), ("content-type", "text/plain")];
    clean(&serve(answering(206, range, "ab"), ranged()));
    let parts = &[("content-type", "multipart/byteranges; boundary=x")];
    clean(&serve(answering(206, parts, "ab"), ranged()));
    clean(&serve(answering(416, &[("content-range", "bytes */5")], ""), ranged()));
    for (name, value) in [("if-none-match", "\"a\""), ("if-match", "*")] {
        for status in [304, 412] {
            let environ = get().header(name, value).build().unwrap();
            clean(&serve(answering(status, &[], ""), environ));
        }
    }
}

const TEXT: &[(&str, &str)] = &[("content-type", "text/plain")];

#[test]
fn bodies_pushed_and_pulled() {
    clean(&answer(200, TEXT, "content"));
    clean(&forward(TEXT, || vec![data("a"), data("b"), trailer("x-sum")]));
    const DECLARED: &[(&str, &str)] = &[("content-length", "2"), ("content-type", "text/plain")];
    clean(&forward(DECLARED, || vec![data("a"), data("b")]));
    let streaming = |_: Environ, start: StartResponse| async move {
        let mut body = start.start(StatusCode::OK, TEXT)?;
        body.replace_head(StatusCode::ACCEPTED, TEXT)?;
        body.write("a").await?;
        body.write("").await?;
        body.flush().await?;
        body.write("b").await?;
        body.finish()
    };
    clean(&serve(streaming, get().build().unwrap()));
    clean(&serve(streaming, get().method(Method::HEAD).build().unwrap()));
    let declared = |_: Environ, start: StartResponse| async move {
        let mut body =
            start.start(StatusCode::OK, [("content-type", "a/b"), ("content-length", "4")])?;
        body.write("fo").await?;
        body.write("ur").await?;
        body.finish()
    };
    clean(&serve(declared, get().build().unwrap()));
    clean(&serve(declared, get().method(Method::HEAD).build().unwrap()));
}

#[test]
fn a_body_of_many_pieces_that_are_not_small() {
    let pieces = || (0..64).map(|_| data("0123456789abcdef0123456789abcdef")).collect();
    clean(&forward(TEXT, pieces));
    clean(&forward(TEXT, || (0..31).map(|_| data("x")).collect()));
}

/// Reads to the end, then answers; passes on what fails.
async fn reading(mut environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let content = environ.input_mut().read_to_end(1000).await?;
    environ.input_mut().trailers().await?;
    start.respond(StatusCode::OK, TEXT, content)
}

#[test]
fn inputs_read_whole_and_broken() {
    clean(&serve(reading, post(vec![data("a"), data("b"), trailer("x-sum")])));
    let gone = Err(Error::client(StatusCode::BAD_REQUEST, "gone"));
    clean(&serve(reading, post(vec![data("a"), gone])));
    let expecting = get().header("expect", "100-continue").input("hello").build().unwrap();
    clean(&serve(reading, expecting));
    let exactly = |mut environ: Environ, start: StartResponse| async move {
        environ.input_mut().chunk().await?;
        start.respond(StatusCode::OK, (), "")
    };
    clean(&serve(exactly, get().method(Method::POST).input("hello").build().unwrap()));
    let late = |mut environ: Environ, start: StartResponse| async move {
        let mut body = start.start(StatusCode::OK, TEXT)?;
        while let Some(chunk) = environ.input_mut().chunk().await? {
            body.write(chunk).await?;
        }
        body.finish()
    };
    clean(&serve(late, post(vec![data("a"), data("b")])));
}

#[test]
fn requests_that_are_only_unusual() {
    for head in [
        Request::get("/").version(Version::HTTP_10),
        Request::get("/").header("host", ""),
        Request::get("/").header("host", "[::1]:8000"),
        Request::get("/").header("host", "localhost:"),
        Request::get("http://other/path").header("host", "localhost"),
        Request::options("*").header("host", "localhost"),
        Request::get("/").header("host", "a").header("connection", "close"),
        Request::get("http://localhost/").version(Version::HTTP_2).header("te", "trailers"),
        Request::get("http://localhost/").version(Version::HTTP_2).header("cookie", "a=1; b=2"),
        Request::get("http://localhost/").version(Version::HTTP_2).header("host", "LOCALHOST"),
        Request::get("/").version(Version::HTTP_2).header("host", "localhost"),
        Request::get("/").header("host", "a").header("content-length", "0"),
    ] {
        clean(&serve(answering(200, &[], ""), raw(head, Input::empty())));
    }
    let twice = Request::post("/")
        .header("host", "a")
        .header("content-length", "5")
        .header("content-length", "5");
    let input = Input::from_body(Frames::of(vec![data("hello")]), BodyLength::Exact(5));
    clean(&serve(reading, raw(twice, input)));
}

#[test]
fn errors_with_their_culprits() {
    for error in [
        || Error::client(StatusCode::NOT_FOUND, "no such page"),
        || Error::application("it broke"),
        || Error::server("no thread").with_status(StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let application =
            move |_: Environ, _: StartResponse| std::future::ready(Err::<Finished, _>(error()));
        clean(&serve(application, get().build().unwrap()));
    }
}

#[test]
fn limits_that_are_kept_and_a_capability_that_is_had() {
    let mut server = server_info();
    server.limits.head_fields = Some(2);
    server.limits.target_bytes = Some(5);
    server.limits.body_bytes = Some(10);
    server.capabilities.informational = true;
    let mut input = Input::from("hello");
    input.set_limit(Some(10));
    let environ = Environ::builder()
        .connection(connection(server))
        .method(Method::POST)
        .uri("/path")
        .input(input)
        .build()
        .unwrap();
    let hinting = |environ: Environ, mut start: StartResponse| async move {
        start.inform(StatusCode::EARLY_HINTS, [("link", "</a>; rel=preload")])?;
        reading(environ, start).await
    };
    clean(&serve(hinting, environ));
}
