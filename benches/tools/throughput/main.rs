//! Requests per CPU-second, requests per second, times and memory of every contestant, as ratios to bare hyper.
//!
//! Rules of this tool: the contestants take turns, round after round (A B C, A B C), so that a disturbance of the machine meets all of them; the server has one
//! core and the load another, where there are two; a ratio is taken within a round, and its median and extremes over the rounds are shown. A
//! scenario can be measured alone: what the others have said before is kept.

mod report;
mod scenarios;
mod targets;

use std::num::NonZero;
use std::thread;
use std::time::Duration;

use benches::contestant::{self, Contestant, MEASURE};
use benches::load::{Generator, Load};
use benches::process::{Server, pinned};
use benches::report::Circumstances;
use benches::{Result, load};
use clap::Parser;

use self::report::{Figures, Measured, Round};
use self::scenarios::{SCENARIOS, Scenario};

/// Weighs the contestants under load, in turns, and compares them with bare hyper.
#[derive(Parser)]
struct Arguments {
    /// The scenarios to measure; without any, all of them. What the others have said before is kept.
    #[arg(long = "scenario", value_parser = scenarios::NAMES)]
    scenarios: Vec<String>,
    /// The servers to weigh, bare hyper always among them; without any, all that the scenario has. Nothing is written.
    #[arg(long = "server")]
    servers: Vec<String>,
    /// Rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Leave out the other frameworks, which take minutes to build.
    #[arg(long)]
    without_peers: bool,
    /// The contestants are built already.
    #[arg(long)]
    built: bool,
    /// Measure nothing, and write the tables and the plot again from what was measured.
    #[arg(long)]
    report: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut figures = Figures::read()?;
    if arguments.report {
        return report::write(&figures);
    }
    let contestants = contestant::choose(&arguments.servers, |contestant| {
        contestant.shared_load() && !(arguments.without_peers && contestant.framework)
    })?;
    let contestants = with_measure(contestants)?;
    if !arguments.built {
        contestant::build(&contestants)?;
    }
    let pinned = thread::available_parallelism().is_ok_and(|cores| cores > NonZero::<usize>::MIN);
    let chosen = SCENARIOS.iter().filter(|scenario| {
        arguments.scenarios.is_empty() || arguments.scenarios.iter().any(|it| it == scenario.name)
    });
    for scenario in chosen {
        let measured = play(scenario, &contestants, &arguments, pinned && !scenario.unpinned)?;
        println!("\n{}\n\n{}", measured.heading, report::table(&measured).render());
        figures.scenarios.insert(scenario.name.to_owned(), measured);
        // After each, so that an interruption costs one only.
        if arguments.servers.is_empty() {
            report::write(&figures)?;
        }
    }
    Ok(())
}

/// Bare hyper is always among them.
fn with_measure(mut contestants: Vec<Contestant>) -> Result<Vec<Contestant>> {
    if !contestants.iter().any(|contestant| contestant.name == MEASURE) {
        contestants.insert(0, contestant::choose(&[MEASURE.to_owned()], |_| true)?[0]);
    }
    Ok(contestants)
}

/// All rounds of one scenario.
fn play(
    scenario: &Scenario,
    contestants: &[Contestant],
    arguments: &Arguments,
    pinned: bool,
) -> Result<Measured> {
    let contestants: Vec<_> =
        contestants.iter().filter(|contestant| scenario.weighs(contestant)).collect();
    let duration = Duration::from_secs_f64(arguments.seconds);
    let mut load = scenario.load;
    if let Some(share) = scenario.share {
        let measure = contestants.iter().find(|contestant| contestant.name == MEASURE);
        let measure = measure.ok_or("bare hyper is not in this scenario")?;
        let highest = weigh(measure, load, duration, pinned)?.per_second;
        load.rate = Some(highest * share / load.pipeline as f64);
    }
    let heading = scenario.heading();
    let mut measured = Measured {
        heading: heading.clone(),
        circumstances: Circumstances::now(),
        seconds: arguments.seconds,
        pinned,
        rate: load.rate.map(|rate| rate * load.pipeline as f64),
        rounds: Default::default(),
        failed: Default::default(),
    };
    for number in 1..=arguments.rounds {
        for contestant in &contestants {
            if measured.failed.contains_key(contestant.name) {
                continue;
            }
            let round = match weigh(contestant, load, duration, pinned) {
                Ok(round) => round,
                Err(error) if contestant.name == MEASURE => return Err(error),
                Err(error) => {
                    println!("{heading}: {} is out: {error}", contestant.name);
                    measured.rounds.remove(contestant.name);
                    measured.failed.insert(contestant.name.to_owned(), error.to_string());
                    continue;
                }
            };
            println!(
                "{heading}: round {number} of {}: {:<22} {:>9.0} per CPU-second",
                arguments.rounds, contestant.name, round.per_processor_second
            );
            measured.rounds.entry(contestant.name.to_owned()).or_default().push(round);
        }
    }
    Ok(measured)
}

/// One measurement of one contestant, in a process of its own.
fn weigh(contestant: &Contestant, load: Load, duration: Duration, pin: bool) -> Result<Round> {
    let mut command = contestant.command(pin.then_some(1))?;
    if load.http2 {
        command.args(contestant.http2.unwrap_or_default());
    }
    let server = Server::start(&mut command, pin.then_some(1))?;
    let measure = || -> Result<Round> {
        let mut generator = Generator::connect(server.address, load)?;
        generator.run(duration.mul_f64(0.2))?;
        let before = server.usage()?;
        let answers: load::Answers = generator.run(duration)?;
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
