//! For every rule of the lint something that breaks just this rule, and is caught.
//!
//! Rules of this room: a violation runs a whole exchange against the lint wherever one can be built from the public contract; each names the rule that
//! it breaks, and the lesser findings that come with it; a conforming neighbour of each stands in `conforming`, and is found clean.

mod applications;
mod conforming;
mod library;
mod lifespans;
mod requests;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::request;
use http_body::Body;
use rwgi::{
    Application, Connection, Endpoint, Environ, EnvironBuilder, Exchange, Input, ServerInfo,
};

use super::{Collector, Finding, Level, Lint, rules};

/// Something that breaks one rule.
pub(super) struct Violation {
    /// The rule that it breaks.
    rule: &'static str,
    /// What else is found, none of it a MUST.
    also: &'static [&'static str],
    /// Runs it under the lint.
    run: Box<dyn Fn() -> Vec<Finding>>,
}

pub(super) fn violation(rule: &'static str, run: impl Fn() -> Vec<Finding> + 'static) -> Violation {
    Violation { rule, also: &[], run: Box::new(run) }
}

impl Violation {
    fn also(mut self, rules: &'static [&'static str]) -> Self {
        self.also = rules;
        self
    }
}

fn all() -> Vec<Violation> {
    let mut all = applications::all();
    all.extend(requests::all());
    all.extend(lifespans::all());
    all.extend(library::all());
    all
}

#[test]
fn every_rule_is_broken_by_a_violation_and_by_that_alone() {
    let mut caught = Vec::new();
    for violation in all() {
        let findings = (violation.run)();
        let names: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
        assert!(names.contains(&violation.rule), "{} is not caught: {names:?}", violation.rule);
        for finding in &findings {
            let expected = finding.rule == violation.rule
                || (violation.also.contains(&finding.rule) && finding.level != Level::Must);
            assert!(expected, "the violation of {} also breaks: {finding}", violation.rule);
        }
        caught.push(violation.rule);
    }
    let missing: Vec<_> =
        rules().iter().map(|rule| rule.slug).filter(|slug| !caught.contains(slug)).collect();
    assert!(missing.is_empty(), "rules without a violation: {missing:?}");
}

#[test]
fn every_rule_says_why_and_what_to_do_and_has_a_name_of_its_own() {
    let all = rules();
    for rule in all {
        let twins = all.iter().filter(|other| other.slug == rule.slug).count();
        assert_eq!(twins, 1, "{} stands twice", rule.slug);
        assert!(!rule.title.is_empty() && !rule.instead.is_empty(), "{}", rule.slug);
        let grounded = !rule.requirements.is_empty() || !rule.source.is_empty();
        assert!(grounded || rule.level == Level::May, "{} has no ground", rule.slug);
    }
}

/// The server of most violations: it listens on an address and declares what it can do.
pub(super) fn server_info() -> ServerInfo {
    let mut server = ServerInfo::new("honest/1.0");
    server.endpoints = vec![endpoint(8000)];
    server.capabilities.http2 = true;
    server.capabilities.full_duplex = true;
    server.capabilities.response_trailers = true;
    server.capabilities.request_trailers = true;
    server
}

pub(super) fn endpoint(port: u16) -> Endpoint {
    Endpoint::Ip(([127, 0, 0, 1], port).into())
}

/// A connection of a server.
pub(super) fn connection(server: ServerInfo) -> Arc<Connection> {
    Arc::new(Connection {
        peer: endpoint(40_000),
        local: endpoint(8000),
        server: Arc::new(server),
        tls: None,
    })
}

/// A request that every server may deliver.
pub(super) fn get() -> EnvironBuilder {
    Environ::builder().connection(connection(server_info()))
}

/// A request head as raw as a careless server would hand it over.
pub(super) fn raw(head: http::request::Builder, input: Input) -> Environ {
    let parts: request::Parts = head.body(()).unwrap().into_parts().0;
    Environ::new(parts, input, connection(server_info()))
}

/// Serves one request as it should be served, with the lint in between.
pub(super) fn serve(application: impl Application, environ: Environ) -> Vec<Finding> {
    let findings = Collector::new();
    // A machine under load must not look like an application that blocks.
    let lint = Lint::with_sink(application, findings.clone()).clock(|| Duration::ZERO);
    serve_with(&Arc::new(lint), environ);
    findings.take()
}

pub(super) fn serve_with<A: Application>(lint: &Arc<Lint<A>>, environ: Environ) {
    let server = environ.server().clone();
    now(lint.startup(&server)).unwrap();
    exchange(lint, environ);
    now(lint.shutdown());
}

/// One exchange, to its end.
pub(super) fn exchange<A: Application>(lint: &Arc<Lint<A>>, environ: Environ) {
    let informational = environ.capabilities().informational;
    let mut exchange = Exchange::new(Arc::clone(lint), environ);
    if informational {
        exchange = exchange.on_informational(|_, _| {});
    }
    if let Ok(response) = now(exchange) {
        let mut body = response.into_body();
        while let Some(Ok(_)) = now(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))) {}
    }
}

/// Polls until it is ready; everything here wakes by itself.
pub(super) fn now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("the exchange does not come to its end");
}

/// Polls once and gives back what is not ready.
pub(super) fn begin<F: Future + Unpin>(mut future: F) -> F {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
    future
}
