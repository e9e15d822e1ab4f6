//! The threads that run Python, and the queue in front of them.
//!
//! Rules of this room: a thread attaches to the interpreter once, so that what Python keeps by thread (Django's connections to its
//! database) lives as long as it does, and lets go only to wait; with a GIL one thread runs and the others are woken where it is blocked
//! and never where it computes, since more of them would only pass the GIL around; the queue is bounded, and who comes beyond it is told
//! at once; the lock is held for moves of values only, never while a thread waits for the interpreter.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use http::StatusCode;
use pyo3::prelude::*;
use rwgi::{Error, Result};

/// What a thread is given to do.
pub(crate) type Job = Box<dyn FnOnce(Python<'_>) + Send>;

/// How long nothing is begun before somebody looks whether the running threads are blocked.
///
/// 1 ms: longer than most requests that only compute, and shorter than a user notices.
const PATIENCE: Duration = Duration::from_millis(1);

/// How often a thread lets others run before it rests: what comes within that time is answered without a wake-up.
const YIELDS: u32 = 2;

/// Without a GIL threads do not wait for each other, and each job gets its thread at once.
const FREE_THREADED: bool = cfg!(Py_GIL_DISABLED);

/// Threads for Python, started when they are first needed.
#[derive(Debug)]
pub(crate) struct Pool {
    threads: usize,
    queue: usize,
    state: Mutex<State>,
    /// The watch waits for a queue, and the end of the pool for the end of its threads.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// Threads that rest; the last to rest is the first to be woken, its caches are warm.
    idle: Vec<Arc<Worker>>,
    busy: Vec<Arc<Worker>>,
    /// Threads that are busy and do not wait for a client.
    running: usize,
    started: usize,
    watched: bool,
    stopping: bool,
    /// Jobs that were begun: where this stands still, the running threads may be blocked.
    begun: u64,
}

struct Worker {
    thread: Thread,
    woken: AtomicBool,
    /// The kernel's name for the thread.
    id: AtomicU32,
}

thread_local! {
    /// Whether this thread is one of a pool's.
    static MINE: Cell<bool> = const { Cell::new(false) };
}

impl Pool {
    pub(crate) fn new(threads: usize, queue: usize) -> Self {
        let threads = threads.max(1);
        Self { threads, queue: queue.max(1), state: Mutex::default(), changed: Condvar::new() }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Gives a job to the threads.
    ///
    /// # Errors
    /// The queue is full, or the pool stops: 503, and the job is dropped.
    pub(crate) fn push(self: &Arc<Self>, job: Job) -> Result<()> {
        self.enqueue(job, self.queue)
    }

    /// [`push`](Self::push) for what ends a request: it has been let in already.
    pub(crate) fn push_last(self: &Arc<Self>, job: Job) {
        // A pool that has stopped has no thread for it any more.
        let _ = self.enqueue(job, usize::MAX);
    }

    fn enqueue(self: &Arc<Self>, job: Job, bound: usize) -> Result<()> {
        let mut state = self.lock();
        if state.stopping {
            return Err(refused("the threads for Python have stopped"));
        }
        if state.queue.len() >= bound {
            return Err(refused("all threads for Python are busy and the queue is full"));
        }
        state.queue.push_back(job);
        if state.running == 0 || FREE_THREADED {
            self.wake_one(state)
        } else {
            if !state.watched {
                self.watch(state)?;
            }
            Ok(())
        }
    }

    /// Wakes or starts a thread, if one may run.
    fn wake_one(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> Result<()> {
        if let Some(worker) = state.idle.pop() {
            state.running += 1;
            state.busy.push(Arc::clone(&worker));
            drop(state);
            worker.wake();
        } else if state.started < self.threads {
            state.started += 1;
            state.running += 1;
            drop(state);
            self.start()?;
        }
        Ok(())
    }

    fn start(self: &Arc<Self>) -> Result<()> {
        let pool = Arc::clone(self);
        let builder = std::thread::Builder::new().name("rwgi-python".to_owned());
        let Err(error) = builder.spawn(move || pool.work()) else { return Ok(()) };
        let mut state = self.lock();
        state.started -= 1;
        state.running -= 1;
        if state.started > 0 {
            // The threads that there are will come to it.
            return Ok(());
        }
        state.queue.clear();
        Err(refused("no thread for Python could be started").with_source(error))
    }

    fn work(self: Arc<Self>) {
        MINE.set(true);
        let worker = Arc::new(Worker {
            thread: std::thread::current(),
            woken: AtomicBool::new(false),
            id: AtomicU32::new(kernel_id()),
        });
        self.lock().busy.push(Arc::clone(&worker));
        Python::attach(|py| {
            loop {
                match self.next(&worker) {
                    Next::Job(job) => {
                        // Whatever it did, this thread has other requests to answer. The panic hook has told of it.
                        let _ = catch_unwind(AssertUnwindSafe(|| job(py)));
                    }
                    Next::Rest => py.detach(|| worker.rest()),
                    Next::End => break,
                }
            }
        });
        self.lock().started -= 1;
        self.changed.notify_all();
    }

    fn next(&self, worker: &Arc<Worker>) -> Next {
        for _ in 0..YIELDS {
            let mut state = self.lock();
            if let Some(job) = state.take() {
                return Next::Job(job);
            }
            if state.stopping || state.running > 1 {
                break;
            }
            drop(state);
            std::thread::yield_now();
        }
        let mut state = self.lock();
        if let Some(job) = state.take() {
            return Next::Job(job);
        }
        state.running -= 1;
        state.busy.retain(|other| !Arc::ptr_eq(other, worker));
        if state.stopping {
            return Next::End;
        }
        state.idle.push(Arc::clone(worker));
        Next::Rest
    }

    /// Runs `wait` without the interpreter; while it waits another thread may run.
    pub(crate) fn wait<T: Send>(
        self: &Arc<Self>,
        py: Python<'_>,
        wait: impl FnOnce() -> T + Send,
    ) -> T {
        if !MINE.get() {
            return py.detach(wait);
        }
        {
            let mut state = self.lock();
            state.running -= 1;
            if state.running == 0 && !state.queue.is_empty() {
                // A thread that cannot be started leaves the job to those that there are.
                let _ = self.wake_one(state);
            }
        }
        py.detach(|| {
            let _back = Back(self);
            wait()
        })
    }

    /// Sees to it that somebody looks whether the running threads are blocked.
    fn watch(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> Result<()> {
        state.watched = true;
        drop(state);
        let pool = Arc::clone(self);
        let builder = std::thread::Builder::new().name("rwgi-python-watch".to_owned());
        builder.spawn(move || pool.look()).map(drop).or_else(|error| {
            self.lock().watched = false;
            tracing::warn!(%error, "no thread could be started that watches the threads for Python");
            Ok(())
        })
    }

    /// Wakes another thread where nothing was begun for a while, although something waits, and no running thread computes; ends when
    /// nothing was queued for a while.
    fn look(self: Arc<Self>) {
        let (mut quiet, mut seen) = (0, 0);
        loop {
            std::thread::sleep(PATIENCE);
            let mut state = self.lock();
            quiet = if state.queue.is_empty() { quiet + 1 } else { 0 };
            if quiet > QUIET || state.stopping {
                state.watched = false;
                return;
            }
            let stands = !state.queue.is_empty() && state.begun == seen;
            seen = state.begun;
            if stands && !state.busy.iter().any(|worker| worker.computes()) {
                let _ = self.wake_one(state);
            }
        }
    }

    /// Lets the threads end once the queue is empty, and waits until they have, `patience` at most; gives how many have not.
    pub(crate) fn stop(&self, patience: Duration) -> usize {
        let mut state = self.lock();
        state.stopping = true;
        let idle = std::mem::take(&mut state.idle);
        state.running += idle.len();
        state.busy.extend(idle.iter().cloned());
        drop(state);
        idle.iter().for_each(|worker| worker.wake());
        let end = Instant::now() + patience;
        let mut state = self.lock();
        while state.started > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            (state, _) =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        state.started
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many looks at an empty queue end the watch.
const QUIET: u32 = 1000;

impl State {
    fn take(&mut self) -> Option<Job> {
        let job = self.queue.pop_front()?;
        self.begun += 1;
        Some(job)
    }
}

enum Next {
    Job(Job),
    Rest,
    End,
}

/// Counts a thread among the running again, also after a panic.
struct Back<'a>(&'a Pool);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.lock().running += 1;
    }
}

impl Worker {
    fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }

    fn rest(&self) {
        while !self.woken.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }

    /// Whether the kernel runs this thread, or would if it had a processor. Where the kernel does not say, it does not.
    fn computes(&self) -> bool {
        let id = self.id.load(Ordering::Relaxed);
        let Ok(stat) = std::fs::read_to_string(format!("/proc/self/task/{id}/stat")) else {
            return false;
        };
        // "id (name) state": a name may hold parentheses.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
    }
}

fn kernel_id() -> u32 {
    u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap_or_default()
}

fn refused(why: &'static str) -> Error {
    Error::server(why).with_status(StatusCode::SERVICE_UNAVAILABLE)
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("queue", &self.queue.len())
            .field("running", &self.running)
            .field("started", &self.started)
            .field("stopping", &self.stopping)
            .finish_non_exhaustive()
    }
}
