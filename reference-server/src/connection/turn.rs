//! The waker of a connection that carries its streams itself.
//!
//! Rules of this room: it thinks; whoever is woken while the connection has its turn goes on within that turn, and the runtime does not
//! hear of it; a wake that comes as the turn ends is either seen by the turn or wakes the task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Wake, Waker};

use parking_lot::Mutex;

/// What is woken in place of the task.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Somebody was woken who has not been polled since.
    again: AtomicBool,
    /// The connection has its turn.
    running: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Turn {
    /// Begins a turn, in which `task` is polled.
    pub(super) fn begin(&self, task: &Waker) {
        self.running.store(true, SeqCst);
        let mut known = self.task.lock();
        match &mut *known {
            Some(known) => known.clone_from(task),
            None => *known = Some(task.clone()),
        }
    }

    /// Whether somebody was woken since the last look: to be asked before they are polled.
    pub(super) fn take(&self) -> bool {
        self.again.swap(false, SeqCst)
    }

    /// Ends the turn; gives whether it does, and `false` where somebody was woken in it and is to be polled.
    #[must_use = "a turn that did not end must not wait"]
    pub(super) fn end(&self) -> bool {
        // First the end is told, then the look: a wake in between finds one of the two.
        self.running.store(false, SeqCst);
        let ended = !self.again.load(SeqCst);
        if !ended {
            self.running.store(true, SeqCst);
        }
        ended
    }

    /// Ends the turn whoever was woken: the task is to be woken for them.
    pub(super) fn leave(&self) {
        self.running.store(false, SeqCst);
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.again.store(true, SeqCst);
        if !self.running.load(SeqCst) {
            let task = self.task.lock().clone();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counted(std::sync::atomic::AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn who_is_woken_in_the_turn_goes_on_in_it_and_afterwards_the_task_is_woken() {
        let counted = Arc::new(Counted::default());
        let task = Waker::from(Arc::clone(&counted));
        let turn = Arc::new(Turn::default());
        let waker = Waker::from(Arc::clone(&turn));
        turn.begin(&task);
        assert!(!turn.take());
        waker.wake_by_ref();
        assert!(!turn.end(), "the turn goes on");
        assert!(turn.take());
        assert!(turn.end());
        assert_eq!(counted.0.load(SeqCst), 0, "the runtime has not heard of it");
        waker.wake_by_ref();
        assert_eq!(counted.0.load(SeqCst), 1);
        turn.begin(&task);
        assert!(turn.take(), "a wake between two turns is seen by the next");
    }

    #[test]
    fn no_wake_is_lost_as_a_turn_ends() {
        for _ in 0..2_000 {
            let counted = Arc::new(Counted::default());
            let task = Waker::from(Arc::clone(&counted));
            let turn = Arc::new(Turn::default());
            turn.begin(&task);
            let waker = Waker::from(Arc::clone(&turn));
            let other = std::thread::spawn(move || waker.wake());
            let seen = !turn.end();
            other.join().unwrap();
            assert!(seen || counted.0.load(SeqCst) > 0);
        }
    }
}
