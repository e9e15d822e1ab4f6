//! A limit on the time that an application takes.
//!
//! Rules of this room: it knows no clock and no runtime; whoever builds it says how to wait, in one argument.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use rwgi::{
    Application, Environ, Error, Finished, ResponseBody, Result, ServerInfo, StartResponse,
};

use crate::through;

/// Ends an exchange whose application takes too long.
///
/// Where no head was committed in time the answer is 504, and the application's future is dropped. The content has no limit, unless
/// [`whole`](Self::whole) extends the same time over it: what is not complete then is cut.
///
/// How to wait is the last argument, and so no runtime is prescribed: `tokio::time::sleep`, `async_io::Timer::after` in a closure, or what
/// else turns a [`Duration`] into a future.
///
/// ```
/// # use std::time::Duration;
/// # use http::StatusCode;
/// # use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{Client, Timeout};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let stuck = |_: Environ, start: StartResponse| async move {
///     tokio::time::sleep(Duration::from_secs(3600)).await;
///     start.respond(StatusCode::OK, (), "at last")
/// };
/// let client = Client::new(Timeout::new(stuck, Duration::from_secs(30), tokio::time::sleep));
/// assert_eq!(client.get("/").send().await?.status(), StatusCode::GATEWAY_TIMEOUT);
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
pub struct Timeout<A, S> {
    inner: Arc<A>,
    time: Duration,
    sleep: S,
    status: StatusCode,
    whole: bool,
}

impl<A, S, F> Timeout<A, S>
where
    A: Application,
    S: Fn(Duration) -> F + Send + Sync + 'static,
    F: Future + Send + 'static,
{
    /// Puts a limit on the time until the head of the response. It has no default: how long an application may take only its author knows.
    pub fn new(application: A, time: Duration, sleep: S) -> Self {
        let inner = Arc::new(application);
        Self { inner, time, sleep, status: StatusCode::GATEWAY_TIMEOUT, whole: false }
    }

    /// Another status than 504, which a gateway answers for who is behind it; 503 says that the service itself has no time.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Extends the limit over the content.
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.whole = true;
        self
    }
}

fn too_slow(time: Duration) -> Error {
    Error::application(format!("the application took longer than {time:?}"))
}

impl<A, S, F> Application for Timeout<A, S>
where
    A: Application,
    S: Fn(Duration) -> F + Send + Sync + 'static,
    F: Future + Send + 'static,
{
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let mut sleep: Sleep = Box::pin(forget((self.sleep)(self.time)));
        let passed = {
            let mut run = pin!(through::run(&self.inner, environ, start_response));
            std::future::poll_fn(|cx| {
                // The application first: an answer that is there in time is not refused for a timer that is early.
                if let Poll::Ready(passed) = run.as_mut().poll(cx) {
                    return Poll::Ready(passed);
                }
                sleep.as_mut().poll(cx).map(|()| Err(too_slow(self.time).with_status(self.status)))
            })
            .await?
        };
        let response = passed.answer?;
        if !self.whole || response.body().is_end_stream() {
            return passed.start_response.forward(response);
        }
        let time = self.time;
        passed.start_response.forward(response.map(|body| Timed { body, sleep: Some(sleep), time }))
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn forget(sleep: impl Future) {
    sleep.await;
}

/// Content that has to end in time.
struct Timed {
    body: ResponseBody,
    /// `None` once it is over.
    sleep: Option<Sleep>,
    time: Duration,
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let Some(sleep) = &mut self.sleep else { return Poll::Ready(None) };
        // The time first: an application that always has something ready would never be stopped.
        if sleep.as_mut().poll(cx).is_ready() {
            self.sleep = None;
            self.body = ResponseBody::empty();
            return Poll::Ready(Some(Err(too_slow(self.time))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<A, S> fmt::Debug for Timeout<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("time", &self.time).finish_non_exhaustive()
    }
}
