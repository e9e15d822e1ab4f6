//! A stream as the client knows it, and the grammar of what comes on it.
//!
//! Rules of this room: no socket; each deviation is a failure that names its requirement where there is one.

use crate::server::failure::{Failure, Held, Of, check};
use crate::server::wire::{Framing, Head, escape};

/// How the server ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With END_STREAM: what came is whole.
    Complete,
    /// With RST_STREAM of this code before END_STREAM.
    Reset(u32),
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) method: String,
    /// What the server may still send.
    pub(super) window: i64,
    /// By how much the server has opened the window of what is sent to it.
    pub(super) granted: i64,
    pub(super) interim: Vec<Head>,
    pub(super) head: Option<Head>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<Vec<(String, Vec<u8>)>>,
    pub(super) ended: bool,
    /// The code of the server's RST_STREAM.
    pub(super) reset: Option<u32>,
    /// The client has reset it: what is still under way is not looked at.
    pub(super) cancelled: bool,
    /// How many frames came on it.
    pub(super) frames: usize,
}

/// Fields that belong to a connection of HTTP/1 (RFC 9113, section 8.2.2).
const OF_CONNECTION: [&str; 6] =
    ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "te"];

impl Stream {
    pub(super) fn new(method: String, window: i64) -> Self {
        Self {
            method,
            window,
            granted: 0,
            interim: Vec::new(),
            head: None,
            body: Vec::new(),
            trailers: None,
            ended: false,
            reset: None,
            cancelled: false,
            frames: 0,
        }
    }

    /// How it ended, if it did.
    pub(super) fn ending(&self) -> Option<Ended> {
        match (self.ended, self.reset) {
            (true, _) => Some(Ended::Complete),
            (false, Some(code)) => Some(Ended::Reset(code)),
            (false, None) => None,
        }
    }

    /// A frame of any kind but RST_STREAM, WINDOW_UPDATE and PRIORITY may come.
    pub(super) fn check_open(&self, name: &str) -> Held {
        let open = !self.ended && self.reset.is_none();
        let found = format!("a frame {name} after the end of the stream");
        check(open, "no more frames on a stream that the server has ended", found)
    }

    /// A field section has come.
    pub(super) fn section(&mut self, fields: Vec<(Vec<u8>, Vec<u8>)>, end: bool) -> Held {
        if self.head.is_some() {
            check(
                end,
                "trailer fields with END_STREAM",
                "a second field section without END_STREAM",
            )
            .of("REQ-H2-12")?;
            let pseudo = fields.iter().any(|(name, _)| name.starts_with(b":"));
            check(!pseudo, "no pseudo-field in trailers", "one of them")?;
            self.trailers = Some(ordinary(fields)?);
            self.ended = true;
            return self.check_length();
        }
        let head = head(fields)?;
        if (100..200).contains(&head.status) {
            check(!end, "an informational response without END_STREAM", "END_STREAM")?;
            self.interim.push(head);
            return Ok(());
        }
        self.head = Some(head);
        self.ended = end;
        if end { self.check_length() } else { Ok(()) }
    }

    /// Content has come.
    pub(super) fn content(&mut self, octets: &[u8], flow: usize, end: bool) -> Held {
        let Some(head) = &self.head else {
            return Err(Failure::new("a head before the content", "DATA"));
        };
        let status = head.status;
        if self.is_bodyless() {
            let expected =
                format!("no content in response to {} with status {status}", self.method);
            check(octets.is_empty(), expected, format!("\"{}\"", escape(octets)))
                .of("REQ-H2-11")?;
        }
        self.window -= i64::try_from(flow).unwrap_or(i64::MAX);
        check(
            self.window >= 0,
            "no more content than the window of the stream allows",
            format!("{} octets too many", -self.window),
        )
        .of("REQ-H2-13")?;
        self.body.extend_from_slice(octets);
        self.ended = end;
        if end { self.check_length() } else { Ok(()) }
    }

    fn is_bodyless(&self) -> bool {
        let status = self.head.as_ref().map_or(0, |head| head.status);
        self.method == "HEAD" || matches!(status, 204 | 304)
    }

    /// What came adds up to what was declared (RFC 9113, section 8.1.1).
    fn check_length(&self) -> Held {
        let Some(head) = self.head.as_ref().filter(|_| !self.is_bodyless()) else { return Ok(()) };
        let declared = head.all("content-length");
        match declared[..] {
            [] => Ok(()),
            [one] => {
                let length = self.body.len().to_string();
                check(
                    one == length.as_bytes(),
                    format!("content of the declared length {}", escape(one)),
                    format!("{length} octets and END_STREAM"),
                )
            }
            _ => Err(Failure::new("one Content-Length", format!("{} of them", declared.len()))),
        }
    }
}

/// The head of a response (RFC 9113, section 8.3.2).
fn head(mut fields: Vec<(Vec<u8>, Vec<u8>)>) -> Held<Head> {
    let status = match fields.first() {
        Some((name, value)) if name == b":status" => value.clone(),
        _ => return Err(Failure::new(":status as the first field of a response", "another one")),
    };
    let text = String::from_utf8_lossy(&status).into_owned();
    let number = text.parse::<u16>().ok().filter(|_| status.len() == 3);
    let status = number.ok_or_else(|| Failure::new("a status of three digits", text))?;
    fields.remove(0);
    Ok(Head {
        minor: 0,
        status,
        reason: Vec::new(),
        fields: ordinary(fields)?,
        framing: Framing::Frames,
    })
}

/// Fields that are no pseudo-fields, checked.
fn ordinary(fields: Vec<(Vec<u8>, Vec<u8>)>) -> Held<Vec<(String, Vec<u8>)>> {
    let token = |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet);
    let mut checked = Vec::new();
    for (name, value) in fields {
        let shown = format!("{}: {}", escape(&name), escape(&value));
        let small = token_of(&name, token);
        check(small, "field names that are tokens in small letters", &shown)?;
        let fine = !value.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n'));
        check(fine, "a field value without NUL, CR and LF", &shown)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        check(!OF_CONNECTION.contains(&&*name), "no connection-specific field in HTTP/2", &shown)
            .of("REQ-H2-10")?;
        checked.push((name, value));
    }
    Ok(checked)
}

fn token_of(name: &[u8], token: impl Fn(&u8) -> bool) -> bool {
    !name.is_empty() && name.iter().all(|octet| token(octet) && !octet.is_ascii_uppercase())
}
