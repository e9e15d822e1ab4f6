//! How long a connection may keep the server waiting.
//!
//! Rules of this room: one timer a connection; it is armed again when it fires or when a deadline comes closer, not with each request; nobody
//! is cut off early.

use std::hash::{BuildHasher, Hasher};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::state::{AGED, Phase, State};
use super::timer::Timer;
use crate::config::Config;

/// How long a connection keeps what it has served its last request with: long enough that a client which goes on never waits for it to be
/// made anew, and that the timer costs nothing beside what such a client asks for.
const REST_AFTER: Duration = Duration::from_secs(1);

/// So many requests since the timer was set make a connection busy: its clock is then read when the timer fires, and not with each request. Whoever falls silent in between is waited for longer, by [`REST_AFTER`] at most.
const BUSY: u32 = 16;
/// Where a client may be idle for less, that would be too much.
const LONG_IDLE: Duration = Duration::from_secs(8);

/// How long the connection has waited for its client.
pub(super) struct Wait {
    deadline: Instant,
    /// The client has been idle since some moment that nobody has looked up.
    lately: bool,
    /// The connection is busy, and the timer fires soon enough to take the time then.
    fires_soon: bool,
    /// As far as requests were counted when the timer was set.
    counted: u32,
    phase: Phase,
    served: u32,
    armed: bool,
    /// Whether an idle connection may be taken apart.
    rests: bool,
    /// It was asked to, and could not be.
    restless: bool,
    /// When the connection is old.
    old: Option<Instant>,
    stalled: Option<Stalled>,
}

/// What a client's silence comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// It has been silent for too long, in this phase.
    Over(Phase),
    /// It has been idle for a while, and may be until then: what serves it can go, and be made again with its next request.
    Resting(Instant),
}

/// A client that does not read.
struct Stalled {
    sent: usize,
    deadline: Instant,
}

impl Wait {
    /// `old` is when the connection is, and `rests` whether it may be taken apart while it is idle.
    pub(super) fn new(state: &State, config: &Config, old: Option<Instant>, rests: bool) -> Self {
        let (phase, served) = (state.phase(), state.served());
        let deadline = Instant::now() + patience(phase, config, rests);
        let (armed, restless, stalled) = (false, false, None);
        let (lately, fires_soon, counted) = (false, false, served);
        Self {
            deadline,
            lately,
            fires_soon,
            counted,
            phase,
            served,
            armed,
            rests,
            restless,
            old,
            stalled,
        }
    }

    /// The client does not read what it asked for: that is no silence, and the next one begins when it has read.
    #[cold]
    pub(super) fn pause(&mut self) {
        self.phase = Phase::Busy;
    }

    /// Ready when the client has been silent for too long, or for long enough to rest; `rested` is called when a request has been served
    /// since the last time, and says whether something of the next one is there.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        state: &State,
        config: &Config,
        timer: &mut Timer,
        rested: impl FnOnce() -> bool,
    ) -> Poll<Silence> {
        let (mut phase, served) = (state.phase(), state.served());
        let changed = (phase, served) != (self.phase, self.served);
        if changed {
            if phase == Phase::Idle && rested() {
                phase = Phase::Head;
                state.enter(phase);
            }
            (self.phase, self.served, self.restless) = (phase, served, false);
            self.lately = phase == Phase::Idle;
        }
        let grows_old = || self.old.is_some_and(|old| old <= timer.deadline());
        if self.lately && self.fires_soon && !timer.is_elapsed() && !grows_old() {
            return Poll::Pending;
        }
        let now = Instant::now();
        if changed || self.lately {
            if self.old.is_some_and(|old| now >= old) {
                state.set(AGED);
            }
            self.deadline = now + patience(phase, config, self.rests);
            self.lately = false;
        } else if now >= self.deadline {
            let until = self.deadline + self.rest(config);
            if until <= now {
                return Poll::Ready(Silence::Over(phase));
            }
            if state.head().is_at_rest() {
                return Poll::Ready(Silence::Resting(until));
            }
            (self.deadline, self.restless) = (until, true);
        }
        if self.arm(cx, self.deadline, timer) {
            self.counted = served;
        }
        self.fires_soon = served.wrapping_sub(self.counted) >= BUSY
            && phase == Phase::Idle
            && self.rests
            && config.idle_timeout >= LONG_IDLE;
        Poll::Pending
    }

    /// How much longer than up to its deadline the client may be silent, if the connection rests meanwhile.
    fn rest(&self, config: &Config) -> Duration {
        match self.phase {
            Phase::Idle if self.rests && !self.restless => {
                config.idle_timeout.saturating_sub(REST_AFTER)
            }
            _ => Duration::ZERO,
        }
    }

    /// Ready when the client has taken nothing for too long of what waits for it; `sent` is what it has taken so far.
    #[cold]
    pub(super) fn poll_stalled(
        &mut self,
        cx: &mut Context<'_>,
        sent: usize,
        config: &Config,
        timer: &mut Timer,
    ) -> Poll<()> {
        let now = Instant::now();
        let deadline = match &self.stalled {
            Some(stalled) if stalled.sent == sent => stalled.deadline,
            _ => {
                let deadline = now + config.write_timeout;
                self.stalled = Some(Stalled { sent, deadline });
                deadline
            }
        };
        if now >= deadline {
            return Poll::Ready(());
        }
        self.arm(cx, deadline, timer);
        Poll::Pending
    }

    /// Has the task woken at this time, or before.
    pub(super) fn look_at(&mut self, time: Instant, cx: &mut Context<'_>, timer: &mut Timer) {
        self.arm(cx, time, timer);
    }

    /// The client takes what there is.
    pub(super) fn go_on(&mut self) {
        self.stalled = None;
    }

    /// Whether the connection has been open for long enough.
    pub(super) fn is_old(&self) -> bool {
        self.old.is_some_and(|old| Instant::now() >= old)
    }

    /// Sees to it that the timer fires by the deadline; gives whether it was set anew.
    #[inline]
    fn arm(&mut self, cx: &mut Context<'_>, deadline: Instant, timer: &mut Timer) -> bool {
        // An earlier deadline is left to fire and to find out that there is time: cheaper than a change with each request.
        let anew = timer.is_elapsed() || timer.deadline() > deadline;
        if anew {
            timer.reset(deadline);
            (self.armed, self.fires_soon) = (false, false);
        }
        if !self.armed {
            self.armed = true;
            if Pin::new(timer).poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        anew
    }
}

/// When a connection is old that begins now.
pub(super) fn old(config: &Config) -> Option<Instant> {
    config.connection_age.map(|age| Instant::now() + jittered(age))
}

/// A tenth more or less, so that connections that came together do not go together.
fn jittered(age: Duration) -> Duration {
    // Each state is another, and that is all that is asked of it.
    let chance = std::hash::RandomState::new().build_hasher().finish() % 2001;
    let parts = u32::try_from(9000 + chance).unwrap_or(10_000);
    (age / 10_000).saturating_mul(parts)
}

/// How long a client may be silent in this phase, or until its connection rests.
#[inline]
fn patience(phase: Phase, config: &Config, rests: bool) -> Duration {
    match phase {
        Phase::Fresh => config.first_byte_timeout,
        Phase::Idle if rests => config.idle_timeout.min(REST_AFTER),
        Phase::Idle => config.idle_timeout,
        Phase::Head | Phase::Busy => config.head_timeout,
    }
}
