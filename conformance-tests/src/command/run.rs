//! Runs the chosen cases side by side and keeps their order.
//!
//! Rules of this room: workers take the next one; the progress line is for a person at a terminal only.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rwgi_conformance::server::{Judged, Subject, judge, judge_vector};

use super::choice::Chosen;

pub(super) fn run(chosen: &[Chosen], subject: &Subject, jobs: usize) -> Vec<Judged> {
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Judged)>> = Mutex::new(Vec::with_capacity(chosen.len()));
    let terminal = std::io::stderr().is_terminal();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = chosen.get(at) else { return };
            let judged = match one {
                Chosen::Case(case) => judge(case, subject),
                Chosen::Vector(vector) => judge_vector(vector, subject),
            };
            let count = done.fetch_add(1, Ordering::Relaxed) + 1;
            if terminal {
                let _ = write!(std::io::stderr(), "\r\x1b[K{count}/{} {}", chosen.len(), one.id());
            }
            if let Ok(mut results) = results.lock() {
                results.push((at, judged));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, chosen.len().max(1)) {
            scope.spawn(work);
        }
    });
    if terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, judged)| judged).collect()
}
