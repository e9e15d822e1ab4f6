//! The exchange: the server's half of one request and its response.
//!
//! Rules of this room: the application's future is polled by whoever polls the response, first the head, then the
//! content; nothing is spawned and nothing is queued. Not polled is backpressure, dropped is cancellation.

mod body;
mod outcome;
pub(crate) mod phase;
pub(crate) mod slot;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

pub use self::body::ResponseBody;
use self::outcome::Completion;
pub use self::outcome::{Outcome, OutcomeKind};
use self::phase::Event;
use self::slot::{Slot, State, Whole};
use crate::{Application, Environ, Error, Finished, ResponseHead, Result, StartResponse};

type ApplicationFuture = Pin<Box<dyn Future<Output = Result<Finished>> + Send>>;

/// One call of an application, driven: a future of its response, whose body goes on driving it.
///
/// Servers and middleware use it alike: middleware is an application to the server and a server to the application
/// inside, and sees a head and a body that cannot be bypassed.
///
/// # Errors
/// The application failed before its head was committed. Afterwards a failure is an error of the [`ResponseBody`].
///
/// # Cancel safety
/// Dropping the exchange, or later the body, drops the application's future at its current await and tells every
/// [`on_complete`](StartResponse::on_complete) callback.
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
}

impl Exchange {
    /// Calls `application` with `environ`; nothing runs before the first poll.
    #[inline]
    pub fn new<A: Application>(application: Arc<A>, environ: Environ) -> Self {
        let slot = Slot::new(environ.method() == Method::HEAD);
        let start_response = StartResponse::new(Arc::clone(&slot));
        let future: ApplicationFuture =
            Box::pin(async move { application.call(environ, start_response).await });
        Self { running: Some(Running { future, slot }) }
    }

    /// Where informational responses go, on a server that has the capability.
    pub fn on_informational(
        self,
        sink: impl FnMut(StatusCode, HeaderMap) + Send + 'static,
    ) -> Self {
        if let Some(running) = &self.running {
            running.slot.lock().informational = Some(Box::new(sink));
        }
        self
    }
}

impl Future for Exchange {
    type Output = Result<Response<ResponseBody>>;

    /// # Panics
    /// When polled again after it was ready, as any future.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let running = self.running.as_mut().expect("an exchange is not polled after it was ready");
        let result = match poll_application(&mut running.future, cx) {
            Poll::Ready(result) => Some(own(result, &running.slot)),
            Poll::Pending => {
                let mut state = running.slot.lock();
                if !state.phase.is_committed() {
                    state.await_writer(cx);
                    return Poll::Pending;
                }
                None
            }
        };
        let Running { future, slot } =
            self.running.take().expect("the exchange was running a moment ago");
        Poll::Ready(match result {
            None => head_of_stream(future, slot),
            Some(Ok(())) => {
                drop_quietly(future);
                whole(slot)
            }
            Some(Err(error)) => {
                drop_quietly(future);
                failed(slot, error)
            }
        })
    }
}

impl Drop for Exchange {
    #[inline]
    fn drop(&mut self) {
        if let Some(Running { future, slot }) = self.running.take() {
            slot.close(Event::Cancel);
            drop_quietly(future);
            let callbacks = std::mem::take(&mut slot.lock().callbacks);
            drop(Completion::new(callbacks, None));
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = self.running.as_ref().map(|running| running.slot.lock().phase);
        f.debug_struct("Exchange").field("phase", &phase).finish_non_exhaustive()
    }
}

/// Polls the application; a panic is an error of the application.
#[inline]
fn poll_application(
    future: &mut ApplicationFuture,
    cx: &mut Context<'_>,
) -> Poll<Result<Finished>> {
    match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Err(panicked(&*panic))),
    }
}

#[cold]
fn panicked(panic: &(dyn Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text");
    Error::application(format!("the application panicked: {message}"))
        .with_requirement("REQ-ERR-06")
}

/// Drops the application's future; its destructors may panic and that ends nothing else.
#[inline]
fn drop_quietly(future: ApplicationFuture) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
}

/// Checks that the application returned the `Finished` of this very exchange, and moves on.
#[inline]
fn own(result: Result<Finished>, slot: &Arc<Slot>) -> Result<()> {
    let finished = result?;
    if !finished.belongs_to(slot) {
        return Err(Error::application(
            "the application returned the `Finished` of another exchange than the one it was called for",
        )
        .with_requirement("REQ-APP-03"));
    }
    slot.lock().step(Event::ReturnFinished);
    Ok(())
}

/// The response of an application that returned before its head had to leave: one piece, exact length.
#[inline]
fn whole(slot: Arc<Slot>) -> Result<Response<ResponseBody>> {
    let mut state = slot.lock();
    let (head, mut completion) = take_head(&mut state)?;
    let bodyless = state.bodyless;
    let body = match state.whole.take() {
        _ if state.trailers.is_some() && !bodyless => {
            drop(state);
            return Ok(head.into_response(ResponseBody::stream(None, slot, completion)));
        }
        Some(Whole::Pull(body)) => {
            let expected = head.content_length().or_else(|| body.size_hint().exact());
            if bodyless {
                return Ok(without_content(head, expected, completion));
            }
            ResponseBody::pull(body, expected, completion)
        }
        Some(Whole::Inner(mut inner)) => {
            if bodyless {
                let expected = http_body::Body::size_hint(&inner).exact();
                inner.discharge();
                return Ok(without_content(head, expected, completion));
            }
            inner.join(&mut completion);
            inner
        }
        given => {
            let data = match given {
                Some(Whole::Bytes(data)) => data,
                _ => std::mem::take(&mut state.chunk),
            };
            if bodyless {
                let length = state.written;
                return Ok(without_content(head, Some(length), completion));
            }
            ResponseBody::whole(data, completion)
        }
    };
    Ok(head.into_response(body))
}

/// The response of HEAD, 204 and 304: `length` is what the content would have had.
fn without_content(
    mut head: ResponseHead,
    length: Option<u64>,
    mut completion: Completion,
) -> Response<ResponseBody> {
    if head.status() == StatusCode::NO_CONTENT {
        head.remove(&CONTENT_LENGTH);
    }
    let mut response = head.into_response(ResponseBody::empty());
    if let Some(length) = length
        && !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    completion.completed();
    response
}

/// The response of an application that has committed its head and goes on.
fn head_of_stream(future: ApplicationFuture, slot: Arc<Slot>) -> Result<Response<ResponseBody>> {
    let mut state = slot.lock();
    let (head, completion) = match take_head(&mut state) {
        Ok(taken) => taken,
        Err(error) => {
            drop(state);
            slot.close(Event::Cancel);
            drop_quietly(future);
            return Err(error);
        }
    };
    let bodyless = state.bodyless;
    drop(state);
    if bodyless {
        slot.close(Event::Discharge);
        drop_quietly(future);
        return Ok(without_content(head, None, completion));
    }
    Ok(head.into_response(ResponseBody::stream(Some(future), slot, completion)))
}

/// The end of an application that failed: an error for the server to answer, or a response that is cut.
#[cold]
fn failed(slot: Arc<Slot>, error: Error) -> Result<Response<ResponseBody>> {
    let mut state = slot.lock();
    let committed = state.phase.is_committed();
    state.step(Event::Fail);
    state.closed = true;
    if !committed {
        let callbacks = std::mem::take(&mut state.callbacks);
        drop(state);
        Completion::new(callbacks, Some(error.status())).failed(&error);
        return Err(error);
    }
    let (head, mut completion) = take_head(&mut state)?;
    let chunk = std::mem::take(&mut state.chunk);
    let bodyless = state.bodyless;
    drop(state);
    if bodyless {
        completion.failed(&error);
        return Ok(without_content(head, None, completion));
    }
    Ok(head.into_response(ResponseBody::cut(chunk, error, completion)))
}

/// Takes the head out for the server, after the hooks that middleware put on it, and the callbacks with it.
#[inline]
fn take_head(state: &mut State) -> Result<(ResponseHead, Completion)> {
    let callbacks = std::mem::take(&mut state.callbacks);
    let Some(mut head) = state.head.take() else {
        // The table lets a response be whole or committed only after its head was given.
        return Err(Error::server("a response without a head: the exchange's invariant is broken"));
    };
    if !state.hooks.is_empty()
        && let Err(error) = run_hooks(state, &mut head)
    {
        Completion::new(callbacks, Some(error.status())).failed(&error);
        return Err(error);
    }
    let completion = Completion::new(callbacks, Some(head.status()));
    Ok((head, completion))
}

#[cold]
fn run_hooks(state: &mut State, head: &mut ResponseHead) -> Result<()> {
    let declared = head.content_length();
    // The last registered is the innermost middleware's and runs first, as if each had wrapped the next.
    for hook in std::mem::take(&mut state.hooks).into_iter().rev() {
        hook(head)?;
    }
    if head.content_length() != declared {
        return Err(Error::application(
            "a head hook changed Content-Length: only middleware that holds the content can",
        )
        .with_requirement("REQ-MID-05"));
    }
    state.bodyless |= head.forbids_content();
    Ok(())
}
