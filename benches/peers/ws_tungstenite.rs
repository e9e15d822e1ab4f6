//! An echo over tokio-tungstenite, as its documentation has it.
//!
//! Rules of this peer: the library alone on tokio, with its own limits and a smaller buffer; nothing between it and the socket.

use benches::serve;
use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Its own 128 KiB, which it clears for each read, cost it more than half of its speed.
const READ_BYTES: usize = 16 * 1024;

fn main() -> benches::Result<()> {
    serve::run(serve::Arguments::parse(), move |listener| async move {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                // How a connection ended is nothing to the comparison.
                let _ = echo(stream).await;
            });
        }
    })
}

async fn echo(stream: TcpStream) -> benches::Result<()> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
