//! The server suite through a stack of middleware: what holds for the server holds with all of it in between.
//!
//! Rules of this room: the reference server is the ground, and a case that does not hold through the stack and holds without it is the
//! stack's. Each middleware is set so that it lets the suite's requests pass.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rwgi::{BoxError, SharedApplication};
use rwgi_conformance::server::{
    Judged, RunningServer, ServerUnderTest, Subject, Verdict, cases, judge, judge_vector, prepare,
    vectors,
};
use rwgi_middleware::{
    AllowedHosts, BodyLimit, Compression, ConditionalGet, Cors, ErrorPages, Jsonp, MethodOverride,
    RequestIds, SecurityHeaders, Settings, Timeout, UrlMap,
};
use rwgi_server::{Config, Server};
use tokio::runtime::Runtime;

/// The reference server, with or without the stack around whatever it serves.
struct Host {
    runtime: Runtime,
    stacked: bool,
}

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

impl ServerUnderTest for Host {
    fn start(&self, application: SharedApplication) -> Result<RunningServer, BoxError> {
        let config = Config {
            grace: Duration::from_secs(10),
            head_timeout: Duration::from_secs(2),
            first_byte_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(3),
            ..Config::default()
        };
        let application = if self.stacked { stack(application)? } else { application };
        let server = Server::new(application).bind("127.0.0.1:0").config(config);
        let handle = self.runtime.handle().clone();
        let running = handle.block_on(server.start())?;
        let address = running.address().ok_or("the server listens nowhere")?;
        Ok(RunningServer::new(address).on_stop(move |grace| {
            let stopped =
                handle.block_on(async { tokio::time::timeout(grace, running.stop()).await });
            matches!(stopped, Ok(Ok(())))
        }))
    }
}

/// A case or a vector.
type Trial = Box<dyn Fn(&Subject) -> Judged + Send + Sync>;

fn trials() -> Vec<Trial> {
    let cases = cases::all().map(|case| -> Trial { Box::new(|subject| judge(case, subject)) });
    let vectors = vectors::all()
        .unwrap()
        .into_iter()
        .map(|vector| -> Trial { Box::new(move |subject| judge_vector(&vector, subject)) });
    cases.chain(vectors).collect()
}

/// Cases that ask for no fields but the application's: to add some is what the stack is for.
const ADDED_FIELDS: [&str; 2] = ["no-further-fields", "no-further-fields-in-stream"];

/// Cases wait more than they work.
const THREADS: usize = 8;

#[test]
fn what_holds_for_the_server_holds_through_the_stack() {
    rwgi_conformance::server::application::quiet_panics();
    let host = |stacked| Arc::new(Host { runtime: Runtime::new().unwrap(), stacked });
    let patience = Duration::from_secs(5);
    let (through, _running) = prepare(host(true), patience).unwrap();
    let (bare, _other) = prepare(host(false), patience).unwrap();
    let trials = trials();
    let next = AtomicUsize::new(0);
    let held = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Some cases are races that a busy machine loses: what the stack breaks, it breaks every time.
                    let tries = || (0..3).map(|_| trial(&through));
                    let judged = tries()
                        .find(|judged| judged.verdict == Verdict::Held)
                        .unwrap_or_else(|| trial(&through));
                    if judged.verdict == Verdict::Held || ADDED_FIELDS.contains(&&*judged.id) {
                        held.fetch_add(1, Ordering::Relaxed);
                    } else if trial(&bare).verdict != judged.verdict {
                        complaints.lock().unwrap().push(judged.explanation());
                    }
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
    let held = held.into_inner();
    assert!(held >= 200, "only {held} cases of {} hold at all", trials.len());
}
