//! A tower service as an RWGI application.
//!
//! Rules of this room: the head moves over as it is and no field is copied; nothing is spawned; a service is called on the very
//! clone that said it was ready; what the service answers is forwarded, and only the fields of the connection are taken off it.

#[cfg(feature = "axum")]
use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, response};
use http_body::{Body, Frame, SizeHint};
use rwgi::{
    Application, BoxError, CONNECTION_FIELDS, Environ, Error, Finished, Input, ResponseHead,
    Result, ServerInfo, SharedApplication, StartResponse, is_connection_field,
};
use tower_service::Service;

use crate::mount;
use crate::narrowed::narrow;

/// Adds what a service wants to find in a request's extensions.
type Extend = Arc<dyn Fn(&Environ, &mut Extensions) + Send + Sync>;

/// Adds the client's address in the type that a service looks for.
type Introduce = Arc<dyn Fn(SocketAddr, &mut Extensions) + Send + Sync>;

/// An RWGI application that asks a tower service; made by [`from_service`].
///
/// # Cancel safety
/// A call that is dropped drops the service's future, or the body of its response.
#[derive(Clone)]
pub struct FromService<S> {
    service: S,
    input_limit: Option<Option<u64>>,
    introduce: Vec<Introduce>,
    extend: Vec<Extend>,
    life: Option<SharedApplication>,
    /// Empty, and with room for what bridge and router add to a request: a copy has the same room and need not grow.
    roomy: Extensions,
}

/// Hosts a tower service on any RWGI server: axum's `Router`, tower-http's `ServeDir`, anything behind any stack of layers.
///
/// The service is cloned for each request, as tower has it: the clone is asked with `poll_ready` and, once it is ready, called. It
/// gets the request's content as an [`Input`], which is an [`http_body::Body`]; a service that insists on a body of its own gets it by
/// tower's `map_request`. Its error is the application's fault and answers 500, unless it is, or carries, an [`rwgi::Error`].
///
/// The request's extensions hold the connection's facts as `Arc<rwgi::Connection>`, a trusted proxy's word as
/// [`rwgi::Forwarded`] where there is one, and whatever server and middleware put there.
///
/// ```
/// use std::convert::Infallible;
/// use http::{Request, Response};
/// use rwgi::{Environ, Input, testing};
///
/// let service = tower::service_fn(|request: Request<Input>| async move {
///     Ok::<_, Infallible>(Response::new(http_body_util::Full::<bytes::Bytes>::from(request.uri().path().to_owned())))
/// });
/// let application = rwgi_tower::from_service(service);
/// let response = testing::run(&application, Environ::builder().uri("/hello").build()?)?;
/// assert_eq!(response.text()?, "/hello");
/// # Ok::<(), rwgi::Error>(())
/// ```
pub fn from_service<S>(service: S) -> FromService<S> {
    FromService {
        service,
        input_limit: None,
        introduce: Vec::new(),
        extend: Vec::new(),
        life: None,
        roomy: roomy(),
    }
}

/// No extensions, in a map that holds seven before it grows: the connection, the client's address, and what axum's router notes.
fn roomy() -> Extensions {
    #[derive(Clone)]
    struct Place<const N: u8>;

    let mut extensions = Extensions::new();
    extensions.insert(Place::<0>);
    extensions.insert(Place::<1>);
    extensions.insert(Place::<2>);
    extensions.insert(Place::<3>);
    extensions.clear();
    extensions
}

/// Hosts an axum router: [`from_service`] with `ConnectInfo` for axum's extractor and without a limit on content but axum's own.
///
/// axum limits what its extractors collect (`DefaultBodyLimit`, 2 MiB) and nothing else; the server's limit, which is as high,
/// would come before whatever the router was told.
///
/// ```no_run
/// use axum::{Router, routing::get};
///
/// # fn main() -> rwgi_server::Result<()> {
/// let app = Router::new().route("/", get(|| async { "Hello, World!" }));
/// rwgi_server::serve(rwgi_tower::from_router(app))
/// # }
/// ```
#[cfg(feature = "axum")]
pub fn from_router(router: axum::Router) -> FromService<axum::Router> {
    from_service(router).connect_info(axum::extract::ConnectInfo).input_limit(None)
}

impl<S> FromService<S> {
    /// Limits the content of a request, in bytes, in place of the server's limit (REQ-INPUT-13), which holds unless this is called; `None` lifts
    /// it, for services that limit by themselves.
    #[must_use]
    pub fn input_limit(mut self, limit: Option<u64>) -> Self {
        self.input_limit = Some(limit);
        self
    }

    /// Puts the client's address into each request's extensions, in the type that the service looks for.
    ///
    /// For axum's extractor that is `from_service(router).connect_info(axum::extract::ConnectInfo)`. The address is the effective
    /// one ([`Environ::peer`]); where the client has none, as on a Unix socket, nothing is put there.
    #[must_use]
    pub fn connect_info<T: Clone + Send + Sync + 'static>(
        mut self,
        make: impl Fn(SocketAddr) -> T + Send + Sync + 'static,
    ) -> Self {
        self.introduce.push(Arc::new(move |address, extensions| {
            extensions.insert(make(address));
        }));
        self
    }

    /// Puts a value that is made of the environ into each request's extensions; `None` puts nothing there.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use http::{Request, Response};
    /// # use rwgi::Input;
    /// #[derive(Clone)]
    /// struct Mount(String);
    ///
    /// # let service = tower::service_fn(|_: Request<Input>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    /// let application = rwgi_tower::from_service(service)
    ///     .extension(|environ| Some(Mount(environ.script_name().to_owned())));
    /// # let _ = application;
    /// ```
    #[must_use]
    pub fn extension<T: Clone + Send + Sync + 'static>(
        mut self,
        make: impl Fn(&Environ) -> Option<T> + Send + Sync + 'static,
    ) -> Self {
        self.extend.push(Arc::new(move |environ, extensions| {
            if let Some(value) = make(environ) {
                extensions.insert(value);
            }
        }));
        self
    }

    /// Lets an application live with the server: its `startup` and `shutdown` are called, and nothing else of it.
    ///
    /// tower has neither (REQ-LIFE-01, REQ-LIFE-11). It is told of the capabilities that reach through a service. For an RWGI application inside of
    /// the service, and for anything else that has to begin or to end.
    #[must_use]
    pub fn life_of(mut self, application: impl Application) -> Self {
        self.life = Some(SharedApplication::new(application));
        self
    }

    /// The request that the service sees.
    fn request(&self, mut environ: Environ) -> Request<Input> {
        let mut added = Extensions::new();
        for extend in &self.extend {
            extend(&environ, &mut added);
        }
        if let Some(limit) = self.input_limit {
            environ.input_mut().set_limit(limit);
        }
        // A value of its own, for what it is put into has left the environ by then.
        let client = if self.introduce.is_empty() { None } else { environ.peer().socket_addr() };
        let mounted = environ.script_name().len();
        let forwarded = environ.forwarded().cloned();
        let (mut head, input, connection) = environ.into_parts();
        if mounted > 0 {
            mount::strip(&mut head, mounted);
        }
        if head.extensions.is_empty() {
            head.extensions = self.roomy.clone();
        }
        head.extensions.insert(connection);
        if let Some(forwarded) = forwarded {
            head.extensions.insert(forwarded);
        }
        if let Some(client) = client {
            self.introduce.iter().for_each(|introduce| introduce(client, &mut head.extensions));
        }
        if !self.extend.is_empty() {
            head.extensions.extend(added);
        }
        Request::from_parts(head, input)
    }
}

impl<S, B> Application for FromService<S>
where
    S: Service<Request<Input>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let mut service = self.service.clone();
        poll_fn(|cx| service.poll_ready(cx)).await.map_err(failed)?;
        let informs = environ.capabilities().informational;
        let connect =
            environ.method() == Method::CONNECT && environ.capabilities().forwarded_upgrade;
        // Request and response are large: neither is kept across an await, and each is taken where it is.
        if !informs {
            let mut asked = pin!(service.call(self.request(environ)));
            let mut start_response = Some(start_response);
            return poll_fn(|cx| {
                let response = ready!(asked.as_mut().poll(cx)).map_err(failed)?;
                let start_response = start_response.take().ok_or_else(given_back_twice)?;
                Poll::Ready(give(cx, start_response, response, connect))
            })
            .await;
        }
        // An application of RWGI inside of the service informs through the token of this exchange.
        let lent = Lent::new(start_response);
        let mut request = self.request(environ);
        request.extensions_mut().insert(lent.clone());
        let mut asked = pin!(service.call(request));
        poll_fn(|cx| {
            let response = ready!(asked.as_mut().poll(cx)).map_err(failed)?;
            Poll::Ready(give(cx, lent.back()?, response, connect))
        })
        .await
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        match &self.life {
            Some(life) => life.startup(&narrow(server)).await,
            None => Ok(()),
        }
    }

    async fn shutdown(&self) {
        if let Some(life) = &self.life {
            life.shutdown().await;
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for FromService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromService").field("service", &self.service).finish_non_exhaustive()
    }
}

/// The token of the outer exchange, while a service is asked.
#[derive(Clone)]
pub(crate) struct Lent(Arc<Mutex<Option<StartResponse>>>);

impl Lent {
    fn new(token: StartResponse) -> Self {
        Self(Arc::new(Mutex::new(Some(token))))
    }

    /// Looks at the token, as long as the service has not answered.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&StartResponse) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(look)
    }

    fn back(&self) -> Result<StartResponse> {
        let token = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        token.ok_or_else(given_back_twice)
    }
}

#[cold]
fn given_back_twice() -> Error {
    Error::server("the token of an exchange was given back twice")
}

#[cold]
fn failed(error: impl Into<BoxError>) -> Error {
    Error::from_boxed(error.into())
}

/// Answers: in one piece where the service has all of the content at hand, which costs a server less than a body that it pulls.
fn give<B>(
    cx: &mut Context<'_>,
    start_response: StartResponse,
    mut response: Response<B>,
    connect: bool,
) -> Result<Finished>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    make_passable(&mut response, connect);
    let Some(length) = length_at_hand(&response) else { return start_response.forward(response) };
    let (head, body) = response.into_parts();
    #[cfg(feature = "axum")]
    let body = {
        let mut body = Some(body);
        // axum's can be asked where it is.
        let axums = (&mut body as &mut dyn Any).downcast_mut::<Option<axum::body::Body>>();
        if let Some(body) = axums.and_then(Option::take) {
            return give_body(cx, start_response, head, body, length);
        }
        body.ok_or_else(|| Error::server("a body was taken twice"))?
    };
    give_body(cx, start_response, head, Box::pin(body), length)
}

/// [`give`] for a body that may move after it was asked.
fn give_body<B>(
    cx: &mut Context<'_>,
    start_response: StartResponse,
    head: response::Parts,
    mut body: B,
    length: u64,
) -> Result<Finished>
where
    B: Body + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let Poll::Ready(first) = poll_frame(Pin::new(&mut body), cx) else {
        return start_response.forward(Response::from_parts(head, body));
    };
    match first.map(|frame| frame.map(Frame::into_data)) {
        Some(Ok(Ok(data))) if data.len() as u64 == length && body.is_end_stream() => {
            start_response.respond_with(ResponseHead::from_parts(head)?, data)
        }
        first => {
            // Put together again: what is not all of the content is pulled like any other.
            let first = first.map(|frame| {
                frame.map(|frame| frame.map_or_else(|trailers| trailers, Frame::data))
            });
            let body = Begun { first: Some(first), length, body };
            start_response.forward(Response::from_parts(head, body))
        }
    }
}

/// The length of content that may be there already: one that the body knows. Where the head declares another, `respond_with` says so.
fn length_at_hand<B: Body>(response: &Response<B>) -> Option<u64> {
    let length = response.body().size_hint().exact().filter(|length| *length > 0)?;
    (response.status() != StatusCode::SWITCHING_PROTOCOLS).then_some(length)
}

type Taken = Option<std::result::Result<Frame<Bytes>, BoxError>>;

fn poll_frame<B>(body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Taken>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    body.poll_frame(cx).map(|frame| {
        frame.map(|frame| {
            let whole = |mut data: B::Data| data.copy_to_bytes(data.remaining());
            frame.map(|frame| frame.map_data(whole)).map_err(Into::into)
        })
    })
}

/// A body of which the first frame has been taken.
struct Begun<B> {
    first: Option<Taken>,
    length: u64,
    body: B,
}

impl<B> Body for Begun<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Taken> {
        match self.first.take() {
            Some(first) => Poll::Ready(first),
            None => poll_frame(Pin::new(&mut self.body), cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.first {
            Some(_) => SizeHint::with_exact(self.length),
            None => self.body.size_hint(),
        }
    }
}

/// Makes the response of a service one of RWGI.
///
/// A service that took an extended CONNECT over (RFC 8441) answers 2xx without content, where the contract has 101 for both versions of
/// HTTP (REQ-UPG-07). Content, or its type where axum has taken the content off, tells that it was answered like any other request, which
/// the server does not let pass for a tunnel (REQ-UPG-08).
fn make_passable<B: Body>(response: &mut Response<B>, connect: bool) {
    if connect
        && response.status().is_success()
        && response.body().is_end_stream()
        && !response.headers().contains_key(CONTENT_TYPE)
    {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        take_connection_fields(response.headers_mut());
    }
    take_off_connection_fields(response);
}

/// Services written for hyper set fields that belong to the connection, and RWGI's server frames and closes by itself: they are taken
/// off, as every intermediary does (RFC 9110, section 7.6.1), and what a service wanted to say by them is not said.
fn take_off_connection_fields<B>(response: &mut Response<B>) {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // What was agreed on stays, for the server passes it on (REQ-UPG-07); axum declares the length of no content.
        response.headers_mut().remove(CONTENT_LENGTH);
    } else if response.headers().keys().any(is_connection_field) {
        take_connection_fields(response.headers_mut());
    }
}

#[cold]
fn take_connection_fields(fields: &mut HeaderMap) {
    let named: Vec<String> = fields
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in CONNECTION_FIELDS.into_iter().chain(named.iter().map(String::as_str)) {
        fields.remove(name);
    }
}

const _: fn() = || {
    fn is_body<B: Body<Data = Bytes, Error = BoxError>>() {}
    is_body::<Input>();
};
