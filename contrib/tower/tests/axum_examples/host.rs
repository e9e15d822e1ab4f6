//! The two hosts of a router, and a client on a plain socket.
//!
//! Rules of this room: ports are the system's choice; a wait has a guard that only a hanging test meets.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use rwgi_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server that runs.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Host {
    pub(crate) async fn rwgi(router: Router) -> Self {
        let server = Server::new(rwgi_tower::from_router(router)).bind("127.0.0.1:0");
        let running = server.start().await.unwrap();
        let address = running.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(async move {
            let _ = stopped.await;
            running.stop().await.unwrap();
        });
        Self { address, stop, ended }
    }

    pub(crate) async fn axum(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        let ended = tokio::spawn(async move { serving.into_future().await.unwrap() });
        Self { address, stop, ended }
    }

    /// Tells the server to stop; what is given waits until it has.
    pub(crate) fn stop(self) -> impl Future<Output = ()> {
        let _ = self.stop.send(());
        async { within("the server to stop", self.ended).await.unwrap() }
    }

    pub(crate) async fn get(&self, target: &str) -> String {
        self.get_with(target, "").await
    }

    pub(crate) async fn get_with(&self, target: &str, fields: &str) -> String {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
        self.ask(head.as_bytes()).await
    }

    pub(crate) async fn post(&self, target: &str, kind: &str, content: &[u8]) -> String {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        self.ask(&[head.as_bytes(), content].concat()).await
    }

    async fn ask(&self, request: &[u8]) -> String {
        let mut client = Client::connect(self.address).await;
        client.stream.write_all(request).await.unwrap();
        client.read_to_end().await
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// All that came up to and with this text, comparable.
    pub(crate) async fn read_past(&mut self, text: &str) -> String {
        loop {
            let found = self.read.windows(text.len()).position(|part| part == text.as_bytes());
            if let Some(at) = found {
                let rest = self.read.split_off(at + text.len());
                return comparable(&std::mem::replace(&mut self.read, rest));
            }
            let more = within(text, self.stream.read_buf(&mut self.read)).await.unwrap();
            assert!(more > 0, "ended before {text:?}: {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    /// All that comes until the server closes, comparable.
    pub(crate) async fn read_to_end(&mut self) -> String {
        within("the end", self.stream.read_to_end(&mut self.read)).await.unwrap();
        comparable(&std::mem::take(&mut self.read))
    }
}

/// Without the date, and with the fields in the order of their names, which is each server's own.
fn comparable(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets).into_owned();
    let Some((head, content)) = text.split_once("\r\n\r\n") else { return text };
    if !head.starts_with("HTTP/") {
        return text;
    }
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    lines[1..].sort_unstable();
    lines.retain(|line| !line.starts_with("date: "));
    format!("{}\r\n\r\n{content}", lines.join("\r\n"))
}

/// Waits for what has to come.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(40), future).await {
        Ok(output) => output,
        Err(_) => panic!("waited in vain for {what}"),
    }
}
