//! A connection that was taken over: octets in both directions, over either version of HTTP.
//!
//! Rules of this room: whoever carries a session does not know which version it came by; a read waits for a moment at most, so that the
//! thread stays in charge; what is gone is said once, and the session is dropped for it.

use std::net::Shutdown;
use std::task::{Context, Waker};
use std::time::Duration;

use http::Response;
use rwgi::{RequiredUpgrade, ResponseBody, Session, UpgradeOffer};

use super::connection::Conversation;
use super::drive::Gone;
use super::inbound::Brought;
use super::listener::Server;
use super::outbound::Outbound;
use super::tunnel::{self, UpgradeFlaw};
use super::violation::Switch;
use super::websocket::{self, WebSocketFlaw};

/// Fields as they go onto the wire.
pub(super) type Lines = Vec<(String, Vec<u8>)>;

pub(super) trait Line {
    fn server(&self) -> &Server;

    /// What wakes the thread that carries the session.
    fn waker(&self) -> &Waker;

    /// Sends the head that takes the connection over for `protocol`, as the client spelled it.
    fn take_over(&self, protocol: &str, fields: Lines) -> Result<(), Gone>;

    /// Sends octets, as fast as the client reads.
    fn write(&self, octets: &[u8]) -> Result<(), Gone>;

    /// Says that nothing more will be sent.
    fn end(&self) -> Result<(), Gone>;

    /// Reads once, for a moment, behind what is in the buffer.
    fn read(&self, buffer: &mut Vec<u8>, time: Duration) -> Result<Brought, Gone>;

    /// Whether the session is still wanted.
    fn check(&self) -> Result<(), Gone>;

    fn context(&self) -> Context<'_> {
        Context::from_waker(self.waker())
    }

    fn upgrade_off(&self, flaw: UpgradeFlaw) -> bool {
        self.server().switch() == Some(Switch::Upgrade(flaw))
    }

    fn websocket_off(&self, flaw: WebSocketFlaw) -> bool {
        self.server().switch() == Some(Switch::WebSocket(flaw))
    }
}

/// Sends the head of an answer that takes the connection over, and carries the session to its end.
pub(super) fn carry(
    line: &dyn Line,
    mut response: Response<ResponseBody>,
    offer: Option<&UpgradeOffer>,
) -> Result<(), Gone> {
    let session = response.body_mut().take_session();
    let own = response.headers().iter().map(|(name, value)| {
        let value: &[u8] = value.as_ref();
        (name.as_str().to_owned(), value.to_vec())
    });
    let fields: Lines = own.collect();
    match session {
        Some(Session::WebSocket(half, acceptance)) => {
            websocket::carry(line, half, &acceptance, offer, fields)
        }
        Some(Session::Tunnel(half)) => {
            let taken = response.extensions().get::<RequiredUpgrade>();
            let taken = taken.and_then(|taken| taken.value().to_str().ok()).unwrap_or_default();
            tunnel::carry(line, half, taken, fields)
        }
        _ => Err(Gone),
    }
}

/// A connection of HTTP/1.1.
pub(super) struct Connected<'a> {
    pub(super) conversation: &'a Conversation,
    pub(super) outbound: &'a Outbound<'a>,
}

impl Line for Connected<'_> {
    fn server(&self) -> &Server {
        &self.conversation.server
    }

    fn waker(&self) -> &Waker {
        &self.conversation.watch.waker
    }

    fn take_over(&self, protocol: &str, fields: Lines) -> Result<(), Gone> {
        let mut head = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
        let mut line = |name: &str, value: &[u8]| {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        };
        if !self.websocket_off(WebSocketFlaw::NoConnection)
            && !self.upgrade_off(UpgradeFlaw::NoConnection)
        {
            line("Connection", b"upgrade");
        }
        if !self.websocket_off(WebSocketFlaw::NoUpgrade)
            && !self.upgrade_off(UpgradeFlaw::NoUpgrade)
        {
            line("Upgrade", protocol.as_bytes());
        }
        for (name, value) in fields {
            line(&name, &value);
        }
        head.extend(b"\r\n");
        if self.upgrade_off(UpgradeFlaw::DropsEarly) {
            self.conversation.inbound.lock().buffer.clear();
        }
        self.write(&head)
    }

    fn write(&self, octets: &[u8]) -> Result<(), Gone> {
        self.outbound.write(octets)
    }

    fn end(&self) -> Result<(), Gone> {
        self.conversation.stream.shutdown(Shutdown::Write).map_err(|_| Gone)
    }

    fn read(&self, buffer: &mut Vec<u8>, time: Duration) -> Result<Brought, Gone> {
        let mut inbound = self.conversation.inbound.lock();
        let early = !inbound.buffer.is_empty();
        let brought = if early { Brought::More } else { inbound.read(time) };
        buffer.append(&mut inbound.buffer);
        if brought == Brought::Reset { Err(Gone) } else { Ok(brought) }
    }

    fn check(&self) -> Result<(), Gone> {
        self.conversation.watch.check()
    }
}
