//! Polling by hand: wakers that remember, and waiting without a runtime.
//!
//! Rules of this room: a future is polled only where somebody asked for it; what waits is either woken, or nothing else is left to
//! happen, and the second is told from the first by the pace.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// A waker that remembers that it rang, and passes it on to whoever waits for it.
#[derive(Default)]
pub(crate) struct Alarm {
    rung: AtomicBool,
    listener: Mutex<Option<Waker>>,
}

impl Alarm {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Whether it rang since it was last asked.
    pub(crate) fn take(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }

    /// Whether it has rung; it goes on to say so.
    pub(crate) fn has_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    fn listen(&self, waker: &Waker) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    pub(crate) fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listener) = listener {
            listener.wake();
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

type Idle = Pin<Box<dyn Future<Output = ()>>>;

/// How it is known that nothing more will happen.
pub(crate) struct Pace {
    idle: Box<dyn Fn() -> Idle>,
    /// A runtime stands around the simulation: it gets its turn, and its clock can pass.
    hosted: bool,
}

impl Pace {
    /// Inside a runtime: `idle` is ready once nothing but time would bring anything.
    pub(crate) fn hosted<F: Future<Output = ()> + 'static>(idle: impl Fn() -> F + 'static) -> Self {
        Self { idle: Box::new(move || Box::pin(idle())), hosted: true }
    }

    /// Whether time can pass.
    pub(crate) fn is_hosted(&self) -> bool {
        self.hosted
    }

    /// Waits for nothing, as long as it takes to be sure of it.
    pub(crate) async fn rest(&self) {
        (self.idle)().await;
    }

    /// Waits until the alarm rings; gives `false` where nothing is left that would ring it.
    pub(crate) async fn woken(&self, alarm: &Alarm) -> bool {
        let mut turns = usize::from(self.hosted);
        let mut idle: Option<Idle> = None;
        poll_fn(|cx| {
            // A runtime counts what a task does without giving way, and starves one that never does.
            if turns > 0 {
                turns -= 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            alarm.listen(cx.waker());
            if alarm.take() {
                return Poll::Ready(true);
            }
            let idle = idle.get_or_insert_with(|| (self.idle)());
            idle.as_mut().poll(cx).map(|()| alarm.take())
        })
        .await
    }
}

/// Polls a future by hand to its end; `None` where nothing would wake it.
pub(crate) async fn wait_for<F: Future>(
    pace: &Pace,
    alarm: &Arc<Alarm>,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    loop {
        let waker = Waker::from(Arc::clone(alarm));
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        if !pace.woken(alarm).await {
            return None;
        }
    }
}

struct Parker {
    thread: Thread,
    notified: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.notified.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Runs a future on this thread. Where nothing wakes it for as long as `patience`, its pace says that nothing will.
pub(crate) fn run<F: Future>(patience: Duration, future: impl FnOnce(Pace) -> F) -> F::Output {
    let expired = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&expired);
    let idle = move || -> Idle {
        let seen = Arc::clone(&seen);
        Box::pin(poll_fn(move |_| {
            if seen.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
        }))
    };
    let parker = Arc::new(Parker { thread: thread::current(), notified: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&parker));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future(Pace { idle: Box::new(idle), hosted: false }));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        let begin = Instant::now();
        while !parker.notified.swap(false, Ordering::AcqRel) {
            let left = patience.saturating_sub(begin.elapsed());
            if left.is_zero() {
                expired.store(true, Ordering::Release);
                break;
            }
            thread::park_timeout(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_woken_from_another_thread_is_polled_again() {
        let alarm = Alarm::new();
        let other = Arc::clone(&alarm);
        let woken = run(Duration::from_secs(10), |pace| async move {
            let thread = thread::spawn(move || other.ring());
            let woken = pace.woken(&alarm).await;
            thread.join().unwrap();
            woken
        });
        assert!(woken);
    }

    #[test]
    fn what_nobody_wakes_is_found_out() {
        assert!(!run(Duration::ZERO, |pace| async move { pace.woken(&Alarm::default()).await }));
    }
}
