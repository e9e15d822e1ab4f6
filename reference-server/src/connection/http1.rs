//! HTTP/1.1: hyper's settings for it, and the loop that drives it.
//!
//! Rules of this room: hyper speaks first in each turn, then what it said is sent, then the client's silence is judged; nothing else
//! happens per request.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::state::{AGED, HAND_OVER, HANDED_OVER, LINGER, Phase, State};
use super::timer::Timer;
use super::wait::{Silence, Wait};
use super::wire::{Wire, WireHandle};
use super::{DOES_NOT_READ, End, Shared};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::stop::Stage;
use crate::transport::Transport;

/// hyper's settings, with a reason each.
pub(crate) fn builder(config: &Config) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // A client that has sent its request and says so by FIN still gets its answer; who is gone is seen by the reset.
        .half_close(true)
        // The wire gathers the responses of a pipeline itself, and says there why.
        .pipeline_flush(false)
        // 64 KiB instead of about 400: what a connection can be made to hold, unless a head may be larger.
        .max_buf_size(config.head_bytes.max(64 * 1024))
        .max_header_size(config.head_bytes)
        // The connection's own timer covers head and idle time, at less than a timer for each request.
        .header_read_timeout(None);
    if config.head_fields != 100 {
        // Naming the default would move hyper's field table to the heap.
        builder.max_headers(config.head_fields);
    }
    builder
}

type Hyper<T> = http1::Connection<TokioIo<Wire<T>>, Gateway>;
type Upgradeable<T> = http1::UpgradeableConnection<TokioIo<Wire<T>>, Gateway>;

/// hyper, as it is polled.
///
/// hyper gives the transport away at the end of each connection on which an upgrade was asked for, granted or not, and what it has not
/// written by then is lost (hyper 1.12). So it may do so only once an answer says that somebody took the upgrade.
enum Driven<T: Transport> {
    Plain(Box<Hyper<T>>),
    HandingOver(Box<Upgradeable<T>>),
}

impl<T: Transport> Driven<T> {
    fn hand_over(self) -> Self {
        match self {
            Self::Plain(http) => Self::HandingOver(Box::new(http.with_upgrades())),
            handing_over => handing_over,
        }
    }

    fn graceful_shutdown(&mut self) {
        match self {
            Self::Plain(http) => Pin::new(&mut **http).graceful_shutdown(),
            Self::HandingOver(http) => Pin::new(&mut **http).graceful_shutdown(),
        }
    }

    /// What hyper has read and not parsed.
    fn into_rest(self) -> Option<Bytes> {
        match self {
            Self::Plain(http) => Some(http.into_parts().read_buf),
            Self::HandingOver(http) => http.into_parts().map(|parts| parts.read_buf),
        }
    }
}

/// Drives hyper until the connection ends, one way or another. `renews` is whether hyper may be made anew.
pub(super) async fn drive<T: Transport>(
    http: Box<Hyper<T>>,
    wire: &WireHandle<T>,
    shared: &Shared,
    state: &State,
    timer: &mut Timer,
    old: Option<Instant>,
    renews: bool,
    mut reset: Pin<&mut impl Future<Output = ()>>,
) -> End {
    let mut seen = Stage::Run;
    let advanced = shared.stop.beyond(seen);
    tokio::pin!(advanced);
    let mut watching = false;
    let mut begun = false;
    let mut idle_when_told = false;
    let mut driven = Some(Driven::Plain(http));
    let mut wait = Wait::new(state, &shared.config, old, true);
    let end = poll_fn(|cx| {
        // Before hyper reads the reset as an error of content: the exchange is to be dropped, not to be told.
        if state.phase() == Phase::Busy && reset.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::Departed);
        }
        // Before hyper writes another head: what is committed after the server was told to stop says that it closes.
        let stage = shared.stop.stage();
        if stage == Stage::Kill {
            return Poll::Ready(End::killed(state));
        }
        // Before its first turn hyper has read nothing, and would close without a look at the request that has come.
        if stage > seen && begun {
            seen = stage;
            watching = false;
            advanced.set(shared.stop.beyond(stage));
            if stage == Stage::Drain {
                match (&mut driven, state.phase()) {
                    // A request is on its way: hyper would drop it unread. It is answered, and the answer says that it is the last.
                    (_, Phase::Fresh | Phase::Head) => state.set(AGED),
                    // One may have come that hyper has not read yet: it is given a turn before it closes.
                    (_, Phase::Idle) => {
                        state.set(AGED);
                        idle_when_told = true;
                    }
                    (Some(http), Phase::Busy) => http.graceful_shutdown(),
                    (None, Phase::Busy) => {}
                }
            }
        }
        if let Some(http) = &mut driven
            && let Poll::Ready(result) = poll_hyper(http, cx)
        {
            return Poll::Ready(End::Done(result));
        }
        if idle_when_told {
            idle_when_told = state.phase() == Phase::Idle;
            // Octets of which only the system knows wake this task as soon as the runtime has heard of them.
            if idle_when_told
                && !wire.lock().transport.has_unread()
                && let Some(http) = &mut driven
            {
                http.graceful_shutdown();
                cx.waker().wake_by_ref();
            }
        }
        if !begun {
            begun = true;
            if shared.stop.stage() > seen {
                cx.waker().wake_by_ref();
            }
        }
        if !watching {
            // Registered once for each stage; the waker is this task's and stays so.
            watching = advanced.as_mut().poll(cx).is_pending();
            if !watching {
                cx.waker().wake_by_ref();
            }
        }
        let (blocked, sent) = if state.is_sent() {
            (false, 0)
        } else {
            let mut socket = wire.lock();
            if let Poll::Ready(Err(_)) = socket.poll_send(cx) {
                return Poll::Ready(End::Departed);
            }
            if !socket.is_blocked() {
                state.note_sent();
            }
            (socket.is_blocked(), socket.sent())
        };
        if blocked {
            wait.pause();
            if wait.poll_stalled(cx, sent, &shared.config, timer).is_ready() {
                return Poll::Ready(End::CutOff(DOES_NOT_READ));
            }
        }
        if state.has(HAND_OVER) && !state.has(HANDED_OVER) && !blocked {
            state.set(HANDED_OVER);
            wire.hand_over();
            driven = driven.take().map(Driven::hand_over);
            cx.waker().wake_by_ref();
        }
        if blocked || state.phase() == Phase::Busy {
            return reset.as_mut().poll(cx).map(|()| End::Departed);
        }
        if state.is_to_be_renewed() && renews {
            return Poll::Ready(End::Renewed);
        }
        // Only where hyper waits does the watch know what it has parsed.
        let waits = state.waits();
        let rested = || waits && state.has_begun();
        let silence = wait.poll(cx, state, &shared.config, timer, rested);
        if !waits {
            wait.pause();
        }
        match ready!(silence) {
            Silence::Over(phase) => Poll::Ready(End::Silent(phase)),
            Silence::Resting(until) => Poll::Ready(End::Resting(until)),
        }
    })
    .await;
    if !matches!(end, End::Done(Ok(()))) {
        return end;
    }
    match (driven.and_then(Driven::into_rest), state.take_granted()) {
        (Some(rest), Some(granted)) => return End::Upgraded(Box::new(granted), rest),
        (None, _) => return End::HandedOver,
        // The client has sent more than is answered and may still be sending.
        (Some(rest), None) if !rest.is_empty() => state.set(LINGER),
        (Some(_), None) => {}
    }
    end
}

/// Polls hyper; ready once all that it had to say is in the wire.
#[inline]
fn poll_hyper<T: Transport>(http: &mut Driven<T>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
    let http = match http {
        Driven::Plain(http) => &mut **http,
        Driven::HandingOver(http) => return Pin::new(&mut **http).poll(cx),
    };
    ready!(Pin::new(&mut *http).poll(cx))?;
    // A connection on which an Upgrade was asked for is ready before it has flushed; asked again, it flushes.
    Pin::new(http).poll(cx)
}
