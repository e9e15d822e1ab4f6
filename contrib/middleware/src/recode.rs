//! A body whose content becomes other content on its way: compression, the wrapping of JSONP.
//!
//! Rules of this room: no piece waits for the next one (what is ready goes out when nothing more is, REQ-MID-12); one poll does a bounded
//! amount of work; a failure of the inner body stays one, after what came before it; trailers are passed on.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, HeaderName};
use http_body::{Body, Frame};
use rwgi::{Error, Result};

/// What becomes of the content. Output is appended to `out`.
pub(crate) trait Coder: Send + Unpin + 'static {
    fn push(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<()>;

    /// Gives out what was pushed, because nothing more is ready.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<()>;

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()>;
}

/// Codes a whole content at once.
pub(crate) fn whole(mut coder: impl Coder, content: &[u8]) -> Result<Bytes> {
    let mut out = Vec::new();
    coder.push(content, &mut out)?;
    coder.finish(&mut out)?;
    Ok(out.into())
}

/// Removes the fields that tell of the content's octets, which are about to change.
pub(crate) fn forget_octets(fields: &mut HeaderMap) {
    fields.remove(CONTENT_LENGTH);
    fields.remove(ACCEPT_RANGES);
    for name in ["content-digest", "content-md5", "digest"] {
        fields.remove(HeaderName::from_static(name));
    }
}

/// As much is coded before the next piece goes out.
const PIECE: usize = 16 * 1024;

/// As much is pushed at a time, so that one large chunk neither blocks a thread nor fills memory.
const SLICE: usize = 32 * 1024;

/// As much is pushed in one poll; what makes little output must not make long polls.
const BUDGET: usize = 256 * 1024;

/// The coded body.
pub(crate) struct Recoded<B, C> {
    body: B,
    coder: C,
    /// What the inner body gave and the coder did not take yet.
    pending: Bytes,
    out: Vec<u8>,
    /// Something was pushed since the last flush.
    dirty: bool,
    state: State,
}

enum State {
    Open,
    /// The inner body is over; what it left comes after the output.
    Ending(Option<HeaderMap>),
    Failing(Error),
    Ended,
}

impl<B, C> Recoded<B, C> {
    pub(crate) fn new(body: B, coder: C) -> Self {
        Self {
            body,
            coder,
            pending: Bytes::new(),
            out: Vec::new(),
            dirty: false,
            state: State::Open,
        }
    }

    fn piece(&mut self) -> Option<Result<Frame<Bytes>>> {
        let out = Bytes::from(std::mem::take(&mut self.out));
        (!out.is_empty()).then(|| Ok(Frame::data(out)))
    }
}

impl<B, C> Recoded<B, C>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
    C: Coder,
{
    /// Works until a piece is ready, the inner body has nothing, or the budget is used up.
    fn work(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>> {
        let mut budget = BUDGET;
        while matches!(self.state, State::Open) && self.out.len() < PIECE {
            if !self.pending.is_empty() {
                if budget == 0 {
                    cx.waker().wake_by_ref();
                    return Ok(Poll::Pending);
                }
                let slice = self.pending.split_to(self.pending.len().min(SLICE));
                budget = budget.saturating_sub(slice.len());
                self.dirty = true;
                self.coder.push(&slice, &mut self.out)?;
                continue;
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    if std::mem::take(&mut self.dirty) {
                        self.coder.flush(&mut self.out)?;
                    }
                    return Ok(if self.out.is_empty() { Poll::Pending } else { Poll::Ready(()) });
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.pending = data,
                    Err(frame) => self.end(frame.into_trailers().ok())?,
                },
                Poll::Ready(Some(Err(error))) => {
                    // What came before it leaves; the end that would make the content whole does not.
                    self.coder.flush(&mut self.out)?;
                    self.state = State::Failing(error);
                }
                Poll::Ready(None) => self.end(None)?,
            }
        }
        Ok(Poll::Ready(()))
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<()> {
        self.state = State::Ending(trailers);
        self.coder.finish(&mut self.out)
    }
}

impl<B, C> Body for Recoded<B, C>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
    C: Coder,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        match this.work(cx) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(error) => {
                this.state = State::Ended;
                return Poll::Ready(Some(Err(error)));
            }
        }
        if let Some(piece) = this.piece() {
            return Poll::Ready(Some(piece));
        }
        Poll::Ready(match std::mem::replace(&mut this.state, State::Ended) {
            State::Ending(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            State::Failing(error) => Some(Err(error)),
            State::Open | State::Ended => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended) && self.out.is_empty()
    }
}
