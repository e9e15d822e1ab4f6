//! RWGI, the Rust Web Gateway Interface: the contract between web servers and web applications.
//!
//! What WSGI ([PEP 3333](https://peps.python.org/pep-3333/)) is to Python, this crate is to Rust: a server and an application that
//! have never seen each other meet here, and neither needs to know more of the other than these types. It names no runtime and no
//! HTTP library; in its public API stand only types of [`http`], [`http_body`], [`bytes`], `std` and its own.
//!
//! ```
//! use http::{StatusCode, header::CONTENT_TYPE};
//! use rwgi::{Environ, Finished, StartResponse, testing};
//!
//! async fn hello(environ: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
//!     let mut body = start_response.start(StatusCode::OK, [(CONTENT_TYPE, "text/plain")])?;
//!     body.write("Hello, ").await?;
//!     body.write(environ.query().unwrap_or("World").to_owned()).await?;
//!     body.finish()
//! }
//!
//! // With a server it is one line, `rwgi_server::serve(hello)`; here it is called in memory.
//! let response = testing::run(&hello, Environ::builder().uri("/?Ann").build()?)?;
//! assert_eq!((response.status(), response.text()?), (StatusCode::OK, "Hello, Ann"));
//! # Ok::<(), rwgi::Error>(())
//! ```
//!
//! The rules behind the types are the specification in `spec/`. Where a type keeps a rule, or an error says that one was broken, the
//! rule is named by its id, such as `REQ-RESP-01`.
//!
//! # An application
//!
//! An [`Application`] is called once for each request, with two values:
//!
//! - the [`Environ`], which is everything that is known of the request, its content ([`Input`]) included;
//! - the [`StartResponse`], a token that is given up to start the response.
//!
//! It gives back a [`Finished`], which nothing but a finished response yields. So the compiler sees to it that an application answers
//! once and to the end, or returns an error:
//!
//! ```compile_fail,E0382
//! # use http::StatusCode; use rwgi::{Environ, Finished, StartResponse};
//! async fn twice(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
//!     let _first = start_response.respond(StatusCode::OK, (), "one")?;
//!     start_response.respond(StatusCode::OK, (), "two") // use of moved value: `start_response`
//! }
//! ```
//!
//! There are three ways to answer:
//!
//! | | | Length | Who moves |
//! |---|---|---|---|
//! | [`respond`](StartResponse::respond) | the whole answer in one step | known | nobody: it is there |
//! | [`start`](StartResponse::start) | a [`BodyWriter`] for content that comes piece by piece | declared or not | the application pushes |
//! | [`forward`](StartResponse::forward) | an [`http::Response`] with any [`http_body::Body`] | as the body says | the server pulls |
//!
//! Every `async fn` and every closure of that shape is an application. What has state, or a life before the first and after the last
//! request, implements the trait; [`SharedApplication`] hides the type of one, and [`Blocking`] hosts one that blocks.
//!
//! # The exchange
//!
//! One request and its response are an **exchange**. The server's half of it is the type [`Exchange`]: given an application and an
//! environ it is a future of an [`http::Response`], and the [`ResponseBody`] in it goes on where the future ended. Both hold the
//! application's own future and poll it. *The body drives the application*:
//!
//! - **Backpressure is not being polled.** A server that cannot send asks for no frame, and the application rests in
//!   [`write`](BodyWriter::write). One chunk at most is held between the two.
//! - **Cancellation is being dropped.** When the client resets the connection the server drops the exchange, and with it the
//!   application's future, at whatever await it stands.
//! - **There is no task and no channel** between server and application: an answer in one piece allocates the application's future and
//!   the slot that both halves share, and so does a stream of a million chunks. A writer that is moved to another task or thread works
//!   all the same; it pays for a wake-up.
//!
//! A server is little more than this:
//!
//! ```
//! # pollster::block_on(async {
//! use std::sync::Arc;
//! use http::StatusCode;
//! use http_body_util::BodyExt;
//! use rwgi::{Environ, Exchange, StartResponse};
//!
//! let application = Arc::new(|_: Environ, start: StartResponse| async move {
//!     start.respond(StatusCode::OK, (), "Hello")
//! });
//! // Parse a request, and make an environ of it. Then:
//! let response = Exchange::new(application, Environ::builder().build()?).await?;
//! // Send the head, and then each frame of the body as the client takes it.
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "Hello");
//! # Ok::<(), rwgi::Error>(()) }).unwrap();
//! ```
//!
//! ## The commit
//!
//! A head that was given is held until the first byte of content, a [`flush`](BodyWriter::flush), or the end of the response. That
//! moment is the **commit**, and it divides everything:
//!
//! - *before* it, [`replace_head`](BodyWriter::replace_head) replaces the head, and a failure becomes an error response, whole and
//!   well formed, that the server makes;
//! - *after* it, a failure **aborts** the response, so that the client can tell that it is incomplete. It is never made to look like
//!   success.
//!
//! For the same reason the end of a response leaves when the application has *returned* its [`Finished`], not when
//! [`finish`](BodyWriter::finish) was called: an error on the last line still shows. Work that must not delay the end goes to a task
//! of its own. [`protocol::Phase`] has all of it as one table.
//!
//! # For people who know WSGI
//!
//! | PEP 3333 | RWGI | |
//! |---|---|---|
//! | `application(environ, start_response)` | [`Application::call`] | asynchronous; [`BlockingApplication`] is the synchronous one |
//! | `start_response(status, headers)` | [`StartResponse::start`] | a token, used up: it cannot be called twice or not at all |
//! | …`exc_info` | [`BodyWriter::replace_head`] | an error after the commit: return it, and the response is aborted |
//! | `write(data)` | [`BodyWriter::write`] | the usual way here, and not the deprecated one |
//! | the iterable that is returned | [`StartResponse::forward`] | any [`http_body::Body`], which the server pulls |
//! | `[b"whole answer"]` | [`StartResponse::respond`] | the length is set by the gateway |
//! | `close()` of the iterable | [`StartResponse::on_complete`], `Drop` | exactly once on every path, and told how it ended |
//! | the empty string in the iterable ("not yet") | — | waiting is `.await`; an empty write is nothing at all |
//! | `REQUEST_METHOD` | [`Environ::method`] | any token, its case kept |
//! | `SCRIPT_NAME` | [`Environ::script_name`] | raw, not decoded; with `path_info` it is the raw path, byte for byte |
//! | `PATH_INFO` | [`Environ::path_info`] | raw; [`path_info_decoded`](Environ::path_info_decoded) decodes and can fail |
//! | `QUERY_STRING` | [`Environ::query`] | raw; absent and empty differ |
//! | `CONTENT_TYPE` | [`headers()`](Environ::headers)`["content-type"]` | |
//! | `CONTENT_LENGTH` | [`Input::length`] | as the framing says; also in `headers()` |
//! | `SERVER_NAME`, `SERVER_PORT` | [`Environ::authority`], [`Connection::local`] | effective authority and actual local end are two things |
//! | `SERVER_PROTOCOL` | [`Environ::version`], [`Environ::protocol`] | |
//! | `SERVER_SOFTWARE` | [`ServerInfo::software`] | |
//! | `HTTP_*` | [`Environ::headers`] | every field line, in order, with values as octets |
//! | `REMOTE_ADDR`, `REMOTE_PORT` | [`Environ::peer`] | an IP or a Unix socket; a trusted proxy's word where there is one |
//! | `REMOTE_USER`, `AUTH_TYPE` | — | authentication is middleware: it leaves a value of its own type in [`Environ::extensions`] |
//! | `HTTPS`, `SSL_*` | [`Connection::tls`] | |
//! | `PATH_TRANSLATED`, `DOCUMENT_ROOT` | — | an application is no file |
//! | `wsgi.version` | the version of this crate | a server and an application that compile together agree on it |
//! | `wsgi.url_scheme` | [`Environ::scheme`] | |
//! | `wsgi.input` | [`Environ::input`], [`Input`] | always has an end; [`BlockingInput`] has `read` and lines |
//! | `wsgi.input_terminated` | — | always true |
//! | `wsgi.errors` | — | an error is returned, or logged with the logger of the program's choice |
//! | `wsgi.multithread` | [`ServerInfo::concurrent`] | an application is `Send + Sync`, and prepared for it |
//! | `wsgi.multiprocess` | [`ServerInfo::multiprocess`] | |
//! | `wsgi.run_once` | [`ServerInfo::run_once`] | |
//! | `wsgi.file_wrapper` | [`StartResponse::forward`] | a body that reads a file; a server that can do better recognises its type |
//! | any other key | [`Environ::extensions`] | by type, so that no two pieces of middleware meet under one name |
//! | server-specific keys | [`Environ::capabilities`], [`Environ::limits`] | what a server can do is asked, not tried |
//! | the whole dictionary | [`Environ::variables`] | CGI's and WSGI's names, for bridges |
//! | "URL Reconstruction" | [`Environ::url`] | |
//! | hop-by-hop fields are "a fatal error" | [`CONNECTION_FIELDS`] | the call that gives such a head fails |
//! | "Handling the `Content-Length` Header" | [`ResponseHead::content_length`] | kept in both directions, or the response is aborted |
//! | "Middleware Handling of Block Boundaries" | [`Exchange`] | pass on what there is before asking for more |
//! | `Expect: 100-continue` | [`Input::chunk`] | answered when the content is first read, never if it is not |
//! | — | [`Application::startup`], [`Application::shutdown`] | the time before and after; WSGI has none |
//! | — | [`BodyWriter::finish_with_trailers`], [`Input::trailers`] | |
//! | — | [`StartResponse::inform`] | 103 (Early Hints) |
//!
//! # Errors
//!
//! An [`Error`] says what went wrong and *whose [`Fault`]* it is: the client's, the application's or the server's. Any other crate's
//! error becomes one by `?`, as the application's fault, which answers 500. Where another answer is right, say so:
//!
//! ```
//! use http::StatusCode;
//! use rwgi::{Environ, Error, Finished, Result, StartResponse};
//!
//! async fn double(mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
//!     // Too large is 413, broken off or not UTF-8 is 400: errors of the client come with their status.
//!     let text = environ.input_mut().read_to_string(64).await?;
//!     let number: u32 = text.trim().parse().map_err(|error| {
//!         Error::client(StatusCode::UNPROCESSABLE_ENTITY, "not a number").with_source(error)
//!     })?;
//!     start_response.respond(StatusCode::OK, (), (number * 2).to_string())
//! }
//! # use rwgi::testing::run;
//! # let ask = |text: &'static str| run(&double, Environ::builder().input(text).build().unwrap());
//! # assert_eq!(ask("21").unwrap().body(), "42");
//! # assert_eq!(ask("x").unwrap_err().status(), 422);
//! ```
//!
//! Message and cause go to the server's log, never to the client. A panic is the application's fault, too: 500 before the commit,
//! an abort after it, and the process and the neighbours live on.
//!
//! # Cancellation
//!
//! The future of a call can be dropped at any await: the client left, the server stops, a time limit ran out. So
//!
//! - what must survive the client is moved to a task of its own;
//! - what must be undone hangs on `Drop`, or on [`on_complete`](StartResponse::on_complete), which runs exactly once on every path and
//!   is told the [`Outcome`];
//! - a client that only closes its sending side after its request has not left: it waits for the answer, and gets it.
//!
//! A response without an end of its own, such as a stream of events, can end well before the server cuts it: [`Environ::stopping`] tells
//! when the server was told to stop.
//!
//! How soon a server notices a departure is a capability, [`Departure`]. Each method here that waits says whether dropping it loses
//! something.
//!
//! # Middleware
//!
//! As in PEP 3333, middleware is nothing of its own: to the server it is an application, and to the application inside it is a server.
//! There are two ways to be in the middle. A **head hook** changes the head and lets the content pass by:
//!
//! ```
//! use rwgi::{Application, Environ, Finished, Result, ServerInfo, StartResponse};
//!
//! struct NoSniff<A>(A);
//!
//! impl<A: Application> Application for NoSniff<A> {
//!     async fn call(&self, environ: Environ, mut start_response: StartResponse) -> Result<Finished> {
//!         start_response.map_head(|head| head.insert("x-content-type-options", "nosniff"));
//!         self.0.call(environ, start_response).await
//!     }
//!
//!     async fn startup(&self, server: &ServerInfo) -> Result<()> {
//!         self.0.startup(server).await
//!     }
//!
//!     async fn shutdown(&self) {
//!         self.0.shutdown().await;
//!     }
//! }
//! # let _ = NoSniff(|_: Environ, start: StartResponse| async move { start.respond(http::StatusCode::OK, (), "") });
//! ```
//!
//! An **exchange of its own** sees head and content, and nothing of the inner application can bypass it:
//!
//! ```
//! # use std::sync::Arc;
//! # use rwgi::{Application, Environ, Exchange, Finished, Result, StartResponse};
//! # struct Compress<A>(Arc<A>);
//! # fn compressed<B>(body: B) -> B { body }
//! # impl<A: Application> Application for Compress<A> {
//! async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
//!     let inner = Exchange::new(Arc::clone(&self.0), environ).inform_through(&start_response);
//!     start_response.forward(inner.await?.map(|body| compressed(body)))
//! }
//! # }
//! # let _ = Compress(Arc::new(|_: Environ, start: StartResponse| async move { start.respond(http::StatusCode::OK, (), "") }));
//! ```
//!
//! A body that comes out of one exchange and goes into another unchanged is passed on as it is, without a box. The example
//! `middleware` shows both ways as whole programs.
//!
//! # Blocking
//!
//! Code that blocks does not belong on the thread that polls it. [`BlockingApplication`] is the contract for an application that is
//! written as WSGI's are; [`Blocking`] hosts it on the server's threads for that ([`BlockingExecutor`]). Its input is a
//! [`BufRead`](std::io::BufRead) and its writer a [`Write`](std::io::Write); when the client leaves, the next read or write fails.
//!
//! # Testing
//!
//! [`testing`] calls an application in memory. That a server or an application keeps the whole contract is judged by the suite in the
//! crate `rwgi-conformance`.

mod application;
mod blocking;
mod connection;
mod environ;
mod error;
mod exchange;
mod fields;
mod head;
mod head_room;
mod input;
mod server_info;
mod start_response;
mod stopping;
pub mod testing;
mod upgrade;
mod websocket;
mod writer;

pub use self::application::{Application, DynApplication, SharedApplication};
pub use self::blocking::{
    Blocking, BlockingApplication, BlockingBodyWriter, BlockingInput, BlockingStartResponse,
};
pub use self::connection::{Connection, Endpoint, Scheme, TlsInfo};
pub use self::environ::{Environ, EnvironBuilder, Forwarded, Variable};
pub use self::error::{BoxError, Error, Fault, Result};
pub use self::exchange::{Exchange, Outcome, OutcomeKind, ResponseBody};
pub use self::fields::{CONNECTION_FIELDS, IntoFields, IntoName, IntoValue, is_connection_field};
pub use self::head::{ReasonPhrase, RequiredUpgrade, ResponseHead};
pub use self::input::{BodyLength, Input};
pub use self::server_info::{BlockingExecutor, Capabilities, Departure, Limits, ServerInfo};
pub use self::start_response::{Finished, StartResponse};
pub use self::stopping::{StopNotice, Stopping};
pub use self::upgrade::UpgradeOffer;
pub use self::upgrade::link::{SessionKind, SessionPiece};
pub use self::upgrade::session::{Session, SessionHalf};
pub use self::upgrade::tunnel::{Octets, Tunnel, TunnelEnd, TunnelReader, TunnelWriter};
pub use self::websocket::{
    Acceptance, CloseCode, CloseFrame, Closed, Message, Messages, Outgoing, Ping, WebSocket,
    WebSocketOffer, WebSocketReceiver, WebSocketSender,
};
pub use self::writer::BodyWriter;

/// The exchange's protocol as a table: what servers, lint and simulator agree on.
pub mod protocol {
    pub use crate::exchange::phase::{Event, Phase};
}
