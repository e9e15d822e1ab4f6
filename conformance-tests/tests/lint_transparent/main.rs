//! The lint in between changes nothing: the same exchanges with and without it.
//!
//! Rules of this room: what either party can see is written down as text, and the two texts are equal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod observer;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use rwgi::{BodyLength, Environ, Error, Finished, Input, Result, StartResponse};

use self::observer::{Log, Request, compare, get, note};

/// An application that writes down what it sees, and then does this.
macro_rules! application {
    (|$log:ident, $environ:ident, $start:ident| $body:block) => {
        |log: Log| {
            move |#[allow(unused_mut)] mut $environ: Environ, mut $start: StartResponse| {
                let $log = Arc::clone(&log);
                async move {
                    let names: Vec<_> = $environ.capabilities().names().collect();
                    note(&$log, &format!("{:?} {}", $environ, names.join(" ")));
                    let told = Arc::clone(&$log);
                    $start.on_complete(move |outcome| {
                        note(
                            &told,
                            &format!(
                                "application told {:?} {:?} {}",
                                outcome.kind(),
                                outcome.status(),
                                outcome.bytes()
                            ),
                        );
                    });
                    Result::<Finished>::from($body)
                }
            }
        }
    };
}

fn oh() -> Result<Finished> {
    panic!("oh")
}

const TEXT: [(&str, &str); 1] = [("content-type", "text/plain")];

struct Chunks(Vec<Result<Frame<Bytes>>>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = rwgi::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, rwgi::BoxError>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(self.0.remove(0).map_err(rwgi::BoxError::from)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("1"));
    trailers
}

#[test]
fn answers_are_the_same() {
    let methods = [Method::GET, Method::HEAD];
    for method in methods {
        for version in [Version::HTTP_10, Version::HTTP_11] {
            let request = Request { method: method.clone(), version, ..get() };
            compare(
                "whole",
                application!(|_log, _environ, start| {
                    start.respond(StatusCode::OK, TEXT, "content")
                }),
                &request,
            );
            compare(
                "empty",
                application!(|_log, _environ, start| { start.respond(StatusCode::OK, (), "") }),
                &request,
            );
            compare(
                "no content",
                application!(|_log, _environ, start| {
                    start.respond(StatusCode::NO_CONTENT, (), "")
                }),
                &request,
            );
            compare(
                "declared",
                application!(|_log, _environ, start| {
                    start.respond(StatusCode::OK, [("content-length", "7")], "content")
                }),
                &request,
            );
            compare(
                "not modified",
                application!(|_log, _environ, start| {
                    start.respond(StatusCode::NOT_MODIFIED, [("content-length", "7")], "")
                }),
                &request,
            );
            compare(
                "streamed at once",
                application!(|_log, _environ, start| {
                    let mut body = start.start(StatusCode::OK, TEXT)?;
                    body.write("content").await?;
                    body.finish()
                }),
                &request,
            );
            compare(
                "streamed",
                application!(|log, _environ, start| {
                    let mut body = start.start(StatusCode::OK, TEXT)?;
                    body.replace_head(StatusCode::ACCEPTED, TEXT)?;
                    body.flush().await?;
                    note(&log, &format!("committed {}", body.is_committed()));
                    for piece in ["one", "", "two"] {
                        body.write(piece).await?;
                        note(&log, "written");
                    }
                    body.finish_with_trailers(trailers())
                }),
                &request,
            );
            compare(
                "forwarded",
                application!(|_log, _environ, start| {
                    let chunks = [Ok(Frame::data("one".into())), Ok(Frame::trailers(trailers()))];
                    start.forward(Response::new(Chunks(chunks.into())))
                }),
                &request,
            );
            compare(
                "informed",
                application!(|_log, _environ, start| {
                    start.inform(StatusCode::EARLY_HINTS, [("link", "</a>")])?;
                    start.map_head(|head| head.insert("x-hook", "1"));
                    start.respond(StatusCode::OK, TEXT, "content")
                }),
                &request,
            );
        }
    }
}

#[test]
fn failures_are_the_same() {
    for method in [Method::GET, Method::HEAD] {
        let request = Request { method, ..get() };
        compare(
            "refused",
            application!(|_log, _environ, _start| {
                Err(Error::client(StatusCode::GONE, "gone").with_requirement("REQ-X-01"))
            }),
            &request,
        );
        compare("panic", application!(|_log, _environ, _start| { oh() }), &request);
        compare(
            "wrong length",
            application!(|_log, _environ, start| {
                start.respond(StatusCode::OK, [("content-length", "9")], "content")
            }),
            &request,
        );
    }
    let request = get();
    compare(
        "late",
        application!(|_log, _environ, start| {
            let mut body = start.start(StatusCode::OK, TEXT)?;
            body.write("one").await?;
            body.flush().await?;
            Err(Error::application("late"))
        }),
        &request,
    );
    compare(
        "dropped",
        application!(|_log, _environ, start| {
            let mut body = start.start(StatusCode::OK, TEXT)?;
            body.flush().await?;
            drop(body);
            std::future::pending().await
        }),
        &request,
    );
    compare(
        "forwarded failure",
        application!(|_log, _environ, start| {
            let chunks = [Ok(Frame::data("one".into())), Err(Error::server("disk"))];
            start.forward(Response::new(Chunks(chunks.into())))
        }),
        &request,
    );
    compare(
        "connection field",
        application!(|log, _environ, start| {
            let error = start.respond(StatusCode::OK, [("connection", "close")], "").unwrap_err();
            note(&log, &format!("{error}"));
            Err(error)
        }),
        &request,
    );
}

#[test]
fn inputs_are_the_same() {
    fn chunks() -> Input {
        let chunks = [
            Ok(Frame::data("one".into())),
            Ok(Frame::data("two".into())),
            Ok(Frame::trailers(trailers())),
        ];
        Input::from_body(Chunks(chunks.into()), BodyLength::Unknown)
    }
    fn broken() -> Input {
        let gone = Error::client(StatusCode::REQUEST_TIMEOUT, "gone");
        Input::from_body(
            Chunks(vec![Ok(Frame::data("one".into())), Err(gone)]),
            BodyLength::Exact(9),
        )
    }
    fn short() -> Input {
        Input::from_body(Chunks(vec![Ok(Frame::data("one".into()))]), BodyLength::Exact(4))
    }
    fn large() -> Input {
        Input::from("more than eight bytes")
    }
    for input in [Input::empty, chunks, broken, short, large, || Input::from("eight by")] {
        let request = Request { method: Method::POST, input, ..get() };
        compare(
            "read",
            application!(|log, environ, start| {
                let input = environ.input_mut();
                note(
                    &log,
                    &format!("{:?} {:?} {}", input.length(), input.limit(), input.received()),
                );
                while let Some(chunk) = input.chunk().await? {
                    note(&log, &format!("{chunk:?} {}", input.received()));
                }
                note(&log, &format!("{:?} {}", input.trailers().await?, input.is_ended()));
                start.respond(StatusCode::OK, TEXT, "content")
            }),
            &request,
        );
        compare(
            "raised",
            application!(|log, environ, start| {
                let input = environ.input_mut();
                input.set_limit(None);
                let whole = input.read_to_string(100).await;
                note(&log, &format!("{:?}", whole.map_err(|error| error.to_string())));
                start.respond(StatusCode::OK, TEXT, "content")
            }),
            &request,
        );
        compare(
            "lowered",
            application!(|log, environ, start| {
                environ.input_mut().set_limit(Some(2));
                let whole = environ.input_mut().read_to_end(100).await;
                note(&log, &format!("{:?}", whole.map_err(|error| error.status())));
                start.respond(StatusCode::OK, TEXT, "content")
            }),
            &request,
        );
        compare(
            "unread",
            application!(|_log, _environ, start| {
                start.respond(StatusCode::OK, TEXT, "content")
            }),
            &request,
        );
    }
}

#[test]
fn departures_are_the_same() {
    for frames in 0..4 {
        let request = Request { leaves_after: Some(frames), ..get() };
        compare(
            "left",
            application!(|log, _environ, start| {
                let mut body = start.start(StatusCode::OK, TEXT)?;
                for piece in ["one", "two", "three"] {
                    body.write(piece).await?;
                    note(&log, "written");
                }
                body.finish()
            }),
            &request,
        );
    }
}

#[test]
fn nothing_is_said_of_an_exchange_in_which_all_is_well() {
    let input = || Input::from("content!");
    let request = Request { method: Method::POST, input, ..get() };
    let findings = compare(
        "well",
        application!(|_log, environ, start| {
            let content = environ.input_mut().read_to_end(100).await?;
            start.respond(StatusCode::OK, TEXT, content)
        }),
        &request,
    );
    assert!(findings.is_empty(), "{findings:?}");
}
