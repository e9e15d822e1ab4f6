//! The compiled half of the Python package `rwgi`: options, the server, the bridge.
//!
//! Rules of this room: what Python can do as well (finding the virtual environment, watching processes) is done in Python; the
//! interpreter is let go while the server serves.

mod lifecycle;
mod options;
mod serve;

use pyo3::prelude::*;

/// `rwgi._rwgi`.
#[pymodule(gil_used = false)]
mod _rwgi {
    #[pymodule_export]
    use crate::options::{Options, parse};
    #[pymodule_export]
    use crate::serve::serve;
}
