//! What processes say to each other through Redis: a line of JSON, and the message behind it.
//!
//! Rules of this room: values in, values out; what cannot be read is dropped by whoever reads it, with a line in the log.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "lowercase")]
pub(super) enum Head {
    /// A message to a channel of the process.
    Message { channel: String, reply: Reply },
    /// A message to all channels of the process in a group.
    Group { group: String, reply: Reply },
    /// A channel of the process is to join a group.
    Join { group: String, channel: String, reply: Reply },
    /// A channel of the process is to leave a group.
    Leave { group: String, channel: String, reply: Reply },
    /// Which channels of the process are in a group?
    Members { group: String, reply: Reply },
    /// An answer to one of these.
    Answer { question: u64, answer: Answer },
}

/// Who asked, and what the question is called there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) process: String,
    pub(super) question: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) process: String,
    #[serde(default)]
    pub(super) delivered: u64,
    #[serde(default)]
    pub(super) full: u64,
    /// There is no such channel.
    #[serde(default)]
    pub(super) gone: bool,
    #[serde(default)]
    pub(super) capacity: usize,
    #[serde(default)]
    pub(super) members: Vec<String>,
}

pub(super) fn write(head: &Head, message: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut frame = serde_json::to_vec(head)?;
    frame.push(b'\n');
    frame.extend_from_slice(message);
    Ok(frame)
}

/// Reads a frame with its number in front; 0 is the number of what is not numbered.
pub(super) fn read(frame: Bytes) -> Option<(u64, Head, Bytes)> {
    let colon = frame.iter().position(|octet| *octet == b':')?;
    let line = frame.iter().position(|octet| *octet == b'\n')?;
    let number = std::str::from_utf8(frame.get(..colon)?).ok()?.parse().ok()?;
    let head = serde_json::from_slice(frame.get(colon + 1..line)?).ok()?;
    Some((number, head, frame.slice(line + 1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_and_rubbish_cannot() {
        let head = Head::Group {
            group: "g".to_owned(),
            reply: Reply { process: "p".to_owned(), question: 7 },
        };
        let mut frame = b"12:".to_vec();
        frame.extend(write(&head, b"a\nb:c").unwrap());
        assert_eq!(read(frame.into()), Some((12, head, Bytes::from_static(b"a\nb:c"))));
        for rubbish in
            ["", ":", "\n", "1:{}\n", "x:{}\n", "\n1:", "1:\n", "99999999999999999999:{}\n"]
        {
            assert_eq!(read(Bytes::from_static(rubbish.as_bytes())), None, "{rubbish:?}");
        }
    }
}
