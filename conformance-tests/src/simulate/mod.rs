//! The simulator: an application against a catalogue of requests and a scripted client, with no socket and no clock.
//!
//! Every request of every scenario is run to its end, and then again for each of its polls, dropped there: that is what a
//! client's departure looks like from inside. The lint stands in between all the time. After each run nothing may be left: no
//! environ, no input, no callback that was not run. A response that comes to no end is run once more and told that the server stops: it has to
//! end then.
//!
//! ```
//! use http::StatusCode;
//! use rwgi::{Environ, Finished, StartResponse};
//!
//! async fn hello(_: Environ, start: StartResponse) -> rwgi::Result<Finished> {
//!     start.respond(StatusCode::OK, [("content-type", "text/plain")], "Hello, World!")
//! }
//!
//! // In a test:
//! rwgi_conformance::simulate::assert_conforms(hello);
//! ```
//!
//! # Runtimes
//! [`simulate`] polls by hand on the calling thread and needs no runtime. An application that uses a runtime's timers, sockets or tasks
//! is simulated inside of that runtime with [`simulate_in`], which asks for one thing more: a future that is ready when nothing but time
//! is left to happen. Under tokio's paused clock a long sleep is just that, and no real time passes:
//!
//! ```
//! use std::time::Duration;
//! use rwgi::{Environ, StartResponse};
//! use rwgi_conformance::simulate::simulate_in;
//!
//! // In a test with #[tokio::test(start_paused = true)]:
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
//! let report = simulate_in(
//!     |_: Environ, start: StartResponse| async move {
//!         tokio::time::sleep(Duration::from_secs(3)).await;
//!         start.respond(http::StatusCode::NO_CONTENT, (), "")
//!     },
//!     || tokio::time::sleep(Duration::from_secs(3600)),
//! )
//! .await;
//! assert!(report.conforms(), "{report}");
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Rules of this room: the application sees nothing but a server that keeps the contract; a scenario is data, and one stage plays them all;
//! what is found names the scenario, the rule and the requirement.

mod catalogue;
mod drive;
mod hand;
mod middleware;
mod report;
mod request;
mod scenario;
mod stage;
#[cfg(test)]
mod violations;

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use rwgi::{Application, SharedApplication};

use self::hand::Pace;
pub use self::report::Report;
pub use self::scenario::{Scenario, scenarios};
use crate::lint::Level;

/// Simulates an application, polled by hand on this thread; what it breaks stands in the report, and is no panic.
pub fn simulate<A: Application>(application: A) -> Report {
    Simulator::new().run(application)
}

/// Simulates an application inside of the runtime that polls this future.
///
/// `idle` makes futures that are ready when nothing but the passing of time is left to happen; see the
/// [module](self#runtimes).
///
/// # Cancel safety
/// Dropping it ends the simulation, and nothing is reported.
pub async fn simulate_in<A, I, F>(application: A, idle: I) -> Report
where
    A: Application,
    I: Fn() -> F + 'static,
    F: Future<Output = ()> + 'static,
{
    Simulator::new().run_in(application, idle).await
}

/// Fails a test if the application breaks a MUST; what it should do and does not goes to the standard error stream.
///
/// # Panics
/// The application does not conform; the message is the [`Report`].
#[track_caller]
pub fn assert_conforms<A: Application>(application: A) {
    assert_report(&simulate(application));
}

/// Fails a test if middleware breaks a MUST; `around` puts it around an application.
///
/// ```
/// use rwgi::SharedApplication;
/// // Middleware that does nothing is the simplest that conforms.
/// rwgi_conformance::simulate::assert_middleware_conforms(|inner: SharedApplication| inner);
/// ```
///
/// # Panics
/// The middleware does not conform; the message is the [`Report`].
#[track_caller]
pub fn assert_middleware_conforms<M: Application>(around: impl Fn(SharedApplication) -> M) {
    assert_report(&Simulator::new().run_middleware(around));
}

#[track_caller]
fn assert_report(report: &Report) {
    assert!(report.conforms(), "\n{report}");
    if report.findings().iter().any(|finding| finding.level == Level::Should) {
        eprintln!("{report}");
    }
}

/// A simulation with other than the usual settings.
///
/// ```
/// use rwgi::{Environ, StartResponse};
/// use rwgi_conformance::simulate::Simulator;
/// # let application = |_: Environ, start: StartResponse| async move { start.respond(http::StatusCode::NO_CONTENT, (), "") };
///
/// let report = Simulator::new()
///     .path("/articles")
///     .path("/login")
///     .field("authorization", "Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ==")
///     .allow("head-mirrors-get")
///     .run(application);
/// assert!(report.conforms(), "{report}");
/// ```
#[derive(Clone, Debug)]
pub struct Simulator {
    paths: Vec<String>,
    fields: Vec<(HeaderName, HeaderValue)>,
    allowed: Vec<&'static str>,
    patience: Duration,
}

impl Default for Simulator {
    fn default() -> Self {
        Self::new()
    }
}

impl Simulator {
    /// A simulation of the path `/`.
    pub fn new() -> Self {
        Self {
            paths: Vec::new(),
            fields: Vec::new(),
            allowed: Vec::new(),
            patience: Duration::from_millis(500),
        }
    }

    /// Plays the catalogue on this path too; the first that is given takes the place of `/`. It is written as a client does: what is no path is
    /// a finding (`paths`).
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Gives every request this field, unless the scenario is about it. A name or value that is malformed is left out.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (name.parse(), value.parse()) {
            self.fields.push((name, value));
        }
        self
    }

    /// Leaves a scenario or a rule of the lint out, by its slug.
    #[must_use]
    pub fn allow(mut self, slug: &'static str) -> Self {
        self.allowed.push(slug);
        self
    }

    /// How long a wake-up from another thread is waited for, in real time; half a second unless told otherwise.
    ///
    /// An application that stays on its own task is never waited for, unless it waits for ever.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// As [`simulate`].
    pub fn run<A: Application>(&self, application: A) -> Report {
        hand::run(self.patience, |pace| stage::play(self, application, pace))
    }

    /// As [`simulate_in`], its cancel safety included.
    pub async fn run_in<A, I, F>(&self, application: A, idle: I) -> Report
    where
        A: Application,
        I: Fn() -> F + 'static,
        F: Future<Output = ()> + 'static,
    {
        stage::play(self, application, Pace::hosted(idle)).await
    }

    /// Simulates middleware: `around` puts it around the applications of the scenarios for middleware.
    pub fn run_middleware<M: Application>(
        &self,
        around: impl Fn(SharedApplication) -> M,
    ) -> Report {
        hand::run(self.patience, |pace| middleware::play(self, around, pace))
    }

    /// As [`run_middleware`](Self::run_middleware), inside of a runtime; `idle` and cancel safety are those of [`simulate_in`].
    pub async fn run_middleware_in<M, I, F>(
        &self,
        around: impl Fn(SharedApplication) -> M,
        idle: I,
    ) -> Report
    where
        M: Application,
        I: Fn() -> F + 'static,
        F: Future<Output = ()> + 'static,
    {
        middleware::play(self, around, Pace::hosted(idle)).await
    }
}
