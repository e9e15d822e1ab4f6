//! The application's future, in a box that is used again: made, polled and dropped.
//!
//! Rules of this room: a thread keeps the box of the call that ended last, empty, and the next call of the same application moves in; the
//! future is made in its place, for it may be large; a panic of the application ends nothing else.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::{Application, Environ, Error, Finished, Result, StartResponse};

/// A call of an application that is under way.
pub(crate) type ApplicationFuture = Pin<Box<dyn Call>>;

/// The place of an application's future.
pub(crate) trait Call: Send {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Finished>>;

    /// Drops the future, and leaves its place empty.
    fn clear(self: Pin<&mut Self>);

    /// Makes a future in the empty place, where `given` is an `Option<Given<A>>` of the same application, and takes that out then.
    fn fill(self: Pin<&mut Self>, given: &mut dyn Any) -> bool;
}

/// What an application is called with.
type Given<A> = (Arc<A>, Environ, StartResponse);

pin_project_lite::pin_project! {
    struct Place<A, M, F> {
        make: M,
        #[pin]
        future: Option<F>,
        application: PhantomData<fn(A)>,
    }
}

thread_local! {
    static SPARE: Cell<Option<ApplicationFuture>> = const { Cell::new(None) };
}

/// Calls an application; nothing runs before the first poll.
#[inline]
pub(super) fn begin<A: Application>(
    application: Arc<A>,
    environ: Environ,
    start_response: StartResponse,
) -> ApplicationFuture {
    let make = |(application, environ, start_response): Given<A>| async move {
        application.call(environ, start_response).await
    };
    let mut given = Some((application, environ, start_response));
    // Without a spare place, or one for another application, or in a thread that ends, a new one does.
    if let Some(mut spare) = SPARE.try_with(Cell::take).ok().flatten()
        && spare.as_mut().fill(&mut given)
    {
        return spare;
    }
    // Allocated first, so that the future is made where it stays.
    let room = Box::new_uninit();
    let place = Place { make, future: given.map(make), application: PhantomData };
    let place = Box::write(room, place);
    Box::into_pin(place)
}

/// Drops the future of a call that has returned, and keeps its place for the next one of this thread.
#[inline]
pub(super) fn end(mut call: ApplicationFuture) {
    // A destructor of the application's may panic, and that ends nothing else.
    let _ = catch_unwind(AssertUnwindSafe(|| call.as_mut().clear()));
    let _ = SPARE.try_with(|spare| spare.set(Some(call)));
}

impl<A, M, F> Call for Place<A, M, F>
where
    A: Application,
    M: Fn(Given<A>) -> F + Send,
    F: Future<Output = Result<Finished>> + Send,
{
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Finished>> {
        let future = self.project().future.as_pin_mut();
        future.expect("a place is empty only while it is spare").poll(cx)
    }

    fn clear(self: Pin<&mut Self>) {
        self.project().future.set(None);
    }

    fn fill(self: Pin<&mut Self>, given: &mut dyn Any) -> bool {
        let given = given.downcast_mut::<Option<Given<A>>>().and_then(Option::take);
        let Some(given) = given else { return false };
        let mut this = self.project();
        let future = (this.make)(given);
        this.future.set(Some(future));
        true
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
pub(super) fn panicked(who: &str, panic: &(dyn Any + Send)) -> Error {
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
