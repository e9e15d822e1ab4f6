//! An echo over the reference server's WebSocket.
//!
//! Rules of this peer: the application as any user would write it; what `rwgi_server` gives to everybody, with every limit at its default.

use benches::serve;
use clap::Parser;
use rwgi::{Acceptance, Environ, Finished, StartResponse};
use rwgi_server::Server;

fn main() -> benches::Result<()> {
    serve::run(serve::Arguments::parse(), move |listener| async move {
        let _running = Server::new(echo).start_on([listener]).await?;
        // It serves on tasks of its own until a signal ends the process.
        std::future::pending().await
    })
}

async fn echo(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
    let mut socket = start_response.accept(Acceptance::new())?;
    while let Ok(message) = socket.recv().await {
        socket.send(message).await?;
    }
    Ok(socket.finish())
}
