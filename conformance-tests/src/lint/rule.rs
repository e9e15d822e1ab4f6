//! What a rule is, what a finding says, and where findings go.
//!
//! Rules of this room: a rule is a plain constant with everything a person needs to mend what it found; a finding is made only
//! where a rule is broken, so that a run in which all is well builds no text.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub use crate::requirements::{Level, Party};

/// One thing that the lint looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// Its name: `status-405-allow`.
    pub slug: &'static str,
    /// The requirements that it upholds; empty where it upholds HTTP itself (`source`).
    pub requirements: &'static [&'static str],
    /// How binding it is.
    pub level: Level,
    /// Who breaks it.
    pub party: Party,
    /// What holds when it is kept, in one sentence.
    pub title: &'static str,
    /// Where it stands outside of this project: a section of an RFC; empty where it is the contract's own.
    pub source: &'static str,
    /// What to do instead of what breaks it.
    pub instead: &'static str,
}

impl Rule {
    pub(crate) const fn application(
        slug: &'static str,
        level: Level,
        requirements: &'static [&'static str],
        title: &'static str,
        instead: &'static str,
    ) -> Self {
        Self { slug, requirements, level, party: Party::Application, title, source: "", instead }
    }

    pub(crate) const fn server(
        slug: &'static str,
        level: Level,
        requirements: &'static [&'static str],
        title: &'static str,
        instead: &'static str,
    ) -> Self {
        Self { slug, requirements, level, party: Party::Server, title, source: "", instead }
    }

    pub(crate) const fn source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }
}

/// A rule that was broken, and how.
///
/// It prints as one line: level, rule, requirement, culprit, what happened, and what to do instead.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the rule, or of the simulator's scenario.
    pub rule: &'static str,
    /// The requirements that were broken.
    pub requirements: &'static [&'static str],
    /// How binding they are.
    pub level: Level,
    /// Who broke them.
    pub party: Party,
    /// The section of an RFC that says so, where it is not the contract's own word.
    pub source: &'static str,
    /// The exchange in which it happened: method and target; empty outside of any.
    pub exchange: String,
    /// The simulator's scenario in which it happened, where there is one.
    pub scenario: Option<&'static str>,
    /// What happened.
    pub what: String,
    /// What to do instead.
    pub instead: &'static str,
}

impl Finding {
    pub(crate) fn new(rule: &'static Rule, exchange: String, what: String) -> Self {
        Self {
            rule: rule.slug,
            requirements: rule.requirements,
            level: rule.level,
            party: rule.party,
            source: rule.source,
            exchange,
            scenario: None,
            what,
            instead: rule.instead,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.level, self.rule)?;
        let mut reasons = self.requirements.join(", ");
        if !self.source.is_empty() {
            if !reasons.is_empty() {
                reasons.push_str("; ");
            }
            reasons.push_str(self.source);
        }
        if !reasons.is_empty() {
            write!(f, " [{reasons}]")?;
        }
        write!(f, " {}: ", self.party)?;
        if let Some(scenario) = self.scenario.filter(|scenario| *scenario != self.rule) {
            write!(f, "in {scenario}, ")?;
        }
        if !self.exchange.is_empty() {
            write!(f, "{}: ", self.exchange)?;
        }
        write!(f, "{}. Instead: {}", self.what, self.instead)
    }
}

/// Where findings go. Every `Fn(Finding)` is one.
pub trait Sink: Send + Sync + 'static {
    /// Takes a finding; called on the task that serves the exchange, so it must not block.
    fn report(&self, finding: Finding);
}

impl<F: Fn(Finding) + Send + Sync + 'static> Sink for F {
    fn report(&self, finding: Finding) {
        self(finding);
    }
}

/// Keeps findings for a test; clones share what they keep.
///
/// ```
/// use rwgi_conformance::lint::Collector;
/// let findings = Collector::new();
/// findings.assert_clean();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Collector(Arc<Mutex<Vec<Finding>>>);

impl Collector {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was found so far, oldest first.
    pub fn findings(&self) -> Vec<Finding> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes out what was found so far.
    pub fn take(&self) -> Vec<Finding> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fails a test if a MUST was broken.
    ///
    /// # Panics
    /// A MUST was broken; the message lists what was found.
    #[track_caller]
    pub fn assert_clean(&self) {
        let broken: Vec<String> = self
            .findings()
            .iter()
            .filter(|finding| finding.level == Level::Must)
            .map(ToString::to_string)
            .collect();
        assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
    }
}

impl Sink for Collector {
    fn report(&self, finding: Finding) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
    }
}

/// Prints each finding as one line to the standard error stream; what is only recorded (MAY) is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandardError;

impl Sink for StandardError {
    fn report(&self, finding: Finding) {
        if finding.level != Level::May {
            eprintln!("rwgi lint: {finding}");
        }
    }
}
