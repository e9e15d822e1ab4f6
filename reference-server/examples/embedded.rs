//! The server as a part of a program that has a runtime, and a purpose, of its own.
//!
//! `cargo run -p rwgi-server --example embedded`, then `curl http://127.0.0.1:8000/`; it ends by itself after three requests.

use std::sync::Arc;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use rwgi::{Environ, Finished, Result, StartResponse};
use rwgi_server::{Config, Running, Server};
use tokio::sync::Semaphore;

/// The rest of the program: it wants to know of each visit.
#[derive(Clone, Debug)]
pub struct Visits(Arc<Semaphore>);

impl Default for Visits {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Visits {
    fn note(&self) {
        self.0.add_permits(1);
    }

    /// Waits until there have been so many.
    pub async fn wait_for(&self, count: u32) {
        if let Ok(visits) = self.0.acquire_many(count).await {
            visits.forget();
        }
    }
}

// ANCHOR: start
/// Starts to serve and returns at once: `start`, unlike `serve`, takes no signal and blocks nobody, so that the program decides when
/// it ends. The server's tasks run on the runtime that is there already.
pub async fn start(visits: Visits, address: &str) -> rwgi_server::Result<Running> {
    // An application that is a closure takes what it shares along.
    let application = move |_: Environ, start_response: StartResponse| {
        let visits = visits.clone();
        async move { answer(&visits, start_response) }
    };
    let config = Config { grace: std::time::Duration::from_secs(5), ..Config::default() };
    Server::new(application).bind(address).config(config).start().await
}
// ANCHOR_END: start

fn answer(visits: &Visits, start_response: StartResponse) -> Result<Finished> {
    visits.note();
    start_response.respond(StatusCode::OK, [(CONTENT_TYPE, "text/plain")], "Noted.\n")
}

#[tokio::main]
async fn main() -> rwgi_server::Result<()> {
    let visits = Visits::default();
    let server = start(visits.clone(), "127.0.0.1:8000").await?;
    if let Some(address) = server.address() {
        println!("http://{address}/");
    }
    visits.wait_for(3).await;
    // Nothing new is accepted, what is under way ends, and then so does this.
    server.stop().await
}
