//! Streams: what leaves when, who waits for whom, and when the head is committed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Log, Poller, capable, forever, get, pause, respond, run};
use http::{HeaderMap, Method, StatusCode};
use http_body::Body;
use rwgi::{BodyWriter, Environ, Exchange, OutcomeKind, StartResponse};

/// Writes `count` pieces and counts the writes that were accepted.
fn counting(
    count: usize,
    accepted: &Arc<AtomicUsize>,
) -> impl Fn(
    Environ,
    StartResponse,
) -> std::pin::Pin<Box<dyn Future<Output = rwgi::Result<rwgi::Finished>> + Send>>
+ Send
+ Sync
+ 'static {
    let accepted = Arc::clone(accepted);
    move |_, start| {
        let accepted = Arc::clone(&accepted);
        Box::pin(async move {
            let mut body = start.start(StatusCode::OK, ())?;
            for number in 0..count {
                body.write(format!("{number};")).await?;
                accepted.fetch_add(1, Ordering::SeqCst);
            }
            body.finish()
        })
    }
}

// Evidence: REQ-BODY-01, REQ-EXCH-11, REQ-EXCH-14
#[test]
fn chunks_come_in_order_and_unchanged() {
    let log = Log::default();
    let watched = log.clone();
    let ran = run(
        move |_: Environ, mut start: StartResponse| {
            watched.watch(&mut start);
            async move {
                let mut body = start.start(StatusCode::OK, ())?;
                for piece in ["one ", "two ", "three"] {
                    body.write(piece).await?;
                }
                body.finish()
            }
        },
        get(),
    )
    .unwrap();
    assert_eq!(ran.chunks, ["one ", "two ", "three"]);
    assert_eq!(ran.exact, None, "nobody promised a length");
    assert!(ran.error.is_none());
    assert_eq!(log.told(), (OutcomeKind::Completed, Some(200), 13));
}

// Evidence: REQ-BODY-03, REQ-BODY-04
#[test]
fn one_chunk_is_held_and_the_next_write_waits_until_it_is_taken() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let poller = Poller::new();
    let mut body = respond(&poller, counting(4, &accepted), get()).into_body();
    assert_eq!(accepted.load(Ordering::SeqCst), 1, "the second write waits");
    for taken in 1..4 {
        let chunk = poller.data(&mut body);
        assert_eq!(chunk, format!("{};", taken - 1));
        assert!(accepted.load(Ordering::SeqCst) <= taken + 1, "one chunk is held at most");
    }
}

// Evidence: REQ-BODY-02
#[test]
fn a_chunk_leaves_without_a_further_write_or_flush() {
    let poller = Poller::new();
    let mut body = respond(
        &poller,
        |_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::OK, ())?;
            body.write("tick").await?;
            forever().await
        },
        get(),
    )
    .into_body();
    assert_eq!(poller.data(&mut body), "tick");
    assert!(poller.frame(&mut body).is_pending());
}

// Evidence: REQ-RESP-10, REQ-BODY-06
#[test]
fn the_head_leaves_with_a_flush_and_not_before() {
    let poller = Poller::new();
    let (open, gate) = futures_channel::oneshot::channel::<()>();
    let gate = std::sync::Mutex::new(Some(gate));
    let mut exchange = Exchange::new(
        Arc::new(move |_: Environ, start: StartResponse| {
            let gate = gate.lock().unwrap().take().unwrap();
            async move {
                let mut body = start.start(StatusCode::OK, ())?;
                body.write("").await?;
                assert!(!body.is_committed());
                gate.await?;
                body.flush().await?;
                assert!(body.is_committed());
                forever().await
            }
        }),
        get(),
    );
    assert!(poller.poll(&mut exchange).is_pending(), "started, and an empty write: no commit");
    open.send(()).unwrap();
    let response = poller.drive(&mut exchange).unwrap();
    assert!(!response.body().is_end_stream());
}

// Evidence: REQ-BODY-05
#[test]
fn an_empty_write_is_nothing() {
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::OK, ())?;
            body.write("a").await?;
            pause().await;
            body.write("").await?;
            pause().await;
            body.write("b").await?;
            body.finish()
        },
        get(),
    )
    .unwrap();
    assert_eq!(ran.chunks, ["a", "b"]);
}

// Evidence: REQ-BODY-07
#[test]
fn a_flush_waits_until_what_was_written_is_taken() {
    let poller = Poller::new();
    let flushed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&flushed);
    let mut body = respond(
        &poller,
        move |_: Environ, start: StartResponse| {
            let count = Arc::clone(&count);
            async move {
                let mut body = start.start(StatusCode::OK, ())?;
                body.write("a").await?;
                body.flush().await?;
                count.fetch_add(1, Ordering::SeqCst);
                forever().await
            }
        },
        get(),
    )
    .into_body();
    assert_eq!(flushed.load(Ordering::SeqCst), 0);
    assert_eq!(poller.data(&mut body), "a");
    assert!(poller.frame(&mut body).is_pending());
    assert_eq!(flushed.load(Ordering::SeqCst), 1);
}

// Evidence: REQ-RESP-11
#[test]
fn a_head_can_be_replaced_until_the_commit_and_nothing_of_it_stays() {
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            let mut body =
                start.start(StatusCode::OK, [("x-old", "1"), ("content-length", "99")])?;
            pause().await;
            body.replace_head(StatusCode::BAD_GATEWAY, [("x-new", "1")])?;
            body.write("sorry").await?;
            body.finish()
        },
        get(),
    )
    .unwrap();
    assert_eq!((ran.status(), ran.text().as_str()), (502, "sorry"));
    assert_eq!((ran.header("x-old"), ran.header("content-length")), (None, None));
    assert_eq!(ran.header("x-new"), Some("1"));
}

// Evidence: REQ-RESP-12
#[test]
fn a_head_cannot_be_replaced_after_the_commit_and_the_response_goes_on() {
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::OK, ())?;
            body.write("a").await?;
            pause().await;
            let refused = body.replace_head(StatusCode::BAD_GATEWAY, ()).unwrap_err();
            assert_eq!(refused.requirement(), Some("REQ-RESP-12"));
            body.write("b").await?;
            body.finish()
        },
        get(),
    )
    .unwrap();
    assert_eq!((ran.status(), ran.text().as_str()), (200, "ab"));
    assert!(ran.error.is_none());
}

// Evidence: REQ-EXCH-05, REQ-BODY-17, REQ-EXCH-03
#[test]
fn the_end_waits_for_the_return_of_the_application() {
    let poller = Poller::new();
    let log = Log::default();
    let watched = log.clone();
    let (open, gate) = futures_channel::oneshot::channel::<()>();
    let gate = std::sync::Mutex::new(Some(gate));
    let mut body = respond(
        &poller,
        move |_: Environ, mut start: StartResponse| {
            watched.watch(&mut start);
            let gate = gate.lock().unwrap().take().unwrap();
            async move {
                let mut body = start.start(StatusCode::OK, ())?;
                body.write("all").await?;
                pause().await;
                let finished = body.finish()?;
                gate.await?;
                Ok(finished)
            }
        },
        get(),
    )
    .into_body();
    assert_eq!(poller.data(&mut body), "all");
    assert!(poller.frame(&mut body).is_pending(), "the pause");
    assert!(poller.frame(&mut body).is_pending(), "finished is not returned");
    assert!(!body.is_end_stream());
    log.assert_silent();
    open.send(()).unwrap();
    assert!(poller.drive_frame(&mut body).is_none());
    assert_eq!(log.told(), (OutcomeKind::Completed, Some(200), 3));
}

// Evidence: REQ-BODY-18
#[test]
fn trailers_come_after_the_content() {
    for paused in [false, true] {
        let log = Log::default();
        let watched = log.clone();
        let ran = run(
            move |_: Environ, mut start: StartResponse| {
                watched.watch(&mut start);
                async move {
                    let mut body = start.start(StatusCode::OK, ())?;
                    body.write("data").await?;
                    if paused {
                        pause().await;
                    }
                    let mut trailers = HeaderMap::new();
                    trailers.insert("x-sum", "4".parse()?);
                    body.finish_with_trailers(trailers)
                }
            },
            capable(Method::GET),
        )
        .unwrap();
        assert_eq!(ran.text(), "data");
        assert_eq!(ran.trailers.unwrap()["x-sum"], "4");
        assert_eq!(log.told(), (OutcomeKind::Completed, Some(200), 4));
    }
}

// Evidence: REQ-BODY-19
#[test]
fn trailers_that_a_declared_length_keeps_from_leaving_do_not_spoil_the_outcome() {
    let poller = Poller::new();
    let log = Log::default();
    let watched = log.clone();
    let mut body = respond(
        &poller,
        move |_: Environ, mut start: StartResponse| {
            watched.watch(&mut start);
            async move {
                let mut body = start.start(StatusCode::OK, [("content-length", "4")])?;
                body.write("data").await?;
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", "4".parse()?);
                body.finish_with_trailers(trailers)
            }
        },
        capable(Method::GET),
    )
    .into_body();
    assert_eq!(poller.data(&mut body), "data");
    // An HTTP/1 server knows that this was the last byte, and asks no more.
    drop(body);
    assert_eq!(log.told(), (OutcomeKind::Completed, Some(200), 4));
}

// Evidence: REQ-CAP-01, REQ-BODY-19
#[test]
fn trailers_are_refused_on_a_server_that_does_not_have_them() {
    let error = run(
        |_: Environ, start: StartResponse| async move {
            let body = start.start(StatusCode::OK, ())?;
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "4".parse()?);
            body.finish_with_trailers(trailers)
        },
        get(),
    )
    .err()
    .unwrap();
    assert_eq!((error.status().as_u16(), error.requirement()), (501, Some("REQ-CAP-01")));
}

// Evidence: REQ-BODY-20
#[test]
fn a_trailer_that_belongs_into_the_head_is_refused() {
    let error = run(
        |_: Environ, start: StartResponse| async move {
            let body = start.start(StatusCode::OK, ())?;
            let mut trailers = HeaderMap::new();
            trailers.insert("content-length", "4".parse()?);
            body.finish_with_trailers(trailers)
        },
        capable(Method::GET),
    )
    .err()
    .unwrap();
    assert_eq!((error.status().as_u16(), error.requirement()), (500, Some("REQ-BODY-20")));
}

#[test]
fn a_write_dropped_while_it_waits_takes_nothing() {
    /// Polls a write once and drops it.
    async fn try_write(body: &mut BodyWriter, data: &'static str) -> bool {
        let mut write = Box::pin(body.write(data));
        std::future::poll_fn(|cx| std::task::Poll::Ready(write.as_mut().poll(cx).is_ready())).await
    }
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::OK, ())?;
            assert!(try_write(&mut body, "a").await);
            assert!(!try_write(&mut body, "lost").await, "the first is still held");
            body.write("b").await?;
            body.finish()
        },
        get(),
    )
    .unwrap();
    assert_eq!(ran.chunks, ["a", "b"]);
}
