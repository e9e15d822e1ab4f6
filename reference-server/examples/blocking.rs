//! A blocking application: written as a WSGI application is, with a reader, a writer and no `async`.
//!
//! `cargo run -p rwgi-server --example blocking`, then `curl --data-binary @some-file http://127.0.0.1:8000/`. It runs on a thread
//! where blocking is allowed; files and database drivers that block are at home here.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use http::StatusCode;
use http::header::CONTENT_TYPE;
use rwgi::{Blocking, BlockingInput, BlockingStartResponse, Environ, Finished, Result};

// ANCHOR: application
/// Counts the words of what was sent.
pub fn count(mut environ: Environ, start_response: BlockingStartResponse) -> Result<Finished> {
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    // A line that breaks off is an error of the client, and `?` keeps it one.
    for line in BlockingInput::from(environ.take_input()).lines() {
        for word in line?.split_whitespace() {
            *words.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    let mut body = start_response.start(StatusCode::OK, [(CONTENT_TYPE, "text/plain")])?;
    for (word, count) in words {
        // A client that left is an error here: the loop ends, and so does the call.
        writeln!(body, "{count} {word}")?;
    }
    body.finish()
}

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(Blocking::new(count))
}
// ANCHOR_END: application
