//! One runtime whose threads take work from each other, or one runtime for each core: the reference server in both shapes, under even and uneven load.
//!
//! Rules of this tool: two threads serve, and nothing is pinned, for the shapes differ in what the threads share; the shapes take turns, round after
//! round, each time in a fresh process; in the uneven loads what counts is the time of those that ask for little.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use benches::Result;
use benches::contestant::{self, Contestant};
use benches::load::{Answers, Generator, Load};
use benches::process::Server;
use benches::report::{self, Circumstances, Table};
use benches::routes::Route;
use benches::statistics::Spread;
use clap::Parser;
use serde::Serialize;

/// Compares the shapes of the reference server.
#[derive(Parser)]
struct Arguments {
    /// Rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The contestants are built already.
    #[arg(long)]
    built: bool,
}

const SHAPES: [&str; 2] = ["rwgi", "rwgi-per-core"];

/// What is asked: the load that is judged, and one that is in its way.
struct Question {
    heading: &'static str,
    judged: Load,
    beside: Option<Load>,
}

const PLAIN: Load = Load {
    route: Route::Plaintext,
    connections: 64,
    pipeline: 1,
    idle: 0,
    http2: false,
    rate: None,
};

const QUESTIONS: [Question; 4] = [
    Question { heading: "Even: 64 connections that ask for little", judged: PLAIN, beside: None },
    Question {
        heading: "Few: 4 connections, however they fall to the cores",
        judged: Load { connections: 4, ..PLAIN },
        beside: None,
    },
    Question {
        heading: "Uneven: 32 connections that ask for little, 4,000 times a second together, beside 2 that keep a thread for 1 ms with each request",
        judged: Load { connections: 32, rate: Some(4_000.0), ..PLAIN },
        beside: Some(Load { connections: 2, route: Route::Burn, ..PLAIN }),
    },
    Question {
        heading: "Uneven: the same beside 2 that ask for 1 MiB at a time",
        judged: Load { connections: 32, rate: Some(4_000.0), ..PLAIN },
        beside: Some(Load { connections: 2, route: Route::Large, ..PLAIN }),
    },
];

#[derive(Clone, Copy, Serialize)]
struct Round {
    per_processor_second: f64,
    per_second: f64,
    p50_microseconds: f64,
    p99_microseconds: f64,
}

#[derive(Serialize)]
struct Scenario {
    heading: &'static str,
    rounds: BTreeMap<&'static str, Vec<Round>>,
}

#[derive(Serialize)]
struct Figures {
    circumstances: Circumstances,
    seconds: f64,
    scenarios: Vec<Scenario>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let contestants = contestant::choose(&SHAPES.map(str::to_owned), |_| true)?;
    if !arguments.built {
        contestant::build(&contestants)?;
    }
    let mut figures = Figures {
        circumstances: Circumstances::now(),
        seconds: arguments.seconds,
        scenarios: Vec::new(),
    };
    let duration = Duration::from_secs_f64(arguments.seconds);
    for question in &QUESTIONS {
        let mut rounds = BTreeMap::<_, Vec<_>>::new();
        for number in 1..=arguments.rounds {
            for contestant in &contestants {
                let round = ask(contestant, question, duration)?;
                println!(
                    "{}: round {number} of {}: {:<14} {:>8.0} a second, p99 {:>6.0} µs",
                    question.heading,
                    arguments.rounds,
                    contestant.name,
                    round.per_second,
                    round.p99_microseconds
                );
                rounds.entry(contestant.name).or_default().push(round);
            }
        }
        figures.scenarios.push(Scenario { heading: question.heading, rounds });
    }
    let text = markdown(&figures, arguments.rounds);
    println!("\n{text}");
    report::write("shapes", &figures, &text)
}

fn ask(contestant: &Contestant, question: &Question, duration: Duration) -> Result<Round> {
    let server = Server::start(&mut contestant.command(Some(2))?, None)?;
    let address = server.address;
    let mut judged = Generator::connect(address, question.judged)?;
    judged.run(duration.mul_f64(0.2))?;
    let before = server.usage()?;
    let answers: Answers = thread::scope(|scope| -> Result<Answers> {
        let beside = question
            .beside
            .map(|load| scope.spawn(move || Generator::connect(address, load)?.run(duration)));
        let answers = judged.run(duration)?;
        if let Some(beside) = beside {
            beside.join().map_err(|_| "the load beside it panicked")??;
        }
        Ok(answers)
    })?;
    let after = server.usage()?;
    server.stop()?;
    Ok(Round {
        per_processor_second: answers.count as f64
            / (after.processor - before.processor).as_secs_f64(),
        per_second: answers.rate(),
        p50_microseconds: answers.quantile(0.5),
        p99_microseconds: answers.quantile(0.99),
    })
}

fn markdown(figures: &Figures, rounds: usize) -> String {
    let mut text = format!(
        "# One runtime, or one for each core\n\n`rwgi` has one runtime whose threads take work from each other, `rwgi-per-core` one for each core with a listener of its \
         own (SO_REUSEPORT). Two threads serve and share the cores with the load; medians of {rounds} rounds of {} s, the shapes taking turns. Taken by \
         `cargo run --release -p benches --bin shapes`.\n",
        figures.seconds
    );
    for scenario in &figures.scenarios {
        let mut table =
            Table::new(["shape", "per second", "per CPU-second", "p50 µs", "p99 µs", "p99 spread"]);
        for (name, rounds) in &scenario.rounds {
            let middle = |figure: fn(&Round) -> f64| Spread::of(rounds.iter().map(figure)).median;
            let late = Spread::of(rounds.iter().map(|round| round.p99_microseconds));
            table.row([
                (*name).to_owned(),
                format!("{:.0}", middle(|round| round.per_second)),
                format!("{:.0}", middle(|round| round.per_processor_second)),
                format!("{:.0}", middle(|round| round.p50_microseconds)),
                format!("{:.0}", late.median),
                format!("{:.0}-{:.0}", late.least, late.most),
            ]);
        }
        text += &format!("\n## {}\n\n{}", scenario.heading, table.render());
    }
    text + &format!("\n{}.\n", figures.circumstances.line())
}
