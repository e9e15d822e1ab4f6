//! Where blocking applications run: tokio's own threads for it, no more than configured.
//!
//! Rules of this room: a job waits for a thread, in order; it never runs on a thread that serves sockets.

use rwgi::{BlockingExecutor, Result};
use tokio::runtime::Handle;

/// Runs blocking calls on the runtime's blocking threads.
#[derive(Debug)]
pub(crate) struct BlockingThreads {
    runtime: Handle,
}

impl BlockingThreads {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime }
    }
}

impl BlockingExecutor for BlockingThreads {
    fn execute(&self, job: Box<dyn FnOnce() + Send>) -> Result<()> {
        drop(self.runtime.spawn_blocking(job));
        Ok(())
    }
}
