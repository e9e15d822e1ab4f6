//! Uploads one after another on one connection, as browsers send them, over real sockets.
//!
//! Rules of this room: the content is arbitrary octets, which may look like anything; nothing is lost and nothing hangs, however the
//! pieces of an upload fall on the server's reads.
#![allow(clippy::unwrap_used, reason = "clippy takes the helpers below for production code")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rwgi_server::Server;

/// Octets with everything in them that a head could have, in an order that repeats with `seed` only.
fn octets(length: usize, mut seed: u32) -> Vec<u8> {
    let next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Sends one upload, then reads the echo; small enough for the buffers on the way.
fn upload(stream: &mut BufReader<TcpStream>, content: &[u8], piece: usize) -> (String, Vec<u8>) {
    let length = content.len();
    let head =
        format!("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    stream.get_mut().write_all(head.as_bytes()).unwrap();
    for piece in content.chunks(piece) {
        stream.get_mut().write_all(piece).unwrap();
    }
    let mut status = String::new();
    stream.read_line(&mut status).unwrap();
    let mut field = String::new();
    while field != "\r\n" {
        field.clear();
        stream.read_line(&mut field).unwrap();
    }
    let mut echo = vec![0; if status.contains(" 200 ") { length } else { 0 }];
    stream.read_exact(&mut echo).unwrap();
    (status, echo)
}

#[test]
fn every_upload_comes_back_whole_and_the_connection_goes_on() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Server::new(rwgi_server::demo::application()).bind("127.0.0.1:0");
    let server = runtime.block_on(server.start()).unwrap();
    let stream = TcpStream::connect(server.address().unwrap()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut stream = BufReader::new(stream);
    // A wake-up that was lost between a read and the next showed about once in a thousand uploads.
    let uploads = [(65_536, 65_536), (65_536, 16_384), (1_000, 1_000), (65_536, 1_460)];
    for (round, (length, piece)) in uploads.into_iter().cycle().take(4_000).enumerate() {
        let content = octets(length, round as u32);
        let (status, echo) = upload(&mut stream, &content, piece);
        assert_eq!(status, "HTTP/1.1 200 OK\r\n", "round {round}");
        assert!(echo == content, "round {round} came back changed");
    }
    drop(stream);
    runtime.block_on(server.stop()).unwrap();
}
