//! The counters in the text format of Prometheus.
//!
//! Rules of this room: it thinks, but for what the process says of itself; the names are OpenTelemetry's where it has one, as its specification maps
//! them to Prometheus; a name that was published keeps its meaning.

use std::fmt::Write;
use std::time::SystemTime;

use super::{Watched, process};
use crate::observation::metrics::{BOUNDS, Snapshot};

pub(super) fn text(seen: &Snapshot, watched: &Watched) -> String {
    let mut text = Text(String::with_capacity(4096));
    text.gauge("rwgi_ready", "Whether new clients are welcome", u64::from(watched.is_ready()));
    text.gauge("rwgi_connections", "Connections that are open", seen.connections);
    text.counter("rwgi_connections_total", "Connections that were accepted", seen.accepted);
    text.gauge("http_server_active_requests", "Exchanges under way", seen.in_flight);
    text.counter("rwgi_exchanges_total", "Exchanges that have begun", seen.begun);
    text.counter(
        "rwgi_refused_heads_total",
        "Heads that were refused before they were a request",
        seen.refused,
    );
    text.counter(
        "rwgi_response_content_bytes_total",
        "Bytes of content that were sent",
        seen.bytes,
    );
    text.head(
        "rwgi_responses_total",
        "Responses by status; 499: the client had left before",
        "counter",
    );
    for (status, count) in &seen.statuses {
        text.line(format_args!("rwgi_responses_total{{status=\"{status}\"}} {count}"));
    }
    let name = "http_server_request_duration_seconds";
    text.head(name, "From the parsed head of a request to the end of its response", "histogram");
    let mut sum = 0;
    for (index, count) in seen.buckets.iter().enumerate() {
        sum += count;
        match BOUNDS.get(index) {
            Some(bound) => {
                let bound = *bound as f64 / 1e6;
                text.line(format_args!("{name}_bucket{{le=\"{bound}\"}} {sum}"));
            }
            None => text.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {sum}")),
        }
    }
    text.line(format_args!("{name}_sum {}", seen.total.as_secs_f64()));
    text.line(format_args!("{name}_count {sum}"));
    if let Ok(since) = watched.started.duration_since(SystemTime::UNIX_EPOCH) {
        text.head("process_start_time_seconds", "When the server was started", "gauge");
        text.line(format_args!("process_start_time_seconds {}", since.as_secs_f64()));
    }
    if let Some(bytes) = process::resident() {
        text.gauge("process_resident_memory_bytes", "The resident set", bytes);
    }
    if let Some(open) = process::descriptors() {
        text.gauge("process_open_fds", "Descriptors that are open", open);
    }
    text.0
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP {name} {help}."));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "gauge");
        self.line(format_args!("{name} {value}"));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        self.line(format_args!("{name} {value}"));
    }
}
