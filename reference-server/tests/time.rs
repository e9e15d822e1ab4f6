//! Everything that takes time, on pipes and a paused clock: what a silent or slow client costs, and what it hears.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::time::Duration;

use http::StatusCode;
use rwgi::{Environ, Finished, StartResponse};
use rwgi_server::Config;
use support::pipes::serve_on_pipes;
use support::{Count, End, counting, within};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    Config {
        first_byte_timeout: 5 * SECOND,
        head_timeout: 10 * SECOND,
        idle_timeout: 15 * SECOND,
        ..Config::default()
    }
}

/// Whether about this many seconds have passed.
fn assert_seconds(since: Instant, seconds: u64) {
    let passed = since.elapsed();
    let expected = SECOND * u32::try_from(seconds).unwrap();
    let slack = Duration::from_millis(100);
    assert!(passed >= expected && passed < expected + slack, "{passed:?} instead of {expected:?}");
}

// Evidence: REQ-HTTP-16
#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_without_a_word() {
    let count = Count::default();
    let (dial, _server) = serve_on_pipes(counting(&count), config()).await;
    let mut client = dial.connect();
    let start = Instant::now();
    assert_eq!(client.ends().await, End::Closed);
    assert_seconds(start, 5);
    assert_eq!(count.get(), 0);
}

// Evidence: REQ-HTTP-16
#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_in_total() {
    let count = Count::default();
    let (dial, _server) = serve_on_pipes(counting(&count), config()).await;
    for before in ["", "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut client = dial.connect();
        if !before.is_empty() {
            assert_eq!(client.request(before).await.status, 200);
            sleep(3 * SECOND).await;
        }
        let start = Instant::now();
        let (mut reader, mut writer) = tokio::io::split(client.stream);
        let slow = async {
            use tokio::io::AsyncWriteExt;
            // One octet a second does not help.
            for octet in "GET / HTTP/1.1\r\nHost: a\r\nX: 012345678901234567890".bytes() {
                if writer.write_all(&[octet]).await.is_err() {
                    break;
                }
                sleep(SECOND).await;
            }
        };
        let answer = async {
            use tokio::io::AsyncReadExt;
            let mut answer = [0; 12];
            reader.read_exact(&mut answer).await.unwrap();
            assert_seconds(start, 10);
            answer
        };
        let answer = tokio::select! {
            answer = answer => answer,
            () = slow => panic!("the server let one octet a second pass"),
        };
        assert_eq!(&answer, b"HTTP/1.1 408", "behind {before:?}");
    }
    assert_eq!(count.get(), 1);
}

// Evidence: REQ-HTTP-16
#[tokio::test(start_paused = true)]
async fn a_preface_of_http2_that_never_ends_is_late_as_well() {
    let (dial, _server) = serve_on_pipes(counting(&Count::default()), config()).await;
    let mut client = dial.connect();
    let start = Instant::now();
    // Nine seconds apart, so that each would renew a time that is counted from the last.
    for octet in "PRI * HTTP/2.0".chars() {
        client.send(octet.to_string()).await;
        sleep(9 * SECOND).await;
    }
    assert_eq!(client.response().await.status, 408);
    assert_eq!(client.ends().await, End::Closed);
    assert!(start.elapsed() < 14 * 9 * SECOND + SECOND);
    let mut client = dial.connect();
    client.send("P").await;
    let start = Instant::now();
    assert_eq!(client.response().await.status, 408);
    // The time of the head follows on that of the preface.
    assert_seconds(start, 20);
}

// Evidence: REQ-HTTP-16, REQ-HTTP-43
#[tokio::test(start_paused = true)]
async fn a_head_that_comes_late_is_answered_408_and_closed() {
    let (dial, _server) = serve_on_pipes(counting(&Count::default()), config()).await;
    let mut client = dial.connect();
    client.send("GET / HTTP/1.1\r\nHost").await;
    let response = client.response().await;
    assert_eq!((response.status, response.closes()), (408, true));
    assert_eq!(client.ends().await, End::Closed);
    // The control: nine seconds are none too many.
    let mut client = dial.connect();
    client.send("GET / HTTP/1.1\r\nHost").await;
    sleep(9 * SECOND).await;
    assert_eq!(client.request(": a\r\n\r\n").await.status, 200);
}

// Evidence: REQ-HTTP-16
#[tokio::test(start_paused = true)]
async fn half_a_head_behind_a_whole_one_has_its_time_too() {
    let (dial, _server) = serve_on_pipes(counting(&Count::default()), config()).await;
    for content in ["", "Content-Length: 3\r\n\r\nabc"] {
        let end = if content.is_empty() { "\r\n" } else { "" };
        let mut client = dial.connect();
        client
            .send(format!("POST /1 HTTP/1.1\r\nHost: a\r\n{content}{end}GET /2 HTTP/1.1\r\nHo"))
            .await;
        assert_eq!(client.response().await.text(), "/1");
        let start = Instant::now();
        assert_eq!(client.response().await.status, 408);
        assert_seconds(start, 10);
    }
}

// Evidence: REQ-HTTP-16
#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_without_a_word() {
    let (dial, _server) = serve_on_pipes(counting(&Count::default()), config()).await;
    for behind in ["", "\r\n", "\r\n\r\n"] {
        let mut client = dial.connect();
        assert_eq!(client.get("/1").await.status, 200);
        // An empty line begins no head.
        client.send(behind).await;
        let start = Instant::now();
        assert_eq!(client.ends().await, End::Closed, "{behind:?}");
        assert_seconds(start, 15);
    }
}

// Evidence: REQ-HTTP-16
#[tokio::test(start_paused = true)]
async fn a_connection_that_was_busy_is_waited_for_a_second_longer_at_most() {
    let (dial, _server) = serve_on_pipes(counting(&Count::default()), config()).await;
    // Whenever it falls silent between two fires of the server's timer.
    for millis in (0..1_000).step_by(90) {
        let mut client = dial.connect();
        let mut last = Instant::now();
        for round in 0..200 {
            last = Instant::now();
            assert_eq!(client.get("/").await.status, 200, "round {round}");
            sleep(Duration::from_millis(if round == 198 { millis } else { 20 })).await;
        }
        assert_eq!(client.ends().await, End::Closed);
        let idle = last.elapsed();
        assert!(idle >= 15 * SECOND && idle < 16 * SECOND + SECOND / 10, "{idle:?}");
    }
}

// Evidence: REQ-HTTP-41
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_used_outlives_every_timer() {
    let count = Count::default();
    let (dial, _server) = serve_on_pipes(counting(&count), config()).await;
    let mut client = dial.connect();
    for round in 0..200 {
        assert_eq!(client.get("/").await.status, 200, "round {round}");
        sleep(Duration::from_millis(100 * (round % 149))).await;
    }
    assert_eq!(count.get(), 200);
}

/// Waits as long as the path says, then answers.
async fn slow(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let seconds = environ.path_info().trim_start_matches('/').parse()?;
    sleep(Duration::from_secs(seconds)).await;
    start.respond(StatusCode::OK, (), "late")
}

// Evidence: REQ-EXCH-03
#[tokio::test(start_paused = true)]
async fn no_timer_runs_while_the_application_works() {
    let (dial, _server) = serve_on_pipes(slow, config()).await;
    let mut client = dial.connect();
    for seconds in [18, 0, 17, 14] {
        let start = Instant::now();
        assert_eq!(client.get(&format!("/{seconds}")).await.text(), "late");
        assert_seconds(start, seconds);
    }
    let start = Instant::now();
    assert_eq!(client.ends().await, End::Closed);
    assert_seconds(start, 15);
}

/// Answers with more than a pipe and all buffers hold.
async fn large(_: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    start.respond(StatusCode::OK, (), "x".repeat(1024 * 1024))
}

// Evidence: REQ-BODY-01, REQ-BODY-04
#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_all_of_it() {
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
    ] {
        let patient = Config { write_timeout: 1000 * SECOND, ..config() };
        let (dial, _server) = serve_on_pipes(large, patient).await;
        let mut client = dial.connect();
        client.send(request).await;
        let head = client.head().await.unwrap();
        assert!(head.contains("content-length: 1048576\r\n"), "{head}");
        let mut length = 0;
        let mut piece = vec![0; 32 * 1024];
        while length < 1024 * 1024 {
            use tokio::io::AsyncReadExt;
            // Longer than any other timer of the server.
            sleep(100 * SECOND).await;
            let read = match client.take_read().len() {
                0 => within("more", client.stream.read(&mut piece)).await.unwrap(),
                ahead => ahead,
            };
            assert_ne!(read, 0, "cut after {length} bytes of the answer to {request:?}");
            length += read;
        }
        assert_eq!(length, 1024 * 1024);
    }
}

// Evidence: REQ-HTTP-33
#[tokio::test(start_paused = true)]
async fn content_may_come_as_slowly_as_the_configuration_lets_it() {
    let echo = |mut environ: Environ, start: StartResponse| async move {
        let content = environ.input_mut().read_to_end(100).await?;
        start.respond(StatusCode::OK, (), content)
    };
    let patient = Config { body_timeout: 30 * SECOND, body_rate: 0, ..config() };
    let (dial, _server) = serve_on_pipes(echo, patient).await;
    let mut client = dial.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").await;
    for octet in ["#", "\n", " ", "\r", "\n"] {
        sleep(20 * SECOND).await;
        client.send(octet).await;
    }
    assert_eq!(client.response().await.text(), "#\n \r\n");
}

/// Whoever takes hyper's own upgrade, as a bridge to axum does, and sends every octet back.
async fn taken(mut environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let taken: Option<hyper::upgrade::OnUpgrade> = environ.extensions_mut().remove();
    let Some(taken) = taken else { return start.respond(StatusCode::OK, (), "plain") };
    tokio::spawn(async move {
        let mut io = hyper_util::rt::TokioIo::new(taken.await.unwrap());
        let mut octet = [0];
        while let Ok(1..) = io.read(&mut octet).await {
            io.write_all(&octet).await.unwrap();
            io.flush().await.unwrap();
        }
    });
    let switching = http::Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    start.forward(switching.body(http_body_util::Empty::<bytes::Bytes>::new())?)
}

// Evidence: REQ-UPG-07
#[tokio::test(start_paused = true)]
async fn an_upgrade_over_http2_that_somebody_took_keeps_its_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (dial, server) = serve_on_pipes(taken, config()).await;
    let io = hyper_util::rt::TokioIo::new(dial.connect().stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let connection = tokio::spawn(connection);
    let body = http_body_util::Empty::<bytes::Bytes>::new;
    // The server's settings have come with the first answer.
    let plain = http::Request::builder().uri("http://a/").body(body()).unwrap();
    assert_eq!(within("an answer", client.send_request(plain)).await.unwrap().status(), 200);
    let ask = http::Request::builder()
        .method("CONNECT")
        .uri("http://a/")
        .extension(hyper::ext::Protocol::from_static("echo"))
        .body(body())
        .unwrap();
    let response = within("an answer", client.send_request(ask)).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut tunnel = hyper_util::rt::TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    // Many times what an idle connection is left, and then the time that one without an exchange has at the server's stop.
    let stopping = tokio::spawn(server.stop_within(600 * SECOND));
    for pause in [200 * SECOND, 30 * SECOND] {
        sleep(pause).await;
        tunnel.write_all(b"x").await.unwrap();
        let mut octet = [0];
        within("an octet", tunnel.read_exact(&mut octet)).await.unwrap();
    }
    tunnel.shutdown().await.unwrap();
    drop((tunnel, client));
    within("the stop", stopping).await.unwrap().unwrap();
    within("the end", connection).await.unwrap().unwrap();
}
