//! The request's content, on demand.
//!
//! Rules of this room: nothing is read before it is asked for, so demand is backpressure; the end is always
//! defined (a clean end, or an error, once and for ever after); every call that collects has a limit.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::{BoxError, Error, Fault, Result};

/// How long the request's content is, as far as the framing says (REQ-INPUT-06).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    Empty,
    /// This many bytes: the client declared a Content-Length.
    Exact(u64),
    /// Not known before its end.
    Unknown,
}

/// The request's content: chunks on demand, then trailers.
///
/// # Cancel safety
/// Every method can be dropped at an await without losing a byte, except those that collect: what they had collected goes
/// with them.
///
/// ```
/// # pollster::block_on(async {
/// let mut input = rwgi::Input::from("hello");
/// while let Some(chunk) = input.chunk().await? {
///     assert_eq!(chunk, "hello");
/// }
/// assert!(input.trailers().await?.is_none());
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
pub struct Input {
    source: Source,
    length: BodyLength,
    received: u64,
    limit: Option<u64>,
    trailers: Option<Box<HeaderMap>>,
}

pub(crate) type BoxBody = Pin<Box<dyn Body<Data = Bytes, Error = Error> + Send>>;

enum Source {
    /// Read to its end, or empty from the start.
    Ended,
    Whole(Bytes),
    // The lock is never taken (`get_mut` only): it makes `&Environ` sendable between threads, so that an
    // application may hold one across an await.
    Body(Mutex<BoxBody>),
    Failed {
        fault: Fault,
        status: StatusCode,
        message: String,
        requirement: Option<&'static str>,
    },
}

impl Input {
    /// No content.
    pub fn empty() -> Self {
        Self::new(Source::Ended, BodyLength::Empty)
    }

    /// The content of a body, of the given length; used by servers and middleware.
    ///
    /// A body that ends before `BodyLength::Exact` is an error of the client for the reader (REQ-INPUT-04), and so is an error
    /// of the body itself, unless it is an [`Error`] that names another culprit.
    pub fn from_body<B>(body: B, length: BodyLength) -> Self
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        match length {
            BodyLength::Empty | BodyLength::Exact(0) => Self::empty(),
            _ => Self::new(
                Source::Body(Mutex::new(Box::pin(Adapter::new(body, Fault::Client)))),
                length,
            ),
        }
    }

    fn new(source: Source, length: BodyLength) -> Self {
        Self { source, length, received: 0, limit: None, trailers: None }
    }

    /// The length of the whole content as the framing declared it, whatever was read of it since (REQ-INPUT-06).
    pub fn length(&self) -> BodyLength {
        self.length
    }

    /// Bytes handed out so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether the end was reached: a further read gives `None` at once.
    pub fn is_ended(&self) -> bool {
        matches!(self.source, Source::Ended)
    }

    /// The most bytes that this exchange may bring, `None` for no limit; beyond it reads fail with 413 (REQ-INPUT-12).
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Raises, lowers or (`None`) lifts the limit on the whole content, in bytes (REQ-INPUT-13).
    ///
    /// A declared length beyond the limit fails the first read, before anything is read and before the client is told to
    /// continue (REQ-INPUT-14).
    ///
    /// ```
    /// # pollster::block_on(async {
    /// let mut input = rwgi::Input::from("hello");
    /// input.set_limit(Some(4));
    /// assert_eq!(input.chunk().await.unwrap_err().status(), 413);
    /// # });
    /// ```
    pub fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit;
    }

    /// The next piece of content, never empty (REQ-INPUT-03); `None` at the end, for ever after (REQ-INPUT-02).
    ///
    /// The first call is what answers `Expect: 100-continue` (REQ-INPUT-17). How the content is cut says nothing (REQ-APP-08). Cancel safe.
    ///
    /// # Errors
    /// The content was cut short or malformed or came too slowly (the client's fault, REQ-INPUT-04), or is larger than the limit
    /// (413, REQ-INPUT-12). Every later call gives the same error (REQ-INPUT-05).
    #[inline]
    pub fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + use<'_> {
        poll_fn(|cx| self.poll_chunk(cx))
    }

    /// [`chunk`](Self::chunk) for hand-written futures; pending, it has taken nothing.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        if let (BodyLength::Exact(declared), Some(limit)) = (self.length, self.limit)
            && declared > limit
            && !matches!(self.source, Source::Ended | Source::Failed { .. })
        {
            return Poll::Ready(Err(self.fail(too_large(limit, "REQ-INPUT-12"))));
        }
        loop {
            // Whether the body says by itself that nothing follows: it is not asked for its end then, which may cost a turn.
            let mut at_end = false;
            let data = match &mut self.source {
                Source::Ended => return Poll::Ready(Ok(None)),
                Source::Failed { fault, status, message, requirement } => {
                    let error = Error::new(*fault, message.clone()).with_status(*status);
                    return Poll::Ready(Err(match requirement {
                        Some(id) => error.with_requirement(id),
                        None => error,
                    }));
                }
                Source::Whole(data) => {
                    let data = std::mem::take(data);
                    self.source = Source::Ended;
                    data
                }
                Source::Body(body) => {
                    let body = body.get_mut().unwrap_or_else(PoisonError::into_inner);
                    match ready!(body.as_mut().poll_frame(cx)) {
                        Some(Ok(frame)) => match frame.into_data() {
                            Ok(data) => {
                                at_end = body.is_end_stream();
                                data
                            }
                            Err(frame) => {
                                self.trailers = frame.into_trailers().ok().map(Box::new);
                                continue;
                            }
                        },
                        Some(Err(error)) => return Poll::Ready(Err(self.fail(error))),
                        None => return Poll::Ready(self.end()),
                    }
                }
            };
            if data.is_empty() {
                continue;
            }
            self.received += data.len() as u64;
            if let BodyLength::Exact(declared) = self.length
                && self.received > declared
            {
                return Poll::Ready(Err(self.fail(wrong_length(self.received, declared))));
            }
            if let Some(limit) = self.limit.filter(|limit| self.received > *limit) {
                return Poll::Ready(Err(self.fail(too_large(limit, "REQ-INPUT-12"))));
            }
            if at_end && matches!(self.length, BodyLength::Exact(length) if length == self.received)
            {
                self.source = Source::Ended;
            }
            return Poll::Ready(Ok(Some(data)));
        }
    }

    /// The fields after the content, `None` where there were none; reads what is left of the content and drops it (REQ-INPUT-21).
    ///
    /// They are given once, and never merged into the head's (REQ-INPUT-22). Cancel safe.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    pub async fn trailers(&mut self) -> Result<Option<HeaderMap>> {
        while self.chunk().await?.is_some() {}
        Ok(self.trailers.take().map(|trailers| *trailers))
    }

    /// All that is left of the content, up to `limit` bytes.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk); 413 where more than `limit` bytes come (REQ-INPUT-15).
    ///
    /// # Cancel safety
    /// None: what it has read by then is lost.
    pub async fn read_to_end(&mut self, limit: usize) -> Result<Bytes> {
        if let BodyLength::Exact(declared) = self.length
            && declared - self.received.min(declared) > limit as u64
        {
            return Err(self.fail(too_large(limit as u64, "REQ-INPUT-15")));
        }
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        if first.len() > limit {
            return Err(self.fail(too_large(limit as u64, "REQ-INPUT-15")));
        }
        let Some(second) = self.chunk().await? else { return Ok(first) };
        let mut whole = BytesMut::with_capacity(first.len() + second.len());
        whole.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            if whole.len() + chunk.len() > limit {
                return Err(self.fail(too_large(limit as u64, "REQ-INPUT-15")));
            }
            whole.extend_from_slice(&chunk);
            next = self.chunk().await?;
        }
        Ok(whole.freeze())
    }

    /// All that is left of the content as UTF-8, up to `limit` bytes.
    ///
    /// # Errors
    /// As [`read_to_end`](Self::read_to_end); 400 where it is not UTF-8 (REQ-INPUT-16).
    ///
    /// # Cancel safety
    /// None, as there.
    pub async fn read_to_string(&mut self, limit: usize) -> Result<String> {
        let whole = self.read_to_end(limit).await?;
        String::from_utf8(whole.into()).map_err(|error| {
            Error::client(StatusCode::BAD_REQUEST, "the request's content is not UTF-8")
                .with_requirement("REQ-INPUT-16")
                .with_source(error)
        })
    }

    fn end(&mut self) -> Result<Option<Bytes>> {
        if let BodyLength::Exact(declared) = self.length
            && self.received != declared
        {
            return Err(self.fail(wrong_length(self.received, declared)));
        }
        self.source = Source::Ended;
        Ok(None)
    }

    fn fail(&mut self, error: Error) -> Error {
        self.source = Source::Failed {
            fault: error.fault(),
            status: error.status(),
            message: error.message().to_owned(),
            requirement: error.requirement(),
        };
        error
    }
}

/// Content over a limit: the client's fault, 413.
fn too_large(limit: u64, requirement: &'static str) -> Error {
    Error::client(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the request's content is larger than the limit of {limit} bytes"),
    )
    .with_requirement(requirement)
}

/// Content that is not what was declared: the client's fault.
fn wrong_length(received: u64, declared: u64) -> Error {
    Error::new(
        Fault::Client,
        format!("{received} bytes of content came where {declared} were declared"),
    )
    .with_requirement("REQ-INPUT-04")
}

impl Default for Input {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Input {
    fn from(data: Bytes) -> Self {
        if data.is_empty() {
            return Self::empty();
        }
        let length = BodyLength::Exact(data.len() as u64);
        Self::new(Source::Whole(data), length)
    }
}

impl From<&'static str> for Input {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<Vec<u8>> for Input {
    fn from(data: Vec<u8>) -> Self {
        Bytes::from(data).into()
    }
}

/// An input is itself a body, for libraries that take one.
impl Body for Input {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(match ready!(self.poll_chunk(cx)) {
            Ok(Some(data)) => Some(Ok(Frame::data(data))),
            Ok(None) => self.trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))),
            Err(error) => Some(Err(error.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            BodyLength::Empty => SizeHint::with_exact(0),
            BodyLength::Exact(length) => SizeHint::with_exact(length - self.received.min(length)),
            BodyLength::Unknown => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("length", &self.length)
            .field("received", &self.received)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// Any body, with its data and errors turned into the contract's; `fault` is the culprit of a foreign error.
    pub(crate) struct Adapter<B> {
        #[pin]
        body: B,
        fault: Fault,
    }
}

impl<B> Adapter<B> {
    pub(crate) fn new(body: B, fault: Fault) -> Self {
        Self { body, fault }
    }
}

impl<B> Body for Adapter<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.project();
        this.body.poll_frame(cx).map(|frame| {
            frame.map(|frame| match frame {
                Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
                Err(error) => Err(Error::from_boxed_as(*this.fault, error.into())),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
