//! The gates: which requests reach an application, WebSockets or others.
//!
//! Rules of this room: a request that asks for a WebSocket and is no valid handshake is the client's fault, 400, or 426 where it is the
//! version; a gate answers before the application is called.

use std::sync::Arc;

use http::header::{SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Method, StatusCode};
use rwgi::{Application, Environ, Finished, ResponseHead, Result, ServerInfo, StartResponse};

/// Lets requests pass by whether they are WebSockets: dwebsocket's decorators, and its `WEBSOCKET_ACCEPT_ALL`.
///
/// ```
/// # pollster::block_on(async {
/// # use http::StatusCode;
/// # use rwgi::{Environ, StartResponse};
/// use rwgi_middleware::{Client, WebSocketGate};
/// # let chat = |_: Environ, start: StartResponse| async move { start.respond(StatusCode::OK, (), "") };
///
/// let client = Client::new(WebSocketGate::require(chat));
/// assert_eq!(client.get("/").send().await?.status(), StatusCode::UPGRADE_REQUIRED);
/// # Ok::<(), rwgi::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct WebSocketGate<A> {
    inner: Arc<A>,
    websockets: bool,
    /// What plain HTTP gets, where it does not pass.
    plain: Option<StatusCode>,
}

impl<A: Application> WebSocketGate<A> {
    /// `accept_websocket`: both kinds reach the application.
    pub fn accept(application: A) -> Self {
        Self { inner: Arc::new(application), websockets: true, plain: None }
    }

    /// `require_websocket`: only WebSockets reach the application; others get 426 with the Upgrade field.
    pub fn require(application: A) -> Self {
        let plain = Some(StatusCode::UPGRADE_REQUIRED);
        Self { inner: Arc::new(application), websockets: true, plain }
    }

    /// With 400 in place of 426, as dwebsocket has it. RFC 9110, section 15.5.22, has 426, and so has the default.
    #[must_use]
    pub fn compatible(mut self) -> Self {
        self.plain = self.plain.map(|_| StatusCode::BAD_REQUEST);
        self
    }

    /// What has no decorator: WebSockets get 400, unless `accept_all` (`WEBSOCKET_ACCEPT_ALL`) is set.
    pub fn plain(application: A, accept_all: bool) -> Self {
        Self { inner: Arc::new(application), websockets: accept_all, plain: None }
    }
}

/// Whether the request asks for a WebSocket, well or not.
fn asks(environ: &Environ) -> bool {
    let upgrades = environ.headers().get_all(UPGRADE).iter().any(|line| {
        let line = line.to_str().unwrap_or_default();
        line.split(',').any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
    });
    let extended = environ.method() == Method::CONNECT
        && environ.upgrade().is_some_and(|offer| offer.find("websocket").is_some());
    upgrades || extended || environ.websocket().is_some()
}

impl<A: Application> Application for WebSocketGate<A> {
    async fn call(&self, environ: Environ, start_response: StartResponse) -> Result<Finished> {
        let valid = environ.websocket().is_some();
        let status = if valid && self.websockets {
            None
        } else if !asks(&environ) {
            self.plain
        } else if !valid
            && self.websockets
            && environ.headers().get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version != "13")
        {
            Some(StatusCode::UPGRADE_REQUIRED)
        } else {
            Some(StatusCode::BAD_REQUEST)
        };
        let Some(status) = status else { return self.inner.call(environ, start_response).await };
        let mut head = ResponseHead::new(status, [("content-type", "text/plain")])?;
        if status == StatusCode::UPGRADE_REQUIRED {
            head.require_upgrade("websocket")?;
            head.insert(SEC_WEBSOCKET_VERSION, 13)?;
        }
        start_response.respond_with(
            head,
            if valid { "no WebSocket here\n" } else { "a WebSocket is asked for here\n" },
        )
    }

    async fn startup(&self, server: &ServerInfo) -> Result<()> {
        self.inner.startup(server).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}
