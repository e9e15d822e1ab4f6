//! The answer: the exchange is polled, and what comes of it is the response as hyper takes it.
//!
//! Rules of this room: hyper never sees an error that can still be answered; an answer is given once, and takes with it what the
//! connection must do afterwards (close, linger, hand over); no head leaves before unread content is settled.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, RETRY_AFTER, UPGRADE};
use http::{HeaderValue, Response, StatusCode, Version, response};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rwgi::{Exchange, ReasonPhrase, RequiredUpgrade, ResponseBody, Session, WebSocketOffer};

use crate::connection::state::{
    AGED, CLOSE_DELIMITED, HAND_OVER, HANDED_OVER, LINGER, State, Underway,
};
use crate::fault::{self, Label, Refusal};
use crate::request_body::Content;
use crate::response_body::OutgoingBody;
use crate::upgrade::{self, Ended, Granted};
use crate::websocket::handshake;

/// The response to come.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) work: Work,
    pub(crate) asked: Asked,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the exchange is a pointer pair; both are small")]
pub(crate) enum Work {
    Refused(Refusal),
    Exchange(Exchange),
    /// Somebody else holds the upgrade, and hyper is made ready to hand it over.
    HandingOver(Box<Response<ResponseBody>>),
    /// The response is there, and content that nobody read is looked at.
    Settling(Box<Response<ResponseBody>>),
}

/// What of the request matters to its response.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Taken by the response's body.
    pub(crate) underway: Option<Underway>,
    pub(crate) label: Label,
    pub(crate) version: Version,
    pub(crate) content: Option<Arc<Content>>,
    pub(crate) upgrade: Option<Box<Wanted>>,
}

/// What a request that offers an upgrade leaves for the answer to it.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// hyper's own, on HTTP/2 the way to the stream.
    pub(crate) on_upgrade: OnUpgrade,
    pub(crate) offer: Option<WebSocketOffer>,
    pub(crate) defaults: handshake::Defaults,
}

impl Drop for Asked {
    #[inline]
    fn drop(&mut self) {
        if let Some(underway) = &self.underway
            && self.version == Version::HTTP_2
        {
            underway.note_reset();
        }
    }
}

impl Future for Answer {
    type Output = Result<Response<OutgoingBody>, Infallible>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { work, asked } = &mut *self;
        if let Work::Exchange(exchange) = work
            && asked.upgrade.is_none()
            && asked.underway.as_ref().is_some_and(|underway| {
                underway.observation.as_ref().is_none_or(|seen| seen.is_plain())
            })
        {
            // Nothing to hand over, and nothing to tell but numbers: the response is made where hyper takes it.
            if asked.content.is_none() {
                return exchange.poll_with(cx, |outcome| match outcome {
                    Ok((head, body)) => Ok(asked.response(head, body, true)),
                    Err(error) => Ok(asked.error(&error)),
                });
            }
            match ready!(exchange.poll_with(cx, |outcome| asked.settled(outcome))) {
                Ok(response) => return Poll::Ready(Ok(response)),
                Err(unsettled) => *work = Work::Settling(unsettled),
            }
        }
        asked.poll(work, cx).map(Ok)
    }
}

impl Asked {
    /// The response where there is more to it: a refusal, content that is settled before the head leaves, an upgrade, an observer.
    fn poll(&mut self, work: &mut Work, cx: &mut Context<'_>) -> Poll<Response<OutgoingBody>> {
        let span =
            self.underway.as_ref().and_then(|underway| underway.observation.as_ref()?.span());
        let _entered = span.as_ref().map(tracing::Span::enter);
        if let Some(seen) =
            self.underway.as_ref().and_then(|underway| underway.observation.as_ref())
        {
            seen.goes_on();
        }
        let mut keeps = true;
        let mut response = match work {
            Work::Refused(refusal) => {
                keeps = false;
                let mut response = fault::error_response(refusal.status());
                if *refusal == Refusal::Busy {
                    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                }
                response.map(ResponseBody::from)
            }
            Work::Exchange(exchange) => {
                let response = match ready!(Pin::new(exchange).poll(cx)) {
                    Ok(response) => response,
                    Err(error) => self.failure(&error),
                };
                if let Some(content) = &self.content
                    && self.version != Version::HTTP_2
                {
                    match content.poll_settled(cx) {
                        Poll::Ready(settled) => keeps = settled,
                        Poll::Pending => {
                            *work = Work::Settling(Box::new(response));
                            return Poll::Pending;
                        }
                    }
                }
                response
            }
            Work::HandingOver(response) => {
                let Some(underway) = &self.underway else { return Poll::Pending };
                if !underway.has(HANDED_OVER) {
                    underway.set(HAND_OVER);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                std::mem::take(&mut **response)
            }
            Work::Settling(response) => {
                if let Some(content) = &self.content {
                    keeps = ready!(content.poll_settled(cx));
                }
                std::mem::take(&mut **response)
            }
        };
        if self.upgrade.is_some() {
            let handing_over = matches!(work, Work::HandingOver(_));
            if self.switch(&mut response) && !handing_over && self.version != Version::HTTP_2 {
                *work = Work::HandingOver(Box::new(response));
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        let (head, body) = response.into_parts();
        Poll::Ready(self.response(head, body, keeps))
    }

    /// The response to a request with content, where that was read to its end; what was left of it is settled otherwise before the head
    /// leaves.
    fn settled(
        &mut self,
        outcome: rwgi::Result<(response::Parts, ResponseBody)>,
    ) -> Result<Response<OutgoingBody>, Box<Response<ResponseBody>>> {
        let settled = self.version == Version::HTTP_2
            || self.content.as_ref().is_none_or(|content| content.is_ended());
        match outcome {
            Ok((head, body)) if settled => Ok(self.response(head, body, true)),
            Err(error) if settled => Ok(self.error(&error)),
            Ok((head, body)) => Err(Box::new(Response::from_parts(head, body))),
            Err(error) => Err(Box::new(self.failure(&error))),
        }
    }

    /// The answer to an application that failed in time.
    #[cold]
    fn error(&mut self, error: &rwgi::Error) -> Response<OutgoingBody> {
        let (head, body) = self.failure(error).into_parts();
        self.response(head, body, true)
    }

    /// What a client learns of a failure, which is logged.
    fn failure(&self, error: &rwgi::Error) -> Response<ResponseBody> {
        fault::log_error(error, &self.label, false);
        let seen = self.underway.as_ref().and_then(|underway| underway.observation.as_ref());
        let shown = seen.and_then(|seen| seen.page(error));
        let mut response =
            shown.unwrap_or_else(|| fault::error_response(error.status())).map(ResponseBody::from);
        if let Some(required) = error.required_upgrade() {
            response.extensions_mut().insert(required.clone());
        }
        response
    }

    /// The response as hyper takes it, with what the connection does after it.
    #[inline]
    fn response(
        &mut self,
        mut head: response::Parts,
        body: ResponseBody,
        keeps: bool,
    ) -> Response<OutgoingBody> {
        let mut underway = self.underway.take().expect("an answer is given once");
        if !head.extensions.is_empty() {
            self.pass_on(&mut head);
        }
        if !keeps || (underway.has(AGED) && head.status != StatusCode::SWITCHING_PROTOCOLS) {
            self.close_after(&mut head, &underway);
        }
        if self.version == Version::HTTP_10 && body.size_hint().exact().is_none() {
            underway.set(CLOSE_DELIMITED);
            // Said of the response too, or hyper promises to keep the connection.
            head.version = Version::HTTP_10;
        }
        if let Some(seen) = &mut underway.observation {
            seen.answered(head.status.as_u16(), &head.headers);
        }
        let http2 = self.version == Version::HTTP_2;
        let withheld = head.status == StatusCode::NOT_MODIFIED
            && !http2
            && head.headers.contains_key(CONTENT_LENGTH);
        // A body of one piece cannot fail, so nothing of it will be logged.
        let label = (!body.is_whole()).then(|| Box::new(std::mem::take(&mut self.label)));
        let unread = self.content.take().filter(|content| !content.is_ended());
        let mut body = OutgoingBody::new(body, underway, label, unread);
        if withheld {
            body.withhold();
        }
        if http2 {
            body.flows();
        }
        Response::from_parts(head, body)
    }

    #[cold]
    fn close_after(&self, head: &mut response::Parts, underway: &Underway) {
        // A refused stream of HTTP/2 says nothing of its connection.
        if self.version != Version::HTTP_2 {
            // An upgrade that is required is named here as well (RFC 9110, section 7.8).
            let upgrades = head.headers.contains_key(UPGRADE);
            let options = if upgrades { "upgrade, close" } else { "close" };
            head.headers.insert(CONNECTION, HeaderValue::from_static(options));
            // To a client of HTTP/1.0 hyper says `keep-alive` beside it, unless the response is of that version too.
            head.version = self.version;
            underway.set(LINGER);
        }
    }

    /// Sees to what an upgrade needs of the response; gives whether it was answered by whoever took hyper's own.
    #[cold]
    fn switch(&mut self, response: &mut Response<ResponseBody>) -> bool {
        let http2 = self.version == Version::HTTP_2;
        let connect = http2 && self.upgrade.is_some();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            if connect && response.status().is_success() {
                // To CONNECT this would mean that the tunnel stands (RFC 9110, section 9.3.6).
                let error = rwgi::Error::application(format!(
                    "the application answered CONNECT with {} and did not take the connection over",
                    response.status().as_u16()
                ))
                .with_status(StatusCode::NOT_IMPLEMENTED)
                .with_requirement("REQ-UPG-08");
                fault::log_error(&error, &self.label, false);
                *response = fault::error_response(error.status()).map(ResponseBody::from);
            }
            return false;
        }
        if http2 {
            *response.status_mut() = StatusCode::OK;
        }
        let Some(session) = response.body_mut().take_session() else { return true };
        let wanted = self.upgrade.take();
        let terms = match (&session, wanted.as_deref()) {
            (
                Session::WebSocket(_, acceptance),
                Some(Wanted { offer: Some(offer), defaults, .. }),
            ) => Some(handshake::complete(offer, acceptance, defaults, response.headers_mut())),
            _ => None,
        };
        let granted = Granted { session, label: self.label.clone(), terms };
        match (&self.underway, wanted.map(|wanted| wanted.on_upgrade)) {
            (Some(underway), Some(on_upgrade)) if http2 => {
                let stop = Arc::clone(underway.stop());
                let busy = State::begin_session(underway);
                underway.leave_session(Box::pin(async move {
                    let _busy = busy;
                    let mut stream = TokioIo::new(on_upgrade.await.ok()?);
                    let never = std::future::pending();
                    let ended =
                        upgrade::carry(&mut stream, Bytes::new(), granted, &stop, never).await;
                    (ended == Ended::Failed).then_some(stream)
                }));
            }
            (Some(underway), _) => underway.grant(granted),
            (None, _) => {}
        }
        false
    }

    /// Puts what travelled beside the head in hyper's words: the upgrade that is required, the reason phrase.
    #[cold]
    fn pass_on(&self, head: &mut response::Parts) {
        let required = head.extensions.remove::<RequiredUpgrade>();
        if let Some(required) = required.filter(|_| self.version != Version::HTTP_2) {
            head.headers.insert(UPGRADE, required.value().clone());
            head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        if let Some(reason) = head.extensions.remove::<ReasonPhrase>()
            && let Ok(reason) = hyper::ext::ReasonPhrase::try_from(reason.as_bytes())
        {
            head.extensions.insert(reason);
        }
    }
}
