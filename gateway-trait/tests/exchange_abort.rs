//! Failures after the commit: the message is cut, what came before may leave, and the outcome says so.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::sync::{Arc, Mutex};

use common::{Log, Poller, forever, get, pause, respond, run};
use http::StatusCode;
use http_body::Body;
use rwgi::{Environ, Error, Exchange, Finished, OutcomeKind, Result, StartResponse};

/// Writes, and then fails in one of the ways there are.
async fn fails(start: StartResponse, how: usize, paused: bool) -> Result<Finished> {
    let mut body = start.start(StatusCode::OK, ())?;
    body.write("before ").await?;
    if paused {
        pause().await;
    }
    body.write("the failure").await?;
    match how {
        0 => Err(Error::application("an error")),
        1 => panic!("a panic"),
        2 => {
            drop(body);
            forever().await
        }
        _ => {
            let _finished = body.finish()?;
            Err(Error::application("an error after finish"))
        }
    }
}

// Evidence: REQ-ERR-07, REQ-ERR-08, REQ-ERR-12, REQ-ERR-13, REQ-BODY-16, REQ-EXCH-07, REQ-EXCH-13
#[test]
fn a_failure_after_the_commit_cuts_the_message_and_lets_what_came_before_leave() {
    for how in 0..4 {
        for paused in [false, true] {
            let log = Log::default();
            let watched = log.clone();
            let ran = run(
                move |_: Environ, mut start: StartResponse| {
                    watched.watch(&mut start);
                    fails(start, how, paused)
                },
                get(),
            )
            .unwrap();
            assert_eq!(ran.text(), "before the failure", "way {how}");
            assert!(ran.error.is_some(), "way {how}");
            assert_eq!(log.told(), (OutcomeKind::Failed, Some(200), 18), "way {how}");
        }
    }
}

#[test]
fn a_failure_in_the_poll_that_commits_cuts_the_message_too() {
    for flush in [false, true] {
        let ran = run(
            move |_: Environ, start: StartResponse| async move {
                let mut body = start.start(StatusCode::OK, [("x-a", "1")])?;
                if flush {
                    body.flush().await?;
                } else {
                    body.write("some").await?;
                }
                Err(Error::application("at once"))
            },
            get(),
        )
        .unwrap();
        assert_eq!((ran.status(), ran.header("x-a")), (200, Some("1")));
        assert_eq!(ran.text(), if flush { "" } else { "some" });
        assert_eq!(ran.error.unwrap().message(), "at once");
    }
}

// Evidence: REQ-EXCH-13
#[test]
fn a_failure_is_told_as_one_even_if_the_server_does_not_wait_to_hear_it() {
    let poller = Poller::new();
    let log = Log::default();
    let watched = log.clone();
    let mut body = respond(
        &poller,
        move |_: Environ, mut start: StartResponse| {
            watched.watch(&mut start);
            fails(start, 0, true)
        },
        get(),
    )
    .into_body();
    poller.data(&mut body);
    assert_eq!(poller.data(&mut body), "the failure");
    drop(body);
    assert_eq!(log.one().kind(), OutcomeKind::Failed);
    assert_eq!(log.one().error_message(), Some("an error"));
}

// Evidence: REQ-ERR-06
#[test]
fn a_writer_dropped_before_the_commit_leaves_the_word_to_the_application() {
    for paused in [false, true] {
        let error = run(
            move |_: Environ, start: StartResponse| async move {
                drop(start.start(StatusCode::OK, ())?);
                if paused {
                    pause().await;
                }
                Err(Error::client(StatusCode::GONE, "no longer"))
            },
            get(),
        )
        .err()
        .unwrap();
        assert_eq!(error.status(), 410);
    }
}

/// Gives the `Finished` of another exchange, kept in `stolen`.
fn steal(stolen: &Arc<Mutex<Option<Finished>>>) {
    let keep = Arc::clone(stolen);
    let exchange = Exchange::new(
        Arc::new(move |_: Environ, start: StartResponse| {
            *keep.lock().unwrap() = Some(start.respond(StatusCode::OK, (), "mine").unwrap());
            forever()
        }),
        get(),
    );
    let mut exchange = exchange;
    assert!(Poller::new().poll(&mut exchange).is_pending());
}

// Evidence: REQ-EXCH-06, REQ-APP-02
#[test]
fn the_finished_of_another_exchange_is_a_failure() {
    for committed in [false, true] {
        let stolen = Arc::new(Mutex::new(None));
        steal(&stolen);
        let log = Log::default();
        let watched = log.clone();
        let result = run(
            move |_: Environ, mut start: StartResponse| {
                watched.watch(&mut start);
                let foreign = stolen.lock().unwrap().take().unwrap();
                async move {
                    let mut body = start.start(StatusCode::OK, ())?;
                    if committed {
                        body.write("x").await?;
                        pause().await;
                    }
                    let _own = body.finish()?;
                    Ok(foreign)
                }
            },
            get(),
        );
        let error = match result {
            Ok(ran) => ran.error.expect("cut"),
            Err(error) => error,
        };
        assert_eq!((error.status().as_u16(), error.requirement()), (500, Some("REQ-APP-02")));
        assert_eq!(log.one().kind(), OutcomeKind::Failed);
    }
}

#[test]
fn a_body_that_failed_is_over() {
    let poller = Poller::new();
    let app = |_: Environ, start: StartResponse| fails(start, 0, true);
    let mut body = respond(&poller, app, get()).into_body();
    while !matches!(poller.drive_frame(&mut body), Some(Err(_))) {}
    assert!(body.is_end_stream());
    assert!(poller.drive_frame(&mut body).is_none());
}

#[test]
fn a_destructor_that_panics_ends_nothing_else() {
    struct Rude;
    impl Drop for Rude {
        fn drop(&mut self) {
            panic!("a destructor panics");
        }
    }
    let poller = Poller::new();
    let log = Log::default();
    let watched = log.clone();
    let mut exchange = Exchange::new(
        Arc::new(move |_: Environ, mut start: StartResponse| {
            watched.watch(&mut start);
            async move {
                let _rude = Rude;
                let _start = start;
                forever().await
            }
        }),
        get(),
    );
    assert!(poller.poll(&mut exchange).is_pending());
    drop(exchange);
    assert_eq!(log.told(), (OutcomeKind::Cancelled, None, 0));
}
