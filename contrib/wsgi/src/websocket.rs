//! `environ["rwgi.websocket"]`: a WebSocket for applications that block.
//!
//! Rules of this room: it is there where the request is a valid handshake, and what the application answers without accepting it denies
//! it; framing, pings and the closing handshake are the server's; a thread that waits lets go of the interpreter.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pyo3::exceptions::{
    PyConnectionError, PyRuntimeError, PyTimeoutError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use rwgi::{Acceptance, CloseCode, Closed, Message, WebSocketReceiver, WebSocketSender};

use crate::head::kind;
use crate::pool::Pool;
use crate::start_response::StartResponse;

/// A WebSocket that was offered, and once it is accepted its session.
#[pyclass(frozen, module = "rwgi", name = "WebSocket")]
pub(crate) struct WebSocket {
    response: Py<StartResponse>,
    #[pyo3(get)]
    subprotocols: Vec<String>,
    // Each half by itself: one thread receives while another sends. Taken out while a thread waits.
    receiver: Mutex<Half<WebSocketReceiver>>,
    sender: Mutex<Half<WebSocketSender>>,
    pool: Arc<Pool>,
}

enum Half<T> {
    /// Not accepted.
    Offered,
    Here(T),
    /// A thread waits with it.
    Busy,
    /// The request has ended.
    Over,
}

fn lock<T>(half: &Mutex<T>) -> MutexGuard<'_, T> {
    half.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a half out for as long as `work` takes.
fn with<T, R>(half: &Mutex<Half<T>>, work: impl FnOnce(&mut T) -> R) -> PyResult<R> {
    let taken = std::mem::replace(&mut *lock(half), Half::Busy);
    let mut here = match taken {
        Half::Here(here) => here,
        other => {
            let problem = match other {
                Half::Offered => "the WebSocket was not accepted: call accept() first",
                Half::Busy => "another thread does the same with this WebSocket",
                _ => "the request of this WebSocket has ended",
            };
            *lock(half) = other;
            return Err(PyRuntimeError::new_err(problem));
        }
    };
    let result = work(&mut here);
    let mut state = lock(half);
    if matches!(*state, Half::Busy) {
        *state = Half::Here(here);
    }
    Ok(result)
}

impl WebSocket {
    pub(crate) fn new(
        response: Py<StartResponse>,
        subprotocols: Vec<String>,
        pool: Arc<Pool>,
    ) -> Self {
        Self {
            response,
            subprotocols,
            receiver: Mutex::new(Half::Offered),
            sender: Mutex::new(Half::Offered),
            pool,
        }
    }

    /// Ends the session as the application has returned; `None` where it never began.
    pub(crate) fn finish(&self) -> Option<rwgi::Finished> {
        drop(std::mem::replace(&mut *lock(&self.receiver), Half::Over));
        match std::mem::replace(&mut *lock(&self.sender), Half::Over) {
            Half::Here(sender) => Some(sender.finish()),
            _ => None,
        }
    }

    fn is_accepted(&self) -> bool {
        !matches!(*lock(&self.sender), Half::Offered)
    }

    fn end(&self) -> Option<Closed> {
        match &*lock(&self.receiver) {
            Half::Here(receiver) => receiver.closed(),
            _ => None,
        }
    }
}

#[pymethods]
impl WebSocket {
    /// Accepts the WebSocket: with one of the `subprotocols`, further headers, and a limit on the size of a message.
    #[pyo3(signature = (subprotocol = None, headers = Vec::new(), max_size = None))]
    fn accept(
        &self,
        subprotocol: Option<String>,
        headers: Vec<(String, String)>,
        max_size: Option<usize>,
    ) -> PyResult<()> {
        let refused = |error: rwgi::Error| PyValueError::new_err(error.to_string());
        let mut acceptance = Acceptance::new();
        if let Some(name) = subprotocol {
            if !self.subprotocols.contains(&name) {
                return Err(PyValueError::new_err(format!(
                    "the client does not offer the subprotocol {name:?}"
                )));
            }
            acceptance = acceptance.subprotocol(name);
        }
        for (name, value) in headers {
            acceptance = acceptance.field(name.as_str(), value.as_str());
        }
        if let Some(size) = max_size {
            acceptance = acceptance.message_limit(size);
        }
        let Some(token) = self.response.get().take_for_session() else {
            return Err(PyRuntimeError::new_err("the request has its answer already"));
        };
        let (receiver, sender) = token.accept(acceptance).map_err(refused)?.split();
        *lock(&self.receiver) = Half::Here(receiver);
        *lock(&self.sender) = Half::Here(sender);
        Ok(())
    }

    /// The next message, `str` or `bytes`; None where the WebSocket is closed.
    ///
    /// Raises TimeoutError where none comes within `timeout` seconds.
    #[pyo3(signature = (timeout = None))]
    fn receive<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let patience = match timeout {
            Some(seconds) => Some(
                Duration::try_from_secs_f64(seconds)
                    .map_err(|error| PyValueError::new_err(error.to_string()))?,
            ),
            None => None,
        };
        let received = with(&self.receiver, |receiver| {
            if let Poll::Ready(message) =
                receiver.poll_recv(&mut Context::from_waker(Waker::noop()))
            {
                return Some(message);
            }
            self.pool.wait(py, || block_on_for(receiver.recv(), patience))
        })?;
        match received {
            None => Err(PyTimeoutError::new_err("no message came in time")),
            Some(Err(_)) => Ok(None),
            Some(Ok(message)) => Ok(Some(value(py, message))),
        }
    }

    /// The next message if it is there already, and None otherwise.
    fn receive_nowait<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let received = with(&self.receiver, |receiver| receiver.try_recv())?;
        Ok(received.ok().flatten().map(|message| value(py, message)))
    }

    /// Sends a message: text for `str`, binary for `bytes`.
    fn send(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<()> {
        let message = if let Ok(text) = message.cast::<PyString>() {
            Message::from(text.to_str()?.to_owned())
        } else if let Ok(bytes) = message.cast::<PyBytes>() {
            Message::from(Bytes::copy_from_slice(bytes.as_bytes()))
        } else {
            return Err(PyTypeError::new_err(format!(
                "a message must be str or bytes, not {}",
                kind(message)
            )));
        };
        let sent = with(&self.sender, |sender| {
            self.pool.wait(py, || pollster::block_on(sender.send(message)))
        })?;
        sent.map_err(|closed| {
            PyConnectionError::new_err(format!("the WebSocket is closed ({})", closed.code))
        })
    }

    /// Closes, with a code and a reason.
    #[pyo3(signature = (code = 1000, reason = String::new()))]
    fn close(&self, py: Python<'_>, code: u16, reason: String) -> PyResult<()> {
        let Some(code) = CloseCode::new(code) else {
            return Err(PyValueError::new_err(format!(
                "{code} is no code that a WebSocket is closed with"
            )));
        };
        // Closed already is closed.
        with(&self.sender, |sender| {
            self.pool.wait(py, || pollster::block_on(sender.close(code, reason))).is_ok()
        })?;
        Ok(())
    }

    /// How many messages are there already.
    fn pending(&self) -> usize {
        match &*lock(&self.receiver) {
            Half::Here(receiver) => receiver.waiting(),
            _ => 0,
        }
    }

    /// Whether it was accepted.
    #[getter]
    fn accepted(&self) -> bool {
        self.is_accepted()
    }

    /// Whether it is closed.
    #[getter]
    fn closed(&self) -> bool {
        matches!(*lock(&self.sender), Half::Over) || self.end().is_some()
    }

    /// The code it was closed with; None while it is open.
    #[getter]
    fn close_code(&self) -> Option<u16> {
        self.end().map(|closed| closed.code)
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.receive(py, None)
    }
}

fn value(py: Python<'_>, message: Message) -> Bound<'_, PyAny> {
    match message.as_text() {
        Some(text) => PyString::new(py, text).into_any(),
        None => PyBytes::new(py, message.as_bytes()).into_any(),
    }
}

/// Waits for a future on this thread, `patience` at most.
fn block_on_for<F: Future>(future: F, patience: Option<Duration>) -> Option<F::Output> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let Some(patience) = patience else { return Some(pollster::block_on(future)) };
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    // What is longer than the clock goes is no limit.
    let Some(end) = Instant::now().checked_add(patience) else {
        return Some(pollster::block_on(future));
    };
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}
