//! The threads that run Python, and the queue in front of them.
//!
//! Rules of this room: a thread attaches to the interpreter once, so that what Python keeps by thread (Django's connections to its
//! database) lives as long as it does, and lets go only to wait; with a GIL one thread runs and the others are woken where it is blocked,
//! and not where it computes, since more of them would only pass the GIL around, unless it computes for so long that somebody else would
//! wait for it; the queue is bounded, and who comes beyond it is told
//! at once; the lock is held for moves of values only, never while a thread waits for the interpreter; the server's thread is woken once
//! for several short jobs that follow each other, and none of them is told more than a millisecond late.

mod watch;
mod worker;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::StatusCode;
use pyo3::prelude::*;
use rwgi::{Error, Result};

use self::worker::Worker;

/// What a thread is given to do.
pub(crate) type Job = Box<dyn FnOnce(Python<'_>) + Send>;

/// How often a thread lets others run before it rests: what comes within that time is answered without a wake-up.
const YIELDS: u32 = 2;

/// A job that takes less is a short one: waking the server's thread for each would cost about as much as the job.
///
/// 50 µs: a change of threads and back takes 5 to 10.
const SHORT: Duration = Duration::from_micros(50);

/// How many answers of short jobs are told together: a wake-up divided by 32 is little beside the job itself.
const HELD: usize = 32;

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
    /// Whether anybody is in [`State::held`].
    holds: AtomicBool,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// Threads that rest; the last to rest is the first to be woken, its caches are warm.
    idle: Vec<Arc<Worker>>,
    busy: Vec<Arc<Worker>>,
    /// Threads that are busy, do not wait for a client, and were not [set aside](Worker::is_counted).
    running: usize,
    started: usize,
    watched: bool,
    /// The watch takes its time: jobs are long.
    slow: bool,
    stopping: bool,
    /// Jobs that were begun: where this stands still, the running threads may be blocked.
    begun: u64,
    /// Who waits for answers that were given. The first to be woken wakes the others, from the server's own thread.
    held: Vec<Waker>,
    /// The first of them was woken, and has not yet come.
    told: bool,
}

thread_local! {
    /// This thread, where it is one of a pool's.
    static MINE: RefCell<Option<Arc<Worker>>> = const { RefCell::new(None) };
    /// When this thread began its job.
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

impl Pool {
    pub(crate) fn new(threads: usize, queue: usize) -> Self {
        let threads = threads.max(1);
        Self {
            threads,
            queue: queue.max(1),
            state: Mutex::default(),
            changed: Condvar::new(),
            holds: AtomicBool::new(false),
        }
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
            state.count(&worker);
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
        let worker = Arc::new(Worker::this());
        MINE.set(Some(Arc::clone(&worker)));
        self.lock().busy.push(Arc::clone(&worker));
        Python::attach(|py| {
            loop {
                match self.next(&worker) {
                    Next::Job(job) => {
                        SINCE.set(Some(Instant::now()));
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

    /// Wakes who waits for an answer that was given: at once, or together with the next ones where those come soon.
    pub(crate) fn wake_soon(&self, waiting: Waker) {
        let is_short = || SINCE.get().is_some_and(|since| since.elapsed() < SHORT);
        if FREE_THREADED || MINE.with_borrow(Option::is_none) || !is_short() {
            return waiting.wake();
        }
        let mut state = self.lock();
        // What comes next may be long: then the watch sees to those who wait.
        if !state.watched || state.slow {
            drop(state);
            return waiting.wake();
        }
        state.held.push(waiting);
        self.holds.store(true, Ordering::Release);
        if state.held.len() >= HELD || state.queue.is_empty() {
            Self::wake_first(state);
        }
    }

    /// Wakes all whose answers were given; for the server's thread, to which it costs next to nothing.
    pub(crate) fn wake_held(&self) {
        if self.holds.load(Ordering::Acquire) {
            self.wake_all(self.lock());
        }
    }

    fn wake_all(&self, mut state: MutexGuard<'_, State>) {
        let held = std::mem::take(&mut state.held);
        state.told = false;
        self.holds.store(false, Ordering::Release);
        drop(state);
        held.into_iter().for_each(Waker::wake);
    }

    /// Wakes one of those whose answers were given, who will wake the others. Should it be gone, the watch does.
    fn wake_first(mut state: MutexGuard<'_, State>) {
        if state.told {
            return;
        }
        let Some(first) = state.held.pop() else { return };
        state.told = true;
        drop(state);
        first.wake();
    }

    fn next(&self, worker: &Arc<Worker>) -> Next {
        for _ in 0..YIELDS {
            let mut state = self.lock();
            state.count(worker);
            if let Some(job) = state.take() {
                return Next::Job(job);
            }
            if state.stopping || state.running > 1 {
                break;
            }
            // Held for the sake of a job that told nobody.
            Self::wake_first(state);
            std::thread::yield_now();
        }
        let mut state = self.lock();
        if let Some(job) = state.take() {
            return Next::Job(job);
        }
        state.discount(worker);
        state.busy.retain(|other| !Arc::ptr_eq(other, worker));
        if state.stopping {
            // The watch may have ended.
            self.wake_all(state);
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
        let Some(worker) = mine() else { return py.detach(wait) };
        {
            let mut state = self.lock();
            state.discount(&worker);
            if state.running == 0 && !state.queue.is_empty() {
                // A thread that cannot be started leaves the job to those that there are.
                let _ = self.wake_one(state);
            }
        }
        Self::wake_first(self.lock());
        py.detach(|| {
            let _back = Back(self, &worker);
            wait()
        })
    }

    /// Lets the threads end once the queue is empty, and waits until they have, `patience` at most; gives how many have not.
    pub(crate) fn stop(&self, patience: Duration) -> usize {
        let mut state = self.lock();
        state.stopping = true;
        let idle = std::mem::take(&mut state.idle);
        idle.iter().for_each(|worker| state.count(worker));
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

/// Waits, without the interpreter, for what the server's thread is about to give: lets that run first, since a thread that rests and is woken
/// costs more than one that waits its turn.
pub(crate) fn patiently<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    for _ in 0..YIELDS {
        std::thread::yield_now();
        if let Poll::Ready(given) = poll(&mut Context::from_waker(Waker::noop())) {
            return given;
        }
    }
    pollster::block_on(poll_fn(poll))
}

fn mine() -> Option<Arc<Worker>> {
    MINE.with_borrow(Option::clone)
}

impl State {
    /// Counts a thread among the running, if it is not.
    fn count(&mut self, worker: &Worker) {
        if !worker.is_counted.load(Ordering::Relaxed) {
            worker.is_counted.store(true, Ordering::Relaxed);
            self.running += 1;
        }
    }

    /// Counts a thread among the running no more, if it is.
    fn discount(&mut self, worker: &Worker) {
        if worker.is_counted.load(Ordering::Relaxed) {
            worker.is_counted.store(false, Ordering::Relaxed);
            self.running -= 1;
        }
    }

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
struct Back<'a>(&'a Pool, &'a Worker);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.lock().count(self.1);
    }
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::task::Wake;

    use super::*;

    /// Who waits for an answer; tells when it is woken.
    struct Waiting(Mutex<Sender<usize>>, usize);

    impl Wake for Waiting {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().send(self.1).unwrap();
        }
    }

    fn pool() -> (Arc<Pool>, Sender<usize>, Receiver<usize>) {
        let (sender, receiver) = channel();
        (Arc::new(Pool::new(1, 1000)), sender, receiver)
    }

    fn answers(pool: &Arc<Pool>, told: &Sender<usize>, number: usize) -> Job {
        let (pool, waiting) = (Arc::clone(pool), Waiting(Mutex::new(told.clone()), number));
        Box::new(move |_| pool.wake_soon(Waker::from(Arc::new(waiting))))
    }

    /// Each of many short jobs is told, whether the server's thread helps or not.
    #[test]
    fn who_is_held_is_woken() {
        let (pool, told, receiver) = pool();
        for number in 0..500 {
            pool.push(answers(&pool, &told, number)).unwrap();
        }
        let mut seen: Vec<usize> = (0..500).map(|_| receiver.recv().unwrap()).collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..500));
        assert_eq!(pool.stop(Duration::from_secs(60)), 0);
    }

    /// A job that computes without end lets Python's other threads run now and then, and so does the pool.
    #[test]
    fn a_job_that_computes_for_long_holds_up_nobody() {
        let pool = Arc::new(Pool::new(2, 1000));
        let (told, receiver) = channel();
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let end = Instant::now() + Duration::from_secs(60);
        let begun = told.clone();
        let computes = move |py: Python<'_>| {
            begun.send(0).unwrap();
            while !seen.load(Ordering::Relaxed) && Instant::now() < end {
                // As the interpreter does every 5 ms.
                py.detach(std::hint::spin_loop);
            }
        };
        pool.push(Box::new(computes)).unwrap();
        assert_eq!(receiver.recv().unwrap(), 0);
        for number in 1..4 {
            let told = told.clone();
            pool.push(Box::new(move |_| told.send(number).unwrap())).unwrap();
            assert_eq!(receiver.recv().unwrap(), number);
            assert!(Instant::now() < end, "it waited for the end of the other one");
        }
        ended.store(true, Ordering::Relaxed);
        assert_eq!(pool.stop(Duration::from_secs(60)), 0);
        assert_eq!(pool.lock().running, 0);
    }

    /// An answer that was held for the sake of the next one does not wait for its end.
    #[test]
    fn who_is_held_does_not_wait_for_a_long_job() {
        let (pool, told, receiver) = pool();
        let (release, released) = channel::<()>();
        // All four are queued before the first of them is begun, so that there are some to be held.
        let inner = Arc::clone(&pool);
        let first = move |_: Python<'_>| {
            for number in 0..3 {
                inner.push(answers(&inner, &told, number)).unwrap();
            }
            // With the interpreter, which nobody needs in order to be told.
            inner.push(Box::new(move |_| released.recv().unwrap())).unwrap();
        };
        pool.push(Box::new(first)).unwrap();
        let mut seen: Vec<usize> = (0..3).map(|_| receiver.recv().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
        release.send(()).unwrap();
        assert_eq!(pool.stop(Duration::from_secs(60)), 0);
    }
}
