//! Links lead somewhere.
//!
//! Rules of this room: no network; a link to the web is only looked at.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::documents::{Document, files, root};
use super::markdown::{anchors, links};

/// A path without its `.` and `..`; `None` where it leaves the repository.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir if out.pop() => {}
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(out)
}

/// Why a link leads nowhere.
fn complaint(document: &Document, target: &str, all: &[Document]) -> Option<String> {
    if target.starts_with("https://") || target.starts_with("http://127.0.0.1:8000") {
        return None;
    }
    if target.contains("://") || target.starts_with('/') {
        return Some("is neither https nor a path".to_owned());
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, a)| (file, Some(a)));
    let folder = Path::new(&document.name).parent()?;
    let path = if file.is_empty() { PathBuf::from(&document.name) } else { folder.join(file) };
    let Some(path) = plain(&path) else { return Some("leaves the repository".to_owned()) };
    if !root().join(&path).exists() {
        return Some("is not there".to_owned());
    }
    let name = path.to_str()?;
    // mdBook turns links to .md into links to .html, and outside of the book there are none.
    if document.name.starts_with("spec/src/")
        && name.ends_with(".md")
        && !name.starts_with("spec/src/")
    {
        return Some("leads out of the book to a page that the book does not have".to_owned());
    }
    let anchor = anchor?;
    let Some(there) = all.iter().find(|other| other.name == name) else {
        return Some("has an anchor, and is no document".to_owned());
    };
    (!anchors(&there.text).iter().any(|other| other == anchor)).then(|| format!("has no #{anchor}"))
}

#[test]
fn every_link_leads_to_what_is_there() {
    let all = Document::all();
    let mut complaints = Vec::new();
    let mut seen = 0;
    for document in &all {
        for link in links(&document.text) {
            seen += 1;
            if let Some(why) = complaint(document, &link.target, &all) {
                complaints.push(format!("{}:{}: {} {why}", document.name, link.line, link.target));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(seen > 300, "only {seen} links were found");
}

#[test]
fn an_anchor_is_given_once_on_a_page() {
    for document in Document::all().iter().filter(|document| document.name.starts_with("spec/src/"))
    {
        let mut seen = BTreeSet::new();
        for anchor in anchors(&document.text) {
            assert!(seen.insert(anchor.clone()), "{}: #{anchor} twice", document.name);
        }
    }
}

/// What is not in the summary is not in the book.
#[test]
fn every_page_is_in_the_summary_and_the_summary_names_only_pages() {
    let summary = Document::named("spec/src/SUMMARY.md");
    let named: BTreeSet<String> =
        links(&summary.text).into_iter().map(|link| link.target).collect();
    let folder = root().join("spec/src");
    let there: BTreeSet<String> = files(&folder, "md")
        .iter()
        .map(|path| path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "SUMMARY.md")
        .collect();
    assert_eq!(named, there);
}

#[test]
fn a_link_that_leads_nowhere_is_noticed() {
    let document = Document { name: "spec/src/guide/start.md".into(), text: "# Start\n".into() };
    let all = [document.clone()];
    for (target, why) in [
        ("nowhere.md", Some("is not there")),
        ("start.md#nothing", Some("has no #nothing")),
        ("#start", None),
        ("../../../README.md", Some("leads out of the book")),
        ("../../../Cargo.toml", None),
        ("../../../../etc/passwd", Some("leaves the repository")),
        ("ftp://example.org", Some("neither")),
        ("https://example.org/", None),
    ] {
        let said = complaint(&document, target, &all);
        assert_eq!(said.is_some(), why.is_some(), "{target}: {said:?}");
        assert!(said.unwrap_or_default().contains(why.unwrap_or_default()), "{target}");
    }
}
