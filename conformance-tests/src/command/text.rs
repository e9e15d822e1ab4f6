//! The result for people.
//!
//! Rules of this room: what failed comes first and is complete; the last lines are the sum.

use rwgi_conformance::server::Verdict;

use super::server::Outcome;

pub(super) fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    for one in outcome.failures() {
        text.push_str(&format!("FAILED {}: {}\n", one.id, one.explanation()));
    }
    for one in outcome.results.iter().filter(|one| one.verdict == Verdict::Warned) {
        text.push_str(&format!("warning {}: {}\n", one.id, one.explanation()));
    }
    for one in outcome.results.iter().filter(|one| one.verdict == Verdict::Recorded) {
        text.push_str(&format!(
            "recorded {}: {}\n",
            one.id,
            one.found.as_deref().unwrap_or_default()
        ));
    }
    let mut reasons: std::collections::BTreeMap<&str, usize> = Default::default();
    for one in outcome.results.iter().filter(|one| one.verdict == Verdict::Skipped) {
        *reasons.entry(one.found.as_deref().unwrap_or("no reason")).or_default() += 1;
    }
    for (reason, count) in reasons {
        text.push_str(&format!("skipped {count}: {reason}\n"));
    }
    for id in outcome.known.outdated(&outcome.results) {
        text.push_str(&format!("{id} is on the list of known failures and holds: take it off\n"));
    }
    text.push_str(&format!(
        "{}: {} held, {} failed, {} known to fail, {} warnings, {} recorded, {} skipped; {:.1} s\n",
        outcome.name,
        outcome.count(Verdict::Held),
        outcome.failures().count(),
        outcome.known_failures(),
        outcome.count(Verdict::Warned),
        outcome.count(Verdict::Recorded),
        outcome.count(Verdict::Skipped),
        outcome.took.as_secs_f64(),
    ));
    text.push_str(outcome.verdict());
    if outcome.judged() && !outcome.held() {
        text.push_str(" `rwgi-conformance explain ID` shows a conversation that holds.");
    }
    text.push('\n');
    text
}
