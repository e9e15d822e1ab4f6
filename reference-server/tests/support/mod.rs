//! What the server's tests share: a server on a free port or on pipes, a raw client, and what was logged.
//!
//! Rules of this room: the client knows nothing of the server's code and reads HTTP by itself; a wait has a guard that only a hanging
//! test ever meets, and nothing sleeps.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test program uses its own part, and a test that cannot go on ends"
)]

pub mod certificates;
pub mod client;
pub mod command;
pub mod corpus;
pub mod figures;
pub mod limits;
pub mod log;
pub mod pipes;
pub mod timed;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use http::StatusCode;
use rwgi::{Application, Environ, Finished, StartResponse};
use rwgi_server::{Config, Running, Server};

pub use self::client::{Client, End, Response};

/// Nothing here takes this long unless it hangs.
pub const GUARD: Duration = Duration::from_secs(40);

/// Awaits what has to come.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(GUARD, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Serves an application on a free port.
pub async fn serve(application: impl Application) -> Running {
    serve_with(application, Config::default()).await
}

/// Serves an application on a free port, with these limits.
pub async fn serve_with(application: impl Application, config: Config) -> Running {
    Server::new(application).bind("127.0.0.1:0").config(config).start().await.unwrap()
}

/// Connects to a server of [`serve`].
pub async fn connect(server: &Running) -> Client<tokio::net::TcpStream> {
    Client::connect(server.address().unwrap()).await
}

/// How often an application was called.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicUsize>);

impl Count {
    pub fn add(&self) -> usize {
        self.0.fetch_add(1, SeqCst)
    }

    pub fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Answers every request with its path, and counts.
pub fn counting(count: &Count) -> impl Application + use<> {
    let count = count.clone();
    move |environ: Environ, start: StartResponse| {
        count.add();
        async move { path(environ, start) }
    }
}

fn path(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let path = environ.path_info().to_owned();
    start.respond(StatusCode::OK, [("content-type", "text/plain")], path)
}
