//! The language of `X-Play`: steps apart by `;`, words by spaces, octets as `%XX`.
//!
//! Rules of this room: a script that is not understood is an error of the case (400), never a guess.

use http::StatusCode;
use rwgi::{Error, Result};

/// One step: its words, escapes undone, and whether its failure is noted instead of returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) text: String,
    pub(super) verb: String,
    pub(super) words: Vec<Vec<u8>>,
    pub(super) attempt: bool,
}

pub(super) fn parse(script: &str) -> Result<Vec<Step>> {
    script.split(';').map(str::trim).filter(|step| !step.is_empty()).map(step).collect()
}

fn step(text: &str) -> Result<Step> {
    let (attempt, rest) = match text.strip_prefix("try ") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let verb = words.next().unwrap_or_default().to_owned();
    let words = words.map(unescape).collect::<Result<_>>()?;
    Ok(Step { text: rest.to_owned(), verb, words, attempt })
}

fn unescape(word: &str) -> Result<Vec<u8>> {
    let octets = word.as_bytes();
    let mut plain = Vec::with_capacity(octets.len());
    let mut at = 0;
    while at < octets.len() {
        if octets[at] == b'%' {
            let escape = word.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            plain.push(escape.ok_or_else(|| unknown(word))?);
            at += 3;
        } else {
            plain.push(octets[at]);
            at += 1;
        }
    }
    Ok(plain)
}

/// A script that makes no sense.
pub(super) fn unknown(text: &str) -> Error {
    Error::client(StatusCode::BAD_REQUEST, format!("the suite's application has no step {text:?}"))
}

impl Step {
    /// The word at `at`.
    pub(super) fn word(&self, at: usize) -> Result<&[u8]> {
        self.words.get(at).map(Vec::as_slice).ok_or_else(|| unknown(&self.text))
    }

    /// The word at `at` as text.
    pub(super) fn text(&self, at: usize) -> Result<String> {
        String::from_utf8(self.word(at)?.to_vec()).map_err(|_| unknown(&self.text))
    }

    /// The word at `at` as a number.
    pub(super) fn number(&self, at: usize) -> Result<u64> {
        self.text(at)?.parse().map_err(|_| unknown(&self.text))
    }

    /// The words of the form `name=value`.
    pub(super) fn pairs(&self) -> Vec<(String, Vec<u8>)> {
        let split = |word: &Vec<u8>| {
            let at = word.iter().position(|octet| *octet == b'=')?;
            Some((String::from_utf8(word[..at].to_vec()).ok()?, word[at + 1..].to_vec()))
        };
        self.words.iter().filter_map(split).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_words_and_escapes() {
        let steps = parse("start; try write a%20b%3B ;finish").unwrap();
        assert_eq!(steps.len(), 3);
        assert_eq!((&*steps[1].verb, steps[1].attempt), ("write", true));
        assert_eq!(steps[1].words, [b"a b;".to_vec()]);
        assert!(parse("write %zz").is_err());
    }
}
