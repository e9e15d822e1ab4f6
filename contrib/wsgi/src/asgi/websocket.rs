//! One WebSocket in ASGI's events.
//!
//! Rules of this room: nothing is received before it is accepted; until then it can be denied, with 403 or a response of the application's own; framing,
//! pings and the closing handshake are the server's; what is sent waits for the client.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use http::StatusCode;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use rwgi::{
    Acceptance, CloseCode, Closed, Error, Finished, Message, ResponseHead, Result, StartResponse,
    WebSocketReceiver, WebSocketSender,
};

use super::Answer;
use super::departure::Signal;
use super::event::{Event, departed, refused, unexpected};
use super::event_loop::{EventLoop, Waiters, lock};
use crate::traceback;

/// A WebSocket, as `receive` and `send` of the bridge's Python half see it.
#[pyclass(frozen, module = "rwgi", name = "WebSocketExchange")]
pub(super) struct WebSocketExchange {
    events: Arc<EventLoop>,
    signal: Arc<Signal>,
    sending: Arc<Waiters>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// `websocket.connect` was given.
    told: bool,
    answer: Option<Answer>,
}

enum Phase {
    Offered(StartResponse),
    /// The application answers with a response; its content so far.
    Denying(StartResponse, ResponseHead, BytesMut),
    Open(Open),
    Over,
}

struct Open {
    receiver: WebSocketReceiver,
    sender: WebSocketSender,
    outbox: VecDeque<Outgoing>,
    /// The application has closed it.
    closed: bool,
}

enum Outgoing {
    Message(Message),
    Close(CloseCode, String),
}

impl Open {
    /// Sends what was not yet sent. A future that is dropped before it is ready has sent nothing.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        while let Some(first) = self.outbox.front() {
            let sent = match first {
                Outgoing::Message(message) => pin!(self.sender.send(message.clone())).poll(cx),
                Outgoing::Close(code, reason) => {
                    pin!(self.sender.close(*code, reason.clone())).poll(cx)
                }
            };
            if sent.is_pending() {
                return Poll::Pending;
            }
            self.outbox.pop_front();
            if let Poll::Ready(Err(closed)) = sent {
                self.outbox.clear();
                // A socket that is closed needs no close.
                return Poll::Ready(if self.closed { Ok(()) } else { Err(closed) });
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl WebSocketExchange {
    pub(super) fn new(
        events: &Arc<EventLoop>,
        signal: Arc<Signal>,
        token: StartResponse,
        answer: Answer,
    ) -> Self {
        let state = State { phase: Phase::Offered(token), told: false, answer: Some(answer) };
        Self {
            events: Arc::clone(events),
            sending: Waiters::new(events.jobs()),
            signal,
            state: Mutex::new(state),
        }
    }

    fn take(&self) -> Phase {
        std::mem::replace(&mut lock(&self.state).phase, Phase::Over)
    }

    fn put(&self, phase: Phase) {
        lock(&self.state).phase = phase;
    }

    fn answer(&self, result: Result<Finished>) {
        if let Some(answer) = lock(&self.state).answer.take() {
            // Nobody listens after a departure.
            let _ = answer.send(result);
        }
    }

    fn accept(
        &self,
        py: Python<'_>,
        event: &Event<'_, '_>,
        kind: &Bound<'_, PyString>,
    ) -> PyResult<()> {
        let mut acceptance = Acceptance::new();
        if let Some(name) = event.text("subprotocol")? {
            acceptance = acceptance.subprotocol(name);
        }
        for (name, value) in event.headers()? {
            acceptance = acceptance.field(name, value);
        }
        match self.take() {
            Phase::Offered(token) => match token.accept(acceptance) {
                Ok(socket) => {
                    let (receiver, sender) = socket.split();
                    let outbox = VecDeque::new();
                    self.put(Phase::Open(Open { receiver, sender, outbox, closed: false }));
                    // Somebody may wait for messages already.
                    self.signal.waiters().resolve(py);
                    Ok(())
                }
                Err(error) => {
                    let raised = refused(Error::application(error.message().to_owned()));
                    self.answer(Err(error));
                    Err(raised)
                }
            },
            Phase::Over if self.signal.is_gone() => Err(departed()),
            other => {
                self.put(other);
                Err(unexpected(kind, "the WebSocket was answered already"))
            }
        }
    }

    fn message(&self, event: &Event<'_, '_>, kind: &Bound<'_, PyString>) -> PyResult<()> {
        let message = match (event.text("text")?, event.bytes("bytes")?) {
            (Some(text), None) => Message::Text(text),
            (None, Some(bytes)) => Message::Binary(bytes),
            _ => {
                return Err(PyValueError::new_err(
                    "websocket.send needs one of \"text\" and \"bytes\"",
                ));
            }
        };
        self.outgoing(Outgoing::Message(message), kind)
    }

    fn outgoing(&self, outgoing: Outgoing, kind: &Bound<'_, PyString>) -> PyResult<()> {
        let mut state = lock(&self.state);
        match &mut state.phase {
            Phase::Open(open) if !open.closed => {
                open.closed = matches!(outgoing, Outgoing::Close(..));
                open.outbox.push_back(outgoing);
                Ok(())
            }
            Phase::Offered(_) | Phase::Denying(..) => {
                Err(unexpected(kind, "the WebSocket is not accepted"))
            }
            _ if self.signal.is_gone() => Err(departed()),
            _ => Err(unexpected(kind, "the WebSocket is closed")),
        }
    }

    /// 403, or the close of an open one.
    fn close(&self, event: &Event<'_, '_>, kind: &Bound<'_, PyString>) -> PyResult<()> {
        let number = event.code()?;
        let reason = event.text("reason")?.unwrap_or_default();
        match self.take() {
            Phase::Offered(token) => {
                self.answer(token.respond(StatusCode::FORBIDDEN, (), ""));
                Ok(())
            }
            other => {
                self.put(other);
                let Some(code) = CloseCode::new(number) else {
                    return Err(PyValueError::new_err(format!(
                        "{number} is no code that a WebSocket is closed with"
                    )));
                };
                self.outgoing(Outgoing::Close(code, reason), kind)
            }
        }
    }

    fn deny(&self, event: &Event<'_, '_>, kind: &Bound<'_, PyString>) -> PyResult<()> {
        let head = event.head()?;
        match self.take() {
            Phase::Offered(token) => {
                self.put(Phase::Denying(token, head, BytesMut::new()));
                Ok(())
            }
            other => {
                self.put(other);
                Err(unexpected(kind, "the WebSocket was answered already"))
            }
        }
    }

    fn deny_body(&self, event: &Event<'_, '_>, kind: &Bound<'_, PyString>) -> PyResult<()> {
        let (block, more) = (event.body()?, event.more_body()?);
        match self.take() {
            Phase::Denying(token, head, mut content) => {
                content.extend_from_slice(&block);
                if more {
                    self.put(Phase::Denying(token, head, content));
                } else {
                    self.answer(token.respond_with(head, content.freeze()));
                }
                Ok(())
            }
            other => {
                self.put(other);
                Err(unexpected(kind, "websocket.http.response.start has to come first"))
            }
        }
    }

    fn poll(&self) -> Next {
        let mut state = lock(&self.state);
        if !std::mem::replace(&mut state.told, true) {
            return Next::Connect;
        }
        match &mut state.phase {
            Phase::Open(open) => {
                let waker = Waker::from(Arc::clone(self.signal.waiters()));
                match open.receiver.poll_recv(&mut Context::from_waker(&waker)) {
                    Poll::Pending => Next::Wait,
                    Poll::Ready(Ok(message)) => Next::Message(message),
                    Poll::Ready(Err(closed)) => Next::Closed(closed),
                }
            }
            Phase::Offered(_) | Phase::Denying(..) if !self.signal.is_gone() => Next::Wait,
            _ => Next::Closed(Closed { code: 1006, reason: String::new(), clean: false }),
        }
    }
}

enum Next {
    Connect,
    Message(Message),
    Closed(Closed),
    Wait,
}

#[pymethods]
impl WebSocketExchange {
    /// The next event of the client's, or a future to wait for before it is asked for again.
    fn receive<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let event = PyDict::new(py);
        let kind = intern!(py, "type");
        let mut next = self.poll();
        if matches!(next, Next::Wait) {
            let future = self.events.future(py)?;
            self.signal.waiters().add(&future);
            if !self.signal.is_gone() {
                return Ok(future);
            }
            // It left before somebody waited for it.
            next = self.poll();
        }
        match next {
            Next::Wait => {
                let future = self.events.future(py)?;
                self.signal.waiters().add(&future);
                return Ok(future);
            }
            Next::Connect => event.set_item(kind, intern!(py, "websocket.connect"))?,
            Next::Message(message) => {
                event.set_item(kind, intern!(py, "websocket.receive"))?;
                match message {
                    Message::Text(text) => event.set_item(intern!(py, "text"), text)?,
                    Message::Binary(bytes) => {
                        event.set_item(intern!(py, "bytes"), PyBytes::new(py, &bytes))?;
                    }
                }
            }
            Next::Closed(closed) => {
                event.set_item(kind, intern!(py, "websocket.disconnect"))?;
                event.set_item(intern!(py, "code"), closed.code)?;
                event.set_item(intern!(py, "reason"), closed.reason)?;
            }
        }
        Ok(event.into_any())
    }

    /// Takes an event of the application's; gives a future to wait for where the client is slower.
    fn send<'py>(&self, event: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = event.py();
        let Ok(event) = event.cast::<PyDict>() else {
            return Err(PyTypeError::new_err("an event must be a dict"));
        };
        let event = Event(event);
        let kind = event.kind()?;
        match &*kind.to_string_lossy() {
            "websocket.accept" => self.accept(py, &event, &kind)?,
            "websocket.send" => self.message(&event, &kind)?,
            "websocket.close" => self.close(&event, &kind)?,
            "websocket.http.response.start" => self.deny(&event, &kind)?,
            "websocket.http.response.body" => self.deny_body(&event, &kind)?,
            _ => return Err(unexpected(&kind, "this server knows no such event of a WebSocket")),
        }
        self.flush(py)
    }

    /// A future to wait for until all was sent; None where it is.
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let waker = Waker::from(Arc::clone(&self.sending));
        let sent = match &mut lock(&self.state).phase {
            Phase::Open(open) => open.poll_send(&mut Context::from_waker(&waker)),
            _ => Poll::Ready(Ok(())),
        };
        match sent {
            Poll::Ready(Ok(())) => Ok(None),
            Poll::Ready(Err(_)) => Err(departed()),
            Poll::Pending => {
                let future = self.events.future(py)?;
                self.sending.add(&future);
                Ok(Some(future))
            }
        }
    }

    /// The application has returned, or raised.
    fn end(&self, py: Python<'_>, raised: Option<Bound<'_, PyAny>>) {
        let raised = raised.map(PyErr::from_value);
        let phase = self.take();
        // A task of the application's may still wait for something.
        self.signal.waiters().resolve(py);
        let departed = match &phase {
            Phase::Open(open) => open.sender.closed().is_some(),
            _ => false,
        };
        let echo = raised.as_ref().is_some_and(|raised| {
            self.signal.is_echo(py, raised)
                || departed && raised.is_instance_of::<pyo3::exceptions::PyOSError>(py)
        });
        let result = match (phase, raised.filter(|_| !echo)) {
            (Phase::Over, None) => return,
            (Phase::Over, Some(raised)) => {
                traceback::log(py, "after the WebSocket the application", &raised);
                return;
            }
            (_, Some(raised)) => Err(traceback::error(py, &raised)),
            (Phase::Open(open), None) => Ok(open.sender.finish()),
            (Phase::Offered(_) | Phase::Denying(..), None) => Err(Error::application(
                "the application returned without accepting or closing the WebSocket",
            )),
        };
        self.answer(result);
    }
}
