//! Finding the callable that `module:attribute` names.
//!
//! Rules of this room: one clear line says what is wrong and what would be right, and the traceback stands below it.

use std::fmt;

use pyo3::exceptions::PyModuleNotFoundError;
use pyo3::prelude::*;

use crate::traceback::{Traceback, line};

/// Why an application could not be loaded: a message for a person, and the traceback where Python code has failed.
#[derive(Debug)]
pub struct LoadError {
    message: String,
    traceback: Option<Traceback>,
}

/// Imports `module` and gives its `attribute`, of a name `module:attribute`; without an attribute it is `application`, then `app`.
///
/// The attribute may have dots (`site.wsgi:factory.application`) and may end in `()`: then what it names is called once, as Flask's
/// application factories are.
///
/// # Errors
/// The name is malformed, the module is not there or fails, the attribute is not there or not callable.
pub fn load(py: Python<'_>, name: &str) -> Result<Py<PyAny>, LoadError> {
    let (module_name, attribute) = match name.split_once(':') {
        Some((module, attribute)) => (module, Some(attribute)),
        None => (name, None),
    };
    let dotted = |text: &str| !text.is_empty() && text.split('.').all(|part| !part.is_empty());
    if !dotted(module_name) || attribute.is_some_and(|name| !dotted(name.trim_end_matches("()"))) {
        return Err(LoadError::plain(format!(
            "{name:?} does not name an application: write it as module:attribute, such as myproject.wsgi:application"
        )));
    }
    let module = py.import(module_name).map_err(|raised| import_error(py, module_name, &raised))?;
    let Some(attribute) = attribute else {
        return ["application", "app"]
            .iter()
            .find_map(|usual| module.getattr_opt(*usual).ok().flatten())
            .map(Bound::unbind)
            .ok_or_else(|| {
                LoadError::plain(format!(
                    "the module {module_name} has neither `application` nor `app`: name the callable as {module_name}:attribute"
                ))
            });
    };
    let (attribute, factory) = match attribute.strip_suffix("()") {
        Some(factory) => (factory, true),
        None => (attribute, false),
    };
    let mut value = module.into_any();
    for part in attribute.split('.') {
        value = value.getattr(part).map_err(|_| {
            LoadError::plain(format!(
                "the module {module_name} has no {attribute:?}: check the name behind the colon"
            ))
        })?;
    }
    if factory {
        value = value.call0().map_err(|raised| {
            LoadError::raised(
                py,
                format!("{module_name}:{attribute}() raised {}", line(py, &raised)),
                &raised,
            )
        })?;
    }
    if !value.is_callable() {
        let kind = value.get_type().qualname().map(|name| name.to_string()).unwrap_or_default();
        return Err(LoadError::plain(format!(
            "{module_name}:{attribute} is of type {kind} and cannot be called: an application is callable"
        )));
    }
    Ok(value.unbind())
}

/// Whether an application is of ASGI's kind: a coroutine function, or an object whose `__call__` is one. What is not, is of WSGI's.
///
/// # Errors
/// The interpreter's own: `inspect` cannot be imported.
pub fn is_asgi(py: Python<'_>, application: &Py<PyAny>) -> PyResult<bool> {
    let inspect = py.import("inspect")?;
    let is_coroutine_function = inspect.getattr("iscoroutinefunction")?;
    // A partial is what it is made of.
    let application = match py.import("functools")?.getattr("partial")? {
        partial if application.bind(py).is_instance(&partial)? => {
            application.bind(py).getattr("func")?
        }
        _ => application.bind(py).clone(),
    };
    if is_coroutine_function.call1((&application,))?.is_truthy()? {
        return Ok(true);
    }
    match application.getattr_opt("__call__")? {
        Some(call) => is_coroutine_function.call1((call,))?.is_truthy(),
        None => Ok(false),
    }
}

fn import_error(py: Python<'_>, module: &str, raised: &PyErr) -> LoadError {
    let missing: Option<String> = raised
        .is_instance_of::<PyModuleNotFoundError>(py)
        .then(|| raised.value(py).getattr("name").ok()?.extract().ok())
        .flatten();
    let message = match missing {
        Some(missing) if module == missing || module.starts_with(&format!("{missing}.")) => {
            if let Some(name) = module.strip_suffix(".py") {
                let name = name.replace('/', ".");
                let message =
                    format!("{module:?} is a file: name the module as Python does, {name}");
                return LoadError::raised(py, message, raised);
            }
            let here =
                std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
            format!(
                "there is no module {missing:?}: start it where the module lies (now {here}), or say --app-dir"
            )
        }
        Some(missing) => {
            format!(
                "{module} could not be imported: it needs the module {missing:?}, which is not installed for this Python"
            )
        }
        None => format!("{module} could not be imported: {}", line(py, raised)),
    };
    LoadError::raised(py, message, raised)
}

impl LoadError {
    fn plain(message: String) -> Self {
        Self { message, traceback: None }
    }

    fn raised(py: Python<'_>, message: String, raised: &PyErr) -> Self {
        Self { message, traceback: Some(Traceback::of(py, raised)) }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.traceback {
            Some(traceback) => traceback.fmt(f),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LoadError {}
