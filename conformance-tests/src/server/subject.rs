//! The server under test, as the suite sees it.
//!
//! Rules of this room: the suite knows an address and what the server declares; how it runs is its author's affair.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rwgi::{Application, BoxError, SharedApplication};
use serde_json::Value;

use super::application::SuiteApplication;
use super::failure::Failure;
use super::talk::Talk;
use super::wire::Transcript;

/// What a server author implements: how to start the server with an application.
///
/// ```no_run
/// use rwgi_conformance::server::{RunningServer, ServerUnderTest};
/// # mod my_server { pub struct Handle; impl Handle { pub fn address(&self) -> std::net::SocketAddr { unimplemented!() }
/// # pub fn stop(self, _: std::time::Duration) -> bool { true } }
/// # pub fn start(_: rwgi::SharedApplication) -> Result<Handle, std::io::Error> { Ok(Handle) } }
/// struct MyServer;
///
/// impl ServerUnderTest for MyServer {
///     fn start(&self, application: rwgi::SharedApplication) -> Result<RunningServer, rwgi::BoxError> {
///         let server = my_server::start(application)?; // on 127.0.0.1, with a port of the system's choice
///         Ok(RunningServer::new(server.address()).on_stop(|grace| server.stop(grace)))
///     }
/// }
///
/// fn main() -> std::process::ExitCode {
///     rwgi_conformance::server::main(MyServer)
/// }
/// ```
pub trait ServerUnderTest: Send + Sync + 'static {
    /// Starts the server with this application and gives its address once it listens there.
    ///
    /// # Errors
    /// It does not start; for a server that is the answer to a failed `startup`.
    fn start(&self, application: SharedApplication) -> Result<RunningServer, BoxError>;

    /// Its name, for reports.
    fn name(&self) -> String {
        "server".to_owned()
    }
}

/// A server that runs; it is stopped when this is dropped.
pub struct RunningServer {
    address: SocketAddr,
    stop: Option<Stop>,
}

/// Tells a server to stop, waits until it did, and gives whether all exchanges ended within the time.
type Stop = Box<dyn FnOnce(Duration) -> bool + Send>;

impl RunningServer {
    /// A server that listens at this address.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stop: None }
    }

    /// How it is stopped: the closure tells it to stop with a period of grace, returns when it has stopped, and gives whether all
    /// exchanges ended within the period.
    #[must_use]
    pub fn on_stop(mut self, stop: impl FnOnce(Duration) -> bool + Send + 'static) -> Self {
        self.stop = Some(Box::new(stop));
        self
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it; `None` where the author said nothing on how to.
    pub fn stop(mut self, grace: Duration) -> Option<bool> {
        self.stop.take().map(|stop| stop(grace))
    }

    /// Whether it can be stopped.
    pub fn can_stop(&self) -> bool {
        self.stop.is_some()
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop(Duration::ZERO);
        }
    }
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A server that is ready to be judged.
pub struct Subject {
    /// Where it listens.
    pub address: SocketAddr,
    /// Host and port, as they stand in Host.
    pub authority: String,
    /// How long one wait may take.
    pub deadline: Duration,
    /// What the server declares, from a report of the suite's application.
    pub declared: Value,
    launcher: Option<Arc<dyn ServerUnderTest>>,
}

impl Subject {
    /// A server at an address, asked for what it declares.
    ///
    /// A server that does not answer as the suite's application would declares nothing, and is judged all the same.
    pub fn at(address: SocketAddr, deadline: Duration) -> Self {
        let mut subject = Self {
            address,
            authority: address.to_string(),
            deadline,
            declared: Value::Null,
            launcher: None,
        };
        subject.declared = subject.ask().unwrap_or(Value::Null);
        subject
    }

    /// Another text for Host than the address.
    #[must_use]
    pub fn with_authority(mut self, authority: String) -> Self {
        self.authority = authority;
        self
    }

    /// What the server answered to the first request, for a person.
    pub fn first_answer(&self) -> String {
        let transcript = Transcript::default();
        let mut talk = Talk::new(self, "first", transcript.clone());
        let _ = talk.report("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        transcript.text()
    }

    /// Adds a way to start further servers like it.
    #[must_use]
    pub fn with_launcher(mut self, launcher: Arc<dyn ServerUnderTest>) -> Self {
        self.launcher = Some(launcher);
        self
    }

    fn ask(&self) -> Result<Value, Failure> {
        let mut talk = Talk::new(self, "declared", Transcript::default());
        talk.report("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
    }

    /// Whether the server hosts the suite's application.
    pub fn hosts_the_suite(&self) -> bool {
        self.declared["application"] == super::application::MARK_VALUE
    }

    /// Whether it declares a capability.
    pub fn declares(&self, capability: &str) -> bool {
        let names = self.declared["capabilities"].as_array();
        names.is_some_and(|names| names.iter().any(|name| name == capability))
    }

    /// A limit that it tells, by its name in the report.
    pub fn limit(&self, name: &str) -> Option<u64> {
        self.declared["limits"][name].as_u64()
    }

    /// Whether each exchange has a process of its own, as CGI has it.
    pub fn runs_once(&self) -> bool {
        self.declared["run_once"] == true
    }

    /// Whether the suite can start servers like it.
    pub fn can_launch(&self) -> bool {
        self.launcher.is_some() && !self.runs_once()
    }

    /// Starts a server like it with another application.
    ///
    /// # Errors
    /// It does not start, or there is no way to.
    pub fn launch(&self, application: impl Application) -> Result<RunningServer, BoxError> {
        match &self.launcher {
            Some(launcher) => launcher.start(SharedApplication::new(application)),
            None => Err("the suite was given no way to start this server".into()),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Starts the server with the suite's application.
///
/// # Errors
/// It does not start.
pub fn prepare(
    server: Arc<dyn ServerUnderTest>,
    deadline: Duration,
) -> Result<(Subject, RunningServer), BoxError> {
    let running = server.start(SharedApplication::new(SuiteApplication::new()))?;
    let subject = Subject::at(running.address(), deadline).with_launcher(server);
    Ok((subject, running))
}
