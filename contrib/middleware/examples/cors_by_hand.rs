//! CORS without middleware: the four fields, set by the application itself.
//!
//! Enough where one application speaks to one page. Where several do, or the rules are longer than this, use `Cors`.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE,
};
use http::{HeaderName, Method, StatusCode};
use rwgi::{Environ, Finished, StartResponse};

/// Pages of any origin may GET and PUT, and send JSON; for an hour they need not ask again.
const CORS: [(HeaderName, &str); 4] = [
    (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (ACCESS_CONTROL_ALLOW_METHODS, "GET, PUT"),
    (ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
    (ACCESS_CONTROL_MAX_AGE, "3600"),
];

/// Answers its method, and the preflight.
pub(crate) async fn application(environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    match *environ.method() {
        Method::OPTIONS => start.respond(StatusCode::OK, CORS, ""),
        _ => start.respond(StatusCode::OK, CORS, format!("{} by hand", environ.method())),
    }
}

fn main() -> rwgi_server::Result<()> {
    rwgi_server::serve(application)
}
