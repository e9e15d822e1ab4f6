//! A WebSocket that is in groups.
//!
//! Rules of this room: it joins before it accepts, so that what cannot be joined is answered as a response; what comes from the layer is sent
//! while the client is listened to; whatever way it ends, it has left its groups.

use std::sync::Arc;

use rwgi::{
    Acceptance, Closed, Environ, Finished, Message, StartResponse, WebSocketReceiver,
    WebSocketSender,
};

use crate::{ChannelLayer, Error, Gap, Received, Receiver};

/// A WebSocket whose client gets what is sent to its groups.
///
/// Messages to its groups are forwarded while [`recv`](Self::recv) waits for the client, as text where they are UTF-8. To a client that does
/// not read, nothing is forwarded: its channel fills up to its capacity and no further, and what was missed is told as a [`Gap`].
///
/// ```
/// use std::sync::Arc;
/// use rwgi::{Environ, Finished, StartResponse};
/// use rwgi_channels::{ChannelLayer, GroupSocket, Incoming};
///
/// async fn chat(layer: Arc<dyn ChannelLayer>, environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
///     let mut socket = GroupSocket::accept(&environ, start, (), &layer, &["room"]).await?;
///     while let Some(incoming) = socket.recv().await? {
///         if let Incoming::Message(message) = incoming {
///             layer.group_send("room", message.as_bytes().to_vec().into()).await?;
///         }
///     }
///     Ok(socket.finish())
/// }
/// # let _ = chat;
/// ```
#[derive(Debug)]
pub struct GroupSocket {
    channel: Receiver,
    receiver: WebSocketReceiver,
    sender: WebSocketSender,
    /// On its way to the client; kept here so that a `recv` that is given up loses nothing.
    outgoing: Option<Message>,
}

/// What [`GroupSocket::recv`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// From the client.
    Message(Message),
    /// The client missed something that was sent to its groups: it is the application's to say so, or to let it begin anew.
    Gap(Gap),
}

impl GroupSocket {
    /// Joins the groups and accepts the WebSocket.
    ///
    /// # Errors
    /// The request is no handshake (426), the layer is out of reach (503), or a group has no name that a group can have (500): answer with it, nothing was accepted.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was accepted, and no group is joined any more.
    pub async fn accept(
        environ: &Environ,
        start: StartResponse,
        acceptance: impl Into<Acceptance>,
        layer: &Arc<dyn ChannelLayer>,
        groups: &[&str],
    ) -> rwgi::Result<Self> {
        if environ.websocket().is_none() {
            return Err(rwgi::Error::client(
                http::StatusCode::UPGRADE_REQUIRED,
                "only a WebSocket is answered here",
            )
            .with_required_upgrade("websocket"));
        }
        let mut channel = Receiver::open(Arc::clone(layer)).await.map_err(refused)?;
        for group in groups {
            channel.join(group).await.map_err(refused)?;
        }
        let (receiver, sender) = start.accept(acceptance)?.split();
        Ok(Self { channel, receiver, sender, outgoing: None })
    }

    /// The channel, to join and leave groups, and to have a name that others send to.
    pub fn channel(&mut self) -> &mut Receiver {
        &mut self.channel
    }

    /// Waits for the client, and forwards what comes from the layer meanwhile; `None` when the socket is closed. Cancel safe.
    ///
    /// # Errors
    /// The channel was closed by somebody else.
    pub async fn recv(&mut self) -> rwgi::Result<Option<Incoming>> {
        let Self { channel, receiver, sender, outgoing } = self;
        loop {
            let forward = forward(channel, sender, outgoing);
            tokio::select! {
                message = receiver.recv() => return Ok(message.ok().map(Incoming::Message)),
                forwarded = forward => match forwarded? {
                    Forwarded::Sent => {}
                    Forwarded::Missed(gap) => return Ok(Some(Incoming::Gap(gap))),
                    Forwarded::Closed => return Ok(None),
                },
            }
        }
    }

    /// Sends a message to this client alone, behind what is on its way already. Cancel safe.
    ///
    /// # Errors
    /// The socket is closed.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Closed> {
        if let Some(first) = &self.outgoing {
            self.sender.send(first.clone()).await?;
            self.outgoing = None;
        }
        self.sender.send(message).await
    }

    /// How the socket was closed (REQ-WS-28); `None` while it is open.
    pub fn closed(&self) -> Option<Closed> {
        self.receiver.closed()
    }

    /// Leaves the groups; the session ends when the application returns what this gives, with 1000 where it is still open (REQ-WS-20).
    pub fn finish(self) -> Finished {
        self.sender.finish()
    }
}

enum Forwarded {
    Sent,
    Missed(Gap),
    Closed,
}

/// Takes one message from the layer to the client.
async fn forward(
    channel: &mut Receiver,
    sender: &mut WebSocketSender,
    outgoing: &mut Option<Message>,
) -> Result<Forwarded, Error> {
    let message = match outgoing {
        Some(message) => message,
        None => match channel.receive().await? {
            Received::Gap(gap) => return Ok(Forwarded::Missed(gap)),
            Received::Message(message) => {
                outgoing.insert(match String::from_utf8(message.into()) {
                    Ok(text) => Message::Text(text),
                    Err(octets) => Message::Binary(octets.into_bytes().into()),
                })
            }
        },
    };
    let sent = sender.send(message.clone()).await;
    *outgoing = None;
    Ok(if sent.is_ok() { Forwarded::Sent } else { Forwarded::Closed })
}

fn refused(error: Error) -> rwgi::Error {
    let refused = match error {
        Error::Unavailable(_) => rwgi::Error::server("a WebSocket cannot join its groups")
            .with_status(http::StatusCode::SERVICE_UNAVAILABLE),
        _ => rwgi::Error::application("a WebSocket cannot join its groups"),
    };
    refused.with_source(error)
}
