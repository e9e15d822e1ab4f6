//! The gateway: hyper's request in, and an answer that is to come.
//!
//! Rules of this room: a refused head never reaches the application; a head moves to its environ in one go, and is judged there.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response, Version, request};
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
    fn call(&self, request: Request<Incoming>) -> Answer {
        // The head is moved once, to its place, and read there: a copy of it costs as much as its check.
        let (head, incoming) = request.into_parts();
        let length = request_body::length(&incoming);
        let mut environ = Environ::new(head, Input::empty(), Arc::clone(&self.connection));
        let head = environ.head();
        let version = head.version;
        let verdict = if version == Version::HTTP_2 {
            let extended = upgrade::is_extended_connect(head);
            environ::check_http2(head, self.target_bytes, self.head_fields, extended)
        } else {
            // Without the watch where nothing is to be asked of it: there is neither a fragment nor content.
            let plain = length == BodyLength::Empty && self.state.is_plain();
            let mut watch = (!plain).then(|| self.state.head());
            let verdict = self.check(watch.as_deref_mut(), head, length);
            match &mut watch {
                Some(watch) => self.state.parsed(watch, length),
                None => self.state.parsed_bare(),
            }
            verdict
        };
        let mut underway = self.state.begin();
        let verdict = if self.state.load() > self.exchanges {
            verdict.and(Err(Refusal::Busy))
        } else {
            verdict
        };
        underway.observation = self.observer.begin();
        let label =
            Label { method: head.method.clone(), target: head.uri.path_and_query().cloned() };
        if let Err(refusal) = verdict {
            fault::log_refusal(refusal, &self.connection.peer);
            if let Some(seen) = &mut underway.observation {
                let (method, uri) = (&head.method, &head.uri);
                seen.refused(method, uri, version, &head.headers, &self.connection);
            }
            let underway = Some(underway);
            let asked = Asked { underway, label, version, content: None, upgrade: None };
            return Answer { work: Work::Refused(refusal), asked };
        }
        // Where an upgrade is asked for, and only there, hyper has left its own.
        let offered =
            if head.extensions.is_empty() { None } else { upgrade::offered(head, length) };
        let upgrade = match (&offered, head.extensions.get::<OnUpgrade>()) {
            (Some(offered), Some(on_upgrade)) => Some(Box::new(Wanted {
                on_upgrade: on_upgrade.clone(),
                offer: offered.websocket().cloned(),
                defaults: self.websocket,
            })),
            _ => None,
        };
        let mut content = None;
        if length != BodyLength::Empty {
            let expects = request_body::expects(head);
            let (input, asked) = request_body::input(incoming, length, expects, &self.terms);
            environ.set_input(input);
            content = Some(asked);
        }
        environ.input_mut().set_limit(Some(self.body_bytes));
        if version == Version::HTTP_2 {
            environ::join_cookies(environ.headers_mut());
        }
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
        mut watch: Option<&mut HeadWatch>,
        head: &request::Parts,
        length: BodyLength,
    ) -> Result<(), Refusal> {
        let fragment = watch.as_mut().is_some_and(|watch| watch.has_fragment());
        environ::check(head, length, self.target_bytes, fragment)?;
        // hyper has dropped the Content-Length by now, and would close without a word.
        if length == BodyLength::Unknown && watch.is_some_and(HeadWatch::declares_length) {
            return Err(Refusal::CodingAndLength);
        }
        Ok(())
    }
}
