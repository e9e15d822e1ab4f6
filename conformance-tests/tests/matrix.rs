//! Every case holds on `honest`, and says no to the server with its violation.

#![allow(clippy::unwrap_used, clippy::panic)] // A test that cannot go on says so by panicking.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rwgi_conformance::honest::Honest;
use rwgi_conformance::server::{Case, Need, Verdict, application, cases, judge, prepare};

/// What is wrong with a case, if anything is.
fn complaint(case: &Case) -> Option<String> {
    // A violation that makes a server silent is found by waiting: the wait is short at first, and long where a busy machine may have
    // been the reason.
    complaint_within(case, Duration::from_millis(1500))
        .and_then(|_| complaint_within(case, Duration::from_secs(20)))
}

fn complaint_within(case: &Case, deadline: Duration) -> Option<String> {
    let lacks = matches!(case.needs, Need::Lack(_));
    let honest = if lacks { Honest::plain() } else { Honest::default() };
    let (subject, _running) = prepare(Arc::new(honest), deadline).ok()?;
    let judged = judge(case, &subject);
    if judged.verdict != Verdict::Held {
        return Some(format!("{} does not hold on honest: {}", case.id, judged.explanation()));
    }
    let server = Honest::with(case.violation);
    let (subject, _running) = prepare(Arc::new(server), deadline).ok()?;
    let judged = judge(case, &subject);
    let text = judged.explanation();
    match judged.verdict {
        Verdict::Held => {
            Some(format!("{} does not notice a server that {}", case.id, case.violation.summary))
        }
        Verdict::Skipped => Some(format!("{} is skipped: {text}", case.id)),
        _ if judged.control => Some(format!("{} fails by its control: {text}", case.id)),
        _ if !case.requirements.contains(&judged.broken.as_deref().unwrap_or_default()) => {
            Some(format!("{} fails by another requirement than its own: {text}", case.id))
        }
        _ => None,
    }
}

#[test]
fn every_case_kills_its_violation() {
    application::quiet_panics();
    // For somebody who writes cases: only those whose ids begin with this.
    let some = std::env::var("RWGI_CASES").unwrap_or_default();
    let cases: Vec<&Case> = cases::all().filter(|case| case.id.starts_with(&some)).collect();
    let next = AtomicUsize::new(0);
    let complaints: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut complaints = Vec::new();
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                complaints.extend(complaint(case));
            }
            complaints
        };
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(
        complaints.is_empty(),
        "{} of {} cases:\n{}",
        complaints.len(),
        cases.len(),
        complaints.join("\n")
    );
}

#[test]
fn cases_are_named_once_and_know_their_requirements() {
    let mut seen = std::collections::BTreeSet::new();
    for case in cases::all() {
        assert!(seen.insert(case.id), "{} is named twice", case.id);
        assert!(!case.requirements.is_empty(), "{} upholds nothing", case.id);
        for id in case.requirements {
            assert!(rwgi_conformance::requirements::find(id).is_some(), "{}: {id}", case.id);
        }
        let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(case.id.chars().all(slug), "{} is no slug", case.id);
    }
}
