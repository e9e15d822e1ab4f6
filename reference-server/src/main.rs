//! The `rwgi` command: the demo application, under the command line that every application can have.

use std::process::ExitCode;

fn main() -> ExitCode {
    rwgi_server::command(rwgi_server::demo::application())
}
