//! The list of known failures: what fails today, with its reason.
//!
//! Rules of this room: one id in a line, the reason after it; an entry that holds, or names nothing, is an error, so that the
//! list only ever shrinks to the truth.

use std::collections::BTreeMap;
use std::path::Path;

use rwgi_conformance::server::vectors;
use rwgi_conformance::server::{Judged, Verdict, cases};

use super::Trouble;

/// The entries: id and reason.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, String>);

impl Known {
    pub(super) fn read(path: &Path) -> Result<Self, Trouble> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Trouble::Usage(format!("--known-failing {}: {error}", path.display()))
        })?;
        let known = Self::parse(&text);
        let vectors = vectors::all().map_err(Trouble::Usage)?;
        for id in known.0.keys() {
            if cases::find(id).is_none() && !vectors.iter().any(|vector| vector.id == *id) {
                return Err(Trouble::Usage(format!("{}: there is no case {id}", path.display())));
            }
        }
        Ok(known)
    }

    fn parse(text: &str) -> Self {
        let lines =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entry = |line: &str| {
            let (id, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            (id.to_owned(), reason.trim().to_owned())
        };
        Self(lines.map(entry).collect())
    }

    pub(super) fn reason(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    /// Those that hold all the same.
    pub(super) fn outdated<'a>(&self, results: &'a [Judged]) -> Vec<&'a str> {
        let holds =
            |judged: &&Judged| judged.verdict == Verdict::Held && self.0.contains_key(&judged.id);
        results.iter().filter(holds).map(|judged| judged.id.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_id_and_its_reason() {
        let known = Known::parse("# why\n\nhost-missing  hyper does not look\nslow-head\n");
        assert_eq!(known.reason("host-missing"), Some("hyper does not look"));
        assert_eq!(known.reason("slow-head"), Some(""));
        assert_eq!(known.reason("other"), None);
    }
}
