//! Runs every fuzz target for so many executions each, and keeps the figures as a page.
//!
//! `cargo run -p rwgi-conformance --example fuzz -- 2000000 [NAME…]` (`just fuzz`); a name says which targets, without one all are run.
//!
//! Rules of this room: the figures are those that bolero prints when a target has ended; a target has one row, which its next run replaces as soon
//! as it has ended; a failure keeps the row that was there, for it is no figure, and ends the program with 1.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::SystemTime;

const HEAD: &str = "# Fuzzing\n\nHow often each fuzz target has been run in one go without a failure; written by the run itself (`just fuzz`, see\n\
    [CONTRIBUTING.md](../CONTRIBUTING.md#add-a-fuzz-target)). An execution plays its corpus or octets by chance; where the target\n\
    reads text, it then plays a file of the corpus that the same octets have changed.\n\n\
    | target | executions | seconds | taken |\n|---|---:|---:|---|\n";

/// What a run of one target has come to.
#[derive(Debug, PartialEq)]
struct Run {
    target: String,
    executions: u64,
    seconds: f64,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let executions: u64 = arguments.next().ok_or("usage: fuzz EXECUTIONS [NAME…]")?.parse()?;
    let mut names: Vec<String> = arguments.collect();
    if names.is_empty() {
        names.push("fuzz_".to_owned());
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("FUZZ.md");
    // Fat LTO makes the build minutes longer, and the targets hardly faster.
    let mut tests = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(
            "test --release --no-fail-fast -p rwgi -p rwgi-server --lib --test fuzz --".split(' '),
        )
        .args(["--nocapture", "--test-threads", "1"])
        .args(names)
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("BOLERO_RANDOM_ITERATIONS", executions.to_string())
        .stderr(Stdio::piped())
        .spawn()?;
    let said = tests.stderr.take().ok_or("the tests have no standard error")?;
    for line in BufReader::new(said).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        eprintln!("{line}");
        if let Some(run) = read(&line) {
            keep(&page, &run)?;
        }
    }
    Ok(ExitCode::from(u8::from(!tests.wait()?.success())))
}

/// A line of bolero: `test arrival::fuzz::fuzz_header ...\trun time: 2.5s | iterations/s: 8 | corpus inputs: 18 | rng inputs: 2`.
/// None where it is another line, or says that the target has failed.
fn read(line: &str) -> Option<Run> {
    let (name, figures) = line.split_once(" ...\trun time: ")?;
    if figures.contains("test failure") {
        return None;
    }
    let target = name.rsplit([':', ' ']).next()?.to_owned();
    let mut figures = figures.split(" | ");
    let time = figures.next()?;
    let seconds = match time.strip_suffix("ms") {
        Some(time) => time.parse::<f64>().ok()? / 1000.0,
        None => time.strip_suffix('s')?.parse().ok()?,
    };
    let executions =
        figures.filter_map(|figure| figure.split_once(" inputs: ")?.1.parse::<u64>().ok()).sum();
    Some(Run { target, executions, seconds })
}

fn keep(page: &PathBuf, run: &Run) -> std::io::Result<()> {
    let before = std::fs::read_to_string(page).unwrap_or_default();
    let row = format!("| `{}` ", run.target);
    let others = before.lines().filter(|line| line.starts_with("| `") && !line.starts_with(&row));
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let mut rows: Vec<String> = others.map(str::to_owned).collect();
    rows.push(format!(
        "{row}| {} | {:.0} | {}, {} |",
        run.executions,
        run.seconds,
        httpdate::fmt_http_date(SystemTime::now()),
        processor.map_or("?", |(_, name)| name),
    ));
    rows.sort();
    std::fs::write(page, format!("{HEAD}{}\n", rows.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_failures_are_none() {
        let line = "test arrival::fuzz::fuzz_header ...\trun time: 2.5s | iterations/s: 8 | corpus inputs: 18 | rng inputs: 2";
        let target = "fuzz_header".to_owned();
        assert_eq!(read(line), Some(Run { target, executions: 20, seconds: 2.5 }));
        assert_eq!(read(&format!("{line} | exit reason: test failure")), None);
        assert_eq!(read("test arrival::fuzz::fuzz_header ... ok"), None);
    }
}
