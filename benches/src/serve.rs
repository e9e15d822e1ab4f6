//! How a peer is started: its arguments, its listeners, its runtime.
//!
//! Rules of this room: one line on the standard output tells the address; TCP_NODELAY is set on every connection of every peer; a peer ends when it
//! is told to by a signal.

use std::future::Future;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::thread;

use clap::{Parser, ValueEnum};
use socket2::{Domain, Socket, Type};

use crate::Result;
use crate::hyper_settings::Settings;

/// What stands before the address in the line that a server prints when it listens.
pub const ANNOUNCEMENT: &str = "listening on ";

/// How the threads of a server share its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// One runtime whose worker threads take work from each other.
    Multi,
    /// A runtime of one thread for each core, each with a listener of its own (SO_REUSEPORT).
    PerCore,
}

/// The arguments of every peer.
#[derive(Clone, Copy, Debug, Parser)]
pub struct Arguments {
    /// Where to listen; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub bind: SocketAddr,
    /// Threads that serve; as many as the process may use cores unless told otherwise.
    #[arg(long)]
    pub threads: Option<usize>,
    /// How the threads share the work, where the peer knows more than one way.
    #[arg(long, value_enum, default_value_t = Shape::Multi)]
    pub shape: Shape,
    /// How hyper is set up, where the peer is built on it.
    #[arg(long, value_enum, default_value_t = Settings::Tuned)]
    pub settings: Settings,
    /// HTTP/2 without TLS, where the peer has to be told; it then speaks nothing else.
    #[arg(long)]
    pub http2: bool,
}

impl Arguments {
    /// The number of threads: given, or one for each core that this process may use.
    pub fn threads(&self) -> usize {
        self.threads
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get))
            .max(1)
    }

    /// A listener, with SO_REUSEPORT so that further ones can share its address.
    ///
    /// # Errors
    /// The system refuses the address.
    pub fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        Ok(socket.into())
    }
}

/// Tells the parent process where this server listens.
///
/// # Errors
/// The standard output is closed.
pub fn announce(address: SocketAddr) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{ANNOUNCEMENT}{address}")?;
    output.flush()
}

/// Runs `serve` on tokio in the shape that was asked for; it is called once for each listener.
///
/// # Errors
/// The address cannot be bound, or a runtime cannot be built.
pub fn run<F, Fut>(arguments: Arguments, serve: F) -> Result<()>
where
    F: Fn(tokio::net::TcpListener) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<()>>,
{
    let listener = arguments.listen(arguments.bind)?;
    let address = listener.local_addr()?;
    match arguments.shape {
        Shape::Multi => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(arguments.threads())
                .enable_all()
                .build()?;
            runtime.block_on(async move {
                announce(address)?;
                serve(tokio::net::TcpListener::from_std(listener)?).await
            })
        }
        Shape::PerCore => {
            for _ in 1..arguments.threads() {
                let listener = arguments.listen(address)?;
                let serve = serve.clone();
                thread::spawn(move || {
                    if let Err(error) = current_thread(listener, &serve) {
                        eprintln!("a thread of the server ended: {error}");
                    }
                });
            }
            announce(address)?;
            current_thread(listener, &serve)
        }
    }
}

/// One core's share: a runtime of this thread alone.
fn current_thread<F, Fut>(listener: TcpListener, serve: &F) -> Result<()>
where
    F: Fn(tokio::net::TcpListener) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move { serve(tokio::net::TcpListener::from_std(listener)?).await })
}
