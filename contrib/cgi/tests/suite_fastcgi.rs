//! The suite through nginx and FastCGI to an application.
//!
//! Rules of this test: nginx as its documentation has it, with nothing collected; what nginx answers by itself or changes on the way is a
//! list with reasons, and a case that begins to hold has to leave it.

mod front;

use std::process::ExitCode;
use std::time::Duration;

use rwgi::{BoxError, SharedApplication};
use rwgi_cgi::fastcgi::{FastCgi, Listener};
use rwgi_conformance::server::{RunningServer, ServerUnderTest, Suite};
use tokio::runtime::Runtime;

use self::front::{Folder, Nginx, PARAMETERS, installed, known};

struct FastCgiBehindNginx;

impl ServerUnderTest for FastCgiBehindNginx {
    fn start(&self, application: SharedApplication) -> Result<RunningServer, BoxError> {
        let folder = Folder::new();
        let socket = format!("unix:{}", folder.path().join("app.sock").display());
        let runtime = Runtime::new()?;
        let running = runtime
            .block_on(async { FastCgi::new(application).start(Listener::bind(&socket)?).await });
        let running = running.map_err(BoxError::from)?;
        let upstream = format!("upstream application {{ server {socket}; keepalive 8; }}");
        let location = format!("fastcgi_pass application; fastcgi_keep_conn on; {PARAMETERS}");
        let mut nginx = Nginx::start(&location, &upstream)?;
        let address = nginx.address;
        Ok(RunningServer::new(address).on_stop(move |grace| {
            let in_time = nginx.stop(grace);
            drop(nginx);
            runtime.block_on(running.stop_within(Duration::from_secs(1)));
            runtime.shutdown_background();
            drop(folder);
            in_time
        }))
    }

    fn name(&self) -> String {
        "nginx, FastCGI, application".to_owned()
    }
}

fn main() -> ExitCode {
    if !installed("nginx") {
        return ExitCode::SUCCESS;
    }
    Suite::new(FastCgiBehindNginx).known_failing(known::NGINX).undecided(known::UNDECIDED).main()
}
