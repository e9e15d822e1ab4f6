//! HEAD, 204 and 304: the head is the whole message.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::sync::Arc;

use common::{Log, Poller, forever, get, head, pause, run, status};
use http::header::CONTENT_LENGTH;
use http::{Method, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use rwgi::{Application, Environ, Error, Exchange, OutcomeKind, ResponseHead, StartResponse};

// Evidence: REQ-RESP-18, REQ-RESP-20, REQ-RESP-26
#[test]
fn head_has_the_length_of_the_bytes_and_none_of_them() {
    let ran = run(
        |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "hello") },
        head(),
    )
    .unwrap();
    assert_eq!((ran.header("content-length"), ran.chunks.len()), (Some("5"), 0));
    assert_eq!(ran.exact, Some(0));
}

// Evidence: REQ-RESP-19, REQ-RESP-24
#[test]
fn head_keeps_the_declared_length_whatever_is_given() {
    for way in 0..8 {
        let ran = run(
            move |_: Environ, start: StartResponse| async move {
                let fields = [(CONTENT_LENGTH, 1000u64)];
                let mut declared = ResponseHead::default();
                declared.declare_length(1000);
                match way {
                    4 => start.respond_with(declared, ""),
                    5 => start.start_with(declared).finish(),
                    6 => {
                        let mut body = start.start_with(declared);
                        body.write("a part").await?;
                        body.finish()
                    }
                    7 => {
                        let mut body = start.start_with(declared);
                        body.flush().await?;
                        body.finish()
                    }
                    0 => start.respond(StatusCode::OK, fields, ""),
                    1 => start.start(StatusCode::OK, fields)?.finish(),
                    2 => {
                        let mut body = start.start(StatusCode::OK, fields)?;
                        body.write("a part").await?;
                        body.finish()
                    }
                    _ => start.forward(
                        Response::builder()
                            .header(CONTENT_LENGTH, 1000)
                            .body(Full::<&[u8]>::default())?,
                    ),
                }
            },
            head(),
        )
        .unwrap();
        assert_eq!((ran.header("content-length"), ran.chunks.len()), (Some("1000"), 0), "{way}");
        assert!(ran.error.is_none());
    }
}

// Evidence: REQ-RESP-21
#[test]
fn head_without_bytes_claims_no_length() {
    let inner =
        |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "") };
    assert_eq!(run(inner, head()).unwrap().header("content-length"), None);
    let started =
        |_: Environ, start: StartResponse| async move { start.start(StatusCode::OK, ())?.finish() };
    assert_eq!(run(started, head()).unwrap().header("content-length"), None);
    // Middleware forwards the empty body that the inner exchange made of a stream.
    let streamed = |_: Environ, start: StartResponse| async move {
        let mut body = start.start(StatusCode::OK, ())?;
        body.write("a").await?;
        body.write("b").await?;
        body.finish()
    };
    assert_eq!(run(nested(streamed), head()).unwrap().header("content-length"), None);
}

/// Middleware that does nothing, with an exchange of its own.
fn nested(inner: impl Application) -> impl Application {
    let inner = Arc::new(inner);
    move |environ: Environ, start: StartResponse| {
        let inner = Arc::clone(&inner);
        async move { start.forward(Exchange::new(inner, environ).await?) }
    }
}

// Evidence: REQ-RESP-19, REQ-RESP-20
#[test]
fn head_passes_through_nested_exchanges() {
    let app = || {
        |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "hello") }
    };
    let ran = run(nested(nested(app())), head()).unwrap();
    assert_eq!((ran.header("content-length"), ran.chunks.len()), (Some("5"), 0));
}

// Evidence: REQ-RESP-18
#[test]
fn head_by_get_drops_the_content_of_the_inner_application() {
    for streamed in [false, true] {
        let log = Log::default();
        let watched = log.clone();
        let inner = Arc::new(move |_: Environ, mut start: StartResponse| {
            watched.watch(&mut start);
            async move {
                if !streamed {
                    return start.respond(StatusCode::OK, (), "hello");
                }
                let mut body = start.start(StatusCode::OK, ())?;
                body.write("a").await?;
                body.write("b").await?;
                body.finish()
            }
        });
        let ran = run(
            move |mut environ: Environ, start: StartResponse| {
                let inner = Arc::clone(&inner);
                async move {
                    environ.set_method(Method::GET);
                    start.forward(Exchange::new(inner, environ).await?)
                }
            },
            head(),
        )
        .unwrap();
        assert_eq!(ran.chunks.len(), 0);
        assert_eq!(ran.header("content-length"), if streamed { None } else { Some("5") });
        assert_eq!(log.one().kind(), OutcomeKind::Completed);
    }
}

// Evidence: REQ-RESP-18, REQ-RESP-22, REQ-RESP-23, REQ-RESP-24
#[test]
fn no_content_and_not_modified_have_no_content_whatever_is_given() {
    for (code, declared, kept) in
        [(204, Some("3"), None), (204, None, None), (304, Some("3"), Some("3")), (304, None, None)]
    {
        for way in 0..4 {
            let ran = run(
                move |_: Environ, start: StartResponse| async move {
                    let fields: Vec<_> =
                        declared.iter().map(|length| (CONTENT_LENGTH, *length)).collect();
                    match way {
                        3 => {
                            let mut head = ResponseHead::new(status(code), ())?;
                            if declared.is_some() {
                                head.declare_length(3);
                            }
                            start.start_with(head).finish()
                        }
                        0 => start.respond(status(code), fields, "unwanted"),
                        1 => {
                            let mut body = start.start(status(code), fields)?;
                            body.write("un").await?;
                            body.finish()
                        }
                        _ => {
                            let mut body = start.start(status(code), fields)?;
                            body.write("un").await?;
                            body.write("wanted").await?;
                            body.finish()
                        }
                    }
                },
                get(),
            )
            .unwrap();
            assert_eq!((ran.status(), ran.header("content-length")), (code, kept), "way {way}");
            assert_eq!((ran.chunks.len(), ran.exact), (0, Some(0)));
        }
    }
}

// Evidence: REQ-RESP-25, REQ-EXCH-11
#[test]
fn a_stream_without_content_is_complete_with_its_head() {
    let poller = Poller::new();
    let log = Log::default();
    let watched = log.clone();
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let mut exchange = Exchange::new(
        Arc::new(move |_: Environ, mut start: StartResponse| {
            watched.watch(&mut start);
            let kept = Arc::clone(&kept);
            async move {
                let _kept = kept;
                let mut body = start.start(StatusCode::OK, ())?;
                body.write("first").await?;
                body.write("second").await?;
                panic!("nobody takes the first")
            }
        }),
        head(),
    );
    let response = poller.drive(&mut exchange).unwrap();
    assert!(response.body().is_end_stream());
    assert_eq!(log.told(), (OutcomeKind::Completed, Some(200), 0));
    drop(exchange);
    assert_eq!(Arc::strong_count(&held), 1, "the application's future is gone");
}

#[test]
fn an_error_before_the_head_is_committed_is_an_error_for_head_too() {
    let error = run(
        |_: Environ, start: StartResponse| async move {
            let _finished = start.respond(StatusCode::OK, (), "x")?;
            pause().await;
            Err(Error::client(StatusCode::CONFLICT, "no"))
        },
        head(),
    )
    .err()
    .unwrap();
    assert_eq!(error.status(), 409);
}

// Evidence: REQ-RESP-11
#[test]
fn a_replaced_status_decides_anew_whether_there_is_content() {
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::NO_CONTENT, ())?;
            body.replace_head(StatusCode::OK, ())?;
            body.write("content after all").await?;
            body.finish()
        },
        get(),
    )
    .unwrap();
    assert_eq!(ran.text(), "content after all");
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::OK, ())?;
            body.replace_head(StatusCode::NO_CONTENT, ())?;
            body.write("nothing").await?;
            forever().await
        },
        get(),
    )
    .unwrap();
    assert_eq!((ran.status(), ran.chunks.len()), (204, 0));
}
