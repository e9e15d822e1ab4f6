//! The tables of HPACK (RFC 7541, section 2.3 and appendix A).
//!
//! Rules of this room: an index counts from 1; the static table comes first and the newest entry of the dynamic one after it.

use std::collections::VecDeque;

/// A name and a value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

/// The entries that were added, newest first, within a size.
#[derive(Debug)]
pub(super) struct Table {
    entries: VecDeque<Pair>,
    size: usize,
    limit: usize,
}

/// What an entry costs beside its octets (RFC 7541, section 4.1).
const OVERHEAD: usize = 32;

impl Table {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), size: 0, limit }
    }

    pub(super) fn get(&self, index: usize) -> Option<Pair> {
        let index = index.checked_sub(1)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Some((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        self.entries.get(index - STATIC.len()).cloned()
    }

    pub(super) fn add(&mut self, pair: Pair) {
        self.size += pair.0.len() + pair.1.len() + OVERHEAD;
        self.entries.push_front(pair);
        self.evict();
    }

    pub(super) fn resize(&mut self, limit: usize) {
        self.limit = limit;
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.limit {
            let Some((name, value)) = self.entries.pop_back() else { return };
            self.size -= name.len() + value.len() + OVERHEAD;
        }
    }
}
