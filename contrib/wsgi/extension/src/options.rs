//! The command line of `rwgi run`: the server's own options, and those of the bridge.
//!
//! Rules of this room: text in, options out; what the server has as an option is taken from the server; every default has its
//! reason; what is malformed is told on standard error, with exit code 2.

use std::path::PathBuf;

use clap::{Args, FromArgMatches};
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use rwgi_server::{Config, DEFAULT_BIND};

/// What `rwgi run` was told.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Python")]
#[pyclass(frozen, get_all, module = "rwgi._rwgi")]
pub(crate) struct Options {
    /// The application as module:attribute; `module:factory()` calls a factory once.
    #[arg(value_name = "MODULE:ATTRIBUTE")]
    pub(crate) application: String,

    /// What the application is written to; `auto` takes a coroutine function, or an object with an asynchronous `__call__`, for ASGI.
    #[arg(long, value_name = "INTERFACE", env = "RWGI_INTERFACE", default_value = "auto", value_parser = ["auto", "asgi", "wsgi"])]
    pub(crate) interface: String,

    /// Another application at a prefix of the path, as PREFIX=MODULE:ATTRIBUTE (`/ws=site.asgi:application`); any number of times.
    #[arg(long, value_name = "PREFIX=MODULE:ATTRIBUTE", value_parser = mount)]
    pub(crate) mount: Vec<(String, String)>,

    /// The directory in which the application's module lies.
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    pub(crate) app_dir: PathBuf,

    /// Threads that run a WSGI application, in each process; with a GIL they only wait together. An ASGI application has one, with its event loop.
    #[arg(long, short, value_name = "NUMBER", env = "RWGI_THREADS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: u16,

    /// Calls a WSGI application on the thread that serves the sockets: faster where no view ever waits, and a standstill where one does.
    #[arg(long, env = "RWGI_INLINE")]
    pub(crate) inline: bool,

    /// Requests that wait for one of these threads at most; beyond it the answer is 503.
    #[arg(long, value_name = "NUMBER", env = "RWGI_QUEUE", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) queue: u32,

    /// Threads that serve the sockets, in each process; one serves more than Python can answer.
    #[arg(long, value_name = "NUMBER", env = "RWGI_IO_THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) io_threads: u16,

    /// Processes; the way to use more than one processor where Python has a GIL.
    #[arg(long, short, value_name = "NUMBER", env = "RWGI_PROCESSES", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) processes: u16,

    /// Replaces a process after that many requests, against leaks; 0 never does.
    #[arg(long, value_name = "NUMBER", env = "RWGI_MAX_REQUESTS", default_value_t = 0)]
    pub(crate) max_requests: u64,

    /// Starts anew whenever a source file changes; for development.
    #[arg(long)]
    pub(crate) reload: bool,

    /// Gives content of unknown length (chunked) to the application as it comes, without CONTENT_LENGTH, instead of collecting it first.
    #[arg(long)]
    pub(crate) stream_unknown_length: bool,

    /// The server's own options.
    #[arg(skip)]
    pub(crate) server: Server,
}

/// The server's configuration, as Python needs to know it.
#[derive(Clone, Debug, Default)]
#[pyclass(frozen, module = "rwgi._rwgi")]
pub(crate) struct Server {
    pub(crate) config: Config,
}

#[pymethods]
impl Server {
    /// Where to listen.
    #[getter]
    fn bind(&self) -> Vec<String> {
        self.config.bind.clone()
    }

    /// Whether that was said, and is not the default.
    #[getter]
    fn says_where(&self) -> bool {
        self.config.bind != [DEFAULT_BIND]
    }

    /// Seconds that are given to what is under way when the server is told to stop.
    #[getter]
    fn grace(&self) -> f64 {
        self.config.grace.as_secs_f64()
    }

    /// Whether TCP addresses are shared with other servers.
    #[getter]
    fn reuse_port(&self) -> bool {
        self.config.reuse_port
    }

    /// Where the admin listener answers, if anywhere.
    #[getter]
    fn admin(&self) -> Option<String> {
        self.config.admin.clone()
    }

    /// The mode of the files of Unix sockets.
    #[getter]
    fn unix_mode(&self) -> u32 {
        self.config.unix_mode.0
    }

    /// The kernel's queue of connections that wait to be accepted.
    #[getter]
    fn backlog(&self) -> u32 {
        self.config.backlog
    }
}

/// Variables of the environment that are read here or in Python, and are no options of the server.
const VARIABLES: [&str; 8] = [
    "RWGI_INLINE",
    "RWGI_INTERFACE",
    "RWGI_THREADS",
    "RWGI_QUEUE",
    "RWGI_IO_THREADS",
    "RWGI_PROCESSES",
    "RWGI_MAX_REQUESTS",
    "RWGI_CHILD",
];

fn mount(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((prefix, name)) if prefix.starts_with('/') && !name.is_empty() => {
            Ok((prefix.to_owned(), name.to_owned()))
        }
        _ => Err("write it as /prefix=module:attribute".to_owned()),
    }
}

fn line() -> clap::Command {
    let run = Options::augment_args(rwgi_server::with_options(clap::Command::new("run")))
        .about("Serves a WSGI or ASGI application: `rwgi run myproject.wsgi:application`");
    clap::Command::new("rwgi")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves Python web applications on RWGI's server")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run)
}

/// The options in the arguments after the program's name.
///
/// # Errors
/// `SystemExit`, with the message printed: 2 for a malformed line, 1 for settings that are wrong, 0 after `--help`.
#[pyfunction]
pub(crate) fn parse(arguments: Vec<String>) -> PyResult<Options> {
    let all = std::iter::once("rwgi".to_owned()).chain(arguments);
    let told = |error: &clap::Error| {
        // To a closed stdout there is nothing to say.
        let _ = error.print();
        PySystemExit::new_err(error.exit_code())
    };
    let matches = line().try_get_matches_from(all).map_err(|error| told(&error))?;
    let (_, run) = matches.subcommand().ok_or_else(|| PySystemExit::new_err(2))?;
    let mut options = Options::from_arg_matches(run).map_err(|error| told(&error))?;
    options.server.config = rwgi_server::read_options(run, &VARIABLES).map_err(|error| {
        eprintln!("rwgi: {error}");
        PySystemExit::new_err(1)
    })?;
    Ok(options)
}
