//! Messages per CPU-second of a WebSocket echo, and what 10,000 silent sockets keep, beside what people would pick instead.
//!
//! Rules of this tool: the contestants take turns, round after round, each time in a fresh process; the server has one core and the load another,
//! where there are two; a ratio is taken within a round. The measure is the fastest of the peers, the loop that checks nothing aside.

mod load;
mod report;

use std::env;
use std::num::NonZero;
use std::process::Command;
use std::thread;
use std::time::Duration;

use benches::Result;
use benches::process::{Server, pinned};
use benches::report::Circumstances;
use clap::Parser;

use self::load::{Load, Sockets};
use self::report::{Figures, Idle, Round, Scenario};

/// A server that echoes.
struct Contestant {
    name: &'static str,
    binary: &'static str,
    arguments: &'static [&'static str],
    framework: bool,
    about: &'static str,
}

const fn contestant(
    name: &'static str,
    binary: &'static str,
    arguments: &'static [&'static str],
    framework: bool,
    about: &'static str,
) -> Contestant {
    Contestant { name, binary, arguments, framework, about }
}

const PER_CORE: &[&str] = &["--shape", "per-core"];

const ALL: [Contestant; 8] = [
    contestant("rwgi", "peer-ws-rwgi", &[], false, "the reference server, all limits on"),
    contestant(
        "rwgi-per-core",
        "peer-ws-rwgi",
        PER_CORE,
        false,
        "the same, one runtime for each core",
    ),
    contestant(
        "tungstenite",
        "peer-ws-tungstenite",
        &[],
        true,
        "tokio-tungstenite on tokio's multi-thread runtime",
    ),
    contestant(
        "tungstenite-per-core",
        "peer-ws-tungstenite",
        PER_CORE,
        true,
        "the same, one runtime for each core",
    ),
    contestant(
        "axum",
        "peer-ws-axum",
        &[],
        true,
        "axum's `WebSocketUpgrade` on tokio's multi-thread runtime",
    ),
    contestant(
        "axum-per-core",
        "peer-ws-axum",
        PER_CORE,
        true,
        "the same, one runtime for each core",
    ),
    contestant(
        "actix-ws",
        "peer-ws-actix",
        &[],
        true,
        "actix-ws, which has one runtime for each core by itself",
    ),
    contestant(
        "bare-loop",
        "peer-ws-loop",
        &[],
        false,
        "a loop over sockets that checks nothing: the limit",
    ),
];

/// Weighs the contestants with an echo, in turns.
#[derive(Parser)]
struct Arguments {
    /// The servers to weigh; without any, all of them. Where some are named nothing is written.
    #[arg(long = "server")]
    servers: Vec<String>,
    /// The scenarios to measure (`125`, `125x16`, `65536`, `idle`); without any, all of them. What the others have said before is kept.
    #[arg(long = "scenario")]
    scenarios: Vec<String>,
    /// Rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Sockets that are open and silent, for what each keeps.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// The contestants are built already.
    #[arg(long)]
    built: bool,
    /// Leave out the other frameworks.
    #[arg(long)]
    without_peers: bool,
}

const LOADS: [(&str, Load); 3] = [
    ("125", Load { connections: 64, bytes: 125, under_way: 1 }),
    ("125x16", Load { connections: 64, bytes: 125, under_way: 16 }),
    ("65536", Load { connections: 64, bytes: 65_536, under_way: 1 }),
];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let contestants: Vec<_> = ALL
        .iter()
        .filter(|contestant| {
            (arguments.servers.is_empty()
                || arguments.servers.iter().any(|it| it == contestant.name))
                && !(arguments.without_peers && contestant.framework)
        })
        .collect();
    if !arguments.built {
        build(&contestants)?;
    }
    let asked = |name: &str| {
        arguments.scenarios.is_empty() || arguments.scenarios.iter().any(|it| it == name)
    };
    let pin = thread::available_parallelism().is_ok_and(|cores| cores > NonZero::<usize>::MIN);
    let mut figures = Figures::read()?;
    for (name, load) in LOADS.iter().filter(|(name, _)| asked(name)) {
        let scenario = play(&contestants, *load, &arguments, pin)?;
        println!("\n{}\n", report::table(&scenario).render());
        figures.scenarios.insert((*name).to_owned(), scenario);
    }
    if asked("idle") {
        figures.idle.clear();
        for contestant in &contestants {
            let idle = idle(contestant, arguments.idle)?;
            println!(
                "{:<22} {:>8.0} bytes for a silent socket",
                contestant.name,
                idle.per_socket()
            );
            figures.idle.insert(contestant.name.to_owned(), idle);
        }
    }
    if arguments.servers.is_empty() {
        report::write(&figures, &ALL.map(|contestant| (contestant.name, contestant.about)))?;
    }
    Ok(())
}

fn build(contestants: &[&Contestant]) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--package", "benches"]);
    if contestants.iter().any(|contestant| contestant.framework) {
        command.args(["--features", "peers"]);
    }
    for contestant in contestants {
        command.args(["--bin", contestant.binary]);
    }
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("cargo build: {status}").into()),
    }
}

fn start(contestant: &Contestant, pin: bool) -> Result<Server> {
    let binary = env::current_exe()?.with_file_name(contestant.binary);
    let mut command = Command::new(binary);
    command.args(["--bind", "127.0.0.1:0", "--threads", "1"]).args(contestant.arguments);
    Server::start(&mut command, pin.then_some(1))
}

/// All rounds of one load.
fn play(
    contestants: &[&Contestant],
    load: Load,
    arguments: &Arguments,
    pin: bool,
) -> Result<Scenario> {
    let mut scenario = Scenario {
        heading: load.heading(),
        circumstances: Circumstances::now(),
        seconds: arguments.seconds,
        pinned: pin,
        rounds: Default::default(),
    };
    let duration = Duration::from_secs_f64(arguments.seconds);
    for number in 1..=arguments.rounds {
        for contestant in contestants {
            let server = start(contestant, pin)?;
            let measure = || -> Result<Round> {
                let mut sockets = Sockets::open(server.address, load)?;
                sockets.run(duration.mul_f64(0.2))?;
                let before = server.usage()?;
                let echoes = sockets.run(duration)?;
                let after = server.usage()?;
                let processor = (after.processor - before.processor).as_secs_f64();
                Ok(Round {
                    per_processor_second: echoes.count as f64 / processor,
                    per_second: echoes.count as f64 / echoes.elapsed.as_secs_f64(),
                    resident_bytes: after.peak,
                })
            };
            let round = if pin { pinned(0, measure)?? } else { measure()? };
            server.stop()?;
            println!(
                "{}: round {number} of {}: {:<22} {:>9.0} per CPU-second",
                scenario.heading, arguments.rounds, contestant.name, round.per_processor_second
            );
            scenario.rounds.entry(contestant.name.to_owned()).or_default().push(round);
        }
    }
    Ok(scenario)
}

/// What silent sockets keep.
fn idle(contestant: &Contestant, sockets: usize) -> Result<Idle> {
    let server = start(contestant, false)?;
    drop(load::shake_hands(server.address)?);
    server.wait_for_rest()?;
    let before = server.usage()?.resident;
    let open =
        (0..sockets).map(|_| load::shake_hands(server.address)).collect::<Result<Vec<_>>>()?;
    server.wait_for_rest()?;
    let after = server.usage()?.resident;
    drop(open);
    server.stop()?;
    Ok(Idle { sockets, bytes: after.saturating_sub(before) })
}
