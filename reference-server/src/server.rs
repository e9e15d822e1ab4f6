//! The server: an application, where to listen, and how it starts.
//!
//! Rules of this room: bind, then startup, then accept; each step once, and each failure one clear line. What comes after is in `life.rs`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rwgi::{Application, Capabilities, Departure, Endpoint, ServerInfo};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::access_log::AccessLog;
use crate::admin::{self, Watched};
use crate::arrival;
use crate::bind::{Bound, bind, inherited};
use crate::blocking::BlockingThreads;
use crate::choice::Runtime;
use crate::config::Config;
use crate::connection::clock::Clocks;
use crate::connection::{self, Shared};
use crate::descriptors;
use crate::door::Door;
use crate::gateway::Proxies;
use crate::hosted::Host;
use crate::life::{Life, Running};
use crate::listener::Listener;
use crate::observation::Observer;
use crate::signals::{Signals, Told};
use crate::stop::Stop;
use crate::workers::Workers;
use crate::{Error, Result, supervisor, tls};

/// Where a server listens when nobody says: this machine only, port 8000, as `manage.py runserver`.
pub const DEFAULT_BIND: &str = "127.0.0.1:8000";

/// What `SERVER_SOFTWARE` says.
pub(crate) const SOFTWARE: &str = concat!("rwgi-server/", env!("CARGO_PKG_VERSION"));

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
    inherited: Vec<Bound>,
    announced: bool,
}

impl<A: Application> Server<A> {
    /// A server for `application`, with all defaults.
    pub fn new(application: A) -> Self {
        Self {
            application: Arc::new(application),
            config: Config::default(),
            binds: Vec::new(),
            inherited: Vec::new(),
            announced: true,
        }
    }

    /// Adds an address to listen on: `host:port` (port 0 takes a free one), `unix:/path` or `unix:@name`. Without any it is what a supervisor
    /// left open, or else [`Config::bind`].
    ///
    /// Where the configuration has certificates a TCP address is served under TLS, unless it is written `http://host:port`; Unix sockets
    /// never are. The file of a Unix socket that nobody serves any more is replaced.
    #[must_use]
    pub fn bind(mut self, address: impl Into<String>) -> Self {
        self.binds.push(address.into());
        self
    }

    /// Sets limits and times, all at once; [`Config::default`] unless it is called.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Where it listens is not logged: somebody else says it.
    pub(crate) fn unannounced(mut self) -> Self {
        self.announced = false;
        self
    }

    /// Serves until SIGTERM or ctrl-c, then drains as [`Running::stop`] does. SIGHUP has certificates and keys read again; SIGUSR1 and SIGHUP open
    /// the access log anew. A supervisor (systemd) is told that the server is ready, reloads, stops and is alive, where it wants to know
    /// (`NOTIFY_SOCKET`, `WATCHDOG_USEC`). Told to stop before `startup` has come to its end, it drops that and returns; `shutdown` is not called
    /// then (REQ-LIFE-12).
    ///
    /// # Errors
    /// Bad configuration, an address that cannot be listened on, a failed startup; exchanges that outlasted the period of
    /// grace, a second signal.
    ///
    /// # Cancel safety
    /// Dropped, it hears no signal any more, and what serves goes on: [`start`](Self::start) and [`Running::stop`] are for whoever stops otherwise.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub async fn serve(self) -> Result<()> {
        // Taken over before anything is announced, so that no signal after the announcement ends the process the hard way.
        let mut signals = Signals::new()?;
        let mut reload = false;
        let running = {
            let mut start = Box::pin(self.start());
            loop {
                tokio::select! {
                    started = &mut start => break started?,
                    // An application that waits for its database may do so for ever.
                    told = signals.next() => match told {
                        Told::Stop => {
                            tracing::info!("told to stop before the application had started");
                            return Ok(());
                        }
                        Told::Reload | Told::Reopen => reload = true,
                    },
                }
            }
        };
        if reload {
            drop(running.reload());
            running.reopen_logs();
        }
        supervisor::ready();
        let live = async {
            loop {
                match signals.next().await {
                    Told::Stop => break,
                    Told::Reload => {
                        supervisor::reloading();
                        // What is wrong has been logged, and what was there is kept.
                        drop(running.reload());
                        running.reopen_logs();
                        supervisor::ready();
                    }
                    Told::Reopen => running.reopen_logs(),
                }
            }
            supervisor::stopping();
            tracing::info!("stopping: exchanges under way may end");
            tokio::select! {
                stopped = running.stop() => stopped,
                () = signals.stop() => Err(Error::forced()),
            }
        };
        tokio::select! {
            ended = live => ended,
            never = supervisor::alive() => match never {},
        }
    }

    /// Starts to serve and returns: binds, completes the application's `startup` (REQ-LIFE-01), then accepts.
    ///
    /// # Errors
    /// As [`serve`](Self::serve), before anything was accepted (REQ-LIFE-03).
    ///
    /// # Cancel safety
    /// Dropped, nothing listens any more, and `startup` is dropped at its next await; `shutdown` is not called.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub async fn start(mut self) -> Result<Running> {
        self.config.check()?;
        let tls = self.open_tls()?;
        if self.announced {
            self.inherit()?;
        }
        let mut bound = std::mem::take(&mut self.inherited);
        let binds = if self.binds.is_empty() { &self.config.bind } else { &self.binds };
        // What a supervisor left open is meant; the default only stands in where nothing was said.
        if bound.is_empty() || *binds != [DEFAULT_BIND] {
            for address in binds {
                bound.push(bind(address, &self.config)?);
            }
        }
        let doors: Vec<Door> = bound.into_iter().map(Door::open).collect::<Result<_>>()?;
        let endpoints = doors.iter().map(Door::endpoint).collect();
        let life = self.live(endpoints, tls).await?;
        for door in doors {
            match door {
                Door::Tcp { listener, tls } => {
                    life.open(listener, life.layers(tls), arrival::serve);
                }
                Door::Unix(listener) => {
                    life.open(listener, life.layers(false), arrival::serve_layered);
                }
            }
        }
        Ok(life.run())
    }

    /// Takes over the sockets that a supervisor such as systemd left open for this process (`LISTEN_FDS`), if it did; they are served
    /// beside those of [`bind`](Self::bind), under TLS where the configuration has certificates and they are TCP.
    ///
    /// [`start`](Self::start) does this too. Called earlier, before there are other threads, nothing else reads the environment while the
    /// variables are taken out of it; [`run`](crate::run) does so.
    ///
    /// # Errors
    /// An inherited descriptor that is no listening stream socket.
    pub fn inherit(&mut self) -> Result<()> {
        self.inherited.extend(inherited(&self.config)?);
        Ok(())
    }

    /// Starts to serve on listeners of any kind: a Unix socket, an in-memory pipe, one of another runtime's. TLS and PROXY headers hold for
    /// all of them where the configuration has them.
    ///
    /// # Errors
    /// Bad configuration, a failed startup.
    ///
    /// # Cancel safety
    /// None, as [`start`](Self::start).
    ///
    /// # Panics
    /// Outside of a tokio runtime with time enabled, and with I/O where a transport is [in real time](crate::Transport::in_real_time).
    pub async fn start_on<L: Listener>(
        self,
        listeners: impl IntoIterator<Item = L>,
    ) -> Result<Running> {
        self.config.check()?;
        let tls = self.open_tls()?;
        let listeners: Vec<L> = listeners.into_iter().collect();
        let endpoints = listeners.iter().map(Listener::endpoint).collect();
        let life = self.live(endpoints, tls).await?;
        for listener in listeners {
            life.open(listener, life.layers(true), arrival::serve);
        }
        Ok(life.run())
    }

    fn open_tls(&self) -> Result<Option<Arc<tls::Store>>> {
        tls::Tls::of(&self.config).map(|tls| tls::Store::open(tls).map(Arc::new)).transpose()
    }

    /// Starts the application.
    async fn live(self, endpoints: Vec<Endpoint>, tls: Option<Arc<tls::Store>>) -> Result<Life> {
        let stop = Arc::new(Stop::new());
        let mut server = server_info(&self.config, endpoints.clone());
        server.stopping = stop.stopping();
        let server = Arc::new(server);
        let log = match &self.config.access_log {
            Some(path) => Some(AccessLog::open(path, &self.config.access_log_format)?),
            None => None,
        };
        let observer = Arc::new(Observer::new(self.config.admin.is_some(), self.config.dev, log));
        let watched = Watched {
            observer: Arc::clone(&observer),
            stop: Arc::clone(&stop),
            endpoints: endpoints.clone(),
            started: std::time::SystemTime::now(),
        };
        // Before the application starts: whoever asks meanwhile hears that it is not ready yet.
        let mut admin = Early(admin::start(&self.config, watched).await?);
        if let Err(error) = startup(&self.application, &server).await {
            if let Some(admin) = admin.0.take() {
                let _ = admin.stop_within(Duration::ZERO).await;
            }
            return Err(error);
        }
        let mut server_http2 = ServerInfo::clone(&server);
        server_http2.capabilities.response_trailers = true;
        let shared = Arc::new(Shared {
            http1: connection::http1::builder(&self.config),
            application: Arc::new(Host(self.application)),
            stop,
            load: Arc::default(),
            observer: Arc::clone(&observer),
            server,
            server_http2: Arc::new(server_http2),
            proxies: Arc::new(Proxies {
                trusted: self.config.trusted_proxies.clone(),
                fields: self.config.forwarded_fields.clone(),
            }),
            clocks: Clocks::default(),
            config: self.config,
        });
        let room = Arc::new(Semaphore::new(
            descriptors::places(&shared.config).min(Semaphore::MAX_PERMITS),
        ));
        let (doors, tasks) = (TaskTracker::new(), TaskTracker::new());
        if let Some(tls) = &tls {
            doors.spawn(tls::watch(Arc::clone(tls), Arc::clone(&shared.stop)));
        }
        let workers = match shared.config.runtime {
            Runtime::Shared => None,
            Runtime::PerCore => Some(Arc::new(Workers::start()?)),
        };
        let (announced, admin) = (self.announced, admin.0.take());
        Ok(Life { shared, doors, tasks, room, tls, endpoints, admin, announced, workers })
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

/// The admin listener of a server that has not started yet: where that comes to nothing, it ends as well.
struct Early(Option<Running>);

impl Drop for Early {
    fn drop(&mut self) {
        if let Some(admin) = &self.0 {
            admin.kill();
        }
    }
}

fn server_info(config: &Config, endpoints: Vec<Endpoint>) -> ServerInfo {
    let mut info = ServerInfo::new(SOFTWARE);
    let mut capabilities = Capabilities::default();
    capabilities.http2 = true;
    capabilities.request_trailers = true;
    capabilities.full_duplex = true;
    capabilities.upgrade = true;
    capabilities.websocket = true;
    capabilities.forwarded_upgrade = true;
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
    let task = tokio::spawn(async move { application.startup(&server).await });
    match AbortOnDropHandle::new(task).await {
        Ok(result) => result.map_err(Error::startup),
        Err(panic) => Err(Error::startup(rwgi::Error::application(panic.to_string()))),
    }
}
