//! Where the aims of the project stand: each with its figure, met or missed, and what holds it where it is missed.
//!
//! Rules of this room: an aim is a sentence, a figure out of the results, and a bound; a figure that was not taken says so; the reasons of misses
//! are the one thing here that people write.

use std::fs;

use benches::Result;
use benches::contestant::MEASURE;
use benches::report::{Table, folder};
use benches::statistics::Spread;
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

const REQUEST: &str = "the instructions of each request beyond bare hyper's, which system calls hide only in part: the exchange (environ, slot, checked head), \
     the checks that hyper leaves to its embedder, the clock, and who may want to know; the README of the benches has the list";

const WATCHED: &str = "each request looks at the clock twice more, and is counted by beginning, end, status, duration and bytes";

const PIPELINE: &str = "the same instructions for each request, where one read and one write serve sixteen and nothing hides them";

const CONTENT: &str = "each chunk passes the writer's slot, under its lock, to be counted against what was declared and limited, and is never copied into one buffer \
     with others, as bare hyper's `pipeline_flush` does";

const ECHO: &str = "content is looked at twice, where it comes in (limit, pace, who waits for how long) and where it leaves (declared length, limit), \
     and the end of its head is looked for once more, so that nobody smuggles; bare hyper hands its own body back to itself";

const BRIDGE: &str = "what the server does for each request beside hyper, which `axum::serve` runs without a timer and without checks, and a second map of facts: \
     the connection and the client's address stand in each request's extensions, which axum's own server leaves empty";

const GROWTH: &str =
    "what each open connection keeps has to come out of memory again before it can be served";

const STREAMS: &str = "all streams of a connection leave in one write, after the other connections of the thread were looked at; what is left is h2's own \
     work, which is nine tenths of a request's instructions and the same for bare hyper, and with one thread bare hyper wakes nobody across threads, which \
     is what it loses by";
const MESSAGES: &str = "three quarters of a message are the kernel's, by the same calls for everybody, a read and a write; what is left is for the most part the \
     runtime's, and the link between server and application, which has a lock so that either half may live on another task";

/// Messages per CPU-second, as a ratio to the fastest of the peers, out of what the tool `websocket` has written.
fn websocket(scenario: &str) -> Option<f64> {
    let figures = json("websocket.json");
    let rounds = figures["scenarios"][scenario]["rounds"].as_object()?;
    let of = |name: &str| -> Vec<f64> {
        let rounds = rounds.get(name).and_then(Value::as_array).into_iter().flatten();
        rounds.filter_map(|round| round["per_processor_second"].as_f64()).collect()
    };
    let peers = rounds.keys().filter(|name| !name.starts_with(OURS) && *name != "bare-loop");
    let best = peers.map(|name| of(name)).max_by(|one, other| {
        Spread::of(one.clone()).median.total_cmp(&Spread::of(other.clone()).median)
    })?;
    Some(Spread::of(of(OURS).iter().zip(best).map(|(own, best)| own / best)).median)
}

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
    let watched = figures
        .scenarios
        .get("watched")
        .and_then(|measured| Some(measured.ratio("rwgi-watched", "rwgi-per-core", work)?.median));
    // A router of axum on the reference server, to the same router on axum's own.
    let bridged = |aim, scenario: &str| Target {
        aim,
        bound: Bound::AtLeast(1.0),
        figure: figures
            .scenarios
            .get(scenario)
            .and_then(|measured| Some(measured.ratio("axum-on-rwgi", "axum", work)?.median)),
        holds: BRIDGE,
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
        least("/plaintext, 64 connections, to bare hyper", "plaintext", MEASURE, 0.98, REQUEST),
        least("the same, to axum", "plaintext", "axum", 1.0, REQUEST),
        least("the same, to actix-web", "plaintext", "actix-web", 1.0, REQUEST),
        least("/plaintext, 16 pipelined, to bare hyper", "pipelined", MEASURE, 0.90, PIPELINE),
        least("the same, to actix-web", "pipelined", "actix-web", 1.15, PIPELINE),
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
            REQUEST,
        ),
        least("64 KiB streamed, to bare hyper", "stream", MEASURE, 0.97, CONTENT),
        least("the same, to axum", "stream", "axum", 1.0, CONTENT),
        least("echo of 1 KiB, to bare hyper", "echo", MEASURE, 0.97, ECHO),
        least("the same, to axum", "echo", "axum", 1.0, ECHO),
        bridged("a router of axum on the server, to `axum::serve`: /plaintext", "plaintext"),
        bridged("the same: 64 KiB streamed", "stream"),
        bridged("the same: echo of 1 KiB", "echo"),
        Target {
            aim: "/plaintext with an admin listener, to the same without",
            bound: Bound::AtLeast(0.97),
            figure: watched,
            holds: WATCHED,
        },
        Target {
            aim: "p99 at 70 % of saturation, to bare hyper's",
            bound: Bound::AtMost(1.05),
            figure: times,
            holds: REQUEST,
        },
        Target {
            aim: "WebSocket, echo of 125 bytes, to the fastest peer",
            bound: Bound::AtLeast(1.1),
            figure: websocket("125"),
            holds: MESSAGES,
        },
        Target {
            aim: "WebSocket, echo of 64 KiB, to the fastest peer",
            bound: Bound::AtLeast(1.0),
            figure: websocket("65536"),
            holds: MESSAGES,
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
            holds: "a chunk passes the writer's slot and the count of what was sent, and goes to the system by itself, where bare hyper copies it to others",
        },
        Target {
            aim: "instructions that `DynApplication` adds to a request",
            bound: Bound::AtMost(150.0),
            figure: layer("generic").map(|less| -less),
            holds: "the application is called through a table, and its future is polled behind a pointer",
        },
        Target {
            aim: "a request's cost with 10,000 open connections, to 64",
            bound: Bound::Within(0.05),
            figure: growth("open-64", "open-10000", 1.0),
            holds: GROWTH,
        },
        Target {
            aim: "a streamed MiB's cost in 100 MiB, to that in 1 MiB",
            bound: Bound::Within(0.05),
            figure: growth("long-1", "long-100", 100.0),
            holds: "it is less, not more: what a request costs besides is spread over 100 MiB, and its share of 1 MiB is beyond the bound",
        },
        Target {
            aim: "instructions of each of 10 pass-through layers",
            bound: Bound::AtMost(120.0),
            figure: layer("layers-10").map(|all| all / 10.0),
            holds: "each layer is a future within a future, and its call moves the environ and the token",
        },
    ]
}
