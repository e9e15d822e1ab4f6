//! Reads requirements out of the chapters of the specification.
//!
//! Rules of this room: text in, rows out; a heading that looks like a requirement and does not read like one is
//! an error with its file and line, never skipped.

use super::{Level, Party};

/// A requirement as the specification has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The identifier.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// Whom it binds.
    pub party: Party,
    /// The sentence.
    pub sentence: String,
    /// The chapter's file, without `.md`.
    pub chapter: String,
    /// The places in RFCs that the explanation names.
    pub rfc: String,
}

/// The requirements of one chapter, in their order.
///
/// # Errors
/// A heading without its anchor, sentence, key word or party.
pub fn chapter(name: &str, text: &str) -> Result<Vec<Row>, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(heading) = line.strip_prefix("### REQ-") else { continue };
        let place = format!("{name}.md:{}", at + 1);
        let (id, anchor) = heading
            .split_once(' ')
            .ok_or_else(|| format!("{place}: the heading has no {{#anchor}}"))?;
        let id = format!("REQ-{id}");
        if anchor != format!("{{#{id}}}") {
            return Err(format!("{place}: the anchor of {id} is {anchor}"));
        }
        let mut paragraphs = paragraphs(&lines[at + 1..]).into_iter();
        let sentence = paragraphs.next().ok_or_else(|| format!("{place}: {id} has no sentence"))?;
        let level = level(&sentence).map_err(|why| format!("{place}: {id}: {why}"))?;
        let party = party(&sentence).map_err(|why| format!("{place}: {id}: {why}"))?;
        let rfc = places(&paragraphs.collect::<Vec<_>>().join(" "));
        rows.push(Row { id, level, party, sentence, chapter: name.to_owned(), rfc });
    }
    Ok(rows)
}

/// The paragraphs up to the next heading, each on one line.
fn paragraphs(lines: &[&str]) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in lines.iter().take_while(|line| !line.starts_with('#')) {
        match (line.trim(), paragraphs.last_mut()) {
            ("", Some(last)) if !last.is_empty() => paragraphs.push(String::new()),
            (text, Some(last)) => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(text);
            }
            (_, None) => {}
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

fn level(sentence: &str) -> Result<Level, String> {
    let words = sentence.split(|c: char| !c.is_ascii_alphabetic());
    let found: Vec<Level> = words
        .filter_map(|word| match word {
            "MUST" => Some(Level::Must),
            "SHOULD" => Some(Level::Should),
            "MAY" => Some(Level::May),
            _ => None,
        })
        .collect();
    match found[..] {
        [level] => Ok(level),
        _ => Err(format!("a requirement has one key word, this one has {}", found.len())),
    }
}

fn party(sentence: &str) -> Result<Party, String> {
    let parties = [
        ("A server ", Party::Server),
        ("An application ", Party::Application),
        ("Middleware ", Party::Middleware),
    ];
    parties
        .into_iter()
        .find(|(start, _)| sentence.starts_with(start))
        .map(|(_, party)| party)
        .ok_or_else(|| "it begins with no party".to_owned())
}

/// `RFC 9110 section 7.2` and the like, each once.
fn places(text: &str) -> String {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("RFC ") {
        rest = &rest[at + 4..];
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let after = rest[number.len()..].trim_start();
        let section = ["sections ", "section "].iter().find_map(|word| after.strip_prefix(word));
        let place = match section {
            Some(section) => {
                let section: String =
                    section.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
                format!("RFC {number} section {}", section.trim_end_matches('.'))
            }
            None => format!("RFC {number}"),
        };
        if !number.is_empty() && !found.contains(&place) {
            found.push(place);
        }
    }
    found.join(", ")
}

/// The text of `table.rs` for these rows.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "//! Every requirement of the specification, made from `spec/src/*.md`: do not edit.\n\
         //!\n\
         //! `RWGI_BLESS=1 cargo test -p rwgi-conformance --test traceability` writes it anew.\n\n\
         use super::{Level, Party, Requirement};\n\n\
         /// Every requirement, chapter by chapter.\n\
         #[rustfmt::skip]\n\
         pub const ALL: &[Requirement] = &[\n",
    );
    for row in rows {
        text.push_str(&format!(
            "    Requirement {{ id: {:?}, level: Level::{:?}, party: Party::{:?}, chapter: {:?}, rfc: {:?},\n        sentence: {:?} }},\n",
            row.id, row.level, row.party, row.chapter, row.rfc, row.sentence
        ));
    }
    text.push_str("];\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_read_with_its_explanation() {
        let text = "# T\n\n### REQ-X-01 {#REQ-X-01}\n\nA server MUST do\nthis.\n\nRFC 9110 section 7.2, and RFC 3986 sections 3.2.2\nand 3.3.\n\n## Next\n";
        let rows = chapter("t", text).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].sentence, "A server MUST do this.");
        assert_eq!((rows[0].level, rows[0].party), (Level::Must, Party::Server));
        assert_eq!(rows[0].rfc, "RFC 9110 section 7.2, RFC 3986 section 3.2.2");
    }

    #[test]
    fn what_is_no_requirement_is_an_error_with_its_line() {
        for (text, why) in [
            ("### REQ-X-01 {#REQ-X-02}\n\nA server MUST x.\n", "anchor"),
            ("### REQ-X-01 {#REQ-X-01}\n\nA server does x.\n", "key word"),
            ("### REQ-X-01 {#REQ-X-01}\n\nA server MUST x and MAY y.\n", "key word"),
            ("### REQ-X-01 {#REQ-X-01}\n\nIt MUST x.\n", "party"),
            ("### REQ-X-01 {#REQ-X-01}\n", "sentence"),
        ] {
            let error = chapter("t", text).unwrap_err();
            assert!(error.starts_with("t.md:1") && error.contains(why), "{error}");
        }
    }
}
