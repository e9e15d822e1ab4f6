//! The command line.
//!
//! Rules of this room: each subcommand has a file; what is printed for machines (`--format json`) is stable.

mod choice;
mod explain;
mod honest;
mod html;
mod junit;
mod known;
mod list;
mod nulls;
mod run;
mod server;
mod started;
mod text;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// Judges RWGI servers.
#[derive(Parser)]
#[command(
    name = "rwgi-conformance",
    version,
    about,
    max_term_width = 100,
    after_help = "Exit codes: 0 the server kept what it must, 1 it fell short, 2 wrong usage, 3 the server could not be started or reached."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the cases: id, requirements, level, violation.
    List {
        #[command(flatten)]
        choice: choice::Choice,
        /// The form of the list.
        #[arg(long, value_enum, default_value_t = Form::Text)]
        format: Form,
    },
    /// Lists the requirements: id, level, party, sentence, evidence.
    Requirements {
        /// The form of the list.
        #[arg(long, value_enum, default_value_t = Form::Text)]
        format: Form,
    },
    /// Explains a requirement or a case, with a conversation that holds and one that does not.
    Explain {
        /// `REQ-RESP-03`, or the id of a case.
        id: String,
    },
    /// Judges a server that hosts the suite's application (see APPLICATION.md).
    Server(Box<server::Arguments>),
    /// Runs `honest`, the suite's own server, with the suite's application: to try the suite, or to see it say no.
    Honest {
        /// The port on 127.0.0.1.
        #[arg(long)]
        port: u16,
        /// Breaks the rule that this case is about.
        #[arg(long, value_name = "CASE")]
        violation: Option<String>,
    },
    /// Shows what servers score that do not try: near nothing, or the suite is worth nothing.
    NullServers,
}

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Why the command ends without a verdict.
#[derive(Debug)]
enum Trouble {
    /// The arguments make no sense.
    Usage(String),
    /// The server could not be started or reached.
    Start(String),
}

impl Trouble {
    fn output(error: &std::io::Error) -> Self {
        Self::Usage(format!("the output cannot be written: {error}"))
    }
}

/// Runs the command of this process.
pub(crate) fn main() -> ExitCode {
    rwgi_conformance::server::application::quiet_panics();
    let result = match Arguments::parse().command {
        Command::List { choice, format } => list::cases(&choice, format),
        Command::Requirements { format } => list::requirements(format),
        Command::Explain { id } => explain::explain(&id),
        Command::Server(arguments) => server::judge(&arguments),
        Command::Honest { port, violation } => honest::serve(port, violation.as_deref()),
        Command::NullServers => nulls::scores(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(trouble) => {
            let (code, text) = match trouble {
                Trouble::Usage(text) => (2, text),
                Trouble::Start(text) => (3, text),
            };
            let _ = writeln!(std::io::stderr(), "rwgi-conformance: {text}");
            ExitCode::from(code)
        }
    }
}

/// Prints; a reader that has gone (`| head`) ends the command quietly.
fn print(text: &str) -> Result<(), Trouble> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Trouble::output(&error))
        }
        _ => Ok(()),
    }
}
