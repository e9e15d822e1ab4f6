//! `explain`: a requirement or a case, shown live on `honest` and on `honest` with the violation.
//!
//! Rules of this room: nothing here is written down beforehand; both conversations take place while the reader waits.

use std::sync::Arc;
use std::time::Duration;

use rwgi_conformance::honest::Honest;
use rwgi_conformance::requirements::{self, evidence};
use rwgi_conformance::server::{Case, Judged, cases, judge, prepare};

use super::list::all_evidence;
use super::{Trouble, print};

pub(super) fn explain(id: &str) -> Result<bool, Trouble> {
    if let Some(case) = cases::find(id) {
        print(&one(case)?)?;
        return Ok(true);
    }
    let id = id.to_uppercase();
    let found = requirements::find(&id)
        .ok_or_else(|| Trouble::Usage(format!("there is no requirement and no case {id}; `rwgi-conformance requirements` and `list` have them all")))?;
    let mut text = format!(
        "{} ({}, binds the {})\n\n  {}\n\n",
        found.id, found.level, found.party, found.sentence
    );
    if !found.rfc.is_empty() {
        text.push_str(&format!(
            "See {}, and the chapter `{}` of the specification.\n",
            found.rfc, found.chapter
        ));
    } else {
        text.push_str(&format!("See the chapter `{}` of the specification.\n", found.chapter));
    }
    let map = all_evidence()?;
    let evidence = map.get(found.id).map(Vec::as_slice).unwrap_or_default();
    text.push_str("\nIt is upheld by:\n");
    for one in evidence.iter().filter(|one| one.kind != evidence::Kind::Case) {
        text.push_str(&format!("  {}: {}\n", format!("{:?}", one.kind).to_lowercase(), one.name));
    }
    let mut shown: Vec<&Case> =
        cases::all().filter(|case| case.requirements.contains(&found.id)).collect();
    shown.sort_by_key(|case| case.requirements[0] != found.id);
    for case in &shown {
        text.push_str(&format!("  case {}: {}\n", case.id, case.title));
    }
    if evidence.is_empty() {
        text.push_str("  nothing that is known here\n");
    }
    if let Some(case) = shown.first() {
        text.push('\n');
        text.push_str(&one(case)?);
    }
    print(&text)?;
    Ok(true)
}

/// One case: what it checks, how it looks where it holds, and how where it does not.
fn one(case: &'static Case) -> Result<String, Trouble> {
    let mut text = format!("Case {}: {}\n", case.id, case.title);
    for id in case.requirements {
        if let Some(found) = requirements::find(id) {
            text.push_str(&format!("  {id} ({}): {}\n", found.level, found.sentence));
        }
    }
    let held = run(case, Honest::default())?;
    text.push_str("\nA server that keeps it (> sent, < received, * happened):\n\n");
    text.push_str(&indented(held.transcript.as_deref().unwrap_or_default()));
    let fell = run(case, Honest::with(case.violation))?;
    text.push_str(&format!("\nA server that {}:\n\n", case.violation.summary));
    text.push_str(&indented(fell.transcript.as_deref().unwrap_or_default()));
    text.push_str(&format!(
        "\n  expected: {}\n  came: {}\n",
        fell.expected.as_deref().unwrap_or("?"),
        fell.found.as_deref().unwrap_or("?")
    ));
    Ok(text)
}

fn run(case: &Case, server: Honest) -> Result<Judged, Trouble> {
    let (subject, _running) = prepare(Arc::new(server), Duration::from_secs(2))
        .map_err(|error| Trouble::Start(format!("honest does not start: {error}")))?;
    Ok(judge(case, &subject))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
