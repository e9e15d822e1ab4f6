//! `start_response` and the `write` that it gives: how far the response of one request is.
//!
//! Rules of this room: the head is held until the first byte of content; until then `exc_info` replaces it, and then it raises; no byte
//! beyond the declared length leaves; the lock is not held while a thread waits for the client or for the interpreter.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::ThreadId;

use bytes::Bytes;
use http::StatusCode;
use pyo3::exceptions::{
    PyAssertionError, PyConnectionError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyTuple};
use rwgi::{BodyWriter, Error, Finished, ResponseHead, Result};

use crate::answer::Answer;
use crate::head::{head, kind};
use crate::pool::{Pool, patiently};
use crate::stream::{Departed, Sink, forward, stream};

/// The callable that an application gets as its second argument.
#[pyclass(frozen, module = "rwgi", name = "StartResponse")]
pub(crate) struct StartResponse {
    state: Mutex<State>,
    pool: Arc<Pool>,
    is_head: bool,
    /// The server's own thread, if it is one that calls the application: it must not wait for itself.
    inline: Option<ThreadId>,
}

struct State {
    phase: Phase,
    /// Until the server knows of the response.
    answer: Option<Answer>,
    /// What the head declares, where the response has content.
    declared: Option<u64>,
    /// Bytes given to the server.
    written: u64,
    /// HEAD, 204, 304: content is dropped.
    bodyless: bool,
}

enum Phase {
    /// `start_response` was not called.
    Fresh(rwgi::StartResponse),
    /// The head is known, and held.
    Headed(rwgi::StartResponse, ResponseHead),
    /// The head has left, and the server takes what follows.
    Streaming(Sink),
    /// The head may leave; content has no reader.
    Bodyless(BodyWriter),
    /// A thread is writing.
    Busy,
    /// The request is a session now: what is answered besides has no reader.
    Session,
    /// The request has ended.
    Over,
}

/// What became of a piece of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The response goes on.
    More,
    /// All that was declared is there, or none of it is wanted.
    Enough,
    /// The client has left.
    Departed,
}

/// What can still be done with a response that has not begun.
pub(crate) enum Unsent {
    /// The head is known.
    Headed(rwgi::StartResponse, ResponseHead),
    /// It has begun, or cannot begin.
    No,
}

impl StartResponse {
    pub(crate) fn new(
        token: rwgi::StartResponse,
        answer: Answer,
        is_head: bool,
        inline: bool,
        pool: Arc<Pool>,
    ) -> Self {
        let state = State {
            phase: Phase::Fresh(token),
            answer: Some(answer),
            declared: None,
            written: 0,
            bodyless: is_head,
        };
        let inline = inline.then(|| std::thread::current().id());
        Self { state: Mutex::new(state), pool, is_head, inline }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The threads, for what is left to do after the response.
    pub(crate) fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.pool)
    }

    /// Whether `start_response` was called and no byte has left.
    pub(crate) fn is_headed(&self) -> bool {
        matches!(self.lock().phase, Phase::Headed(..))
    }

    /// Whether the connection has become a session.
    pub(crate) fn is_session(&self) -> bool {
        matches!(self.lock().phase, Phase::Session)
    }

    /// Whether nothing of the content is wanted.
    pub(crate) fn is_bodyless(&self) -> bool {
        self.lock().bodyless
    }

    /// Whether the client has left.
    pub(crate) fn is_departed(&self) -> bool {
        let state = self.lock();
        match &state.phase {
            Phase::Streaming(sink) => sink.is_departed(),
            _ => state.answer.as_ref().is_some_and(Answer::is_abandoned),
        }
    }

    /// What the head declares and was not yet written.
    pub(crate) fn missing(&self) -> Option<u64> {
        let state = self.lock();
        state.declared.map(|declared| declared - state.written.min(declared))
    }

    /// Takes the token and the head out, for an answer in one piece.
    pub(crate) fn take_unsent(&self) -> Unsent {
        let mut state = self.lock();
        match std::mem::replace(&mut state.phase, Phase::Over) {
            Phase::Headed(token, head) => Unsent::Headed(token, head),
            other => {
                state.phase = other;
                Unsent::No
            }
        }
    }

    /// Takes the token out, for a session instead of a response.
    pub(crate) fn take_for_session(&self) -> Option<rwgi::StartResponse> {
        let mut state = self.lock();
        match std::mem::replace(&mut state.phase, Phase::Session) {
            Phase::Fresh(token) | Phase::Headed(token, _) => Some(token),
            other => {
                state.phase = other;
                None
            }
        }
    }

    /// Gives a piece of content to the server; waits without the interpreter where too much was not yet taken.
    ///
    /// # Errors
    /// `start_response` was not called; another thread is writing; the request is over.
    pub(crate) fn send(&self, py: Python<'_>, mut data: Bytes) -> PyResult<Sent> {
        if data.is_empty() {
            return Ok(Sent::More);
        }
        let (sink, enough) = {
            let mut state = self.lock();
            if let Some(declared) = state.declared.filter(|_| !state.bodyless) {
                let room = declared - state.written.min(declared);
                if data.len() as u64 > room {
                    data.truncate(usize::try_from(room).unwrap_or(usize::MAX));
                }
            }
            let bodyless = state.bodyless || data.is_empty();
            let sink = match std::mem::replace(&mut state.phase, Phase::Busy) {
                Phase::Headed(token, head) if bodyless => {
                    // What an application says after it has no reader.
                    state.phase = Phase::Bodyless(token.start_with(head));
                    return Ok(Sent::Enough);
                }
                Phase::Headed(token, head) => {
                    let (sink, body) = stream(head.content_length(), ());
                    let answer = state.answer.take();
                    let forwarded = forward(token, &head, body);
                    if let Some(waiting) = answer.and_then(|answer| answer.give(forwarded)) {
                        waiting.wake();
                    }
                    sink
                }
                Phase::Streaming(sink) => sink,
                other => {
                    let problem = match other {
                        Phase::Session | Phase::Bodyless(_) => {
                            // Who writes without end ends with the client that waits for the head.
                            let is_departed = matches!(other, Phase::Bodyless(_))
                                && state.answer.as_ref().is_some_and(Answer::is_abandoned);
                            state.phase = other;
                            return Ok(if is_departed { Sent::Departed } else { Sent::Enough });
                        }
                        Phase::Fresh(_) => PyAssertionError::new_err(
                            "content came before start_response() was called",
                        ),
                        Phase::Busy => {
                            PyRuntimeError::new_err("another thread is writing to this response")
                        }
                        _ => PyRuntimeError::new_err("the request of this response is over"),
                    };
                    state.phase = other;
                    return Err(problem);
                }
            };
            if bodyless {
                state.phase = Phase::Streaming(sink);
                return Ok(Sent::Enough);
            }
            state.written += data.len() as u64;
            (sink, state.declared.is_some_and(|declared| state.written >= declared))
        };
        let taken = sink.push(data).and_then(|()| {
            match sink.poll_room(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => result,
                // What is written there waits in memory: the thread that would take it is this one.
                Poll::Pending if self.inline == Some(std::thread::current().id()) => Ok(()),
                Poll::Pending => self.pool.wait(py, || patiently(|cx| sink.poll_room(cx))),
            }
        });
        let mut state = self.lock();
        if matches!(state.phase, Phase::Busy) {
            state.phase = Phase::Streaming(sink);
        }
        Ok(match taken {
            Err(Departed) => Sent::Departed,
            Ok(()) if enough => Sent::Enough,
            Ok(()) => Sent::More,
        })
    }

    /// Ends the content; `None` where the server has taken the response already, and learns of its end.
    ///
    /// # Errors
    /// `start_response` was never called (answered 500), or less came than was declared (the message is cut).
    pub(crate) fn finish(&self, py: Python<'_>) -> Result<Option<Finished>> {
        let phase = std::mem::replace(&mut self.lock().phase, Phase::Over);
        match phase {
            Phase::Headed(token, head) => {
                let declared = head.content_length().filter(|length| *length > 0);
                if declared.is_some() && !self.is_bodyless() {
                    // The client was promised content: it sees the promise, and that it is broken.
                    let mut writer = token.start_with(head);
                    let _ = self.pool.wait(py, || pollster::block_on(writer.flush()));
                    return writer.finish().map(Some);
                }
                if declared.is_some() {
                    return token.start_with(head).finish().map(Some);
                }
                token.respond_with(head, Bytes::new()).map(Some)
            }
            Phase::Bodyless(writer) => writer.finish().map(Some),
            Phase::Streaming(sink) => {
                // Where less came than was declared, the contract sees it.
                sink.end();
                Ok(None)
            }
            Phase::Fresh(_) => Err(Error::application(
                "the application returned without a call of start_response()",
            )),
            Phase::Busy | Phase::Session | Phase::Over => {
                Err(Error::application("another thread was still writing to the response"))
            }
        }
    }

    /// The request is over, and this became of it: whatever still holds this object can do nothing with it.
    pub(crate) fn close(&self, result: Result<Option<Finished>>) {
        let mut state = self.lock();
        let phase = std::mem::replace(&mut state.phase, Phase::Over);
        let answer = state.answer.take();
        drop(state);
        match (answer, phase, result) {
            (Some(answer), phase, result) => {
                drop(phase);
                let result = result.and_then(|finished| {
                    finished.ok_or_else(|| Error::server("the response was lost"))
                });
                if let Some(waiting) = answer.give(result) {
                    self.pool.wake_soon(waiting);
                }
            }
            (None, Phase::Streaming(sink), Err(error)) => sink.fail(error),
            (None, _, Err(error)) => {
                tracing::error!("after its response: {error}");
            }
            (None, ..) => {}
        }
    }
}

#[pymethods]
impl StartResponse {
    /// `start_response(status, headers, exc_info=None)`, as PEP 3333 has it.
    #[pyo3(signature = (status, response_headers, exc_info = None, /))]
    fn __call__(
        slf: &Bound<'_, Self>,
        status: &Bound<'_, PyAny>,
        response_headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Write> {
        let this = slf.get();
        // An empty tuple is what sys.exc_info() never gives, and no reason to raise.
        let exc_info = exc_info.filter(|info| info.is_truthy().unwrap_or(true));
        let new = head(status, response_headers);
        let mut state = this.lock();
        match (&state.phase, exc_info) {
            (Phase::Streaming(_) | Phase::Bodyless(_) | Phase::Busy, Some(exc_info)) => {
                drop(state);
                return Err(reraise(exc_info));
            }
            (Phase::Headed(..) | Phase::Streaming(_) | Phase::Bodyless(_) | Phase::Busy, None) => {
                return Err(PyAssertionError::new_err(
                    "start_response() was called a second time without exc_info",
                ));
            }
            (Phase::Over, _) => {
                return Err(PyRuntimeError::new_err("the request of this response is over"));
            }
            // Frameworks answer after a session as after any call.
            (Phase::Session, _) => return Ok(Write { response: slf.clone().unbind() }),
            (Phase::Fresh(_) | Phase::Headed(..), _) => {}
        }
        let new = new?;
        state.bodyless = this.is_head
            || matches!(new.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        state.declared = new.content_length().filter(|_| !state.bodyless);
        state.phase = match std::mem::replace(&mut state.phase, Phase::Over) {
            Phase::Fresh(token) | Phase::Headed(token, _) => Phase::Headed(token, new),
            other => other,
        };
        Ok(Write { response: slf.clone().unbind() })
    }
}

/// The exception that the application has at hand, raised again, from where it came.
fn reraise(exc_info: &Bound<'_, PyAny>) -> PyErr {
    let raised = || -> PyResult<PyErr> {
        let tuple = exc_info.cast::<PyTuple>()?;
        let exception = tuple.get_item(1)?;
        let exception = exception.call_method1("with_traceback", (tuple.get_item(2)?,))?;
        Ok(PyErr::from_value(exception))
    };
    raised().unwrap_or_else(|_| {
        PyAssertionError::new_err(
            "the head has left, and exc_info is not what sys.exc_info() gives",
        )
    })
}

/// The callable that `start_response` returns.
#[pyclass(frozen, module = "rwgi", name = "Write")]
struct Write {
    response: Py<StartResponse>,
}

#[pymethods]
impl Write {
    /// Sends a piece of content at once.
    #[pyo3(signature = (data, /))]
    fn __call__(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let data = content(data)?;
        let response = self.response.get();
        if let Some(missing) = response.missing()
            && data.len() as u64 > missing
        {
            return Err(PyValueError::new_err(format!(
                "write() was given {} bytes where {missing} of the declared Content-Length are left",
                data.len()
            )));
        }
        match response.send(py, data)? {
            Sent::More | Sent::Enough => Ok(()),
            Sent::Departed => Err(PyConnectionError::new_err("the client has left")),
        }
    }
}

/// From this length content is shared with Python and not copied: a copy costs more than a count.
const SHARED: usize = 32 * 1024;

/// A piece of content.
///
/// # Errors
/// It is not `bytes`.
pub(crate) fn content(value: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    let Ok(bytes) = value.cast::<PyBytes>() else {
        return Err(PyTypeError::new_err(format!("content must be bytes, not {}", kind(value))));
    };
    let octets = bytes.as_bytes();
    if octets.len() < SHARED {
        return Ok(Bytes::copy_from_slice(octets));
    }
    Ok(Bytes::from_owner(PyBackedBytes::from(bytes.clone())))
}
