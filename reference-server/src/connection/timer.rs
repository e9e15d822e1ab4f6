//! The timer of a connection: kept by the clock of its runtime, or by the runtime itself where a paused clock is to hold for it.
//!
//! Rules of this room: it never fires early; it is registered when it is polled, once for each deadline.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

use super::clock::{Alarm, Clock, Place};

/// A future that is ready at a time.
#[derive(Debug)]
pub(super) enum Timer {
    /// Kept by a clock.
    Set(SetTimer),
    /// Kept by the runtime.
    Runtime(Pin<Box<Sleep>>),
}

/// A timer that a clock keeps.
#[derive(Debug)]
pub(super) struct SetTimer {
    clock: Arc<Clock>,
    deadline: Instant,
    place: Option<Place>,
    rung: Arc<AtomicBool>,
}

impl Timer {
    /// A timer that nobody has asked yet.
    pub(super) fn new(clock: Option<&Arc<Clock>>, deadline: Instant) -> Self {
        match clock {
            Some(clock) => Self::Set(SetTimer {
                clock: Arc::clone(clock),
                deadline,
                place: None,
                rung: Arc::default(),
            }),
            None => Self::Runtime(Box::pin(sleep_until(deadline))),
        }
    }

    #[inline]
    pub(super) fn deadline(&self) -> Instant {
        match self {
            Self::Set(timer) => timer.deadline,
            Self::Runtime(sleep) => sleep.deadline(),
        }
    }

    /// Whether it has fired.
    #[inline]
    pub(super) fn is_elapsed(&self) -> bool {
        match self {
            Self::Set(timer) => timer.rung.load(Relaxed),
            Self::Runtime(sleep) => sleep.is_elapsed(),
        }
    }

    /// Another deadline; it is to be polled again.
    pub(super) fn reset(&mut self, deadline: Instant) {
        match self {
            Self::Set(timer) => {
                timer.take_back();
                timer.deadline = deadline;
            }
            Self::Runtime(sleep) => sleep.as_mut().reset(deadline),
        }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut() {
            Self::Set(timer) => timer.poll(cx),
            Self::Runtime(sleep) => sleep.as_mut().poll(cx),
        }
    }
}

impl SetTimer {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        match self.place {
            None => {
                let alarm = Alarm { waker: cx.waker().clone(), rung: Arc::clone(&self.rung) };
                self.place = Some(self.clock.set(self.deadline, alarm));
            }
            Some(place) => self.clock.hand_on(place, cx),
        }
        // After the waker is known: it rang before, or wakes this task.
        if self.rung.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn take_back(&mut self) {
        if let Some(place) = self.place.take() {
            self.clock.remove(place);
            // It rings no more: what was heard of it was about the deadline that is over.
            self.rung.store(false, Relaxed);
        }
    }
}

impl Drop for SetTimer {
    fn drop(&mut self) {
        self.take_back();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::{Wake, Waker};
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};

    use super::super::clock::Clocks;
    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);
    const AGES: Duration = Duration::from_secs(3600);

    /// A runtime that keeps no timers: one of its own would panic in it.
    fn untimed() -> Runtime {
        Builder::new_current_thread().enable_io().build().unwrap()
    }

    /// Fails where this does not come to its end: with a timer that never fires it would not.
    fn within(test: fn()) {
        let (done, ended) = std::sync::mpsc::channel();
        let test = std::thread::spawn(move || {
            test();
            done.send(())
        });
        ended.recv_timeout(Duration::from_secs(60)).expect("the timers fire");
        assert!(test.join().is_ok());
    }

    fn timer(clocks: &Clocks, wait: Duration) -> Timer {
        let clock = clocks.current().expect("the system has a timer");
        Timer::new(Some(&clock), Instant::now() + wait)
    }

    #[test]
    fn those_that_wait_at_once_fire_each_at_its_time_in_a_runtime_that_keeps_no_timers() {
        within(|| {
            untimed().block_on(async {
                let clocks = Clocks::default();
                let timers = [3, 1, 2, 0].map(|parts| timer(&clocks, MOMENT * parts));
                let waits = timers.map(async |mut timer| {
                    (&mut timer).await;
                    assert!(timer.is_elapsed() && Instant::now() >= timer.deadline());
                    // Asked again it is still ready.
                    timer.await;
                });
                futures_util::future::join_all(waits).await;
            });
        });
    }

    #[test]
    fn a_deadline_moves_either_way_and_forgets_what_was_heard_of_the_one_before() {
        within(|| {
            untimed().block_on(async {
                let clocks = Clocks::default();
                let mut moved = timer(&clocks, AGES);
                let waits =
                    poll_fn(|cx| Poll::Ready(Pin::new(&mut moved).poll(cx).is_pending())).await;
                assert!(waits);
                let soon = Instant::now() + MOMENT;
                moved.reset(soon);
                (&mut moved).await;
                assert!(Instant::now() >= soon);
                moved.reset(Instant::now() + AGES);
                assert!(!moved.is_elapsed());
                let mut other = timer(&clocks, MOMENT);
                let fired = poll_fn(|cx| match Pin::new(&mut moved).poll(cx) {
                    Poll::Ready(()) => Poll::Ready("the one that was put off"),
                    Poll::Pending => Pin::new(&mut other).poll(cx).map(|()| "the other"),
                });
                assert_eq!(fired.await, "the other");
            });
        });
    }

    #[test]
    fn whoever_polled_it_last_is_woken_and_one_that_is_dropped_wakes_nobody() {
        within(|| {
            let runtime = untimed();
            let _inside = runtime.enter();
            let clocks = Clocks::default();
            let mut handed_on = timer(&clocks, MOMENT);
            let nobody = futures_util::task::noop_waker();
            assert!(Pin::new(&mut handed_on).poll(&mut Context::from_waker(&nobody)).is_pending());
            runtime.block_on(handed_on);
            let mut dropped = timer(&clocks, MOMENT);
            let counted = Arc::new(Counted);
            let task = Waker::from(Arc::clone(&counted));
            assert!(Pin::new(&mut dropped).poll(&mut Context::from_waker(&task)).is_pending());
            assert_eq!(Arc::strong_count(&counted), 3, "the clock knows the task");
            drop((dropped, task));
            assert_eq!(Arc::strong_count(&counted), 1, "the clock has let go of it");
        });
    }

    #[test]
    fn each_runtime_has_a_clock_and_one_only() {
        let clocks = Clocks::default();
        let (one, other) = (untimed(), untimed());
        let clock = |runtime: &Runtime| {
            let _inside = runtime.enter();
            clocks.current().expect("the system has a timer")
        };
        assert!(Arc::ptr_eq(&clock(&one), &clock(&one)));
        assert!(!Arc::ptr_eq(&clock(&one), &clock(&other)));
    }

    struct Counted;

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {}
    }
}
