//! Framing on real sockets: whatever the application does, the client can tell where each response ends, and whether it broke off.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use http::StatusCode;
use rwgi::{Environ, Finished, StartResponse};
use support::log::Log;
use support::{Client, End, connect, serve, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Does what the path says; half of it is wrong.
async fn application(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let status = StatusCode::OK;
    let length = |length: &'static str| [("content-length", length)];
    match environ.path_info() {
        "/short" => {
            let mut body = start.start(status, length("10"))?;
            body.write("12345").await?;
            body.flush().await?;
            body.finish()
        }
        "/short-at-once" => {
            let mut body = start.start(status, length("10"))?;
            body.write("12345").await?;
            body.finish()
        }
        "/long" => {
            let mut body = start.start(status, length("5"))?;
            body.write("123").await?;
            body.flush().await?;
            body.write("456789").await?;
            body.finish()
        }
        "/long-swallowed" => {
            let mut body = start.start(status, length("5"))?;
            body.write("123").await?;
            body.flush().await?;
            assert!(body.write("456789").await.is_err());
            body.write("45").await?;
            body.finish()
        }
        "/wrong-piece" => start.respond(status, length("7"), "12345"),
        "/stream" => {
            let mut body = start.start(status, ())?;
            for piece in ["one", "two", "three"] {
                body.write(piece).await?;
                body.flush().await?;
            }
            body.finish()
        }
        "/declared" => {
            let mut body = start.start(status, length("8"))?;
            body.write("one").await?;
            body.flush().await?;
            body.write("three").await?;
            body.finish()
        }
        "/fail" => {
            let mut body = start.start(status, ())?;
            body.write("before").await?;
            body.flush().await?;
            Err(rwgi::Error::application("after"))
        }
        "/fail-at-once" => {
            let mut body = start.start(status, ())?;
            body.write("before").await?;
            Err(rwgi::Error::application("at once"))
        }
        "/panic" => {
            let mut body = start.start(status, ())?;
            body.write("before").await?;
            body.flush().await?;
            panic!("as told");
        }
        "/drop" => {
            let mut body = start.start(status, ())?;
            body.write("before").await?;
            body.flush().await?;
            drop(body);
            std::future::pending().await
        }
        "/none" => start.respond(StatusCode::NO_CONTENT, (), "never"),
        "/not-modified" => start.respond(StatusCode::NOT_MODIFIED, length("5"), ""),
        "/reset" => start.respond(StatusCode::RESET_CONTENT, (), ""),
        "/unread" => start.respond(status, (), "x".repeat(4 * 1024 * 1024)),
        path => {
            let path = path.to_owned();
            start.respond(status, (), path)
        }
    }
}

fn get(path: &str, version: &str, fields: &str) -> String {
    format!("GET {path} HTTP/{version}\r\nHost: a\r\n{fields}\r\n")
}

// Evidence: REQ-BODY-09, REQ-BODY-10, REQ-BODY-17, REQ-ERR-07, REQ-ERR-12
#[tokio::test]
async fn a_wrong_length_never_desynchronises() {
    let server = serve(application).await;
    for (path, head, content) in [("/short", "10", "12345"), ("/long", "5", "123")] {
        let mut client = connect(&server).await;
        // What is pipelined behind the broken response is not answered into it.
        client
            .send(get("/before", "1.1", "") + &get(path, "1.1", "") + &get("/next", "1.1", ""))
            .await;
        assert_eq!(client.response().await.text(), "/before");
        let broken = client.response().await;
        assert_eq!(broken.field("content-length"), Some(head), "{path}");
        assert_eq!(broken.text(), content, "{path}");
        assert_ne!(broken.end, End::Framed, "{path}");
    }
    let mut client = connect(&server).await;
    client.send(get("/long-swallowed", "1.1", "") + &get("/next", "1.1", "")).await;
    assert_eq!(client.response().await.text(), "12345");
    assert_eq!(client.response().await.text(), "/next");
    // The first byte commits the head, whether or not it has left.
    let mut client = connect(&server).await;
    assert_ne!(client.get("/short-at-once").await.end, End::Framed);
    // Nothing was committed: an error response, whole, on a connection that lives on.
    let mut client = connect(&server).await;
    assert_eq!(client.get("/wrong-piece").await.status, 500);
    assert_eq!(client.get("/next").await.text(), "/next");
}

// Evidence: REQ-ERR-07, REQ-ERR-08, REQ-ERR-12, REQ-BODY-16, REQ-BODY-17
#[tokio::test]
async fn a_chunked_response_that_fails_has_no_last_chunk() {
    let server = serve(application).await;
    for path in ["/fail", "/fail-at-once", "/panic", "/drop"] {
        let mut client = connect(&server).await;
        let broken = client.request(get(path, "1.1", "")).await;
        assert_eq!((broken.status, broken.text()), (200, "before"), "{path}");
        assert_ne!(broken.end, End::Framed, "{path}");
    }
    // The control: a whole one has it.
    let whole = connect(&server).await.get("/stream").await;
    assert_eq!((whole.text(), whole.end), ("onetwothree", End::Framed));
}

// Evidence: REQ-HTTP-34, REQ-HTTP-35, REQ-HTTP-36, REQ-HTTP-44
#[tokio::test]
async fn each_version_gets_the_framing_it_knows() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    let chunked = client.get("/stream").await;
    assert_eq!(chunked.field("transfer-encoding"), Some("chunked"));
    assert_eq!(chunked.field("content-length"), None);
    let declared = client.get("/declared").await;
    assert_eq!((declared.field("transfer-encoding"), declared.text()), (None, "onethree"));

    // HTTP/1.0 closes, unless it is asked to keep the connection and the length is known.
    let mut client = connect(&server).await;
    let response = client.request(get("/a", "1.0", "")).await;
    assert_eq!((response.text(), response.end), ("/a", End::Framed));
    assert_eq!(response.field("connection"), None);
    assert_eq!(client.ends().await, End::Closed);

    let keep = "Connection: keep-alive\r\n";
    let mut client = connect(&server).await;
    let response = client.request(get("/a", "1.0", keep)).await;
    assert_eq!((response.text(), response.field("connection")), ("/a", Some("keep-alive")));
    let response = client.request(get("/declared", "1.0", keep)).await;
    assert_eq!((response.text(), response.field("connection")), ("onethree", Some("keep-alive")));
    let response = client.request(get("/stream", "1.0", keep)).await;
    assert_eq!((response.text(), response.end), ("onetwothree", End::Closed));
    assert!(
        response.fields("connection").iter().all(|value| *value == "close"),
        "{}",
        response.head
    );
    assert_eq!(response.field("transfer-encoding"), None);
}

// Evidence: REQ-ERR-10
#[tokio::test]
async fn a_failure_that_an_end_would_hide_is_a_reset() {
    let server = serve(application).await;
    for path in ["/fail", "/panic", "/drop"] {
        let mut client = connect(&server).await;
        client.send(get(path, "1.0", "")).await;
        // The reset may overtake what was sent before it.
        let (_, end) = client.rest().await;
        assert_eq!(end, End::Reset, "{path}");
    }
    // The control: the end of a whole response is an orderly one.
    let mut client = connect(&server).await;
    let whole = client.request(get("/stream", "1.0", "")).await;
    assert_eq!((whole.text(), whole.end), ("onetwothree", End::Closed));
}

// Evidence: REQ-RESP-18, REQ-RESP-19, REQ-RESP-23, REQ-HTTP-37
#[tokio::test]
async fn bodyless_responses_have_no_body() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    for (method, path, status, length) in [
        ("HEAD", "/abc", 200, Some("4")),
        ("HEAD", "/declared", 200, Some("8")),
        ("HEAD", "/stream", 200, None),
        ("GET", "/none", 204, None),
        ("GET", "/not-modified", 304, Some("5")),
        ("HEAD", "/none", 204, None),
        ("HEAD", "/fail", 200, None),
    ] {
        let response = client.request(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(response.status, status, "{method} {path}");
        assert_eq!(response.field("content-length"), length, "{method} {path}: {}", response.head);
        if status == 204 {
            assert_eq!(response.field("transfer-encoding"), None);
        }
    }
    let response = client.get("/reset").await;
    assert_eq!((response.status, response.field("content-length")), (205, Some("0")));
    assert_eq!(client.get("/next").await.text(), "/next");
}

// Evidence: REQ-HTTP-41, REQ-HTTP-42, REQ-HTTP-43, REQ-HTTP-45
#[tokio::test]
async fn a_connection_closes_when_it_was_said_and_no_sooner() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    for _ in 0..3 {
        assert!(!client.get("/a").await.closes());
    }
    let close = get("/last", "1.1", "Connection: close\r\n");
    client.send(close + &get("/never", "1.1", "").repeat(200)).await;
    let last = client.response().await;
    assert_eq!((last.text(), last.closes()), ("/last", true));
    assert_eq!(client.ends().await, End::Closed);
}

// Evidence: REQ-HTTP-46
#[tokio::test]
async fn a_thousand_pipelined_requests_are_answered_in_order() {
    let server = serve(application).await;
    let client = connect(&server).await;
    let Client { stream, .. } = client;
    let (reader, mut writer) = tokio::io::split(stream);
    let send = async {
        use tokio::io::AsyncWriteExt;
        for number in 0..1000 {
            // Streams and errors between the others, so that nothing depends on one kind.
            let path = match number % 10 {
                3 => "/stream".to_owned(),
                7 => "/wrong-piece".to_owned(),
                _ => format!("/{number}"),
            };
            writer.write_all(get(&path, "1.1", "").as_bytes()).await.unwrap();
        }
    };
    let read = async {
        let mut client = Client::new(tokio::io::join(reader, tokio::io::sink()));
        for number in 0..1000 {
            let response = client.response().await;
            match number % 10 {
                3 => assert_eq!(response.text(), "onetwothree"),
                7 => assert_eq!(response.status, 500),
                _ => assert_eq!(response.text(), format!("/{number}")),
            }
        }
    };
    tokio::join!(send, read);
}

// hyper gives way after sixteen requests of a pipeline, and what it has not looked at yet must not be forgotten.
// Evidence: REQ-HTTP-26
#[tokio::test]
async fn a_request_deep_in_a_pipeline_is_judged_like_the_first() {
    let server = serve(application).await;
    let smuggled = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let with_content = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx";
    let empty = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    // A `#` has each head looked at.
    let (bare, looked_at) = (get("/a", "1.1", ""), get("/a", "1.1", "X-Mark: #\r\n"));
    for (before, last) in [0, 15, 16, 17, 40]
        .into_iter()
        .flat_map(|n| [&*bare, &looked_at, with_content, empty].map(|l| (n, l)))
    {
        for rest in ["", "GET /c"] {
            let mut client = connect(&server).await;
            client.send(bare.repeat(before) + last + smuggled + rest).await;
            for _ in 0..=before {
                assert_eq!(client.response().await.text(), "/a");
            }
            let refused = client.response().await;
            let place = format!("behind {before} and {last:?}, before {rest:?}");
            assert_eq!((refused.status, refused.closes()), (400, true), "{place}");
        }
    }
}

// Evidence: REQ-EXCH-09
#[tokio::test]
async fn a_client_that_only_stopped_sending_gets_its_answers() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    client.send(get("/stream", "1.1", "") + &get("/b", "1.1", "")).await;
    client.finish_sending().await;
    assert_eq!(client.response().await.text(), "onetwothree");
    assert_eq!(client.response().await.text(), "/b");
    assert_eq!(client.ends().await, End::Closed);
}

// Evidence: REQ-HTTP-47
#[tokio::test]
async fn a_wish_for_an_upgrade_is_ignored() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    for _ in 0..2 {
        let response = client.request(get("/a", "1.1", upgrade)).await;
        assert_eq!((response.status, response.text()), (200, "/a"));
    }
    let post = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{upgrade}Content-Length: 3\r\n\r\nabc");
    assert_eq!(client.request(post).await.status, 200);
    // A large answer to the last request of a connection arrives whole.
    let upgrade = "Connection: close, upgrade\r\nUpgrade: h2c\r\n";
    let response = client.request(get("/unread", "1.1", upgrade)).await;
    assert_eq!((response.body.len(), response.end), (4 * 1024 * 1024, End::Framed));
}

#[tokio::test]
async fn a_failure_is_logged_once_and_with_the_request_that_it_belongs_to() {
    let server = serve(application).await;
    for (path, what) in [
        ("/wrong-piece?before", "error response"),
        ("/fail?after", "response aborted"),
        ("/long?after", "response aborted"),
    ] {
        let (log, _guard) = Log::listen();
        let mut client = connect(&server).await;
        client.send(get(path, "1.1", "")).await;
        client.response().await;
        let lines = log.take(what);
        assert_eq!(lines.len(), 1, "{path}: {lines:?}");
        assert!(lines[0].contains(&format!("GET {path}")), "{path}: {lines:?}");
    }
}

/// The flags of the frame of HTTP/2 that begins the response to a GET.
async fn flags_of_head(server: &rwgi_server::Running, path: &str) -> u8 {
    const HEADERS: u8 = 1;
    let mut stream = tokio::net::TcpStream::connect(server.address().unwrap()).await.unwrap();
    // GET, http, and the path and the authority as literals that are not indexed.
    let block = [&[0x82, 0x86, 0x04, path.len() as u8], path.as_bytes(), &[0x01, 1, b'a']].concat();
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    request.extend([0, 0, block.len() as u8, HEADERS, 5, 0, 0, 0, 1]);
    request.extend(block);
    stream.write_all(&request).await.unwrap();
    within("the head", async {
        loop {
            let mut frame = [0; 9];
            stream.read_exact(&mut frame).await.unwrap();
            let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize;
            stream.read_exact(&mut vec![0; length]).await.unwrap();
            if frame[3] == HEADERS {
                return frame[4];
            }
        }
    })
    .await
}

// Evidence: REQ-RESP-18
#[tokio::test]
async fn a_response_without_content_ends_with_its_head_on_http2() {
    const END_STREAM: u8 = 1;
    let server = serve(application).await;
    for path in ["/not-modified", "/none"] {
        assert_eq!(flags_of_head(&server, path).await & END_STREAM, END_STREAM, "{path}");
    }
    assert_eq!(flags_of_head(&server, "/stream").await & END_STREAM, 0);
}

// What hyper says to a head that it cannot parse is taken back and put better; to some heads it says nothing, and what looks like its words
// is another's response.
#[tokio::test]
async fn an_answer_that_looks_like_a_refusal_is_left_whole_before_a_head_that_is_none() {
    const REFUSAL: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\
                           date: Sun, 22 Nov 2026 21:00:00 GMT\r\n\r\n";
    let server = serve(|_: Environ, start: StartResponse| async move {
        start.respond(StatusCode::OK, (), REFUSAL)
    })
    .await;
    for head in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/3.0\r\n\r\n"] {
        let mut client = connect(&server).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3) + head).await;
        for _ in 0..3 {
            assert_eq!(client.response().await.text(), REFUSAL, "{head}");
        }
        assert_eq!(client.response().await.status, 505, "{head}");
    }
}
