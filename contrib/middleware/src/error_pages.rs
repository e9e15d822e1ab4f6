//! Pages for errors that nobody else answers.
//!
//! Rules of this room: a client learns the status and what the page says of it, never the error's own words; what is answered here is
//! logged here.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use rwgi::{Application, Environ, Error, Finished, Result, ServerInfo, StartResponse};

use crate::{failure, through};

/// Answers the errors of an application, panics included, with pages.
///
/// An error before the head is committed becomes a page with the error's status, and without its message (REQ-ERR-04): HTML, JSON or plain text, as
/// the client prefers, or what [`render`](Self::render) makes. An error after it cuts the message as ever. The error goes to the log through
/// `tracing`, at the level that the server would give it.
///
/// Put it inside of what adds fields to responses ([`Cors`](crate::Cors), [`SecurityHeaders`](crate::SecurityHeaders),
/// [`RequestIds`](crate::RequestIds)): the pages then have those, too.
///
/// ```
/// # pollster::block_on(async {
/// use http::StatusCode;
/// use rwgi::{Environ, Error, Finished, StartResponse};
/// use rwgi_middleware::{Client, ErrorPages};
///
/// async fn broken(_: Environ, _: StartResponse) -> rwgi::Result<Finished> {
///     Err(Error::application("the password of the database is wrong"))
/// }
/// let response = Client::new(ErrorPages::new(broken)).get("/").header("accept", "text/html").send().await?;
/// assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
/// assert!(response.text().contains("<h1>Internal Server Error</h1>"));
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
pub struct ErrorPages<A> {
    inner: Arc<A>,
    render: Option<Box<Render>>,
}

type Render = dyn Fn(&Error, StatusCode) -> (HeaderValue, Bytes) + Send + Sync;

impl<A: Application> ErrorPages<A> {
    /// Puts error pages around an application.
    pub fn new(application: A) -> Self {
        Self { inner: Arc::new(application), render: None }
    }

    /// Makes the pages in another way: gives the value of Content-Type, and the content. What it takes from the error, the client reads.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use http::{HeaderValue, StatusCode};
    /// # use rwgi::{Environ, StartResponse};
    /// use rwgi_middleware::ErrorPages;
    /// # let site = |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "site") };
    /// let site = ErrorPages::new(site).render(|_error, status| {
    ///     let page = format!("<title>{status}</title><p>We are sorry.");
    ///     (HeaderValue::from_static("text/html; charset=utf-8"), page.into())
    /// });
    /// ```
    #[must_use]
    pub fn render(
        mut self,
        render: impl Fn(&Error, StatusCode) -> (HeaderValue, Bytes) + Send + Sync + 'static,
    ) -> Self {
        self.render = Some(Box::new(render));
        self
    }
}

impl<A: Application> Application for ErrorPages<A> {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let request = failure::Request::of(&environ);
        let kind = Kind::of(environ.headers());
        let passed = through::run(&self.inner, environ, start_response).await?;
        let error = match passed.answer {
            Ok(response) => return passed.start_response.forward(response),
            Err(error) => error,
        };
        failure::log(&error, &request);
        let status = error.status();
        let (media, page) = match &self.render {
            Some(render) => render(&error, status),
            None => kind.page(status),
        };
        let fields =
            [(CONTENT_TYPE, media), (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))];
        passed.start_response.respond_with(failure::head(&error, fields)?, page)
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Html,
    Json,
    Text,
}

impl Kind {
    /// The first that the client names; an exact weighing of wishes is not worth it for an error.
    fn of(fields: &HeaderMap) -> Self {
        let accepted = fields.get(ACCEPT).map(HeaderValue::as_bytes).unwrap_or_default();
        let accepted = String::from_utf8_lossy(accepted).to_ascii_lowercase();
        for range in accepted.split(',') {
            match range.split(';').next().unwrap_or_default().trim() {
                "text/html" | "application/xhtml+xml" => return Self::Html,
                "application/json" => return Self::Json,
                "text/plain" => return Self::Text,
                _ => {}
            }
        }
        Self::Text
    }

    fn page(self, status: StatusCode) -> (HeaderValue, Bytes) {
        let reason = status.canonical_reason().unwrap_or("Error");
        let code = status.as_u16();
        match self {
            Self::Html => (
                HeaderValue::from_static("text/html; charset=utf-8"),
                format!(
                    "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{code} {reason}</title>\n\
                     <h1>{reason}</h1>\n<p>Status {code}.\n"
                )
                .into(),
            ),
            Self::Json => (
                HeaderValue::from_static("application/json"),
                format!("{{\"status\":{code},\"error\":\"{reason}\"}}\n").into(),
            ),
            Self::Text => (
                HeaderValue::from_static("text/plain; charset=utf-8"),
                failure::text(status).into(),
            ),
        }
    }
}

impl<A> fmt::Debug for ErrorPages<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorPages").field("render", &self.render.is_some()).finish_non_exhaustive()
    }
}
