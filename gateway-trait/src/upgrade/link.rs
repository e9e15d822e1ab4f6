//! The link between the two halves of a session: a lane each way, bounded, and the wakers of whoever waits.
//!
//! Rules of this room: the lock is held for moves of values only; a half that is in its turn is not woken, for it looks here again before
//! it waits; what is held in one lane is bounded by weight and by number.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Keeps the kinds of sessions the contract's own.
pub(crate) mod sealed {
    #[allow(unreachable_pub, reason = "that nobody reaches it is what it is for")]
    pub trait Sealed {}
    impl Sealed for crate::Octets {}
    impl Sealed for crate::Messages {}
}

/// What crosses a session: [`Octets`](crate::Octets) or [`Messages`](crate::Messages). No other type can implement it.
///
/// Each way holds less than 64 KiB and fewer than 128 pieces before it takes another (REQ-UPG-12, REQ-WS-29).
pub trait SessionKind: sealed::Sealed + 'static {
    /// What the client sends, to the application.
    type In: SessionPiece;
    /// What the application sends, to the client.
    type Out: SessionPiece;
    /// How the client's side ended.
    type End: Clone + Send;

    /// Nothing can be sent once the client's side has ended.
    const ENDS_BOTH: bool;

    /// The end where the server lets go of the session without another.
    fn departed() -> Self::End;
}

/// A piece of what crosses a session.
pub trait SessionPiece: Send {
    /// Its size in bytes, which counts towards what a session holds at most.
    fn weight(&self) -> usize;
}

/// A lane takes pieces while it holds less than this.
const MOST_WEIGHT: usize = 64 * 1024;
/// And fewer than this many.
const MOST_PIECES: usize = 128;

struct Lane<T> {
    pieces: VecDeque<T>,
    weight: usize,
}

impl<T: SessionPiece> Lane<T> {
    fn new() -> Self {
        Self { pieces: VecDeque::new(), weight: 0 }
    }

    fn has_room(&self) -> bool {
        self.weight < MOST_WEIGHT && self.pieces.len() < MOST_PIECES
    }

    fn push(&mut self, piece: T) {
        self.weight += piece.weight();
        self.pieces.push_back(piece);
    }

    fn pop(&mut self) -> Option<T> {
        let piece = self.pieces.pop_front()?;
        self.weight -= piece.weight();
        if self.pieces.is_empty() && self.pieces.capacity() > 4 {
            // A session at rest keeps little.
            self.pieces = VecDeque::new();
        }
        Some(piece)
    }
}

pub(crate) struct Link<K: SessionKind> {
    state: Mutex<State<K>>,
}

struct State<K: SessionKind> {
    incoming: Lane<K::In>,
    end: Option<K::End>,
    /// Nobody will take what comes in.
    unheard: bool,
    outgoing: Lane<K::Out>,
    /// The application sends no more.
    finished: bool,
    /// The server's half is gone.
    closed: bool,
    stopping: bool,
    /// The server's half is in its turn.
    turn: bool,
    receiver: Option<Waker>,
    sender: Option<Waker>,
    stop: Option<Waker>,
    server: Option<Waker>,
}

/// Why the application's half cannot send.
pub(crate) struct Gone;

/// What came of giving a piece.
pub(crate) struct Given {
    /// It is the running task that waits for it, and is to poll the application.
    pub(crate) again: bool,
    /// There is room for another.
    pub(crate) room: bool,
}

/// What was there to take.
pub(crate) struct Taken<T> {
    pub(crate) piece: Option<T>,
    /// There was no other.
    pub(crate) last: bool,
    /// It is the running task that waits for the room.
    pub(crate) again: bool,
}

impl<K: SessionKind> Link<K> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                incoming: Lane::new(),
                end: None,
                unheard: false,
                outgoing: Lane::new(),
                finished: false,
                closed: false,
                stopping: false,
                turn: true,
                receiver: None,
                sender: None,
                stop: None,
                server: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The application's half.

    /// What came; the end once all of it was taken.
    pub(crate) fn poll_recv(&self, cx: &Context<'_>) -> Poll<Result<K::In, K::End>> {
        let mut state = self.lock();
        match state.take_in() {
            Some(taken) => {
                let server = state.woken_by_room();
                drop(state);
                wake(server);
                Poll::Ready(taken)
            }
            None => {
                register(&mut state.receiver, cx);
                Poll::Pending
            }
        }
    }

    /// What came, if it is here already.
    pub(crate) fn try_recv(&self) -> Result<Option<K::In>, K::End> {
        let mut state = self.lock();
        let taken = state.take_in();
        let server = state.woken_by_room();
        drop(state);
        wake(server);
        taken.transpose()
    }

    /// How many pieces wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().incoming.pieces.len()
    }

    /// How the client's side ended, whether or not all that came before was taken.
    pub(crate) fn end(&self) -> Option<K::End> {
        let state = self.lock();
        state.end.clone().or_else(|| state.closed.then(K::departed))
    }

    /// Takes `piece` once there is room for it.
    pub(crate) fn poll_send(
        &self,
        cx: &Context<'_>,
        piece: &mut Option<K::Out>,
    ) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        if state.closed || state.finished || (K::ENDS_BOTH && state.end.is_some()) {
            return Poll::Ready(Err(Gone));
        }
        if !state.outgoing.has_room() {
            register(&mut state.sender, cx);
            return Poll::Pending;
        }
        if let Some(piece) = piece.take() {
            state.outgoing.push(piece);
        }
        let server = state.awaited_server();
        drop(state);
        wake(server);
        Poll::Ready(Ok(()))
    }

    /// Waits until the server has taken all that was sent.
    pub(crate) fn poll_flush(&self, cx: &Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        if state.outgoing.pieces.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if state.closed {
            return Poll::Ready(Err(Gone));
        }
        register(&mut state.sender, cx);
        Poll::Pending
    }

    /// Sends no more.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.finished = true;
        let server = state.awaited_server();
        drop(state);
        wake(server);
    }

    /// Nobody will take what comes in.
    pub(crate) fn unhear(&self) {
        let mut state = self.lock();
        state.unheard = true;
        let dropped = std::mem::replace(&mut state.incoming, Lane::new());
        let server = state.awaited_server();
        drop(state);
        drop(dropped);
        wake(server);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        let state = self.lock();
        state.stopping || state.closed
    }

    pub(crate) fn poll_stopping(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.stopping || state.closed {
            return Poll::Ready(());
        }
        register(&mut state.stop, cx);
        Poll::Pending
    }

    // The server's half.

    /// The server's half begins its turn: it need not be woken before it waits.
    pub(crate) fn begin_turn(&self) {
        self.lock().turn = true;
    }

    pub(crate) fn has_room(&self) -> bool {
        let state = self.lock();
        state.unheard || state.incoming.has_room()
    }

    /// Gives a piece to the application, in the server's turn, which has begun with that.
    pub(crate) fn give(&self, piece: K::In, cx: &Context<'_>) -> Given {
        let mut state = self.lock();
        state.turn = true;
        if state.unheard {
            return Given { again: false, room: true };
        }
        state.incoming.push(piece);
        let room = state.incoming.has_room();
        // Who waits in this very task is not woken, and goes on waiting until it has looked.
        if state.receiver.as_ref().is_some_and(|receiver| receiver.will_wake(cx.waker())) {
            return Given { again: true, room };
        }
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
        Given { again: false, room }
    }

    /// Tells the application how the client's side ended; the first end counts.
    pub(crate) fn give_end(&self, end: K::End, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        if state.end.is_some() {
            return false;
        }
        state.end = Some(end);
        let receiver = state.receiver.take();
        let sender = if K::ENDS_BOTH { state.sender.take() } else { None };
        drop(state);
        wake_other(receiver, cx) | wake_other(sender, cx)
    }

    /// Takes the next piece for the client.
    pub(crate) fn take(&self, cx: &Context<'_>) -> Taken<K::Out> {
        let mut state = self.lock();
        let piece = state.outgoing.pop();
        let last = state.outgoing.pieces.is_empty();
        let sender =
            if piece.is_some() && state.outgoing.has_room() { state.sender.take() } else { None };
        drop(state);
        Taken { piece, last, again: wake_other(sender, cx) }
    }

    /// Whether the application sends no more and all of it was taken.
    pub(crate) fn is_finished(&self) -> bool {
        let state = self.lock();
        state.finished && state.outgoing.pieces.is_empty()
    }

    /// Ends the turn of the server's half and waits for a change; gives whether there is none yet.
    pub(crate) fn park(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        if !state.outgoing.pieces.is_empty() {
            return false;
        }
        state.turn = false;
        register(&mut state.server, cx);
        true
    }

    pub(crate) fn stop(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        state.stopping = true;
        let stop = state.stop.take();
        drop(state);
        wake_other(stop, cx)
    }

    /// The server's half is gone: whoever waits learns so.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let wakers = [state.receiver.take(), state.sender.take(), state.stop.take()];
        state.server = None;
        drop(state);
        wakers.into_iter().for_each(wake);
    }
}

impl<K: SessionKind> State<K> {
    fn take_in(&mut self) -> Option<Result<K::In, K::End>> {
        match self.incoming.pop() {
            Some(piece) => Some(Ok(piece)),
            None => match &self.end {
                Some(end) => Some(Err(end.clone())),
                None => self.closed.then(|| Err(K::departed())),
            },
        }
    }

    /// The server, where it waits, once there is room again for what it has.
    fn woken_by_room(&mut self) -> Option<Waker> {
        if self.incoming.has_room() { self.awaited_server() } else { None }
    }

    fn awaited_server(&mut self) -> Option<Waker> {
        if self.turn { None } else { self.server.take() }
    }
}

fn register(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Wakes whoever waits, unless it is the task that is running now; gives whether it is.
fn wake_other(waker: Option<Waker>, cx: &Context<'_>) -> bool {
    match waker {
        Some(waker) if waker.will_wake(cx.waker()) => true,
        waker => {
            wake(waker);
            false
        }
    }
}
