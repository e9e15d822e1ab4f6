//! Requests per CPU-second, requests per second, times and memory of every contestant, as ratios to bare hyper.
//!
//! Rules of this tool: the contestants take turns, round after round (A B C, A B C), so that a disturbance of the machine meets all of them; the server has one
//! core and the load another, where there are two; a ratio is taken within a round, and its median and extremes over the rounds are shown.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use benches::Result;
use benches::contestant::{self, Contestant, MEASURE};
use benches::load::{Generator, Load};
use benches::plot::{self, Group};
use benches::process::{Server, pinned};
use benches::report::{self, Circumstances, Table};
use benches::routes::Route;
use benches::statistics::Spread;
use clap::Parser;
use serde::Serialize;

/// Weighs the contestants under load, in turns, and compares them with bare hyper.
#[derive(Parser)]
struct Arguments {
    /// The servers to weigh, bare hyper always among them; without any, all of them.
    #[arg(long = "server")]
    servers: Vec<String>,
    /// The routes; without any: plaintext, echo and stream.
    #[arg(long = "route", value_enum)]
    routes: Vec<Route>,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests under way on each connection; may be given more than once. Without any: 1, and 16 for plaintext.
    #[arg(long)]
    pipeline: Vec<usize>,
    /// Rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Leave out the other frameworks, which take minutes to build.
    #[arg(long)]
    without_peers: bool,
    /// Ask at this share of bare hyper's highest rate, for times that are not made of queues.
    #[arg(long)]
    share: Option<f64>,
    /// Write the results under this name.
    #[arg(long, default_value = "throughput")]
    name: String,
}

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize)]
struct Round {
    per_processor_second: f64,
    per_second: f64,
    p50_microseconds: f64,
    p99_microseconds: f64,
    resident_bytes: u64,
}

/// All measurements of one question.
#[derive(Serialize)]
struct Scenario {
    heading: String,
    route: &'static str,
    connections: usize,
    pipeline: usize,
    /// Requests per second that were asked for; none where each answer was followed by the next request.
    rate: Option<f64>,
    rounds: BTreeMap<&'static str, Vec<Round>>,
}

#[derive(Serialize)]
struct Figures {
    circumstances: Circumstances,
    seconds: f64,
    pinned: bool,
    scenarios: Vec<Scenario>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut contestants = contestant::choose(&arguments.servers, |contestant| {
        contestant.shared_load() && !(arguments.without_peers && contestant.framework)
    })?;
    if !contestants.iter().any(|contestant| contestant.name == MEASURE) {
        contestants.insert(0, contestant::choose(&[MEASURE.to_owned()], |_| true)?[0]);
    }
    contestant::build(&contestants)?;
    let pinned = thread::available_parallelism().is_ok_and(|cores| cores > NonZero::<usize>::MIN);
    let mut figures = Figures {
        circumstances: Circumstances::now(),
        seconds: arguments.seconds,
        pinned,
        scenarios: Vec::new(),
    };
    for load in loads(&arguments) {
        let scenario = play(load, &contestants, &arguments, pinned)?;
        println!("\n{}\n\n{}", scenario.heading, table(&scenario).render());
        figures.scenarios.push(scenario);
    }
    let svg = plot::render("Requests per CPU-second, ratio to bare hyper", &groups(&figures));
    report::write(&arguments.name, &figures, &markdown(&figures, &arguments))?;
    std::fs::write(report::folder().join("results").join(format!("{}.svg", arguments.name)), svg)?;
    Ok(())
}

fn loads(arguments: &Arguments) -> Vec<Load> {
    let usual = [Route::Plaintext, Route::Echo, Route::Stream];
    let routes = if arguments.routes.is_empty() { &usual[..] } else { &arguments.routes };
    let mut loads = Vec::new();
    for route in routes {
        let depths = match (&arguments.pipeline[..], route) {
            ([], Route::Plaintext) if arguments.share.is_none() => &[1, 16][..],
            ([], _) => &[1],
            (given, _) => given,
        };
        for pipeline in depths {
            loads.push(Load {
                route: *route,
                connections: arguments.connections,
                pipeline: *pipeline,
                rate: None,
            });
        }
    }
    loads
}

/// All rounds of one load.
fn play(
    mut load: Load,
    contestants: &[Contestant],
    arguments: &Arguments,
    pinned: bool,
) -> Result<Scenario> {
    let contestants: Vec<_> =
        contestants.iter().filter(|contestant| contestant.routes.contains(&load.route)).collect();
    let duration = Duration::from_secs_f64(arguments.seconds);
    if let Some(share) = arguments.share {
        let measure = contestants.iter().find(|contestant| contestant.name == MEASURE);
        let measure = measure.ok_or("bare hyper does not answer this route")?;
        let highest = weigh(measure, load, duration, pinned)?.per_second;
        load.rate = Some(highest * share / load.pipeline as f64);
    }
    let mut heading = format!(
        "/{}, {} connections, {}",
        load.route,
        load.connections,
        if load.pipeline == 1 {
            "no pipelining".to_owned()
        } else {
            format!("{} requests pipelined", load.pipeline)
        }
    );
    if let Some(share) = arguments.share {
        heading += &format!(", at {:.0} % of bare hyper's highest rate", share * 100.0);
    }
    let mut rounds = BTreeMap::<_, Vec<_>>::new();
    for number in 1..=arguments.rounds {
        for contestant in &contestants {
            let round = weigh(contestant, load, duration, pinned)?;
            println!(
                "{heading}: round {number} of {}: {:<18} {:>9.0} per CPU-second",
                arguments.rounds, contestant.name, round.per_processor_second
            );
            rounds.entry(contestant.name).or_default().push(round);
        }
    }
    Ok(Scenario {
        heading,
        route: load.route.name(),
        connections: load.connections,
        pipeline: load.pipeline,
        rate: load.rate.map(|rate| rate * load.pipeline as f64),
        rounds,
    })
}

/// One measurement of one contestant, in a process of its own.
fn weigh(contestant: &Contestant, load: Load, duration: Duration, pin: bool) -> Result<Round> {
    let server = Server::start(&mut contestant.command(pin.then_some(1))?, pin.then_some(1))?;
    let measure = || -> Result<Round> {
        let mut generator = Generator::connect(server.address, load)?;
        generator.run(duration.mul_f64(0.2))?;
        let before = server.usage()?;
        let answers = generator.run(duration)?;
        let after = server.usage()?;
        let processor = (after.processor - before.processor).as_secs_f64();
        Ok(Round {
            per_processor_second: answers.count as f64 / processor,
            per_second: answers.rate(),
            p50_microseconds: answers.quantile(0.5),
            p99_microseconds: answers.quantile(0.99),
            resident_bytes: after.peak,
        })
    };
    let round = if pin { pinned(0, measure)?? } else { measure()? };
    server.stop()?;
    Ok(round)
}

/// The ratios to bare hyper, round by round.
fn ratios(scenario: &Scenario, name: &str, figure: impl Fn(&Round) -> f64) -> Spread {
    let (Some(own), Some(measure)) = (scenario.rounds.get(name), scenario.rounds.get(MEASURE))
    else {
        return Spread::default();
    };
    Spread::of(own.iter().zip(measure).map(|(own, measure)| figure(own) / figure(measure)))
}

fn middle(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    Spread::of(rounds.iter().map(figure)).median
}

/// The names from the fastest to the slowest.
fn ranked(scenario: &Scenario) -> Vec<&'static str> {
    let mut names: Vec<_> = scenario.rounds.keys().copied().collect();
    let rank = |name: &str| ratios(scenario, name, |round| round.per_processor_second).median;
    names.sort_by(|left, right| rank(right).total_cmp(&rank(left)));
    names
}

fn table(scenario: &Scenario) -> Table {
    let mut table = Table::new([
        "server",
        "per CPU-second",
        "ratio",
        "spread",
        "per second",
        "ratio",
        "p50 µs",
        "p99 µs",
        "p99 ratio",
        "peak MiB",
        "ratio",
    ]);
    for name in ranked(scenario) {
        let rounds = &scenario.rounds[name];
        let processor = ratios(scenario, name, |round| round.per_processor_second);
        table.row([
            name.to_owned(),
            format!("{:.0}", middle(rounds, |round| round.per_processor_second)),
            format!("{:.3}", processor.median),
            format!("{:.3}-{:.3}", processor.least, processor.most),
            format!("{:.0}", middle(rounds, |round| round.per_second)),
            format!("{:.3}", ratios(scenario, name, |round| round.per_second).median),
            format!("{:.0}", middle(rounds, |round| round.p50_microseconds)),
            format!("{:.0}", middle(rounds, |round| round.p99_microseconds)),
            format!("{:.3}", ratios(scenario, name, |round| round.p99_microseconds).median),
            format!(
                "{:.1}",
                middle(rounds, |round| round.resident_bytes as f64) / f64::from(1 << 20)
            ),
            format!("{:.3}", ratios(scenario, name, |round| round.resident_bytes as f64).median),
        ]);
    }
    table
}

fn groups(figures: &Figures) -> Vec<Group> {
    figures
        .scenarios
        .iter()
        .map(|scenario| Group {
            heading: scenario.heading.clone(),
            bars: ranked(scenario)
                .into_iter()
                .map(|name| {
                    (name.to_owned(), ratios(scenario, name, |round| round.per_processor_second))
                })
                .collect(),
        })
        .collect()
}

fn markdown(figures: &Figures, arguments: &Arguments) -> String {
    let mut text = format!(
        "# Throughput\n\nRatios are to bare hyper (`{MEASURE}`) in the same round; medians of {} rounds of {} s, the contestants taking turns.{}\n\n\
         ![Requests per CPU-second]({}.svg)\n",
        arguments.rounds,
        figures.seconds,
        if figures.pinned { " The server has one core, the load another." } else { "" },
        arguments.name,
    );
    for scenario in &figures.scenarios {
        text += &format!("\n## {}\n\n{}", scenario.heading, table(scenario).render());
    }
    text += "\n## Who is who\n\n";
    for contestant in contestant::ALL {
        text += &format!("- `{}`: {}\n", contestant.name, contestant.about);
    }
    text + &format!("\n{}.\n", figures.circumstances.line())
}
