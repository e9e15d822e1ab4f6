//! The reference server with the application of the comparison.
//!
//! Rules of this peer: what `rwgi_server` gives to everybody, with every limit at its default; nothing is switched off for the scales.

use benches::application::application;
use benches::serve;
use clap::Parser;
use rwgi_server::Server;

fn main() -> benches::Result<()> {
    serve::run(serve::Arguments::parse(), |listener| async move {
        let _running = Server::new(application).start_on([listener]).await?;
        // It serves on tasks of its own until a signal ends the process.
        std::future::pending().await
    })
}
