//! The dictionary that PEP 3333 calls environ.
//!
//! Rules of this room: what the contract says of a request under CGI's names ([`rwgi::Environ::variables`]), as native strings; nothing of
//! the process's own environment; a dictionary of its own for each request.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use http::HeaderName;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use rwgi::{BodyLength, Environ, Error, Scheme, Variable};

use crate::errors::ErrorStream;
use crate::file::FileWrapper;
use crate::text::native;

/// What every request's dictionary starts from, and the names that were met.
#[derive(Debug)]
pub(crate) struct Template {
    dict: Py<PyDict>,
    names: Mutex<Vec<(HeaderName, Option<Py<PyString>>)>>,
}

/// How many names of fields are kept as Python strings: enough for all that browsers and proxies send; who invents more pays for them.
const NAMES: usize = 64;

impl Template {
    pub(crate) fn new(py: Python<'_>, multithread: bool, multiprocess: bool) -> PyResult<Self> {
        let dict = PyDict::new(py);
        dict.set_item("wsgi.version", (1, 0))?;
        dict.set_item("wsgi.errors", Py::new(py, ErrorStream)?)?;
        dict.set_item("wsgi.multithread", multithread)?;
        dict.set_item("wsgi.multiprocess", multiprocess)?;
        dict.set_item("wsgi.run_once", false)?;
        dict.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
        // Whatever the length: a read gives nothing after the end, and never blocks there.
        dict.set_item("wsgi.input_terminated", true)?;
        dict.set_item("GATEWAY_INTERFACE", "CGI/1.1")?;
        Ok(Self { dict: dict.unbind(), names: Mutex::default() })
    }

    /// The dictionary of one request; `wsgi.input` is still to come.
    ///
    /// # Errors
    /// The path cannot be decoded: the client's fault. The interpreter has no memory left.
    pub(crate) fn environ<'py>(
        &self,
        py: Python<'py>,
        environ: &Environ,
    ) -> rwgi::Result<Bound<'py, PyDict>> {
        let failed = |error| Error::server(format!("no environ could be made: {error}"));
        let dict = self.dict.bind(py).copy().map_err(failed)?;
        match Plain::of(environ) {
            Some(plain) => self.fill(&dict, environ, &plain).map_err(failed)?,
            None => fill_from_variables(&dict, environ.variables()?).map_err(failed)?,
        }
        Ok(dict)
    }

    /// The short way: what [`rwgi::Environ::variables`] says, without the strings in between.
    fn fill(&self, dict: &Bound<'_, PyDict>, environ: &Environ, plain: &Plain<'_>) -> PyResult<()> {
        let py = dict.py();
        let text = |value: &str| PyString::new(py, value);
        dict.set_item(intern!(py, "SERVER_SOFTWARE"), text(environ.server().software()))?;
        dict.set_item(intern!(py, "SERVER_PROTOCOL"), usual(py, environ.protocol()))?;
        dict.set_item(intern!(py, "REQUEST_METHOD"), usual(py, environ.method().as_str()))?;
        match environ.query() {
            Some(query) => {
                let target = format!("{}?{query}", environ.path());
                dict.set_item(intern!(py, "REQUEST_URI"), text(&target))?;
                dict.set_item(intern!(py, "QUERY_STRING"), text(query))?;
            }
            None => {
                dict.set_item(intern!(py, "REQUEST_URI"), text(environ.path()))?;
                dict.set_item(intern!(py, "QUERY_STRING"), intern!(py, ""))?;
            }
        }
        dict.set_item(intern!(py, "SCRIPT_NAME"), usual(py, environ.script_name()))?;
        dict.set_item(intern!(py, "PATH_INFO"), text(environ.path_info()))?;
        dict.set_item(intern!(py, "SERVER_NAME"), text(plain.host))?;
        dict.set_item(intern!(py, "SERVER_PORT"), text(plain.port))?;
        let ip = text(&plain.peer.ip().to_string());
        dict.set_item(intern!(py, "REMOTE_HOST"), &ip)?;
        dict.set_item(intern!(py, "REMOTE_ADDR"), &ip)?;
        dict.set_item(intern!(py, "REMOTE_PORT"), text(&plain.peer.port().to_string()))?;
        dict.set_item(intern!(py, "wsgi.url_scheme"), usual(py, environ.scheme().as_str()))?;
        let fields = environ.headers();
        if let Some(value) = fields.get(CONTENT_TYPE) {
            dict.set_item(intern!(py, "CONTENT_TYPE"), native(py, value.as_bytes())?)?;
        }
        if let Some(value) = fields.get(CONTENT_LENGTH) {
            dict.set_item(intern!(py, "CONTENT_LENGTH"), native(py, value.as_bytes())?)?;
        }
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in fields {
            let known = match names.iter().find(|(known, _)| known == name) {
                Some((_, known)) => known.as_ref().map(|known| known.bind(py).clone()),
                None => {
                    let made = variable(name).map(|made| text(&made));
                    if names.len() < NAMES {
                        names.push((name.clone(), made.clone().map(Bound::unbind)));
                    }
                    made
                }
            };
            if let Some(known) = known {
                dict.set_item(known, native(py, value.as_bytes())?)?;
            }
        }
        Ok(())
    }
}

/// A request whose variables need no decoding and no joining: nearly every one.
struct Plain<'a> {
    host: &'a str,
    port: &'a str,
    peer: SocketAddr,
}

impl<'a> Plain<'a> {
    fn of(environ: &'a Environ) -> Option<Self> {
        let fields = environ.headers();
        if environ.path().contains(['%', '*'])
            // A field that comes twice is joined.
            || fields.len() != fields.keys_len()
            // Said by Host, and by nothing else.
            || environ.uri().authority().is_some()
            || environ.forwarded().is_some()
            || environ.input().length() != BodyLength::Empty
        {
            return None;
        }
        let peer = environ.peer().socket_addr()?;
        let host = fields.get(HOST)?.to_str().ok()?;
        let (host, port) = match host.split_once(':') {
            Some((host, port)) => (host, port),
            None => (host, if environ.scheme() == Scheme::Https { "443" } else { "80" }),
        };
        let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'.' || octet == b'-';
        // `00080` is a port as well, and is said as 80.
        let is_port = !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok();
        (is_port && !host.is_empty() && host.bytes().all(is_name)).then_some(Self {
            host,
            port,
            peer,
        })
    }
}

fn fill_from_variables(dict: &Bound<'_, PyDict>, variables: Vec<Variable<'_>>) -> PyResult<()> {
    let py = dict.py();
    for (name, value) in variables {
        if name == "PATH_INFO" && &*value == b"*" {
            // `OPTIONS *` is about the server and has no path; REQUEST_URI tells it from `/`.
            dict.set_item(intern!(py, "PATH_INFO"), intern!(py, ""))?;
            continue;
        }
        dict.set_item(&*name, native(py, &value)?)?;
    }
    Ok(())
}

/// A word that comes again and again, as one and the same string.
fn usual<'py>(py: Python<'py>, word: &str) -> Bound<'py, PyString> {
    let known = match word {
        "" => intern!(py, ""),
        "GET" => intern!(py, "GET"),
        "HEAD" => intern!(py, "HEAD"),
        "POST" => intern!(py, "POST"),
        "http" => intern!(py, "http"),
        "https" => intern!(py, "https"),
        "HTTP/1.1" => intern!(py, "HTTP/1.1"),
        "HTTP/2" => intern!(py, "HTTP/2"),
        _ => return PyString::new(py, word),
    };
    known.clone()
}

/// The variable of a field, by the contract's rules; none for what has no variable, or one of another form.
fn variable(name: &HeaderName) -> Option<String> {
    let text = name.as_str();
    if name == CONTENT_TYPE || name == CONTENT_LENGTH || text == "proxy" || text.contains('_') {
        return None;
    }
    Some(format!("HTTP_{}", text.replace('-', "_").to_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short way says what the contract says.
    #[test]
    fn both_ways_say_the_same() {
        let peer = rwgi::Endpoint::Ip("192.0.2.7:4711".parse().unwrap());
        let connection =
            std::sync::Arc::new(rwgi::Connection { peer, ..rwgi::Connection::default() });
        let build = |uri: &'static str, host: &'static str| {
            Environ::builder()
                .uri(uri)
                .host(host)
                .header("cookie", "a=1")
                .header("x-latin", http::HeaderValue::from_bytes(b"caf\xe9").unwrap())
                .header("x_under", "no")
                .header("proxy", "no")
                .header("content-type", "text/plain")
                .connection(std::sync::Arc::clone(&connection))
                .build()
                .unwrap()
        };
        Python::attach(|py| {
            let template = Template::new(py, true, false).unwrap();
            for (uri, host) in
                [("/a/b?c=d%20e", "example.com:8000"), ("/", "localhost"), ("/a?", "10.0.0.1")]
            {
                let environ = build(uri, host);
                let plain = Plain::of(&environ).unwrap();
                let short = template.dict.bind(py).copy().unwrap();
                template.fill(&short, &environ, &plain).unwrap();
                let long = template.dict.bind(py).copy().unwrap();
                fill_from_variables(&long, environ.variables().unwrap()).unwrap();
                assert!(short.eq(&long).unwrap(), "{short}\n{long}");
            }
            for (uri, host) in
                [("/a%20b", "a"), ("/", "[::1]:80"), ("/", "a:080"), ("/", "a:"), ("/", "a:65536")]
            {
                assert!(Plain::of(&build(uri, host)).is_none(), "{uri} {host}");
            }
        });
    }
}
