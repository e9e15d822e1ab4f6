//! The result as JUnit's XML, which continuous integration reads.
//!
//! Rules of this room: a warning is a test that passed, with its text in `system-out`; octets that XML cannot hold were escaped before.

use rwgi_conformance::server::{Judged, Verdict};

use super::server::Outcome;

pub(super) fn junit(outcome: &Outcome) -> String {
    let failures = outcome.failures().count();
    let skipped = outcome.count(Verdict::Skipped);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"rwgi-conformance\" tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\" time=\"{:.3}\">\n",
        outcome.results.len(),
        outcome.took.as_secs_f64(),
    );
    for one in &outcome.results {
        xml.push_str(&test(one, outcome));
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

fn test(one: &Judged, outcome: &Outcome) -> String {
    let head = format!(
        "<testcase classname=\"{}.{}\" name=\"{}\" time=\"{:.3}\"",
        escape(one.kind),
        escape(&one.chapter),
        escape(&one.id),
        one.took.as_secs_f64()
    );
    let text = escape(&one.explanation());
    match one.verdict {
        Verdict::Held | Verdict::Recorded => format!("{head}/>\n"),
        Verdict::Skipped => {
            let why = escape(one.found.as_deref().unwrap_or_default());
            format!("{head}><skipped message=\"{why}\"/></testcase>\n")
        }
        Verdict::Warned => format!("{head}><system-out>{text}</system-out></testcase>\n"),
        Verdict::Failed if outcome.known.reason(&one.id).is_some() => {
            format!("{head}><skipped message=\"known to fail\"/></testcase>\n")
        }
        Verdict::Failed => {
            let message = escape(&format!(
                "expected {}; came: {}",
                one.expected.as_deref().unwrap_or_default(),
                one.found.as_deref().unwrap_or_default()
            ));
            format!("{head}><failure message=\"{message}\">{text}</failure></testcase>\n")
        }
    }
}

/// Text for XML and HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
