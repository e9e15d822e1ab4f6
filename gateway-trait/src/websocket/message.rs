//! What crosses a WebSocket: messages, and how it is closed.
//!
//! Rules of this room: what exists can be sent; a code or a reason that RFC 6455 forbids cannot be made.

use std::fmt;

use bytes::Bytes;

use crate::upgrade::link::{SessionKind, SessionPiece};

/// A message, whole (REQ-WS-07).
///
/// ```
/// use rwgi::Message;
/// assert_eq!(Message::from("hello").as_text(), Some("hello"));
/// assert_eq!(Message::from(vec![0xff]).as_text(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text, which is UTF-8.
    Text(String),
    /// Octets.
    Binary(Bytes),
}

impl Message {
    /// Its size in bytes, of text, too.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
        }
    }

    /// Whether it has no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its content, whichever kind it is.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Bytes> for Message {
    fn from(data: Bytes) -> Self {
        Self::Binary(data)
    }
}

impl From<Vec<u8>> for Message {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(data.into())
    }
}

/// A status code with which an application may close (RFC 6455, section 7.4; REQ-WS-14).
///
/// ```
/// use rwgi::CloseCode;
/// assert_eq!(CloseCode::new(4001).map(u16::from), Some(4001));
/// assert_eq!(CloseCode::new(1006), None); // never on the wire
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down, or a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the client broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: data of a kind that is not accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1007: data that is not of the kind it says, as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: against a policy.
    pub const POLICY: Self = Self(1008);
    /// 1009: too large.
    pub const TOO_LARGE: Self = Self(1009);
    /// 1011: an unexpected condition on this side.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// A code that may stand in a Close frame: 1000 to 1003, 1007 to 1014, 3000 to 4999; `None` for every other (REQ-WS-14).
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a WebSocket ended (REQ-WS-28).
///
/// An error by `?` in an application, so that a message that should have come and did not is a failure; a loop ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The code: what the client's Close frame said, 1005 where it said none, 1006 where there was no Close frame; where the server closed
    /// first, its own.
    pub code: u16,
    /// The reason, beside the code: 123 bytes at most, often empty.
    pub reason: String,
    /// Whether both sides have closed, in order.
    pub clean: bool,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the WebSocket was closed with {}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, " ({:?})", self.reason)?;
        }
        f.write_str(if self.clean { "" } else { ", not cleanly" })
    }
}

impl std::error::Error for Closed {}

/// A close, as the application asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    reason: String,
}

/// What a Close frame has room for beside the code.
const REASON_BYTES: usize = 123;

impl CloseFrame {
    /// Of a code and a reason, which is cut where a Close frame has no more room (after 123 bytes, at a character's end).
    ///
    /// ```
    /// use rwgi::{CloseCode, CloseFrame};
    /// assert_eq!(CloseFrame::new(CloseCode::NORMAL, "é".repeat(100)).reason().len(), 122);
    /// ```
    pub fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if reason.len() > REASON_BYTES {
            let end =
                (0..=REASON_BYTES).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
            reason.truncate(end);
        }
        Self { code, reason }
    }

    /// The code.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason, 123 bytes at most.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// What the application gives to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A message.
    Message(Message),
    /// The close; nothing follows it.
    Close(CloseFrame),
}

/// WebSocket messages, as they cross a session: the [`SessionKind`] of a [`WebSocket`](crate::WebSocket).
#[derive(Debug)]
pub enum Messages {}

impl SessionKind for Messages {
    type In = Message;
    type Out = Outgoing;
    type End = Closed;

    const ENDS_BOTH: bool = true;

    fn departed() -> Closed {
        Closed { code: 1006, reason: String::new(), clean: false }
    }
}

impl SessionPiece for Message {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl SessionPiece for Outgoing {
    fn weight(&self) -> usize {
        match self {
            Self::Message(message) => message.len(),
            Self::Close(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Evidence: REQ-WS-14
    #[test]
    fn codes_and_reasons_that_cannot_be_sent_cannot_be_made() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert_eq!(CloseCode::new(code), None, "{code}");
        }
        for code in [1000, 1003, 1007, 1014, 3000, 4999] {
            assert_eq!(CloseCode::new(code).map(u16::from), Some(code));
        }
        let frame = CloseFrame::new(CloseCode::NORMAL, "é".repeat(100));
        assert_eq!(frame.reason(), "é".repeat(61));
        assert_eq!(CloseFrame::new(CloseCode::NORMAL, "x".repeat(123)).reason().len(), 123);
    }
}
