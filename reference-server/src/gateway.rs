//! The gateway: hyper's request in, the exchange between, hyper's response out.
//!
//! Rules of this room: hyper never sees an error that can still be answered; a refused head never reaches the application; what
//! the connection must do (close, linger, reset) is decided here and done by the connection.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, RETRY_AFTER, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rwgi::{
    BodyLength, Connection, Environ, Exchange, Input, ReasonPhrase, RequiredUpgrade, ResponseBody,
    Session, WebSocketOffer,
};
use tokio::runtime::Handle;

use crate::body_pace::Pace;
use crate::connection::head_watch::HeadWatch;
use crate::connection::state::{
    AGED, CLOSE_DELIMITED, HAND_OVER, HANDED_OVER, LINGER, State, Underway,
};
use crate::environ;
use crate::fault::{self, Refusal};
use crate::forwarded::{self, ForwardedFields, TrustedProxies};
use crate::hosted::Hosted;
use crate::observation::Observer;
use crate::request_body::{self, Content};
use crate::response_body::OutgoingBody;
use crate::upgrade::{self, Granted};
use crate::websocket::handshake;

/// hyper's service for one connection.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) application: Arc<dyn Hosted>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) state: Arc<State>,
    pub(crate) target_bytes: usize,
    pub(crate) head_fields: usize,
    pub(crate) body_bytes: u64,
    pub(crate) websocket: handshake::Defaults,
    pub(crate) pace: Pace,
    pub(crate) runtime: Handle,
    /// Exchanges at once, on all connections together.
    pub(crate) exchanges: usize,
    pub(crate) observer: Arc<Observer>,
    /// There where the peer is a trusted proxy.
    pub(crate) proxies: Option<Arc<Proxies>>,
}

/// Whose word is believed, and in which fields.
#[derive(Debug)]
pub(crate) struct Proxies {
    pub(crate) trusted: TrustedProxies,
    pub(crate) fields: ForwardedFields,
}

impl Service<Request<Incoming>> for Gateway {
    type Response = Response<OutgoingBody>;
    type Error = Infallible;
    type Future = Answer;

    #[inline]
    fn call(&self, mut request: Request<Incoming>) -> Answer {
        let length = request_body::length(request.body());
        let verdict = if request.version() == Version::HTTP_2 {
            let extended = upgrade::is_extended_connect(&request);
            environ::check_http2(&mut request, self.target_bytes, self.head_fields, extended)
        } else {
            let mut watch = self.state.head();
            let verdict = self.check(&mut watch, &request, length);
            watch.parsed(length);
            verdict
        };
        let mut underway = self.state.begin();
        let verdict = if self.state.load() > self.exchanges {
            verdict.and(Err(Refusal::Busy))
        } else {
            verdict
        };
        underway.observation = self.observer.begin();
        let version = request.version();
        let label = Label {
            method: request.method().clone(),
            target: request.uri().path_and_query().cloned(),
        };
        if let Err(refusal) = verdict {
            fault::log_refusal(refusal, &self.connection.peer);
            if let Some(seen) = &mut underway.observation {
                let (method, uri) = (request.method(), request.uri());
                seen.refused(method, uri, version, request.headers(), &self.connection);
            }
            let underway = Some(underway);
            let asked = Asked { underway, label, version, content: None, upgrade: None };
            return Answer { work: Work::Refused(refusal), asked };
        }
        let expects = length != BodyLength::Empty && request_body::expects(&request);
        // All that is asked of the head was asked before it is taken apart, so that it moves to its environ in one go.
        let (head, incoming) = request.into_parts();
        // Where an upgrade is asked for, and only there, hyper has left its own.
        let offered =
            if head.extensions.is_empty() { None } else { upgrade::offered(&head, length) };
        let upgrade = match (&offered, head.extensions.get::<OnUpgrade>()) {
            (Some(offered), Some(on_upgrade)) => Some(Box::new(Wanted {
                on_upgrade: on_upgrade.clone(),
                offer: offered.websocket().cloned(),
                defaults: self.websocket,
            })),
            _ => None,
        };
        let (mut input, content) = if length == BodyLength::Empty {
            (Input::empty(), None)
        } else {
            let (input, content) =
                request_body::input(incoming, length, expects, self.pace, &self.runtime);
            (input, Some(content))
        };
        input.set_limit(Some(self.body_bytes));
        let mut environ = Environ::new(head, input, Arc::clone(&self.connection));
        if let Some(proxies) = &self.proxies {
            self.forward(&mut environ, proxies);
        }
        if let Some(offered) = offered {
            environ.set_upgrade(Some(offered));
        }
        if let Some(seen) = &mut underway.observation {
            seen.asked(&mut environ, self.proxies.is_some());
        }
        let underway = Some(underway);
        let exchange = self.application.exchange(environ);
        let asked = Asked { underway, label, version, content, upgrade };
        Answer { work: Work::Exchange(exchange), asked }
    }
}

impl Gateway {
    #[cold]
    fn forward(&self, environ: &mut Environ, proxies: &Proxies) {
        let peer = &self.connection.peer;
        if let Some(said) =
            forwarded::forwarded(peer, environ.headers(), &proxies.trusted, &proxies.fields)
        {
            environ.set_forwarded(said);
        }
    }

    #[inline]
    fn check(
        &self,
        watch: &mut HeadWatch,
        request: &Request<Incoming>,
        length: BodyLength,
    ) -> Result<(), Refusal> {
        let target = environ::target_length(request.uri());
        if target > self.target_bytes {
            return Err(Refusal::TargetTooLong);
        }
        let method = request.method().as_str().len();
        if watch.has_fragment(method, target, request.uri().scheme().is_none()) {
            return Err(Refusal::TargetForm);
        }
        environ::check(request, length)?;
        // hyper has dropped the Content-Length by now, and would close without a word.
        if length == BodyLength::Unknown && watch.declares_length() {
            return Err(Refusal::CodingAndLength);
        }
        Ok(())
    }
}

/// A request's name in the log: method and target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Label {
    method: Method,
    target: Option<PathAndQuery>,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Some(target) => write!(f, "{} {target}", self.method),
            None => self.method.fmt(f),
        }
    }
}

/// The response to come.
#[derive(Debug)]
pub(crate) struct Answer {
    work: Work,
    asked: Asked,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the exchange is a pointer pair; both are small")]
enum Work {
    Refused(Refusal),
    Exchange(Exchange),
    /// Somebody else holds the upgrade, and hyper is made ready to hand it over.
    HandingOver(Box<Response<ResponseBody>>),
    /// The response is there, and content that nobody read is looked at.
    Settling(Box<Response<ResponseBody>>),
}

/// What of the request matters to its response.
#[derive(Debug)]
struct Asked {
    /// Taken by the response's body.
    underway: Option<Underway>,
    label: Label,
    version: Version,
    content: Option<Arc<Content>>,
    upgrade: Option<Box<Wanted>>,
}

/// What a request that offers an upgrade leaves for the answer to it.
#[derive(Debug)]
struct Wanted {
    /// hyper's own, on HTTP/2 the way to the stream.
    on_upgrade: OnUpgrade,
    offer: Option<WebSocketOffer>,
    defaults: handshake::Defaults,
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
            && asked.content.is_none()
            && asked.upgrade.is_none()
            && asked.underway.as_ref().is_some_and(|underway| underway.observation.is_none())
        {
            // Nothing to settle, to hand over or to tell: the response is made where hyper takes it.
            return exchange.poll_with(cx, |outcome| {
                Ok(match outcome {
                    Ok((head, body)) => asked.response(head, body, true),
                    Err(error) => asked.error(&error),
                })
            });
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
        shown
            .unwrap_or_else(|| fault::error_response(fault::error_status(error)))
            .map(ResponseBody::from)
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
        let mut body = OutgoingBody::new(body, underway, label, self.content.take());
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
            head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
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
                *response =
                    fault::error_response(fault::error_status(&error)).map(ResponseBody::from);
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
                    if let Ok(stream) = on_upgrade.await {
                        let mut stream = TokioIo::new(stream);
                        let never = std::future::pending();
                        upgrade::carry(&mut stream, Bytes::new(), granted, &stop, never).await;
                    }
                    drop(busy);
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
