//! An echo over tokio-tungstenite, as its documentation has it.
//!
//! Rules of this peer: the library alone on tokio, with its own limits; nothing between it and the socket.

use benches::serve;
use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;

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
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
