//! The session that follows an upgrade: the tunnel's two halves against what the chapter "Upgrade" says of them.
//!
//! Rules of this room: as those of the other hands and the other model; what the server gives and takes is letters in their order, so that
//! nothing is lost or changed unseen.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use rwgi::{Finished, Octets, SessionHalf, TunnelEnd, TunnelReader, TunnelWriter};

use crate::common::Poller;
use crate::hands::letters;

/// What is sent at once; the largest fills the lane.
const SENT: [usize; 8] = [0, 1, 2, 3, 4, 5, 1, 64 * 1024];
const FULL: usize = 64 * 1024;

/// Where the two lanes stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lanes {
    /// Pieces on their way to the client and to the application.
    outgoing: VecDeque<usize>,
    incoming: VecDeque<usize>,
    pub(crate) taken: usize,
    sent: usize,
    given: usize,
    received: usize,
    /// The application sends no more.
    said: bool,
    client_ended: bool,
    /// The server's half is gone, or the application's reading one.
    pub(crate) gone: bool,
    unheard: bool,
    /// Something has happened that the server, where it waits, is to be woken for.
    pub(crate) news: bool,
}

impl Lanes {
    pub(crate) fn new(gone: bool) -> Self {
        Self { gone, ..Self::default() }
    }

    /// Whether a writer that waits was woken. One whose application has returned hears of it when the server takes, or lets go.
    pub(crate) fn has_room(&self) -> bool {
        self.gone || self.outgoing.iter().sum::<usize>() < FULL
    }

    /// Whether a reader that waited, if it asked now, would be answered.
    pub(crate) fn has_word(&self) -> bool {
        self.gone || self.client_ended || !self.incoming.is_empty()
    }

    pub(crate) fn end(&mut self) {
        self.said = true;
        self.news = true;
    }

    pub(crate) fn leave(&mut self) {
        self.unheard = true;
        self.incoming.clear();
        self.news = true;
    }
}

/// The application's half.
pub(crate) struct Tunnel {
    pub(crate) reader: TunnelReader,
    pub(crate) writer: TunnelWriter,
}

impl Tunnel {
    /// Sends; gives whether it has to wait.
    pub(crate) fn send(&mut self, with: usize, cx: &mut Context<'_>, lanes: &mut Lanes) -> bool {
        let length = SENT[with];
        let mut data = letters(lanes.sent, length);
        let given = self.writer.poll_send(cx, &mut data);
        if lanes.gone || lanes.said {
            assert!(matches!(given, Poll::Ready(Err(_))), "{given:?}: {lanes:?}");
            return false;
        }
        let room = lanes.has_room();
        assert_eq!(given.is_ready(), room, "{lanes:?}");
        assert!(!matches!(given, Poll::Ready(Err(_))), "{given:?}: {lanes:?}");
        assert_eq!(data.is_empty(), room || length == 0, "{lanes:?}");
        if room && length > 0 {
            lanes.outgoing.push_back(length);
            lanes.sent += length;
            lanes.news = true;
        }
        !room
    }

    /// Receives; gives whether it has to wait.
    pub(crate) fn receive(&mut self, cx: &mut Context<'_>, lanes: &mut Lanes) -> bool {
        let given = self.reader.poll_recv(cx);
        match lanes.incoming.pop_front() {
            Some(length) => {
                let Poll::Ready(Ok(Some(data))) = given else { panic!("{given:?}: {lanes:?}") };
                assert_eq!(data, letters(lanes.received, length), "octets are lost or changed");
                lanes.received += length;
                false
            }
            None if lanes.client_ended => {
                assert!(matches!(given, Poll::Ready(Ok(None))), "{given:?}: {lanes:?}");
                false
            }
            None => {
                assert_eq!(given.is_ready(), lanes.gone, "{given:?}: {lanes:?}");
                assert!(!matches!(given, Poll::Ready(Ok(_))), "{given:?}: {lanes:?}");
                !lanes.gone
            }
        }
    }

    pub(crate) fn finish(self, lanes: &mut Lanes) -> Finished {
        lanes.leave();
        self.writer.finish()
    }
}

/// What the server does before it polls: gives a piece, says that the client has ended, or neither.
pub(crate) fn give(
    half: &mut SessionHalf<Octets>,
    choice: usize,
    poller: &Poller,
    lanes: &mut Lanes,
) {
    let cx = poller.cx();
    let room = lanes.incoming.iter().sum::<usize>() < FULL;
    assert_eq!(half.has_room(), lanes.unheard || room, "{lanes:?}");
    match choice {
        1 if !lanes.client_ended && half.has_room() => {
            half.give(letters(lanes.given, 2), &cx);
            if !lanes.unheard {
                lanes.given += 2;
                lanes.incoming.push_back(2);
            }
        }
        2 => {
            half.give_end(TunnelEnd::Finished, &cx);
            lanes.client_ended = true;
        }
        _ => {}
    }
}

/// Takes all that is on its way to the client.
pub(crate) fn take(half: &mut SessionHalf<Octets>, poller: &Poller, lanes: &mut Lanes) {
    while let Some(data) = half.take(&poller.cx()) {
        let length = lanes.outgoing.pop_front();
        assert_eq!(Some(data.len()), length, "{lanes:?}");
        assert_eq!(data, letters(lanes.taken, data.len()), "octets are lost or changed");
        lanes.taken += data.len();
    }
    assert!(lanes.outgoing.is_empty(), "{lanes:?}");
    lanes.news = false;
}
