//! What comes from the client: octets to frames, frames to messages, and what they ask for.
//!
//! Rules of this room: as soon as what has come breaks a rule it is refused, whole frame or not; a rule is kept at one place, where its
//! flaw switches it off.

use rwgi::Message;

use super::{Broken, Carrier, Frame, WebSocketFlaw as Flaw};
use crate::honest::drive::Gone;

impl Carrier<'_> {
    /// The next frame of what has come; also the beginning of one, where that is wrong already.
    pub(super) fn read(&mut self) -> Result<Option<Frame>, Broken> {
        let line = self.line;
        let off = |flaw| line.websocket_off(flaw);
        let octets = &mut self.buffer;
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
    pub(super) fn take(&mut self, frame: Frame) -> Result<Result<(), Broken>, Gone> {
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
        let line = self.line;
        self.half.give(message, &line.context());
        Ok(Ok(()))
    }
}

/// Whether these octets can become UTF-8 by more of them.
fn could_be_text(data: &[u8]) -> bool {
    std::str::from_utf8(data).map_or_else(|error| error.error_len().is_none(), |_| true)
}
