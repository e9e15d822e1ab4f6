//! Streaming on real sockets: pieces arrive one by one, and a client that does not read makes the application wait.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use http::StatusCode;
use rwgi::{Blocking, BlockingInput, BlockingStartResponse, Environ, Finished, StartResponse};
use support::{Client, Count, connect, serve, within};
use tokio::sync::Semaphore;

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

// Evidence: REQ-BODY-01, REQ-BODY-02
#[tokio::test]
async fn a_piece_arrives_before_the_next_is_made() {
    let gate = Arc::new(Semaphore::new(0));
    let made = Count::default();
    let server = {
        let (gate, made) = (Arc::clone(&gate), made.clone());
        serve(move |_: Environ, start: StartResponse| {
            let (gate, made) = (Arc::clone(&gate), made.clone());
            async move {
                let mut body = start.start(StatusCode::OK, ())?;
                for piece in ["one", "two", "three"] {
                    gate.acquire().await.unwrap().forget();
                    made.add();
                    body.write(piece).await?;
                }
                body.finish()
            }
        })
        .await
    };
    let mut client = connect(&server).await;
    client.send(request("/")).await;
    for (number, piece) in ["one", "two", "three"].into_iter().enumerate() {
        gate.add_permits(1);
        if number == 0 {
            client.head().await.unwrap();
        }
        assert_eq!(client.chunk().await.unwrap(), piece.as_bytes());
        assert_eq!(made.get(), number + 1);
    }
    assert_eq!(client.chunk().await.unwrap(), b"");
}

// Evidence: REQ-BODY-06
#[tokio::test]
async fn a_flush_sends_the_head_alone() {
    let gate = Arc::new(Semaphore::new(0));
    let server = {
        let gate = Arc::clone(&gate);
        serve(move |_: Environ, start: StartResponse| {
            let gate = Arc::clone(&gate);
            async move {
                let mut body = start.start(StatusCode::OK, [("x-early", "yes")])?;
                body.flush().await?;
                gate.acquire().await.unwrap().forget();
                body.write("late").await?;
                body.finish()
            }
        })
        .await
    };
    let mut client = connect(&server).await;
    client.send(request("/")).await;
    assert!(client.head().await.unwrap().contains("x-early: yes"));
    gate.add_permits(1);
    assert_eq!(client.chunk().await.unwrap(), b"late");
}

const PIECE: usize = 16 * 1024;

/// The bytes that the server took from an application.
type Taken = Arc<AtomicUsize>;

/// Writes without end.
async fn endless(taken: Taken, start: StartResponse) -> rwgi::Result<Finished> {
    let mut body = start.start(StatusCode::OK, ())?;
    loop {
        body.write(vec![b'x'; PIECE]).await?;
        taken.fetch_add(PIECE, SeqCst);
    }
}

/// Waits until the number has been the same for many turns of everybody else.
async fn stands_still(taken: &Taken) -> usize {
    let mut last = 0;
    let mut turns = 0;
    while last == 0 || turns < 1000 {
        tokio::task::yield_now().await;
        let now = taken.load(SeqCst);
        turns = if now == last { turns + 1 } else { 0 };
        last = now;
    }
    last
}

/// What is in the buffers of the kernel and of the server while nobody reads, at most.
const MOST_BUFFERED: usize = 8 * 1024 * 1024;

// Evidence: REQ-BODY-03, REQ-BODY-04
#[tokio::test]
async fn a_client_that_does_not_read_makes_the_application_wait() {
    // Alone, and behind others on a pipelined connection with more behind it.
    for (before, after) in [(0, 0), (3, 100)] {
        let taken = Taken::default();
        let server = {
            let taken = Arc::clone(&taken);
            serve(move |environ: Environ, start: StartResponse| {
                let taken = Arc::clone(&taken);
                async move {
                    match environ.path_info() {
                        "/endless" => endless(taken, start).await,
                        _ => start.respond(StatusCode::OK, (), "here"),
                    }
                }
            })
            .await
        };
        let mut client = connect(&server).await;
        client.narrow();
        let others = |count| request("/").repeat(count);
        client.send(others(before) + &request("/endless") + &others(after)).await;
        let bytes = within("the application to be stuck", stands_still(&taken)).await;
        assert!(bytes < MOST_BUFFERED, "{bytes} bytes were taken for a client that reads nothing");
        // It goes on when the client does.
        for _ in 0..before {
            assert_eq!(client.response().await.text(), "here");
        }
        client.head().await.unwrap();
        let mut read = 0;
        while read < bytes + MOST_BUFFERED {
            read += client.chunk().await.unwrap().len();
        }
        assert!(taken.load(SeqCst) > bytes);
        client.reset();
        within("the server to stop", server.stop()).await.unwrap();
    }
}

// Evidence: REQ-INPUT-09, REQ-INPUT-10
#[tokio::test]
async fn an_application_that_does_not_read_makes_the_client_wait() {
    let gate = Arc::new(Semaphore::new(0));
    let server = {
        let gate = Arc::clone(&gate);
        serve(move |mut environ: Environ, start: StartResponse| {
            let gate = Arc::clone(&gate);
            async move {
                let input = environ.input_mut();
                input.set_limit(None);
                let first = input.chunk().await?.unwrap();
                gate.acquire().await.unwrap().forget();
                let mut length = first.len();
                while let Some(chunk) = input.chunk().await? {
                    length += chunk.len();
                }
                start.respond(StatusCode::OK, (), length.to_string())
            }
        })
        .await
    };
    const LENGTH: usize = 32 * 1024 * 1024;
    let mut client = connect(&server).await;
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n")).await;
    let piece = vec![b'x'; PIECE];
    let mut sent = 0;
    // Until the socket takes no more, though everybody else had many turns.
    let mut turns = 0;
    while sent < LENGTH && turns < 1000 {
        match client.stream.try_write(&piece[..PIECE.min(LENGTH - sent)]) {
            Ok(length) => (sent, turns) = (sent + length, 0),
            Err(_) => {
                turns += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    assert!(sent < LENGTH, "all of it was taken though nobody read");
    gate.add_permits(1);
    while sent < LENGTH {
        let length = PIECE.min(LENGTH - sent);
        client.send(&piece[..length]).await;
        sent += length;
    }
    assert_eq!(client.response().await.text(), LENGTH.to_string());
}

// Evidence: REQ-INPUT-11
#[tokio::test]
async fn an_echo_answers_the_first_byte_before_the_last_is_sent() {
    let server = serve(|mut environ: Environ, start: StartResponse| async move {
        let mut body = start.start(StatusCode::OK, ())?;
        while let Some(chunk) = environ.input_mut().chunk().await? {
            body.write(chunk).await?;
        }
        body.finish()
    })
    .await;
    let mut client = connect(&server).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for round in 0..100 {
        let piece = format!("round {round}");
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
        if round == 0 {
            client.head().await.unwrap();
        }
        assert_eq!(client.chunk().await.unwrap(), piece.as_bytes());
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.chunk().await.unwrap(), b"");
}

// Evidence: REQ-EXCH-04, REQ-INPUT-01
#[tokio::test]
async fn a_blocking_application_streams_both_ways() {
    let server = serve(Blocking::new(|mut environ: Environ, start: BlockingStartResponse| {
        environ.input_mut().set_limit(None);
        let mut input = BlockingInput::from(environ.take_input());
        let mut body = start.start(StatusCode::OK, [("content-type", "text/plain")])?;
        let mut buffer = vec![0; 10_000];
        loop {
            match input.read(&mut buffer)? {
                0 => return body.finish(),
                length => body.write_all(&buffer[..length])?,
            }
        }
    }))
    .await;
    const LENGTH: usize = 1024 * 1024;
    let content: Vec<u8> = (0..LENGTH).map(|number| (number % 251) as u8).collect();
    let Client { stream, .. } = connect(&server).await;
    let (reader, mut writer) = tokio::io::split(stream);
    let send = async {
        use tokio::io::AsyncWriteExt;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        writer.write_all(&content).await.unwrap();
    };
    let mut client = Client::new(tokio::io::join(reader, tokio::io::sink()));
    let (response, ()) = tokio::join!(client.response(), send);
    assert!(response.body == content, "{} bytes came back", response.body.len());
}

// Evidence: REQ-EXCH-02
#[tokio::test]
async fn blocking_calls_hold_up_nobody() {
    let gate = Arc::new(std::sync::Barrier::new(5));
    let server = {
        let gate = Arc::clone(&gate);
        // Each call waits for four others: they run side by side or not at all.
        serve(Blocking::new(move |_: Environ, start: BlockingStartResponse| {
            gate.wait();
            start.respond(StatusCode::OK, (), "together")
        }))
        .await
    };
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = connect(&server).await;
        client.send(request("/")).await;
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.response().await.text(), "together");
    }
}
