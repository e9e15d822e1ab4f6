//! The result as one page, with nothing to fetch.
//!
//! Rules of this room: it reads without scripts; what failed is open, the rest is folded; colours are never the only sign.

use std::collections::BTreeMap;

use rwgi_conformance::requirements;
use rwgi_conformance::server::{Judged, Verdict};

use super::junit::escape;
use super::server::Outcome;

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --bad: #b3261e; --warn: #8a6d00; --good: #1b6e3c }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --warn: #ffd54f; --good: #81c995 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse } th, td { text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid var(--line) }
td.number { text-align: right; font-variant-numeric: tabular-nums }
details { border-bottom: 1px solid var(--line); padding: .3rem 0 }
summary { cursor: pointer } code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { overflow-x: auto; background: #8881; padding: .7rem; border-radius: 4px }
.failed { color: var(--bad) } .warned { color: var(--warn) } .held { color: var(--good) } .dim { opacity: .7 }
.word { font-weight: 600; display: inline-block; min-width: 5.5rem }";

pub(super) fn page(outcome: &Outcome) -> String {
    let name = escape(&outcome.name);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>RWGI conformance: {name}</title>\n<style>{STYLE}</style>\n<h1>RWGI conformance: {name}</h1>\n"
    );
    let class = if outcome.held() { "held" } else { "failed" };
    let verdict = outcome.verdict();
    page.push_str(&format!("<p class=\"{class}\"><strong>{verdict}</strong></p>\n<table>\n"));
    for (word, count) in [
        ("held", outcome.count(Verdict::Held)),
        ("failed", outcome.failures().count()),
        ("known to fail", outcome.known_failures()),
        ("warnings", outcome.count(Verdict::Warned)),
        ("recorded", outcome.count(Verdict::Recorded)),
        ("skipped", outcome.count(Verdict::Skipped)),
    ] {
        page.push_str(&format!("<tr><th>{word}<td class=\"number\">{count}\n"));
    }
    let names: Vec<&str> = outcome.declared["capabilities"]
        .as_array()
        .map(|names| names.iter().filter_map(|name| name.as_str()).collect())
        .unwrap_or_default();
    page.push_str(&format!(
        "</table>\n<p class=\"dim\">Suite {}, {:.1} s. The server declares: {}.</p>\n",
        env!("CARGO_PKG_VERSION"),
        outcome.took.as_secs_f64(),
        escape(&if names.is_empty() { "no capability".to_owned() } else { names.join(", ") }),
    ));
    let mut chapters: BTreeMap<(&str, &str), Vec<&Judged>> = BTreeMap::new();
    for one in &outcome.results {
        chapters.entry((one.kind, &one.chapter)).or_default().push(one);
    }
    for ((kind, chapter), results) in chapters {
        let held = results.iter().filter(|one| one.verdict == Verdict::Held).count();
        let title =
            if kind == "case" { chapter.to_owned() } else { format!("wire vectors: {chapter}") };
        page.push_str(&format!(
            "<h2>{} <span class=\"dim\">{held} of {} held</span></h2>\n",
            escape(&title),
            results.len()
        ));
        for one in results {
            page.push_str(&row(one, outcome));
        }
    }
    page.push_str("</html>\n");
    page
}

fn row(one: &Judged, outcome: &Outcome) -> String {
    let word = match one.verdict {
        Verdict::Failed if outcome.known.reason(&one.id).is_some() => "known",
        Verdict::Failed => "failed",
        Verdict::Warned => "warned",
        Verdict::Held => "held",
        Verdict::Recorded => "recorded",
        Verdict::Skipped => "skipped",
    };
    let open = if word == "failed" { " open" } else { "" };
    let mut row = format!(
        "<details{open}><summary><span class=\"word {word}\">{word}</span> {} <code class=\"dim\">{}</code></summary>\n",
        escape(&one.title),
        escape(&one.id)
    );
    for id in &one.requirements {
        if let Some(found) = requirements::find(id) {
            row.push_str(&format!("<p><code>{id}</code> {}</p>\n", escape(found.sentence)));
        }
    }
    if one.verdict != Verdict::Held {
        row.push_str(&format!("<pre>{}</pre>\n", escape(&one.explanation())));
    }
    row.push_str("</details>\n");
    row
}
