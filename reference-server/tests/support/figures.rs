//! The figures of the behaviour tests: printed always, and kept of the long form.
//!
//! Rules of this room: a test has one row, which its next long run replaces; nobody else writes the table.

use std::path::Path;
use std::time::SystemTime;
use std::{fs, io};

const HEAD: &str = "# Behaviour under bad clients and replacement\n\nThe long form's figures, written by the tests themselves \
    (`just behaviour`); they fail where a figure is not good enough.\n\n| test | figure | taken |\n|---|---|---|\n";

/// Tells a figure of the test on whose thread it is called.
pub fn figure(text: &str) {
    println!("{text}");
    if std::env::var_os("RWGI_LONG").is_some() {
        let thread = std::thread::current();
        keep(thread.name().unwrap_or("?"), text).unwrap();
    }
}

fn keep(test: &str, text: &str) -> io::Result<()> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/results/behaviour.md");
    let before = fs::read_to_string(&table).unwrap_or_default();
    let row = format!("| `{test}` ");
    let others = before.lines().filter(|line| line.starts_with("| `") && !line.starts_with(&row));
    let machine = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor =
        machine.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let taken = format!(
        "{}, {} cores of {}, {}",
        httpdate::fmt_http_date(SystemTime::now()),
        std::thread::available_parallelism().map_or(0, usize::from),
        processor.map_or("?", |(_, name)| name),
        if cfg!(debug_assertions) { "development profile" } else { "release profile" }
    );
    let mut rows: Vec<String> = others.map(str::to_owned).collect();
    rows.push(format!("{row}| {text} | {taken} |"));
    rows.sort();
    fs::write(&table, format!("{HEAD}{}\n", rows.join("\n")))
}
