//! An asynchronous Python callable ([ASGI 3](https://asgi.readthedocs.io/)) as an RWGI application.
//!
//! Rules of this room: one event loop on a thread of its own runs all of the application; the server's threads leave jobs there and never
//! hold the interpreter; each conversation ends by itself, whatever the application does.

mod departure;
mod event;
mod event_loop;
mod http;
mod lifespan;
mod scope;
mod websocket;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::http::Method;
use futures_channel::oneshot;
use pyo3::intern;
use pyo3::prelude::*;
use rwgi::{Application, Environ, Error, Finished, Result, ServerInfo, StartResponse};

use self::departure::{Departure, Signal};
use self::event_loop::{EventLoop, Waiters};
use self::http::HttpExchange;
use self::lifespan::End;
use self::websocket::WebSocketExchange;
use crate::traceback;

/// Where the server waits for the result of a call.
type Answer = oneshot::Sender<Result<Finished>>;

/// An ASGI application as an RWGI application; made by [`builder`](Self::builder).
///
/// Cheap to clone; clones share the event loop. [`startup`](Application::startup) and [`shutdown`](Application::shutdown) are ASGI's lifespan:
/// what the application says has failed stops the server, and an application that knows no lifespan is served without one.
///
/// ```
/// use pyo3::prelude::*;
/// use rwgi::{Environ, testing};
/// use rwgi_wsgi::AsgiApplication;
///
/// let application = Python::attach(|py| -> PyResult<_> {
///     let module = PyModule::from_code(py, c"
/// async def hello(scope, receive, send):
///     await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-type', b'text/plain')]})
///     await send({'type': 'http.response.body', 'body': b'Hello, World!'})
/// ", c"hello.py", c"hello")?;
///     AsgiApplication::builder(module.getattr("hello")?.unbind()).build(py)
/// })?;
/// let response = testing::run(&application, Environ::builder().build()?)?;
/// assert_eq!(response.text()?, "Hello, World!");
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
///
/// # Cancel safety
/// When the client leaves, the call goes on: `receive` gives `http.disconnect`, and `send` raises an `OSError`.
#[derive(Clone)]
pub struct AsgiApplication {
    events: Arc<EventLoop>,
    patience: Duration,
    /// Tasks that did not end by themselves: what they wait for may hold a thread.
    left: Arc<AtomicUsize>,
}

/// Settings of an [`AsgiApplication`].
#[derive(Debug)]
pub struct AsgiBuilder {
    callable: Py<PyAny>,
    patience: Duration,
}

impl AsgiApplication {
    /// Hosts `callable`, with all settings still to be made.
    pub fn builder(callable: Py<PyAny>) -> AsgiBuilder {
        AsgiBuilder { callable, patience: Duration::from_secs(30) }
    }

    /// Ends the event loop, and what still runs on it; gives how many threads may not have ended within `patience`.
    ///
    /// [`shutdown`](Application::shutdown) does the same after the lifespan.
    pub fn stop(&self, patience: Duration) -> usize {
        usize::from(!self.events.stop(patience)) + self.left.load(Ordering::Relaxed)
    }
}

impl AsgiBuilder {
    /// How long the end waits for what the application still does after its responses (background tasks), and for its lifespan's shutdown; what
    /// runs longer is cancelled.
    ///
    /// 30 s, as long as the server waits for its exchanges. uvicorn and hypercorn: without end, and 3 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The application; its event loop runs from now on.
    ///
    /// # Errors
    /// asyncio cannot be imported; the system has no thread or socket left.
    pub fn build(self, py: Python<'_>) -> PyResult<AsgiApplication> {
        let events = Arc::new(EventLoop::start(py, &self.callable)?);
        Ok(AsgiApplication { events, patience: self.patience, left: Arc::default() })
    }
}

/// How long the end waits for the loop's thread once nothing runs on it.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

impl Application for AsgiApplication {
    async fn call(&self, environ: Environ, token: StartResponse) -> Result<Finished> {
        if *environ.method() == Method::CONNECT && environ.websocket().is_none() {
            return Err(Error::unsupported("upgrade"));
        }
        let (sender, receiver) = oneshot::channel();
        let signal = Signal::new(&Waiters::new(self.events.jobs()));
        let departure = Departure::new(&signal);
        let events = Arc::clone(&self.events);
        self.events.jobs().push(Box::new(move |py| {
            if sender.is_canceled() {
                // The client left before the loop came to it.
                return;
            }
            begin(py, &events, signal, environ, token, sender);
        }))?;
        let result = receiver.await;
        departure.disarm();
        result.unwrap_or_else(|oneshot::Canceled| {
            Err(Error::server("the event loop ended in the middle of a request"))
        })
    }

    async fn startup(&self, _: &ServerInfo) -> Result<()> {
        match lifespan::start(&self.events).await? {
            End::Complete => Ok(()),
            End::Unsupported(why) => {
                tracing::info!("the application knows no lifespan ({why})");
                Ok(())
            }
            End::Failed(error) => Err(error),
        }
    }

    async fn shutdown(&self) {
        let left = lifespan::finish(&self.events, self.patience).await;
        self.left.store(left, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let events = Arc::clone(&self.events);
        let waits = std::thread::Builder::new().spawn(move || {
            if !events.stop(LAST_PATIENCE) {
                tracing::warn!("the event loop does not end and is left where it is");
            }
            let _ = sender.send(());
        });
        if waits.is_ok() {
            // The thread that was just started always answers.
            let _ = receiver.await;
        }
    }
}

/// Begins a conversation, on the loop's thread.
fn begin(
    py: Python<'_>,
    events: &Arc<EventLoop>,
    signal: Arc<Signal>,
    mut environ: Environ,
    token: StartResponse,
    answer: Answer,
) {
    let begun = scope::scope(py, &environ).and_then(|scope| {
        let exchange = if environ.websocket().is_some() {
            let exchange = WebSocketExchange::new(events, signal, token, answer);
            Bound::new(py, exchange)?.into_any()
        } else {
            let is_head = *environ.method() == Method::HEAD;
            let input = environ.take_input();
            let exchange = HttpExchange::new(events, signal, input, token, answer, is_head);
            Bound::new(py, exchange)?.into_any()
        };
        events.host(py).call_method1(intern!(py, "begin"), (scope, exchange))
    });
    // Its answer was dropped with it, and is 500.
    if let Err(raised) = begun {
        traceback::log(py, "the bridge", &raised);
    }
}

impl fmt::Debug for AsgiApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsgiApplication").finish_non_exhaustive()
    }
}
