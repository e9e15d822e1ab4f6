//! How long a connection may keep the server waiting.
//!
//! Rules of this room: one timer a connection; it is armed again when it fires or when a deadline comes closer, not with each request.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::state::{Phase, State};
use crate::config::Config;

/// How long the connection has waited for its client.
pub(super) struct Wait {
    deadline: Instant,
    phase: Phase,
    served: u32,
    armed: bool,
}

impl Wait {
    pub(super) fn new(state: &State, config: &Config) -> Self {
        let phase = state.phase();
        let deadline = Instant::now() + patience(phase, config);
        Self { deadline, phase, served: state.served(), armed: false }
    }

    /// The client does not read what it asked for: that is no silence, and the next one begins when it has read.
    #[cold]
    pub(super) fn pause(&mut self) {
        self.phase = Phase::Busy;
    }

    /// Ready when the client has been silent for too long; `rested` is called when a request has been served since the last time, and
    /// says whether something of the next one is there.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        state: &State,
        config: &Config,
        mut sleep: Pin<&mut Sleep>,
        rested: impl FnOnce() -> bool,
    ) -> Poll<Phase> {
        let now = Instant::now();
        let (mut phase, served) = (state.phase(), state.served());
        if (phase, served) != (self.phase, self.served) {
            if phase == Phase::Idle && rested() {
                phase = Phase::Head;
                state.enter(phase);
            }
            (self.phase, self.served) = (phase, served);
            self.deadline = now + patience(phase, config);
        } else if now >= self.deadline {
            return Poll::Ready(phase);
        }
        // An earlier deadline is left to fire and to find out that there is time: cheaper than a change with each request.
        if sleep.is_elapsed() || sleep.deadline() > self.deadline {
            sleep.as_mut().reset(self.deadline);
            self.armed = false;
        }
        if !self.armed {
            self.armed = true;
            if sleep.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

/// How long a client may be silent in this phase.
#[inline]
fn patience(phase: Phase, config: &Config) -> Duration {
    match phase {
        Phase::Fresh => config.first_byte_timeout,
        Phase::Idle => config.idle_timeout,
        Phase::Head | Phase::Busy => config.head_timeout,
    }
}
