//! axum, as its users serve it.
//!
//! Rules of this peer: `axum::serve` as its documentation has it; the router is the one that the reference server hosts, too.

mod axum_router;

use axum::serve::ListenerExt;
use benches::serve;
use clap::Parser;

fn main() -> benches::Result<()> {
    let router = axum_router::router();
    serve::run(serve::Arguments::parse(), move |listener| {
        let router = router.clone();
        async move {
            let listener = listener.tap_io(|stream| {
                // A stream that refuses it is still served.
                let _ = stream.set_nodelay(true);
            });
            Ok(axum::serve(listener, router).await?)
        }
    })
}
