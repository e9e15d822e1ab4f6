//! The socket of a blocking application, with dwebsocket's names.
//!
//! Rules of this room: a wait parks the thread and is woken by the contract's own wakers; every method works on a shared reference, so that
//! a loop over the messages can send.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rwgi::{
    Acceptance, BlockingStartResponse, CloseCode, Closed, Environ, Finished, Message, Result,
    WebSocketReceiver, WebSocketSender,
};

/// `request.is_websocket()`.
pub trait IsWebSocket {
    /// Whether the request is a valid WebSocket handshake.
    fn is_websocket(&self) -> bool;
}

impl IsWebSocket for Environ {
    fn is_websocket(&self) -> bool {
        self.websocket().is_some()
    }
}

/// `request.websocket`: a WebSocket for an application that blocks.
///
/// ```
/// use http::StatusCode;
/// use rwgi::{BlockingStartResponse, Environ, Finished};
/// use rwgi_middleware::{BlockingWebSocket, IsWebSocket};
///
/// fn echo(environ: Environ, start_response: BlockingStartResponse) -> rwgi::Result<Finished> {
///     if !environ.is_websocket() {
///         return start_response.respond(StatusCode::OK, (), "a page");
///     }
///     let websocket = BlockingWebSocket::accept(start_response, ())?;
///     for message in &websocket {
///         websocket.send(message)?;
///     }
///     Ok(websocket.finish())
/// }
/// # let _ = rwgi::Blocking::new(echo);
/// ```
pub struct BlockingWebSocket {
    receiver: Mutex<WebSocketReceiver>,
    sender: Mutex<WebSocketSender>,
}

impl BlockingWebSocket {
    /// Accepts the WebSocket that the request offers.
    ///
    /// # Errors
    /// As [`StartResponse::accept`](rwgi::StartResponse::accept).
    pub fn accept(
        start_response: BlockingStartResponse,
        acceptance: impl Into<Acceptance>,
    ) -> Result<Self> {
        let (receiver, sender) = start_response.accept(acceptance)?.split();
        Ok(Self { receiver: Mutex::new(receiver), sender: Mutex::new(sender) })
    }

    /// Accepts with the first of `subprotocols` that the client offers; with none where it offers none of them.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_subprotocol(
        environ: &Environ,
        start_response: BlockingStartResponse,
        subprotocols: &[&str],
    ) -> Result<Self> {
        let offered = |name: &&&str| {
            environ.websocket().is_some_and(|offer| offer.subprotocols().any(|own| own == **name))
        };
        let acceptance = match subprotocols.iter().find(offered) {
            Some(chosen) => Acceptance::new().subprotocol(*chosen),
            None => Acceptance::new(),
        };
        Self::accept(start_response, acceptance)
    }

    /// The next message; blocks until one comes. `None` once the socket is closed, or where `timeout` passes first; `wait(None)` has no limit but the
    /// server's Ping (REQ-WS-22).
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> Option<Message> {
        let mut receiver = lock(&self.receiver);
        block(timeout.into(), |cx| receiver.poll_recv(cx))?.ok()
    }

    /// The next message if one is here already, else `fallback`; does not block.
    pub fn read(&self, fallback: impl Into<Option<Message>>) -> Option<Message> {
        let here = self.unless_awaited(|receiver| receiver.try_recv().ok().flatten()).flatten();
        here.or_else(|| fallback.into())
    }

    /// How many messages are here already.
    pub fn count_messages(&self) -> usize {
        self.unless_awaited(|receiver| receiver.waiting()).unwrap_or(0)
    }

    /// Looks at what is here; `None` where another thread [waits](Self::wait), to which the next message belongs.
    fn unless_awaited<T>(&self, look: impl FnOnce(&mut WebSocketReceiver) -> T) -> Option<T> {
        match self.receiver.try_lock() {
            Ok(mut receiver) => Some(look(&mut receiver)),
            Err(TryLockError::Poisoned(poisoned)) => Some(look(&mut poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Whether a message is here already.
    pub fn has_messages(&self) -> bool {
        self.count_messages() > 0
    }

    /// Sends a message; blocks while the client is slow.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Closed> {
        let mut sender = lock(&self.sender);
        let mut sent = pin!(sender.send(message));
        match block(None, |cx| sent.as_mut().poll(cx)) {
            Some(result) => result,
            None => Ok(()),
        }
    }

    /// The messages, until the socket is closed; the end is the end, and no `None` comes out of it.
    pub fn messages(&self) -> Messages<'_> {
        Messages { socket: self }
    }

    /// Whether the socket is closed, by whichever side.
    pub fn is_closed(&self) -> bool {
        lock(&self.sender).closed().is_some()
    }

    /// How it was closed (REQ-WS-28); `None` while it is open.
    pub fn closed(&self) -> Option<Closed> {
        lock(&self.sender).closed()
    }

    /// Closes, and waits until the client has closed too or took too long; gives what the application returns.
    ///
    /// # Errors
    /// None at present; the proof is given whatever the client does.
    pub fn close(self, code: CloseCode, reason: &str) -> Result<Finished> {
        {
            let mut sender = lock(&self.sender);
            let mut closing = pin!(sender.close(code, reason));
            // Where nobody takes it, the socket is closed already.
            let _ = block(None, |cx| closing.as_mut().poll(cx));
        }
        while self.wait(None).is_some() {}
        Ok(self.finish())
    }

    /// What the application returns: the server closes what is open then, with 1000 (REQ-WS-20).
    pub fn finish(self) -> Finished {
        self.sender.into_inner().unwrap_or_else(PoisonError::into_inner).finish()
    }
}

/// The messages of a socket; see [`BlockingWebSocket::messages`].
#[derive(Debug)]
pub struct Messages<'a> {
    socket: &'a BlockingWebSocket,
}

impl Iterator for Messages<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.socket.wait(None)
    }
}

impl<'a> IntoIterator for &'a BlockingWebSocket {
    type Item = Message;
    type IntoIter = Messages<'a>;

    fn into_iter(self) -> Messages<'a> {
        self.messages()
    }
}

impl fmt::Debug for BlockingWebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingWebSocket").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes a thread that waits.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *lock(&self.rung) = true;
        self.changed.notify_one();
    }
}

/// Polls until ready; `None` where the time is over first.
fn block<T>(
    timeout: Option<Duration>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    // What is longer than the clock goes is no limit.
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = poll(&mut cx) {
            return Some(output);
        }
        let mut rung = lock(&bell.rung);
        while !*rung {
            rung = match until {
                None => bell.changed.wait(rung).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = bell.changed.wait_timeout(rung, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        *rung = false;
    }
}
