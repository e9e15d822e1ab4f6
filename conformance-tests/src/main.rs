//! The command `rwgi-conformance`: lists, explains, and judges servers.
//!
//! Rules of this room: arguments in, an exit code out: 0 held, 1 fell short, 2 wrong usage, 3 could not start.

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main()
}
