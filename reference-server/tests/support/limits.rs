//! What the tests of limits share: applications that never end or wait for leave, and whether a time has passed.
//!
//! Rules of this room: the clock is paused, so that a time is exact.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use rwgi::{Application, Environ, OutcomeKind, StartResponse};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::{Count, within};

pub const SECOND: Duration = Duration::from_secs(1);

/// Whether about this many seconds have passed.
pub fn assert_seconds(since: Instant, seconds: u64) {
    let passed = since.elapsed();
    let expected = SECOND * u32::try_from(seconds).unwrap();
    assert!(passed >= expected && passed < expected + SECOND, "{passed:?}, not {expected:?}");
}

/// Writes for ever, and tells how it ended.
pub fn endless() -> (impl Application, mpsc::UnboundedReceiver<OutcomeKind>) {
    let (sender, ended) = mpsc::unbounded_channel();
    let application = move |_: Environ, mut start: StartResponse| {
        let sender = sender.clone();
        start.on_complete(move |outcome| {
            // The test may be over.
            let _ = sender.send(outcome.kind());
        });
        async move {
            let mut body = start.start(StatusCode::OK, ())?;
            loop {
                body.write(vec![b'x'; 10_000]).await?;
            }
        }
    };
    (application, ended)
}

/// Waits for a permit.
pub fn gated() -> (impl Application, Arc<Semaphore>, Count) {
    let (gate, count) = (Arc::new(Semaphore::new(0)), Count::default());
    let (inner, counted) = (Arc::clone(&gate), count.clone());
    let application = move |_: Environ, start: StartResponse| {
        counted.add();
        let gate = Arc::clone(&inner);
        async move {
            gate.acquire().await.unwrap().forget();
            start.respond(StatusCode::OK, (), "passed")
        }
    };
    (application, gate, count)
}
