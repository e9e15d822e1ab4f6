//! Field compression (RFC 7541): an encoder that compresses nothing, and a decoder that understands everything.
//!
//! Rules of this room: the encoder writes names and values as they are given, however wrong; the decoder gives back what stood
//! there, or says why it is not HPACK.

use super::huffman;
use super::table::{Pair, Table};

/// The size of a dynamic table before anybody says otherwise.
const TABLE_SIZE: usize = 4096;

/// A field block of literals that are never indexed.
pub(crate) fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    fields: impl IntoIterator<Item = (N, V)>,
) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        text(&mut block, name.as_ref());
        text(&mut block, value.as_ref());
    }
    block
}

fn text(block: &mut Vec<u8>, octets: &[u8]) {
    let mut rest = octets.len();
    if rest < 0x7f {
        block.push(rest as u8);
    } else {
        block.push(0x7f);
        rest -= 0x7f;
        while rest >= 0x80 {
            block.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        block.push(rest as u8);
    }
    block.extend_from_slice(octets);
}

/// The decoder of one direction of a connection.
#[derive(Debug)]
pub(crate) struct Decoder {
    table: Table,
    /// What the reader's own settings allow the table to become.
    allowed: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { table: Table::new(TABLE_SIZE), allowed: TABLE_SIZE }
    }
}

impl Decoder {
    /// Decodes a whole field block.
    pub(crate) fn decode(&mut self, mut block: &[u8]) -> Result<Vec<Pair>, &'static str> {
        let mut fields: Vec<Pair> = Vec::new();
        while let Some(first) = block.first().copied() {
            match first {
                0x80.. => {
                    let index = integer(&mut block, 7)?;
                    fields.push(self.table.get(index).ok_or("an index beyond the tables")?);
                }
                0x40.. => {
                    let pair = self.literal(&mut block, 6)?;
                    self.table.add(pair.clone());
                    fields.push(pair);
                }
                0x20.. => {
                    if !fields.is_empty() {
                        return Err("a change of the table's size after a field");
                    }
                    let size = integer(&mut block, 5)?;
                    if size > self.allowed {
                        return Err("a table larger than the settings allow");
                    }
                    self.table.resize(size);
                }
                _ => fields.push(self.literal(&mut block, 4)?),
            }
        }
        Ok(fields)
    }

    fn literal(&self, block: &mut &[u8], prefix: u32) -> Result<Pair, &'static str> {
        let name = match integer(block, prefix)? {
            0 => string(block)?,
            index => self.table.get(index).ok_or("a name's index beyond the tables")?.0,
        };
        Ok((name, string(block)?))
    }
}

fn integer(block: &mut &[u8], prefix: u32) -> Result<usize, &'static str> {
    let short = "a field block that breaks off";
    let most = (1_usize << prefix) - 1;
    let (first, rest) = block.split_first().ok_or(short)?;
    *block = rest;
    let mut value = usize::from(*first) & most;
    if value < most {
        return Ok(value);
    }
    for shift in (0..28).step_by(7) {
        let (octet, rest) = block.split_first().ok_or(short)?;
        *block = rest;
        value += usize::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number that is too large")
}

fn string(block: &mut &[u8]) -> Result<Vec<u8>, &'static str> {
    let short = "a string that breaks off";
    let coded = block.first().ok_or(short)? & 0x80 != 0;
    let length = integer(block, 7)?;
    let (octets, rest) = block.split_at_checked(length).ok_or(short)?;
    *block = rest;
    if coded {
        huffman::decode(octets).ok_or("a string that is not Huffman-coded")
    } else {
        Ok(octets.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    }

    fn texts(fields: &[Pair]) -> Vec<String> {
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        fields.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
    }

    #[test]
    fn the_requests_of_appendix_c_4() {
        let mut decoder = Decoder::default();
        let first = decoder.decode(&hex("828684418cf1e3c2e5f23a6ba0ab90f4ff")).unwrap();
        let plain = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
        assert_eq!(texts(&first), plain);
        let second = decoder.decode(&hex("828684be5886a8eb10649cbf")).unwrap();
        assert_eq!(texts(&second)[..4], plain);
        assert_eq!(texts(&second)[4], "cache-control: no-cache");
        let third = "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf";
        assert_eq!(texts(&decoder.decode(&hex(third)).unwrap())[4], "custom-key: custom-value");
    }

    #[test]
    fn entries_leave_the_table_as_in_appendix_c_6() {
        let mut decoder = Decoder::default();
        decoder.table.resize(256);
        let blocks = [
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            "4883640effc1c0bf",
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        ];
        let decoded: Vec<_> =
            blocks.iter().map(|block| texts(&decoder.decode(&hex(block)).unwrap())).collect();
        assert_eq!(decoded[0][0], ":status: 302");
        assert_eq!(decoded[1][1..], decoded[0][1..]);
        assert_eq!(decoded[2][2], "date: Mon, 21 Oct 2013 20:13:22 GMT");
        assert_eq!(
            decoded[2][5],
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
        );
    }

    #[test]
    fn what_is_encoded_is_decoded_however_wrong_and_long() {
        let long = vec![b'x'; 100_000];
        let fields = [
            (b"Upper".to_vec(), b"a\nb".to_vec()),
            (b"long".to_vec(), long),
            (Vec::new(), Vec::new()),
        ];
        let block = encode(fields.iter().map(|(name, value)| (name, value)));
        assert_eq!(Decoder::default().decode(&block).unwrap(), fields);
    }

    #[test]
    fn what_is_no_field_block_is_refused() {
        for block in ["80", "be", "7f", "00", "0001", "ffffffffffff7f", "3fffff7f", "8220"] {
            assert!(Decoder::default().decode(&hex(block)).is_err(), "{block}");
        }
    }
}
