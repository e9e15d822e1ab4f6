//! How an application accepts a WebSocket.
//!
//! Rules of this room: what the handshake itself says is the server's; only what was offered can be chosen; every limit has a default.

use std::time::Duration;

use crate::fields::{IntoName, IntoValue};
use crate::{Error, ResponseHead, Result};

/// What an application says when it [accepts](crate::StartResponse::accept): all of it has a default.
///
/// ```
/// use std::time::Duration;
/// use rwgi::{Acceptance, Ping};
/// let acceptance = Acceptance::new()
///     .subprotocol("chat")
///     .field("set-cookie", "seen=1")
///     .message_limit(64 * 1024)
///     .ping(Ping::Every { idle: Duration::from_secs(10), patience: Duration::from_secs(5) })
///     .compression(false);
/// ```
#[derive(Debug)]
pub struct Acceptance {
    pub(crate) subprotocol: Option<String>,
    pub(crate) head: ResponseHead,
    error: Option<Error>,
    message_limit: Option<usize>,
    ping: Option<Ping>,
    compression: bool,
}

/// When the server asks a silent client whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// Never: a client that vanished is found out by the next message.
    Never,
    /// After a time in which nothing came; without a sign of life for as long as `patience` after that the session is over (1006,
    /// REQ-WS-22).
    Every {
        /// How long nothing may come before a Ping is sent.
        idle: Duration,
        /// How long the client may take to show a sign of life.
        patience: Duration,
    },
}

impl Acceptance {
    /// No subprotocol, no further field, and what the server has for limits.
    pub fn new() -> Self {
        Self {
            subprotocol: None,
            head: ResponseHead::switching(),
            error: None,
            message_limit: None,
            ping: None,
            compression: true,
        }
    }

    /// Chooses a subprotocol: one of those that the client [offers](crate::WebSocketOffer::subprotocols), else `accept` fails (REQ-WS-06).
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocol = Some(name.into());
        self
    }

    /// Adds a field to the response's head, such as Set-Cookie.
    ///
    /// One that [`ResponseHead::append`] refuses, or whose name begins with `sec-websocket-` (REQ-WS-05), makes `accept` fail.
    #[must_use]
    pub fn field(mut self, name: impl IntoName, value: impl IntoValue) -> Self {
        let added = name.into_name().and_then(|name| {
            // The handshake is between client and server.
            if name.as_str().starts_with("sec-websocket-") {
                return Err(Error::application(format!("`{name}` is the server's to set"))
                    .with_requirement("REQ-WS-05"));
            }
            self.head.append(name, value)
        });
        if let Err(error) = added {
            self.error = Some(error);
        }
        self
    }

    /// The largest message that is taken, in bytes, after it was inflated; a larger one closes with 1009 (REQ-WS-19, REQ-WS-25). The server
    /// has a default, and says so in [`Limits`](crate::Limits).
    #[must_use]
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.message_limit = Some(bytes);
        self
    }

    /// When the server asks a silent client whether it is there; the server has a default.
    #[must_use]
    pub fn ping(mut self, ping: Ping) -> Self {
        self.ping = Some(ping);
        self
    }

    /// Whether messages may be compressed where the client offers it (RFC 7692, REQ-WS-23); on unless said otherwise. Off where secrets stand
    /// beside what an attacker can choose.
    #[must_use]
    pub fn compression(mut self, allowed: bool) -> Self {
        self.compression = allowed;
        self
    }

    /// The subprotocol that was chosen; `None` for none.
    pub fn chosen_subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The limit that was set, in bytes; `None` leaves it to the server.
    pub fn chosen_message_limit(&self) -> Option<usize> {
        self.message_limit
    }

    /// The policy that was set; `None` leaves it to the server.
    pub fn chosen_ping(&self) -> Option<Ping> {
        self.ping
    }

    /// Whether messages may be compressed.
    pub fn allows_compression(&self) -> bool {
        self.compression
    }

    /// What was wrong with a field.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }
}

impl Default for Acceptance {
    fn default() -> Self {
        Self::new()
    }
}

impl From<()> for Acceptance {
    fn from((): ()) -> Self {
        Self::new()
    }
}
