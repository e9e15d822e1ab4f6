//! The token that starts a response, and the proof that it was finished.
//!
//! Rules of this room: the token is consumed by use, so the compiler sees to it that a response starts once; `Finished`
//! has no public constructor, so an application that returns `Ok` has answered.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Body;

use crate::exchange::phase::{Event, Phase};
use crate::exchange::slot::{Slot, Whole};
use crate::fields::IntoFields;
use crate::input::Adapter;
use crate::upgrade::link::Link;
use crate::upgrade::session::{Begun, not_offered};
use crate::{
    Acceptance, BodyWriter, BoxError, Error, Fault, Outcome, OutcomeKind, ResponseBody,
    ResponseHead, Result, Tunnel, WebSocket,
};

/// WSGI's `start_response`, as a token: what is done with it is the response, and it is done once (REQ-RESP-01).
///
/// ```
/// use http::{StatusCode, header::CONTENT_TYPE};
/// use rwgi::{Environ, Finished, StartResponse};
///
/// async fn hello(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
///     start_response.respond(StatusCode::OK, [(CONTENT_TYPE, "text/plain")], "Hello, World!")
/// }
/// # let _ = hello;
/// ```
#[must_use = "an application that drops the token without an error answers 500"]
pub struct StartResponse {
    slot: Arc<Slot>,
}

/// Proof that a response was finished; the only way to return `Ok` from an application (REQ-APP-02).
///
/// The response ends when it is returned, not before (REQ-EXCH-05); that of another exchange is a failure (REQ-EXCH-06).
#[must_use = "return it from the application: the response ends when the application does"]
pub struct Finished {
    slot: Arc<Slot>,
}

impl StartResponse {
    #[inline]
    pub(crate) fn new(slot: Arc<Slot>) -> Self {
        Self { slot }
    }

    /// Answers in one step, with a Content-Length that the gateway sets (REQ-RESP-15).
    ///
    /// # Errors
    /// What [`ResponseHead::new`] refuses; a declared Content-Length that is not the length of `body` (REQ-RESP-16). Nothing was sent then:
    /// an `Err` returned from the application is answered with its status.
    #[inline]
    pub fn respond(
        self,
        status: StatusCode,
        fields: impl IntoFields,
        body: impl Into<Bytes>,
    ) -> Result<Finished> {
        self.respond_with(ResponseHead::new(status, fields)?, body)
    }

    /// [`respond`](Self::respond) with a head that was made before.
    ///
    /// # Errors
    /// A declared Content-Length that is not the length of `body` (REQ-RESP-16).
    #[inline]
    pub fn respond_with(self, head: ResponseHead, body: impl Into<Bytes>) -> Result<Finished> {
        let data = body.into();
        let length = data.len() as u64;
        let mut state = self.slot.lock();
        if let Some(declared) = head.content_length().filter(|declared| *declared != length)
            && !state.is_bodyless_with(&head)
        {
            return Err(wrong_length(declared, length));
        }
        state.set_head(head);
        state.written = length;
        state.whole = Some(Whole::Bytes(data));
        state.step(Event::Respond);
        drop(state);
        Ok(Finished { slot: self.slot })
    }

    /// Starts a response whose content follows piece by piece.
    ///
    /// The head leaves with the first byte or [`flush`](BodyWriter::flush) (REQ-RESP-10); until then it can be replaced.
    ///
    /// # Errors
    /// What [`ResponseHead::new`] refuses.
    pub fn start(self, status: StatusCode, fields: impl IntoFields) -> Result<BodyWriter> {
        Ok(self.start_with(ResponseHead::new(status, fields)?))
    }

    /// [`start`](Self::start) with a head that was made before.
    pub fn start_with(self, head: ResponseHead) -> BodyWriter {
        {
            let mut state = self.slot.lock();
            state.set_head(head);
            state.step(Event::Start);
        }
        BodyWriter::new(self.slot)
    }

    /// Answers with a body that the server pulls: for tower, proxies, files, and what an inner [`Exchange`](crate::Exchange) gave.
    ///
    /// The response leaves when the application returns, and only then is the body pulled. Its trailers are passed on, and its errors cut
    /// the response (REQ-ERR-09). An exact size that it reports becomes the Content-Length (REQ-BODY-14). The chunk that completes a
    /// known length is given once the body said that it has ended, so that a surplus or a late error can still be shown.
    ///
    /// # Errors
    /// What [`ResponseHead::from_parts`] refuses; a declared Content-Length that the body's own exact length contradicts (REQ-BODY-12,
    /// REQ-BODY-13); a 101 that is neither an inner exchange's nor taken by the capability `forwarded-upgrade` (REQ-UPG-07).
    pub fn forward<B>(self, response: Response<B>) -> Result<Finished>
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = response.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return self.forward_switching(parts, body);
        }
        let head = ResponseHead::from_parts(parts)?;
        let declared = head.content_length();
        let exact = body.size_hint().exact();
        if let (Some(declared), Some(exact)) = (declared, exact)
            && declared != exact
            && !self.slot.lock().is_bodyless_with(&head)
        {
            return Err(Error::application(format!(
                "the forwarded response declares {declared} bytes of content and its body has {exact}"
            ))
            .with_requirement(if exact < declared { "REQ-BODY-12" } else { "REQ-BODY-13" }));
        }
        if body.is_end_stream() && declared.is_none_or(|declared| declared == 0) {
            return self.respond_with(head, Bytes::new());
        }
        let mut body = Some(body);
        // A body that comes from an exchange, unread and of the length that is declared, needs no second box and no second count.
        let inner = (&mut body as &mut dyn Any)
            .downcast_mut::<Option<ResponseBody>>()
            .filter(|_| declared.is_none() || declared == exact)
            .and_then(|inner| inner.take_if(|inner| inner.is_unread()));
        let whole = match (inner, body) {
            (Some(inner), _) => Some(Whole::Inner(inner)),
            (None, Some(body)) => {
                Some(Whole::Pull(Box::pin(Adapter::new(body, Fault::Application)), exact))
            }
            (None, None) => None,
        };
        let mut state = self.slot.lock();
        state.set_head(head);
        state.whole = whole;
        state.step(Event::Respond);
        drop(state);
        Ok(Finished { slot: self.slot })
    }

    /// Passes on a 101: that of an inner exchange, or one by which somebody answers who took the upgrade that the server handed through.
    #[cold]
    fn forward_switching<B: Body + Send + 'static>(
        self,
        parts: http::response::Parts,
        body: B,
    ) -> Result<Finished> {
        let mut body = Some(body);
        let inner = (&mut body as &mut dyn Any)
            .downcast_mut::<Option<ResponseBody>>()
            .and_then(|inner| inner.take_if(|inner| inner.is_upgrade()));
        let mut state = self.slot.lock();
        let whole = match inner {
            Some(inner) => Whole::Inner(inner),
            None if state.capabilities.forwarded_upgrade && state.offer.is_some() => {
                Whole::Bytes(Bytes::new())
            }
            // The error says that 101 is no final status.
            None => {
                drop(state);
                return Err(ResponseHead::from_parts(parts).err().unwrap_or_else(|| {
                    Error::application("101 is the answer of `upgrade` and `accept` alone")
                }));
            }
        };
        let foreign = matches!(whole, Whole::Bytes(_));
        state.head = Some(ResponseHead::from_switching(parts, foreign)?);
        state.bodyless = false;
        state.whole = Some(whole);
        state.step(Event::Respond);
        drop(state);
        Ok(Finished { slot: self.slot })
    }

    /// Takes the connection over for `protocol`, which the request offers: 101, and from then on octets in both directions.
    ///
    /// The head leaves when the application waits next. `protocol` is compared without regard to case and sent as the client spelled it; on
    /// HTTP/2 it is the `:protocol` of extended CONNECT (RFC 8441), and the status on the wire is 200.
    ///
    /// # Errors
    /// The server lacks the capability `upgrade` (501, REQ-CAP-01); the request does not offer the protocol
    /// ([`Environ::upgrade`](crate::Environ::upgrade) tells; 426, REQ-UPG-03); a field is refused, as [`ResponseHead::append`] does.
    pub fn upgrade(self, protocol: &str, fields: impl IntoFields) -> Result<Tunnel> {
        let mut head = ResponseHead::switching();
        fields.append_to(&mut head)?;
        let mut state = self.slot.lock();
        if !state.capabilities.upgrade {
            return Err(Error::unsupported("upgrade"));
        }
        let offered = state.offer.as_ref().and_then(|offer| offer.find(protocol));
        let Some(offered) = offered else { return Err(not_offered(protocol)) };
        head.require_upgrade(offered)?;
        let link = Arc::new(Link::new());
        let begun = Begun::Tunnel(Arc::clone(&link));
        state.begin_session(head, begun);
        let parked = state.parked_body(&self.slot);
        drop(state);
        // On another thread: the server waits for this.
        if let Some(waker) = parked {
            waker.wake();
        }
        Ok(Tunnel::new(link, self.slot))
    }

    /// Accepts the WebSocket that the request offers; any other answer denies it.
    ///
    /// `()` accepts with all defaults; an [`Acceptance`] chooses a subprotocol, adds fields and sets limits.
    ///
    /// # Errors
    /// The server lacks the capability `websocket` (501, REQ-CAP-01); the request is no valid handshake
    /// ([`Environ::websocket`](crate::Environ::websocket) tells; 426); the subprotocol is none of those offered (REQ-WS-06), or a field is
    /// refused (REQ-WS-05).
    pub fn accept(self, acceptance: impl Into<Acceptance>) -> Result<WebSocket> {
        let mut acceptance = acceptance.into();
        acceptance.check()?;
        let mut state = self.slot.lock();
        if !state.capabilities.websocket {
            return Err(Error::unsupported("websocket"));
        }
        let offer = state.offer.as_ref().and_then(|offer| offer.websocket());
        let Some(offer) = offer else { return Err(not_offered("websocket")) };
        if let Some(chosen) = &acceptance.subprotocol
            && !offer.subprotocols().any(|offered| offered == chosen)
        {
            return Err(Error::application(format!(
                "the application chose the subprotocol {chosen:?}, which the client does not offer"
            ))
            .with_requirement("REQ-WS-06"));
        }
        let mut head = std::mem::replace(&mut acceptance.head, ResponseHead::switching());
        if let Some(chosen) = &acceptance.subprotocol {
            head.insert(http::header::SEC_WEBSOCKET_PROTOCOL, chosen.as_str())?;
        }
        head.require_upgrade("websocket")?;
        let link = Arc::new(Link::new());
        let begun = Begun::WebSocket(Arc::clone(&link), Box::new(acceptance));
        state.begin_session(head, begun);
        let parked = state.parked_body(&self.slot);
        drop(state);
        // On another thread: the server waits for this.
        if let Some(waker) = parked {
            waker.wake();
        }
        Ok(WebSocket::new(link, self.slot))
    }

    /// Sends an informational response (1xx other than 100 and 101) before the final one, in the order of the calls (REQ-CAP-04).
    ///
    /// # Errors
    /// The server lacks the capability `informational` (501, REQ-CAP-01), the status (REQ-CAP-06) or a field (REQ-RESP-08) is not allowed, or
    /// the exchange is over because the client left.
    pub fn inform(&mut self, status: StatusCode, fields: impl IntoFields) -> Result<()> {
        if !status.is_informational() || matches!(status.as_u16(), 100 | 101) {
            return Err(Error::application(format!(
                "{} is no informational response that an application sends",
                status.as_u16()
            ))
            .with_requirement("REQ-CAP-06"));
        }
        let mut head = ResponseHead::default();
        fields.append_to(&mut head)?;
        self.slot.lock().check_open()?;
        if !self.slot.inform(status, head.fields().clone()) {
            return Err(Error::unsupported("informational"));
        }
        Ok(())
    }

    /// Registers a callback for the end of the exchange; it runs exactly once, whatever the end (REQ-EXCH-10).
    ///
    /// It runs on the task that serves the connection, and must not block; where the exchange is over already it runs at once, in this
    /// call.
    ///
    /// ```
    /// use http::StatusCode;
    /// use rwgi::{Environ, Finished, OutcomeKind, StartResponse};
    ///
    /// async fn watched(_: Environ, mut start: StartResponse) -> rwgi::Result<Finished> {
    ///     start.on_complete(|outcome| {
    ///         if outcome.kind() == OutcomeKind::Cancelled {
    ///             eprintln!("left after {} bytes", outcome.bytes());
    ///         }
    ///     });
    ///     start.respond(StatusCode::OK, (), "Hello")
    /// }
    /// # rwgi::testing::run(&watched, Environ::builder().build()?)?;
    /// # Ok::<(), rwgi::Error>(())
    /// ```
    pub fn on_complete(&mut self, callback: impl FnOnce(&Outcome) + Send + 'static) {
        let mut state = self.slot.lock();
        if state.closed || state.phase.is_end() {
            let kind = match state.phase {
                Phase::Completed => OutcomeKind::Completed,
                Phase::Failed | Phase::Aborted => OutcomeKind::Failed,
                _ => OutcomeKind::Cancelled,
            };
            drop(state);
            callback(&Outcome::new(kind, None, 0));
        } else {
            state.callbacks.push(Box::new(callback));
        }
    }

    /// Registers a hook on the head of the response: the cheap way for middleware that only adds fields.
    ///
    /// Hooks run when the head leaves, each once, the last registered first (REQ-RESP-13). They see the heads of the application, not the
    /// server's own error responses. An `Err` fails the exchange (REQ-RESP-14).
    pub fn map_head(
        &mut self,
        hook: impl FnOnce(&mut ResponseHead) -> Result<()> + Send + 'static,
    ) {
        self.slot.lock().hooks.push(Box::new(hook));
    }

    /// Whether the server has gone on without this exchange: nobody takes an answer any more.
    pub fn is_departed(&self) -> bool {
        self.slot.lock().closed
    }
}

/// An answer in one step whose declared length is not the length of its bytes.
#[cold]
pub(crate) fn wrong_length(declared: u64, given: u64) -> Error {
    Error::application(format!(
        "the application declared {declared} bytes of content and gave {given}"
    ))
    .with_requirement("REQ-RESP-16")
}

impl StartResponse {
    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl Finished {
    #[inline]
    pub(crate) fn new(slot: Arc<Slot>) -> Self {
        Self { slot }
    }

    #[inline]
    pub(crate) fn belongs_to(&self, slot: &Arc<Slot>) -> bool {
        Arc::ptr_eq(&self.slot, slot)
    }
}

impl fmt::Debug for StartResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartResponse").field("phase", &self.slot.lock().phase).finish()
    }
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finished").finish_non_exhaustive()
    }
}
