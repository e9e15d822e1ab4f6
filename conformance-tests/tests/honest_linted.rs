//! The server suite on `honest`, with the lint around the suite's application: the same cases hold, and the lint finds no fault in
//! the server.

use std::process::ExitCode;

use rwgi::{BoxError, SharedApplication};
use rwgi_conformance::honest::Honest;
use rwgi_conformance::lint::{Collector, Level, Lint, Party};
use rwgi_conformance::server::{RunningServer, ServerUnderTest};

/// A server that puts the lint around what it hosts.
struct Linted<S> {
    server: S,
    findings: Collector,
}

impl<S: ServerUnderTest> ServerUnderTest for Linted<S> {
    fn start(&self, application: SharedApplication) -> Result<RunningServer, BoxError> {
        let lint = Lint::with_sink(application, self.findings.clone());
        self.server.start(SharedApplication::new(lint))
    }

    fn name(&self) -> String {
        format!("{} under the lint", self.server.name())
    }
}

fn main() -> ExitCode {
    let findings = Collector::new();
    let server = Linted { server: Honest::default(), findings: findings.clone() };
    let held = rwgi_conformance::server::main(server);
    // The suite's application breaks rules on purpose; the server has no reason to.
    let faults: Vec<_> = findings
        .findings()
        .into_iter()
        .filter(|finding| finding.party == Party::Server && finding.level == Level::Must)
        .map(|finding| finding.to_string())
        .collect();
    if faults.is_empty() {
        return held;
    }
    eprintln!("the lint found:\n{}", faults.join("\n"));
    ExitCode::FAILURE
}
