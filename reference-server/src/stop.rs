//! How a server is told to stop, and how its connections and applications learn of it.
//!
//! Rules of this room: the stage only ever advances; whoever waits is woken by each advance; a look costs one load.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rwgi::{StopNotice, Stopping};
use tokio::sync::Notify;

/// Where a server stands on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Serving.
    Run,
    /// Serving on, but told to stop: whoever asks whether the server is ready hears no, so that a balancer sends its clients elsewhere.
    Announce,
    /// Nothing new; what is under way comes to its end.
    Drain,
    /// The period of grace is over: what is left is aborted.
    Kill,
}

/// What the first octets of a new connection may take while the server stops: the way of a client far away, and back.
const PATIENCE: Duration = Duration::from_millis(500);

/// The stage, shared by the server and its connections.
#[derive(Debug)]
pub(crate) struct Stop {
    stage: AtomicU8,
    advanced: Notify,
    /// For applications.
    notice: StopNotice,
}

impl Stop {
    pub(crate) fn new() -> Self {
        Self { stage: AtomicU8::new(0), advanced: Notify::new(), notice: StopNotice::new() }
    }

    #[inline]
    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Run,
            1 => Stage::Announce,
            2 => Stage::Drain,
            _ => Stage::Kill,
        }
    }

    /// Advances to `stage`; a step back is no step.
    pub(crate) fn advance(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
        self.advanced.notify_waiters();
        if stage >= Stage::Drain {
            self.notice.give();
        }
    }

    /// What applications see: told as soon as the drain begins, and not while the end is announced and all goes on (REQ-LIFE-14,
    /// REQ-LIFE-15).
    pub(crate) fn stopping(&self) -> Stopping {
        self.notice.stopping()
    }

    /// Whether new clients are welcome: what a readiness probe asks.
    pub(crate) fn is_ready(&self) -> bool {
        self.stage() == Stage::Run
    }

    /// Ends when a connection that has not yet said anything is waited for no longer: a moment after the drain has begun. Its client may
    /// have sent its first request before it could know. Cancel safe.
    pub(crate) async fn patience_over(&self) {
        self.beyond(Stage::Announce).await;
        tokio::select! {
            () = tokio::time::sleep(PATIENCE) => {}
            () = self.beyond(Stage::Drain) => {}
        }
    }

    /// Waits for an advance beyond `seen`. Cancel safe.
    pub(crate) async fn beyond(&self, seen: Stage) {
        loop {
            let advanced = self.advanced.notified();
            // The waiter is registered before the look, so that no advance falls between the two.
            tokio::pin!(advanced);
            advanced.as_mut().enable();
            if self.stage() > seen {
                return;
            }
            advanced.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_stage_advances_and_wakes() {
        let stop = std::sync::Arc::new(Stop::new());
        let waiter = tokio::spawn({
            let stop = std::sync::Arc::clone(&stop);
            async move { stop.beyond(Stage::Drain).await }
        });
        stop.advance(Stage::Drain);
        stop.advance(Stage::Kill);
        waiter.await.unwrap();
        stop.advance(Stage::Drain);
        assert_eq!(stop.stage(), Stage::Kill);
    }
}
