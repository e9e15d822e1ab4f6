//! Status and headers, from `start_response`'s arguments to a head of the contract.
//!
//! Rules of this room: what PEP 3333 does not allow raises where the application says it, with what is wrong and what would be right;
//! a head that exists can be sent.

use std::cell::RefCell;

use http::{HeaderName, HeaderValue, StatusCode};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use rwgi::{ReasonPhrase, ResponseHead};

use crate::text::octets;

/// Fields that PEP 3333 calls hop-by-hop and that the contract leaves to the application.
const HOP_BY_HOP: [&str; 3] = ["proxy-authenticate", "proxy-authorization", "trailers"];

/// The head of `start_response(status, headers)`.
///
/// # Errors
/// `TypeError` where an argument is not of the type that PEP 3333 says, `ValueError` where it says what cannot be sent.
pub(crate) fn head(
    status: &Bound<'_, PyAny>,
    headers: &Bound<'_, PyAny>,
) -> PyResult<ResponseHead> {
    let status = native("the status", status)?;
    let status = octets("the status", &status)?;
    let (code, reason) = split(&status)?;
    let mut head = ResponseHead::new(code, ()).map_err(refused)?;
    if code.canonical_reason().is_none_or(|usual| usual.as_bytes() != reason) {
        head.set_reason(phrase(reason)?);
    }
    let headers = headers.cast::<PyList>().map_err(|_| {
        PyTypeError::new_err(format!(
            "the headers must be a list of (name, value), not {}",
            kind(headers)
        ))
    })?;
    for item in headers.iter() {
        let (name, value) = pair(&item)?;
        let (name, value) = field(&name, &value)?;
        head.append(name, value).map_err(refused)?;
    }
    Ok(head)
}

/// A name that was met, as the string that the application has it in, and the value that it had last.
struct Known {
    text: Py<PyString>,
    name: HeaderName,
    value: Option<HeaderValue>,
}

/// How many names a thread keeps: applications have them as constants, some dozens.
const KNOWN: usize = 64;

/// Values up to this length are compared with the last one: longer ones (cookies, policies) are rarely the same.
const KEPT: usize = 128;

thread_local! {
    /// By the place of the string in memory, which is compared and never followed.
    static NAMES: RefCell<[Option<Known>; KNOWN]> = const { RefCell::new([const { None }; KNOWN]) };
}

/// One field of the head; what was said before is not judged again.
fn field(
    text: &Bound<'_, PyString>,
    value: &Bound<'_, PyString>,
) -> PyResult<(HeaderName, HeaderValue)> {
    if !text.is_exact_instance_of::<PyString>() {
        // A class of the application's own, whose end could run its code while the names are lent.
        let name = field_name(text)?;
        let value = field_value(&name, value)?;
        return Ok((name, value));
    }
    NAMES.with_borrow_mut(|names| {
        let place = &mut names[(text.as_ptr().addr() >> 4) % KNOWN];
        let known = match place {
            Some(known) if known.text.is(text) => known,
            _ => place.insert(Known {
                name: field_name(text)?,
                text: text.clone().unbind(),
                value: None,
            }),
        };
        let octets = octets("a header's value", value)?;
        if let Some(last) = &known.value
            && last.as_bytes() == &*octets
        {
            return Ok((known.name.clone(), last.clone()));
        }
        let value = field_value(&known.name, value)?;
        known.value = (octets.len() <= KEPT).then(|| value.clone());
        Ok((known.name.clone(), value))
    })
}

fn field_name(text: &Bound<'_, PyString>) -> PyResult<HeaderName> {
    let name = octets("a header's name", text)?;
    let Ok(name) = HeaderName::from_bytes(&name) else {
        return Err(PyValueError::new_err(format!(
            "{:?} is no header name: it must be a token (RFC 9110, section 5.6.2)",
            String::from_utf8_lossy(&name)
        )));
    };
    if HOP_BY_HOP.contains(&name.as_str()) {
        return Err(PyValueError::new_err(format!(
            "the header {name} belongs to the connection: leave it to the server (PEP 3333, \"Other HTTP Features\")"
        )));
    }
    Ok(name)
}

fn field_value(name: &HeaderName, text: &Bound<'_, PyString>) -> PyResult<HeaderValue> {
    let octets = octets("a header's value", text)?;
    HeaderValue::from_bytes(&octets).map_err(|_| {
        PyValueError::new_err(format!(
            "the value of the header {name} holds a control character: {:?}",
            String::from_utf8_lossy(&octets)
        ))
    })
}

fn split(status: &[u8]) -> PyResult<(StatusCode, &[u8])> {
    let wrong = || {
        PyValueError::new_err(format!(
            "the status {:?} is not of the form '200 OK': three digits, a space, a reason",
            String::from_utf8_lossy(status)
        ))
    };
    let (code, reason) = status.split_at_checked(3).ok_or_else(wrong)?;
    let reason = reason.strip_prefix(b" ").ok_or_else(wrong)?;
    if !code.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    Ok((StatusCode::from_bytes(code).map_err(|_| wrong())?, reason))
}

fn phrase(reason: &[u8]) -> PyResult<ReasonPhrase> {
    // What is not ASCII would need a constructor for octets; no client looks at it.
    let text: String = reason
        .iter()
        .map(|octet| if octet.is_ascii() { char::from(*octet) } else { '?' })
        .collect();
    ReasonPhrase::new(&text).map_err(|_| {
        PyValueError::new_err(format!("the status holds a control character: {text:?}"))
    })
}

fn pair<'py>(item: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyString>, Bound<'py, PyString>)> {
    let Ok(tuple) = item.cast::<PyTuple>() else {
        return Err(PyTypeError::new_err(format!(
            "a header must be a tuple (name, value), not {}",
            kind(item)
        )));
    };
    if tuple.len() != 2 {
        return Err(PyTypeError::new_err(format!(
            "a header must be a tuple (name, value), and this one has {} items",
            tuple.len()
        )));
    }
    Ok((
        native("a header's name", &tuple.get_item(0)?)?,
        native("a header's value", &tuple.get_item(1)?)?,
    ))
}

fn native<'py>(what: &str, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    value.cast::<PyString>().cloned().map_err(|_| {
        PyTypeError::new_err(format!(
            "{what} must be str (PEP 3333's native string), not {}",
            kind(value)
        ))
    })
}

/// The name of a value's type, for a complaint.
pub(crate) fn kind(value: &Bound<'_, PyAny>) -> String {
    value.get_type().qualname().map_or_else(|_| "another type".to_owned(), |name| name.to_string())
}

fn refused(error: rwgi::Error) -> PyErr {
    PyValueError::new_err(error.message().to_owned())
}
