//! How a server that is told to stop tells its applications.
//!
//! Rules of this room: given once and never taken back; nobody who asks or waits is missed; it costs an exchange nothing that does not ask.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Whether the server was told to stop, for applications whose responses have no end of their own (REQ-LIFE-14, REQ-LIFE-15).
///
/// The server lets such a response go on for its period of grace and cuts it then (REQ-LIFE-10). Whoever asks can end it well:
///
/// ```
/// use std::future::poll_fn;
/// use std::pin::pin;
/// use std::task::Poll;
///
/// use http::StatusCode;
/// use rwgi::{Environ, Finished, Result, StartResponse};
/// # async fn next_event() -> String { std::future::pending().await }
///
/// async fn events(environ: Environ, start: StartResponse) -> Result<Finished> {
///     let mut body = start.start(StatusCode::OK, [("content-type", "text/event-stream")])?;
///     body.flush().await?;
///     loop {
///         // What `select!` of tokio or futures writes shorter: the next event, or the word to stop.
///         let (mut event, mut stopping) = (pin!(next_event()), environ.stopping().wait());
///         let next = poll_fn(|cx| match event.as_mut().poll(cx) {
///             Poll::Ready(event) => Poll::Ready(Some(event)),
///             Poll::Pending => std::pin::Pin::new(&mut stopping).poll(cx).map(|()| None),
///         });
///         match next.await {
///             Some(event) => body.write(format!("data: {event}\n\n")).await?,
///             None => {
///                 body.write("event: bye\ndata: the server restarts\n\n").await?;
///                 return body.finish();
///             }
///         }
///     }
/// }
/// # let notice = rwgi::StopNotice::new();
/// # let mut server = rwgi::testing::server_info();
/// # server.stopping = notice.stopping();
/// # notice.give();
/// # let environ = Environ::builder().server(server).build()?;
/// # assert_eq!(rwgi::testing::run(&events, environ)?.text()?, "event: bye\ndata: the server restarts\n\n");
/// # Ok::<(), rwgi::Error>(())
/// ```
///
/// Cheap to clone, and it may outlive exchange and server. The default is that of a server which tells nothing: never told to stop.
#[derive(Clone, Default)]
pub struct Stopping(Option<Arc<Shared>>);

/// The server's side of [`Stopping`]: one for all its exchanges, in its [`ServerInfo`](crate::ServerInfo).
///
/// ```
/// let notice = rwgi::StopNotice::new();
/// let mut server = rwgi::ServerInfo::new("my-server/1.0");
/// server.stopping = notice.stopping();
/// assert!(!server.stopping.is_stopping());
/// notice.give();
/// assert!(server.stopping.is_stopping());
/// ```
#[derive(Clone, Default)]
pub struct StopNotice(Arc<Shared>);

#[derive(Default)]
struct Shared {
    given: AtomicBool,
    waiting: Mutex<Waiting>,
    /// For threads that wait.
    told: Condvar,
}

#[derive(Default)]
struct Waiting {
    wakers: BTreeMap<u64, Waker>,
    next: u64,
}

impl Stopping {
    /// Whether the server was told to stop.
    #[inline]
    pub fn is_stopping(&self) -> bool {
        self.0.as_deref().is_some_and(Shared::is_given)
    }

    /// Ends when the server is told to stop, at once where it was already; never where it is not. Borrows nothing.
    ///
    /// # Cancel safety
    /// Whole: whoever waits again misses nothing.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + Sync + Unpin + use<> {
        Wait { shared: self.0.clone(), key: None }
    }

    /// Waits on this thread until the server is told to stop, for this long at most; gives whether it was. For code that
    /// [blocks](crate::BlockingApplication) and would sleep otherwise.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let environ = rwgi::Environ::builder().build()?;
    /// let tick = Duration::from_millis(1);
    /// assert!(!environ.stopping().wait_timeout(tick)); // nobody stops the server of a test
    /// # Ok::<(), rwgi::Error>(())
    /// ```
    pub fn wait_timeout(&self, time: Duration) -> bool {
        let Some(shared) = &self.0 else {
            std::thread::sleep(time);
            return false;
        };
        // Longer than a clock can say is for as long as it takes.
        let until = Instant::now().checked_add(time);
        let mut waiting = shared.lock();
        while !shared.is_given() {
            let left = until
                .map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            let woken = shared.told.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl StopNotice {
    /// A notice that was not given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What applications see of it.
    pub fn stopping(&self) -> Stopping {
        Stopping(Some(Arc::clone(&self.0)))
    }

    /// Tells all who ask or wait, now and later (REQ-LIFE-14); a second time changes nothing.
    pub fn give(&self) {
        let wakers = {
            let mut waiting = self.0.lock();
            self.0.given.store(true, Ordering::Release);
            std::mem::take(&mut waiting.wakers)
        };
        self.0.told.notify_all();
        wakers.into_values().for_each(Waker::wake);
    }
}

impl Shared {
    #[inline]
    fn is_given(&self) -> bool {
        self.given.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`Stopping::wait`].
struct Wait {
    shared: Option<Arc<Shared>>,
    /// Where the waker stands, once there is one.
    key: Option<u64>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let wait = &mut *self;
        let Some(shared) = &wait.shared else { return Poll::Pending };
        if shared.is_given() {
            return Poll::Ready(());
        }
        let mut waiting = shared.lock();
        // It is given under the lock: whoever does not see it here is among those who are woken.
        if shared.is_given() {
            return Poll::Ready(());
        }
        let key = *wait.key.get_or_insert_with(|| {
            waiting.next += 1;
            waiting.next
        });
        match waiting.wakers.get_mut(&key) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => drop(waiting.wakers.insert(key, cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let (Some(shared), Some(key)) = (&self.shared, self.key) {
            let waker = shared.lock().wakers.remove(&key);
            // Outside of the lock: what a waker does when it is dropped is not known here.
            drop(waker);
        }
    }
}

impl fmt::Debug for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stopping").field(&self.is_stopping()).finish()
    }
}

impl fmt::Debug for StopNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StopNotice").field(&self.0.is_given()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn whoever_waits_is_woken_and_whoever_has_left_is_forgotten() {
        let (count, gone) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let (waker, left) = (Waker::from(Arc::clone(&count)), Waker::from(Arc::clone(&gone)));
        let notice = StopNotice::new();
        let stopping = notice.stopping();
        let mut wait = pin!(stopping.wait());
        // Polled twice it waits once, with the waker that came last.
        assert!(wait.as_mut().poll(&mut Context::from_waker(&left)).is_pending());
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let mut other = Box::pin(stopping.wait());
        assert!(other.as_mut().poll(&mut Context::from_waker(&left)).is_pending());
        drop(other);
        assert_eq!(notice.0.lock().wakers.len(), 1);
        notice.give();
        notice.give();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(gone.0.load(Ordering::Relaxed), 0);
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        // And who comes later need not wait.
        assert!(stopping.is_stopping());
        assert!(pin!(stopping.wait()).poll(&mut Context::from_waker(&waker)).is_ready());
    }

    #[test]
    fn a_thread_that_waits_is_told_and_no_later_than_it_asked() {
        let notice = StopNotice::new();
        let stopping = notice.stopping();
        assert!(!stopping.wait_timeout(Duration::from_millis(1)));
        let waiting = std::thread::spawn(move || stopping.wait_timeout(Duration::MAX));
        notice.give();
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn a_server_that_tells_nothing_is_never_told_to_stop() {
        let stopping = Stopping::default();
        assert!(!stopping.is_stopping());
        assert!(!stopping.wait_timeout(Duration::ZERO));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(stopping.wait()).poll(&mut cx).is_pending());
    }
}
