//! The Vary field: one line, each name once, `*` swallows the rest.
//!
//! Rules of this room: what the application wrote stays as it wrote it and what is added comes last.

use http::HeaderValue;
use http::header::VARY;
use rwgi::{ResponseHead, Result};

/// Adds a name to Vary, unless it is there already or everything varies.
pub(crate) fn add(head: &mut ResponseHead, name: &'static str) -> Result<()> {
    if !head.fields().contains_key(VARY) {
        return head.insert(VARY, HeaderValue::from_static(name));
    }
    let mut names: Vec<&[u8]> = Vec::new();
    for line in head.fields().get_all(VARY) {
        let parts = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        names.extend(parts.filter(|part| !part.is_empty()));
    }
    let value = if names.contains(&&b"*"[..]) {
        b"*".to_vec()
    } else {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name.as_bytes())) {
            names.push(name.as_bytes());
        }
        names.join(&b", "[..])
    };
    head.insert(VARY, HeaderValue::from_maybe_shared(bytes::Bytes::from(value))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str]) -> String {
        let mut head = ResponseHead::default();
        for line in lines {
            head.append(VARY, *line).unwrap();
        }
        add(&mut head, "origin").unwrap();
        let lines: Vec<_> = head.fields().get_all(VARY).iter().collect();
        assert_eq!(lines.len(), 1);
        lines[0].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_name_is_added_once_and_last() {
        for (before, expected) in [
            (&[][..], "origin"),
            (&["Cookie"], "Cookie, origin"),
            (&["Cookie,Accept"], "Cookie, Accept, origin"),
            (&["Cookie", "Accept"], "Cookie, Accept, origin"),
            (&["Origin"], "Origin"),
            (&["Accept, ORIGIN"], "Accept, ORIGIN"),
            (&["*"], "*"),
            (&["Accept, *"], "*"),
            (&[""], "origin"),
        ] {
            assert_eq!(after(before), expected, "{before:?}");
        }
    }
}
