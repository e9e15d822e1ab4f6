//! The dictionary that PEP 3333 calls environ.
//!
//! Rules of this room: what the contract says of a request under CGI's names ([`rwgi::Environ::variables`]), as native strings; nothing of
//! the process's own environment; a dictionary of its own for each request.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use rwgi::{Environ, Error, Variable};

use crate::errors::ErrorStream;
use crate::file::FileWrapper;
use crate::text::native;

/// What every request's dictionary starts from.
#[derive(Debug)]
pub(crate) struct Template {
    dict: Py<PyDict>,
    names: Mutex<HashMap<Cow<'static, str>, Py<PyString>>>,
}

/// How many names are kept as Python strings: enough for all that browsers and proxies send; who invents more pays for them.
const NAMES: usize = 256;

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
        let variables = environ.variables()?;
        self.fill(py, variables)
            .map_err(|error| Error::server(format!("no environ could be made: {error}")))
    }

    fn fill<'py>(
        &self,
        py: Python<'py>,
        variables: Vec<Variable<'_>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let dict = self.dict.bind(py).copy()?;
        for (name, value) in variables {
            if name == "PATH_INFO" && &*value == b"*" {
                // `OPTIONS *` is about the server and has no path; REQUEST_URI tells it from `/`.
                dict.set_item(intern!(py, "PATH_INFO"), intern!(py, ""))?;
                continue;
            }
            dict.set_item(self.name(py, name), native(py, &value)?)?;
        }
        Ok(dict)
    }

    /// The name as a Python string, made once for each.
    fn name<'py>(&self, py: Python<'py>, name: Cow<'static, str>) -> Bound<'py, PyString> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(&name) {
            return known.bind(py).clone();
        }
        let made = PyString::new(py, &name);
        if names.len() < NAMES {
            names.insert(name, made.clone().unbind());
        }
        made
    }
}
