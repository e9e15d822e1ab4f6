//! Who is weighed.
//!
//! Rules of this room: the one list of contestants; each tool takes those that it can weigh.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
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
    /// How its threads share the work, where it knows more than one way.
    pub shape: Option<&'static str>,
    /// The routes it answers.
    pub routes: &'static [Route],
    /// It is one of the other frameworks, which are built only when asked for.
    pub framework: bool,
    /// What it stands for.
    pub about: &'static str,
}

/// All of them; the first is the measure of the others.
pub const ALL: &[Contestant] = &[
    Contestant {
        name: "hyper",
        binary: "peer-hyper",
        shape: Some("multi"),
        routes: &Route::ALL,
        framework: false,
        about: "bare hyper on tokio's multi-thread runtime",
    },
    Contestant {
        name: "hyper-per-core",
        binary: "peer-hyper",
        shape: Some("per-core"),
        routes: &Route::ALL,
        framework: false,
        about: "bare hyper, one runtime and one listener for each core",
    },
    Contestant {
        name: "exchange",
        binary: "peer-exchange",
        shape: Some("multi"),
        routes: &Route::ALL,
        framework: false,
        about: "hyper and `rwgi::Exchange` with nothing else: the cost of the contract",
    },
    Contestant {
        name: "exchange-per-core",
        binary: "peer-exchange",
        shape: Some("per-core"),
        routes: &Route::ALL,
        framework: false,
        about: "the same, one runtime and one listener for each core",
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

    /// The arguments that it is started with.
    pub fn arguments(&self, threads: Option<usize>) -> Vec<OsString> {
        let mut arguments = vec!["--bind".into(), "127.0.0.1:0".into()];
        if let Some(shape) = self.shape {
            arguments.extend(["--shape".into(), shape.into()]);
        }
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
