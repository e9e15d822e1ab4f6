//! What can be set, and what it is when nobody sets it.
//!
//! Rules of this room: every limit is on by default; every default states its reason and its neighbours' values; no socket and no clock.
//! Whether values make sense together is said in `config/check.rs`.

pub(crate) mod check;

use std::path::PathBuf;
use std::time::Duration;

use rwgi::Ping;

use crate::choice::{ClientCertificate, Runtime, UnixMode};
use crate::websocket::handshake::Defaults;
use crate::{AccessLogFormat, DEFAULT_BIND, ForwardedFields, StaticFolders, TrustedProxies};

/// Limits and times of the server; all on by default. No time may be longer than a hundred years ([`check`](Config::check)).
///
/// ```
/// use rwgi_server::Config;
/// let config = Config { idle_timeout: std::time::Duration::from_secs(75), ..Config::default() };
/// assert!(config.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen: `host:port` (port 0 takes a free one), `unix:/path` or `unix:@name`. [`Server::bind`](crate::Server::bind) goes
    /// before it, and so do sockets that systemd left open where this is the default.
    ///
    /// [`DEFAULT_BIND`](crate::DEFAULT_BIND): this machine only, port 8000, as gunicorn, uvicorn and granian.
    pub bind: Vec<String>,
    /// The request head in bytes, request line and fields together; beyond it 431 (REQ-HTTP-07).
    ///
    /// 32 KiB: between nginx (1 KiB, then 4 × 8 KiB) and HAProxy (16 KiB); large cookies fit. hyper: about 400 KiB.
    pub head_bytes: usize,
    /// The request target in bytes; beyond it 414 (REQ-HTTP-06).
    ///
    /// 16 KiB. nginx: 8 KiB; hyper: 65,534; gunicorn: 4,094 for the whole request line.
    pub target_bytes: usize,
    /// Fields in the request head; beyond it 431 (REQ-HTTP-07).
    ///
    /// 100, where hyper, HAProxy, Envoy and gunicorn agree.
    pub head_fields: usize,
    /// Request content in bytes, unless the application sets another limit on its input; beyond it 413 (REQ-INPUT-12, REQ-INPUT-13).
    ///
    /// 2 MiB, as axum's extractors; nginx: 1 MiB.
    pub body_bytes: u64,
    /// From one piece of a request's content to the next, while the application waits for it; beyond it the read fails with 408.
    ///
    /// 20 s. nginx: 60 s between reads; Apache: 20 s and a rate; HAProxy: unset; hyper, Go: none.
    pub body_timeout: Duration,
    /// Bytes a second of content that a client has to send on average, after 10 s of grace, while the application waits for them; beyond
    /// it the read fails with 408. 0 is no limit.
    ///
    /// 500, Apache's (`mod_reqtimeout`): silence alone is not missed by who sends one byte a second. nginx: none.
    pub body_rate: u32,
    /// How long the server waits for the content of one request, all in all; beyond it the read fails with 408. The time that the
    /// application takes does not count.
    ///
    /// 1 h: a backstop behind the rate, at which the 2 MiB of `body_bytes` take 70 minutes. Node: 300 s for the whole request; nginx: none.
    pub request_timeout: Duration,
    /// How long a client may take nothing of what waits for it; beyond it the connection is reset, or the stream of HTTP/2 where only that
    /// is given no room. Of a stream it has to take a frame's worth (16 KiB) in this time, where there is so much.
    ///
    /// 30 s. nginx: 60 s between writes; puma: 10 s; HAProxy: `timeout client`, unset; hyper, Go: none.
    pub write_timeout: Duration,
    /// How long a connection is kept at most; its next response then says that it closes (GOAWAY on HTTP/2). A tenth more or less, so that
    /// connections that came together do not go together.
    ///
    /// 1 h, nginx's `keepalive_time`: a server that joins gets its share of the clients.
    pub connection_age: Option<Duration>,
    /// From the first byte of a request head to its last; beyond it 408 (REQ-HTTP-16). Total, so that one byte a second does not help.
    ///
    /// 10 s. HAProxy is total as well; nginx: 60 s; actix-web: 5 s; hyper: 30 s where a timer is set.
    pub head_timeout: Duration,
    /// From the accept to the first byte; beyond it the connection is closed.
    ///
    /// 10 s, as the head's: a silent connection is no better than a slow one.
    pub first_byte_timeout: Duration,
    /// What stands before HTTP, in total: the PROXY header of a known proxy and the TLS handshake; beyond it the connection is closed.
    ///
    /// 10 s, as the head's. nginx and hypercorn: 60 s for the handshake; Envoy: 15 s for the header; actix-web: 3 s; Node: 120 s.
    pub handshake_timeout: Duration,
    /// A kept-alive connection without a request; beyond it the connection is closed, silently.
    ///
    /// 60 s, and up to a second more after a rush of requests. nginx: 75 s; gunicorn: 2 s; Node: 5 s. Behind a balancer set it above the
    /// balancer's own idle time.
    pub idle_timeout: Duration,
    /// How long the server serves on after it was told to stop, while it says to whoever asks that it is not ready.
    ///
    /// 0: nobody may be asking. Behind a balancer that asks: a little more than its interval times its threshold; Kubernetes' `preStop`
    /// sleeps are this.
    pub announce: Duration,
    /// How long exchanges may go on after the server was told to stop (REQ-LIFE-07); what is left is aborted (REQ-LIFE-10).
    ///
    /// 30 s: Kubernetes' period of grace, gunicorn's and actix-web's.
    pub grace: Duration,
    /// How long the application's `shutdown` may take; beyond it it is dropped at its next await, and the log says so (REQ-LIFE-16).
    ///
    /// 60 s, as hypercorn: a pool of connections is closed long before, and with `grace` it is within systemd's 90 s. gunicorn: 30 s for the end of a
    /// worker; uvicorn, axum: none.
    pub shutdown_timeout: Option<Duration>,
    /// How long a closing connection reads on, so that the client can read its answer (REQ-HTTP-50).
    ///
    /// 2 s, as Apache; nginx: 5 s between reads, 30 s in all.
    pub linger: Duration,
    /// Connections at once; beyond it the server stops accepting and the kernel's queue fills.
    ///
    /// 10,000, or the limit on open files less 64 (or half of it), where that is less. [`run`](crate::run) and the command raise the soft limit
    /// to the hard one.
    pub connections: usize,
    /// Certificates in PEM, one file each, the server's own first in it and its authorities' after; with one, TLS is spoken on every TCP
    /// address that is not written `http://…`. A client is shown the first that is valid for the name it asks for, else the first of all.
    ///
    /// None: a server behind a proxy, or at a developer's desk, needs none. What TLS then is stands in the documentation of the server's
    /// `tls` module: 1.3 and 1.2, HTTP/2 and HTTP/1.1 by ALPN, no early data.
    pub certificate: Vec<String>,
    /// The keys of the certificates, in the same order, in PEM; none by default, as there is no certificate.
    pub key: Vec<String>,
    /// The authorities, in PEM, of whom clients show a certificate; it then stands in the environ's TLS facts.
    ///
    /// None: no certificate is asked for, as everywhere.
    pub client_ca: Option<PathBuf>,
    /// Whether a client may do without a certificate, where there is a `client_ca`.
    ///
    /// Required: who names an authority wants to keep others out. nginx and HAProxy ask for the choice.
    pub client_certificate: ClientCertificate,
    /// How often the files of certificates are looked at for a change; SIGHUP and [`Running::reload`](crate::Running::reload) read them at
    /// once.
    ///
    /// 10 s: a renewal is in use before anybody looks, and a look is a few system calls. nginx and HAProxy wait for a signal.
    pub certificate_watch: Option<Duration>,
    /// Peers whose connections begin with a PROXY header, version 1 or 2; those of others must not.
    ///
    /// Nobody: whoever is believed can choose every client's address.
    pub proxy_protocol: TrustedProxies,
    /// The mode of the files of Unix sockets.
    ///
    /// 660: a proxy that shares the server's group may connect, strangers on the machine may not. nginx: 666; gunicorn: 777 without a
    /// umask; systemd: 666.
    pub unix_mode: UnixMode,
    /// Whether the threads that serve share one runtime and take work from each other, or each core has one of its own.
    ///
    /// Shared, as axum and tonic: a request that keeps a thread busy holds up nobody else's. actix-web, ntex: one for each core, which is ahead
    /// where few connections are busy; the page on performance has both under even and uneven load.
    pub runtime: Runtime,
    /// Whether TCP addresses are shared (`SO_REUSEPORT`) with another server of the same user: one that takes over, or more processes.
    ///
    /// Off: a second server on the same address is usually a mistake, and would silently get half of the clients. gunicorn, nginx: off.
    pub reuse_port: bool,
    /// Exchanges under way at once, on all connections together; beyond it 503 with `Retry-After`.
    ///
    /// 10,000, as `connections`: never in the way of HTTP/1.1, and a bound for HTTP/2 with its streams. Envoy: 1,024 for a cluster; uvicorn,
    /// Go: none.
    pub exchanges: usize,
    /// Streams at once on one connection of HTTP/2; a further one is refused.
    ///
    /// 128, as nginx; HAProxy and hypercorn: 100; hyper: 200.
    pub streams: u32,
    /// The kernel's queue of connections that wait to be accepted.
    ///
    /// 4,096, which the kernel caps at its `somaxconn`; nginx: 511; tokio: 1,024.
    pub backlog: u32,
    /// A WebSocket message in bytes, inflated, unless the application accepts with another limit; beyond it 1009 (REQ-WS-19).
    ///
    /// 4 MiB. uvicorn and hypercorn: 16 MiB; tungstenite: 64 MiB; ws (Node): 100 MiB.
    pub websocket_message_bytes: usize,
    /// How long a WebSocket's client may be silent before the server asks whether it is there (REQ-WS-22); zero never asks.
    ///
    /// 20 s, as uvicorn and the Python library `websockets`; shorter than the idle time of most balancers.
    pub websocket_ping: Duration,
    /// How long a WebSocket's client may take to answer a Ping, or a Close frame; beyond it the connection is closed.
    ///
    /// 20 s, as uvicorn and the Python library `websockets`.
    pub websocket_patience: Duration,
    /// Threads for blocking applications; as many of their calls hold up nobody (REQ-APP-06).
    ///
    /// 512, tokio's own; a WSGI host sets it to what its database stands.
    pub blocking_threads: usize,
    /// The proxies whose word on client, scheme and host is believed (REQ-ENV-14 to REQ-ENV-16).
    ///
    /// None: whoever connects could say anything. gunicorn and uvicorn believe 127.0.0.1, where any program of the machine may be.
    pub trusted_proxies: TrustedProxies,
    /// The fields that those proxies write; no other is looked at.
    ///
    /// X-Forwarded-For and X-Forwarded-Proto, which nearly all proxies write; most hand on a client's X-Forwarded-Host as it is.
    pub forwarded_fields: ForwardedFields,
    /// Where a line for each exchange is written: a file, which is opened anew on SIGUSR1 and SIGHUP, or `-`, standard output.
    ///
    /// None, as gunicorn: a balancer in front has one already. What it costs is told in the benches.
    pub access_log: Option<PathBuf>,
    /// What such a line says.
    ///
    /// `combined`, which every reader of logs understands; nginx's default.
    pub access_log_format: AccessLogFormat,
    /// Where the admin listener answers: `/healthz`, `/readyz`, `/metrics`, and a page of the server's state.
    ///
    /// None: it tells strangers what they need not know. `127.0.0.1:9000` is a good place.
    pub admin: Option<String>,
    /// Folders of files that [`serve`](crate::serve()) and [`command`](crate::command()) put before the application; an embedder does the same by
    /// [`StaticFiles`](crate::StaticFiles).
    ///
    /// None.
    pub static_folders: StaticFolders,
    /// Whether a client is shown what failed: causes, backtrace, request id. For a developer's own machine; REQ-ERR-04 excuses it there only.
    ///
    /// Off: a client learns the status and nothing else.
    pub dev: bool,
    /// What the command logs to standard error, in the form of `tracing`'s `EnvFilter`; a library leaves logging to its embedder.
    ///
    /// `info`: starts, stops and refusals; one line for each failure.
    pub log: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: vec![DEFAULT_BIND.to_owned()],
            head_bytes: 32 * 1024,
            target_bytes: 16 * 1024,
            head_fields: 100,
            body_bytes: 2 * 1024 * 1024,
            head_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            announce: Duration::ZERO,
            grace: Duration::from_secs(30),
            shutdown_timeout: Some(Duration::from_secs(60)),
            linger: Duration::from_secs(2),
            body_timeout: Duration::from_secs(20),
            body_rate: 500,
            request_timeout: Duration::from_secs(3600),
            write_timeout: Duration::from_secs(30),
            connection_age: Some(Duration::from_secs(3600)),
            exchanges: 10_000,
            streams: 128,
            connections: 10_000,
            certificate: Vec::new(),
            key: Vec::new(),
            client_ca: None,
            client_certificate: ClientCertificate::Required,
            certificate_watch: Some(Duration::from_secs(10)),
            proxy_protocol: TrustedProxies::default(),
            unix_mode: UnixMode(0o660),
            runtime: Runtime::Shared,
            reuse_port: false,
            backlog: 4096,
            websocket_message_bytes: 4 * 1024 * 1024,
            websocket_ping: Duration::from_secs(20),
            websocket_patience: Duration::from_secs(20),
            blocking_threads: 512,
            trusted_proxies: TrustedProxies::default(),
            forwarded_fields: ForwardedFields::default(),
            access_log: None,
            access_log_format: AccessLogFormat::default(),
            admin: None,
            static_folders: StaticFolders::default(),
            dev: false,
            log: "info".to_owned(),
        }
    }
}

impl Config {
    /// The limits as an application sees them in its environ.
    pub(crate) fn limits(&self) -> rwgi::Limits {
        let mut limits = rwgi::Limits::default();
        limits.head_bytes = Some(self.head_bytes);
        limits.head_fields = Some(self.head_fields);
        limits.target_bytes = Some(self.target_bytes);
        limits.body_bytes = Some(self.body_bytes);
        limits.head_timeout = Some(self.head_timeout);
        limits.idle_timeout = Some(self.idle_timeout);
        limits.websocket_message_bytes = Some(self.websocket_message_bytes);
        limits
    }

    /// What every WebSocket begins with.
    pub(crate) fn websocket_defaults(&self) -> Defaults {
        let (idle, patience) = (self.websocket_ping, self.websocket_patience);
        let ping = if idle.is_zero() { Ping::Never } else { Ping::Every { idle, patience } };
        Defaults { message_bytes: self.websocket_message_bytes, ping, patience }
    }
}
