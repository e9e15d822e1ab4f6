//! Servers that call an application's methods in the wrong order, or not as they declared.

use std::sync::Arc;

use http::StatusCode;
use rwgi::{Application, Environ, Error, Exchange, Finished, Result, ServerInfo, StartResponse};

use super::super::{Collector, Finding, Lint};
use super::{Violation, begin, connection, endpoint, exchange, get, now, server_info, violation};

/// Starts or not, and answers or waits.
#[derive(Clone, Copy)]
struct Specimen {
    starts: bool,
    answers: bool,
}

const GOOD: Specimen = Specimen { starts: true, answers: true };

impl Application for Specimen {
    async fn call(&self, _: Environ, start: StartResponse) -> Result<Finished> {
        if !self.answers {
            std::future::pending::<()>().await;
        }
        start.respond(StatusCode::OK, (), "")
    }

    async fn startup(&self, _: &ServerInfo) -> Result<()> {
        if self.starts { Ok(()) } else { Err(Error::application("no database")) }
    }
}

fn life(rule: &'static str, specimen: Specimen, server: fn(&Arc<Lint<Specimen>>)) -> Violation {
    violation(rule, move || run(specimen, server))
}

fn run(specimen: Specimen, server: fn(&Arc<Lint<Specimen>>)) -> Vec<Finding> {
    let findings = Collector::new();
    let lint = Arc::new(Lint::with_sink(specimen, findings.clone()));
    server(&lint);
    drop(lint);
    findings.take()
}

fn start(lint: &Arc<Lint<Specimen>>) {
    // Whether it starts is the specimen's affair.
    let _ = now(lint.startup(&server_info()));
}

fn serve_one(lint: &Arc<Lint<Specimen>>) {
    exchange(lint, get().build().unwrap());
}

fn stop(lint: &Arc<Lint<Specimen>>) {
    now(lint.shutdown());
}

fn served_as(lint: &Arc<Lint<Specimen>>, server: ServerInfo) -> Exchange {
    let environ = Environ::builder().connection(connection(server)).build().unwrap();
    Exchange::new(Arc::clone(lint), environ)
}

pub(super) fn all() -> Vec<Violation> {
    let broken = Specimen { starts: false, ..GOOD };
    let waiting = Specimen { answers: false, ..GOOD };
    vec![
        life("life-startup-first", GOOD, serve_one),
        life("life-startup-once", GOOD, |lint| {
            start(lint);
            start(lint);
        }),
        life("life-startup-failed", broken, |lint| {
            start(lint);
            serve_one(lint);
        }),
        life("life-endpoints", GOOD, |lint| {
            let mut server = server_info();
            server.endpoints = vec![endpoint(0)];
            now(lint.startup(&server)).unwrap();
        }),
        life("life-shutdown-last", GOOD, |lint| {
            start(lint);
            stop(lint);
            serve_one(lint);
        }),
        life("life-shutdown-last", waiting, |lint| {
            start(lint);
            let under_way = begin(Exchange::new(Arc::clone(lint), get().build().unwrap()));
            stop(lint);
            drop(under_way);
        }),
        life("life-shutdown-once", GOOD, |lint| {
            start(lint);
            stop(lint);
            stop(lint);
        }),
        life("life-shutdown-unstarted", broken, |lint| {
            start(lint);
            stop(lint);
        }),
        life("life-capabilities", GOOD, |lint| {
            start(lint);
            let mut server = server_info();
            server.capabilities.full_duplex = false;
            assert!(now(served_as(lint, server)).is_ok());
        }),
        life("life-concurrent", waiting, |lint| {
            let mut server = server_info();
            server.concurrent = false;
            now(lint.startup(&server)).unwrap();
            let first = begin(served_as(lint, server.clone()));
            drop(begin(served_as(lint, server)));
            drop(first);
        }),
        life("life-run-once", GOOD, |lint| {
            let mut server = server_info();
            server.run_once = true;
            now(lint.startup(&server)).unwrap();
            assert!(now(served_as(lint, server.clone())).is_ok());
            assert!(now(served_as(lint, server)).is_ok());
        }),
    ]
}
