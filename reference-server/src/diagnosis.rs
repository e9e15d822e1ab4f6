//! What is wrong with a head that hyper could not parse.
//!
//! Rules of this room: it thinks, on octets alone, after the answer was given: its only reader is the log.

use crate::fault::Refusal;

/// Names the first rule that the head breaks.
pub(crate) fn diagnose(octets: &[u8], status: u16) -> Refusal {
    match status {
        414 => return Refusal::TargetTooLong,
        431 => return Refusal::HeadTooLarge,
        _ => {}
    }
    let end = memchr::memmem::find(octets, b"\r\n\r\n").unwrap_or(octets.len());
    let head = &octets[..end];
    if head.contains(&0) {
        return Refusal::Nul;
    }
    if head.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n') {
        return Refusal::BareCarriageReturn;
    }
    let mut lines = head.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end);
    let mut lines = lines.by_ref().skip_while(|line| line.is_empty());
    let request_line = lines.next().unwrap_or_default();
    let mut lengths: Vec<&[u8]> = Vec::new();
    for line in lines {
        if let Some(refusal) = diagnose_field(line, &mut lengths) {
            return refusal;
        }
        let old = request_line.ends_with(b"HTTP/1.0");
        if old && name(line).eq_ignore_ascii_case(b"transfer-encoding") {
            return Refusal::CodingInHttp10;
        }
    }
    if lengths.iter().any(|length| number(length).is_none()) {
        return Refusal::ContentLength;
    }
    if lengths.windows(2).any(|pair| number(pair[0]) != number(pair[1])) {
        return Refusal::ContentLengths;
    }
    Refusal::Syntax
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
    if name.eq_ignore_ascii_case(b"content-length") {
        lengths.push(line[name.len() + 1..].trim_ascii());
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
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refusal::SpaceBeforeColon),
            ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Refusal::Folded),
            ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", Refusal::BareCarriageReturn),
            ("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", Refusal::Nul),
            ("GET / HTTP/1.1\r\n: b\r\n\r\n", Refusal::FieldName),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", Refusal::FieldName),
            ("GET / HTTP/1.1\r\nA(: b\r\n\r\n", Refusal::FieldName),
            ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", Refusal::ContentLength),
            ("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", Refusal::ContentLength),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                Refusal::ContentLengths,
            ),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::CodingInHttp10),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Syntax),
            ("", Refusal::Syntax),
        ] {
            assert_eq!(diagnose(head.as_bytes(), 400), refusal, "{head:?}");
        }
        assert_eq!(diagnose(b"", 431), Refusal::HeadTooLarge);
        assert_eq!(diagnose(b"", 414), Refusal::TargetTooLong);
    }
}
