//! The clocks of a server: each has tasks woken at their times, by one timer of the system that a runtime watches as it does a socket.
//!
//! Rules of this room: a door; a server has one clock in each runtime; nobody is woken early, and late by a millisecond at most where the runtime
//! has time for it. A runtime that keeps timers itself reads the time before and after each wait, and has the kernel set one for the wait: each
//! request would pay for timers that hardly ever fire.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;
use tokio::runtime::{Handle, Id};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// The clocks of a server, each made when the first connection on its runtime asks for it.
#[derive(Debug, Default)]
pub(crate) struct Clocks(Mutex<Vec<Kept>>);

#[derive(Debug)]
struct Kept {
    runtime: Id,
    clock: Arc<Clock>,
    ringing: AbortOnDropHandle<()>,
}

/// Wakes tasks at their times.
#[derive(Debug)]
pub(super) struct Clock {
    /// The system's timer: as with a pipe there is something to read once it has run out.
    bell: Receiver,
    alarms: Mutex<Alarms>,
}

#[derive(Debug, Default)]
struct Alarms {
    by_time: BTreeMap<Place, Alarm>,
    /// Places that were given so far.
    places: u64,
    /// When the bell rings: no later than the first of them is due.
    rings: Option<Instant>,
}

/// When somebody is to be woken: the time, and a number that nobody else has.
pub(super) type Place = (Instant, u64);

/// Who is to be woken.
#[derive(Debug)]
pub(super) struct Alarm {
    pub(super) waker: Waker,
    /// Set before the waker is used.
    pub(super) rung: Arc<AtomicBool>,
}

/// As far ahead as makes no difference.
const FAR: Duration = Duration::from_secs(100 * 366 * 86_400);

impl Clocks {
    /// The clock of the runtime that runs this, which watches sockets; none where there is no descriptor left for its timer: then the runtime
    /// has to keep this one.
    pub(super) fn current(&self) -> Option<Arc<Clock>> {
        let runtime = Handle::current();
        let mut clocks = self.0.lock();
        // That of a runtime which has ended rings no more, and its number may be given again.
        clocks.retain(|kept| !kept.ringing.is_finished());
        if let Some(kept) = clocks.iter().find(|kept| kept.runtime == runtime.id()) {
            return Some(Arc::clone(&kept.clock));
        }
        let clock = Arc::new(Clock::new().ok()?);
        let ringing = AbortOnDropHandle::new(runtime.spawn(Arc::clone(&clock).ring()));
        clocks.push(Kept { runtime: runtime.id(), clock: Arc::clone(&clock), ringing });
        Some(clock)
    }
}

impl Clock {
    fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let bell = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { bell: Receiver::from_owned_fd_unchecked(bell)?, alarms: Mutex::default() })
    }

    /// Has the alarm rung at this time.
    pub(super) fn set(&self, time: Instant, alarm: Alarm) -> Place {
        let mut alarms = self.alarms.lock();
        alarms.places += 1;
        let place = (time, alarms.places);
        alarms.by_time.insert(place, alarm);
        if alarms.rings.is_none_or(|rings| time < rings) {
            alarms.rings = Some(time);
            self.ring_at(time);
        }
        place
    }

    /// Has this task woken in place of the one that set the alarm, where that has not rung.
    pub(super) fn hand_on(&self, place: Place, cx: &Context<'_>) {
        if let Some(alarm) = self.alarms.lock().by_time.get_mut(&place) {
            alarm.waker.clone_from(cx.waker());
        }
    }

    /// Takes an alarm back: afterwards it does not ring.
    pub(super) fn remove(&self, place: Place) {
        // The bell may ring for nobody once; to set it anew would cost a call of the system each time.
        let alarm = self.alarms.lock().by_time.remove(&place);
        drop(alarm);
    }

    /// Rings for as long as it is polled.
    async fn ring(self: Arc<Self>) {
        // An error is the runtime shutting down, which ends everything anyway.
        while let Ok(()) = self.bell.readable().await {
            // What is read is how often it has run out.
            if self.bell.try_read(&mut [0; 8]).is_ok() {
                self.due(Instant::now()).into_iter().for_each(Waker::wake);
            }
        }
    }

    /// Takes out whoever is to be woken by now.
    fn due(&self, now: Instant) -> Vec<Waker> {
        let mut due = Vec::new();
        let mut alarms = self.alarms.lock();
        alarms.rings = None;
        while let Some(first) = alarms.by_time.first_entry() {
            let (time, _) = *first.key();
            if time > now {
                alarms.rings = Some(time);
                self.ring_at(time);
                break;
            }
            let alarm = first.remove();
            alarm.rung.store(true, Relaxed);
            due.push(alarm.waker);
        }
        due
    }

    fn ring_at(&self, time: Instant) {
        let wait = time.saturating_duration_since(Instant::now()).min(FAR);
        // What falls into one millisecond is rung for at once. No time at all would silence it.
        let wait = Duration::from_millis(wait.as_millis() as u64 + 1);
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(wait).expect("a century is in range"),
        };
        timerfd_settime(&self.bell, TimerfdTimerFlags::empty(), &once)
            .expect("a timer of ours is given a time that is in range");
    }
}
