//! Request heads, looked at before hyper parses them.
//!
//! Rules of this room: it thinks, on octets alone; it refuses only what hyper would answer otherwise than RFC 9112 and the
//! specification ask (505, 414), and remembers what hyper forgets (a Content-Length beside Transfer-Encoding).

use memchr::memchr;
use memchr::memmem;

use crate::fault::Refusal;

/// More than any head may have, and all that is ever remembered.
const MOST_REMEMBERED: usize = 64 * 1024;
/// What is kept of a read that came while an exchange was under way: most of it is content.
const TAIL_REMEMBERED: usize = 4 * 1024;
/// What an idle connection may keep allocated.
const IDLE_REMEMBERED: usize = 1024;

/// Follows the octets of one connection from head to head.
#[derive(Debug)]
pub(crate) struct HeadWatch {
    target_bytes: usize,
    line: Line,
    /// Content may stand at the end of what is remembered, with or without the beginning of the next head behind it.
    content: bool,
    recent: Vec<u8>,
    refusal: Option<Refusal>,
}

/// Where the request line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Not begun; empty lines before it are skipped.
    Before,
    /// Begun at this place of what is remembered.
    Within { start: usize },
    /// Seen; the rest of the head is hyper's.
    Done,
}

/// The longest that a request line can be apart from its target: method, spaces, version.
const LINE_BESIDES_TARGET: usize = 64;

impl HeadWatch {
    pub(crate) fn new(target_bytes: usize) -> Self {
        Self { target_bytes, line: Line::Before, content: false, recent: Vec::new(), refusal: None }
    }

    /// Takes in octets that came while no exchange was under way; gives whether the connection goes on.
    #[inline]
    pub(crate) fn feed(&mut self, octets: &[u8]) -> bool {
        if self.content {
            self.leave_content(octets);
        }
        let room = MOST_REMEMBERED.saturating_sub(self.recent.len());
        self.recent.extend_from_slice(&octets[..octets.len().min(room)]);
        if self.line != Line::Done {
            self.refusal = self.judge_line();
        }
        self.refusal.is_none()
    }

    /// Takes in octets that came during an exchange: content, and perhaps the beginning of the next head.
    pub(crate) fn feed_content(&mut self, octets: &[u8]) {
        self.content = true;
        self.recent.clear();
        self.recent.extend_from_slice(&octets[octets.len().saturating_sub(TAIL_REMEMBERED)..]);
    }

    /// The first octets after content. Nearly always a head begins with them; behind a pipelined request they may go on with one whose
    /// line is no longer to be found, and that head is left to hyper.
    fn leave_content(&mut self, octets: &[u8]) {
        self.content = false;
        if begins_like_a_head(octets) {
            self.recent.clear();
        } else {
            self.line = Line::Done;
        }
    }

    /// hyper has parsed a head: what follows is content or another head.
    #[inline]
    pub(crate) fn parsed(&mut self) {
        self.line = Line::Before;
        if self.recent.ends_with(b"\r\n\r\n") {
            self.recent.clear();
        } else {
            self.content = true;
        }
    }

    /// The connection waits for the next request: nothing large is kept.
    #[inline]
    pub(crate) fn rest(&mut self) {
        if self.recent.capacity() > IDLE_REMEMBERED {
            let surplus = self.recent.len().saturating_sub(IDLE_REMEMBERED);
            self.recent.drain(..surplus);
            self.recent.shrink_to(IDLE_REMEMBERED);
        }
    }

    /// Why the connection does not go on.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// The octets that were last seen, for a diagnosis.
    pub(crate) fn recent(&self) -> &[u8] {
        &self.recent
    }

    /// Whether the head with this request line declares a Content-Length. hyper drops that field where a
    /// Transfer-Encoding stands beside it, so the octets are the only witness.
    pub(crate) fn declares_length(&self, method: &str, target: &str) -> bool {
        let line = format!("{method} {target} HTTP/1.");
        let Some(start) = memmem::rfind(&self.recent, line.as_bytes()) else { return false };
        self.recent[start..]
            .split(|octet| *octet == b'\n')
            .take_while(|line| !matches!(*line, b"" | b"\r"))
            .filter_map(|line| line.split(|octet| *octet == b':').next())
            .any(|name| name.eq_ignore_ascii_case(b"content-length"))
    }

    fn judge_line(&mut self) -> Option<Refusal> {
        let start = match self.line {
            Line::Done => return None,
            Line::Within { start } => start,
            Line::Before => {
                let blank = self.recent.iter().take_while(|octet| matches!(octet, b'\r' | b'\n'));
                let start = blank.count();
                if start == self.recent.len() {
                    return None;
                }
                self.line = Line::Within { start };
                start
            }
        };
        let line = &self.recent[start..];
        let Some(end) = memchr(b'\n', line) else {
            return self.judge_length(line);
        };
        self.line = Line::Done;
        let line = &self.recent[start..start + end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if memchr(b'#', line).is_some() {
            // hyper's target drops a fragment without a word; no form of a request target has one.
            return Some(Refusal::TargetForm);
        }
        self.judge_version(line).or_else(|| self.judge_length(line))
    }

    fn judge_length(&self, line: &[u8]) -> Option<Refusal> {
        if line.len() <= self.target_bytes {
            return None;
        }
        let target = line.split(|octet| *octet == b' ').nth(1).unwrap_or_default();
        (target.len() > self.target_bytes || line.len() > self.target_bytes + LINE_BESIDES_TARGET)
            .then_some(Refusal::TargetTooLong)
    }

    #[inline]
    fn judge_version(&self, line: &[u8]) -> Option<Refusal> {
        let version = line.len().checked_sub(9).map(|at| &line[at..])?;
        match version {
            [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() && *major != b'1' =>
            {
                Some(Refusal::Version)
            }
            _ => None,
        }
    }
}

/// Whether these octets can begin a request line: a method, and where there is more, a space and not a colon.
fn begins_like_a_head(octets: &[u8]) -> bool {
    let start = octets.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    let line = &octets[start..];
    let method = line.iter().take_while(|octet| octet.is_ascii_alphanumeric() || **octet == b'-');
    let length = method.count();
    line.get(length).is_none_or(|octet| length > 0 && *octet == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(pieces: &[&[u8]]) -> Option<Refusal> {
        let mut watch = HeadWatch::new(100);
        for piece in pieces {
            watch.feed(piece);
        }
        watch.refusal()
    }

    // Evidence: REQ-HTTP-04
    #[test]
    fn another_major_version_is_refused_however_it_is_cut() {
        let head = b"\r\nGET / HTTP/2.0\r\nHost: a\r\n\r\n";
        for cut in 0..head.len() {
            let (first, second) = head.split_at(cut);
            assert_eq!(fed(&[first, second]), Some(Refusal::Version), "cut at {cut}");
        }
        for fine in ["HTTP/1.1", "HTTP/1.0", "HTTP/1.9", "HTP/2.0", "HTTP/2"] {
            assert_eq!(fed(&[format!("GET / {fine}\r\n\r\n").as_bytes()]), None, "{fine}");
        }
    }

    // Evidence: REQ-HTTP-06
    #[test]
    fn a_target_beyond_the_limit_is_refused_before_its_end() {
        let target = "a".repeat(99);
        assert_eq!(fed(&[format!("GET /{target} HTTP/1.1\r\n\r\n").as_bytes()]), None);
        assert_eq!(
            fed(&[format!("GET /{target}a HTTP/1.1\r\n\r\n").as_bytes()]),
            Some(Refusal::TargetTooLong)
        );
        assert_eq!(
            fed(&[format!("GET /{target}{target}").as_bytes()]),
            Some(Refusal::TargetTooLong)
        );
        assert_eq!(
            fed(&[format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", target.repeat(9)).as_bytes()]),
            None,
            "a long field is not a long target"
        );
    }

    #[test]
    fn a_fragment_is_refused() {
        assert_eq!(fed(&[b"GET /a#b HTTP/1.1\r\n"]), Some(Refusal::TargetForm));
        assert_eq!(fed(&[b"GET /a HTTP/1.1\r\na: #\r\n"]), None);
    }

    #[test]
    fn a_length_beside_the_coding_is_seen_in_either_order_and_any_case() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "transfer-encoding: chunked\r\nCONTENT-length: 5",
        ] {
            let mut watch = HeadWatch::new(100);
            watch.feed(
                format!("POST /x?y HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n").as_bytes(),
            );
            assert!(watch.declares_length("POST", "/x?y"), "{fields}");
        }
        let mut watch = HeadWatch::new(100);
        watch.feed(b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nContent-Length: 5\r\n");
        assert!(!watch.declares_length("POST", "/x"), "content is not the head");
    }

    #[test]
    fn content_is_never_taken_for_a_request_line() {
        const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
        for content in [&b"a # b\r\nc\n"[..], b"/ HTTP/2.0\r\n", &[b'x'; 500]] {
            // The content in the same read as the head, and in one of its own.
            for together in [true, false] {
                let mut watch = HeadWatch::new(100);
                let first = if together { [HEAD, content].concat() } else { HEAD.to_vec() };
                assert!(watch.feed(&first));
                watch.parsed();
                if !together {
                    watch.feed_content(content);
                }
                assert!(watch.feed(HEAD), "{content:?}");
                watch.parsed();
                assert!(!watch.feed(b"GET / HTTP/2.0\r\n\r\n"), "the next head is judged again");
                assert_eq!(watch.refusal(), Some(Refusal::Version));
            }
        }
    }

    #[test]
    fn a_head_that_began_behind_content_is_left_to_hyper() {
        let mut watch = HeadWatch::new(100);
        watch.feed(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n");
        watch.parsed();
        watch.feed_content(b"xGET / HTTP/1.1\r\nX-Num");
        assert!(watch.feed(b"ber: #1\r\n\r\n"));
    }

    #[test]
    fn a_connection_at_rest_keeps_little() {
        let mut watch = HeadWatch::new(100);
        watch.feed(&[b'x'; 90]);
        watch.feed_content(&[b'x'; 100_000]);
        watch.parsed();
        watch.rest();
        assert!(watch.recent.capacity() <= IDLE_REMEMBERED);
    }
}
