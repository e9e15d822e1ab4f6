//! A WebSocket, carried: octets from the transport to the decoder, messages to the application, and back.
//!
//! Rules of this room: a door; what the application does not take is not read, nor is anything while the client does not read; after a
//! violation nothing is delivered; one timer, which is armed again when it fires and not with each message.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use rwgi::{CloseCode, CloseFrame, Closed, Messages, Outgoing, Ping, SessionHalf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use super::Violation;
use super::decoder::{Decoder, Event};
use super::encoder::Encoder;
use super::handshake::Terms;
use crate::stop::{Stage, Stop};
use crate::upgrade::{Ended, News, Stopping};

/// What waits to be sent before no more is taken, and nothing is read.
const MOST_WAITING: usize = 64 * 1024;
/// What is read at a time.
const READ_BYTES: usize = 16 * 1024;
/// As good as never: a timer has to have some time.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

thread_local! {
    /// Where the sockets of this thread read to, one after the other: most messages are answered before the next socket is looked at.
    static SPARE: RefCell<BytesMut> = RefCell::default();
}

/// Keeps an empty buffer for whoever reads next on this thread, where nobody holds a part of it.
fn give_back(mut buffer: BytesMut) {
    if buffer.try_reclaim(READ_BYTES) && buffer.capacity() <= 2 * READ_BYTES {
        SPARE.set(buffer);
    }
}

/// Where the session stands.
struct Socket {
    terms: Terms,
    half: SessionHalf<Messages>,
    decoder: Decoder,
    encoder: Encoder,
    input: BytesMut,
    /// There is no whole frame in what has come.
    hungry: bool,
    /// Nothing more has come, and the transport tells when something does: known until the task is woken.
    dry: bool,
    /// What the server said in its Close frame, where it was the first.
    said: Option<CloseFrame>,
    /// The client has said the last that counts: a Close frame, an end, or what broke the protocol.
    heard: bool,
    /// The rules were broken: the close is not waited for.
    failed: bool,
    /// Nothing more can be sent or read.
    gone: bool,
    /// The transport holds octets itself (TLS) and could not pass them on.
    unflushed: bool,
    last_seen: Instant,
    pinged: bool,
    /// Since when an answer to the Close frame is waited for.
    closing: Option<Instant>,
}

/// What a read brought.
enum Came {
    /// Octets, which are in the input.
    Octets,
    /// A part of a large payload, which went to its message, and what became of that.
    Direct(Result<Option<Event>, Violation>),
    /// The end, or a failure.
    End,
}

impl Came {
    fn is_speech(&self) -> bool {
        !matches!(self, Self::End)
    }
}

pub(crate) async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    early: Bytes,
    half: SessionHalf<Messages>,
    terms: Terms,
    stop: &Stop,
    reset: impl Future<Output = ()>,
) -> (Ended, rwgi::Result<()>) {
    let mut reset = pin!(reset);
    let advanced = pin!(stop.beyond(Stage::Run));
    let mut stopping = Stopping::new(stop, advanced);
    let mut socket = Socket {
        decoder: Decoder::new(terms.message_bytes, terms.agreed.as_ref()),
        encoder: Encoder::new(terms.agreed.as_ref()),
        input: BytesMut::from(&early[..]),
        hungry: false,
        dry: false,
        terms,
        half,
        said: None,
        heard: false,
        failed: false,
        gone: false,
        unflushed: false,
        last_seen: Instant::now(),
        pinged: false,
        closing: None,
    };
    let mut sleep = pin!(tokio::time::sleep_until(socket.due()));
    let mut armed = false;
    // Whoever wakes this task for the stop and for the clock: they need not be told again while it is the same.
    let mut told: Option<Waker> = None;
    let ended = poll_fn(|cx| {
        let known = told.as_ref().is_some_and(|told| told.will_wake(cx.waker()));
        if !known {
            told = Some(cx.waker().clone());
        }
        let mut came = socket.poll_first(io, cx);
        // Whoever sends has not reset the connection.
        let speaks = known && came.as_ref().is_some_and(Came::is_speech);
        if !speaks && !socket.gone && reset.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ended::Departed);
        }
        if !known || !stopping.is_quiet() {
            match stopping.poll(cx, |seen| stop.beyond(seen)) {
                News::Killed => return Poll::Ready(Ended::Killed),
                News::Draining => {
                    socket.half.stop(cx);
                    socket.close(CloseFrame::new(CloseCode::GOING_AWAY, "the server stops"));
                }
                News::None => {}
            }
        }
        let mut listen = !known;
        loop {
            if let Poll::Ready(ended) = socket.turn(io, cx, came.take()) {
                return Poll::Ready(ended);
            }
            // Unless it did so right behind what it sent.
            if speaks && socket.gone && reset.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ended::Departed);
            }
            // The clock is looked at when it rings, and when a wait became shorter.
            if !armed || sleep.is_elapsed() || sleep.deadline() > socket.due() {
                armed = true;
                if socket.look_at_clock(cx) {
                    continue;
                }
                sleep.as_mut().reset(socket.due());
                listen = true;
            }
            if !listen {
                return Poll::Pending;
            }
            match sleep.as_mut().poll(cx) {
                Poll::Ready(()) => continue,
                Poll::Pending => {
                    // Without a budget tokio's waits are put off, and the clock has not been told.
                    if !has_budget_remaining() {
                        told = None;
                    }
                    return Poll::Pending;
                }
            }
        }
    })
    .await;
    let result = match ended {
        Ended::Departed | Ended::Killed => Ok(()),
        _ => socket.half.finish(),
    };
    (ended, result)
}

impl Socket {
    /// Reads before anything else is done, where that is what the task was woken for: the application is then polled once for it.
    fn poll_first<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Option<Came> {
        self.dry = false;
        let answered = self.encoder.waiting() == 0 && !self.unflushed;
        if self.hungry && answered && self.takes_more() { self.poll_read(io, cx) } else { None }
    }

    /// All that can be done now; ready when the session is over.
    fn turn<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
        mut came: Option<Came>,
    ) -> Poll<Ended> {
        loop {
            let held = self.give(came.take(), cx);
            let returned = self.half.poll_application(cx).is_ready();
            self.take(cx);
            if returned && self.half.is_finished() && !self.encoder.is_closed() {
                let failed = self.half.result().is_some_and(Result::is_err);
                let code = if failed { CloseCode::INTERNAL_ERROR } else { CloseCode::NORMAL };
                self.close(CloseFrame::new(code, ""));
            }
            if let Some(event) = held {
                self.event(event, cx);
                continue;
            }
            // What has come is answered in one write, where there is room for the answers.
            if !self.hungry && self.takes_more() {
                continue;
            }
            let blocked = match self.poll_write(io, cx) {
                Poll::Ready(Ok(())) => false,
                Poll::Pending => true,
                Poll::Ready(Err(_)) => {
                    self.end(1006, cx);
                    true
                }
            };
            let over = self.heard && (self.encoder.is_closed() || self.gone);
            if over && !self.gone && !blocked {
                // Said and heard: it is the server that closes the connection (RFC 6455, section 7.1.1).
                self.closing.get_or_insert_with(Instant::now);
                self.gone = Pin::new(&mut *io).poll_shutdown(cx).is_ready();
            }
            if self.gone && returned {
                return Poll::Ready(if self.failed { Ended::Whole } else { Ended::Closed });
            }
            if !blocked && self.takes_more() {
                if !self.hungry {
                    continue;
                }
                if !self.dry {
                    came = self.poll_read(io, cx);
                }
            }
            if came.is_some() || self.half.wants_poll() {
                continue;
            }
            let parked = self.half.park(cx);
            if parked || blocked || self.encoder.waiting() >= MOST_WAITING {
                return Poll::Pending;
            }
        }
    }

    /// Gives the application the messages that have come, as far as there is room; what is no message is held until it has answered them.
    fn give(
        &mut self,
        came: Option<Came>,
        cx: &Context<'_>,
    ) -> Option<Result<Option<Event>, Violation>> {
        match came {
            None | Some(Came::Octets | Came::Direct(Ok(None))) => {}
            Some(Came::Direct(Ok(Some(Event::Message(message))))) => self.half.give(message, cx),
            Some(Came::Direct(event)) => return Some(event),
            Some(Came::End) => self.end(1006, cx),
        }
        while !self.hungry && self.takes_more() {
            match self.decoder.next(&mut self.input) {
                Ok(None) => self.hungry = true,
                Ok(Some(Event::Message(message))) => {
                    self.half.give(message, cx);
                    self.hungry = self.input.is_empty();
                }
                event => return Some(event),
            }
        }
        if self.hungry && self.input.is_empty() && self.input.capacity() > 0 {
            // Nothing is held while nothing comes.
            give_back(std::mem::take(&mut self.input));
        }
        None
    }

    /// Whether there is a place for more of what the client says.
    fn takes_more(&self) -> bool {
        !self.heard && self.encoder.waiting() < MOST_WAITING && self.half.has_room()
    }

    /// Takes what the application sends, as far as there is room.
    fn take(&mut self, cx: &mut Context<'_>) {
        while self.gone || self.encoder.is_closed() || self.encoder.waiting() < MOST_WAITING {
            match self.half.take(cx) {
                Some(Outgoing::Message(message)) => self.encoder.message(message),
                Some(Outgoing::Close(close)) => self.close(close),
                None => return,
            }
        }
    }

    /// Says the Close frame, where none was said yet.
    fn close(&mut self, close: CloseFrame) {
        if !self.encoder.is_closed() {
            self.encoder.close(Some(&close));
            self.closing = Some(Instant::now());
            self.said = Some(close);
        }
    }

    /// The client's side is over, and not in order.
    fn end(&mut self, code: u16, cx: &Context<'_>) {
        self.heard = true;
        self.gone = true;
        self.half.give_end(Closed { code, reason: String::new(), clean: false }, cx);
    }

    /// Sends what waits; pending while some of it does.
    fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.gone {
            return Poll::Ready(Ok(()));
        }
        if self.encoder.waiting() == 0 && !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        while self.encoder.waiting() > 0 {
            let (octets, large) = self.encoder.unsent();
            let written = if large.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, octets))?
            } else {
                let slices = [IoSlice::new(octets), IoSlice::new(large)];
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.encoder.sent(written);
        }
        self.encoder.rest(READ_BYTES);
        let flushed = Pin::new(io).poll_flush(cx);
        self.unflushed = flushed.is_pending();
        flushed
    }

    /// Reads; `None` where nothing has come.
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Option<Came> {
        let (read, direct) = match self.decoder.direct() {
            Some((message, room)) => {
                (tokio_util::io::poll_read_buf(Pin::new(io), cx, &mut message.limit(room)), true)
            }
            None if self.input.capacity() == 0 => {
                let mut spare = SPARE.take();
                spare.reserve(READ_BYTES);
                let read = tokio_util::io::poll_read_buf(Pin::new(io), cx, &mut spare);
                if read.is_ready() {
                    self.input = spare;
                } else {
                    SPARE.set(spare);
                }
                (read, false)
            }
            None => {
                self.input.reserve(READ_BYTES);
                (tokio_util::io::poll_read_buf(Pin::new(io), cx, &mut self.input), false)
            }
        };
        match read {
            Poll::Pending => {
                self.dry = true;
                None
            }
            Poll::Ready(Ok(0) | Err(_)) => Some(Came::End),
            Poll::Ready(Ok(length)) => {
                self.last_seen = Instant::now();
                self.pinged = false;
                if direct {
                    return Some(Came::Direct(self.decoder.read_direct(length)));
                }
                self.hungry = false;
                Some(Came::Octets)
            }
        }
    }

    fn event(&mut self, event: Result<Option<Event>, Violation>, cx: &mut Context<'_>) {
        match event {
            Ok(None | Some(Event::Pong)) => {}
            Ok(Some(Event::Message(message))) => self.half.give(message, cx),
            Ok(Some(Event::Ping(payload))) => self.encoder.pong(payload),
            Ok(Some(Event::Close(close))) => {
                self.heard = true;
                let closed = match (self.said.take(), close) {
                    (Some(said), _) => Closed {
                        code: said.code().into(),
                        reason: said.reason().to_owned(),
                        clean: true,
                    },
                    (None, Some((code, reason))) => {
                        self.encoder.close(Some(&CloseFrame::new(code, "")));
                        Closed { code: code.into(), reason, clean: true }
                    }
                    (None, None) => {
                        self.encoder.close(None);
                        Closed { code: 1005, reason: String::new(), clean: true }
                    }
                };
                self.half.give_end(closed, cx);
            }
            Err(Violation { code, what }) => {
                tracing::debug!(code = %code, "a WebSocket is closed: {what}");
                self.heard = true;
                self.failed = true;
                self.input.clear();
                let reason = what.to_owned();
                self.encoder.close(Some(&CloseFrame::new(code, what)));
                self.half.give_end(Closed { code: code.into(), reason, clean: false }, cx);
            }
        }
    }

    /// When the clock has to be looked at.
    fn due(&self) -> Instant {
        if self.gone {
            return self.last_seen + NEVER;
        }
        if let Some(closing) = self.closing {
            return closing + self.terms.patience;
        }
        self.last_seen
            + match self.terms.ping {
                Ping::Never => NEVER,
                Ping::Every { idle, patience } if self.pinged => idle + patience,
                Ping::Every { idle, .. } => idle,
            }
    }

    /// Does what is due; gives whether something was.
    fn look_at_clock(&mut self, cx: &mut Context<'_>) -> bool {
        if self.gone || self.due() > Instant::now() {
            return false;
        }
        match self.terms.ping {
            _ if self.closing.is_some() => self.end(1006, cx),
            Ping::Never => return false,
            Ping::Every { .. } if self.pinged => self.end(1006, cx),
            Ping::Every { .. } => {
                self.pinged = true;
                self.encoder.ping();
            }
        }
        true
    }
}
