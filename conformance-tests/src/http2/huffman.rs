//! The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B).
//!
//! Rules of this room: the code is canonical, so that the lengths alone tell it; what is not padded as the RFC says is an error.

/// The length of each octet's code, and that of the end of the string.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// For each length of a code: the first code of that length, and the place of its symbol in the order of codes.
struct Code {
    first: [u32; 32],
    start: [usize; 32],
    count: [usize; 32],
    symbols: [u16; 257],
}

const CODE: Code = {
    let mut code = Code { first: [0; 32], start: [0; 32], count: [0; 32], symbols: [0; 257] };
    let mut next = 0;
    let mut placed = 0;
    let mut length = 1;
    while length < 32 {
        code.first[length] = next;
        code.start[length] = placed;
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == length {
                code.symbols[placed] = symbol as u16;
                placed += 1;
                next += 1;
            }
            symbol += 1;
        }
        code.count[length] = placed - code.start[length];
        next <<= 1;
        length += 1;
    }
    code
};

/// Decodes a string; `None` where it is not one.
pub(super) fn decode(octets: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let (mut bits, mut length) = (0_u32, 0_usize);
    for octet in octets {
        for place in (0..8).rev() {
            bits = bits << 1 | u32::from(octet >> place & 1);
            length += 1;
            if length >= 32 {
                return None;
            }
            let index = bits.wrapping_sub(CODE.first[length]) as usize;
            if bits >= CODE.first[length] && index < CODE.count[length] {
                // The end of the string is never written out.
                decoded.push(u8::try_from(CODE.symbols[CODE.start[length] + index]).ok()?);
                (bits, length) = (0, 0);
            }
        }
    }
    // What is left is padding: the most significant bits of the end of the string, fewer than eight.
    (length < 8 && bits == (1 << length) - 1).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        let www = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decode(&www).unwrap(), b"www.example.com");
        assert_eq!(decode(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).unwrap(), b"no-cache");
        assert_eq!(decode(&[0x64, 0x02]).unwrap(), b"302");
        assert_eq!(decode(&[]).unwrap(), b"");
    }

    #[test]
    fn wrong_padding_and_the_end_of_the_string_are_refused() {
        // "302" with a zero in its padding, an octet of padding alone, and the end of the string written out.
        assert_eq!(decode(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbe]), None);
        assert_eq!(decode(&[0xff]), None);
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff]), None);
    }
}
