//! Gathers the documents of the repository for the demo's `/documentation`, so that they can be read out of the binary.
//!
//! Rules of this room: a document that is not there (a published crate has none) is left out and is no error; the
//! specification's chapters come in the order of its summary.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let variable = |name| env::var_os(name).map(PathBuf::from).ok_or(io::ErrorKind::NotFound);
    let root = variable("CARGO_MANIFEST_DIR")?.join("..");
    let mut names = vec!["README.md".to_owned()];
    names.extend(chapters(&root.join("spec/src/SUMMARY.md")));
    names.extend(["ARCHITECTURE.md", "CONTRIBUTING.md"].map(str::to_owned));

    let mut list = String::from("[\n");
    for name in names {
        if let Ok(file) = root.join(&name).canonicalize() {
            println!("cargo::rerun-if-changed={}", file.display());
            let _ = writeln!(list, "Document {{ name: {name:?}, text: include_str!({file:?}) }},");
        }
    }
    list.push(']');
    println!("cargo::rerun-if-changed=src/demo/build.rs");
    fs::write(variable("OUT_DIR")?.join("documents.rs"), list)
}

/// What the summary links to, in its order; nothing where there is no summary.
fn chapters(summary: &Path) -> Vec<String> {
    let Ok(text) = fs::read_to_string(summary) else { return Vec::new() };
    println!("cargo::rerun-if-changed={}", summary.display());
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    links.map(|(file, _)| format!("spec/src/{file}")).collect()
}
