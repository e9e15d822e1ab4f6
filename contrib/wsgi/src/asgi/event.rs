//! The dictionaries that cross between application and server: ASGI calls them events.
//!
//! Rules of this room: a key that may be left out may be None as well; what is of another type raises where the application sends it, with
//! what is wrong and what would be right.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use pyo3::exceptions::{PyConnectionError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyMemoryView, PyString};
use rwgi::ResponseHead;

use crate::head::kind;
use crate::start_response::content;

/// Fields that tell of the connection. Servers ignore them (ASGI of Transfer-Encoding: "the server must ignore it"), and many applications
/// send them.
const IGNORED: [&str; 3] = ["connection", "keep-alive", "transfer-encoding"];

/// An event that the application sends.
pub(super) struct Event<'a, 'py>(pub(super) &'a Bound<'py, PyDict>);

impl<'py> Event<'_, 'py> {
    /// Which event it is.
    pub(super) fn kind(&self) -> PyResult<Bound<'py, PyString>> {
        match self.0.get_item(intern!(self.0.py(), "type"))? {
            Some(kind) => kind.cast_into().map_err(|error| error.into()),
            None => Err(PyValueError::new_err("the event has no \"type\"")),
        }
    }

    fn get(&self, key: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.0.get_item(key)?.filter(|value| !value.is_none()))
    }

    /// Status and headers.
    pub(super) fn head(&self) -> PyResult<ResponseHead> {
        let Some(status) = self.get("status")? else {
            return Err(PyValueError::new_err("the event has no \"status\""));
        };
        let code: u16 = status.extract().map_err(|_| {
            PyTypeError::new_err(format!("the status must be an int, not {}", kind(&status)))
        })?;
        let code = StatusCode::from_u16(code)
            .map_err(|_| PyValueError::new_err(format!("{code} is no status")))?;
        let mut head = ResponseHead::new(code, ()).map_err(refused)?;
        for (name, value) in self.headers()? {
            head.append(name, value).map_err(refused)?;
        }
        Ok(head)
    }

    /// The headers.
    pub(super) fn headers(&self) -> PyResult<Vec<(HeaderName, HeaderValue)>> {
        let Some(headers) = self.get("headers")? else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for item in headers.try_iter()? {
            let item = item?;
            let mut parts = item.try_iter()?;
            let (Some(name), Some(value), None) = (parts.next(), parts.next(), parts.next()) else {
                return Err(PyValueError::new_err(
                    "a header must be a pair of a name and a value, both bytes",
                ));
            };
            let (name, value) =
                (octets("a header's name", &name?)?, octets("a header's value", &value?)?);
            let Ok(name) = HeaderName::from_bytes(&name) else {
                return Err(PyValueError::new_err(format!(
                    "{:?} is no header name: it must be a token (RFC 9110, section 5.6.2)",
                    String::from_utf8_lossy(&name)
                )));
            };
            // Space around a value is no part of it (RFC 9110, section 5.5).
            let Ok(value) = HeaderValue::from_bytes(value.trim_ascii()) else {
                return Err(PyValueError::new_err(format!(
                    "the value of the header {name} holds a control character: {:?}",
                    String::from_utf8_lossy(&value)
                )));
            };
            if !IGNORED.contains(&name.as_str()) {
                all.push((name, value));
            }
        }
        Ok(all)
    }

    /// A piece of content.
    pub(super) fn body(&self) -> PyResult<Bytes> {
        match self.get("body")? {
            Some(body) => octets("the body", &body),
            None => Ok(Bytes::new()),
        }
    }

    /// Whether more content follows.
    pub(super) fn more_body(&self) -> PyResult<bool> {
        self.get("more_body")?.map_or(Ok(false), |more| more.is_truthy())
    }

    /// A text, where there is one.
    pub(super) fn text(&self, key: &str) -> PyResult<Option<String>> {
        let Some(value) = self.get(key)? else { return Ok(None) };
        match value.cast::<PyString>() {
            Ok(text) => Ok(Some(text.to_str()?.to_owned())),
            Err(_) => {
                Err(PyTypeError::new_err(format!("{key:?} must be a str, not {}", kind(&value))))
            }
        }
    }

    /// Octets, where there are any.
    pub(super) fn bytes(&self, key: &str) -> PyResult<Option<Bytes>> {
        self.get(key)?.map(|value| octets(key, &value)).transpose()
    }

    /// The code of a close.
    pub(super) fn code(&self) -> PyResult<u16> {
        self.get("code")?.map_or(Ok(1000), |code| code.extract())
    }
}

/// `bytes`, and what is used in its place.
fn octets(what: &str, value: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if value.is_instance_of::<PyBytes>() {
        return content(value);
    }
    if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        let copy = value.py().get_type::<PyBytes>().call1((value,))?;
        return content(&copy);
    }
    Err(PyTypeError::new_err(format!("{what} must be bytes, not {}", kind(value))))
}

/// What the contract refuses, raised in the application.
pub(super) fn refused(error: rwgi::Error) -> PyErr {
    PyValueError::new_err(error.message().to_owned())
}

/// An event that does not fit to where the conversation is.
pub(super) fn unexpected(kind: &Bound<'_, PyString>, why: &str) -> PyErr {
    PyRuntimeError::new_err(format!("{:?} was sent, but {why}", kind.to_string_lossy()))
}

/// The client has left: an OSError, as ASGI has it since 2.4.
pub(super) fn departed() -> PyErr {
    PyConnectionError::new_err("the client has left")
}
