//! Patterns: regular expressions as they stand in Django's settings.
//!
//! Rules of this room: a pattern compiles at construction or is refused there; matching takes time linear in the text, so no
//! request can stall it; `\Z` is Python's name for `\z`.

use regex::Regex;

/// A pattern that has to match the whole text.
pub(crate) fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    let pattern = translate(pattern);
    // Alone first: `a)|(b` compiles only inside of a group, and would then match less or more than it says.
    Regex::new(&pattern)?;
    Regex::new(&format!(r"\A(?:{pattern})\z"))
}

/// A pattern that has to match from the start of the text, as Python's `re.match` has it.
pub(crate) fn from_start(pattern: &str) -> Result<Regex, regex::Error> {
    let pattern = translate(pattern);
    Regex::new(&pattern)?;
    Regex::new(&format!(r"\A(?:{pattern})"))
}

fn translate(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        translated.push(character);
        if character == '\\'
            && let Some(escaped) = characters.next()
        {
            translated.push(if escaped == 'Z' { 'z' } else { escaped });
        }
    }
    translated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_pattern_matches_in_full() {
        for (pattern, text, matches) in [
            (r"https://\w+\.example\.com", "https://a.example.com", true),
            (r"https://\w+\.example\.com", "https://a.example.com.evil.org", false),
            (r"https://\w+\.example\.com", "xhttps://a.example.com", false),
            (r"^https://a\.com$", "https://a.com", true),
            (r"^https://a\.com\Z", "https://a.com", true),
            (r"https://a\.com|https://b\.com", "https://b.com", true),
            (r"https://a\.com|https://b\.com", "https://a.com.evil.org", false),
            (r"(?i)https://A\.com", "https://a.com", true),
            (r"https://a|https://ab", "https://ab", true),
            (r"\\Z", r"\Z", true),
        ] {
            assert_eq!(whole(pattern).unwrap().is_match(text), matches, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_path_pattern_matches_from_the_start() {
        let pattern = from_start("/api/").unwrap();
        assert!(pattern.is_match("/api/users") && !pattern.is_match("/v2/api/users"));
        let pattern = from_start("^/api|/x").unwrap();
        assert!(pattern.is_match("/x") && !pattern.is_match("/a/x"));
    }

    #[test]
    fn what_does_not_compile_alone_does_not_compile() {
        for pattern in ["a)|(b", "(", "[", r"(?=x)", r"(a)\1", "(?x) a # b"] {
            assert!(whole(pattern).is_err(), "{pattern}");
        }
    }
}
