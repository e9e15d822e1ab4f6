//! What the tests before this one have covered: every requirement by name, with what upholds it.
//!
//! Rules of this test: it is the last one of the workspace to run (packages and tests run in the order of their names, which is why it stands
//! in this package; examples of the documentation follow), and cargo does not come here when one before has failed; whether evidence is
//! complete is judged by the test `traceability`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use rwgi_conformance::requirements::evidence::{self, Evidence, Kind};
use rwgi_conformance::requirements::{ALL, find};

const KINDS: [(Kind, &str, &str); 5] = [
    (Kind::Case, "case", "cases"),
    (Kind::Vector, "vector", "vectors"),
    (Kind::Lint, "rule", "rules"),
    (Kind::Test, "test", "tests"),
    (Kind::Type, "type", "types"),
];

fn main() -> ExitCode {
    // cargo passes the arguments of a test harness; a filter or a list asks for other tests than this.
    if std::env::args().skip(1).any(|argument| argument == "--list" || !argument.starts_with('-')) {
        return ExitCode::SUCCESS;
    }
    match covered() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn covered() -> Result<(), String> {
    let mut map = evidence::built_in()?;
    evidence::of_workspace(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), &mut map)?;
    println!("\nWhat upholds each requirement:\n");
    let (mut upheld, mut excused, mut open) = (0, 0, 0);
    for requirement in ALL {
        let evidence = map.get(requirement.id).map(Vec::as_slice).unwrap_or_default();
        let excuse = evidence.iter().find(|one| one.kind == Kind::Excuse);
        let words = match (words(evidence), excuse) {
            (Some(words), _) => {
                upheld += 1;
                words
            }
            (None, Some(excuse)) => {
                excused += 1;
                format!("excused: {}", excuse.name)
            }
            (None, None) => {
                open += 1;
                "NOTHING".to_owned()
            }
        };
        let level = requirement.level;
        println!("{:<13}{level:<7}{words}", requirement.id);
    }
    println!(
        "\n{} requirements: {upheld} upheld, {excused} excused with a reason, {open} open",
        ALL.len()
    );
    let mut all = BTreeMap::new();
    for (id, one) in map.iter().flat_map(|(id, all)| all.iter().map(move |one| (id, one))) {
        if find(id).is_some() {
            all.insert((one.kind, &one.name), ());
        }
    }
    let counts = KINDS.map(|(kind, _, plural)| {
        format!("{} {plural}", all.keys().filter(|(other, _)| *other == kind).count())
    });
    println!("evidence: {}", counts.join(", "));
    Ok(())
}

/// How many of each kind; nothing where there is only an excuse or nothing at all.
fn words(evidence: &[Evidence]) -> Option<String> {
    let count = |kind| evidence.iter().filter(|one| one.kind == kind).count();
    let words: Vec<String> = KINDS
        .iter()
        .filter_map(|(kind, one, several)| match count(*kind) {
            0 => None,
            1 => Some(format!("1 {one}")),
            more => Some(format!("{more} {several}")),
        })
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}
