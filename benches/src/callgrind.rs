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

/// Instructions in user space for one request of a route; profiles are left in `folder`.
///
/// # Errors
/// The server fails, or callgrind does.
pub fn per_request(contestant: &Contestant, route: Route, folder: &Path) -> Result<f64> {
    let few = total(contestant, route, FEW, folder)?;
    let many = total(contestant, route, MANY, folder)?;
    let difference = many.checked_sub(few).ok_or("more requests took fewer instructions")?;
    Ok(difference as f64 / (MANY - FEW) as f64)
}

/// Instructions of a whole run with so many requests.
fn total(contestant: &Contestant, route: Route, requests: u64, folder: &Path) -> Result<u64> {
    let profile = folder.join(format!("{}-{route}-{requests}.callgrind", contestant.name));
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(contestant.path()?)
        .args(contestant.arguments(Some(1)));
    let server = Server::start(&mut command, None)?;
    let mut client = Client::connect(server.address, Duration::from_secs(30))?;
    let request = route.request();
    for _ in 0..requests {
        server.wait_for_rest()?;
        client.ask(route, &request)?;
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
