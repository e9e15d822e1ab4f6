//! What the table says of an exchange that is played operation by operation.
//!
//! Rules of this room: values only; every change of phase comes out of `Phase::after`; the lengths and who waits for whom are the words of
//! the chapters "The exchange" and "Content".

use std::collections::VecDeque;

use rwgi::OutcomeKind;
use rwgi::protocol::{Event, Phase};

use crate::tunnel::Lanes;

/// How the application's future returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Return {
    /// `Ok` with the `Finished` of this exchange.
    Own,
    /// An error, a panic, or the `Finished` of another exchange.
    Failure,
}

/// A head that is given: its status and what it declares.
pub(crate) type Head = (u16, Option<usize>);

/// What a poll by the server has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Pending,
    /// The response, or an error before the commit.
    Response,
    Refusal,
    /// So many bytes.
    Data(usize),
    Trailers,
    End,
    /// The message is cut.
    Failure,
}

/// What has been played, as the contract has it.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) phase: Phase,
    head_request: bool,
    pub(crate) head: Head,
    /// Bytes that the application gave, and those of them that the server has not taken.
    pub(crate) accepted: usize,
    held: usize,
    trailers: bool,
    /// The content of an answer in one step, in the pieces in which it has to arrive, and whether it fails at its end.
    pub(crate) whole: Option<(VecDeque<usize>, bool)>,
    pub(crate) returned: Option<Return>,
    /// The message is being cut; the server has been made to wait once, so that what came before can leave.
    cut: Option<bool>,
    /// The server's half is gone, or needs no more.
    closed: bool,
    pub(crate) taken: usize,
    pub(crate) outcome: Option<(OutcomeKind, Option<u16>, u64)>,
    /// What follows an upgrade.
    pub(crate) lanes: Option<Lanes>,
}

impl Model {
    pub(crate) fn new(head_request: bool) -> Self {
        Self {
            phase: Phase::Waiting,
            head_request,
            head: (0, None),
            accepted: 0,
            held: 0,
            trailers: false,
            whole: None,
            returned: None,
            cut: None,
            closed: false,
            taken: 0,
            outcome: None,
            lanes: None,
        }
    }

    /// `upgrade`, which was accepted.
    pub(crate) fn upgrade(&mut self) {
        self.head = (101, None);
        let gone = !self.is_open();
        self.step(Event::Upgrade);
        self.lanes = Some(Lanes::new(gone));
    }

    /// The server polled the session and took all that was there; what the application returned meanwhile has been noted. Gives whether the
    /// session is over.
    pub(crate) fn poll_session(&mut self, just_returned: bool) -> bool {
        let taken = self.lanes.as_ref().map_or(0, |lanes| lanes.taken);
        self.taken = taken;
        let Some(returned) = self.returned else { return false };
        let event = if returned == Return::Own { Event::ReturnFinished } else { Event::Fail };
        if just_returned {
            assert!(self.step(event), "{self:?}");
        }
        let failed = returned == Return::Failure;
        let kind = if failed { OutcomeKind::Failed } else { OutcomeKind::Completed };
        self.end(kind, Some(101));
        self.let_go();
        true
    }

    /// The server's half of the session is gone.
    fn let_go(&mut self) {
        if let Some(lanes) = &mut self.lanes {
            lanes.gone = true;
        }
    }

    /// Moves on by the table; gives whether the event had a place.
    pub(crate) fn step(&mut self, event: Event) -> bool {
        let next = self.phase.after(event);
        self.phase = next.unwrap_or(self.phase);
        next.is_some()
    }

    pub(crate) fn is_bodyless(&self) -> bool {
        self.head_request || matches!(self.head.0, 204 | 304)
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.closed && !self.phase.is_end()
    }

    fn declared(&self) -> Option<usize> {
        self.head.1.filter(|_| !self.is_bodyless())
    }

    /// `respond` with so many bytes: whether it is accepted.
    pub(crate) fn respond(&mut self, head: Head, length: usize) -> bool {
        self.head = head;
        if self.declared().is_some_and(|declared| declared != length) {
            return false;
        }
        self.accepted = length;
        self.whole = Some((VecDeque::from_iter((length > 0).then_some(length)), false));
        self.step(Event::Respond);
        true
    }

    /// `forward` of these pieces, which fail at their end or not.
    pub(crate) fn forward(
        &mut self,
        head: Head,
        pieces: &[usize],
        exact: bool,
        fails: bool,
    ) -> bool {
        self.head = head;
        let length = pieces.iter().sum();
        let declared = self.declared();
        if exact && declared.is_some_and(|declared| declared != length) {
            return false;
        }
        let fails = fails || declared.is_some_and(|declared| declared != length);
        self.accepted = length;
        self.whole = Some((pieces.iter().copied().collect(), fails));
        self.step(Event::Respond);
        true
    }

    pub(crate) fn start(&mut self, head: Head) {
        self.head = head;
        self.step(Event::Start);
    }

    pub(crate) fn replace(&mut self, head: Head) -> bool {
        let placed = self.step(Event::ReplaceHead);
        if placed {
            self.head = head;
        }
        placed
    }

    /// `write` of so many bytes: `None` where it has to wait, else whether it is accepted.
    pub(crate) fn write(&mut self, length: usize) -> Option<bool> {
        if length == 0 {
            return Some(self.is_open());
        }
        let surplus = self.declared().is_some_and(|declared| self.accepted + length > declared);
        if surplus || !self.is_open() {
            return Some(false);
        }
        if self.held > 0 {
            return None;
        }
        assert!(self.step(Event::Write), "{self:?}");
        (self.accepted, self.held) = (self.accepted + length, length);
        Some(true)
    }

    pub(crate) fn flush(&mut self) -> Option<bool> {
        // What completes the message waits for the application's return, and nobody waits for that.
        if self.declared() == Some(self.accepted) && !self.closed {
            return Some(true);
        }
        self.step(Event::Write);
        if !self.is_open() {
            return Some(false);
        }
        (self.held == 0).then_some(true)
    }

    pub(crate) fn finish(&mut self, trailers: bool) -> bool {
        let short = self.declared().is_some_and(|declared| declared != self.accepted);
        self.step(if short { Event::DropWriter } else { Event::Finish });
        self.trailers = trailers && !short && !self.is_bodyless();
        !short
    }

    /// Whether the next chunk goes to the server without asking the application, or the application's return has to come first.
    pub(crate) fn is_deliverable(&self) -> bool {
        self.held > 0 && self.declared() != Some(self.accepted)
    }

    fn holds_last(&self) -> bool {
        self.head.1 == Some(self.accepted)
    }

    fn end(&mut self, kind: OutcomeKind, status: Option<u16>) {
        self.closed = true;
        self.outcome.get_or_insert((kind, status, self.taken as u64));
    }

    /// The server asked for the head; what the application did meanwhile has been noted.
    pub(crate) fn poll_head(&mut self) -> Expected {
        let status = Some(self.head.0);
        if self.lanes.is_some() && self.is_open() {
            if let Some(lanes) = self.lanes.as_mut().filter(|_| self.returned.is_some()) {
                lanes.end();
            }
            match self.returned {
                Some(Return::Own) => assert!(self.step(Event::ReturnFinished), "{self:?}"),
                Some(Return::Failure) => assert!(self.step(Event::Fail), "{self:?}"),
                None => {}
            }
            return Expected::Response;
        }
        match self.returned {
            None if !self.phase.is_committed() => Expected::Pending,
            None => {
                if self.is_bodyless() {
                    self.step(Event::Discharge);
                    self.end(OutcomeKind::Completed, status);
                }
                Expected::Response
            }
            Some(Return::Own) => {
                assert!(self.step(Event::ReturnFinished), "{self:?}");
                let (pieces, fails) = self.whole.take().unwrap_or_default();
                let nothing = pieces.is_empty() && self.held == 0 && !fails && !self.trailers;
                self.whole = Some((pieces, fails));
                if self.is_bodyless() || nothing {
                    self.end(OutcomeKind::Completed, status);
                }
                Expected::Response
            }
            Some(Return::Failure) => {
                let committed = self.phase.is_committed();
                self.fail();
                if !committed {
                    self.end(OutcomeKind::Failed, Some(500));
                    return Expected::Refusal;
                }
                if self.is_bodyless() {
                    self.cut = None;
                    self.end(OutcomeKind::Failed, status);
                }
                Expected::Response
            }
        }
    }

    fn fail(&mut self) {
        self.step(Event::Fail);
        self.closed = true;
        self.cut = Some(false);
        self.whole = None;
        if self.holds_last() {
            // It would make a broken message look whole.
            self.held = 0;
        }
    }

    /// The server asked for a frame; `asked` says that the application was asked and has just returned.
    pub(crate) fn poll_frame(&mut self, just_returned: bool) -> Expected {
        if self.closed && self.cut.is_none() {
            return Expected::End;
        }
        if just_returned {
            match self.returned {
                Some(Return::Own) => assert!(self.step(Event::ReturnFinished), "{self:?}"),
                _ => self.fail(),
            }
        }
        let returned = self.returned.is_some();
        if returned && let Some((pieces, fails)) = &mut self.whole {
            match pieces.pop_front() {
                Some(piece) => {
                    let last = pieces.is_empty() && !*fails;
                    return self.take(piece, last);
                }
                None if *fails => {
                    self.whole = None;
                    self.cut = Some(false);
                }
                None => {}
            }
        }
        if self.phase == Phase::Aborted && self.cut.is_none() && !self.is_deliverable() {
            // The writer was dropped: nothing can follow.
            self.fail();
        }
        if self.held > 0 && (self.cut.is_some() || returned || self.is_deliverable()) {
            let length = std::mem::take(&mut self.held);
            let last = returned && self.cut.is_none() && !self.trailers;
            return self.take(length, last);
        }
        match self.cut {
            Some(false) => {
                self.cut = Some(true);
                Expected::Pending
            }
            Some(true) => {
                self.cut = None;
                self.end(OutcomeKind::Failed, Some(self.head.0));
                Expected::Failure
            }
            None if !returned => Expected::Pending,
            None => {
                let trailers = std::mem::take(&mut self.trailers);
                self.end(OutcomeKind::Completed, Some(self.head.0));
                if trailers { Expected::Trailers } else { Expected::End }
            }
        }
    }

    fn take(&mut self, length: usize, last: bool) -> Expected {
        self.taken += length;
        if last {
            self.end(OutcomeKind::Completed, Some(self.head.0));
        }
        Expected::Data(length)
    }

    /// The server drops what it has of the exchange.
    pub(crate) fn cancel(&mut self, has_head: bool) {
        self.step(Event::Cancel);
        self.let_go();
        let status = has_head.then_some(self.head.0);
        // A failure that the server did not wait for is one; so is an end that it counted.
        let all = self.returned == Some(Return::Own) && self.declared() == Some(self.taken);
        let failed = self.lanes.is_some() && self.returned == Some(Return::Failure) && has_head;
        let kind = match self.cut {
            _ if failed => OutcomeKind::Failed,
            Some(_) => OutcomeKind::Failed,
            None if has_head && all => OutcomeKind::Completed,
            None => OutcomeKind::Cancelled,
        };
        self.end(kind, status);
    }

    /// Whether the server, if it asked now, would learn something that did not come from the application's own future.
    pub(crate) fn has_news(&self, has_head: bool) -> bool {
        if self.closed {
            return false;
        }
        if let Some(lanes) = self.lanes.as_ref().filter(|_| has_head) {
            return lanes.news;
        }
        if has_head {
            return self.is_deliverable() || self.phase == Phase::Aborted;
        }
        self.phase.is_committed()
    }

    /// Whether a writer that waited for room, if it asked now, would be answered.
    pub(crate) fn has_room(&self) -> bool {
        match &self.lanes {
            Some(lanes) => lanes.has_room(),
            None => !self.is_open() || self.held == 0,
        }
    }
}
