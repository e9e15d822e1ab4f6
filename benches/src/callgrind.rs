//! Counts the instructions that a server spends on one request.
//!
//! Rules of this room: two runs of the same server, the same route and the same request, one with few requests and one with many: the difference
//! leaves start, connection and end out. Each request is sent when the server sleeps, so that the figure does not depend
//! on who is faster.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::client::Client;
use crate::contestant::Contestant;
use crate::process::Server;
use crate::routes::Route;

/// Requests of the short run.
pub const FEW: u64 = 500;
/// Requests of the long run.
pub const MANY: u64 = 2_500;

/// The version of valgrind, or why there is none.
///
/// # Errors
/// valgrind is not installed.
pub fn version() -> Result<String> {
    match Command::new("valgrind").arg("--version").output() {
        Ok(output) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Err(error) => Err(format!("valgrind cannot be run ({error})").into()),
    }
}

/// What is asked of a server, again and again.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Its name in tables.
    pub name: &'static str,
    /// The route that is asked for.
    pub route: Route,
    /// How many requests are sent in one go.
    pub depth: usize,
}

impl Question {
    /// One request at a time, of each route that every contestant answers.
    pub fn single() -> impl Iterator<Item = Self> {
        Route::ALL.into_iter().map(|route| Self { name: route.name(), route, depth: 1 })
    }

    /// As many at once as in the load of the same name.
    pub const PIPELINED: Self = Self { name: "pipelined", route: Route::Plaintext, depth: 16 };
}

/// Instructions in user space for one request; profiles are left in `folder`.
///
/// # Errors
/// The server fails, or callgrind does.
pub fn per_request(contestant: &Contestant, question: Question, folder: &Path) -> Result<f64> {
    let depth = question.depth as u64;
    let (few, many) = (FEW / depth, MANY / depth);
    let few_cost = total(contestant, question, few, folder)?;
    let many_cost = total(contestant, question, many, folder)?;
    let difference =
        many_cost.checked_sub(few_cost).ok_or("more requests took fewer instructions")?;
    Ok(difference as f64 / ((many - few) * depth) as f64)
}

/// Instructions of a whole run in which a question is asked so often.
fn total(contestant: &Contestant, question: Question, times: u64, folder: &Path) -> Result<u64> {
    let Question { name, route, depth } = question;
    let profile = folder.join(format!("{}-{name}-{times}.callgrind", contestant.name));
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(contestant.path()?)
        .args(contestant.arguments(Some(1)));
    let server = Server::start(&mut command, None)?;
    let mut client = Client::connect(server.address, Duration::from_secs(30))?;
    let requests = route.request().repeat(depth);
    for _ in 0..times {
        server.wait_for_rest()?;
        client.ask_pipelined(route, &requests, depth)?;
    }
    server.wait_for_rest()?;
    server.stop()?;
    read_total(&profile)
}

/// Instructions of a program that ends by itself, such as an example that does something so often.
///
/// # Errors
/// The program fails, or callgrind does.
pub fn of_program(program: &Path, arguments: &[&str], profile: &Path) -> Result<u64> {
    let status = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args(arguments)
        .status()?;
    if !status.success() {
        return Err(format!("{} {}: {status}", program.display(), arguments.join(" ")).into());
    }
    read_total(profile)
}

fn read_total(profile: &Path) -> Result<u64> {
    let text = fs::read_to_string(profile)?;
    text.lines()
        .find_map(|line| line.strip_prefix("totals:").or(line.strip_prefix("summary:")))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("no total in {}", profile.display()).into())
}
