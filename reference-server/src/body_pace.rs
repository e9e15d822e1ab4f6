//! How long a client may take to send the content of its request.
//!
//! Rules of this room: it thinks, in times that others have measured; only the time in which the server waited for the client counts, so
//! that a client is never blamed for an application that takes its time.

use std::time::Duration;

use crate::config::Config;

/// What a client is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From one piece to the next.
    silence: Duration,
    /// Bytes a second on average, once [`GRACE`] is over.
    rate: u32,
    /// All in all.
    total: Duration,
}

/// Before a rate means anything: a connection has to find its speed. Apache's `mod_reqtimeout` gives 20 s.
const GRACE: Duration = Duration::from_secs(10);

/// How a client has fared so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// The time in which the server has waited for it.
    pub(crate) waited: Duration,
    /// The bytes that have come.
    pub(crate) received: u64,
}

impl Pace {
    pub(crate) fn new(config: &Config) -> Self {
        Self { silence: config.body_timeout, rate: config.body_rate, total: config.request_timeout }
    }

    /// How long the next piece may take from now on.
    pub(crate) fn patience(&self, progress: &Progress) -> Duration {
        let by_rate = match self.rate {
            0 => Duration::MAX,
            rate => {
                let earned = progress.received.saturating_mul(1000) / u64::from(rate);
                GRACE.saturating_add(Duration::from_millis(earned)).saturating_sub(progress.waited)
            }
        };
        let in_all = self.total.saturating_sub(progress.waited);
        self.silence.min(by_rate).min(in_all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace { silence: secs(20), rate: 500, total: secs(3600) }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn progress(waited: u64, received: u64) -> Progress {
        Progress { waited: secs(waited), received }
    }

    #[test]
    fn the_strictest_of_the_three_counts() {
        let cases = [
            // At the beginning there is the grace.
            ((0, 0), 10),
            ((9, 0), 1),
            ((10, 0), 0),
            ((30, 0), 0),
            // What has come earns time, at 500 bytes a second.
            ((10, 1000), 2),
            ((60, 500 * 60), 10),
            // No credit lasts longer than the silence that is allowed.
            ((10, 1_000_000), 20),
            ((3590, u64::MAX), 10),
            ((3600, u64::MAX), 0),
            ((4000, u64::MAX), 0),
        ];
        for ((waited, received), patience) in cases {
            let progress = progress(waited, received);
            assert_eq!(pace().patience(&progress), secs(patience), "{progress:?}");
        }
    }

    #[test]
    fn no_rate_leaves_the_other_two() {
        let pace = Pace { rate: 0, ..pace() };
        assert_eq!(pace.patience(&progress(100, 0)), secs(20));
        assert_eq!(pace.patience(&progress(3595, 0)), secs(5));
    }
}
