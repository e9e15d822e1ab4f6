//! Answers in one piece: `respond`, and a stream that is finished by the end of the first poll.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Log, Poller, get, pause, respond, run, status};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Body;
use rwgi::{
    Environ, Error, Exchange, Fault, OutcomeKind, ResponseBody, ResponseHead, StartResponse,
};

// Evidence: REQ-RESP-02, REQ-RESP-04, REQ-RESP-05, REQ-RESP-15, REQ-EXCH-11, REQ-EXCH-14
#[test]
fn an_answer_keeps_status_fields_and_bytes_and_has_an_exact_length() {
    let log = Log::default();
    let watched = log.clone();
    let ran = run(
        move |_: Environ, mut start: StartResponse| {
            watched.watch(&mut start);
            async move {
                start.respond(
                    status(418),
                    [("x-b", "1"), ("set-cookie", "a"), ("set-cookie", "b")],
                    "short and stout",
                )
            }
        },
        get(),
    )
    .unwrap();
    assert_eq!((ran.status(), ran.text().as_str(), ran.exact), (418, "short and stout", Some(15)));
    assert_eq!(ran.header("x-b"), Some("1"));
    let cookies: Vec<_> = ran.head.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a", "b"]);
    assert_eq!(log.told(), (OutcomeKind::Completed, Some(418), 15));
}

// Evidence: REQ-RESP-15
#[test]
fn an_empty_answer_has_the_length_zero_and_is_over_at_once() {
    let poller = Poller::new();
    let response = respond(
        &poller,
        |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "") },
        get(),
    );
    assert_eq!(response.body().size_hint().exact(), Some(0));
    assert!(response.body().is_end_stream());
}

#[test]
fn the_last_frame_says_that_it_is_the_last() {
    let poller = Poller::new();
    let mut body = respond(
        &poller,
        |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "x") },
        get(),
    )
    .into_body();
    assert!(!body.is_end_stream());
    assert_eq!(poller.data(&mut body), "x");
    assert!(body.is_end_stream(), "a server need not ask again");
}

#[test]
fn a_body_says_whether_all_of_it_is_there() {
    let is_whole = |streams: bool| {
        let application = move |_: Environ, start: StartResponse| async move {
            if !streams {
                return start.respond(StatusCode::OK, (), "x");
            }
            let mut body = start.start(StatusCode::OK, ())?;
            body.write("x").await?;
            body.flush().await?;
            body.finish()
        };
        respond(&Poller::new(), application, get()).body().is_whole()
    };
    assert!(is_whole(false));
    assert!(!is_whole(true), "it can still fail");
    assert!(ResponseBody::empty().is_whole());
}

#[test]
fn nothing_runs_before_the_first_poll() {
    let ran = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ran);
    let exchange = Exchange::new(
        Arc::new(move |_: Environ, start: StartResponse| {
            flag.store(true, Ordering::SeqCst);
            async move { start.respond(StatusCode::OK, (), "") }
        }),
        get(),
    );
    drop(exchange);
    assert!(!ran.load(Ordering::SeqCst));
}

// Evidence: REQ-EXCH-05
#[test]
fn an_answer_waits_for_the_return_of_the_application() {
    let poller = Poller::new();
    let (open, gate) = futures_channel::oneshot::channel::<()>();
    let gate = std::sync::Mutex::new(Some(gate));
    let mut exchange = Exchange::new(
        Arc::new(move |_: Environ, start: StartResponse| {
            let gate = gate.lock().unwrap().take().unwrap();
            async move {
                let finished = start.respond(StatusCode::OK, (), "done")?;
                gate.await?;
                Ok(finished)
            }
        }),
        get(),
    );
    assert!(poller.poll(&mut exchange).is_pending());
    open.send(()).unwrap();
    assert_eq!(poller.drive(&mut exchange).unwrap().status(), 200);
}

// Evidence: REQ-RESP-16
#[test]
fn a_wrong_declared_length_is_refused_and_never_sent() {
    let error = run(
        |_: Environ, start: StartResponse| async move {
            start.respond(StatusCode::OK, [(CONTENT_LENGTH, 4u64)], "three")
        },
        get(),
    )
    .err()
    .unwrap();
    assert_eq!((error.fault(), error.status().as_u16()), (Fault::Application, 500));
    assert_eq!(error.requirement(), Some("REQ-RESP-16"));
}

#[test]
fn a_right_declared_length_is_kept() {
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            start.respond(StatusCode::OK, [(CONTENT_LENGTH, 5u64)], "three")
        },
        get(),
    )
    .unwrap();
    assert_eq!((ran.header("content-length"), ran.exact), (Some("5"), Some(5)));
}

// Evidence: REQ-RESP-17, REQ-BODY-01
#[test]
fn a_stream_that_is_finished_in_the_first_poll_is_an_answer_in_one_piece() {
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::OK, [(CONTENT_TYPE, "text/plain")])?;
            body.write("Hello, World!").await?;
            body.finish()
        },
        get(),
    )
    .unwrap();
    assert_eq!((ran.exact, ran.text().as_str()), (Some(13), "Hello, World!"));
    assert_eq!(ran.header("content-type"), Some("text/plain"));
}

#[test]
fn a_stream_that_is_finished_without_a_byte_is_empty() {
    let ran = run(
        |_: Environ, start: StartResponse| async move { start.start(status(201), ())?.finish() },
        get(),
    )
    .unwrap();
    assert_eq!((ran.status(), ran.exact, ran.chunks.len()), (201, Some(0), 0));
}

// Evidence: REQ-ERR-02, REQ-EXCH-13, REQ-EXCH-14
#[test]
fn an_error_before_the_commit_is_the_exchanges_error_with_its_status() {
    for (error, code) in [
        (Error::client(StatusCode::NOT_FOUND, "none"), 404),
        (Error::new(Fault::Client, "bad"), 400),
        (Error::application("broken"), 500),
        (Error::server("full").with_status(StatusCode::SERVICE_UNAVAILABLE), 503),
        (Error::client(StatusCode::FOUND, "no error at all"), 500),
        (Error::client(StatusCode::OK, "no error at all"), 500),
        (Error::client(status(600), "no status at all"), 500),
    ] {
        let log = Log::default();
        let watched = log.clone();
        let error = std::sync::Mutex::new(Some(error));
        let error = run(
            move |_: Environ, mut start: StartResponse| {
                watched.watch(&mut start);
                let error = error.lock().unwrap().take().unwrap();
                async move {
                    let _kept = start;
                    Err(error)
                }
            },
            get(),
        )
        .err()
        .unwrap();
        assert_eq!(error.status().as_u16(), code);
        assert_eq!(log.told(), (OutcomeKind::Failed, Some(code), 0));
        assert_eq!(log.one().error_message(), Some(error.message()));
    }
}

// Evidence: REQ-EXCH-07, REQ-ERR-03
#[test]
fn an_error_after_the_answer_was_given_replaces_the_answer() {
    for paused in [false, true] {
        let result = run(
            move |_: Environ, start: StartResponse| async move {
                let _unused = start.respond(StatusCode::OK, [("set-cookie", "a=1")], "page")?;
                if paused {
                    pause().await;
                }
                Err(Error::application("the transaction did not commit"))
            },
            get(),
        );
        assert_eq!(result.err().unwrap().status(), 500);
    }
}

// Evidence: REQ-RESP-03, REQ-RESP-08
#[test]
fn a_refused_head_leaves_the_token_to_answer_with() {
    for (code, fields) in [(99 + 1, ""), (600, ""), (200, "connection"), (200, "transfer-encoding")]
    {
        let ran = run(
            move |_: Environ, start: StartResponse| async move {
                let fields: Vec<_> = [fields]
                    .into_iter()
                    .filter(|name| !name.is_empty())
                    .map(|name| (name, "x"))
                    .collect();
                let head = match ResponseHead::new(status(code), fields) {
                    Ok(head) => head,
                    Err(error) => {
                        assert_eq!(error.fault(), Fault::Application);
                        ResponseHead::new(status(503), ())?
                    }
                };
                start.respond_with(head, "")
            },
            get(),
        )
        .unwrap();
        assert_eq!(ran.status(), 503);
    }
}

// Evidence: REQ-ERR-05, REQ-ERR-13, REQ-EXCH-13
#[test]
fn a_panic_before_the_commit_is_the_applications_fault() {
    for at in 0..3 {
        let log = Log::default();
        let watched = log.clone();
        let error = run(
            move |_: Environ, mut start: StartResponse| {
                watched.watch(&mut start);
                assert!(at != 0, "in the call itself");
                async move {
                    assert!(at != 1, "in the first poll");
                    pause().await;
                    let _finished = start.respond(StatusCode::OK, (), "page")?;
                    panic!("after the answer")
                }
            },
            get(),
        )
        .err()
        .unwrap();
        assert_eq!((error.fault(), error.status().as_u16()), (Fault::Application, 500));
        assert_eq!(error.requirement(), Some("REQ-APP-03"));
        assert_eq!(log.told(), (OutcomeKind::Failed, Some(500), 0));
    }
}
