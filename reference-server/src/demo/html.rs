//! Text into HTML.
//!
//! Rules of this room: what goes in is text and what comes out is safe inside an element and inside a quoted
//! attribute; a template is scanned once, so that no value is ever taken for a placeholder.

use std::borrow::Cow;

use rwgi::{Error, Result};

/// Adds `text` with the five characters escaped that mean something to HTML.
pub(super) fn push_text(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
}

/// [`push_text`] into a string of its own.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_text(&mut out, text);
    out
}

/// Octets as text: as they are where they are UTF-8, otherwise with every octet beyond ASCII as `\xe9`.
pub(super) fn readable(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(octets.escape_ascii().to_string()),
    }
}

/// Replaces each `{{name}}` of the template by its value, which is HTML already.
///
/// # Errors
/// The template names a value that is not given.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let room = values.iter().map(|(_, value)| value.len()).sum::<usize>();
    let mut out = String::with_capacity(template.len() + room);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else { break };
        let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else {
            return Err(Error::application(format!("a template has no value for `{name}`")));
        };
        out.push_str(before);
        out.push_str(value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_an_element_or_an_attribute() {
        assert_eq!(escape(r#"<b title='x'>"&"</b>"#), {
            "&lt;b title=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/b&gt;"
        });
        assert_eq!(escape("Grüße, 世界"), "Grüße, 世界");
    }

    #[test]
    fn octets_that_are_no_text_are_spelled_out() {
        assert_eq!(readable("café".as_bytes()), "café");
        assert_eq!(readable(b"caf\xe9 \"x\""), r#"caf\xe9 \"x\""#);
    }

    #[test]
    fn a_value_is_never_taken_for_a_placeholder() {
        let filled = fill("{{a}}-{{b}}", &[("a", "{{b}}"), ("b", "2")]).unwrap();
        assert_eq!(filled, "{{b}}-2");
        assert!(fill("{{c}}", &[("a", "1")]).is_err());
        assert_eq!(fill("no {{ end", &[]).unwrap(), "no {{ end");
    }
}
