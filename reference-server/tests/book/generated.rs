//! Tables and pictures that come from somewhere: the program, the specification, the last measurements.
//!
//! Rules of this room: what stands between the comments `<!-- generated: name -->` and `<!-- end -->` of a document is made here and
//! nowhere else; `RWGI_BLESS=1` writes it. Figures are taken over as the tools of `benches/` have written them, with machine and date.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use rwgi_conformance::requirements::{ALL, Level};

use super::documents::{Document, bless, root};
use super::markdown::replaced;
use super::measured;

/// What a name stands for.
fn made(name: &str) -> Result<String, String> {
    match name.split_once(' ') {
        None if name == "options" => options(),
        None if name == "requirements" => Ok(requirements()),
        None if name == "suite" => suite(),
        None if name == "strangers" => strangers(),
        None if name == "beside-axum" => measured::beside_axum(),
        None if name == "capacity" => measured::capacity(),
        Some(("figures", file)) => figures(file),
        _ => Err(format!("nobody makes `{name}`")),
    }
}

/// Every option with its default, and why it is that one: from the program, and from the documentation of `Config`.
fn options() -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rwgi"));
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("RWGI_")) {
        command.env_remove(variable);
    }
    let output = command.args(["config", "--toml"]).output().map_err(|why| why.to_string())?;
    let said = String::from_utf8(output.stdout).map_err(|why| why.to_string())?;
    let reasons = reasons(&read("reference-server/src/config.rs")?);
    let mut text = String::new();
    let mut help = String::new();
    for line in said.lines() {
        if let Some(group) = line.strip_prefix("## ") {
            let _ = write!(
                text,
                "\n## {group}\n\n| Option | Default | What it does | Why this default |\n|---|---|---|---|\n"
            );
        } else if let Some(words) = line.strip_prefix("# ") {
            help = words.to_owned();
        } else if let Some((name, value)) = line.split_once(" = ") {
            let value = value.trim_end_matches("# the default").trim().trim_matches('"');
            // What is not set needs no reason.
            let unset = ["", "off", "[]", "none", "false"].contains(&value);
            let reason = match reasons.get(name) {
                Some(reason) => reason.as_str(),
                None if unset => "",
                None => return Err(format!("Config::{name} gives no reason for {value}")),
            };
            let help = help.replace('|', "\\|");
            let value = if value.is_empty() { String::new() } else { format!("`{value}`") };
            let _ = writeln!(text, "| `{name}` | {value} | {help} | {reason} |");
        }
    }
    if text.lines().count() < 15 {
        return Err(format!("`rwgi config --toml` was not understood:\n{said}"));
    }
    Ok(text)
}

/// Of each public field the paragraphs of its documentation after the first.
fn reasons(source: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut paragraphs: Vec<String> = vec![String::new()];
    for line in source.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            match (words.trim(), paragraphs.last_mut()) {
                ("", _) => paragraphs.push(String::new()),
                (words, Some(last)) => *last = format!("{last} {words}").trim().to_owned(),
                (_, None) => {}
            }
            continue;
        }
        let field = line.strip_prefix("pub ").and_then(|rest| rest.split_once(": "));
        if let Some((name, _)) = field.filter(|_| paragraphs.len() > 1) {
            found.insert(name.to_owned(), plain(&paragraphs[1..].join(" ")).replace('|', "\\|"));
        }
        paragraphs = vec![String::new()];
    }
    found
}

/// Documentation without its links into the code: they lead nowhere from a page.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        let Some((label, after)) = after.split_once(']') else { break };
        out.push_str(label);
        rest = match after.strip_prefix('(') {
            Some(target) => target.split_once(')').map_or("", |(_, rest)| rest),
            None => after,
        };
    }
    out + rest
}

/// How many requirements bind whom, by chapter.
fn requirements() -> String {
    let mut text = String::from("| Chapter | MUST | SHOULD | MAY |\n|---|---:|---:|---:|\n");
    let mut chapters: Vec<&str> = ALL.iter().map(|requirement| requirement.chapter).collect();
    chapters.dedup();
    for chapter in chapters.iter().map(Some).chain([None]) {
        let count = |level: Level| {
            let all = ALL.iter().filter(|requirement| requirement.level == level);
            all.filter(|requirement| chapter.is_none_or(|chapter| requirement.chapter == *chapter))
                .count()
        };
        let name = chapter.map_or("**together**".to_owned(), |chapter| {
            format!("[{}]({chapter}.md)", title(&format!("spec/src/{chapter}.md")))
        });
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} |",
            count(Level::Must),
            count(Level::Should),
            count(Level::May)
        );
    }
    text
}

fn title(document: &str) -> String {
    let text = Document::named(document).text;
    text.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned()
}

/// What the judge consists of.
fn suite() -> Result<String, String> {
    let vectors = rwgi_conformance::server::vectors::all()?;
    let rows = [
        (
            "cases on a raw socket, each with a server that it catches",
            rwgi_conformance::server::cases::all().count(),
        ),
        ("wire vectors: request octets with their verdict", vectors.len()),
        (
            "rules of the lint, each with an application or a server that breaks it",
            rwgi_conformance::lint::rules().len(),
        ),
        (
            "scenarios of the simulator, each with an application or middleware that fails in it",
            rwgi_conformance::simulate::scenarios().len(),
        ),
    ];
    let mut text = String::from("| | |\n|---|---:|\n");
    for (what, count) in rows {
        let _ = writeln!(text, "| {what} | {count} |");
    }
    Ok(text)
}

/// The table at the head of the page about servers that are not ours; it is to be of the suite that stands here.
fn strangers() -> Result<String, String> {
    let page = read("conformance-tests/STRANGERS.md")?;
    let table = page
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let cases = rwgi_conformance::server::cases::all().count();
    let mut taken = table.clone().filter_map(|row| row.split('|').nth(2)?.trim().parse().ok());
    if let Some(other) = taken.find(|&of: &usize| of != cases) {
        return Err(format!(
            "conformance-tests/STRANGERS.md is of {other} cases, and there are {cases}: make it anew with the command that stands in it"
        ));
    }
    Ok(table.fold(String::new(), |text, line| text + line + "\n"))
}

/// Figures as a tool has written them, without their heading.
fn figures(name: &str) -> Result<String, String> {
    let text = read(&format!("benches/results/{name}.md"))?;
    let (_, text) = text.split_once('\n').ok_or("there is nothing below the heading")?;
    // A picture has to lie where the book is made.
    let mut out = String::new();
    for line in text.trim().lines() {
        let Some((before, picture)) = line.split_once("](").filter(|_| line.starts_with("!["))
        else {
            // It stands below a heading of the page.
            if line.starts_with("## ") {
                out.push('#');
            }
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let picture = picture.trim_end_matches(')');
        let there = fs::read(root().join("benches/results").join(picture))
            .map_err(|why| format!("{picture}: {why}"))?;
        let copy = root().join("spec/src").join(picture);
        if bless() {
            fs::write(&copy, &there).map_err(|why| why.to_string())?;
        }
        if fs::read(&copy).ok().as_deref() != Some(&*there) {
            return Err(format!("spec/src/{picture} is not benches/results/{picture}"));
        }
        let _ = writeln!(out, "{before}]({picture})");
    }
    Ok(out)
}

pub(super) fn read(name: &str) -> Result<String, String> {
    fs::read_to_string(root().join(name)).map_err(|why| format!("{name}: {why}"))
}

#[test]
fn what_is_generated_is_what_its_source_says_today() {
    let mut complaints = Vec::new();
    let mut seen = 0;
    let generated = |document: &&Document| {
        document.name.starts_with("spec/src/") || document.name == "contrib/tower/README.md"
    };
    for document in Document::all().iter().filter(generated) {
        let mut changes = Vec::new();
        let mut from = 0;
        // An end without a beginning closes what nobody makes anew.
        let count = |part| document.text.matches(part).count();
        if count("<!-- generated: ") != count("<!-- end -->") {
            complaints.push(format!("{}: beginnings and ends do not match", document.name));
        }
        while let Some(at) = document.text[from..].find("<!-- generated: ") {
            let start = from + at + "<!-- generated: ".len();
            let length = document.text[start..].find(" -->\n").unwrap();
            let name = &document.text[start..start + length];
            let start = start + length + " -->\n".len();
            let Some(length) = document.text[start..].find("<!-- end -->") else {
                panic!("{}: `{name}` has no end", document.name);
            };
            from = start + length;
            seen += 1;
            match made(name) {
                Err(why) => complaints.push(format!("{}: {name}: {why}", document.name)),
                Ok(text) => {
                    let text = format!("\n{}\n\n", text.trim());
                    if document.text[start..from] != text {
                        if !bless() {
                            complaints.push(format!("{}: `{name}` is stale", document.name));
                        }
                        changes.push((start..from, text));
                    }
                }
            }
        }
        if bless() && !changes.is_empty() {
            document.write(&replaced(&document.text, &changes));
        }
    }
    assert!(
        complaints.is_empty(),
        "{}\nRWGI_BLESS=1 cargo test -p rwgi-server --test book writes it anew",
        complaints.join("\n")
    );
    assert!(seen > 4, "only {seen} generated pieces were found");
}

#[test]
fn the_reasons_of_defaults_are_read_from_the_documentation() {
    let source = "/// What.\n    ///\n    /// 10 s, as [`X`](crate::X) has it.\n    pub time: Duration,\n    /// No reason.\n    pub other: u8,\n";
    assert_eq!(reasons(source), BTreeMap::from([("time".into(), "10 s, as `X` has it.".into())]));
}
