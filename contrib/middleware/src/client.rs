//! The in-memory client: an application is asked without a socket.
//!
//! Rules of this room: the contract's own [`rwgi::testing`] makes the call; here it is put into the words of a client, who sees an error as a
//! status.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use rwgi::testing::{self, TestResponse};
use rwgi::{Application, Connection, Environ, EnvironBuilder, Error, Input, Result};

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
    /// A client of an application, over a connection that can do everything that needs no socket. Nothing is started: see [`startup`](Self::startup).
    pub fn new(application: A) -> Self {
        let server = testing::server_info();
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
    ///
    /// # Cancel safety
    /// That of the application's own `startup`, which is dropped with it.
    pub async fn startup(&self) -> Result<()> {
        self.application.startup(&self.connection.server).await
    }

    /// Ends the application, as a server does after the last request.
    ///
    /// # Cancel safety
    /// That of the application's own `shutdown`, which is dropped with it.
    pub async fn shutdown(&self) {
        self.application.shutdown().await;
    }

    /// A GET request. A target that is malformed (`/path?query` is right) is an error of [`send`](Request::send).
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
    /// Adds a field, beside those of the same name. One that is malformed is an error of [`send`](Self::send).
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// The content; none unless it is called.
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
    ///
    /// # Cancel safety
    /// Dropping it cancels the application, as a departure does.
    pub async fn send(self) -> Result<Response> {
        let environ = self.builder.build()?;
        Ok(match testing::call(&self.application, environ).await {
            Ok(response) => Response(Answer::Given(response)),
            Err(error) => {
                let status = error.status();
                let content = failure::text(status).into();
                Response(Answer::Failed { status, content, fields: HeaderMap::new(), error })
            }
        })
    }
}

/// A response, whole or cut.
#[derive(Debug)]
pub struct Response(Answer);

#[derive(Debug)]
enum Answer {
    Given(TestResponse),
    /// What a server makes of the error.
    Failed {
        status: StatusCode,
        fields: HeaderMap,
        content: Bytes,
        error: Error,
    },
}

impl Response {
    /// The status.
    pub fn status(&self) -> StatusCode {
        match &self.0 {
            Answer::Given(response) => response.status(),
            Answer::Failed { status, .. } => *status,
        }
    }

    /// The fields.
    pub fn headers(&self) -> &HeaderMap {
        match &self.0 {
            Answer::Given(response) => response.fields(),
            Answer::Failed { fields, .. } => fields,
        }
    }

    /// The first field of a name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The content: all of it, or what came before it was cut (see [`error`](Self::error)).
    pub fn content(&self) -> &Bytes {
        match &self.0 {
            Answer::Given(response) => response.body(),
            Answer::Failed { content, .. } => content,
        }
    }

    /// The content as text; empty where it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.content()).unwrap_or_default()
    }

    /// The fields after the content; `None` where there are none.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        match &self.0 {
            Answer::Given(response) => response.trailers(),
            Answer::Failed { .. } => None,
        }
    }

    /// Why the application failed: before its head (the status is an error's) or after it (the content is cut).
    pub fn error(&self) -> Option<&Error> {
        match &self.0 {
            Answer::Given(response) => response.aborted(),
            Answer::Failed { error, .. } => Some(error),
        }
    }
}
