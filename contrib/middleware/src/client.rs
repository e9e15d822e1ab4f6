//! The in-memory client: an application is asked without a socket.
//!
//! Rules of this room: what a client on the wire would see is seen here, errors and cut messages included; the request goes
//! through the same exchange that a server uses.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use http_body::Body;
use rwgi::{
    Application, Capabilities, Connection, Departure, Environ, EnvironBuilder, Error, Exchange,
    Input, Result, ServerInfo,
};

use crate::failure;

/// Asks an application, as a browser asks a server.
///
/// It runs on any runtime, and on none: nothing is spawned.
///
/// ```
/// # pollster::block_on(async {
/// use http::StatusCode;
/// use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::Client;
///
/// let client = Client::new(|environ: Environ, start: StartResponse| async move {
///     start.respond(StatusCode::OK, [("content-type", "text/plain")], environ.path_info().to_owned())
/// });
/// let response = client.get("/hello").send().await?;
/// assert_eq!((response.status(), response.text()), (StatusCode::OK, "/hello"));
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Client<A> {
    application: Arc<A>,
    connection: Arc<Connection>,
}

impl<A: Application> Client<A> {
    /// A client of an application, over a connection that can do everything that needs no socket.
    pub fn new(application: A) -> Self {
        let mut server = ServerInfo::new(concat!("rwgi-middleware/", env!("CARGO_PKG_VERSION")));
        server.capabilities = {
            let mut all = Capabilities::default();
            all.informational = true;
            all.request_trailers = true;
            all.response_trailers = true;
            all.full_duplex = true;
            all.departure = Departure::Prompt;
            all
        };
        Self::over(application, Connection { server: Arc::new(server), ..Connection::default() })
    }

    /// A client over a connection of its own making: other capabilities, TLS, an address.
    pub fn over(application: A, connection: Connection) -> Self {
        Self { application: Arc::new(application), connection: Arc::new(connection) }
    }

    /// Starts the application, as a server does before the first request.
    ///
    /// # Errors
    /// The application's own.
    pub async fn startup(&self) -> Result<()> {
        self.application.startup(&self.connection.server).await
    }

    /// Ends the application, as a server does after the last request.
    pub async fn shutdown(&self) {
        self.application.shutdown().await;
    }

    /// A GET request.
    pub fn get(&self, target: &str) -> Request<A> {
        self.request(Method::GET, target)
    }

    /// A POST request.
    pub fn post(&self, target: &str) -> Request<A> {
        self.request(Method::POST, target)
    }

    /// A request by any method.
    pub fn request(&self, method: Method, target: &str) -> Request<A> {
        let builder =
            Environ::builder().connection(Arc::clone(&self.connection)).method(method).uri(target);
        Request { application: Arc::clone(&self.application), builder }
    }
}

/// A request that is being put together.
#[derive(Debug)]
#[must_use = "nothing is asked before `send`"]
pub struct Request<A> {
    application: Arc<A>,
    builder: EnvironBuilder,
}

impl<A: Application> Request<A> {
    /// Adds a field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// The content.
    pub fn content(mut self, content: impl Into<Input>) -> Self {
        self.builder = self.builder.input(content);
        self
    }

    /// Anything else that an environ can have.
    pub fn with(mut self, change: impl FnOnce(EnvironBuilder) -> EnvironBuilder) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// Asks, and waits for the whole response.
    ///
    /// An error of the application before its head is committed is answered as a server answers it.
    ///
    /// # Errors
    /// The request could not come from a server: a malformed target or field.
    pub async fn send(self) -> Result<Response> {
        let environ = self.builder.build()?;
        let response = match Exchange::new(self.application, environ).await {
            Ok(response) => response,
            Err(error) => return Ok(Response::of_error(error)),
        };
        let (head, mut body) = response.into_parts();
        let mut response = Response {
            status: head.status,
            headers: head.headers,
            content: Bytes::new(),
            pieces: 0,
            trailers: None,
            error: None,
        };
        let mut content = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => {
                    response.pieces += 1;
                    content.extend_from_slice(&data);
                }
                Ok(Err(frame)) => response.trailers = frame.into_trailers().ok(),
                Err(error) => {
                    response.error = Some(error);
                    break;
                }
            }
        }
        response.content = content.freeze();
        Ok(response)
    }
}

/// A response, whole or cut.
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    content: Bytes,
    pieces: usize,
    trailers: Option<HeaderMap>,
    error: Option<Error>,
}

impl Response {
    fn of_error(error: Error) -> Self {
        let status = failure::status(&error);
        Self {
            status,
            headers: HeaderMap::new(),
            content: failure::text(status).into(),
            pieces: 1,
            trailers: None,
            error: Some(error),
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The fields.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first field of a name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The content.
    pub fn content(&self) -> &Bytes {
        &self.content
    }

    /// The content as text; empty where it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap_or_default()
    }

    /// In how many pieces the content came.
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// The fields after the content.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// Why the application failed: before its head (the status is an error's) or after it (the content is cut).
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }
}
