//! Sends one response: pulls the body, which drives the application, and frames what it gives.
//!
//! Rules of this room: a piece leaves before the next is asked for; the end leaves when the body has ended and not before; a
//! body that fails leaves a message that is visibly cut.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use rwgi::Error;

use super::drive::Gone;
use super::flawed::Outgoing;
use super::outbound::{Framing, Outbound};
use super::violation::Switch;

pub(super) struct Sending<'a> {
    pub(super) outbound: &'a Outbound<'a>,
    pub(super) framing: Framing,
    pub(super) takes_trailers: bool,
    pub(super) switch: Option<Switch>,
}

/// What the body gives next.
enum Next {
    Frame(Frame<Bytes>),
    End,
    Failed(Error),
}

impl Sending<'_> {
    fn off(&self, switch: Switch) -> bool {
        self.switch == Some(switch)
    }

    /// Sends head and body; [`Gone`] where the message was cut, or nobody reads it.
    pub(super) fn send(&self, head: Vec<u8>, body: Outgoing) -> Result<(), Gone> {
        let mut body = pin!(body);
        // What is written together leaves together.
        let mut held = head;
        if self.framing == Framing::None {
            if self.off(Switch::ContentForAll) {
                held.extend_from_slice(b"content");
            }
            return self.outbound.write(&held);
        }
        let mut trailers: Option<HeaderMap> = None;
        let mut sent = 0;
        // Only for the flaw of a server that writes a piece when the next one has come.
        let mut delayed: Vec<u8> = Vec::new();
        loop {
            let polled = self.outbound.watch.poll(|cx| body.as_mut().poll_frame(cx))?;
            let next = match polled {
                None => {
                    if !self.off(Switch::StoresResponse) {
                        self.outbound.write(&held)?;
                        held.clear();
                    }
                    self.while_pending(sent)?;
                    self.outbound.watch.wait()?;
                    continue;
                }
                Some(None) => Next::End,
                Some(Some(Ok(frame))) => Next::Frame(frame),
                Some(Some(Err(error))) => Next::Failed(error),
            };
            match next {
                Next::Frame(frame) => match frame.into_data() {
                    Ok(data) => {
                        sent += data.len() as u64;
                        held.append(&mut delayed);
                        let framed = self.outbound.framed(&data, self.framing);
                        if self.off(Switch::DropsBeforeAbort) {
                            delayed = framed;
                        } else {
                            held.extend(framed);
                        }
                        if held.len() > 16 * 1024 && !self.off(Switch::StoresResponse) {
                            self.outbound.write(&held)?;
                            held.clear();
                        }
                        if self.off(Switch::DropsEarly) {
                            // The future goes with the body, whether it has returned or not.
                            held.extend(self.outbound.end(self.framing, None));
                            return self.outbound.write(&held);
                        }
                    }
                    Err(frame) => trailers = frame.into_trailers().ok(),
                },
                Next::End => {
                    held.append(&mut delayed);
                    let wanted = self.takes_trailers && !self.off(Switch::NoResponseTrailers)
                        || self.off(Switch::TrailersAlways);
                    held.extend(
                        self.outbound.end(self.framing, trailers.as_ref().filter(|_| wanted)),
                    );
                    return self.outbound.write(&held);
                }
                Next::Failed(error) => return self.cut(held, sent, &error),
            }
        }
    }

    /// The flaws of a server that does not wait.
    fn while_pending(&self, sent: u64) -> Result<(), Gone> {
        if self.off(Switch::EmptyChunks) {
            self.outbound.write(b"0\r\n\r\n")?;
        }
        if self.off(Switch::EndsWhenPending) && sent > 0 {
            self.outbound.write(&self.outbound.end(self.framing, None))?;
        }
        Ok(())
    }

    /// The message is cut; the connection ends with a reset.
    fn cut(&self, held: Vec<u8>, sent: u64, _: &Error) -> Result<(), Gone> {
        self.outbound.write(&held)?;
        if self.off(Switch::ErrorAfterCommit) {
            let error = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
            self.outbound.write(&self.outbound.framed(error, self.framing))?;
        }
        if self.off(Switch::CompletesAborted) {
            if let Framing::Length(length) = self.framing {
                let missing = usize::try_from(length.saturating_sub(sent)).unwrap_or(0);
                self.outbound.write(&vec![b' '; missing])?;
            }
            return self.outbound.write(&self.outbound.end(self.framing, None));
        }
        // What was written must arrive before the reset overtakes it, as far as that can be had.
        let _ = self.outbound.watch.drive(pin!(poll_fn(|_| Poll::Ready(()))));
        Err(Gone)
    }
}
