//! The connection taken over: a tunnel by the contract, and hyper's own upgrade handed through.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::Empty;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rwgi::{Environ, Error, Finished, OutcomeKind, StartResponse};
use rwgi_server::Config;
use support::pipes::serve_on_pipes;
use support::{End, connect, serve, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::Instant;

const ASK: &str = "Connection: upgrade\r\nUpgrade: other, Echo/1\r\n";

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// Echoes octets, in one of several ways.
async fn application(mut environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let path = environ.path_info().to_owned();
    if path == "/hyper" {
        let taken: OnUpgrade = environ.extensions_mut().remove().unwrap();
        tokio::spawn(async move {
            let mut io = TokioIo::new(taken.await.unwrap());
            let mut octets = [0; 64];
            while let Ok(read @ 1..) = io.read(&mut octets).await {
                io.write_all(&octets[..read]).await.unwrap();
                io.flush().await.unwrap();
            }
            io.write_all(b"bye").await.unwrap();
            io.shutdown().await.unwrap();
        });
        let head = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "Echo/1");
        return start.forward(head.body(Empty::<bytes::Bytes>::new())?);
    }
    if path == "/deny" || environ.upgrade().is_none() {
        return start.respond(StatusCode::OK, (), "denied");
    }
    let mut tunnel = start.upgrade("echo/1", [("x-by", "test")])?;
    while let Some(octets) = tunnel.recv().await? {
        if octets.starts_with(b"fail") {
            return Err(Error::application("as asked"));
        }
        tunnel.send(octets).await?;
    }
    tunnel.send("end").await?;
    Ok(tunnel.finish())
}

async fn read(client: &mut support::Client<tokio::net::TcpStream>, length: usize) -> String {
    let mut octets = client.take_read();
    while octets.len() < length {
        let mut more = vec![0; length - octets.len()];
        let read = within("octets", client.stream.read(&mut more)).await.unwrap();
        assert!(read > 0, "the connection ended after {octets:?}");
        octets.extend(&more[..read]);
    }
    String::from_utf8(octets).unwrap()
}

// Evidence: REQ-UPG-04, REQ-UPG-05, REQ-UPG-09
#[tokio::test]
async fn a_tunnel_carries_octets_until_each_side_has_ended() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    // Octets behind the request are the tunnel's.
    client.send(get("/a", ASK) + "one").await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(
        head.contains("upgrade: echo/1\r\n") && head.contains("connection: upgrade\r\n"),
        "{head}"
    );
    assert!(head.contains("x-by: test\r\n") && !head.contains("content-length"), "{head}");
    assert_eq!(read(&mut client, 3).await, "one");
    client.send("two").await;
    assert_eq!(read(&mut client, 3).await, "two");
    let large = "x".repeat(1024 * 1024);
    let (mut reader, mut writer) = client.stream.split();
    let (sent, got) = tokio::join!(writer.write_all(large.as_bytes()), async {
        let mut got = vec![0; large.len()];
        reader.read_exact(&mut got).await.unwrap();
        got
    });
    sent.unwrap();
    assert!(got == large.as_bytes());
    client.finish_sending().await;
    assert_eq!(client.rest().await, (b"end".to_vec(), End::Closed));
}

// Evidence: REQ-UPG-02
#[tokio::test]
async fn what_is_not_taken_is_answered_and_the_connection_goes_on() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    for _ in 0..2 {
        assert_eq!(client.request(get("/deny", ASK)).await.text(), "denied");
        assert_eq!(client.request(get("/a", "Upgrade: echo/1\r\n")).await.text(), "denied");
    }
    let with_content = format!("POST /a HTTP/1.1\r\nHost: a\r\n{ASK}Content-Length: 1\r\n\r\nx");
    assert_eq!(client.request(with_content).await.text(), "denied");
}

// Evidence: REQ-UPG-10
#[tokio::test]
async fn an_application_that_fails_in_a_tunnel_is_a_reset() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    client.send(get("/a", ASK) + "fail").await;
    client.head().await.unwrap();
    assert_eq!(client.ends().await, End::Reset);
}

// Evidence: REQ-UPG-07
#[tokio::test]
async fn an_upgrade_of_hyper_is_handed_through_and_counted() {
    let server = serve(application).await;
    let mut client = connect(&server).await;
    // One that was not taken leaves the connection as it is.
    assert_eq!(client.request(get("/deny", ASK)).await.text(), "denied");
    client.send(get("/hyper", ASK) + "one").await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(read(&mut client, 3).await, "one");
    client.send("two").await;
    assert_eq!(read(&mut client, 3).await, "two");
    // The server waits for it, and tells it.
    let (stopped, rest) = tokio::join!(server.stop_within(Duration::from_secs(30)), client.rest());
    stopped.unwrap();
    assert_eq!(rest, (b"bye".to_vec(), End::Closed));
}

// Evidence: REQ-UPG-11
#[tokio::test]
async fn a_tunnel_hears_of_the_stop_and_is_cut_after_the_period_of_grace() {
    let outcomes: Arc<Mutex<Vec<OutcomeKind>>> = Arc::default();
    let told = Arc::new(Semaphore::new(0));
    let (noted, telling) = (Arc::clone(&outcomes), Arc::clone(&told));
    let server = serve(move |environ: Environ, mut start: StartResponse| {
        let (outcomes, told) = (Arc::clone(&noted), Arc::clone(&telling));
        start.on_complete(move |outcome| outcomes.lock().unwrap().push(outcome.kind()));
        async move {
            let polite = environ.path_info() == "/polite";
            let mut tunnel = start.upgrade("echo/1", ())?;
            tunnel.send("here").await?;
            tunnel.stopping().await;
            told.add_permits(1);
            if !polite {
                std::future::pending::<()>().await;
            }
            tunnel.send("bye").await?;
            Ok(tunnel.finish())
        }
    })
    .await;
    let mut polite = connect(&server).await;
    let mut rude = connect(&server).await;
    polite.send(get("/polite", ASK)).await;
    rude.send(get("/rude", ASK)).await;
    for client in [&mut polite, &mut rude] {
        client.head().await.unwrap();
        assert_eq!(read(client, 4).await, "here");
    }
    let stop = async {
        let stopping = server.stop_within(Duration::from_millis(200));
        let (stopped, _) = tokio::join!(stopping, told.acquire_many(2));
        stopped.unwrap_err();
    };
    let (_, rest) = tokio::join!(stop, polite.rest());
    assert_eq!(rest, (b"bye".to_vec(), End::Closed));
    assert_eq!(rude.ends().await, End::Reset);
    assert_eq!(*outcomes.lock().unwrap(), [OutcomeKind::Completed, OutcomeKind::Cancelled]);
}

// Whoever is told too early comes back while the doors are open, and to a server that is about to close them.
#[tokio::test(start_paused = true)]
async fn a_session_goes_on_while_the_end_is_announced() {
    let announce = Duration::from_secs(5);
    let config = Config { announce, ..Config::default() };
    let application = |environ: Environ, start: StartResponse| async move {
        match environ.path_info() {
            "/websocket" => {
                let mut socket = start.accept(())?;
                while let Ok(message) = socket.recv().await {
                    socket.send(message).await?;
                }
                Ok(socket.finish())
            }
            "/tunnel" => {
                let mut tunnel = start.upgrade("echo/1", ())?;
                tunnel.stopping().await;
                tunnel.send("bye").await?;
                Ok(tunnel.finish())
            }
            _ => application(environ, start).await,
        }
    };
    let (dial, server) = serve_on_pipes(application, config).await;
    let handshake = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let asked = [("/websocket", handshake), ("/tunnel", ASK), ("/hyper", ASK)];
    let mut clients = Vec::new();
    for (path, fields) in asked {
        let mut client = dial.connect();
        client.send(get(path, fields)).await;
        assert!(client.head().await.unwrap().starts_with("HTTP/1.1 101 "), "{path}");
        clients.push(client);
    }
    let start = Instant::now();
    let stop = tokio::spawn(server.stop());
    for (mut client, (path, _)) in clients.into_iter().zip(asked) {
        let word = client.stream.read_u8().await.unwrap();
        assert_eq!(start.elapsed(), announce, "{path}");
        // A Close frame, or the first letter of the farewell.
        assert!([0x88, b'b'].contains(&word), "{path}");
    }
    stop.await.unwrap().unwrap();
}

// Evidence: REQ-UPG-08, REQ-UPG-13, REQ-UPG-05
#[tokio::test]
async fn extended_connect_is_the_same_to_the_application() {
    let server = serve(application).await;
    let stream = tokio::net::TcpStream::connect(server.address().unwrap()).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let ask = |path: &str| {
        http::Request::builder()
            .method("CONNECT")
            .uri(format!("http://a{path}"))
            .extension(hyper::ext::Protocol::from_static("echo/1"))
            .body(Empty::<bytes::Bytes>::new())
            .unwrap()
    };
    // The server's settings have come with the first answer.
    let plain = http::Request::builder().uri("http://a/deny").body(Empty::new()).unwrap();
    assert_eq!(within("an answer", client.send_request(plain)).await.unwrap().status(), 200);
    // An ordinary success would say that the tunnel stands.
    assert_eq!(within("an answer", client.send_request(ask("/deny"))).await.unwrap().status(), 501);
    let response = within("an answer", client.send_request(ask("/a"))).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-by"]),
        (200, &"test".parse().unwrap())
    );
    let mut tunnel = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let large = vec![7; 300_000];
    let (mut reader, mut writer) = tokio::io::split(&mut tunnel);
    let (sent, got) = tokio::join!(writer.write_all(&large), async {
        let mut got = vec![0; large.len()];
        reader.read_exact(&mut got).await.unwrap();
        got
    });
    sent.unwrap();
    assert!(got == large);
    tunnel.shutdown().await.unwrap();
    let mut rest = Vec::new();
    within("the end", tunnel.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"end");
    within("the stop", server.stop_within(Duration::from_secs(30))).await.unwrap();
}

// Evidence: REQ-UPG-14, REQ-UPG-03
#[tokio::test]
async fn who_asks_for_no_upgrade_is_told_to_which_one_it_needs() {
    let server = serve(|environ: Environ, start: StartResponse| async move {
        match environ.path_info() {
            "/socket" => Ok(start.accept(())?.finish()),
            _ => Ok(start.upgrade("echo/1", ())?.finish()),
        }
    })
    .await;
    let mut client = connect(&server).await;
    for (path, protocol) in [("/socket", "websocket"), ("/tunnel", "echo/1")] {
        let response = client.get(path).await;
        assert_eq!((response.status, response.field("upgrade")), (426, Some(protocol)));
        assert_eq!(response.field("connection"), Some("upgrade"));
    }
    // A connection that ends as well says both.
    let closes = "GET /socket HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let mut client = connect(&server).await;
    client.send(closes).await;
    let response = client.response().await;
    assert_eq!((response.status, response.field("upgrade")), (426, Some("websocket")));
    assert_eq!(response.field("connection"), Some("upgrade, close"));
}

// Evidence: REQ-UPG-14
#[tokio::test]
async fn what_a_client_has_to_upgrade_to_is_said() {
    let server = serve(|_: Environ, start: StartResponse| async move {
        let mut head = rwgi::ResponseHead::new(StatusCode::UPGRADE_REQUIRED, ())?;
        head.require_upgrade("echo/1")?;
        start.respond_with(head, "")
    })
    .await;
    let mut client = connect(&server).await;
    for _ in 0..2 {
        let response = client.get("/").await;
        assert_eq!((response.status, response.field("upgrade")), (426, Some("echo/1")));
        assert_eq!(response.field("connection"), Some("upgrade"));
    }
}
