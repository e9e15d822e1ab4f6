//! Applications called in memory: a request goes in, what a client would see comes out; no socket, no runtime.
//!
//! The call goes through the same [`Exchange`] that a server uses, so that commit, declared length, HEAD and
//! callbacks behave as they do on the wire. What is missing is HTTP itself: nothing is framed, Date and the Content-Length of a whole
//! answer are not added, and an error before the commit is an `Err` and not yet an error response. That all else is the same as over the
//! wire is shown by a test of the reference server, which asks both (`in_memory`).
//!
//! ```
//! use http::StatusCode;
//! use rwgi::{Environ, Finished, Result, StartResponse, testing};
//!
//! async fn greet(environ: Environ, start: StartResponse) -> Result<Finished> {
//!     let name = environ.query().ok_or_else(|| rwgi::Error::client(StatusCode::BAD_REQUEST, "no name"))?;
//!     start.respond(StatusCode::OK, [("content-type", "text/plain")], format!("Hello, {name}!"))
//! }
//!
//! let response = testing::run(&greet, Environ::builder().uri("/?Ann").build()?)?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.fields()["content-type"], "text/plain");
//! assert_eq!(response.text()?, "Hello, Ann!");
//!
//! let error = testing::run(&greet, Environ::builder().build()?).unwrap_err();
//! assert_eq!(error.status(), 400);
//! # Ok::<(), rwgi::Error>(())
//! ```

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::Body;

use crate::{
    Application, Capabilities, Environ, Error, Exchange, Outcome, ResponseBody, Result, ServerInfo,
    StartResponse,
};

/// The most content that [`call`] and [`run`] collect: 16 MiB.
pub const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// A server that can do everything that needs no socket, for [`EnvironBuilder::server`](crate::EnvironBuilder::server).
///
/// An environ that is built without one belongs to a server with no capability at all.
///
/// ```
/// let environ = rwgi::Environ::builder().server(rwgi::testing::server_info()).build()?;
/// assert!(environ.capabilities().response_trailers);
/// # Ok::<(), rwgi::Error>(())
/// ```
pub fn server_info() -> ServerInfo {
    let mut server = ServerInfo::new(concat!("rwgi-testing/", env!("CARGO_PKG_VERSION")));
    server.capabilities = Capabilities {
        informational: true,
        request_trailers: true,
        response_trailers: true,
        full_duplex: true,
        ..Capabilities::default()
    };
    server
}

/// What came back from an application.
#[derive(Debug)]
pub struct TestResponse {
    head: http::response::Parts,
    body: Bytes,
    trailers: Option<HeaderMap>,
    informational: Vec<(StatusCode, HeaderMap)>,
    aborted: Option<Error>,
    outcome: Option<Outcome>,
}

impl TestResponse {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The fields, as the application gave them and head hooks changed them.
    pub fn fields(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The content, without framing; where the response was aborted, what came before.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The content as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        Ok(std::str::from_utf8(&self.body)?)
    }

    /// The fields after the content; `None` where there were none.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// The informational responses that came before, in their order.
    pub fn informational(&self) -> &[(StatusCode, HeaderMap)] {
        &self.informational
    }

    /// Why the response was cut after its head had left; `None` for a whole one.
    pub fn aborted(&self) -> Option<&Error> {
        self.aborted.as_ref()
    }

    /// What `on_complete` is told.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }
}

/// Calls an application and collects its response, up to [`BODY_LIMIT`].
///
/// It runs wherever it is awaited. An application that is not `Clone` is given in an [`Arc`]. A panic of the application is caught, and an
/// error of it.
///
/// # Errors
/// The application failed before its head was committed ([`Error::status`] is the status of the error response that a
/// server would send), or the content is larger than the limit.
///
/// # Cancel safety
/// Dropping the call cancels the application, as a departure does.
pub async fn call<A: Application + Clone>(
    application: &A,
    environ: Environ,
) -> Result<TestResponse> {
    call_with_limit(application, environ, BODY_LIMIT).await
}

/// [`call`] with a limit of its own on the content, in bytes.
///
/// # Errors
/// As [`call`].
///
/// # Cancel safety
/// As [`call`].
pub async fn call_with_limit<A: Application + Clone>(
    application: &A,
    environ: Environ,
    limit: usize,
) -> Result<TestResponse> {
    let outcome = Arc::new(Mutex::new(None));
    let informational = Arc::new(Mutex::new(Vec::new()));
    let capable = environ.capabilities().informational;
    let mut exchange =
        Exchange::new(Arc::new(observed(application.clone(), Arc::clone(&outcome))), environ);
    if capable {
        let sent = Arc::clone(&informational);
        exchange =
            exchange.on_informational(move |status, fields| lock(&sent).push((status, fields)));
    }
    let (head, body) = exchange.await?.into_parts();
    let mut collected = BytesMut::new();
    let mut trailers = None;
    let aborted = collect(body, limit, &mut collected, &mut trailers).await?;
    let outcome = lock(&outcome).take();
    let informational = std::mem::take(&mut *lock(&informational));
    Ok(TestResponse { head, body: collected.freeze(), trailers, informational, aborted, outcome })
}

/// [`call`], waited for on this thread: for tests without a runtime.
///
/// An application that needs one (its timers, its sockets) is called by [`call`] inside of it. This blocks the thread, for ever where the
/// application waits for ever.
///
/// # Errors
/// As [`call`].
pub fn run<A: Application + Clone>(application: &A, environ: Environ) -> Result<TestResponse> {
    pollster::block_on(call(application, environ))
}

/// The application, with a callback that keeps the outcome.
fn observed<A: Application>(application: A, kept: Arc<Mutex<Option<Outcome>>>) -> impl Application {
    let application = Arc::new(application);
    move |environ: Environ, mut start_response: StartResponse| {
        let application = Arc::clone(&application);
        let kept = Arc::clone(&kept);
        start_response.on_complete(move |outcome| *lock(&kept) = Some(outcome.clone()));
        async move { application.call(environ, start_response).await }
    }
}

/// Reads the body; gives the error of one that was cut.
async fn collect(
    body: ResponseBody,
    limit: usize,
    collected: &mut BytesMut,
    trailers: &mut Option<HeaderMap>,
) -> Result<Option<Error>> {
    let mut body = pin!(body);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Ok(Some(error)),
        };
        match frame.into_data() {
            Ok(data) if collected.len() + data.len() > limit => {
                return Err(Error::application(format!(
                    "the response is larger than the {limit} bytes that the test collects"
                )));
            }
            Ok(data) => collected.extend_from_slice(&data),
            Err(frame) => *trailers = frame.into_trailers().ok(),
        }
    }
    Ok(None)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
