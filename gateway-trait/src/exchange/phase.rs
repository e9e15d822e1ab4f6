//! The exchange's protocol as one pure table: the phases of a response, and what each event makes of them.
//!
//! Rules of this room: values in, values out; no lock, no waker, no bytes. The exchange obeys this table, and lint,
//! simulator, fuzz targets and the diagram in the specification are made from it: there is no second copy.

use std::fmt;

/// Where a response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The application holds the token; nothing was answered.
    Waiting,
    /// A head is given and can still be replaced.
    Started,
    /// The first byte or a flush has committed the head.
    Committed,
    /// The whole answer is given and nothing of it is committed.
    Answered,
    /// The content of a committed response is complete; the application has not returned.
    Finished,
    /// The connection is taken over: what follows the head is a session.
    Upgraded,
    /// The writer was dropped before the head was committed; the application's result decides.
    Abandoned,
    /// End: the application returned, the message is whole.
    Completed,
    /// End: it failed before the commit; the server answers in its place.
    Failed,
    /// End: it failed after the commit; the message is cut so that the client can tell.
    Aborted,
    /// End: the server dropped the exchange.
    Cancelled,
}

/// What happens to a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// `respond` or `forward`: the whole answer in one step.
    Respond,
    /// `start`: a head, content to follow.
    Start,
    /// `replace_head`.
    ReplaceHead,
    /// `write` of at least one byte, or `flush`.
    Write,
    /// `finish` or `finish_with_trailers`, the declared length being met.
    Finish,
    /// `upgrade` or `accept`: the connection is taken over.
    Upgrade,
    /// The writer is dropped unfinished.
    DropWriter,
    /// The application returns this response's `Finished`.
    ReturnFinished,
    /// The application returns an error, panics, or returns the `Finished` of another exchange.
    Fail,
    /// The server has the committed head of a response without content (HEAD, 204, 304) and needs no more.
    Discharge,
    /// The server drops the exchange: departure, shutdown, timeout.
    Cancel,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 11] = [
        Self::Waiting,
        Self::Started,
        Self::Committed,
        Self::Answered,
        Self::Finished,
        Self::Upgraded,
        Self::Abandoned,
        Self::Completed,
        Self::Failed,
        Self::Aborted,
        Self::Cancelled,
    ];

    /// Whether the exchange is over: no event changes it.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Aborted | Self::Cancelled)
    }

    /// Whether the client may have seen the head.
    pub fn is_committed(self) -> bool {
        matches!(self, Self::Committed | Self::Finished | Self::Upgraded | Self::Aborted)
    }

    /// The phase after an event; `None` where the event has no place.
    ///
    /// ```
    /// use rwgi::protocol::{Event, Phase};
    /// assert_eq!(Phase::Started.after(Event::Write), Some(Phase::Committed));
    /// assert_eq!(Phase::Committed.after(Event::ReplaceHead), None); // too late
    /// ```
    #[inline]
    pub fn after(self, event: Event) -> Option<Self> {
        use Event as E;
        use Phase as P;
        Some(match (self, event) {
            (P::Waiting, E::Respond) => P::Answered,
            (P::Waiting, E::Start) => P::Started,
            (P::Waiting, E::Upgrade) => P::Upgraded,
            (P::Waiting, E::Fail) => P::Failed,

            (P::Started, E::ReplaceHead) => P::Started,
            (P::Started, E::Write) => P::Committed,
            (P::Started, E::Finish) => P::Answered,
            (P::Started, E::DropWriter) => P::Abandoned,
            (P::Started, E::Fail) => P::Failed,

            (P::Committed, E::Write) => P::Committed,
            (P::Committed, E::Finish) => P::Finished,
            (P::Committed, E::DropWriter | E::Fail) => P::Aborted,

            (P::Answered, E::ReturnFinished) => P::Completed,
            (P::Answered, E::Fail) => P::Failed,

            (P::Finished, E::ReturnFinished) => P::Completed,
            (P::Finished, E::Fail) => P::Aborted,

            (P::Upgraded, E::ReturnFinished) => P::Completed,
            (P::Upgraded, E::Fail) => P::Aborted,

            (P::Abandoned, E::Fail) => P::Failed,

            (P::Committed | P::Finished, E::Discharge) => P::Completed,

            (phase, E::Cancel) if !phase.is_end() => P::Cancelled,
            _ => return None,
        })
    }
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 11] = [
        Self::Respond,
        Self::Start,
        Self::ReplaceHead,
        Self::Write,
        Self::Finish,
        Self::Upgrade,
        Self::DropWriter,
        Self::ReturnFinished,
        Self::Fail,
        Self::Discharge,
        Self::Cancel,
    ];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Started => "started",
            Self::Committed => "committed",
            Self::Answered => "answered",
            Self::Finished => "finished",
            Self::Upgraded => "upgraded",
            Self::Abandoned => "abandoned",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Cancelled => "cancelled",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_final_and_every_other_phase_can_reach_one() {
        for phase in Phase::ALL {
            for event in Event::ALL {
                let next = phase.after(event);
                assert!(!(phase.is_end() && next.is_some()), "{phase} is an end");
            }
            assert!(phase.is_end() || phase.after(Event::Cancel) == Some(Phase::Cancelled));
        }
    }

    #[test]
    fn a_commit_is_never_taken_back() {
        for phase in Phase::ALL.into_iter().filter(|phase| phase.is_committed()) {
            for next in Event::ALL.into_iter().filter_map(|event| phase.after(event)) {
                assert!(
                    next.is_committed() || matches!(next, Phase::Completed | Phase::Cancelled),
                    "{phase} to {next}"
                );
            }
        }
    }

    #[test]
    fn a_failure_is_answered_before_the_commit_and_visible_after_it() {
        for phase in Phase::ALL.into_iter().filter(|phase| !phase.is_end()) {
            let expected = if phase.is_committed() { Phase::Aborted } else { Phase::Failed };
            assert_eq!(phase.after(Event::Fail), Some(expected), "{phase}");
        }
    }

    #[test]
    fn a_response_starts_once() {
        for phase in Phase::ALL.into_iter().filter(|phase| *phase != Phase::Waiting) {
            assert_eq!(phase.after(Event::Start), None, "{phase}");
            assert_eq!(phase.after(Event::Respond), None, "{phase}");
            assert_eq!(phase.after(Event::Upgrade), None, "{phase}");
        }
    }

    #[test]
    fn each_way_through_the_table_is_open() {
        use Event as E;
        use Phase as P;
        let ways: [&[(Event, Phase)]; 11] = [
            &[(E::Respond, P::Answered), (E::ReturnFinished, P::Completed)],
            &[(E::Start, P::Started), (E::ReplaceHead, P::Started), (E::Finish, P::Answered)],
            &[(E::Start, P::Started), (E::DropWriter, P::Abandoned), (E::Fail, P::Failed)],
            &[(E::Start, P::Started), (E::Write, P::Committed), (E::Write, P::Committed)],
            &[(E::Start, P::Started), (E::Write, P::Committed), (E::DropWriter, P::Aborted)],
            &[(E::Start, P::Started), (E::Write, P::Committed), (E::Discharge, P::Completed)],
            &[(E::Start, P::Started), (E::Write, P::Committed), (E::Finish, P::Finished)],
            &[(E::Respond, P::Answered), (E::Fail, P::Failed)],
            &[(E::Upgrade, P::Upgraded), (E::ReturnFinished, P::Completed)],
            &[(E::Upgrade, P::Upgraded), (E::Fail, P::Aborted)],
            &[(E::Fail, P::Failed)],
        ];
        for way in ways {
            way.iter().fold(P::Waiting, |phase, (event, next)| {
                assert_eq!(phase.after(*event), Some(*next), "{phase}");
                *next
            });
        }
        assert_eq!(P::Waiting.to_string(), "waiting");
        assert_eq!(P::Finished.after(E::ReturnFinished), Some(P::Completed));
        assert_eq!(P::Finished.after(E::Discharge), Some(P::Completed));
        // With a failure in three more phases and a cancellation in seven these are all.
        let places = P::ALL.iter().flat_map(|phase| E::ALL.map(|event| phase.after(event)));
        assert_eq!(places.flatten().count(), 29);
    }
}
