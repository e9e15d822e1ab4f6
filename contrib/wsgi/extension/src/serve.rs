//! The life of one process: load the application, serve it, stop.
//!
//! Rules of this room: what cannot start says why in one line, with Python's traceback below it where there is one; the interpreter is let
//! go while the server serves; the exit code says whether all went well.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use pyo3::prelude::*;
use rwgi::SharedApplication;
use rwgi_middleware::UrlMap;
use rwgi_server::{DEFAULT_BIND, Server, StaticFiles};
use rwgi_wsgi::{AsgiApplication, WsgiApplication};

use crate::lifecycle::Lifecycle;
use crate::options::Options;

/// Longer than anybody waits for the end of a process.
const A_DAY: Duration = Duration::from_secs(86_400);

/// How long the end waits for threads of Python that the period of grace did not end.
const PATIENCE: Duration = Duration::from_millis(200);

/// Serves until SIGTERM or ctrl-c; gives the exit code, and how many threads are still in the application.
///
/// `ready` is given by a process whose parent has bound the addresses, and is called when the application is about to be
/// served; `enough` when the process has taken as many requests as it should. `admin` is the path of the socket on which such a process
/// tells its parent what the admin listener tells.
#[pyfunction]
#[pyo3(signature = (options, ready = None, enough = None, admin = None))]
pub(crate) fn serve(
    py: Python<'_>,
    options: &Options,
    ready: Option<Py<PyAny>>,
    enough: Option<Py<PyAny>>,
    admin: Option<String>,
) -> PyResult<(u8, usize)> {
    rwgi_server::start_log(&options.server.config);
    let mut stops = Vec::new();
    let mut application = match load(py, options, &options.application, &mut stops)? {
        Ok(application) => application,
        Err(code) => return Ok((code, 0)),
    };
    if !options.mount.is_empty() {
        let mut map = UrlMap::new().otherwise(application);
        for (prefix, name) in &options.mount {
            match load(py, options, name, &mut stops)? {
                Ok(mounted) => map = map.mount(prefix, mounted),
                Err(code) => return Ok((code, 0)),
            }
        }
        application = SharedApplication::new(map);
    }
    tracing::info!("{}", python(py)?);
    let hosted = Lifecycle {
        inner: application,
        ready,
        most: options.max_requests,
        enough: enough.map(Arc::new),
        taken: AtomicU64::new(0),
    };
    Ok(py.detach(|| {
        let code = match run(hosted, options, admin) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("rwgi: {error}");
                1
            }
        };
        (code, stops.iter().map(|stop| stop(PATIENCE)).sum())
    }))
}

/// Ends what is left of an application; gives how many of its threads do not end.
type Stop = Box<dyn Fn(Duration) -> usize + Send + Sync>;

/// Loads and hosts an application by its name; where that fails it is told, and the exit code given.
fn load(
    py: Python<'_>,
    options: &Options,
    name: &str,
    stops: &mut Vec<Stop>,
) -> PyResult<Result<SharedApplication, u8>> {
    let callable = match rwgi_wsgi::load(py, name) {
        Ok(callable) => callable,
        Err(error) => {
            eprintln!("rwgi: {error}");
            return Ok(Err(1));
        }
    };
    let is_asgi = match options.interface.as_str() {
        "auto" => rwgi_wsgi::is_asgi(py, &callable)?,
        named => named == "asgi",
    };
    tracing::debug!("{name} is hosted as {}", if is_asgi { "ASGI" } else { "WSGI" });
    if is_asgi {
        let patience = options.server.config.grace;
        let application = AsgiApplication::builder(callable).patience(patience).build(py)?;
        let stopped = application.clone();
        stops.push(Box::new(move |patience| stopped.stop(patience)));
        return Ok(Ok(SharedApplication::new(application)));
    }
    let application = WsgiApplication::builder(callable)
        .threads(options.threads.into())
        .queue(options.queue as usize)
        .multiprocess(options.processes > 1)
        .stream_unknown_length(options.stream_unknown_length)
        .inline(options.inline)
        .build(py)?;
    let stopped = application.clone();
    stops.push(Box::new(move |patience| stopped.stop(patience)));
    Ok(Ok(SharedApplication::new(application)))
}

fn run(
    hosted: Lifecycle<SharedApplication>,
    options: &Options,
    admin: Option<String>,
) -> Result<(), rwgi::BoxError> {
    let mut config = options.server.config.clone();
    if hosted.ready.is_some() {
        // The parent has bound what was asked for, and hands it over as LISTEN_FDS.
        config.bind = vec![DEFAULT_BIND.to_owned()];
        // It answers for all its processes, and each tells it by a socket of its own.
        config.admin = admin.map(|path| format!("unix:{path}"));
    }
    // What still runs, the lifespan and the threads have the period of grace each, within the application's shutdown.
    let least = config.grace.saturating_mul(3).min(A_DAY);
    config.shutdown_timeout = config.shutdown_timeout.map(|most| most.max(least));
    let blocking_threads = config.blocking_threads.max(1);
    let application = StaticFiles::new(hosted, &config.static_folders)?;
    let mut server = Server::new(application).config(config);
    server.inherit()?;
    let mut runtime = if options.inline {
        // This thread, which Python knows: it need not be made known for each request.
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = runtime
        .worker_threads(options.io_threads.into())
        .thread_name("rwgi-io")
        .max_blocking_threads(blocking_threads)
        .enable_all()
        .build()?;
    let result = runtime.block_on(server.serve());
    // A read of a file that never returns must not keep a stopped server alive.
    runtime.shutdown_background();
    Ok(result?)
}

/// Which Python runs the application: the first question when a module is missing.
fn python(py: Python<'_>) -> PyResult<String> {
    let sys = py.import("sys")?;
    let text = |name: &str| sys.getattr(name)?.extract::<String>();
    let version = Python::version_str().split_whitespace().next().unwrap_or_default();
    let (prefix, base) = (text("prefix")?, text("base_prefix")?);
    let mut line = format!("Python {version} ({})", text("executable")?);
    if prefix != base {
        line.push_str(&format!(" in the virtual environment {prefix}"));
    }
    if cfg!(Py_GIL_DISABLED) {
        line.push_str(", free-threaded");
    }
    Ok(line)
}
