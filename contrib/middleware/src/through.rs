//! Running the inner application: the half of middleware that is a server.
//!
//! Rules of this room: nothing that the inner application may do is lost on the way. Its informational responses reach the
//! server, its future is dropped with ours, and its failure comes back as a value.

use std::sync::{Arc, Mutex, PoisonError};

use http::Response;
use rwgi::{Application, Environ, Error, Exchange, ResponseBody, Result, StartResponse};

/// The middleware's own token, still unused, and what the inner application gave.
pub(crate) struct Passed {
    pub(crate) start_response: StartResponse,
    pub(crate) answer: Result<Response<ResponseBody>>,
}

/// Runs `inner` until its head is committed, or it failed before.
///
/// # Errors
/// The token is lost, which the exchange rules out; the inner application's errors are in [`Passed::answer`].
pub(crate) async fn run<A: Application>(
    inner: &Arc<A>,
    environ: Environ,
    start_response: StartResponse,
) -> Result<Passed> {
    let informs = environ.capabilities().informational;
    let exchange = Exchange::new(Arc::clone(inner), environ);
    if !informs {
        return Ok(Passed { start_response, answer: exchange.await });
    }
    // Shared for as long as the inner application may inform, which ends with its head.
    let token = Arc::new(Mutex::new(Some(start_response)));
    let sink = Arc::clone(&token);
    let answer = exchange
        .on_informational(move |status, fields| {
            let mut token = sink.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(token) = token.as_mut() {
                // The server declared that it can; where it cannot after all, the final response is not worse for it.
                let _ = token.inform(status, fields);
            }
        })
        .await;
    let start_response = token.lock().unwrap_or_else(PoisonError::into_inner).take();
    match start_response {
        Some(start_response) => Ok(Passed { start_response, answer }),
        None => Err(Error::server("middleware lost its own `StartResponse`")),
    }
}
