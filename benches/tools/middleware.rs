//! Instructions in user space that middleware adds to a request that it has nothing to do for, alone and as a stack of five.
//!
//! Rules of this tool: the stacks are those of the example `pass_through` of `rwgi-middleware`, which names them; two runs of each, one with
//! few requests and one with many, so that the start falls out; what a stack costs is what it takes more than the application alone.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use benches::report::{self, Circumstances, Table};
use benches::{Result, callgrind};
use clap::Parser;
use serde::Serialize;

/// Requests of the short run.
const FEW: u64 = 200;
/// Requests of the long run.
const MANY: u64 = 1_200;
/// The application alone, in the example's words.
const NONE: &str = "none";

/// Counts the instructions that each middleware adds to a request, under callgrind.
#[derive(Parser)]
struct Arguments {
    /// The stacks to weigh; without any, all that the example has. The application alone is always weighed.
    stacks: Vec<String>,
}

/// What the results file holds.
#[derive(Serialize)]
struct Figures {
    circumstances: Circumstances,
    valgrind: String,
    /// Instructions per request of the application alone: its environ, its exchange and its answer.
    alone: f64,
    /// What each stack adds.
    added: BTreeMap<String, f64>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let valgrind = match callgrind::version() {
        Ok(version) => version,
        Err(reason) => {
            println!("skipped: instructions are counted by callgrind, and {reason}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let example = build()?;
    let whole = arguments.stacks.is_empty();
    let stacks = if whole { listed(&example)? } else { arguments.stacks };
    let folder = env::current_exe()?.with_file_name("callgrind");
    fs::create_dir_all(&folder)?;
    let per_request = |stack: &str| -> Result<f64> {
        let run = |requests: u64| {
            let profile = folder.join(format!("middleware-{stack}-{requests}.callgrind"));
            callgrind::of_program(&example, &[stack, &requests.to_string()], &profile)
        };
        let (few, many) = (run(FEW)?, run(MANY)?);
        let difference = many.checked_sub(few).ok_or("more requests took fewer instructions")?;
        Ok(difference as f64 / (MANY - FEW) as f64)
    };
    let alone = per_request(NONE)?;
    println!("{NONE:<20} {alone:>8.0}");
    let mut added = BTreeMap::new();
    for stack in stacks.iter().filter(|stack| *stack != NONE) {
        let count = per_request(stack)? - alone;
        println!("{stack:<20} {count:>+8.0}");
        added.insert(stack.clone(), count);
    }
    let figures = Figures { circumstances: Circumstances::now(), valgrind, alone, added };
    println!("\n{}", table(&figures));
    if whole {
        report::write("middleware", &figures, &markdown(&figures))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the example in release mode; gives where it lies.
fn build() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "rwgi-middleware", "--example", "pass_through"])
        .status()?;
    if !status.success() {
        return Err(format!("cargo build: {status}").into());
    }
    let folder = env::current_exe()?.with_file_name("examples");
    Ok(folder.join("pass_through").with_extension(env::consts::EXE_EXTENSION))
}

/// The stacks that the example has.
fn listed(example: &PathBuf) -> Result<Vec<String>> {
    let output = Command::new(example).arg("list").output()?;
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

fn table(figures: &Figures) -> String {
    let mut table = Table::new(["middleware", "instructions added"]);
    let mut added: Vec<_> = figures.added.iter().collect();
    added.sort_by(|one, other| one.1.total_cmp(other.1));
    for (stack, count) in added {
        table.row([stack.clone(), format!("{count:.0}")]);
    }
    table.render()
}

fn markdown(figures: &Figures) -> String {
    format!(
        "# What middleware costs a request that it has nothing to do for\n\nInstructions in user space, in memory and without a server: a GET without \
         Origin, Accept-Encoding or conditions, answered with 13 bytes that nobody compresses. The application alone, with the making of its environ \
         and its exchange, takes {:.0}. `five` is `Cors`, `AllowedHosts`, `BodyLimit`, `MethodOverride` and `Jsonp` around each other; `layers-10` \
         is ten that do nothing; `generic` is the application without `DynApplication`, which all others are behind.\n\n\
         Taken by `cargo run --release -p benches --bin middleware` ({MANY} requests minus {FEW} requests, divided by {}), from the \
         [example](../../contrib/middleware/examples/pass_through.rs) that has the stacks.\n\n{}\n{}, {}.\n",
        figures.alone,
        MANY - FEW,
        table(figures),
        figures.circumstances.line(),
        figures.valgrind,
    )
}
