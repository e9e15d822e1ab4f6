//! The same router of axum on the reference server, by the bridge.
//!
//! Rules of this peer: `rwgi_tower::from_router` and nothing else; every limit of the server at its default.

mod axum_router;

use benches::serve;
use clap::Parser;
use rwgi_server::Server;

fn main() -> benches::Result<()> {
    let router = axum_router::router();
    serve::run(serve::Arguments::parse(), move |listener| {
        let hosted = rwgi_tower::from_router(router.clone());
        async move {
            let _running = Server::new(hosted).start_on([listener]).await?;
            // It serves on tasks of its own until a signal ends the process.
            std::future::pending().await
        }
    })
}
