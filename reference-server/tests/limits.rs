//! What a client may take of a server, on pipes and a paused clock: slow content, answers that nobody reads, too much at once, age.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use http::StatusCode;
use rwgi::{Environ, Finished, OutcomeKind, StartResponse};
use rwgi_server::Config;
use support::limits::{SECOND, assert_seconds, endless, gated};
use support::pipes::{Dial, serve_on_pipes};
use support::{Client, End, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, Join, ReadHalf, Sink, WriteHalf};
use tokio::time::{Instant, sleep};

/// Reads its input, after as many seconds as the query says, and answers with its length.
async fn length(mut environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    if let Some(seconds) = environ.query().and_then(|query| query.parse().ok()) {
        sleep(SECOND * seconds).await;
    }
    environ.input_mut().set_limit(None);
    let mut length = 0;
    while let Some(chunk) = environ.input_mut().chunk().await? {
        length += chunk.len();
    }
    start.respond(StatusCode::OK, (), length.to_string())
}

/// Begins an upload of `length` bytes.
async fn upload(
    dial: &Dial,
    target: &str,
    length: usize,
) -> (Client<Join<ReadHalf<DuplexStream>, Sink>>, WriteHalf<DuplexStream>) {
    let (reader, mut writer) = tokio::io::split(dial.connect().stream);
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    writer.write_all(head.as_bytes()).await.unwrap();
    (Client::new(tokio::io::join(reader, tokio::io::sink())), writer)
}

/// Sends `size` bytes a second until the server has had enough.
async fn trickle(mut writer: WriteHalf<DuplexStream>, size: usize) {
    while writer.write_all(&vec![b'x'; size]).await.is_ok() {
        sleep(SECOND).await;
    }
    std::future::pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn content_that_stops_coming_is_answered_408() {
    let (dial, _server) = serve_on_pipes(length, Config::default()).await;
    let (mut client, mut writer) = upload(&dial, "/", 100_000).await;
    writer.write_all(&[b'x'; 50_000]).await.unwrap();
    let start = Instant::now();
    let response = client.response().await;
    assert_seconds(start, 20);
    assert_eq!((response.status, response.closes()), (408, true));
    assert_eq!(client.ends().await, End::Closed);
}

#[tokio::test(start_paused = true)]
async fn one_byte_a_second_is_not_enough() {
    let (dial, _server) = serve_on_pipes(length, Config::default()).await;
    let (mut client, writer) = upload(&dial, "/", 100_000).await;
    let start = Instant::now();
    let response = tokio::select! {
        response = client.response() => response,
        () = trickle(writer, 1) => unreachable!(),
    };
    assert_seconds(start, 10);
    assert_eq!((response.status, response.closes()), (408, true));
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_that_keeps_the_rate_is_served() {
    let (dial, _server) = serve_on_pipes(length, Config::default()).await;
    let (mut client, writer) = upload(&dial, "/", 18_000).await;
    let start = Instant::now();
    let response = tokio::select! {
        response = client.response() => response,
        () = trickle(writer, 600) => unreachable!(),
    };
    assert_seconds(start, 29);
    assert_eq!(response.text(), "18000");
}

#[tokio::test(start_paused = true)]
async fn all_in_all_content_has_its_time() {
    let config = Config { request_timeout: 25 * SECOND, ..Config::default() };
    let (dial, _server) = serve_on_pipes(length, config).await;
    let (mut client, writer) = upload(&dial, "/", 1_000_000).await;
    let start = Instant::now();
    let response = tokio::select! {
        response = client.response() => response,
        () = trickle(writer, 1000) => unreachable!(),
    };
    assert_seconds(start, 25);
    assert_eq!(response.status, 408);
}

#[tokio::test(start_paused = true)]
async fn the_applications_time_is_not_the_clients() {
    let config = Config { request_timeout: 15 * SECOND, ..Config::default() };
    let (dial, _server) = serve_on_pipes(length, config).await;
    let (mut client, mut writer) = upload(&dial, "/?20", 2).await;
    let start = Instant::now();
    let late = async {
        sleep(35 * SECOND).await;
        // Too late for anybody to care.
        let _ = writer.write_all(b"xx").await;
    };
    // Ten seconds of silence after the twenty in which nobody asked.
    let answer = async {
        let response = client.response().await;
        assert_eq!((response.status, response.text()), (408, "408 Request Timeout\n"));
        assert_seconds(start, 30);
    };
    tokio::join!(answer, late);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut_off() {
    let (application, mut ended) = endless();
    let (dial, _server) = serve_on_pipes(application, Config::default()).await;
    let mut client = dial.connect();
    let start = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(within("the end", ended.recv()).await, Some(OutcomeKind::Cancelled));
    assert_seconds(start, 30);
    let (rest, _) = client.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_is_not() {
    let (application, mut ended) = endless();
    let (dial, _server) = serve_on_pipes(application, Config::default()).await;
    let mut client = dial.connect();
    let start = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut octets = vec![0; 20_000];
    for _ in 0..20 {
        sleep(25 * SECOND).await;
        client.stream.read_exact(&mut octets).await.unwrap();
    }
    assert!(ended.try_recv().is_err());
    // Until it stops.
    assert_eq!(within("the end", ended.recv()).await, Some(OutcomeKind::Cancelled));
    assert_seconds(start, 500 + 30);
}

#[tokio::test(start_paused = true)]
async fn the_last_octets_of_an_answer_are_not_waited_for_without_end() {
    let application = async |_: Environ, start: StartResponse| {
        start.respond(StatusCode::OK, (), vec![b'x'; 200_000])
    };
    let (dial, server) = serve_on_pipes(application, Config::default()).await;
    let mut client = dial.connect();
    let start = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    sleep(40 * SECOND).await;
    let (rest, _) = client.rest().await;
    assert!(rest.len() < 200_000, "cut off before it was read");
    server.stop().await.unwrap();
    assert_seconds(start, 40);
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn beyond_the_exchanges_at_once_there_is_503() {
    let (application, gate, count) = gated();
    let config = Config { exchanges: 2, ..Config::default() };
    let (dial, _server) = serve_on_pipes(application, config).await;
    let (mut first, mut second) = (dial.connect(), dial.connect());
    first.send(GET).await;
    second.send(GET).await;
    within("both", async {
        while count.get() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut third = dial.connect();
    let response = third.request(GET).await;
    assert_eq!((response.status, response.field("retry-after")), (503, Some("1")));
    assert_eq!(count.get(), 2);
    gate.add_permits(3);
    assert_eq!(first.response().await.text(), "passed");
    assert_eq!(second.response().await.text(), "passed");
    // The places are free again.
    assert_eq!(dial.connect().request(GET).await.text(), "passed");
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_says_that_it_closes() {
    let config = Config {
        connection_age: Some(100 * SECOND),
        idle_timeout: 1000 * SECOND,
        ..Config::default()
    };
    let (application, gate, _) = gated();
    gate.add_permits(10);
    let (dial, _server) = serve_on_pipes(application, config).await;
    let mut client = dial.connect();
    assert!(!client.request(GET).await.closes());
    // A tenth more or less.
    sleep(89 * SECOND).await;
    assert!(!client.request(GET).await.closes());
    sleep(22 * SECOND).await;
    // The first response after it may have been on its way; the next is told.
    let first = client.request(GET).await;
    if !first.closes() {
        assert!(client.request(GET).await.closes());
    }
    assert_eq!(client.ends().await, End::Closed);
}
