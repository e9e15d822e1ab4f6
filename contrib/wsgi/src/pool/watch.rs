//! The watch: whether the threads that run are blocked while others wait for their turn.
//!
//! Rules of this room: there is one as long as something is queued, and for a while after; it asks the kernel and never the interpreter,
//! which a running thread may hold.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use rwgi::Result;

use super::{Pool, State};

/// How long nothing is begun before somebody looks whether the running threads are blocked.
///
/// 1 ms: longer than most requests that only compute, and shorter than a user notices.
const PATIENCE: Duration = Duration::from_millis(1);

/// How long it takes until somebody looks again where the running threads were seen to compute.
///
/// 8 ms: views that compute for some milliseconds are looked at once or not at all, and still no user notices.
const LONGEST: Duration = Duration::from_millis(8);

/// How long nothing is begun before a running thread that computes gets company after all.
///
/// 100 ms: longer than nearly all requests, and the first delay that a user notices. A view that computes without end would hold up all others,
/// and one whose library lets go of the interpreter (a hash of a password, numpy) need not.
const LONG: Duration = Duration::from_millis(100);

/// How many looks at an empty queue end the watch.
const QUIET: u32 = 1000;

impl Pool {
    /// Sees to it that somebody looks whether the running threads are blocked.
    pub(super) fn watch(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> Result<()> {
        state.watched = true;
        drop(state);
        let pool = Arc::clone(self);
        let builder = std::thread::Builder::new().name("rwgi-python-watch".to_owned());
        builder.spawn(move || pool.look()).map(drop).or_else(|error| {
            self.lock().watched = false;
            tracing::warn!(%error, "no thread could be started that watches the threads for Python");
            Ok(())
        })
    }

    /// Wakes another thread where nothing was begun for a while, although something waits, and no running thread computes; ends when
    /// nothing was queued for a while.
    fn look(self: Arc<Self>) {
        let (mut quiet, mut seen) = (0, 0);
        let mut rest = PATIENCE;
        let mut moved = Instant::now();
        loop {
            std::thread::sleep(rest);
            let mut state = self.lock();
            if !state.held.is_empty() {
                self.wake_all(state);
                state = self.lock();
            }
            quiet = if state.queue.is_empty() { quiet + 1 } else { 0 };
            if quiet > QUIET || state.stopping {
                state.watched = false;
                // From now on nobody is held.
                return self.wake_all(state);
            }
            let begun = state.begun - seen;
            seen = state.begun;
            if state.queue.is_empty() || begun > 0 {
                moved = Instant::now();
            }
            if !state.queue.is_empty() && begun == 0 {
                // Where no thread is left, what the others do changes nothing.
                let is_any_left = !state.idle.is_empty() || state.started < self.threads;
                if is_any_left && moved.elapsed() >= LONG {
                    // Until they come to the end of what they do, they do not count.
                    moved = Instant::now();
                    for worker in state.busy.clone() {
                        state.discount(&worker);
                    }
                    let _ = self.wake_one(state);
                    continue;
                } else if !is_any_left || state.busy.iter().any(|worker| worker.computes()) {
                    rest = LONGEST.min(rest * 2);
                } else {
                    rest = PATIENCE;
                    state.slow = false;
                    let _ = self.wake_one(state);
                    continue;
                }
            } else if u128::from(begun) > rest.as_millis() {
                rest = PATIENCE;
            }
            state.slow = rest > PATIENCE;
        }
    }
}
