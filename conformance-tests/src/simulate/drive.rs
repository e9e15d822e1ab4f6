//! One exchange, polled by hand from its first poll to its end or its departure.
//!
//! Rules of this room: the application is driven through `Exchange` and nothing else; what is dropped is dropped between two polls; what
//! was left behind is looked for after every run.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame};
use rwgi::{
    Application, Environ, Error, Exchange, Fault, Finished, ResponseBody, Result, StartResponse,
    StopNotice,
};

use super::hand::{Alarm, Pace};
use super::request::{Client, Request};

/// How the scripted client and the server behind it behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Reads at once, polls when woken.
    #[default]
    Quick,
    /// Polls twice for each time that it was woken.
    Spurious,
    /// Polls twice, the second time with another waker, and listens to that only.
    FreshWakers,
    /// Lets time pass before it takes the next piece.
    Slow,
    /// Reads at once, and tells of a stop of the server when nothing else is left to happen, or when no end is in sight.
    Stopping,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The response is whole.
    Whole,
    /// An error before the commit: the server answers.
    Refused,
    /// An error after the commit: the client sees that the response is incomplete.
    Cut,
    /// Nothing is left that would wake it.
    Stuck,
    /// It gave more than the simulator has patience for.
    Endless,
    /// It was dropped where the script said so.
    Dropped,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) end: End,
    pub(crate) status: Option<StatusCode>,
    pub(crate) fields: HeaderMap,
    pub(crate) content: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) fault: Option<Fault>,
    pub(crate) message: String,
    pub(crate) polls: usize,
    pub(crate) asked: bool,
    pub(crate) remains: Remains,
}

/// What a run left behind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Remains {
    /// The environ's extensions are still held.
    pub(crate) environ: bool,
    /// The input is still held.
    pub(crate) input: bool,
    /// How often the end was announced.
    pub(crate) outcomes: usize,
}

impl Answer {
    /// How the callback was run, if not once.
    pub(crate) fn uncalled(&self) -> Option<String> {
        // Dropped before its first poll, the application was never called and had nothing to register.
        let called = usize::from(self.polls > 0);
        let times = self.remains.outcomes;
        (times != called).then(|| format!("the callback was run {times} times"))
    }

    /// Why the answer says that the application is broken, if it does.
    pub(crate) fn own_fault(&self) -> Option<String> {
        let said =
            || if self.message.is_empty() { String::new() } else { format!(": {}", self.message) };
        match (self.end, self.status) {
            (End::Cut, _) if self.fault != Some(Fault::Client) => {
                Some(format!("the response broke off{}", said()))
            }
            (End::Refused, Some(status)) if self.fault == Some(Fault::Application) => {
                Some(format!("the application failed with {}{}", status.as_u16(), said()))
            }
            (_, Some(StatusCode::INTERNAL_SERVER_ERROR)) => {
                Some(format!("500 was answered{}", said()))
            }
            _ => None,
        }
    }
}

/// More than this, and a response has no end as far as a simulation is concerned.
const MOST_POLLS: usize = 20_000;
const MOST_BYTES: usize = 8 << 20;

/// So much of that is left to a response when the server is told to stop.
const LEFT: usize = 4;

/// In the extensions of each environ: whoever keeps the environ keeps it.
#[derive(Clone)]
struct Token(#[expect(dead_code, reason = "held, never read")] Arc<Bell>);

struct Bell(Arc<Alarm>);

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.ring();
    }
}

/// Whether these are the extensions that a run put into its environ.
pub(crate) fn has_token(extensions: &http::Extensions) -> bool {
    extensions.get::<Token>().is_some()
}

enum Running {
    Head(Exchange),
    Body(ResponseBody),
}

enum Progress {
    Head(Box<Response<ResponseBody>>),
    Frame(Frame<Bytes>),
    End,
    Failed(Error),
}

impl Running {
    fn poll(&mut self, alarm: &Arc<Alarm>) -> Poll<Progress> {
        let waker = Waker::from(Arc::clone(alarm));
        let mut cx = Context::from_waker(&waker);
        match self {
            Self::Head(exchange) => Pin::new(exchange).poll(&mut cx).map(|result| match result {
                Ok(response) => Progress::Head(Box::new(response)),
                Err(error) => Progress::Failed(error),
            }),
            Self::Body(body) => Pin::new(body).poll_frame(&mut cx).map(|frame| match frame {
                None => Progress::End,
                Some(Ok(frame)) => Progress::Frame(frame),
                Some(Err(error)) => Progress::Failed(error),
            }),
        }
    }
}

/// One run of one request, not yet begun.
pub(crate) struct Run {
    running: Option<Running>,
    client: Arc<Client>,
    token: Weak<Bell>,
    token_gone: Arc<Alarm>,
    outcomes: Arc<AtomicUsize>,
    alarm: Arc<Alarm>,
    notice: StopNotice,
    answer: Answer,
}

impl Run {
    /// `None` where the request cannot be built, which the catalogue's own test rules out.
    pub(crate) fn new<A: Application>(application: &Arc<A>, request: &Request) -> Option<Self> {
        let notice = StopNotice::new();
        let (mut environ, client) = request.environ(notice.stopping())?;
        let token_gone = Alarm::new();
        let token = Arc::new(Bell(Arc::clone(&token_gone)));
        let weak = Arc::downgrade(&token);
        environ.extensions_mut().insert(Token(token));
        let outcomes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&outcomes);
        let application = Arc::clone(application);
        let entrance = move |environ: Environ, mut start: StartResponse| {
            let (application, counter) = (Arc::clone(&application), Arc::clone(&counter));
            async move {
                start.on_complete(move |_| {
                    counter.fetch_add(1, Ordering::AcqRel);
                });
                let result: Result<Finished> = application.call(environ, start).await;
                result
            }
        };
        let exchange = Exchange::new(Arc::new(entrance), environ).on_informational(|_, _| {});
        Some(Self {
            running: Some(Running::Head(exchange)),
            client,
            token: weak,
            token_gone,
            outcomes,
            alarm: Alarm::new(),
            notice,
            answer: Answer {
                end: End::Dropped,
                status: None,
                fields: HeaderMap::new(),
                content: Vec::new(),
                trailers: None,
                fault: None,
                message: String::new(),
                polls: 0,
                asked: false,
                remains: Remains::default(),
            },
        })
    }

    /// Polls once; `true` where something came of it, or the end.
    fn step(&mut self) -> bool {
        let Some(running) = self.running.as_mut() else { return true };
        self.answer.polls += 1;
        self.client.polled_by(Some(&self.alarm));
        let polled = running.poll(&self.alarm);
        self.client.polled_by(None);
        let Poll::Ready(progress) = polled else { return false };
        match progress {
            Progress::Head(response) => {
                let (parts, body) = response.into_parts();
                self.answer.status = Some(parts.status);
                self.answer.fields = parts.headers;
                self.running = Some(Running::Body(body));
            }
            Progress::Frame(frame) => match frame.into_data() {
                Ok(data) => self.answer.content.extend_from_slice(&data),
                Err(frame) => self.answer.trailers = frame.into_trailers().ok(),
            },
            Progress::End => self.end(End::Whole),
            Progress::Failed(error) => {
                self.answer.fault = Some(error.fault());
                self.answer.message = error.to_string();
                if self.answer.status.is_none() {
                    self.answer.status = Some(error.status());
                    self.end(End::Refused);
                } else {
                    self.end(End::Cut);
                }
            }
        }
        true
    }

    fn end(&mut self, end: End) {
        self.answer.end = end;
        self.running = None;
    }

    /// Goes on until the end, or until it was polled so many times in all.
    pub(crate) async fn go(&mut self, pace: &Pace, manner: Manner, until: Option<usize>) {
        let mut extra = false;
        while self.running.is_some() {
            if until.is_some_and(|polls| self.answer.polls >= polls) {
                return;
            }
            if self.answer.polls >= MOST_POLLS || self.answer.content.len() > MOST_BYTES {
                return self.end(End::Endless);
            }
            if self.answer.polls >= MOST_POLLS / LEFT
                || self.answer.content.len() > MOST_BYTES / LEFT
            {
                self.tell(manner);
            }
            if self.step() {
                extra = false;
                if manner == Manner::Slow && pace.is_hosted() && self.running.is_some() {
                    pace.rest().await;
                }
                continue;
            }
            if matches!(manner, Manner::Spurious | Manner::FreshWakers) && !extra {
                // Polled again before anything has come, and it may be with another waker.
                extra = true;
                if manner == Manner::FreshWakers {
                    self.alarm = Alarm::new();
                }
                continue;
            }
            extra = false;
            self.client.go_on();
            // Who waits for a client that sends nothing more need not be waited for.
            let stalled = self.client.is_stalled() && !self.alarm.has_rung();
            if stalled || !pace.woken(&self.alarm).await {
                if self.tell(manner) && pace.woken(&self.alarm).await {
                    continue;
                }
                return self.end(End::Stuck);
            }
        }
    }

    /// Tells of the stop, in the manner that does; `false` where it has been told, or is not to be.
    fn tell(&self, manner: Manner) -> bool {
        let tells = manner == Manner::Stopping && !self.notice.stopping().is_stopping();
        if tells {
            self.notice.give();
        }
        tells
    }

    pub(crate) fn polls(&self) -> usize {
        self.answer.polls
    }

    pub(crate) fn has_content(&self) -> bool {
        !self.answer.content.is_empty()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.running.is_none()
    }

    /// Drops what is left, and looks at what stays.
    pub(crate) async fn finish(mut self, pace: &Pace, search: bool) -> Answer {
        self.running = None;
        self.client.leave();
        self.answer.asked = self.client.was_asked();
        // Something on another thread may hold it a moment longer.
        let environ = search && self.token.strong_count() > 0 && {
            pace.woken(&self.token_gone).await;
            self.token.strong_count() > 0
        };
        let has_input = Arc::strong_count(&self.client) > 1;
        let input = search && has_input && !self.client.is_dropped() && {
            pace.woken(&self.client.gone).await;
            !self.client.is_dropped()
        };
        let outcomes = self.outcomes.load(Ordering::Acquire);
        self.answer.remains = Remains { environ, input, outcomes };
        self.answer
    }
}

/// Where to drop a run of so many polls: at each of them, or spread evenly where there are very many.
pub(crate) fn departures(polls: usize) -> Vec<usize> {
    const MOST: usize = 64;
    if polls <= MOST {
        return (0..polls).collect();
    }
    let mut chosen: Vec<usize> = (0..MOST).map(|at| at * polls / MOST).collect();
    chosen.dedup();
    chosen
}

/// Fields by name, without those that may differ between any two answers.
pub(crate) fn lasting(fields: &HeaderMap) -> HashMap<&str, Vec<&[u8]>> {
    const LASTING: [&str; 7] = [
        "allow",
        "cache-control",
        "content-encoding",
        "content-language",
        "content-type",
        "location",
        "www-authenticate",
    ];
    LASTING
        .into_iter()
        .filter(|name| fields.contains_key(*name))
        .map(|name| (name, fields.get_all(name).iter().map(|value| value.as_bytes()).collect()))
        .collect()
}
