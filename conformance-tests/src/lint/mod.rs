//! The lint: an application around an application that judges both parties while they run.
//!
//! It stands between a server and an application and is, as all middleware, the one to the other. The server is judged by
//! the environ that it hands over, by its lifespan calls and by what it says of itself; the application by its heads, its bodies, its
//! errors and its manners. Each [`Finding`] names the rule, the requirement, the culprit, what happened, and what to do instead.
//!
//! ```
//! use http::StatusCode;
//! use rwgi::{Environ, Exchange, ServerInfo, StartResponse, Application};
//! use rwgi_conformance::lint::{Collector, Lint};
//! # struct Ready; impl std::task::Wake for Ready { fn wake(self: std::sync::Arc<Self>) {} }
//! # fn block_on<F: std::future::Future>(future: F) -> F::Output {
//! #     let waker = std::task::Waker::from(std::sync::Arc::new(Ready));
//! #     let mut future = std::pin::pin!(future);
//! #     loop {
//! #         if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) { return output; }
//! #     }
//! # }
//! # block_on(async {
//!
//! let findings = Collector::new();
//! let application = Lint::with_sink(
//!     |_: Environ, start: StartResponse| async move {
//!         start.respond(StatusCode::METHOD_NOT_ALLOWED, (), "") // which methods are?
//!     },
//!     findings.clone(),
//! );
//! application.startup(&ServerInfo::default()).await?;
//! let environ = Environ::builder().build()?;
//! drop(Exchange::new(std::sync::Arc::new(application), environ).await?);
//!
//! assert_eq!(findings.findings()[0].rule, "status-405-allow");
//! # Ok::<(), rwgi::Error>(()) }).unwrap();
//! ```
//!
//! Rules of this room: the lint changes nothing that either party could notice; a message is made only where a rule is broken; rules are
//! grouped in files by subject, each a constant beside the code that checks it; where a response stands is known by the table of
//! [`rwgi::protocol`] and by nothing else.

mod body;
mod input;
mod probe;
mod rule;
mod rules;
#[cfg(test)]
mod violations;
mod watch;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use http_body::Body;
use rwgi::{Application, Environ, Exchange, Finished, Result, ServerInfo, StartResponse};

use self::body::WatchedBody;
use self::probe::Probe;
pub use self::rule::{Collector, Finding, Level, Party, Rule, Sink, StandardError};
pub use self::rules::rules;
use self::rules::{capability, environ, framing, lifespan};
use self::watch::{Reporter, Watch};

/// The lint around an application; an application itself.
///
/// Put it outermost: what stands outside of it is judged as the server, what stands inside as the application. The example of the
/// [module](self) shows it at work.
///
/// # Cancel safety
/// As of any application: dropping a call drops the call inside (REQ-MID-07).
pub struct Lint<A> {
    inner: Arc<A>,
    shared: Arc<Shared>,
}

/// What all exchanges of one lint have in common.
pub(crate) struct Shared {
    pub(crate) reporter: Reporter,
    pub(crate) lifespan: Mutex<lifespan::Lifespan>,
    pub(crate) clock: Clock,
}

/// The time since some moment; only differences count.
pub(crate) type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

impl<A: Application> Lint<A> {
    /// A lint that prints what it finds to the standard error stream.
    pub fn new(application: A) -> Self {
        Self::with_sink(application, StandardError)
    }

    /// A lint that reports to `sink`: a [`Collector`], a closure.
    pub fn with_sink(application: A, sink: impl Sink) -> Self {
        let begin = Instant::now();
        Self {
            inner: Arc::new(application),
            shared: Arc::new(Shared {
                reporter: Reporter::new(Arc::new(sink)),
                lifespan: Mutex::default(),
                clock: Box::new(move || begin.elapsed()),
            }),
        }
    }

    /// Leaves a rule out, by its slug; to be called before the first exchange.
    ///
    /// ```
    /// use rwgi::{Environ, StartResponse};
    /// use rwgi_conformance::lint::Lint;
    /// # let application = |_: Environ, start: StartResponse| async move { start.respond(http::StatusCode::OK, (), "") };
    /// let lint = Lint::new(application).allow("body-small-pieces");
    /// ```
    #[must_use]
    pub fn allow(mut self, slug: &'static str) -> Self {
        // No exchange shares this yet: the lint is still in its maker's hands.
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.reporter.allow(slug);
        }
        self
    }

    /// Measures how long a poll took by another clock, for tests in which no time passes; to be called before the first exchange.
    ///
    /// The clock gives the time since any one moment: only differences count.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.clock = Box::new(clock);
        }
        self
    }
}

impl Shared {
    pub(crate) fn lifespan(&self, change: impl FnOnce(&mut lifespan::Lifespan, &Reporter)) {
        change(&mut self.lifespan.lock().unwrap_or_else(PoisonError::into_inner), &self.reporter);
    }
}

impl<A: Application> Application for Lint<A> {
    async fn call(&self, mut environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let watch = Watch::new(&self.shared, &environ);
        environ::check(&mut environ, &watch);
        framing::check(&environ, &watch);
        self.shared.lifespan(|lifespan, reporter| lifespan.called(environ.server(), reporter));
        input::watch(&mut environ, &watch);
        let informs = environ.capabilities().informational;
        let mut start_response = start_response;
        watch.hear_outcome(&mut start_response);
        // Shared only where the application can use it a second way, to send informational responses.
        let start_response = Arc::new(Mutex::new(Some(start_response)));

        let probe = Probe { inner: Arc::clone(&self.inner), watch: Arc::clone(&watch) };
        let mut exchange = Exchange::new(Arc::new(probe), environ);
        if informs {
            exchange = exchange.on_informational(inform_through(&start_response, &watch));
        }
        let answer = exchange.await;
        let start_response = start_response.lock().unwrap_or_else(PoisonError::into_inner).take();
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                watch.failed(&error);
                return Err(error);
            }
        };
        watch.responded(&response);
        let Some(start_response) = start_response else {
            return Err(rwgi::Error::server("the lint lost its own `StartResponse`"));
        };
        if response.body().is_end_stream() {
            watch.body_ended();
            return start_response.forward(response);
        }
        start_response.forward(response.map(|body| WatchedBody::new(body, watch)))
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.shared.lifespan(|lifespan, reporter| lifespan.starting(server, reporter));
        let result = self.inner.startup(server).await;
        self.shared.lifespan(|lifespan, _| lifespan.started(result.is_ok()));
        result
    }

    async fn shutdown(&self) {
        self.shared.lifespan(|lifespan, reporter| lifespan.stopping(reporter));
        self.inner.shutdown().await;
    }
}

/// Passes the application's informational responses on to the server, and holds the server to what it declared.
fn inform_through(
    start_response: &Arc<Mutex<Option<StartResponse>>>,
    watch: &Arc<Watch>,
) -> impl FnMut(StatusCode, HeaderMap) + Send + 'static {
    let (start_response, watch) = (Arc::clone(start_response), Arc::clone(watch));
    move |status, fields| {
        let mut token = start_response.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = token.as_mut()
            && let Err(error) = token.inform(status, fields)
        {
            capability::inform_refused(&error, &watch);
        }
    }
}

impl<A> fmt::Debug for Lint<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lint").finish_non_exhaustive()
    }
}
