//! What a client may write into a line.
//!
//! Rules of this room: it thinks; no octet of a client ends a line, a quoted value or begins an escape; what is changed can be told from what came so.

/// Appends a value that a client chose: printable ASCII as it is, `"`, `\` and all else as `\xHH`, as nginx does.
pub(super) fn value(line: &mut Vec<u8>, value: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for octet in value {
        match octet {
            b'"' | b'\\' | 0..0x20 | 0x7f.. => {
                line.extend_from_slice(b"\\x");
                line.push(HEX[usize::from(octet >> 4)]);
                line.push(HEX[usize::from(octet & 15)]);
            }
            octet => line.push(*octet),
        }
    }
}

/// A value as text: UTF-8 as it is, anything else escaped.
pub(super) fn text(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            let mut line = Vec::new();
            value(&mut line, octets);
            String::from_utf8(line).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_octet_ends_a_line_or_a_value() {
        let all: Vec<u8> = (0..=255).collect();
        let mut line = Vec::new();
        value(&mut line, &all);
        assert!(line.iter().all(|octet| (0x20..0x7f).contains(octet) && *octet != b'"'));
        let text = String::from_utf8(line).unwrap();
        assert!(text.contains("\\x0A") && text.contains("\\x22") && text.contains("\\x5C"));
        // Every backslash begins an escape of ours, so that `\x0A` in a request reads otherwise.
        let mut line = Vec::new();
        value(&mut line, b"\\x0A");
        assert_eq!(line, b"\\x5Cx0A");
    }

    #[test]
    fn text_is_kept_and_octets_are_told() {
        assert_eq!(text("caf\u{e9} \"x\"".as_bytes()), "caf\u{e9} \"x\"");
        assert_eq!(text(b"caf\xe9"), "caf\\xE9");
    }
}
