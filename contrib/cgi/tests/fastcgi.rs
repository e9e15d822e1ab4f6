//! A FastCGI responder, asked by a web server that is this test: what nginx never does.
//!
//! Rules of this test: records are written and read octet by octet; a wait is for a record or for the end; nothing sleeps.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use http::StatusCode;
use rwgi::{Application, Environ, Error, Finished, StartResponse};
use rwgi_cgi::fastcgi::{FastCgi, Listener, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};

const BEGIN: u8 = 1;
const ABORT: u8 = 2;
const END: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const GET_VALUES: u8 = 9;
const GET_VALUES_RESULT: u8 = 10;
const UNKNOWN: u8 = 11;

struct WebServer {
    stream: TcpStream,
}

async fn serve<A: Application>(application: A) -> Running<A> {
    FastCgi::new(application).start(Listener::bind("127.0.0.1:0").unwrap()).await.unwrap()
}

impl WebServer {
    async fn connect<A: Application>(running: &Running<A>) -> Self {
        let address = running.endpoint().socket_addr().unwrap();
        Self { stream: TcpStream::connect(address).await.unwrap() }
    }

    async fn send(&mut self, kind: u8, request: u16, content: &[u8]) {
        let mut record = vec![1, kind];
        record.extend(request.to_be_bytes());
        record.extend((content.len() as u16).to_be_bytes());
        // Padding, which is to be skipped.
        record.extend([3, 0]);
        record.extend(content);
        record.extend([0; 3]);
        self.stream.write_all(&record).await.unwrap();
    }

    async fn begin(&mut self, request: u16, keep: bool, params: &[(&str, &str)]) {
        self.send(BEGIN, request, &[0, 1, u8::from(keep), 0, 0, 0, 0, 0]).await;
        self.send(PARAMS, request, &pairs(params)).await;
        self.send(PARAMS, request, &[]).await;
    }

    async fn get(&mut self, request: u16, target: &str) {
        self.begin(request, true, &[("REQUEST_METHOD", "GET"), ("REQUEST_URI", target)]).await;
        self.send(STDIN, request, &[]).await;
    }

    /// The next record; `None` at the end of the connection, and for what is no record.
    async fn record(&mut self) -> Option<(u8, u16, Vec<u8>)> {
        let read = async {
            let mut header = [0; 8];
            self.stream.read_exact(&mut header).await.ok()?;
            if header[0] != 1 {
                return None;
            }
            let length = u16::from_be_bytes([header[4], header[5]]);
            let mut content = vec![0; usize::from(length) + usize::from(header[6])];
            self.stream.read_exact(&mut content).await.ok()?;
            content.truncate(usize::from(length));
            Some((header[1], u16::from_be_bytes([header[2], header[3]]), content))
        };
        tokio::time::timeout(Duration::from_secs(30), read).await.unwrap()
    }

    /// The whole answer to one request, when it is the only one; with its end.
    async fn answer(&mut self, request: u16) -> (String, Vec<u8>) {
        let mut answer = Vec::new();
        loop {
            let (kind, id, content) = self.record().await.unwrap();
            assert_eq!(id, request);
            match kind {
                STDOUT => answer.extend(content),
                END => return (String::from_utf8(answer).unwrap(), content),
                other => panic!("a record of type {other}"),
            }
        }
    }

    /// Sends what the sockets hold; gives how much that was once nothing more is taken, however often it is tried.
    async fn send_until_refused(&self, records: &[u8]) -> usize {
        let (mut sent, mut refused) = (0, 0);
        while refused < 1000 && sent < records.len() {
            match self.stream.try_write(&records[sent..]) {
                Ok(taken) => (sent, refused) = (sent + taken, 0),
                Err(_) => {
                    refused += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
        sent
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<u8> {
    let mut octets = Vec::new();
    for (name, value) in list {
        for part in [name, value] {
            // The long form, which short ones may have, too.
            octets.extend((part.len() as u32 | 1 << 31).to_be_bytes());
        }
        octets.extend(name.bytes().chain(value.bytes()));
    }
    octets
}

async fn tell(mut environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let content = environ.input_mut().read_to_string(1000).await?;
    start.respond(StatusCode::OK, (), format!("{} {content}", environ.path()))
}

#[tokio::test]
async fn one_connection_serves_request_after_request() {
    let running = serve(tell).await;
    let mut server = WebServer::connect(&running).await;
    for request in [1, 1, 7] {
        let params = [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/a"), ("CONTENT_LENGTH", "5")];
        server.begin(request, true, &params).await;
        server.send(STDIN, request, b"hel").await;
        server.send(STDIN, request, b"lo").await;
        server.send(STDIN, request, b"").await;
        let (answer, end) = server.answer(request).await;
        assert_eq!(answer, "Status: 200 OK\r\ncontent-length: 8\r\n\r\n/a hello");
        assert_eq!(end, [0; 8]);
    }
    server.begin(2, false, &[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/b")]).await;
    assert!(server.answer(2).await.0.ends_with("/b "));
    assert!(server.record().await.is_none(), "not kept");
    assert!(running.stop_within(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn requests_of_one_connection_do_not_wait_for_each_other() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let application = move |environ: Environ, start: StartResponse| {
        let gate = Arc::clone(&gate);
        async move {
            if environ.path() == "/slow" {
                gate.acquire().await.unwrap().forget();
            }
            start.respond(StatusCode::OK, (), environ.path().to_owned())
        }
    };
    let running = serve(application).await;
    let mut server = WebServer::connect(&running).await;
    server.get(1, "/slow").await;
    server.get(2, "/quick").await;
    assert!(server.answer(2).await.0.ends_with("/quick"));
    opened.add_permits(1);
    assert!(server.answer(1).await.0.ends_with("/slow"));
}

/// Tells when it is dropped.
struct Dropped(Arc<AtomicUsize>, Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        self.1.notify_one();
    }
}

#[tokio::test]
async fn a_request_that_is_taken_back_cancels_its_application() {
    let (drops, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, told) = (Arc::clone(&drops), Arc::clone(&dropped));
    let called = Arc::new(Notify::new());
    let calling = Arc::clone(&called);
    let application = move |environ: Environ, start: StartResponse| {
        let guard = Dropped(Arc::clone(&count), Arc::clone(&told));
        calling.notify_one();
        async move {
            let _guard = guard;
            if environ.path() == "/wait" {
                std::future::pending::<()>().await;
            }
            start.respond(StatusCode::OK, (), "here")
        }
    };
    let running = serve(application).await;
    let mut server = WebServer::connect(&running).await;
    server.get(1, "/wait").await;
    called.notified().await;
    server.send(ABORT, 1, &[]).await;
    assert_eq!(server.answer(1).await, (String::new(), vec![0; 8]));
    assert_eq!(drops.load(SeqCst), 1);
    dropped.notified().await;
    // The connection goes on.
    server.get(2, "/").await;
    assert!(server.answer(2).await.0.ends_with("here"));
    dropped.notified().await;
    // And its end takes back what is on it.
    server.get(3, "/wait").await;
    called.notified().await;
    drop(server);
    dropped.notified().await;
    assert_eq!(drops.load(SeqCst), 3);
}

#[tokio::test]
async fn a_response_that_is_cut_is_never_ended_and_its_neighbours_are() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let application = move |environ: Environ, start: StartResponse| {
        let gate = Arc::clone(&gate);
        async move {
            let mut body = start.start(StatusCode::OK, ())?;
            body.write("begun").await?;
            body.flush().await?;
            if environ.path() == "/cut" {
                return Err(Error::application("cut"));
            }
            gate.acquire().await.unwrap().forget();
            body.finish()
        }
    };
    let running = serve(application).await;
    let mut server = WebServer::connect(&running).await;
    server.get(1, "/whole").await;
    server.get(2, "/cut").await;
    let mut seen = Vec::new();
    // Two heads and two beginnings.
    while seen.len() < 4 {
        let (kind, id, _) = server.record().await.unwrap();
        seen.push((kind, id));
    }
    opened.add_permits(1);
    while let Some((kind, id, _)) = server.record().await {
        seen.push((kind, id));
    }
    assert!(seen.contains(&(END, 1)), "{seen:?}");
    assert!(!seen.contains(&(END, 2)), "{seen:?}");
}

#[tokio::test]
async fn questions_are_answered_and_what_is_not_known_is_said_to_be() {
    let running = serve(tell).await;
    let mut server = WebServer::connect(&running).await;
    server.send(GET_VALUES, 0, &pairs(&[("FCGI_MPXS_CONNS", ""), ("UNHEARD_OF", "")])).await;
    let (kind, id, content) = server.record().await.unwrap();
    assert_eq!((kind, id, &content[..]), (GET_VALUES_RESULT, 0, &b"\x0f\x01FCGI_MPXS_CONNS1"[..]));
    server.send(99, 0, &[]).await;
    let (kind, _, content) = server.record().await.unwrap();
    assert_eq!((kind, content[0]), (UNKNOWN, 99));
    // An authorizer.
    server.send(BEGIN, 1, &[0, 2, 1, 0, 0, 0, 0, 0]).await;
    let (kind, id, content) = server.record().await.unwrap();
    assert_eq!((kind, id, content[4]), (END, 1, 3));
    server.get(1, "/still").await;
    assert!(server.answer(1).await.0.ends_with("/still "));
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_what_is_no_fastcgi_closes() {
    let running = serve(tell).await;
    let mut server = WebServer::connect(&running).await;
    server.begin(1, true, &[("REQUEST_METHOD", "GET"), ("HTTP_HOST", "a b")]).await;
    assert!(server.answer(1).await.0.starts_with("Status: 400 Bad Request\r\n"));
    server.get(2, "/on").await;
    assert!(server.answer(2).await.0.ends_with("/on "));
    server.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(server.record().await.is_none());

    let mut server = WebServer::connect(&running).await;
    server.send(BEGIN, 1, &[0, 1, 1, 0, 0, 0, 0, 0]).await;
    for _ in 0..2 {
        server.send(PARAMS, 1, &[0; 60_000]).await;
    }
    assert!(server.record().await.is_none(), "parameters without an end");
}

#[tokio::test]
async fn content_that_nobody_reads_holds_the_web_server_back() {
    const WHOLE: usize = 64 * 1024 * 1024;
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let application = move |mut environ: Environ, start: StartResponse| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            environ.input_mut().set_limit(None);
            let mut length = 0;
            while let Some(chunk) = environ.input_mut().chunk().await? {
                length += chunk.len();
            }
            start.respond(StatusCode::OK, (), length.to_string())
        }
    };
    let running = serve(application).await;
    let mut server = WebServer::connect(&running).await;
    let length = WHOLE.to_string();
    let params = [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/"), ("CONTENT_LENGTH", &length)];
    server.begin(1, true, &params).await;
    let mut records = Vec::new();
    for _ in 0..WHOLE / (32 * 1024) {
        records.extend([1, STDIN, 0, 1, 0x80, 0, 0, 0]);
        records.resize(records.len() + 32 * 1024, 0);
    }
    records.extend([1, STDIN, 0, 1, 0, 0, 0, 0]);
    let sent = server.send_until_refused(&records).await;
    assert!(sent < records.len() / 2, "{sent} octets were taken and nobody read them");
    opened.add_permits(1);
    let (mut read, mut write) = server.stream.into_split();
    let rest = records.split_off(sent);
    tokio::spawn(async move { write.write_all(&rest).await });
    let mut answer = Vec::new();
    let answered = async {
        while !answer.windows(length.len()).any(|part| part == length.as_bytes()) {
            assert!(read.read_buf(&mut answer).await.unwrap() > 0);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), answered).await.unwrap();
}

#[tokio::test]
async fn answers_that_nobody_reads_hold_the_web_server_back() {
    let running = serve(tell).await;
    let server = WebServer::connect(&running).await;
    // Each is answered by itself, with twice the octets.
    let records = [1, 99, 0, 0, 0, 0, 0, 0].repeat(8 * 1024 * 1024);
    let sent = server.send_until_refused(&records).await;
    assert!(sent < records.len() / 2, "{sent} octets were taken and nobody read the answers");
}

/// Never comes to the end of its shutdown.
struct Hanging;

impl Application for Hanging {
    async fn call(&self, _: Environ, start: StartResponse) -> rwgi::Result<Finished> {
        start.respond(StatusCode::OK, (), "")
    }

    async fn shutdown(&self) {
        std::future::pending().await
    }
}

// Evidence: REQ-LIFE-16
#[tokio::test(start_paused = true)]
async fn a_shutdown_that_does_not_end_is_given_up_in_time() {
    let running = serve(Hanging).await;
    let stopped = running.stop_within(Duration::from_secs(10));
    let in_time = tokio::time::timeout(Duration::from_secs(3600), stopped).await;
    assert!(in_time.unwrap(), "there was no exchange to outlast its grace");
}

// Evidence: REQ-LIFE-14
#[tokio::test]
async fn an_application_is_told_that_the_responder_stops() {
    let running = serve(|environ: Environ, start: StartResponse| async move {
        let early = environ.stopping().is_stopping();
        let mut body = start.start(StatusCode::OK, ())?;
        body.write(format!("{early} ")).await?;
        body.flush().await?;
        environ.stopping().wait().await;
        body.write(environ.stopping().is_stopping().to_string()).await?;
        body.finish()
    })
    .await;
    let mut server = WebServer::connect(&running).await;
    server.get(1, "/").await;
    // It is under way once its first words are here.
    let mut first = Vec::new();
    while !first.ends_with(b"false ") {
        let (kind, _, content) = server.record().await.unwrap();
        assert_eq!(kind, STDOUT);
        first.extend(content);
    }
    let (in_time, answer) =
        tokio::join!(running.stop_within(Duration::from_secs(3600)), server.answer(1));
    assert!(in_time);
    assert_eq!(answer, ("true".to_owned(), vec![0; 8]));
}
