//! What the lint knows of one exchange.
//!
//! Rules of this room: where the response stands moves only by [`Phase::after`]; facts come in from the environ, the input, the probe
//! inside and the body outside; the last one to let go tells whether the end was announced.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Response, StatusCode, Uri};
use http_body::Frame;
use rwgi::protocol::{Event, Phase};
use rwgi::{Environ, Error, Outcome, OutcomeKind, ResponseBody, StartResponse};

use super::Shared;
use super::rule::{Finding, Rule, Sink};
use super::rules::{body, conduct, end, head, input, status};

/// Hands findings to the sink, except those of rules that were left out.
pub(crate) struct Reporter {
    sink: Arc<dyn Sink>,
    allowed: Vec<&'static str>,
}

impl Reporter {
    pub(crate) fn new(sink: Arc<dyn Sink>) -> Self {
        Self { sink, allowed: Vec::new() }
    }

    pub(crate) fn allow(&mut self, slug: &'static str) {
        self.allowed.push(slug);
    }

    /// Reports a broken rule; the text is made only here.
    #[cold]
    pub(crate) fn report(
        &self,
        rule: &'static Rule,
        exchange: impl FnOnce() -> String,
        what: impl FnOnce() -> String,
    ) {
        if !self.allowed.contains(&rule.slug) {
            self.sink.report(Finding::new(rule, exchange(), what()));
        }
    }
}

/// One exchange under watch.
pub(crate) struct Watch {
    pub(crate) shared: Arc<Shared>,
    pub(crate) request: Request,
    state: Mutex<State>,
    /// How often the end was announced.
    outcomes: AtomicU64,
    /// Rules already reported: each is told once for an exchange.
    told: Mutex<Vec<&'static str>>,
}

/// What of the request matters later, when the environ is the application's.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) expects_continue: bool,
    pub(crate) conditional: bool,
    pub(crate) ranged: bool,
    pub(crate) capabilities: rwgi::Capabilities,
    pub(crate) has_input: bool,
}

/// What has happened so far.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) status: Option<StatusCode>,
    pub(crate) typed: bool,
    pub(crate) pieces: u64,
    pub(crate) bytes: u64,
    /// The body gave its end, or an error.
    pub(crate) body_ended: bool,
    pub(crate) body_failed: bool,
    pub(crate) reads: u64,
    pub(crate) read_to_end: bool,
    pub(crate) read_failed: bool,
    /// What the server is asked to answer with after a failure before the commit.
    pub(crate) error_status: Option<StatusCode>,
    pub(crate) panicked: bool,
    /// The application's future was ready, and whether with its `Finished`.
    pub(crate) returned: Option<bool>,
}

impl Watch {
    pub(crate) fn new(shared: &Arc<Shared>, environ: &Environ) -> Arc<Self> {
        let has = |name: &str| environ.headers().contains_key(name);
        let request = Request {
            method: environ.method().clone(),
            uri: environ.uri().clone(),
            expects_continue: environ
                .headers()
                .get("expect")
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")),
            conditional: has("if-none-match")
                || has("if-modified-since")
                || has("if-match")
                || has("if-unmodified-since")
                || has("if-range"),
            ranged: has("range"),
            capabilities: *environ.capabilities(),
            has_input: !environ.input().is_ended(),
        };
        Arc::new(Self {
            shared: Arc::clone(shared),
            request,
            state: Mutex::new(State {
                phase: Phase::Waiting,
                status: None,
                typed: false,
                pieces: 0,
                bytes: 0,
                body_ended: false,
                body_failed: false,
                reads: 0,
                read_to_end: false,
                read_failed: false,
                error_status: None,
                panicked: false,
                returned: None,
            }),
            outcomes: AtomicU64::new(0),
            told: Mutex::default(),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    pub(crate) fn report(&self, rule: &'static Rule, what: impl FnOnce() -> String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(&rule.slug) {
            return;
        }
        told.push(rule.slug);
        drop(told);
        let exchange = || format!("{} {}", self.request.method, self.request.uri);
        self.shared.reporter.report(rule, exchange, what);
    }

    /// Moves on by the table; a step that it does not have is a finding.
    fn step(&self, state: &mut State, event: Event) {
        match state.phase.after(event) {
            Some(next) => state.phase = next,
            None => end::out_of_order(self, state.phase, event),
        }
    }

    /// The application's future is ready: with its `Finished`, or with an error.
    pub(crate) fn returned(&self, well: bool) {
        let mut state = self.state();
        state.returned = Some(well);
        // Until the head came out of the exchange it is not known how the answer was given: see `responded`.
        if state.status.is_some() {
            if well {
                if state.phase != Phase::Upgraded {
                    self.step(&mut state, Event::Finish);
                }
                self.step(&mut state, Event::ReturnFinished);
            } else {
                self.step(&mut state, Event::Fail);
            }
        }
    }

    /// The inner exchange gave a head.
    pub(crate) fn responded(&self, response: &Response<ResponseBody>) {
        {
            let mut state = self.state();
            match state.returned {
                early if response.body().is_upgrade() => {
                    self.step(&mut state, Event::Upgrade);
                    match early {
                        Some(true) => self.step(&mut state, Event::ReturnFinished),
                        Some(false) => self.step(&mut state, Event::Fail),
                        None => {}
                    }
                }
                Some(true) => {
                    self.step(&mut state, Event::Respond);
                    self.step(&mut state, Event::ReturnFinished);
                }
                early => {
                    self.step(&mut state, Event::Start);
                    self.step(&mut state, Event::Write);
                    if early.is_some() {
                        self.step(&mut state, Event::Fail);
                    }
                }
            }
            state.status = Some(response.status());
            state.typed = response.headers().contains_key(http::header::CONTENT_TYPE);
        }
        status::check(response, self);
        head::check(response.headers(), self);
        input::check_answer(response.status(), self);
    }

    /// The inner exchange failed before its head was committed.
    pub(crate) fn failed(&self, error: &Error) {
        {
            let mut state = self.state();
            self.step(&mut state, Event::Fail);
            state.error_status = Some(error.status());
        }
        conduct::error_returned(error, self);
        status::check_error(error, self);
    }

    /// A frame of the response's body, on its way out.
    pub(crate) fn frame(&self, frame: &Frame<Bytes>) {
        let mut state = self.state();
        body::check_frame(frame, &mut state, self);
    }

    /// The body failed: the message is cut.
    pub(crate) fn body_failed(&self, error: &Error) {
        {
            let mut state = self.state();
            state.body_failed = true;
            state.body_ended = true;
        }
        conduct::error_returned(error, self);
    }

    /// The body gave its end.
    pub(crate) fn body_ended(&self) {
        let mut state = self.state();
        state.body_ended = true;
        body::check_end(&state, self);
    }

    /// Whether a response of this status to this request has no content, whatever the application gave.
    pub(crate) fn is_without_content(&self, status: Option<StatusCode>) -> bool {
        self.request.method == Method::HEAD
            || matches!(status, Some(StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED))
    }

    /// Registers for the end of the server's exchange.
    pub(crate) fn hear_outcome(self: &Arc<Self>, start_response: &mut StartResponse) {
        let announced = Announced(Arc::clone(self));
        start_response.on_complete(move |outcome: &Outcome| announced.0.outcome(&outcome.into()));
    }

    /// The end of the exchange was announced.
    pub(crate) fn outcome(&self, outcome: &end::Announcement) {
        self.outcomes.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        if !state.phase.is_end() {
            let without_content = self.is_without_content(state.status);
            match outcome.kind {
                OutcomeKind::Cancelled => self.step(&mut state, Event::Cancel),
                OutcomeKind::Completed if without_content && state.body_ended => {
                    self.step(&mut state, Event::Discharge);
                }
                OutcomeKind::Completed | OutcomeKind::Failed => {}
            }
        }
        end::check(outcome, &state, self);
        input::check_end(outcome.kind, &state, self);
    }
}

/// Held by the callback: when it goes, the end was announced or never will be.
struct Announced(Arc<Watch>);

impl Drop for Announced {
    fn drop(&mut self) {
        self.0.shared.lifespan(|lifespan, _| lifespan.ended());
        end::check_count(self.0.outcomes.load(Ordering::Relaxed), &self.0);
    }
}
