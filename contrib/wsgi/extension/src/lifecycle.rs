//! What a process that is one of several does at its beginning and its end.
//!
//! Rules of this room: it counts and tells, around the application, and changes no request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use rwgi::{Application, Environ, Finished, Result, ServerInfo, StartResponse};

/// An application that tells when it is about to be served, and when it has answered enough.
#[derive(Debug)]
pub(crate) struct Lifecycle<A> {
    pub(crate) inner: A,
    /// Called once, before the first request.
    pub(crate) ready: Option<Py<PyAny>>,
    /// After how many requests somebody is told, and who; 0 is never.
    pub(crate) most: u64,
    pub(crate) enough: Option<Arc<Py<PyAny>>>,
    pub(crate) taken: AtomicU64,
}

impl<A: Application> Application for Lifecycle<A> {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        // Counted where somebody wants to know: the count is one more cache line that threads share.
        if self.most > 0
            && self.taken.fetch_add(1, Ordering::Relaxed) + 1 == self.most
            && let Some(enough) = self.enough.clone()
        {
            tracing::info!("{} requests were taken: another process is asked for", self.most);
            // On a thread of its own: this one must not wait for the interpreter.
            std::thread::spawn(move || tell(&enough));
        }
        self.inner.call(environ, start_response).await
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await?;
        if let Some(ready) = &self.ready {
            tell(ready);
        }
        Ok(())
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

fn tell(callable: &Py<PyAny>) {
    if let Err(error) = Python::attach(|py| callable.call0(py).map(drop)) {
        tracing::error!(%error, "the parent process could not be told");
    }
}
