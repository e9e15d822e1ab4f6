//! Why a server could not start, or did not stop well.
//!
//! Rules of this room: one clear line that says what is wrong, where, and what would be right; the same line whether it is
//! displayed or, by `fn main() -> rwgi_server::Result<()>`, debugged.

use std::fmt;
use std::io;

/// What starting and stopping a server can fail with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server could not start, or did not stop well: one message for a person: what is wrong, where, and what would be right. What the system
/// said is its [`source`](std::error::Error::source), where there is such a thing.
pub struct Error {
    message: String,
    source: Option<rwgi::BoxError>,
}

impl Error {
    pub(crate) fn config(problem: impl fmt::Display) -> Self {
        Self { message: format!("bad configuration: {problem}"), source: None }
    }

    pub(crate) fn bind(address: &str, error: io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there; stop it or choose another address (port 0 takes a free one)"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a privilege; choose a higher one"
            }
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address",
            io::ErrorKind::InvalidInput => {
                "write it as 127.0.0.1:8000, [::1]:8000 or localhost:8000"
            }
            _ => "check the name of the host",
        };
        Self {
            message: format!("cannot listen on {address}: {error}: {advice}"),
            source: Some(error.into()),
        }
    }

    pub(crate) fn bind_unix(address: &str, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there; stop it or choose another path"
            }
            io::ErrorKind::PermissionDenied => "this user may not make a socket there",
            io::ErrorKind::NotFound => "its directory does not exist",
            io::ErrorKind::AlreadyExists => "remove it or choose another path",
            io::ErrorKind::InvalidInput => {
                "write it as unix:/run/example.sock (no more than 107 octets) or unix:@name"
            }
            _ => "check the path",
        };
        Self { message: format!("cannot listen on {address}: {error}: {advice}"), source: None }
    }

    pub(crate) fn inherited(index: usize, error: &io::Error) -> Self {
        Self {
            message: format!(
                "LISTEN_FDS: inherited socket {index} cannot be used: {error}: listening stream sockets are expected, \
                 TCP or Unix"
            ),
            source: None,
        }
    }

    pub(crate) fn startup(error: rwgi::Error) -> Self {
        let cause = error.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
        Self {
            message: format!("the application's startup failed: {error}{cause}"),
            source: Some(error.into()),
        }
    }

    pub(crate) fn runtime(what: &str, error: io::Error) -> Self {
        Self { message: format!("{what}: {error}"), source: Some(error.into()) }
    }

    pub(crate) fn grace(left: usize) -> Self {
        Self {
            message: format!("{left} connection(s) outlasted the period of grace and were aborted"),
            source: None,
        }
    }

    /// The same, of the part of the server that it was.
    pub(crate) fn of(mut self, what: &str) -> Self {
        self.message.insert_str(0, &format!("{what}: "));
        self
    }

    pub(crate) fn forced() -> Self {
        Self {
            message: "a second signal ended the server before its exchanges had ended".to_owned(),
            source: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
