//! Large responses on connections that go on: nothing is lost or mixed up where the server changes how it writes, and it changes.
//!
//! Rules of this test: pipes that take several buffers in one write, as sockets do, and remember how they were written to.

#![allow(clippy::unwrap_used, reason = "clippy takes the helpers below for production code")]

mod support;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use http::StatusCode;
use rwgi::{Environ, Finished, StartResponse};
use rwgi_server::{Config, Server, Transport};
use support::pipes::pipes_of;
use support::{Client, End};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

const LARGE: usize = 1 << 20;

/// A pipe, and the largest single write that it was asked for.
struct Seen {
    pipe: DuplexStream,
    largest: Arc<AtomicUsize>,
}

impl AsyncRead for Seen {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buf)
    }
}

impl AsyncWrite for Seen {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.largest.fetch_max(data.len(), SeqCst);
        Pin::new(&mut self.pipe).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.largest.fetch_max(data.iter().map(|slice| slice.len()).sum(), SeqCst);
        Pin::new(&mut self.pipe).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

impl Transport for Seen {}

/// `/large` is a MiB, `/pieces` the same in pieces of 64 KiB; everything else is what was posted.
async fn application(mut environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    match environ.path() {
        "/large" => start.respond(StatusCode::OK, (), vec![b'l'; LARGE]),
        "/pieces" => {
            let mut body = start.start(StatusCode::OK, ())?;
            for _ in 0..16 {
                body.write(vec![b'l'; LARGE / 16]).await?;
            }
            body.finish()
        }
        _ => {
            let content = environ.input_mut().read_to_end(1024).await?;
            start.respond(StatusCode::OK, (), [&b"small"[..], &content].concat())
        }
    }
}

type Clients = (mpsc::UnboundedSender<Seen>, rwgi_server::Running);

async fn serve() -> Clients {
    let (sender, pipes) = pipes_of();
    let server = Server::new(application).config(Config::default());
    (sender, server.start_on([pipes]).await.unwrap())
}

fn connect((sender, _): &Clients) -> (Client<DuplexStream>, Arc<AtomicUsize>) {
    let (client, pipe) = tokio::io::duplex(4 * LARGE);
    let largest = Arc::new(AtomicUsize::new(0));
    let seen = Seen { pipe, largest: Arc::clone(&largest) };
    assert!(sender.send(seen).is_ok());
    (Client::new(client), largest)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn post(content: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{content}", content.len())
}

/// So many small responses, and the server makes one buffer of a head and its content.
const MANY: usize = 20;

async fn small(client: &mut Client<DuplexStream>, times: usize) {
    for _ in 0..times {
        assert_eq!(client.request(get("/")).await.text(), "small");
    }
}

#[tokio::test]
async fn what_is_large_is_copied_only_behind_many_small_responses_and_only_once() {
    let server = serve().await;
    for path in ["/large", "/pieces"] {
        let (mut client, largest) = connect(&server);
        for _ in 0..2 {
            for _ in 0..MANY {
                assert_eq!(client.request(get("/large")).await.body.len(), LARGE);
                assert!(largest.swap(0, SeqCst) >= LARGE, "it is copied");
            }
            small(&mut client, MANY).await;
            assert_eq!(client.request(get(path)).await.body.len(), LARGE);
            let first = largest.swap(0, SeqCst);
            assert!(first < 128 * 1024, "what is copied is copied in parts: {first} octets in one");
            small(&mut client, 1).await;
        }
    }
}

#[tokio::test]
async fn whatever_comes_behind_a_large_response_is_answered() {
    let server = serve().await;
    let large = get("/large");
    for behind in [get("/"), post("abc"), "\r\n".to_owned() + &post(""), get("/pieces")] {
        let all = large.clone() + &behind + &large + &get("/");
        for (before, cut) in [0, MANY]
            .into_iter()
            .flat_map(|before| (1..=all.len()).step_by(7).map(move |cut| (before, cut)))
        {
            let (mut client, _) = connect(&server);
            small(&mut client, before).await;
            client.send(&all[..cut]).await;
            // Where a whole response is due it is there before the rest is sent.
            let mut answers = Vec::new();
            if cut >= large.len() {
                answers.push(client.response().await);
            }
            client.send(&all[cut..]).await;
            while answers.len() < 4 {
                answers.push(client.response().await);
            }
            let lengths: Vec<_> = answers.iter().map(|answer| answer.body.len()).collect();
            let second = match &*behind {
                behind if behind.contains("abc") => 8,
                behind if behind.contains("pieces") => LARGE,
                _ => 5,
            };
            assert_eq!(
                lengths,
                [LARGE, second, LARGE, 5],
                "{behind:?} cut at {cut}, {before} before"
            );
            assert!(answers.iter().all(|answer| answer.end == End::Framed && !answer.closes()));
        }
    }
}

#[tokio::test]
async fn who_closes_behind_a_large_response_is_let_go() {
    let server = serve().await;
    let (mut client, _) = connect(&server);
    small(&mut client, MANY).await;
    let closes = get("/large").replace("Host", "Connection: close\r\nHost");
    assert_eq!(client.request(closes).await.body.len(), LARGE);
    assert_eq!(client.ends().await, End::Closed);
    let (mut client, _) = connect(&server);
    small(&mut client, MANY).await;
    assert_eq!(client.request(get("/large")).await.body.len(), LARGE);
    client.finish_sending().await;
    assert_eq!(client.ends().await, End::Closed);
    // And a server that stops waits for nobody.
    let (mut client, _) = connect(&server);
    small(&mut client, MANY).await;
    assert_eq!(client.request(get("/large")).await.body.len(), LARGE);
    server.1.stop().await.unwrap();
    assert_eq!(client.ends().await, End::Closed);
}
