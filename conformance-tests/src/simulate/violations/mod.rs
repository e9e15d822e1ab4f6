//! For every scenario something that fails in it, and in no other.
//!
//! Rules of this room: a violation is the conforming application (or middleware) with one flaw; the report of each names its scenario and nothing
//! else.

mod applications;
mod lives;
mod middleware;

use std::time::Duration;

use super::{Report, Simulator, scenarios};

/// Something that fails in one scenario.
struct Violation {
    scenario: &'static str,
    run: Box<dyn Fn() -> Report>,
}

fn violation(scenario: &'static str, run: impl Fn() -> Report + 'static) -> Violation {
    Violation { scenario, run: Box::new(run) }
}

impl Report {
    /// The report without what a flaw cannot help to bring along, none of it what it is shown for.
    fn without(mut self, slugs: &[&str]) -> Self {
        self.findings.retain(|finding| !slugs.contains(&finding.rule));
        self
    }
}

/// Without patience: nothing here leaves its task. Without the one rule that looks at a clock: a busy machine is no violation.
fn simulator() -> Simulator {
    Simulator::new().patience(Duration::ZERO).allow("conduct-blocking")
}

#[test]
fn every_scenario_fails_for_a_violation_and_for_that_alone() {
    let mut caught = Vec::new();
    for violation in applications::all().into_iter().chain(lives::all()).chain(middleware::all()) {
        let report = (violation.run)();
        let names: Vec<_> = report.findings().iter().map(|finding| finding.rule).collect();
        assert_eq!(names, [violation.scenario], "{report}");
        caught.push(violation.scenario);
    }
    let missing: Vec<_> = scenarios()
        .iter()
        .map(|scenario| scenario.slug)
        .filter(|slug| !caught.contains(slug))
        .collect();
    assert!(missing.is_empty(), "scenarios without a violation: {missing:?}");
}

#[test]
fn every_scenario_says_why_and_what_to_do_and_has_a_name_of_its_own() {
    let all = scenarios();
    for scenario in all {
        let twins = all.iter().filter(|other| other.slug == scenario.slug).count();
        assert_eq!(twins, 1, "{} stands twice", scenario.slug);
        assert!(!scenario.title.is_empty() && !scenario.instead.is_empty(), "{}", scenario.slug);
        assert!(!scenario.requirements.is_empty() || !scenario.source.is_empty());
    }
}

#[test]
fn every_request_of_the_catalogue_can_be_built() {
    use super::scenario::{Play, applications};
    for scenario in applications() {
        let requests = match scenario.play {
            Play::Each(requests, _) | Play::Alike(requests, _) | Play::Overlap(requests) => {
                requests("/a/path")
            }
            Play::Same(groups) => groups("/a/path").into_iter().flatten().collect(),
            Play::Beside => continue,
        };
        assert!(!requests.is_empty(), "{}", scenario.slug);
        for request in requests {
            assert!(
                request.environ(rwgi::Stopping::default()).is_some(),
                "{}: {request:?}",
                scenario.slug
            );
        }
    }
}
