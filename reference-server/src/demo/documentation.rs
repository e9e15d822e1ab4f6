//! The documentation: the contract on one page, and the repository's documents, readable out of the binary.
//!
//! Rules of this room: a link between documents leads to a document that is served, or is no link.

use http::StatusCode;
use rwgi::{Environ, Finished, Result, StartResponse};

use super::html::{escape, fill, push_text};
use super::markdown;
use super::pages::PAGE_FIELDS;

/// A document of the repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Its path in the repository.
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

/// Those that were there when the server was built, in the order in which they are best read.
pub(super) static DOCUMENTS: &[Document] = &include!(concat!(env!("OUT_DIR"), "/documents.rs"));

/// The path under which the documents are served.
pub(super) const PREFIX: &str = "/documentation/";

impl Document {
    /// The document that a path leads to.
    pub(super) fn find(path: &str) -> Option<&'static Self> {
        let name = path.strip_prefix(PREFIX)?;
        DOCUMENTS.iter().find(|document| document.name == name)
    }

    /// The first heading.
    fn title(&self) -> &'static str {
        let heading = self.text.lines().find_map(|line| line.strip_prefix("# "));
        heading.map_or(self.name, str::trim)
    }
}

/// The contract on one page, and the list of the documents.
pub(super) fn overview(environ: &Environ, start_response: StartResponse) -> Result<Finished> {
    let base = environ.script_name();
    let (chapters, others): (Vec<_>, Vec<_>) =
        DOCUMENTS.iter().partition(|document| document.name.starts_with("spec/"));
    let html = fill(
        include_str!("documentation.html"),
        &[
            ("base", &escape(base)),
            ("chapters", &list(base, &chapters)),
            ("others", &list(base, &others)),
        ],
    )?;
    start_response.respond(StatusCode::OK, PAGE_FIELDS, html)
}

/// One document, with the next one named at its end.
pub(super) fn document(
    document: &Document,
    environ: &Environ,
    start_response: StartResponse,
) -> Result<Finished> {
    let base = environ.script_name();
    let link = |target: &str| address(base, document.name, target);
    let following = DOCUMENTS.iter().skip_while(|other| other.name != document.name).nth(1);
    let html = fill(
        include_str!("document.html"),
        &[
            ("base", &escape(base)),
            ("name", &escape(document.name)),
            ("title", &escape(document.title())),
            ("text", &markdown::html(document.text, &link)),
            ("next", &following.map_or_else(String::new, |next| list(base, &[next]))),
        ],
    )?;
    start_response.respond(StatusCode::OK, PAGE_FIELDS, html)
}

/// Links to the documents, by their titles.
fn list(base: &str, documents: &[&Document]) -> String {
    let mut out = String::new();
    for document in documents {
        out.push_str("<li><a href=\"");
        push_text(&mut out, &format!("{base}{PREFIX}{}", document.name));
        out.push_str("\">");
        push_text(&mut out, document.title());
        out.push_str("</a> <code class=\"small\">");
        push_text(&mut out, document.name);
        out.push_str("</code></li>\n");
    }
    if documents.is_empty() {
        out.push_str("<li class=\"none\">not there when this server was built</li>\n");
    }
    out
}

/// Where a link within the document `name` leads; `None` for a file of the repository that is not served.
fn address(base: &str, name: &str, target: &str) -> Option<String> {
    if target.starts_with("https://") || target.starts_with('#') {
        return Some(target.to_owned());
    }
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, format!("#{anchor}")),
        None => (target, String::new()),
    };
    let mut path: Vec<&str> = name.split('/').collect();
    path.pop();
    for step in file.split('/') {
        match step {
            "." | "" => {}
            ".." => {
                path.pop()?;
            }
            _ => path.push(step),
        }
    }
    let path = path.join("/");
    DOCUMENTS
        .iter()
        .any(|document| document.name == path)
        .then(|| format!("{base}{PREFIX}{path}{anchor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_document_or_nowhere() {
        let Some(chapter) = DOCUMENTS.iter().find(|document| document.name == "spec/src/terms.md")
        else {
            return; // a published crate carries no documents
        };
        let file = chapter.name.rsplit('/').next().unwrap();
        let expected = format!("/m{PREFIX}{}#x", chapter.name);
        assert_eq!(
            address("/m", "spec/src/other.md", &format!("{file}#x")),
            Some(expected.clone())
        );
        assert_eq!(address("/m", "README.md", &format!("./{}#x", chapter.name)), Some(expected));
        assert_eq!(
            address("", "README.md", "https://example.org/"),
            Some("https://example.org/".into())
        );
        assert_eq!(address("", "README.md", "#here"), Some("#here".into()));
        for nowhere in
            ["Cargo.toml", "../../etc/passwd", "javascript:alert(1)", "http://example.org", ""]
        {
            assert_eq!(address("", "README.md", nowhere), None, "{nowhere}");
        }
    }
}
