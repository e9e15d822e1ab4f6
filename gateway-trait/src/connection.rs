//! The facts of a connection, shared by all its exchanges.
//!
//! Rules of this room: raw facts as the server's socket knows them; what a trusted proxy says stands in the environ
//! ([`Forwarded`](crate::Forwarded)), never here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ServerInfo;

/// One end of a connection.
///
/// ```
/// use rwgi::Endpoint;
/// let end = Endpoint::from(std::net::SocketAddr::from(([127, 0, 0, 1], 8080)));
/// assert_eq!(end.to_string(), "127.0.0.1:8080");
/// assert_eq!(Endpoint::Unix(Some("/run/app".into())).to_string(), "unix:/run/app");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// An IP address and port.
    Ip(SocketAddr),
    /// A Unix socket: its path, or none for an unnamed or abstract one.
    Unix(Option<PathBuf>),
    /// Not known: an in-memory transport, a gateway that was not told.
    #[default]
    Unknown,
}

impl Endpoint {
    /// The IP address and port, if it has them.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) | Self::Unknown => None,
        }
    }

    /// The IP address, if it has one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr().map(|address| address.ip())
    }

    /// The path of a named Unix socket.
    pub fn unix_path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => path.as_deref(),
            Self::Ip(_) | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix:"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// `http` or `https`: what stands before `://` in the request's URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text.
    #[default]
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL and in WSGI's `wsgi.url_scheme`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL of this scheme need not name.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What TLS established about a connection; `None` is what the server was not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The version, as `"TLSv1.3"`.
    pub version: Option<String>,
    /// The cipher suite's registered name.
    pub cipher_suite: Option<String>,
    /// The host name that the client asked for.
    pub server_name: Option<String>,
    /// The application protocol that was agreed on (`h2`, `http/1.1`).
    pub alpn: Option<String>,
    /// The client's certificate chain in DER, leaf first; empty where none was shown. Verified by the server.
    pub client_certificates: Vec<Vec<u8>>,
}

/// The facts of one connection; an environ holds them by [`Arc`].
///
/// ```
/// use rwgi::{Connection, Scheme};
/// let connection = Connection::default();
/// assert_eq!(connection.scheme(), Scheme::Http);
/// assert!(connection.tls.is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Who connected; [`Environ::peer`](crate::Environ::peer) is who is meant.
    pub peer: Endpoint,
    /// Where they arrived (REQ-ENV-17).
    pub local: Endpoint,
    /// TLS, if the connection has it (REQ-ENV-18).
    pub tls: Option<TlsInfo>,
    /// The server that accepted it.
    pub server: Arc<ServerInfo>,
}

impl Connection {
    /// `https` where the connection is under TLS; [`Environ::scheme`](crate::Environ::scheme) hears a trusted proxy, too.
    pub fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::Https } else { Scheme::Http }
    }
}
