//! The application inside of the middleware that is tried.
//!
//! Rules of this room: it does what its role says and nothing else; what it saw is remembered until the stage asks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use rwgi::{
    Application, BodyLength, Environ, Error, Finished, OutcomeKind, Result, ServerInfo,
    StartResponse,
};

use super::super::drive::has_token;

/// What the specimen does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// Answers with two thousand bytes of declared length.
    #[default]
    Content,
    /// Answers in pieces, and with trailers.
    Trailers,
    /// Answers the first piece of the request with a piece, and waits for the next.
    Trickle,
    /// Waits for a client that sends nothing more, with a response under way.
    Hold,
    /// Writes more than anybody wants.
    Endless,
    /// Commits a response and fails.
    FailLate,
    /// Fails before it answers.
    FailEarly,
}

/// What an environ looked like from inside.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) extension: bool,
    pub(super) length: BodyLength,
    pub(super) content_length: Option<u64>,
    pub(super) capabilities: Vec<&'static str>,
}

/// Where stage and specimen meet.
#[derive(Default)]
pub(super) struct Booth {
    state: Mutex<State>,
    startups: AtomicUsize,
    shutdowns: AtomicUsize,
    under_way: AtomicUsize,
    written: AtomicUsize,
    fails_to_start: bool,
}

#[derive(Default)]
struct State {
    role: Role,
    seen: Option<Seen>,
    calls: usize,
    outcomes: Vec<OutcomeKind>,
}

impl Booth {
    /// The booth of a specimen that fails to start.
    pub(super) fn failing() -> Self {
        Self { fails_to_start: true, ..Self::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the role, and forgets what was before.
    pub(super) fn play(&self, role: Role) {
        *self.state() = State { role, ..State::default() };
        self.written.store(0, Ordering::Release);
    }

    pub(super) fn take_seen(&self) -> Option<Seen> {
        self.state().seen.take()
    }

    /// The calls since the role was set, and the outcomes that were told.
    pub(super) fn take_outcomes(&self) -> (usize, Vec<OutcomeKind>) {
        let mut state = self.state();
        (std::mem::take(&mut state.calls), std::mem::take(&mut state.outcomes))
    }

    pub(super) fn startups(&self) -> usize {
        self.startups.load(Ordering::Acquire)
    }

    pub(super) fn shutdowns(&self) -> usize {
        self.shutdowns.load(Ordering::Acquire)
    }

    /// How many of the specimen's futures live.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }

    /// How many bytes were taken from it.
    pub(super) fn written(&self) -> usize {
        self.written.load(Ordering::Acquire)
    }
}

pub(super) struct Specimen(pub(super) Arc<Booth>);

/// Counts a future while it lives.
struct Presence(Arc<Booth>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Application for Specimen {
    async fn call(&self, mut environ: Environ, mut start: StartResponse) -> Result<Finished> {
        let booth = Arc::clone(&self.0);
        booth.under_way.fetch_add(1, Ordering::AcqRel);
        let _presence = Presence(Arc::clone(&booth));
        let role = {
            let mut state = booth.state();
            state.calls += 1;
            state.seen = Some(Seen {
                path: format!("{}{}", environ.script_name(), environ.path_info()),
                extension: has_token(environ.extensions()),
                length: environ.input().length(),
                content_length: environ
                    .headers()
                    .get(CONTENT_LENGTH)
                    .and_then(|value| value.to_str().ok()?.parse().ok()),
                capabilities: environ.capabilities().names().collect(),
            });
            state.role
        };
        let teller = Arc::clone(&booth);
        start.on_complete(move |outcome| teller.state().outcomes.push(outcome.kind()));
        act(role, &booth, &mut environ, start).await
    }

    async fn startup(&self, _: &ServerInfo) -> Result<()> {
        self.0.startups.fetch_add(1, Ordering::AcqRel);
        if self.0.fails_to_start {
            return Err(Error::application("this specimen does not start"));
        }
        Ok(())
    }

    async fn shutdown(&self) {
        self.0.shutdowns.fetch_add(1, Ordering::AcqRel);
    }
}

const TEXT: (http::HeaderName, &str) = (CONTENT_TYPE, "text/plain; charset=utf-8");

async fn act(
    role: Role,
    booth: &Booth,
    environ: &mut Environ,
    start: StartResponse,
) -> Result<Finished> {
    match role {
        Role::Content => {
            while environ.input_mut().chunk().await?.is_some() {}
            start.respond(
                StatusCode::OK,
                [TEXT, (CONTENT_LENGTH, "2000")],
                "The quick brown fox. ".repeat(96)[..2000].to_owned(),
            )
        }
        Role::Trailers => {
            let mut body = start.start(StatusCode::OK, [TEXT])?;
            for piece in ["one ", "two ", "three"] {
                body.write(piece).await?;
            }
            if !environ.capabilities().response_trailers {
                return body.finish();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-checksum", HeaderValue::from_static("1234"));
            body.finish_with_trailers(trailers)
        }
        Role::Trickle | Role::Hold => {
            let input = environ.input_mut();
            input.chunk().await?;
            let mut body = start.start(StatusCode::OK, [TEXT])?;
            // Large enough that a buffer of usual size has to pass something on.
            body.write("a piece of the response ".repeat(40)).await?;
            while input.chunk().await?.is_some() {}
            body.finish()
        }
        Role::Endless => {
            let mut body = start.start(StatusCode::OK, [TEXT])?;
            for _ in 0..1024 {
                body.write(vec![b'x'; 16 << 10]).await?;
                booth.written.fetch_add(16 << 10, Ordering::AcqRel);
            }
            body.finish()
        }
        Role::FailLate => {
            let mut body = start.start(StatusCode::OK, [TEXT])?;
            body.write("a part of the response").await?;
            body.flush().await?;
            Err(Error::application("this specimen fails after the commit"))
        }
        Role::FailEarly => Err(Error::client(
            StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
            "this specimen fails before it answers",
        )),
    }
}
