//! The request's content on its way through the lint.
//!
//! Rules of this room: an input that is over, or that somebody has already read from, passes as it is; the limit moves to the outer
//! input, where the application can change it as ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rwgi::{BodyLength, BoxError, Environ, Error, Input};

use super::rules::input;
use super::watch::Watch;

/// Puts the lint between the application and the request's content.
pub(crate) fn watch(environ: &mut Environ, watch: &Arc<Watch>) {
    if environ.input().is_ended() || environ.input().received() > 0 {
        return;
    }
    let mut inner = environ.take_input();
    let (length, limit) = (inner.length(), inner.limit());
    inner.set_limit(None);
    let mut outer = Input::from_body(WatchedInput { inner, watch: Arc::clone(watch) }, length);
    outer.set_limit(limit);
    environ.set_input(outer);
}

struct WatchedInput {
    inner: Input,
    watch: Arc<Watch>,
}

impl Body for WatchedInput {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        input::check_read(&this.watch);
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        let Poll::Ready(frame) = polled else { return Poll::Pending };
        Poll::Ready(match frame {
            Some(Err(boxed)) => {
                let error = Error::from_boxed(boxed);
                input::read_failed(&error, &this.watch);
                Some(Err(error.into()))
            }
            Some(Ok(frame)) => {
                let whole = this.inner.length() == BodyLength::Exact(this.inner.received());
                input::read(&frame, whole || this.inner.is_end_stream(), &this.watch);
                Some(Ok(frame))
            }
            None => {
                this.watch.state().read_to_end = true;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
