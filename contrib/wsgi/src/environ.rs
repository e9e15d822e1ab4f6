//! The dictionary that PEP 3333 calls environ.
//!
//! Rules of this room: what the contract says of a request under CGI's names ([`rwgi::Environ::variables`]), as native strings; nothing of
//! the process's own environment; a dictionary of its own for each request.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderName, Method};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyDict, PyString};
use rwgi::{BodyLength, Environ, Error, Scheme, Variable};

use crate::errors::ErrorStream;
use crate::file::FileWrapper;
use crate::input::WsgiInput;
use crate::text::native;

/// What every request's dictionary starts from, and the words that were met.
#[derive(Debug)]
pub(crate) struct Template {
    /// What is the same for all requests.
    bare: Py<PyDict>,
    /// What the most usual request says, and a place for all else that every request has: a copy need not grow.
    usual: Py<PyDict>,
    kept: Mutex<Kept>,
}

/// What was made for a request, since the next one says mostly the same.
#[derive(Debug, Default)]
struct Kept {
    settled: Settled,
    fields: Vec<Field>,
    /// By the port of the peer, modulo their number.
    ports: Vec<Option<(u16, Py<PyString>)>>,
}

/// What the dictionary of the usual request says now of what seldom changes.
#[derive(Debug, Default)]
struct Settled {
    software: String,
    host: Vec<u8>,
    host_text: Option<Py<PyString>>,
    scheme: Option<Scheme>,
    peer: Option<IpAddr>,
}

/// A name of a field, its variable (none for a field that has none), and the value that it had last.
#[derive(Debug)]
struct Field {
    name: HeaderName,
    variable: Option<Py<PyString>>,
    value: Option<Py<PyString>>,
}

/// How many names of fields are kept as Python strings: enough for all that browsers and proxies send; who invents more pays for them.
const NAMES: usize = 64;

/// How many ports of peers are kept: as many connections as are busy at once on most servers, in a few KiB.
const PORTS: usize = 256;

/// Values up to this length are compared with the last one: longer ones (cookies, tokens) differ from client to client.
const KEPT: usize = 128;

/// What the most usual request says.
const USUAL: [(&str, &str); 4] = [
    ("SERVER_PROTOCOL", "HTTP/1.1"),
    ("REQUEST_METHOD", "GET"),
    ("QUERY_STRING", ""),
    ("SCRIPT_NAME", ""),
];

/// What else every such request has, in places that are filled before anybody sees them.
///
/// HTTP_HOST is not among it: applications see the fields in the order in which they came.
const PLACES: [&str; 9] = [
    "SERVER_SOFTWARE",
    "SERVER_NAME",
    "SERVER_PORT",
    "wsgi.url_scheme",
    "REMOTE_HOST",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REQUEST_URI",
    "PATH_INFO",
];

impl Template {
    /// `nothing` is the `wsgi.input` of requests that have no content.
    pub(crate) fn new(
        py: Python<'_>,
        nothing: &Py<WsgiInput>,
        multiprocess: bool,
    ) -> PyResult<Self> {
        let bare = PyDict::new(py);
        bare.set_item(intern!(py, "wsgi.version"), (1, 0))?;
        bare.set_item(intern!(py, "wsgi.errors"), Py::new(py, ErrorStream)?)?;
        bare.set_item(intern!(py, "wsgi.input"), nothing)?;
        // Also where one thread runs requests: WebSockets have threads of their own, and anybody can ask for one.
        bare.set_item(intern!(py, "wsgi.multithread"), true)?;
        bare.set_item(intern!(py, "wsgi.multiprocess"), multiprocess)?;
        bare.set_item(intern!(py, "wsgi.run_once"), false)?;
        bare.set_item(intern!(py, "wsgi.file_wrapper"), py.get_type::<FileWrapper>())?;
        // Whatever the length: a read gives nothing after the end, and never blocks there.
        bare.set_item(intern!(py, "wsgi.input_terminated"), true)?;
        bare.set_item(intern!(py, "GATEWAY_INTERFACE"), "CGI/1.1")?;
        let usual = bare.copy()?;
        for (name, value) in USUAL {
            usual.set_item(PyString::intern(py, name), PyString::intern(py, value))?;
        }
        for name in PLACES {
            usual.set_item(PyString::intern(py, name), py.None())?;
        }
        Ok(Self { bare: bare.unbind(), usual: usual.unbind(), kept: Mutex::default() })
    }

    /// The dictionary of one request; `wsgi.input` is that of a request without content.
    ///
    /// # Errors
    /// The path cannot be decoded: the client's fault. The interpreter has no memory left.
    pub(crate) fn environ<'py>(
        &self,
        py: Python<'py>,
        environ: &Environ,
    ) -> rwgi::Result<Bound<'py, PyDict>> {
        let failed = |error| Error::server(format!("no environ could be made: {error}"));
        if let Some(plain) = Plain::of(environ)
            && let Some(dict) = self.short(py, environ, &plain).map_err(failed)?
        {
            return Ok(dict);
        }
        let dict = self.bare.bind(py).copy().map_err(failed)?;
        fill_from_variables(&dict, environ.variables()?).map_err(failed)?;
        Ok(dict)
    }

    /// The short way, where it is one: what [`rwgi::Environ::variables`] says, without the strings in between.
    fn short<'py>(
        &self,
        py: Python<'py>,
        environ: &Environ,
        plain: &Plain<'_>,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        // Who waits here must not keep the interpreter from whoever is inside.
        let mut kept = self.kept.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let usual = self.usual.bind(py);
        if !kept.settled.settle(usual, environ, plain)? {
            return Ok(None);
        }
        let dict = usual.copy()?;
        kept.fill(&dict, environ, plain)?;
        Ok(Some(dict))
    }
}

impl Settled {
    /// Makes the dictionary say what this request says; `false` where its Host is not plain.
    fn settle(
        &mut self,
        usual: &Bound<'_, PyDict>,
        environ: &Environ,
        plain: &Plain<'_>,
    ) -> PyResult<bool> {
        let py = usual.py();
        let (scheme, ip) = (environ.scheme(), plain.peer.ip());
        if self.host != plain.host || self.scheme != Some(scheme) {
            let Some((name, port)) = split(plain.host, scheme) else { return Ok(false) };
            // Until all of it is said, none of it is.
            self.scheme = None;
            usual.set_item(intern!(py, "SERVER_NAME"), name)?;
            usual.set_item(intern!(py, "SERVER_PORT"), port)?;
            usual.set_item(intern!(py, "wsgi.url_scheme"), word(py, scheme.as_str()))?;
            self.host = plain.host.to_vec();
            self.host_text = Some(native(py, plain.host)?.unbind());
            self.scheme = Some(scheme);
        }
        if self.peer != Some(ip) {
            self.peer = None;
            let text = PyString::new(py, &ip.to_string());
            usual.set_item(intern!(py, "REMOTE_HOST"), &text)?;
            usual.set_item(intern!(py, "REMOTE_ADDR"), text)?;
            self.peer = Some(ip);
        }
        let software = environ.server().software();
        if self.software != software || software.is_empty() {
            usual.set_item(intern!(py, "SERVER_SOFTWARE"), software)?;
            self.software = software.to_owned();
        }
        Ok(true)
    }
}

impl Kept {
    /// Says what differs from request to request.
    fn fill(
        &mut self,
        dict: &Bound<'_, PyDict>,
        environ: &Environ,
        plain: &Plain<'_>,
    ) -> PyResult<()> {
        let py = dict.py();
        let text = |value: &str| PyString::new(py, value);
        let protocol = environ.protocol();
        if protocol != "HTTP/1.1" {
            dict.set_item(intern!(py, "SERVER_PROTOCOL"), word(py, protocol))?;
        }
        if *environ.method() != Method::GET {
            dict.set_item(intern!(py, "REQUEST_METHOD"), word(py, environ.method().as_str()))?;
        }
        let path_info = text(environ.path_info());
        let script_name = environ.script_name();
        match environ.query() {
            Some(query) => {
                let target = format!("{}?{query}", environ.path());
                dict.set_item(intern!(py, "REQUEST_URI"), text(&target))?;
                dict.set_item(intern!(py, "QUERY_STRING"), text(query))?;
            }
            None if script_name.is_empty() => {
                dict.set_item(intern!(py, "REQUEST_URI"), &path_info)?;
            }
            None => dict.set_item(intern!(py, "REQUEST_URI"), text(environ.path()))?,
        }
        if !script_name.is_empty() {
            dict.set_item(intern!(py, "SCRIPT_NAME"), text(script_name))?;
        }
        dict.set_item(intern!(py, "PATH_INFO"), path_info)?;
        dict.set_item(intern!(py, "REMOTE_PORT"), self.port(py, plain.peer.port()))?;
        for (name, value) in environ.headers() {
            if name == HOST {
                dict.set_item(intern!(py, "HTTP_HOST"), self.settled.host_text.as_ref())?;
                continue;
            }
            let value = value.as_bytes();
            if name == CONTENT_TYPE {
                dict.set_item(intern!(py, "CONTENT_TYPE"), native(py, value)?)?;
            } else if name == CONTENT_LENGTH {
                dict.set_item(intern!(py, "CONTENT_LENGTH"), native(py, value)?)?;
            } else if let Some(known) = self.fields.iter_mut().find(|known| known.name == *name) {
                known.say(dict, value)?;
            } else {
                let variable = variable(name).map(|made| PyString::intern(py, &made).unbind());
                let mut field = Field { name: name.clone(), variable, value: None };
                field.say(dict, value)?;
                if self.fields.len() < NAMES {
                    self.fields.push(field);
                }
            }
        }
        Ok(())
    }

    fn port(&mut self, py: Python<'_>, port: u16) -> &Py<PyString> {
        if self.ports.is_empty() {
            self.ports.resize_with(PORTS, || None);
        }
        let place = &mut self.ports[usize::from(port) % PORTS];
        if place.as_ref().is_some_and(|(known, _)| *known != port) {
            *place = None;
        }
        let (_, text) =
            place.get_or_insert_with(|| (port, PyString::new(py, &port.to_string()).unbind()));
        text
    }
}

impl Field {
    /// Says this value: the same object as last time, if it is the same.
    fn say(&mut self, dict: &Bound<'_, PyDict>, octets: &[u8]) -> PyResult<()> {
        let py = dict.py();
        let Some(variable) = &self.variable else { return Ok(()) };
        if let Some(last) = &self.value
            && octets.len() <= KEPT
            && last.bind(py).to_str()?.as_bytes() == octets
        {
            return dict.set_item(variable, last);
        }
        let value = native(py, octets)?;
        dict.set_item(variable, &value)?;
        // What is not ASCII has other octets in Python.
        self.value = (octets.len() <= KEPT && octets.is_ascii()).then(|| value.unbind());
        Ok(())
    }
}

/// A request whose variables need no decoding and no joining: nearly every one.
struct Plain<'a> {
    host: &'a [u8],
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
        Some(Self { host: fields.get(HOST)?.as_bytes(), peer })
    }
}

/// Name and port of a Host that needs no thought.
fn split(host: &[u8], scheme: Scheme) -> Option<(&str, &str)> {
    let host = std::str::from_utf8(host).ok()?;
    let (host, port) = match host.split_once(':') {
        Some((host, port)) => (host, port),
        None => (host, if scheme == Scheme::Https { "443" } else { "80" }),
    };
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'.' || octet == b'-';
    // `00080` is a port as well, and is said as 80.
    let is_port = !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok();
    (is_port && !host.is_empty() && host.bytes().all(is_name)).then_some((host, port))
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
fn word<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyString> {
    let known = match text {
        "" => intern!(py, ""),
        "GET" => intern!(py, "GET"),
        "HEAD" => intern!(py, "HEAD"),
        "POST" => intern!(py, "POST"),
        "http" => intern!(py, "http"),
        "https" => intern!(py, "https"),
        "HTTP/1.1" => intern!(py, "HTTP/1.1"),
        "HTTP/2" => intern!(py, "HTTP/2"),
        _ => return PyString::new(py, text),
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
        let connection = |peer: &str| {
            let peer = rwgi::Endpoint::Ip(peer.parse().unwrap());
            std::sync::Arc::new(rwgi::Connection { peer, ..rwgi::Connection::default() })
        };
        // The port of the third falls on the place of the first.
        let connections = ["192.0.2.7:4711", "192.0.2.8:4712", "192.0.2.7:4967"].map(connection);
        let connections = std::cell::RefCell::new(connections.iter().cycle());
        let build = |uri: &'static str, host: &'static str| {
            Environ::builder()
                .uri(uri)
                .header("accept", "*/*")
                .host(host)
                .header("cookie", "a=1")
                .header("x-latin", http::HeaderValue::from_bytes(b"caf\xe9").unwrap())
                .header("x_under", "no")
                .header("proxy", "no")
                .header("content-type", "text/plain")
                .connection(std::sync::Arc::clone(connections.borrow_mut().next().unwrap()))
                .build()
                .unwrap()
        };
        Python::attach(|py| {
            let pool = std::sync::Arc::new(crate::pool::Pool::new(1, 1));
            let nothing = Py::new(py, WsgiInput::nothing(pool)).unwrap();
            let template = Template::new(py, &nothing, false).unwrap();
            for (uri, host) in [
                ("/a/b?c=d%20e", "example.com:8000"),
                ("/", "localhost"),
                ("/", "localhost"),
                ("/a?", "10.0.0.1"),
                ("/a?", "example.com:8000"),
            ] {
                let environ = build(uri, host);
                let plain = Plain::of(&environ).unwrap();
                let short = template.short(py, &environ, &plain).unwrap().unwrap();
                let long = template.bare.bind(py).copy().unwrap();
                fill_from_variables(&long, environ.variables().unwrap()).unwrap();
                assert!(short.eq(&long).unwrap(), "{short}\n{long}");
                // Applications that list the fields show them in the order in which they came.
                let fields = |dict: &Bound<'_, PyDict>| -> Vec<String> {
                    let names = dict.keys().iter().map(|name| name.to_string());
                    names.filter(|name| name.starts_with("HTTP_")).collect()
                };
                assert_eq!(fields(&short), fields(&long));
            }
            assert!(Plain::of(&build("/a%20b", "a")).is_none());
            for host in ["[::1]:80", "a:080", "a:", "a:65536", ""] {
                let environ = build("/", host);
                let plain = Plain::of(&environ).unwrap();
                assert!(template.short(py, &environ, &plain).unwrap().is_none(), "{host}");
            }
        });
    }
}
