//! The request's content, from hyper to the environ's input.
//!
//! Rules of this room: a door; nothing is read before it is asked for; what hyper says of a broken body becomes the client's fault; what
//! the application leaves unread comes back, so that the connection can be kept or closed honestly.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::EXPECT;
use http::{StatusCode, Version, request};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use rwgi::{BodyLength, Error, Input};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};

use crate::body_pace::{Pace, Progress};

/// What is read of content that nobody wanted, so that the connection can be kept.
const MOST_DRAINED: u64 = 64 * 1024;
/// Turns of the connection's task in which nothing comes, after which nothing has arrived: one to ask hyper, one for it to read.
const MOST_TURNS: u8 = 2;

/// What the gateway knows of a request's content.
#[derive(Debug)]
pub(crate) struct Content {
    /// The client waits for 100 (Continue) before it sends.
    expects: bool,
    asked: AtomicBool,
    /// hyper has had a turn since it was asked, so that 100 (Continue) is out.
    continued: AtomicBool,
    ended: AtomicBool,
    forbidden: AtomicBool,
    broken: AtomicBool,
    left: Mutex<Option<Left>>,
}

/// Content that the application left unread.
#[derive(Debug)]
struct Left {
    incoming: Incoming,
    drained: u64,
    turns: u8,
}

/// The length of the content as the framing has it.
#[inline]
pub(crate) fn length(incoming: &Incoming) -> BodyLength {
    if incoming.is_end_stream() {
        return BodyLength::Empty;
    }
    incoming.size_hint().exact().map_or(BodyLength::Unknown, BodyLength::Exact)
}

/// Whether the client waits for 100 (Continue) before it sends.
pub(crate) fn expects(head: &request::Parts) -> bool {
    head.version == Version::HTTP_11
        && head
            .headers
            .get(EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// What holds for the content of all requests of a connection.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) pace: Pace,
    /// Whose timers are used: the application may read on a thread that has none.
    pub(crate) runtime: Handle,
}

/// Makes the environ's input of hyper's body.
pub(crate) fn input(
    incoming: Incoming,
    length: BodyLength,
    expects: bool,
    terms: &Arc<Terms>,
) -> (Input, Arc<Content>) {
    let content = Arc::new(Content {
        expects,
        asked: AtomicBool::new(false),
        continued: AtomicBool::new(false),
        ended: AtomicBool::new(false),
        forbidden: AtomicBool::new(false),
        broken: AtomicBool::new(false),
        left: Mutex::new(None),
    });
    let body = RequestBody {
        incoming: Some(incoming),
        content: Arc::clone(&content),
        waits: expects,
        terms: Arc::clone(terms),
        received: 0,
        waiting: None,
    };
    (Input::from_body(body, length), content)
}

impl Content {
    /// Whether the content was read to its end.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Called when the final response's head is about to leave; gives whether the connection can be kept as far as one can tell,
    /// after it has read what had arrived already of what the application left.
    pub(crate) fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.is_ended() {
            return Poll::Ready(true);
        }
        if self.broken.load(Relaxed) {
            return Poll::Ready(false);
        }
        if self.expects && !self.asked.load(Relaxed) {
            // No 100 (Continue) can be sent after the final head: who reads now would wait for what never comes.
            self.forbidden.store(true, Relaxed);
            return Poll::Ready(false);
        }
        if self.expects && !self.continued.swap(true, Relaxed) {
            // Asked in this very turn: 100 (Continue) leaves before the head or not at all.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // Where the application still holds the input it may yet read it to the end.
        let Some(rest) = left.as_mut() else { return Poll::Ready(true) };
        let ended = std::task::ready!(rest.poll_drained(cx));
        *left = None;
        self.ended.store(ended, Relaxed);
        Poll::Ready(ended)
    }
}

impl Left {
    /// Reads what has arrived, within reason; gives whether that was all.
    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while !self.incoming.is_end_stream() {
            if self.drained + self.incoming.size_hint().lower() > MOST_DRAINED {
                return Poll::Ready(false);
            }
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(frame))) => {
                    self.drained += frame.data_ref().map_or(0, |data| data.len() as u64);
                    self.turns = 0;
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                Poll::Pending if self.turns < MOST_TURNS => {
                    self.turns += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Ready(false),
            }
        }
        Poll::Ready(true)
    }
}

/// hyper's body, watched.
struct RequestBody {
    incoming: Option<Incoming>,
    content: Arc<Content>,
    /// The first read waits for a turn, in which a head that was committed before it comes to light.
    waits: bool,
    terms: Arc<Terms>,
    /// The bytes that have come.
    received: u64,
    /// There once content did not come at once.
    waiting: Option<Box<Waiting>>,
}

/// The wait for the next piece of content.
struct Waiting {
    since: Option<Instant>,
    /// How long it was waited for the pieces before.
    waited: Duration,
    timer: Pin<Box<Sleep>>,
}

impl RequestBody {
    /// The client is waited for; ready when it has taken too long.
    #[cold]
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let waited = self.waiting.as_ref().map_or(Duration::ZERO, |waiting| waiting.waited);
        let patience = self.terms.pace.patience(&Progress { waited, received: self.received });
        let waiting = self.waiting.get_or_insert_with(|| {
            let _runtime = self.terms.runtime.enter();
            Box::new(Waiting { since: None, waited, timer: Box::pin(tokio::time::sleep(patience)) })
        });
        // Beyond a century clocks cannot be reckoned with, and nobody waits.
        let deadline = waiting.since.get_or_insert(now).checked_add(patience).unwrap_or(now);
        if now >= deadline {
            return Poll::Ready(());
        }
        // An earlier deadline is left to fire, as on the connection.
        if waiting.timer.is_elapsed() || waiting.timer.deadline() > deadline {
            waiting.timer.as_mut().reset(deadline);
        }
        if waiting.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Something has come.
    fn count(&mut self, frame: &Frame<Bytes>) {
        self.received += frame.data_ref().map_or(0, |data| data.len() as u64);
        if let Some(waiting) = &mut self.waiting
            && let Some(since) = waiting.since.take()
        {
            waiting.waited += since.elapsed();
        }
    }

    /// The content ends here, and not well.
    fn break_off(&mut self) {
        self.incoming = None;
        self.content.broken.store(true, Relaxed);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.content.forbidden.load(Relaxed) {
            return Poll::Ready(Some(Err(Error::application(
                "the content is read after the response's head left and with 100 (Continue) unsent: the client will not send it",
            )
            .with_requirement("REQ-INPUT-20"))));
        }
        if std::mem::take(&mut self.waits) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.content.asked.store(true, Relaxed);
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
            std::task::ready!(self.poll_late(cx));
            self.break_off();
            return Poll::Ready(Some(Err(Error::client(
                StatusCode::REQUEST_TIMEOUT,
                "the request's content did not come in time",
            ))));
        };
        Poll::Ready(match frame {
            None => {
                self.content.ended.store(true, Relaxed);
                None
            }
            Some(Ok(frame)) => {
                self.count(&frame);
                if self.incoming.as_ref().is_some_and(Body::is_end_stream) {
                    self.content.ended.store(true, Relaxed);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.break_off();
                Some(Err(Error::client(
                    StatusCode::BAD_REQUEST,
                    "the request's content was cut short or is malformed",
                )
                .with_requirement("REQ-INPUT-04")
                .with_source(error)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.content.is_ended() {
            *self.content.left.lock().unwrap_or_else(PoisonError::into_inner) =
                self.incoming.take().map(|incoming| Left { incoming, drained: 0, turns: 0 });
        }
    }
}
