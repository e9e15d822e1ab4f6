//! The demo application: what the `rwgi` command serves, and a page on which a newcomer sees the contract at work.
//!
//! Rules of this room: it is an application like any other and knows the contract only, nothing of the server around
//! it; what a client sent is escaped where it enters HTML; links respect the mount; every route but the upload
//! answers HEAD as it answers GET.

mod documentation;
mod echo;
mod errors;
mod examples;
mod facts;
mod html;
mod json;
mod markdown;
mod pages;
mod stream;
#[cfg(test)]
mod tests;
mod websocket;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use rwgi::{Application, Environ, Error, Finished, Result, ServerInfo, StartResponse};

use self::documentation::Document;
use self::examples::Example;

/// The demo application.
///
/// | Path | Answer |
/// |---|---|
/// | `/` | a page that shows the request's environ, a stream, an upload and errors at work |
/// | `/plaintext` | `Hello, World!`, 13 bytes |
/// | `/environ` | the environ as JSON |
/// | `/echo` | the content of a POST, sent back as it comes, of any size |
/// | `/stream` | pieces of text over time: `?n=12&interval=250` (milliseconds) |
/// | `/events` | server-sent events, until the server is told to stop: `?interval=1000` (milliseconds) |
/// | `/socket/echo` | a WebSocket that sends each message back |
/// | `/socket/download` | a WebSocket that sends `?bytes=8388608` and tells how far it is |
/// | `/error/before`, `/error/after` | a failure before the head has left, and after |
/// | `/documentation` | the contract on one page, and below it the documents of the repository |
///
/// ```no_run
/// rwgi_server::serve(rwgi_server::demo::application())?;
/// # Ok::<(), rwgi_server::Error>(())
/// ```
pub fn application() -> impl Application {
    Demo::new()
}

/// The demo application, with examples that a program adds: [`application`] is this with none.
///
/// ```
/// use http::StatusCode;
/// use rwgi::{Environ, StartResponse};
/// use rwgi_server::demo::Demo;
///
/// let clock = |_: Environ, start: StartResponse| async move {
///     start.respond(StatusCode::OK, [("content-type", "text/plain")], "high noon")
/// };
/// let demo = Demo::new().example("A clock", "/clock", clock)?;
/// # let _ = demo;
/// # Ok::<(), rwgi::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Demo {
    examples: Vec<Example>,
}

impl Demo {
    /// The demo as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an application: mounted at `path`, and shown on the page under its title, in a frame. Its `startup` and `shutdown` are called
    /// with the demo's.
    ///
    /// # Errors
    /// `path` is no slash with plain segments behind it (`/chat`), or leads to something else already.
    pub fn example(
        mut self,
        title: &str,
        path: &str,
        application: impl Application,
    ) -> Result<Self> {
        let example = Example::new(title, path, application)?;
        let below = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let taken = |other: &Example| below(&other.path, path) || below(path, &other.path);
        if Route::find(path).is_some() || self.examples.iter().any(taken) {
            return Err(Error::application(format!("the demo has something at {path:?} already")));
        }
        self.examples.push(example);
        Ok(self)
    }
}

impl Application for Demo {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        // The demo's own first: they are known at once.
        if !self.examples.is_empty() && Route::find(environ.path_info()).is_none() {
            let below = |example: &&Example| {
                let rest = environ.path_info().strip_prefix(&*example.path);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if let Some(example) = self.examples.iter().find(below) {
                return example.call(environ, start_response).await;
            }
        }
        answer(&self.examples, environ, start_response).await
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        for (index, example) in self.examples.iter().enumerate() {
            if let Err(error) = example.application.startup(server).await {
                // Those that have begun are ended.
                for begun in self.examples[..index].iter().rev() {
                    begun.application.shutdown().await;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn shutdown(&self) {
        for example in self.examples.iter().rev() {
            example.application.shutdown().await;
        }
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Page,
    Documentation,
    Document(&'static Document),
    Plaintext,
    Environ,
    Echo,
    Stream,
    Events,
    SocketEcho,
    SocketDownload,
    ErrorBefore,
    ErrorAfter,
    Asset(&'static pages::Asset),
    /// `OPTIONS *`: the application as a whole.
    Everything,
}

impl Route {
    fn find(path: &str) -> Option<Self> {
        Some(match path {
            "/plaintext" => Self::Plaintext,
            "/" => Self::Page,
            "/documentation" => Self::Documentation,
            "/environ" => Self::Environ,
            "/echo" => Self::Echo,
            "/stream" => Self::Stream,
            "/events" => Self::Events,
            "/socket/echo" => Self::SocketEcho,
            "/socket/download" => Self::SocketDownload,
            "/error/before" => Self::ErrorBefore,
            "/error/after" => Self::ErrorAfter,
            "*" => Self::Everything,
            _ => match Document::find(path) {
                Some(document) => Self::Document(document),
                None => Self::Asset(pages::ASSETS.iter().find(|asset| asset.path == path)?),
            },
        })
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Echo => "POST, OPTIONS",
            Self::Everything => "GET, HEAD, POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    fn takes(self, method: &Method) -> bool {
        match self {
            Self::Echo => method == Method::POST,
            Self::Everything => false,
            // Over HTTP/2 a WebSocket comes by CONNECT.
            Self::SocketEcho | Self::SocketDownload if method == Method::CONNECT => true,
            // The gateway leaves the content out of an answer to HEAD.
            _ => method == Method::GET || method == Method::HEAD,
        }
    }
}

async fn answer(
    examples: &[Example],
    environ: Environ,
    start_response: StartResponse,
) -> Result<Finished> {
    if environ.path_info().is_empty() {
        // Mounted, and asked for without the slash that relative links need.
        let location = format!("{}/", environ.script_name());
        return start_response.respond(StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)], "");
    }
    let Some(route) = Route::find(environ.path_info()) else {
        return pages::not_found(&environ, start_response);
    };
    if !route.takes(environ.method()) {
        return refuse_method(route, environ.method(), start_response);
    }
    match route {
        Route::Plaintext => {
            start_response.respond(StatusCode::OK, [(CONTENT_TYPE, "text/plain")], "Hello, World!")
        }
        Route::Page => pages::page(examples, &environ, start_response),
        Route::Documentation => documentation::overview(&environ, start_response),
        Route::Document(document) => documentation::document(document, &environ, start_response),
        Route::Environ => environ_as_json(&environ, start_response),
        Route::Echo => echo::echo(environ, start_response).await,
        Route::Stream => stream::stream(environ, start_response).await,
        Route::Events => stream::events(environ, start_response).await,
        Route::SocketEcho => websocket::echo(environ, start_response).await,
        Route::SocketDownload => websocket::download(environ, start_response).await,
        Route::ErrorBefore => errors::before_the_head(start_response).await,
        Route::ErrorAfter => errors::after_the_head(start_response).await,
        Route::Asset(asset) => pages::asset(asset, start_response),
        Route::Everything => pages::not_found(&environ, start_response),
    }
}

fn environ_as_json(environ: &Environ, start_response: StartResponse) -> Result<Finished> {
    let mut text = serde_json::to_string_pretty(&json::environ(environ))?;
    text.push('\n');
    start_response.respond(StatusCode::OK, text_fields("application/json"), text)
}

/// 204 to OPTIONS, 405 to any other method that the route does not take; both say what it takes.
fn refuse_method(route: Route, method: &Method, start_response: StartResponse) -> Result<Finished> {
    let allow = (ALLOW, route.methods());
    if method == Method::OPTIONS {
        return start_response.respond(StatusCode::NO_CONTENT, [allow], "");
    }
    let fields = [allow, (CONTENT_TYPE, "text/plain; charset=utf-8")];
    let text = format!("This address takes {}, not {method}.\n", route.methods());
    start_response.respond(StatusCode::METHOD_NOT_ALLOWED, fields, text)
}

/// The fields of an answer that holds what the client sent: never stored, never taken for another type than it is.
fn text_fields(content_type: &'static str) -> [(http::HeaderName, &'static str); 3] {
    [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")]
}
