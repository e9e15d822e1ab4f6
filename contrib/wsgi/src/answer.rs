//! The result of a call, on its way from a thread of Python to the server's task that waits for it.
//!
//! Rules of this room: it is given once, or lost aloud; who waits is told of both; who no longer waits can be seen from the other side;
//! whom to wake is for the giver to say, and when.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rwgi::{Finished, Result};

use crate::pool::Pool;

/// The side that gives.
pub(crate) struct Answer(Arc<Slot>);

/// The side that waits: `None` where the answer was dropped ungiven.
pub(crate) struct Awaited {
    slot: Arc<Slot>,
    /// Whose threads give the answer.
    pool: Arc<Pool>,
}

struct Slot(Mutex<State>);

enum State {
    Open(Option<Waker>),
    Given(Result<Finished>),
    Lost,
    /// Taken, or not wanted any more.
    Over,
}

/// Both sides of an answer that a thread of `pool` gives.
pub(crate) fn answer(pool: Arc<Pool>) -> (Answer, Awaited) {
    let slot = Arc::new(Slot(Mutex::new(State::Open(None))));
    (Answer(Arc::clone(&slot)), Awaited { slot, pool })
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces an open state; gives who is to be woken.
    fn settle(&self, settled: State) -> Option<Waker> {
        let mut state = self.lock();
        match &mut *state {
            State::Open(waker) => {
                let waker = waker.take();
                *state = settled;
                waker
            }
            // Nobody listens after a departure; what was to be said is dropped outside of the lock.
            _ => {
                drop(state);
                None
            }
        }
    }
}

impl Answer {
    /// Whether nobody waits any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        matches!(*self.0.lock(), State::Over)
    }

    /// Gives the result; gives back whom to wake.
    #[must_use = "who waits is to be woken"]
    pub(crate) fn give(self, result: Result<Finished>) -> Option<Waker> {
        self.0.settle(State::Given(result))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(waker) = self.0.settle(State::Lost) {
            waker.wake();
        }
    }
}

impl Future for Awaited {
    type Output = Option<Result<Finished>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.pool.wake_held();
        let mut state = self.slot.lock();
        if let State::Open(waker) = &mut *state {
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        match std::mem::replace(&mut *state, State::Over) {
            State::Given(result) => Poll::Ready(Some(result)),
            State::Lost | State::Over | State::Open(_) => Poll::Ready(None),
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *self.slot.lock(), State::Over);
        drop(state);
    }
}
