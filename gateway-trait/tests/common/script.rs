//! A body made of planned frames.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// A body that gives what it was told to give, and never knows that it has ended before it is asked.
#[derive(Default)]
pub(crate) struct Script {
    frames: VecDeque<io::Result<Frame<Bytes>>>,
    panics: bool,
    exact: Option<u64>,
    rude: bool,
}

impl Script {
    pub(crate) fn data(pieces: &[&'static str]) -> Self {
        let frames = pieces
            .iter()
            .map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))))
            .collect();
        Self { frames, ..Self::default() }
    }

    pub(crate) fn then_fail(mut self) -> Self {
        self.frames.push_back(Err(io::Error::other("upstream reset")));
        self
    }

    pub(crate) fn then_panic(self) -> Self {
        Self { panics: true, ..self }
    }

    pub(crate) fn then_trailers(mut self) -> Self {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        self.frames.push_back(Ok(Frame::trailers(trailers)));
        self
    }

    /// Empty data, which a body may give and a reader must not see.
    pub(crate) fn then_empty(mut self) -> Self {
        self.frames.push_back(Ok(Frame::data(Bytes::new())));
        self
    }

    /// Panics where a panic is least expected, before its last frame.
    pub(crate) fn rude(self) -> Self {
        Self { rude: true, ..self }
    }

    pub(crate) fn of_exactly(self, length: u64) -> Self {
        Self { exact: Some(length), ..self }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = self.frames.pop_front();
        assert!(next.is_some() || !self.panics, "the body panics");
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        assert!(!self.rude || self.frames.len() > 1, "is_end_stream panics");
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map(SizeHint::with_exact).unwrap_or_default()
    }
}
