//! Where figures go: JSON for tools, Markdown for people.
//!
//! Rules of this room: every file says on which machine, with which tools and when its figures were taken.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::Result;

/// The circumstances of a figure.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Circumstances {
    /// The day, as `2026-11-22`.
    pub date: String,
    /// The model of the processor.
    pub processor: String,
    /// Its cores, as far as this process may use them.
    pub cores: usize,
    /// The system's kernel.
    pub kernel: String,
    /// The compiler.
    pub compiler: String,
}

impl Circumstances {
    /// Those of here and now.
    pub fn now() -> Self {
        let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = information
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or("unknown", |(_, model)| model.trim());
        Self {
            date: today(),
            processor: processor.to_owned(),
            cores: thread::available_parallelism().map_or(0, std::num::NonZero::get),
            kernel: said_by("uname", "-sr"),
            compiler: said_by("rustc", "--version"),
        }
    }

    /// One line for a table's foot.
    pub fn line(&self) -> String {
        format!(
            "{} on {} ({} cores), {}, {}",
            self.date, self.processor, self.cores, self.kernel, self.compiler
        )
    }
}

fn said_by(program: &str, argument: &str) -> String {
    Command::new(program).arg(argument).output().map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Today's date in UTC.
fn today() -> String {
    let days =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
    date_of(days)
}

/// The civil date of a day counted from 1970-01-01, by the usual shift of the year's start to March.
fn date_of(days: u64) -> String {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

/// The folder of the benches in the source tree.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Writes `name.json` and `name.md` into `benches/results`.
///
/// # Errors
/// A file cannot be written.
pub fn write(name: &str, figures: &impl Serialize, markdown: &str) -> Result<()> {
    let results = folder().join("results");
    fs::create_dir_all(&results)?;
    write_json(&results.join(format!("{name}.json")), figures)?;
    fs::write(results.join(format!("{name}.md")), markdown)?;
    println!("written: benches/results/{name}.json and .md");
    Ok(())
}

/// Writes a JSON file that reads well in a difference.
///
/// # Errors
/// The file cannot be written.
pub fn write_json(path: &Path, figures: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(figures)?;
    text.push('\n');
    fs::write(path, text)?;
    Ok(())
}

/// A Markdown table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new<S: Into<String>>(heads: impl IntoIterator<Item = S>) -> Self {
        Self { rows: vec![heads.into_iter().map(Into::into).collect()] }
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The table as text, its columns aligned; the first to the left, the others to the right.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                // Writing to a string cannot fail.
                let _ = if column == 0 {
                    write!(text, "| {cell:<width$} ")
                } else {
                    write!(text, "| {cell:>width$} ")
                };
            }
            text.push_str("|\n");
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let end = if column == 0 { '-' } else { ':' };
                    let _ = write!(text, "| {}{end} ", "-".repeat(width - 1));
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, date) in
            [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_779, "2026-11-22")]
        {
            assert_eq!(date_of(days), date);
        }
    }

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(["server", "figure"]);
        table.row(["hyper", "1"]);
        assert_eq!(
            table.render(),
            "| server | figure |\n| ------ | -----: |\n| hyper  |      1 |\n"
        );
    }
}
