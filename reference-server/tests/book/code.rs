//! Code that the book shows and the compiler has seen.
//!
//! Rules of this room: a block of Rust in the guide names the file that it comes from, ```` ```rust from=path#anchor ````, and is
//! that file's text between the comments `ANCHOR: anchor` and `ANCHOR_END: anchor`, as mdBook writes them. It stands in the Markdown
//! as well, so that it reads without mdBook; `RWGI_BLESS=1` writes it there.

use super::documents::{Document, bless, root};
use super::markdown::{Fence, fences, replaced};

/// The text that a `from=` names.
fn source(from: &str) -> Result<String, String> {
    let (path, anchor) = from.split_once('#').map_or((from, None), |(path, a)| (path, Some(a)));
    let text =
        std::fs::read_to_string(root().join(path)).map_err(|why| format!("{path}: {why}"))?;
    match anchor {
        Some(anchor) => between(&text, anchor).map_err(|why| format!("{path}: {why}")),
        None => Ok(without_anchors(text.lines())),
    }
}

fn between(text: &str, anchor: &str) -> Result<String, String> {
    let is = |line: &str, mark: &str| {
        line.split_once(mark)
            .is_some_and(|(_, name)| name.split_whitespace().next() == Some(anchor))
    };
    let mut pieces = Vec::new();
    let mut inside = false;
    let mut seen = false;
    for line in text.lines() {
        if is(line, "ANCHOR: ") {
            (inside, seen) = (true, true);
        } else if is(line, "ANCHOR_END: ") {
            inside = false;
        } else if inside {
            pieces.push(line);
        }
    }
    match (seen, inside) {
        (false, _) => Err(format!("there is no ANCHOR: {anchor}")),
        (true, true) => Err(format!("there is no ANCHOR_END: {anchor}")),
        (true, false) => Ok(without_anchors(pieces.into_iter())),
    }
}

/// The lines without any anchors, moved to the left as far as they go together.
fn without_anchors<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<&str> =
        lines.filter(|line| !line.contains("ANCHOR: ") && !line.contains("ANCHOR_END: ")).collect();
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let common = lines.iter().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let moved = lines.iter().map(|line| line.get(common..).unwrap_or_default());
    moved.fold(String::new(), |text, line| text + line + "\n")
}

/// Every block that names its source is that source.
#[test]
fn the_code_in_the_documents_is_the_code_that_is_compiled() {
    let mut shown = 0;
    let mut complaints = Vec::new();
    for document in Document::all() {
        let mut changes = Vec::new();
        for fence in fences(&document.text) {
            let Some(from) = fence.value("from") else { continue };
            shown += 1;
            let place = format!("{}:{}", document.name, fence.line);
            match source(from) {
                Err(why) => complaints.push(format!("{place}: {why}")),
                Ok(text) if text == fence.text => {}
                Ok(text) if bless() => changes.push((fence.range, text)),
                Ok(_) => complaints.push(format!("{place} is not {from} any more")),
            }
        }
        if !changes.is_empty() {
            document.write(&replaced(&document.text, &changes));
        }
    }
    assert!(
        complaints.is_empty(),
        "{}\nRWGI_BLESS=1 cargo test -p rwgi-server --test book writes it anew",
        complaints.join("\n")
    );
    assert!(shown > 10, "only {shown} pieces of code are shown");
}

/// Why a block of Rust may not stand in the guide as it is.
fn complaint(fence: &Fence) -> Option<String> {
    if fence.language() != "rust" {
        return None;
    }
    let Some(from) = fence.value("from") else { return Some("names no file".to_owned()) };
    let path = from.split('#').next().unwrap_or_default();
    let (member, file) = path.split_once("/examples/").or_else(|| path.split_once("/tests/"))?;
    if path.contains("/tests/") {
        return None; // It is a test.
    }
    // An example is compiled by `cargo test`, and run by a test that takes it in as a module.
    let tests = root().join(member).join("tests");
    let mentions = |text: String| text.contains(&format!("examples/{file}"));
    let run = super::documents::files(&tests, "rs")
        .into_iter()
        .any(|path| std::fs::read_to_string(path).is_ok_and(mentions));
    (!run).then(|| format!("{path} is compiled, and no test of {member} runs it"))
}

#[test]
fn every_piece_of_rust_in_the_guide_is_compiled_and_run() {
    let mut complaints = Vec::new();
    for document in Document::all().into_iter().filter(Document::is_guide) {
        for fence in fences(&document.text) {
            if let Some(why) = complaint(&fence) {
                complaints.push(format!("{}:{}: {why}", document.name, fence.line));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn an_anchor_gives_what_stands_between() {
    let text = "a\n    // ANCHOR: x\n    b\n    // ANCHOR: y\n\n        c\n    // ANCHOR_END: y\n    // ANCHOR_END: x\nd\n// ANCHOR: z\n";
    assert_eq!(between(text, "x").unwrap(), "b\n\n    c\n");
    assert_eq!(between(text, "y").unwrap(), "\nc\n");
    assert!(between(text, "z").unwrap_err().contains("ANCHOR_END"));
    assert!(between(text, "w").unwrap_err().contains("no ANCHOR: w"));
}
