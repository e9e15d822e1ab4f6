//! The lint's inner side: around the application's future.
//!
//! Rules of this room: a panic is noted and goes on; the time that a poll takes is measured; dropping the future is part of its life and
//! is watched too.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rwgi::{Application, Environ, Finished, Result, StartResponse};

use super::rules::{conduct, status};
use super::watch::Watch;

/// The application as the inner exchange calls it.
pub(crate) struct Probe<A> {
    pub(crate) inner: Arc<A>,
    pub(crate) watch: Arc<Watch>,
}

impl<A: Application> Application for Probe<A> {
    async fn call(&self, environ: Environ, mut start_response: StartResponse) -> Result<Finished> {
        let watch = Arc::clone(&self.watch);
        // Registered first, so run last: it sees the head that the exchange is about to take over.
        start_response.map_head(move |head| {
            status::check_given(head, &watch);
            Ok(())
        });
        let inner = Arc::clone(&self.inner);
        let future = async move { inner.call(environ, start_response).await };
        Watched { future: Some(Box::pin(future)), watch: Arc::clone(&self.watch) }.await
    }
}

struct Watched {
    future: Option<Pin<Box<dyn Future<Output = Result<Finished>> + Send>>>,
    watch: Arc<Watch>,
}

impl Future for Watched {
    type Output = Result<Finished>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(future) = this.future.as_mut() else { return Poll::Pending };
        let clock = &this.watch.shared.clock;
        let begin = clock();
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        if polled.is_ok() {
            // A panic has its own rule, and printing it takes the time that is measured here.
            conduct::check_poll(clock().saturating_sub(begin), &this.watch);
        }
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => {
                this.watch.returned(result.is_ok());
                Poll::Ready(result)
            }
            Err(panic) => {
                conduct::panicked(&*panic, &this.watch);
                this.watch.returned(false);
                resume_unwind(panic)
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(future) = self.future.take()
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future)))
        {
            conduct::panicked_in_drop(&*panic, &self.watch);
        }
    }
}
