//! Instructions in user space per keep-alive request, by callgrind: figures that do not depend on the machine's load.
//!
//! Rules of this tool: every server runs on one thread; the ratio is to bare hyper with the same settings and route;
//! `--check` compares with the baseline in the source tree and fails when a figure has grown by more than 5 %.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use benches::Result;
use benches::callgrind::{self, Question};
use benches::contestant::{self, Contestant};
use benches::report::{self, Circumstances, Table};
use benches::routes::Route;
use clap::Parser;
use serde::{Deserialize, Serialize};

/// How much a figure may grow before the check fails.
const TOLERANCE: f64 = 0.05;
/// The name of the measure here: the shape matters not with one thread.
const MEASURE: &str = "hyper-per-core";

/// Counts the instructions per request of each server and route under callgrind.
#[derive(Parser)]
struct Arguments {
    /// The servers to weigh; without any, all that are built on hyper and RWGI.
    #[arg(long = "server")]
    servers: Vec<String>,
    /// The routes to weigh; without any, all, and 16 pipelined requests of /plaintext besides.
    #[arg(long = "route", value_enum)]
    routes: Vec<Route>,
    /// Weigh the pipelined requests alone.
    #[arg(long, conflicts_with = "routes")]
    pipelined: bool,
    /// The other frameworks too (they are built with the feature `peers`).
    #[arg(long)]
    peers: bool,
    /// Compare with the baseline and fail when a figure has grown by more than 5 %; write no results.
    #[arg(long)]
    check: bool,
    /// Make these figures the baseline.
    #[arg(long)]
    bless: bool,
}

impl Arguments {
    fn questions(&self) -> Vec<Question> {
        if self.pipelined {
            return vec![Question::PIPELINED];
        }
        let all = self.routes.is_empty();
        questions()
            .filter(|question| all || question.depth == 1 && self.routes.contains(&question.route))
            .collect()
    }
}

/// All that is asked: the columns of the table.
fn questions() -> impl Iterator<Item = Question> {
    Question::single().chain([Question::PIPELINED])
}

/// What the baseline and the results file hold.
#[derive(Deserialize, Serialize)]
struct Figures {
    circumstances: Circumstances,
    valgrind: String,
    /// Instructions per request, by server and question.
    instructions: BTreeMap<String, BTreeMap<String, f64>>,
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
    let contestants = contestant::choose(&arguments.servers, |contestant| {
        // A check asks about our own work; that of others does not change with it.
        let ours = contestant.name.starts_with("rwgi") || contestant.name.starts_with("exchange");
        contestant.counted
            && (arguments.peers || !contestant.framework)
            && (ours || !arguments.check)
    })?;
    contestant::build(&contestants)?;
    let figures = Figures {
        circumstances: Circumstances::now(),
        valgrind,
        instructions: measure(&contestants, &arguments.questions())?,
    };
    println!("\n{}", table(&figures));
    if arguments.bless {
        report::write_json(&baseline(), &figures)?;
    }
    if arguments.check {
        return check(&figures);
    }
    let whole = arguments.servers.is_empty() && arguments.routes.is_empty() && !arguments.pipelined;
    if whole {
        report::write("instructions", &figures, &markdown(&figures))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn baseline() -> PathBuf {
    report::folder().join("baseline.json")
}

fn measure(
    contestants: &[Contestant],
    questions: &[Question],
) -> Result<BTreeMap<String, BTreeMap<String, f64>>> {
    let folder = env::current_exe()?.with_file_name("callgrind");
    fs::create_dir_all(&folder)?;
    let mut instructions = BTreeMap::<_, BTreeMap<_, _>>::new();
    for contestant in contestants {
        for question in questions.iter().filter(|asked| contestant.routes.contains(&asked.route)) {
            let count = callgrind::per_request(contestant, *question, &folder)?;
            println!("{:<20} {:<10} {count:>10.0}", contestant.name, question.name);
            instructions
                .entry(contestant.name.to_owned())
                .or_default()
                .insert(question.name.to_owned(), count);
        }
    }
    Ok(instructions)
}

/// The ratio of a figure to that of bare hyper for the same route.
fn ratio(figures: &Figures, route: &str, count: f64) -> Option<f64> {
    Some(count / figures.instructions.get(MEASURE)?.get(route)?)
}

fn table(figures: &Figures) -> String {
    let mut heads = vec!["server".to_owned()];
    heads.extend(questions().map(|question| question.name.to_owned()));
    let mut table = Table::new(heads);
    for (server, counts) in &figures.instructions {
        let mut row = vec![server.clone()];
        for Question { name, .. } in questions() {
            row.push(match counts.get(name) {
                None => String::new(),
                Some(count) => match ratio(figures, name, *count) {
                    Some(ratio) => format!("{count:.0} ({ratio:.3})"),
                    None => format!("{count:.0}"),
                },
            });
        }
        table.row(row);
    }
    table.render()
}

fn markdown(figures: &Figures) -> String {
    format!(
        "# Instructions per request\n\nIn user space, for one request on a keep-alive connection; in brackets the ratio to bare hyper \
         (`{MEASURE}`) on the same route; `pipelined` is `/plaintext`, asked for 16 times in one go. {}\n({} requests minus {} requests, divided by {}), one thread per server.\n\n{}\n{}, {}.\n",
        "Taken by `cargo run --release -p benches --bin instructions`",
        callgrind::MANY,
        callgrind::FEW,
        callgrind::MANY - callgrind::FEW,
        table(figures),
        figures.circumstances.line(),
        figures.valgrind,
    )
}

fn check(figures: &Figures) -> Result<ExitCode> {
    let before: Figures = serde_json::from_str(&fs::read_to_string(baseline())?)?;
    let mut failed = false;
    for (server, counts) in &figures.instructions {
        for (route, count) in counts {
            let Some(known) = before.instructions.get(server).and_then(|known| known.get(route))
            else {
                println!("{server} /{route}: no baseline; make one with --bless");
                continue;
            };
            let growth = count / known - 1.0;
            if growth > TOLERANCE {
                failed = true;
                println!(
                    "{server} /{route}: {count:.0} instructions, {:+.1} % against the baseline of {known:.0}",
                    growth * 100.0
                );
            }
        }
    }
    if !failed {
        println!("no figure has grown by more than {:.0} %", TOLERANCE * 100.0);
        return Ok(ExitCode::SUCCESS);
    }
    if before.circumstances.compiler != figures.circumstances.compiler {
        println!(
            "note: the baseline was taken with {}, this run with {}",
            before.circumstances.compiler, figures.circumstances.compiler
        );
    }
    Ok(ExitCode::FAILURE)
}
