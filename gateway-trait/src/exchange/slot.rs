//! The slot between the two halves of an exchange: the one place that knows where a response stands.
//!
//! Rules of this room: every change of phase goes through the table; the lock is held for moves of values only, never
//! across a poll, a drop of foreign code, a callback or a wake-up.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::call::drop_quietly;
use super::outcome::Callbacks;
use super::phase::{Event, Phase};
use crate::input::BoxBody;
use crate::upgrade::UpgradeOffer;
use crate::upgrade::session::Begun;
use crate::{Capabilities, Error, Finished, ResponseBody, ResponseHead, Result};

/// A hook on the head of the response, registered by middleware.
pub(crate) type HeadHook = Box<dyn FnOnce(&mut ResponseHead) -> Result<()> + Send>;

/// Where informational responses go, on a server that has the capability.
pub(crate) type InformationalSink = Box<dyn FnMut(StatusCode, HeaderMap) + Send>;

/// What the application gave as its answer in one step.
pub(crate) enum Whole {
    Bytes(Bytes),
    /// A forwarded body, and the exact size that it reported.
    Pull(BoxBody, Option<u64>),
    /// The response of an inner exchange, passed on as it is.
    Inner(ResponseBody),
    /// The connection was taken over.
    Session(Begun),
}

pub(crate) struct Slot {
    state: Mutex<State>,
    /// The exchange is polling the application now and looks at the state again before it waits: nobody needs to wake it. Set without
    /// the lock and taken back under it: a writer elsewhere that sees it set has come before that look, and one that does not yet see it
    /// wakes once too often.
    polling: AtomicBool,
    /// A chunk is held. Changed under the lock, as `inside` is: a writer need not take it to learn that it goes on waiting.
    full: AtomicBool,
    /// The waker of a writer that came to wait while the exchange polled stands in the state; it stays when the chunk is taken.
    inside: AtomicBool,
}

pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) head: Option<ResponseHead>,
    pub(crate) whole: Option<Whole>,
    /// The one chunk that the gateway holds, never an empty one.
    pub(crate) chunk: Option<Bytes>,
    pub(crate) trailers: Option<Box<HeaderMap>>,
    /// The exchange is over for the server's half: nobody will take another chunk.
    pub(crate) closed: bool,
    /// The method is HEAD.
    head_request: bool,
    /// The method is HEAD, or the status forbids content: bytes are dropped.
    pub(crate) bodyless: bool,
    /// What the server declares.
    pub(crate) capabilities: Capabilities,
    /// What the request offers to upgrade to.
    pub(crate) offer: Option<Arc<UpgradeOffer>>,
    /// The declared length, and what was written of it.
    pub(crate) declared: Option<u64>,
    pub(crate) written: u64,
    body_waker: Option<Waker>,
    writer_waker: Option<Waker>,
    pub(crate) callbacks: Callbacks,
    pub(crate) hooks: Vec<HeadHook>,
    pub(crate) informational: Option<InformationalSink>,
}

thread_local! {
    /// A slot whose exchange is over, to be used again: it is the one part of an exchange that is as large for every application.
    static SPARE: Cell<Option<Arc<Slot>>> = const { Cell::new(None) };
}

impl Slot {
    #[inline]
    pub(crate) fn new(head_request: bool, capabilities: Capabilities) -> Arc<Self> {
        // Without a spare one, or in a thread that ends, a new one does.
        if let Some(mut spare) = SPARE.try_with(Cell::take).ok().flatten()
            && let Some(slot) = Arc::get_mut(&mut spare)
        {
            let state = slot.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            state.head_request = head_request;
            state.bodyless = head_request;
            state.capabilities = capabilities;
            *slot.polling.get_mut() = true;
            *slot.full.get_mut() = false;
            *slot.inside.get_mut() = false;
            return spare;
        }
        let state = Mutex::new(State::new(head_request, capabilities));
        // Nobody else has the token before the first poll.
        let (polling, no) = (AtomicBool::new(true), AtomicBool::default);
        Arc::new(Self { state, polling, full: no(), inside: no() })
    }

    /// The exchange polls the application from now on until it looks at the state.
    #[inline]
    pub(crate) fn begin_poll(&self) {
        self.polling.store(true, Relaxed);
    }

    /// The application has returned; takes a [plain](State::is_plain) answer out then, and leaves the slot as good as new. `None` where the
    /// answer is another, or somebody still holds the slot.
    #[inline(always)]
    pub(crate) fn return_plain(slot: &mut Arc<Self>) -> Option<(ResponseHead, Bytes)> {
        let Some(unshared) = Arc::get_mut(slot) else {
            slot.lock().step(Event::ReturnFinished);
            return None;
        };
        let state = unshared.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.step(Event::ReturnFinished);
        if !state.is_plain() {
            return None;
        }
        match (state.head.take(), state.whole.take()) {
            (Some(head), Some(Whole::Bytes(data))) => {
                state.renew();
                Some((head, data))
            }
            (Some(head), None) => {
                let data = state.chunk.take().unwrap_or_default();
                state.renew();
                Some((head, data))
            }
            (head, whole) => {
                (state.head, state.whole) = (head, whole);
                None
            }
        }
    }

    /// Keeps a slot whose exchange is over for the next one of this thread, unless somebody still holds a token of it.
    pub(crate) fn retire(slot: &mut Arc<Self>) {
        let Some(unshared) = Arc::get_mut(slot) else { return };
        let state = unshared.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        // What an application or middleware gave is dropped with its slot, where it may panic as it likes.
        if state.is_bare() {
            state.chunk = None;
            state.trailers = None;
            state.renew();
            Self::keep(Arc::clone(slot));
        }
    }

    /// Keeps a slot that is as good as new for the next exchange of this thread.
    #[inline]
    pub(crate) fn keep(slot: Arc<Self>) {
        // A thread that ends keeps nothing.
        let _ = SPARE.try_with(|spare| spare.set(Some(slot)));
    }

    /// The state; a panic elsewhere while it was held leaves it usable, for each change is a single move.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the exchange for the writer, wherever it lives now, and wakes it to learn so.
    ///
    /// Gives the chunk that was held, where it may still leave: the last declared one would make the message whole.
    pub(crate) fn close(&self, event: Event) -> Bytes {
        let mut state = self.lock();
        state.closed = true;
        self.polling.store(false, Relaxed);
        self.full.store(false, Relaxed);
        state.step(event);
        let chunk = state.chunk.take().filter(|_| !state.holds_last()).unwrap_or_default();
        let waker = state.writer_waker.take();
        // A token or a proof that somebody keeps must not keep the rest alive, let alone in a circle.
        let unused = (state.whole.take(), state.informational.take());
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        if let Some(Whole::Session(begun)) = &unused.0 {
            begun.abandon();
        }
        drop_quietly(unused);
        chunk
    }

    /// Sends an informational response; gives whether there is a way.
    pub(crate) fn inform(&self, status: StatusCode, fields: HeaderMap) -> bool {
        let Some(mut sink) = self.lock().informational.take() else { return false };
        sink(status, fields);
        let mut state = self.lock();
        if !state.closed {
            state.informational = Some(sink);
        }
        true
    }

    /// Whether a writer inside of the application's own future has still no room; it is polled again when there is, if its waker is the
    /// one that stands in the state.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Relaxed) && self.inside.load(Relaxed) && self.polling.load(Relaxed)
    }

    /// The exchange polls the application no longer.
    pub(crate) fn end_poll(&self) {
        self.polling.store(false, Relaxed);
    }

    /// Wakes the server's half after a change made outside its own poll.
    pub(crate) fn wake_body(&self) {
        let waker = self.lock().body_waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl State {
    fn new(head_request: bool, capabilities: Capabilities) -> Self {
        Self {
            phase: Phase::Waiting,
            head: None,
            whole: None,
            chunk: None,
            trailers: None,
            closed: false,
            head_request,
            bodyless: head_request,
            capabilities,
            offer: None,
            declared: None,
            written: 0,
            body_waker: None,
            writer_waker: None,
            callbacks: Callbacks::none(),
            hooks: Vec::new(),
            informational: None,
        }
    }

    /// Makes the state of a plain answer that was taken out as good as new; what must be empty then is not touched again.
    #[inline]
    fn renew(&mut self) {
        self.phase = Phase::Waiting;
        self.closed = false;
        self.declared = None;
        self.written = 0;
        self.body_waker = None;
        self.writer_waker = None;
        self.informational = None;
    }

    /// Moves on by the table; gives whether the event had a place.
    #[inline]
    pub(crate) fn step(&mut self, event: Event) -> bool {
        match self.phase.after(event) {
            Some(next) => {
                self.phase = next;
                true
            }
            None => false,
        }
    }

    /// Whether a response with this head has no content.
    #[inline]
    pub(crate) fn is_bodyless_with(&self, head: &ResponseHead) -> bool {
        self.head_request || head.forbids_content()
    }

    /// Whether the answer is no more than a head and its bytes, as most are: nobody else has a say in it, and its length was checked
    /// when it was given, or by `finish` where it was written.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        !self.bodyless
            && matches!(self.whole, Some(Whole::Bytes(_)) | None)
            && self.trailers.is_none()
            && self.hooks.is_empty()
            && self.offer.is_none()
            && self.callbacks.is_empty()
    }

    /// Whether nothing is left in it that was made by others.
    fn is_bare(&self) -> bool {
        self.head.is_none()
            && self.whole.is_none()
            && self.hooks.is_empty()
            && self.offer.is_none()
            && self.callbacks.is_empty()
            && self.informational.is_none()
    }

    /// Takes a head, the first or one that replaces it, and learns the declared length.
    #[inline]
    pub(crate) fn set_head(&mut self, head: ResponseHead) {
        self.bodyless = self.is_bodyless_with(&head);
        self.declared = head.content_length();
        self.head = Some(head);
    }

    /// Takes the head by which the connection is taken over, and what follows it.
    pub(crate) fn begin_session(&mut self, head: ResponseHead, begun: Begun) {
        if self.closed {
            // Nobody will carry it, and its application's half must not wait for that.
            return begun.abandon();
        }
        self.head = Some(head);
        self.whole = Some(Whole::Session(begun));
        self.step(Event::Upgrade);
    }

    /// Refuses `length` more bytes of content where they would exceed the declared length.
    pub(crate) fn check_fits(&self, length: usize) -> Result<()> {
        let written = self.written + length as u64;
        match self.declared {
            Some(declared) if written > declared && !self.bodyless => {
                Err(overrun(written, declared))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to go on once nobody takes the rest.
    #[inline]
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed || self.phase.is_end() { Err(departed()) } else { Ok(()) }
    }

    /// Whether all declared bytes were written, so that the held chunk waits for the application's return.
    pub(crate) fn holds_last(&self) -> bool {
        self.declared == Some(self.written)
    }

    /// Whether the chunk can go to the server while the application goes on.
    pub(crate) fn deliverable(&self) -> bool {
        self.chunk.is_some() && !self.holds_last()
    }

    /// Gives the chunk to the server, where it can go to it now; the last declared one waits until the application has returned.
    #[inline]
    pub(crate) fn take_chunk(&mut self, returned: bool) -> Option<Bytes> {
        if returned || !self.holds_last() { self.chunk.take() } else { None }
    }

    /// Gives the room of the chunk that was taken to the writer; the waker is to be woken once the lock is free.
    #[inline]
    pub(crate) fn make_room(&mut self, slot: &Slot, cx: &Context<'_>) -> Option<Waker> {
        slot.polling.store(false, Relaxed);
        slot.full.store(false, Relaxed);
        // A writer inside the application's own future is polled again with the next demand; a wake-up would only cost a turn. A writer
        // that waits elsewhere is woken, even if it lives in the same task.
        let inside = slot.inside.load(Relaxed)
            && self.writer_waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if inside {
            return None;
        }
        slot.inside.store(false, Relaxed);
        self.writer_waker.take()
    }

    /// Waits, as the writer, until the held chunk is gone.
    #[inline]
    pub(crate) fn poll_room(&mut self, slot: &Slot, cx: &Context<'_>) -> Poll<Result<()>> {
        self.check_open()?;
        if self.chunk.is_none() {
            return Poll::Ready(Ok(()));
        }
        slot.inside.store(slot.polling.load(Relaxed), Relaxed);
        register(&mut self.writer_waker, cx);
        Poll::Pending
    }

    /// Holds a chunk, for which there is room.
    #[inline]
    pub(crate) fn hold(&mut self, slot: &Slot, chunk: Bytes) {
        self.written += chunk.len() as u64;
        self.chunk = Some(chunk);
        self.step(Event::Write);
        slot.full.store(true, Relaxed);
    }

    /// The waker of the writer, where it waits, or waited inside of the application's own future.
    pub(crate) fn writer_waker(&self) -> Option<&Waker> {
        self.writer_waker.as_ref()
    }

    /// The writer waits for nothing any more.
    pub(crate) fn leave(&mut self) {
        self.writer_waker = None;
    }

    /// The server's half, to be woken once the lock is free; `None` where it is polling and will look by itself.
    #[inline]
    pub(crate) fn parked_body(&mut self, slot: &Slot) -> Option<Waker> {
        if slot.polling.load(Relaxed) { None } else { self.body_waker.take() }
    }

    /// Waits, as the server's half, for a change by a writer elsewhere.
    pub(crate) fn park_body(&mut self, slot: &Slot, cx: &Context<'_>) {
        slot.polling.store(false, Relaxed);
        register(&mut self.body_waker, cx);
    }
}

fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

#[cold]
fn overrun(written: u64, declared: u64) -> Error {
    Error::application(format!(
        "the application writes {written} bytes or more where it declared {declared}; nothing of the surplus is sent"
    ))
    .with_requirement("REQ-BODY-08")
}

/// Nobody reads the response any more.
#[cold]
pub(crate) fn departed() -> Error {
    Error::new(crate::Fault::Client, "the exchange is over: nobody takes the rest of the response")
}

/// Checks that the application returned the `Finished` of this very exchange; the slot has still to hear of its return.
#[inline]
pub(crate) fn own(result: Result<Finished>, slot: &Arc<Slot>) -> Result<()> {
    if result?.belongs_to(slot) { Ok(()) } else { Err(anothers()) }
}

#[cold]
fn anothers() -> Error {
    Error::application(
        "the application returned the `Finished` of another exchange than the one it was called for",
    )
    .with_requirement("REQ-APP-02")
}
