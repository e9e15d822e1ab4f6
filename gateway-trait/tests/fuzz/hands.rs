//! The application's half: what it holds, and what it does with it, each time compared with the model.
//!
//! Rules of this room: what the types make impossible is not offered; the tables of choices belong to the corpus, whose octets count on
//! their order.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use rwgi::protocol::Event;
use rwgi::{BodyWriter, Environ, Error, Exchange, Finished, Result, StartResponse};

use crate::common::{Log, Poller, get, status};
use crate::model::{Head, Model, Return};
use crate::tunnel::Tunnel;

const HEADS: [Head; 8] = [
    (200, None),
    (200, Some(0)),
    (200, Some(3)),
    (200, Some(5)),
    (204, None),
    (304, None),
    (304, Some(5)),
    (201, Some(1)),
];
const LENGTHS: [usize; 8] = [0, 1, 2, 3, 4, 5, 1, 2];
/// Pieces, whether their exact length is reported, what is declared, and whether the last is followed by an error.
const FORWARDS: [(&[usize], bool, Head, bool); 8] = [
    (&[], true, (200, None), false),
    (&[3], true, (200, None), false),
    (&[2, 3], false, (200, None), false),
    (&[2], false, (200, None), true),
    (&[2, 3], false, (200, Some(5)), false),
    (&[2, 2], false, (200, Some(5)), false),
    (&[3, 4], true, (200, Some(5)), false),
    (&[5], true, (204, None), false),
];

/// What an application does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Start,
    Respond,
    Forward,
    Watch,
    Inform,
    Replace,
    Write,
    Flush,
    Finish,
    FinishWithTrailers,
    DropWriter,
    Return,
    Fail,
    Send,
    Receive,
    End,
    Leave,
}

const WITH_TOKEN: [Act; 11] = [
    Act::Start,
    Act::Start,
    Act::Start,
    Act::Start,
    Act::Respond,
    Act::Respond,
    Act::Forward,
    Act::Watch,
    Act::Watch,
    Act::Inform,
    Act::Fail,
];
const WITH_WRITER: [Act; 11] = [
    Act::Write,
    Act::Write,
    Act::Write,
    Act::Write,
    Act::Flush,
    Act::Replace,
    Act::Finish,
    Act::Finish,
    Act::FinishWithTrailers,
    Act::DropWriter,
    Act::Fail,
];
const WITH_TUNNEL: [Act; 11] = [
    Act::Send,
    Act::Send,
    Act::Send,
    Act::Send,
    Act::Receive,
    Act::Receive,
    Act::Receive,
    Act::End,
    Act::Leave,
    Act::Leave,
    Act::Fail,
];
/// With Inform these mean an upgrade: to what may be offered, and to what never is.
const UPGRADES: std::ops::Range<usize> = 6..8;

/// What the application holds, and what it was told to do at its next poll.
#[derive(Default)]
pub(crate) struct Hands {
    pub(crate) token: Option<StartResponse>,
    writer: Option<BodyWriter>,
    tunnel: Option<Tunnel>,
    finished: Option<Finished>,
    pub(crate) inside: VecDeque<(usize, usize)>,
    pub(crate) returns: Option<Returns>,
    pub(crate) model: Option<Model>,
    /// How often the writer's task had been woken when it came to wait there.
    pub(crate) waits: Option<usize>,
    /// The same of the tunnel's reader.
    pub(crate) listens: Option<usize>,
    /// The request offers an upgrade.
    pub(crate) offered: bool,
    written: usize,
    pub(crate) callbacks: usize,
    pub(crate) informed: usize,
}

pub(crate) enum Returns {
    This(Result<Finished>),
    Panic,
}

impl Hands {
    /// What a choice means for what is in the hands now.
    pub(crate) fn choose(&self, choice: usize) -> Act {
        match (&self.token, &self.writer, &self.finished) {
            (Some(_), ..) => WITH_TOKEN[choice - 4],
            (_, Some(_), _) => WITH_WRITER[choice - 4],
            _ if self.tunnel.is_some() => WITH_TUNNEL[choice - 4],
            (.., Some(_)) if choice < 14 => Act::Return,
            _ => Act::Fail,
        }
    }

    /// Does one thing, from inside the application's future or from elsewhere.
    pub(crate) fn act(
        &mut self,
        choice: usize,
        with: usize,
        cx: &Context<'_>,
        elsewhere: Option<usize>,
        log: &Log,
    ) {
        let act = self.choose(choice);
        let model = self.model.as_mut().unwrap();
        let mut cx = Context::from_waker(cx.waker());
        match act {
            Act::Start => {
                if let Some(token) = self.token.take() {
                    self.writer =
                        Some(token.start(status(HEADS[with].0), fields(HEADS[with])).unwrap());
                    model.start(HEADS[with]);
                }
            }
            Act::Respond => {
                if let Some(token) = self.token.take() {
                    let (head, length) = (HEADS[with], LENGTHS[(with + 1) % 8]);
                    let given = token.respond(status(head.0), fields(head), letters(0, length));
                    assert_eq!(given.is_ok(), model.respond(head, length), "{model:?}");
                    self.finished = given.ok();
                }
            }
            Act::Forward => {
                if let Some(token) = self.token.take() {
                    let (pieces, exact, head, fails) = FORWARDS[with];
                    let mut response = http::Response::builder().status(head.0);
                    if let Some(declared) = head.1 {
                        response = response.header(CONTENT_LENGTH, declared);
                    }
                    let given =
                        token.forward(response.body(Pieces::new(pieces, exact, fails)).unwrap());
                    assert_eq!(
                        given.is_ok(),
                        model.forward(head, pieces, exact, fails),
                        "{model:?}"
                    );
                    self.finished = given.ok();
                }
            }
            Act::Replace => {
                if let Some(writer) = &mut self.writer {
                    let given = writer.replace_head(status(HEADS[with].0), fields(HEADS[with]));
                    assert_eq!(given.is_ok(), model.replace(HEADS[with]), "{model:?}");
                }
            }
            Act::Write => {
                if let Some(writer) = &mut self.writer {
                    let length = LENGTHS[with];
                    let mut data = letters(self.written, length);
                    let given = writer.poll_write(&mut cx, &mut data);
                    let expected = model.write(length);
                    assert_eq!(answer(&given), expected, "{model:?}");
                    assert_eq!(data.is_empty(), expected == Some(true) || length == 0);
                    if expected == Some(true) {
                        self.written += length;
                    }
                    self.waits = elsewhere.filter(|_| given.is_pending());
                }
            }
            Act::Flush => {
                if let Some(writer) = &mut self.writer {
                    let given = writer.poll_flush(&mut cx);
                    assert_eq!(answer(&given), model.flush(), "{model:?}");
                    self.waits = elsewhere.filter(|_| given.is_pending());
                }
            }
            Act::Finish | Act::FinishWithTrailers => {
                if let Some(writer) = self.writer.take() {
                    let trailing = matches!(act, Act::FinishWithTrailers);
                    let given = match trailing {
                        false => writer.finish(),
                        true => writer.finish_with_trailers(trailers()),
                    };
                    assert_eq!(given.is_ok(), model.finish(trailing), "{model:?}");
                    self.finished = given.ok();
                    self.waits = None;
                }
            }
            Act::DropWriter => {
                if self.writer.take().is_some() {
                    model.step(Event::DropWriter);
                    self.waits = None;
                }
            }
            Act::Return => {
                if let Some(finished) = self.finished.take() {
                    model.returned = Some(Return::Own);
                    self.returns = Some(Returns::This(Ok(finished)));
                }
            }
            Act::Fail => {
                model.returned = Some(Return::Failure);
                self.returns = Some(match with {
                    0 => Returns::Panic,
                    1 => Returns::This(Ok(foreign())),
                    _ => Returns::This(Err(Error::application("as planned"))),
                });
            }
            Act::Watch => {
                if let Some(token) = &mut self.token {
                    self.callbacks += 1;
                    let log = log.clone();
                    token.on_complete(move |outcome| log.record(outcome));
                }
            }
            Act::Inform if UPGRADES.contains(&with) => {
                if let Some(token) = self.token.take() {
                    let protocol = if with == 6 { "echo" } else { "other" };
                    let given = token.upgrade(protocol, ());
                    assert_eq!(given.is_ok(), with == 6 && self.offered, "{given:?}: {model:?}");
                    if let Ok(tunnel) = given {
                        model.upgrade();
                        let (reader, writer) = tunnel.split();
                        self.tunnel = Some(Tunnel { reader, writer });
                    }
                }
            }
            Act::Send | Act::Receive | Act::End => {
                if let (Some(tunnel), Some(lanes)) = (&mut self.tunnel, &mut model.lanes) {
                    let waits = match act {
                        Act::Send => tunnel.send(with, &mut cx, lanes),
                        Act::Receive => tunnel.receive(&mut cx, lanes),
                        _ => {
                            tunnel.writer.end();
                            lanes.end();
                            false
                        }
                    };
                    match act {
                        Act::Receive => self.listens = elsewhere.filter(|_| waits),
                        _ => self.waits = elsewhere.filter(|_| waits),
                    }
                }
            }
            Act::Leave => {
                if let (Some(tunnel), Some(lanes)) = (self.tunnel.take(), &mut model.lanes) {
                    self.finished = Some(tunnel.finish(lanes));
                    (self.waits, self.listens) = (None, None);
                }
            }
            Act::Inform => {
                if let Some(token) = &mut self.token {
                    let given = token.inform(status(103), ());
                    assert_eq!(given.is_ok(), model.is_open(), "{model:?}");
                    self.informed += usize::from(given.is_ok());
                }
            }
        }
        if let Some(writer) = &self.writer {
            let model = self.model.as_ref().unwrap();
            assert_eq!(writer.is_committed(), model.phase.is_committed(), "{model:?}");
            assert_eq!(writer.is_departed(), !model.is_open(), "{model:?}");
        }
        if let Some(token) = &self.token {
            let model = self.model.as_ref().unwrap();
            assert_eq!(token.is_departed(), !model.is_open(), "{model:?}");
        }
    }
}

fn answer(given: &Poll<Result<()>>) -> Option<bool> {
    match given {
        Poll::Pending => None,
        Poll::Ready(result) => Some(result.is_ok()),
    }
}

/// The bytes of a response from `at` on: no two that follow each other are the same.
pub(crate) fn letters(at: usize, length: usize) -> Bytes {
    (at..at + length).map(|at| b'a' + (at % 26) as u8).collect()
}

fn fields((_, declared): Head) -> Vec<(http::HeaderName, usize)> {
    declared.into_iter().map(|length| (CONTENT_LENGTH, length)).collect()
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), "1".parse().unwrap())])
}

/// The `Finished` of another exchange.
fn foreign() -> Finished {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let other = move |_: Environ, start: StartResponse| {
        *keep.lock().unwrap() = Some(start.respond(status(200), (), "other").unwrap());
        std::future::pending()
    };
    let _ = Poller::new().poll(&mut Exchange::new(Arc::new(other), get()));
    kept.lock().unwrap().take().unwrap()
}

/// A body that gives letters in pieces.
struct Pieces {
    pieces: VecDeque<usize>,
    exact: bool,
    fails: bool,
    given: usize,
}

impl Pieces {
    fn new(pieces: &[usize], exact: bool, fails: bool) -> Self {
        Self { pieces: pieces.iter().copied().collect(), exact, fails, given: 0 }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(length) = self.pieces.pop_front() else {
            let fails = std::mem::take(&mut self.fails);
            return Poll::Ready(fails.then(|| Err(io::Error::other("as planned"))));
        };
        let data = letters(self.given, length);
        self.given += length;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && !self.fails
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.pieces.iter().sum::<usize>() as u64;
        if self.exact { SizeHint::with_exact(left) } else { SizeHint::default() }
    }
}
