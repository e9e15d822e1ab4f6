//! What follows from measurements: ratios and capacities, computed from what the tools of `benches/` have written.
//!
//! Rules of this room: figures come from the files of results alone; a ratio is taken within a round, and its median and extremes are given; where
//! there has been no run it says so.

use std::fmt::Write;

use serde_json::Value;

use super::documents::root;
use super::generated::read;

/// What a server is to be loaded with at most: beyond it answers are late before they are fewer.
const SHARE: f64 = 0.7;

fn results(name: &str) -> Result<Option<Value>, String> {
    let path = format!("benches/results/{name}.json");
    if !root().join(&path).exists() {
        return Ok(None);
    }
    serde_json::from_str(&read(&path)?).map(Some).map_err(|why| format!("{path}: {why}"))
}

/// A figure of each round of a contestant.
fn rounds(scenario: &Value, server: &str) -> Vec<f64> {
    let rounds = scenario["rounds"][server].as_array().map_or(&[][..], Vec::as_slice);
    rounds.iter().filter_map(|round| round["per_processor_second"].as_f64()).collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn circumstances(scenario: &Value) -> String {
    let text = |name: &str| match &scenario["circumstances"][name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    format!(
        "{} on {} ({} cores), {}, {}",
        text("date"),
        text("processor"),
        text("cores"),
        text("kernel"),
        text("compiler")
    )
}

/// The same Router of axum on both servers: requests per CPU-second.
pub(super) fn beside_axum() -> Result<String, String> {
    let Some(run) = results("throughput")? else {
        return Ok("No run has been taken yet.".to_owned());
    };
    let scenarios = run["scenarios"].as_object().ok_or("throughput.json has no scenarios")?;
    let mut text = String::from(
        "| | `axum::serve` | `rwgi-server` | ratio within a round, and its extremes |\n|---|---:|---:|---:|\n",
    );
    let mut last = String::new();
    for scenario in scenarios.values() {
        for (ours, theirs, threads) in [
            ("axum-on-rwgi", "axum", ""),
            ("axum-on-rwgi-per-core", "axum-per-core", ", a runtime for each core"),
        ] {
            let (ours, theirs) = (rounds(scenario, ours), rounds(scenario, theirs));
            let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| a / b).collect();
            let least = ratios.iter().copied().fold(f64::MAX, f64::min);
            let most = ratios.iter().copied().fold(0.0, f64::max);
            let figures = (median(ratios), median(ours), median(theirs));
            let (Some(ratio), Some(ours), Some(theirs)) = figures else { continue };
            let heading = scenario["heading"].as_str().unwrap_or_default();
            let _ = writeln!(
                text,
                "| {heading}{threads} | {theirs:.0} | {ours:.0} | {ratio:.2} ({least:.2} to {most:.2}) |"
            );
            last = circumstances(scenario);
        }
    }
    let _ = write!(
        text,
        "\nRequests per CPU-second, medians of the rounds, in which the contestants take turns: {last}. Taken by\n`cargo run --release -p benches --bin throughput`."
    );
    Ok(text)
}

/// What a core stands, by what the application takes for itself.
pub(super) fn capacity() -> Result<String, String> {
    let mut text = String::new();
    if let Some(run) = results("throughput")? {
        let scenario = &run["scenarios"]["plaintext"];
        let server = median(rounds(scenario, "rwgi")).ok_or("no rounds of rwgi in plaintext")?;
        let _ = write!(
            text,
            "The server takes {:.1} µs of a core for a small request ({}). At {:.0} % of a core, which is requests per second = {SHARE} / (server + \
             application):\n\n| your application takes | requests per second for each core |\n|---|---:|\n",
            1e6 / server,
            circumstances(scenario),
            SHARE * 100.0
        );
        for (words, seconds) in
            [("nothing", 0.0), ("100 µs", 100e-6), ("1 ms", 1e-3), ("10 ms", 10e-3)]
        {
            let _ = writeln!(text, "| {words} | {:.0} |", SHARE / (1.0 / server + seconds));
        }
    }
    if let Some(run) = results("fan_out")? {
        let figure = &run["figures"]["one process: rwgi-channels, Memory"];
        let sockets = run["circumstances"]["sockets"].as_f64();
        let (rest, last) = (figure["at_rest_mib"].as_f64(), figure["median_ms"].as_f64());
        if let (Some(sockets), Some(rest), Some(last)) = (sockets, rest, last) {
            let _ = write!(
                text,
                "\n{sockets:.0} open WebSockets that are each in a group take {rest:.0} MiB, {:.0} KiB each, and a message reaches the last of them after {last:.0} ms \
                 ({}, {}).\n",
                rest * 1024.0 / sockets,
                run["circumstances"]["day"].as_str().unwrap_or_default(),
                run["circumstances"]["machine"].as_str().unwrap_or_default()
            );
        }
    }
    if text.is_empty() {
        text.push_str("No run has been taken yet.");
    }
    Ok(text)
}

#[test]
fn a_median_is_the_one_in_the_middle() {
    assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(Vec::new()), None);
}
