//! A CGI program that runs.
//!
//! Rules of this room: a door; the program has a process group of its own, which is killed when this is dropped, so that nothing of it
//! survives a client that left; its environment is what it is given and nothing of the server's own but `PATH`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::Stdio;

use http::StatusCode;
use rustix::process::{Pid, Signal, kill_process_group};
use rwgi::{Error, Result};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// A variable of the program.
pub(super) type Variable = (OsString, OsString);

/// Octets as the system has them.
pub(super) fn text(octets: &[u8]) -> OsString {
    OsString::from_vec(octets.to_vec())
}

pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
}

/// The program's ends of its pipes.
pub(super) struct Pipes {
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) errors: ChildStderr,
}

impl Process {
    /// Starts a program, in its own folder (RFC 3875, section 7.2).
    ///
    /// # Errors
    /// The system does not start it: 502 where the file is the reason, 503 where the system is.
    pub(super) fn start(file: &Path, variables: Vec<Variable>) -> Result<(Self, Pipes)> {
        let mut command = Command::new(file);
        command
            .env_clear()
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(folder) = file.parent() {
            command.current_dir(folder);
        }
        let mut child = command.spawn().map_err(|error| {
            let status = match error.kind() {
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::OutOfMemory => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                _ => StatusCode::BAD_GATEWAY,
            };
            Error::server("the CGI program could not be started")
                .with_status(status)
                .with_source(error)
        })?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let process = Self { child, group };
        match pipes {
            (Some(input), Some(output), Some(errors)) => {
                Ok((process, Pipes { input, output, errors }))
            }
            _ => Err(Error::server("the CGI program has no pipes")),
        }
    }

    /// Waits for the end of a program that has closed its output; gives whether it ended well.
    pub(super) async fn ended(&mut self) -> std::io::Result<bool> {
        let status = self.child.wait().await?;
        // What it left behind, if anything, is not awaited; it is killed with the drop.
        Ok(status.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // Gone already in the good case.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
