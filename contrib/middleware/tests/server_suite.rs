//! The server suite through a stack of middleware: what holds for the server holds with all of it in between.
//!
//! Rules of this room: the reference server is the ground, so that a case that fails here and not there is the stack's; each
//! middleware is set so that it lets the suite's requests pass.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use rwgi::{BoxError, SharedApplication};
use rwgi_conformance::server::{RunningServer, ServerUnderTest, Suite};
use rwgi_middleware::{
    AllowedHosts, BodyLimit, Compression, ConditionalGet, Cors, ErrorPages, Jsonp, MethodOverride,
    RequestIds, SecurityHeaders, Settings, Timeout, UrlMap,
};
use rwgi_server::{Config, Server};
use tokio::runtime::Runtime;

/// The reference server with the stack around whatever it serves.
struct Stacked {
    runtime: Runtime,
}

impl Stacked {
    fn stack(inner: SharedApplication) -> Result<SharedApplication, BoxError> {
        let settings = Settings::new()
            .with("ALLOWED_HOSTS", ["*"])
            .with("CORS_ALLOWED_ORIGINS", ["https://example.com"]);
        let inner = Jsonp::new(MethodOverride::new(BodyLimit::new(inner, 1 << 40)));
        let inner = UrlMap::new().otherwise(inner);
        let inner = Timeout::new(inner, Duration::from_secs(60), tokio::time::sleep).whole();
        let inner = ConditionalGet::new(ErrorPages::new(inner));
        let inner = RequestIds::new(AllowedHosts::new(Compression::new(inner), &settings)?);
        let outer = Cors::new(SecurityHeaders::new(inner, &settings)?, &settings)?;
        Ok(SharedApplication::new(outer))
    }
}

impl ServerUnderTest for Stacked {
    fn start(&self, application: SharedApplication) -> Result<RunningServer, BoxError> {
        let config = Config {
            grace: Duration::from_secs(10),
            head_timeout: Duration::from_secs(2),
            first_byte_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(3),
            ..Config::default()
        };
        let server = Server::new(Self::stack(application)?).bind("127.0.0.1:0").config(config);
        let handle = self.runtime.handle().clone();
        let running = handle.block_on(server.start())?;
        let address = running.address().ok_or("the server listens nowhere")?;
        let running = Mutex::new(Some(running));
        Ok(RunningServer::new(address).on_stop(move |grace| {
            let running = running.lock().ok().and_then(|mut running| running.take());
            let Some(running) = running else { return false };
            let stopped = handle.block_on(async {
                tokio::time::timeout(grace + Duration::from_secs(15), running.stop()).await
            });
            matches!(stopped, Ok(Ok(())))
        }))
    }

    fn name(&self) -> String {
        "the reference server behind twelve middlewares".to_owned()
    }
}

fn main() -> ExitCode {
    match Runtime::new() {
        Ok(runtime) => Suite::new(Stacked { runtime }).main(),
        Err(error) => {
            eprintln!("no runtime: {error}");
            ExitCode::FAILURE
        }
    }
}
