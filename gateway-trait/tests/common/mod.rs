//! What the tests of the exchange share: polling by hand, and a log of outcomes.
//!
//! Rules of this room: no runtime, no clock, no sleep. A future that is pending although nothing woke it is stuck, and the test
//! says so at once instead of hanging.
#![allow(dead_code, reason = "each test file uses its own part of this")]

pub(crate) mod script;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, response};
use http_body::{Body, Frame};
use rwgi::{
    Application, Environ, Error, Exchange, Outcome, OutcomeKind, ResponseBody, Result,
    StartResponse,
};

/// Polls futures and bodies by hand, and counts how often they asked to be polled again.
pub(crate) struct Poller {
    wakes: Arc<Wakes>,
    waker: Waker,
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Poller {
    pub(crate) fn new() -> Self {
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        Self { waker: Waker::from(Arc::clone(&wakes)), wakes }
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }

    pub(crate) fn cx(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    pub(crate) fn poll<F: Future + Unpin>(&self, future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut self.cx())
    }

    pub(crate) fn frame(&self, body: &mut ResponseBody) -> Poll<Option<Result<Frame<Bytes>>>> {
        Pin::new(body).poll_frame(&mut self.cx())
    }

    /// Polls until ready; a future that waits for nobody fails the test.
    pub(crate) fn drive<F: Future + Unpin>(&self, future: &mut F) -> F::Output {
        loop {
            let before = self.wakes();
            if let Poll::Ready(output) = self.poll(future) {
                return output;
            }
            assert!(self.wakes() > before, "stuck: pending, and nothing asks for another poll");
        }
    }

    /// The next frame; a body that waits for nobody fails the test.
    pub(crate) fn drive_frame(&self, body: &mut ResponseBody) -> Option<Result<Frame<Bytes>>> {
        loop {
            let before = self.wakes();
            if let Poll::Ready(frame) = self.frame(body) {
                return frame;
            }
            assert!(self.wakes() > before, "stuck: pending, and nothing asks for another poll");
        }
    }

    /// The next frame, which is data.
    pub(crate) fn data(&self, body: &mut ResponseBody) -> Bytes {
        self.drive_frame(body).expect("a frame").expect("no error").into_data().expect("data")
    }
}

/// What an exchange came to, once it was driven to its end.
pub(crate) struct Ran {
    pub(crate) head: response::Parts,
    /// What the body said of its length before it was read.
    pub(crate) exact: Option<u64>,
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    /// The message was cut.
    pub(crate) error: Option<Error>,
}

impl Ran {
    pub(crate) fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.chunks.concat()).unwrap()
    }
}

/// Drives an application to its end; `Err` is a failure before the commit.
pub(crate) fn run<A: Application>(application: A, environ: Environ) -> Result<Ran> {
    let poller = Poller::new();
    let mut exchange = Exchange::new(Arc::new(application), environ);
    let response = poller.drive(&mut exchange)?;
    let (head, mut body) = response.into_parts();
    let mut ran = Ran {
        head,
        exact: body.size_hint().exact(),
        chunks: Vec::new(),
        trailers: None,
        error: None,
    };
    while let Some(frame) = poller.drive_frame(&mut body) {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => ran.chunks.push(data),
            Ok(Err(frame)) => ran.trailers = frame.into_trailers().ok(),
            Err(error) => {
                ran.error = Some(error);
                break;
            }
        }
    }
    Ok(ran)
}

/// Runs an application far enough to have its response.
pub(crate) fn respond<A: Application>(
    poller: &Poller,
    application: A,
    environ: Environ,
) -> http::Response<ResponseBody> {
    poller.drive(&mut Exchange::new(Arc::new(application), environ)).unwrap()
}

/// Collects what `on_complete` was told.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Outcome>>>);

impl Log {
    /// Registers a callback that writes here.
    pub(crate) fn watch(&self, start_response: &mut StartResponse) {
        let log = Arc::clone(&self.0);
        start_response.on_complete(move |outcome| log.lock().unwrap().push(outcome.clone()));
    }

    pub(crate) fn record(&self, outcome: &Outcome) {
        self.0.lock().unwrap().push(outcome.clone());
    }

    pub(crate) fn all(&self) -> Vec<Outcome> {
        self.0.lock().unwrap().clone()
    }

    /// The one outcome; none or two fail the test.
    #[track_caller]
    pub(crate) fn one(&self) -> Outcome {
        let all = self.all();
        assert_eq!(all.len(), 1, "one callback, one call: {all:?}");
        all[0].clone()
    }

    /// The one outcome's kind, status and bytes.
    #[track_caller]
    pub(crate) fn told(&self) -> (OutcomeKind, Option<u16>, u64) {
        let outcome = self.one();
        (outcome.kind(), outcome.status().map(|status| status.as_u16()), outcome.bytes())
    }

    #[track_caller]
    pub(crate) fn assert_silent(&self) {
        assert!(self.all().is_empty(), "told before the end: {:?}", self.all());
    }
}

pub(crate) fn get() -> Environ {
    Environ::builder().build().unwrap()
}

pub(crate) fn head() -> Environ {
    Environ::builder().method(Method::HEAD).build().unwrap()
}

pub(crate) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap()
}

/// An environ of a server that can do everything that needs no socket.
pub(crate) fn capable(method: Method) -> Environ {
    let mut server = rwgi::ServerInfo::new("test/1");
    server.capabilities.informational = true;
    server.capabilities.request_trailers = true;
    server.capabilities.response_trailers = true;
    server.capabilities.full_duplex = true;
    server.capabilities.upgrade = true;
    let connection = rwgi::Connection { server: Arc::new(server), ..Default::default() };
    Environ::builder().method(method).connection(connection).build().unwrap()
}

/// Gives way once: pending, and awake again at once.
pub(crate) async fn pause() {
    let mut paused = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Never ready: an application that waits for something that does not come.
pub(crate) async fn forever<T>() -> T {
    std::future::pending().await
}
