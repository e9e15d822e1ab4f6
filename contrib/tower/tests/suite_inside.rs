//! The suite through both directions of the bridge: `rwgi-server`, then a router of axum, then an application of RWGI.
//!
//! Rules of this test: the router is axum's, with the application as its fallback; what the server keeps has to hold through it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rwgi::{BoxError, SharedApplication};
use rwgi_conformance::server::{RunningServer, ServerUnderTest, Suite};
use rwgi_server::{Config, Server};
use tokio::runtime::Runtime;

/// As in the server's own run: h2 finds these while it decodes, and refuses them with the connection.
const KNOWN_FAILING: [&str; 3] =
    ["h2-empty-method", "h2-unknown-pseudo-field", "h2-upper-case-name"];

struct Inside;

impl ServerUnderTest for Inside {
    fn start(&self, application: SharedApplication) -> Result<RunningServer, BoxError> {
        let application = Arc::new(application);
        let service = rwgi_tower::into_service(Arc::clone(&application));
        let router = Router::new().fallback_service(service);
        let hosted = rwgi_tower::from_router(router).life_of(application);
        let config = Config { head_timeout: Duration::from_secs(1), ..Config::default() };
        let runtime = Runtime::new()?;
        let server = Server::new(hosted).bind("127.0.0.1:0").config(config);
        let running = runtime.block_on(server.start())?;
        let address = running.address().ok_or("the server listens on no IP address")?;
        Ok(RunningServer::new(address).on_stop(move |grace| {
            let in_time = runtime.block_on(running.stop_within(grace)).is_ok();
            runtime.shutdown_background();
            in_time
        }))
    }

    fn name(&self) -> String {
        "rwgi-server, axum, application".to_owned()
    }
}

fn main() -> std::process::ExitCode {
    Suite::new(Inside).known_failing(&KNOWN_FAILING).main()
}
