//! The thread with asyncio's event loop, and the way to it from all other threads.
//!
//! Rules of this room: another thread leaves a job and writes one octet to a socket that the event loop watches, so that it needs no
//! interpreter for that; jobs run on the loop's thread, in the order in which they came; what one of them does harms no other.

use std::ffi::CString;
use std::fmt;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::time::Duration;

use http::StatusCode;
use pyo3::intern;
use pyo3::prelude::*;
use rwgi::{Error, Result};

use crate::traceback;

/// What the loop's thread is given to do.
pub(super) type Job = Box<dyn FnOnce(Python<'_>) + Send>;

/// The Python half of the bridge.
const BRIDGE: &str = include_str!("bridge.py");

/// An event loop that runs.
pub(super) struct EventLoop {
    jobs: Arc<Jobs>,
    /// `bridge.Host`.
    host: Arc<Py<PyAny>>,
    create_future: Py<PyAny>,
    ended: Arc<(Mutex<bool>, Condvar)>,
}

/// Jobs that wait for the loop.
pub(super) struct Jobs {
    queue: Mutex<Queue>,
    door: UnixStream,
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Job>,
    closed: bool,
}

impl EventLoop {
    /// Starts the loop of an application.
    ///
    /// # Errors
    /// asyncio cannot be imported; the system has no thread or socket left.
    pub(super) fn start(py: Python<'_>, application: &Py<PyAny>) -> PyResult<Self> {
        let source = CString::new(BRIDGE)?;
        let module = PyModule::from_code(py, &source, c"rwgi/bridge.py", c"rwgi_bridge")?;
        let host = module.getattr("Host")?.call1((application,))?;
        let create_future = host.getattr("create_future")?.unbind();
        let (door, inside) = UnixStream::pair()?;
        door.set_nonblocking(true)?;
        inside.set_nonblocking(true)?;
        let jobs = Arc::new(Jobs { queue: Mutex::default(), door });
        let descriptor = inside.as_raw_fd();
        let drain = Py::new(py, Drain { jobs: Arc::clone(&jobs), inside })?;
        let ended = Arc::new((Mutex::new(false), Condvar::new()));
        let host = Arc::new(host.unbind());
        let (its_host, its_jobs, its_end) =
            (Arc::clone(&host), Arc::clone(&jobs), Arc::clone(&ended));
        let run = move || {
            Python::attach(|py| {
                if let Err(raised) = its_host.call_method1(py, "run", (descriptor, drain)) {
                    let error = traceback::error(py, &raised);
                    tracing::error!("the event loop ended: {error:?}");
                }
                let left = its_jobs.close();
                drop(left);
            });
            *lock(&its_end.0) = true;
            its_end.1.notify_all();
        };
        std::thread::Builder::new().name("rwgi-asyncio".to_owned()).spawn(run)?;
        Ok(Self { jobs, host, create_future, ended })
    }

    /// The way to the loop.
    pub(super) fn jobs(&self) -> &Arc<Jobs> {
        &self.jobs
    }

    /// `bridge.Host`.
    pub(super) fn host<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.host.bind(py)
    }

    /// A future of asyncio.
    pub(super) fn future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.create_future.bind(py).call0()
    }

    /// Ends the loop and waits until its thread has ended, `patience` at most; whether it has.
    pub(super) fn stop(&self, patience: Duration) -> bool {
        self.tell_to_stop();
        let ended = lock(&self.ended.0);
        let (ended, _) = self
            .ended
            .1
            .wait_timeout_while(ended, patience, |ended| !*ended)
            .unwrap_or_else(PoisonError::into_inner);
        *ended
    }

    fn tell_to_stop(&self) {
        let host = Arc::clone(&self.host);
        // A loop that has ended takes no jobs.
        let _ = self.jobs.push(Box::new(move |py| {
            if let Err(raised) = host.call_method0(py, intern!(py, "stop")) {
                tracing::error!("the event loop cannot be stopped: {raised}");
            }
        }));
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        // The last of the application is gone, and with it everybody who could ask for something.
        self.tell_to_stop();
    }
}

impl Jobs {
    /// Gives a job to the loop.
    ///
    /// # Errors
    /// The loop has ended: 503, and the job is dropped.
    pub(super) fn push(&self, job: Job) -> Result<()> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Error::server("the event loop has stopped")
                .with_status(StatusCode::SERVICE_UNAVAILABLE));
        }
        queue.jobs.push(job);
        let first = queue.jobs.len() == 1;
        drop(queue);
        if first {
            // A socket that is full has woken the loop already.
            let _ = (&self.door).write(&[1]);
        }
        Ok(())
    }

    fn close(&self) -> Vec<Job> {
        let mut queue = self.lock();
        queue.closed = true;
        std::mem::take(&mut queue.jobs)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

/// What the loop calls when there are jobs.
#[pyclass(frozen, module = "rwgi", name = "Drain")]
struct Drain {
    jobs: Arc<Jobs>,
    inside: UnixStream,
}

#[pymethods]
impl Drain {
    fn __call__(&self, py: Python<'_>) {
        let mut octets = [0; 64];
        while (&self.inside).read(&mut octets).is_ok_and(|read| read == octets.len()) {}
        let jobs = std::mem::take(&mut self.jobs.lock().jobs);
        for job in jobs {
            // The panic hook has told of it, and the others have nothing to do with it.
            let _ = catch_unwind(AssertUnwindSafe(|| job(py)));
        }
    }
}

/// A lock that is held for moves of values only, so that nobody can have left it in the middle of one.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Futures of asyncio that wait for something of the server's: a waker that makes the loop resolve them.
pub(super) struct Waiters {
    jobs: Arc<Jobs>,
    futures: Mutex<Vec<Py<PyAny>>>,
}

impl Waiters {
    pub(super) fn new(jobs: &Arc<Jobs>) -> Arc<Self> {
        Arc::new(Self { jobs: Arc::clone(jobs), futures: Mutex::default() })
    }

    /// Another one that waits.
    pub(super) fn add(&self, future: &Bound<'_, PyAny>) {
        let py = future.py();
        let mut waiting = std::mem::take(&mut *self.lock());
        if waiting.len() >= FEW {
            // Whoever looks again and again for a moment only leaves one that was cancelled each time.
            waiting.retain(|future| !is_done(future.bind(py)));
        }
        waiting.push(future.clone().unbind());
        self.lock().append(&mut waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Py<PyAny>>> {
        lock(&self.futures)
    }

    /// Lets all that wait look again; on the loop's thread.
    pub(super) fn resolve(&self, py: Python<'_>) {
        let futures = std::mem::take(&mut *self.lock());
        for future in futures {
            let future = future.bind(py);
            let resolve = || -> PyResult<()> {
                if !is_done(future) {
                    future.call_method1(intern!(py, "set_result"), (py.None(),))?;
                }
                Ok(())
            };
            if let Err(raised) = resolve() {
                tracing::error!("a future of the event loop cannot be resolved: {raised}");
            }
        }
    }
}

/// From how many on those that are done are looked for: one or two wait in any usual application.
const FEW: usize = 8;

fn is_done(future: &Bound<'_, PyAny>) -> bool {
    let done = future.call_method0(intern!(future.py(), "done"));
    done.and_then(|done| done.is_truthy()).unwrap_or(true)
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        let jobs = Arc::clone(&self.jobs);
        // After the end of the loop nobody waits.
        let _ = jobs.push(Box::new(move |py| self.resolve(py)));
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").finish_non_exhaustive()
    }
}
