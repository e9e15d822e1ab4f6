//! Where hyper stands in the octets of a connection: which it has parsed as heads, which are content, which it has still to parse.
//!
//! Rules of this room: it thinks, on octets alone; it judges nothing, it only remembers what hyper forgets (a Content-Length beside
//! Transfer-Encoding, a fragment, the octets that hyper could not parse); the end of content is counted, never searched, for content can
//! look like a head.

use memchr::memmem::Finder;
use rwgi::BodyLength;

use super::chunked::Chunked;

/// What a connection may keep allocated from one request with content to the next: what hyper reads at once. One that rests keeps nothing.
const REMEMBERED: usize = 8 * 1024;

/// Follows the octets of one connection from head to head.
#[derive(Debug)]
pub(crate) struct HeadWatch {
    /// Heads that hyper has parsed, and behind them what it has not.
    octets: Vec<u8>,
    /// Where the first of the parsed heads begins that was not looked for the end of: looked at once, for a read can hold thousands.
    start: usize,
    /// How many heads from there on are parsed; none of them has content.
    parsed: usize,
    /// What is still to come of the content of the last head.
    content: Content,
    /// Whether there is a `#` among the octets.
    hash: bool,
    /// Whether the octets end with an empty line.
    whole: bool,
    /// Whether the last head had content.
    had_content: bool,
}

#[derive(Debug)]
enum Content {
    None,
    Exact(u64),
    Chunked(Chunked),
    /// Broken: hyper closes the connection, and nothing that follows is a head.
    Lost,
}

impl HeadWatch {
    pub(crate) fn new() -> Self {
        let (hash, whole, had_content) = (false, false, false);
        let (octets, content) = (Vec::new(), Content::None);
        Self { octets, start: 0, parsed: 0, content, hash, whole, had_content }
    }

    /// Takes in octets that hyper reads; gives whether a head is among them, or a part of one.
    #[inline]
    pub(crate) fn feed(&mut self, octets: &[u8]) -> bool {
        let octets = match self.content {
            Content::None => octets,
            _ => self.skip_content(octets),
        };
        if octets.is_empty() {
            return false;
        }
        self.forget_parsed();
        self.octets.extend_from_slice(octets);
        self.hash = has_hash(&self.octets);
        self.whole = self.octets.ends_with(b"\n\r\n") || self.octets.ends_with(b"\n\n");
        octets.iter().any(|octet| !is_line_end(*octet))
    }

    /// hyper has parsed one more head, with content of this length behind it.
    #[inline]
    pub(crate) fn parsed(&mut self, length: BodyLength) {
        self.parsed += 1;
        self.had_content = length != BodyLength::Empty;
        if self.had_content {
            self.begin_content(length);
        }
    }

    /// hyper has parsed so many heads more, none with content behind it.
    #[inline]
    pub(crate) fn parsed_bare(&mut self, heads: usize) {
        self.parsed += heads;
        self.had_content = false;
    }

    /// Whether the heads that are to come in these octets have no fragment, wherever they begin.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        !self.hash
    }

    /// Whether the octets end with an empty line: once hyper has parsed a head and waits for the client, nothing of the next has come.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether something of the next head has come already. To be asked when hyper waits for the client.
    #[inline]
    pub(crate) fn has_begun(&mut self) -> bool {
        self.forget_parsed();
        self.octets.iter().any(|octet| !is_line_end(*octet))
    }

    /// Whether the last request is over with its content, and nothing of the next one has come.
    pub(crate) fn is_at_rest(&mut self) -> bool {
        matches!(self.content, Content::None) && !self.has_begun()
    }

    /// [`is_at_rest`](Self::is_at_rest) after a request without content, so that hyper holds nothing of it either.
    pub(crate) fn is_empty(&mut self) -> bool {
        !self.had_content && self.is_at_rest()
    }

    /// The octets that hyper has not parsed: what it complains about.
    pub(crate) fn unparsed(&mut self) -> &[u8] {
        self.pass_parsed();
        let octets = &self.octets[self.start..];
        let blank = octets.iter().take_while(|octet| is_line_end(**octet)).count();
        &octets[blank..]
    }

    /// Whether the head that hyper is giving away declares a Content-Length: it drops that field where a
    /// Transfer-Encoding stands beside it, so the octets are the only witness.
    pub(crate) fn declares_length(&mut self) -> bool {
        self.unparsed()
            .split(|octet| *octet == b'\n')
            .take_while(|line| !matches!(*line, b"" | b"\r"))
            .filter_map(|line| line.split(|octet| *octet == b':').next())
            .any(|name| name.eq_ignore_ascii_case(b"content-length"))
    }

    /// Whether the target of the head that hyper is giving away has a fragment: its URI drops that without a word.
    pub(crate) fn has_fragment(&mut self) -> bool {
        self.hash && {
            let line = self.unparsed().split(|octet| *octet == b'\n').next();
            // A method may hold a `#` as well.
            let target = line.and_then(|line| line.split(|octet| *octet == b' ').nth(1));
            target.is_some_and(|target| target.contains(&b'#'))
        }
    }

    /// Forgets the heads that were parsed. To be called when hyper asks for more octets.
    #[inline]
    fn forget_parsed(&mut self) {
        if self.start == 0 && self.parsed == 0 {
            return;
        }
        // What hyper has not parsed holds no whole head now, for it would have parsed that first. So where all ends with an empty line,
        // that line ends the last parsed head: the plain case, and nothing is searched.
        if self.whole {
            self.octets.clear();
        } else {
            self.pass_parsed();
            self.octets.drain(..self.start);
        }
        (self.start, self.parsed) = (0, 0);
        self.whole = false;
    }

    #[cold]
    fn begin_content(&mut self, length: BodyLength) {
        if !self.pass_parsed() {
            self.content = Content::Lost;
            return;
        }
        self.content = match length {
            BodyLength::Empty => Content::None,
            BodyLength::Exact(length) => Content::Exact(length),
            BodyLength::Unknown => Content::Chunked(Chunked::new()),
        };
        let mut octets = std::mem::take(&mut self.octets);
        let start = std::mem::take(&mut self.start);
        (self.hash, self.whole) = (false, false);
        // hyper holds these octets already, so no wait begins with them.
        self.feed(&octets[start..]);
        if self.octets.is_empty() && octets.capacity() <= REMEMBERED {
            octets.clear();
            self.octets = octets;
        }
    }

    /// Skips what is content; gives what is not.
    fn skip_content<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let (used, ended) = match &mut self.content {
            Content::None => (0, true),
            Content::Lost => (octets.len(), false),
            Content::Exact(left) => {
                let used =
                    usize::try_from(*left).map_or(octets.len(), |left| left.min(octets.len()));
                *left -= used as u64;
                (used, *left == 0)
            }
            Content::Chunked(chunked) => match chunked.skip(octets) {
                Some(used) => (used, chunked.is_ended()),
                None => {
                    self.content = Content::Lost;
                    return &[];
                }
            },
        };
        if ended {
            self.content = Content::None;
        }
        &octets[used..]
    }

    /// Moves the start behind the heads that were parsed; gives whether all of them are there.
    fn pass_parsed(&mut self) -> bool {
        for _ in 0..std::mem::take(&mut self.parsed) {
            let Some(length) = head_length(&self.octets[self.start..]) else {
                self.start = self.octets.len();
                return false;
            };
            self.start += length;
        }
        true
    }
}

/// Whether there is a `#` among the octets: looked for in all of a part at once, for a search that can end at each octet is dearer for so few.
fn has_hash(octets: &[u8]) -> bool {
    const PART: usize = 32;
    let has = |part: &[u8]| part.iter().fold(false, |has, octet| has | (*octet == b'#'));
    match octets.last_chunk::<PART>() {
        Some(last) => octets.chunks_exact(PART).any(has) || has(last),
        None => has(octets),
    }
}

fn is_line_end(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n')
}

/// The length of the first head, with the empty lines before it and the one that ends it.
fn head_length(octets: &[u8]) -> Option<usize> {
    // Searched for in one go each: a head has many lines, and this is asked for every request with content.
    thread_local! {
        static EMPTY_LINE: Finder<'static> = Finder::new(b"\n\r\n");
        static BARE_LINE: Finder<'static> = Finder::new(b"\n\n");
    }

    let start = octets.iter().position(|octet| !is_line_end(*octet))?;
    let lines = &octets[start..];
    let usual = EMPTY_LINE.with(|end| end.find(lines)).map(|at| at + 3);
    let before = &lines[..usual.unwrap_or(lines.len())];
    let bare = BARE_LINE.with(|end| end.find(before)).map(|at| at + 2);
    bare.or(usual).map(|length| start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const BARE: &[u8] = b"GET / HTTP/1.1\nHost: a\n\n";

    fn post(length: usize) -> Vec<u8> {
        format!("POST /x?y HTTP/1.1\r\nContent-Length: {length}\r\n\r\n").into_bytes()
    }

    #[test]
    fn heads_in_one_read_are_told_apart() {
        let mut watch = HeadWatch::new();
        watch.feed(&[GET, BARE, b"\r\n\r\n", GET, b"GET /rest"].concat());
        for _ in 0..3 {
            assert!(watch.unparsed().starts_with(b"GET / HTTP"));
            watch.parsed(BodyLength::Empty);
        }
        assert_eq!(watch.unparsed(), b"GET /rest");
        assert!(watch.has_begun());
        assert_eq!(watch.octets, b"GET /rest");
    }

    #[test]
    fn a_connection_is_at_rest_once_the_last_request_is_over_with_its_content() {
        let mut watch = HeadWatch::new();
        assert!(watch.is_at_rest());
        for (octets, rests) in [(b"P".to_vec(), false), (post(3)[1..].to_vec(), false)] {
            watch.feed(&octets);
            assert_eq!(watch.is_at_rest(), rests, "{octets:?}");
        }
        watch.parsed(BodyLength::Exact(3));
        for (octets, rests) in [("ab", false), ("c", true), ("\r\n", true), ("G", false)] {
            watch.feed(octets.as_bytes());
            assert_eq!(watch.is_at_rest(), rests, "{octets:?}");
        }
    }

    #[test]
    fn nothing_is_kept_of_whole_heads() {
        let mut watch = HeadWatch::new();
        for head in [GET, BARE] {
            watch.feed(head);
            watch.parsed(BodyLength::Empty);
            assert!(!watch.has_begun());
            assert!(watch.octets.is_empty());
        }
        for head in [GET, BARE, GET] {
            watch.feed(head);
            assert_eq!(watch.octets, head, "of the heads before it nothing");
            watch.parsed(BodyLength::Empty);
        }
        assert!(!watch.has_begun());
        assert!(!watch.feed(b"\r\n"), "an empty line begins nothing");
        assert!(!watch.has_begun());
        assert!(watch.feed(b"G"));
    }

    #[test]
    fn content_that_looks_like_a_head_is_none_however_it_is_cut() {
        let content = [GET, b"..."].concat();
        let length = content.len();
        let bare = format!("POST / HTTP/1.1\nContent-Length: {length}\n\n").into_bytes();
        for head in [post(length), bare] {
            let stream = [&head[..], &content, b"PUT /next"].concat();
            for cut in head.len()..stream.len() {
                let mut watch = HeadWatch::new();
                watch.feed(&stream[..cut]);
                watch.parsed(BodyLength::Exact(length as u64));
                watch.feed(&stream[cut..]);
                assert_eq!(watch.unparsed(), b"PUT /next", "cut at {cut}");
            }
        }
    }

    #[test]
    fn chunks_are_followed_however_they_are_cut() {
        let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let content =
            b"3\r\n\r\n#\r\n1A ;a=\"b\"\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n...\r\n0\r\nt: 0\r\n\r\n";
        let stream = [&head[..], content, b"PUT /next"].concat();
        for cut in head.len()..stream.len() {
            let mut watch = HeadWatch::new();
            watch.feed(&stream[..cut]);
            watch.parsed(BodyLength::Unknown);
            watch.feed(&stream[cut..]);
            assert_eq!(watch.unparsed(), b"PUT /next", "cut at {cut}");
            assert!(!watch.has_fragment());
        }
    }

    // Evidence: REQ-HTTP-26
    #[test]
    fn a_length_beside_the_coding_is_seen_wherever_it_stands() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "transfer-encoding: chunked\r\nCONTENT-length: 5",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nX: POST http://a HTTP/1.1",
        ] {
            for before in [&b""[..], b"\r\n", GET, BARE] {
                let mut watch = HeadWatch::new();
                watch.feed(before);
                watch.feed(
                    format!("POST http://a HTTP/1.1\r\n{fields}\r\n\r\n0\r\n\r\n").as_bytes(),
                );
                if before.len() > 2 {
                    watch.parsed(BodyLength::Empty);
                }
                assert!(watch.declares_length(), "{fields}");
            }
        }
        let mut watch = HeadWatch::new();
        watch.feed(b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nContent-Length: 5\r\n");
        assert!(!watch.declares_length(), "content is not the head");
    }

    #[test]
    fn a_hash_is_seen_wherever_it_stands() {
        for length in 0..100 {
            let mut octets = vec![b'a'; length];
            assert!(!has_hash(&octets));
            for at in 0..length {
                octets[at] = b'#';
                assert!(has_hash(&octets), "at {at} of {length}");
                octets[at] = b'a';
            }
        }
    }

    #[test]
    fn what_was_passed_once_is_not_looked_at_again() {
        const HEAD: &[u8] = b"GET /a HTTP/1.1\r\na: #\r\n\r\n";
        let mut watch = HeadWatch::new();
        watch.feed(&HEAD.repeat(1000));
        for passed in 0..1000 {
            assert!(!watch.has_fragment());
            assert_eq!((watch.start, watch.parsed), (passed * HEAD.len(), 0));
            watch.parsed(BodyLength::Empty);
        }
        assert!(watch.feed(b"G"));
        assert_eq!((watch.octets.as_slice(), watch.start), (&b"G"[..], 0));
    }

    #[test]
    fn a_fragment_is_seen_in_the_target_only() {
        let mut watch = HeadWatch::new();
        watch.feed(b"GET /a HTTP/1.1\r\na: #\r\n\r\nGET /a#b HTTP/1.1\r\n\r\n");
        assert!(!watch.has_fragment());
        watch.parsed(BodyLength::Empty);
        assert!(watch.has_fragment());
        // Behind an empty line, and where hyper has added a path.
        for head in [
            "GET /#b HTTP/1.1",
            "\r\nGET /#b HTTP/1.1",
            "\r\nGET /a# HTTP/1.1",
            "GET http://a# HTTP/1.1",
        ] {
            let mut watch = HeadWatch::new();
            watch.feed(format!("{head}\r\n\r\n").as_bytes());
            assert!(!watch.is_plain() && watch.has_fragment(), "{head}");
        }
    }
}
