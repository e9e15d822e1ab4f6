//! The reference server of RWGI, the Rust Web Gateway Interface: hosts any [`rwgi::Application`], on hyper and tokio.
//!
//! ```no_run
//! use http::StatusCode;
//! use rwgi::{Environ, Finished, StartResponse};
//!
//! async fn hello(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
//!     start_response.respond(StatusCode::OK, [("content-type", "text/plain")], "Hello, World!")
//! }
//!
//! fn main() -> rwgi_server::Result<()> {
//!     rwgi_server::serve(hello)
//! }
//! ```
//!
//! [`serve`] is the short way, and takes its settings from the environment (`RWGI_*`) and a file; [`command`](fn@command) gives an application
//! the whole command line of `rwgi`; [`Server`] sets addresses and limits in code and runs inside a runtime of your own. Every limit is
//! on by default and stands, with its reason, in [`Config`].
//!
//! The modules are declared in the order in which a request meets them.

mod access_log;
mod admin;
mod choice;
mod command;
mod config;
mod descriptors;
mod error;
mod life;
mod server;
mod settings;
mod signals;
mod stop;
mod supervisor;
mod workers;

mod bind;
mod door;
mod failed_accepts;
mod listener;
mod transport;

mod arrival;
mod tls;

mod answer;
mod body_pace;
mod connection;
mod development;
mod diagnosis;
mod environ;
mod forwarded;
mod gateway;
mod hosted;
mod observation;
mod request_body;
mod upgrade;
mod websocket;

mod blocking;
mod fault;
mod response_body;

mod static_files;

pub mod demo;

#[cfg(test)]
#[path = "../tests/support/corpus.rs"]
#[allow(unreachable_pub, clippy::unwrap_used, reason = "the tests from outside use it as well")]
mod corpus;

use rwgi::Application;

pub use self::access_log::AccessLogFormat;
pub use self::choice::{ClientCertificate, Runtime, UnixMode};
pub use self::command::{command, read_options, start_log, with_options};
pub use self::config::Config;
pub use self::error::{Error, Result};
pub use self::forwarded::{ForwardedFields, TrustedProxies};
pub use self::life::{Readiness, Running};
pub use self::listener::Listener;
pub use self::observation::{RequestId, TraceParent};
pub use self::server::{DEFAULT_BIND, Server};
pub use self::static_files::{StaticFiles, StaticFolders};
pub use self::transport::{Socket, TcpSocket, Transport, UnixSocket};

/// Serves `application` until SIGTERM or ctrl-c; blocks. Settings come from the environment (`RWGI_BIND`, and `RWGI_…` for each field
/// of [`Config`]) and from the file that `RWGI_CONFIG` names, if it does.
///
/// Says on standard error where it listens and what goes wrong, as [`Config::log`] has it, unless the program has set a subscriber of
/// `tracing` of its own.
///
/// # Errors
/// Settings that are wrong, all at once; a static folder that is not there; as [`run`].
///
/// # Panics
/// Inside of a tokio runtime, for it starts one of its own: [`Server::serve`] is for there.
pub fn serve<A: Application>(application: A) -> Result<()> {
    let config = command::from_environment()?;
    start_log(&config);
    run(Server::new(StaticFiles::new(application, &config.static_folders)?), &config)
}

/// Runs a server on a runtime made for it, until SIGTERM or ctrl-c; blocks. `config` takes the place of what [`Server::config`] has set.
///
/// The process is the server's: its limit on open files is raised as far as it may raise it itself (the soft limit to the hard one), as Go's
/// and Node's programs do; [`Server::serve`] leaves it alone. The runtime is dropped without waiting for blocking calls: one that never
/// returns does not keep the process.
///
/// ```no_run
/// use rwgi_server::{Config, Server};
///
/// fn main() -> rwgi_server::Result<()> {
///     let config = Config { bind: vec!["127.0.0.1:0".to_owned()], ..Config::default() };
///     rwgi_server::run(Server::new(rwgi_server::demo::application()), &config)
/// }
/// ```
///
/// # Errors
/// As [`Server::serve`]; the system refuses threads.
///
/// # Panics
/// Inside of a tokio runtime, for it starts one of its own.
pub fn run<A: Application>(server: Server<A>, config: &Config) -> Result<()> {
    descriptors::raise();
    let mut server = server.config(config.clone());
    // Before there are other threads, which might read the environment while the variables are taken out of it.
    server.inherit()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(config.blocking_threads.max(1))
        .build()
        .map_err(|error| Error::runtime("the runtime could not start", error))?;
    let result = runtime.block_on(server.serve());
    // A blocking call that never returns must not keep a stopped server alive.
    runtime.shutdown_background();
    result
}
