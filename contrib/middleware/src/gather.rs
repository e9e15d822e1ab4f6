//! Looking at the beginning of a body without waiting for it.
//!
//! Rules of this room: never more than a bounded part is held, and nothing is waited for: what is not ready now stays in the
//! body. What was taken out is given on, in order, before the rest.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use rwgi::{Error, ResponseBody, Result};

/// A body whose beginning was looked at.
pub(crate) struct Gathered {
    chunks: VecDeque<Bytes>,
    /// Bytes in `chunks`.
    held: usize,
    rest: Rest,
}

enum Rest {
    /// All of the content is held.
    Nothing(Option<HeaderMap>),
    Failure(Error),
    Body(Box<ResponseBody>),
    Ended,
}

impl Gathered {
    /// Takes what is ready, until `limit` bytes are held.
    pub(crate) async fn ready(body: ResponseBody, limit: usize) -> Self {
        let mut gathered =
            Self { chunks: VecDeque::new(), held: 0, rest: Rest::Body(Box::new(body)) };
        poll_fn(|cx| {
            gathered.take(limit, cx);
            Poll::Ready(())
        })
        .await;
        gathered
    }

    fn take(&mut self, limit: usize, cx: &mut Context<'_>) {
        while let Rest::Body(body) = &mut self.rest {
            if self.held > limit || body.size_hint().lower() > (limit - self.held) as u64 {
                return;
            }
            let Poll::Ready(frame) = Pin::new(&mut **body).poll_frame(cx) else { return };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => {
                    self.held += data.len();
                    self.chunks.push_back(data);
                }
                Some(Ok(Err(frame))) => {
                    // Trailers are the end; the body has to be asked once more to know that it is over.
                    let trailers = frame.into_trailers().ok();
                    match Pin::new(&mut **body).poll_frame(cx) {
                        Poll::Ready(Some(Err(error))) => self.rest = Rest::Failure(error),
                        _ => self.rest = Rest::Nothing(trailers),
                    }
                }
                Some(Err(error)) => self.rest = Rest::Failure(error),
                None => self.rest = Rest::Nothing(None),
            }
        }
    }

    /// The whole content in one piece, where all of it is held.
    pub(crate) fn whole(&mut self) -> Option<Bytes> {
        if !matches!(self.rest, Rest::Nothing(_)) {
            return None;
        }
        if self.chunks.len() > 1 {
            let mut whole = BytesMut::with_capacity(self.held);
            for chunk in self.chunks.drain(..) {
                whole.extend_from_slice(&chunk);
            }
            self.chunks.push_back(whole.freeze());
        }
        Some(self.chunks.front().cloned().unwrap_or_default())
    }

    /// Puts other content in place of a whole one; trailers stay.
    pub(crate) fn replace(&mut self, content: Bytes) {
        self.held = content.len();
        self.chunks.clear();
        if !content.is_empty() {
            self.chunks.push_back(content);
        }
    }
}

impl Body for Gathered {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if let Some(chunk) = this.chunks.pop_front() {
            this.held -= chunk.len();
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if let Rest::Body(body) = &mut this.rest {
            return Pin::new(&mut **body).poll_frame(cx);
        }
        Poll::Ready(match std::mem::replace(&mut this.rest, Rest::Ended) {
            Rest::Nothing(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Rest::Failure(error) => Some(Err(error)),
            Rest::Body(_) | Rest::Ended => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty()
            && match &self.rest {
                Rest::Nothing(trailers) => trailers.is_none(),
                Rest::Body(body) => body.is_end_stream(),
                Rest::Failure(_) => false,
                Rest::Ended => true,
            }
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held as u64;
        match &self.rest {
            Rest::Nothing(_) | Rest::Ended => SizeHint::with_exact(held),
            Rest::Failure(_) => SizeHint::default(),
            Rest::Body(body) => match body.size_hint().exact() {
                Some(exact) => SizeHint::with_exact(held + exact),
                None => SizeHint::default(),
            },
        }
    }
}
