//! What a simulation found.
//!
//! Rules of this room: a rule is told once, where it was first broken; what is only recorded is counted and not shouted.

use std::fmt;

use crate::lint::{Finding, Level};

/// What a simulation found; prints as one line for each finding, and a line of numbers.
///
/// ```
/// use rwgi::{Environ, StartResponse};
/// let report = rwgi_conformance::simulate::simulate(|_: Environ, start: StartResponse| async move {
///     start.respond(http::StatusCode::NO_CONTENT, (), "")
/// });
/// assert!(report.conforms(), "{report}");
/// assert!(report.departures() > 50);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub(crate) findings: Vec<Finding>,
    pub(crate) scenarios: usize,
    pub(crate) exchanges: usize,
    pub(crate) departures: usize,
    pub(crate) polls: usize,
}

impl Report {
    /// What was found, in the order of the scenarios.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether no MUST was broken.
    pub fn conforms(&self) -> bool {
        self.findings.iter().all(|finding| finding.level != Level::Must)
    }

    /// How many scenarios were played.
    pub fn scenarios(&self) -> usize {
        self.scenarios
    }

    /// How many exchanges were run.
    pub fn exchanges(&self) -> usize {
        self.exchanges
    }

    /// How many of them were dropped before their end.
    pub fn departures(&self) -> usize {
        self.departures
    }

    /// How often the application was polled.
    pub fn polls(&self) -> usize {
        self.polls
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        let known = self.findings.iter().any(|known| known.rule == finding.rule);
        if !known {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |level| self.findings.iter().filter(move |finding| finding.level == level);
        for finding in of(Level::Must).chain(of(Level::Should)) {
            writeln!(f, "{finding}")?;
        }
        write!(
            f,
            "{} scenarios, {} exchanges ({} dropped), {} polls: {} MUST and {} SHOULD broken, {} recorded",
            self.scenarios,
            self.exchanges,
            self.departures,
            self.polls,
            of(Level::Must).count(),
            of(Level::Should).count(),
            of(Level::May).count(),
        )
    }
}
