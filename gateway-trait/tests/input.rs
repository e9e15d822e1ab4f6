//! The request's content: chunks, a defined end, limits, trailers, and errors that stay.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::pin::Pin;

use bytes::Bytes;
use common::Poller;
use common::script::Script;
use http_body::Body;
use http_body_util::{BodyExt, Full};
use pollster::block_on;
use rwgi::{BodyLength, Environ, Error, Fault, Input};

fn unknown(body: Script) -> Input {
    Input::from_body(body, BodyLength::Unknown)
}

fn exact(body: Script, length: u64) -> Input {
    Input::from_body(body, BodyLength::Exact(length))
}

/// Fault, status and requirement.
fn told(error: &Error) -> (Fault, u16, Option<&'static str>) {
    (error.fault(), error.status().as_u16(), error.requirement())
}

// Evidence: REQ-INPUT-01, REQ-INPUT-02, REQ-INPUT-03
#[test]
fn chunks_come_in_order_never_empty_and_the_end_for_ever() {
    let mut input = unknown(Script::data(&["a", "", "b"]).then_empty());
    assert_eq!(block_on(input.chunk()).unwrap().unwrap(), "a");
    assert_eq!((input.received(), input.is_ended()), (1, false));
    assert_eq!(block_on(input.chunk()).unwrap().unwrap(), "b");
    for _ in 0..3 {
        assert!(block_on(input.chunk()).unwrap().is_none());
        assert!(input.is_ended());
    }
    assert!(block_on(input.trailers()).unwrap().is_none());
}

// Evidence: REQ-INPUT-02, REQ-INPUT-06
#[test]
fn the_length_is_what_the_framing_says_before_and_after_reading() {
    for (mut input, length) in [
        (Input::empty(), BodyLength::Empty),
        (Input::default(), BodyLength::Empty),
        (Input::from(""), BodyLength::Empty),
        (Input::from("abc"), BodyLength::Exact(3)),
        (Input::from(b"abc".to_vec()), BodyLength::Exact(3)),
        (Input::from(Bytes::from("abc")), BodyLength::Exact(3)),
        (Input::from_body(Script::data(&[]), BodyLength::Empty), BodyLength::Empty),
        (exact(Script::data(&[]), 0), BodyLength::Empty),
        (exact(Script::data(&["ab", "c"]), 3), BodyLength::Exact(3)),
        (unknown(Script::data(&["abc"])), BodyLength::Unknown),
    ] {
        assert_eq!(input.length(), length);
        assert_eq!(input.is_ended(), length == BodyLength::Empty);
        while block_on(input.chunk()).unwrap().is_some() {}
        assert_eq!(input.length(), length);
    }
}

// Evidence: REQ-INPUT-04, REQ-INPUT-05
#[test]
fn content_that_breaks_off_is_the_clients_fault_and_stays_so() {
    for (mut input, requirement) in [
        (exact(Script::data(&["abc"]), 5), Some("REQ-INPUT-04")),
        (exact(Script::data(&["abcdef"]), 5), Some("REQ-INPUT-04")),
        (exact(Script::data(&["abc", "def"]), 5), Some("REQ-INPUT-04")),
        (unknown(Script::data(&["abc"]).then_fail()), None),
    ] {
        let error = loop {
            match block_on(input.chunk()) {
                Ok(chunk) => assert!(chunk.is_some(), "a clean end"),
                Err(error) => break error,
            }
        };
        assert!(input.received() <= 6);
        assert_eq!(told(&error), (Fault::Client, 400, requirement));
        for _ in 0..2 {
            let again = block_on(input.chunk()).unwrap_err();
            assert_eq!((told(&again), again.message()), (told(&error), error.message()));
            assert!(block_on(input.trailers()).is_err());
            assert!(block_on(input.read_to_end(100)).is_err());
        }
        assert!(!input.is_ended());
    }
}

#[test]
fn an_error_that_names_another_culprit_keeps_it() {
    let body = Full::new(Bytes::from("x"))
        .map_frame(|frame| frame)
        .map_err(|never| match never {})
        .boxed();
    let mut fine = Input::from_body::<http_body_util::combinators::BoxBody<Bytes, rwgi::BoxError>>(
        body,
        BodyLength::Unknown,
    );
    assert_eq!(block_on(fine.read_to_end(9)).unwrap(), "x");
    // An input inside an input: what middleware makes.
    let mut inner = Input::from("abcdef");
    inner.set_limit(Some(3));
    let mut outer = Input::from_body(inner, BodyLength::Unknown);
    let error = block_on(outer.chunk()).unwrap_err();
    assert_eq!(told(&error), (Fault::Client, 413, Some("REQ-INPUT-12")));
}

// Evidence: REQ-INPUT-12, REQ-INPUT-13
#[test]
fn the_limit_counts_the_whole_body_however_it_is_read() {
    let three = || Script::data(&["aa", "bb", "cc"]);
    let mut input = unknown(three());
    input.set_limit(Some(5));
    assert_eq!(input.limit(), Some(5));
    assert!(block_on(input.chunk()).is_ok());
    let error = block_on(input.read_to_end(100)).unwrap_err();
    assert_eq!(told(&error), (Fault::Client, 413, Some("REQ-INPUT-12")));

    for limit in [Some(6), None] {
        let mut input = unknown(three());
        input.set_limit(Some(1));
        input.set_limit(limit);
        assert_eq!(block_on(input.read_to_end(6)).unwrap(), "aabbcc");
    }
}

// Evidence: REQ-INPUT-14
#[test]
fn a_declared_length_beyond_the_limit_fails_before_anything_is_read() {
    let mut input = exact(Script::data(&[]).then_panic(), 10);
    input.set_limit(Some(9));
    let error = block_on(input.chunk()).unwrap_err();
    assert_eq!(told(&error), (Fault::Client, 413, Some("REQ-INPUT-12")));
}

// Evidence: REQ-INPUT-15
#[test]
fn a_call_that_collects_has_its_own_limit() {
    for pieces in [&["abcdef"][..], &["abc", "def"], &["ab", "cd", "ef"]] {
        let mut input = unknown(Script::data(pieces));
        assert_eq!(block_on(input.read_to_end(6)).unwrap(), "abcdef");
        let mut input = unknown(Script::data(pieces));
        let error = block_on(input.read_to_end(5)).unwrap_err();
        assert_eq!(told(&error), (Fault::Client, 413, Some("REQ-INPUT-15")));
        let mut input = unknown(Script::data(pieces));
        assert_eq!(block_on(input.read_to_string(5)).unwrap_err().status(), 413);
    }
    let mut input = exact(Script::data(&[]).then_panic(), 6);
    assert_eq!(block_on(input.read_to_end(5)).unwrap_err().status(), 413);
    assert_eq!(block_on(Input::empty().read_to_end(0)).unwrap(), "");
}

// Evidence: REQ-INPUT-16
#[test]
fn text_is_utf_8_or_an_error_of_the_client() {
    assert_eq!(block_on(Input::from("héé").read_to_string(9)).unwrap(), "héé");
    let error = block_on(Input::from(vec![0xff]).read_to_string(9)).unwrap_err();
    assert_eq!(told(&error), (Fault::Client, 400, Some("REQ-INPUT-16")));
}

// Evidence: REQ-INPUT-21, REQ-INPUT-22
#[test]
fn trailers_come_after_the_end_and_skip_what_was_not_read() {
    let mut input = unknown(Script::data(&["a", "b"]).then_trailers());
    assert_eq!(block_on(input.chunk()).unwrap().unwrap(), "a");
    assert_eq!(block_on(input.trailers()).unwrap().unwrap()["x-sum"], "1");
    assert!(input.is_ended());
    assert!(block_on(input.trailers()).unwrap().is_none(), "they are given once");
}

// Evidence: REQ-INPUT-09
#[test]
fn nothing_is_read_before_it_is_asked_for() {
    let input = unknown(Script::data(&[]).then_panic());
    assert_eq!(input.received(), 0);
    let environ = Environ::builder().input(input).build().unwrap();
    assert_eq!(environ.input().length(), BodyLength::Unknown);
}

// Evidence: REQ-INPUT-10
#[test]
fn what_has_arrived_is_given_while_the_rest_is_on_its_way() {
    let poller = Poller::new();
    let (frames, body) = channel();
    let mut input = Input::from_body(body, BodyLength::Exact(4));
    assert!(input.poll_chunk(&mut poller.cx()).is_pending());
    frames.send(Bytes::from("ab")).unwrap();
    let std::task::Poll::Ready(Ok(Some(chunk))) = input.poll_chunk(&mut poller.cx()) else {
        panic!("two bytes have arrived");
    };
    assert_eq!(chunk, "ab");
    assert!(input.poll_chunk(&mut poller.cx()).is_pending());
}

/// A body that is pending until something was sent.
fn channel() -> (std::sync::mpsc::Sender<Bytes>, impl Body<Data = Bytes, Error = Error>) {
    struct Channel(std::sync::Mutex<std::sync::mpsc::Receiver<Bytes>>);
    impl Body for Channel {
        type Data = Bytes;
        type Error = Error;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Error>>> {
            match self.0.lock().unwrap().try_recv() {
                Ok(data) => std::task::Poll::Ready(Some(Ok(http_body::Frame::data(data)))),
                Err(_) => std::task::Poll::Pending,
            }
        }
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    (sender, Channel(std::sync::Mutex::new(receiver)))
}

#[test]
fn an_input_is_a_body() {
    let mut input = exact(Script::data(&["ab", "cd"]).then_trailers(), 4);
    assert_eq!(input.size_hint().exact(), Some(4));
    block_on(input.chunk()).unwrap();
    assert_eq!(input.size_hint().exact(), Some(2));
    assert_eq!(Input::empty().size_hint().exact(), Some(0));
    assert_eq!(unknown(Script::data(&[])).size_hint().exact(), None);
    assert!(Input::empty().is_end_stream());
    let collected = block_on(input.collect()).unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "1");
    assert_eq!(collected.to_bytes(), "cd");

    let failing = unknown(Script::data(&["ab"]).then_fail());
    assert!(block_on(failing.collect()).is_err());
}
