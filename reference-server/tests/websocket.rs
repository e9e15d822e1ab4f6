//! WebSocket on sockets: independent clients, the stop, the clock, limits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use rwgi::{Acceptance, CloseCode, Closed, Environ, Error, Finished, Ping, StartResponse};
use rwgi_server::{Config, Running};
use support::{serve, serve_with, within};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as TheirCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn application(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let path = environ.path_info().to_owned();
    if environ.websocket().is_none() || path == "/deny" {
        return start.respond(StatusCode::FORBIDDEN, (), "no");
    }
    let acceptance = match path.as_str() {
        "/small" => Acceptance::new().message_limit(10),
        "/chat" => Acceptance::new().subprotocol("chat").field("x-by", "test"),
        "/ping" => Acceptance::new().ping(Ping::Every {
            idle: Duration::from_millis(50),
            patience: Duration::from_millis(100),
        }),
        "/patient" => {
            Acceptance::new().ping(Ping::Every { idle: Duration::MAX, patience: Duration::MAX })
        }
        _ => Acceptance::new(),
    };
    let mut socket = start.accept(acceptance)?;
    match path.as_str() {
        "/leave" => return Ok(socket.finish()),
        "/fail" => {
            socket.recv().await?;
            return Err(Error::application("as asked"));
        }
        "/close" => return socket.close(CloseCode::new(4001).unwrap(), "as asked").await,
        _ => {}
    }
    while let Ok(message) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
    Ok(socket.finish())
}

async fn open(server: &Running, path: &str) -> Socket {
    let mut request =
        format!("ws://{}{path}", server.address().unwrap()).into_client_request().unwrap();
    if path == "/chat" {
        request.headers_mut().insert("sec-websocket-protocol", "other, chat".parse().unwrap());
    }
    let opened = within("the handshake", tokio_tungstenite::connect_async(request)).await;
    let (socket, response) = opened.unwrap();
    if path == "/chat" {
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
        assert_eq!(response.headers()["x-by"], "test");
    }
    socket
}

async fn next(socket: &mut Socket) -> Message {
    within("a message", socket.next()).await.unwrap().unwrap()
}

async fn closed(socket: &mut Socket) -> (u16, String) {
    loop {
        match within("the close", socket.next()).await {
            Some(Ok(Message::Close(Some(close)))) => {
                return (close.code.into(), close.reason.to_string());
            }
            Some(Ok(_)) => {}
            other => panic!("closed without a frame: {other:?}"),
        }
    }
}

// Evidence: REQ-WS-02, REQ-WS-07
#[tokio::test]
async fn tungstenite_gets_its_messages_back() {
    let server = serve(application).await;
    let mut socket = open(&server, "/chat").await;
    for length in [0, 1, 125, 126, 127, 65535, 65536, 300_000, 3_000_000] {
        let text = "é".repeat(length / 2) + if length % 2 == 1 { "x" } else { "" };
        within("room", socket.send(Message::text(text.clone()))).await.unwrap();
        assert!(next(&mut socket).await == Message::text(text), "{length}");
        let data = vec![length as u8; length];
        within("room", socket.send(Message::binary(data.clone()))).await.unwrap();
        assert!(next(&mut socket).await == Message::binary(data), "{length}");
    }
    within("room", socket.send(Message::Ping("p".into()))).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Pong("p".into()));
    socket.close(None).await.unwrap();
    assert!(matches!(within("the end", socket.next()).await, Some(Ok(Message::Close(None)))));
    assert!(within("the end", socket.next()).await.is_none());
    within("the stop", server.stop()).await.unwrap();
}

// Evidence: REQ-WS-20, REQ-WS-14
#[tokio::test]
async fn what_an_application_leaves_is_closed_with_a_code_that_says_how() {
    let server = serve(application).await;
    assert_eq!(closed(&mut open(&server, "/leave").await).await.0, 1000);
    let mut failing = open(&server, "/fail").await;
    failing.send(Message::text("x")).await.unwrap();
    assert_eq!(closed(&mut failing).await.0, 1011);
    drop(failing);
    assert_eq!(closed(&mut open(&server, "/close").await).await, (4001, "as asked".to_owned()));
    let mut idle = open(&server, "/").await;
    let (stopped, said) = tokio::join!(server.stop(), async {
        let said = closed(&mut idle).await;
        // The answer to a Close frame is sent by whoever reads on.
        while let Some(Ok(_)) = within("the end", idle.next()).await {}
        said
    });
    stopped.unwrap();
    assert_eq!(said.0, 1001);
}

// Evidence: REQ-WS-04
#[tokio::test]
async fn any_other_answer_denies() {
    let server = serve(application).await;
    let url = format!("ws://{}/deny", server.address().unwrap());
    let error = tokio_tungstenite::connect_async(url).await.unwrap_err();
    let tokio_tungstenite::tungstenite::Error::Http(response) = error else { panic!("{error}") };
    assert_eq!(response.status(), 403);
}

// Evidence: REQ-WS-19
#[tokio::test]
async fn a_message_beyond_the_limit_is_1009() {
    let server = serve(application).await;
    let mut socket = open(&server, "/small").await;
    socket.send(Message::text("x".repeat(10))).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("x".repeat(10)));
    socket.send(Message::text("x".repeat(11))).await.unwrap();
    assert_eq!(closed(&mut socket).await.0, 1009);
}

// Evidence: REQ-WS-22
#[tokio::test]
async fn a_client_that_is_silent_is_asked_and_one_that_is_gone_is_found_out() {
    let ends: Arc<Mutex<Vec<Closed>>> = Arc::default();
    let ended = Arc::new(tokio::sync::Semaphore::new(0));
    let (noted, signal) = (Arc::clone(&ends), Arc::clone(&ended));
    let config = Config {
        websocket_ping: Duration::from_millis(30),
        websocket_patience: Duration::from_millis(300),
        ..Config::default()
    };
    let server = serve_with(
        move |_: Environ, start: StartResponse| {
            let (ends, ended) = (Arc::clone(&noted), Arc::clone(&signal));
            async move {
                let mut socket = start.accept(())?;
                let closed = socket.recv().await.unwrap_err();
                ends.lock().unwrap().push(closed);
                ended.add_permits(1);
                Ok(socket.finish())
            }
        },
        config,
    )
    .await;
    // One that is read answers by itself; what it is not told of in time is never said.
    let mut alive = open(&server, "/").await;
    let mut silent = open(&server, "/").await;
    for _ in 0..3 {
        assert!(matches!(next(&mut alive).await, Message::Ping(_)));
        let _ = alive.flush().await;
    }
    let asking =
        async { while !matches!(within("a ping", alive.next()).await, None | Some(Err(_))) {} };
    tokio::select! {
        () = asking => panic!("the one that answers was dropped"),
        taken = within("the end", ended.acquire()) => taken.unwrap().forget(),
    }
    assert_eq!(*ends.lock().unwrap(), [Closed { code: 1006, reason: String::new(), clean: false }]);
    while let Some(Ok(_)) = within("the end", silent.next()).await {}
}

#[tokio::test]
async fn a_client_may_be_silent_for_as_long_as_the_application_likes() {
    let server = serve(application).await;
    let mut socket = open(&server, "/patient").await;
    within("room", socket.send(Message::text("hello"))).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("hello"));
}

// Evidence: REQ-WS-28
#[tokio::test]
async fn the_application_learns_how_it_was_closed() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let server = serve(move |_: Environ, start: StartResponse| {
        let sender = sender.clone();
        async move {
            let mut socket = start.accept(())?;
            let closed = loop {
                if let Err(closed) = socket.recv().await {
                    break closed;
                }
            };
            sender.send(closed).unwrap();
            Ok(socket.finish())
        }
    })
    .await;
    let mut polite = open(&server, "/").await;
    let close = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: TheirCode::Library(4002),
        reason: "enough".into(),
    };
    polite.close(Some(close)).await.unwrap();
    let told = within("the end", receiver.recv()).await.unwrap();
    assert_eq!(told, Closed { code: 4002, reason: "enough".to_owned(), clean: true });
    let mut wordless = open(&server, "/").await;
    wordless.close(None).await.unwrap();
    let told = within("the end", receiver.recv()).await.unwrap();
    assert_eq!((told.code, told.clean), (1005, true));
    drop(open(&server, "/").await);
    let told = within("the end", receiver.recv()).await.unwrap();
    assert_eq!((told.code, told.clean), (1006, false));
}

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A frame of a client, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0][..], payload].concat()
}

// Evidence: REQ-WS-15, REQ-WS-16, REQ-WS-17, REQ-WS-21, REQ-WS-26
#[tokio::test]
async fn frames_are_answered_as_they_are_written() {
    let server = serve(application).await;
    for (sent, answered) in [
        (frame(0x89, b"ping"), &b"\x8a\x04ping\x88\x02\x03\xe8"[..]),
        (frame(0x8a, b"pong"), b"\x88\x02\x03\xe8"),
        (frame(0x81, b"text"), b"\x81\x04text\x88\x02\x03\xe8"),
        // Nothing after the close is delivered, and so nothing comes back.
        ([frame(0x88, b"\x0f\xa1why"), frame(0x81, b"late")].concat(), b"\x88\x02\x0f\xa1"),
        (frame(0x88, b""), b"\x88\x00"),
    ] {
        let mut client = support::connect(&server).await;
        // In one segment with the handshake.
        let close = frame(0x88, b"\x03\xe8");
        client.send([HANDSHAKE.as_bytes(), &sent, &close].concat()).await;
        let head = client.head().await.unwrap();
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        let (rest, _) = client.rest().await;
        assert_eq!(rest, answered, "{sent:x?}");
    }
    // What comes behind a broken rule is not delivered.
    let mut client = support::connect(&server).await;
    let broken = [frame(0x81, b"one"), vec![0x83], frame(0x81, b"two")].concat();
    client.send([HANDSHAKE.as_bytes(), &broken].concat()).await;
    client.head().await.unwrap();
    let (rest, _) = client.rest().await;
    assert!(rest.starts_with(b"\x81\x03one\x88"), "{rest:x?}");
    assert_eq!(&rest[7..9], [0x03, 0xea], "1002");
    assert!(!rest.windows(3).any(|piece| piece == b"two"));
}

// Evidence: REQ-WS-29
#[tokio::test]
async fn a_client_that_sends_more_than_is_received_has_to_wait() {
    let server = serve(|_: Environ, start: StartResponse| async move {
        let _socket = start.accept(())?;
        std::future::pending::<rwgi::Result<Finished>>().await
    })
    .await;
    let mut client = support::connect(&server).await;
    client.send(HANDSHAKE).await;
    client.head().await.unwrap();
    let message = [&[0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0][..], &[7; 65535]].concat();
    let mut sent = 0_usize;
    let sending = async {
        loop {
            tokio::io::AsyncWriteExt::write_all(&mut client.stream, &message).await.unwrap();
            sent += message.len();
        }
    };
    // It is the buffers of the system that take what the server does not.
    let _: Result<(), _> = tokio::time::timeout(Duration::from_secs(1), sending).await;
    assert!(sent < 64 * 1024 * 1024, "{sent} bytes were taken");
}

// Evidence: REQ-WS-03
#[tokio::test]
async fn over_http2_it_is_the_same_session() {
    let server = serve(application).await;
    let stream = TcpStream::connect(server.address().unwrap()).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let body = http_body_util::Empty::<bytes::Bytes>::new;
    let plain = http::Request::builder().uri("http://a/deny").body(body()).unwrap();
    assert_eq!(within("an answer", client.send_request(plain)).await.unwrap().status(), 403);
    let ask = |path: &str| {
        http::Request::builder()
            .method("CONNECT")
            .uri(format!("http://a{path}"))
            .header("sec-websocket-version", 13)
            .header("sec-websocket-protocol", "chat")
            .extension(hyper::ext::Protocol::from_static("websocket"))
            .body(body())
            .unwrap()
    };
    assert_eq!(within("an answer", client.send_request(ask("/deny"))).await.unwrap().status(), 403);
    let response = within("an answer", client.send_request(ask("/chat"))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    assert!(!response.headers().contains_key("sec-websocket-accept"));
    let stream = hyper_util::rt::TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
    let mut socket = WebSocketStream::from_raw_socket(stream, role, None).await;
    for length in [1, 300_000] {
        socket.send(Message::text("x".repeat(length))).await.unwrap();
        let back = within("a message", socket.next()).await.unwrap().unwrap();
        assert!(back == Message::text("x".repeat(length)));
    }
    socket.close(None).await.unwrap();
    assert!(matches!(within("the end", socket.next()).await, Some(Ok(Message::Close(None)))));
    within("the stop", server.stop_within(Duration::from_secs(30))).await.unwrap();
}

#[tokio::test]
async fn over_tls_it_is_the_same_session() {
    let directory = support::certificates::Directory::new();
    let authority = support::certificates::Authority::new("tests");
    let (pem, key) = (directory.file("site.pem"), directory.file("site.key"));
    authority.sign(&["localhost"]).write(&pem, &key);
    let config = Config {
        certificate: vec![pem.to_str().unwrap().to_owned()],
        key: vec![key.to_str().unwrap().to_owned()],
        certificate_watch: None,
        ..Config::default()
    };
    let server = serve_with(application, config).await;
    let stream = TcpStream::connect(server.address().unwrap()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(authority.client(None, &["http/1.1"]));
    let name = tokio_rustls::rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let stream = within("TLS", connector.connect(name, stream)).await.unwrap();
    let opened = tokio_tungstenite::client_async("wss://localhost/", stream);
    let (mut socket, _) = within("the handshake", opened).await.unwrap();
    for length in [1, 3_000_000] {
        within("room", socket.send(Message::binary(vec![7; length]))).await.unwrap();
        let back = within("a message", socket.next()).await.unwrap().unwrap();
        assert!(back == Message::binary(vec![7; length]));
    }
    socket.close(None).await.unwrap();
    assert!(matches!(within("the end", socket.next()).await, Some(Ok(Message::Close(None)))));
}

/// Python with the library `websockets`: that of `RWGI_PYTHON`, or the system's.
fn python() -> Option<String> {
    let python = std::env::var("RWGI_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = std::process::Command::new(&python)
        .args(["-c", "import websockets"])
        .stderr(std::process::Stdio::null())
        .status();
    there.is_ok_and(|status| status.success()).then_some(python)
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_websockets_gets_its_messages_back() {
    let Some(python) = python() else {
        assert!(std::env::var_os("RWGI_REQUIRE_PYTHON").is_none(), "no Python with `websockets`");
        use std::io::Write as _;
        let _ = writeln!(
            std::io::stderr(),
            "websocket test skipped: no Python with `websockets` (apt install python3-websockets, or set RWGI_PYTHON)"
        );
        return;
    };
    let server = serve(application).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocket_client.py");
    let address = format!("ws://{}/", server.address().unwrap());
    let run = tokio::task::spawn_blocking(move || {
        std::process::Command::new(python).args([script, &address]).output()
    });
    let output = within("Python", run).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "done", "{}", String::from_utf8_lossy(&output.stderr));
    within("the stop", server.stop()).await.unwrap();
}
