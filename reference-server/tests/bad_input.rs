//! Malformed heads: each gets its status and a closed connection, never reaches the application, and is logged by requirement.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::time::Duration;

use rwgi_server::Config;
use support::log::Log;
use support::{Client, Count, End, connect, counting, serve, serve_with};

/// A head that is to be refused.
struct Bad {
    head: String,
    status: &'static [u16],
    requirement: &'static str,
}

fn bad(head: impl Into<String>, status: &'static [u16], requirement: &'static str) -> Bad {
    Bad { head: head.into(), status, requirement }
}

/// GET with these fields beside Host.
fn with(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")
}

/// POST with these fields beside Host, and a little content.
fn post(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n")
}

fn table() -> Vec<Bad> {
    let many = "x: y\r\n".repeat(120);
    vec![
        // The request line.
        bad("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-01"),
        bad("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-01"),
        bad("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-01"),
        bad("GET /\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-01"),
        bad("GET / HTTP/1\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-01"),
        bad("GET / http/1.1\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-01"),
        bad("GET / HTTP/1.10\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-01"),
        bad("\0\x01\x02\x03\r\n\r\n", &[400], "REQ-HTTP-11"),
        bad("GET / HTTP/2.0\r\nHost: a\r\n\r\n", &[505], "REQ-HTTP-04"),
        bad("GET / HTTP/0.9\r\nHost: a\r\n\r\n", &[505], "REQ-HTTP-04"),
        bad("GET / HTTP/3.1\r\nHost: a\r\n\r\n", &[505], "REQ-HTTP-04"),
        bad(
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(17_000)),
            &[414],
            "REQ-HTTP-06",
        ),
        bad(format!("GET /{}", "x".repeat(40_000)), &[414], "REQ-HTTP-06"),
        // Size.
        bad(with(&format!("x: {}", "y".repeat(40_000))), &[431], "REQ-HTTP-07"),
        bad(with(many.trim_end()), &[431], "REQ-HTTP-07"),
        // Fields.
        bad(with("A : b"), &[400], "REQ-HTTP-08"),
        bad(with("A: b\r\n c"), &[400], "REQ-HTTP-09"),
        bad(with("A: b\r\n\tc"), &[400], "REQ-HTTP-09"),
        bad(with("A: b\rc"), &[400], "REQ-HTTP-10"),
        bad("GET / HTTP/1.1\rHost: a\r\n\r\n", &[400], "REQ-HTTP-10"),
        bad("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", &[400], "REQ-HTTP-10"),
        bad(with("A: b\0c"), &[400], "REQ-HTTP-11"),
        bad(with("A: b\x07c"), &[400], "REQ-HTTP-01"),
        bad(with(": b"), &[400], "REQ-HTTP-12"),
        bad(with("no colon"), &[400], "REQ-HTTP-12"),
        bad(with("A(: b"), &[400], "REQ-HTTP-12"),
        bad("GET / HTTP/1.1\r\n Host: a\r\n\r\n", &[400], "REQ-HTTP-09"),
        // The target.
        bad("GET * HTTP/1.1\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-18"),
        bad("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-19"),
        bad("GET a/b HTTP/1.1\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-01"),
        bad("GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-20"),
        bad("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-20"),
        bad("GET http://a/b#c HTTP/1.1\r\nHost: a\r\n\r\n", &[400], "REQ-HTTP-20"),
        bad("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", &[501], "REQ-HTTP-21"),
        // Host.
        bad("GET / HTTP/1.1\r\n\r\n", &[400], "REQ-HTTP-22"),
        bad("GET http://a/ HTTP/1.1\r\n\r\n", &[400], "REQ-HTTP-22"),
        bad(with("Host: a"), &[400], "REQ-HTTP-23"),
        bad("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", &[400], "REQ-HTTP-24"),
        bad("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", &[400], "REQ-HTTP-24"),
        bad("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", &[400], "REQ-HTTP-24"),
        bad("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", &[400], "REQ-HTTP-24"),
        // Framing.
        bad(post("Transfer-Encoding: chunked\r\nContent-Length: 5"), &[400], "REQ-HTTP-26"),
        bad(post("Content-Length: 5\r\nTransfer-Encoding: chunked"), &[400], "REQ-HTTP-26"),
        bad(
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\nX: POST / HTTP/1.1"),
            &[400],
            "REQ-HTTP-26",
        ),
        bad(
            "POST http://a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            &[400],
            "REQ-HTTP-26",
        ),
        bad(post("Transfer-Encoding: gzip, chunked"), &[501], "REQ-HTTP-27"),
        bad(post("Transfer-Encoding: chunked, chunked"), &[501], "REQ-HTTP-27"),
        bad(post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), &[501], "REQ-HTTP-27"),
        bad(post("Transfer-Encoding: gzip"), &[400, 501], "REQ-HTTP-27"),
        bad(post("Transfer-Encoding: chunked, gzip"), &[400, 501], "REQ-HTTP-27"),
        bad(post("Transfer-Encoding: identity"), &[400, 501], "REQ-HTTP-27"),
        bad(
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            &[400],
            "REQ-HTTP-28",
        ),
        bad(post("Content-Length: x"), &[400], "REQ-HTTP-29"),
        bad(post("Content-Length: +5"), &[400], "REQ-HTTP-29"),
        bad(post("Content-Length: -0"), &[400], "REQ-HTTP-29"),
        bad(post("Content-Length: 0x10"), &[400], "REQ-HTTP-29"),
        bad(post("Content-Length: 5 5"), &[400], "REQ-HTTP-29"),
        bad(post("Content-Length:"), &[400], "REQ-HTTP-29"),
        bad(post("Content-Length: 18446744073709551616"), &[400], "REQ-HTTP-29"),
        bad(post("Content-Length: 5\r\nContent-Length: 6"), &[400], "REQ-HTTP-30"),
        bad(post("Content-Length: 5, 6"), &[400], "REQ-HTTP-30"),
    ]
}

/// Sends what precedes and a bad head in one write: what precedes is answered, the bad head is refused.
async fn refused(bad: &Bad, before: &str, answers: usize) {
    let name: String = format!("{before}{}", bad.head).chars().take(120).collect();
    let count = Count::default();
    let server = serve(counting(&count)).await;
    let (log, _guard) = Log::listen();
    let mut client = connect(&server).await;
    client.send(format!("{before}{}", bad.head)).await;
    for _ in 0..answers {
        assert_eq!(client.response().await.status, 200, "{name:?}");
    }
    let response = client.response().await;
    assert!(bad.status.contains(&response.status), "{name:?}: {}", response.head);
    assert!(response.closes(), "{name:?}: {}", response.head);
    assert!(response.field("date").is_some(), "{name:?}: {}", response.head);
    assert_eq!(client.ends().await, End::Closed, "{name:?}");
    assert_eq!(count.get(), answers, "the application was called with {name:?}");
    let lines = log.take("request refused");
    assert_eq!(lines.len(), 1, "{name:?}: {lines:?}");
    assert!(
        lines[0].contains(bad.requirement),
        "{name:?} should name {}: {}",
        bad.requirement,
        lines[0]
    );
    drop(client);
    // The control: the same server serves the next connection.
    assert_eq!(connect(&server).await.get("/").await.status, 200);
    server.stop().await.unwrap();
}

// Evidence: REQ-HTTP-01, REQ-HTTP-02, REQ-HTTP-03, REQ-HTTP-04, REQ-HTTP-06, REQ-HTTP-07, REQ-HTTP-08, REQ-HTTP-09, REQ-HTTP-10
// Evidence: REQ-HTTP-11, REQ-HTTP-12, REQ-HTTP-18, REQ-HTTP-19, REQ-HTTP-20, REQ-HTTP-21, REQ-HTTP-22, REQ-HTTP-23, REQ-HTTP-24
// Evidence: REQ-HTTP-26, REQ-HTTP-27, REQ-HTTP-28, REQ-HTTP-29, REQ-HTTP-30, REQ-ERR-15
#[tokio::test]
async fn each_malformed_head_is_refused() {
    for bad in table() {
        refused(&bad, "", 0).await;
    }
}

// Evidence: REQ-HTTP-02, REQ-HTTP-46
#[tokio::test]
async fn it_is_refused_behind_others_in_the_same_segment() {
    let get = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
    let post = "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /";
    let chunked = "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\n#\r\n\r\n\r\n0\r\na: b\r\n\r\n";
    for bad in table() {
        refused(&bad, get, 1).await;
        refused(&bad, &format!("{get}{post}\r\n{chunked}{get}"), 4).await;
    }
}

// Evidence: REQ-HTTP-02
#[tokio::test]
async fn it_is_refused_however_it_is_cut() {
    let count = Count::default();
    // Short, for a head whose malformed end is no end to hyper.
    let config = Config { head_timeout: Duration::from_secs(1), ..Config::default() };
    let server = serve_with(counting(&count), config).await;
    for bad in table().into_iter().filter(|bad| bad.head.len() < 200) {
        for cut in [1, bad.head.len() / 2, bad.head.len() - 1] {
            let mut client = connect(&server).await;
            let (first, second) = bad.head.as_bytes().split_at(cut);
            client.send(first).await;
            tokio::task::yield_now().await;
            client.send(second).await;
            let response = client.response().await;
            assert!(bad.status.contains(&response.status), "{:?} at {cut}", bad.head);
        }
    }
    assert_eq!(count.get(), 0);
}

// Evidence: REQ-HTTP-13, REQ-HTTP-17, REQ-HTTP-25
#[tokio::test]
async fn unusual_heads_that_are_well_formed_are_served() {
    let count = Count::default();
    let server = serve(counting(&count)).await;
    let mut client = connect(&server).await;
    let unusual = [
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: #\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: POST / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:80\r\nA:\t b \t\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n#####",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n\r\n#GET / HTTP/2.0\r\nA : b\r\n\r",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ];
    for head in unusual {
        let response = client.request(head).await;
        assert_eq!(response.status, 200, "{head:?}");
    }
    assert_eq!(count.get(), unusual.len());
}

// Evidence: REQ-HTTP-33
#[tokio::test]
async fn content_that_comes_by_itself_is_not_taken_for_a_head() {
    let count = Count::default();
    let server = serve(move |mut environ: rwgi::Environ, start: rwgi::StartResponse| {
        count.add();
        async move {
            let content = environ.input_mut().read_to_end(1024).await?;
            start.respond(http::StatusCode::OK, (), content)
        }
    })
    .await;
    let mut client = connect(&server).await;
    for content in ["a#b", "GET / HTTP/2.0\r\n\r\n", "x\r\n", "\n\n"] {
        let length = content.len();
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
            ))
            .await;
        assert_eq!(client.response().await.status, 100);
        client.send(content).await;
        assert_eq!(client.response().await.text(), content);
    }
    assert_eq!(client.get("/").await.status, 200);
}

// Evidence: REQ-HTTP-15
#[tokio::test]
async fn half_a_head_is_no_request() {
    let count = Count::default();
    let server = serve(counting(&count)).await;
    let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for cut in 0..head.len() {
        let mut client = connect(&server).await;
        client.send(&head[..cut]).await;
        client.finish_sending().await;
        let (said, end) = client.rest().await;
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 400 "), "{cut}");
        assert_eq!(end, End::Closed, "{cut}");
    }
    assert_eq!(count.get(), 0);
    assert_eq!(connect(&server).await.request(head).await.status, 200);
}

// Evidence: REQ-HTTP-06, REQ-HTTP-07
#[tokio::test]
async fn the_limits_are_those_of_the_configuration() {
    let count = Count::default();
    let config =
        Config { head_bytes: 2000, target_bytes: 100, head_fields: 5, ..Config::default() };
    let server = serve_with(counting(&count), config).await;
    let target =
        |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length - 1));
    let fields = |count: usize| with("x: y\r\n".repeat(count - 1).trim_end());
    let bytes = |length: usize| {
        let frame = with("x: ").len();
        with(&format!("x: {}", "y".repeat(length - frame)))
    };
    for (fine, long, status) in [
        (target(100), target(101), 414),
        (fields(5), fields(6), 431),
        (bytes(2000), bytes(2001), 431),
    ] {
        let mut client = connect(&server).await;
        assert_eq!(client.request(&fine).await.status, 200, "{fine}");
        assert_eq!(client.request(&long).await.status, status, "{long}");
        assert_eq!(client.ends().await, End::Closed);
        let mut client = connect(&server).await;
        client.send(format!("{fine}{long}")).await;
        assert_eq!(client.response().await.status, 200, "{fine}");
        assert_eq!(client.response().await.status, status, "{long} behind another");
    }
}

// The limits that hyper has of its own must not be what a configuration that allows more comes to.
#[tokio::test]
async fn limits_beyond_the_usual_ones_are_kept_as_well() {
    // A slow machine may take its time over such heads.
    let head_timeout = std::time::Duration::from_secs(600);
    let config =
        Config { head_bytes: 1024 * 1024, head_fields: 24_576, head_timeout, ..Config::default() };
    let server = serve_with(counting(&Count::default()), config).await;
    let large = with(&format!("x: {}", "y".repeat(900_000)));
    let many: Vec<String> = (0..24_575).map(|number| format!("x{number}: y")).collect();
    for head in [large, with(&many.join("\r\n"))] {
        let response = connect(&server).await.request(&head).await;
        assert_eq!(response.status, 200, "{} octets", head.len());
    }
}

// Evidence: REQ-HTTP-50
#[tokio::test]
async fn a_client_that_still_sends_reads_why_it_was_refused() {
    let server = serve(counting(&Count::default())).await;
    let mut client = connect(&server).await;
    let Client { stream, .. } = &mut client;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let answered = std::cell::Cell::new(false);
    let send = async {
        use tokio::io::AsyncWriteExt;
        let mut sent = writer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n").await;
        while sent.is_ok() && !answered.get() {
            sent = writer.write_all(&[b'x'; 1000]).await;
        }
    };
    let read = async {
        use tokio::io::AsyncReadExt;
        let mut answer = [0; 12];
        reader.read_exact(&mut answer).await.unwrap();
        answered.set(true);
        answer
    };
    let (answer, ()) =
        support::within("the answer and the close", async { tokio::join!(read, send) }).await;
    assert_eq!(&answer, b"HTTP/1.1 400");
}
