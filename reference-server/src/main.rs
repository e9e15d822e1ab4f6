//! The `rwgi` command: the demo application, under the command line that every application can have.

use std::process::ExitCode;

/// glibc's keeps what thousands of connections have given back; this one returns it, and is no slower.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rwgi_server::command(rwgi_server::demo::application())
}
