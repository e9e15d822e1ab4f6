//! What `cargo mutants` found: the share of changes that the tests notice, and the survivors with their reasons, as a page.
//!
//! `cargo run -p rwgi-conformance --example mutants -- conformance-tests/MUTANTS.md mutants.out…`
//!
//! Rules of this room: every number comes from the runs that are named; of several, a later one has the last word on a change that it
//! tried again; a module that none of them tried keeps what the page said of it; a reason stands in `reasons.toml`, and a survivor without one
//! is shown as such.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

/// What became of the changes of one module.
#[derive(Clone, Copy, Default)]
struct Tally {
    caught: usize,
    hung: usize,
    survived: usize,
    unviable: usize,
}

impl Tally {
    fn add(&mut self, summary: &str) {
        match summary {
            "CaughtMutant" => self.caught += 1,
            "Timeout" => self.hung += 1,
            "MissedMutant" => self.survived += 1,
            _ => self.unviable += 1,
        }
    }

    fn row(&self, name: &str) -> String {
        let noticed = self.caught + self.hung;
        let tried = noticed + self.survived;
        let share = (noticed * 100).checked_div(tried);
        let share = share.map_or_else(|| "–".to_owned(), |share| format!("{share} %"));
        format!(
            "| {name} | {tried} | {} | {} | {} | {} | {share} |\n",
            self.caught, self.hung, self.survived, self.unviable
        )
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: mutants PAGE RUN…";
    let page = arguments.next().ok_or(usage)?;
    let mut results: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut day = String::new();
    let mut version = String::new();
    for run in arguments {
        let outcomes = std::fs::read_to_string(Path::new(&run).join("outcomes.json"))?;
        let outcomes: Value = serde_json::from_str(&outcomes)?;
        day = text(&outcomes["start_time"]).chars().take(10).collect();
        version = text(&outcomes["cargo_mutants_version"]).to_owned();
        for outcome in outcomes["outcomes"].as_array().ok_or("a run without outcomes")? {
            let mutant = &outcome["scenario"]["Mutant"];
            if mutant.is_object() {
                let result =
                    (text(&mutant["file"]).to_owned(), text(&outcome["summary"]).to_owned());
                results.insert(text(&mutant["name"]).to_owned(), result);
            }
        }
    }
    if results.is_empty() {
        return Err(usage.into());
    }
    let rustc = std::process::Command::new("rustc").arg("--version").output()?.stdout;
    let rustc = String::from_utf8(rustc)?;
    let reasons: toml::Table =
        std::fs::read_to_string("conformance-tests/mutants/reasons.toml")?.parse()?;
    let before = std::fs::read_to_string(&page).unwrap_or_default();
    let kept = Kept::of(&before, &results);
    std::fs::write(page, render(&results, &kept, &reasons, &[&day, &version, rustc.trim()])?)?;
    Ok(())
}

/// What the page said of modules that were not tried again.
#[derive(Default)]
struct Kept {
    modules: Vec<(String, Tally)>,
    survivors: Vec<String>,
}

impl Kept {
    fn of(page: &str, results: &BTreeMap<String, (String, String)>) -> Self {
        let mut kept = Self::default();
        for line in page.lines() {
            let Some(name) = line.strip_prefix("| `").and_then(|line| line.split('`').next())
            else {
                continue;
            };
            let file = name.split(':').next().unwrap_or(name);
            if results.values().any(|(tried, _)| tried == file) {
                continue;
            }
            if file != name {
                // A survivor; its reason is looked up anew.
                kept.survivors.push(name.replace("\\|", "|"));
                continue;
            }
            let numbers: Vec<usize> =
                line.split('|').filter_map(|cell| cell.trim().parse().ok()).collect();
            if let [_, caught, hung, survived, unviable] = numbers[..] {
                let tally = Tally { caught, hung, survived, unviable };
                kept.modules.push((file.to_owned(), tally));
            }
        }
        kept
    }
}

fn render(
    results: &BTreeMap<String, (String, String)>,
    kept: &Kept,
    reasons: &toml::Table,
    [day, version, rustc]: &[&str; 3],
) -> Result<String, std::fmt::Error> {
    let mut modules: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut all = Tally::default();
    for (file, summary) in results.values() {
        modules.entry(file).or_default().add(summary);
    }
    for (file, tally) in &kept.modules {
        modules.insert(file, *tally);
    }
    for tally in modules.values() {
        all.caught += tally.caught;
        all.hung += tally.hung;
        all.survived += tally.survived;
        all.unviable += tally.unviable;
    }
    let mut page = String::from(
        "# Mutants\n\nThe code of the rooms on which safety rests, changed at one place at a time: do the tests notice? This page is made by\n\
         `just mutants` and `just mutants-page`; what is changed, and which tests run, is in [`.cargo/mutants.toml`](../.cargo/mutants.toml).\n\n",
    );
    writeln!(page, "Made on {day} with cargo-mutants {version} and {rustc}.\n")?;
    if let Some(note) = reasons.get("note").and_then(toml::Value::as_str) {
        writeln!(page, "{}\n", note.trim())?;
    }
    page.push_str(
        "A change that makes a test hang is noticed; one that does not compile is not counted in the share.\n\n\
         | Module | Changes | Caught | Hung | Survived | Not compiled | Share noticed |\n|---|---|---|---|---|---|---|\n",
    );
    for (module, tally) in &modules {
        page.push_str(&tally.row(&format!("`{module}`")));
    }
    page.push_str(&all.row("**all**"));
    page.push_str("\n## Survivors\n\n| Change | Reason |\n|---|---|\n");
    let missed = results.iter().filter(|(_, (_, summary))| summary == "MissedMutant");
    let mut survivors: Vec<&String> = missed.map(|(name, _)| name).chain(&kept.survivors).collect();
    survivors.sort();
    for name in survivors {
        let reason = reasons.get(&unplaced(name)).and_then(toml::Value::as_str);
        let cell = |text: &str| text.trim().replace('|', "\\|").replace('\n', " ");
        writeln!(
            page,
            "| `{}` | {} |",
            cell(name),
            cell(reason.unwrap_or("**none known: a test is missing**"))
        )?;
    }
    Ok(page)
}

/// A change's name without line and column, which other edits move.
fn unplaced(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    let (file, _, _, change) = (parts.next(), parts.next(), parts.next(), parts.next());
    format!("{}:{}", file.unwrap_or_default(), change.unwrap_or_default())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
