//! The request head: octets to a request that can be served, or a refusal with its status.
//!
//! Rules of this room: no socket; strict by RFC 9112 and the chapter "HTTP duties"; nothing is repaired. Each leniency
//! stands at the check that it takes away.

use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, request};

use super::fields::{holds, is_control, is_host, is_token, length, trim_whitespace};
use super::violation::Switch;

/// A head that can be served.
pub(super) struct Head {
    pub(super) parts: request::Parts,
    pub(super) framing: Framing,
    /// The connection may be kept as far as the request is concerned.
    pub(super) persistent: bool,
    /// The client waits for 100.
    pub(super) expects: bool,
    /// It takes trailers.
    pub(super) trailers: bool,
}

/// Where the request's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// A head that is not served; status 0 closes without a word, as no server without a flaw does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
}

pub(super) struct Rules {
    pub(super) target_bytes: usize,
    pub(super) head_bytes: usize,
    pub(super) head_fields: usize,
    pub(super) switch: Option<Switch>,
}

const BAD: Refusal = Refusal { status: 400 };

impl Rules {
    fn off(&self, switch: Switch) -> bool {
        self.switch == Some(switch)
    }

    /// Whether what has come is too long already, though the head has not ended.
    pub(super) fn too_long(&self, octets: &[u8]) -> Option<Refusal> {
        let line = octets.iter().position(|octet| *octet == b'\n').unwrap_or(octets.len());
        let target = octets[..line].split(|octet| *octet == b' ').nth(1).map_or(0, <[u8]>::len);
        if target > self.target_bytes && !self.off(Switch::NoTargetLimit) {
            return Some(if self.off(Switch::TargetLimitIs400) {
                BAD
            } else {
                Refusal { status: 414 }
            });
        }
        let no_limit = self.off(Switch::NoHeadLimit) || self.off(Switch::NoTargetLimit);
        (octets.len() > self.head_bytes && !no_limit && !self.off(Switch::NoFieldLimit))
            .then_some(Refusal { status: 431 })
    }

    /// Where the head ends, the empty line included.
    pub(super) fn end(&self, octets: &[u8]) -> Option<usize> {
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        // Two line ends without CR would be an end to a lenient reader: it is looked at, and then refused.
        let bare = octets.windows(2).position(|two| two == b"\n\n").map(|at| at + 2);
        [end, bare, self.stray(octets)].into_iter().flatten().min()
    }

    /// The end of the first line with a CR that no LF follows: more need not be waited for.
    fn stray(&self, octets: &[u8]) -> Option<usize> {
        if self.off(Switch::BareCr) || self.off(Switch::CrEndsLine) {
            return None;
        }
        let stray = octets.windows(2).position(|two| two[0] == b'\r' && two[1] != b'\n')?;
        let end = octets[stray..].iter().position(|octet| *octet == b'\n')?;
        Some(stray + end + 1)
    }

    /// Reads a head, its empty line included.
    pub(super) fn read(&self, octets: &[u8]) -> Result<Head, Refusal> {
        if let Some(refusal) = self.too_long(octets) {
            return Err(refusal);
        }
        if octets.contains(&0) && !self.off(Switch::Nul) {
            return Err(BAD);
        }
        let lines = self.lines(octets)?;
        let (first, rest) = lines.split_first().ok_or(BAD)?;
        let (method, target, minor) = self.request_line(first)?;
        if rest.len() > self.head_fields && !self.off(Switch::NoFieldLimit) {
            return Err(Refusal { status: 431 });
        }
        let mut request = Request::new(());
        for line in rest {
            self.field(line, request.headers_mut())?;
        }
        *request.method_mut() = method;
        *request.version_mut() = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
        *request.uri_mut() = self.target(request.method(), &target)?;
        let parts = request.into_parts().0;
        self.host(&parts, minor)?;
        let framing = self.framing(&parts, minor)?;
        if parts.method == Method::CONNECT && !self.off(Switch::Connect) {
            return Err(Refusal { status: 501 });
        }
        Ok(self.head(parts, framing, minor))
    }

    fn head(&self, parts: request::Parts, framing: Framing, minor: u8) -> Head {
        let values = |name: &str| {
            parts
                .headers
                .get_all(name)
                .iter()
                .map(|value| value.as_bytes().to_vec())
                .collect::<Vec<_>>()
        };
        let connection = values("connection");
        let close = holds(connection.iter().cloned(), "close");
        let keep = holds(connection.into_iter(), "keep-alive");
        let persistent = if minor == 0 {
            (keep || self.off(Switch::KeepsTen)) && !close
        } else {
            !close || self.off(Switch::KeepsAlways)
        };
        let expects = holds(values("expect").into_iter(), "100-continue")
            && framing != Framing::None
            && (minor > 0 || self.off(Switch::ContinueInTen));
        let trailers = holds(values("te").into_iter(), "trailers");
        Head { parts, framing, persistent, expects, trailers }
    }

    /// The lines without their ends; the empty line at the end is not one of them.
    fn lines<'a>(&self, octets: &'a [u8]) -> Result<Vec<Vec<u8>>, Refusal> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut rest: &'a [u8] = octets;
        loop {
            let end = rest.iter().position(|octet| *octet == b'\n').ok_or(BAD)?;
            let line = &rest[..end];
            rest = &rest[end + 1..];
            // A bare LF is no end of a line here; REQ-HTTP-14 leaves the choice.
            let closes = Refusal { status: 0 };
            let bare = if self.off(Switch::LfCloses) { closes } else { BAD };
            let line = line.strip_suffix(b"\r").ok_or(bare)?;
            if line.contains(&b'\r') && !self.off(Switch::BareCr) {
                if !self.off(Switch::CrEndsLine) {
                    return Err(BAD);
                }
                lines.extend(line.split(|octet| *octet == b'\r').map(<[u8]>::to_vec));
                continue;
            }
            if line.is_empty() {
                return Ok(lines);
            }
            let is_request_line = lines.is_empty() && self.off(Switch::LooseRequestLine);
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                if is_request_line {
                    lines.push(line.to_vec());
                    continue;
                }
                let folded = lines.len() > 1 && self.off(Switch::ObsFold);
                match lines.last_mut().filter(|_| folded) {
                    Some(last) => {
                        last.push(b' ');
                        last.extend_from_slice(line.trim_ascii());
                        continue;
                    }
                    None if self.off(Switch::SkipsBadLine) => continue,
                    None => return Err(BAD),
                }
            }
            lines.push(line.to_vec());
        }
    }

    fn request_line(&self, line: &[u8]) -> Result<(Method, Vec<u8>, u8), Refusal> {
        let parts: Vec<&[u8]> = if self.off(Switch::LooseRequestLine) {
            line.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty()).collect()
        } else {
            line.split(|octet| *octet == b' ').collect()
        };
        let (method, target, version) = match parts[..] {
            [method, target, version] => (method, target, version),
            [method, target] if self.off(Switch::NoVersion) => (method, target, &b"HTTP/1.0"[..]),
            _ => return Err(BAD),
        };
        let method = if is_token(method) {
            Method::from_bytes(method).map_err(|_| BAD)?
        } else if self.off(Switch::AnyMethod) {
            Method::GET
        } else {
            return Err(BAD);
        };
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE"];
        if self.off(Switch::KnownMethodsOnly) && !known.contains(&method.as_str()) {
            return Err(Refusal { status: 501 });
        }
        Ok((method, target.to_vec(), self.version(version)?))
    }

    fn version(&self, version: &[u8]) -> Result<u8, Refusal> {
        match version {
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                match (*major, *minor - b'0') {
                    (b'1', 2..) if self.off(Switch::MinorVersionFails) => {
                        Err(Refusal { status: 500 })
                    }
                    (b'1', minor) => Ok(minor),
                    _ if self.off(Switch::AnyVersion) => Ok(1),
                    _ => Err(Refusal { status: 505 }),
                }
            }
            _ if self.off(Switch::MalformedVersion) => Ok(1),
            _ => Err(BAD),
        }
    }

    fn field(&self, line: &[u8], fields: &mut http::HeaderMap) -> Result<(), Refusal> {
        let Some(colon) = line.iter().position(|octet| *octet == b':') else {
            return if self.off(Switch::SkipsBadLine) { Ok(()) } else { Err(BAD) };
        };
        let mut name = &line[..colon];
        if self.off(Switch::SpaceBeforeColon) {
            name = name.trim_ascii_end();
        }
        if !is_token(name) {
            let bad = if self.off(Switch::AnyName) { Ok(()) } else { Err(BAD) };
            return bad;
        }
        let mut value = trim_whitespace(&line[colon + 1..]).to_vec();
        if value.iter().any(|octet| is_control(*octet)) {
            let lenient =
                self.off(Switch::Control) || self.off(Switch::Nul) || self.off(Switch::BareCr);
            if !lenient {
                return Err(BAD);
            }
            value.retain(|octet| !is_control(*octet));
        }
        if self.off(Switch::RefusesTab) && value.contains(&b'\t') {
            return Err(BAD);
        }
        if self.off(Switch::NoObsText) && value.iter().any(|octet| *octet >= 0x80) {
            return Err(BAD);
        }
        let name = HeaderName::from_bytes(name).map_err(|_| BAD)?;
        fields.append(name, HeaderValue::from_bytes(&value).map_err(|_| BAD)?);
        Ok(())
    }

    /// RFC 9112, section 3.2: the four forms.
    fn target(&self, method: &Method, target: &[u8]) -> Result<Uri, Refusal> {
        let visible = target.iter().all(|octet| (0x21..0x7f).contains(octet) && *octet != b'#');
        let text = std::str::from_utf8(target).ok().filter(|_| visible).ok_or(BAD)?;
        let uri = || text.parse::<Uri>().map_err(|_| BAD);
        if *method == Method::CONNECT {
            let authority = !text.contains('/')
                && text
                    .rsplit_once(':')
                    .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
            return if authority || self.off(Switch::Connect) { uri() } else { Err(BAD) };
        }
        if text.starts_with('/') {
            return uri();
        }
        if text == "*" {
            let fine = *method == Method::OPTIONS || self.off(Switch::StarForAll);
            return if fine { uri() } else { Err(BAD) };
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet));
            let fine = is_scheme && !authority.is_empty() && is_host(authority.as_bytes());
            return if fine && !self.off(Switch::NoAbsoluteForm) { uri() } else { Err(BAD) };
        }
        let lenient = self.off(Switch::AnyTarget)
            || (self.off(Switch::AuthorityForAll) && text.contains(':'));
        // The application sees something, as it would from a server that does not look.
        if lenient { Ok(Uri::from_static("/")) } else { Err(BAD) }
    }

    fn host(&self, parts: &request::Parts, minor: u8) -> Result<(), Refusal> {
        let hosts: Vec<&[u8]> =
            parts.headers.get_all("host").iter().map(HeaderValue::as_bytes).collect();
        let optional = (minor == 0 && !self.off(Switch::HostForAll)) || self.off(Switch::NoHost);
        match hosts[..] {
            [] if optional => Ok(()),
            [] => Err(BAD),
            [host] if host.starts_with(b"[") && self.off(Switch::NoIpv6Host) => Err(BAD),
            [host] if is_host(host) && !(host.is_empty() && self.off(Switch::NoEmptyHost)) => {
                Ok(())
            }
            [_] if self.off(Switch::AnyHost) => Ok(()),
            [_] => Err(BAD),
            [..] if self.off(Switch::TwoHosts) => Ok(()),
            [..] => Err(BAD),
        }
    }

    fn framing(&self, parts: &request::Parts, minor: u8) -> Result<Framing, Refusal> {
        let all = |name: &str| {
            parts.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>()
        };
        let (codings, lengths) = (all("transfer-encoding"), all("content-length"));
        if codings.is_empty() {
            let endless = lengths.is_empty() && parts.method == Method::POST;
            if endless && self.off(Switch::BodyToTheEnd) {
                return Ok(Framing::Length(u64::MAX));
            }
            return self.declared(&lengths);
        }
        if minor == 0 && !self.off(Switch::ChunkedInTen) {
            return Err(BAD);
        }
        if !lengths.is_empty() && !self.off(Switch::BothLengths) {
            return Err(BAD);
        }
        if codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"chunked") {
            let exact = codings[0] == b"chunked" || !self.off(Switch::CodingCase);
            return if exact { Ok(Framing::Chunked) } else { Err(Refusal { status: 501 }) };
        }
        if self.off(Switch::AnyCoding) {
            return Ok(Framing::Chunked);
        }
        let list = codings.join(&b","[..]);
        let names: Vec<&[u8]> =
            list.split(|octet| *octet == b',').map(<[u8]>::trim_ascii).collect();
        let is_chunked = |name: &&[u8]| name.eq_ignore_ascii_case(b"chunked");
        // Where chunked is followed by something the body has no end; anything else is a coding that nobody here knows.
        let endless =
            names.last().is_some_and(|last| !is_chunked(last)) && names.iter().any(is_chunked);
        let unnamed = names.iter().all(|name| name.is_empty());
        let malformed = names
            .iter()
            .any(|name| !is_token(name.split(|o| *o == b';').next().unwrap_or(b"").trim_ascii()));
        Err(if endless || unnamed || malformed { BAD } else { Refusal { status: 501 } })
    }

    fn declared(&self, lengths: &[&[u8]]) -> Result<Framing, Refusal> {
        let one = match *lengths {
            [] => return Ok(Framing::None),
            [one] => one,
            [one, ..] if self.off(Switch::FirstLength) => one,
            _ => return Err(BAD),
        };
        let loose = |octets: &[u8]| {
            let digits: String =
                octets.iter().filter(|o| o.is_ascii_digit()).map(|o| char::from(*o)).collect();
            digits.parse::<u64>().unwrap_or(0)
        };
        if one.len() > 1 && one.starts_with(b"0") && self.off(Switch::NoLeadingZeros) {
            return Err(BAD);
        }
        match length(one) {
            Some(length) => Ok(Framing::Length(length)),
            None if self.off(Switch::FirstLength) && one.contains(&b',') => {
                Ok(Framing::Length(loose(one.split(|octet| *octet == b',').next().unwrap_or(one))))
            }
            None if self.off(Switch::LooseLength) => Ok(Framing::Length(loose(one))),
            None if self.off(Switch::LengthWraps)
                && one.iter().all(u8::is_ascii_digit)
                && !one.is_empty() =>
            {
                let wrap = |sum: u64, octet: &u8| {
                    sum.wrapping_mul(10).wrapping_add(u64::from(octet - b'0'))
                };
                Ok(Framing::Length(one.iter().fold(0, wrap)))
            }
            None => Err(BAD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Head, Refusal> {
        let rules = Rules { target_bytes: 100, head_bytes: 1000, head_fields: 5, switch: None };
        rules.read(text.as_bytes())
    }

    #[test]
    fn plain_heads_are_read() {
        let head = read("POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n").ok().unwrap();
        assert_eq!(head.framing, Framing::Length(3));
        assert_eq!(head.parts.uri.path(), "/a");
        assert!(head.persistent);
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_status() {
        for (text, status) in [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\nb: c\r\n\r\n", 400),
            ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
            ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
            ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
        ] {
            assert_eq!(read(text).err().map(|refusal| refusal.status), Some(status), "{text:?}");
        }
    }
}
