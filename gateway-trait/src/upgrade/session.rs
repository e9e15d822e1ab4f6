//! The server's half of a session: it holds the application's future and polls it.
//!
//! Rules of this room: as in the exchange, nothing is spawned and nothing is queued beyond the link's lanes; the end is told once; the
//! drop of a session is its cancellation.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::link::{Link, SessionKind, SessionPiece, Taken};
use crate::exchange::outcome::Completion;
use crate::exchange::phase::Event;
use crate::exchange::slot::Slot;
use crate::exchange::{ApplicationFuture, drop_quietly, own, poll_application};
use crate::{Error, Result};

/// The server's half of what follows an upgrade, taken out of the [`ResponseBody`](crate::ResponseBody) by
/// [`take_session`](crate::ResponseBody::take_session).
///
/// A server sends the head, and then carries the session in the same task: it polls the application, takes what is to be sent, gives what
/// comes, and [parks](SessionHalf::park) before it waits.
///
/// # Cancel safety
/// Dropping it before [`finish`](SessionHalf::finish) cancels the application, and cuts the session for both halves.
#[derive(Debug)]
#[non_exhaustive]
pub enum Session {
    /// Octets in both directions.
    Tunnel(SessionHalf<crate::upgrade::tunnel::Octets>),
    /// WebSocket messages, and what was agreed on.
    WebSocket(SessionHalf<crate::websocket::Messages>, Box<crate::Acceptance>),
}

/// The server's half of a session of one kind. No method waits: after [`park`](Self::park) a change wakes the task.
pub struct SessionHalf<K: SessionKind> {
    link: Arc<Link<K>>,
    running: Running,
}

/// What every kind of session is made of, before it is one.
pub(crate) struct Running {
    pub(crate) future: Option<ApplicationFuture>,
    pub(crate) slot: Arc<Slot>,
    pub(crate) result: Option<Result<()>>,
    pub(crate) completion: Completion,
    /// The application may be able to go on although nothing has woken it.
    pub(crate) again: bool,
    /// The server's turn has begun and was not ended by parking.
    pub(crate) in_turn: bool,
    /// There was room for what comes at the last look, and only what is given fills it.
    pub(crate) room: bool,
    /// All that was sent has been taken, and the application was not polled since.
    pub(crate) dry: bool,
}

impl Running {
    pub(crate) fn new(
        future: Option<ApplicationFuture>,
        slot: Arc<Slot>,
        result: Option<Result<()>>,
        completion: Completion,
    ) -> Self {
        let (again, in_turn, room, dry) = (false, true, false, false);
        Self { future, slot, result, completion, again, in_turn, room, dry }
    }
}

/// A session that was begun by the application and has not reached the server.
pub(crate) enum Begun {
    Tunnel(Arc<Link<crate::upgrade::tunnel::Octets>>),
    WebSocket(Arc<Link<crate::websocket::Messages>>, Box<crate::Acceptance>),
}

impl Begun {
    /// Tells the application's half, wherever it lives, that nobody carries the session.
    pub(crate) fn abandon(&self) {
        match self {
            Self::Tunnel(link) => link.close(),
            Self::WebSocket(link, _) => link.close(),
        }
    }

    pub(crate) fn carry(self, running: Running, ended: bool) -> Session {
        if ended {
            match &self {
                Self::Tunnel(link) => link.finish(),
                Self::WebSocket(link, _) => link.finish(),
            }
        }
        match self {
            Self::Tunnel(link) => Session::Tunnel(SessionHalf { link, running }),
            Self::WebSocket(link, acceptance) => {
                Session::WebSocket(SessionHalf { link, running }, acceptance)
            }
        }
    }
}

impl Session {
    pub(crate) fn completion(&mut self) -> &mut Completion {
        match self {
            Self::Tunnel(half) => &mut half.running.completion,
            Self::WebSocket(half, _) => &mut half.running.completion,
        }
    }
}

impl<K: SessionKind> SessionHalf<K> {
    /// Begins the server's turn and polls the application, where it has not returned; ready once it has.
    ///
    /// To be called whenever the task is polled, and again while [`wants_poll`](Self::wants_poll).
    pub fn poll_application(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.running.in_turn, true) {
            self.link.begin_turn();
        }
        self.running.again = false;
        self.running.dry = false;
        let Some(future) = &mut self.running.future else { return Poll::Ready(()) };
        let Poll::Ready(result) = poll_application(future, cx) else { return Poll::Pending };
        let result = own(result, &self.running.slot);
        match &result {
            Ok(()) => drop(self.running.slot.lock().step(Event::ReturnFinished)),
            Err(_) => drop(self.running.slot.close(Event::Fail)),
        }
        self.running.result = Some(result);
        if let Some(future) = self.running.future.take() {
            drop_quietly(future);
        }
        self.link.finish();
        Poll::Ready(())
    }

    /// Whether what was given or taken since the last poll lets the application go on in this very task.
    pub fn wants_poll(&self) -> bool {
        self.running.again
    }

    /// Whether the application takes more of what comes: without room the server does not read (REQ-UPG-12, REQ-WS-29).
    pub fn has_room(&self) -> bool {
        self.running.room || self.link.has_room()
    }

    /// Gives what has come; dropped where the application's half hears no more.
    pub fn give(&mut self, piece: K::In, cx: &Context<'_>) {
        let given = self.link.give(piece, cx);
        self.running.in_turn = true;
        self.running.room = given.room;
        self.running.again |= given.again;
    }

    /// Tells how the client's side ended; the first end counts.
    pub fn give_end(&mut self, end: K::End, cx: &Context<'_>) {
        self.running.again |= self.link.give_end(end, cx);
    }

    /// Takes the next piece to send, which counts as sent in the outcome (REQ-EXCH-14); `None` where there is none for now. What another
    /// task sends at that moment is not missed: [`park`](Self::park) sees it.
    pub fn take(&mut self, cx: &Context<'_>) -> Option<K::Out> {
        // One look less for each piece; what another task sends now is seen when the turn is to end.
        if std::mem::take(&mut self.running.dry) {
            return None;
        }
        let Taken { piece, last, again } = self.link.take(cx);
        self.running.again |= again;
        if let Some(piece) = &piece {
            self.running.dry = last;
            self.running.completion.bytes += piece.weight() as u64;
        }
        piece
    }

    /// Whether the application sends no more, and all that it sent was taken.
    pub fn is_finished(&self) -> bool {
        self.link.is_finished()
    }

    /// How the application ended, once it has.
    pub fn result(&self) -> Option<&Result<()>> {
        self.running.result.as_ref()
    }

    /// Tells the application that the server stops (REQ-UPG-11).
    pub fn stop(&mut self, cx: &Context<'_>) {
        self.running.again |= self.link.stop(cx);
    }

    /// Ends the server's turn; gives `false` where there is something to send already, and the turn goes on.
    #[must_use = "a turn that was not ended must not wait"]
    pub fn park(&mut self, cx: &Context<'_>) -> bool {
        let parked = self.link.park(cx);
        self.running.in_turn = !parked;
        parked
    }

    /// The session is over and everything that could be sent was; gives how the application ended. One that has not is cancelled.
    ///
    /// # Errors
    /// The application's failure, for the log.
    pub fn finish(mut self) -> Result<()> {
        match self.running.result.take() {
            Some(Ok(())) => {
                self.running.completion.completed();
                Ok(())
            }
            Some(Err(error)) => {
                self.running.completion.failed(&error);
                Err(error)
            }
            None => Ok(()),
        }
    }
}

impl<K: SessionKind> Drop for SessionHalf<K> {
    fn drop(&mut self) {
        self.link.close();
        // After an end the table has no place for the event.
        self.running.slot.close(Event::Cancel);
        if let Some(future) = self.running.future.take() {
            drop_quietly(future);
        }
        if let Some(Err(error)) = &self.running.result {
            self.running.completion.failed(error);
        }
    }
}

impl<K: SessionKind> fmt::Debug for SessionHalf<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHalf")
            .field("returned", &self.running.result.is_some())
            .finish_non_exhaustive()
    }
}

/// What is said where an application takes over a connection that does not offer it.
#[cold]
pub(crate) fn not_offered(protocol: &str) -> Error {
    Error::client(
        http::StatusCode::UPGRADE_REQUIRED,
        format!("the request does not offer to upgrade to `{protocol}`"),
    )
    .with_requirement("REQ-UPG-03")
    .with_required_upgrade(protocol)
}
