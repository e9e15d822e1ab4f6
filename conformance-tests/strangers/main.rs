//! Servers that are not ours under the suite: what they fall short of, as a table.
//!
//! `cargo run -p rwgi-conformance --example strangers -- conformance-tests/STRANGERS.md`
//!
//! Rules of this room: each server hosts the suite's application through an adapter of a few dozen lines that mends nothing; a
//! failure may be the server's, or that of what its interface lets an adapter do, and both are what an application would meet.

mod actix;
mod axum;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use rwgi_conformance::requirements;
use rwgi_conformance::server::{Case, Judged, ServerUnderTest, Verdict, cases, judge, prepare};

/// The versions, from the lock file that the program was built with.
fn version(name: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let entry = format!("name = \"{name}\"\nversion = \"");
    let rest = lock.split_once(&entry).map_or("?", |(_, rest)| rest);
    rest.split('"').next().unwrap_or("?")
}

fn results(server: Arc<dyn ServerUnderTest>) -> Result<Vec<Judged>, rwgi::BoxError> {
    let (subject, _running) = prepare(server, Duration::from_secs(2))?;
    let cases: Vec<&Case> = cases::all().collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut judged = std::thread::scope(|scope| {
        let work = || {
            let mut judged = Vec::new();
            loop {
                let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(case) = cases.get(at) else { return judged };
                judged.push((at, judge(case, &subject)));
            }
        };
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    judged.sort_by_key(|(at, _)| *at);
    Ok(judged.into_iter().map(|(_, judged)| judged).collect())
}

fn main() -> Result<(), rwgi::BoxError> {
    rwgi_conformance::server::application::quiet_panics();
    let strangers: Vec<(String, Arc<dyn ServerUnderTest>)> = vec![
        (
            format!("axum::serve {} (hyper {})", version("axum"), version("hyper")),
            Arc::new(axum::Axum),
        ),
        (
            format!("actix-web {} (actix-http {})", version("actix-web"), version("actix-http")),
            Arc::new(actix::Actix),
        ),
    ];
    let mut page = String::from(
        "# Strangers\n\nWhat servers that are not ours fall short of when they host the suite's application through a thin adapter\n\
         (`conformance-tests/strangers/`). Nothing here says that a server is bad: most requirements below are stricter than the RFCs, or\n\
         about a contract that the server never made. It says what an application could meet. This page is made by\n\
         `cargo run -p rwgi-conformance --example strangers -- conformance-tests/STRANGERS.md`.\n",
    );
    let mut all = Vec::new();
    for (name, server) in strangers {
        all.push((name, results(server)?));
    }
    let count =
        |results: &[Judged], verdict| results.iter().filter(|one| one.verdict == verdict).count();
    page.push_str(
        "\n| Server | Cases | Held | Failed | Warned | Skipped |\n|---|---|---|---|---|---|\n",
    );
    for (name, results) in &all {
        writeln!(
            page,
            "| {name} | {} | {} | {} | {} | {} |",
            results.len(),
            count(results, Verdict::Held),
            count(results, Verdict::Failed),
            count(results, Verdict::Warned),
            count(results, Verdict::Skipped)
        )?;
    }
    for (name, results) in &all {
        writeln!(
            page,
            "\n## {name}\n\n| Requirement | Case | Expected | Came |\n|---|---|---|---|"
        )?;
        let mut by_requirement: BTreeMap<usize, Vec<&Judged>> = BTreeMap::new();
        for one in
            results.iter().filter(|one| matches!(one.verdict, Verdict::Failed | Verdict::Warned))
        {
            let id = one.broken.as_deref().unwrap_or_default();
            let place = requirements::ALL.iter().position(|requirement| requirement.id == id);
            by_requirement.entry(place.unwrap_or(usize::MAX)).or_default().push(one);
        }
        for one in by_requirement.into_values().flatten() {
            let level = if one.verdict == Verdict::Warned { " (SHOULD)" } else { "" };
            writeln!(
                page,
                "| {}{level} | {} | {} | {} |",
                one.broken.as_deref().unwrap_or_default(),
                one.title,
                cell(one.expected.as_deref()),
                cell(one.found.as_deref())
            )?;
        }
    }
    match std::env::args().nth(1) {
        Some(path) => std::fs::write(path, page)?,
        None => print!("{page}"),
    }
    Ok(())
}

/// Text for one cell; long octets are cut.
fn cell(text: Option<&str>) -> String {
    let text: String = text.unwrap_or_default().chars().take(160).collect();
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}
