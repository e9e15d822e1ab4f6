//! The forwarded body: pulled on demand, and held to what was declared.
//!
//! Rules of this room: the frame that completes the expected length is given only after the body's end was seen, so that a
//! surplus or a late failure still cuts the message; the body is asked inside of one fence only, where a panic is an error of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use super::call::{drop_quietly, panicked};
use super::piece::Piece;
use crate::fields::check_trailers;
use crate::input::BoxBody;
use crate::{Error, Result};

pub(super) struct Pull {
    /// `None` once its end was seen.
    body: Option<BoxBody>,
    /// The declared length, or else the exact one that the body reported.
    pub(super) expected: Option<u64>,
    /// Bytes that the body gave.
    seen: u64,
    /// Those of them that were passed on.
    pub(super) sent: u64,
    /// The body says that nothing comes after what it gave last.
    at_end: bool,
    /// The completing chunk, until the end is seen.
    held: Bytes,
    trailers: Option<Box<HeaderMap>>,
}

impl Pull {
    pub(super) fn new(body: BoxBody, expected: Option<u64>) -> Self {
        Self {
            body: Some(body),
            expected,
            seen: 0,
            sent: 0,
            at_end: false,
            held: Bytes::new(),
            trailers: None,
        }
    }

    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Piece>>> {
        while self.body.is_some() {
            let Some(frame) = ready!(self.poll_body(cx)) else {
                self.end()?;
                break;
            };
            match frame?.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    self.count(data.len())?;
                    if self.expected == Some(self.seen) {
                        self.held = data;
                        if self.at_end {
                            self.end()?;
                        }
                    } else {
                        return Poll::Ready(Ok(Some(self.give(data))));
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        check_trailers(&trailers)?;
                        self.trailers = Some(Box::new(trailers));
                        self.end()?;
                    }
                }
            }
        }
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            return Poll::Ready(Ok(Some(self.give(held))));
        }
        Poll::Ready(Ok(self.trailers.take().map(Piece::Trailers)))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let at_end = &mut self.at_end;
        let poll = AssertUnwindSafe(|| {
            let frame = body.as_mut().poll_frame(cx);
            *at_end = frame.is_ready() && body.is_end_stream();
            frame
        });
        catch_unwind(poll)
            .unwrap_or_else(|panic| Poll::Ready(Some(Err(panicked("the forwarded body", &*panic)))))
    }

    /// Counts what the body gave.
    fn count(&mut self, length: usize) -> Result<()> {
        self.seen += length as u64;
        match self.expected {
            Some(expected) if self.seen > expected => Err(Error::application(format!(
                "the forwarded body gave {} bytes or more where {expected} were declared; nothing of the surplus is sent",
                self.seen
            ))
            .with_requirement("REQ-BODY-13")),
            _ => Ok(()),
        }
    }

    fn give(&mut self, data: Bytes) -> Piece {
        self.sent += data.len() as u64;
        Piece::Data(data)
    }

    /// The body has no more content.
    fn end(&mut self) -> Result<()> {
        if let Some(body) = self.body.take() {
            drop_quietly(body);
        }
        match self.expected {
            Some(expected) if expected != self.seen => Err(Error::application(format!(
                "the forwarded body ended after {} of {expected} bytes",
                self.seen
            ))
            .with_requirement("REQ-BODY-12")),
            _ => Ok(()),
        }
    }

    /// Whether nothing more will come.
    pub(super) fn is_spent(&self) -> bool {
        let ended = self.body.is_none() || (self.at_end && self.expected.is_none());
        ended && self.held.is_empty() && self.trailers.is_none()
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            drop_quietly(body);
        }
    }
}
