//! How long one message takes to many WebSockets, the last of them.
//!
//! ```sh
//! cargo run --release -p rwgi-channels --example fan_out -- serve memory                    # or redis://…, in as many processes as wanted
//! cargo run --release -p rwgi-channels --example fan_out -- drive 20 10000 0 100 127.0.0.1:8000
//! ```
//!
//! The server is what a chat is: each socket is in one group, and what it says goes to the group. The driver opens sockets at all addresses in
//! turns, says something on the first, and waits until each of the others has it; so many rounds, so many sockets, so many of them that do not
//! read, so many bytes. It drives any server whose sockets do the same: the tool `contrib/channels/tools/fan_out.py` runs both beside Channels
//! and writes the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use futures_util::stream::{self, SplitStream};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use rwgi::{Application, Environ, Finished, StartResponse};
use rwgi_channels::{ChannelLayer, GroupSocket, Incoming, Memory, Redis, RedisConfig};
use rwgi_server::{Config, Server};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Socket = WebSocketStream<TcpStream>;

const USAGE: &str = "fan_out serve memory|<url of a Redis>, or fan_out drive <rounds> <sockets> <of these slow> <bytes> <address>…";
/// Handshakes at once.
const AT_ONCE: usize = 64;
/// Who waits longer has lost a message.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| -> Result<usize, Failure> {
        Ok(arguments.get(at).ok_or(USAGE)?.parse().map_err(|_| USAGE)?)
    };
    match arguments.first().map(String::as_str) {
        Some("serve") => serve(arguments.get(1).ok_or(USAGE)?).await,
        Some("drive") if arguments.len() > 5 => {
            let load = Load { rounds: number(1)?, sockets: number(2)?, slow: number(3)? };
            load.drive(number(4)?, &arguments[5..]).await
        }
        _ => Err(USAGE.into()),
    }
}

struct Fan(Arc<dyn ChannelLayer>);

impl Application for Fan {
    async fn call(&self, environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
        let mut socket = GroupSocket::accept(&environ, start, (), &self.0, &["all"]).await?;
        while let Some(incoming) = socket.recv().await? {
            if let Incoming::Message(message) = incoming {
                self.0.group_send("all", message.as_bytes().to_vec().into()).await?;
            }
        }
        Ok(socket.finish())
    }
}

async fn serve(layer: &str) -> Result<(), Failure> {
    let layer: Arc<dyn ChannelLayer> = match layer {
        "memory" => Arc::new(Memory::default()),
        url => Arc::new(Redis::connect(RedisConfig::new(url)).await?),
    };
    // More than the sockets: the default is below 10,000 where few files may be open.
    let config = Config { connections: 15_000, exchanges: 15_000, ..Config::default() };
    let running = Server::new(Fan(layer)).bind("127.0.0.1:0").config(config).start().await?;
    println!("http://{}", running.address().ok_or("no address")?);
    std::future::pending().await
}

/// What is asked of the servers.
struct Load {
    rounds: usize,
    sockets: usize,
    slow: usize,
}

/// What all sockets together got.
#[derive(Default)]
struct Count {
    got: AtomicUsize,
    lost: AtomicUsize,
    changed: Notify,
}

impl Load {
    async fn drive(&self, length: usize, addresses: &[String]) -> Result<(), Failure> {
        let sockets: Vec<Socket> = stream::iter(0..self.sockets)
            .map(|index| open(&addresses[index % addresses.len()]))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut sockets = sockets.into_iter();
        let slow: Vec<Socket> = sockets.by_ref().take(self.slow).collect();
        let reading = self.sockets - self.slow;
        let count = Arc::new(Count::default());
        let mut says = None;
        for socket in sockets {
            let (sink, stream) = socket.split();
            says.get_or_insert(sink);
            tokio::spawn(read(stream, Arc::clone(&count), reading));
        }
        let says = says.as_mut().ok_or("nobody reads")?;
        println!("open");
        let text = "x".repeat(length);
        let mut times = Vec::new();
        for _ in 0..self.rounds {
            let started = Instant::now();
            says.send(Message::text(text.clone())).await?;
            tokio::time::timeout(PATIENCE, count.changed.notified())
                .await
                .map_err(|_| format!("{} of {reading} got it", count.got.load(SeqCst) % reading))?;
            times.push(started.elapsed());
        }
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
        println!("median_ms={:.2} p90_ms={:.2} worst_ms={:.2}", at(50), at(90), at(100));
        println!("lost={}", count.lost.load(SeqCst));
        drop(slow);
        Ok(())
    }
}

async fn open(address: &str) -> Result<Socket, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // A small buffer each, for there are many.
    let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
    let url = format!("ws://{address}/");
    Ok(tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?.0)
}

async fn read(mut stream: SplitStream<Socket>, count: Arc<Count>, all: usize) {
    while let Some(Ok(message)) = stream.next().await {
        if message.is_text() && (count.got.fetch_add(1, SeqCst) + 1).is_multiple_of(all) {
            count.changed.notify_one();
        }
    }
    count.lost.fetch_add(1, SeqCst);
}
