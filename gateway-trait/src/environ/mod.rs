//! The environ: WSGI's dictionary of the request, with types.
//!
//! Rules of this room: raw octets are canonical and decoding is a view that may fail; `script_name ++ path_info` is
//! the raw path, byte for byte, whatever middleware does; what is effective (a proxy's word) stands beside what is raw.

mod builder;
mod facts;
mod path;
mod variables;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::header::HOST;
use http::{Extensions, HeaderMap, Method, Uri, Version, request};

pub use self::builder::EnvironBuilder;
use self::facts::Facts;
pub use self::variables::Variable;
use crate::{
    Capabilities, Connection, Endpoint, Input, Limits, Result, Scheme, ServerInfo, Stopping,
    UpgradeOffer, WebSocketOffer,
};

/// Everything an application can know of a request, and the request's content.
///
/// ```
/// use rwgi::Environ;
///
/// let mut environ = Environ::builder().uri("/shop/caf%C3%A9?q=1").build()?;
/// assert_eq!(environ.path_info(), "/shop/caf%C3%A9");
/// assert!(environ.shift_path("/shop"));
/// assert_eq!((environ.script_name(), environ.path_info()), ("/shop", "/caf%C3%A9"));
/// assert_eq!(environ.path_info_decoded()?, "/café");
/// assert_eq!(environ.query(), Some("q=1"));
/// # Ok::<(), rwgi::Error>(())
/// ```
pub struct Environ {
    facts: Facts,
}

/// What a trusted proxy said of the request; each part that is `Some` is effective in place of the raw one.
///
/// Whom to trust is the server's configuration to say (REQ-ENV-14, REQ-ENV-15, REQ-ENV-16).
///
/// ```
/// use rwgi::{Environ, Forwarded, Scheme};
/// let mut environ = Environ::builder().host("internal").build()?;
/// environ.set_forwarded(Forwarded { scheme: Some(Scheme::Https), ..Forwarded::default() });
/// assert_eq!(environ.scheme(), Scheme::Https);
/// assert_eq!(environ.connection().scheme(), Scheme::Http); // the raw fact
/// assert_eq!(environ.authority(), Some("internal")); // of which the proxy said nothing
/// # Ok::<(), rwgi::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// The client that the proxy saw.
    pub peer: Option<Endpoint>,
    /// The scheme by which the client reached the proxy.
    pub scheme: Option<Scheme>,
    /// The authority that the client asked the proxy for.
    pub authority: Option<String>,
}

impl Environ {
    /// An environ of a request head and its content, as a server makes it.
    ///
    /// The head is taken over as it is: the server has checked it (REQ-HTTP-01 and on).
    #[inline]
    pub fn new(head: request::Parts, input: Input, connection: Arc<Connection>) -> Self {
        Self { facts: Facts::new(head, input, connection) }
    }

    /// Builds an environ by hand: for tests and in-memory servers.
    pub fn builder() -> EnvironBuilder {
        EnvironBuilder::default()
    }

    /// The request's head as it came, in the types of `http`: what a trusted proxy said is not in it, but in [`scheme`](Self::scheme) and its like.
    #[inline]
    pub fn head(&self) -> &request::Parts {
        self.facts.head()
    }

    /// The method: `REQUEST_METHOD`. As the client sent it (REQ-ENV-01), case-sensitive; any token can come (REQ-ENV-02).
    pub fn method(&self) -> &Method {
        &self.facts.head().method
    }

    /// Replaces the method, for middleware (a method override, HEAD by GET).
    pub fn set_method(&mut self, method: Method) {
        self.facts.head_mut().method = method;
    }

    /// The request target as it was parsed; absolute-form keeps its scheme and authority.
    pub fn uri(&self) -> &Uri {
        &self.facts.head().uri
    }

    /// Replaces the target; what was mounted is forgotten (`script_name` is empty again).
    pub fn set_uri(&mut self, uri: Uri) {
        self.facts.head_mut().uri = uri;
        self.facts.mount = 0;
    }

    /// The raw path, neither decoded nor normalised; `*` for `OPTIONS *`.
    pub fn path(&self) -> &str {
        self.facts.head().uri.path()
    }

    /// The part of the raw path by which this application was reached: `SCRIPT_NAME`, undecoded; empty where it is not mounted
    /// (REQ-ENV-04).
    pub fn script_name(&self) -> &str {
        &self.path()[..self.facts.mount]
    }

    /// The rest of the raw path: `PATH_INFO`, undecoded; empty, `*`, or begun by `/` (REQ-ENV-05).
    pub fn path_info(&self) -> &str {
        &self.path()[self.facts.mount..]
    }

    /// `path_info`, percent-decoded once (REQ-ENV-07); an encoded slash cannot be told from another then.
    ///
    /// # Errors
    /// A malformed escape, or octets that are not UTF-8 (REQ-ENV-08): the client's fault, 400.
    pub fn path_info_decoded(&self) -> Result<Cow<'_, str>> {
        path::decode_text(self.path_info())
    }

    /// Moves `prefix` from the head of `path_info` to the end of `script_name`, where it ends with a segment; gives
    /// whether it did.
    ///
    /// The empty prefix and `/` are the root of what is left: they move nothing, and give `true` except for `*`. Both parts stay raw, and
    /// together they stay the path (REQ-ENV-03, REQ-ENV-06).
    pub fn shift_path(&mut self, prefix: &str) -> bool {
        match path::mount_length(self.path_info(), prefix) {
            Some(length) => {
                self.facts.mount += length;
                true
            }
            None => false,
        }
    }

    /// The query without its `?`, raw (REQ-ENV-09); `None` where there is no `?`, and empty where nothing follows it.
    pub fn query(&self) -> Option<&str> {
        self.facts.head().uri.query()
    }

    /// The version of HTTP (REQ-ENV-10): `SERVER_PROTOCOL`.
    pub fn version(&self) -> Version {
        self.facts.head().version
    }

    /// The request's fields, every line that came (REQ-ENV-11), in the order in which each name came first; values are octets.
    ///
    /// The values of a repeated name keep their order (REQ-ENV-12): [`get_all`](HeaderMap::get_all) gives them.
    pub fn headers(&self) -> &HeaderMap {
        &self.facts.head().headers
    }

    /// The request's fields, for middleware, which sees to it that Content-Length and [`Input::length`] agree (REQ-MID-04).
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.facts.head_mut().headers
    }

    /// The effective scheme, a trusted proxy's or the connection's (REQ-ENV-14): `wsgi.url_scheme`.
    pub fn scheme(&self) -> Scheme {
        self.facts
            .forwarded
            .as_deref()
            .and_then(|forwarded| forwarded.scheme)
            .unwrap_or_else(|| self.facts.connection().scheme())
    }

    /// The effective authority (`host` or `host:port`): a trusted proxy's, else that of an absolute-form target, else the
    /// Host field (REQ-ENV-15); `None` only where HTTP/1.0 sent none.
    pub fn authority(&self) -> Option<&str> {
        if let Some(authority) =
            self.facts.forwarded.as_deref().and_then(|said| said.authority.as_deref())
        {
            return Some(authority);
        }
        match self.facts.head().uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => self.facts.head().headers.get(HOST).and_then(|host| host.to_str().ok()),
        }
    }

    /// The effective client, as a trusted proxy saw it, else the remote end of the connection (REQ-ENV-16): `REMOTE_ADDR` and
    /// `REMOTE_PORT`.
    pub fn peer(&self) -> &Endpoint {
        self.facts
            .forwarded
            .as_deref()
            .and_then(|forwarded| forwarded.peer.as_ref())
            .unwrap_or(&self.facts.connection().peer)
    }

    /// What a trusted proxy said, if one did.
    pub fn forwarded(&self) -> Option<&Forwarded> {
        self.facts.forwarded.as_deref()
    }

    /// Makes a trusted proxy's word effective; the raw facts stay as they are.
    pub fn set_forwarded(&mut self, forwarded: Forwarded) {
        self.facts.forwarded = Some(Box::new(forwarded));
    }

    /// The raw facts of the connection.
    pub fn connection(&self) -> &Connection {
        self.facts.connection()
    }

    /// The raw facts of the connection, to be kept.
    pub fn share_connection(&self) -> Arc<Connection> {
        Arc::clone(self.facts.connection())
    }

    /// The server, as it told [`startup`](crate::Application::startup).
    pub fn server(&self) -> &ServerInfo {
        &self.facts.connection().server
    }

    /// What an application may ask of this server: at least what `startup` was told (REQ-CAP-02).
    pub fn capabilities(&self) -> &Capabilities {
        self.server().capabilities()
    }

    /// What the server grants one exchange (REQ-ENV-20).
    pub fn limits(&self) -> &Limits {
        self.server().limits()
    }

    /// Whether the server was told to stop, and a way to wait for it: for responses that have no end of their own (REQ-LIFE-14).
    ///
    /// A server that never tells is never told to stop; what outlasts the period of grace is cancelled either way (REQ-LIFE-10).
    pub fn stopping(&self) -> &Stopping {
        &self.server().stopping
    }

    /// The request's content: `wsgi.input`.
    pub fn input(&self) -> &Input {
        self.facts.input()
    }

    /// The request's content, to be read.
    pub fn input_mut(&mut self) -> &mut Input {
        self.facts.input_mut()
    }

    /// Takes the content out, to be read elsewhere, and leaves an empty one; the fields stay as they are.
    pub fn take_input(&mut self) -> Input {
        std::mem::take(self.facts.input_mut())
    }

    /// Puts other content in place, for middleware, which makes Content-Length agree with it (REQ-MID-04).
    pub fn set_input(&mut self, input: Input) {
        *self.facts.input_mut() = input;
    }

    /// What the request offers to upgrade to (REQ-UPG-01, REQ-UPG-13), on a server that can
    /// ([`StartResponse::upgrade`](crate::StartResponse::upgrade)).
    pub fn upgrade(&self) -> Option<&UpgradeOffer> {
        self.facts.upgrade.as_deref().filter(|_| self.capabilities().upgrade)
    }

    /// The WebSocket that the request offers, on a server that can: `None` unless the handshake is valid, over HTTP/1.1 or HTTP/2
    /// ([`StartResponse::accept`](crate::StartResponse::accept); REQ-WS-01).
    pub fn websocket(&self) -> Option<&WebSocketOffer> {
        let offer = self.facts.upgrade.as_deref().filter(|_| self.capabilities().websocket)?;
        offer.websocket()
    }

    /// Says what the request offers to upgrade to: for servers, which know whether they can.
    pub fn set_upgrade(&mut self, offer: Option<UpgradeOffer>) {
        self.facts.upgrade = offer.map(Arc::new);
    }

    #[inline]
    pub(crate) fn share_upgrade(&self) -> Option<Arc<UpgradeOffer>> {
        self.facts.upgrade.clone()
    }

    /// Values that server and middleware add, by type; they are this exchange's alone (REQ-ENV-19).
    ///
    /// ```
    /// #[derive(Clone)]
    /// struct User(String); // the type is the key, so that no two pieces of middleware meet under one
    ///
    /// let mut environ = rwgi::Environ::builder().build()?;
    /// environ.extensions_mut().insert(User("ann".into()));
    /// assert_eq!(environ.extensions().get::<User>().map(|user| user.0.as_str()), Some("ann"));
    /// # Ok::<(), rwgi::Error>(())
    /// ```
    pub fn extensions(&self) -> &Extensions {
        &self.facts.head().extensions
    }

    /// Values that server and middleware add, by type; middleware hands on what it found (REQ-MID-03).
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.facts.head_mut().extensions
    }

    /// The environ under CGI's and WSGI's names (`REQUEST_METHOD`, `PATH_INFO` decoded, `HTTP_ACCEPT`, …), for bridges (REQ-ENV-21,
    /// REQ-ENV-22).
    ///
    /// Repeated fields are joined (REQ-ENV-25). There is no `HTTP_PROXY` (REQ-ENV-24), and no variable for a field whose name holds an
    /// underscore on the wire (REQ-ENV-23).
    ///
    /// # Errors
    /// The path holds a malformed escape: the client's fault, 400.
    pub fn variables(&self) -> Result<Vec<Variable<'_>>> {
        variables::variables(self)
    }

    /// The URL of the request, put together as PEP 3333 has it: scheme, authority, raw path, raw query (REQ-ENV-27).
    ///
    /// ```
    /// let environ = rwgi::Environ::builder().uri("/a%20b?c").host("example.org").build()?;
    /// assert_eq!(environ.url(), "http://example.org/a%20b?c");
    /// # Ok::<(), rwgi::Error>(())
    /// ```
    pub fn url(&self) -> String {
        let mut url = format!("{}://", self.scheme());
        match self.authority().filter(|authority| !authority.is_empty()) {
            Some(authority) => url.push_str(authority),
            None => {
                let (name, port) = variables::server_name(self);
                url.push_str(&name);
                if port != self.scheme().default_port().to_string() {
                    url.push(':');
                    url.push_str(&port);
                }
            }
        }
        // `OPTIONS *` is about the server: its URL has no path (RFC 9112, section 3.3).
        url.push_str(if self.path() == "*" { "" } else { self.path() });
        if let Some(query) = self.query() {
            url.push('?');
            url.push_str(query);
        }
        url
    }

    /// The version as CGI and the wire spell it (`"HTTP/1.1"`).
    pub fn protocol(&self) -> &'static str {
        variables::protocol(self.version())
    }

    /// The request head and its content, for a gateway that hands them on; what was mounted is lost.
    pub fn into_parts(self) -> (request::Parts, Input, Arc<Connection>) {
        self.facts.into_parts()
    }
}

impl fmt::Debug for Environ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environ")
            .field("method", self.method())
            .field("script_name", &self.script_name())
            .field("path_info", &self.path_info())
            .field("query", &self.query())
            .field("version", &self.version())
            .field("headers", self.headers())
            .field("peer", self.peer())
            .field("input", self.input())
            .finish_non_exhaustive()
    }
}
