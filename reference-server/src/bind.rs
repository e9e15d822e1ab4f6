//! Where a server listens: addresses as they are written, and the sockets that they become.
//!
//! Rules of this room: what is wrong with an address is one clear line; a socket that somebody else serves is never taken away; what every
//! connection needs is set on the listening socket, from which the kernel copies it.

use std::fs;
use std::io;
use std::net::{self, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use crate::config::Config;
use crate::{Error, Result};

/// A socket that listens.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp { listener: net::TcpListener, tls: bool },
    Unix { listener: UnixListener, file: Option<SocketFile> },
}

/// The file of a Unix socket that this server has made.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

/// Listens on `address`: `host:port`, `http://host:port`, `https://host:port`, `unix:/path` or `unix:@name`.
pub(crate) fn bind(address: &str, config: &Config) -> Result<Bound> {
    let secure = !config.certificate.is_empty();
    if let Some(path) = address.strip_prefix("unix:") {
        bind_unix(address, path, config)
    } else if let Some(plain) = address.strip_prefix("http://") {
        bind_tcp(plain, config).map(|listener| Bound::Tcp { listener, tls: false })
    } else if let Some(rest) = address.strip_prefix("https://") {
        if !secure {
            return Err(Error::config(format!(
                "{address} needs a certificate and a key: set `certificate` and `key`"
            )));
        }
        bind_tcp(rest, config).map(|listener| Bound::Tcp { listener, tls: true })
    } else {
        bind_tcp(address, config).map(|listener| Bound::Tcp { listener, tls: secure })
    }
}

/// What is wrong with how an address is written; whether there is such a host is seen when it is listened on.
pub(crate) fn misspelt(address: &str, secure: bool) -> Option<&'static str> {
    if address.starts_with("unix:") {
        return None;
    }
    let plain = address.strip_prefix("http://");
    let rest = plain.or_else(|| address.strip_prefix("https://")).unwrap_or(address);
    if rest.len() < address.len() && plain.is_none() && !secure {
        return Some("which needs a certificate and a key: set `certificate` and `key`");
    }
    let Some((host, port)) = rest.rsplit_once(':') else {
        return Some("which has no port; write it as 127.0.0.1:8000, [::1]:8000 or localhost:8000");
    };
    if host.is_empty() {
        return Some(
            "which has no host; write it as 127.0.0.1:8000, or as 0.0.0.0:8000 for all addresses of this machine",
        );
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Some("whose IPv6 address is not in brackets; write it as [::1]:8000");
    }
    port.parse::<u16>().is_err().then_some("whose port is no number up to 65535")
}

/// Takes the sockets that a supervisor left open for this process (`LISTEN_FDS`); none where there are none. One that it has named `http`
/// (`LISTEN_FDNAMES`) is without TLS also where there is a certificate, as an address that begins with `http://`.
///
/// It takes the variables out of the environment, so that no child of this process believes that they are meant for it.
pub(crate) fn inherited(config: &Config) -> Result<Vec<Bound>> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let is_plain = |index| names.split(':').nth(index) == Some("http");
    let mut inherited = listenfd::ListenFd::from_env();
    let mut bound = Vec::new();
    for index in 0..inherited.len() {
        if let Ok(Some(listener)) = inherited.take_unix_listener(index) {
            bound.push(Bound::Unix { listener, file: None });
            continue;
        }
        match inherited.take_tcp_listener(index) {
            Ok(Some(listener)) => {
                options(&SockRef::from(&listener));
                let tls = !config.certificate.is_empty() && !is_plain(index);
                bound.push(Bound::Tcp { listener, tls });
            }
            Ok(None) => {}
            Err(error) => return Err(Error::inherited(index, &error)),
        }
    }
    Ok(bound)
}

/// Listens on the first address that `address` stands for.
fn bind_tcp(address: &str, config: &Config) -> Result<net::TcpListener> {
    let failed = |error| Error::bind(address, error);
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no such address");
    for candidate in address.to_socket_addrs().map_err(failed)? {
        match listen(candidate, config) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn listen(address: SocketAddr, config: &Config) -> io::Result<net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the process before to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    if config.reuse_port {
        socket.set_reuse_port(true)?;
    }
    options(&SockRef::from(&socket));
    socket.bind(&address.into())?;
    socket.listen(backlog(config))?;
    Ok(socket.into())
}

/// What waits in the kernel unsent: more would only hide from the server that a client does not read, and cost memory. nginx and others
/// leave it at `tcp_wmem`, up to 4 MiB.
const NOT_SENT: u32 = 128 * 1024;
/// A peer that is gone without a word is found after a minute of silence and three probes more, or a minute in which it confirmed nothing.
const SILENCE: Duration = Duration::from_secs(60);
const PROBE: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;

/// Sets what every connection needs. Linux copies it from the listening socket, so that it costs a connection nothing.
fn options(socket: &SockRef<'_>) {
    let keepalive =
        TcpKeepalive::new().with_time(SILENCE).with_interval(PROBE).with_retries(PROBES);
    // Responses leave in whole writes already; waiting to fill a segment only delays them.
    let set = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive))
        .and_then(|()| socket.set_tcp_user_timeout(Some(SILENCE)))
        .and_then(|()| socket.set_tcp_notsent_lowat(NOT_SENT));
    if let Err(error) = set {
        tracing::debug!(%error, "a socket option was refused");
    }
}

fn backlog(config: &Config) -> i32 {
    i32::try_from(config.backlog).unwrap_or(i32::MAX)
}

fn bind_unix(address: &str, path: &str, config: &Config) -> Result<Bound> {
    let failed = |error| Error::bind_unix(address, &error);
    if path.is_empty() || path == "@" {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "there is no path")));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    let file = if let Some(name) = path.strip_prefix('@') {
        // An abstract name has no file, no mode, and ends with the socket.
        let name = SockAddr::unix(format!("\0{name}")).map_err(failed)?;
        socket.bind(&name).map_err(failed)?;
        None
    } else {
        let path = Path::new(path);
        remove_stale(path).map_err(failed)?;
        socket.bind(&SockAddr::unix(path).map_err(failed)?).map_err(failed)?;
        // Before it listens, so that nobody can connect in between.
        let mode = fs::Permissions::from_mode(config.unix_mode.0);
        fs::set_permissions(path, mode).map_err(failed)?;
        let inode = fs::symlink_metadata(path).map_err(failed)?.ino();
        Some(SocketFile { path: path.to_owned(), inode })
    };
    socket.listen(backlog(config)).map_err(failed)?;
    Ok(Bound::Unix { listener: socket.into(), file })
}

/// Removes the file of a socket that nobody serves any more.
fn remove_stale(path: &Path) -> io::Result<()> {
    let facts = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        facts => facts?,
    };
    if !facts.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

impl SocketFile {
    /// Removes the file, unless another server has put its own there since.
    pub(crate) fn remove(self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|facts| facts.ino() == self.inode) {
            // Left behind, the next start removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}
