//! The body that a script forwards: it gives what the script lists, and then what it is told to.
//!
//! Rules of this room: it yields one item for each demand and promises the size that the script says, true or not.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use rwgi::BoxError;

use super::ledger::Visit;

/// What a forwarded body does next.
#[derive(Debug)]
pub(super) enum Item {
    Data(Bytes),
    Trailers(HeaderMap),
    Gate(String),
    Error,
    Panic,
}

pub(super) struct Forwarded {
    pub(super) items: VecDeque<Item>,
    pub(super) exact: Option<u64>,
    pub(super) visit: Arc<Visit>,
    pub(super) waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Body for Forwarded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                std::task::ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            return Poll::Ready(match self.items.pop_front() {
                None => None,
                Some(Item::Data(data)) => {
                    self.exact = self.exact.map(|exact| exact.saturating_sub(data.len() as u64));
                    Some(Ok(Frame::data(data)))
                }
                Some(Item::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
                Some(Item::Error) => Some(Err("the forwarded body was told to fail".into())),
                Some(Item::Panic) => super::intended_panic("in a forwarded body"),
                Some(Item::Gate(name)) => {
                    let visit = Arc::clone(&self.visit);
                    self.waiting = Some(Box::pin(async move { visit.gate(&name).await }));
                    continue;
                }
            });
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map(SizeHint::with_exact).unwrap_or_default()
    }
}
