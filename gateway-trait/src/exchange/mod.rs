//! The exchange: the server's half of one request and its response.
//!
//! Rules of this room: the application's future is polled by whoever polls the response, first the head, then the
//! content; nothing is spawned and nothing is queued. Not polled is backpressure, dropped is cancellation.

mod body;
mod call;
pub(crate) mod outcome;
pub(crate) mod phase;
mod piece;
mod pull;
mod response;
pub(crate) mod slot;
mod stream;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::response::Parts;
use http::{HeaderMap, Method, Response, StatusCode};

pub use self::body::ResponseBody;
pub(crate) use self::call::{ApplicationFuture, drop_quietly, poll_application};
use self::outcome::Completion;
pub use self::outcome::{Outcome, OutcomeKind};
use self::phase::Event;
use self::response::{failed, head_of_stream, session, take_session, whole};
use self::slot::Slot;
pub(crate) use self::slot::own;
use crate::{Application, Environ, Result, SharedApplication, StartResponse};

/// One call of an application, driven: a future of its response, whose body goes on driving it.
///
/// Servers and middleware use it alike: middleware is an application to the server and a server to the application
/// inside, and sees a head and a body that cannot be bypassed.
///
/// # Errors
/// The application failed, or panicked (REQ-ERR-05), before its head was committed. Afterwards a failure is an error of the
/// [`ResponseBody`].
///
/// # Panics
/// When polled again after it was ready, as any future.
///
/// # Cancel safety
/// Dropping the exchange, or later the body, drops the application's future at its current await and tells every
/// [`on_complete`](StartResponse::on_complete) callback (REQ-EXCH-08, REQ-EXCH-12).
///
/// ```
/// # pollster::block_on(async {
/// use std::sync::Arc;
/// use http::StatusCode;
/// use rwgi::{Environ, Exchange, StartResponse};
///
/// let hello = |_: Environ, start: StartResponse| async move {
///     start.respond(StatusCode::OK, (), "Hello")
/// };
/// let response = Exchange::new(Arc::new(hello), Environ::builder().build()?).await?;
/// assert_eq!(response.status(), 200);
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[must_use = "an exchange does nothing until it is polled"]
pub struct Exchange {
    running: Option<Running>,
}

struct Running {
    future: ApplicationFuture,
    slot: Arc<Slot>,
    /// Pending before: the slot has to hear that this half looks again.
    parked: bool,
}

impl Exchange {
    /// Calls `application` with `environ`; nothing runs before the first poll. What the application can do is what the environ's
    /// [`capabilities`](Environ::capabilities) say.
    #[inline]
    pub fn new<A: Application>(application: Arc<A>, environ: Environ) -> Self {
        // An application whose type is hidden begins where its type is known: its future has a place there, and needs no box inside of it.
        let environ = match (&application as &dyn Any).downcast_ref::<Arc<SharedApplication>>() {
            None => environ,
            Some(shared) => match shared.exchange(environ) {
                Ok(exchange) => return exchange,
                Err(environ) => environ,
            },
        };
        let slot = Slot::new(environ.method() == Method::HEAD, *environ.capabilities());
        if let Some(offer) = environ.share_upgrade() {
            slot.lock().offer = Some(offer);
        }
        let start_response = StartResponse::new(Arc::clone(&slot));
        let future = call::begin(application, environ, start_response);
        Self { running: Some(Running { future, slot, parked: false }) }
    }

    /// Where informational responses go, in their order, on a server that has the capability (REQ-CAP-04). Without a sink `inform` fails
    /// (REQ-CAP-01).
    ///
    /// `sink` is called inside the application's call of `inform`, and must not block.
    pub fn on_informational(
        self,
        sink: impl FnMut(StatusCode, HeaderMap) + Send + 'static,
    ) -> Self {
        if let Some(running) = &self.running {
            running.slot.lock().informational = Some(Box::new(sink));
        }
        self
    }

    /// Lets the informational responses of this exchange go where those of `outer` go.
    ///
    /// For middleware: the environ that it hands on declares the capability `informational` where the server has it, and without
    /// this the inner application's `inform` would fail all the same (REQ-MID-06).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rwgi::{Application, Environ, Exchange, Finished, Result, StartResponse};
    ///
    /// struct Through<A>(Arc<A>);
    ///
    /// impl<A: Application> Application for Through<A> {
    ///     async fn call(&self, environ: Environ, start: StartResponse) -> Result<Finished> {
    ///         let inner = Exchange::new(Arc::clone(&self.0), environ).inform_through(&start);
    ///         start.forward(inner.await?)
    ///     }
    /// }
    /// # let _ = Through(Arc::new(|_: Environ, start: StartResponse| async move { start.respond(http::StatusCode::OK, (), "") }));
    /// ```
    pub fn inform_through(self, outer: &StartResponse) -> Self {
        let outer = Arc::clone(outer.slot());
        if outer.lock().informational.is_none() {
            return self;
        }
        self.on_informational(move |status, fields| {
            outer.inform(status, fields);
        })
    }

    /// [`poll`](Future::poll) for a server, which makes something of its own of head and body, or of the error: a response is large,
    /// and each stop on its way costs as much as a field.
    ///
    /// # Panics
    /// When polled again after it was ready, as any future.
    #[inline]
    pub fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        make: impl FnOnce(Result<(Parts, ResponseBody)>) -> T,
    ) -> Poll<T> {
        let running = self.running.as_mut().expect("an exchange is not polled after it was ready");
        if running.parked {
            running.slot.begin_poll();
        }
        let result = match poll_application(&mut running.future, cx) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => {
                let mut state = running.slot.lock();
                if !state.phase.is_committed() {
                    state.park_body(&running.slot, cx);
                    running.parked = true;
                    return Poll::Pending;
                }
                None
            }
        };
        let Running { future, mut slot, .. } =
            self.running.take().expect("the exchange was running a moment ago");
        let response = match result.map(|result| own(result, &slot)) {
            None => head_of_stream(future, slot),
            Some(Ok(())) => {
                let plain = Slot::return_plain(&mut slot);
                call::end(future);
                if let Some((head, data)) = plain {
                    Slot::keep(slot);
                    let body = ResponseBody::whole(data, Completion::default());
                    return Poll::Ready(make(Ok((head.into_parts(), body))));
                }
                whole(slot)
            }
            Some(Err(error)) => {
                drop_quietly(future);
                if let Some(begun) = take_session(&slot) {
                    slot.close(Event::Fail);
                    session(begun, None, slot, Some(Err(error)))
                } else {
                    failed(slot, error)
                }
            }
        };
        Poll::Ready(make(response.map(Response::into_parts)))
    }

    #[cold]
    fn cancel(&mut self) {
        let Some(Running { future, slot, .. }) = self.running.take() else { return };
        slot.close(Event::Cancel);
        drop_quietly(future);
        let callbacks = std::mem::take(&mut slot.lock().callbacks);
        drop(Completion::new(callbacks, None));
    }
}

impl Future for Exchange {
    type Output = Result<Response<ResponseBody>>;

    /// # Panics
    /// When polled again after it was ready, as any future.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_with(cx, |outcome| outcome.map(|(head, body)| Response::from_parts(head, body)))
    }
}

impl Drop for Exchange {
    #[inline]
    fn drop(&mut self) {
        if self.running.is_some() {
            self.cancel();
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = self.running.as_ref().map(|running| running.slot.lock().phase);
        f.debug_struct("Exchange").field("phase", &phase).finish_non_exhaustive()
    }
}
