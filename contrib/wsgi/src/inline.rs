//! Calls of the application by the server's own thread.
//!
//! Rules of this room: what has come is called together, after the server has read all that was there to be read, since the server's code and
//! Python's drive each other out of the processor's caches; the interpreter is taken once for all of it, and given back in time; whoever is
//! polled calls for all, so that nobody depends on another's task.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use rwgi::{Finished, Result};

use crate::answer::Awaited;
use crate::request::{Hosted, Request, respond};

/// How long the application is called before the server has its turn again; a call that is under way is not interrupted.
///
/// 500 µs: dozens of calls that only compute, and a pause that no client notices.
const TURN: Duration = Duration::from_micros(500);

/// The requests that the server's thread will call the application for.
#[derive(Default)]
pub(crate) struct Turn {
    requests: Mutex<VecDeque<Request>>,
}

impl Turn {
    pub(crate) fn add(&self, request: Request) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push_back(request);
    }

    fn next(&self) -> Option<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// The answer to a request that was added; lets the other tasks go first, and then calls the application for all of them.
    ///
    /// # Cancel safety
    /// A request whose future was dropped is not called.
    pub(crate) async fn answered(
        &self,
        hosted: &Hosted,
        awaited: Awaited,
    ) -> Option<Result<Finished>> {
        let mut awaited = pin!(awaited);
        let mut others_first = true;
        poll_fn(|cx| {
            if std::mem::take(&mut others_first) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Poll::Ready(result) = awaited.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            if self.take(hosted) {
                cx.waker().wake_by_ref();
            }
            awaited.as_mut().poll(cx)
        })
        .await
    }

    /// Calls the application for those that wait; gives whether there was more to do than the time allows.
    fn take(&self, hosted: &Hosted) -> bool {
        let Some(mut request) = self.next() else { return false };
        let begun = Instant::now();
        Python::attach(|py| {
            loop {
                if !request.answer.is_abandoned() {
                    // Whatever it did, others are called here as well. The panic hook has told of it, and who waits learns that it is lost.
                    let _ = catch_unwind(AssertUnwindSafe(|| respond(py, hosted, request, true)));
                }
                if begun.elapsed() > TURN {
                    return true;
                }
                match self.next() {
                    Some(next) => request = next,
                    None => return false,
                }
            }
        })
    }
}
