//! WebSocket on the control server: frames and messages, once more and by other means than the reference server's.
//!
//! Rules of this room: blocking, on the connection's thread, and simple; each rule is kept at one place, where its flaw switches it off.

mod deflate;
mod flaw;
mod incoming;

use std::time::{Duration, Instant};

use rwgi::{
    Acceptance, Closed, Message, Messages, Outgoing, Ping, SessionHalf, UpgradeOffer,
    WebSocketOffer,
};

use self::deflate::Deflate;
pub use self::flaw::WebSocketFlaw;
use super::drive::Gone;
use super::inbound::Brought;
use super::line::{Line, Lines};
use super::violation::Switch;
use WebSocketFlaw as Flaw;

/// A message is as large as this where the application says nothing.
const LIMIT: usize = 1024 * 1024;
/// How long an answer to a Close frame is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A broken rule: the code that closes.
type Broken = u16;

struct Carrier<'a> {
    line: &'a dyn Line,
    half: SessionHalf<Messages>,
    limit: usize,
    deflate: Option<Deflate>,
    /// What has come and is no whole frame yet.
    buffer: Vec<u8>,
    /// The message that is being read: its first octet, and what has come.
    message: Option<(u8, Vec<u8>)>,
    pongs: Vec<Vec<u8>>,
    said: bool,
    heard: bool,
}

/// A frame of the client.
struct Frame {
    first: u8,
    payload: Vec<u8>,
}

/// Sends the head of an acceptance and carries the session to its end.
pub(super) fn carry(
    line: &dyn Line,
    half: SessionHalf<Messages>,
    acceptance: &Acceptance,
    offer: Option<&UpgradeOffer>,
    own: Lines,
) -> Result<(), Gone> {
    let off = |flaw| line.websocket_off(flaw);
    let offer = offer.and_then(UpgradeOffer::websocket);
    let compresses = acceptance.allows_compression() || off(Flaw::DeflatesAnyway);
    let offers = offer.into_iter().flat_map(WebSocketOffer::extensions).filter(|_| compresses);
    let flaw = match line.server().switch() {
        Some(Switch::WebSocket(flaw)) => Some(flaw),
        _ => None,
    };
    let deflate = if off(Flaw::NoDeflate) { None } else { Deflate::agree(offers, flaw) };
    let mut fields = Lines::new();
    let key = offer.and_then(WebSocketOffer::key);
    if let Some(key) = key.or(off(Flaw::AcceptsWithoutKey).then_some("")) {
        let key = if off(Flaw::WrongAccept) { "x" } else { key };
        fields.push(("sec-websocket-accept".to_owned(), deflate::accept(key).into_bytes()));
    }
    if let Some(deflate) = &deflate {
        let response = deflate.response.clone().into_bytes();
        fields.push(("sec-websocket-extensions".to_owned(), response));
    }
    if !off(Flaw::NoFields) {
        fields.extend(own);
    }
    line.take_over("websocket", fields)?;
    let mut carrier = Carrier {
        line,
        half,
        limit: acceptance.chosen_message_limit().unwrap_or(LIMIT),
        deflate,
        buffer: Vec::new(),
        message: None,
        pongs: Vec::new(),
        said: false,
        heard: false,
    };
    carrier.run(acceptance)?;
    let _ = carrier.half.finish();
    Ok(())
}

impl Carrier<'_> {
    fn off(&self, flaw: Flaw) -> bool {
        self.line.websocket_off(flaw)
    }

    fn run(&mut self, acceptance: &Acceptance) -> Result<(), Gone> {
        let mut seen = Instant::now();
        let mut pinged = false;
        loop {
            let line = self.line;
            let returned = self.half.poll_application(&mut line.context()).is_ready();
            let _ = self.half.park(&line.context());
            self.send()?;
            if returned && !self.said {
                let failed = self.half.result().is_some_and(Result::is_err);
                let code = match failed {
                    true if self.off(Flaw::FailsNormally) => 1000,
                    false if self.off(Flaw::LeavesBadly) => 1011,
                    true => 1011,
                    false => 1000,
                };
                self.close(Some(code), "")?;
                seen = Instant::now();
            }
            if !self.said && line.server().is_stopping() {
                self.close(Some(1001), "")?;
                seen = Instant::now();
            }
            let over = self.said && self.heard;
            let late = self.said && seen.elapsed() > PATIENCE;
            if (over && returned || late) && !self.off(Flaw::StaysOpen) {
                if !self.heard {
                    self.end(1006, "", false);
                    self.heard = true;
                }
                if returned {
                    return Ok(());
                }
            }
            match line.read(&mut self.buffer, Duration::from_millis(2))? {
                Brought::Reset => return Err(Gone),
                Brought::End => {
                    self.end(if self.off(Flaw::TellsNormal) { 1000 } else { 1006 }, "", false);
                    (self.said, self.heard) = (true, true);
                }
                Brought::More => {
                    seen = Instant::now();
                    pinged = false;
                }
                Brought::Nothing => {}
            }
            if let Some(Ping::Every { idle, .. }) = acceptance.chosen_ping()
                && !pinged
                && seen.elapsed() > idle
                && !self.off(Flaw::NoPing)
            {
                pinged = true;
                self.frame(0x89, b"")?;
            }
            line.check()?;
            while !self.heard || self.off(Flaw::AfterClose) {
                match self.read() {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        if let Err(code) = self.take(frame)? {
                            self.broken(code)?;
                        }
                    }
                    Err(code) => self.broken(code)?,
                }
                // What was taken is answered before the next, so that no amount of it is held.
                let _ = self.half.poll_application(&mut line.context());
                self.send()?;
                if self.message.is_none() {
                    for pong in std::mem::take(&mut self.pongs) {
                        self.frame(0x8a, &pong)?;
                    }
                }
            }
            if self.off(Flaw::WholePieces) {
                self.buffer.clear();
            }
        }
    }

    fn end(&mut self, code: u16, reason: &str, clean: bool) {
        let code = if self.off(Flaw::TellsAbnormal) { 1006 } else { code };
        let closed = Closed { code, reason: reason.to_owned(), clean };
        let line = self.line;
        self.half.give_end(closed, &line.context());
    }

    fn broken(&mut self, code: Broken) -> Result<(), Gone> {
        self.heard = true;
        if self.off(Flaw::Silent) {
            return Err(Gone);
        }
        self.end(code, "", false);
        self.buffer.clear();
        self.close(Some(if self.off(Flaw::WrongCode) { 1000 } else { code }), "")
    }

    /// Sends what the application gave.
    fn send(&mut self) -> Result<(), Gone> {
        let line = self.line;
        while let Some(outgoing) = self.half.take(&line.context()) {
            match outgoing {
                Outgoing::Message(message) if !self.said => self.message_out(&message)?,
                Outgoing::Message(_) => {}
                Outgoing::Close(_) if self.off(Flaw::OwnClose) => self.close(Some(1000), "")?,
                Outgoing::Close(close) => self.close(Some(close.code().into()), close.reason())?,
            }
        }
        Ok(())
    }

    fn message_out(&mut self, message: &Message) -> Result<(), Gone> {
        let mut text = matches!(message, Message::Text(_));
        if self.off(Flaw::WrongKind) {
            text = !text;
        }
        let mut data = message.as_bytes().to_vec();
        if self.off(Flaw::Shortens) {
            data.pop();
        }
        let first = if text { 0x81 } else { 0x82 };
        match &mut self.deflate {
            Some(deflate) if !data.is_empty() => {
                let deflated = deflate.deflated(&data);
                self.frame(first | 0x40, &deflated)
            }
            _ => self.frame(first, &data),
        }
    }

    fn close(&mut self, code: Option<u16>, reason: &str) -> Result<(), Gone> {
        if std::mem::replace(&mut self.said, true) || self.off(Flaw::NoClose) {
            return Ok(());
        }
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend(code.to_be_bytes());
            payload.extend(reason.as_bytes());
        }
        self.frame(0x88, &payload)
    }

    fn frame(&self, first: u8, payload: &[u8]) -> Result<(), Gone> {
        let masks = if self.off(Flaw::Masks) { 0x80 } else { 0 };
        let mut octets = vec![first];
        match payload.len() {
            length @ 0..126 => octets.push(masks | length as u8),
            length if length <= 0xffff || self.off(Flaw::ShortLengths) => {
                octets.push(masks | 126);
                octets.extend((length as u16).to_be_bytes());
            }
            length => {
                octets.push(masks | 127);
                octets.extend((length as u64).to_be_bytes());
            }
        }
        if masks > 0 {
            octets.extend([0; 4]);
        }
        octets.extend(payload);
        self.line.write(&octets)
    }
}
