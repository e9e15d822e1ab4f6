//! `wsgi.errors`: what an application writes there goes into the log, line by line.
//!
//! Rules of this room: a line is one entry; what is not yet a line waits for its end, a flush, or the end of the request; the
//! threads of an application never mix within a line.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::PyString;

/// The text stream in `environ["wsgi.errors"]`.
#[pyclass(frozen, module = "rwgi", name = "ErrorStream")]
pub(crate) struct ErrorStream;

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

#[pymethods]
impl ErrorStream {
    /// Writes text; a line of it becomes an entry of the log.
    fn write(&self, text: &Bound<'_, PyString>) -> PyResult<usize> {
        let length = text.len()?;
        LINE.with_borrow_mut(|line| {
            // Half a surrogate pair must not lose the message around it.
            line.push_str(&text.to_string_lossy());
            while let Some(end) = line.find('\n') {
                let rest = line.split_off(end + 1);
                log(line);
                *line = rest;
            }
        });
        Ok(length)
    }

    /// Writes each of the strings.
    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(line?.cast::<PyString>()?)?;
        }
        Ok(())
    }

    /// Makes an entry of what was written and is no line yet.
    fn flush(&self) {
        end_of_request();
    }
}

/// Makes an entry of what this thread has left.
pub(crate) fn end_of_request() {
    LINE.with_borrow_mut(|line| {
        if !line.is_empty() {
            log(line);
            line.clear();
        }
    });
}

fn log(line: &str) {
    let line = line.trim_end_matches(['\n', '\r']);
    tracing::error!(target: "wsgi.errors", "{line}");
}
