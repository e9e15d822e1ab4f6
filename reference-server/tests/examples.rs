//! The examples, served: each is a module here, and a client asks it over a socket.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rwgi::{Application, OutcomeKind};
use rwgi_server::{Running, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

macro_rules! examples {
    ($($name:ident: $path:literal;)*) => {$(
        #[allow(dead_code, unreachable_pub, missing_docs, reason = "an example is a program of its own")]
        #[path = $path]
        mod $name;
    )*};
}

examples! {
    blocking: "../examples/blocking.rs";
    departure: "../examples/departure.rs";
    echo: "../examples/echo.rs";
    embedded: "../examples/embedded.rs";
    errors: "../examples/errors.rs";
    guestbook: "../examples/guestbook.rs";
    hello: "../examples/hello.rs";
    lifespan: "../examples/lifespan.rs";
    mistakes: "../examples/mistakes.rs";
    request: "../examples/request.rs";
    site: "../examples/site.rs";
    streaming: "../examples/streaming.rs";
    websocket: "../examples/websocket.rs";
}

/// Starts an application on a port of the system's choice.
async fn start(application: impl Application) -> (Running, SocketAddr) {
    let running = Server::new(application).bind("127.0.0.1:0").start().await.unwrap();
    let address = running.address().unwrap();
    (running, address)
}

/// Sends a request and reads until the server closes; gives what came.
async fn ask(address: SocketAddr, request: &str, content: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{request} HTTP/1.1\r\nHost: example\r\nConnection: close\r\n");
    let length = match content.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    stream.write_all(format!("{head}{length}\r\n{content}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Fails instead of hanging.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes for ever")
}

#[tokio::test]
async fn hello_world() {
    let (running, address) = start(hello::application).await;
    let answer = ask(address, "GET /", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nHello, World!\n"), "{answer}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn streaming_in_pieces() {
    let (_running, address) = start(streaming::application).await;
    let answer = ask(address, "GET /?3", "").await;
    assert!(answer.contains("transfer-encoding: chunked\r\n"), "{answer}");
    for row in ["number,square\n", "0,0\n", "2,4\n"] {
        assert!(answer.contains(row), "{answer}");
    }
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
    assert!(ask(address, "GET /?many", "").await.starts_with("HTTP/1.1 400 "));

    // The table without end ends with its reader.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n").await.unwrap();
    let mut some = vec![0; 100_000];
    within(stream.read_exact(&mut some)).await.unwrap();
}

#[tokio::test]
async fn echo_of_an_upload() {
    let (_running, address) = start(echo::application).await;
    let answer = ask(address, "POST /", "what I said").await;
    assert!(answer.contains("content-length: 11\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nwhat I said"), "{answer}");
    let answer = ask(address, "GET /", "").await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: POST, PUT"), "{answer}");
}

#[tokio::test]
async fn a_blocking_application() {
    let (_running, address) = start(rwgi::Blocking::new(blocking::count)).await;
    let answer = ask(address, "POST /", "to be or\nnot to be").await;
    for line in ["2 be\n", "1 not\n", "2 to\n"] {
        assert!(answer.contains(line), "{answer}");
    }
}

#[tokio::test]
async fn early_departure() {
    let application = departure::Presence::default();
    let mut board = application.board.subscribe();
    let (running, address) = start(application).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n").await.unwrap();
    within(board.wait_for(|board| board.present == 1)).await.unwrap();
    // A reset, as a browser sends that is closed.
    stream.set_zero_linger().unwrap();
    drop(stream);
    within(board.wait_for(|board| board.present == 0)).await.unwrap();
    within(board.wait_for(|board| board.ended == [OutcomeKind::Cancelled])).await.unwrap();

    assert!(ask(address, "GET /order", "").await.ends_with("\r\n\r\ndone\n"));
    assert_eq!(board.borrow().carried_out, 1);

    // Who is still there when the server stops is told, and hears the end.
    let present = tokio::spawn(async move { ask(address, "GET /", "").await });
    within(board.wait_for(|board| board.present == 1)).await.unwrap();
    within(running.stop()).await.unwrap();
    let answer = within(present).await.unwrap();
    assert!(answer.ends_with("\r\nclosed for today\n\r\n0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn errors_and_what_a_client_sees_of_them() {
    let (_running, address) = start(errors::application).await;
    for (target, status, content) in [
        ("/nowhere", 404, ""),
        ("/broken", 500, ""),
        ("/parse?21", 200, "42\n"),
        ("/parse?x", 422, "Give me a number"),
        ("/parse?9223372036854775807", 400, ""),
        ("/replace", 503, "No report today."),
    ] {
        let answer = ask(address, &format!("GET {target}"), "").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
        assert!(answer.contains(content), "{target}: {answer}");
        assert!(!answer.contains("/there/is") && !answer.contains("x-page"), "{target}: {answer}");
    }
    let answer = ask(address, "GET /late", "").await;
    assert!(answer.contains("The first half.\n"), "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "the client takes it for whole: {answer}");
}

#[tokio::test]
async fn a_guest_book() {
    let (_running, address) = start(guestbook::GuestBook::default()).await;
    let answer = ask(address, "POST /", "line=Ann was here").await;
    assert!(answer.starts_with("HTTP/1.1 303 ") && answer.contains("location: /\r\n"), "{answer}");
    assert!(ask(address, "GET /", "").await.contains("<li>Ann was here\n"));
    for (request, content, status) in
        [("POST /", "no field", 400), ("DELETE /", "", 405), ("GET /other", "", 404)]
    {
        let answer = ask(address, request, content).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn state_and_lifespan() {
    let counter = Arc::new(lifespan::Counter::at("store.example"));
    let (running, address) = start(Arc::clone(&counter)).await;
    assert!(ask(address, "GET /", "").await.ends_with("You are visitor 1.\n"));
    assert!(ask(address, "GET /", "").await.ends_with("You are visitor 2.\n"));
    assert_eq!(counter.closed(), 0);
    running.stop().await.unwrap();
    assert_eq!(counter.closed(), 1);

    let homeless = Server::new(lifespan::Counter::at("")).bind("127.0.0.1:0").start().await;
    assert!(homeless.unwrap_err().to_string().contains("no address of the store"));
}

#[tokio::test]
async fn a_part_of_a_program_that_goes_on() {
    let visits = embedded::Visits::default();
    let running = embedded::start(visits.clone(), "127.0.0.1:0").await.unwrap();
    let address = running.address().unwrap();
    for _ in 0..3 {
        assert!(ask(address, "GET /", "").await.ends_with("\r\n\r\nNoted.\n"));
    }
    within(visits.wait_for(3)).await;
    running.stop().await.unwrap();
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn a_websocket_that_echoes() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;

    let (running, address) = start(websocket::application).await;
    assert!(ask(address, "GET /", "").await.contains("new WebSocket"));
    let url = format!("ws://{address}/");
    let (mut socket, _) = within(tokio_tungstenite::connect_async(url)).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::text("hello"));
    socket.send(Message::text("bye")).await.unwrap();
    assert!(within(socket.next()).await.unwrap().unwrap().is_close());
    drop(socket);
    running.stop().await.unwrap();
}
