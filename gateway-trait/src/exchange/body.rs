//! The content of a response, as the server pulls it.
//!
//! Rules of this room: one demand, one frame; the end is given only after the application returned; a failure is given
//! only after what came before it could leave; the declared length is met or the message is cut.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::outcome::Completion;
use super::phase::{Event, Phase};
use super::slot::Slot;
use super::{ApplicationFuture, drop_quietly, own, poll_application};
use crate::fields::check_trailers;
use crate::input::BoxBody;
use crate::{Error, Result};

/// The content of a response: it holds the application's future where that has not returned, and polls it.
///
/// An error means that the message must be cut so that the client can tell (REQ-ERR-04). Dropping it cancels the
/// application.
pub struct ResponseBody {
    source: Source,
    completion: Completion,
}

enum Source {
    Ended,
    Whole(Bytes),
    Stream(Stream),
    Pull(Pull),
    Cut { chunk: Bytes, error: Option<Error>, yielded: bool },
}

/// The application goes on, or left trailers behind.
struct Stream {
    future: Option<ApplicationFuture>,
    slot: Arc<Slot>,
    declared: Option<u64>,
    sent: u64,
}

struct Pull {
    body: BoxBody,
    expected: Option<u64>,
    sent: u64,
}

impl ResponseBody {
    /// No content.
    pub fn empty() -> Self {
        Self { source: Source::Ended, completion: Completion::default() }
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
        Self { source: Source::Stream(Stream { future, slot, declared, sent: 0 }), completion }
    }

    pub(super) fn pull(body: BoxBody, expected: Option<u64>, completion: Completion) -> Self {
        Self { source: Source::Pull(Pull { body, expected, sent: 0 }), completion }
    }

    pub(super) fn cut(chunk: Bytes, error: Error, completion: Completion) -> Self {
        Self { source: Source::Cut { chunk, error: Some(error), yielded: false }, completion }
    }

    /// Lets the callbacks of an outer exchange hear of this body's end.
    pub(super) fn join(&mut self, outer: &mut Completion) {
        self.completion.take_over(outer);
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

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let frame = match &mut this.source {
            Source::Ended => return Poll::Ready(None),
            Source::Whole(data) => Ok(Some(Frame::data(std::mem::take(data)))),
            Source::Stream(stream) => ready!(stream.poll_frame(cx)),
            Source::Pull(pull) => ready!(pull.poll_frame(cx)),
            Source::Cut { .. } => return this.poll_cut(cx),
        };
        match frame {
            Ok(Some(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.completion.bytes += data.len() as u64;
                }
                if this.source.is_spent() {
                    this.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(None) => {
                this.end();
                Poll::Ready(None)
            }
            Err(error) => {
                this.source =
                    Source::Cut { chunk: Bytes::new(), error: Some(error), yielded: false };
                this.poll_cut(cx)
            }
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Ended)
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Ended => SizeHint::with_exact(0),
            Source::Whole(data) => SizeHint::with_exact(data.len() as u64),
            Source::Stream(Stream { declared: Some(length), sent, .. })
            | Source::Pull(Pull { expected: Some(length), sent, .. }) => {
                SizeHint::with_exact(length - sent.min(length))
            }
            Source::Pull(Pull { body, .. }) => body.size_hint(),
            Source::Stream(_) | Source::Cut { .. } => SizeHint::default(),
        }
    }
}

impl Source {
    /// Whether the frame just given was the last one.
    #[inline]
    fn is_spent(&self) -> bool {
        match self {
            Self::Ended | Self::Whole(_) => true,
            Self::Stream(stream) => stream.is_spent(),
            Self::Pull(pull) => {
                pull.body.is_end_stream()
                    && pull.expected.is_none_or(|expected| expected == pull.sent)
            }
            Self::Cut { .. } => false,
        }
    }
}

impl Stream {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>>> {
        if let Some(frame) = self.take_frame(cx) {
            return Poll::Ready(Ok(Some(frame)));
        }
        let Some(future) = &mut self.future else { return Poll::Ready(Ok(None)) };
        let polled = poll_application(future, cx);
        let failure = match polled {
            Poll::Ready(result) => own(result, &self.slot).err(),
            Poll::Pending => {
                if let Some(frame) = self.take_frame(cx) {
                    return Poll::Ready(Ok(Some(frame)));
                }
                let mut state = self.slot.lock();
                if state.phase != Phase::Aborted {
                    state.await_writer(cx);
                    // The writer may have come between the look and the registration; both are under one lock only here.
                    if !state.deliverable(false) {
                        return Poll::Pending;
                    }
                    drop(state);
                    return Poll::Ready(Ok(self.take_frame(cx)));
                }
                Some(
                    Error::application(
                        "the application dropped its body writer before it was finished",
                    )
                    .with_requirement("REQ-BODY-09"),
                )
            }
        };
        if let Some(future) = self.future.take() {
            drop_quietly(future);
        }
        match failure {
            Some(error) => {
                self.slot.close(Event::Fail);
                Poll::Ready(Err(error))
            }
            None => Poll::Ready(Ok(self.take_frame(cx))),
        }
    }

    /// The held chunk, or after it the trailers, where they can go now.
    fn take_frame(&mut self, cx: &Context<'_>) -> Option<Frame<Bytes>> {
        let returned = self.future.is_none();
        let mut state = self.slot.lock();
        if state.deliverable(returned) {
            let (data, waker) = state.take_chunk(cx);
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
            self.sent += data.len() as u64;
            return Some(Frame::data(data));
        }
        if !returned {
            return None;
        }
        state.trailers.take().map(|trailers| Frame::trailers(*trailers))
    }

    fn is_spent(&self) -> bool {
        self.future.is_none() && {
            let state = self.slot.lock();
            state.chunk.is_empty() && state.trailers.is_none()
        }
    }
}

impl Pull {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>>> {
        let Some(frame) = ready!(self.body.as_mut().poll_frame(cx)) else {
            return Poll::Ready(match self.expected {
                Some(expected) if expected != self.sent => Err(Error::application(format!(
                    "the forwarded body ended after {} of {expected} bytes",
                    self.sent
                ))
                .with_requirement("REQ-BODY-07")),
                _ => Ok(None),
            });
        };
        let frame = frame?;
        if let Some(data) = frame.data_ref() {
            let sent = self.sent + data.len() as u64;
            if let Some(expected) = self.expected.filter(|expected| sent > *expected) {
                return Poll::Ready(Err(Error::application(format!(
                    "the forwarded body gave {sent} bytes or more where {expected} were declared; nothing of the surplus is sent"
                ))
                .with_requirement("REQ-BODY-05")));
            }
            self.sent = sent;
        }
        if let Some(trailers) = frame.trailers_ref() {
            check_trailers(trailers)?;
        }
        Poll::Ready(Ok(Some(frame)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // After an end the table has no place for the event, and only the writer is told.
        self.slot.close(Event::Cancel);
        if let Some(future) = self.future.take() {
            drop_quietly(future);
        }
    }
}

/// A body of one piece, for answers that no application gave.
impl From<Bytes> for ResponseBody {
    fn from(data: Bytes) -> Self {
        Self::whole(data, Completion::default())
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
        };
        f.debug_struct("ResponseBody").field("source", &source).finish_non_exhaustive()
    }
}
