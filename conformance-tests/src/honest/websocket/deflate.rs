//! permessage-deflate and the handshake's digest on the control server.
//!
//! Rules of this room: as plain as can be; whole messages in, whole messages out.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::WebSocketFlaw as Flaw;

pub(super) struct Deflate {
    pub(super) response: String,
    flaw: Option<Flaw>,
    out: Compress,
    out_takeover: bool,
    inflate: Decompress,
    in_takeover: bool,
}

impl Deflate {
    pub(super) fn agree<'a>(
        offers: impl Iterator<Item = &'a str>,
        flaw: Option<Flaw>,
    ) -> Option<Self> {
        offers.into_iter().find_map(|offer| Self::accept(offer, flaw))
    }

    fn accept(offer: &str, flaw: Option<Flaw>) -> Option<Self> {
        let mut parts = offer.split(';').map(str::trim);
        if parts.next() != Some("permessage-deflate") {
            return None;
        }
        let any = flaw == Some(Flaw::AnyOffer);
        let mut response = "permessage-deflate".to_owned();
        let (mut server, mut client) = (15, 15);
        let (mut out_takeover, mut in_takeover) = (true, true);
        let mut seen = Vec::new();
        for part in parts {
            let (name, value) =
                part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
            let bits = value
                .filter(|value| !value.starts_with('0'))
                .and_then(|value| value.parse::<u8>().ok());
            let bits = bits.filter(|bits| (8..=15).contains(bits));
            let good = match (name, value) {
                ("server_no_context_takeover", None) => {
                    out_takeover = false;
                    true
                }
                ("client_no_context_takeover", None) => {
                    in_takeover = false;
                    true
                }
                ("server_max_window_bits", Some(_)) => {
                    server = bits.unwrap_or(15);
                    bits.is_some()
                }
                ("client_max_window_bits", Some(_)) => {
                    client = bits.unwrap_or(15);
                    bits.is_some()
                }
                ("client_max_window_bits", None) => true,
                _ => false,
            };
            if (!good || seen.contains(&name)) && !any {
                return None;
            }
            if part != "client_max_window_bits" {
                response.push_str("; ");
                response.push_str(part);
            }
            seen.push(name);
        }
        if flaw == Some(Flaw::LargeWindow) {
            server = 15;
        }
        Some(Self {
            response,
            flaw,
            out: Compress::new_with_window_bits(Compression::fast(), false, server.max(9)),
            out_takeover: out_takeover || flaw == Some(Flaw::KeepsContext),
            inflate: Decompress::new_with_window_bits(false, client.max(9)),
            in_takeover: in_takeover && flaw != Some(Flaw::ForgetsContext),
        })
    }

    pub(super) fn deflated(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(data.len() + data.len() / 8 + 256);
        let _ = self.out.compress_vec(data, &mut out, FlushCompress::Sync);
        if !self.out_takeover {
            self.out.reset();
        }
        out.truncate(out.len() - if out.ends_with(&[0, 0, 0xff, 0xff]) { 4 } else { 0 });
        out
    }

    pub(super) fn inflated(&mut self, data: &[u8], limit: usize) -> Result<Vec<u8>, u16> {
        let data = [data, &[0, 0, 0xff, 0xff]].concat();
        let mut whole = Vec::new();
        let mut at = 0;
        loop {
            let mut step = Vec::with_capacity(16 * 1024);
            let before = self.inflate.total_in();
            let Ok(status) =
                self.inflate.decompress_vec(&data[at..], &mut step, FlushDecompress::Sync)
            else {
                if self.flaw == Some(Flaw::RepairsDeflate) {
                    self.inflate.reset(false);
                    return Ok(Vec::new());
                }
                return Err(1007);
            };
            at += (self.inflate.total_in() - before) as usize;
            let full = step.len() == step.capacity();
            whole.extend(step);
            if whole.len() > limit && self.flaw != Some(Flaw::NoInflationLimit) {
                return Err(1009);
            }
            if status == flate2::Status::StreamEnd {
                self.inflate.reset(false);
            }
            if at == data.len() && !full {
                break;
            }
        }
        if !self.in_takeover {
            self.inflate.reset(false);
        }
        Ok(whole)
    }
}

/// Sec-WebSocket-Accept (RFC 6455, section 4.2.2): SHA-1, by RFC 3174, and base64.
pub(crate) fn accept(key: &str) -> String {
    base64(&sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()))
}

fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        let mut words = [0_u32; 80];
        for (word, octets) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = octets.iter().fold(0, |word, octet| word << 8 | u32::from(*octet));
        }
        for at in 16..80 {
            words[at] =
                (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (at, word) in words.iter().enumerate() {
            let (f, k) = match at {
                0..20 => (b & c | !b & d, 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(f)
                .wrapping_add(e)
                .wrapping_add(k)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (octets, word) in digest.chunks_exact_mut(4).zip(state) {
        octets.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in data.chunks(3) {
        let bits =
            (0..3).fold(0, |bits, at| bits << 8 | usize::from(group.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = DIGITS[bits >> (18 - 6 * at) & 63];
            text.push(if at <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_digest_is_that_of_the_rfc() {
        assert_eq!(super::accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
