//! What upholds each requirement: cases, lint rules, tests of the workspace, types, and excuses.
//!
//! Rules of this room: it reads files and lists; nothing here judges. A workspace that is not there (the crate came from
//! a registry) has no evidence of its own, and the cases of the suite still have theirs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One thing that upholds a requirement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Evidence {
    /// What kind of thing.
    pub kind: Kind,
    /// Its name: a case's id, a rule's id, `file:line` of a test, the reason of an excuse.
    pub name: String,
}

/// The kinds of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A case of the server suite.
    Case,
    /// A wire vector.
    Vector,
    /// A rule of the lint, or a scenario of the simulator.
    Lint,
    /// A test with a comment `// Evidence:` above it.
    Test,
    /// A program that must not compile.
    Type,
    /// An excuse with its reason.
    Excuse,
}

/// An entry of `excuses.toml`.
#[derive(Clone, Debug, Deserialize)]
pub struct Excuse {
    /// The requirement that has no evidence.
    pub id: String,
    /// Why that is acceptable.
    pub reason: String,
}

#[derive(Deserialize)]
struct Excuses {
    #[serde(default)]
    excuse: Vec<Excuse>,
}

/// All evidence, by requirement.
pub type Map = BTreeMap<String, Vec<Evidence>>;

/// The excuses, as they were when this crate was built.
///
/// # Errors
/// The file is not what it should be.
pub fn excuses() -> Result<Vec<Excuse>, String> {
    let text = include_str!("../../excuses.toml");
    toml::from_str::<Excuses>(text)
        .map(|file| file.excuse)
        .map_err(|error| format!("excuses.toml: {error}"))
}

/// The evidence that this crate carries in itself: cases, vectors, rules and excuses.
///
/// # Errors
/// A data file of the crate is malformed.
pub fn built_in() -> Result<Map, String> {
    let mut map = Map::new();
    for case in crate::server::cases::all() {
        for id in case.requirements {
            add(&mut map, id, Kind::Case, case.id);
        }
    }
    for vector in crate::server::vectors::all()? {
        for id in &vector.requirements {
            add(&mut map, id, Kind::Vector, &vector.id);
        }
    }
    for (rule, ids) in crate::rules() {
        for id in ids {
            add(&mut map, id, Kind::Lint, rule);
        }
    }
    for excuse in excuses()? {
        add(&mut map, &excuse.id, Kind::Excuse, &excuse.reason);
    }
    Ok(map)
}

/// Adds the tests of a workspace: comments above tests, and programs that must not compile.
///
/// # Errors
/// A file that cannot be read, or a comment of evidence that stands above no test.
pub fn of_workspace(root: &Path, map: &mut Map) -> Result<(), String> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    for path in files {
        let text = fs::read_to_string(&path).map_err(|error| format!("{path:?}: {error}"))?;
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        of_file(&name, &text, path.with_extension("stderr").exists(), map)?;
    }
    Ok(())
}

/// Adds the evidence of one file; `refused` says that the compiler's refusal of it is on record.
fn of_file(name: &str, text: &str, refused: bool, map: &mut Map) -> Result<(), String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(ids) = line.strip_prefix("// Evidence: REQ-") else { continue };
        let place = format!("{name}:{}", at + 1);
        let ids = format!("REQ-{ids}");
        let kind = if at == 0 && name.contains("tests/ui/") {
            if !refused {
                return Err(format!("{place}: there is no .stderr beside the file"));
            }
            Kind::Type
        } else if stands_above_test(&lines[at + 1..]) {
            Kind::Test
        } else {
            return Err(format!("{place}: evidence stands directly above the attribute of a test"));
        };
        for id in ids.split(',') {
            add(map, id.trim(), kind, &place);
        }
    }
    Ok(())
}

/// Whether the next lines are more evidence, or attributes, up to the attribute of a test.
fn stands_above_test(lines: &[&str]) -> bool {
    let is_test = |line: &str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    let mut between =
        lines.iter().take_while(|line| line.starts_with("// ") || line.starts_with("#["));
    between.any(|line| is_test(line))
}

fn add(map: &mut Map, id: &str, kind: Kind, name: &str) {
    let name = name.to_owned();
    map.entry(id.to_owned()).or_default().push(Evidence { kind, name });
}

/// Every Rust file below a folder, but not what was built or what hides.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{folder:?}: {error}"))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("{folder:?}: {error}"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') && !name.starts_with("mutants.out") {
                collect(&path, files)?;
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_above_a_test_is_evidence_and_elsewhere_an_error() {
        let mut map = Map::new();
        let text = "// Evidence: REQ-X-01, REQ-X-02\n#[test]\nfn t() {}\n";
        of_file("src/a.rs", text, false, &mut map).unwrap();
        assert_eq!(map["REQ-X-01"][0].name, "src/a.rs:1");
        assert_eq!(map["REQ-X-02"][0].kind, Kind::Test);
        let lost = "// Evidence: REQ-X-01\nfn t() {}\n";
        assert!(of_file("src/a.rs", lost, false, &mut map).is_err());
    }

    #[test]
    fn a_program_that_must_not_compile_needs_its_stderr() {
        let mut map = Map::new();
        let text = "// Evidence: REQ-X-01\nfn main() {}\n";
        assert!(of_file("a/tests/ui/x.rs", text, false, &mut map).is_err());
        of_file("a/tests/ui/x.rs", text, true, &mut map).unwrap();
        assert_eq!(map["REQ-X-01"][0].kind, Kind::Type);
    }
}
