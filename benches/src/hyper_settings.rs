//! The settings of hyper, for every contestant that is built on it.
//!
//! Rules of this room: the one place that sets them, equal to what `rwgi_server` sets, so that a difference in a table is
//! a difference of what stands on top of hyper.

use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;

/// hyper's HTTP/1 with the settings of the reference server.
pub fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // A head that does not arrive ends the connection: on in every server that stands in the open.
        .header_read_timeout(Duration::from_secs(10))
        // Pipelined answers leave in one write.
        .pipeline_flush(true)
        // Bounds the memory of a connection.
        .max_buf_size(64 * 1024)
        // A client that sends no more still gets its answer.
        .half_close(true);
    builder
}
