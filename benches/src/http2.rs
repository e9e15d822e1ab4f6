//! One connection of the load that speaks HTTP/2 (RFC 9113), without TLS and with prior knowledge.
//!
//! Rules of this room: only what a load needs: GETs without content, windows so wide that no server waits for one; the fields of the request go
//! into the server's table with the first one, as those of a browser or of h2load do; an answer counts at its last frame, if it was 200.

use std::time::Instant;

use crate::Result;
use crate::load::{Answers, Wire};
use crate::routes::Route;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// A frame's head: length, type, flags, stream.
const HEAD: usize = 9;
/// The widest window.
const WIDEST: u32 = (1 << 31) - 1;

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    route: Route,
    next_id: u32,
    open: Vec<Open>,
    /// Octets of an unfinished frame.
    kept: Vec<u8>,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Open {
    id: u32,
    since: Instant,
    received: u64,
}

impl Connection {
    pub(crate) fn new(mut wire: Wire, route: Route) -> Self {
        let out = &mut wire.unsent;
        out.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frame(out, SETTINGS, 0, 0, &[&[0, 4][..], &WIDEST.to_be_bytes()].concat());
        frame(out, WINDOW_UPDATE, 0, 0, &(WIDEST - 65_535).to_be_bytes());
        Self { wire, route, next_id: 1, open: Vec::new(), kept: Vec::new() }
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn send(&mut self, requests: usize, since: Instant) -> Result<()> {
        for _ in 0..requests {
            let block =
                if self.next_id == 1 { first_block(self.route) } else { LATER_BLOCK.to_vec() };
            let flags = END_STREAM | END_HEADERS;
            frame(&mut self.wire.unsent, HEADERS, flags, self.next_id, &block);
            self.open.push(Open { id: self.next_id, since, received: 0 });
            self.next_id += 2;
        }
        self.wire.flush()
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8], answers: &mut Answers) -> Result<()> {
        loop {
            let kept = self.kept.len();
            buffer[..kept].copy_from_slice(&self.kept);
            let Some(length) = self.wire.read(&mut buffer[kept..])? else { return Ok(()) };
            let end = kept + length;
            let mut start = 0;
            while let Some(size) = whole_frame(&buffer[start..end]) {
                self.frame(&buffer[start..start + size], answers)?;
                start += size;
            }
            self.kept.clear();
            self.kept.extend_from_slice(&buffer[start..end]);
            if end < buffer.len() {
                return self.wire.flush();
            }
        }
    }

    fn frame(&mut self, octets: &[u8], answers: &mut Answers) -> Result<()> {
        let (head, payload) = octets.split_at(HEAD);
        let (kind, flags) = (head[3], head[4]);
        let id = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        match kind {
            SETTINGS if flags & ACK == 0 => frame(&mut self.wire.unsent, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => frame(&mut self.wire.unsent, PING, ACK, 0, payload),
            HEADERS | DATA => {
                let place = self.open.iter().position(|open| open.id == id);
                let place = place.ok_or("an answer on a stream that is not open")?;
                let open = &mut self.open[place];
                if kind == DATA {
                    open.received += payload.len() as u64;
                } else if !is_200(payload) {
                    return Err("an answer of another status than 200".into());
                }
                if flags & END_STREAM != 0 {
                    if open.received != self.route.answer_length() {
                        let length = open.received;
                        return Err(
                            format!("an answer of /{} has {length} bytes", self.route).into()
                        );
                    }
                    answers.add(open.since);
                    self.open.swap_remove(place);
                }
            }
            RST_STREAM | GOAWAY => return Err("the server gave up under load".into()),
            _ => {}
        }
        Ok(())
    }
}

/// The length of the frame at the beginning, where all of it is there.
fn whole_frame(octets: &[u8]) -> Option<usize> {
    let head: &[u8; HEAD] = octets.first_chunk()?;
    let length = HEAD + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    (octets.len() >= length).then_some(length)
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(payload);
}

/// GET and http of HPACK's static table, and four fields that enter the dynamic one.
fn first_block(route: Route) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    let path = format!("/{route}");
    // :path, :authority, user-agent and accept by their places in the static table.
    for (name, value) in [(4, path.as_str()), (1, "localhost"), (58, "rwgi-benches"), (19, "*/*")] {
        block.extend_from_slice(&[0x40 | name, value.len() as u8]);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// The same by their places in the tables, where the latest entry is number 62.
const LATER_BLOCK: [u8; 6] = [0x82, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62];

/// Whether a block begins with the status 200, after a new size of the table if there is one.
fn is_200(block: &[u8]) -> bool {
    block.iter().find(|octet| *octet & 0xe0 != 0x20) == Some(&0x88)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_is_written() {
        let mut octets = Vec::new();
        frame(&mut octets, HEADERS, END_STREAM, 5, &[0x88]);
        assert_eq!(octets, [0, 0, 1, HEADERS, END_STREAM, 0, 0, 0, 5, 0x88]);
        assert_eq!(whole_frame(&octets), Some(10));
        assert_eq!(whole_frame(&octets[..9]), None);
        assert!(is_200(&octets[HEAD..]) && is_200(&[0x20, 0x88]) && !is_200(&[0x8d]));
    }
}
