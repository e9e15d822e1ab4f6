//! `honest`: a small blocking server on `std::net` that keeps the contract, and breaks one rule of it on request.
//!
//! Rules of this room: no hyper and no tokio, so that the specification does not come to mean what those do; one thread for a
//! connection, one exchange at a time on it; clarity before speed. It is the control specimen of the suite: every case holds
//! on it, and fails with the [`Violation`] of the case.

mod arrival;
mod connection;
mod drive;
pub(crate) mod fields;
mod flawed;
mod head;
mod http2;
mod inbound;
mod line;
mod listener;
pub mod null;
mod outbound;
mod sending;
mod tunnel;
mod violation;
mod websocket;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rwgi::{BoxError, Capabilities, Departure, Limits, SharedApplication};

pub use self::drive::Parker;
pub use self::http2::Http2Flaw;
pub use self::tunnel::UpgradeFlaw;
pub use self::violation::{Asked, Flaw, Reply, Switch, Violation};
pub use self::websocket::WebSocketFlaw;
use crate::server::{RunningServer, ServerUnderTest};

/// The server, with at most one flaw.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     rwgi_conformance::server::main(rwgi_conformance::honest::Honest::default())
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Honest {
    violation: Option<Violation>,
    /// Zero lets the system choose.
    port: u16,
    /// Has no capability.
    plain: bool,
}

impl Honest {
    /// The server with this flaw.
    pub fn with(violation: Violation) -> Self {
        Self { violation: Some(violation), ..Self::default() }
    }

    /// The server without capabilities, for what has to be refused then.
    pub fn plain() -> Self {
        Self { plain: true, ..Self::default() }
    }

    /// The server on a certain port of 127.0.0.1; with 0, as unless told otherwise, the system chooses.
    #[must_use]
    pub fn on_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }
}

impl ServerUnderTest for Honest {
    fn start(&self, application: SharedApplication) -> Result<RunningServer, BoxError> {
        let mut capabilities = if self.plain { Capabilities::default() } else { capabilities() };
        let flaw = self.violation.map(|violation| violation.flaw);
        if matches!(flaw, Some(Flaw::Switch(Switch::Upgrades))) {
            // It is one of a server that upgrades although it declares nothing.
            capabilities.upgrade = false;
        }
        listener::start(application, self.violation, self.port, capabilities)
    }

    fn name(&self) -> String {
        "honest".to_owned()
    }
}

/// What the server declares.
fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.http2 = true;
    capabilities.informational = true;
    capabilities.request_trailers = true;
    capabilities.response_trailers = true;
    capabilities.full_duplex = true;
    capabilities.upgrade = true;
    capabilities.websocket = true;
    capabilities.departure = Departure::Prompt;
    capabilities
}

/// What it grants one exchange.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.head_bytes = Some(32 * 1024);
    limits.head_fields = Some(100);
    limits.target_bytes = Some(16 * 1024);
    limits.body_bytes = Some(2 * 1024 * 1024);
    limits.head_timeout = Some(Duration::from_secs(1));
    limits
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let parker = Parker::new();
    let waker = Arc::clone(&parker).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        parker.wait(Duration::from_secs(60));
    }
}
