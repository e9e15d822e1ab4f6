//! A chat on the demo's page: what one says everybody hears, in whichever process their socket is.
//!
//! ```sh
//! cargo run -p rwgi-channels --example chat                                            # one process, in memory
//! cargo run -p rwgi-channels --example chat -- 127.0.0.1:8001 redis://127.0.0.1 &      # two over one Redis
//! cargo run -p rwgi-channels --example chat -- 127.0.0.1:8002 redis://127.0.0.1
//! ```

mod application;

use std::sync::Arc;

use rwgi_channels::{ChannelLayer, Memory, Redis, RedisConfig};

#[tokio::main]
async fn main() -> rwgi_server::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let layer: Arc<dyn ChannelLayer> = match arguments.next() {
        None => Arc::new(Memory::default()),
        Some(url) => match Redis::start(RedisConfig::new(url)) {
            // Not waited for: the page is served while Redis is away, and sockets are answered 503.
            Ok(layer) => Arc::new(layer),
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(2);
            }
        },
    };
    let demo = application::on_the_demo(layer, &address);
    let running = rwgi_server::Server::new(demo).bind(&address).start().await?;
    if let Some(address) = running.address() {
        println!("http://{address}");
    }
    std::future::pending().await
}
