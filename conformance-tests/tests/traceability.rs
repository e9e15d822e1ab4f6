//! The thread from the specification to what upholds it.
//!
//! Fails by name for a requirement without evidence, for evidence of no requirement, for an excuse that is no longer
//! needed, and for a table that is not what the specification says.

#![allow(clippy::unwrap_used, clippy::panic)] // A test that cannot go on says so by panicking.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rwgi_conformance::requirements::evidence::{self, Kind};
use rwgi_conformance::requirements::{ALL, parse};

fn crate_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rows() -> Vec<parse::Row> {
    let spec = crate_folder().join("../spec/src");
    let summary = fs::read_to_string(spec.join("SUMMARY.md")).unwrap();
    let mut rows = Vec::new();
    for link in summary.split("](").skip(1) {
        let file = link.split(')').next().unwrap();
        let text = fs::read_to_string(spec.join(file)).unwrap();
        rows.extend(parse::chapter(file.trim_end_matches(".md"), &text).unwrap());
    }
    rows
}

#[test]
fn the_table_is_what_the_specification_says() {
    let expected = parse::table(&rows());
    let path = crate_folder().join("src/requirements/table.rs");
    if std::env::var_os("RWGI_BLESS").is_some() {
        fs::write(&path, expected).unwrap();
        return;
    }
    let present = fs::read_to_string(&path).unwrap();
    assert!(
        present == expected,
        "src/requirements/table.rs is stale: RWGI_BLESS=1 cargo test -p rwgi-conformance --test traceability"
    );
}

#[test]
fn an_id_is_given_once() {
    let mut seen = BTreeMap::new();
    for row in rows() {
        if let Some(first) = seen.insert(row.id.clone(), row.chapter.clone()) {
            panic!("{} stands in {first}.md and in {}.md", row.id, row.chapter);
        }
    }
}

#[test]
fn every_requirement_has_evidence_and_all_evidence_has_its_requirement() {
    let mut map = evidence::built_in().unwrap();
    let root = crate_folder().join("..");
    evidence::of_workspace(Path::new(&root), &mut map).unwrap();
    let rows = rows();

    let mut complaints = Vec::new();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        let evidence = map.get(&row.id).map(Vec::as_slice).unwrap_or_default();
        let excused = evidence.iter().any(|one| one.kind == Kind::Excuse);
        let upheld = evidence.iter().any(|one| one.kind != Kind::Excuse);
        match (upheld, excused) {
            (false, false) => {
                complaints.push(format!("{} has no evidence: {}", row.id, row.sentence));
            }
            (true, true) => complaints.push(format!("{} needs its excuse no longer", row.id)),
            _ => {}
        }
        for kind in [Kind::Case, Kind::Vector, Kind::Lint, Kind::Test, Kind::Type, Kind::Excuse] {
            if evidence.iter().any(|one| one.kind == kind) {
                let name = match kind {
                    Kind::Case => "cases",
                    Kind::Vector => "vectors",
                    Kind::Lint => "lint rules",
                    Kind::Test => "tests",
                    Kind::Type => "types",
                    Kind::Excuse => "excuses",
                };
                *count.entry(name).or_default() += 1;
            }
        }
    }
    for (id, evidence) in &map {
        if !rows.iter().any(|row| row.id == *id) {
            for one in evidence {
                complaints.push(format!("{} is evidence of {id}, which does not exist", one.name));
            }
        }
    }
    println!("{} requirements; upheld by: {count:?}", rows.len());
    assert_eq!(ALL.len(), rows.len(), "the table is stale");
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}
