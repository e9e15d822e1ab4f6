//! ASGI's lifespan: the application is told of the start and the end, and answers.
//!
//! Rules of this room: failed, unsupported and complete are three things; the end is reached whatever the application says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_channel::oneshot;
use pyo3::intern;
use pyo3::prelude::*;
use rwgi::{Error, Result};

use super::event_loop::{EventLoop, lock};
use crate::traceback;

/// How a startup or a shutdown went.
pub(super) enum End {
    Complete,
    /// It failed, as the application says.
    Failed(Error),
    /// The application raised or returned without an answer; why.
    Unsupported(String),
}

/// What the bridge's Python half calls: how it went, what the application says to it, and how many tasks did not end.
#[pyclass(frozen, module = "rwgi", name = "Told")]
pub(super) struct Told {
    sender: Mutex<Option<oneshot::Sender<(String, String, usize)>>>,
}

#[pymethods]
impl Told {
    fn __call__(&self, how: String, message: String, left: usize) {
        if let Some(sender) = lock(&self.sender).take() {
            // Nobody waits where the start was given up.
            let _ = sender.send((how, message, left));
        }
    }
}

/// Lets a method of the bridge's `Host` begin, and waits until it tells.
async fn ask<F>(events: &Arc<EventLoop>, begin: F) -> Result<(String, String, usize)>
where
    F: FnOnce(&Bound<'_, PyAny>, Bound<'_, Told>) -> PyResult<()> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let host = Arc::clone(events);
    events.jobs().push(Box::new(move |py| {
        let told = Told { sender: Mutex::new(Some(sender)) };
        let begun = Bound::new(py, told).and_then(|told| begin(host.host(py), told));
        if let Err(raised) = begun {
            traceback::log(py, "the bridge", &raised);
        }
    }))?;
    receiver.await.map_err(|_| Error::server("the event loop ended before the lifespan did"))
}

/// The startup.
pub(super) async fn start(events: &Arc<EventLoop>) -> Result<End> {
    let (how, message, _) =
        ask(events, |host, told| host.call_method1(intern!(host.py(), "start"), (told,)).map(drop))
            .await?;
    Ok(match how.as_str() {
        "complete" => End::Complete,
        "failed" => End::Failed(failure("startup", &message)),
        _ => End::Unsupported(message),
    })
}

/// The end: what still runs, and then the shutdown; gives how many tasks had to be cancelled.
pub(super) async fn finish(events: &Arc<EventLoop>, patience: Duration) -> usize {
    let asked = ask(events, move |host, told| {
        let seconds = patience.as_secs_f64();
        host.call_method1(intern!(host.py(), "finish"), (seconds, told)).map(drop)
    });
    match asked.await {
        Ok((how, message, left)) => {
            if left > 0 {
                tracing::warn!(
                    "{left} task(s) of the application had not ended and were cancelled"
                );
            }
            if how == "failed" {
                tracing::error!("{}", failure("shutdown", &message).message());
            }
            left
        }
        Err(error) => {
            tracing::error!("{error}");
            0
        }
    }
}

/// One clear line, and below it what the application says, which often is a traceback.
fn failure(what: &str, message: &str) -> Error {
    let message = message.trim_end();
    let last = message.lines().last().unwrap_or("it does not say why");
    let below = if message.contains('\n') { format!("\n{message}") } else { String::new() };
    Error::application(format!("the application's {what} failed: {last}{below}"))
}
