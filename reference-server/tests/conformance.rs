//! The reference server is judged as any other: it is started, it is stopped, and the suite does the rest.

// ANCHOR: three_lines
use std::time::Duration;

use rwgi::{BoxError, SharedApplication};
use rwgi_conformance::server::{RunningServer, ServerUnderTest, Suite};
use rwgi_server::{Config, Server};
use tokio::runtime::Runtime;

// ANCHOR_END: three_lines
// ANCHOR: known_failing
/// All three are refused as the specification asks, but by an error of the connection instead of the stream: h2 finds these while it
/// decodes the field section and offers no choice. RFC 9113, section 5.4.2, allows it; the neighbours on the connection have to come again.
const KNOWN_FAILING: [&str; 3] =
    ["h2-empty-method", "h2-unknown-pseudo-field", "h2-upper-case-name"];
// ANCHOR_END: known_failing

// ANCHOR: three_lines
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
    Suite::new(ReferenceServer).known_failing(&KNOWN_FAILING).main()
}
// ANCHOR_END: three_lines
