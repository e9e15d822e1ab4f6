//! The reference server is judged as any other: it is started, it is stopped, and the suite does the rest.

use std::time::Duration;

use rwgi::{BoxError, SharedApplication};
use rwgi_conformance::server::{RunningServer, ServerUnderTest};
use rwgi_server::{Config, Server};
use tokio::runtime::Runtime;

struct ReferenceServer;

impl ServerUnderTest for ReferenceServer {
    fn start(&self, application: SharedApplication) -> Result<RunningServer, BoxError> {
        let config = Config { head_timeout: Duration::from_secs(1), ..Config::default() };
        let runtime = Runtime::new()?;
        let server = Server::new(application).bind("127.0.0.1:0").config(config);
        let running = runtime.block_on(server.start())?;
        let address = running.address().ok_or("the server listens on no IP address")?;
        Ok(RunningServer::new(address).on_stop(move |grace| {
            let in_time = runtime.block_on(running.stop_within(grace)).is_ok();
            // A blocked call of a case that failed must not keep the suite waiting.
            runtime.shutdown_background();
            in_time
        }))
    }

    fn name(&self) -> String {
        "rwgi-server".to_owned()
    }
}

fn main() -> std::process::ExitCode {
    rwgi_conformance::server::main(ReferenceServer)
}
