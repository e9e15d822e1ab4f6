//! The wait for a head: where it ends, what is too long or too late, and what is refused before anybody is called.
//!
//! Rules of this room: octets become a head here or never; whoever refuses says so on the wire, and the connection ends with it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::connection::Conversation;
use super::head::{Head, Refusal};
use super::http2::Http2Flaw;
use super::inbound::Brought;
use super::outbound::error_page;
use super::violation::{Asked, Switch};
use crate::http2::PREFACE;

/// What became of a wait for a head.
pub(super) enum Arrived {
    Head(Box<Head>),
    Refused(Refusal),
    /// The preface of HTTP/2.
    Preface,
    Nothing,
}

impl Conversation {
    pub(super) fn await_head(&mut self) -> Arrived {
        let limit = super::limits().head_timeout.unwrap_or(Duration::MAX);
        let opened = Instant::now();
        let mut began: Option<Instant> = None;
        loop {
            let mut inbound = self.inbound.lock();
            if self.served == 0 || inbound.buffer.starts_with(b"\r\n") {
                // RFC 9112, section 2.2: one empty line is skipped.
                if inbound.buffer.starts_with(b"\r\n")
                    && !self.off(Switch::NoEmptyLine)
                    && began.is_none_or(|_| inbound.buffer.len() > 2)
                {
                    let second = inbound.buffer[2..].starts_with(b"\r\n");
                    if !second {
                        inbound.buffer.drain(..2);
                    }
                }
            }
            if self.served == 0
                && inbound.buffer.starts_with(PREFACE)
                && !self.off(Switch::Http2(Http2Flaw::NoPriorKnowledge))
            {
                return Arrived::Preface;
            }
            let may_be_preface = self.served == 0 && PREFACE.starts_with(&inbound.buffer);
            if let Some(end) = self.rules.end(&inbound.buffer).filter(|_| !may_be_preface) {
                let mut octets: Vec<u8> = inbound.buffer.drain(..end).collect();
                if self.off(Switch::Reorders)
                    && self.served == 0
                    && let Some(end) = self.rules.end(&inbound.buffer)
                {
                    let second: Vec<u8> = inbound.buffer.drain(..end).collect();
                    inbound.buffer.splice(..0, std::mem::replace(&mut octets, second));
                }
                drop(inbound);
                let read = self.rules.read(&octets);
                if read.is_err() && self.off(Switch::CallsRefused) {
                    self.call_anyway(&octets);
                }
                return match read {
                    Ok(head) => Arrived::Head(Box::new(head)),
                    Err(refusal) => Arrived::Refused(refusal),
                };
            }
            if let Some(refusal) = self.rules.too_long(&inbound.buffer) {
                return Arrived::Refused(refusal);
            }
            if inbound.buffer.is_empty() {
                if self.server.is_stopping()
                    && !self.off(Switch::KeepsIdle)
                    && !self.off(Switch::AcceptsWhileStopping)
                    || self.server.abandoned.load(Ordering::Acquire)
                {
                    return Arrived::Nothing;
                }
                if self.off(Switch::IdleIs408) && opened.elapsed() > Duration::from_millis(20) {
                    return Arrived::Refused(Refusal { status: 408 });
                }
            } else {
                let began = *began.get_or_insert_with(Instant::now);
                if began.elapsed() > limit && !self.off(Switch::NoHeadTimeout) {
                    return Arrived::Refused(Refusal { status: 408 });
                }
            }
            match inbound.read(Duration::from_millis(10)) {
                Brought::More if self.off(Switch::HeadTimeoutRenewed) => began = None,
                Brought::More | Brought::Nothing => {}
                Brought::End if self.off(Switch::HalfHead) && !inbound.buffer.is_empty() => {
                    inbound.buffer.extend_from_slice(b"\r\n\r\n");
                }
                Brought::End | Brought::Reset => return Arrived::Nothing,
            }
        }
    }

    /// An error response of the server's own; the connection ends with it.
    pub(super) fn refuse(&self, refusal: Refusal) -> bool {
        if refusal.status == 0 {
            return false;
        }
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        let asked = Asked {
            method: "GET".to_owned(),
            path: String::new(),
            minor: 1,
            by_application: false,
        };
        let kept = self.off(Switch::KeepsAfterRefusal);
        let outbound = self.outbound(asked);
        let response = error_page(status, None);
        let framing = outbound.framing(&response);
        let mut octets = outbound.head(&response, framing, (!kept).then_some("close"));
        octets.extend_from_slice(response.body().as_bytes());
        outbound.write(&octets).is_ok() && kept
    }
}
