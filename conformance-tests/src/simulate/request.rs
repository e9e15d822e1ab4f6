//! Requests as data, and the bodies that a scripted client sends.
//!
//! Rules of this room: a request that is written here is one that a server may deliver; what makes it unusual is the request itself,
//! never a broken rule of the server's.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use http_body::{Body, Frame};
use rwgi::{
    BodyLength, Capabilities, Connection, Departure, Endpoint, Environ, Error, Input, ServerInfo,
    Stopping, TlsInfo,
};

use super::hand::Alarm;

/// A request, and how its body comes.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    target: String,
    version: Version,
    fields: Vec<(HeaderName, HeaderValue)>,
    length: BodyLength,
    pieces: Vec<Piece>,
    limit: u64,
    mount: Option<String>,
    site: Site,
    bare: bool,
}

/// What the client does next with its body.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    /// It pauses, and goes on.
    Wait,
    Trailers(HeaderMap),
    /// It breaks off.
    Break,
    /// It sends nothing more and stays.
    Stall,
}

/// Where the request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    Ip,
    Unix,
    Memory,
    Tls,
}

/// The limit on content in most requests: what the reference server has.
const LIMIT: u64 = 2 << 20;

impl Request {
    pub(crate) fn new(method: Method, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            version: Version::HTTP_11,
            fields: Vec::new(),
            length: BodyLength::Empty,
            pieces: Vec::new(),
            limit: LIMIT,
            mount: None,
            site: Site::Ip,
            bare: false,
        }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target)
    }

    pub(crate) fn post(target: impl Into<String>) -> Self {
        Self::new(Method::POST, target)
    }

    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn field(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
            self.fields.push((HeaderName::from_static(name), value));
        }
        self
    }

    pub(crate) fn fields(mut self, fields: &[(HeaderName, HeaderValue)]) -> Self {
        for (name, value) in fields {
            if !self.fields.iter().any(|(own, _)| own == name) {
                self.fields.push((name.clone(), value.clone()));
            }
        }
        self
    }

    /// Content of a declared length, in these pieces.
    pub(crate) fn exact(mut self, pieces: Vec<Piece>) -> Self {
        let length = pieces
            .iter()
            .map(|piece| if let Piece::Data(data) = piece { data.len() as u64 } else { 0 })
            .sum();
        self.length = if length == 0 { BodyLength::Empty } else { BodyLength::Exact(length) };
        self.pieces = pieces;
        self
    }

    /// Content of a declared length that is not the length of the pieces: the client breaks off or goes on.
    pub(crate) fn declared(mut self, length: u64, pieces: Vec<Piece>) -> Self {
        self.length = BodyLength::Exact(length);
        self.pieces = pieces;
        self
    }

    /// Content whose length nobody knows before its end.
    pub(crate) fn chunked(mut self, pieces: Vec<Piece>) -> Self {
        self.length = BodyLength::Unknown;
        self.pieces = pieces;
        self
    }

    pub(crate) fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn mount(mut self, prefix: impl Into<String>) -> Self {
        self.mount = Some(prefix.into());
        self
    }

    pub(crate) fn site(mut self, site: Site) -> Self {
        self.site = site;
        self
    }

    /// By a server without any capability.
    pub(crate) fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Method and target, for a report.
    pub(crate) fn describe(&self) -> String {
        let mut target: String = self.target.chars().take(60).collect();
        if target.len() < self.target.len() {
            target.push('…');
        }
        format!("{} {target}", self.method)
    }

    /// Whether its target is a path as a client sends one.
    pub(crate) fn has_path(&self) -> bool {
        self.target.starts_with('/') && self.target.parse::<Uri>().is_ok()
    }

    /// The environ, and a view on the client's side of the body.
    pub(crate) fn environ(&self, stopping: Stopping) -> Option<(Environ, Arc<Client>)> {
        let mut request = http::Request::new(());
        *request.method_mut() = self.method.clone();
        *request.version_mut() = self.version;
        *request.uri_mut() = self.target.parse::<Uri>().ok()?;
        let fields = request.headers_mut();
        for (name, value) in &self.fields {
            fields.append(name.clone(), value.clone());
        }
        let h2 = self.version == Version::HTTP_2;
        if self.version == Version::HTTP_11 && !fields.contains_key("host") {
            fields.insert("host", HeaderValue::from_static("localhost:8000"));
        }
        match self.length {
            BodyLength::Exact(length) => {
                fields.insert("content-length", HeaderValue::from(length));
            }
            BodyLength::Unknown if !h2 => {
                fields.insert("transfer-encoding", HeaderValue::from_static("chunked"));
            }
            BodyLength::Unknown | BodyLength::Empty => {}
        }
        let client = Arc::new(Client::default());
        let mut input = match self.length {
            BodyLength::Empty => Input::empty(),
            length => Input::from_body(
                Upload { pieces: self.pieces.clone().into(), client: Arc::clone(&client) },
                length,
            ),
        };
        input.set_limit(Some(self.limit));
        let mut environ =
            Environ::new(request.into_parts().0, input, Arc::new(self.connection(stopping)));
        if let Some(prefix) = &self.mount {
            environ.shift_path(prefix);
        }
        Some((environ, client))
    }

    fn connection(&self, stopping: Stopping) -> Connection {
        let mut server = server_info();
        server.stopping = stopping;
        server.limits.body_bytes = Some(self.limit);
        if self.bare {
            server.capabilities = Capabilities::default();
        }
        let address = |port| Endpoint::Ip(([127, 0, 0, 1], port).into());
        let (peer, local) = match self.site {
            Site::Ip | Site::Tls => (address(40_000), address(8000)),
            Site::Unix => {
                (Endpoint::Unix(None), Endpoint::Unix(Some(PathBuf::from("/run/rwgi.sock"))))
            }
            Site::Memory => (Endpoint::Unknown, Endpoint::Unknown),
        };
        if !matches!(self.site, Site::Ip | Site::Tls) {
            server.endpoints = vec![local.clone()];
        }
        Connection {
            peer,
            local,
            tls: (self.site == Site::Tls).then(TlsInfo::default),
            server: Arc::new(server),
        }
    }
}

/// The server that the simulator plays.
pub(crate) fn server_info() -> ServerInfo {
    let mut server = ServerInfo::new(concat!("rwgi-simulator/", env!("CARGO_PKG_VERSION")));
    server.endpoints = vec![Endpoint::Ip(([127, 0, 0, 1], 8000).into())];
    server.limits.body_bytes = Some(LIMIT);
    let capabilities = &mut server.capabilities;
    capabilities.http2 = true;
    capabilities.informational = true;
    capabilities.request_trailers = true;
    capabilities.response_trailers = true;
    capabilities.full_duplex = true;
    capabilities.departure = Departure::Prompt;
    server
}

/// What the client's side knows of its body.
#[derive(Default)]
pub(crate) struct Client {
    asked: AtomicUsize,
    stalled: AtomicBool,
    pause: Mutex<Pause>,
    /// Rung when the server lets go of the body.
    pub(crate) gone: Alarm,
    dropped: AtomicBool,
}

/// A client that pauses goes on when the exchange has been polled and waits.
#[derive(Default)]
struct Pause {
    reader: Option<Waker>,
    over: bool,
    /// The client has gone, and with it what it had not yet sent.
    left: bool,
    /// The exchange is being polled, and the script is asked afterwards anyway.
    polling: bool,
    alarm: Option<Arc<Alarm>>,
}

impl Client {
    fn pause(&self) -> MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exchange is about to be polled with this alarm, or has been.
    pub(crate) fn polled_by(&self, alarm: Option<&Arc<Alarm>>) {
        let mut pause = self.pause();
        pause.polling = alarm.is_some();
        if let Some(alarm) = alarm {
            pause.alarm = Some(Arc::clone(alarm));
        }
    }

    /// Sends the next piece, if somebody waits for it and there is one.
    pub(crate) fn go_on(&self) {
        let reader = {
            let mut pause = self.pause();
            if self.is_stalled() && !pause.left {
                return;
            }
            let reader = pause.reader.take();
            pause.over |= reader.is_some();
            reader
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Leaves: whoever still reads learns of it.
    pub(crate) fn leave(&self) {
        self.pause().left = true;
        self.go_on();
    }

    /// Ready when the pause is over; `false` where the client has left meanwhile.
    fn poll_pause(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut pause = self.pause();
        if pause.left || std::mem::take(&mut pause.over) {
            return Poll::Ready(!pause.left);
        }
        pause.reader = Some(cx.waker().clone());
        // Read from another thread: the script has to hear of it.
        let alarm = if pause.polling { None } else { pause.alarm.clone() };
        drop(pause);
        if let Some(alarm) = alarm {
            alarm.ring();
        }
        Poll::Pending
    }

    /// Whether the application asked for content.
    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire) > 0
    }

    /// Whether the application waits for a client that sends nothing more.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Acquire)
    }

    /// Whether nobody holds the body any more.
    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }
}

struct Upload {
    pieces: VecDeque<Piece>,
    client: Arc<Client>,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.client.asked.fetch_add(1, Ordering::AcqRel);
        while let Some(Piece::Wait | Piece::Stall) = self.pieces.front() {
            if matches!(self.pieces.front(), Some(Piece::Stall)) {
                self.client.stalled.store(true, Ordering::Release);
            }
            if !ready!(self.client.poll_pause(cx)) {
                self.pieces = VecDeque::from([Piece::Break]);
                break;
            }
            self.pieces.pop_front();
        }
        Poll::Ready(match self.pieces.pop_front() {
            None | Some(Piece::Wait | Piece::Stall) => None,
            Some(Piece::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Piece::Trailers(fields)) => Some(Ok(Frame::trailers(fields))),
            Some(Piece::Break) => Some(Err(Error::client(
                StatusCode::BAD_REQUEST,
                "the client left in the middle of the body",
            ))),
        })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.client.dropped.store(true, Ordering::Release);
        self.client.gone.ring();
    }
}

/// A piece of content.
pub(crate) fn data(octets: impl AsRef<[u8]>) -> Piece {
    Piece::Data(Bytes::copy_from_slice(octets.as_ref()))
}
