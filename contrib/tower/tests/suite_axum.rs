//! The suite through `axum::serve` and the bridge: what an application of RWGI meets that is mounted in a program of axum.
//!
//! Rules of this test: axum serves as its documentation has it; what it and hyper do otherwise than the specification is a list with
//! reasons, and a case that begins to hold has to leave it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use rwgi::{BoxError, SharedApplication, StopNotice};
use rwgi_conformance::server::{RunningServer, ServerUnderTest, Suite};

const KNOWN_FAILING: [&str; 26] = [
    // REQ-EXCH-09: axum::serve does not set hyper's `half_close`, so that a client which only stops sending has left.
    "fin-is-no-departure",
    "fin-after-body",
    "fin-before-body-is-read",
    "fin-while-streaming",
    "fin-after-pipelined",
    "fin-of-http10",
    // REQ-ERR-10: hyper ends a response without a length in an orderly way, whole or not.
    "http10-cut-is-reset",
    "http10-panic-is-reset",
    "http10-forwarded-cut-is-reset",
    // REQ-HTTP-04, REQ-HTTP-07: hyper knows no 505, and takes heads of 400 kB.
    "http::version-0-9",
    "http::version-2-0",
    "http::version-3-0",
    "head-too-large",
    // REQ-HTTP-26: hyper drops a Content-Length beside Transfer-Encoding before anybody sees it.
    "both-lengths",
    "both-lengths-reversed",
    "te-cl-after",
    "te-cl-before",
    "te-cl-case",
    "te-cl-get",
    "te-cl-matching-body",
    "te-cl-smuggled-by-chunk",
    "te-cl-smuggled-by-length",
    "te-cl-zero",
    "expect-framing-refused",
    // REQ-HTTP-10: hyper closes without a word.
    "field-cr-cr-lf-end-of-head",
    // REQ-INPUT-20: only who serves knows whether 100 (Continue) was sent before the head.
    "read-after-commit-fails",
];

/// hyper reads on while it answers, the end of sending and a request that it refuses included, and whichever comes first wins.
const UNDECIDED: [&str; 4] =
    ["pipe-bad-second", "pipe-half-close", "cl-half-close-after-content", "cut-second-request"];

struct Axum;

impl ServerUnderTest for Axum {
    fn start(&self, application: SharedApplication) -> Result<RunningServer, BoxError> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        // axum tells no service that it stops; the program that stops it can.
        let notice = StopNotice::new();
        let service = rwgi_tower::into_service(application)
            .local(address)
            .server(|server| server.stopping = notice.stopping());
        runtime.block_on(service.startup()).map_err(BoxError::from)?;
        let router = Router::new()
            .fallback_service(service.clone())
            .into_make_service_with_connect_info::<SocketAddr>();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = runtime.spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
                notice.give();
            };
            let _ = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
        });
        Ok(RunningServer::new(address).on_stop(move |grace| {
            let _ = stop.send(());
            let in_time =
                runtime.block_on(async { tokio::time::timeout(grace, serving).await.is_ok() });
            // axum waits without an end; what is left is cancelled with its runtime, and only then the application may end.
            runtime.shutdown_timeout(Duration::from_secs(1));
            pollster::block_on(service.shutdown());
            in_time
        }))
    }

    fn name(&self) -> String {
        "axum::serve, application".to_owned()
    }
}

fn main() -> std::process::ExitCode {
    Suite::new(Axum).known_failing(&KNOWN_FAILING).undecided(&UNDECIDED).main()
}
