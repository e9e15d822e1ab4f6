//! The request's body of a stream, as the application's input reads it.
//!
//! Rules of this room: what is taken is granted to the client again, so that demand is the flow control; a body that breaks off is
//! an error and never an end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use rwgi::{Error, Fault};

use super::hub::Hub;

pub(super) struct StreamBody {
    pub(super) hub: Arc<Hub>,
    pub(super) id: u32,
}

fn broken(why: &'static str) -> Error {
    Error::new(Fault::Client, why).with_requirement("REQ-INPUT-04")
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut state = self.hub.lock();
        let Some(stream) = state.streams.get_mut(&self.id) else {
            return Poll::Ready(Some(Err(broken("the stream has ended"))));
        };
        if let Some(data) = stream.arrived.pop_front() {
            let open = !stream.ended;
            stream.granted += i64::try_from(data.len()).unwrap_or(0);
            drop(state);
            if open {
                self.hub.grant(self.id, data.len());
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(why) = stream.broken {
            return Poll::Ready(Some(Err(broken(why))));
        }
        if stream.ended {
            return Poll::Ready(stream.trailers.take().map(|fields| Ok(Frame::trailers(fields))));
        }
        if stream.expects && stream.committed {
            let why = "the head was committed before the client was told to continue";
            return Poll::Ready(Some(Err(broken(why))));
        }
        stream.reader = Some(cx.waker().clone());
        if std::mem::take(&mut stream.expects) {
            drop(state);
            let _ = self.hub.headers(self.id, [(":status", "100")], false);
        }
        Poll::Pending
    }
}
