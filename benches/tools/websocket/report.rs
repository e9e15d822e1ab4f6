//! What was measured, kept, and shown as tables and as a plot.
//!
//! Rules of this room: figures in, text out; a ratio is taken within a round, to the fastest of the peers in that scenario.

use std::collections::BTreeMap;
use std::fs;

use benches::Result;
use benches::plot::{self, Group};
use benches::report::{self, Circumstances, Table, folder};
use benches::statistics::Spread;
use serde::{Deserialize, Serialize};

/// One measurement.
#[derive(Clone, Copy, Deserialize, Serialize)]
pub(crate) struct Round {
    pub(crate) per_processor_second: f64,
    pub(crate) per_second: f64,
    pub(crate) resident_bytes: u64,
}

/// All measurements of one load.
#[derive(Deserialize, Serialize)]
pub(crate) struct Scenario {
    pub(crate) heading: String,
    pub(crate) circumstances: Circumstances,
    pub(crate) seconds: f64,
    pub(crate) pinned: bool,
    pub(crate) rounds: BTreeMap<String, Vec<Round>>,
}

/// What silent sockets kept.
#[derive(Deserialize, Serialize)]
pub(crate) struct Idle {
    pub(crate) sockets: usize,
    pub(crate) bytes: u64,
}

impl Idle {
    pub(crate) fn per_socket(&self) -> f64 {
        self.bytes as f64 / self.sockets as f64
    }
}

#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Figures {
    pub(crate) scenarios: BTreeMap<String, Scenario>,
    pub(crate) idle: BTreeMap<String, Idle>,
}

impl Figures {
    /// What was written before; nothing where nothing was.
    pub(crate) fn read() -> Result<Self> {
        match fs::read(folder().join("results/websocket.json")) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(_) => Ok(Self::default()),
        }
    }
}

fn is_peer(name: &str) -> bool {
    !name.starts_with("rwgi") && name != "bare-loop"
}

impl Scenario {
    fn middle(&self, name: &str, figure: impl Fn(&Round) -> f64) -> f64 {
        Spread::of(self.rounds.get(name).into_iter().flatten().map(figure)).median
    }

    fn ranked(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.rounds.keys().map(String::as_str).collect();
        let rank = |name: &str| self.middle(name, |round| round.per_processor_second);
        names.sort_by(|left, right| rank(right).total_cmp(&rank(left)));
        names
    }

    /// The fastest of the peers; anybody where there is none.
    fn measure(&self) -> &str {
        let ranked = self.ranked();
        let peer = ranked.iter().find(|name| is_peer(name)).or(ranked.first());
        peer.copied().unwrap_or_default()
    }

    fn ratio(&self, name: &str, figure: impl Fn(&Round) -> f64) -> Spread {
        let (Some(own), Some(other)) = (self.rounds.get(name), self.rounds.get(self.measure()))
        else {
            return Spread::default();
        };
        Spread::of(own.iter().zip(other).map(|(own, other)| figure(own) / figure(other)))
    }
}

/// The table of one load.
pub(crate) fn table(scenario: &Scenario) -> Table {
    let heads = ["server", "per CPU-second", "ratio", "spread", "per second", "ratio", "peak MiB"];
    let mut table = Table::new(heads);
    for name in scenario.ranked() {
        let work = scenario.ratio(name, |round| round.per_processor_second);
        table.row([
            name.to_owned(),
            format!("{:.0}", scenario.middle(name, |round| round.per_processor_second)),
            format!("{:.3}", work.median),
            format!("{:.3}-{:.3}", work.least, work.most),
            format!("{:.0}", scenario.middle(name, |round| round.per_second)),
            format!("{:.3}", scenario.ratio(name, |round| round.per_second).median),
            format!(
                "{:.1}",
                scenario.middle(name, |round| round.resident_bytes as f64) / f64::from(1 << 20)
            ),
        ]);
    }
    table
}

/// Writes the figures, the tables and the plot.
pub(crate) fn write(figures: &Figures, who: &[(&str, &str)]) -> Result<()> {
    let mut text = "# WebSocket\n\nAn echo behind the same load; medians of rounds in which the contestants take turns. Ratios are to the fastest of the \
        peers, the loop that checks nothing aside. Taken by `cargo run --release -p benches --bin websocket`.\n\n\
        ![Messages per CPU-second](websocket.svg)\n"
        .to_owned();
    for scenario in figures.scenarios.values() {
        let rounds = scenario.rounds.values().map(Vec::len).max().unwrap_or(0);
        text += &format!(
            "\n## {}\n\n{}\n{rounds} rounds of {} s{}; {}.\n",
            scenario.heading,
            table(scenario).render(),
            scenario.seconds,
            if scenario.pinned { ", a core for the server and one for the load" } else { "" },
            scenario.circumstances.line()
        );
    }
    if let Some(first) = figures.idle.values().next() {
        let mut table = Table::new(["server", "bytes a socket"]);
        let mut all: Vec<_> = figures.idle.iter().collect();
        all.sort_by(|left, right| left.1.per_socket().total_cmp(&right.1.per_socket()));
        for (name, idle) in all {
            table.row([name.clone(), format!("{:.0}", idle.per_socket())]);
        }
        text += &format!(
            "\n## {} silent sockets\n\nWhat the resident set grew by, for each of them.\n\n{}\n{}.\n",
            first.sockets,
            table.render(),
            Circumstances::now().line()
        );
    }
    text += "\n## Who is who\n\n";
    for (name, about) in who {
        text += &format!("- `{name}`: {about}\n");
    }
    report::write("websocket", figures, &text)?;
    let groups: Vec<_> = figures.scenarios.values().map(group).collect();
    let svg = plot::render("Messages per CPU-second, ratio to the fastest peer", &groups);
    fs::write(folder().join("results/websocket.svg"), svg)?;
    Ok(())
}

fn group(scenario: &Scenario) -> Group {
    let bars = scenario
        .ranked()
        .into_iter()
        .map(|name| (name.to_owned(), scenario.ratio(name, |round| round.per_processor_second)));
    Group { heading: scenario.heading.clone(), bars: bars.collect() }
}
