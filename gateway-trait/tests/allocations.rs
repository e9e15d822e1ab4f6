//! What an exchange allocates, counted: no channel, no task, no runtime, nothing per chunk.
//!
//! The counts are exact. One that changes is a decision: say in the change what the new allocation is for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use rwgi::{Application, Environ, Exchange, ResponseHead, SharedApplication, StartResponse};

/// Drives an exchange to its end without a runtime, and drops it; the waker does nothing.
fn drive<A: Application>(application: &Arc<A>, environ: Environ) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut exchange = std::pin::pin!(Exchange::new(Arc::clone(application), environ));
    let mut response = loop {
        if let Poll::Ready(response) = exchange.as_mut().poll(&mut cx) {
            break response.unwrap();
        }
    };
    let mut bytes = 0;
    loop {
        let body = std::pin::Pin::new(response.body_mut());
        match http_body::Body::poll_frame(body, &mut cx) {
            Poll::Ready(Some(frame)) => bytes += frame.unwrap().data_ref().map_or(0, Bytes::len),
            Poll::Ready(None) => return bytes,
            Poll::Pending => {}
        }
    }
}

/// The allocations of one exchange, its environ aside; nothing may stay behind.
fn count(application: impl Application, expected_bytes: usize) -> u64 {
    let application = Arc::new(application);
    // Once before: what a process allocates on first use is not the exchange's.
    drive(&application, common::get());
    let mut environ = Some(common::get());
    let info = measure(|| {
        let environ = environ.take().unwrap();
        assert_eq!(drive(&application, environ), expected_bytes);
    });
    // The environ was made outside and dropped inside.
    assert!(info.count_current <= 0, "something stayed behind: {info:?}");
    info.count_total
}

/// The slot between the two halves of an exchange, which is left to the next exchange of the thread.
const SLOT: u64 = 1;
/// The place of the application's future, which is left to the next call of the same application on the thread.
const PLACE: u64 = 1;
/// A map of fields, its table of indices and its entries, which the request leaves to the next response of the thread.
const FIELDS: u64 = 0;
/// A value that was given as text: its own octets.
const VALUE: u64 = 1;

// Evidence: REQ-RESP-15
#[test]
fn an_answer_in_one_piece_allocates_its_values() {
    let bare = |_: Environ, start: StartResponse| async move {
        start.respond(StatusCode::OK, (), "Hello, World!")
    };
    assert_eq!(count(bare, 13), 0);
    let typed = |_: Environ, start: StartResponse| async move {
        start.respond(StatusCode::OK, [(CONTENT_TYPE, "text/plain")], "Hello, World!")
    };
    assert_eq!(count(typed, 13), FIELDS + VALUE);
}

#[test]
fn an_application_whose_type_is_hidden_allocates_no_more() {
    let bare = |_: Environ, start: StartResponse| async move {
        start.respond(StatusCode::OK, (), "Hello, World!")
    };
    assert_eq!(count(SharedApplication::new(bare), 13), 0);
    let twice = SharedApplication::new(SharedApplication::new(bare));
    assert_eq!(count(twice, 13), 0);
}

// Evidence: REQ-BODY-03
#[test]
fn a_stream_allocates_no_more_whatever_its_length() {
    fn streaming(chunks: usize) -> impl Application {
        move |_: Environ, start: StartResponse| async move {
            let mut body = start.start(StatusCode::OK, [(CONTENT_TYPE, "text/plain")])?;
            for _ in 0..chunks {
                body.write("Hello, World!").await?;
            }
            body.finish()
        }
    }
    for chunks in [1, 2, 1000] {
        assert_eq!(count(streaming(chunks), 13 * chunks), FIELDS + VALUE, "{chunks} chunks");
    }
    let declared = |_: Environ, start: StartResponse| async move {
        let mut body = start.start(StatusCode::OK, [(CONTENT_LENGTH, "26")])?;
        body.write("Hello, World!").await?;
        body.flush().await?;
        body.write("Hello, World!").await?;
        body.finish()
    };
    assert_eq!(count(declared, 26), FIELDS + VALUE);
    let declared = |_: Environ, start: StartResponse| async move {
        let mut head = ResponseHead::default();
        head.declare_length(26);
        let mut body = start.start_with(head);
        body.write("Hello, World!").await?;
        body.write("Hello, World!").await?;
        body.finish()
    };
    assert_eq!(count(declared, 26), 0);
}

#[test]
fn forwarding_an_exchange_adds_an_exchange() {
    let inner = Arc::new(|_: Environ, start: StartResponse| async move {
        start.respond(StatusCode::OK, (), "Hello, World!")
    });
    let middleware = move |environ: Environ, start: StartResponse| {
        let inner = Arc::clone(&inner);
        async move { start.forward(Exchange::new(inner, environ).await?) }
    };
    // Those of the inner one: the outer one has what the last one left.
    assert_eq!(count(middleware, 13), SLOT + PLACE);
}

#[test]
fn a_callback_or_a_hook_costs_its_list_and_its_box() {
    let observed = |_: Environ, mut start: StartResponse| async move {
        let status = StatusCode::OK;
        start.on_complete(move |outcome| assert_eq!(outcome.status(), Some(status)));
        start.respond(status, (), "Hello, World!")
    };
    assert_eq!(count(observed, 13), SLOT + 2);
}
