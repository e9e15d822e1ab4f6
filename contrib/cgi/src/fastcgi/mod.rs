//! An application as a FastCGI responder, on a TCP or a Unix socket.
//!
//! Rules of this room: startup before the first accept, shutdown after the last exchange; a failed accept is waited out; what the protocol
//! means is the connection's affair.

mod connection;
mod content;
mod listener;
mod record;

use std::fmt;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rwgi::{Application, Departure, Endpoint, Error, Result, ServerInfo, StopNotice};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use self::connection::Shared;
pub use self::listener::{Inherited, Listener};

/// How long exchanges may go on after the responder was told to stop: 30 s, as `rwgi-server` has it.
const GRACE: Duration = Duration::from_secs(30);

/// How long the application's shutdown may take (REQ-LIFE-16), as on the reference server.
const SHUTDOWN: Duration = Duration::from_secs(60);

/// A FastCGI responder.
///
/// ```no_run
/// use http::StatusCode;
/// use rwgi::{Environ, StartResponse};
/// use rwgi_cgi::fastcgi::{FastCgi, Listener};
///
/// # async fn run() -> rwgi::Result<()> {
/// let hello = |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "Hello") };
/// // nginx: fastcgi_pass unix:/run/app.sock;
/// FastCgi::new(hello).serve(Listener::bind("unix:/run/app.sock")?).await
/// # }
/// ```
pub struct FastCgi<A> {
    application: A,
    server: ServerInfo,
}

impl<A: Application> FastCgi<A> {
    /// A responder for this application.
    pub fn new(application: A) -> Self {
        let mut server = ServerInfo::new(concat!("rwgi-cgi/", env!("CARGO_PKG_VERSION")));
        server.capabilities.full_duplex = true;
        server.capabilities.departure = Departure::OnWrite;
        // As `rwgi-server` and axum's extractors have it; nginx's own is 1 MiB (`client_max_body_size`).
        server.limits.body_bytes = Some(2 * 1024 * 1024);
        Self { application, server }
    }

    /// Says more, or less, of what the web server in front can do, and changes the limit on content (`limits.body_bytes`): 2 MiB by default, as
    /// `rwgi-server` and axum's extractors have it; nginx's own is 1 MiB.
    ///
    /// By default the responder declares what the protocol can carry: `full-duplex` and `departure-on-write`. A web server that collects
    /// a request before it hands it on (nginx does unless `fastcgi_request_buffering` is off) is not full duplex.
    #[must_use]
    pub fn server(mut self, change: impl FnOnce(&mut ServerInfo)) -> Self {
        change(&mut self.server);
        self
    }

    /// Serves until SIGTERM or ctrl-c, then lets what is under way end within 30 s, as `rwgi-server` does (REQ-LIFE-07); what does not is cut
    /// (REQ-LIFE-10). Told so before `startup` has come to its end, it drops that and returns.
    ///
    /// # Errors
    /// A failed startup; exchanges that outlasted the period.
    ///
    /// # Cancel safety
    /// Dropped, it hears no signal any more, and what serves goes on.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub async fn serve(self, listener: Listener) -> Result<()> {
        let mut terminated =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut interrupted =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        let mut told = pin!(async {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
        });
        let running = tokio::select! {
            started = self.start(listener) => started?,
            () = &mut told => return Ok(()),
        };
        told.await;
        if running.stop_within(GRACE).await {
            Ok(())
        } else {
            Err(Error::server("exchanges outlasted the period of grace"))
        }
    }

    /// Starts to serve and returns: the application's `startup` is complete before anything is accepted (REQ-LIFE-01).
    ///
    /// # Errors
    /// A failed startup (REQ-LIFE-03).
    ///
    /// # Cancel safety
    /// Dropped, nothing is accepted, and `startup` is dropped at its next await; `shutdown` is not called.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub async fn start(mut self, listener: Listener) -> Result<Running<A>> {
        self.server.endpoints = vec![listener.endpoint()];
        let notice = StopNotice::new();
        self.server.stopping = notice.stopping();
        let server = Arc::new(self.server);
        let application = Arc::new(self.application);
        let starting = Arc::clone(&application);
        let info = Arc::clone(&server);
        // On a task of its own, where a panic is an error.
        let task = tokio::spawn(async move { starting.startup(&info).await });
        match AbortOnDropHandle::new(task).await {
            Ok(started) => started?,
            Err(panic) => {
                return Err(
                    Error::application("the application's startup panicked").with_source(panic)
                );
            }
        }
        let shared = Arc::new(Shared {
            application,
            server,
            drain: CancellationToken::new(),
            kill: CancellationToken::new(),
        });
        let tasks = TaskTracker::new();
        let endpoint = listener.endpoint();
        tracing::info!(%endpoint, "listening for FastCGI");
        tasks.spawn(accept(listener, Arc::clone(&shared), tasks.clone()));
        Ok(Running { shared, tasks, notice, endpoint })
    }
}

impl<A> fmt::Debug for FastCgi<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastCgi").field("server", &self.server).finish_non_exhaustive()
    }
}

async fn accept<A: Application>(listener: Listener, shared: Arc<Shared<A>>, tasks: TaskTracker) {
    loop {
        let stream = tokio::select! {
            biased;
            () = shared.drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match stream {
            Ok(stream) => {
                tasks.spawn(connection::serve(stream, Arc::clone(&shared)));
            }
            Err(error) => {
                // Out of descriptors or memory: waiting is all that helps.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// A responder that serves. Dropping it does not stop it; [`stop_within`](Self::stop_within) does.
pub struct Running<A> {
    shared: Arc<Shared<A>>,
    tasks: TaskTracker,
    notice: StopNotice,
    endpoint: Endpoint,
}

impl<A: Application> Running<A> {
    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Stops: nothing new is accepted (REQ-LIFE-06), applications are told (REQ-LIFE-14), what is under way may end within `grace`, then the application's `shutdown` runs
    /// (REQ-LIFE-11), for a minute at most (REQ-LIFE-16). Gives whether all ended in time; what did not was cut.
    ///
    /// # Cancel safety
    /// None: dropped, nothing new is accepted, and neither the end of the grace nor `shutdown` comes.
    pub async fn stop_within(self, grace: Duration) -> bool {
        self.tasks.close();
        self.shared.drain.cancel();
        self.notice.give();
        let in_time = tokio::time::timeout(grace, self.tasks.wait()).await.is_ok();
        if !in_time {
            self.shared.kill.cancel();
            self.tasks.wait().await;
        }
        let application = Arc::clone(&self.shared.application);
        let mut task = tokio::spawn(async move { application.shutdown().await });
        match tokio::time::timeout(SHUTDOWN, &mut task).await {
            Ok(Ok(())) => {}
            Ok(Err(panic)) => tracing::error!(%panic, "the application's shutdown panicked"),
            Err(_) => {
                task.abort();
                tracing::error!(
                    "the application's shutdown took longer than {SHUTDOWN:?} and was given up"
                );
            }
        }
        in_time
    }
}

impl<A> fmt::Debug for Running<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Serves on an inherited socket, on a runtime made for it, until SIGTERM or ctrl-c; blocks.
///
/// What fails is told on standard error. The exit code is 0 where every exchange ended in time (REQ-LIFE-13).
///
/// # Panics
/// Inside of a tokio runtime, for it starts one of its own.
pub fn run<A: Application>(application: A, socket: Inherited) -> ExitCode {
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::from)
        .and_then(|runtime| {
            let served =
                runtime.block_on(async { FastCgi::new(application).serve(socket.listen()?).await });
            // A blocking call that never returns must not keep the process.
            runtime.shutdown_background();
            served
        });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
