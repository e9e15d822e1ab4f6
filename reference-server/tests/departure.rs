//! The client leaves: by a reset, which drops the application's future, or by an end of sending, which does not.
//!
//! A reset is noticed within 100 ms. The tests wait for the event; the time that it took is looked at where it is the promise.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use rwgi::{Application, Blocking, BlockingStartResponse, Environ, OutcomeKind, StartResponse};
use support::{Client, Count, End, connect, serve, within};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

/// What an exchange tells of itself.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// It waits where the test wants it.
    Waits,
    /// Its future was dropped, or returned.
    Gone,
    Outcome(OutcomeKind),
}

type Tell = mpsc::UnboundedSender<Told>;

/// Tells of the drop of the future that owns it.
struct Guard(Tell);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(Told::Gone);
    }
}

/// An application whose exchanges wait for ever, in different places.
fn waiting() -> (impl Application, mpsc::UnboundedReceiver<Told>) {
    let (tell, told) = mpsc::unbounded_channel();
    let application = move |mut environ: Environ, mut start: StartResponse| {
        let tell: Tell = tell.clone();
        async move {
            if environ.path_info() == "/here" {
                return start.respond(StatusCode::OK, (), "here");
            }
            let _guard = Guard(tell.clone());
            let outcome = tell.clone();
            start.on_complete(move |end| drop(outcome.send(Told::Outcome(end.kind()))));
            let waits = || drop(tell.send(Told::Waits));
            match environ.path_info() {
                "/upload" => {
                    environ.input_mut().set_limit(None);
                    environ.input_mut().chunk().await?;
                    waits();
                    while environ.input_mut().chunk().await?.is_some() {}
                }
                "/stream" => {
                    let mut body = start.start(StatusCode::OK, ())?;
                    body.write("first").await?;
                    body.flush().await?;
                    waits();
                    std::future::pending::<()>().await;
                    return body.finish();
                }
                "/flood" => {
                    let mut body = start.start(StatusCode::OK, ())?;
                    waits();
                    loop {
                        body.write(vec![b'x'; 64 * 1024]).await?;
                    }
                }
                _ => waits(),
            }
            std::future::pending().await
        }
    };
    (application, told)
}

async fn next(told: &mut mpsc::UnboundedReceiver<Told>) -> Told {
    within("word from the exchange", told.recv()).await.unwrap()
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

// Evidence: REQ-EXCH-08, REQ-EXCH-10, REQ-EXCH-12, REQ-CAP-07
#[tokio::test]
async fn a_reset_drops_the_application_within_its_promise() {
    let (application, mut told) = waiting();
    let server = serve(application).await;
    let post = |length: usize| {
        format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
    };
    let conversations = [
        ("while it works", request("/wait")),
        ("with requests behind it", request("/wait") + &request("/here").repeat(100)),
        ("with content that nobody reads", post(10).replace("upload", "wait") + "12345"),
        ("in the middle of an upload", post(1000) + "12345"),
        ("while it streams", request("/stream")),
        ("while it floods", request("/flood")),
    ];
    let mut slowest = Duration::ZERO;
    for (when, octets) in conversations {
        for finishes in [false, true] {
            if finishes && when.contains("upload") {
                // The end of sending is itself an error there.
                continue;
            }
            let mut client = connect(&server).await;
            client.narrow();
            client.send(&octets).await;
            assert_eq!(next(&mut told).await, Told::Waits, "{when}");
            if finishes {
                client.finish_sending().await;
                // A round trip on another connection: the server has had its chance to see the end.
                assert_eq!(connect(&server).await.get("/here").await.status, 200);
                assert!(told.is_empty(), "{when}: an end of sending is no departure");
            }
            let start = Instant::now();
            client.reset();
            assert_eq!(next(&mut told).await, Told::Gone, "{when}");
            slowest = slowest.max(start.elapsed());
            assert_eq!(next(&mut told).await, Told::Outcome(OutcomeKind::Cancelled), "{when}");
        }
    }
    println!("the slowest departure was noticed after {slowest:?}");
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
    assert!(told.is_empty(), "each exchange is told of once");
    server.stop().await.unwrap();
}

// Evidence: REQ-EXCH-09
#[tokio::test]
async fn an_end_of_sending_drops_nothing() {
    let gate = Arc::new(Semaphore::new(0));
    let (sender, mut entered) = mpsc::unbounded_channel();
    let application = {
        let gate = Arc::clone(&gate);
        move |_: Environ, start: StartResponse| {
            let (gate, sender) = (Arc::clone(&gate), sender.clone());
            async move {
                sender.send(()).unwrap();
                gate.acquire().await.unwrap().forget();
                start.respond(StatusCode::OK, (), "late")
            }
        }
    };
    let server = serve(application).await;
    let mut client = connect(&server).await;
    client.send(request("/")).await;
    within("the call", entered.recv()).await.unwrap();
    client.finish_sending().await;
    gate.add_permits(1);
    assert_eq!(client.response().await.text(), "late");
    assert_eq!(client.ends().await, End::Closed);
}

// Evidence: REQ-ERR-05, REQ-ERR-08, REQ-ERR-13, REQ-EXCH-02
#[tokio::test]
async fn a_panic_harms_nobody_else() {
    let (application, mut told) = waiting();
    let application = Arc::new(application);
    let server = serve(move |environ: Environ, start: StartResponse| {
        let application = Arc::clone(&application);
        async move {
            match environ.path_info() {
                "/panic" => panic!("before"),
                "/panic-late" => {
                    let mut body = start.start(StatusCode::OK, ())?;
                    body.write("late").await?;
                    body.flush().await?;
                    panic!("after")
                }
                _ => application.call(environ, start).await,
            }
        }
    })
    .await;
    let mut neighbour = connect(&server).await;
    neighbour.send(request("/stream")).await;
    assert_eq!(next(&mut told).await, Told::Waits);
    let mut client = connect(&server).await;
    client.send(request("/here") + &request("/panic") + &request("/here")).await;
    let answers = [client.response().await, client.response().await, client.response().await];
    assert_eq!(answers.map(|answer| answer.status), [200, 500, 200]);
    client.send(request("/here") + &request("/panic-late") + &request("/here")).await;
    assert_eq!(client.response().await.text(), "here");
    let broken = client.response().await;
    assert_eq!(broken.text(), "late");
    assert_ne!(broken.end, End::Framed);
    assert_eq!(connect(&server).await.get("/here").await.text(), "here");
    assert!(told.is_empty(), "the neighbour goes on");
    neighbour.reset();
    assert_eq!(next(&mut told).await, Told::Gone);
}

// Evidence: REQ-EXCH-08
#[tokio::test]
async fn a_blocking_application_learns_of_it_at_its_next_write() {
    let (sender, mut failed) = mpsc::unbounded_channel();
    let (waits, mut waiting) = mpsc::unbounded_channel();
    let server = serve(Blocking::new(move |_: Environ, start: BlockingStartResponse| {
        let mut body = start.start(StatusCode::OK, [("content-type", "text/plain")])?;
        body.write_all(b"first")?;
        body.flush()?;
        waits.send(()).unwrap();
        let error: std::io::Error = loop {
            if let Err(error) = body.write_all(&[b'x'; 64 * 1024]) {
                break error;
            }
        };
        sender.send(error.to_string()).unwrap();
        Err(error.into())
    }))
    .await;
    let mut client = connect(&server).await;
    client.narrow();
    client.send(request("/")).await;
    within("the call", waiting.recv()).await.unwrap();
    client.reset();
    let error = within("the failing write", failed.recv()).await.unwrap();
    assert!(!error.is_empty());
    server.stop().await.unwrap();
}

// Evidence: REQ-EXCH-08
#[tokio::test]
async fn a_thousand_departures_leave_nothing_behind() {
    let (application, mut told) = waiting();
    let server = serve(application).await;
    let count = Count::default();
    for _ in 0..20 {
        let mut clients: Vec<Client<_>> = Vec::new();
        for _ in 0..50 {
            let mut client = connect(&server).await;
            client.send(request("/wait")).await;
            clients.push(client);
        }
        for _ in 0..50 {
            assert_eq!(next(&mut told).await, Told::Waits);
        }
        clients.into_iter().for_each(Client::reset);
        for _ in 0..100 {
            match next(&mut told).await {
                Told::Gone => drop(count.add()),
                Told::Outcome(kind) => assert_eq!(kind, OutcomeKind::Cancelled),
                Told::Waits => panic!("nothing new was asked"),
            }
        }
    }
    assert_eq!(count.get(), 1000);
    // Nothing is left that could outlast the grace.
    server.stop().await.unwrap();
}
