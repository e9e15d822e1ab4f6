//! The exchange: the server's half of one request and its response.
//!
//! Rules of this room: the application's future is polled by whoever polls the response, first the head, then the
//! content; nothing is spawned and nothing is queued. Not polled is backpressure, dropped is cancellation.

mod body;
mod call;
pub(crate) mod outcome;
pub(crate) mod phase;
mod pull;
pub(crate) mod slot;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, response};
use http_body::Body;

pub use self::body::ResponseBody;
pub(crate) use self::call::ApplicationFuture;
use self::outcome::Completion;
pub use self::outcome::{Outcome, OutcomeKind};
use self::phase::Event;
use self::slot::{HeadHook, Slot, Whole};
use crate::start_response::wrong_length;
use crate::upgrade::session::{self, Begun};
use crate::{
    Application, Environ, Error, Finished, ResponseHead, Result, SharedApplication, StartResponse,
};

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
        make: impl FnOnce(Result<(response::Parts, ResponseBody)>) -> T,
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
        if let Some(Running { future, slot, .. }) = self.running.take() {
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
pub(crate) fn poll_application(
    future: &mut ApplicationFuture,
    cx: &mut Context<'_>,
) -> Poll<Result<Finished>> {
    match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Err(panicked("the application", &*panic))),
    }
}

#[cold]
fn panicked(who: &str, panic: &(dyn Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text");
    Error::application(format!("{who} panicked: {message}")).with_requirement("REQ-APP-03")
}

/// Drops what an application made; its destructors may panic and that ends nothing else.
#[inline]
pub(crate) fn drop_quietly<T>(theirs: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(theirs)));
}

/// Checks that the application returned the `Finished` of this very exchange; the slot has still to hear of its return.
#[inline]
pub(crate) fn own(result: Result<Finished>, slot: &Arc<Slot>) -> Result<()> {
    if result?.belongs_to(slot) { Ok(()) } else { Err(anothers()) }
}

#[cold]
fn anothers() -> Error {
    Error::application(
        "the application returned the `Finished` of another exchange than the one it was called for",
    )
    .with_requirement("REQ-APP-02")
}

/// The response of an application that returned before its head had to leave: one piece, exact length.
fn whole(slot: Arc<Slot>) -> Result<Response<ResponseBody>> {
    if let Some(begun) = take_session(&slot) {
        return session(begun, None, slot, Some(Ok(())));
    }
    let (head, mut completion) = take_head(&slot)?;
    let mut state = slot.lock();
    let bodyless = state.bodyless;
    if state.trailers.is_some() && !bodyless {
        drop(state);
        return Ok(head.into_response(ResponseBody::stream(None, slot, completion)));
    }
    let given = state.whole.take();
    let chunk = state.chunk.take().unwrap_or_default();
    let written = state.written;
    drop(state);
    if bodyless {
        return Ok(discarded(given, written, head, completion));
    }
    let body = match given {
        Some(Whole::Pull(body, exact)) => {
            let expected = head.content_length().or(exact);
            ResponseBody::pull(body, expected, completion)
        }
        Some(Whole::Inner(mut inner)) => {
            inner.join(&mut completion, head.status());
            inner
        }
        given => {
            let data = if let Some(Whole::Bytes(data)) = given { data } else { chunk };
            let length = data.len() as u64;
            // Checked when it was given, unless the status had no content then and a hook gave it another.
            if let Some(declared) = head.content_length().filter(|declared| *declared != length) {
                return Err(completion.fail(wrong_length(declared, length)));
            }
            ResponseBody::whole(data, completion)
        }
    };
    Ok(head.into_response(body))
}

/// The response to HEAD, or of status 204 or 304, whose content was given all the same.
fn discarded(
    given: Option<Whole>,
    written: u64,
    head: ResponseHead,
    completion: Completion,
) -> Response<ResponseBody> {
    let length = match given {
        Some(Whole::Pull(body, exact)) => {
            drop_quietly(body);
            exact
        }
        Some(Whole::Inner(mut inner)) => {
            let exact = inner.size_hint().exact();
            inner.discharge();
            exact
        }
        Some(Whole::Bytes(_) | Whole::Session(_)) | None => Some(written),
    };
    without_content(head, length, completion)
}

/// The response of HEAD, 204 and 304: `length` is what the content would have had, as far as it was given.
fn without_content(
    mut head: ResponseHead,
    length: Option<u64>,
    mut completion: Completion,
) -> Response<ResponseBody> {
    if head.status() == StatusCode::NO_CONTENT {
        head.remove(&CONTENT_LENGTH);
    }
    let given = length.filter(|length| *length > 0 && !head.forbids_content());
    // What was declared without a field stands in one here, where no content tells it.
    let length = head.content_length().or(given);
    let mut response = head.into_response(ResponseBody::empty());
    if let Some(length) = length {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    completion.completed();
    response
}

/// What the application has begun, where it took the connection over.
#[inline]
fn take_session(slot: &Slot) -> Option<Begun> {
    let mut state = slot.lock();
    match state.whole.take() {
        Some(Whole::Session(begun)) => Some(begun),
        other => {
            state.whole = other;
            None
        }
    }
}

/// The response of an application that took the connection over: a head, and the session that follows it.
fn session(
    begun: Begun,
    future: Option<ApplicationFuture>,
    slot: Arc<Slot>,
    result: Option<Result<()>>,
) -> Result<Response<ResponseBody>> {
    let (head, completion) = take_head(&slot)?;
    if head.status() != StatusCode::SWITCHING_PROTOCOLS || head.content_length().is_some() {
        let error = Error::application(
            "a head hook changed what a 101 is: its status, or that it has no content",
        )
        .with_requirement("REQ-UPG-06");
        slot.close(Event::Fail);
        drop_quietly(future);
        return Err(completion.fail(error));
    }
    let ended = result.is_some();
    let running = session::Running::new(future, slot, result, completion);
    let session = begun.carry(running, ended);
    Ok(head.into_response(ResponseBody::session(session)))
}

/// The response of an application that has committed its head and goes on.
fn head_of_stream(future: ApplicationFuture, slot: Arc<Slot>) -> Result<Response<ResponseBody>> {
    if let Some(begun) = take_session(&slot) {
        return session(begun, Some(future), slot, None);
    }
    let taken = take_head(&slot).and_then(|(head, completion)| {
        let (fits, bodyless) = {
            let state = slot.lock();
            slot.end_poll();
            (state.check_fits(0), state.bodyless)
        };
        match fits {
            Err(error) => Err(completion.fail(error)),
            Ok(()) => Ok((head, completion, bodyless)),
        }
    });
    let (head, completion, bodyless) = match taken {
        Ok(taken) => taken,
        Err(error) => {
            slot.close(Event::Fail);
            drop_quietly(future);
            return Err(error);
        }
    };
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
    let committed = slot.lock().phase.is_committed();
    let chunk = slot.close(Event::Fail);
    if !committed {
        let callbacks = std::mem::take(&mut slot.lock().callbacks);
        return Err(Completion::new(callbacks, None).fail(error));
    }
    let (head, mut completion) = take_head(&slot)?;
    if slot.lock().bodyless {
        completion.failed(&error);
        return Ok(without_content(head, None, completion));
    }
    Ok(head.into_response(ResponseBody::cut(chunk, error, completion)))
}

/// Takes the head out for the server, after the hooks that middleware put on it, and the callbacks with it.
#[inline]
fn take_head(slot: &Slot) -> Result<(ResponseHead, Completion)> {
    let mut state = slot.lock();
    let callbacks = std::mem::take(&mut state.callbacks);
    let hooks = std::mem::take(&mut state.hooks);
    let head = state.head.take();
    drop(state);
    let Some(mut head) = head else {
        // The table lets a response be whole or committed only after its head was given.
        return Err(Completion::new(callbacks, None)
            .fail(Error::server("a response without a head: the exchange's invariant is broken")));
    };
    if !hooks.is_empty() {
        if let Err(error) = run_hooks(hooks, &mut head) {
            return Err(Completion::new(callbacks, None).fail(error));
        }
        let mut state = slot.lock();
        state.bodyless = state.is_bodyless_with(&head);
    }
    let completion = Completion::new(callbacks, Some(head.status()));
    Ok((head, completion))
}

#[cold]
fn run_hooks(hooks: Vec<HeadHook>, head: &mut ResponseHead) -> Result<()> {
    let declared = head.content_length();
    // The last registered is the innermost middleware's and runs first, as if each had wrapped the next.
    catch_unwind(AssertUnwindSafe(|| hooks.into_iter().rev().try_for_each(|hook| hook(head))))
        .unwrap_or_else(|panic| Err(panicked("a head hook", &*panic)))?;
    if head.content_length() != declared {
        return Err(Error::application(
            "a head hook changed Content-Length: only middleware that holds the content can",
        )
        .with_requirement("REQ-MID-09"));
    }
    Ok(())
}
