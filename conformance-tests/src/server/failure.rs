//! What a case says when a server falls short.
//!
//! Rules of this room: a failure is understood without the source: which requirement, what was expected, what came.

use std::fmt;

/// Why a case did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The requirement that was broken; the case's first one where the check did not say.
    pub requirement: Option<&'static str>,
    /// What was expected.
    pub expected: String,
    /// What came instead.
    pub found: String,
    /// What failed was not the check but its control: the server does not do the plain thing beside it.
    pub control: bool,
    /// The case cannot be run on this server; the reason is in `found`.
    pub skipped: bool,
}

/// The result of a step of a case.
pub type Held<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure of the case's own requirement.
    pub fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            requirement: None,
            expected: expected.into(),
            found: found.into(),
            control: false,
            skipped: false,
        }
    }

    /// The case says nothing about this server, for this reason.
    pub fn skip(reason: impl Into<String>) -> Self {
        Self { skipped: true, ..Self::new("", reason) }
    }
}

/// Fails unless `held`.
///
/// ```
/// use rwgi_conformance::server::{Of, check};
/// let status = 204;
/// let failure = check(status == 200, "status 200", status).of("REQ-RESP-02").unwrap_err();
/// assert_eq!((failure.requirement, failure.found.as_str()), (Some("REQ-RESP-02"), "204"));
/// ```
///
/// # Errors
/// A [`Failure`] with the two texts.
pub fn check(held: bool, expected: impl Into<String>, found: impl fmt::Display) -> Held {
    if held { Ok(()) } else { Err(Failure::new(expected, found.to_string())) }
}

/// Names the requirement that a step checks.
pub trait Of {
    /// A failure of this step is one of the requirement `id`.
    #[must_use]
    fn of(self, id: &'static str) -> Self;

    /// A failure of this step is one of the control and not of the check.
    #[must_use]
    fn control(self) -> Self;
}

impl<T> Of for Held<T> {
    fn of(self, id: &'static str) -> Self {
        self.map_err(|mut failure| {
            failure.requirement.get_or_insert(id);
            failure
        })
    }

    fn control(self) -> Self {
        self.map_err(|failure| Failure { control: true, ..failure })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}; came: {}", self.expected, self.found)
    }
}
