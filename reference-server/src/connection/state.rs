//! What one connection's rooms know of each other.
//!
//! Rules of this room: small facts, set where they happen and read where they matter; all of them are used by one task, the
//! atomics only make them sendable with it.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use parking_lot::{Mutex, MutexGuard};
use rwgi::BodyLength;

use super::head_watch::HeadWatch;
use crate::observation::Observation;
use crate::stop::{Stage, Stop};
use crate::upgrade::Granted;

/// What the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing has come since it was accepted.
    Fresh,
    /// Kept alive, between two requests.
    Idle,
    /// Part of a head has come.
    Head,
    /// An exchange is under way.
    Busy,
}

/// The facts of one connection.
pub(crate) struct State {
    phase: AtomicU8,
    flags: AtomicU8,
    served: AtomicU32,
    in_flight: AtomicU32,
    /// Exchanges under way on all connections together.
    load: Arc<AtomicUsize>,
    /// Bodies of HTTP/2 that have more and are not asked for it: their client gives no room.
    owed: AtomicU32,
    /// Pieces of them that were taken.
    given: AtomicU32,
    /// How often the streams of HTTP/2 have been polled, each time after hyper.
    round: AtomicU32,
    /// Streams of HTTP/2 that ended before they were answered.
    resets: AtomicU32,
    head: Mutex<HeadWatch>,
    /// Heads without content that hyper has parsed and the watch has not heard of.
    parsed: AtomicU32,
    /// What the watch said of the octets that hyper read last: [`HeadWatch::is_plain`], [`HeadWatch::is_whole`].
    plain: AtomicBool,
    whole: AtomicBool,
    /// All that hyper has written is in the wire.
    flushed: AtomicBool,
    /// And all that is in the wire is sent.
    sent: AtomicBool,
    /// hyper has asked for octets and none were there: it has parsed all that it could.
    waits: AtomicBool,
    /// hyper passes large pieces on as they are, and copies none.
    vectored: bool,
    /// What `served` was when a large piece was last sent by such a hyper.
    large: AtomicU32,
    stop: Arc<Stop>,
    /// What was granted on HTTP/1.1, until hyper has let go.
    granted: Mutex<Option<Granted>>,
    /// The session that the last stream of HTTP/2 to be polled has left.
    session: Mutex<Option<SessionTask>>,
    /// There is one.
    left: AtomicBool,
}

/// Something that the connection's own task carries beside hyper.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A session on a stream of HTTP/2; gives its stream back where that is to be reset, which hyper does not offer: as long as it is not
/// dropped hyper does not end it.
pub(crate) type SessionTask = Pin<Box<dyn Future<Output = Option<TokioIo<Upgraded>>> + Send>>;

/// The response was aborted: the client must be able to tell.
pub(crate) const ABORTED: u8 = 1;
/// The end of the connection is the end of the response, so an abort has to be a reset.
pub(crate) const CLOSE_DELIMITED: u8 = 2;
/// The client may still be sending: let it read its answer before the socket goes.
pub(crate) const LINGER: u8 = 4;
/// An answer waits until hyper can hand the transport over to whoever holds its upgrade.
pub(crate) const HAND_OVER: u8 = 8;
/// hyper can.
pub(crate) const HANDED_OVER: u8 = 16;
/// The connection has been open for long enough: its next response says that it closes.
pub(crate) const AGED: u8 = 32;
/// A large piece was sent by a hyper that copies.
const LARGE: u8 = 64;

/// After so many requests without a large piece of content it is worth while to have hyper copy: most new connections ask for less, and the one
/// large piece that is copied before the change back is one in as many.
const SMALL: u32 = 16;

impl State {
    pub(crate) fn new(stop: Arc<Stop>, load: Arc<AtomicUsize>, vectored: bool) -> Self {
        Self {
            phase: AtomicU8::new(0),
            flags: AtomicU8::new(0),
            served: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            load,
            owed: AtomicU32::new(0),
            given: AtomicU32::new(0),
            round: AtomicU32::new(0),
            resets: AtomicU32::new(0),
            head: Mutex::new(HeadWatch::new()),
            parsed: AtomicU32::new(0),
            plain: AtomicBool::new(false),
            whole: AtomicBool::new(false),
            flushed: AtomicBool::new(false),
            sent: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            vectored,
            large: AtomicU32::new(0),
            stop,
            granted: Mutex::new(None),
            session: Mutex::default(),
            left: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Fresh,
            1 => Phase::Idle,
            2 => Phase::Head,
            _ => Phase::Busy,
        }
    }

    #[inline]
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// An exchange begins; it ends when what this gives is dropped.
    #[inline]
    pub(crate) fn begin(self: &Arc<Self>) -> Underway {
        self.enter(Phase::Busy);
        self.waits.store(false, Relaxed);
        self.served.store(self.served().wrapping_add(1), Relaxed);
        self.in_flight.store(self.in_flight.load(Relaxed) + 1, Relaxed);
        self.load.fetch_add(1, Relaxed);
        Underway { state: Arc::clone(self), observation: None }
    }

    /// Content has come that an exchange left behind: the client is not silent.
    pub(crate) fn touch(&self) {
        self.served.store(self.served().wrapping_add(1), Relaxed);
    }

    /// How many exchanges have begun; only a change of it means something.
    #[inline]
    pub(crate) fn served(&self) -> u32 {
        self.served.load(Relaxed)
    }

    /// Exchanges under way on all connections together.
    #[inline]
    pub(crate) fn load(&self) -> usize {
        self.load.load(Relaxed)
    }

    /// Whether a body of HTTP/2 has more and its client gives no room for it.
    pub(crate) fn owes(&self) -> bool {
        self.owed.load(Relaxed) > 0
    }

    /// How many such bodies there are, and how many pieces of any were taken; of the second only a change means something.
    pub(crate) fn flow(&self) -> (u32, u32) {
        (self.owed.load(Relaxed), self.given.load(Relaxed))
    }

    /// A piece of such a body was taken.
    pub(crate) fn give(&self) {
        self.given.store(self.given.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// hyper was polled, and now the streams of HTTP/2 are.
    pub(crate) fn next_round(&self) {
        self.round.store(self.round().wrapping_add(1), Relaxed);
    }

    /// Which of these times it is; only a change of it means something.
    pub(crate) fn round(&self) -> u32 {
        self.round.load(Relaxed)
    }

    /// A stream of HTTP/2 ends before it was answered.
    pub(crate) fn note_reset(&self) {
        self.resets.fetch_add(1, Relaxed);
    }

    /// How many have; only a change of it means something.
    pub(crate) fn resets(&self) -> u32 {
        self.resets.load(Relaxed)
    }

    /// One more such body, or one less.
    pub(crate) fn owe(&self, more: bool) {
        if more {
            self.owed.fetch_add(1, Relaxed);
        } else {
            self.owed.fetch_sub(1, Relaxed);
        }
    }

    pub(crate) fn set(&self, flag: u8) {
        self.flags.fetch_or(flag, Relaxed);
    }

    #[inline]
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags.load(Relaxed) & flag != 0
    }

    pub(crate) fn stop(&self) -> &Arc<Stop> {
        &self.stop
    }

    /// Keeps a session until hyper has let go of the transport.
    pub(crate) fn grant(&self, granted: Granted) {
        *self.granted.lock() = Some(granted);
    }

    pub(crate) fn take_granted(&self) -> Option<Granted> {
        self.granted.lock().take()
    }

    /// Leaves a session to the connection's task.
    pub(crate) fn leave_session(&self, session: SessionTask) {
        *self.session.lock() = Some(session);
        self.left.store(true, Relaxed);
    }

    pub(crate) fn take_session(&self) -> Option<SessionTask> {
        if !self.left.load(Relaxed) {
            return None;
        }
        self.left.store(false, Relaxed);
        self.session.lock().take()
    }

    /// The same facts, to be kept beyond the exchange.
    pub(crate) fn begin_session(underway: &Underway) -> Underway {
        underway.state.begin()
    }

    /// The watch, which knows of all heads that hyper has parsed so far.
    pub(crate) fn head(&self) -> MutexGuard<'_, HeadWatch> {
        let mut head = self.head.lock();
        let parsed = self.parsed.load(Relaxed);
        if parsed > 0 {
            self.parsed.store(0, Relaxed);
            head.parsed_bare(parsed as usize);
        }
        head
    }

    /// [`HeadWatch::feed`].
    #[inline]
    pub(crate) fn feed(&self, octets: &[u8]) -> bool {
        self.waits.store(false, Relaxed);
        let mut head = self.head();
        let of_a_head = head.feed(octets);
        self.look_at(&head);
        of_a_head
    }

    /// [`HeadWatch::parsed`].
    pub(crate) fn parsed(&self, head: &mut HeadWatch, length: BodyLength) {
        head.parsed(length);
        self.look_at(head);
    }

    #[inline]
    fn look_at(&self, head: &HeadWatch) {
        self.plain.store(head.is_plain(), Relaxed);
        self.whole.store(head.is_whole(), Relaxed);
    }

    /// Whether the head that hyper is giving away has no fragment; where not, the watch has to be asked.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.plain.load(Relaxed)
    }

    /// hyper has parsed one more head, without content behind it: the watch hears of it when somebody needs it to.
    #[inline]
    pub(crate) fn parsed_bare(&self) {
        self.parsed.store(self.parsed.load(Relaxed) + 1, Relaxed);
    }

    /// [`HeadWatch::has_begun`].
    #[inline]
    pub(crate) fn has_begun(&self) -> bool {
        let known = self.parsed.load(Relaxed) > 0 && self.whole.load(Relaxed);
        !known && self.head().has_begun()
    }

    /// hyper writes, and may not have written all.
    #[inline]
    pub(crate) fn note_written(&self) {
        self.flushed.store(false, Relaxed);
        self.sent.store(false, Relaxed);
    }

    /// hyper has asked for octets, and none were there.
    #[inline]
    pub(crate) fn note_waits(&self) {
        self.waits.store(true, Relaxed);
    }

    /// Whether hyper waits for octets. Where not it may have some that it has not looked at: it gives way after 16 requests of a pipeline.
    #[inline]
    pub(crate) fn waits(&self) -> bool {
        self.waits.load(Relaxed)
    }

    /// hyper has written all.
    #[inline]
    pub(crate) fn note_flushed(&self) {
        self.flushed.store(true, Relaxed);
    }

    /// All that hyper has written so far is sent.
    #[inline]
    pub(crate) fn note_sent(&self) {
        self.sent.store(true, Relaxed);
    }

    /// Whether all that hyper has written so far is sent.
    #[inline]
    pub(crate) fn is_sent(&self) -> bool {
        self.sent.load(Relaxed)
    }

    /// Whether hyper passes large pieces on as they are.
    #[inline]
    pub(crate) fn is_vectored(&self) -> bool {
        self.vectored
    }

    /// A large piece of content is sent.
    pub(crate) fn note_large(&self) {
        if self.vectored {
            self.large.store(self.served(), Relaxed);
        } else {
            self.set(LARGE);
        }
    }

    /// Whether hyper can and should be made anew: it copies and has sent something large, or does not and has sent nothing large for a while; and it
    /// has served a request without content, and holds nothing.
    #[inline]
    pub(crate) fn is_to_be_renewed(&self) -> bool {
        let flags = self.flags.load(Relaxed);
        let due = if self.vectored {
            flags == 0 && self.served().wrapping_sub(self.large.load(Relaxed)) >= SMALL
        } else {
            flags == LARGE
        };
        due && self.waits()
            && self.phase() == Phase::Idle
            && self.flushed.load(Relaxed)
            && self.is_sent()
            && self.stop.stage() == Stage::Run
            && self.head().is_empty()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("phase", &self.phase()).finish_non_exhaustive()
    }
}

/// An exchange that is under way; the drop of the last one leaves the connection idle.
#[derive(Debug)]
pub(crate) struct Underway {
    state: Arc<State>,
    /// There where somebody wants to know of the exchange; told when this is dropped.
    pub(crate) observation: Option<Box<Observation>>,
}

impl Deref for Underway {
    type Target = State;

    #[inline]
    fn deref(&self) -> &State {
        &self.state
    }
}

impl Drop for Underway {
    #[inline]
    fn drop(&mut self) {
        if let Some(seen) = self.observation.take() {
            seen.tell();
        }
        self.state.load.fetch_sub(1, Relaxed);
        let left = self.state.in_flight.load(Relaxed).saturating_sub(1);
        self.state.in_flight.store(left, Relaxed);
        if left == 0 {
            self.state.enter(Phase::Idle);
        }
    }
}
