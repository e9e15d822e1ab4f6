//! Who is weighed.
//!
//! Rules of this room: the one list of contestants; each tool takes those that it can weigh.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::routes::Route;

/// A server that can be started.
#[derive(Clone, Copy, Debug)]
pub struct Contestant {
    /// Its name in tables.
    pub name: &'static str,
    /// Its binary.
    pub binary: &'static str,
    /// The arguments that make it this contestant and no other.
    pub arguments: &'static [&'static str],
    /// Its instructions are counted: with one thread, shapes that differ in threads alone are the same.
    pub counted: bool,
    /// The routes it answers.
    pub routes: &'static [Route],
    /// What has to be said besides to a server that is to speak HTTP/2; none where it does not without TLS.
    pub http2: Option<&'static [&'static str]>,
    /// It is one of the other frameworks, which are built only when asked for.
    pub framework: bool,
    /// What it stands for.
    pub about: &'static str,
}

/// All of them.
pub const ALL: &[Contestant] = &[
    Contestant {
        name: "hyper",
        binary: "peer-hyper",
        arguments: &[],
        counted: false,
        routes: &Route::ALL,
        http2: Some(&["--http2"]),
        framework: false,
        about: "bare hyper on tokio's multi-thread runtime, tuned: its timer for heads, pipelined answers in one write",
    },
    Contestant {
        name: "hyper-per-core",
        binary: "peer-hyper",
        arguments: &["--shape", "per-core"],
        counted: true,
        routes: &Route::ALL,
        http2: Some(&["--http2"]),
        framework: false,
        about: "the same, one runtime and one listener for each core",
    },
    Contestant {
        name: "hyper-untimed",
        binary: "peer-hyper",
        arguments: &["--shape", "per-core", "--settings", "untimed"],
        counted: true,
        routes: &Route::ALL,
        http2: None,
        framework: false,
        about: "bare hyper with the settings that `rwgi-server` gives it: no timer, no gathering (the server has its own)",
    },
    Contestant {
        name: "exchange",
        binary: "peer-exchange",
        arguments: &[],
        counted: false,
        routes: &Route::ALL,
        http2: None,
        framework: false,
        about: "hyper and `rwgi::Exchange` with nothing else: the cost of the contract",
    },
    Contestant {
        name: "exchange-per-core",
        binary: "peer-exchange",
        arguments: &["--shape", "per-core"],
        counted: true,
        routes: &Route::ALL,
        http2: None,
        framework: false,
        about: "the same, one runtime and one listener for each core",
    },
    Contestant {
        name: "rwgi",
        binary: "peer-rwgi",
        arguments: &[],
        counted: false,
        routes: &Route::ALL,
        http2: Some(&[]),
        framework: false,
        about: "the reference server as `rwgi_server::serve` runs it, all limits on",
    },
    Contestant {
        name: "rwgi-per-core",
        binary: "peer-rwgi",
        arguments: &["--shape", "per-core"],
        counted: true,
        routes: &Route::ALL,
        http2: Some(&[]),
        framework: false,
        about: "the same, one runtime and one listener for each core",
    },
    Contestant {
        name: "rwgi-watched",
        binary: "peer-rwgi",
        arguments: &["--shape", "per-core", "--watched"],
        counted: true,
        routes: &[Route::Plaintext],
        http2: None,
        framework: false,
        about: "the same with an admin listener: every exchange is counted, and its duration taken",
    },
    Contestant {
        name: "axum",
        binary: "peer-axum",
        arguments: &[],
        counted: false,
        routes: &Route::ALL,
        http2: Some(&[]),
        framework: true,
        about: "axum's `serve` on tokio's multi-thread runtime",
    },
    Contestant {
        name: "axum-per-core",
        binary: "peer-axum",
        arguments: &["--shape", "per-core"],
        counted: true,
        routes: &Route::ALL,
        http2: Some(&[]),
        framework: true,
        about: "the same, one runtime and one listener for each core",
    },
    Contestant {
        name: "axum-on-rwgi",
        binary: "peer-axum-on-rwgi",
        arguments: &[],
        counted: false,
        routes: &Route::ALL,
        http2: Some(&[]),
        framework: true,
        about: "the same router of axum on the reference server, by `rwgi_tower::from_router`, all limits on",
    },
    Contestant {
        name: "axum-on-rwgi-per-core",
        binary: "peer-axum-on-rwgi",
        arguments: &["--shape", "per-core"],
        counted: true,
        routes: &Route::ALL,
        http2: Some(&[]),
        framework: true,
        about: "the same, one runtime and one listener for each core",
    },
    Contestant {
        name: "actix-web",
        binary: "peer-actix-web",
        arguments: &[],
        counted: true,
        routes: &Route::ALL,
        http2: Some(&["--http2"]),
        framework: true,
        about: "actix-web, which has one runtime for each core by itself",
    },
    Contestant {
        name: "ntex",
        binary: "peer-ntex",
        arguments: &[],
        counted: true,
        routes: &Route::ALL,
        http2: None,
        framework: true,
        about: "ntex on tokio, one runtime for each core by itself",
    },
    Contestant {
        name: "nginx",
        binary: "peer-nginx",
        arguments: &[],
        counted: false,
        routes: &[Route::Plaintext, Route::Json, Route::Large, Route::Fields],
        http2: Some(&["--http2"]),
        framework: false,
        about: "nginx, where it is installed: one process, static answers",
    },
    Contestant {
        name: "bare-loop",
        binary: "peer-bare-loop",
        arguments: &[],
        counted: true,
        routes: &[Route::Plaintext, Route::Fields],
        http2: None,
        framework: false,
        about: "a loop over sockets that looks for empty lines and parses nothing: the limit",
    },
];

/// The contestant that the others are measured by.
pub const MEASURE: &str = "hyper";

impl Contestant {
    /// The command that starts it.
    ///
    /// # Errors
    /// This program does not know where it lies itself.
    pub fn command(&self, threads: Option<usize>) -> Result<Command> {
        let mut command = Command::new(self.path()?);
        command.args(self.arguments(threads));
        Ok(command)
    }

    /// Weighed under load: all but those that only explain a count of instructions, and those that are not installed.
    pub fn shared_load(&self) -> bool {
        let explains = ["hyper-untimed", "exchange", "exchange-per-core"];
        !explains.contains(&self.name) && (self.name != "nginx" || nginx().is_some())
    }

    /// The arguments that it is started with.
    pub fn arguments(&self, threads: Option<usize>) -> Vec<OsString> {
        let mut arguments = vec!["--bind".into(), "127.0.0.1:0".into()];
        arguments.extend(self.arguments.iter().map(Into::into));
        if let Some(threads) = threads {
            arguments.extend(["--threads".into(), threads.to_string().into()]);
        }
        arguments
    }

    /// Its binary, which lies beside the one that runs now.
    ///
    /// # Errors
    /// This program does not know where it lies itself.
    pub fn path(&self) -> Result<PathBuf> {
        Ok(env::current_exe()?.with_file_name(self.binary))
    }
}

/// Where nginx lies, if it is installed.
pub fn nginx() -> Option<&'static Path> {
    ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"]
        .map(Path::new)
        .into_iter()
        .find(|path| path.exists())
}

/// Builds the binaries of the contestants in release mode.
///
/// # Errors
/// cargo cannot be run, or fails.
pub fn build(contestants: &[Contestant]) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--package", "benches"]);
    if contestants.iter().any(|contestant| contestant.framework) {
        command.args(["--features", "peers"]);
    }
    let mut binaries: Vec<_> = contestants.iter().map(|contestant| contestant.binary).collect();
    binaries.dedup();
    for binary in binaries {
        command.args(["--bin", binary]);
    }
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("cargo build: {status}").into()),
    }
}

/// The contestants of the given names, or those that `usual` lets through where none is named.
///
/// # Errors
/// A name that nobody has.
pub fn choose(names: &[String], usual: impl Fn(&Contestant) -> bool) -> Result<Vec<Contestant>> {
    if names.is_empty() {
        return Ok(ALL.iter().copied().filter(usual).collect());
    }
    names
        .iter()
        .map(|name| {
            let known = || ALL.iter().map(|contestant| contestant.name).collect::<Vec<_>>();
            ALL.iter()
                .copied()
                .find(|contestant| contestant.name == name)
                .ok_or_else(|| format!("no contestant `{name}`; there are {:?}", known()).into())
        })
        .collect()
}
