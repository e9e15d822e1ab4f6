//! What is noted of each exchange, for counters, the access log and traces.
//!
//! Rules of this room: where nobody wants to know, an exchange pays one look; what is noted is noted where it happens and is told once, when the exchange
//! is over; nothing here changes what a client gets.

pub(crate) mod metrics;
mod request_id;
pub(crate) mod trace;

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri, Version};
use rwgi::{Connection, Endpoint, Environ, Error, Scheme};

use self::metrics::Metrics;
pub use self::request_id::RequestId;
pub use self::trace::TraceParent;
use crate::access_log::AccessLog;
use crate::development;

/// Who wants to know.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) metrics: Metrics,
    log: Option<AccessLog>,
    /// Somebody reads the counters.
    counts: bool,
    serving: AtomicBool,
    /// A developer is shown what failed.
    dev: bool,
}

impl Observer {
    pub(crate) fn new(counts: bool, dev: bool, log: Option<AccessLog>) -> Self {
        if dev {
            development::remember();
        }
        Self { metrics: Metrics::new(), log, counts, dev, serving: AtomicBool::new(false) }
    }

    /// The application has started, and clients are let in.
    pub(crate) fn serve(&self) {
        self.serving.store(true, Relaxed);
    }

    /// Whether clients have been let in.
    pub(crate) fn serves(&self) -> bool {
        self.serving.load(Relaxed)
    }

    /// Opens the access log anew, if there is one.
    pub(crate) fn reopen_log(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    pub(crate) fn log(&self) -> Option<&AccessLog> {
        self.log.as_ref()
    }

    /// An exchange begins; `None` where nobody wants to know.
    #[inline]
    pub(crate) fn begin(self: &Arc<Self>) -> Option<Box<Observation>> {
        if self.counts || self.dev || self.log.is_some() || trace::is_wanted() {
            Some(self.observe())
        } else {
            None
        }
    }

    fn observe(self: &Arc<Self>) -> Box<Observation> {
        self.metrics.begin();
        let begun = Instant::now();
        if let Some(mut spare) = SPARE.try_with(Cell::take).ok().flatten()
            && Arc::ptr_eq(&spare.observer, self)
        {
            spare.begun = begun;
            return spare;
        }
        Box::new(Observation {
            observer: Arc::clone(self),
            begun,
            status: None,
            bytes: 0,
            whole: false,
            details: None,
            span: None,
        })
    }

    /// A connection is open for as long as what this gives is kept.
    pub(crate) fn connection(self: &Arc<Self>) -> Open {
        self.metrics.accept();
        Open(Arc::clone(self))
    }

    /// A head was refused that no exchange was made of.
    pub(crate) fn refuse(&self, status: u16, connection: &Connection) {
        self.metrics.refuse(status);
        if let Some(log) = &self.log {
            let mut details = Details::unread(connection);
            details.status = status;
            details.whole = true;
            log.write(details);
        }
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Open(Arc<Observer>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.close();
    }
}

thread_local! {
    /// The box of the last exchange of which only numbers were noted, empty: the next one of the same server moves in.
    static SPARE: Cell<Option<Box<Observation>>> = const { Cell::new(None) };
}

/// What is noted of one exchange; [told](Observation::tell) when it is over.
#[derive(Debug)]
pub(crate) struct Observation {
    observer: Arc<Observer>,
    begun: Instant,
    status: Option<u16>,
    bytes: u64,
    whole: bool,
    details: Option<Box<Details>>,
    span: Option<tracing::Span>,
}

/// The status of an exchange whose client has left before there was a response; nginx's.
const CLIENT_CLOSED_REQUEST: u16 = 499;

impl Observation {
    /// Notes the request, where anybody reads more than numbers.
    #[inline]
    pub(crate) fn asked(&mut self, environ: &mut Environ, trusted: bool) {
        if self.observer.log.is_some() || self.observer.dev || trace::is_wanted() {
            self.note(environ, trusted);
        }
    }

    /// Notes a request that was refused.
    #[cold]
    pub(crate) fn refused(
        &mut self,
        method: &Method,
        uri: &Uri,
        version: Version,
        fields: &HeaderMap,
        connection: &Connection,
    ) {
        if self.observer.log.is_some() {
            let details =
                Details::new(method, uri, version, fields, connection, self.observer.log());
            self.details = Some(Box::new(details));
        }
    }

    #[cold]
    fn note(&mut self, environ: &mut Environ, trusted: bool) {
        let mut details = Details::new(
            environ.method(),
            environ.uri(),
            environ.version(),
            environ.headers(),
            environ.connection(),
            self.observer.log(),
        );
        if trusted && let Some(id) = RequestId::given(environ.headers()) {
            details.id = id;
        }
        details.peer = environ.peer().clone();
        details.scheme = environ.scheme();
        details.authority = environ.authority().map(str::to_owned);
        let accepted = environ.headers().get_all(ACCEPT);
        details.wants_html = accepted.iter().any(|value| {
            value.to_str().is_ok_and(|kinds| kinds.to_ascii_lowercase().contains("text/html"))
        });
        environ.extensions_mut().insert(details.id.clone());
        if let Some(trace) = &details.trace {
            environ.extensions_mut().insert(trace.clone());
        }
        if trace::is_wanted() {
            self.span = Some(trace::span(&details));
        }
        self.details = Some(Box::new(details));
    }

    /// The application is about to be polled.
    #[inline]
    pub(crate) fn goes_on(&self) {
        if self.observer.dev {
            development::forget();
        }
    }

    /// What a developer is shown of a failure; `None` for everybody else.
    pub(crate) fn page(&self, error: &Error) -> Option<Response<Bytes>> {
        let details = self.details.as_ref().filter(|_| self.observer.dev)?;
        let target = details.uri.as_ref().map(ToString::to_string).unwrap_or_default();
        let request = format!("{} {target}", details.method);
        let id = details.id.to_string();
        Some(development::error_response(error, &request, &id, details.wants_html))
    }

    /// Notes the head of the response.
    #[inline]
    pub(crate) fn answered(&mut self, status: u16, fields: &HeaderMap) {
        self.status = Some(status);
        if let Some(details) = &mut self.details
            && let Some(log) = self.observer.log()
        {
            details.response = log.kept_of_response(fields);
        }
    }

    /// Notes content that leaves.
    #[inline]
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Notes that the response is whole.
    #[inline]
    pub(crate) fn ended(&mut self) {
        self.whole = true;
    }

    /// Whether nothing but numbers is noted, and nobody is shown anything.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.details.is_none() && self.span.is_none() && !self.observer.dev
    }

    /// The exchange is over: tells whoever wants to know.
    pub(crate) fn tell(mut self: Box<Self>) {
        let time = self.begun.elapsed();
        let status = self.status.unwrap_or(CLIENT_CLOSED_REQUEST);
        self.observer.metrics.end(status, self.bytes, time);
        if let Some(span) = self.span.take() {
            span.record("http.response.status_code", status);
            span.record("http.response.body.size", self.bytes);
            if status >= 500 {
                span.record("error.type", status);
            } else if !self.whole {
                span.record("error.type", "cut");
            }
        }
        let details = self.details.take();
        let Some(log) = self.observer.log() else {
            (self.status, self.bytes, self.whole) = (None, 0, false);
            // In a thread that ends it goes.
            let _ = SPARE.try_with(|spare| spare.set(Some(self)));
            return;
        };
        if let Some(mut details) = details {
            (details.status, details.bytes, details.time, details.whole) =
                (status, self.bytes, time, self.whole);
            log.write(*details);
        }
    }

    /// The span, where somebody listens.
    #[inline]
    pub(crate) fn span(&self) -> Option<tracing::Span> {
        self.span.clone()
    }
}

/// All that the access log can tell of an exchange.
#[derive(Clone, Debug)]
pub(crate) struct Details {
    pub(crate) id: RequestId,
    pub(crate) trace: Option<TraceParent>,
    pub(crate) at: SystemTime,
    pub(crate) peer: Endpoint,
    /// Who connected: the client, or its proxy.
    pub(crate) raw_peer: Endpoint,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Option<String>,
    pub(crate) method: Method,
    /// `None` for what could not be read as a request.
    pub(crate) uri: Option<Uri>,
    pub(crate) version: Version,
    /// The client shows pages.
    pub(crate) wants_html: bool,
    /// Fields of the request that the log's format names.
    pub(crate) request: Vec<(HeaderName, HeaderValue)>,
    /// Fields of the response that the log's format names.
    pub(crate) response: Vec<(HeaderName, HeaderValue)>,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
    /// The response has its end.
    pub(crate) whole: bool,
}

impl Details {
    fn new(
        method: &Method,
        uri: &Uri,
        version: Version,
        fields: &HeaderMap,
        connection: &Connection,
        log: Option<&AccessLog>,
    ) -> Self {
        Self {
            trace: TraceParent::of(fields),
            authority: uri.authority().map(|authority| authority.to_string()).or_else(|| {
                fields.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned)
            }),
            method: method.clone(),
            uri: Some(uri.clone()),
            version,
            request: match log {
                Some(log) => log.kept_of_request(fields),
                None => fields
                    .get(USER_AGENT)
                    .map(|agent| vec![(USER_AGENT, agent.clone())])
                    .unwrap_or_default(),
            },
            ..Self::unread(connection)
        }
    }

    /// What is known of octets that are no request.
    pub(crate) fn unread(connection: &Connection) -> Self {
        Self {
            id: RequestId::new(),
            trace: None,
            at: SystemTime::now(),
            peer: connection.peer.clone(),
            raw_peer: connection.peer.clone(),
            scheme: connection.scheme(),
            authority: None,
            method: Method::GET,
            uri: None,
            version: Version::HTTP_11,
            wants_html: false,
            request: Vec::new(),
            response: Vec::new(),
            status: 0,
            bytes: 0,
            time: Duration::ZERO,
            whole: false,
        }
    }

    pub(crate) fn path(&self) -> &str {
        self.uri.as_ref().map_or("", Uri::path)
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.uri.as_ref().and_then(Uri::query)
    }

    /// The version without the protocol's name.
    pub(crate) fn version(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        }
    }

    /// A field of the request that was kept.
    pub(crate) fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let found = self.request.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8_lossy(value.as_bytes()))
    }
}
