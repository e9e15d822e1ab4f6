//! Driving a future on the connection's thread, and noticing when nobody waits for it any more.
//!
//! Rules of this room: the thread sleeps until it is woken, or looks after the connection every few milliseconds; a reset or the
//! end of the period of grace drops what is driven.

use std::future::Future;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use super::inbound::Inbound;
use super::violation::Switch;

/// Wakes a thread.
#[derive(Debug)]
pub struct Parker {
    thread: Thread,
    woken: AtomicBool,
}

impl Parker {
    /// For the current thread.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), woken: AtomicBool::new(false) })
    }

    /// Blocks until it is woken, or for this time; gives whether it was woken.
    pub fn wait(&self, time: Duration) -> bool {
        if !self.woken.load(Ordering::Acquire) {
            thread::park_timeout(time);
        }
        self.woken.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Nobody waits for the exchange any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// What the thread of a connection watches while an exchange waits.
pub(super) struct Watch {
    pub(super) parker: Arc<Parker>,
    pub(super) waker: Waker,
    pub(super) stream: TcpStream,
    pub(super) inbound: Inbound,
    pub(super) abandoned: Arc<AtomicBool>,
    pub(super) switch: Option<Switch>,
}

/// How often the connection is looked after.
const TICK: Duration = Duration::from_millis(5);

impl Watch {
    /// Drives a future to its end.
    pub(super) fn drive<F: Future>(&self, mut future: Pin<&mut F>) -> Result<F::Output, Gone> {
        loop {
            if let Some(output) = self.poll(|cx| future.as_mut().poll(cx))? {
                return Ok(output);
            }
            self.wait()?;
        }
    }

    /// Polls once.
    pub(super) fn poll<T>(
        &self,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Result<Option<T>, Gone> {
        self.inbound.lock().wanted = false;
        let mut context = Context::from_waker(&self.waker);
        match poll(&mut context) {
            Poll::Ready(output) => Ok(Some(output)),
            Poll::Pending => Ok(None),
        }
    }

    /// Waits until polling again makes sense.
    pub(super) fn wait(&self) -> Result<(), Gone> {
        loop {
            self.check()?;
            if self.switch == Some(Switch::NoInputLimit) {
                self.inbound.lock().hoard(false);
            }
            // A read that found nothing has waited for a moment already.
            if self.inbound.lock().is_wanted() {
                return Ok(());
            }
            let woken = self.parker.wait(TICK);
            if woken && self.switch != Some(Switch::NoForeignWake) {
                return self.check();
            }
        }
    }

    /// Whether the exchange is still wanted.
    pub(super) fn check(&self) -> Result<(), Gone> {
        if self.abandoned.load(Ordering::Acquire) {
            return Err(Gone);
        }
        if self.switch == Some(Switch::FinIsDeparture) {
            let mut inbound = self.inbound.lock();
            if inbound.finished
                || inbound.ended
                    && inbound.read(Duration::from_millis(1)) == super::inbound::Brought::End
            {
                return Err(Gone);
            }
        }
        if self.switch == Some(Switch::NoDeparture) {
            return Ok(());
        }
        let failed = self.stream.take_error().ok().flatten().is_some();
        if failed || self.inbound.lock().reset {
            self.inbound.lock().reset = true;
            return Err(Gone);
        }
        Ok(())
    }
}
