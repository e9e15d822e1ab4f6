//! Paths: segment-aligned prefixes and percent-decoding.
//!
//! Rules of this room: pure functions of text; the raw path is canonical and nothing here changes it.

use std::borrow::Cow;

use http::StatusCode;

use crate::{Error, Result};

/// The length of `prefix` where `path` starts with it and the next segment begins (or nothing follows), else `None`.
///
/// A trailing slash of the prefix does not count: `/a/` and `/a` are the same mount.
pub(super) fn mount_length(path: &str, prefix: &str) -> Option<usize> {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
}

/// Percent-decodes to octets; no copy is made where nothing is encoded.
///
/// A `%` that two hexadecimal digits do not follow is an error.
pub(super) fn decode_octets(raw: &str) -> Result<Cow<'_, [u8]>> {
    let bytes = raw.as_bytes();
    let Some(first) = bytes.iter().position(|byte| *byte == b'%') else {
        return Ok(Cow::Borrowed(bytes));
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    decoded.extend_from_slice(&bytes[..first]);
    let mut rest = bytes[first..].iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        match (rest.next().and_then(hex), rest.next().and_then(hex)) {
            (Some(high), Some(low)) => decoded.push(high << 4 | low),
            _ => return Err(malformed(raw, "a `%` is not followed by two hexadecimal digits")),
        }
    }
    Ok(Cow::Owned(decoded))
}

/// Percent-decodes to text.
pub(super) fn decode_text(raw: &str) -> Result<Cow<'_, str>> {
    match decode_octets(raw)? {
        Cow::Borrowed(_) => Ok(Cow::Borrowed(raw)),
        Cow::Owned(octets) => {
            String::from_utf8(octets).map(Cow::Owned).map_err(|_| malformed(raw, "it is not UTF-8"))
        }
    }
}

fn hex(digit: &u8) -> Option<u8> {
    char::from(*digit).to_digit(16).map(|value| value as u8)
}

#[cold]
fn malformed(raw: &str, why: &str) -> Error {
    Error::client(StatusCode::BAD_REQUEST, format!("the path {raw:?} cannot be decoded: {why}"))
        .with_requirement("REQ-ENV-08")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_ends_where_a_segment_ends() {
        for (path, prefix, length) in [
            ("/a/b", "/a", Some(2)),
            ("/a/b", "/a/", Some(2)),
            ("/a", "/a", Some(2)),
            ("/ab", "/a", None),
            ("/a/b", "", Some(0)),
            ("/a/b", "/", Some(0)),
            ("/b", "/a", None),
            ("*", "/a", None),
        ] {
            assert_eq!(mount_length(path, prefix), length, "{path} under {prefix}");
        }
    }

    #[test]
    fn decoding_is_total_and_copies_only_what_is_encoded() {
        assert!(matches!(decode_octets("/plain"), Ok(Cow::Borrowed(b"/plain"))));
        assert_eq!(decode_octets("/%41%2f%ff").unwrap().as_ref(), b"/A/\xff");
        assert_eq!(decode_text("/%C3%A9").unwrap(), "/é");
        for bad in ["%", "%4", "%zz", "/a%", "%%41"] {
            assert!(decode_octets(bad).is_err(), "{bad}");
        }
        assert_eq!(decode_text("/%ff").unwrap_err().status(), StatusCode::BAD_REQUEST);
    }
}
