//! What was measured, kept, and shown as tables and as a plot.
//!
//! Rules of this room: figures in, text out; a ratio is taken within a round; each scenario says when and where it was measured.

use std::collections::BTreeMap;
use std::fs;

use benches::contestant::{self, MEASURE};
use benches::plot::{self, Group};
use benches::report::{self, Circumstances, Table};
use benches::statistics::Spread;
use benches::{Result, report::folder};
use serde::{Deserialize, Serialize};

use crate::scenarios::SCENARIOS;
use crate::targets;

/// One measurement.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Round {
    pub(crate) per_processor_second: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_microseconds: f64,
    pub(crate) p99_microseconds: f64,
    pub(crate) resident_bytes: u64,
}

/// All measurements of one scenario.
#[derive(Deserialize, Serialize)]
pub(crate) struct Measured {
    pub(crate) heading: String,
    pub(crate) circumstances: Circumstances,
    pub(crate) seconds: f64,
    /// The server had one core, the load another.
    pub(crate) pinned: bool,
    /// Requests per second that were asked for; none where each answer was followed by the next request.
    pub(crate) rate: Option<f64>,
    pub(crate) rounds: BTreeMap<String, Vec<Round>>,
    /// Who did not answer as it should have, and how.
    #[serde(default)]
    pub(crate) failed: BTreeMap<String, String>,
}

/// What all scenarios have said, each when it was measured last.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Figures {
    pub(crate) scenarios: BTreeMap<String, Measured>,
}

impl Figures {
    /// What was written before; nothing where nothing was.
    ///
    /// # Errors
    /// The file cannot be understood.
    pub(crate) fn read() -> Result<Self> {
        match fs::read(folder().join("results/throughput.json")) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(_) => Ok(Self::default()),
        }
    }

    fn in_order(&self) -> impl Iterator<Item = &Measured> {
        SCENARIOS.iter().filter_map(|scenario| self.scenarios.get(scenario.name))
    }
}

impl Measured {
    /// What one contestant's figure is to another's, round by round; none where one of them was not weighed.
    pub(crate) fn ratio(
        &self,
        name: &str,
        to: &str,
        figure: impl Fn(&Round) -> f64,
    ) -> Option<Spread> {
        let (own, other) = (self.rounds.get(name)?, self.rounds.get(to)?);
        Some(Spread::of(own.iter().zip(other).map(|(own, other)| figure(own) / figure(other))))
    }

    /// The middle of a contestant's rounds.
    pub(crate) fn middle(&self, name: &str, figure: impl Fn(&Round) -> f64) -> Option<f64> {
        Some(Spread::of(self.rounds.get(name)?.iter().map(figure)).median)
    }

    fn to_measure(&self, name: &str, figure: impl Fn(&Round) -> f64) -> Spread {
        self.ratio(name, MEASURE, figure).unwrap_or_default()
    }

    /// The names from the fastest to the slowest.
    fn ranked(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.rounds.keys().map(String::as_str).collect();
        let rank = |name: &str| self.to_measure(name, |round| round.per_processor_second).median;
        names.sort_by(|left, right| rank(right).total_cmp(&rank(left)));
        names
    }
}

/// Writes the figures, the tables, the plot and where the aims stand.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn write(figures: &Figures) -> Result<()> {
    report::write("throughput", figures, &markdown(figures))?;
    let groups: Vec<_> = figures.in_order().filter(|it| it.rate.is_none()).map(group).collect();
    let svg = plot::render("Requests per CPU-second, ratio to bare hyper", &groups);
    fs::write(folder().join("results/throughput.svg"), svg)?;
    let svg = plot::render("Requests per CPU-second, ratio to bare hyper", &summary(figures));
    fs::write(folder().join("results/throughput-summary.svg"), svg)?;
    targets::write(figures)
}

/// The table of one scenario.
pub(crate) fn table(measured: &Measured) -> Table {
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
    for name in measured.ranked() {
        let middle = |figure: fn(&Round) -> f64| measured.middle(name, figure).unwrap_or_default();
        let processor = measured.to_measure(name, |round| round.per_processor_second);
        table.row([
            name.to_owned(),
            format!("{:.0}", middle(|round| round.per_processor_second)),
            format!("{:.3}", processor.median),
            format!("{:.3}-{:.3}", processor.least, processor.most),
            format!("{:.0}", middle(|round| round.per_second)),
            format!("{:.3}", measured.to_measure(name, |round| round.per_second).median),
            format!("{:.0}", middle(|round| round.p50_microseconds)),
            format!("{:.0}", middle(|round| round.p99_microseconds)),
            format!("{:.3}", measured.to_measure(name, |round| round.p99_microseconds).median),
            format!("{:.1}", middle(|round| round.resident_bytes as f64) / f64::from(1 << 20)),
            format!("{:.3}", measured.to_measure(name, |round| round.resident_bytes as f64).median),
        ]);
    }
    table
}

fn group(measured: &Measured) -> Group {
    let bars = measured.ranked().into_iter().map(|name| {
        (name.to_owned(), measured.to_measure(name, |round| round.per_processor_second))
    });
    Group { heading: measured.heading.clone(), bars: bars.collect() }
}

/// What the README shows: the questions that most people ask, and whom they would pick.
fn summary(figures: &Figures) -> Vec<Group> {
    let who = ["hyper", "rwgi", "axum", "actix-web", "ntex", "nginx"];
    let asked = [
        ("plaintext", "GET of 13 bytes, 64 connections"),
        ("echo", "POST of 1 KiB, echoed"),
        ("stream", "64 KiB streamed"),
        ("http2-4x32", "HTTP/2, 4 connections of 32 streams"),
    ];
    asked
        .into_iter()
        .filter_map(|(scenario, heading)| {
            let mut group = group(figures.scenarios.get(scenario)?);
            group.heading = heading.to_owned();
            group.bars.retain(|(name, _)| who.contains(&name.as_str()));
            Some(group)
        })
        .collect()
}

fn markdown(figures: &Figures) -> String {
    let mut text = format!(
        "# Throughput\n\nRatios are to bare hyper (`{MEASURE}`) in the same round, and the figures medians of the rounds, in which the contestants take \
         turns. Where it says so the server has one core, the load another. Taken by `cargo run --release -p benches --bin throughput`.\n\n\
         ![Requests per CPU-second](throughput.svg)\n"
    );
    for measured in figures.in_order() {
        text += &format!("\n## {}\n\n{}", measured.heading, table(measured).render());
        for (name, error) in &measured.failed {
            text += &format!("\n`{name}` is out: {error}.\n");
        }
        let rounds = measured.rounds.values().map(Vec::len).max().unwrap_or(0);
        text += &format!(
            "\n{rounds} rounds of {} s{}; {}.\n",
            measured.seconds,
            if measured.pinned { ", a core for the server and one for the load" } else { "" },
            measured.circumstances.line()
        );
    }
    text += "\n## Who is who\n\n";
    for contestant in contestant::ALL {
        text += &format!("- `{}`: {}\n", contestant.name, contestant.about);
    }
    text
}
