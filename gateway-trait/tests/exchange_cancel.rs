//! Cancellation at every poll: each application is dropped at poll k, for all k.
//!
//! Whatever the application was doing, its callback runs exactly once, nothing that it held stays behind, and nothing panics.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use common::{Log, Poller, pause};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::{Body, Frame};
use rwgi::{
    BodyLength, Environ, Error, Exchange, Finished, Input, OutcomeKind, Result, StartResponse,
};

type Call = Pin<Box<dyn Future<Output = Result<Finished>> + Send>>;
type Scenario = fn(Environ, StartResponse, Arc<()>) -> Call;

/// A body that gives way between its frames.
struct Slow {
    left: usize,
    ready: bool,
}

impl Body for Slow {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        self.ready = !self.ready;
        if self.ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.left = self.left.saturating_sub(1);
        Poll::Ready((self.left > 0).then(|| Ok(Frame::data(Bytes::from_static(b"slow")))))
    }
}

/// The applications, one for each way in which an exchange goes on. The last argument is what must not leak.
const SCENARIOS: [(&str, Scenario, OutcomeKind); 9] = [
    (
        "one piece",
        |_, start, held| {
            Box::pin(async move {
                pause().await;
                let finished = start.respond(StatusCode::OK, (), "one piece")?;
                pause().await;
                drop(held);
                Ok(finished)
            })
        },
        OutcomeKind::Completed,
    ),
    (
        "stream",
        |_, start, held| {
            Box::pin(async move {
                let _held = held;
                let mut body = start.start(StatusCode::OK, ())?;
                pause().await;
                for _ in 0..3 {
                    body.write("piece").await?;
                    pause().await;
                }
                body.flush().await?;
                let finished = body.finish()?;
                pause().await;
                Ok(finished)
            })
        },
        OutcomeKind::Completed,
    ),
    (
        "declared stream",
        |_, start, held| {
            Box::pin(async move {
                let _held = held;
                let mut body = start.start(StatusCode::OK, [(CONTENT_LENGTH, 4u64)])?;
                body.write("ab").await?;
                pause().await;
                body.write("cd").await?;
                pause().await;
                body.finish()
            })
        },
        OutcomeKind::Completed,
    ),
    (
        "stream with trailers",
        |_, start, held| {
            Box::pin(async move {
                let _held = held;
                let mut body = start.start(StatusCode::OK, ())?;
                body.write("ab").await?;
                pause().await;
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", "1".parse()?);
                body.finish_with_trailers(trailers)
            })
        },
        OutcomeKind::Completed,
    ),
    (
        "echo",
        |mut environ, start, held| {
            Box::pin(async move {
                let _held = held;
                let mut input = environ.take_input();
                let mut body = start.start(StatusCode::OK, ())?;
                while let Some(chunk) = input.chunk().await? {
                    body.write(chunk).await?;
                }
                body.finish()
            })
        },
        OutcomeKind::Completed,
    ),
    (
        "forward",
        |_, start, held| {
            Box::pin(async move {
                let _held = held;
                pause().await;
                start.forward(Response::new(Slow { left: 4, ready: false }))
            })
        },
        OutcomeKind::Completed,
    ),
    (
        "middleware",
        |environ, start, held| {
            Box::pin(async move {
                let inner = move |_: Environ, mut start: StartResponse| {
                    let held = Arc::clone(&held);
                    async move {
                        let also_held = Arc::clone(&held);
                        start.on_complete(move |_| drop(also_held));
                        let mut body = start.start(StatusCode::OK, ())?;
                        for _ in 0..3 {
                            pause().await;
                            body.write("inner").await?;
                        }
                        drop(held);
                        body.finish()
                    }
                };
                start.forward(Exchange::new(Arc::new(inner), environ).await?)
            })
        },
        OutcomeKind::Completed,
    ),
    (
        "failure before the commit",
        |_, start, held| {
            Box::pin(async move {
                let _held = held;
                let _body = start.start(StatusCode::OK, ())?;
                pause().await;
                Err(Error::application("broken"))
            })
        },
        OutcomeKind::Failed,
    ),
    (
        "failure after the commit",
        |_, start, held| {
            Box::pin(async move {
                let _held = held;
                let mut body = start.start(StatusCode::OK, ())?;
                body.write("half").await?;
                pause().await;
                body.write("more").await?;
                pause().await;
                panic!("broken")
            })
        },
        OutcomeKind::Failed,
    ),
];

/// Runs a scenario for `polls` polls and drops it; gives whether it had come to its end by then.
fn run_until(
    (name, scenario, kind): &(&str, Scenario, OutcomeKind),
    method: Method,
    polls: usize,
) -> bool {
    let held = Arc::new(());
    let log = Log::default();
    let mut environ = common::capable(method.clone());
    environ.set_input(Input::from_body(Slow { left: 4, ready: false }, BodyLength::Unknown));
    let poller = Poller::new();
    let (scenario, watched, kept) = (*scenario, log.clone(), Arc::clone(&held));
    let application = Arc::new(move |environ: Environ, mut start: StartResponse| {
        watched.watch(&mut start);
        let also_held = Arc::clone(&kept);
        start.on_complete(move |_| drop(also_held));
        let hooked = Arc::clone(&kept);
        start.map_head(move |_| {
            drop(hooked);
            Ok(())
        });
        scenario(environ, start, Arc::clone(&kept))
    });

    let mut ended = false;
    let mut response = None;
    let mut exchange = Exchange::new(Arc::clone(&application), environ);
    let mut called = false;
    for _ in 0..polls {
        match &mut response {
            None => {
                called = true;
                match poller.poll(&mut exchange) {
                    Poll::Ready(Ok(given)) => response = Some(given),
                    Poll::Ready(Err(_)) => ended = true,
                    Poll::Pending => {}
                }
            }
            Some(response) => {
                if let Poll::Ready(None | Some(Err(_))) = poller.frame(response.body_mut()) {
                    ended = true;
                }
            }
        }
        ended |= response.as_ref().is_some_and(|response| response.body().is_end_stream());
        if ended {
            break;
        }
    }
    let context = format!("{name}, {method}, dropped after {polls} polls");
    drop(exchange);
    drop(response);
    if called {
        let told = log.one().kind();
        if ended {
            // HEAD ends before a failure that comes after the commit.
            let expected = if method == Method::HEAD && *name == "failure after the commit" {
                OutcomeKind::Completed
            } else {
                *kind
            };
            assert_eq!(told, expected, "{context}");
        } else {
            assert!(told == OutcomeKind::Cancelled || told == *kind, "{context}: {told:?}");
        }
    } else {
        log.assert_silent();
    }
    drop(application);
    assert_eq!(Arc::strong_count(&held), 1, "{context}: something stayed behind");
    ended
}

// Evidence: REQ-EXCH-08, REQ-EXCH-10, REQ-EXCH-12, REQ-MID-08
#[test]
fn dropped_at_any_poll_every_callback_runs_once_and_nothing_stays_behind() {
    for scenario in &SCENARIOS {
        for method in [Method::GET, Method::HEAD] {
            let polls = (0..).find(|polls| run_until(scenario, method.clone(), *polls)).unwrap();
            assert!(polls > 1 || method == Method::HEAD, "{}: nothing to cancel", scenario.0);
        }
    }
}
