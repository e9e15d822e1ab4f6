//! As much of Markdown as has to be understood here: fenced blocks, headings with their anchors, links.
//!
//! Rules of this room: text in, values out, with the line of each; what stands in a fence is neither a heading nor a link.

use std::ops::Range;

/// A fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Fence {
    /// The line of its opening, counted from 1.
    pub(crate) line: usize,
    /// What stands behind the opening ticks: the language, then words and `key=value` pairs.
    pub(crate) info: String,
    /// Its lines, each with its end.
    pub(crate) text: String,
    /// Where those stand in the document.
    pub(crate) range: Range<usize>,
}

impl Fence {
    /// The first word.
    pub(crate) fn language(&self) -> &str {
        self.info.split([' ', ',']).next().unwrap_or_default()
    }

    /// Whether a word stands behind the language.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.info.split([' ', ',']).skip(1).any(|part| part == word)
    }

    /// What is given to a key.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.info.split(' ').find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
    }
}

/// The fenced blocks of a document.
pub(crate) fn fences(text: &str) -> Vec<Fence> {
    let mut found: Vec<Fence> = Vec::new();
    let mut open: Option<(usize, String, usize)> = None;
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let ticks = line.trim_start().starts_with("```");
        match open.take() {
            None if ticks => {
                let info = line.trim().trim_start_matches('`').to_owned();
                open = Some((index + 1, info, at + line.len()));
            }
            Some((line, info, from)) if ticks => {
                found.push(Fence { line, info, text: text[from..at].to_owned(), range: from..at });
            }
            still => open = still,
        }
        at += line.len();
    }
    found
}

/// The document with all that is fenced or in a comment taken out; the lines keep their numbers.
pub(crate) fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut out = String::new();
    for line in text.lines() {
        let ticks = line.trim_start().starts_with("```");
        if !ticks && !fenced && !line.starts_with("<!--") {
            out.push_str(line);
        }
        fenced ^= ticks;
        out.push('\n');
    }
    out
}

/// The anchors to which a link into this document can lead.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in prose(text).lines() {
        let title = line.trim_start_matches('#');
        let Some(title) = title.strip_prefix(' ').filter(|_| line.starts_with('#')) else {
            continue;
        };
        let named = title.strip_suffix('}').and_then(|title| title.split_once(" {#"));
        let anchor = named.map_or_else(|| slug(title), |(_, anchor)| anchor.to_owned());
        let same = found.iter().filter(|other| **other == anchor).count();
        found.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
    }
    found
}

/// The anchor that mdBook makes of a heading.
fn slug(title: &str) -> String {
    let mut words = String::new();
    let mut rest = title;
    // Of a link the words count.
    while let Some((before, after)) = rest.split_once("](") {
        words.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    words.push_str(rest);
    let kept = words.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// A link or an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The line on which it ends.
    pub(crate) line: usize,
    /// Where it leads, the anchor included.
    pub(crate) target: String,
}

/// The links and images of a document.
pub(crate) fn links(text: &str) -> Vec<Link> {
    let prose = prose(text);
    let mut found = Vec::new();
    for (index, line) in prose.lines().enumerate() {
        // Every other part stands in code.
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let mut rest = plain.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let target = after.split(')').next().unwrap_or_default().to_owned();
            found.push(Link { line: index + 1, target });
            rest = after;
        }
    }
    found
}

/// Replaces ranges of a document, which come in their order.
pub(crate) fn replaced(text: &str, changes: &[(Range<usize>, String)]) -> String {
    let mut out = String::new();
    let mut at = 0;
    for (range, new) in changes {
        out.push_str(&text[at..range.start]);
        out.push_str(new);
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

#[test]
fn fences_headings_and_links_are_found() {
    let text = "# One `two`: three\n\n[a](b.md#c) and ![p](q.svg)\n\n```console run exit=1\n$ x [no](no)\n# no\n```\n\n### REQ {#REQ-1}\n# One `two`: three\n";
    let fence = &fences(text)[0];
    assert_eq!((fence.language(), fence.line), ("console", 5));
    assert!(fence.has("run") && !fence.has("walk"));
    assert_eq!((fence.value("exit"), &*fence.text), (Some("1"), "$ x [no](no)\n# no\n"));
    assert_eq!(&text[fence.range.clone()], fence.text);
    assert_eq!(anchors(text), ["one-two-three", "REQ-1", "one-two-three-1"]);
    let targets: Vec<_> = links(text).into_iter().map(|link| (link.line, link.target)).collect();
    assert_eq!(targets, [(3, "b.md#c".to_owned()), (3, "q.svg".to_owned())]);
    assert_eq!(replaced("abcdef", &[(1..2, "X".into()), (4..5, String::new())]), "aXcdf");
}
