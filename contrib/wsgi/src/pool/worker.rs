//! One thread of the pool, as the others know it.
//!
//! Rules of this room: it rests until it is woken, and no wake is lost; what it does with its job is not known here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

/// One thread of a pool.
pub(super) struct Worker {
    thread: Thread,
    woken: AtomicBool,
    /// Whether it is one of [`State::running`](super::State::running); changed under the lock only. A busy one that is not waits, or has computed
    /// for long.
    pub(super) is_counted: AtomicBool,
    /// The kernel's name for the thread.
    id: u32,
}

impl Worker {
    /// The thread that asks, which is running.
    pub(super) fn this() -> Self {
        let id = rustix::thread::gettid().as_raw_nonzero().get();
        Self {
            thread: std::thread::current(),
            woken: AtomicBool::new(false),
            is_counted: AtomicBool::new(true),
            id: u32::try_from(id).unwrap_or_default(),
        }
    }

    pub(super) fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Waits until it is woken.
    pub(super) fn rest(&self) {
        while !self.woken.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }

    /// Whether the kernel runs this thread, or would if it had a processor. Where the kernel does not say, it does not.
    pub(super) fn computes(&self) -> bool {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/self/task/{}/stat", self.id)) else {
            return false;
        };
        // "id (name) state": a name may hold parentheses.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
    }
}
