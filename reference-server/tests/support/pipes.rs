//! A listener of pipes: the same server without sockets, where a paused clock decides what time it is.

use rwgi::{Application, Endpoint};
use rwgi_server::{Config, Listener, Running, Server};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::Client;

/// Accepts the pipes that a [`Dial`] makes.
#[derive(Debug)]
pub struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

/// Makes pipes to a server.
#[derive(Clone, Debug)]
pub struct Dial(mpsc::UnboundedSender<DuplexStream>);

impl Listener for Pipes {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> DuplexStream {
        match self.0.recv().await {
            Some(stream) => stream,
            None => std::future::pending().await,
        }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::Unknown
    }
}

impl Dial {
    /// A client whose pipe holds 64 KiB each way.
    pub fn connect(&self) -> Client<DuplexStream> {
        let (client, server) = tokio::io::duplex(64 * 1024);
        self.0.send(server).unwrap();
        Client::new(client)
    }
}

/// A listener of pipes and what dials it.
pub fn pipes() -> (Dial, Pipes) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Dial(sender), Pipes(receiver))
}

/// Serves an application on pipes.
pub async fn serve_on_pipes(application: impl Application, config: Config) -> (Dial, Running) {
    let (dial, listener) = pipes();
    let running = Server::new(application).config(config).start_on([listener]).await.unwrap();
    (dial, running)
}
