//! What went wrong, and whose fault it was.
//!
//! Rules of this room: an [`Error`] always names a culprit ([`Fault`]); it may suggest a status, but only the
//! server's one fault room turns it into an answer; its message is for a log, never for a client.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

use http::StatusCode;

use crate::RequiredUpgrade;

/// The error of any standard library or crate, boxed.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The result of everything that can fail in the contract.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who broke the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The peer: a malformed or truncated request, a body over the limit, a departure.
    Client,
    /// The application: an error it returned, a panic, a broken rule of the contract.
    Application,
    /// The server or its machine: a missing capability, a resource that ran out.
    Server,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Application => "application",
            Self::Server => "server",
        })
    }
}

/// An error of the contract: a culprit, a message for the log, and where known a status, a requirement and a cause.
///
/// Any [`std::error::Error`] becomes one through `?`, as a fault of the application that answers 500 (REQ-ERR-01).
/// Message and cause never reach the client (REQ-ERR-04).
/// It is one pointer wide. It does not implement [`std::error::Error`] itself (that would forbid the conversion);
/// use `BoxError::from(error)` where that trait is asked for.
///
/// ```
/// use rwgi::{Error, Fault};
/// use http::StatusCode;
///
/// fn parse(text: &str) -> rwgi::Result<u32> {
///     Ok(text.parse::<u32>()?) // any error of any crate
/// }
/// let error = parse("seven").unwrap_err();
/// assert_eq!(error.fault(), Fault::Application);
///
/// let error = Error::client(StatusCode::NOT_FOUND, "no such page");
/// assert_eq!(error.status(), StatusCode::NOT_FOUND);
/// ```
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    fault: Fault,
    status: Option<StatusCode>,
    message: Cow<'static, str>,
    requirement: Option<&'static str>,
    source: Option<BoxError>,
    /// Boxed: it is large, and hardly ever there.
    backtrace: Option<Box<Backtrace>>,
    location: &'static Location<'static>,
    /// Boxed as well.
    upgrade: Option<Box<RequiredUpgrade>>,
}

/// The folder of this crate's source, as locations spell it.
const HERE: &str = file!().split_at(file!().len() - "error.rs".len()).0;

impl Error {
    /// An error of the given culprit; its status is 400 for the client and 500 for the others.
    #[track_caller]
    pub fn new(fault: Fault, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            inner: Box::new(Inner {
                fault,
                status: None,
                message: message.into(),
                requirement: None,
                source: None,
                backtrace: backtrace(fault),
                location: Location::caller(),
                upgrade: None,
            }),
        }
    }

    /// The client's fault, to be answered with `status`.
    #[track_caller]
    pub fn client(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Fault::Client, message).with_status(status)
    }

    /// The application's fault: answered 500 unless [`with_status`](Self::with_status) says otherwise.
    #[track_caller]
    pub fn application(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Fault::Application, message)
    }

    /// The server's fault: answered 500 unless [`with_status`](Self::with_status) says otherwise.
    #[track_caller]
    pub fn server(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Fault::Server, message)
    }

    /// A capability that this server does not have, by its name in [`Capabilities::names`](crate::Capabilities::names); answered 501
    /// (REQ-CAP-01).
    #[track_caller]
    pub fn unsupported(capability: &'static str) -> Self {
        Self::server(format!("this server has no capability `{capability}`"))
            .with_status(StatusCode::NOT_IMPLEMENTED)
            .with_requirement("REQ-CAP-01")
    }

    /// Suggests the status of the answer, should nothing have been sent yet: 400 to 599, as [`status`](Self::status) says (REQ-ERR-02).
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.inner.status = Some(status);
        self
    }

    /// Names the requirement that was broken, for the log (REQ-ERR-15).
    #[must_use]
    pub fn with_requirement(mut self, id: &'static str) -> Self {
        self.inner.requirement = Some(id);
        self
    }

    /// Says which protocols a client has to upgrade to, beside the status 426: the server sends them with the answer, as it does those of
    /// [`ResponseHead::require_upgrade`](crate::ResponseHead::require_upgrade) (REQ-UPG-14). A text that is no list of protocols is left out.
    ///
    /// ```
    /// use http::StatusCode;
    /// let error = rwgi::Error::client(StatusCode::UPGRADE_REQUIRED, "only a WebSocket is answered here").with_required_upgrade("websocket");
    /// assert_eq!(error.required_upgrade().unwrap().value(), "websocket");
    /// ```
    #[must_use]
    pub fn with_required_upgrade(mut self, protocols: &str) -> Self {
        self.inner.upgrade = RequiredUpgrade::new(protocols).map(Box::new);
        self
    }

    /// Attaches the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        self.inner.fault
    }

    /// The status that an answer would carry: the one suggested, else 400 for the client's fault, else 500.
    ///
    /// One that is no status of an error (below 400, above 599) counts as 500 (REQ-ERR-02).
    pub fn status(&self) -> StatusCode {
        match (self.inner.status, self.inner.fault) {
            (Some(status), _) if (400..600).contains(&status.as_u16()) => status,
            (None, Fault::Client) => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The protocols that a client has to upgrade to, for the answer.
    pub fn required_upgrade(&self) -> Option<&RequiredUpgrade> {
        self.inner.upgrade.as_deref()
    }

    /// The requirement that was broken, where the error knows it (`"REQ-RESP-03"`).
    pub fn requirement(&self) -> Option<&'static str> {
        self.inner.requirement
    }

    /// What happened, in one line for the log, without the causes.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Every cause, the direct one first.
    fn chain(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        std::iter::successors(self.source(), |&cause| cause.source())
    }

    /// The direct cause.
    pub fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }

    /// What led to it, the direct cause first, less those that only repeat the one before: an error that came by `?` has its cause's message
    /// for its own.
    ///
    /// `{:#}` writes message and causes in one line, for a log.
    ///
    /// ```
    /// let error = rwgi::Error::application("no settings").with_source("x".parse::<u8>().unwrap_err());
    /// assert_eq!(error.causes().count(), 1);
    /// assert_eq!(format!("{error:#}"), "no settings: invalid digit found in string");
    /// let converted = rwgi::Error::from("x".parse::<u8>().unwrap_err());
    /// assert_eq!(format!("{converted:#}"), "invalid digit found in string");
    /// ```
    pub fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        let mut said = self.message().to_owned();
        self.chain().filter(move |cause| {
            let text = cause.to_string();
            let new = text != said;
            said = text;
            new
        })
    }

    /// Where the error was made: known where `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for it, and for no fault of the client.
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.inner.backtrace.as_deref()
    }

    /// Where the error was made: the line of the `?` or of the constructor; `None` where it was the gateway that found something wrong.
    ///
    /// ```
    /// fn settings() -> rwgi::Result<String> {
    ///     Ok(std::fs::read_to_string("/no/such/file")?) // this line
    /// }
    /// assert!(settings().unwrap_err().location().is_some_and(|place| place.line() > 0));
    /// ```
    pub fn location(&self) -> Option<&'static Location<'static>> {
        Some(self.inner.location).filter(|place| !place.file().starts_with(HERE))
    }

    /// Says in front of the message what it is about.
    #[cold]
    pub(crate) fn about(mut self, what: impl fmt::Display) -> Self {
        self.inner.message = format!("{what}: {}", self.inner.message).into();
        self
    }

    /// The cause, if it (or one of its own causes) is of the type asked for.
    ///
    /// ```
    /// let error = rwgi::Error::from("x".parse::<u8>().unwrap_err());
    /// assert!(error.find::<std::num::ParseIntError>().is_some());
    /// ```
    pub fn find<T: StdError + 'static>(&self) -> Option<&T> {
        self.chain().find_map(|cause| cause.downcast_ref())
    }
}

/// A client must not be able to make the server walk its stack with each bad request.
fn backtrace(fault: Fault) -> Option<Box<Backtrace>> {
    if fault == Fault::Client {
        return None;
    }
    let backtrace = Backtrace::capture();
    (backtrace.status() == BacktraceStatus::Captured).then(|| Box::new(backtrace))
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self {
        // A contract error that travelled through somebody's boxed error keeps its culprit and status.
        Self::from_boxed(Box::new(error))
    }
}

impl From<Error> for BoxError {
    fn from(error: Error) -> Self {
        Box::new(Carried(error))
    }
}

impl Error {
    /// Turns a boxed error into one of the contract's; one that came from [`Error`] keeps culprit and status.
    ///
    /// ```
    /// use rwgi::{BoxError, Error, Fault};
    /// let boxed = BoxError::from(Error::new(Fault::Client, "gone"));
    /// assert_eq!(Error::from_boxed(boxed).fault(), Fault::Client);
    /// ```
    #[track_caller]
    pub fn from_boxed(error: BoxError) -> Self {
        Self::from_boxed_as(Fault::Application, error)
    }

    /// [`from_boxed`](Self::from_boxed) with another culprit for a foreign error.
    #[track_caller]
    pub(crate) fn from_boxed_as(fault: Fault, error: BoxError) -> Self {
        let error = match error.downcast::<std::io::Error>() {
            // `std::io::Read` and `Write` let no other error through: look inside.
            Ok(error) if error.get_ref().is_some_and(|inner| inner.is::<Carried>()) => {
                error.into_inner().expect("an inner error was just seen")
            }
            Ok(error) => error,
            Err(error) => error,
        };
        match error.downcast::<Carried>() {
            Ok(carried) => carried.0,
            Err(error) => Self::new(fault, error.to_string()).with_source(error),
        }
    }
}

/// The message; with `{:#}` the causes after it.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        if f.alternate() {
            self.causes().try_for_each(|cause| write!(f, ": {cause}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("fault", &self.inner.fault)
            .field("status", &self.status())
            .field("message", &self.inner.message)
            .field("requirement", &self.inner.requirement)
            .field("source", &self.inner.source)
            .finish()
    }
}

/// [`Error`] where [`std::error::Error`] is asked for: what `BoxError::from(error)` holds.
struct Carried(Error);

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Carried {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Evidence: REQ-ERR-01
    #[test]
    fn a_foreign_error_is_the_applications_fault_and_answers_500() {
        let error = Error::from(std::io::Error::other("disk"));
        assert_eq!(error.fault(), Fault::Application);
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(error.message(), "disk");
        assert!(error.find::<std::io::Error>().is_some());
    }

    // Evidence: REQ-ERR-02
    #[test]
    fn a_hint_that_is_no_error_becomes_500() {
        for status in [StatusCode::OK, StatusCode::from_u16(600).unwrap()] {
            let error = Error::application("odd").with_status(status);
            assert_eq!(error.status(), 500);
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        let disk = Error::from(std::io::Error::other("disk"));
        assert_eq!(format!("{disk:#}"), "disk");
        let page = Error::application("no page").with_source(BoxError::from(disk));
        assert_eq!(
            (format!("{page}"), format!("{page:#}")),
            ("no page".into(), "no page: disk".into())
        );
    }

    // Evidence: REQ-ERR-01
    #[test]
    fn a_boxed_error_of_the_contract_keeps_culprit_and_status() {
        let boxed = BoxError::from(Error::client(StatusCode::GONE, "left"));
        let error = Error::from_boxed(boxed);
        assert_eq!((error.fault(), error.status()), (Fault::Client, StatusCode::GONE));
    }

    #[test]
    fn an_io_error_around_one_of_the_contract_keeps_culprit_and_status() {
        let inner = BoxError::from(Error::client(StatusCode::GONE, "left"));
        let error = Error::from(std::io::Error::other(inner));
        assert_eq!((error.fault(), error.status()), (Fault::Client, StatusCode::GONE));
    }

    #[test]
    fn the_gateways_own_errors_have_no_place_in_the_program() {
        assert!(Error::application("made in this crate").location().is_none());
        assert!(HERE.ends_with("src/") || HERE.ends_with("src\\"), "{HERE}");
    }

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
