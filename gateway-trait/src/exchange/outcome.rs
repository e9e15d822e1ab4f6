//! How an exchange ended, and who is told.
//!
//! Rules of this room: callbacks run exactly once, on every path, drop and panic included; a callback that panics
//! harms nobody but itself.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use http::StatusCode;

/// How an exchange ended, as [`on_complete`](crate::StartResponse::on_complete) is told (REQ-EXCH-10).
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
    /// The application returned its `Finished` and the server took the whole response (REQ-EXCH-11).
    Completed,
    /// The server dropped the exchange before its end: the client left, the server stops, time ran out (REQ-EXCH-12).
    Cancelled,
    /// The application failed, or the body that it forwarded, before or after its head was committed (REQ-EXCH-13).
    Failed,
}

impl Outcome {
    pub(crate) fn new(kind: OutcomeKind, status: Option<StatusCode>, bytes: u64) -> Self {
        Self { kind, status, bytes, error: None }
    }

    /// How it ended.
    pub fn kind(&self) -> OutcomeKind {
        self.kind
    }

    /// The status of the response (REQ-EXCH-14); after a failure before the commit, the one that the server is asked to answer with.
    ///
    /// `None` where the exchange was cancelled before its head, or was over when the callback was registered.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Bytes of content that the server took for sending, without their framing (REQ-EXCH-14).
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What failed, for the log; `None` unless something did.
    pub fn error_message(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// A callback that waits for the end.
pub(crate) type Callback = Box<dyn FnOnce(&Outcome) + Send>;

/// The callbacks of one exchange, in the order in which they were registered; most exchanges have none, so it is one pointer to them.
#[derive(Default)]
pub(crate) struct Callbacks(Option<Box<Registered>>);

struct Registered {
    first: Callback,
    more: Vec<Callback>,
    status: Option<StatusCode>,
}

impl Callbacks {
    #[inline]
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn push(&mut self, callback: Callback) {
        match &mut self.0 {
            Some(registered) => registered.more.push(callback),
            None => {
                let registered = Registered { first: callback, more: Vec::new(), status: None };
                self.0 = Some(Box::new(registered));
            }
        }
    }
}

/// Who waits for the end of an exchange; told once, and told of the cancellation where nothing else came first.
#[derive(Default)]
pub(crate) struct Completion {
    callbacks: Callbacks,
    pub(crate) bytes: u64,
}

impl Completion {
    #[inline]
    pub(crate) fn new(mut callbacks: Callbacks, status: Option<StatusCode>) -> Self {
        if let Some(registered) = &mut callbacks.0 {
            registered.status = status;
        }
        Self { callbacks, bytes: 0 }
    }

    /// Takes over the callbacks of an outer exchange, which hear of the same end; all hear of the outer status.
    pub(crate) fn take_over(&mut self, outer: &mut Self, status: StatusCode) {
        if let Some(outer) = outer.callbacks.0.take() {
            for callback in std::iter::once(outer.first).chain(outer.more) {
                self.callbacks.push(callback);
            }
        }
        self.set_status(Some(status));
    }

    pub(crate) fn set_status(&mut self, status: Option<StatusCode>) {
        if let Some(registered) = &mut self.callbacks.0 {
            registered.status = status;
        }
    }

    #[inline]
    pub(crate) fn completed(&mut self) {
        if !self.callbacks.is_empty() {
            self.tell(OutcomeKind::Completed, None);
        }
    }

    #[inline]
    pub(crate) fn failed(&mut self, error: &crate::Error) {
        if !self.callbacks.is_empty() {
            self.tell(OutcomeKind::Failed, Some(error));
        }
    }

    /// Tells of a failure before the commit, which the server answers with the error's status.
    #[cold]
    pub(crate) fn fail(mut self, error: crate::Error) -> crate::Error {
        self.set_status(Some(error.status()));
        self.failed(&error);
        error
    }

    #[cold]
    fn tell(&mut self, kind: OutcomeKind, error: Option<&crate::Error>) {
        let Some(registered) = self.callbacks.0.take() else { return };
        let Registered { first, more, status } = *registered;
        let error = error.map(ToString::to_string);
        let outcome = Outcome { kind, status, bytes: self.bytes, error };
        for callback in std::iter::once(first).chain(more) {
            // Runs inside `drop` and while unwinding, where a second panic would end the process.
            let _ = catch_unwind(AssertUnwindSafe(|| callback(&outcome)));
        }
    }
}

impl Drop for Completion {
    #[inline]
    fn drop(&mut self) {
        if !self.callbacks.is_empty() {
            self.tell(OutcomeKind::Cancelled, None);
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
