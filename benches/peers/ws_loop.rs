//! A loop over sockets that echoes frames and checks nothing: the limit of the comparison.
//!
//! Rules of this peer: it answers any handshake alike, takes the mask off and sends the payload back; one poll and one listener for each thread.

use benches::{serve, sockets};
use clap::Parser;

/// To the key that the load sends.
const HANDSHAKE: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn main() -> benches::Result<()> {
    sockets::serve(&serve::Arguments::parse(), 128 * 1024, answer)
}

/// The handshake, then each frame that is all there.
fn answer(open: &mut bool, read: &mut Vec<u8>, to_write: &mut Vec<u8>) {
    if !*open {
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            return;
        };
        read.drain(..end + 4);
        to_write.extend_from_slice(HANDSHAKE);
        *open = true;
    }
    let mut start = 0;
    while let Some(length) = echo(&mut read[start..], to_write) {
        start += length;
    }
    read.drain(..start);
}

/// Sends the first frame back, where all of it is there; gives its length.
fn echo(read: &mut [u8], out: &mut Vec<u8>) -> Option<usize> {
    let (length, at) = match read.get(1)? & 0x7f {
        126 => (usize::from(u16::from_be_bytes(*read.get(2..)?.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*read.get(2..)?.first_chunk()?) as usize, 10),
        short => (usize::from(short), 2),
    };
    let key: [u8; 4] = *read.get(at..)?.first_chunk()?;
    let whole = at + 4 + length;
    let payload = read.get_mut(at + 4..whole)?;
    let wide = u64::from_ne_bytes([key, key].concat().try_into().ok()?);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (octet, key) in rest.iter_mut().zip(key.into_iter().cycle()) {
        *octet ^= key;
    }
    out.extend_from_slice(&read[..at]);
    let second = out.len() - at + 1;
    out[second] &= 0x7f;
    out.extend_from_slice(&read[at + 4..whole]);
    Some(whole)
}
