//! The life of a server that has started: it lets clients in, is asked things, and stops.
//!
//! Rules of this room: stop accepting, then drain, then shutdown, each once and none without an end; what outlasts the period of grace is aborted
//! and counted; the admin listener answers until all else has ended.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rwgi::Endpoint;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::arrival::Layers;
use crate::connection::Shared;
use crate::door::accept;
use crate::listener::Listener;
use crate::observation::Observer;
use crate::stop::{Stage, Stop};
use crate::workers::Workers;
use crate::{Error, Result, tls};

/// A server that serves; made by [`Server::start`](crate::Server::start).
///
/// ```
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// use rwgi_server::{Server, demo};
/// let running = Server::new(demo::application()).bind("127.0.0.1:0").start().await?;
/// assert!(running.address().is_some() && running.readiness().is_ready());
/// running.stop().await
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping it does not stop the server; [`stop`](Self::stop) does.
pub struct Running {
    endpoints: Vec<Endpoint>,
    admin_address: Option<SocketAddr>,
    observer: Arc<Observer>,
    life: Box<Life>,
}

impl Running {
    /// Where the server listens, in the order in which it was told to.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The first IP address and port on which the server listens; `None` where it only has Unix sockets.
    pub fn address(&self) -> Option<SocketAddr> {
        self.endpoints.iter().find_map(Endpoint::socket_addr)
    }

    /// Reads certificates and keys again, for the connections to come; those that are there keep theirs. SIGHUP does the same.
    ///
    /// # Errors
    /// A file is bad: nothing has changed.
    pub fn reload(&self) -> Result<()> {
        self.life.reload()
    }

    /// What a readiness probe asks, also after the server was told to stop.
    pub fn readiness(&self) -> Readiness {
        self.life.readiness()
    }

    /// Where the admin listener answers, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Opens the access log anew, for whoever has moved its file away.
    pub fn reopen_logs(&self) {
        self.observer.reopen_log();
    }

    /// Stops: after [`Config::announce`](crate::Config::announce) nothing new is accepted (REQ-LIFE-06), exchanges under way may end within the
    /// period of grace (REQ-LIFE-07) and are cancelled after it (REQ-LIFE-10), then the application's `shutdown` runs (REQ-LIFE-11), for no
    /// longer than [`Config::shutdown_timeout`](crate::Config::shutdown_timeout) (REQ-LIFE-16).
    ///
    /// # Errors
    /// Some exchanges outlasted the period of grace and were aborted.
    ///
    /// # Cancel safety
    /// None: dropped, the server accepts nothing more, and neither the end of the grace nor `shutdown` comes.
    pub async fn stop(self) -> Result<()> {
        self.life.stop(None).await
    }

    /// [`stop`](Self::stop) with another period of grace than the [`Config`](crate::Config)'s.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// None, as there.
    pub async fn stop_within(self, grace: Duration) -> Result<()> {
        self.life.stop(Some(grace)).await
    }

    /// Ends all that it serves at once, without waiting for it.
    pub(crate) fn kill(&self) {
        self.life.shared.stop.advance(Stage::Kill);
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

/// Whether a server wants new clients. Cheap to clone; it may outlive its server.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Stop>);

impl Readiness {
    /// True until the server is told to stop.
    pub fn is_ready(&self) -> bool {
        self.0.is_ready()
    }
}

/// An application that has started, and its connections.
pub(crate) struct Life {
    pub(crate) shared: Arc<Shared>,
    /// Whoever lets connections in, or looks after what they need.
    pub(crate) doors: TaskTracker,
    /// The connections.
    pub(crate) tasks: TaskTracker,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) tls: Option<Arc<tls::Store>>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) admin: Option<Running>,
    pub(crate) announced: bool,
    /// The runtimes of single cores, where connections are dealt to them.
    pub(crate) workers: Option<Arc<Workers>>,
}

impl Life {
    /// What stands before HTTP on a listener.
    pub(crate) fn layers(&self, tls: bool) -> Layers {
        let tls = self.tls.as_ref().filter(|_| tls).map(Arc::clone);
        Layers { tls, proxies: Arc::new(self.shared.config.proxy_protocol.clone()) }
    }

    /// Begins to let clients in.
    pub(crate) fn open<L: Listener, S: Future<Output = ()> + Send + 'static>(
        &self,
        listener: L,
        layers: Layers,
        serve: impl Fn(L::Stream, Layers, Arc<Shared>) -> S + Send + Sync + 'static,
    ) {
        let shared = Arc::clone(&self.shared);
        let serve = {
            let shared = Arc::clone(&shared);
            move |stream| serve(stream, layers.clone(), Arc::clone(&shared))
        };
        let (room, tasks, workers) =
            (Arc::clone(&self.room), self.tasks.clone(), self.workers.clone());
        self.doors.spawn(accept(listener, shared, room, tasks, workers, serve));
    }

    pub(crate) fn run(self) -> Running {
        let endpoints = self.endpoints.clone();
        for endpoint in endpoints.iter().filter(|_| self.announced) {
            tracing::info!(%endpoint, "listening");
        }
        let admin_address = self.admin.as_ref().and_then(Running::address);
        let observer = Arc::clone(&self.shared.observer);
        observer.serve();
        Running { endpoints, admin_address, observer, life: Box::new(self) }
    }
}

/// A page of numbers takes no longer.
const ADMIN_GRACE: Duration = Duration::from_secs(1);

/// What waits to be written is a few megabytes at most. A pipe that nobody reads would keep the process for ever.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// Runs the application's shutdown, on a task of its own, where a panic is an error, for as long as it may take (REQ-LIFE-16).
async fn shut_down(shared: &Shared) {
    let mut task = tokio::spawn(shared.application.shutdown());
    let ended = match shared.config.shutdown_timeout {
        Some(time) => timeout(time, &mut task).await,
        None => Ok((&mut task).await),
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => tracing::error!(%panic, "the application's shutdown panicked"),
        Err(_) => {
            task.abort();
            tracing::error!(
                "the application's shutdown took longer than {:?} (shutdown_timeout) and was given up",
                shared.config.shutdown_timeout.unwrap_or_default()
            );
        }
    }
}

impl Life {
    fn readiness(&self) -> Readiness {
        Readiness(Arc::clone(&self.shared.stop))
    }

    fn reload(&self) -> Result<()> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.reload())
    }

    /// A box, because the admin listener is a server within the server.
    fn stop(
        self: Box<Self>,
        grace: Option<Duration>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send + 'static>> {
        Box::pin(async move {
            let Self { shared, tasks, doors, admin, .. } = *self;
            if !shared.config.announce.is_zero() {
                shared.stop.advance(Stage::Announce);
                tokio::time::sleep(shared.config.announce).await;
            }
            shared.stop.advance(Stage::Drain);
            let grace = grace.unwrap_or(shared.config.grace);
            let mut result = Ok(());
            doors.close();
            tasks.close();
            let all = async {
                // Whoever is still let in is counted from then on.
                doors.wait().await;
                tasks.wait().await;
            };
            tokio::pin!(all);
            if timeout(grace, &mut all).await.is_err() {
                result = Err(Error::grace(tasks.len()));
                shared.stop.advance(Stage::Kill);
                all.await;
            }
            shut_down(&shared).await;
            // To the end somebody may ask whether the server is still there.
            if let Some(admin) = admin
                && admin.stop_within(ADMIN_GRACE).await.is_err()
            {
                tracing::debug!("whoever asked the admin listener had no answer in time");
            }
            if let Some(log) = shared.observer.log()
                && timeout(LOG_PATIENCE, log.flush()).await.is_err()
            {
                tracing::error!(
                    "the access log took nothing for too long; its last lines are lost"
                );
            }
            result
        })
    }
}
