//! dwebsocket's vocabulary and the gates, on the real server and by an independent client.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::sync::mpsc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use rwgi::{
    Application, Blocking, BlockingStartResponse, CloseCode, Environ, Finished, Message,
    StartResponse,
};
use rwgi_middleware::{BlockingWebSocket, IsWebSocket, OriginValidator, WebSocketGate};
use rwgi_server::{Running, Server};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message as Theirs};

async fn serve(application: impl Application) -> Running {
    Server::new(application).bind("127.0.0.1:0").start().await.unwrap()
}

async fn open(
    server: &Running,
    fields: &[(&'static str, &str)],
) -> Result<
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
    u16,
> {
    let mut request = format!("ws://{}/", server.address().unwrap()).into_client_request().unwrap();
    for (name, value) in fields {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_view_of_dwebsocket_reads_as_it_did() {
    let (noted, notes) = mpsc::channel();
    let view = move |environ: Environ, start: BlockingStartResponse| -> rwgi::Result<Finished> {
        assert!(environ.is_websocket());
        let websocket = BlockingWebSocket::accept_subprotocol(&environ, start, &["chat"])?;
        assert_eq!(websocket.read(Message::from("nothing")), Some(Message::from("nothing")));
        assert_eq!(websocket.wait(Duration::from_millis(1)), None);
        assert!(!websocket.is_closed() && !websocket.has_messages());
        websocket.send("ready")?;
        let first = websocket.wait(Duration::MAX).unwrap();
        websocket.send(first)?;
        let mut rest = Vec::new();
        for message in &websocket {
            rest.push(message.as_text().unwrap().to_owned());
            websocket.send(message)?;
            if rest.len() == 2 {
                break;
            }
        }
        noted.send(rest).unwrap();
        // The client closes; the iteration ends, and nothing comes after it.
        assert_eq!(websocket.messages().count(), 0);
        assert!(websocket.is_closed() && websocket.send("late").is_err());
        assert_eq!(websocket.read(None), None);
        noted.send(vec![websocket.closed().unwrap().code.to_string()]).unwrap();
        Ok(websocket.finish())
    };
    let server = serve(Blocking::new(view)).await;
    let mut socket = open(&server, &[("sec-websocket-protocol", "other, chat")]).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Theirs::text("ready"));
    for text in ["one", "two", "three"] {
        socket.send(Theirs::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Theirs::text(text));
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    server.stop().await.unwrap();
    assert_eq!(
        notes.try_iter().collect::<Vec<_>>(),
        [vec!["two".to_owned(), "three".to_owned()], vec!["1005".to_owned()]]
    );
}

#[tokio::test]
async fn messages_are_counted_and_the_close_has_its_code() {
    let view = |_: Environ, start: BlockingStartResponse| -> rwgi::Result<Finished> {
        let websocket = BlockingWebSocket::accept(start, ())?;
        // The third says that the others are here.
        let first = websocket.wait(None);
        while websocket.count_messages() < 2 {
            std::thread::yield_now();
        }
        assert!(first.is_some() && websocket.has_messages());
        assert!(websocket.read(None).is_some());
        assert_eq!(websocket.count_messages(), 1);
        websocket.close(CloseCode::new(4321).unwrap(), "counted")
    };
    let server = serve(Blocking::new(view)).await;
    let mut socket = open(&server, &[]).await.unwrap();
    for text in ["a", "b", "c"] {
        socket.send(Theirs::text(text)).await.unwrap();
    }
    let Some(Ok(Theirs::Close(Some(close)))) = socket.next().await else { panic!("no close") };
    assert_eq!((u16::from(close.code), &*close.reason), (4321, "counted"));
    while let Some(Ok(_)) = socket.next().await {}
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_thread_that_waits_holds_up_no_other() {
    let view = |_: Environ, start: BlockingStartResponse| -> rwgi::Result<Finished> {
        let websocket = BlockingWebSocket::accept(start, ())?;
        let both = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                both.wait();
                websocket.wait(None)
            });
            both.wait();
            for _ in 0..10_000 {
                // Nearly all of these come while the other thread waits: nothing is there for this one.
                std::thread::yield_now();
                assert_eq!(websocket.read(None), None);
                assert_eq!(websocket.count_messages(), 0);
            }
            websocket.send("go on")?;
            assert_eq!(waits.join().unwrap(), Some(Message::from("here")));
            Ok::<_, rwgi::Error>(())
        })?;
        Ok(websocket.finish())
    };
    let server = serve(Blocking::new(view)).await;
    let mut socket = open(&server, &[]).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(60), socket.next()).await;
    assert_eq!(
        told.expect("it reads while another waits").unwrap().unwrap(),
        Theirs::text("go on")
    );
    socket.send(Theirs::text("here")).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    server.stop().await.unwrap();
}

async fn both(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    if environ.websocket().is_none() {
        return start.respond(StatusCode::OK, (), "a page");
    }
    Ok(start.accept(())?.finish())
}

/// What a plain request, a WebSocket, one of version 8 and one without a key get.
async fn answers(application: impl Application) -> [u16; 4] {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = serve(application).await;
    let websocket = open(&server, &[]).await.map_or_else(|status| status, |_| 101);
    let mut got = [0, websocket, 0, 0];
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (at, fields) in [
        (0, String::new()),
        (2, format!("{upgrade}{key}Sec-WebSocket-Version: 8\r\n")),
        (3, format!("{upgrade}Sec-WebSocket-Version: 13\r\n")),
    ] {
        let mut stream = tokio::net::TcpStream::connect(server.address().unwrap()).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        got[at] = response[9..12].parse().unwrap();
        let response = response.to_ascii_lowercase();
        assert_eq!(response.contains("\r\nupgrade: websocket\r\n"), got[at] == 426, "{response}");
    }
    got
}

#[tokio::test]
async fn the_gates_let_pass_what_they_say() {
    assert_eq!(answers(WebSocketGate::accept(both)).await, [200, 101, 426, 400]);
    assert_eq!(answers(WebSocketGate::require(both)).await, [426, 101, 426, 400]);
    assert_eq!(answers(WebSocketGate::require(both).compatible()).await, [400, 101, 426, 400]);
    assert_eq!(answers(WebSocketGate::plain(both, false)).await, [200, 400, 400, 400]);
    assert_eq!(answers(WebSocketGate::plain(both, true)).await, [200, 101, 426, 400]);
}

#[tokio::test]
async fn a_websocket_of_another_origin_is_refused() {
    let server = serve(OriginValidator::new(both, ["https://example.com"]).unwrap()).await;
    assert!(open(&server, &[("origin", "https://example.com:443")]).await.is_ok());
    assert_eq!(open(&server, &[("origin", "https://evil.org")]).await.err(), Some(403));
    assert_eq!(open(&server, &[]).await.err(), Some(403));
}
