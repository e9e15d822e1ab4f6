//! The steps of a connection that was taken over: WebSocket messages, and the octets of a tunnel.
//!
//! Rules of this room: as those of the other steps; a session that the script leaves open ends as in any function, when it is dropped.

use http::HeaderMap;
use rwgi::{Acceptance, CloseCode, Finished, Ping, Result, Tunnel, WebSocket};
use serde_json::json;

use super::play::{Play, map, pattern};
use super::report::latin1;
use super::script::{Step, unknown};

/// What the script has taken over.
#[derive(Default)]
pub(super) struct Session {
    socket: Option<WebSocket>,
    tunnel: Option<Tunnel>,
}

impl Session {
    /// Leaves what is still open.
    pub(super) fn finish(&mut self) -> Option<Finished> {
        let socket = self.socket.take().map(WebSocket::finish);
        socket.or_else(|| self.tunnel.take().map(Tunnel::finish))
    }

    fn socket(&mut self) -> Result<&mut WebSocket> {
        self.socket.as_mut().ok_or_else(|| unknown("there is no WebSocket"))
    }

    fn tunnel(&mut self) -> Result<&mut Tunnel> {
        self.tunnel.as_mut().ok_or_else(|| unknown("there is no tunnel"))
    }
}

impl Play {
    pub(super) async fn session_step(&mut self, step: &Step) -> Result<()> {
        match &*step.verb {
            // WebSocket.
            "accept" => {
                let acceptance = acceptance(step)?;
                self.session.socket = Some(self.token()?.accept(acceptance)?);
            }
            "ws-echo" => self.echo_messages().await?,
            "ws-send" => {
                let text = latin1(&step.words.join(&b' '));
                self.session.socket()?.send(text).await?;
            }
            "ws-fill" => {
                let data = pattern(step.number(0)?);
                self.session.socket()?.send(data).await?;
            }
            "ws-recv" => {
                let message = self.session.socket()?.recv().await?;
                self.visit.note("message", json!({ "length": message.len() }));
            }
            "ws-close" => {
                let code = u16::try_from(step.number(0)?).ok().and_then(CloseCode::new);
                let code = code.ok_or_else(|| unknown(&step.text))?;
                let reason = step.words.get(1).map(|word| latin1(word)).unwrap_or_default();
                let socket = self.session.socket.take();
                let socket = socket.ok_or_else(|| unknown("there is no WebSocket"))?;
                self.finished = Some(socket.close(code, reason).await?);
            }
            // The tunnel.
            "require-upgrade" => self.required = Some(step.text(0)?),
            "upgrade" => {
                let fields: HeaderMap = map(&step.pairs())?;
                self.session.tunnel = Some(self.token()?.upgrade(&step.text(0)?, fields)?);
            }
            "tunnel-echo" => {
                while let Some(octets) = self.session.tunnel()?.recv().await? {
                    self.session.tunnel()?.send(octets).await?;
                }
                self.visit.note("tunnel-ended", json!({}));
            }
            "tunnel-recv" => {
                let octets = self.session.tunnel()?.recv().await?;
                let data = octets.map(|octets| latin1(&octets));
                self.visit.note("octets", json!({ "data": data }));
            }
            "tunnel-send" => {
                let data = step.words.join(&b' ');
                self.session.tunnel()?.send(data).await?;
            }
            "tunnel-fill" => {
                let data = pattern(step.number(0)?);
                self.session.tunnel()?.send(data).await?;
            }
            "tunnel-end" => self.session.tunnel()?.end(),
            "tunnel-stopping" => {
                self.session.tunnel()?.stopping().await;
                self.visit.note("stopping", json!({}));
            }
            _ => return Err(unknown(&step.text)),
        }
        Ok(())
    }

    /// Sends each message back until the socket is closed, and notes how.
    async fn echo_messages(&mut self) -> Result<()> {
        let socket = self.session.socket()?;
        let closed = loop {
            match socket.recv().await {
                Ok(message) => {
                    if socket.send(message).await.is_err() {
                        continue;
                    }
                }
                Err(closed) => break closed,
            }
        };
        let seen = json!({ "code": closed.code, "reason": closed.reason, "clean": closed.clean });
        self.visit.note("closed", seen);
        Ok(())
    }
}

/// What the step `accept` says.
fn acceptance(step: &Step) -> Result<Acceptance> {
    let mut acceptance = Acceptance::new();
    for (name, value) in step.pairs() {
        acceptance = match &*name {
            "subprotocol" => acceptance.subprotocol(latin1(&value)),
            "limit" => {
                let limit = latin1(&value).parse().map_err(|_| unknown(&step.text))?;
                acceptance.message_limit(limit)
            }
            "compression" => acceptance.compression(value == b"yes"),
            "ping-ms" => {
                let idle = latin1(&value).parse().map_err(|_| unknown(&step.text))?;
                let idle = std::time::Duration::from_millis(idle);
                acceptance.ping(Ping::Every { idle, patience: idle })
            }
            name => acceptance.field(name, value.as_slice()),
        };
    }
    Ok(acceptance)
}
