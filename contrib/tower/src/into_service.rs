//! An RWGI application as a tower service.
//!
//! Rules of this room: the service is an RWGI server to its application and drives it through an exchange; nothing is spawned, no field
//! is copied; it is always ready; a failure before the commit is answered here, and one after it is an error of the body.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use rwgi::{
    Application, BodyLength, BoxError, Connection, Departure, Endpoint, Environ, Error, Exchange,
    Forwarded, Input, ResponseBody, Result, ServerInfo,
};
use tower_service::Service;

use crate::failure::{self, Label};
use crate::from_service::Lent;
use crate::narrowed::Narrowed;
use crate::{duties, mount};

/// The most content that an application is given, unless it sets another limit: 2 MiB, as `rwgi-server` and axum's extractors have it.
const BODY_BYTES: u64 = 2 * 1024 * 1024;

/// A tower service that asks an RWGI application; made by [`into_service`]. Clones share the application; it is always ready.
pub struct IntoService<A> {
    application: Arc<A>,
    connection: Arc<Connection>,
    /// The same for HTTP/2, which has a place for trailers whatever they are.
    connection_http2: Arc<Connection>,
    narrowed: Arc<Narrowed>,
}

/// Makes a tower service of an RWGI application: for axum's `nest_service` and `fallback_service`, under any layer of tower-http.
///
/// What the application learns of the connection stands in the request's extensions: `Arc<rwgi::Connection>`, which an RWGI server
/// around it leaves there ([`from_service`](crate::from_service)); with the feature `axum`, `ConnectInfo<SocketAddr>`; and
/// [`rwgi::Forwarded`] for the word of a trusted proxy, TLS in front included. What axum's `nest` cuts off the path becomes `script_name`
/// again (feature `axum`). Content is limited to 2 MiB, as `rwgi-server` and axum's extractors have it; [`server`](IntoService::server) sets another
/// limit (`limits.body_bytes`). Inside of an RWGI server that one's limit holds.
///
/// Outside of an RWGI server nobody calls [`startup`](IntoService::startup) and [`shutdown`](IntoService::shutdown): call them.
///
/// ```
/// # pollster::block_on(async {
/// use http::{Request, StatusCode};
/// use rwgi::{Environ, StartResponse};
/// use tower::ServiceExt;
///
/// let hello = |_: Environ, start: StartResponse| async move {
///     start.respond(StatusCode::OK, (), "Hello")
/// };
/// let request = Request::get("/").header("host", "localhost").body(String::new())?;
/// let response = rwgi_tower::into_service(hello).oneshot(request).await?;
/// assert_eq!(response.status(), 200);
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
pub fn into_service<A: Application>(application: A) -> IntoService<A> {
    let mut server = ServerInfo::new(concat!("rwgi-tower/", env!("CARGO_PKG_VERSION")));
    server.capabilities.full_duplex = true;
    server.capabilities.request_trailers = true;
    server.capabilities.departure = Departure::OnWrite;
    server.limits.body_bytes = Some(BODY_BYTES);
    let connection = Connection { server: Arc::new(server), ..Connection::default() };
    let application = Arc::new(application);
    let connection_http2 = Arc::new(for_http2(&connection));
    let (connection, narrowed) = (Arc::new(connection), Arc::default());
    IntoService { application, connection, connection_http2, narrowed }
}

/// HTTP/1.1 has a place for trailers that were named in the head; which ones there will be is not known then.
fn for_http2(connection: &Connection) -> Connection {
    let mut server = ServerInfo::clone(&connection.server);
    server.capabilities.response_trailers = true;
    Connection { server: Arc::new(server), ..connection.clone() }
}

impl<A: Application> IntoService<A> {
    /// Says more, or less, of the server around the service than [`into_service`] assumes of hyper: what it can do, where it listens,
    /// where [`Blocking`](rwgi::Blocking) runs.
    #[must_use]
    pub fn server(mut self, change: impl FnOnce(&mut ServerInfo)) -> Self {
        let mut connection = Connection::clone(&self.connection);
        change(Arc::make_mut(&mut connection.server));
        self.connection_http2 = Arc::new(for_http2(&connection));
        self.connection = Arc::new(connection);
        self
    }

    /// Where requests arrive, for applications that ask; the first of the server's endpoints unless told otherwise.
    #[must_use]
    pub fn local(mut self, local: impl Into<Endpoint>) -> Self {
        let local = local.into();
        for connection in [&mut self.connection, &mut self.connection_http2] {
            let connection = Arc::make_mut(connection);
            connection.local = local.clone();
        }
        self.server(|server| server.endpoints = vec![local])
    }

    /// Runs the application's startup: once, before the first request (REQ-LIFE-01).
    ///
    /// # Errors
    /// The application cannot start, and must not be served.
    ///
    /// # Cancel safety
    /// That of the application's own `startup`.
    pub async fn startup(&self) -> Result<()> {
        self.application.startup(&self.connection.server).await
    }

    /// Runs the application's shutdown: once, after the last response has ended (REQ-LIFE-11), and not where the startup failed (REQ-LIFE-12).
    ///
    /// # Cancel safety
    /// That of the application's own `shutdown`.
    pub async fn shutdown(&self) {
        self.application.shutdown().await;
    }

    /// The facts of the connection, and whether an RWGI server stands behind them.
    fn connection(&self, head: &mut Parts) -> (Arc<Connection>, bool) {
        if let Some(known) = head.extensions.get::<Arc<Connection>>() {
            return (self.narrowed.connection(known), true);
        }
        let base = match head.version {
            Version::HTTP_2 => &self.connection_http2,
            _ => &self.connection,
        };
        #[cfg(feature = "axum")]
        if let Some(axum::extract::ConnectInfo(peer)) =
            head.extensions.get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()
        {
            let peer = (*peer).into();
            return (Arc::new(Connection { peer, ..Connection::clone(base) }), false);
        }
        (Arc::clone(base), false)
    }
}

impl<A: Application, B> Service<Request<B>> for IntoService<A>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ServiceBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let (mut head, body) = request.into_parts();
        let (connection, inside) = self.connection(&mut head);
        let length = length(&head, &body);
        if !inside && let Err(refusal) = duties::check(&head, length) {
            let closes = head.version < Version::HTTP_2;
            let work = Work::Refused { refusal, closes };
            return ResponseFuture { work, label: Label::of(&head), inside };
        }
        let label = Label::of(&head);
        let mounted = mount::restore(&mut head);
        let forwarded = head.extensions.remove::<Forwarded>();
        let lent = head.extensions.remove::<Lent>();
        let mut input = Input::from_body(body, length);
        input.set_limit(connection.server.limits.body_bytes);
        let mut environ = Environ::new(head, input, connection);
        if mounted > 0 {
            let prefix = environ.path()[..mounted].to_owned();
            environ.shift_path(&prefix);
        }
        if let Some(forwarded) = forwarded {
            environ.set_forwarded(forwarded);
        }
        let mut exchange = Some(Exchange::new(Arc::clone(&self.application), environ));
        if let Some(lent) = lent {
            lent.with(|outer| exchange = exchange.take().map(|inner| inner.inform_through(outer)));
        }
        ResponseFuture { work: exchange.map_or(Work::Given, Work::Exchange), label, inside }
    }
}

impl<A> Clone for IntoService<A> {
    fn clone(&self) -> Self {
        Self {
            application: Arc::clone(&self.application),
            connection: Arc::clone(&self.connection),
            connection_http2: Arc::clone(&self.connection_http2),
            narrowed: Arc::clone(&self.narrowed),
        }
    }
}

impl<A> fmt::Debug for IntoService<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoService").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// The length of the content as the framing has it, also where layers have hidden it in a body of their own.
fn length<B: Body>(head: &Parts, body: &B) -> BodyLength {
    if body.is_end_stream() {
        return BodyLength::Empty;
    }
    if let Some(exact) = body.size_hint().exact() {
        return BodyLength::Exact(exact);
    }
    if head.headers.contains_key(TRANSFER_ENCODING) {
        return BodyLength::Unknown;
    }
    let declared = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match declared.and_then(|digits| digits.parse().ok()) {
        Some(0) => BodyLength::Empty,
        Some(length) => BodyLength::Exact(length),
        None => BodyLength::Unknown,
    }
}

/// The response to come: never an error, for what fails before the head is answered with its status (REQ-ERR-02).
///
/// # Cancel safety
/// Dropping it cancels the application.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct ResponseFuture {
    work: Work,
    label: Label,
    /// An RWGI server stands around the service and hears of failures of the body.
    inside: bool,
}

#[derive(Debug)]
enum Work {
    /// `closes` where what follows on the connection may be no request.
    Refused {
        refusal: Error,
        closes: bool,
    },
    Exchange(Exchange),
    Given,
}

impl Future for ResponseFuture {
    type Output = Result<Response<ServiceBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (answer, closes) = match &mut this.work {
            Work::Exchange(exchange) => (ready!(Pin::new(exchange).poll(cx)), false),
            // Polled again after it was ready, like any future: what comes does not matter.
            work => match std::mem::replace(work, Work::Given) {
                Work::Refused { refusal, closes } => (Err(refusal), closes),
                Work::Exchange(_) | Work::Given => {
                    (Err(Error::server("polled after the answer")), false)
                }
            },
        };
        this.work = Work::Given;
        let mut response = answer.unwrap_or_else(|error| {
            failure::log(&error, &this.label, false);
            let mut response = failure::response(error.status());
            if let Some(required) = error.required_upgrade() {
                response.extensions_mut().insert(required.clone());
            }
            response
        });
        if closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if this.inside {
            return Poll::Ready(Ok(response.map(ServiceBody::inside)));
        }
        let label = (!response.body().is_whole()).then(|| Box::new(this.label.take()));
        let withheld = response.status() == StatusCode::NOT_MODIFIED
            && response.headers().contains_key(CONTENT_LENGTH);
        Poll::Ready(Ok(response.map(|inner| ServiceBody { inner, label, withheld })))
    }
}

/// The content of a response: it drives the application, and its drop cancels it.
///
/// An error means that the message has to be cut so that the client can tell (REQ-ERR-07), as every HTTP server on hyper does.
#[derive(Debug)]
pub struct ServiceBody {
    inner: ResponseBody,
    /// What a failure is logged under, where nobody else will.
    label: Option<Box<Label>>,
    /// Content is declared and will not be sent (304): hyper keeps the declaration where it believes that there is a body.
    withheld: bool,
}

impl ServiceBody {
    /// A body that an RWGI server takes.
    fn inside(inner: ResponseBody) -> Self {
        Self { inner, label: None, withheld: false }
    }
}

impl Body for ServiceBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                if let Some(label) = &self.label {
                    failure::log(&error, label, true);
                }
                error.into()
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && !self.withheld
    }

    fn size_hint(&self) -> SizeHint {
        if self.withheld { SizeHint::default() } else { self.inner.size_hint() }
    }
}
