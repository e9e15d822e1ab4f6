//! WebSocket on the control server: frames and messages, once more and by other means than the reference server's.
//!
//! Rules of this room: blocking, on the connection's thread, and simple; each rule is kept at one place, where its flaw switches it off.

mod deflate;
mod flaw;

use std::time::{Duration, Instant};

use http::{Response, StatusCode};
use rwgi::{
    Acceptance, Closed, Message, Messages, Outgoing, Ping, ResponseBody, Session, SessionHalf,
    WebSocketOffer,
};

use self::deflate::Deflate;
pub use self::flaw::WebSocketFlaw;
use super::connection::Conversation;
use super::drive::Gone;
use super::inbound::Brought;
use super::outbound::Outbound;
use super::violation::Switch;
use WebSocketFlaw as Flaw;

/// A message is as large as this where the application says nothing.
const LIMIT: usize = 1024 * 1024;
/// How long an answer to a Close frame is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A broken rule: the code that closes.
type Broken = u16;

struct Carrier<'a> {
    conversation: &'a Conversation,
    outbound: &'a Outbound<'a>,
    half: SessionHalf<Messages>,
    limit: usize,
    deflate: Option<Deflate>,
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
    conversation: &Conversation,
    outbound: &Outbound<'_>,
    mut response: Response<ResponseBody>,
    offer: Option<&WebSocketOffer>,
) -> Result<(), Gone> {
    let Some(Session::WebSocket(half, acceptance)) = response.body_mut().take_session() else {
        return Err(Gone);
    };
    let off = |flaw| conversation.off(Switch::WebSocket(flaw));
    let compresses = acceptance.allows_compression() || off(Flaw::DeflatesAnyway);
    let offers = offer.into_iter().flat_map(WebSocketOffer::extensions).filter(|_| compresses);
    let deflate =
        if off(Flaw::NoDeflate) { None } else { Deflate::agree(offers, conversation.flaw()) };
    let mut head = String::from("HTTP/1.1 101 Switching Protocols\r\n");
    if !off(Flaw::NoConnection) {
        head.push_str("Connection: upgrade\r\n");
    }
    if !off(Flaw::NoUpgrade) {
        head.push_str("Upgrade: websocket\r\n");
    }
    if let Some(key) = offer.and_then(WebSocketOffer::key) {
        let key = if off(Flaw::WrongAccept) { "x" } else { key };
        head.push_str(&format!("Sec-WebSocket-Accept: {}\r\n", deflate::accept(key)));
    }
    if let Some(deflate) = &deflate {
        head.push_str(&format!("Sec-WebSocket-Extensions: {}\r\n", deflate.response));
    }
    for (name, value) in response.headers() {
        if !off(Flaw::NoFields) {
            head.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
        }
    }
    debug_assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    head.push_str("\r\n");
    outbound.write(head.as_bytes())?;
    let limit = acceptance.chosen_message_limit().unwrap_or(LIMIT);
    let mut carrier = Carrier {
        conversation,
        outbound,
        half,
        limit,
        deflate,
        message: None,
        pongs: Vec::new(),
        said: false,
        heard: false,
    };
    carrier.run(&acceptance)?;
    let _ = carrier.half.finish();
    Ok(())
}

impl Carrier<'_> {
    fn off(&self, flaw: Flaw) -> bool {
        self.conversation.off(Switch::WebSocket(flaw))
    }

    fn run(&mut self, acceptance: &Acceptance) -> Result<(), Gone> {
        let mut seen = Instant::now();
        let mut pinged = false;
        loop {
            let returned = self
                .conversation
                .watch
                .poll(|cx| {
                    let polled = self.half.poll_application(cx);
                    let _ = self.half.park(cx);
                    polled
                })?
                .is_some();
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
            if !self.said && self.conversation.server.is_stopping() {
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
            let brought = self.conversation.inbound.lock().read(Duration::from_millis(2));
            match brought {
                Brought::Reset => return Err(Gone),
                Brought::End => {
                    self.end(1006, "", false);
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
            self.conversation.watch.check()?;
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
                let _ = self.conversation.watch.poll(|cx| self.half.poll_application(cx))?;
                self.send()?;
                if self.message.is_none() {
                    for pong in std::mem::take(&mut self.pongs) {
                        self.frame(0x8a, &pong)?;
                    }
                }
            }
        }
    }

    fn end(&mut self, code: u16, reason: &str, clean: bool) {
        let code = if self.off(Flaw::TellsAbnormal) { 1006 } else { code };
        let closed = Closed { code, reason: reason.to_owned(), clean };
        let waker = self.conversation.watch.waker.clone();
        self.half.give_end(closed, &std::task::Context::from_waker(&waker));
    }

    fn broken(&mut self, code: Broken) -> Result<(), Gone> {
        self.heard = true;
        if self.off(Flaw::Silent) {
            return Err(Gone);
        }
        self.end(code, "", false);
        self.conversation.inbound.lock().buffer.clear();
        self.close(Some(if self.off(Flaw::WrongCode) { 1000 } else { code }), "")
    }

    /// Sends what the application gave.
    fn send(&mut self) -> Result<(), Gone> {
        let waker = self.conversation.watch.waker.clone();
        let cx = std::task::Context::from_waker(&waker);
        while let Some(outgoing) = self.half.take(&cx) {
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
        self.outbound.write(&octets)
    }

    /// The next frame of what has come; also the beginning of one, where that is wrong already.
    fn read(&mut self) -> Result<Option<Frame>, Broken> {
        let off = |flaw| self.conversation.off(Switch::WebSocket(flaw));
        let mut inbound = self.conversation.inbound.lock();
        let octets = &mut inbound.buffer;
        let Some(&first) = octets.first() else { return Ok(None) };
        let (opcode, control) = (first & 0x0f, first & 0x08 != 0);
        let deflates = self.deflate.is_some() && matches!(opcode, 1 | 2);
        if first & 0x70 & !(if deflates { 0x40 } else { 0 }) != 0 && !off(Flaw::Reserved) {
            return Err(1002);
        }
        if !matches!(opcode, 0..=2 | 8..=10) && !off(Flaw::Opcodes) {
            return Err(1002);
        }
        if control && first & 0x80 == 0 && !off(Flaw::FragmentedControl) {
            return Err(1002);
        }
        if !control {
            match (opcode, &self.message) {
                (0, None) if !off(Flaw::StrayContinuation) => return Err(1002),
                (1 | 2, Some(_)) if !off(Flaw::Interleaved) => return Err(1002),
                _ => {}
            }
        }
        let Some(&second) = octets.get(1) else { return Ok(None) };
        let masked = second & 0x80 != 0;
        if !masked && !off(Flaw::Unmasked) {
            return Err(1002);
        }
        if control && second & 0x7f > 125 && !off(Flaw::LongControl) {
            return Err(1002);
        }
        let more = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(written) = octets.get(2..2 + more) else { return Ok(None) };
        let length = match more {
            0 => u64::from(second & 0x7f),
            _ => written.iter().fold(0_u64, |length, octet| length << 8 | u64::from(*octet)),
        };
        let shortest = match length {
            0..126 => 0,
            126..=0xffff => 2,
            _ => 8,
        };
        if (more != shortest || length >> 63 != 0) && !off(Flaw::LongLengths) {
            return Err(1002);
        }
        let held = self.message.as_ref().map_or(0, |(_, data)| data.len()) as u64;
        let unlimited = off(Flaw::NoLimit) || off(Flaw::WaitsForLarge);
        if !control && held.saturating_add(length) > self.limit as u64 && !unlimited {
            return Err(1009);
        }
        let at = 2 + more + if masked { 4 } else { 0 };
        let mask: Vec<u8> = octets.get(2 + more..at).map(<[u8]>::to_vec).unwrap_or_default();
        let end = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(at);
        let here = octets.get(at..end.min(octets.len())).unwrap_or_default();
        let unmask = |data: &[u8]| -> Vec<u8> {
            match mask.len() {
                4 => data.iter().zip(mask.iter().cycle()).map(|(octet, key)| octet ^ key).collect(),
                _ => data.to_vec(),
            }
        };
        if octets.len() < end {
            // A part of a text can be wrong before the rest has come.
            let text = match &self.message {
                _ if control => None,
                Some((first, data)) => (first & 0x4f == 1).then(|| data.clone()),
                None => (first & 0x4f == 1).then(Vec::new),
            };
            if let Some(mut text) = text
                && !off(Flaw::LateText)
                && !off(Flaw::RepairsText)
            {
                text.extend(unmask(here));
                if !could_be_text(&text) {
                    return Err(1007);
                }
            }
            return Ok(None);
        }
        let payload = unmask(here);
        octets.drain(..end);
        Ok(Some(Frame { first, payload }))
    }

    /// Does what a frame asks for.
    fn take(&mut self, frame: Frame) -> Result<Result<(), Broken>, Gone> {
        let Frame { first, payload } = frame;
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        Ok(match opcode {
            9 if self.off(Flaw::NoPong) => Ok(()),
            9 if self.off(Flaw::LatePong) && self.message.is_some() => {
                self.pongs.push(payload);
                Ok(())
            }
            9 if self.said => Ok(()),
            9 => {
                let empty = self.off(Flaw::EmptyPong);
                self.frame(0x8a, if empty { b"" } else { &payload })?;
                Ok(())
            }
            10 if self.off(Flaw::PongCloses) => Err(1002),
            10 => Ok(()),
            8 => self.closing(&payload)?,
            0..=2 => self.data(first, fin, payload)?,
            _ => Ok(()),
        })
    }

    fn closing(&mut self, payload: &[u8]) -> Result<Result<(), Broken>, Gone> {
        let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        let reason = payload.get(2..).unwrap_or_default();
        if payload.len() == 1 && !self.off(Flaw::HalfCode) {
            return Ok(Err(1002));
        }
        let legal = |code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        if code.is_some_and(|code| !legal(code)) && !self.off(Flaw::AnyCode) {
            return Ok(Err(1002));
        }
        if std::str::from_utf8(reason).is_err() && !self.off(Flaw::AnyReason) {
            return Ok(Err(1007));
        }
        self.heard = true;
        let own = self.said;
        self.end(code.unwrap_or(1005), &String::from_utf8_lossy(reason), true);
        if !own {
            let always = self.off(Flaw::AlwaysNormal);
            self.close(if always { Some(1000) } else { code }, "")?;
        }
        Ok(Ok(()))
    }

    fn data(&mut self, first: u8, fin: bool, payload: Vec<u8>) -> Result<Result<(), Broken>, Gone> {
        let lone = self.off(Flaw::NoFragments);
        let (first, mut data) = match self.message.take() {
            Some((begun, data)) if first & 0x0f == 0 && !lone => {
                (begun, if self.off(Flaw::LastFragment) { Vec::new() } else { data })
            }
            _ if first & 0x0f == 0 => (1, Vec::new()),
            _ => (first, Vec::new()),
        };
        data.extend(payload);
        let text = first & 0x0f == 1;
        let repairs = self.off(Flaw::RepairsText);
        if !fin && !lone {
            let now = text && first & 0x40 == 0 && !repairs && !self.off(Flaw::LateText);
            if now && !could_be_text(&data)
                || self.off(Flaw::FragmentText) && std::str::from_utf8(&data).is_err()
            {
                return Ok(Err(1007));
            }
            self.message = Some((first, data));
            return Ok(Ok(()));
        }
        if first & 0x40 != 0
            && !self.off(Flaw::NoInflate)
            && let Some(deflate) = &mut self.deflate
        {
            data = match deflate.inflated(&data, self.limit) {
                Ok(data) => data,
                Err(code) => return Ok(Err(code)),
            };
        }
        if data.len() > self.limit && !self.off(Flaw::NoLimit) && !self.off(Flaw::NoInflationLimit)
        {
            return Ok(Err(1009));
        }
        let message = if text {
            match String::from_utf8(data) {
                Ok(text) => Message::Text(text),
                Err(bad) if repairs || lone => {
                    Message::Text(String::from_utf8_lossy(bad.as_bytes()).into_owned())
                }
                Err(_) => return Ok(Err(1007)),
            }
        } else {
            Message::from(data)
        };
        let waker = self.conversation.watch.waker.clone();
        self.half.give(message, &std::task::Context::from_waker(&waker));
        Ok(Ok(()))
    }
}

/// Whether these octets can become UTF-8 by more of them.
fn could_be_text(data: &[u8]) -> bool {
    std::str::from_utf8(data).map_or_else(|error| error.error_len().is_none(), |_| true)
}
