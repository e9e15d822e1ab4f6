//! Forwarded bodies: what the server pulls, and what becomes of it when the body does not keep its word.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use common::script::Script;
use common::{Log, Poller, capable, get, respond, run};
use http::header::CONTENT_LENGTH;
use http::{Method, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use rwgi::{Application, Environ, Exchange, Fault, Finished, OutcomeKind, Result, StartResponse};

/// An application that forwards, and logs its outcome.
fn forwarding(
    log: &Log,
    declared: Option<u64>,
    body: impl Fn() -> Script + Send + Sync + 'static,
) -> impl Application {
    let log = log.clone();
    move |_: Environ, mut start: StartResponse| {
        log.watch(&mut start);
        let mut response = Response::new(body());
        if let Some(length) = declared {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        async move { start.forward(response) }
    }
}

// Evidence: REQ-BODY-01, REQ-BODY-14, REQ-EXCH-11
#[test]
fn a_forwarded_body_is_passed_on_and_its_exact_size_with_it() {
    let ran = run(
        |_: Environ, start: StartResponse| async move {
            start.forward(
                Response::builder()
                    .status(203)
                    .header("x-a", "1")
                    .body(Full::new(Bytes::from("hello")))?,
            )
        },
        get(),
    )
    .unwrap();
    assert_eq!((ran.status(), ran.header("x-a"), ran.exact), (203, Some("1"), Some(5)));
    assert_eq!(ran.text(), "hello");

    let log = Log::default();
    let ran = run(forwarding(&log, None, || Script::data(&["a", "b"])), get()).unwrap();
    assert_eq!((ran.chunks.len(), ran.exact), (2, None));
    assert_eq!(log.told(), (OutcomeKind::Completed, Some(200), 2));
}

#[test]
fn an_empty_piece_is_not_passed_on_and_displaces_none() {
    for declared in [None, Some(1)] {
        let log = Log::default();
        let app = forwarding(&log, declared, || Script::data(&["", "a"]).then_empty());
        let ran = run(app, get()).unwrap();
        assert_eq!(ran.chunks, ["a"]);
        assert!(ran.error.is_none());
        assert_eq!(log.told(), (OutcomeKind::Completed, Some(200), 1));
    }
}

// Evidence: REQ-BODY-18, REQ-MID-11
#[test]
fn trailers_of_a_forwarded_body_are_passed_on() {
    for declared in [None, Some(2)] {
        let log = Log::default();
        let app = forwarding(&log, declared, || Script::data(&["a", "b"]).then_trailers());
        let ran = run(app, capable(Method::GET)).unwrap();
        assert_eq!(
            (ran.text().as_str(), ran.trailers.unwrap()["x-sum"].to_str().unwrap()),
            ("ab", "1")
        );
        assert_eq!(log.told(), (OutcomeKind::Completed, Some(200), 2));
    }
}

// Evidence: REQ-BODY-12, REQ-EXCH-13
#[test]
fn a_short_body_cuts_the_message() {
    let log = Log::default();
    let ran = run(forwarding(&log, Some(5), || Script::data(&["ab", "cd"])), get()).unwrap();
    assert_eq!(ran.text(), "abcd");
    let error = ran.error.unwrap();
    assert_eq!((error.fault(), error.requirement()), (Fault::Application, Some("REQ-BODY-12")));
    assert_eq!(log.told(), (OutcomeKind::Failed, Some(200), 4));
}

#[test]
fn what_is_left_of_a_declared_length_is_told() {
    let poller = Poller::new();
    let app = forwarding(&Log::default(), Some(5), || Script::data(&["ab", "cde"]));
    let mut body = respond(&poller, app, get()).into_body();
    assert_eq!(body.size_hint().exact(), Some(5));
    assert_eq!(poller.data(&mut body), "ab");
    assert_eq!(body.size_hint().exact(), Some(3));
}

/// A body that has ended, and does not say that it is empty.
struct Over;

impl Body for Over {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

// Evidence: REQ-BODY-12
#[test]
fn a_body_that_has_ended_is_short_of_any_length() {
    let over = |declared: u64| {
        let app = move |_: Environ, start: StartResponse| async move {
            start.forward(Response::builder().header(CONTENT_LENGTH, declared).body(Over)?)
        };
        run(app, get()).unwrap()
    };
    assert!(over(0).error.is_none());
    assert_eq!(over(2).error.unwrap().requirement(), Some("REQ-BODY-12"));
}

// Evidence: REQ-BODY-13, REQ-BODY-17
#[test]
fn a_long_body_cuts_the_message_and_nothing_of_the_surplus_leaves() {
    for pieces in [&["ab", "cde"][..], &["abcd", "e"], &["abcde"], &["ab", "cd", "e"]] {
        let log = Log::default();
        let ran = run(forwarding(&log, Some(4), || Script::data(pieces)), get()).unwrap();
        assert!(ran.text().len() < 4, "{pieces:?} looks whole: {}", ran.text());
        assert_eq!(ran.error.unwrap().requirement(), Some("REQ-BODY-13"));
        assert_eq!(log.one().kind(), OutcomeKind::Failed);
    }
}

// Evidence: REQ-ERR-09, REQ-BODY-17
#[test]
fn an_error_of_the_body_cuts_the_message() {
    for (declared, whole) in [(None, "abcd"), (Some(6), "abcd"), (Some(4), "ab")] {
        let log = Log::default();
        let app = forwarding(&log, declared, || Script::data(&["ab", "cd"]).then_fail());
        let ran = run(app, get()).unwrap();
        assert_eq!(ran.text(), whole, "an error can only be seen before the last byte");
        assert_eq!(ran.error.unwrap().message(), "upstream reset");
        assert_eq!(log.one().kind(), OutcomeKind::Failed);
    }
}

// Evidence: REQ-ERR-08, REQ-ERR-13
#[test]
fn a_panic_of_the_body_cuts_the_message_and_nothing_else() {
    let log = Log::default();
    let ran = run(forwarding(&log, None, || Script::data(&["ab"]).then_panic()), get()).unwrap();
    assert_eq!(ran.text(), "ab");
    assert_eq!(ran.error.unwrap().fault(), Fault::Application);
    assert_eq!(log.told(), (OutcomeKind::Failed, Some(200), 2));
}

// Evidence: REQ-ERR-08, REQ-ERR-13
#[test]
fn a_panic_of_the_body_is_contained_wherever_it_comes() {
    for declared in [None, Some(4)] {
        let log = Log::default();
        let app = forwarding(&log, declared, || Script::data(&["ab", "cd"]).rude());
        match run(app, get()) {
            Ok(ran) => assert!(ran.error.is_some()),
            Err(error) => assert_eq!(error.fault(), Fault::Application),
        }
        assert_eq!(log.one().kind(), OutcomeKind::Failed);
    }
}

/// A body that never gives anything and does not go quietly.
struct Sticky;

impl Body for Sticky {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        Poll::Pending
    }
}

impl Drop for Sticky {
    fn drop(&mut self) {
        panic!("the destructor of the body panics");
    }
}

#[test]
fn a_destructor_of_the_body_that_panics_ends_nothing_else() {
    let poller = Poller::new();
    let log = Log::default();
    let watched = log.clone();
    let application = move |_: Environ, mut start: StartResponse| {
        watched.watch(&mut start);
        async move { start.forward(Response::new(Sticky)) }
    };
    let mut body = respond(&poller, application, get()).into_body();
    assert!(poller.frame(&mut body).is_pending());
    drop(body);
    assert_eq!(log.told(), (OutcomeKind::Cancelled, Some(200), 0));
}

#[test]
fn an_empty_body_is_over_before_it_is_asked() {
    let poller = Poller::new();
    let log = Log::default();
    let watched = log.clone();
    let response = respond(
        &poller,
        move |_: Environ, mut start: StartResponse| {
            watched.watch(&mut start);
            async move { start.forward(Response::new(Full::<Bytes>::default())) }
        },
        get(),
    );
    assert!(response.body().is_end_stream());
    assert_eq!(response.body().size_hint().exact(), Some(0));
    assert_eq!(log.told(), (OutcomeKind::Completed, Some(200), 0));
}

#[test]
fn the_version_of_an_upstream_is_its_own_affair() {
    for version in [http::Version::HTTP_10, http::Version::HTTP_2, http::Version::HTTP_3] {
        let ran = run(
            move |_: Environ, start: StartResponse| async move {
                let response = Response::builder().version(version).body(String::from("x"))?;
                start.forward(response)
            },
            get(),
        )
        .unwrap();
        assert_eq!(ran.head.version, http::Version::HTTP_11);
    }
}

// Evidence: REQ-EXCH-11
#[test]
fn a_body_whose_last_byte_was_taken_is_complete_even_if_nobody_asks_for_its_end() {
    let poller = Poller::new();
    let log = Log::default();
    let app = forwarding(&log, Some(4), || Script::data(&["ab", "cd"]));
    let mut body = respond(&poller, app, get()).into_body();
    assert_eq!(poller.data(&mut body), "ab");
    log.assert_silent();
    assert_eq!(poller.data(&mut body), "cd");
    assert!(body.is_end_stream(), "a server need not ask again");
    drop(body);
    assert_eq!(log.told(), (OutcomeKind::Completed, Some(200), 4));

    let log = Log::default();
    let app = forwarding(&log, Some(0), || Script::data(&[]));
    drop(respond(&poller, app, get()));
    assert_eq!(log.told(), (OutcomeKind::Completed, Some(200), 0));
}

// Evidence: REQ-EXCH-12
#[test]
fn a_body_that_is_dropped_half_way_is_cancelled() {
    let poller = Poller::new();
    let log = Log::default();
    let app = forwarding(&log, None, || Script::data(&["ab", "cd"]));
    let mut body = respond(&poller, app, get()).into_body();
    poller.data(&mut body);
    drop(body);
    assert_eq!(log.told(), (OutcomeKind::Cancelled, Some(200), 2));
}

#[test]
fn a_declared_length_that_the_body_contradicts_is_refused_before_anything_is_sent() {
    for (declared, exact, requirement) in [(5, 4, "REQ-BODY-12"), (3, 4, "REQ-BODY-13")] {
        let log = Log::default();
        let app =
            forwarding(&log, Some(declared), move || Script::data(&["abcd"]).of_exactly(exact));
        let error = run(app, get()).err().unwrap();
        assert_eq!((error.status().as_u16(), error.requirement()), (500, Some(requirement)));
    }
}

// Evidence: REQ-RESP-08
#[test]
fn a_forwarded_head_with_a_field_of_the_connection_is_refused() {
    let error = run(
        |_: Environ, start: StartResponse| async move {
            start.forward(Response::builder().header("upgrade", "x").body(Full::new(Bytes::new()))?)
        },
        get(),
    )
    .err()
    .unwrap();
    assert_eq!(error.requirement(), Some("REQ-RESP-07"));
}

/// Middleware that runs an inner application and forwards what it gave, after taking `skip` frames of it.
fn nesting(log: &Log, skip: usize, inner: impl Application) -> impl Application {
    let log = log.clone();
    let inner = Arc::new(inner);
    move |environ: Environ, mut start: StartResponse| {
        log.watch(&mut start);
        let inner = Arc::clone(&inner);
        async move {
            let mut response = Exchange::new(inner, environ).await?;
            for _ in 0..skip {
                let body = response.body_mut();
                std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await.unwrap()?;
            }
            start.forward(response)
        }
    }
}

/// Three chunks, streamed.
fn streaming(log: &Log) -> impl Application {
    let log = log.clone();
    move |_: Environ, mut start: StartResponse| {
        log.watch(&mut start);
        async move { stream(start).await }
    }
}

async fn stream(start: StartResponse) -> Result<Finished> {
    let mut body = start.start(common::status(202), ())?;
    for piece in ["a", "b", "c"] {
        body.write(piece).await?;
    }
    body.finish()
}

// Evidence: REQ-MID-08, REQ-EXCH-11
#[test]
fn an_exchange_inside_an_exchange_tells_both_of_the_same_end() {
    let (outer, inner) = (Log::default(), Log::default());
    let ran = run(nesting(&outer, 0, nesting(&outer, 0, streaming(&inner))), get()).unwrap();
    assert_eq!((ran.status(), ran.text().as_str()), (202, "abc"));
    assert_eq!(inner.told(), (OutcomeKind::Completed, Some(202), 3));
    let told: Vec<_> =
        outer.all().iter().map(|outcome| (outcome.kind(), outcome.bytes())).collect();
    assert_eq!(told, [(OutcomeKind::Completed, 3); 2]);
}

// Evidence: REQ-BODY-12, REQ-BODY-13
#[test]
fn middleware_that_declares_a_length_for_an_inner_stream_is_held_to_it() {
    for (declared, requirement) in
        [(2u64, Some("REQ-BODY-13")), (3, None), (5, Some("REQ-BODY-12"))]
    {
        let inner = Arc::new(streaming(&Log::default()));
        let app = move |environ: Environ, start: StartResponse| {
            let inner = Arc::clone(&inner);
            async move {
                let mut response = Exchange::new(inner, environ).await?;
                response.headers_mut().insert(CONTENT_LENGTH, declared.into());
                start.forward(response)
            }
        };
        let ran = run(app, get()).unwrap();
        assert_eq!(ran.error.and_then(|error| error.requirement()), requirement, "{declared}");
    }
}

// Evidence: REQ-EXCH-14
#[test]
fn middleware_that_took_some_of_the_body_counts_only_what_it_passed_on() {
    let (outer, inner) = (Log::default(), Log::default());
    let ran = run(nesting(&outer, 1, streaming(&inner)), get()).unwrap();
    assert_eq!(ran.text(), "bc");
    assert_eq!(outer.told(), (OutcomeKind::Completed, Some(202), 2));
    assert_eq!(inner.told(), (OutcomeKind::Completed, Some(202), 3));
}

// Evidence: REQ-MID-07, REQ-MID-08, REQ-EXCH-12
#[test]
fn dropping_the_outer_body_cancels_the_inner_application() {
    let poller = Poller::new();
    let (outer, inner) = (Log::default(), Log::default());
    let mut body = respond(&poller, nesting(&outer, 0, streaming(&inner)), get()).into_body();
    poller.data(&mut body);
    drop(body);
    assert_eq!(inner.told(), (OutcomeKind::Cancelled, Some(202), 1));
    assert_eq!(outer.told(), (OutcomeKind::Cancelled, Some(202), 1));
}

// Evidence: REQ-MID-14, REQ-MID-15
#[test]
fn a_failure_inside_is_a_failure_outside() {
    let (outer, inner) = (Log::default(), Log::default());
    let watched = inner.clone();
    let app = nesting(&outer, 0, move |_: Environ, mut start: StartResponse| {
        watched.watch(&mut start);
        async move {
            let mut body = start.start(common::status(200), ())?;
            body.write("half").await?;
            common::pause().await;
            Err(rwgi::Error::server("disk").with_status(common::status(507)))
        }
    });
    let ran = run(app, get()).unwrap();
    let error = ran.error.unwrap();
    assert_eq!((ran.chunks.len(), error.fault(), error.status().as_u16()), (1, Fault::Server, 507));
    assert_eq!(inner.one().kind(), OutcomeKind::Failed);
    assert_eq!(outer.one().kind(), OutcomeKind::Failed);
}
