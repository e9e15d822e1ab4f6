//! The chat as an application: a page, and a WebSocket beside it; and the demo with it.

use std::sync::Arc;

use http::StatusCode;
use rwgi::{Application, Environ, Finished, Message, StartResponse};
use rwgi_channels::{ChannelLayer, GroupSocket, Incoming, encode};
use serde::Serialize;

const ROOM: &str = "chat";
/// A line is longer only if somebody means harm.
const LONGEST: usize = 2_000;

/// What everybody gets.
#[derive(Serialize)]
struct Said<'a> {
    /// The process that it was said to.
    at: &'a str,
    text: &'a str,
}

/// The chat of one process.
pub(crate) struct Chat {
    layer: Arc<dyn ChannelLayer>,
    /// What this process is called on the page.
    name: String,
}

impl Chat {
    fn new(layer: Arc<dyn ChannelLayer>, name: &str) -> Self {
        Self { layer, name: name.to_owned() }
    }

    async fn socket(&self, environ: &Environ, start: StartResponse) -> rwgi::Result<Finished> {
        let mut socket = GroupSocket::accept(environ, start, (), &self.layer, &[ROOM]).await?;
        while let Some(incoming) = socket.recv().await? {
            let text = match incoming {
                Incoming::Gap(_) => {
                    socket.send(r#"{"gap": true}"#).await?;
                    continue;
                }
                Incoming::Message(Message::Text(text)) if text.len() <= LONGEST => text,
                Incoming::Message(_) => continue,
            };
            let said = encode(&Said { at: &self.name, text: &text })?;
            if self.layer.group_send(ROOM, said).await.is_err() {
                socket.send(r#"{"failed": true}"#).await?;
            }
        }
        Ok(socket.finish())
    }
}

/// The demo, whose page has the chat on it.
pub(crate) fn on_the_demo(layer: Arc<dyn ChannelLayer>, name: &str) -> impl Application {
    let demo = rwgi_server::demo::Demo::new();
    let chat = Chat::new(layer, name);
    demo.example("A chat, over all processes", "/chat", chat)
        .expect("the demo has no chat of its own")
}

impl Application for Chat {
    async fn call(&self, environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
        match environ.path_info() {
            "/socket" => self.socket(&environ, start).await,
            "/" => start.respond(
                StatusCode::OK,
                [
                    ("content-type", "text/html; charset=utf-8"),
                    (
                        "content-security-policy",
                        "default-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self'; frame-ancestors 'self'",
                    ),
                ],
                include_str!("page.html"),
            ),
            _ => Err(rwgi::Error::client(StatusCode::NOT_FOUND, "there is only the chat")),
        }
    }
}
