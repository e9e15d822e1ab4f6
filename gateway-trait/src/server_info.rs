//! What a server says of itself: its name, its limits, what it can do, how it runs things that block.
//!
//! Rules of this room: plain facts, fixed before the first exchange and shared by all of them; what changes has a room of its own.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Endpoint, Result, Stopping};

/// Facts about the server, given to [`startup`](crate::Application::startup) and reachable from every environ.
///
/// ```
/// let info = rwgi::ServerInfo::new("my-server/1.0");
/// assert_eq!(info.software(), "my-server/1.0");
/// assert!(!info.capabilities().websocket);
/// ```
#[derive(Clone, Debug)]
pub struct ServerInfo {
    software: Cow<'static, str>,
    /// Where the server can be reached (REQ-LIFE-05).
    pub endpoints: Vec<Endpoint>,
    /// What an application may ask of this server.
    pub capabilities: Capabilities,
    /// What the server grants one exchange.
    pub limits: Limits,
    /// WSGI's `wsgi.multithread`: the application may be called again while a call is under way.
    pub concurrent: bool,
    /// WSGI's `wsgi.multiprocess`: other processes may serve the same application at the same time.
    pub multiprocess: bool,
    /// WSGI's `wsgi.run_once`: the process serves one exchange and ends (CGI).
    pub run_once: bool,
    /// Where [`Blocking`](crate::Blocking) runs; without one each call gets a thread of its own.
    pub blocking: Option<Arc<dyn BlockingExecutor>>,
    /// Tells when the server is told to stop (REQ-LIFE-14); the side that gives it is [`StopNotice`](crate::StopNotice).
    pub stopping: Stopping,
}

impl ServerInfo {
    /// A server of the given name and version (`"name/1.0"`), concurrent, in one process, with no capability.
    pub fn new(software: impl Into<Cow<'static, str>>) -> Self {
        Self {
            software: software.into(),
            endpoints: Vec::new(),
            capabilities: Capabilities::default(),
            limits: Limits::default(),
            concurrent: true,
            multiprocess: false,
            run_once: false,
            blocking: None,
            stopping: Stopping::default(),
        }
    }

    /// Name and version, as in CGI's `SERVER_SOFTWARE`.
    pub fn software(&self) -> &str {
        &self.software
    }

    /// What an application may ask of this server.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// What the server grants one exchange.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl Default for ServerInfo {
    fn default() -> Self {
        Self::new(concat!("rwgi/", env!("CARGO_PKG_VERSION")))
    }
}

/// What a server can do beyond the core of the contract (REQ-CAP-01): absent means the call that needs it fails.
///
/// An application asks before it uses one (REQ-CAP-03):
///
/// ```
/// use http::StatusCode;
/// use rwgi::{Environ, Finished, StartResponse};
///
/// async fn page(environ: Environ, mut start: StartResponse) -> rwgi::Result<Finished> {
///     if environ.capabilities().informational {
///         start.inform(StatusCode::EARLY_HINTS, [("link", "</style.css>; rel=preload; as=style")])?;
///     }
///     start.respond(StatusCode::OK, [("content-type", "text/html")], "<link rel=stylesheet href=/style.css>")
/// }
/// # let environ = Environ::builder().server(rwgi::testing::server_info()).build()?;
/// # assert_eq!(rwgi::testing::run(&page, environ)?.informational().len(), 1);
/// # Ok::<(), rwgi::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Speaks HTTP/2.
    pub http2: bool,
    /// Sends informational responses (1xx) that the application asks for (REQ-CAP-04).
    pub informational: bool,
    /// Delivers request trailers (REQ-INPUT-21).
    pub request_trailers: bool,
    /// Sends response trailers where the version of HTTP has them (REQ-BODY-18, REQ-BODY-19).
    pub response_trailers: bool,
    /// Request content can be read while the response is being written (REQ-INPUT-11).
    pub full_duplex: bool,
    /// Hands over the connection as a byte tunnel ([`StartResponse::upgrade`](crate::StartResponse::upgrade)).
    pub upgrade: bool,
    /// Hands its HTTP implementation's own upgrade through in the environ's extensions, and takes a 101 by `forward` from whoever took
    /// it: for bridges (REQ-UPG-07).
    pub forwarded_upgrade: bool,
    /// Accepts WebSocket handshakes ([`StartResponse::accept`](crate::StartResponse::accept)).
    pub websocket: bool,
    /// How soon the application's future is dropped when the client resets the connection or stream.
    pub departure: Departure,
}

impl Capabilities {
    /// The names of the capabilities that are present, as the specification spells them.
    ///
    /// ```
    /// let server = rwgi::testing::server_info();
    /// assert!(server.capabilities.names().any(|name| name == "full-duplex"));
    /// ```
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        [
            ("http2", self.http2),
            ("informational", self.informational),
            ("request-trailers", self.request_trailers),
            ("response-trailers", self.response_trailers),
            ("full-duplex", self.full_duplex),
            ("upgrade", self.upgrade),
            ("forwarded-upgrade", self.forwarded_upgrade),
            ("websocket", self.websocket),
            ("departure-prompt", self.departure == Departure::Prompt),
            ("departure-on-write", self.departure == Departure::OnWrite),
        ]
        .into_iter()
        .filter_map(|(name, present)| present.then_some(name))
    }
}

/// How soon a server notices that the client reset the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Departure {
    /// Within 100 ms, whatever the application is doing (REQ-CAP-07).
    Prompt,
    /// When the server next writes to the client (REQ-CAP-08).
    OnWrite,
    /// Not before the exchange ends.
    #[default]
    Unnoticed,
}

/// What a server grants one exchange; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The request head in bytes, request line and fields together.
    pub head_bytes: Option<usize>,
    /// Fields in the request head.
    pub head_fields: Option<usize>,
    /// The request target in bytes.
    pub target_bytes: Option<usize>,
    /// Request content in bytes, unless the application sets another limit on its input (REQ-ENV-20, REQ-INPUT-13).
    pub body_bytes: Option<u64>,
    /// The whole request head must have arrived within this time of its first byte.
    pub head_timeout: Option<Duration>,
    /// A connection without an exchange is closed after this time.
    pub idle_timeout: Option<Duration>,
    /// A WebSocket message in bytes, unless the application accepts with another limit.
    pub websocket_message_bytes: Option<usize>,
}

/// Runs jobs that block, on threads where that is allowed (REQ-APP-06).
///
/// ```
/// use rwgi::{BlockingExecutor, Error, Result, ServerInfo};
/// use std::sync::{Arc, mpsc};
///
/// /// One thread, and at most eight jobs that wait for it.
/// #[derive(Debug)]
/// struct OneThread(mpsc::SyncSender<Box<dyn FnOnce() + Send>>);
///
/// impl BlockingExecutor for OneThread {
///     fn execute(&self, job: Box<dyn FnOnce() + Send>) -> Result<()> {
///         self.0.try_send(job).map_err(|_| {
///             Error::server("too many blocking calls").with_status(http::StatusCode::SERVICE_UNAVAILABLE)
///         })
///     }
/// }
///
/// let (jobs, queue) = mpsc::sync_channel::<Box<dyn FnOnce() + Send>>(8);
/// std::thread::spawn(move || queue.into_iter().for_each(|job| job()));
/// let mut server = ServerInfo::new("my-server/1.0");
/// server.blocking = Some(Arc::new(OneThread(jobs)));
/// ```
pub trait BlockingExecutor: Send + Sync + fmt::Debug + 'static {
    /// Runs `job` on a thread that may block, soon; returns at once.
    ///
    /// # Errors
    /// The executor is full or stopping: the job was dropped without being run, and the error's status (503) is the answer.
    fn execute(&self, job: Box<dyn FnOnce() + Send>) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_promises_nothing_it_did_not_name() {
        let info = ServerInfo::default();
        assert_eq!(info.capabilities().names().count(), 0);
        let all = Capabilities { http2: true, departure: Departure::Prompt, ..Default::default() };
        assert_eq!(all.names().collect::<Vec<_>>(), ["http2", "departure-prompt"]);
    }
}
