//! Whether the client is still there, and who wants to know.
//!
//! Rules of this room: a departure is told once, to all that wait for it, from whatever thread it is noticed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use super::event_loop::Waiters;

/// Dropped when nobody takes the response any more; whoever waits for that is woken then.
pub(super) struct Departure(Option<Arc<Signal>>);

impl Departure {
    pub(super) fn new(signal: &Arc<Signal>) -> Self {
        Self(Some(Arc::clone(signal)))
    }

    /// It is no departure: the response has taken its way.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

/// Whether the client is there.
pub(super) struct Signal {
    gone: AtomicBool,
    waiters: Arc<Waiters>,
}

impl Signal {
    pub(super) fn new(waiters: &Arc<Waiters>) -> Arc<Self> {
        Arc::new(Self { gone: AtomicBool::new(false), waiters: Arc::clone(waiters) })
    }

    /// Those who are woken by it.
    pub(super) fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    /// For the application it has left, whatever the reason.
    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Whether an exception is what `send` raises when the client has left.
    pub(super) fn is_echo(&self, py: Python<'_>, raised: &PyErr) -> bool {
        self.is_gone() && raised.is_instance_of::<PyOSError>(py)
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        if let Some(signal) = &self.0
            && !signal.gone.swap(true, Ordering::AcqRel)
        {
            Waker::from(Arc::clone(&signal.waiters)).wake();
        }
    }
}
