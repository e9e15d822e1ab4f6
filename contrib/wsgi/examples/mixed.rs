//! A program in Rust that serves an application in Rust and a WSGI application, in one process and behind the same middleware.
//!
//! Run it with `cargo run --example mixed [MODULE:ATTRIBUTE]`; without a name it is a few lines of Python that stand here. For the
//! Django site: `PYTHONPATH=examples/django-site:SITE-PACKAGES … --example mixed mysite.wsgi:application`, where SITE-PACKAGES
//! is that of the virtual environment.

use http::StatusCode;
use pyo3::prelude::*;
use rwgi::{BoxError, Environ, Finished, StartResponse};
use rwgi_middleware::{Compression, RequestIds, UrlMap};
use rwgi_wsgi::WsgiApplication;

const PYTHON: &std::ffi::CStr = c"
import sys
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [f'Python {sys.version} at {environ[\"SCRIPT_NAME\"]}{environ[\"PATH_INFO\"]}\\n'.encode()]
";

async fn rust(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
    start_response.respond(StatusCode::OK, [("content-type", "text/plain")], "Rust\n")
}

fn main() -> Result<(), BoxError> {
    let python = Python::attach(|py| -> Result<WsgiApplication, BoxError> {
        let callable = match std::env::args().nth(1) {
            Some(name) => rwgi_wsgi::load(py, &name)?,
            None => PyModule::from_code(py, PYTHON, c"inline.py", c"inline")?
                .getattr("application")?
                .unbind(),
        };
        Ok(WsgiApplication::builder(callable).build(py)?)
    })?;
    let both = UrlMap::new().mount("/rust", rust).mount("/", python);
    rwgi_server::serve(RequestIds::new(Compression::new(both)))?;
    Ok(())
}
