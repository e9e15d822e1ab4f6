//! One server takes over from another under load, and no request fails: by a socket that both inherit, and by a shared port.
//!
//! The recipes, as a supervisor would follow them, stand in each test. `RWGI_LONG=1` repeats them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use support::command::{Rwgi, command};
use support::figures::figure;
use support::within;

/// Clients that ask without pause until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

const CLOSE: &str = "GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const KEEP: &str = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";

impl Load {
    fn on(address: SocketAddr) -> Self {
        let (stop, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let clients = (0..6)
            .map(|number| {
                let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
                std::thread::spawn(move || {
                    let mut failures = Vec::new();
                    let mut kept = None;
                    while !stop.load(SeqCst) {
                        // Half of them connect for each request, the others keep their connection for as long as they may.
                        let result = if number % 2 == 0 {
                            connect(address)
                                .and_then(|mut stream| ask(&mut stream, CLOSE))
                                .map(drop)
                        } else {
                            keep(address, &mut kept)
                        };
                        if let Err(error) = result {
                            failures.push(error.to_string());
                        }
                        asked.fetch_add(1, SeqCst);
                    }
                    failures
                })
            })
            .collect();
        Self { stop, asked, clients }
    }

    /// Waits until so many more requests have been answered.
    async fn goes_on(&self, more: usize) {
        let before = self.asked.load(SeqCst);
        within("requests to be answered", async {
            while self.asked.load(SeqCst) < before + more {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Gives how many were asked and what failed.
    fn end(self) -> (usize, Vec<String>) {
        self.stop.store(true, SeqCst);
        let failures = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (self.asked.load(SeqCst), failures)
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Asks on the connection that is there. One that is closed before it has answered anything of this request is replaced once, as every
/// client does with a connection that was idle (RFC 9112, section 9.3.1): the server may close it at that very moment.
fn keep(address: SocketAddr, kept: &mut Option<TcpStream>) -> io::Result<()> {
    if let Some(stream) = kept {
        match ask(stream, KEEP) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                *kept = None;
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
    let mut stream = connect(address)?;
    *kept = ask(&mut stream, KEEP)?.then_some(stream);
    Ok(())
}

/// Asks, and gives whether the connection is kept. `ConnectionAborted` is one that ended before it had answered anything.
fn ask(stream: &mut TcpStream, request: &str) -> io::Result<bool> {
    const END: &[u8] = b"\r\n\r\nHello, World!";
    let unanswered = |error: io::Error| io::Error::new(io::ErrorKind::ConnectionAborted, error);
    stream.write_all(request.as_bytes()).map_err(unanswered)?;
    let mut answer = Vec::new();
    let mut octets = [0; 1024];
    while !answer.ends_with(END) {
        let read = stream.read(&mut octets);
        match read {
            Ok(0) if answer.is_empty() => {
                return Err(unanswered(io::Error::other("closed before the answer")));
            }
            Ok(0) => return Err(io::Error::other("closed within the answer")),
            Ok(read) => answer.extend(&octets[..read]),
            Err(error) if answer.is_empty() => return Err(unanswered(error)),
            Err(error) => return Err(error),
        }
    }
    let head = String::from_utf8_lossy(&answer);
    if !head.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(head.into_owned()));
    }
    Ok(!head.contains("connection: close"))
}

fn rounds() -> usize {
    if std::env::var_os("RWGI_LONG").is_some() { 50 } else { 3 }
}

fn report(what: &str, (asked, failures): (usize, Vec<String>)) {
    figure(&format!("{what}: {asked} requests, {} failed", failures.len()));
    assert_eq!(failures, [""; 0], "of {asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_socket_that_both_inherit() {
    // As systemd does, with `FileDescriptorStoreMax=` or two units and one socket: the socket outlives whoever serves it.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = || {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", r#"LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" 3<&0 </dev/null"#])
            .arg(env!("CARGO_BIN_EXE_rwgi"))
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket.try_clone().unwrap())));
        Rwgi::spawn(shell)
    };
    let mut server = start().await;
    let load = Load::on(server.address);
    for _ in 0..rounds() {
        load.goes_on(200).await;
        // 1. The new one serves beside the old one. 2. The old one is told to stop. 3. It ends when its clients have their answers.
        let next = start().await;
        load.goes_on(200).await;
        server.signal("TERM");
        let (status, said) = server.ended().await;
        assert_eq!(status.code(), Some(0), "{said}");
        server = next;
    }
    load.goes_on(200).await;
    report("a socket that both inherit", load.end());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_port_that_both_share() {
    let start = |address: String| {
        let mut command = command();
        command.args(["--bind", &address, "--reuse-port"]);
        Rwgi::spawn(command)
    };
    let mut server = start("127.0.0.1:0".to_owned()).await;
    let address = server.address;
    let load = Load::on(address);
    for _ in 0..rounds() {
        load.goes_on(200).await;
        // 1. The new one listens on the same port. 2. The old one is told to stop. 3. It serves whoever the kernel had given it.
        let next = start(address.to_string()).await;
        load.goes_on(200).await;
        server.signal("TERM");
        let (status, said) = server.ended().await;
        assert_eq!(status.code(), Some(0), "{said}");
        server = next;
    }
    load.goes_on(200).await;
    report("a port that both share", load.end());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reload_drops_nobody() {
    let server = Rwgi::start().await;
    let load = Load::on(server.address);
    for _ in 0..rounds() {
        load.goes_on(100).await;
        server.signal("HUP");
    }
    load.goes_on(100).await;
    report("a reload", load.end());
    server.signal("TERM");
    assert_eq!(server.ended().await.0.code(), Some(0));
}
