//! axum's kinds of programs, each on `axum::serve` and on `rwgi-server`: the same requests, the same answers.
//!
//! Rules of this test: the programs are the examples, taken in as they stand; a client on a plain socket compares; nothing sleeps.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod host;

#[allow(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/axum_chat.rs"]
mod chat;

#[allow(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/axum_hello.rs"]
mod hello;

#[allow(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/sse.rs"]
mod sse;

#[allow(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/multipart.rs"]
mod multipart;

#[allow(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/static_files.rs"]
mod static_files;

#[allow(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/graceful_shutdown.rs"]
mod graceful_shutdown;

use std::path::Path;

use axum::Router;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use self::host::{Client, Host};

/// Runs a conversation on both hosts and gives what it came to, which has to be the same.
async fn on_both<T, F>(app: impl Fn() -> Router, conversation: impl Fn(Host) -> F) -> T
where
    F: Future<Output = T>,
    T: PartialEq + std::fmt::Debug,
{
    let ours = conversation(Host::rwgi(app()).await).await;
    let theirs = conversation(Host::axum(app()).await).await;
    assert_eq!(ours, theirs, "rwgi-server, and then axum::serve");
    ours
}

#[tokio::test]
async fn hello_and_the_address_of_the_client() {
    let answers = on_both(hello::app, async |host: Host| {
        (host.get("/").await, host.get("/who").await, host.get("/nowhere").await)
    })
    .await;
    assert!(answers.0.ends_with("<h1>Hello, World!</h1>"), "{}", answers.0);
    assert!(answers.1.ends_with("you are 127.0.0.1"), "{}", answers.1);
    assert!(answers.2.starts_with("HTTP/1.1 404"), "{}", answers.2);
}

#[tokio::test]
async fn an_event_leaves_when_it_happens() {
    let events = on_both(sse::app, async |host: Host| {
        let mut listener = Client::connect(host.address).await;
        listener.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let first = listener.read_past("data: listening\n\n").await;
        host.post("/say", "text/plain", b"one").await;
        let second = listener.read_past("data: one\n\n").await;
        host.post("/say", "text/plain", b"two").await;
        let third = listener.read_past("data: two\n\n").await;
        (first, second, third)
    })
    .await;
    assert!(events.0.contains("text/event-stream"), "{}", events.0);
}

#[tokio::test]
async fn an_upload_is_read_in_parts_up_to_the_limit_of_axum() {
    let form = |length: usize| {
        let mut form =
            b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n"
                .to_vec();
        form.resize(form.len() + length, b'x');
        form.extend_from_slice(b"\r\n--edge--\r\n");
        form
    };
    let kind = "multipart/form-data; boundary=edge";
    let answers = on_both(multipart::app, async |host: Host| {
        let small = host.post("/", kind, &form(10)).await;
        // More than rwgi-server's own limit, less than axum's.
        let large = host.post("/", kind, &form(3 * 1024 * 1024)).await;
        let broken = host.post("/", kind, b"--edge\r\n").await;
        (small, large, broken)
    })
    .await;
    assert!(answers.0.ends_with("a.bin: 10 bytes\n"), "{}", answers.0);
    assert!(answers.1.ends_with("a.bin: 3145728 bytes\n"), "{}", answers.1);
    assert!(answers.2.starts_with("HTTP/1.1 400"), "{}", answers.2);
}

#[tokio::test]
async fn files_with_their_ranges_and_conditions() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("assets");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("index.html"), "<p>index</p>").unwrap();
    std::fs::write(folder.join("letters.txt"), "abcdefghijklmnopqrstuvwxyz").unwrap();
    let app = || static_files::app(&folder);
    let answers = on_both(app, async |host: Host| {
        (
            host.get("/hello").await,
            host.get("/assets/letters.txt").await,
            host.get_with("/assets/letters.txt", "Range: bytes=3-5\r\n").await,
            host.get_with(
                "/assets/letters.txt",
                "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n",
            )
            .await,
            host.get("/assets/").await,
            host.get("/assets/missing").await,
            host.get("/assets/../../Cargo.toml").await,
        )
    })
    .await;
    assert!(answers.1.ends_with("abcdefghijklmnopqrstuvwxyz"), "{}", answers.1);
    assert!(answers.2.starts_with("HTTP/1.1 206") && answers.2.ends_with("\r\n\r\ndef"));
    assert!(answers.3.starts_with("HTTP/1.1 304"), "{}", answers.3);
    assert!(answers.4.ends_with("<p>index</p>"), "{}", answers.4);
}

#[tokio::test]
async fn what_is_under_way_ends_before_the_server_does() {
    let answers = on_both(graceful_shutdown::app, async |host: Host| {
        let mut slow = begun(&host, "/slow").await;
        let mut go = begun(&host, "/go").await;
        let stopping = host.stop();
        slow.send("ok").await;
        go.send("ok").await;
        let opened = go.read_past("\r\n\r\n").await;
        let answer = slow.read_past("slow, and done").await;
        slow.read_to_end().await;
        go.read_to_end().await;
        stopping.await;
        (opened.starts_with("HTTP/1.1 200"), answer.starts_with("HTTP/1.1 200"))
    })
    .await;
    assert_eq!(answers, (true, true));
}

#[tokio::test]
async fn a_chat_over_websocket() {
    let heard = on_both(chat::app, async |host: Host| {
        let mut heard = talk(enter(&host, "Ann").await, || enter(&host, "Bob")).await;
        // Not an upgrade: refused by axum's extractor, and the connection is still one of HTTP.
        heard.push(host.get("/websocket").await.split("\r\n").next().unwrap().to_owned());
        heard
    })
    .await;
    assert_eq!(heard[..6], CHAT);
    assert_eq!(heard[6], "HTTP/1.1 400 Bad Request");
}

#[tokio::test]
async fn a_chat_over_websocket_on_one_connection_of_http2() {
    let heard = on_both(chat::app, async |host: Host| {
        let http2 = Http2::connect(&host).await;
        let mut heard = talk(http2.enter("Ann").await, || http2.enter("Bob")).await;
        // Neither extended CONNECT nor an upgrade: refused by axum's extractor.
        heard.push(http2.get("/websocket").await.to_string());
        heard
    })
    .await;
    assert_eq!(heard[..6], CHAT);
    assert_eq!(heard[6], "405 Method Not Allowed");
}

// Evidence: REQ-UPG-08
#[tokio::test]
async fn connect_that_no_extractor_took_is_no_tunnel() {
    let host = Host::rwgi(Router::new().route("/", axum::routing::any(|| async { "hello" }))).await;
    let http2 = Http2::connect(&host).await;
    assert_eq!(http2.ask("/").await.unwrap().status(), 501);
    drop(http2);
    host.stop().await;
}

const CHAT: [&str; 6] =
    ["Ann joined.", "Bob joined.", "Bob joined.", "Bob: hello", "Bob: hello", "Bob left."];

/// Two people talk; what they heard.
async fn talk<F: Future<Output = Socket>>(mut ann: Socket, bob: impl FnOnce() -> F) -> Vec<String> {
    let mut heard = vec![hear(&mut ann).await];
    let mut bob = bob().await;
    heard.extend([hear(&mut bob).await, hear(&mut ann).await]);
    bob.send(Message::text("hello")).await.unwrap();
    heard.extend([hear(&mut ann).await, hear(&mut bob).await]);
    bob.close(None).await.unwrap();
    heard.push(hear(&mut ann).await);
    heard
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type Socket = WebSocketStream<Box<dyn Io>>;

async fn enter(host: &Host, name: &str) -> Socket {
    let stream: Box<dyn Io> = Box::new(tokio::net::TcpStream::connect(host.address).await.unwrap());
    let url = format!("ws://{}/websocket", host.address);
    let (mut socket, response) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    assert_eq!(response.status(), 101);
    socket.send(Message::text(name.to_owned())).await.unwrap();
    socket
}

/// A connection of HTTP/2, with as many WebSockets as there are streams (RFC 8441).
struct Http2(SendRequest<Empty<Bytes>>);

impl Http2 {
    async fn connect(host: &Host) -> Self {
        let stream = tokio::net::TcpStream::connect(host.address).await.unwrap();
        let io = TokioIo::new(stream);
        let (client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let client = Self(client);
        // The server's settings, which allow extended CONNECT, have come with the first answer.
        client.get("/nowhere").await;
        client
    }

    async fn get(&self, path: &str) -> StatusCode {
        let request = Request::builder().uri(format!("http://a{path}")).body(Empty::new()).unwrap();
        host::within("an answer", self.0.clone().send_request(request)).await.unwrap().status()
    }

    async fn ask(&self, path: &str) -> hyper::Result<Response<Incoming>> {
        let request = Request::builder()
            .method("CONNECT")
            .uri(format!("http://a{path}"))
            .header("sec-websocket-version", 13)
            .extension(hyper::ext::Protocol::from_static("websocket"))
            .body(Empty::new())
            .unwrap();
        host::within("an answer", self.0.clone().send_request(request)).await
    }

    async fn enter(&self, name: &str) -> Socket {
        let response = self.ask("/websocket").await.unwrap();
        assert_eq!(response.status(), 200);
        let stream: Box<dyn Io> =
            Box::new(TokioIo::new(hyper::upgrade::on(response).await.unwrap()));
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        socket.send(Message::text(name.to_owned())).await.unwrap();
        socket
    }
}

async fn hear(socket: &mut Socket) -> String {
    let message = host::within("a message", socket.next()).await;
    message.unwrap().unwrap().into_text().unwrap().to_string()
}

/// A request that the application has begun to read, and the server therefore knows.
async fn begun(host: &Host, target: &str) -> Client {
    let mut client = Client::connect(host.address).await;
    let head =
        "Host: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    client.send(&format!("POST {target} HTTP/1.1\r\n{head}")).await;
    client.read_past("100 Continue\r\n\r\n").await;
    client
}
