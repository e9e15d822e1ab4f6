//! The command line of `rwgi run`.
//!
//! Rules of this room: text in, options out; every default has its reason; what is malformed is one clear line and exit code 2.

use std::path::PathBuf;

use clap::Parser;
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use rwgi_server::DEFAULT_BIND;

/// Serves Python web applications on RWGI's server.
#[derive(Clone, Debug, Parser)]
#[command(name = "rwgi", version, subcommand_required = true)]
enum Command {
    /// Serves a WSGI application: `rwgi run myproject.wsgi:application`.
    Run(Box<Options>),
}

/// What `rwgi run` was told.
#[derive(Clone, Debug, clap::Args)]
#[pyclass(frozen, get_all, module = "rwgi._rwgi")]
pub(crate) struct Options {
    /// The application as module:attribute; `module:factory()` calls a factory once.
    #[arg(value_name = "MODULE:ATTRIBUTE")]
    pub(crate) application: String,

    /// Where to listen, host:port; port 0 takes a free one; may be given more than once.
    #[arg(long, short, value_name = "ADDR", env = "RWGI_BIND", value_delimiter = ',', default_value = DEFAULT_BIND)]
    pub(crate) bind: Vec<String>,

    /// The directory in which the application's module lies.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) app_dir: PathBuf,

    /// Threads that run Python, in each process; with a GIL they only wait together.
    #[arg(long, short, value_name = "N", env = "RWGI_THREADS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: u16,

    /// Requests that wait for a thread at most; beyond it the answer is 503.
    #[arg(long, value_name = "N", env = "RWGI_QUEUE", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) queue: u32,

    /// Threads that serve the sockets, in each process. One serves more than Python can answer.
    #[arg(long, value_name = "N", env = "RWGI_IO_THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) io_threads: u16,

    /// Processes; the way to use more than one processor where Python has a GIL.
    #[arg(long, short, value_name = "N", env = "RWGI_PROCESSES", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) processes: u16,

    /// Replaces a process after that many requests, against leaks; 0 never does.
    #[arg(long, value_name = "N", env = "RWGI_MAX_REQUESTS", default_value_t = 0)]
    pub(crate) max_requests: u64,

    /// Starts anew whenever a source file changes; for development.
    #[arg(long)]
    pub(crate) reload: bool,

    /// Gives content of unknown length (chunked) to the application as it comes, without CONTENT_LENGTH, instead of collecting it first.
    #[arg(long)]
    pub(crate) stream_unknown_length: bool,
}

/// The options in the arguments after the program's name.
///
/// # Errors
/// `SystemExit`, with the message printed: 2 for a malformed line, 0 after `--help`.
#[pyfunction]
pub(crate) fn parse(arguments: Vec<String>) -> PyResult<Options> {
    let line = std::iter::once("rwgi".to_owned()).chain(arguments);
    match Command::try_parse_from(line) {
        Ok(Command::Run(options)) => Ok(*options),
        Err(error) => {
            // To a closed stdout there is nothing to say.
            let _ = error.print();
            Err(PySystemExit::new_err(error.exit_code()))
        }
    }
}
