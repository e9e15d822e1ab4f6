//! Every requirement that the sources name exists: an id in a log line leads to a sentence of the specification.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The files below a folder with one of the endings.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if path
            .extension()
            .is_some_and(|ending| endings.iter().any(|known| ending == *known))
        {
            found.push(path);
        }
    }
    found
}

/// The ids in a text: `REQ-`, an area in capitals and digits, a hyphen, digits.
fn ids(text: &str) -> BTreeSet<String> {
    text.split("REQ-")
        .skip(1)
        .filter_map(|rest| {
            let (area, rest) = rest.split_once('-')?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let known =
                area.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit());
            (known && !digits.is_empty()).then(|| format!("REQ-{area}-{digits}"))
        })
        .collect()
}

#[test]
fn every_id_in_the_sources_is_a_heading_of_the_specification() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let specification = here.join("../spec/src");
    if !specification.is_dir() {
        println!("skipped: the specification is not beside this crate (a published package)");
        return;
    }
    let headings: BTreeSet<String> = files(&specification, &["md"])
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.lines()
                .filter(|line| line.starts_with("### REQ-"))
                .flat_map(ids)
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(headings.len() > 100, "the specification was not read: {} headings", headings.len());
    let mut unknown = Vec::new();
    for folder in ["src", "tests", "examples"] {
        for path in files(&here.join(folder), &["rs"]) {
            for id in ids(&fs::read_to_string(&path).unwrap()).difference(&headings) {
                unknown.push(format!("{id} in {}", path.strip_prefix(here).unwrap().display()));
            }
        }
    }
    assert!(unknown.is_empty(), "no such requirement: {unknown:#?}");
}
