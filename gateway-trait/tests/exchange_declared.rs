//! A declared length is a promise that is kept in both directions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use common::{Log, Poller, get, pause, respond, run};
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http_body::Body;
use rwgi::{Environ, Error, Exchange, Fault, OutcomeKind, ResponseHead, StartResponse};
use std::sync::Arc;

// Evidence: REQ-BODY-08, REQ-BODY-09
#[test]
fn a_write_beyond_the_declared_length_is_refused_whole() {
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::OK, [(CONTENT_LENGTH, 6u64)])?;
            body.write("abc").await?;
            pause().await;
            let refused = body.write("defg").await.unwrap_err();
            assert_eq!(refused.fault(), Fault::Application);
            assert_eq!(refused.requirement(), Some("REQ-BODY-08"));
            body.write("def").await?;
            body.finish()
        },
        get(),
    )
    .unwrap();
    assert_eq!((ran.text().as_str(), ran.exact), ("abcdef", Some(6)));
    assert!(ran.error.is_none());
}

/// A head that declares a length without a field.
fn declaring(length: u64) -> ResponseHead {
    let mut head = ResponseHead::default();
    head.declare_length(length);
    head
}

// Evidence: REQ-BODY-08, REQ-BODY-10
#[test]
fn a_length_that_is_declared_without_a_field_is_kept_and_told_by_the_body() {
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            let mut body = start.start_with(declaring(6));
            body.write("abc").await?;
            pause().await;
            assert_eq!(body.write("defg").await.unwrap_err().requirement(), Some("REQ-BODY-08"));
            body.write("def").await?;
            body.finish()
        },
        get(),
    )
    .unwrap();
    assert_eq!(
        (ran.text().as_str(), ran.exact, ran.header("content-length")),
        ("abcdef", Some(6), None)
    );
    let short =
        |_: Environ, start: StartResponse| async move { start.start_with(declaring(1)).finish() };
    assert_eq!(run(short, get()).err().unwrap().requirement(), Some("REQ-BODY-10"));
}

// Evidence: REQ-BODY-09, REQ-BODY-05
#[test]
fn a_write_behind_the_last_declared_byte_is_refused_and_does_not_wait() {
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::OK, [(CONTENT_LENGTH, 3u64)])?;
            body.write("abc").await?;
            body.write("").await?;
            assert!(body.write("d").await.is_err());
            pause().await;
            assert!(body.write("d").await.is_err());
            body.write("").await?;
            body.finish()
        },
        get(),
    )
    .unwrap();
    assert_eq!(ran.text(), "abc");
    assert!(ran.error.is_none());
}

// Evidence: REQ-BODY-10, REQ-BODY-17
#[test]
fn a_finish_short_of_the_declared_length_is_the_applications_fault() {
    let short = |written: &'static str, paused: bool| {
        run(
            move |_: Environ, start: StartResponse| async move {
                let mut body = start.start(StatusCode::OK, [(CONTENT_LENGTH, 6u64)])?;
                body.write(written).await?;
                if paused {
                    pause().await;
                }
                body.finish()
            },
            get(),
        )
    };
    let error = short("", false).err().unwrap();
    assert_eq!((error.fault(), error.requirement()), (Fault::Application, Some("REQ-BODY-10")));
    for paused in [false, true] {
        let ran = short("abc", paused).unwrap();
        assert_eq!(ran.text(), "abc");
        assert_eq!(ran.error.unwrap().requirement(), Some("REQ-BODY-10"));
    }
}

// Evidence: REQ-BODY-11, REQ-EXCH-05
#[test]
fn the_chunk_that_completes_the_length_waits_for_the_return() {
    let poller = Poller::new();
    let (open, gate) = futures_channel::oneshot::channel::<()>();
    let gate = std::sync::Mutex::new(Some(gate));
    let mut body = respond(
        &poller,
        move |_: Environ, start: StartResponse| {
            let gate = gate.lock().unwrap().take().unwrap();
            async move {
                let mut body = start.start(StatusCode::OK, [(CONTENT_LENGTH, 4u64)])?;
                body.write("ab").await?;
                body.write("cd").await?;
                body.flush().await?;
                let finished = body.finish()?;
                gate.await?;
                Ok(finished)
            }
        },
        get(),
    )
    .into_body();
    assert_eq!(poller.data(&mut body), "ab");
    assert!(poller.frame(&mut body).is_pending());
    open.send(()).unwrap();
    assert_eq!(poller.data(&mut body), "cd");
    assert!(body.is_end_stream());
}

// Evidence: REQ-BODY-11, REQ-ERR-07, REQ-EXCH-07
#[test]
fn a_failure_after_the_last_declared_byte_still_cuts_the_message() {
    for (first, second, paused) in [("abcd", "", false), ("abcd", "", true), ("ab", "cd", true)] {
        for finish in [false, true] {
            let log = Log::default();
            let watched = log.clone();
            let ran = run(
                move |_: Environ, mut start: StartResponse| {
                    watched.watch(&mut start);
                    async move {
                        let mut body = start.start(StatusCode::OK, [(CONTENT_LENGTH, 4u64)])?;
                        body.write(first).await?;
                        if paused {
                            pause().await;
                        }
                        body.write(second).await?;
                        let _finished = if finish { Some(body.finish()?) } else { None };
                        Err(Error::application("late"))
                    }
                },
                get(),
            )
            .unwrap();
            assert!(ran.text().len() < 4, "{first}|{second}: the client has the whole message");
            assert_eq!(ran.error.expect("cut").message(), "late");
            assert_eq!(log.one().kind(), OutcomeKind::Failed);
        }
    }
}

// Evidence: REQ-EXCH-05, REQ-EXCH-03
#[test]
fn a_head_that_declares_no_bytes_is_the_whole_message_and_waits_for_the_return() {
    let poller = Poller::new();
    let mut exchange = Exchange::new(
        Arc::new(|_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::OK, [(CONTENT_LENGTH, 0u64)])?;
            body.flush().await?;
            pause().await;
            assert!(body.write("x").await.is_err());
            Err(Error::client(StatusCode::CONFLICT, "on second thoughts"))
        }),
        get(),
    );
    let error = poller.drive(&mut exchange).err().unwrap();
    assert_eq!(error.status(), 409);
}

#[test]
fn the_body_says_what_is_left_of_the_declared_length() {
    let poller = Poller::new();
    let mut body = respond(
        &poller,
        |_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::OK, [(CONTENT_LENGTH, 5u64)])?;
            body.write("abc").await?;
            body.write("de").await?;
            body.finish()
        },
        get(),
    )
    .into_body();
    assert_eq!(body.size_hint().exact(), Some(5));
    poller.data(&mut body);
    assert_eq!(body.size_hint().exact(), Some(2));
}
