//! Octets from anywhere where a PROXY header is expected: it is a header in one way only, or none.
//!
//! Octets that begin with `2` have the signature of version 2 put before the rest, which chance would not find.

use super::proxy::{MOST, SIGNATURE, parse};
use crate::corpus::Corpus;

fn play(octets: &[u8]) {
    let octets = match octets.split_first() {
        Some((b'2', rest)) => [SIGNATURE, rest].concat(),
        _ => octets.to_vec(),
    };
    match parse(&octets) {
        Ok(Some((header, length))) => {
            assert!((1..=octets.len().min(MOST)).contains(&length));
            // What is behind it is the request's, and does not matter.
            for behind in [&b""[..], b"\r\n", b"PROXY ", &[0xff; 300]] {
                let with = [&octets[..length], behind].concat();
                assert_eq!(parse(&with), Ok(Some((header.clone(), length))));
            }
            // However it is cut, the rest of it is waited for.
            for end in 0..length {
                assert_eq!(parse(&octets[..end]), Ok(None), "{end} of {length}");
            }
        }
        // Nobody is waited for without end.
        Ok(None) => assert!(octets.len() < MOST),
        // What is wrong does not become right by more.
        Err(_) => assert!(parse(&[&octets[..], b"\r\n"].concat()).is_err()),
    }
}

#[test]
fn fuzz_header() {
    let corpus = Corpus::read("src/arrival/__fuzz__/arrival__fuzz__header");
    bolero::check!().for_each(|octets: &[u8]| corpus.play(octets, play));
}
