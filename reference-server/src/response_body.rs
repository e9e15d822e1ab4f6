//! The response's content, from the exchange to hyper.
//!
//! Rules of this room: a door; a failure is logged here, once, and cuts the message; the drop of the body is the end of the exchange for
//! the connection; a stream of HTTP/2 that is cut concerns no other.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rwgi::{Error, ResponseBody};

use crate::connection::state::{ABORTED, LINGER, Underway};
use crate::fault::{self, Label};
use crate::request_body::Content;

/// The content of a response on its way out.
#[derive(Debug)]
pub(crate) struct OutgoingBody {
    inner: ResponseBody,
    underway: Underway,
    label: Option<Box<Label>>,
    content: Option<Arc<Content>>,
    withheld: bool,
    /// On HTTP/2: whether there is more and nobody asks for it, which is how a client that gives no room shows.
    owed: Option<bool>,
    /// What is left of a large piece that is given away in parts.
    rest: Option<Box<Bytes>>,
}

/// What of a piece is given away at a time to a stream of HTTP/2, a frame's worth: hyper takes a piece whole as soon as there is room for an
/// octet of it, and whether a client takes anything is seen by what is asked for next. And on HTTP/1.1 to a hyper that copies: what it copies
/// it keeps room for.
const MOST_AT_ONCE: usize = 16 * 1024;

/// A piece of this size is worth more when it is not copied than a buffer less in a write.
const LARGE_PIECE: usize = 4 * 1024;

impl OutgoingBody {
    #[inline]
    pub(crate) fn new(
        inner: ResponseBody,
        underway: Underway,
        label: Option<Box<Label>>,
        content: Option<Arc<Content>>,
    ) -> Self {
        Self { inner, underway, label, content, withheld: false, owed: None, rest: None }
    }

    /// The body belongs to a stream of HTTP/2, whose client gives room as it likes.
    pub(crate) fn flows(&mut self) {
        let more = !self.inner.is_end_stream();
        self.owed = Some(more);
        if more {
            self.underway.owe(true);
        }
    }

    /// Whether there is more and nobody asks for it has changed.
    #[cold]
    fn owe(&mut self, owed: bool) {
        if self.owed.replace(owed) != Some(owed) {
            self.underway.owe(owed);
        }
    }

    /// The next frame: of a large piece a part, where it is not taken as it is.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(rest) = &mut self.rest {
            let part = rest.split_to(rest.len().min(MOST_AT_ONCE));
            if rest.is_empty() {
                self.rest = None;
            }
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) if length(&frame) >= LARGE_PIECE => Some(Ok(self.part(frame))),
            frame => frame,
        })
    }

    /// A large piece, or the part of it that is given away first.
    #[cold]
    fn part(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if self.owed.is_none() {
            self.underway.note_large();
            if self.underway.is_vectored() {
                return frame;
            }
        }
        let mut data = frame.into_data().unwrap_or_default();
        if data.len() > MOST_AT_ONCE {
            self.rest = Some(Box::new(data.split_off(MOST_AT_ONCE)));
        }
        Frame::data(data)
    }

    /// [`part`](Self::part), in place.
    #[cold]
    fn take_apart(&mut self, frame: &mut Frame<Bytes>) {
        let large = std::mem::replace(frame, Frame::data(Bytes::new()));
        *frame = self.part(large);
    }

    /// [`poll_frame`](Body::poll_frame) where nobody is told. By itself, so that the frame is made where it is given.
    #[inline]
    fn poll_plain(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut frame = Pin::new(&mut self.inner).poll_frame(cx);
        match &mut frame {
            Poll::Ready(Some(Ok(frame))) if length(frame) >= LARGE_PIECE => {
                // Where the connection takes large pieces as they are, they stay where they were made.
                if self.underway.is_vectored() {
                    self.underway.note_large();
                } else {
                    self.take_apart(frame);
                }
            }
            Poll::Ready(Some(Err(error))) => self.failed(error),
            _ => {}
        }
        frame
    }

    /// [`poll_frame`](Body::poll_frame) where somebody wants to know what comes of it, an observer or a connection of HTTP/2, or a piece is
    /// given away in parts.
    fn poll_watched(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let span = self.underway.observation.as_ref().and_then(|seen| seen.span());
        let _entered = span.as_ref().map(tracing::Span::enter);
        let frame = self.poll_part(cx);
        if self.owed.is_some() {
            let more = matches!(frame, Poll::Ready(Some(Ok(_))));
            self.owe(more);
            if more {
                self.underway.give();
            }
        }
        if let Some(seen) = &mut self.underway.observation
            && let Poll::Ready(Some(Ok(frame))) = &frame
        {
            seen.sent(length(frame));
        }
        if let Poll::Ready(Some(Err(error))) = &frame {
            self.failed(error);
        }
        frame
    }

    /// The content is over, and somebody wants to know of it.
    fn tell_end(&mut self) {
        let whole = self.inner.is_end_stream() && self.rest.is_none();
        if let Some(owed) = self.owed {
            if owed {
                self.underway.owe(false);
            }
            if !whole {
                self.underway.note_reset();
            }
        }
        if let Some(seen) = &mut self.underway.observation
            && whole
        {
            seen.ended();
        }
    }

    /// The content breaks off here.
    #[cold]
    fn failed(&self, error: &Error) {
        self.underway.set(ABORTED);
        match &self.label {
            Some(label) => fault::log_error(error, label, true),
            None => fault::log_error(error, &"-", true),
        }
    }

    /// Content is declared and will not be sent (304). hyper keeps the declaration where it believes that there is a body, and then
    /// never asks for it.
    pub(crate) fn withhold(&mut self) {
        self.withheld = true;
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = Error;

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if this.owed.is_some() || this.underway.observation.is_some() || this.rest.is_some() {
            return this.poll_watched(cx);
        }
        this.poll_plain(cx)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && !self.withheld && self.rest.is_none()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            _ if self.withheld => SizeHint::default(),
            None => self.inner.size_hint(),
            Some(rest) => longer(&self.inner.size_hint(), rest.len() as u64),
        }
    }
}

impl Drop for OutgoingBody {
    #[inline]
    fn drop(&mut self) {
        if self.content.as_ref().is_some_and(|content| !content.is_ended()) {
            self.underway.set(LINGER);
        }
        if self.owed.is_some() || self.underway.observation.is_some() {
            self.tell_end();
        }
    }
}

/// What a frame has of content.
#[inline]
fn length(frame: &Frame<Bytes>) -> usize {
    frame.data_ref().map_or(0, Bytes::len)
}

/// The hint of a body that has so much more.
fn longer(hint: &SizeHint, length: u64) -> SizeHint {
    let mut sum = SizeHint::new();
    sum.set_lower(hint.lower().saturating_add(length));
    if let Some(upper) = hint.upper() {
        sum.set_upper(upper.saturating_add(length));
    }
    sum
}
