//! The reference server with the application of the comparison.
//!
//! Rules of this peer: what `rwgi_server` gives to everybody, with every limit at its default; nothing is switched off for the scales.

use benches::application::application;
use benches::serve;
use clap::Parser;
use rwgi_server::{Config, Server};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    serve: serve::Arguments,
    /// With an admin listener: every exchange is counted and its duration taken.
    #[arg(long)]
    watched: bool,
}

fn main() -> benches::Result<()> {
    let arguments = Arguments::parse();
    let admin = arguments.watched.then(|| "127.0.0.1:0".to_owned());
    serve::run(arguments.serve, move |listener| {
        let config = Config { admin: admin.clone(), ..Config::default() };
        async move {
            let _running = Server::new(application).config(config).start_on([listener]).await?;
            // It serves on tasks of its own until a signal ends the process.
            std::future::pending().await
        }
    })
}
