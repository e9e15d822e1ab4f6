//! Stopping and starting, within the process: what ends when, and who is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use rwgi::{Application, Environ, Finished, OutcomeKind, ServerInfo, StartResponse};
use rwgi_server::{Config, Running, Server};
use support::certificates::Directory;
use support::pipes::{pipes, pipes_of, serve_on_pipes};
use support::timed::Timed;
use support::{Client, Count, End, connect, counting, serve, serve_with, within};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// What happened, in order.
#[derive(Clone, Debug, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Notes what it lives through; `/wait` waits for the gate, `/stream` after its first piece.
#[derive(Clone, Debug)]
struct Living {
    diary: Diary,
    gate: Arc<Semaphore>,
    entered: Arc<Semaphore>,
    startup: fn() -> rwgi::Result<()>,
}

impl Living {
    fn new() -> Self {
        Self {
            diary: Diary::default(),
            gate: Arc::new(Semaphore::new(0)),
            entered: Arc::new(Semaphore::new(0)),
            startup: || Ok(()),
        }
    }

    async fn pass_gate(&self) {
        self.entered.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
    }

    /// Until an exchange has come to the gate.
    async fn at_gate(&self) {
        within("the application to wait", self.entered.acquire()).await.unwrap().forget();
    }
}

impl Application for Living {
    async fn call(&self, environ: Environ, mut start: StartResponse) -> rwgi::Result<Finished> {
        self.diary.note(environ.path_info());
        let diary = self.diary.clone();
        start.on_complete(move |outcome| diary.note(format!("{:?}", outcome.kind())));
        match environ.path_info() {
            "/wait" => {
                self.pass_gate().await;
                start.respond(StatusCode::OK, (), "waited")
            }
            "/stream" => {
                let mut body = start.start(StatusCode::OK, ())?;
                body.write("first").await?;
                body.flush().await?;
                self.pass_gate().await;
                body.write("second").await?;
                body.finish()
            }
            _ => start.respond(StatusCode::OK, (), "here"),
        }
    }

    async fn startup(&self, _: &ServerInfo) -> rwgi::Result<()> {
        self.diary.note("startup");
        (self.startup)()
    }

    async fn shutdown(&self) {
        self.diary.note("shutdown");
    }
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

// Evidence: REQ-LIFE-01, REQ-LIFE-06, REQ-LIFE-07, REQ-LIFE-09, REQ-LIFE-11, REQ-EXCH-10
#[tokio::test]
async fn exchanges_end_and_then_the_application() {
    let application = Living::new();
    let server = serve(application.clone()).await;
    let address = server.address().unwrap();
    let mut waiting = connect(&server).await;
    let mut streaming = connect(&server).await;
    // What is pipelined behind the last answer is not answered.
    waiting.send(request("/wait") + &request("/never")).await;
    application.at_gate().await;
    streaming.send(request("/stream")).await;
    application.at_gate().await;
    let stop = tokio::spawn(server.stop());
    // The door is closed as soon as nobody is let in.
    within("the listener to close", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!application.diary.read().contains(&"shutdown".to_owned()));
    application.gate.add_permits(2);
    let response = waiting.response().await;
    assert_eq!((response.text(), response.closes()), ("waited", true));
    let response = streaming.response().await;
    assert_eq!((response.text(), response.end), ("firstsecond", End::Framed));
    assert_eq!(waiting.ends().await, End::Closed);
    assert_eq!(streaming.ends().await, End::Closed);
    drop((waiting, streaming));
    within("the server to stop", stop).await.unwrap().unwrap();
    let diary = application.diary.read();
    assert_eq!(diary.first().unwrap(), "startup");
    assert_eq!(diary.last().unwrap(), "shutdown");
    assert_eq!(diary.iter().filter(|line| *line == "Completed").count(), 2);
    assert_eq!(diary.len(), 6, "{diary:?}");
}

// Evidence: REQ-LIFE-08
#[tokio::test(start_paused = true)]
async fn idle_connections_close_at_once() {
    let (dial, server) = serve_on_pipes(Living::new(), Config::default()).await;
    let mut silent = dial.connect();
    let mut idle = dial.connect();
    assert_eq!(idle.request(request("/")).await.status, 200);
    let start = Instant::now();
    let stop = tokio::spawn(server.stop());
    assert_eq!(silent.ends().await, End::Closed);
    assert_eq!(idle.ends().await, End::Closed);
    stop.await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// Its client could not know: the connection was taken before the server was told to stop.
#[tokio::test(start_paused = true)]
async fn a_first_request_that_comes_after_the_word_to_stop_is_answered() {
    let (dial, server) = serve_on_pipes(Living::new(), Config::default()).await;
    let mut fresh = dial.connect();
    let mut idle = dial.connect();
    assert_eq!(idle.request(request("/")).await.status, 200);
    let stop = tokio::spawn(server.stop());
    assert_eq!(idle.ends().await, End::Closed);
    let response = fresh.request(request("/")).await;
    assert_eq!((response.status, response.closes()), (200, true));
    assert_eq!(fresh.ends().await, End::Closed);
    stop.await.unwrap().unwrap();
}

/// Asks once more and has the server told to stop before it can have read that: nothing runs in between.
async fn ask_and_stop<S: AsyncRead + AsyncWrite + Unpin>(mut idle: Client<S>, server: Running) {
    idle.send(request("/late")).await;
    let asked = async {
        let response = idle.response().await;
        assert_eq!((response.status, response.closes()), (200, true));
        assert_eq!(idle.ends().await, End::Closed);
    };
    let (stopped, ()) = within("the server to stop", async {
        // The first is polled first.
        tokio::join!(biased; server.stop(), asked)
    })
    .await;
    stopped.unwrap();
}

// Evidence: REQ-LIFE-07, REQ-LIFE-09
#[tokio::test]
async fn a_request_that_had_arrived_when_the_drain_began_is_answered() {
    let application = Living::new();
    let (dial, server) = serve_on_pipes(application.clone(), Config::default()).await;
    let mut idle = dial.connect();
    assert!(!idle.request(request("/")).await.closes());
    ask_and_stop(idle, server).await;
    assert!(application.diary.read().contains(&"/late".to_owned()));
}

/// The kernel has the octets, and the runtime has not heard of them.
#[tokio::test]
async fn a_request_of_which_the_runtime_has_not_heard_when_the_drain_begins_is_answered() {
    for rests in [false, true] {
        let (sender, sockets) = pipes_of();
        let server = Server::new(Living::new()).start_on([sockets]).await.unwrap();
        let (socket, client) = Timed::pair();
        assert!(sender.send(socket).is_ok());
        let mut idle = Client::new(client);
        assert!(!idle.request(request("/")).await.closes());
        if rests {
            // Beyond the second after which a connection gives back all but its transport: the clock goes on by itself, and the
            // connection has its turn.
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(2)).await;
            tokio::time::resume();
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
        }
        ask_and_stop(idle, server).await;
    }
}

// Evidence: REQ-LIFE-10, REQ-LIFE-11, REQ-EXCH-12, REQ-ERR-10
#[tokio::test]
async fn what_outlasts_the_grace_is_aborted_visibly() {
    let application = Living::new();
    let config = Config { grace: Duration::ZERO, ..Config::default() };
    let server = serve_with(application.clone(), config).await;
    let mut clients: Vec<Client<TcpStream>> = Vec::new();
    for (path, version) in [("/wait", "1.1"), ("/stream", "1.1"), ("/stream", "1.0")] {
        let mut client = connect(&server).await;
        client.send(format!("GET {path} HTTP/{version}\r\nHost: a\r\n\r\n")).await;
        application.at_gate().await;
        clients.push(client);
    }
    let error = within("the server to stop", server.stop()).await.unwrap_err();
    assert!(error.to_string().contains("3 connection"), "{error}");
    for client in &mut clients {
        assert_eq!(client.rest().await.1, End::Reset);
    }
    let diary = application.diary.read();
    assert_eq!(diary.iter().filter(|line| *line == "Cancelled").count(), 3, "{diary:?}");
    assert_eq!(diary.last().unwrap(), "shutdown");
}

// Evidence: REQ-LIFE-10
#[tokio::test(start_paused = true)]
async fn the_grace_is_as_long_as_configured() {
    let application = Living::new();
    let config = Config { grace: Duration::from_secs(7), ..Config::default() };
    let (dial, server) = serve_on_pipes(application.clone(), config).await;
    let mut client = dial.connect();
    client.send(request("/wait")).await;
    application.at_gate().await;
    let start = Instant::now();
    server.stop().await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!(client.ends().await, End::Closed);
}

/// Never comes to the end of its shutdown.
struct Hanging(Diary);

impl Application for Hanging {
    async fn call(&self, _: Environ, start: StartResponse) -> rwgi::Result<Finished> {
        start.respond(StatusCode::OK, (), "")
    }

    async fn shutdown(&self) {
        self.0.note("shutdown");
        std::future::pending().await
    }
}

// Evidence: REQ-LIFE-16
#[tokio::test(start_paused = true)]
async fn a_shutdown_that_does_not_end_is_given_up_in_time() {
    let diary = Diary::default();
    let config = Config { shutdown_timeout: Some(Duration::from_secs(7)), ..Config::default() };
    let (_dial, server) = serve_on_pipes(Hanging(diary.clone()), config).await;
    let start = Instant::now();
    // All exchanges ended in time, and that is what its result is about (REQ-LIFE-13).
    within("the server to stop", server.stop()).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!(diary.read(), ["shutdown"]);
}

#[tokio::test]
async fn an_access_log_that_nobody_reads_does_not_keep_the_server() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unread.log");
    let _ = std::fs::remove_file(&path);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // For both, so that neither end waits for the other (fifo(7)).
    let unread = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let config = Config { access_log: Some(path), ..Config::default() };
    let server = serve_with(Living::new(), config).await;
    let mut client = connect(&server).await;
    // More than the 64 KiB that a pipe holds.
    for _ in 0..16 {
        client.request(request(&format!("/{}", "a".repeat(10_000)))).await;
    }
    drop(client);
    within("the server to stop", server.stop()).await.unwrap();
    drop(unread);
}

// Evidence: REQ-LIFE-02, REQ-LIFE-03, REQ-LIFE-04, REQ-LIFE-12
#[tokio::test]
async fn a_failed_startup_stops_before_anything_is_accepted() {
    let failures: [fn() -> rwgi::Result<()>; 2] =
        [|| Err(rwgi::Error::application("no database")), || panic!("no database")];
    for startup in failures {
        let application = Living { startup, ..Living::new() };
        let (dial, listener) = pipes();
        let mut client = dial.connect();
        client.send(request("/")).await;
        let server = Server::new(application.clone());
        let error = server.start_on([listener]).await.unwrap_err();
        assert!(error.to_string().contains("startup"), "{error}");
        assert!(error.to_string().contains("no database"), "{error}");
        assert_eq!(client.ends().await, End::Closed);
        assert_eq!(application.diary.read(), ["startup"]);
    }
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_admin_listener_behind() {
    let folder = Directory::new();
    let socket = folder.file("admin.sock");
    let admin = Some(format!("unix:{}", socket.display()));
    let application =
        Living { startup: || Err(rwgi::Error::application("no database")), ..Living::new() };
    let config = Config { admin, ..Config::default() };
    let server = Server::new(application).bind("127.0.0.1:0").config(config.clone());
    server.start().await.unwrap_err();
    assert!(!socket.exists(), "somebody answers there still");
    let server = Server::new(Living::new()).bind("127.0.0.1:0").config(config);
    server.start().await.unwrap().stop().await.unwrap();
}

// Evidence: REQ-LIFE-02, REQ-LIFE-05
#[tokio::test]
async fn one_application_on_many_addresses() {
    let application = Living::new();
    let server = Server::new(application.clone()).bind("127.0.0.1:0").bind("127.0.0.1:0");
    let server = server.start().await.unwrap();
    let addresses: Vec<_> =
        server.endpoints().iter().filter_map(rwgi::Endpoint::socket_addr).collect();
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        assert_ne!(address.port(), 0);
        assert_eq!(Client::connect(address).await.request(request("/")).await.text(), "here");
    }
    server.stop().await.unwrap();
    let diary = application.diary.read();
    assert_eq!(diary.iter().filter(|line| *line == "startup").count(), 1);
    assert_eq!(diary.iter().filter(|line| *line == "shutdown").count(), 1);
}

#[tokio::test]
async fn no_more_connections_than_configured_are_served_at_once() {
    let count = Count::default();
    let config = Config { connections: 2, ..Config::default() };
    let server = serve_with(counting(&count), config).await;
    let mut first = connect(&server).await;
    let mut second = connect(&server).await;
    assert_eq!(first.get("/1").await.status, 200);
    assert_eq!(second.get("/2").await.status, 200);
    // In the kernel's queue; served when a place is free.
    let mut third = connect(&server).await;
    third.send(request("/3")).await;
    assert_eq!(first.get("/1").await.status, 200);
    assert_eq!(count.get(), 3);
    drop(first);
    assert_eq!(third.response().await.text(), "/3");
    // A server with no free place stops all the same.
    let fourth = connect(&server).await;
    within("the server to stop", server.stop()).await.unwrap();
    drop(fourth);
}

#[test]
fn outcomes_have_names() {
    // The diary depends on them.
    assert_eq!(format!("{:?}", OutcomeKind::Cancelled), "Cancelled");
    assert_eq!(format!("{:?}", OutcomeKind::Completed), "Completed");
}

// Evidence: REQ-LIFE-08
#[tokio::test(start_paused = true)]
async fn a_server_that_announces_its_end_serves_on_meanwhile() {
    let config = Config { announce: Duration::from_secs(5), ..Config::default() };
    let (dial, server) = serve_on_pipes(Living::new(), config).await;
    let readiness = server.readiness();
    assert!(readiness.is_ready());
    let mut idle = dial.connect();
    assert_eq!(idle.request(request("/")).await.status, 200);
    let start = Instant::now();
    let stop = tokio::spawn(server.stop());
    within("the announcement", async {
        while readiness.is_ready() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Who is there, and who comes, is served as ever.
    assert!(!idle.request(request("/")).await.closes());
    let mut late = dial.connect();
    assert!(!late.request(request("/")).await.closes());
    assert_eq!(start.elapsed().as_secs(), 0);
    // Then the doors close, and who is idle goes at once.
    assert_eq!(idle.ends().await, End::Closed);
    assert_eq!(late.ends().await, End::Closed);
    assert_eq!(start.elapsed().as_secs(), 5);
    stop.await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_secs(), 5);
}
