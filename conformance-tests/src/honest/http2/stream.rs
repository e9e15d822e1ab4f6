//! One stream: its exchange, and its response on the way out.
//!
//! Rules of this room: one thread drives the application, sends what it writes as the windows allow, and drops it when the stream is
//! gone; a failure after the head is a reset.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body;
use rwgi::{BodyLength, Environ, Exchange, Input, ResponseBody, UpgradeOffer};

use super::body::StreamBody;
use super::flaw::Http2Flaw;
use super::hub::Hub;
use super::line::StreamLine;
use super::request::{Head, Refusal};
use crate::honest::drive::{Gone, Parker};
use crate::honest::flawed::{Outgoing, rewrite};
use crate::honest::line::{self, Line};
use crate::honest::outbound::{date, error_page};
use crate::honest::violation::{Asked, Flaw, Reply, Switch, Violation};
use crate::http2::code;

/// How often a waiting stream looks whether it is still wanted.
const TICK: Duration = Duration::from_millis(5);

struct Speaking<'a> {
    hub: &'a Arc<Hub>,
    id: u32,
    parker: Arc<Parker>,
    waker: Waker,
}

/// Serves a stream to its end.
pub(super) fn serve(hub: &Arc<Hub>, id: u32, read: Result<Head, Refusal>) {
    let parker = Parker::new();
    let waker = Waker::from(Arc::clone(&parker));
    let speaking = Speaking { hub, id, parker, waker };
    let one_at_a_time = hub.off(Http2Flaw::OneAtATime);
    let turn = one_at_a_time.then(|| hub.turn.lock().unwrap_or_else(PoisonError::into_inner));
    // A panic here would be the server's own: the application's is caught by the exchange.
    let _ = catch_unwind(AssertUnwindSafe(|| match read {
        Ok(head) => speaking.exchange(head),
        Err(refusal) => {
            let status = if let Refusal::Status(status) = refusal { status } else { 400 };
            speaking.error(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), "GET")
        }
    }));
    drop(turn);
    hub.change(|state| state.streams.remove(&id));
}

/// The flaw of a server that calls first and checks later.
pub(super) fn call_anyway(hub: &Arc<Hub>, fields: &[(Vec<u8>, Vec<u8>)]) {
    let tag = fields.iter().find(|(name, _)| name == b"x-tag");
    let tag = tag.map_or(&b""[..], |(_, value)| value);
    if let Ok(environ) = Environ::builder().header("x-tag", tag).build() {
        let application = Arc::clone(&hub.server.application);
        let _ = crate::honest::block_on(Exchange::new(application, environ));
    }
}

impl Speaking<'_> {
    fn off(&self, flaw: Http2Flaw) -> bool {
        self.hub.off(flaw)
    }

    /// Drives a future to its end, or until nobody waits for it.
    fn drive<F: Future>(&self, mut future: Pin<&mut F>) -> Result<F::Output, Gone> {
        let mut context = Context::from_waker(&self.waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(output);
            }
            while !self.parker.wait(TICK) {
                self.hub.check(self.id)?;
            }
            self.hub.check(self.id)?;
        }
    }

    fn exchange(&self, mut head: Head) -> Result<(), Gone> {
        let asked = Asked {
            method: head.parts.method.to_string(),
            path: head.parts.uri.path().to_owned(),
            minor: 0,
            by_application: true,
        };
        match self.hub.server.violation.map(|violation| violation.flaw) {
            Some(Flaw::Request(change)) => change(&mut head.parts),
            Some(Flaw::Script(change)) => rewrite(&mut head.parts, change),
            _ => {}
        }
        let mut input = match head.length {
            BodyLength::Empty => Input::empty(),
            length => {
                let body = StreamBody { hub: Arc::clone(self.hub), id: self.id };
                Input::from_body(body, length)
            }
        };
        input.set_limit(crate::honest::limits().body_bytes);
        let offer = match head.protocol.as_deref() {
            Some("websocket2") if self.off(Http2Flaw::AnyProtocol) => Some("websocket"),
            Some("third") if self.off(Http2Flaw::AnyProtocol) => Some("echo/1"),
            protocol => protocol,
        };
        let offer = offer.map(|protocol| UpgradeOffer::of_connect(&head.parts, protocol));
        let mut environ = Environ::new(head.parts, input, Arc::clone(&self.hub.facts));
        environ.set_upgrade(offer.clone().filter(|_| !self.off(Http2Flaw::HidesProtocol)));
        let exchange = Exchange::new(Arc::clone(&self.hub.server.application), environ);
        let exchange = exchange.on_informational(self.informational());
        let result = self.drive(pin!(exchange))?;
        self.hub.change(|state| {
            if let Some(stream) = state.streams.get_mut(&self.id) {
                stream.committed = true;
            }
        });
        match result {
            Ok(response) if response.body().is_upgrade() => self.carry(response, offer.as_ref()),
            // To CONNECT it would mean that the tunnel stands (RFC 9110, section 9.3.6).
            Ok(response)
                if offer.is_some()
                    && response.status().is_success()
                    && !self.off(Http2Flaw::ConnectSucceeds) =>
            {
                self.error(StatusCode::NOT_IMPLEMENTED, &asked.method)
            }
            Ok(response) => self.respond(response, asked),
            Err(_) if self.off(Http2Flaw::AbortsForErrors) => {
                self.hub.reset(self.id, code::INTERNAL_ERROR);
                Err(Gone)
            }
            Err(error) => {
                let status = error.status();
                let failed = status.as_u16() < 400;
                let status = if failed { StatusCode::INTERNAL_SERVER_ERROR } else { status };
                self.error(status, &asked.method)
            }
        }
    }

    /// Carries the session of an application that took the stream over.
    fn carry(
        &self,
        response: Response<ResponseBody>,
        offer: Option<&UpgradeOffer>,
    ) -> Result<(), Gone> {
        let line = StreamLine::new(self.hub, self.id, &self.waker);
        match line::carry(&line, response, offer) {
            Ok(()) if self.off(Http2Flaw::SessionResets) => {
                self.hub.reset(self.id, code::CANCEL);
                Err(Gone)
            }
            Ok(()) => {
                line.end()?;
                self.leave_unread();
                Ok(())
            }
            Err(Gone) => {
                self.hub.reset(self.id, code::INTERNAL_ERROR);
                Err(Gone)
            }
        }
    }

    fn informational(&self) -> impl FnMut(StatusCode, HeaderMap) + Send + 'static {
        let (hub, id) = (Arc::clone(self.hub), self.id);
        let sends = hub.server.switch() != Some(Switch::NoInformational);
        move |status, fields| {
            let lines = fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let status = status.as_u16().to_string();
            let all = std::iter::once((":status", status.as_bytes())).chain(lines);
            if sends {
                let _ = hub.headers(id, all, false);
            }
        }
    }

    /// The server's own answer to a failure or a refusal.
    fn error(&self, status: StatusCode, method: &str) -> Result<(), Gone> {
        let response = error_page(status, None);
        let asked = Asked {
            method: method.to_owned(),
            path: String::new(),
            minor: 0,
            by_application: false,
        };
        self.send(response.map(|text| Outgoing::Whole(Some(text.into()))), asked)
    }

    fn respond(&self, response: Response<ResponseBody>, asked: Asked) -> Result<(), Gone> {
        let is_json =
            response.headers().get("content-type").is_some_and(|kind| kind == "application/json");
        let Some(Violation { flaw: Flaw::Report(change), .. }) =
            self.hub.server.violation.filter(|_| is_json)
        else {
            return self.send(response.map(Outgoing::Body), asked);
        };
        let (mut parts, body) = response.into_parts();
        let mut body = pin!(body);
        let mut octets = Vec::new();
        while let Some(frame) = self.drive(pin!(poll_fn(|cx| body.as_mut().poll_frame(cx))))? {
            let Some(data) = frame.ok().and_then(|frame| frame.into_data().ok()) else { break };
            octets.extend_from_slice(&data);
        }
        if let Ok(mut value) = serde_json::from_slice(&octets) {
            change(&mut value);
            octets = value.to_string().into_bytes();
        }
        parts.headers.remove("content-length");
        self.send(Response::from_parts(parts, Outgoing::Whole(Some(octets.into()))), asked)
    }

    fn send(&self, response: Response<Outgoing>, asked: Asked) -> Result<(), Gone> {
        if self.is_left_unread() && self.off(Http2Flaw::UnreadResets) {
            self.hub.reset(self.id, code::CANCEL);
            return Err(Gone);
        }
        let bodyless = asked.method == "HEAD" || matches!(response.status().as_u16(), 204 | 304);
        let sends = !bodyless || self.off(Http2Flaw::ContentForAll);
        let empty = response.body().is_end_stream();
        let end = !sends || empty && !bodyless;
        self.head(&response, bodyless, end && !self.off(Http2Flaw::WaitsForBody), &asked)?;
        if bodyless && sends {
            self.hub.data(self.id, b"content", true)?;
        } else if sends {
            self.content(response.into_body())?;
        }
        self.leave_unread();
        Ok(())
    }

    fn head(
        &self,
        response: &Response<Outgoing>,
        bodyless: bool,
        end: bool,
        asked: &Asked,
    ) -> Result<(), Gone> {
        let mut reply =
            Reply { status: response.status().as_u16(), reason: String::new(), fields: Vec::new() };
        for (name, value) in response.headers() {
            reply.fields.push((name.as_str().to_owned(), value.as_bytes().to_vec()));
        }
        if !response.headers().contains_key("date") {
            reply.add("date", &date(SystemTime::now()));
        }
        let length = response.body().size_hint().exact().filter(|_| !bodyless);
        if let Some(length) = length
            && !response.headers().contains_key("content-length")
        {
            reply.add("content-length", &length.to_string());
        }
        if let Some(Violation { flaw: Flaw::Reply(change), .. }) = self.hub.server.violation {
            change(asked, &mut reply);
        }
        let status = HeaderValue::from(reply.status);
        let lines = reply.fields.iter().map(|(name, value)| (&name[..], &value[..]));
        let all = std::iter::once((":status", status.as_bytes())).chain(lines);
        self.hub.headers(self.id, all, end)
    }

    fn content(&self, body: Outgoing) -> Result<(), Gone> {
        let mut body = pin!(body);
        let mut stored = Vec::new();
        loop {
            if body.is_end_stream() && stored.is_empty() && !self.off(Http2Flaw::WaitsForBody) {
                return Ok(());
            }
            let next = self.drive(pin!(poll_fn(|cx| body.as_mut().poll_frame(cx))))?;
            let frame = match next {
                None => {
                    self.await_body()?;
                    return self.hub.data(self.id, &stored, true);
                }
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return self.cut(),
            };
            match frame.into_data() {
                Ok(data) => {
                    let mut data = data.to_vec();
                    if let Some(Violation { flaw: Flaw::Content(change), .. }) =
                        self.hub.server.violation
                    {
                        change(&mut data);
                    }
                    if self.off(Http2Flaw::StoresContent) {
                        stored.append(&mut data);
                        continue;
                    }
                    let end = body.is_end_stream() && !self.off(Http2Flaw::WaitsForBody);
                    self.hub.data(self.id, &data, end)?;
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    if self.off(Http2Flaw::NoTrailers) {
                        return self.hub.data(self.id, b"", true);
                    }
                    let fields = trailers.iter().map(|(name, value)| (name.as_str(), value));
                    let end = !self.off(Http2Flaw::OpenTrailers);
                    return self.hub.headers(self.id, fields, end);
                }
            }
        }
    }

    /// An application that failed: the client sees that the response is not complete.
    fn cut(&self) -> Result<(), Gone> {
        match self.hub.flaw() {
            Some(Http2Flaw::AbortEnds) => return self.hub.data(self.id, b"", true),
            Some(Http2Flaw::AbortNoError) => self.hub.reset(self.id, code::NO_ERROR),
            Some(Http2Flaw::AbortCloses) => self.hub.lose(),
            Some(Http2Flaw::AbortHangs) => {}
            _ => self.hub.reset(self.id, code::INTERNAL_ERROR),
        }
        Err(Gone)
    }

    fn is_left_unread(&self) -> bool {
        let state = self.hub.lock();
        state.streams.get(&self.id).is_some_and(|stream| !stream.ended)
    }

    /// The client need not send the rest of a body that nobody reads.
    fn leave_unread(&self) {
        if !self.is_left_unread() {
            return;
        }
        if self.off(Http2Flaw::UnreadCloses) {
            self.hub.lose();
        }
        self.hub.reset(self.id, code::NO_ERROR);
    }

    /// The flaw of a server that does not end a response before its request has ended.
    fn await_body(&self) -> Result<(), Gone> {
        while self.off(Http2Flaw::WaitsForBody) && self.is_left_unread() {
            self.hub.check(self.id)?;
            self.parker.wait(TICK);
        }
        Ok(())
    }
}
