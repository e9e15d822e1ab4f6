//! JSON wrapped in a call.
//!
//! Rules of this room: it passes on what it gets and holds back two octets at most; U+2028 and U+2029, which end a line in older
//! JavaScript and not in JSON, are escaped even where a chunk ends within one.

use rwgi::Result;

use crate::recode::Coder;

/// Writes `/**/callback(`, the content, and `);`.
pub(super) struct Wrap {
    /// What stands before the content, until it is written.
    before: Option<String>,
    /// Octets of what may become a separator: `E2`, or `E2 80`.
    held: u8,
}

const SEPARATOR: [u8; 2] = [0xE2, 0x80];

impl Wrap {
    pub(super) fn new(callback: &str) -> Self {
        // The comment keeps the first octets of the answer out of the client's hands.
        Self { before: Some(format!("/**/{callback}(")), held: 0 }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(before) = self.before.take() {
            out.extend_from_slice(before.as_bytes());
        }
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&SEPARATOR[..usize::from(std::mem::take(&mut self.held))]);
    }
}

impl Coder for Wrap {
    fn push(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.begin(out);
        out.reserve(data.len());
        for &octet in data {
            match (self.held, octet) {
                (0, 0xE2) => self.held = 1,
                (0, _) => out.push(octet),
                (1, 0x80) => self.held = 2,
                (2, 0xA8 | 0xA9) => {
                    self.held = 0;
                    out.extend_from_slice(if octet == 0xA8 { b"\\u2028" } else { b"\\u2029" });
                }
                _ => {
                    self.release(out);
                    if octet == 0xE2 {
                        self.held = 1;
                    } else {
                        out.push(octet);
                    }
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.begin(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.begin(out);
        self.release(out);
        out.extend_from_slice(b");");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrapped<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut wrap = Wrap::new("f");
        let mut out = Vec::new();
        for piece in pieces {
            wrap.push(piece, &mut out).unwrap();
        }
        wrap.finish(&mut out).unwrap();
        out
    }

    #[test]
    fn separators_are_escaped_and_their_neighbours_are_not() {
        let text = "[\"\u{2027}\u{2028}\u{2029}\u{202a}\u{e9}\u{e2}\"]";
        let expected = "/**/f([\"\u{2027}\\u2028\\u2029\u{202a}\u{e9}\u{e2}\"]);";
        assert_eq!(String::from_utf8(wrapped([text.as_bytes()])).unwrap(), expected);
        assert_eq!(wrapped([]), b"/**/f();");
        assert_eq!(wrapped([&b"\xE2\xE2\x80\xE2\x80"[..]]), b"/**/f(\xE2\xE2\x80\xE2\x80);");
    }

    proptest! {
        #[test]
        fn where_the_chunks_end_makes_no_difference(
            text in "[a\u{2028}\u{2029}\u{2027}\u{e9}]{0,40}", size in 1_usize..5,
        ) {
            let expected = format!("/**/f({});", text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"));
            prop_assert_eq!(wrapped(text.as_bytes().chunks(size)), expected.into_bytes());
        }
    }
}
