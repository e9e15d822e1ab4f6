//! The signals that stop a server, and the one that has it read its files again.
//!
//! Rules of this room: SIGTERM and ctrl-c mean the same; a signal that came while nobody waited is not lost.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{Error, Result};

/// What a signal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Stop,
    Reload,
    Reopen,
}

/// SIGTERM, SIGINT, SIGHUP, and SIGUSR1, by which nginx opens its logs anew.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user: Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self> {
        let take = |kind| {
            signal(kind).map_err(|error| Error::runtime("a signal handler was refused", error))
        };
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hang_up: take(SignalKind::hangup())?,
            user: take(SignalKind::user_defined1())?,
        })
    }

    /// The next of them. Cancel safe.
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hang_up.recv() => Told::Reload,
            _ = self.user.recv() => Told::Reopen,
        }
    }

    /// The next that says to stop. Cancel safe.
    pub(crate) async fn stop(&mut self) {
        while self.next().await != Told::Stop {}
    }
}
