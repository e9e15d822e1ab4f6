//! A Python callable as an RWGI application.
//!
//! Rules of this room: the server's thread hands the request over and takes the answer; it never holds the interpreter, unless it is told to
//! call the application by itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::oneshot;
use http::Method;
use pyo3::prelude::*;
use rwgi::{Application, Environ, Error, Finished, Result, ServerInfo, StartResponse};

use crate::answer;
use crate::collect::{self, Room};
use crate::environ::Template;
use crate::inline::Turn;
use crate::input::WsgiInput;
use crate::pool::Pool;
use crate::request::{Hosted, Request, respond};

/// A WSGI application as an RWGI application; made by [`builder`](Self::builder).
///
/// Cheap to clone; clones share threads and queue. See the [crate](crate) for an example.
///
/// # Cancel safety
/// When the client leaves, the call is not interrupted: its iterable is not asked for more, and `close()` is called. A request that was
/// still in the queue is dropped unseen.
#[derive(Clone)]
pub struct WsgiApplication {
    hosted: Arc<Hosted>,
    room: Arc<Room>,
    whole: bool,
    inline: Option<Arc<Turn>>,
}

/// Settings of a [`WsgiApplication`].
#[derive(Debug)]
pub struct WsgiBuilder {
    callable: Py<PyAny>,
    threads: usize,
    queue: usize,
    sessions: usize,
    multiprocess: bool,
    whole: bool,
    inline: bool,
}

impl WsgiApplication {
    /// Hosts `callable`, with all settings still to be made.
    pub fn builder(callable: Py<PyAny>) -> WsgiBuilder {
        WsgiBuilder {
            callable,
            threads: 8,
            queue: 1024,
            sessions: 1000,
            multiprocess: false,
            whole: true,
            inline: false,
        }
    }

    /// Lets the threads end once the queue is empty and waits until they have, `patience` at most; gives how many have not.
    ///
    /// [`shutdown`](Application::shutdown) does the same; a thread that is still in the application after that is left alone.
    ///
    /// # Panics
    /// Never; but it waits for ever where the caller holds the GIL that those threads need.
    pub fn stop(&self, patience: Duration) -> usize {
        self.hosted.stop(patience)
    }
}

impl WsgiBuilder {
    /// How many threads run Python at most, besides those of [WebSockets](Self::sessions); 0 counts as 1.
    ///
    /// 8: with a GIL they only wait together, and a few views that wait for a database leave room for others. gunicorn: 1; waitress: 4;
    /// mod_wsgi: 15.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// How many requests wait for a thread at most, 0 counting as 1; beyond it the answer is 503.
    ///
    /// 1,024: some seconds of work for most applications, and longer no client waits. uWSGI: 100 connections, by the kernel's queue.
    #[must_use]
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue.max(1);
        self
    }

    /// How many WebSockets are open at once at most; beyond it the answer is 503. Each has a thread of its own, so that they hold up no
    /// request.
    ///
    /// 1,000: as many threads as a machine carries without a thought; who needs more needs an asynchronous application.
    #[must_use]
    pub fn sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions.max(1);
        self
    }

    /// What `wsgi.multiprocess` says: other processes serve the same application.
    ///
    /// Not by default: the server is one process, and only who starts several knows of the others.
    #[must_use]
    pub fn multiprocess(mut self, multiprocess: bool) -> Self {
        self.multiprocess = multiprocess;
        self
    }

    /// Whether content of unknown length (chunked) is given to the application as it comes, without CONTENT_LENGTH.
    ///
    /// Otherwise, and by default, it is collected first (in memory up to 1 MiB, then in a temporary file) and gets one: Django and most
    /// form parsers take a request without CONTENT_LENGTH for empty.
    #[must_use]
    pub fn stream_unknown_length(mut self, stream: bool) -> Self {
        self.whole = !stream;
        self
    }

    /// Whether the server's own thread calls the application, instead of one that waits for it.
    ///
    /// Not by default: a view that waits (for a database, for another service) holds up every connection of that server's thread. Where all views
    /// only compute, it saves two changes of threads for each request. What may wait for a client is left to the pool's threads as before: large
    /// and slow content of requests, responses that are no list, WebSockets. The server should have one thread, and one that Python knows.
    #[must_use]
    pub fn inline(mut self, inline: bool) -> Self {
        self.inline = inline;
        self
    }

    /// The application.
    ///
    /// # Errors
    /// The interpreter's own: `contextvars` cannot be imported, or no memory is left.
    pub fn build(self, py: Python<'_>) -> PyResult<WsgiApplication> {
        let pool = Arc::new(Pool::new(self.threads, self.queue));
        let nothing = Py::new(py, WsgiInput::nothing(Arc::clone(&pool)))?;
        let hosted = Hosted {
            template: Template::new(py, &nothing, self.multiprocess)?,
            copy_context: py.import("contextvars")?.getattr("copy_context")?.unbind(),
            pool,
            sessions: Arc::new(Pool::new(self.sessions, self.queue)),
            callable: self.callable,
        };
        Ok(WsgiApplication {
            hosted: Arc::new(hosted),
            room: Arc::default(),
            whole: self.whole,
            inline: self.inline.then(Arc::default),
        })
    }
}

/// What was answered, if anything was.
fn or_lost(answered: Option<Result<Finished>>) -> Result<Finished> {
    answered.unwrap_or_else(|| {
        Err(Error::server("a thread for Python ended in the middle of a request"))
    })
}

/// How long the end waits for threads that are still in the application after the last exchange has ended.
const PATIENCE: Duration = Duration::from_secs(5);

impl Application for WsgiApplication {
    async fn call(&self, mut environ: Environ, token: StartResponse) -> Result<Finished> {
        if *environ.method() == Method::CONNECT {
            return Err(Error::unsupported("upgrade"));
        }
        let source = collect::content(&mut environ, self.whole, &self.room).await?;
        let is_session = environ.websocket().is_some();
        let pool = if is_session { &self.hosted.sessions } else { &self.hosted.pool };
        let (answer, awaited) = answer::answer(Arc::clone(pool));
        if let Some(turn) = self.inline.as_ref().filter(|_| !is_session && source.is_here()) {
            turn.add(Request { environ, source, token, answer });
            return or_lost(turn.answered(&self.hosted, awaited).await);
        }
        let hosted = Arc::clone(&self.hosted);
        pool.push(Box::new(move |py| {
            if answer.is_abandoned() {
                // The client left while the request was waiting.
                return;
            }
            let request = Request { environ, source, token, answer };
            respond(py, &hosted, request, false);
        }))?;
        or_lost(awaited.await)
    }

    async fn shutdown(&self) {
        let (sender, receiver) = oneshot::channel();
        let hosted = Arc::clone(&self.hosted);
        let waits = std::thread::Builder::new().spawn(move || {
            let left = hosted.stop(PATIENCE);
            if left > 0 {
                tracing::warn!("{left} thread(s) are still in the application and are left there");
            }
            let _ = sender.send(());
        });
        if waits.is_ok() {
            // The thread that was just started always answers.
            let _ = receiver.await;
        }
    }

    async fn startup(&self, _: &ServerInfo) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for WsgiApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsgiApplication")
            .field("threads", &self.hosted.pool.threads())
            .finish_non_exhaustive()
    }
}
