//! How an exchange ended, and who is told.
//!
//! Rules of this room: callbacks run exactly once, on every path, drop and panic included; a callback that panics
//! harms nobody but itself.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use http::StatusCode;

/// How an exchange ended, as [`on_complete`](crate::StartResponse::on_complete) is told.
#[derive(Clone, Debug)]
pub struct Outcome {
    kind: OutcomeKind,
    status: Option<StatusCode>,
    bytes: u64,
    error: Option<String>,
}

/// The ways in which an exchange can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// The application returned its `Finished` and the server took the whole response.
    Completed,
    /// The server dropped the exchange before its end: the client left, the server stops, time ran out.
    Cancelled,
    /// The application failed, before or after its head was committed.
    Failed,
}

impl Outcome {
    pub(crate) fn new(kind: OutcomeKind, status: Option<StatusCode>, bytes: u64) -> Self {
        Self { kind, status, bytes, error: None }
    }

    pub(crate) fn failed(status: Option<StatusCode>, bytes: u64, error: String) -> Self {
        Self { kind: OutcomeKind::Failed, status, bytes, error: Some(error) }
    }

    /// How it ended.
    pub fn kind(&self) -> OutcomeKind {
        self.kind
    }

    /// The status of the response; after a failure before the commit, the one that the server is asked to answer with.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Bytes of content that the server took.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What failed, for the log.
    pub fn error_message(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// A callback that waits for the end.
pub(crate) type Callback = Box<dyn FnOnce(&Outcome) + Send>;

/// The callbacks of one exchange; told once, and told of the cancellation where nothing else came first.
#[derive(Default)]
pub(crate) struct Completion {
    callbacks: Vec<Callback>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) bytes: u64,
}

impl Completion {
    #[inline]
    pub(crate) fn new(callbacks: Vec<Callback>, status: Option<StatusCode>) -> Self {
        Self { callbacks, status, bytes: 0 }
    }

    /// Takes over the callbacks of an outer exchange, which hear of the same end under the outer status.
    pub(crate) fn take_over(&mut self, outer: &mut Self) {
        self.callbacks.append(&mut outer.callbacks);
        self.status = outer.status;
    }

    pub(crate) fn completed(&mut self) {
        if !self.callbacks.is_empty() {
            self.tell(&Outcome::new(OutcomeKind::Completed, self.status, self.bytes));
        }
    }

    pub(crate) fn failed(&mut self, error: &crate::Error) {
        if !self.callbacks.is_empty() {
            self.tell(&Outcome::failed(self.status, self.bytes, error.to_string()));
        }
    }

    /// Tells of a failure before the commit, which the server answers with the error's status.
    #[cold]
    pub(crate) fn fail(mut self, error: crate::Error) -> crate::Error {
        self.status = Some(error.status());
        self.failed(&error);
        error
    }

    #[cold]
    fn tell(&mut self, outcome: &Outcome) {
        for callback in std::mem::take(&mut self.callbacks) {
            // Runs inside `drop` and while unwinding, where a second panic would end the process.
            let _ = catch_unwind(AssertUnwindSafe(|| callback(outcome)));
        }
    }
}

impl Drop for Completion {
    #[inline]
    fn drop(&mut self) {
        if !self.callbacks.is_empty() {
            self.tell(&Outcome::new(OutcomeKind::Cancelled, self.status, self.bytes));
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("callbacks", &self.callbacks.len())
            .finish_non_exhaustive()
    }
}
