//! The state of a server as data: what the page draws and `rwgi status` prints.
//!
//! Rules of this room: numbers since the start, and never rates: whoever looks twice can tell the rate.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Watched, process};
use crate::observation::metrics::BOUNDS;

/// The state of a server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Status {
    software: String,
    pid: u32,
    endpoints: Vec<String>,
    ready: bool,
    uptime_seconds: f64,
    connections: u64,
    accepted: u64,
    in_flight: u64,
    exchanges: u64,
    refused: u64,
    bytes: u64,
    statuses: BTreeMap<u16, u64>,
    /// Upper bounds of the buckets in seconds; the last bucket has none.
    bounds: Vec<f64>,
    buckets: Vec<u64>,
    resident_bytes: Option<u64>,
    descriptors: Option<u64>,
}

impl Status {
    pub(super) fn of(watched: &Watched) -> Self {
        let seen = watched.observer.metrics.snapshot();
        let uptime = SystemTime::now().duration_since(watched.started).unwrap_or(Duration::ZERO);
        Self {
            software: crate::server::SOFTWARE.to_owned(),
            pid: std::process::id(),
            endpoints: watched.endpoints.iter().map(ToString::to_string).collect(),
            ready: watched.is_ready(),
            uptime_seconds: uptime.as_secs_f64(),
            connections: seen.connections,
            accepted: seen.accepted,
            in_flight: seen.in_flight,
            exchanges: seen.begun,
            refused: seen.refused,
            bytes: seen.bytes,
            statuses: seen.statuses.into_iter().collect(),
            bounds: BOUNDS.iter().map(|bound| *bound as f64 / 1e6).collect(),
            buckets: seen.buckets.to_vec(),
            resident_bytes: process::resident(),
            descriptors: process::descriptors(),
        }
    }

    /// The bound below which `part` (0 to 1) of all exchanges stayed; `None` where there were none.
    fn within(&self, part: f64) -> Option<String> {
        let all: u64 = self.buckets.iter().sum();
        if all == 0 {
            return None;
        }
        let mut sum = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            sum += count;
            if sum as f64 >= all as f64 * part {
                return Some(match (self.bounds.get(index), self.bounds.last()) {
                    (Some(bound), _) => format!("at most {} ms", bound * 1e3),
                    (None, Some(last)) => format!("more than {} ms", last * 1e3),
                    (None, None) => "unknown".to_owned(),
                });
            }
        }
        None
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name:14}{value}");
        };
        row("server", format!("{}, process {}", self.software, self.pid));
        row("listens on", self.endpoints.join(", "));
        row("state", if self.ready { "ready" } else { "not ready" }.to_owned());
        row("up", format!("{:.0} s", self.uptime_seconds));
        row("connections", format!("{} open, {} in all", self.connections, self.accepted));
        row("exchanges", format!("{} under way, {} in all", self.in_flight, self.exchanges));
        row("content sent", format!("{} bytes", self.bytes));
        row("refused heads", self.refused.to_string());
        let statuses: Vec<_> =
            self.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        row("statuses", if statuses.is_empty() { "none".to_owned() } else { statuses.join(", ") });
        for (name, part) in [("median", 0.5), ("95 of 100", 0.95), ("99 of 100", 0.99)] {
            row(name, self.within(part).unwrap_or_else(|| "no exchange yet".to_owned()));
        }
        if let Some(bytes) = self.resident_bytes {
            row("memory", format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)));
        }
        if let Some(open) = self.descriptors {
            row("descriptors", open.to_string());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_a_part_is_that_of_its_bucket() {
        let status =
            Status { bounds: vec![0.001, 0.01], buckets: vec![50, 49, 1], ..Status::default() };
        assert_eq!(status.within(0.5).as_deref(), Some("at most 1 ms"));
        assert_eq!(status.within(0.99).as_deref(), Some("at most 10 ms"));
        assert_eq!(status.within(1.0).as_deref(), Some("more than 10 ms"));
        assert_eq!(Status::default().within(0.5), None);
    }
}
