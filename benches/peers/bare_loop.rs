//! A loop over sockets that parses nothing: the limit that no server of HTTP reaches.
//!
//! Rules of this peer: it looks for empty lines and answers each with the same octets; one poll and one listener for each thread.

use benches::{serve, sockets};
use clap::Parser;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\
    date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nHello, World!";

fn main() -> benches::Result<()> {
    sockets::serve(&serve::Arguments::parse(), 64 * 1024, answer)
}

/// One answer for each empty line.
fn answer(_: &mut (), read: &mut Vec<u8>, to_write: &mut Vec<u8>) {
    let mut start = 0;
    while let Some(end) = read[start..].windows(4).position(|four| four == b"\r\n\r\n") {
        start += end + 4;
        to_write.extend_from_slice(ANSWER);
    }
    read.drain(..start);
}
