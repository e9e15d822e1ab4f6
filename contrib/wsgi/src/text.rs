//! PEP 3333's native strings: each character of a `str` stands for one octet (Latin-1).
//!
//! Rules of this room: octets in, strings out, and back; nothing is lost on either way, and what is no octet is refused.

use std::borrow::Cow;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A native string of these octets.
pub(crate) fn native<'py>(py: Python<'py>, octets: &[u8]) -> PyResult<Bound<'py, PyString>> {
    if octets.is_ascii() {
        // ASCII is UTF-8, and Python decodes it the quickest.
        return PyString::from_bytes(py, octets);
    }
    let text: String = octets.iter().map(|octet| char::from(*octet)).collect();
    Ok(PyString::new(py, &text))
}

/// The octets of a native string.
///
/// # Errors
/// `ValueError` for a character beyond U+00FF; `UnicodeEncodeError` for half a surrogate pair.
pub(crate) fn octets<'a>(what: &str, text: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, [u8]>> {
    let text = text.to_str()?;
    if text.is_ascii() {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let octets: Option<Vec<u8>> = text.chars().map(|char| u8::try_from(char).ok()).collect();
    octets.map(Cow::Owned).ok_or_else(|| {
        PyValueError::new_err(format!(
            "{what} holds a character beyond U+00FF; PEP 3333 allows Latin-1 only: {text:?}"
        ))
    })
}
