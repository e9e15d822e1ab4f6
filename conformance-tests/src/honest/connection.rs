//! One connection from its first octet to its last.
//!
//! Rules of this room: head, exchange, end, and again; whether the connection lives on is decided here and nowhere else.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::{Response, StatusCode};
use http_body::Body;
use rwgi::{BodyLength, Connection, Environ, Error, Exchange, Input, ResponseBody, UpgradeOffer};
use socket2::SockRef;

use super::arrival::Arrived;
use super::drive::{Gone, Parker, Watch};
use super::flawed::rewrite;
use super::head::{Framing, Head, Rules};
use super::inbound::{Brought, Inbound, InboundBody};
use super::line::{self, Connected};
use super::listener::Server;
use super::outbound::{self, Outbound, error_page};
use super::violation::{Asked, Flaw, Switch};

pub(super) struct Conversation {
    pub(super) server: Arc<Server>,
    pub(super) stream: TcpStream,
    pub(super) facts: Arc<Connection>,
    pub(super) inbound: Inbound,
    pub(super) watch: Watch,
    pub(super) rules: Rules,
    pub(super) served: usize,
}

impl Conversation {
    pub(super) fn new(
        server: Arc<Server>,
        stream: TcpStream,
        facts: Connection,
    ) -> std::io::Result<Self> {
        let switch = server.switch();
        let inbound = Inbound::new(stream.try_clone()?, switch);
        let parker = Parker::new();
        let watch = Watch {
            waker: Arc::clone(&parker).into(),
            parker,
            stream: stream.try_clone()?,
            inbound: inbound.clone(),
            abandoned: Arc::clone(&server.abandoned),
            switch,
        };
        let limits = super::limits();
        let rules = Rules {
            target_bytes: limits.target_bytes.unwrap_or(usize::MAX),
            head_bytes: limits.head_bytes.unwrap_or(usize::MAX),
            head_fields: limits.head_fields.unwrap_or(usize::MAX),
            switch,
        };
        Ok(Self { server, stream, facts: Arc::new(facts), inbound, watch, rules, served: 0 })
    }

    pub(super) fn off(&self, switch: Switch) -> bool {
        self.server.switch() == Some(switch)
    }

    /// Serves the connection to its end.
    pub(super) fn serve(mut self) {
        loop {
            let kept = match self.await_head() {
                Arrived::Nothing => break,
                Arrived::Preface => {
                    let early = std::mem::take(&mut self.inbound.lock().buffer);
                    return super::http2::serve(self.server, self.stream, self.facts, early);
                }
                Arrived::Refused(refusal) => self.refuse(refusal),
                Arrived::Head(head) => match self.exchange(*head) {
                    Ok(kept) => kept,
                    Err(Gone) => {
                        self.stop_with_failure();
                        return self.abort();
                    }
                },
            };
            self.served += 1;
            if self.off(Switch::DropsPipelined) {
                self.inbound.lock().buffer.clear();
            }
            if !kept {
                break;
            }
        }
        self.close();
    }

    pub(super) fn outbound(&self, asked: Asked) -> Outbound<'_> {
        Outbound {
            stream: &self.stream,
            watch: &self.watch,
            violation: self.server.violation,
            asked,
        }
    }

    /// One exchange; whether the connection lives on.
    fn exchange(&mut self, mut head: Head) -> Result<bool, Gone> {
        let guard = self.server.enter();
        let asked = Asked {
            method: head.parts.method.to_string(),
            path: head.parts.uri.path().to_owned(),
            minor: u8::from(head.parts.version > http::Version::HTTP_10),
            by_application: true,
        };
        self.inbound.lock().begin(head.framing, head.expects);
        if self.off(Switch::EarlyContinue) && head.expects {
            self.inbound.lock().say_continue();
        }
        match self.server.violation.map(|violation| violation.flaw) {
            Some(Flaw::Request(change)) => change(&mut head.parts),
            Some(Flaw::Script(change)) => rewrite(&mut head.parts, change),
            _ => {}
        }
        let persistent = head.persistent;
        let takes_trailers = head.trailers;
        let framing = head.framing;
        let application = Arc::clone(&self.server.application);
        if self.off(Switch::Upgrades) && head.parts.headers.contains_key("upgrade") {
            self.outbound(asked).write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")?;
            return Ok(false);
        }
        self.hoard(&mut head);
        let environ = self.environ(head);
        let offer = environ.upgrade().cloned();
        if self.off(Switch::CallsTwice) {
            let mut again = Environ::builder().method(environ.method().clone());
            for name in ["x-tag", "x-play"] {
                if let Some(value) = environ.headers().get(name) {
                    again = again.header(name, value.clone());
                }
            }
            if let Ok(again) = again.build() {
                let _ = self.watch.drive(pin!(Exchange::new(Arc::clone(&application), again)))?;
            }
        }
        let mut exchange = Exchange::new(application, environ);
        if self.facts.server.capabilities().informational {
            exchange = exchange.on_informational(self.informational(asked.minor));
        }
        let outbound = self.outbound(asked);
        let result = {
            let mut exchange = pin!(exchange);
            if self.off(Switch::HeadFirst) {
                self.head_first(&outbound, exchange.as_mut())
            } else {
                self.watch.drive(exchange)
            }
        }?;
        self.inbound.lock().committed = true;
        let kept = match result {
            Err(error) => self.answer_failure(outbound, &error, persistent)?,
            Ok(response) if response.body().is_upgrade() => {
                let line = Connected { conversation: self, outbound: &outbound };
                line::carry(&line, response, offer.as_ref())?;
                false
            }
            Ok(response) => self.send(&outbound, response, persistent, takes_trailers)?,
        };
        drop(guard);
        Ok(kept && self.is_clean(framing))
    }

    fn environ(&self, head: Head) -> Environ {
        let length = match head.framing {
            Framing::None | Framing::Length(0) => BodyLength::Empty,
            Framing::Length(length) => BodyLength::Exact(length),
            Framing::Chunked => BodyLength::Unknown,
        };
        let mut input = Input::from_body(InboundBody(self.inbound.clone()), length);
        input.set_limit(super::limits().body_bytes);
        let offer = match length {
            BodyLength::Empty => UpgradeOffer::of_request(&head.parts),
            _ => None,
        };
        let mut environ = Environ::new(head.parts, input, Arc::clone(&self.facts));
        environ.set_upgrade(offer);
        environ
    }

    fn informational(&self, minor: u8) -> impl FnMut(StatusCode, http::HeaderMap) + Send + 'static {
        let stream = self.stream.try_clone().ok();
        let sends = (minor > 0 || self.off(Switch::InformationalToTen))
            && !self.off(Switch::NoInformational);
        move |status, fields| {
            if let Some(stream) = stream.as_ref().filter(|_| sends) {
                let mut stream: &TcpStream = stream;
                let _ = stream.write_all(&outbound::informational(status, &fields));
            }
        }
    }

    /// Whether the request was read to its end, so that the next one can follow.
    fn is_clean(&self, framing: Framing) -> bool {
        let mut inbound = self.inbound.lock();
        if inbound.expects && self.off(Switch::KeepsExpectation) {
            inbound.begin(Framing::None, false);
            return true;
        }
        if self.off(Switch::KeepsUnread) && !inbound.ended {
            inbound.begin(Framing::None, false);
            return true;
        }
        let unanswered = inbound.expects;
        framing == Framing::None || inbound.ended || (!unanswered && inbound.drain_arrived())
    }

    fn answer_failure(
        &self,
        mut outbound: Outbound<'_>,
        error: &Error,
        persistent: bool,
    ) -> Result<bool, Gone> {
        if self.off(Switch::SilentFailure) {
            return Err(Gone);
        }
        if self.off(Switch::PanicStopsServer) && error.message().contains("panicked") {
            self.server.abandoned.store(true, Ordering::Release);
            self.server.stop_accepting();
            return Err(Gone);
        }
        outbound.asked.by_application = false;
        // A status that is no error's is none for a failure (REQ-ERR-02).
        let status = error.status();
        let status = if status.as_u16() < 400 || self.off(Switch::AllIs500) {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            status
        };
        let mut response =
            error_page(status, self.off(Switch::TellsError).then(|| error.message()));
        if let Some(required) = error.required_upgrade() {
            response.extensions_mut().insert(required.clone());
        }
        let framing = outbound.framing(&response);
        let clean = self.is_clean_for_head();
        let kept = persistent
            && clean
            && !self.server.is_stopping()
            && !self.off(Switch::ClosesAfterError);
        let mut octets =
            outbound.head(&response, framing, self.connection_option(&outbound.asked, kept));
        if framing != outbound::Framing::None {
            octets.extend_from_slice(response.body().as_bytes());
        }
        outbound.write(&octets)?;
        self.stop_with_failure();
        Ok(kept)
    }

    /// Whether the body is read, or can be at once, or will not come.
    fn is_clean_for_head(&self) -> bool {
        if self.off(Switch::KeepsUnread) || self.off(Switch::KeepsExpectation) {
            return true;
        }
        let mut inbound = self.inbound.lock();
        inbound.ended || (!inbound.expects && inbound.drain_arrived())
    }

    fn connection_option(&self, asked: &Asked, kept: bool) -> Option<&'static str> {
        match (kept, asked.minor) {
            (false, _)
                if self.off(Switch::NoConnectionClose) || self.off(Switch::ClosesSilently) =>
            {
                None
            }
            (false, _) if self.server.is_stopping() && self.off(Switch::NoCloseWhileStopping) => {
                None
            }
            (false, _) => Some("close"),
            (true, 0) => Some("keep-alive"),
            (true, _) => None,
        }
    }

    fn send(
        &self,
        outbound: &Outbound<'_>,
        response: Response<ResponseBody>,
        persistent: bool,
        takes_trailers: bool,
    ) -> Result<bool, Gone> {
        let response = self.reported(response)?;
        let framing = outbound.framing(&response);
        let whole =
            response.body().is_end_stream() || response.body().size_hint().exact().is_some();
        let reads_on = !whole && !self.inbound.lock().expects;
        let kept = persistent
            && framing != outbound::Framing::Close
            && (!self.server.is_stopping() || self.off(Switch::KeepsIdle))
            && !self.off(Switch::ClosesAlways)
            && !self.off(Switch::ClosesSilently)
            && (reads_on || self.is_clean_for_head());
        let head = outbound.head(&response, framing, self.connection_option(&outbound.asked, kept));
        let body = response.into_body();
        let sending = super::sending::Sending {
            outbound,
            framing,
            takes_trailers,
            switch: self.server.switch(),
        };
        sending.send(head, body)?;
        Ok(kept)
    }

    /// Ends the connection in order, and lets the client read all of the response first (RFC 9112, section 9.6).
    fn close(self) {
        if self.off(Switch::AnswersAfterClose) {
            let outbound = self.outbound(Asked {
                method: "GET".into(),
                path: String::new(),
                minor: 1,
                by_application: false,
            });
            let follows = self.inbound.lock().buffer.windows(4).any(|four| four == b"GET ");
            if follows {
                let _ = outbound.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
        if self.off(Switch::NoLinger) {
            return self.abort();
        }
        let _ = self.stream.shutdown(Shutdown::Write);
        let until = Instant::now() + Duration::from_secs(1);
        let mut inbound = self.inbound.lock();
        while Instant::now() < until && !self.server.abandoned.load(Ordering::Acquire) {
            inbound.buffer.clear();
            if matches!(inbound.read(Duration::from_millis(50)), Brought::End | Brought::Reset) {
                break;
            }
        }
    }

    /// Ends the connection with a reset.
    fn abort(self) {
        if self.off(Switch::OrderlyAbort) {
            let _ = self.stream.shutdown(Shutdown::Write);
            return;
        }
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}
