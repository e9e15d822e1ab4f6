//! The dictionary that ASGI calls scope: what is known of a request before its content.
//!
//! Rules of this room: names and values of fields as octets, in their order, names in lower case; the path decoded and raw; a scope of its
//! own for each request.

use http::Version;
use http::header::HOST;
use percent_encoding::percent_decode_str;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use rwgi::{Endpoint, Environ, Scheme};

/// The scope of a request, or of the WebSocket that it offers.
///
/// # Errors
/// The interpreter has no memory left.
pub(super) fn scope<'py>(py: Python<'py>, environ: &Environ) -> PyResult<Bound<'py, PyDict>> {
    let scope = PyDict::new(py);
    let extensions = PyDict::new(py);
    let is_https = environ.scheme() == Scheme::Https;
    if let Some(offer) = environ.websocket() {
        scope.set_item(intern!(py, "type"), intern!(py, "websocket"))?;
        scope.set_item(intern!(py, "scheme"), if is_https { "wss" } else { "ws" })?;
        scope.set_item(intern!(py, "subprotocols"), PyList::new(py, offer.subprotocols())?)?;
        extensions.set_item(intern!(py, "websocket.http.response"), PyDict::new(py))?;
    } else {
        scope.set_item(intern!(py, "type"), intern!(py, "http"))?;
        scope.set_item(intern!(py, "scheme"), if is_https { "https" } else { "http" })?;
        scope.set_item(intern!(py, "method"), environ.method().as_str())?;
    }
    let version = match environ.version() {
        Version::HTTP_10 => intern!(py, "1.0"),
        Version::HTTP_2 => intern!(py, "2"),
        Version::HTTP_3 => intern!(py, "3"),
        _ => intern!(py, "1.1"),
    };
    scope.set_item(intern!(py, "http_version"), version)?;
    scope.set_item(intern!(py, "path"), decoded(py, environ.path()))?;
    scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, environ.path().as_bytes()))?;
    scope.set_item(intern!(py, "root_path"), decoded(py, environ.script_name()))?;
    let query = environ.query().unwrap_or_default();
    scope.set_item(intern!(py, "query_string"), PyBytes::new(py, query.as_bytes()))?;
    scope.set_item(intern!(py, "headers"), headers(py, environ)?)?;
    scope.set_item(intern!(py, "client"), address(py, environ.peer())?)?;
    scope.set_item(intern!(py, "server"), address(py, &environ.connection().local)?)?;
    scope.set_item(intern!(py, "extensions"), extensions)?;
    Ok(scope)
}

/// A path as text: what cannot be decoded stands as it is, or as U+FFFD; `raw_path` has all of it.
fn decoded<'py>(py: Python<'py>, path: &str) -> Bound<'py, PyString> {
    PyString::new(py, &percent_decode_str(path).decode_utf8_lossy())
}

fn headers<'py>(py: Python<'py>, environ: &Environ) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    let pair = |name: &[u8], value: &[u8]| {
        PyTuple::new(py, [PyBytes::new(py, name), PyBytes::new(py, value)])
    };
    // HTTP/2's `:authority` and the authority of a target in absolute form are what Host says elsewhere, and go before it.
    let authority = environ.uri().authority().map(|authority| authority.as_str().as_bytes());
    if let Some(authority) = authority {
        list.append(pair(HOST.as_str().as_bytes(), authority)?)?;
    }
    for (name, value) in environ.headers() {
        if authority.is_none() || name != HOST {
            list.append(pair(name.as_str().as_bytes(), value.as_bytes())?)?;
        }
    }
    Ok(list)
}

fn address<'py>(py: Python<'py>, endpoint: &Endpoint) -> PyResult<Option<Bound<'py, PyTuple>>> {
    if let Some(address) = endpoint.socket_addr() {
        return (address.ip().to_string(), address.port()).into_pyobject(py).map(Some);
    }
    match endpoint.unix_path() {
        Some(path) => (path.to_string_lossy(), py.None()).into_pyobject(py).map(Some),
        None => Ok(None),
    }
}
