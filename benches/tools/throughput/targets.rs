//! Where the aims of the project stand: each with its figure, met or missed, and what holds it where it is missed.
//!
//! Rules of this room: an aim is a sentence, a figure out of the results, and a bound; a figure that was not taken says so; the reasons of misses
//! are the one thing here that people write.

use std::fs;

use benches::Result;
use benches::contestant::MEASURE;
use benches::report::{Table, folder};
use serde_json::Value;

use crate::report::{Figures, Measured, Round};

/// The server that is judged: what `rwgi_server::serve` gives.
const OURS: &str = "rwgi";

enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// As far from 1 at most.
    Within(f64),
}

struct Target {
    aim: &'static str,
    bound: Bound,
    figure: Option<f64>,
    /// What holds it, said where it is missed.
    holds: &'static str,
}

impl Target {
    fn is_met(&self) -> Option<bool> {
        let figure = self.figure?;
        Some(match self.bound {
            Bound::AtLeast(least) => figure >= least,
            Bound::AtMost(most) => figure <= most,
            Bound::Within(share) => (figure - 1.0).abs() <= share,
        })
    }
}

/// Writes the table of the aims.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) fn write(figures: &Figures) -> Result<()> {
    let targets = targets(figures);
    let mut table = Table::new(["aim", "bound", "figure", "verdict"]);
    let mut reasons = String::new();
    for target in &targets {
        let bound = match target.bound {
            Bound::AtLeast(least) => format!("≥ {least}"),
            Bound::AtMost(most) => format!("≤ {most}"),
            Bound::Within(share) => format!("1 ± {share}"),
        };
        let figure = target.figure.map_or("not taken".to_owned(), |figure| {
            if figure < 20.0 { format!("{figure:.3}") } else { format!("{figure:.0}") }
        });
        let verdict = match target.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        table.row([target.aim.to_owned(), bound, figure, verdict.to_owned()]);
        if target.is_met() == Some(false) {
            reasons += &format!("- *{}*: {}\n", target.aim, target.holds);
        }
    }
    let mut text = format!(
        "# Where the aims stand\n\nRatios of requests per CPU-second are medians of rounds in the same run; `{OURS}` is what `rwgi_server::serve` gives, every limit \
         on, and `{MEASURE}` bare hyper on tokio's multi-thread runtime. Written by `cargo run --release -p benches --bin throughput -- --report` from the \
         tables.\n\n{}",
        table.render()
    );
    if !reasons.is_empty() {
        text += &format!("\nWhat holds those that are missed:\n\n{reasons}");
    }
    fs::write(folder().join("results/targets.md"), text)?;
    Ok(())
}

fn json(name: &str) -> Value {
    let text = fs::read(folder().join("results").join(name)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

const WRITES: &str = "see the throughput of its route; the server checks what hyper leaves, keeps a timer and counts, for every request";

const STREAMS: &str = "all streams of a connection leave in one write already; what is left is h2's own work on each stream, and with one thread bare hyper \
     wakes nobody across threads, which is what it loses by";

fn targets(figures: &Figures) -> Vec<Target> {
    let work = |round: &Round| round.per_processor_second;
    let ratio = |scenario: &str, to: &str| -> Option<f64> {
        Some(figures.scenarios.get(scenario)?.ratio(OURS, to, work)?.median)
    };
    let least = |aim, scenario: &str, to: &str, least, holds| Target {
        aim,
        bound: Bound::AtLeast(least),
        figure: ratio(scenario, to),
        holds,
    };
    let times = figures.scenarios.get("times").and_then(|measured| {
        Some(measured.ratio(OURS, MEASURE, |round| round.p99_microseconds)?.median)
    });
    // What a request (or a MiB) takes in one scenario, to what it takes in another.
    let growth = |from: &str, to: &str, units: f64| -> Option<f64> {
        let cost = |measured: &Measured| measured.middle(OURS, work).map(|work| 1.0 / work);
        Some(cost(figures.scenarios.get(to)?)? / units / cost(figures.scenarios.get(from)?)?)
    };
    let (counts, layers) = (json("instructions.json"), json("middleware.json"));
    let count = |server: &str, route: &str| counts["instructions"][server][route].as_f64();
    let plain = |server| count(server, "plaintext");
    let chunk = |server| Some((count(server, "stream")? - plain(server)?) / 16.0);
    let counted = |figure: &dyn Fn(&'static str) -> Option<f64>| {
        Some(figure("rwgi-per-core")? / figure("hyper-per-core")?)
    };
    let layer = |name: &str| layers["added"][name].as_f64();
    vec![
        least("/plaintext, 64 connections, to bare hyper", "plaintext", MEASURE, 0.98, WRITES),
        least("the same, to axum", "plaintext", "axum", 1.0, WRITES),
        least("the same, to actix-web", "plaintext", "actix-web", 1.0, WRITES),
        least("/plaintext, 16 pipelined, to bare hyper", "pipelined", MEASURE, 0.90, WRITES),
        least("the same, to actix-web", "pipelined", "actix-web", 1.15, WRITES),
        least(
            "HTTP/2, 4 connections of 32 streams, a thread for each core, to bare hyper",
            "http2-4x32-threads",
            MEASURE,
            2.3,
            STREAMS,
        ),
        least("the same, to actix-web", "http2-4x32-threads", "actix-web", 1.0, STREAMS),
        least("the same with one thread, to bare hyper", "http2-4x32", MEASURE, 2.3, STREAMS),
        least("the same, to actix-web", "http2-4x32", "actix-web", 1.0, STREAMS),
        least(
            "HTTP/2, 16 connections of 1 stream, to bare hyper",
            "http2-16x1",
            MEASURE,
            0.97,
            WRITES,
        ),
        least("64 KiB streamed, to bare hyper", "stream", MEASURE, 0.97, WRITES),
        least("the same, to axum", "stream", "axum", 1.0, WRITES),
        least("echo of 1 KiB, to bare hyper", "echo", MEASURE, 0.97, WRITES),
        least("the same, to axum", "echo", "axum", 1.0, WRITES),
        Target {
            aim: "p99 at 70 % of saturation, to bare hyper's",
            bound: Bound::AtMost(1.05),
            figure: times,
            holds: WRITES,
        },
        Target {
            aim: "instructions of a keep-alive GET, to bare hyper's",
            bound: Bound::AtMost(1.05),
            figure: counted(&plain),
            holds: "the exchange, what hyper leaves to its embedder, time, and who may want to know; the README of the benches has the list",
        },
        Target {
            aim: "instructions of a streamed chunk, to bare hyper's",
            bound: Bound::AtMost(1.10),
            figure: counted(&chunk),
            holds: "a chunk passes the writer's slot with its lock and the count of what was sent",
        },
        Target {
            aim: "instructions that `DynApplication` adds to a request",
            bound: Bound::AtMost(150.0),
            figure: layer("generic").map(|less| -less),
            holds: "the future is boxed, and an allocation with its release is about 130 with the system's allocator",
        },
        Target {
            aim: "a request's cost with 10,000 open connections, to 64",
            bound: Bound::Within(0.05),
            figure: growth("open-64", "open-10000", 1.0),
            holds: WRITES,
        },
        Target {
            aim: "a streamed MiB's cost in 100 MiB, to that in 1 MiB",
            bound: Bound::Within(0.05),
            figure: growth("long-1", "long-100", 100.0),
            holds: WRITES,
        },
        Target {
            aim: "instructions of each of 10 pass-through layers",
            bound: Bound::AtMost(120.0),
            figure: layer("layers-10").map(|all| all / 10.0),
            holds: WRITES,
        },
    ]
}
