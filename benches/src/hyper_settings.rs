//! The settings of hyper, for every contestant that is built on it.
//!
//! Rules of this room: the one place that sets them, so that a difference in a table is a difference of what stands on top
//! of hyper. The reference server is the exception: it sets hyper up itself, and has timers and gathering of its own.

use std::time::Duration;

use clap::ValueEnum;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;

/// How hyper is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Settings {
    /// As one would who serves with hyper alone: its timer, and pipelined answers in one write.
    Tuned,
    /// As the reference server does, which times and gathers by itself: the ratio to this is what all of it costs.
    Untimed,
}

/// hyper's HTTP/1.
pub fn http1(settings: Settings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Bounds the memory of a connection.
        .max_buf_size(64 * 1024)
        // A client that sends no more still gets its answer.
        .half_close(true);
    match settings {
        Settings::Tuned => builder
            .timer(TokioTimer::new())
            // A head that does not arrive ends the connection: on in every server that stands in the open.
            .header_read_timeout(Duration::from_secs(10))
            // Pipelined answers leave in one write.
            .pipeline_flush(true),
        Settings::Untimed => {
            builder.header_read_timeout(None).max_header_size(32 * 1024).pipeline_flush(false)
        }
    };
    builder
}
