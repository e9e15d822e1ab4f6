//! What a supervisor such as systemd is told (sd_notify): ready, reloading, stopping, still alive.
//!
//! Rules of this room: a door; where nobody supervises (`NOTIFY_SOCKET` is not set) nothing happens; that nobody hears is logged and no
//! failure.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;

/// The server serves.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The files are being read again; [`ready`] ends it.
pub(crate) fn reloading() {
    // systemd tells this reload from an earlier one by its time.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the supervisor was not told of the reload"),
    }
}

/// The server has been told to stop and does.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the server is alive, as often as the supervisor wants to hear it (`WATCHDOG_USEC`); never, where it does not. Never ends.
pub(crate) async fn alive() -> Infallible {
    let Some(most) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    // Half of it, as sd_watchdog_enabled(3) advises.
    let mut turns = tokio::time::interval((most / 2).max(Duration::from_millis(1)));
    loop {
        turns.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the supervisor could not be told");
    }
}
