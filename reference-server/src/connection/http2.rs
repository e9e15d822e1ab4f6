//! HTTP/2: hyper's settings for it, and the loop that drives a connection and all its streams.
//!
//! Rules of this room: the streams live in the connection's own task, so that what they say in one turn leaves in one write, a stream that
//! waits holds up no other, and the drop of the connection cancels them all.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, Stream};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::company::{self, GivesWay};
use super::state::{AGED, Phase, SessionTask, State, Task};
use super::timer::Timer;
use super::turn::Turn;
use super::wait::Wait;
use super::wire::{Wire, WireHandle};
use super::{DOES_NOT_READ, End, Shared};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::stop::Stage;
use crate::transport::Transport;

/// How long a client may take to hang up after GOAWAY, where nothing is in flight.
const PARTING: Duration = Duration::from_secs(1);

/// A connection that is never idle is asked for its age whenever so many streams have come.
const LOOK: u32 = 16;

/// Has the task polled again when all others that can go on have been, and the runtime has looked for what has come.
fn yield_once(cx: &mut Context<'_>) -> Poll<End> {
    match pin!(yield_now()).poll(cx) {
        Poll::Ready(()) => cx.waker().wake_by_ref(),
        Poll::Pending => {}
    }
    Poll::Pending
}

/// How often hyper and the streams are polled in one turn: usually twice, and more often where content is passed on.
const MOST_ROUNDS: u32 = 16;

/// Streams that the client took back before they were answered.
struct Resets {
    since: Instant,
    served: u32,
    counted: u32,
}

/// So many in so long, where they are more than half of all: Envoy's rule, scaled to one server. h2 itself bounds those that come faster
/// than they can be taken up.
const MOST_RESETS: u32 = 200;
const RESETS_WITHIN: Duration = Duration::from_secs(10);

impl Resets {
    fn new() -> Self {
        Self { since: Instant::now(), served: 0, counted: 0 }
    }

    fn are_a_flood(&mut self, state: &State) -> bool {
        let resets = state.resets().wrapping_sub(self.counted);
        if resets < MOST_RESETS {
            return false;
        }
        let served = state.served().wrapping_sub(self.served);
        let flood = self.since.elapsed() < RESETS_WITHIN && resets > served / 2;
        *self = Self { since: Instant::now(), served: state.served(), counted: state.resets() };
        flood
    }
}

/// hyper's settings, with a reason each.
fn builder(config: &Config, streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .max_concurrent_streams(config.streams)
        // h2's own limits against floods, said aloud: resets that wait to be taken up, and streams that are refused for their errors. What
        // CONTINUATION may add is bounded by the size of the header list.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1024)
        // A stream's worth of content in flight, and what several fast ones need together (Envoy's advice for the edge).
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_header_list_size(u32::try_from(config.head_bytes).unwrap_or(u32::MAX))
        // 64 KiB instead of 400: what one stream can make the server hold.
        .max_send_buf_size(64 * 1024)
        // WebSocket over HTTP/2 (RFC 8441).
        .enable_connect_protocol();
    builder
}

/// Where hyper leaves the streams of one connection.
#[derive(Clone, Default)]
pub(super) struct Streams {
    arrived: Arc<Mutex<Vec<Task>>>,
}

impl Streams {
    fn take(&self) -> Vec<Task> {
        std::mem::take(&mut *self.lock())
    }

    fn last(&self) -> Option<Task> {
        self.lock().pop()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Task>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.lock().push(Box::pin(stream));
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

/// A stream, and since when its client has given it no room. It is polled once between two polls of hyper at most, and so may count on it
/// that hyper has written what it said.
struct Noted {
    task: Task,
    state: Arc<State>,
    round: u32,
    waits: Option<Instant>,
}

impl Noted {
    fn new(task: Task, state: &Arc<State>) -> Self {
        Self { task, state: Arc::clone(state), round: 0, waits: None }
    }
}

impl Future for Noted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let round = self.state.round();
        if std::mem::replace(&mut self.round, round) == round {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (owed, given) = self.state.flow();
        let poll = self.task.as_mut().poll(cx);
        let now = self.state.flow();
        if now != (owed, given) {
            // Only this stream can have changed it: it waits where there is one body more that does, and from now on where more of it was taken.
            let waits = now.0 > owed || (now.0 == owed && self.waits.is_some());
            self.waits = waits.then(Instant::now);
        }
        poll
    }
}

/// The streams that are under way.
struct Running {
    streams: Streams,
    tasks: FuturesUnordered<Noted>,
    state: Arc<State>,
    /// When one of them may have waited for too long.
    look: Option<Instant>,
}

impl Running {
    fn new(streams: Streams, state: Arc<State>) -> Self {
        Self { streams, tasks: FuturesUnordered::new(), state, look: None }
    }

    /// Polls the streams that can go on.
    fn poll(&mut self, cx: &mut Context<'_>) {
        self.state.next_round();
        for task in self.streams.take() {
            self.begin(task, cx);
        }
        loop {
            while let Poll::Ready(Some(())) = Pin::new(&mut self.tasks).poll_next(cx) {
                self.adopt(cx);
            }
            // What a stream leaves behind carries its upgrade, whoever took it: until that is over the connection is not idle.
            let upgrades = self.streams.take();
            if upgrades.is_empty() {
                return;
            }
            for upgrade in upgrades {
                let busy = self.state.begin();
                let task = async move {
                    upgrade.await;
                    drop(busy);
                };
                self.begin(Box::pin(task), cx);
            }
        }
    }

    /// Most streams are answered at once, and need no place among those that wait.
    fn begin(&self, task: Task, cx: &mut Context<'_>) {
        let mut stream = Noted::new(task, &self.state);
        match Pin::new(&mut stream).poll(cx) {
            Poll::Ready(()) => self.adopt(cx),
            Poll::Pending => self.tasks.push(stream),
        }
    }

    /// Takes what the stream that has just ended leaves: a session, and last of all what carries its upgrade for hyper.
    fn adopt(&self, cx: &mut Context<'_>) {
        if let Some(session) = self.state.take_session() {
            let upgrade = self.streams.last();
            self.begin(Box::pin(carry(session, upgrade)), cx);
        }
    }

    /// Drops the streams whose clients have given them no room for so long, which resets them; gives when to look again. To be asked where
    /// there are some that wait.
    fn cut(&mut self, patience: Duration, cx: &Context<'_>) -> Instant {
        let now = Instant::now();
        let look = *self.look.get_or_insert(now + patience);
        if now < look {
            return look;
        }
        let late = |stream: &Noted| stream.waits.is_some_and(|since| now - since >= patience);
        if self.tasks.iter().any(late) {
            // Those that stay are polled once for nothing.
            let (cut, stay): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.tasks).into_iter().partition(late);
            tracing::info!(streams = cut.len(), "streams reset: {DOES_NOT_READ}");
            self.tasks.extend(stay);
            cx.waker().wake_by_ref();
        }
        // Whoever begins to wait later has its time from then.
        let earliest = self.tasks.iter().filter_map(|stream| stream.waits).min();
        *self.look.insert(earliest.unwrap_or(now) + patience)
    }
}

/// Carries a session beside its upgrade, which hyper ends in order once the stream is dropped: where it is to be reset, the upgrade goes first.
async fn carry(mut session: SessionTask, upgrade: Option<Task>) {
    let mut upgrade = pin!(async move {
        if let Some(upgrade) = upgrade {
            upgrade.await;
        }
    });
    let mut ended = false;
    let failed = poll_fn(|cx| {
        let failed = session.as_mut().poll(cx);
        ended = ended || upgrade.as_mut().poll(cx).is_ready();
        failed
    })
    .await;
    if failed.is_none() && !ended {
        upgrade.await;
    }
}

/// Drives hyper until the connection ends, one way or another.
pub(super) async fn drive<T: Transport>(
    io: TokioIo<Wire<T>>,
    gateway: Gateway,
    wire: &WireHandle<T>,
    shared: &Shared,
    state: &Arc<State>,
    timer: &mut Timer,
    old: Option<Instant>,
) -> End {
    let streams = Streams::default();
    let mut http = builder(&shared.config, streams.clone()).serve_connection(io, gateway);
    let mut running = Running::new(streams, Arc::clone(state));
    let mut seen = Stage::Run;
    // The preface has come, and every further wait is one between streams.
    state.enter(Phase::Idle);
    let mut wait = Wait::new(state, &shared.config, old, false);
    let mut parting = false;
    let (mut looked, mut aged) = (0, false);
    let mut resets = Resets::new();
    let advanced = shared.stop.beyond(seen);
    tokio::pin!(advanced);
    let (mut watching, mut gathers, mut gives_way) = (false, false, None);
    let turn = Arc::new(Turn::default());
    let waker = Waker::from(Arc::clone(&turn));
    poll_fn(|cx| {
        // Before anything more is written, as on HTTP/1.1.
        let stage = shared.stop.stage();
        if stage == Stage::Kill {
            return Poll::Ready(End::killed(state));
        }
        if stage > seen {
            seen = stage;
            watching = false;
            advanced.set(shared.stop.beyond(stage));
            if stage == Stage::Drain {
                Pin::new(&mut http).graceful_shutdown();
            }
        }
        // hyper is polled again as long as streams have told it something. Before the first time the other connections of this thread that
        // can go on do so, where that pays: meanwhile more may come, and clients that are sent their answers together are woken together.
        let mut rounds = 0;
        company::turn();
        turn.begin(cx.waker());
        let mut inner = Context::from_waker(&waker);
        loop {
            turn.take();
            if let Poll::Ready(result) = Pin::new(&mut http).poll(&mut inner) {
                return Poll::Ready(End::Done(result));
            }
            if let Some(gives_way) = gives_way.take() {
                GivesWay::end(gives_way, state.served());
            }
            running.poll(&mut inner);
            if turn.end() {
                break;
            }
            if !std::mem::replace(&mut gathers, true) {
                gives_way = GivesWay::begin(state.served());
                if gives_way.is_some() {
                    turn.leave();
                    return yield_once(cx);
                }
            }
            rounds += 1;
            if rounds == MOST_ROUNDS {
                turn.leave();
                cx.waker().wake_by_ref();
                break;
            }
        }
        gathers = false;
        if !watching {
            watching = advanced.as_mut().poll(cx).is_pending();
            if !watching {
                cx.waker().wake_by_ref();
            }
        }
        let (blocked, sent) = {
            let mut socket = wire.lock();
            if let Poll::Ready(Err(_)) = socket.poll_send(cx) {
                return Poll::Ready(End::Departed);
            }
            (socket.is_blocked(), socket.sent())
        };
        if resets.are_a_flood(state) {
            return Poll::Ready(End::CutOff("the client reset too many streams"));
        }
        if blocked {
            wait.pause();
        }
        if !blocked && !state.owes() {
            wait.go_on();
        } else if wait.poll_stalled(cx, sent, &shared.config, timer).is_ready() {
            return Poll::Ready(End::CutOff(DOES_NOT_READ));
        }
        if state.owes() {
            let look = running.cut(shared.config.write_timeout, cx);
            wait.look_at(look, cx, timer);
        }
        if state.served().wrapping_sub(looked) >= LOOK {
            looked = state.served();
            if wait.is_old() {
                state.set(AGED);
            }
        }
        if state.has(AGED) && !aged {
            aged = true;
            Pin::new(&mut http).graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        if blocked || state.phase() == Phase::Busy {
            return Poll::Pending;
        }
        if !parting && (aged || seen >= Stage::Drain) {
            // It has been told, and has nothing under way: whether it answers is its own affair.
            parting = true;
            timer.reset(Instant::now() + PARTING);
        }
        if parting {
            return Pin::new(&mut *timer).poll(cx).map(|()| End::Silent(Phase::Idle));
        }
        let rested = || {
            wire.lock().rest();
            false
        };
        if wait.poll(cx, state, &shared.config, timer, rested).is_ready() {
            // The client is told first, so that a request it sends at this moment is not lost without a word.
            parting = true;
            Pin::new(&mut http).graceful_shutdown();
            timer.reset(Instant::now() + PARTING);
            cx.waker().wake_by_ref();
        } else if state.has(AGED) && !aged {
            // It was found to be old only now.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}
