//! The application's process: built, started with the held sockets, ended.
//!
//! Rules of this room: a door; a child is in a process group of its own, so that what it has started ends with it; it ends with its owner.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::bind::Bound;
use crate::{DEFAULT_BIND, Error, Result};

/// How long an application that is replaced may take to end.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Where systemd's protocol has the first socket.
const FIRST: i32 = 3;

/// How a build ended.
pub(super) enum Built {
    Well,
    /// With the compiler's words.
    Badly(String),
    /// It could not be begun.
    NotAtAll(io::Error),
}

/// Builds, where the command is one that would build before it runs: `cargo run …`. Dropped, it stops building.
pub(super) async fn build(command: &[String]) -> Built {
    let Some(arguments) = build_arguments(command) else { return Built::Well };
    let child = Command::new(&command[0])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Built::NotAtAll(error),
    };
    let mut words = String::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line).into_owned();
            eprintln!("{line}");
            if words.len() < MOST_WORDS {
                words.push_str(&line);
                words.push('\n');
            }
        }
    }
    match child.wait().await {
        Ok(status) if status.success() => Built::Well,
        Ok(_) => Built::Badly(words),
        Err(error) => Built::NotAtAll(error),
    }
}

/// More of a compiler's words helps nobody.
const MOST_WORDS: usize = 256 * 1024;

/// `cargo build …` for `cargo run … -- …`.
fn build_arguments(command: &[String]) -> Option<Vec<String>> {
    let program = command.first()?.rsplit('/').next()?;
    let verb = command.get(1)?;
    if program != "cargo" || !matches!(verb.as_str(), "run" | "r") {
        return None;
    }
    let rest = command[2..].iter().take_while(|argument| *argument != "--").cloned();
    Some(std::iter::once("build".to_owned()).chain(rest).collect())
}

/// An application that runs.
pub(super) struct Child {
    child: tokio::process::Child,
    group: Option<Pid>,
}

impl Child {
    /// Starts it with the held sockets, by systemd's protocol.
    pub(super) fn start(command: &[String], held: &[Bound]) -> Result<Self> {
        let failed = |error: io::Error| Error::runtime(&command[0], error);
        let copies: Vec<OwnedFd> = held
            .iter()
            .map(|bound| match bound {
                Bound::Tcp { listener, .. } => listener.try_clone().map(OwnedFd::from),
                Bound::Unix { listener, .. } => listener.try_clone().map(OwnedFd::from),
            })
            .collect::<io::Result<_>>()
            .map_err(failed)?;
        let mut process = Command::new(&command[0]);
        process
            .args(&command[1..])
            .env("LISTEN_FDS", copies.len().to_string())
            // `cargo run` becomes the application, another program may start it: whose process it is cannot be known.
            .env("LISTEN_PID", "")
            // The default, which gives way to inherited sockets, whatever the configuration says.
            .env("RWGI_BIND", DEFAULT_BIND)
            .env("RWGI_DEV", "true")
            .stdin(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        if std::env::var_os("RUST_BACKTRACE").is_none() {
            process.env("RUST_BACKTRACE", "1");
        }
        let mappings = copies
            .into_iter()
            .zip(FIRST..)
            .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd })
            .collect();
        process.fd_mappings(mappings).map_err(|error| failed(io::Error::other(error)))?;
        let child = process.spawn().map_err(failed)?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, group })
    }

    /// Tells it to end, and sees to it.
    pub(super) fn end(mut self) {
        self.tell(Signal::TERM);
        tokio::spawn(async move {
            if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
                self.tell(Signal::KILL);
                // It is reaped, whatever it says.
                let _ = self.child.wait().await;
            }
            self.reaped();
        });
    }

    /// Its number may be another's from now on.
    fn reaped(&mut self) {
        self.group = None;
    }

    fn tell(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It may have ended already.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.tell(Signal::TERM);
    }
}

/// Waits until it ends by itself; for ever, where there is none. Cancel safe.
pub(super) async fn ended(child: &mut Option<Child>) -> ExitStatus {
    match child {
        Some(child) => match child.child.wait().await {
            Ok(status) => {
                child.reaped();
                status
            }
            Err(_) => ExitStatus::default(),
        },
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_would_run_is_built_first() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (command, build) in [
            ("cargo run", Some("build")),
            ("/usr/bin/cargo r --release --bin x -- --flag run", Some("build --release --bin x")),
            ("cargo test", None),
            ("python app.py", None),
            ("cargo", None),
        ] {
            assert_eq!(build_arguments(&words(command)), build.map(words), "{command}");
        }
    }
}
