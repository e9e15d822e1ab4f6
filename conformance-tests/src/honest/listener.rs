//! The server as a whole: its door, its connections, its life from startup to shutdown.
//!
//! Rules of this room: startup before the door, shutdown after the last exchange; whoever stops the server is told
//! whether all exchanges ended in time.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rwgi::{
    Application, BoxError, Capabilities, Connection, ServerInfo, SharedApplication, StopNotice,
};

use super::connection::Conversation;
use super::violation::{Flaw, Switch, Violation};
use crate::server::RunningServer;

pub(super) struct Server {
    pub(super) application: Arc<SharedApplication>,
    pub(super) violation: Option<Violation>,
    pub(super) abandoned: Arc<AtomicBool>,
    address: SocketAddr,
    info: Arc<ServerInfo>,
    stopping: AtomicBool,
    notice: StopNotice,
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    connections: usize,
    exchanges: usize,
}

/// An exchange under way.
pub(super) struct Guard(Arc<Server>);

impl Server {
    pub(super) fn switch(&self) -> Option<Switch> {
        match self.violation.map(|violation| violation.flaw) {
            Some(Flaw::Switch(switch)) => Some(switch),
            _ => None,
        }
    }

    fn off(&self, switch: Switch) -> bool {
        self.switch() == Some(switch)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    pub(super) fn enter(self: &Arc<Self>) -> Guard {
        self.count(|counts| counts.exchanges += 1);
        Guard(Arc::clone(self))
    }

    /// Waits until `ended` holds, at most for this time; whether it does.
    fn wait(&self, time: Duration, ended: impl Fn(&Counts) -> bool) -> bool {
        let until = Instant::now().checked_add(time);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        while !ended(&counts) {
            let left = until.map_or(Duration::from_secs(3600), |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return false;
            }
            counts =
                self.changed.wait_timeout(counts, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub(super) fn stop_accepting(&self) {
        self.stopping.store(true, Ordering::Release);
        self.notice.give();
        // The door waits in `accept`: one more visitor lets it look.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }

    fn stop(self: &Arc<Self>, door: thread::JoinHandle<()>, grace: Duration) -> bool {
        // Where the door serves by itself, it cannot be waited for while it does.
        if self.off(Switch::NoGrace) || self.off(Switch::OneAtATime) {
            self.abandoned.store(true, Ordering::Release);
        }
        if self.off(Switch::AcceptsWhileStopping) {
            self.stopping.store(true, Ordering::Release);
        } else {
            self.stop_accepting();
            let _ = door.join();
        }
        if self.off(Switch::ShutdownFirst) {
            super::block_on(self.application.shutdown());
        }
        let grace = if self.off(Switch::EndlessGrace) { Duration::MAX } else { grace };
        let in_time = self.wait(grace, |counts| counts.exchanges == 0);
        self.abandoned.store(true, Ordering::Release);
        self.wait(Duration::from_secs(5), |counts| counts.connections == 0);
        if self.off(Switch::AcceptsWhileStopping) {
            self.stop_accepting();
        }
        if !self.off(Switch::NoShutdown) && !self.off(Switch::ShutdownFirst) {
            super::block_on(self.application.shutdown());
        }
        if self.off(Switch::ShutdownTwice) {
            super::block_on(self.application.shutdown());
        }
        in_time || self.off(Switch::AlwaysInTime)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.count(|counts| counts.exchanges -= 1);
    }
}

/// Starts the server; port 0 lets the system choose.
pub(super) fn start(
    application: SharedApplication,
    violation: Option<Violation>,
    port: u16,
    capabilities: Capabilities,
) -> Result<RunningServer, BoxError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let address = listener.local_addr()?;
    let mut info = ServerInfo::new(concat!("honest/", env!("CARGO_PKG_VERSION")));
    info.capabilities = capabilities;
    info.limits = super::limits();
    let notice = StopNotice::new();
    info.stopping = notice.stopping();
    let server = |info: ServerInfo| {
        Arc::new(Server {
            application: Arc::new(application),
            violation,
            abandoned: Arc::default(),
            address,
            info: Arc::new(info),
            stopping: AtomicBool::new(false),
            notice,
            counts: Mutex::default(),
            changed: Condvar::new(),
        })
    };
    let wrong =
        matches!(violation, Some(Violation { flaw: Flaw::Switch(Switch::WrongEndpoint), .. }));
    info.endpoints =
        vec![if wrong { SocketAddr::from(([127, 0, 0, 1], 0)).into() } else { address.into() }];
    let server = server(info);
    if !server.off(Switch::ServesDuringStartup) {
        startup(&server)?;
    }
    let accepting = Arc::clone(&server);
    let door = thread::Builder::new()
        .name("honest-door".to_owned())
        .spawn(move || accept(&accepting, &listener))?;
    if server.off(Switch::ServesDuringStartup) {
        startup(&server)?;
    }
    Ok(RunningServer::new(address).on_stop(move |grace| server.stop(door, grace)))
}

fn startup(server: &Server) -> Result<(), BoxError> {
    let run = || {
        catch_unwind(AssertUnwindSafe(|| super::block_on(server.application.startup(&server.info))))
            .unwrap_or_else(|_| {
                Err(rwgi::Error::application("the application panicked in startup"))
            })
    };
    if server.off(Switch::NoStartup) {
        return Ok(());
    }
    if server.off(Switch::StartupTwice) {
        let _ = run();
    }
    match run() {
        Err(_) if server.off(Switch::IgnoresFailedStartup) => Ok(()),
        Err(error) => {
            if server.off(Switch::ShutdownAfterFailedStartup) {
                super::block_on(server.application.shutdown());
            }
            Err(error.into())
        }
        Ok(()) => Ok(()),
    }
}

fn accept(server: &Arc<Server>, listener: &TcpListener) {
    for stream in listener.incoming() {
        if server.is_stopping() && !server.off(Switch::AcceptsWhileStopping) {
            return;
        }
        if server.is_stopping() && server.abandoned.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if server.off(Switch::OneAtATime) {
            serve(Arc::clone(server), stream);
            continue;
        }
        let server = Arc::clone(server);
        // Without a thread the connection is dropped, which its client sees.
        let _ = thread::Builder::new()
            .name("honest-connection".to_owned())
            .spawn(move || serve(server, stream));
    }
}

fn serve(server: Arc<Server>, stream: TcpStream) {
    server.count(|counts| counts.connections += 1);
    let _ = stream.set_nodelay(true);
    let endpoint =
        |address: std::io::Result<SocketAddr>| address.map(Into::into).unwrap_or_default();
    let mut facts = Connection {
        peer: endpoint(stream.peer_addr()),
        local: endpoint(stream.local_addr()),
        tls: None,
        server: Arc::clone(&server.info),
    };
    if let Some(Violation { flaw: Flaw::Connection(change), .. }) = server.violation {
        change(&mut facts);
    }
    if let Ok(conversation) = Conversation::new(Arc::clone(&server), stream, facts) {
        let _ = catch_unwind(AssertUnwindSafe(|| conversation.serve()));
    }
    server.count(|counts| counts.connections -= 1);
}
