//! A listener of pipes: the same server without sockets, where a paused clock decides what time it is.

use rwgi::{Application, Endpoint};
use rwgi_server::{Config, Listener, Running, Server, Transport};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::Client;

/// Accepts the pipes that a [`Dial`] makes, or others that are sent to it.
#[derive(Debug)]
pub struct Pipes<T = DuplexStream>(mpsc::UnboundedReceiver<T>);

/// Makes pipes to a server.
#[derive(Clone, Debug)]
pub struct Dial(mpsc::UnboundedSender<DuplexStream>);

impl<T: Transport> Listener for Pipes<T> {
    type Stream = T;

    async fn accept(&mut self) -> T {
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
    let (sender, pipes) = pipes_of();
    (Dial(sender), pipes)
}

/// A listener of pipes of some other type, and what takes them.
pub fn pipes_of<T>() -> (mpsc::UnboundedSender<T>, Pipes<T>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Pipes(receiver))
}

/// Serves an application on pipes.
pub async fn serve_on_pipes(application: impl Application, config: Config) -> (Dial, Running) {
    let (dial, listener) = pipes();
    let running = Server::new(application).config(config).start_on([listener]).await.unwrap();
    (dial, running)
}

/// A server on pipes and the runtime that it lives in, whose clock is a paused one; it serves for as long as the process goes on.
#[derive(Debug)]
pub struct Paused {
    pub runtime: tokio::runtime::Runtime,
    pub dial: Dial,
}

impl Paused {
    pub fn serve(application: impl Application, config: Config) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let (dial, running) = runtime.block_on(serve_on_pipes(application, config));
        std::mem::forget(running);
        Self { runtime, dial }
    }
}
