//! State and lifespan: what an application opens before the first request, uses in each, and closes after the last.
//!
//! `cargo run -p rwgi-server --example lifespan`, then `curl http://127.0.0.1:8000/` a few times, and ctrl-c.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use http::header::CONTENT_TYPE;
use rwgi::{Application, Environ, Error, Finished, Result, ServerInfo, StartResponse};

// ANCHOR: counter
/// Counts visits. State is a field: the application is called through `&self`, from any thread.
#[derive(Debug, Default)]
pub struct Counter {
    /// Where the count is kept; here a stand-in for the address of a database.
    pub address: &'static str,
    store: OnceLock<Store>,
}
// ANCHOR_END: counter

/// What has to be opened, and closed again.
#[derive(Debug, Default)]
struct Store {
    visits: AtomicU64,
    closed: AtomicU64,
}

impl Store {
    async fn open(address: &str) -> Result<Self> {
        if address.is_empty() {
            return Err(Error::application("no address of the store was given"));
        }
        tokio::task::yield_now().await;
        Ok(Self::default())
    }
}

// ANCHOR: application
impl Application for Counter {
    /// Runs before the server accepts anything. An error ends it there: nobody meets an application that is half open.
    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        let store = Store::open(self.address).await?;
        tracing::info!(server = server.software(), "the store is open");
        self.store.set(store).map_err(|_| Error::application("started twice"))
    }

    async fn call(&self, _: Environ, start_response: StartResponse) -> Result<Finished> {
        let store = self.store.get().ok_or_else(|| Error::server("called before startup"))?;
        let visits = store.visits.fetch_add(1, Ordering::Relaxed) + 1;
        start_response.respond(
            StatusCode::OK,
            [(CONTENT_TYPE, "text/plain")],
            format!("You are visitor {visits}.\n"),
        )
    }

    /// Runs after the last exchange has ended.
    async fn shutdown(&self) {
        if let Some(store) = self.store.get() {
            store.closed.fetch_add(1, Ordering::Relaxed);
            tracing::info!(visits = store.visits.load(Ordering::Relaxed), "the store is closed");
        }
    }
}
// ANCHOR_END: application

impl Counter {
    /// A counter that keeps its count at `address`.
    pub fn at(address: &'static str) -> Self {
        Self { address, ..Self::default() }
    }

    /// How often the store was closed.
    pub fn closed(&self) -> u64 {
        self.store.get().map_or(0, |store| store.closed.load(Ordering::Relaxed))
    }
}

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(Counter::at("store.example"))
}
