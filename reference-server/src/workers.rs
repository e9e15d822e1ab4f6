//! The runtimes of single cores, where the server has them: each a thread of its own, to which clients are dealt in turn.
//!
//! Rules of this room: a connection stays with the runtime that it was dealt to; the threads end when nobody deals any more.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::{Error, Result};

/// One runtime for each core that this process may use.
#[derive(Debug)]
pub(crate) struct Workers {
    runtimes: Vec<Handle>,
    next: AtomicUsize,
    /// Their threads end when these go.
    _ends: Vec<oneshot::Sender<()>>,
}

impl Workers {
    /// Starts them.
    ///
    /// # Errors
    /// The system refuses a thread or a descriptor.
    pub(crate) fn start() -> Result<Self> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (mut runtimes, mut ends) = (Vec::new(), Vec::new());
        for number in 0..cores {
            let failed = |error| Error::runtime("the runtime of a core could not start", error);
            let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
            let (end, ended) = oneshot::channel::<()>();
            runtimes.push(runtime.handle().clone());
            ends.push(end);
            thread::Builder::new()
                .name(format!("rwgi-core-{number}"))
                .spawn(move || {
                    // Its sender says nothing: it goes.
                    let _ = runtime.block_on(ended);
                    // A blocking call that never returns must not keep the thread.
                    runtime.shutdown_background();
                })
                .map_err(failed)?;
        }
        Ok(Self { runtimes, next: AtomicUsize::new(0), _ends: ends })
    }

    /// Whose turn it is.
    pub(crate) fn next(&self) -> &Handle {
        &self.runtimes[self.next.fetch_add(1, Relaxed) % self.runtimes.len()]
    }
}
