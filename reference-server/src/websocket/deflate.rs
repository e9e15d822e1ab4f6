//! permessage-deflate (RFC 7692): what is agreed on, and both directions of it.
//!
//! Rules of this room: it thinks; what an offer says that it may not say declines that offer and no other; inflation stops at the limit,
//! whatever the input promises; nothing is allocated before the first message that needs it.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Violation;

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(super) server_takeover: bool,
    pub(super) client_takeover: bool,
    pub(super) server_bits: u8,
    pub(super) client_bits: Option<u8>,
}

const NAME: &str = "permessage-deflate";
/// The end of a message's last block, which does not travel (section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

impl Agreed {
    /// The first offer that can be accepted.
    pub(crate) fn of<'a>(offers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        offers.into_iter().find_map(Self::accept)
    }

    fn accept(offer: &str) -> Option<Self> {
        let mut parts = offer.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case(NAME) {
            return None;
        }
        let mut agreed = Self {
            server_takeover: true,
            client_takeover: true,
            server_bits: 15,
            client_bits: None,
        };
        let mut seen = Vec::new();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(unquoted(value.trim()))),
                None => (part, None),
            };
            let name = name.to_ascii_lowercase();
            match (name.as_str(), value) {
                ("server_no_context_takeover", None) => agreed.server_takeover = false,
                ("client_no_context_takeover", None) => agreed.client_takeover = false,
                ("server_max_window_bits", Some(value)) => agreed.server_bits = bits(value)?,
                // Without a value the client says that it could, and nothing is asked of it.
                ("client_max_window_bits", None) => {}
                ("client_max_window_bits", Some(value)) => agreed.client_bits = Some(bits(value)?),
                _ => return None,
            }
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
        }
        Some(agreed)
    }

    /// The value of Sec-WebSocket-Extensions.
    pub(crate) fn response(&self) -> String {
        let mut text = NAME.to_owned();
        if !self.server_takeover {
            text.push_str("; server_no_context_takeover");
        }
        if !self.client_takeover {
            text.push_str("; client_no_context_takeover");
        }
        if self.server_bits < 15 {
            text.push_str(&format!("; server_max_window_bits={}", self.server_bits));
        }
        if let Some(bits) = self.client_bits {
            text.push_str(&format!("; client_max_window_bits={bits}"));
        }
        text
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// A number from 8 to 15 without leading zeros.
fn bits(value: &str) -> Option<u8> {
    matches!(value, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
        .then(|| value.parse().ok())
        .flatten()
}

/// What the client sends, inflated.
#[derive(Debug)]
pub(super) struct Inflater {
    takeover: bool,
    bits: u8,
    inner: Option<Box<Decompress>>,
}

impl Inflater {
    pub(super) fn new(agreed: &Agreed) -> Self {
        Self {
            takeover: agreed.client_takeover,
            bits: agreed.client_bits.unwrap_or(15),
            inner: None,
        }
    }

    /// Appends what `data` inflates to; stops where `out` would pass `limit`.
    pub(super) fn push(
        &mut self,
        data: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Violation> {
        const BROKEN: Violation = Violation::data("compressed data does not inflate");
        let bits = self.bits;
        let inner = self.inner.get_or_insert_with(|| {
            // zlib writes no smaller window than 9, and reads what was written for 8 with it.
            Box::new(Decompress::new_with_window_bits(false, bits.max(9)))
        });
        let mut rest = data;
        loop {
            if out.len() == out.capacity() {
                // One more than the limit shows that it is passed.
                let room = limit.saturating_add(1).saturating_sub(out.len());
                if room == 0 {
                    return Err(Violation::too_large());
                }
                out.reserve_exact(room.min(out.len().max(1024)));
            }
            let before = (inner.total_in(), inner.total_out());
            let status =
                inner.decompress_vec(rest, out, FlushDecompress::Sync).map_err(|_| BROKEN)?;
            let after = (inner.total_in(), inner.total_out());
            rest = &rest[(after.0 - before.0) as usize..];
            if out.len() > limit {
                return Err(Violation::too_large());
            }
            match status {
                // A block that says it is the last one: the next begins anew (section 7.2.3.5).
                Status::StreamEnd => {
                    inner.reset(false);
                    if rest.is_empty() {
                        return Ok(());
                    }
                }
                // With room left, all that was to come out has.
                Status::Ok | Status::BufError if out.len() < out.capacity() => {
                    if rest.is_empty() {
                        return Ok(());
                    }
                    if before == after {
                        return Err(BROKEN);
                    }
                }
                Status::Ok | Status::BufError => {}
            }
        }
    }

    /// The message is over.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<(), Violation> {
        self.push(&TAIL, out, limit)?;
        if !self.takeover
            && let Some(inner) = &mut self.inner
        {
            inner.reset(false);
        }
        Ok(())
    }
}

/// What the server sends, deflated.
#[derive(Debug)]
pub(super) struct Deflater {
    takeover: bool,
    bits: u8,
    inner: Option<Box<Compress>>,
}

impl Deflater {
    pub(super) fn new(agreed: &Agreed) -> Self {
        Self { takeover: agreed.server_takeover, bits: agreed.server_bits, inner: None }
    }

    /// The whole message, deflated, without the tail; `None` where that failed, and it is sent as it is.
    pub(super) fn message(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let bits = self.bits;
        let inner = self.inner.get_or_insert_with(|| {
            // zlib has no raw window of 8 bits; one of 9 reaches back 250 bytes, which 8 bits hold.
            Box::new(Compress::new_with_window_bits(Compression::fast(), false, bits.max(9)))
        });
        let mut out = Vec::with_capacity(data.len() / 2 + 64);
        let start = inner.total_in();
        loop {
            let used = (inner.total_in() - start) as usize;
            let status = inner.compress_vec(&data[used..], &mut out, FlushCompress::Sync);
            let used = (inner.total_in() - start) as usize;
            match status {
                Ok(Status::Ok | Status::BufError) if out.len() == out.capacity() => {
                    out.reserve(out.len().max(64));
                }
                Ok(_) if used == data.len() => break,
                Ok(Status::Ok) => {}
                Ok(_) | Err(_) => return None,
            }
        }
        if !self.takeover {
            inner.reset();
        }
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        if out.is_empty() {
            // An empty message is one empty block (section 7.2.3.6).
            out.push(0);
        }
        Some(out)
    }
}
