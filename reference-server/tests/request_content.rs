//! The request's content on real sockets: read, half read, not read, asked for, cut short.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::cell::Cell;
use std::time::Duration;

use http::StatusCode;
use rwgi::{Environ, Finished, StartResponse};
use rwgi_server::{Config, Running};
use support::{Client, End, connect, serve, serve_with, within};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const LARGE: usize = 4 * 1024 * 1024;

async fn application(mut environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let status = StatusCode::OK;
    match environ.path_info() {
        // Answers without a look at the content.
        "/ignore" => start.respond(status, (), "ignored"),
        "/ignore-large" => start.respond(status, (), "x".repeat(LARGE)),
        "/refuse" => Err(rwgi::Error::client(StatusCode::FORBIDDEN, "no")),
        "/one-chunk" => {
            environ.input_mut().set_limit(None);
            environ.input_mut().chunk().await?;
            start.respond(status, (), "enough")
        }
        // Answers first and reads afterwards.
        "/head-first" => {
            let mut body = start.start(status, ())?;
            body.flush().await?;
            let content = environ.input_mut().read_to_end(LARGE).await;
            body.write(if content.is_ok() { "read" } else { "failed" }).await?;
            body.finish()
        }
        // Commits the head after it has begun to read, in the same turn.
        "/both" => {
            let mut body = start.start(status, ())?;
            let mut input = environ.take_input();
            let (content, flushed) = tokio::join!(input.read_to_end(LARGE), body.flush());
            flushed?;
            body.write(content?).await?;
            body.finish()
        }
        // Leaves the content to a task that outlives the exchange.
        "/later" => {
            let mut input = environ.take_input();
            input.set_limit(None);
            tokio::spawn(async move { while let Ok(Some(_)) = input.chunk().await {} });
            start.respond(status, (), "later")
        }
        _ => {
            let length = environ.input_mut().read_to_end(LARGE).await?.len();
            start.respond(status, (), length.to_string())
        }
    }
}

fn post(path: &str, fields: &str, content: &str) -> String {
    let length = content.len();
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{fields}\r\n{content}")
}

/// Sends without end, or until the server takes no more, and gives the response that came meanwhile.
async fn send_and_read(server: &Running, head: &str) -> (support::Response, End) {
    let Client { stream, .. } = connect(server).await;
    let (reader, mut writer) = tokio::io::split(stream);
    let answered = Cell::new(false);
    let send = async {
        let mut sent = writer.write_all(head.as_bytes()).await;
        while sent.is_ok() && !answered.get() {
            sent = writer.write_all(&[b'x'; 16 * 1024]).await;
        }
    };
    let read = async {
        let mut client = Client::new(tokio::io::join(reader, tokio::io::sink()));
        let response = client.response().await;
        let (_, end) = client.rest().await;
        answered.set(true);
        (response, end)
    };
    tokio::join!(read, send).0
}

// Evidence: REQ-HTTP-48, REQ-ERR-14
#[tokio::test]
async fn a_little_that_nobody_read_is_thrown_away_and_the_connection_kept() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    let chunked = "POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    let hundred = "x".repeat(100);
    for (request, status) in [
        (post("/ignore", "", "abc"), 200),
        (post("/ignore", "", &hundred), 200),
        (post("/refuse", "", &hundred), 403),
        (chunked.to_owned(), 200),
        (post("/ignore", "", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200),
    ] {
        let response = client.request(&request).await;
        assert_eq!(response.status, status, "{request:?}");
        assert!(!response.closes(), "{request:?}: {}", response.head);
    }
    assert_eq!(client.request(post("/", "", "four")).await.text(), "4");
}

// Evidence: REQ-HTTP-48, REQ-HTTP-43, REQ-HTTP-50, REQ-HTTP-45
#[tokio::test]
async fn much_that_nobody_read_closes_and_the_answer_arrives_whole() {
    // As long as a slow machine may need.
    let config = Config { linger: Duration::from_secs(60), ..Config::default() };
    let server = serve_with(application, config).await;
    for (path, length) in [("/ignore", 7), ("/one-chunk", 6), ("/ignore-large", LARGE)] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
        let (response, _) = send_and_read(&server, &head).await;
        assert_eq!((response.status, response.body.len()), (200, length), "{path}");
        assert_eq!((response.end, response.closes()), (End::Framed, true), "{path}");
    }
}

// Evidence: REQ-INPUT-12, REQ-INPUT-14
#[tokio::test]
async fn content_beyond_the_limit_is_answered_413() {
    let server = serve(application).await;
    let declared = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n";
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        1_000_000_000
    );
    for head in [declared, &chunked] {
        let (response, _) = send_and_read(&server, head).await;
        assert_eq!((response.status, response.closes()), (413, true), "{head}");
    }
    // With an expectation it costs the client nothing.
    let mut client = connect(&server).await;
    let expects = declared.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let response = client.request(expects).await;
    assert_eq!((response.status, response.closes()), (413, true));
    assert_eq!(client.ends().await, End::Closed);
}

// Evidence: REQ-INPUT-17, REQ-INPUT-18, REQ-HTTP-49
#[tokio::test]
async fn content_is_asked_for_when_it_is_read_and_never_otherwise() {
    let server = serve(application).await;
    let expects = |path: &str| post(path, "Expect: 100-Continue\r\n", "").replace(": 0", ": 5");
    let mut client = connect(&server).await;
    for _ in 0..2 {
        assert_eq!(client.request(expects("/")).await.status, 100);
        client.send("12345").await;
        let response = client.response().await;
        assert_eq!((response.text(), response.closes()), ("5", false));
    }
    for (path, status) in [("/ignore", 200), ("/refuse", 403)] {
        let mut client = connect(&server).await;
        let response = client.request(expects(path)).await;
        assert_eq!((response.status, response.closes()), (status, true), "{path}");
        assert_eq!(client.ends().await, End::Closed);
    }
}

// Evidence: REQ-INPUT-20, REQ-HTTP-49
#[tokio::test]
async fn a_read_behind_an_answer_that_said_nothing_of_it_fails() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    let expects = post("/head-first", "Expect: 100-continue\r\n", "").replace(": 0", ": 5");
    let response = client.request(expects).await;
    assert_eq!((response.status, response.text(), response.closes()), (200, "failed", true));
    assert_eq!(client.ends().await, End::Closed);
    // Read and commit at once: either there is a 100 or the read fails, and nobody waits for ever.
    let mut client = connect(&server).await;
    let expects = post("/both", "Expect: 100-continue\r\n", "").replace(": 0", ": 5");
    let first = client.request(expects).await;
    if first.status == 100 {
        client.send("12345").await;
        assert_eq!(client.response().await.text(), "12345");
    } else {
        assert_ne!(first.end, End::Framed);
    }
    // The control: without the expectation the same application reads.
    let mut client = connect(&server).await;
    assert_eq!(client.request(post("/head-first", "", "12345")).await.text(), "read");
}

// Evidence: REQ-INPUT-19
#[tokio::test]
async fn nothing_is_said_of_continuing_to_http10() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    client.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n12345").await;
    let response = client.response().await;
    assert_eq!((response.status, response.text()), (200, "5"));
}

// Evidence: REQ-HTTP-32, REQ-INPUT-04, REQ-HTTP-33
#[tokio::test]
async fn content_that_breaks_is_an_error_and_closes() {
    let server = serve(application).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for content in [
        "zz\r\n",
        "-1\r\nx\r\n",
        "+1\r\nx\r\n",
        "0x1\r\nx\r\n",
        "\r\n",
        "10000000000000000\r\n",
        "3\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "3\r\nabc\r\n0\r\nGET / HTTP/1.1\r\n",
    ] {
        let mut client = connect(&server).await;
        client.send(format!("{head}{content}")).await;
        client.finish_sending().await;
        let response = client.response().await;
        assert_eq!((response.status, response.closes()), (400, true), "{content:?}");
        assert_ne!(client.ends().await, End::Framed, "{content:?}");
    }
    // Cut short.
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345".to_owned(),
        format!("{head}5\r\n123"),
        format!("{head}5\r\n12345\r\n"),
    ] {
        let mut client = connect(&server).await;
        client.send(&request).await;
        client.finish_sending().await;
        assert_eq!(client.response().await.status, 400, "{request:?}");
        assert_ne!(client.ends().await, End::Framed, "{request:?}");
    }
    // The control.
    let mut client = connect(&server).await;
    let response = client.request(format!("{head}5;a=\"b;c\"\r\n12345\r\n0\r\nt: u\r\n\r\n")).await;
    assert_eq!((response.status, response.text()), (200, "5"));
}

// Evidence: REQ-HTTP-33
#[tokio::test]
async fn content_read_after_the_exchange_is_still_content() {
    let server = serve(application).await;
    let mut client: Client<TcpStream> = connect(&server).await;
    let content = "GET /smuggled HTTP/2.0\r\n\r\n".repeat(4000);
    let request = post("/later", "", &content);
    let (first, second) = request.split_at(request.len() / 2);
    client.send(first).await;
    assert_eq!(client.response().await.text(), "later");
    client.send(second).await;
    client.send(post("/", "", "four")).await;
    assert_eq!(within("the next answer", client.response()).await.text(), "4");
}
