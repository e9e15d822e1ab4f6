//! The response's body on its way through the lint.
//!
//! Rules of this room: frames pass as they are, size and end are told as the inner body tells them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rwgi::{Error, ResponseBody};

use super::watch::Watch;

pub(crate) struct WatchedBody {
    inner: ResponseBody,
    watch: Arc<Watch>,
}

impl WatchedBody {
    pub(crate) fn new(inner: ResponseBody, watch: Arc<Watch>) -> Self {
        Self { inner, watch }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = rwgi::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        match &polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => this.watch.body_ended(),
            Poll::Ready(Some(Err(error))) => this.watch.body_failed(error),
            Poll::Ready(Some(Ok(frame))) => {
                this.watch.frame(frame);
                if this.inner.is_end_stream() {
                    this.watch.body_ended();
                }
            }
        }
        polled.map_err(Error::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
