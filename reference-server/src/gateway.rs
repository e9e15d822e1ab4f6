//! The gateway: hyper's request in, and an answer that is to come.
//!
//! Rules of this room: a refused head never reaches the application; all that is asked of a head is asked before it becomes an environ.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::upgrade::OnUpgrade;
use rwgi::{BodyLength, Connection, Environ, Input};

use crate::answer::{Answer, Asked, Wanted, Work};
use crate::connection::head_watch::HeadWatch;
use crate::connection::state::State;
use crate::environ;
use crate::fault::{self, Label, Refusal};
use crate::forwarded::{self, ForwardedFields, TrustedProxies};
use crate::hosted::Hosted;
use crate::observation::Observer;
use crate::request_body::{self, Terms};
use crate::response_body::OutgoingBody;
use crate::upgrade;
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
    pub(crate) terms: Arc<Terms>,
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
        } else if length == BodyLength::Empty && self.state.is_plain() {
            self.state.parsed_bare();
            self.check(None, &request, length)
        } else {
            let mut watch = self.state.head();
            let verdict = self.check(Some(&mut watch), &request, length);
            self.state.parsed(&mut watch, length);
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
            let (input, content) = request_body::input(incoming, length, expects, &self.terms);
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

    /// Without the watch where nothing is to be asked of it: there is neither a fragment nor content.
    #[inline]
    fn check(
        &self,
        mut watch: Option<&mut HeadWatch>,
        request: &Request<Incoming>,
        length: BodyLength,
    ) -> Result<(), Refusal> {
        let target = environ::target_length(request.uri());
        if target > self.target_bytes {
            return Err(Refusal::TargetTooLong);
        }
        if watch.as_mut().is_some_and(|watch| watch.has_fragment()) {
            return Err(Refusal::TargetForm);
        }
        environ::check(request, length)?;
        // hyper has dropped the Content-Length by now, and would close without a word.
        if length == BodyLength::Unknown && watch.is_some_and(HeadWatch::declares_length) {
            return Err(Refusal::CodingAndLength);
        }
        Ok(())
    }
}
