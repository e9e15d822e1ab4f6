//! The example with an application in Rust and one in Python in one process, run as its users run it.
//!
//! Rules of this test: the example's own program, a real socket; waits are for events.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `cargo test` builds the examples beside the tests; `cargo test --test mixed` alone does not.
fn program() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.parent()?.join("examples");
    Some(folder.join("mixed")).filter(|program| program.exists())
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn rust_and_python_share_a_process() {
    let Some(program) = program() else {
        eprintln!("LEFT OUT: the example `mixed` is not built");
        return;
    };
    let mut child = Command::new(program)
        .env("RWGI_BIND", "127.0.0.1:0")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let _ended = Ended(child);
    let mut line = String::new();
    let address = loop {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it listened");
        if let Some((_, address)) = line.trim_end().split_once("endpoint=") {
            break address.to_owned();
        }
    };
    let rust = get(&address, "/rust");
    assert!(rust.starts_with("HTTP/1.1 200 ") && rust.contains("Rust\n"), "{rust}");
    let python = get(&address, "/some/path");
    assert!(python.contains("Python 3") && python.contains("at /some/path"), "{python}");
    // The same middleware goes around both.
    for answer in [rust, python] {
        assert!(answer.to_ascii_lowercase().contains("x-request-id: "), "{answer}");
    }
}
