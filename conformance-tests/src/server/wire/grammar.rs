//! The grammar of a response head, by RFC 9112.
//!
//! Rules of this room: octets in, a head or a failure out; nothing is repaired, and fields that contradict each other are a failure.

use super::escape;
use super::message::{Framing, Head};
use crate::honest::fields::trim_whitespace;
use crate::server::failure::{Failure, Held};

/// A head without its empty line.
pub(super) fn parse_head(octets: &[u8], method: &str) -> Held<Head> {
    let end = find(octets, b"\r\n").unwrap_or(octets.len());
    let line = &octets[..end];
    let wrong = || {
        Failure::new(
            "a status line `HTTP/1.1 200 reason` (RFC 9112, section 4)",
            format!("\"{}\"", escape(line)),
        )
    };
    let digits = |range: std::ops::Range<usize>| {
        line.get(range).filter(|octets| octets.iter().all(u8::is_ascii_digit))
    };
    let minor = match line.get(..9) {
        Some(b"HTTP/1.0 ") => 0,
        Some(b"HTTP/1.1 ") => 1,
        _ => return Err(wrong()),
    };
    let status = digits(9..12)
        .and_then(|octets| std::str::from_utf8(octets).ok()?.parse::<u16>().ok())
        .filter(|status| (100..600).contains(status) && line.get(12) == Some(&b' '))
        .ok_or_else(wrong)?;
    let reason = line[13..].to_vec();
    if reason.iter().any(|octet| is_control(*octet)) {
        return Err(wrong());
    }
    let fields = parse_fields(&octets[end + 2..], "a field line")?;
    let mut head = Head { minor, status, reason, fields, framing: Framing::None };
    head.framing = framing(&head, method)?;
    Ok(head)
}

fn is_control(octet: u8) -> bool {
    (octet < 0x20 && octet != b'\t') || octet == 0x7f
}

/// The lines of a field section, each with its CRLF.
pub(super) fn parse_fields(section: &[u8], what: &str) -> Held<Vec<(String, Vec<u8>)>> {
    let mut fields = Vec::new();
    let mut rest = section;
    while !rest.is_empty() {
        let end = find(rest, b"\r\n").unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 2..).unwrap_or_default();
        let field = line.iter().position(|octet| *octet == b':').and_then(|colon| {
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            let value = trim_whitespace(&line[colon + 1..]);
            let valid = !name.is_empty()
                && name.bytes().all(is_token)
                && !value.iter().any(|octet| is_control(*octet));
            valid.then(|| (name.to_owned(), value.to_vec()))
        });
        match field {
            Some(field) => fields.push(field),
            None => {
                return Err(Failure::new(
                    format!("{what} `name: value` (RFC 9112, section 5)"),
                    format!("\"{}\"", escape(line)),
                ));
            }
        }
    }
    Ok(fields)
}

fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// How the content is delimited (RFC 9112, section 6.3); fields that contradict each other are a failure.
fn framing(head: &Head, method: &str) -> Held<Framing> {
    let lengths = head.all("content-length");
    let codings = head.all("transfer-encoding");
    let show = || {
        head.fields
            .iter()
            .filter(|(name, _)| {
                name.eq_ignore_ascii_case("content-length")
                    || name.eq_ignore_ascii_case("transfer-encoding")
            })
            .map(|(name, value)| format!("{name}: {}", escape(value)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let length = match lengths[..] {
        [] => None,
        [value] => Some(
            std::str::from_utf8(value)
                .ok()
                .filter(|text| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()))
                .and_then(|text| text.parse::<u64>().ok())
                .ok_or_else(|| Failure::new("a Content-Length of digits", show()))?,
        ),
        _ => return Err(Failure::new("at most one Content-Length", show())),
    };
    let chunked = match codings[..] {
        [] => false,
        [value] if value.eq_ignore_ascii_case(b"chunked") => true,
        _ => return Err(Failure::new("no Transfer-Encoding but `chunked`", show())),
    };
    if chunked && length.is_some() {
        return Err(Failure {
            requirement: Some("REQ-HTTP-35"),
            ..Failure::new("Content-Length or Transfer-Encoding, not both", show())
        });
    }
    let bodyless = method == "HEAD" || head.status < 200 || matches!(head.status, 204 | 304);
    if chunked && (head.status < 200 || head.status == 204) {
        return Err(Failure {
            requirement: Some("REQ-HTTP-37"),
            ..Failure::new("no Transfer-Encoding in a response with this status", show())
        });
    }
    Ok(match (bodyless, chunked, length) {
        (true, ..) => Framing::None,
        (false, true, _) => Framing::Chunked,
        (false, false, Some(length)) => Framing::Length(length),
        (false, false, None) => Framing::Close,
    })
}

pub(super) fn find(octets: &[u8], pattern: &[u8]) -> Option<usize> {
    octets.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Held<Head> {
        parse_head(text.as_bytes(), "GET")
    }

    #[test]
    fn a_good_head_is_read() {
        let head = head("HTTP/1.1 200 OK\r\nA: b \r\nContent-Length: 3\r\n").unwrap();
        assert_eq!((head.status, head.framing), (200, Framing::Length(3)));
        assert_eq!(head.one("a"), Some(&b"b"[..]));
    }

    #[test]
    fn deviations_are_not_repaired() {
        for bad in [
            "HTTP/1.1 200\r\n",
            "HTTP/1.1  200 OK\r\n",
            "HTTP/2 200 OK\r\n",
            "http/1.1 200 OK\r\n",
            "HTTP/1.1 20 OK\r\n",
            "HTTP/1.1 600 OK\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n",
            "HTTP/1.1 200 OK\r\n b\r\n",
            "HTTP/1.1 200 OK\r\nA\r\n",
            "HTTP/1.1 200 OK\r\nA: b\rc\r\n",
            "HTTP/1.1 200 OK\nA: b\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
            "HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n",
        ] {
            assert!(head(bad).is_err(), "{bad:?}");
        }
    }
}
