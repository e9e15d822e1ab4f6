//! What is wrong with a head that hyper could not parse.
//!
//! Rules of this room: it thinks, on octets alone; it names the first rule that is broken, by which the answer and the log go.

use crate::config::Config;
use crate::fault::Refusal;

/// Names the rule that a head breaks; `large` where hyper found it to be too large.
pub(crate) fn diagnose(octets: &[u8], large: bool, config: &Config) -> Refusal {
    let end = memchr::memmem::find(octets, b"\r\n\r\n").unwrap_or(octets.len());
    let head = &octets[..end];
    let mut lines = head.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end);
    let request_line = lines.next().unwrap_or_default();
    if let Some(refusal) = diagnose_request_line(request_line, config) {
        return refusal;
    }
    if large && (octets.len() >= config.head_bytes || lines.clone().count() > config.head_fields) {
        return Refusal::HeadTooLarge;
    }
    if head.contains(&0) {
        return Refusal::Nul;
    }
    if head.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n') {
        return Refusal::BareCarriageReturn;
    }
    let mut lengths: Vec<&[u8]> = Vec::new();
    let mut coded = false;
    for line in lines {
        if let Some(refusal) = diagnose_field(line, &mut lengths) {
            return refusal;
        }
        coded |= name(line).eq_ignore_ascii_case(b"transfer-encoding");
    }
    if coded && request_line.ends_with(b"HTTP/1.0") {
        return Refusal::CodingInHttp10;
    }
    // A list is several values in one field.
    let lengths: Vec<Option<u64>> = lengths
        .iter()
        .flat_map(|line| line.split(|octet| *octet == b','))
        .map(|length| number(length.trim_ascii()))
        .collect();
    if lengths.contains(&None) {
        return Refusal::ContentLength;
    }
    if lengths.windows(2).any(|pair| pair[0] != pair[1]) {
        return Refusal::ContentLengths;
    }
    if large && !lengths.is_empty() {
        // hyper keeps the largest numbers for itself.
        return Refusal::ContentLength;
    }
    if large {
        return Refusal::HeadTooLarge;
    }
    if coded { Refusal::Coding } else { Refusal::Syntax }
}

fn diagnose_request_line(line: &[u8], config: &Config) -> Option<Refusal> {
    let mut parts = line.splitn(3, |octet| *octet == b' ');
    let (_, target, version) = (parts.next(), parts.next(), parts.next());
    if target.is_some_and(|target| target.len() > config.target_bytes) {
        return Some(Refusal::TargetTooLong);
    }
    match version?.strip_prefix(b"HTTP/")? {
        // hyper may have given up before the rest of the line had come.
        [major] | [major, b'.'] | [major, b'.', b'0'..=b'9']
            if major.is_ascii_digit() && *major != b'1' =>
        {
            Some(Refusal::Version)
        }
        _ => None,
    }
}

fn diagnose_field<'a>(line: &'a [u8], lengths: &mut Vec<&'a [u8]>) -> Option<Refusal> {
    if line.first().is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
        return Some(Refusal::Folded);
    }
    let name = name(line);
    if name.len() == line.len() && !line.is_empty() {
        return Some(Refusal::FieldName);
    }
    if name.last().is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
        return Some(Refusal::SpaceBeforeColon);
    }
    let token = |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet);
    if !line.is_empty() && (name.is_empty() || !name.iter().all(token)) {
        return Some(Refusal::FieldName);
    }
    // No control octet stands in a value but the tab (RFC 9110, section 5.5).
    if line.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
        return Some(Refusal::Syntax);
    }
    if name.eq_ignore_ascii_case(b"content-length") {
        lengths.push(&line[name.len() + 1..]);
    }
    None
}

fn name(line: &[u8]) -> &[u8] {
    line.split(|octet| *octet == b':').next().unwrap_or_default()
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Evidence: REQ-ERR-15
    #[test]
    fn each_kind_of_malformed_head_is_named() {
        for (head, refusal) in [
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Refusal::Version),
            ("GET / HTTP/2", Refusal::Version),
            ("GET / HTTP/1", Refusal::Syntax),
            ("GET / HTTP/22.0\r\n\r\n", Refusal::Syntax),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refusal::SpaceBeforeColon),
            ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Refusal::Folded),
            ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", Refusal::BareCarriageReturn),
            ("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", Refusal::Nul),
            ("GET / HTTP/1.1\r\n: b\r\n\r\n", Refusal::FieldName),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", Refusal::FieldName),
            ("GET / HTTP/1.1\r\nnocolon\r\n\r\n", Refusal::FieldName),
            ("POST  / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", Refusal::Syntax),
            ("GET  / HTTP/1.1\r\nA: b\r\n", Refusal::Syntax),
            ("GET / HTTP/1.1\r\nA(: b\r\n\r\n", Refusal::FieldName),
            ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", Refusal::ContentLength),
            ("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", Refusal::ContentLength),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                Refusal::ContentLengths,
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\n", Refusal::ContentLengths),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", Refusal::Coding),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", Refusal::Syntax),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::CodingInHttp10),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Syntax),
            ("", Refusal::Syntax),
        ] {
            assert_eq!(diagnose(head.as_bytes(), false, &Config::default()), refusal, "{head:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_named() {
        let config = Config { head_bytes: 2000, target_bytes: 100, ..Config::default() };
        let judged = |head: String| diagnose(head.as_bytes(), true, &config);
        let long = "x".repeat(2000);
        assert_eq!(judged(format!("GET /{long}")), Refusal::TargetTooLong);
        assert_eq!(judged(format!("GET / HTTP/1.1\r\na: {long}")), Refusal::HeadTooLarge);
        let many = "a: b\r\n".repeat(101);
        assert_eq!(judged(format!("GET / HTTP/1.1\r\n{many}\r\n")), Refusal::HeadTooLarge);
        let huge = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", u64::MAX);
        assert_eq!(judged(huge), Refusal::ContentLength);
        assert_eq!(judged("GET / HTTP/1.1\r\na: b\r\n\r\n".to_owned()), Refusal::HeadTooLarge);
    }

    // A target or a head at its limit is not beyond it, and what else is wrong with it is named.
    #[test]
    fn a_limit_is_the_last_that_is_allowed() {
        let config =
            Config { head_bytes: 2000, target_bytes: 100, head_fields: 10, ..Config::default() };
        let judged = |head: String| diagnose(head.as_bytes(), true, &config);
        let target =
            |length: usize| format!("GET /{} HTTP/1.1\r\na: \0\r\n\r\n", "x".repeat(length - 1));
        assert_eq!(judged(target(100)), Refusal::Nul);
        assert_eq!(judged(target(101)), Refusal::TargetTooLong);
        let fields = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "a: \0\r\n".repeat(count));
        assert_eq!(judged(fields(10)), Refusal::Nul);
        assert_eq!(judged(fields(11)), Refusal::HeadTooLarge);
        let bytes = |count| format!("{:\0<count$}", "GET / HTTP/1.1\r\na: ");
        assert_eq!(judged(bytes(1999)), Refusal::Nul);
        assert_eq!(judged(bytes(2000)), Refusal::HeadTooLarge);
    }
}
