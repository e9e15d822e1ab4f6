//! A server that is started by a command line, and ended with all that it has started itself.
//!
//! Rules of this room: a server is in a process group of its own, which ends with the judge, however that ends; what leaves the group (setsid) is let go.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Trouble;

/// A process group that is ended when this is dropped.
pub(super) struct Started {
    server: Child,
    /// Ends the group once its standard input does.
    guard: Child,
}

/// A group of its own gets no ctrl-c of the terminal: somebody has to see that the judge is no more.
const GUARD: &str = r#"read -r _; kill -s KILL -- "-$1""#;

impl Started {
    fn new(line: &str) -> io::Result<Self> {
        let mut server = Command::new("sh")
            // It begins once it is guarded, and not at all where the judge has ended by then.
            .args(["-c", &format!("read -r _ || exit; exec </dev/null; exec {line}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &server.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let begin = server.stdin.take();
        match guard {
            Ok(guard) => {
                let started = Self { server, guard };
                begin.map_or(Ok(()), |mut begin| begin.write_all(b"\n"))?;
                Ok(started)
            }
            Err(error) => {
                let _ = server.kill();
                let _ = server.wait();
                Err(error)
            }
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        // Where the guard could not: the wait must have an end.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a server and waits until it listens.
///
/// # Errors
/// The line has no place for the port; the server cannot be started, ends, or does not listen.
pub(super) fn start(line: &str) -> Result<(Started, SocketAddr), Trouble> {
    if !line.contains("{port}") {
        return Err(Trouble::Usage(format!(
            "--command {line:?}: the place for the port, {{port}}, is missing; write it as 'my-server --port {{port}}'"
        )));
    }
    // The system chooses a port that is free now.
    let free =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let address = free.map_err(|error| Trouble::Start(format!("no free port: {error}")))?;
    let line = line.replace("{port}", &address.port().to_string());
    let mut started =
        Started::new(&line).map_err(|error| Trouble::Start(format!("{line}: {error}")))?;
    let until = Instant::now() + PATIENCE;
    loop {
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
            return Ok((started, address));
        }
        if let Ok(Some(status)) = started.server.try_wait() {
            return Err(Trouble::Start(format!("`{line}` ended before it listened: {status}")));
        }
        if Instant::now() > until {
            return Err(Trouble::Start(format!(
                "`{line}` does not listen on {address} after {PATIENCE:?}"
            )));
        }
        // Another process cannot tell when it is ready: its door is knocked at again.
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
