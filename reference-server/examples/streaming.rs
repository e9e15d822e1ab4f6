//! Streaming: a table that is written row by row, as long as anybody reads, in constant memory.
//!
//! `cargo run -p rwgi-server --example streaming`, then `curl http://127.0.0.1:8000/?10`, or without a number for a table without
//! end. `write` waits while the client does not read: stop `curl` with ctrl-z, and the table stops, too.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use rwgi::{Environ, Error, Finished, Result, StartResponse};

// ANCHOR: application
/// The application: an `async fn` of this shape is one.
pub async fn application(environ: Environ, start_response: StartResponse) -> Result<Finished> {
    let rows: u64 = match environ.query() {
        None => u64::MAX,
        Some(text) => text.parse().map_err(|error| {
            Error::client(StatusCode::BAD_REQUEST, "the query is no number of rows")
                .with_source(error)
        })?,
    };
    // No length is declared, so the server chooses a framing that shows where the end is.
    let mut body = start_response.start(StatusCode::OK, [(CONTENT_TYPE, "text/csv")])?;
    body.write("number,square\n").await?;
    // Not needed: each piece leaves by itself. After it the header line is on its way whatever the rows take.
    body.flush().await?;
    for number in 0..rows {
        let square = u128::from(number) * u128::from(number);
        body.write(format!("{number},{square}\n")).await?;
    }
    body.finish()
}
// ANCHOR_END: application

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(application)
}
