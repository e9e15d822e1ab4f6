//! Python's exceptions, for the log.
//!
//! Rules of this room: whatever an application raises becomes text; nothing here fails.

use std::fmt;

use pyo3::prelude::*;

/// An exception with its traceback, as Python prints it.
#[derive(Debug)]
pub(crate) struct Traceback {
    text: String,
}

impl Traceback {
    pub(crate) fn of(py: Python<'_>, error: &PyErr) -> Self {
        let formatted = || -> PyResult<String> {
            let lines = py.import("traceback")?.call_method1(
                "format_exception",
                (error.get_type(py), error.value(py), error.traceback(py)),
            )?;
            lines.try_iter()?.map(|line| line?.extract::<String>()).collect()
        };
        // An exception whose own __str__ raises is still told by its type.
        let text = formatted().unwrap_or_else(|_| error.get_type(py).to_string());
        Self { text: text.trim_end().to_owned() }
    }
}

impl fmt::Display for Traceback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // On lines of their own: a traceback is read from its lines.
        write!(f, "\n{}", self.text)
    }
}

impl std::error::Error for Traceback {}

/// An exception in one line: its type and what it says.
pub(crate) fn line(py: Python<'_>, error: &PyErr) -> String {
    let name = error
        .get_type(py)
        .qualname()
        .map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
    match error.value(py).str() {
        Ok(text) if !text.to_string_lossy().is_empty() => {
            format!("{name}: {}", text.to_string_lossy().replace('\n', " "))
        }
        _ => name,
    }
}

/// The application raised: its fault, with the traceback as the cause.
pub(crate) fn error(py: Python<'_>, raised: &PyErr) -> rwgi::Error {
    rwgi::Error::application(format!("the application raised {}", line(py, raised)))
        .with_source(Traceback::of(py, raised))
}

/// Tells the log what was raised where no response can tell of it.
pub(crate) fn log(py: Python<'_>, who: &str, raised: &PyErr) {
    tracing::error!("{who} raised {}{}", line(py, raised), Traceback::of(py, raised));
}
