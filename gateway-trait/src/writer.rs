//! The streaming answer: the application pushes, the server takes.
//!
//! Rules of this room: one chunk is held at most; the head is committed by the first byte, a flush, or the end; the declared
//! length is enforced before a byte moves; a writer that is dropped unfinished never looks finished to the client.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::exchange::phase::{Event, Phase};
use crate::exchange::slot::Slot;
use crate::fields::{IntoFields, check_trailers};
use crate::{Error, Finished, ResponseHead, Result};

/// Writes the content of a response that [`start`](crate::StartResponse::start) began.
///
/// It can be moved to another task or thread. Dropping it before [`finish`](Self::finish) aborts the message in a way that the client can see
/// (REQ-BODY-16).
///
/// ```
/// use http::{StatusCode, header::CONTENT_TYPE};
/// use rwgi::{Environ, Finished, StartResponse};
///
/// async fn count(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
///     let mut body = start_response.start(StatusCode::OK, [(CONTENT_TYPE, "text/plain")])?;
///     for number in 0..3 {
///         body.write(format!("{number}\n")).await?;
///     }
///     body.finish()
/// }
/// # let _ = count;
/// ```
#[must_use = "dropping a writer unfinished aborts the response"]
pub struct BodyWriter {
    /// Taken out by `finish`, so that `drop` knows.
    slot: Option<Arc<Slot>>,
    /// The waker that the slot keeps of this writer, where a look at it tells all that a write has to know.
    waits: Waits,
}

/// Which waker it is, as [`Waker::will_wake`] has it, without a copy of it: as long as the slot keeps it, no other has the same addresses.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Waits {
    data: usize,
    vtable: usize,
}

impl Waits {
    #[inline]
    fn of(waker: &Waker) -> Self {
        Self { data: waker.data().addr(), vtable: std::ptr::from_ref(waker.vtable()).addr() }
    }
}

const HELD: &str = "only `finish` takes the slot, and it consumes the writer";

impl BodyWriter {
    pub(crate) fn new(slot: Arc<Slot>) -> Self {
        Self { slot: Some(slot), waits: Waits::default() }
    }

    #[inline]
    fn slot(&self) -> &Arc<Slot> {
        self.slot.as_ref().expect(HELD)
    }

    /// Replaces the head that was given, all its fields with it (REQ-RESP-11), as WSGI's `exc_info` does.
    ///
    /// ```
    /// use http::StatusCode;
    /// use rwgi::{Environ, Finished, StartResponse};
    ///
    /// async fn busy(_: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    ///     let mut body = start.start(StatusCode::OK, [("content-type", "text/plain")])?;
    ///     // Nothing was written yet, and something turns out to be missing:
    ///     body.replace_head(StatusCode::SERVICE_UNAVAILABLE, [("retry-after", 30)])?;
    ///     body.finish()
    /// }
    /// # let response = rwgi::testing::run(&busy, Environ::builder().build()?)?;
    /// # assert_eq!((response.status().as_u16(), response.fields().contains_key("content-type")), (503, false));
    /// # Ok::<(), rwgi::Error>(())
    /// ```
    ///
    /// # Errors
    /// The head is committed (REQ-RESP-12), or [`ResponseHead::new`] refuses the new one; the response under way stays as it is.
    pub fn replace_head(&mut self, status: StatusCode, fields: impl IntoFields) -> Result<()> {
        self.replace_head_with(ResponseHead::new(status, fields)?)
    }

    /// [`replace_head`](Self::replace_head) with a head that was made before.
    ///
    /// # Errors
    /// The head is committed (REQ-RESP-12).
    pub fn replace_head_with(&mut self, head: ResponseHead) -> Result<()> {
        let mut state = self.slot().lock();
        if !state.step(Event::ReplaceHead) {
            return Err(Error::application(
                "the head is committed and cannot be replaced: return an error to abort the message",
            )
            .with_requirement("REQ-RESP-12"));
        }
        state.set_head(head);
        Ok(())
    }

    /// Whether the head can no longer be replaced.
    pub fn is_committed(&self) -> bool {
        self.slot().lock().phase.is_committed()
    }

    /// Whether nobody takes the rest any more: the next write fails.
    pub fn is_departed(&self) -> bool {
        self.slot().lock().check_open().is_err()
    }

    /// Gives a piece of content to the server, once it has taken the one before: this is the backpressure (REQ-BODY-03, REQ-BODY-04).
    ///
    /// The first byte commits the head. An empty piece does nothing (REQ-BODY-05). Cancel safe: dropped before it is ready, nothing of the
    /// piece was taken.
    ///
    /// # Errors
    /// The piece would exceed the declared length (nothing of it is sent, REQ-BODY-09), or the exchange is over because the
    /// client left.
    #[inline]
    pub fn write<D: Into<Bytes>>(
        &mut self,
        data: D,
    ) -> impl Future<Output = Result<()>> + use<'_, D> {
        let mut data = data.into();
        poll_fn(move |cx| self.poll_write(cx, &mut data))
    }

    /// [`write`](Self::write) for hand-written futures; takes `data`, leaving it empty, when it is ready.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<()>> {
        // As an application nearly always finds it that writes one piece after the other.
        if self.slot().is_full() && self.waits == Waits::of(cx.waker()) && !data.is_empty() {
            return Poll::Pending;
        }
        self.poll_hold(cx, data)
    }

    fn poll_hold(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<()>> {
        let Self { slot, waits } = self;
        let slot = slot.as_ref().expect(HELD);
        let mut state = slot.lock();
        if data.is_empty() {
            return Poll::Ready(state.check_open());
        }
        // A surplus is refused before it waits: behind the last declared byte it would wait for ever.
        state.check_fits(data.len())?;
        if state.poll_room(slot, cx)?.is_pending() {
            // What is written of a declared length is looked at each time.
            let kept = state.writer_waker().filter(|_| state.declared.is_none());
            *waits = kept.map(Waits::of).unwrap_or_default();
            return Poll::Pending;
        }
        state.hold(slot, std::mem::take(data));
        let parked = state.parked_body(slot);
        drop(state);
        if let Some(waker) = parked {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }

    /// Commits the head (REQ-BODY-06), and waits until the server has taken what was written (REQ-BODY-07).
    ///
    /// The piece that completes a declared length leaves when the application returns, and is not waited for (REQ-BODY-11). Cancel
    /// safe.
    ///
    /// # Errors
    /// The exchange is over because the client left.
    pub async fn flush(&mut self) -> Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// [`flush`](Self::flush) for hand-written futures.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Self { slot, waits } = self;
        let slot = slot.as_ref().expect(HELD);
        let mut state = slot.lock();
        // What completes the message waits for the application's return: the last declared byte, or the head that declares none.
        if state.holds_last() && !state.bodyless && !state.closed {
            return Poll::Ready(Ok(()));
        }
        let first = state.phase == Phase::Started;
        state.step(Event::Write);
        let parked = if first { state.parked_body(slot) } else { None };
        let flushed = state.poll_room(slot, cx);
        if flushed.is_pending() {
            // The next piece looks for itself.
            *waits = Waits::default();
        }
        drop(state);
        if let Some(waker) = parked {
            waker.wake();
        }
        flushed
    }

    /// Ends the content. The message ends when the application returns what this gives (REQ-EXCH-05).
    ///
    /// # Errors
    /// Less was written than was declared (REQ-BODY-10): the message is aborted, or answered 500 where nothing was committed.
    pub fn finish(self) -> Result<Finished> {
        self.end(None)
    }

    /// [`finish`](Self::finish), with fields after the content (REQ-BODY-18); a server drops them where the version of HTTP has no place for
    /// them (REQ-BODY-19).
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue, StatusCode};
    /// use rwgi::{Environ, Finished, StartResponse};
    ///
    /// async fn timed(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    ///     let mut body = start.start(StatusCode::OK, ())?;
    ///     body.write("content").await?;
    ///     let mut trailers = HeaderMap::new();
    ///     if environ.capabilities().response_trailers {
    ///         trailers.insert("server-timing", HeaderValue::from_static("total;dur=53"));
    ///     }
    ///     body.finish_with_trailers(trailers)
    /// }
    /// # let environ = Environ::builder().server(rwgi::testing::server_info()).build()?;
    /// # assert!(rwgi::testing::run(&timed, environ)?.trailers().is_some());
    /// # Ok::<(), rwgi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`finish`](Self::finish); a field that cannot be a trailer (REQ-BODY-20); the server lacks the capability `response-trailers`
    /// (501, REQ-CAP-01).
    pub fn finish_with_trailers(self, trailers: HeaderMap) -> Result<Finished> {
        if trailers.is_empty() {
            return self.end(None);
        }
        if !self.slot().lock().capabilities.response_trailers {
            return Err(Error::unsupported("response-trailers"));
        }
        check_trailers(&trailers)?;
        self.end(Some(trailers))
    }

    fn end(mut self, trailers: Option<HeaderMap>) -> Result<Finished> {
        let mut state = self.slot().lock();
        if let Some(declared) = state.declared.filter(|declared| *declared != state.written)
            && !state.bodyless
        {
            let error = Error::application(format!(
                "the application finished after {} of the {declared} bytes that it declared",
                state.written
            ))
            .with_requirement("REQ-BODY-10");
            drop(state);
            return Err(error);
        }
        state.trailers = trailers.map(Box::new);
        state.leave();
        state.step(Event::Finish);
        drop(state);
        let slot = self.slot.take().expect("only this function takes the slot");
        Ok(Finished::new(slot))
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.lock().step(Event::DropWriter);
            slot.wake_body();
        }
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = self.slot.as_ref().map(|slot| slot.lock().phase);
        f.debug_struct("BodyWriter").field("phase", &phase).finish()
    }
}
