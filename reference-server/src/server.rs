//! The server: an application, where to listen, and the life of both.
//!
//! Rules of this room: bind, then startup, then accept; stop accepting, then drain, then shutdown; each step once, and each failure
//! one clear line.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rwgi::{Application, Capabilities, Departure, Endpoint, ServerInfo};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::blocking::BlockingThreads;
use crate::config::Config;
use crate::connection::{self, Shared};
use crate::gateway::Proxies;
use crate::listener::{Listener, bind_tcp};
use crate::stop::{Stage, Stop};
use crate::{Error, Result, signals};

/// Where a server listens when nobody says: this machine only, port 8000, as `manage.py runserver`.
pub const DEFAULT_BIND: &str = "127.0.0.1:8000";

/// What `SERVER_SOFTWARE` says.
const SOFTWARE: &str = concat!("rwgi-server/", env!("CARGO_PKG_VERSION"));

/// A server for one application; see [`serve`](crate::serve) for the short way.
///
/// ```no_run
/// use http::StatusCode;
/// use rwgi::{Environ, Finished, StartResponse};
/// use rwgi_server::Server;
///
/// async fn hello(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
///     start_response.respond(StatusCode::OK, [("content-type", "text/plain")], "Hello, World!")
/// }
///
/// # async fn run() -> rwgi_server::Result<()> {
/// Server::new(hello).bind("127.0.0.1:8000").serve().await
/// # }
/// ```
pub struct Server<A> {
    application: Arc<A>,
    config: Config,
    binds: Vec<String>,
}

impl<A: Application> Server<A> {
    /// A server for `application`, with all defaults.
    pub fn new(application: A) -> Self {
        Self { application: Arc::new(application), config: Config::default(), binds: Vec::new() }
    }

    /// Adds an address to listen on (`host:port`; port 0 takes a free one). Without any it is [`Config::bind`].
    #[must_use]
    pub fn bind(mut self, address: impl Into<String>) -> Self {
        self.binds.push(address.into());
        self
    }

    /// Sets limits and times.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Serves until SIGTERM or ctrl-c, then drains.
    ///
    /// # Errors
    /// Bad configuration, an address that cannot be listened on, a failed startup; exchanges that outlasted the period of
    /// grace, a second signal.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub async fn serve(self) -> Result<()> {
        // Taken over before anything is announced, so that no signal after the announcement ends the process the hard way.
        let mut signals = signals::Signals::new()?;
        let running = self.start().await?;
        signals.next().await;
        tracing::info!("stopping: exchanges under way may end");
        tokio::select! {
            stopped = running.stop() => stopped,
            () = signals.next() => Err(Error::forced()),
        }
    }

    /// Starts to serve and returns.
    ///
    /// # Errors
    /// As [`serve`](Self::serve), before anything was accepted.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub async fn start(self) -> Result<Running> {
        self.config.check()?;
        let binds = if self.binds.is_empty() { &self.config.bind } else { &self.binds };
        let listeners: Vec<_> = binds
            .iter()
            .map(|address| bind_tcp(address, self.config.backlog))
            .collect::<Result<_>>()?;
        self.start_on(listeners).await
    }

    /// Starts to serve on listeners of any kind: a Unix socket, an in-memory pipe, one that was inherited.
    ///
    /// # Errors
    /// Bad configuration, a failed startup.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time enabled.
    pub async fn start_on<L: Listener>(
        self,
        listeners: impl IntoIterator<Item = L>,
    ) -> Result<Running> {
        self.config.check()?;
        let listeners: Vec<L> = listeners.into_iter().collect();
        let endpoints: Vec<Endpoint> = listeners.iter().map(Listener::endpoint).collect();
        let server = Arc::new(server_info(&self.config, endpoints.clone()));
        startup(&self.application, &server).await?;
        let mut server_http2 = ServerInfo::clone(&server);
        server_http2.capabilities.response_trailers = true;

        let shared = Arc::new(Shared {
            http1: connection::http1::builder(&self.config),
            application: Arc::clone(&self.application),
            stop: Stop::new(),
            server,
            server_http2: Arc::new(server_http2),
            proxies: Arc::new(Proxies {
                trusted: self.config.trusted_proxies.clone(),
                fields: self.config.forwarded_fields.clone(),
            }),
            config: self.config,
        });
        let tasks = TaskTracker::new();
        let room = Arc::new(Semaphore::new(shared.config.connections.min(Semaphore::MAX_PERMITS)));
        for listener in listeners {
            let accept = accept(listener, Arc::clone(&shared), Arc::clone(&room), tasks.clone());
            tasks.spawn(accept);
        }
        for endpoint in &endpoints {
            tracing::info!(%endpoint, "listening");
        }
        Ok(Running { endpoints, life: Box::new(Life { shared, tasks }) })
    }
}

impl<A> fmt::Debug for Server<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("binds", &self.binds)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

fn server_info(config: &Config, endpoints: Vec<Endpoint>) -> ServerInfo {
    let mut info = ServerInfo::new(SOFTWARE);
    let mut capabilities = Capabilities::default();
    capabilities.http2 = true;
    capabilities.request_trailers = true;
    capabilities.full_duplex = true;
    capabilities.departure = Departure::Prompt;
    info.capabilities = capabilities;
    info.endpoints = endpoints;
    info.limits = config.limits();
    info.blocking = Some(Arc::new(BlockingThreads::new(Handle::current())));
    info
}

/// Runs the application's startup on a task of its own, where a panic is an error.
async fn startup<A: Application>(application: &Arc<A>, server: &Arc<ServerInfo>) -> Result<()> {
    let (application, server) = (Arc::clone(application), Arc::clone(server));
    match tokio::spawn(async move { application.startup(&server).await }).await {
        Ok(result) => result.map_err(Error::startup),
        Err(panic) => Err(Error::startup(rwgi::Error::application(panic.to_string()))),
    }
}

async fn accept<L: Listener, A: Application>(
    mut listener: L,
    shared: Arc<Shared<A>>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
) {
    loop {
        let next = async {
            let place =
                Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        let (stream, place) = tokio::select! {
            biased;
            () = shared.stop.beyond(Stage::Run) => return,
            next = next => next,
        };
        let connection = connection::serve(stream, Arc::clone(&shared));
        tasks.spawn(async move {
            connection.await;
            drop(place);
        });
    }
}

/// A server that serves.
///
/// Dropping it does not stop the server; [`stop`](Self::stop) does.
pub struct Running {
    endpoints: Vec<Endpoint>,
    life: Box<dyn Stoppable>,
}

impl Running {
    /// Where the server listens, in the order in which it was told to.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The first IP address and port on which the server listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.endpoints.iter().find_map(Endpoint::socket_addr)
    }

    /// Stops: nothing new is accepted, exchanges under way may end within the period of grace, then the application's
    /// `shutdown` runs.
    ///
    /// # Errors
    /// Some exchanges outlasted the period of grace and were aborted.
    pub async fn stop(self) -> Result<()> {
        self.life.stop(None).await
    }

    /// [`stop`](Self::stop) with another period of grace than the [`Config`]'s.
    ///
    /// # Errors
    /// As there.
    pub async fn stop_within(self, grace: Duration) -> Result<()> {
        self.life.stop(Some(grace)).await
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

struct Life<A> {
    shared: Arc<Shared<A>>,
    tasks: TaskTracker,
}

/// Hides the application's type from whoever holds a running server.
trait Stoppable: Send + Sync {
    fn stop(
        self: Box<Self>,
        grace: Option<Duration>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send + 'static>>;
}

impl<A: Application> Stoppable for Life<A> {
    fn stop(
        self: Box<Self>,
        grace: Option<Duration>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send + 'static>> {
        Box::pin(async move {
            let Self { shared, tasks } = *self;
            tasks.close();
            shared.stop.advance(Stage::Drain);
            let grace = grace.unwrap_or(shared.config.grace);
            let mut result = Ok(());
            if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
                result = Err(Error::grace(tasks.len()));
                shared.stop.advance(Stage::Kill);
                tasks.wait().await;
            }
            let application = Arc::clone(&shared.application);
            if let Err(panic) = tokio::spawn(async move { application.shutdown().await }).await {
                tracing::error!(%panic, "the application's shutdown panicked");
            }
            result
        })
    }
}
