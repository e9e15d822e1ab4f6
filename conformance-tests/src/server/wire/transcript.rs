//! What passed between suite and server, for a person to read.
//!
//! Rules of this room: octets are shown escaped and in their order; what is long is shortened in the middle, with the
//! number of octets left out.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;

/// The lines of one case; clones write to the same transcript.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    lines: Rc<RefCell<Vec<Line>>>,
}

#[derive(Debug)]
struct Line {
    connection: usize,
    kind: Kind,
    octets: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sent,
    Received,
    /// One line in words for what was sent, or received, in octets that nobody can read.
    SentWords,
    ReceivedWords,
    Note,
}

/// Octets of one direction are shown up to this number from either end.
const SHOWN: usize = 1200;

impl Transcript {
    pub(super) fn sent(&self, connection: usize, octets: &[u8]) {
        self.add(connection, Kind::Sent, octets);
    }

    pub(super) fn received(&self, connection: usize, octets: &[u8]) {
        self.add(connection, Kind::Received, octets);
    }

    pub(super) fn sent_words(&self, connection: usize, text: &str) {
        text.lines().for_each(|line| self.add(connection, Kind::SentWords, line.as_bytes()));
    }

    pub(super) fn received_words(&self, connection: usize, text: &str) {
        text.lines().for_each(|line| self.add(connection, Kind::ReceivedWords, line.as_bytes()));
    }

    /// Says what happened beside the octets: a close, a reset, a deadline.
    pub fn note(&self, connection: usize, text: &str) {
        self.add(connection, Kind::Note, text.as_bytes());
    }

    fn add(&self, connection: usize, kind: Kind, octets: &[u8]) {
        let mut lines = self.lines.borrow_mut();
        match lines.last_mut() {
            Some(last)
                if last.connection == connection
                    && last.kind == kind
                    && matches!(kind, Kind::Sent | Kind::Received) =>
            {
                last.octets.extend_from_slice(octets);
            }
            _ => lines.push(Line { connection, kind, octets: octets.to_vec() }),
        }
    }

    /// The transcript as text: `>` was sent, `<` was received, `*` happened.
    pub fn text(&self) -> String {
        let lines = self.lines.borrow();
        let several = lines.iter().any(|line| line.connection > 1);
        let mut text = String::new();
        for line in lines.iter() {
            let sign = match line.kind {
                Kind::Sent | Kind::SentWords => '>',
                Kind::Received | Kind::ReceivedWords => '<',
                Kind::Note => '*',
            };
            let head =
                if several { format!("{} {sign} ", line.connection) } else { format!("{sign} ") };
            if !matches!(line.kind, Kind::Sent | Kind::Received) {
                let _ = writeln!(text, "{head}{}", String::from_utf8_lossy(&line.octets));
                continue;
            }
            for part in shortened(&line.octets) {
                let _ = writeln!(text, "{head}{part}");
            }
        }
        text
    }
}

/// The escaped lines of some octets, the middle left out where they are many.
fn shortened(octets: &[u8]) -> Vec<String> {
    if octets.len() <= 2 * SHOWN + 100 {
        return split(octets);
    }
    let mut parts = split(&octets[..SHOWN]);
    parts.push(format!("… {} octets …", octets.len() - 2 * SHOWN));
    parts.extend(split(&octets[octets.len() - SHOWN..]));
    parts
}

fn split(octets: &[u8]) -> Vec<String> {
    octets.split_inclusive(|octet| *octet == b'\n').map(escape).collect()
}

/// Octets as a person can read them: `\r\n`, `\x00`, text as it is.
pub fn escape(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for octet in octets {
        match octet {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(*octet)),
            _ => {
                let _ = write!(text, "\\x{octet:02x}");
            }
        }
    }
    text
}
