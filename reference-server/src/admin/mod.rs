//! The admin listener: is it alive, is it ready, what has it counted, and a page that shows it.
//!
//! Rules of this room: an application like any other, on a listener of its own, so that it answers while the other one drains; it only tells and changes
//! nothing; it is off unless it is asked for, and belongs on an address that strangers cannot reach.

mod exposition;
pub(crate) mod process;
mod status;

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use http::{Method, StatusCode};
use rwgi::{Application, Endpoint, Environ, Finished, StartResponse};

pub(crate) use self::status::Status;
use crate::config::Config;
use crate::observation::Observer;
use crate::stop::Stop;
use crate::{Result, Running, Server};

/// What the admin listener tells of.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) observer: Arc<Observer>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) started: SystemTime,
}

impl Watched {
    /// Whether new clients are welcome.
    fn is_ready(&self) -> bool {
        self.observer.serves() && self.stop.is_ready()
    }
}

/// Starts it where the configuration says, if it does.
///
/// A box, because it is a server that starts within the start of a server.
///
/// # Errors
/// The address cannot be listened on.
pub(crate) fn start(
    config: &Config,
    watched: Watched,
) -> Pin<Box<dyn Future<Output = Result<Option<Running>>> + Send>> {
    let Some(address) = config.admin.clone() else { return Box::pin(async { Ok(None) }) };
    let server = Server::new(application(watched)).bind(address).unannounced();
    Box::pin(async move {
        let running =
            server.start().await.map_err(|error| error.of("the admin listener (--admin)"))?;
        for endpoint in running.endpoints() {
            tracing::info!(admin = %endpoint, "the admin listener answers");
        }
        Ok(Some(running))
    })
}

fn application(watched: Watched) -> impl Application {
    let watched = Arc::new(watched);
    move |environ: Environ, start: StartResponse| {
        let watched = Arc::clone(&watched);
        async move { answer(&environ, start, &watched) }
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer(environ: &Environ, start: StartResponse, watched: &Watched) -> rwgi::Result<Finished> {
    if !matches!(*environ.method(), Method::GET | Method::HEAD) {
        return start.respond(
            StatusCode::METHOD_NOT_ALLOWED,
            [("allow", "GET, HEAD"), ("content-type", TEXT)],
            "405 Method Not Allowed\n",
        );
    }
    let (status, kind, text) = match environ.path_info() {
        "/healthz" => (StatusCode::OK, TEXT, "alive\n".to_owned()),
        "/readyz" if watched.is_ready() => (StatusCode::OK, TEXT, "ready\n".to_owned()),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, TEXT, "not ready\n".to_owned()),
        "/metrics" => (
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            exposition::text(&watched.observer.metrics.snapshot(), watched),
        ),
        "/status.json" => {
            let status = Status::of(watched);
            (StatusCode::OK, "application/json", serde_json::to_string(&status)?)
        }
        "/" => (StatusCode::OK, "text/html; charset=utf-8", include_str!("status.html").to_owned()),
        "/status.css" => {
            (StatusCode::OK, "text/css; charset=utf-8", include_str!("status.css").to_owned())
        }
        "/status.js" => {
            (StatusCode::OK, "text/javascript; charset=utf-8", include_str!("status.js").to_owned())
        }
        _ => (StatusCode::NOT_FOUND, TEXT, "404 Not Found\n".to_owned()),
    };
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'";
    let fields = [
        ("content-type", kind),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", policy),
    ];
    start.respond(status, fields, text)
}
