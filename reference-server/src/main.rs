//! The `rwgi` command: serves the demo application.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use rwgi_server::{Config, DEFAULT_BIND, Server};
use tracing_subscriber::EnvFilter;

/// Serves RWGI's demo application: a page that shows the environ, a stream, an upload, and errors.
#[derive(Debug, Parser)]
#[command(name = "rwgi", version)]
struct Options {
    /// Where to listen, host:port; port 0 takes a free one; may be given more than once.
    #[arg(long, value_name = "ADDR", env = "RWGI_BIND", value_delimiter = ',', default_value = DEFAULT_BIND)]
    bind: Vec<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_env("RWGI_LOG").unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let mut server = Server::new(rwgi_server::demo::application());
    for address in options.bind {
        server = server.bind(address);
    }
    match rwgi_server::run(server, &Config::default()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rwgi: {error}");
            ExitCode::FAILURE
        }
    }
}
