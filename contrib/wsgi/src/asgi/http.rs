//! One request in ASGI's events.
//!
//! Rules of this room: the head is held until the first event of content; content that is whole before anything was sent leaves in one piece; what
//! goes on behind a complete response is the application's own (a background task); whatever fails before the response is answered, and cuts it
//! afterwards; no lock is held while Python runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use rwgi::{BodyLength, Error, Finished, Input, ResponseHead, Result, StartResponse};

use super::Answer;
use super::departure::{Departure, Signal};
use super::event::{Event, departed, unexpected};
use super::event_loop::{EventLoop, Waiters, lock};
use crate::stream::{Departed, Sink, forward, stream};
use crate::traceback;

/// A request, as `receive` and `send` of the bridge's Python half see it.
#[pyclass(frozen, module = "rwgi", name = "HttpExchange")]
pub(super) struct HttpExchange {
    events: Arc<EventLoop>,
    signal: Arc<Signal>,
    /// Those who wait in `receive`.
    receiving: Arc<Waiters>,
    /// Those who wait in `send`.
    sending: Arc<Waiters>,
    input: Mutex<Content>,
    output: Mutex<Output>,
    /// The application has given all of its response.
    complete: AtomicBool,
    is_head: bool,
}

struct Content {
    input: Input,
    /// All of it was given.
    ended: bool,
    /// What the client did wrong.
    failed: Option<Error>,
}

struct Output {
    phase: Phase,
    /// Until the response has begun.
    answer: Option<Answer>,
}

enum Phase {
    Fresh(StartResponse),
    Headed(StartResponse, ResponseHead),
    /// What is left of the declared length.
    Streaming(Sink, Option<u64>),
    /// HEAD, 204, 304: the response has left, and content has no reader; since when.
    Discarding(Instant),
    Over,
}

/// How long content without a reader is taken; who gives more after that is told that the client has left.
///
/// 5 s: what has an end has come to it by then, and a stream that has none would go on for each HEAD, without anybody who could leave.
const UNREAD: Duration = Duration::from_secs(5);

/// What there is of the request's content.
enum Next {
    /// A block, and whether more follows.
    Content(Bytes, bool),
    Wait,
    Failed,
}

impl HttpExchange {
    pub(super) fn new(
        events: &Arc<EventLoop>,
        signal: Arc<Signal>,
        input: Input,
        token: StartResponse,
        answer: Answer,
        is_head: bool,
    ) -> Self {
        Self {
            events: Arc::clone(events),
            receiving: Arc::clone(signal.waiters()),
            sending: Waiters::new(events.jobs()),
            signal,
            input: Mutex::new(Content { input, ended: false, failed: None }),
            output: Mutex::new(Output { phase: Phase::Fresh(token), answer: Some(answer) }),
            complete: AtomicBool::new(false),
            is_head,
        }
    }

    fn take(&self) -> Phase {
        std::mem::replace(&mut lock(&self.output).phase, Phase::Over)
    }

    fn put(&self, phase: Phase) {
        lock(&self.output).phase = phase;
    }

    /// Gives the result of the call to the server.
    fn answer(&self, result: Result<Finished>) {
        if let Some(answer) = lock(&self.output).answer.take() {
            // Nobody listens after a departure.
            let _ = answer.send(result);
        }
    }

    /// Fails the response, before it has begun or in its middle.
    fn abort(&self, phase: Phase, error: Error) {
        match phase {
            Phase::Streaming(sink, _) => sink.fail(error),
            phase => {
                drop(phase);
                self.answer(Err(error));
            }
        }
    }

    fn has_no_content(&self, head: &ResponseHead) -> bool {
        self.is_head || matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    fn start(&self, head: PyResult<ResponseHead>, kind: &Bound<'_, PyString>) -> PyResult<()> {
        match self.take() {
            Phase::Fresh(token) => match head {
                Ok(head) => self.put(Phase::Headed(token, head)),
                Err(raised) => {
                    self.put(Phase::Fresh(token));
                    return Err(raised);
                }
            },
            // What comes after the end is ignored.
            Phase::Over => {}
            other => {
                self.put(other);
                return Err(unexpected(kind, "the response has started already"));
            }
        }
        Ok(())
    }

    fn body(&self, block: Bytes, more: bool, kind: &Bound<'_, PyString>) -> PyResult<()> {
        match self.take() {
            Phase::Fresh(token) => {
                self.put(Phase::Fresh(token));
                Err(unexpected(kind, "http.response.start has to come first"))
            }
            Phase::Headed(token, head) if !more => self.one_piece(token, head, block),
            Phase::Headed(token, head) if self.has_no_content(&head) => {
                self.answer(token.start_with(head).finish());
                self.put(Phase::Discarding(Instant::now()));
                Ok(())
            }
            Phase::Headed(token, head) => {
                let declared = head.content_length();
                let (sink, body) = stream(declared, Departure::new(&self.signal));
                let finished = forward(token, &head, body);
                let refusal = finished.as_ref().err().map(|error| error.message().to_owned());
                self.answer(finished);
                match refusal {
                    Some(message) => Err(PyRuntimeError::new_err(message)),
                    None => self.block(sink, declared, block, more),
                }
            }
            Phase::Streaming(sink, left) => self.block(sink, left, block, more),
            Phase::Discarding(_) if !more => {
                self.complete.store(true, Ordering::Relaxed);
                Ok(())
            }
            Phase::Discarding(since) => {
                self.put(Phase::Discarding(since));
                if since.elapsed() < UNREAD {
                    return Ok(());
                }
                self.signal.leave();
                Err(departed())
            }
            Phase::Over => Ok(()),
        }
    }

    /// All of the response at once.
    fn one_piece(&self, token: StartResponse, head: ResponseHead, block: Bytes) -> PyResult<()> {
        let length = block.len() as u64;
        let finished = if self.has_no_content(&head)
            && head.content_length().is_some_and(|declared| declared != length)
        {
            // What a HEAD declares stands, whatever comes with it.
            token.start_with(head).finish()
        } else {
            token.respond_with(head, block)
        };
        let refusal = finished.as_ref().err().map(|error| error.message().to_owned());
        self.complete.store(refusal.is_none(), Ordering::Relaxed);
        self.answer(finished);
        refusal.map_or(Ok(()), |message| Err(PyRuntimeError::new_err(message)))
    }

    fn block(&self, sink: Sink, left: Option<u64>, block: Bytes, more: bool) -> PyResult<()> {
        let length = block.len() as u64;
        let left = match left {
            Some(left) if length > left => {
                let message = format!(
                    "{length} bytes of content were sent where {left} of the declared Content-Length are left"
                );
                sink.fail(Error::application(message.clone()));
                return Err(PyRuntimeError::new_err(message));
            }
            Some(left) if !more && length < left => {
                let message = format!(
                    "the content ended {} bytes before the declared Content-Length",
                    left - length
                );
                sink.fail(Error::application(message.clone()));
                return Err(PyRuntimeError::new_err(message));
            }
            left => left.map(|left| left - length),
        };
        if !block.is_empty() && sink.push(block) == Err(Departed) {
            // The phase stays over: what comes now is for nobody.
            return Err(departed());
        }
        if more {
            self.put(Phase::Streaming(sink, left));
        } else {
            self.complete.store(true, Ordering::Relaxed);
            sink.end();
        }
        Ok(())
    }

    /// The content is cut short, or too large: the client is told so, and for the application it has left.
    fn fail(&self) {
        if let Some(error) = lock(&self.input).failed.take() {
            self.signal.leave();
            tracing::debug!("the content of a request failed: {error}");
            let phase = self.take();
            self.abort(phase, error);
        }
    }

    fn poll(&self) -> Next {
        let mut content = lock(&self.input);
        if content.ended {
            return Next::Wait;
        }
        let waker = Waker::from(Arc::clone(&self.receiving));
        let block = match content.input.poll_chunk(&mut Context::from_waker(&waker)) {
            Poll::Pending => return Next::Wait,
            Poll::Ready(Ok(block)) => block,
            Poll::Ready(Err(error)) => {
                content.failed = Some(error);
                return Next::Failed;
            }
        };
        content.ended = match content.input.length() {
            _ if block.is_none() => true,
            BodyLength::Exact(length) => content.input.received() >= length,
            _ => content.input.is_ended(),
        };
        Next::Content(block.unwrap_or_default(), !content.ended)
    }

    /// Whether the application has said all that it has to say.
    fn is_over(&self) -> bool {
        matches!(lock(&self.output).phase, Phase::Over)
    }

    /// Whether the response has left and the application goes on with content that has no reader.
    fn is_discarding(&self) -> bool {
        matches!(lock(&self.output).phase, Phase::Discarding(_))
    }

    /// A future that waits until everybody else on the loop had a turn: who sends without end and without a wait would stop it.
    fn others_first<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let future = self.events.future(py)?;
        self.sending.add(&future);
        Waker::from(Arc::clone(&self.sending)).wake();
        Ok(future)
    }
}

#[pymethods]
impl HttpExchange {
    /// The next event of the request, or a future to wait for before it is asked for again.
    fn receive<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.signal.is_gone() || self.is_over() || self.is_discarding() {
            return disconnect(py);
        }
        let (block, more) = match self.poll() {
            Next::Content(block, more) => (block, more),
            Next::Failed => {
                self.fail();
                return disconnect(py);
            }
            Next::Wait => {
                let future = self.events.future(py)?;
                self.receiving.add(&future);
                // The client may have left before somebody waited for it.
                return if self.signal.is_gone() { disconnect(py) } else { Ok(future) };
            }
        };
        let event = PyDict::new(py);
        event.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
        event.set_item(intern!(py, "body"), PyBytes::new(py, &block))?;
        event.set_item(intern!(py, "more_body"), more)?;
        Ok(event.into_any())
    }

    /// Takes an event of the response; gives a future to wait for where the client is slower than the application.
    fn send<'py>(&self, event: &Bound<'py, PyDict>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = event.py();
        let event = Event(event);
        let kind = event.kind()?;
        match &*kind.to_string_lossy() {
            "http.response.start" => {
                if self.signal.is_gone() {
                    return Err(departed());
                }
                self.start(event.head(), &kind)?;
                Ok(None)
            }
            "http.response.body" => {
                let (block, more) = (event.body()?, event.more_body()?);
                if self.signal.is_gone() && !self.is_over() {
                    return Err(departed());
                }
                self.body(block, more, &kind)?;
                let is_discarding = self.is_discarding();
                if is_discarding || self.is_over() {
                    // Who waits for the client to leave waits for nothing more.
                    self.receiving.resolve(py);
                }
                if is_discarding { self.others_first(py).map(Some) } else { self.flush(py) }
            }
            _ => Err(unexpected(&kind, "this server knows no such event of a response")),
        }
    }

    /// A future to wait for until there is room for more; None where there is.
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let output = lock(&self.output);
        let Phase::Streaming(sink, _) = &output.phase else { return Ok(None) };
        let waker = Waker::from(Arc::clone(&self.sending));
        match sink.poll_room(&mut Context::from_waker(&waker)) {
            Poll::Ready(Ok(())) => Ok(None),
            Poll::Ready(Err(Departed)) => Err(departed()),
            Poll::Pending => {
                drop(output);
                let future = self.events.future(py)?;
                self.sending.add(&future);
                Ok(Some(future))
            }
        }
    }

    /// The application has returned, or raised.
    fn end(&self, py: Python<'_>, raised: Option<Bound<'_, PyAny>>) {
        let phase = self.take();
        // A task of the application's may still wait for something.
        self.receiving.resolve(py);
        let raised = raised.map(PyErr::from_value);
        if lock(&self.output).answer.is_none()
            && matches!(phase, Phase::Over | Phase::Discarding(_))
        {
            match raised {
                // Whatever it raises in the middle of its response, it is about a client that is not there.
                Some(raised) if self.signal.is_gone() && !self.complete.load(Ordering::Relaxed) => {
                    tracing::debug!("after the client left the application raised {raised}");
                }
                Some(raised) => traceback::log(py, "after its response the application", &raised),
                None => {}
            }
            return;
        }
        let error = match (raised, &phase) {
            (Some(raised), _) => traceback::error(py, &raised),
            (None, Phase::Fresh(_)) => {
                Error::application("the application returned without a response")
            }
            (None, Phase::Headed(..)) => Error::application(
                "the application returned after http.response.start, without http.response.body",
            ),
            (None, _) => Error::application(
                "the application returned in the middle of its response: its last http.response.body has more_body",
            ),
        };
        self.abort(phase, error);
    }
}

fn disconnect(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let event = PyDict::new(py);
    event.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?;
    Ok(event.into_any())
}
