//! The command line: serve, `check`, `config`.
//!
//! Rules of this room: it reads flags, environment and file, and leaves to the settings what they mean; what an option is stands in the
//! settings' table and nowhere here; a problem goes to standard error and into the exit code (2: how the command was called; 1: all else).

mod dev;

use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};
use rwgi::Application;
use tracing_subscriber::EnvFilter;

use crate::admin::Status;
use crate::config::Config;
use crate::settings::table::TABLE;
use crate::settings::{Settings, Sources, settle};
use crate::tls::Tls;
use crate::{Error, Result, Server, StaticFiles};

/// The whole command line of `rwgi` for an application: flags, environment and file, `check` and `config`; serves until SIGTERM or ctrl-c.
///
/// ```no_run
/// use http::StatusCode;
/// use rwgi::{Environ, Finished, StartResponse};
///
/// async fn hello(_: Environ, start_response: StartResponse) -> rwgi::Result<Finished> {
///     start_response.respond(StatusCode::OK, [("content-type", "text/plain")], "Hello, World!")
/// }
///
/// fn main() -> std::process::ExitCode {
///     rwgi_server::command(hello)
/// }
/// ```
///
/// What goes wrong is told on standard error. The exit code is 0 where all went well and every exchange ended in time (REQ-LIFE-13), 2 where the
/// command was called wrongly, which ends the process at once as `--help` does, and 1 for all else.
///
/// # Panics
/// Inside of a tokio runtime, where it has to serve: it starts one of its own.
pub fn command<A: Application>(application: A) -> ExitCode {
    let matches = line().get_matches();
    let (name, matches) = match matches.subcommand() {
        Some((name, inner)) => (name, inner),
        None => ("serve", &matches),
    };
    let settings = match sources(matches) {
        Ok(sources) => settle(&sources),
        Err(error) => return failed(&error),
    };
    match name {
        "check" => check(&settings),
        "status" => status(&settings),
        "dev" => dev(&settings, matches),
        "config" => config(&settings, matches.get_flag("toml")),
        _ => serve(application, &settings),
    }
}

fn line() -> clap::Command {
    let line = clap::Command::new("rwgi")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Serves an application of RWGI. Without an application of its own, the demo: a page that \
             shows the environ, a stream, an upload, and errors.",
        )
        .after_help(
            "Each option may also be set as a variable of the environment (RWGI_HEAD_TIMEOUT=5s) or in \
             the file that --config names (head_timeout = \"5s\"). A flag wins over a variable, a variable over the file.",
        )
        .args_conflicts_with_subcommands(false);
    with_options(line).subcommand(
        clap::Command::new("check")
            .about("Checks flags, environment and file: every problem at once, with its place and what would be right"),
    )
    .subcommand(
        clap::Command::new("dev")
            .about("Builds and runs an application, again on each change of a file, and holds its socket meanwhile: rwgi dev -- cargo run")
            .arg(
                Arg::new("watch")
                    .long("watch")
                    .value_name("FOLDER")
                    .action(ArgAction::Append)
                    .default_value(".")
                    .help("What is watched, with all below it"),
            )
            .arg(
                Arg::new("command")
                    .value_name("COMMAND")
                    .required(true)
                    .num_args(1..)
                    .last(true)
                    .help("What serves: a program that takes inherited sockets (LISTEN_FDS), as rwgi_server::serve does"),
            ),
    )
    .subcommand(
        clap::Command::new("status")
            .about("Prints the state of a running server, as its admin listener (--admin) tells it"),
    )
    .subcommand(
        clap::Command::new("config")
            .about("Prints the effective value of each option, and where it comes from")
            .arg(
                Arg::new("toml")
                    .long("toml")
                    .action(ArgAction::SetTrue)
                    .help("As a configuration file, with each option's help"),
            ),
    )
}

/// Adds the server's options to a command line: for programs with options of their own, a host of another language's applications.
///
/// [`read_options`] reads them.
///
/// ```
/// let line = rwgi_server::with_options(clap::Command::new("host").arg(clap::Arg::new("application")));
/// let matches = line.try_get_matches_from(["host", "--idle-timeout", "75s", "site:app"])?;
/// let config = rwgi_server::read_options(&matches, &[])?;
/// assert_eq!(config.idle_timeout, std::time::Duration::from_secs(75));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// Where debug assertions are on and the program has an option of the same name, as clap says when the line is read.
#[must_use]
pub fn with_options(line: clap::Command) -> clap::Command {
    let shared = |arg: Arg| arg.global(true).num_args(1).action(ArgAction::Append);
    let mut line = line.arg(
        shared(Arg::new("config").long("config"))
            .action(ArgAction::Set)
            .value_name("FILE")
            .help("A configuration file in TOML [env: RWGI_CONFIG]"),
    );
    let mut defaults = Config::default();
    for setting in TABLE {
        let value = setting.slot(&mut defaults).show();
        let mut arg = shared(Arg::new(setting.name).long(setting.flag()))
            .value_name(setting.value)
            .help(format!("{} [default: {}]", setting.help, value.trim_matches('"')))
            .help_heading(setting.group);
        if setting.is_switch() {
            arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
        }
        if !setting.is_list() {
            // Said twice, the last word counts, so that a script may add to another's flags.
            arg = arg.action(ArgAction::Set).overrides_with(setting.name);
        }
        line = line.arg(arg);
    }
    line
}

/// Reads the options that [`with_options`] has added, with environment and file; `others` are variables `RWGI_…` that the program reads
/// itself. A flag wins over a variable, a variable over the file.
///
/// # Errors
/// Settings that are wrong, all at once; a file that cannot be read.
///
/// # Panics
/// The line has not been through [`with_options`].
pub fn read_options(matches: &ArgMatches, others: &[&str]) -> Result<Config> {
    let mut sources = sources(matches)?;
    sources.environment.retain(|(name, _)| !others.contains(&name.as_str()));
    let settings = settle(&sources);
    if settings.is_sound() { Ok(settings.config) } else { Err(unsound(&settings)) }
}

/// What was given on the command line, in the environment and in the file.
fn sources(matches: &ArgMatches) -> Result<Sources> {
    let environment = environment();
    let file = matches.get_one::<String>("config").cloned();
    let mut sources =
        Sources { file: read_file(file, &environment)?, environment, ..Sources::default() };
    for setting in TABLE {
        if let Some(values) = matches.get_many::<String>(setting.name) {
            sources.flags.push((setting.name, values.cloned().collect()));
        }
    }
    Ok(sources)
}

/// The settings of a program that has no command line of ours.
pub(crate) fn from_environment() -> Result<Config> {
    let environment = environment();
    let file = read_file(None, &environment)?;
    let settings = settle(&Sources { file, environment, ..Sources::default() });
    if settings.is_sound() { Ok(settings.config) } else { Err(unsound(&settings)) }
}

fn environment() -> Vec<(String, String)> {
    // A value that is no text is taken with its odd octets replaced, so that the problem is told by the option's own check.
    let text = |value: OsString| value.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .filter(|(name, _)| name.starts_with("RWGI_"))
        .collect()
}

fn read_file(
    flag: Option<String>,
    environment: &[(String, String)],
) -> Result<Option<(String, String)>> {
    let variable = || {
        let found = environment.iter().find(|(name, _)| name == "RWGI_CONFIG");
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    let Some(name) = flag.or_else(variable) else { return Ok(None) };
    match std::fs::read_to_string(&name) {
        Ok(text) => Ok(Some((name, text))),
        Err(error) => Err(Error::config(format!("{name} cannot be read: {error}"))),
    }
}

fn unsound(settings: &Settings) -> Error {
    let problems: Vec<String> = settings.problems.iter().map(ToString::to_string).collect();
    Error::config(problems.join("\n"))
}

fn failed(error: &Error) -> ExitCode {
    eprintln!("rwgi: {error}");
    ExitCode::FAILURE
}

fn check(settings: &Settings) -> ExitCode {
    for problem in &settings.problems {
        eprintln!("{problem}");
    }
    // What the values mean is looked at even where others are wrong, so that all is told at once.
    let files = Tls::of(&settings.config).map_or(Ok(Vec::new()), |tls| tls.check());
    match &files {
        Ok(warnings) => warnings.iter().for_each(|warning| eprintln!("warning: {warning}")),
        Err(problem) => eprintln!("{problem}"),
    }
    let folders = settings.config.static_folders.look();
    if let Err(problem) = &folders {
        eprintln!("{problem}");
    }
    if settings.is_sound() && files.is_ok() && folders.is_ok() {
        print("the configuration is sound\n");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn config(settings: &Settings, toml: bool) -> ExitCode {
    print(&if toml { settings.toml() } else { settings.text() });
    for problem in &settings.problems {
        eprintln!("{problem}");
    }
    if settings.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn dev(settings: &Settings, matches: &ArgMatches) -> ExitCode {
    if !settings.is_sound() {
        return failed(&unsound(settings));
    }
    start_log(&settings.config);
    let texts = |name: &str| -> Vec<String> {
        matches.get_many(name).into_iter().flatten().cloned().collect()
    };
    let folders: Vec<PathBuf> = texts("watch").into_iter().map(PathBuf::from).collect();
    match dev::run(&settings.config, &folders, &texts("command")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn status(settings: &Settings) -> ExitCode {
    let Some(address) = &settings.config.admin else {
        return failed(&Error::config(
            "where is the admin listener? say it as --admin 127.0.0.1:9000, and start the server with the same",
        ));
    };
    match ask(address) {
        Ok(status) => {
            print(&status.text());
            ExitCode::SUCCESS
        }
        Err(error) => failed(&Error::runtime(
            &format!("no answer from {address}; is a server running with --admin {address}?"),
            error,
        )),
    }
}

/// Asks a running server for its state, at an address as `--admin` has it.
fn ask(address: &str) -> std::io::Result<Status> {
    if let Some(path) = address.strip_prefix("unix:") {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(ANSWER))?;
        return ask_on(stream, "localhost");
    }
    let address = address.strip_prefix("http://").unwrap_or(address);
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER))?;
    ask_on(stream, address)
}

fn ask_on(mut stream: impl Read + Write, host: &str) -> std::io::Result<Status> {
    let odd = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    write!(stream, "GET /status.json HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MOST_OF_AN_ANSWER).read_to_end(&mut answer)?;
    let body = memchr::memmem::find(&answer, b"\r\n\r\n").map(|end| &answer[end + 4..]);
    match body {
        Some(body) if answer.starts_with(b"HTTP/1.") => {
            serde_json::from_slice(body).map_err(|_| odd("it is no admin listener of RWGI"))
        }
        _ => Err(odd("it does not speak HTTP")),
    }
}

/// An admin listener that says nothing for so long is gone.
const ANSWER: Duration = Duration::from_secs(10);
const MOST_OF_AN_ANSWER: u64 = 1024 * 1024;

/// Prints; that nobody reads on (`rwgi config | head`) is no failure.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn serve<A: Application>(application: A, settings: &Settings) -> ExitCode {
    if !settings.is_sound() {
        return failed(&unsound(settings));
    }
    start_log(&settings.config);
    for problem in &settings.problems {
        tracing::warn!("{problem}");
    }
    let application = match StaticFiles::new(application, &settings.config.static_folders) {
        Ok(application) => application,
        Err(error) => return failed(&error),
    };
    match crate::run(Server::new(application), &settings.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Starts the log on standard error as [`Config::log`] says; where the program has one already, that one stays. A directive that
/// is malformed is left out; [`Config::check`] names it.
pub fn start_log(config: &Config) {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&config.log))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
