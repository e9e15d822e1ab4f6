//! The content of a response, as the server pulls it.
//!
//! Rules of this room: one demand, one frame; the end is given only after the application returned; a failure is given
//! only after what came before it could leave; the declared length is met or the message is cut.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};

use super::call::{ApplicationFuture, poll_application};
use super::outcome::Completion;
use super::phase::{Event, Phase};
use super::piece::{Failure, Piece};
use super::pull::Pull;
use super::slot::Slot;
use super::stream::{Stream, dropped_writer};
use crate::input::BoxBody;
use crate::upgrade::session::Session;
use crate::{Error, Result};

/// The content of a response: it holds the application's future where that has not returned, and polls it.
///
/// An error means that the message must be cut so that the client can tell (REQ-ERR-07, REQ-ERR-09). The end comes when the application
/// has returned (REQ-EXCH-05).
///
/// # Cancel safety
/// A frame that was asked for and did not come is not lost. Dropping the body before its end cancels the application.
pub struct ResponseBody {
    source: Source,
    completion: Completion,
}

enum Source {
    Ended,
    Whole(Bytes),
    Stream(Stream),
    /// Boxed: it is much larger than the others, and a response is moved a good deal before its body is asked.
    Pull(Box<Pull>),
    Cut {
        chunk: Bytes,
        error: Option<Error>,
        yielded: bool,
    },
    /// The connection was taken over; boxed, for few are.
    Session(Box<Session>),
}

impl ResponseBody {
    /// No content.
    pub fn empty() -> Self {
        Self { source: Source::Ended, completion: Completion::default() }
    }

    /// Whether all of the content is here already, as one piece at most, so that it can neither fail nor be waited for.
    #[inline]
    pub fn is_whole(&self) -> bool {
        matches!(self.source, Source::Ended | Source::Whole(_))
    }

    #[inline]
    pub(super) fn whole(data: Bytes, mut completion: Completion) -> Self {
        if data.is_empty() {
            completion.completed();
            return Self { source: Source::Ended, completion };
        }
        Self { source: Source::Whole(data), completion }
    }

    pub(super) fn stream(
        future: Option<ApplicationFuture>,
        slot: Arc<Slot>,
        completion: Completion,
    ) -> Self {
        let declared = slot.lock().declared;
        Self {
            source: Source::Stream(Stream { future, slot, declared, sent: 0, look_first: true }),
            completion,
        }
    }

    pub(super) fn pull(body: BoxBody, expected: Option<u64>, completion: Completion) -> Self {
        Self { source: Source::Pull(Box::new(Pull::new(body, expected))), completion }
    }

    pub(super) fn cut(chunk: Bytes, error: Error, completion: Completion) -> Self {
        Self { source: Source::Cut { chunk, error: Some(error), yielded: false }, completion }
    }

    pub(super) fn session(session: Session) -> Self {
        Self { source: Source::Session(Box::new(session)), completion: Completion::default() }
    }

    /// Whether the connection was taken over: then the head says 101, there is no content, and a [`Session`] is in its place.
    ///
    /// Middleware passes such a response on as it is.
    pub fn is_upgrade(&self) -> bool {
        matches!(self.source, Source::Session(_))
    }

    /// Takes the session out, for the server that carries it; `None` where there is none, or it was taken before.
    pub fn take_session(&mut self) -> Option<Session> {
        match std::mem::replace(&mut self.source, Source::Ended) {
            Source::Session(session) => Some(*session),
            other => {
                self.source = other;
                None
            }
        }
    }

    /// Whether nothing was taken of it yet.
    pub(crate) fn is_unread(&self) -> bool {
        self.completion.bytes == 0
    }

    /// Lets the callbacks of an outer exchange hear of this body's end.
    pub(super) fn join(&mut self, outer: &mut Completion, status: StatusCode) {
        if let Source::Session(session) = &mut self.source {
            return session.completion().take_over(outer, status);
        }
        self.completion.take_over(outer, status);
        if matches!(self.source, Source::Ended) {
            self.completion.completed();
        }
    }

    /// Ends a body whose bytes nobody wants (an outer HEAD).
    pub(super) fn discharge(&mut self) {
        if let Source::Stream(stream) = &mut self.source {
            stream.slot.close(Event::Discharge);
        }
        self.source = Source::Ended;
        self.completion.completed();
    }

    /// The next piece of what an application writes. In the plain case it is moved once; what is rare stands in functions of its own.
    #[inline]
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let Source::Stream(stream) = &mut self.source else { return Poll::Ready(None) };
        let Some(future) = &mut stream.future else {
            let rest = stream.rest(cx);
            return self.give(Ok(rest), cx);
        };
        // An application nearly always writes by itself, when it is asked, and a look costs as much as a write.
        if !(stream.look_first && stream.slot.lock().deliverable()) {
            stream.slot.begin_poll();
            if let Poll::Ready(result) = poll_application(future, cx) {
                let last = stream.ended(result, cx);
                return self.give(last, cx);
            }
        }
        // One look and the decision to wait are under one lock: a writer elsewhere comes before or wakes.
        let mut state = stream.slot.lock();
        if let Some(data) = state.take_chunk(false) {
            let waker = state.make_room(&stream.slot, cx);
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
            stream.look_first = false;
            stream.sent += data.len() as u64;
            self.completion.bytes += data.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        stream.look_first = true;
        if state.phase != Phase::Aborted {
            state.park_body(&stream.slot, cx);
            return Poll::Pending;
        }
        drop(state);
        let cut = stream.returned(Some(dropped_writer()), cx);
        self.give(cut, cx)
    }

    /// What is neither of one piece nor written by an application.
    #[inline(never)]
    fn poll_other(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        match &mut self.source {
            Source::Pull(pull) => {
                let piece = ready!(pull.poll_piece(cx)).map_err(Failure::from);
                self.give(piece, cx)
            }
            Source::Cut { .. } => self.poll_cut(cx),
            _ => Poll::Ready(None),
        }
    }

    /// Gives what a source gave, and sees to what comes after it.
    #[inline(never)]
    fn give(
        &mut self,
        piece: Result<Option<Piece>, Failure>,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let frame = match piece {
            Ok(Some(Piece::Data(data))) => {
                self.completion.bytes += data.len() as u64;
                Frame::data(data)
            }
            Ok(Some(Piece::Trailers(trailers))) => Frame::trailers(*trailers),
            Ok(None) => {
                self.end();
                return Poll::Ready(None);
            }
            Err(Failure { chunk, error }) => {
                self.source = Source::Cut { chunk, error: Some(error), yielded: false };
                return self.poll_cut(cx);
            }
        };
        if self.source.is_spent() {
            self.end();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    /// Gives an answer of one piece, after which there is nothing.
    #[inline]
    fn take_whole(&mut self) -> Option<Bytes> {
        let Source::Whole(data) = std::mem::replace(&mut self.source, Source::Ended) else {
            return None;
        };
        self.completion.bytes += data.len() as u64;
        self.completion.completed();
        Some(data)
    }

    fn end(&mut self) {
        self.source = Source::Ended;
        self.completion.completed();
    }

    /// Gives what came before a failure the time to leave, then the failure.
    fn poll_cut(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let Source::Cut { chunk, error, yielded } = &mut self.source else {
            return Poll::Ready(None);
        };
        if !chunk.is_empty() {
            let data = std::mem::take(chunk);
            self.completion.bytes += data.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if !*yielded {
            // Servers write what they were given when a body has nothing for now, and forget it when it fails.
            *yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let error = error.take();
        self.source = Source::Ended;
        if let Some(error) = &error {
            self.completion.failed(error);
        }
        Poll::Ready(error.map(Err))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    // Not inlined, for a server's own body is, into what asks it: a frame is made once then, where it is wanted. What is rare stands in
    // functions of its own, or each piece pays for the room that they need.
    #[inline(never)]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        match &mut this.source {
            Source::Whole(_) => Poll::Ready(this.take_whole().map(|data| Ok(Frame::data(data)))),
            Source::Stream(_) => this.poll_stream(cx),
            _ => this.poll_other(cx),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Ended | Source::Session(_))
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Ended | Source::Session(_) => SizeHint::with_exact(0),
            Source::Whole(data) => SizeHint::with_exact(data.len() as u64),
            Source::Stream(stream) => left(stream.declared, stream.sent),
            Source::Pull(pull) => left(pull.expected, pull.sent),
            Source::Cut { .. } => SizeHint::default(),
        }
    }
}

/// What is left of a length, where there is one.
fn left(length: Option<u64>, sent: u64) -> SizeHint {
    length.map_or_else(SizeHint::default, |length| SizeHint::with_exact(length - sent.min(length)))
}

impl Source {
    /// Whether the frame just given was the last one.
    #[inline]
    fn is_spent(&self) -> bool {
        match self {
            Self::Ended | Self::Whole(_) | Self::Session(_) => true,
            Self::Stream(stream) => stream.is_spent(),
            Self::Pull(pull) => pull.is_spent(),
            Self::Cut { .. } => false,
        }
    }

    /// Whether every byte was taken, so that a server that counts them need not ask for the end.
    fn is_delivered(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.future.is_none() && stream.declared == Some(stream.sent),
            Self::Pull(pull) => pull.expected == Some(pull.sent),
            Self::Ended | Self::Whole(_) | Self::Cut { .. } | Self::Session(_) => false,
        }
    }
}

/// A body of one piece, for answers that no application gave.
impl From<Bytes> for ResponseBody {
    fn from(data: Bytes) -> Self {
        Self::whole(data, Completion::default())
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        match &self.source {
            // A server that stops before it hears of the failure, or of an end that it has counted, changes neither.
            Source::Cut { error: Some(error), .. } => self.completion.failed(error),
            source if source.is_delivered() => self.completion.completed(),
            _ => {}
        }
    }
}

impl Default for ResponseBody {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Source::Ended => "ended",
            Source::Whole(_) => "whole",
            Source::Stream(_) => "stream",
            Source::Pull(_) => "pull",
            Source::Cut { .. } => "cut",
            Source::Session(_) => "session",
        };
        f.debug_struct("ResponseBody").field("source", &source).finish_non_exhaustive()
    }
}
